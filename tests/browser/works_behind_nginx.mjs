// Behind a plain nginx the numbers come at once and go on coming, under a path too; after a 502 the page heals; and where
// a proxy holds the events back, the page asks once a second and says so.

import { becomes, close, equal, holds, numbers, open, order, orderflow, run, still, until } from "./lib.mjs";
import { nginx } from "./nginx.mjs";
import { Shop, inTime } from "./shop.mjs";

const AT_ONCE_MS = 3000;
const HEALED_WITHIN_MS = 15_000;
const ASKING = "No event comes through to this page; something on the way holds them back: it asks once a second.";

const shop = new Shop();
let number = 0;

const oneMore = async () => shop.put({ user: "ann", id: `${number++}`, price: 0.5, at: await inTime() });

/** Opens a page and sees that its numbers are there at once. */
async function opens(browser, address) {
  const since = Date.now();
  const page = await open(browser, address);
  page.questions = 0;
  page.on("request", (request) => (page.questions += Number(request.url().includes("once"))));
  await becomes(`the first values at ${address}`, () => numbers(page), () => shop.numbers());
  const ms = Date.now() - since;
  console.log(`${address}: shown after ${ms} ms`);
  return { page, ms };
}

/** Sees that for some seconds nothing is older than two, and that orders are shown as they come. */
async function goesOn(page, what) {
  for (let second = 0; second < 5; second++) {
    await oneMore();
    await becomes(`an order, ${what}`, () => numbers(page), () => shop.numbers(), 2000);
    const age = await page.locator("#age").textContent();
    holds(/heard (just now|1 s ago)$/.test(age), `${what}: ${age}`);
  }
}

async function plain(browser, address) {
  const { page, ms } = await opens(browser, address);
  holds(ms < AT_ONCE_MS, "they come at once");
  await goesOn(page, "through nginx");
  equal([page.questions, await page.locator("#banner").isHidden()], [0, true], "events come by themselves");
  return page;
}

async function below(browser, address) {
  const page = await plain(browser, address);
  await until("the chart", () => still(page));
  await page.locator("#late").click();
  const words = () => page.locator("#late-dialog .words").textContent();
  await until("an answer in a dialog", words, (text) => /^No late change since .* when this program started\.$/.test(text));
  await page.keyboard.press("Escape");
  return page;
}

async function holding(browser, address) {
  const { page } = await opens(browser, address);
  await becomes("it says that it asks", () => page.locator("#banner-text").textContent(), ASKING);
  equal(await page.locator("html").getAttribute("data-stale"), "false", "the values are those of now");
  await goesOn(page, "asked for");
  await close(page);
}

async function heals(page) {
  const marked = () => page.evaluate(() => window.marker);
  await page.evaluate(() => (window.marker = "the same page"));
  const stale = () => page.locator("html").getAttribute("data-stale");
  await order("kill");
  await becomes("told of the 502", stale, "true");
  holds(/connection is lost/.test(await page.locator("#banner-text").textContent()), "as a lost connection");
  shop.restarted();
  await order("start");
  await becomes("healed", stale, "false", HEALED_WITHIN_MS);
  await oneMore();
  await becomes("an order after the 502", () => numbers(page), () => shop.numbers());
  equal(await marked(), "the same page", "no reload");
}

await run("nginx", async (browser) => {
  orderflow("init");
  const proxy = await nginx(process.env.PAGE);
  await oneMore();
  const first = await plain(browser, proxy.plain);
  const second = await below(browser, proxy.below);
  await holding(browser, proxy.holding);
  await heals(second);
  await close(first, /502|ERR_INCOMPLETE_CHUNKED_ENCODING|ERR_CONNECTION|ERR_EMPTY_RESPONSE/);
  await close(second, /502|ERR_INCOMPLETE_CHUNKED_ENCODING|ERR_CONNECTION|ERR_EMPTY_RESPONSE/);
});
