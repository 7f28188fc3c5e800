// Past the number of readers that follow, the page says so and asks every five seconds.

import { becomes, close, equal, holds, numbers, open, orderflow, run } from "./lib.mjs";
import { Shop, inTime } from "./shop.mjs";

const FULL = "As many readers as there are places follow this page already: it asks every 5 seconds.";

const shop = new Shop();

await run("full", async (browser) => {
  orderflow("init");
  const first = await open(browser);
  await becomes("the first follows", () => numbers(first), () => shop.numbers());
  const second = await open(browser);
  await becomes("the second says that it asks", () => second.locator("#banner-text").textContent(), FULL);
  equal(await second.title(), "orderflow", "which is nothing to worry about");
  for (const id of ["1", "2"]) {
    await shop.put({ user: "ann", id, price: 2.5, at: await inTime() });
    await becomes("an order for who follows", () => numbers(first), () => shop.numbers(), 2000);
    await becomes("an order for who asks", () => numbers(second), () => shop.numbers(), 8000);
  }
  equal(await second.locator("html").getAttribute("data-stale"), "false", "what is asked for is not old");
  holds(await first.locator("#banner").isHidden(), "who follows is told nothing");
  await close(first);
  await close(second, /503/);
});
