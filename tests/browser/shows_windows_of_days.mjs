// Windows of a day in Shanghai begin at midnight there, on the page too.

import { becomes, close, equal, numbers, open, orderflow, run, trendRows, until } from "./lib.mjs";
import { Shop } from "./shop.mjs";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** Shanghai is this far ahead of UTC, all year. */
const AHEAD_MS = 8 * HOUR_MS;

const midnight = (ms) => Math.floor((ms + AHEAD_MS) / DAY_MS) * DAY_MS - AHEAD_MS;

const shop = new Shop();

await run("windows of days", async (browser) => {
  orderflow("init");
  const today = midnight(Date.now());
  const orders = [
    [today, 1],
    [today - 1, 2],
    [today - DAY_MS, 4],
    [today - DAY_MS - 1, 8],
  ];
  await shop.put(...orders.map(([at, price], id) => ({ user: "ann", id: `${id}`, price, at })));
  const page = await open(browser);
  await becomes("the days", async () => (await trendRows(page)).map(([begin, count, amount]) => [begin, count, amount]), [
    [today, 1, "1.00"],
    [today - DAY_MS, 2, "6.00"],
  ]);
  equal(await page.locator("#width-words").textContent(), "1 day", "how wide they are");
  const first = () => page.locator("#trend-table tbody tr th").first().textContent();
  await until("they begin at midnight", first, (text) => text.endsWith(", 00:00:00"));
  const { todayCount, todayAmount, change } = await numbers(page);
  equal([todayCount, todayAmount, change], ["1", "1.00", "1"], "today, and yesterday against the day before");
  const late = await page.locator("#late").textContent();
  equal(/^\d late changes? since \d\d:\d\d$/.test(late), true, late);
  await close(page);
});
