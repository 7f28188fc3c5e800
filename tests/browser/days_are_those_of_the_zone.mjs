// Today's numbers are those of the day in the zone that is chosen; the choice is kept.

import { PAGE, becomes, close, equal, holds, numbers, open, orderflow, run, until } from "./lib.mjs";
import { Shop, inTime, windowOf } from "./shop.mjs";

const HOUR_MS = 3_600_000;
const ZONES = ["Pacific/Kiritimati", "Australia/Adelaide", "Europe/Berlin", "America/St_Johns", "Pacific/Pago_Pago", "UTC"];

const shop = new Shop();
const clock = (zone) => new Intl.DateTimeFormat("en-GB", { timeZone: zone, timeStyle: "medium" });

await run("days of zones", async (browser) => {
  orderflow("init");
  const now = await inTime();
  const orderOf = (_, hour) => ({ user: `u${hour % 5}`, id: `${hour}`, price: 2 ** hour, at: now - hour * HOUR_MS });
  await shop.put(...Array.from({ length: 24 }, orderOf));
  const page = await open(browser);
  const seen = new Set();
  for (const zone of ZONES) {
    await page.locator("#zone").selectOption(zone);
    await becomes(`today in ${zone}`, () => numbers(page), () => shop.numbers(zone));
    seen.add(shop.numbers(zone).todayAmount);
    const newest = () => page.locator("#trend-table tbody tr th").first().textContent();
    await until(`windows in ${zone}`, newest, (text) => text.endsWith(clock(zone).format(windowOf(Date.now()))));
    await until("the clock", () => page.locator("#clock").textContent(), (text) => {
      return [0, 1000].some((ago) => text === clock(zone).format(Date.now() - ago));
    });
  }
  holds(seen.size > 2, `these zones have different days: ${[...seen]}`);
  await page.locator("#zone").selectOption("Australia/Adelaide");
  await page.goto(PAGE);
  await becomes("the choice is kept", () => numbers(page), () => shop.numbers("Australia/Adelaide"));
  equal(await page.locator("#zone").inputValue(), "Australia/Adelaide", "and said");
  await close(page);
});
