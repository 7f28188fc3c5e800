// Ids that try to be markup, scripts or formulas are text, everywhere; and what protects the page from outside holds.

import { request } from "node:http";

import { PAGE, becomes, close, dialogRows, equal, holds, leaders, numbers, open, orderflow, run, until } from "./lib.mjs";
import { Shop } from "./shop.mjs";

const IDS = [
  "<img src=x onerror=window.hacked=1>",
  '=HYPERLINK("http://x","y")',
  '"><script>window.hacked=1</script>',
  "javascript:window.hacked=1",
  "${window.hacked=1}{{hacked}}",
  "\u202egnp.exe, read backwards",
  "\u{1f469}\u200d\u{1f680} \u{1f600} é ü 漢字 עברית",
  "__proto__",
  "constructor",
  "x".repeat(200),
  "+1+cmd|' /C calc'!A0",
  "-2-3",
  "@SUM(1+1)",
  "\ttab",
  "a,b\"c\nd",
  "   ",
];

const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const shop = new Shop();

/** The order that each of them has set aside, named like the next of them. */
const next = (user) => IDS[(IDS.indexOf(user) + 1) % IDS.length];
const ORDERS = { late: IDS.map((user) => [user, user]), rejects: IDS.map((user) => [user, next(user)]) };

/** How a cell of a table for spreadsheets must begin: no formula. */
const neutral = (text) => (/^[=+\-@\t\r]/.test(text) ? `'${text}` : text);

/** The rows of a CSV text, quoted as RFC 4180 says. */
function readCsv(text) {
  const cells = text.matchAll(/(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r?\n|$)/g);
  const rows = [[]];
  for (const [whole, quoted, plain, end] of cells) {
    if (whole === "") break;
    rows.at(-1).push(quoted === undefined ? plain : quoted.replaceAll('""', '"'));
    if (end !== ",") rows.push([]);
  }
  return rows.filter((row) => row.length > 0);
}

async function shown(page) {
  await page.locator("#leaders-top").selectOption("50");
  await becomes("as typed, in the ranking", () => leaders(page), () => shop.leaders("amount", 50));
  const cells = await page.evaluate(() =>
    [...document.querySelectorAll("#leaders tbody th")].map((cell) => [
      cell.textContent,
      cell.querySelector("[title]").title,
      cell.querySelectorAll("img, script, a").length,
    ]),
  );
  const wanted = shop.leaders("amount", 50).map(([user]) => [user, user, 0]);
  equal(cells, wanted, "text and title");
  for (const name of ["late", "rejects"]) {
    await page.locator(`#${name}`).click();
    const rows = await until(name, () => dialogRows(page, `${name}-dialog`), (rows) => rows.length === IDS.length);
    const columns = await page.locator(`#${name}-dialog thead th`).allTextContents();
    const ids = rows.map((row) => ["User", "Order"].map((column) => row[columns.indexOf(column)]));
    equal(ids.sort(), ORDERS[name].toSorted(), `as typed, in ${name}`);
    await page.keyboard.press("Escape");
  }
}

async function found(page) {
  const all = shop.leaders("amount", 50).map(([user]) => user);
  for (const id of IDS.filter((id) => !/[\t\n]/.test(id))) {
    const typed = [...id].slice(0, 4).join("");
    await page.locator("#search").fill(typed);
    const read = () =>
      page.evaluate(() => {
        const rows = [...document.querySelectorAll("#found tbody tr")];
        return rows.map(({ dataset, cells }) => [dataset.user, cells[0].textContent]);
      });
    const wanted = all.filter((user) => user.startsWith(typed)).sort();
    await becomes(`found by ${typed}`, async () => (await read()).sort(), wanted.map((user) => [user, user]));
  }
  await page.locator("#search").fill("");
}

async function spreadsheets() {
  const csv = async (name) => readCsv(await (await fetch(`${PAGE}api/${name}.csv`)).text());
  const [header, ...users] = await csv("users");
  const at = header.indexOf("UserId");
  equal(users.map((row) => row[at]).sort(), IDS.map(neutral).sort(), "no formula among the users");
  for (const name of ["rejects", "late"]) {
    const [header, ...rows] = await csv(name);
    const [user, id] = ["UserId", "OrderId"].map((column) => header.indexOf(column));
    const wanted = ORDERS[name].map((ids) => ids.map(neutral));
    equal(rows.map((row) => [row[user], row[id]]).sort(), wanted.sort(), `nor in ${name}`);
  }
}

/** What the server answers: status and headers. */
function ask(path, options) {
  return new Promise((resolve, reject) => {
    const asked = request(new URL(path, PAGE), options, (answer) => {
      answer.destroy();
      resolve(answer);
    });
    asked.on("error", reject).end();
  });
}

async function outside() {
  for (const path of ["/", "/main.js", "/echarts.js", "/api/at", "/api/users.csv", "/api/stream", "/nothing"]) {
    const { headers } = await ask(path);
    equal(headers["content-security-policy"], POLICY, `policy of ${path}`);
    equal([headers["x-content-type-options"], headers["referrer-policy"]], ["nosniff", "no-referrer"], path);
    equal(headers["access-control-allow-origin"], undefined, `${path} is not for other sites`);
    equal((await ask(path, { headers: { host: "shop.example" } })).statusCode, 403, `a foreign host, ${path}`);
    for (const method of ["POST", "PUT", "DELETE"]) equal((await ask(path, { method })).statusCode, 405, `${method} ${path}`);
  }
}

await run("hostile ids", async (browser) => {
  orderflow("init");
  const page = await open(browser);
  const at = Date.now() - 120_000;
  await shop.put(...IDS.map((user, n) => ({ user, id: user, price: 1000 - n, at })));
  await becomes("all of them", () => numbers(page), () => shop.numbers());
  await shop.put(...IDS.map((user) => ({ user, id: next(user), price: "none", at })));
  await becomes("those set aside too", () => numbers(page), () => shop.numbers());
  await shown(page);
  await found(page);
  await spreadsheets();
  await outside();
  await page.setViewportSize({ width: 360, height: 800 });
  const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  holds(over <= 0, `long ids make nothing wider: by ${over}`);
  const markup = encodeURIComponent(IDS[2]);
  await page.goto(`${PAGE}?wall=${markup}&zone=${markup}&theme=${markup}&range=__proto__&by=constructor&top=-1`);
  await becomes("an address that lies", () => numbers(page), () => shop.numbers());
  const ran = () => [window.hacked, document.querySelectorAll("body img, body script").length];
  equal(await page.evaluate(ran), [undefined, 0], "nothing ran");
  await close(page);
});
