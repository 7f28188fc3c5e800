// Orders through the wire become numbers, points and rows, exact to the last digit; a keyboard reaches all of it.

import { becomes, close, dialogRows, equal, holds, leaders, numbers, open, orderflow, run, trendRows, until } from "./lib.mjs";
import { Shop, WINDOW_MS, inTime, windowOf } from "./shop.mjs";

const shop = new Shop();

async function shows(page, what) {
  await becomes(`numbers, ${what}`, () => numbers(page), () => shop.numbers());
  await becomes(`windows, ${what}`, () => trendRows(page), () => shop.trendRows());
  await becomes(`users, ${what}`, () => leaders(page), () => shop.leaders());
}

const text = (page, selector) => page.locator(selector).textContent();

async function empty(page) {
  await becomes("zeros", () => numbers(page), () => shop.numbers());
  await becomes("it waits", () => text(page, "#leaders-empty"), "Waiting for the table OrderSource.");
  holds(await page.locator("#leaders-empty").isVisible(), "it is said");
  holds(await page.locator("#banner").isHidden(), "nothing is wrong with an empty shop");
  orderflow("init");
  await becomes("it waits no more", () => text(page, "#leaders-empty"), "No users yet.");
}

async function orders(page, now) {
  const at = (windows) => now - windows * WINDOW_MS;
  await shop.put(
    { user: "ann", id: "1", price: 0.1, at: at(4) },
    { user: "ann", id: "2", price: 0.2, at: at(4) + 29_999 },
    { user: "ann", id: "3", price: 0.1 + 0.2, at: at(3) },
    { user: "bob", id: "1", price: 1e-9, at: at(3) },
    { user: "bob", id: "2", price: 123456789012.34, at: at(2) },
    { user: "bob", id: "3", price: 987654321098.76, at: at(9) },
    { user: "cyd", id: "1", price: -5.5, at: at(2) },
    { user: "cyd", id: "2", price: 1.25, at: now },
    ...Array.from({ length: 10 }, (_, id) => ({ user: "dee", id: `${id}`, price: 0.01, at: at(7) })),
  );
  await shows(page, "orders");
  const { amount, count } = shop.numbers();
  equal([amount, count], ["1111111110107.55000000100000004", "18"], "as counted by hand");
  equal(await text(page, "#kpi-amount"), amount.replace(/\B(?=(\d{3})+\.)/g, ","), "grouped");
  await becomes("the open window", () => openRow(page), () => [windowOf(Date.now()), "true"]);
}

const openRow = (page) =>
  page.evaluate(() => {
    const { beginMs, open } = document.querySelector("#trend-table tbody tr").dataset;
    return [Number(beginMs), open];
  });

async function changes(page, now) {
  const lateBefore = Number(shop.numbers().late);
  const ended = now - 2 * WINDOW_MS;
  await shop.put({ user: "ann", id: "1", price: 7.25, at: now - 4 * WINDOW_MS });
  await shows(page, "another price");
  await shop.put({ user: "ann", id: "1", price: 7.25, at: ended });
  await shows(page, "another window");
  await shop.remove("bob", "3");
  await shows(page, "a deleted order");
  await shop.put({ user: "eve", id: "late", price: 0.5, at: ended });
  await shows(page, "a late order");
  equal(Number(shop.numbers().late) - lateBefore, 4, "each of these was late");
  const note = await text(page, `#trend-table tr[data-begin-ms="${windowOf(ended)}"] .notes`);
  holds(/\d late/.test(note), `said in words too: ${note}`);
}

async function rejects(page, now) {
  await shop.put({ user: "bad", id: "order-1", price: "a lot", at: now - WINDOW_MS });
  await shows(page, "an order that cannot be counted");
  await page.locator("#rejects").click();
  const [row] = await until("its row", () => dialogRows(page, "rejects-dialog"), (rows) => rows.length === 1);
  equal(row.slice(0, 2), ["bad", "order-1"], "whose it is");
  holds(row[2].includes("price"), `why it is set aside: ${row[2]}`);
  await page.keyboard.press("Escape");
  await shop.put({ user: "bad", id: "order-1", price: 3.5, at: now - WINDOW_MS });
  await shows(page, "the same order mended");
}

/** Presses Tab until the focus is on what `selector` says. */
async function tabTo(page, selector) {
  const is = () => page.evaluate((selector) => document.activeElement.matches(selector), selector);
  for (let presses = 0; !(await is()); presses++) {
    holds(presses < 60, `Tab reaches ${selector}`);
    await page.keyboard.press("Tab");
  }
  const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
  holds(outline !== "none", `the focus is seen on ${selector}`);
}

async function keyboard(page) {
  await page.evaluate(() => document.activeElement.blur());
  for (const name of ["rejects", "late"]) {
    await tabTo(page, `#${name}`);
    await page.keyboard.press("Enter");
    holds(await page.locator(`#${name}-dialog`).isVisible(), `Enter opens ${name}`);
    const inside = `#${name}-dialog, #${name}-dialog *`;
    holds(await page.evaluate((inside) => document.activeElement.matches(inside), inside), "the focus goes in");
    if (name === "late") {
      const late = Number(shop.numbers().late);
      await until("all late changes", () => dialogRows(page, "late-dialog"), (rows) => rows.length === late);
    }
    await page.keyboard.press("Escape");
    holds(await page.locator(`#${name}-dialog`).isHidden(), `Escape closes ${name}`);
    equal(await page.evaluate(() => document.activeElement.id), name, "the focus comes back");
  }
  for (const [range, windows] of [["6h", 720], ["24h", 2880], ["5m", 10], ["30m", 60]]) {
    await page.evaluate(() => document.activeElement.blur());
    await tabTo(page, `[data-range="${range}"]`);
    await page.keyboard.press("Enter");
    await becomes(`rows of ${range}`, () => page.locator("#trend-table tbody tr").count(), windows);
    const pressed = await page.locator('#range [aria-pressed="true"]').getAttribute("data-range");
    equal(pressed, range, "which is said");
  }
  await tabTo(page, "#table-toggle");
  await page.keyboard.press("Enter");
  holds((await page.locator("#trend-rows").boundingBox()).width > 200, "the table is there to see");
}

/** Orders of a later time are counted, however late, and the text says how far they lie. */
async function ahead(page, now) {
  const days = [1, 40].map((days) => now + days * 86_400_000);
  await shop.put(...days.map((at, id) => ({ user: "fay", id: `${id}`, price: 0.75, at })));
  await becomes("numbers with orders of a later time", () => numbers(page), () => shop.numbers());
  const day = new Intl.DateTimeFormat("en-GB", { timeZone: "UTC", day: "numeric", month: "short" });
  const year = new Date(days[1]).getUTCFullYear();
  const text = `${day.format(days[1])}${year === new Date(now).getUTCFullYear() ? "" : ` ${year}`}`;
  const words = `2 windows lie after now, the farthest on ${text}.`;
  await becomes("how far they lie", () => page.locator("#trend-words").textContent(), words);
  await shop.remove("fay", "1");
  await until("one of them", () => page.locator("#trend-words").textContent(), (text) => /^1 window lies after now/.test(text));
}

async function ranking(page) {
  await page.locator("#leaders-by").selectOption("count");
  await becomes("dee has most orders", async () => (await leaders(page))[0]?.slice(0, 2), ["dee", 10]);
  await page.locator("#leaders-by").selectOption("amount");
  await becomes("bob has spent most", async () => (await leaders(page))[0], shop.leaders()[0]);
}

await run("exact values", async (browser) => {
  const page = await open(browser);
  await empty(page);
  const now = windowOf(await inTime());
  await orders(page, now);
  await changes(page, now);
  await rejects(page, now);
  await keyboard(page);
  await ahead(page, now);
  await ranking(page);
  const verified = () => page.evaluate(() => ({ ...document.getElementById("verified").dataset }));
  const epoch = await page.locator("#epoch").getAttribute("data-value");
  await until("a recount of all of it", verified, (found) => found.equal === "true" && found.epoch === epoch);
  await close(page);
});
