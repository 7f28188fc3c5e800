// While writes are refused, the page says why; once they are taken again, it says nothing more.

import { becomes, close, equal, holds, numbers, open, order, orderflow, run } from "./lib.mjs";
import { Shop, inTime } from "./shop.mjs";

const FULL = /^[A-Z].* it takes them again by itself once that has passed\.$/;

const shop = new Shop();

await run("refused", async (browser) => {
  orderflow("init");
  const page = await open(browser);
  await shop.put({ user: "ann", id: "1", price: 2.5, at: await inTime() });
  await becomes("an order", () => numbers(page), () => shop.numbers());
  await order("fill");
  const said = async () => FULL.test(await page.locator("#banner-text").textContent());
  await becomes("the page says why", said, true, 5000);
  holds(await page.locator("#banner").isVisible(), "to all who look");
  equal(await page.locator("html").getAttribute("data-stale"), "false", "what is shown is that of now");
  await order("free");
  await becomes("nothing more", () => page.locator("#banner").isHidden(), true, 5000);
  await shop.put({ user: "ann", id: "2", price: 2.5, at: await inTime() });
  await becomes("an order", () => numbers(page), () => shop.numbers());
  await close(page);
});
