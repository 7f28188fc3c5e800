// A page with a token: a form first, then the page as ever, in this browser from then on.

import { PAGE, accessible, becomes, close, equal, holds, numbers, open, orderflow, run } from "./lib.mjs";
import { Shop, inTime } from "./shop.mjs";

const shop = new Shop();

await run("the token", async (browser) => {
  orderflow("init");
  await shop.put({ user: "ann", id: "1", price: 19.99, at: await inTime() });
  const page = await open(browser, `${PAGE}?wall`);
  const form = page.getByLabel("The token of this page");
  holds(await form.isVisible(), "the form");
  await accessible(page, "token");
  await form.fill("another-token-of-20");
  await page.getByRole("button").click();
  await becomes("the refusal", () => page.getByRole("alert").textContent(), "That is not the token.");
  await form.fill(process.env.TOKEN);
  await page.getByRole("button").click();
  await page.locator("#kpi-count").waitFor();
  await becomes("the numbers", () => numbers(page), () => shop.numbers());
  equal(new URL(page.url()).search, "?wall", "where it was asked for");
  const [cookie, ...others] = await page.context().cookies();
  equal([cookie.httpOnly, cookie.sameSite, others.length], [true, "Lax", 0], "a cookie that scripts cannot read");
  equal(await page.evaluate(() => document.cookie), "", "no script sees it");
  await page.reload();
  await becomes("the numbers again", () => numbers(page), () => shop.numbers());
  await close(page, /status of 401/);
});
