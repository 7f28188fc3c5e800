// A server that is killed, or hangs, is told of within five seconds, however the viewer's clock is set meanwhile; once it is
// back the page heals without a reload.

import { accessible, becomes, close, equal, holds, leaders, numbers, open, order, orderflow, run, until } from "./lib.mjs";
import { Shop, inTime } from "./shop.mjs";

const TOLD_WITHIN_MS = 5000;
const HEALED_WITHIN_MS = 15_000;
const HOUR_MS = 3_600_000;

const shop = new Shop();

const state = (page) =>
  page.evaluate(() => ({
    stale: document.documentElement.dataset.stale,
    banner: document.getElementById("banner").checkVisibility(),
  }));

const ink = (page) => page.locator("#kpi-amount").evaluate((element) => getComputedStyle(element).color);

async function tells(page, word) {
  const colour = await ink(page);
  const since = await order(word);
  await becomes(`told of ${word}`, () => state(page), { stale: "true", banner: true }, TOLD_WITHIN_MS);
  const ms = Date.now() - since;
  console.log(`${word}: told after ${ms} ms`);
  holds(ms < TOLD_WITHIN_MS, `told of ${word} within 5 s`);
  holds((await ink(page)) !== colour, "the values are greyed");
  const said = await page.locator("#banner-text").textContent();
  holds(/connection is lost|gone silent/.test(said), `it says what is wrong: ${said}`);
  equal(await numbers(page).then(({ count }) => count), shop.numbers().count, "the last values stay");
}

async function heals(page, word) {
  const since = await order(word);
  await becomes(`healed after ${word}`, () => state(page), { stale: "false", banner: false }, HEALED_WITHIN_MS);
  console.log(`${word}: healed after ${Date.now() - since} ms`);
  await becomes("the right values", () => numbers(page), () => shop.numbers());
  equal(await page.evaluate(() => window.marker), "the same page", "no reload");
}

/** Sets the clock that the page's scripts see ahead by this much, or back. */
const setClock = (page, byMs) =>
  page.evaluate((byMs) => {
    const RealDate = Date;
    window.Date = class extends RealDate {
      constructor(...parts) {
        super(...(parts.length > 0 ? parts : [RealDate.now() + byMs]));
      }
      static now = () => RealDate.now() + byMs;
    };
  }, byMs);

await run("stale and healed", async (browser) => {
  orderflow("init");
  const page = await open(browser);
  await page.evaluate(() => (window.marker = "the same page"));
  const now = await inTime();
  await shop.put({ user: "ann", id: "1", price: 19.99, at: now }, { user: "bob", id: "1", price: 5, at: now });
  await becomes("the first values", () => numbers(page), () => shop.numbers());
  await setClock(page, -HOUR_MS);
  await tells(page, "kill");
  await accessible(page, "stale");
  shop.restarted();
  await heals(page, "start");
  await shop.put({ user: "bob", id: "2", price: 30.01, at: await inTime() });
  await becomes("an order after the start", () => numbers(page), () => shop.numbers());
  await becomes("its user", () => leaders(page), () => shop.leaders());
  await setClock(page, HOUR_MS);
  await tells(page, "pause");
  await heals(page, "resume");
  await shop.put({ user: "cyd", id: "1", price: 100, at: await inTime() });
  await becomes("an order after the silence", () => numbers(page), () => shop.numbers());
  const title = await until("the title", () => page.title(), (title) => title === "orderflow");
  equal(title, "orderflow", "the title is calm again");
  await close(page, /ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED_ENCODING|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE/);
});
