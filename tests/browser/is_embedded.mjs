// A page of an origin that is allowed shows the page in a frame and reads its answers; a page of another origin does not.

import { createServer } from "node:http";

import { PAGE, becomes, equal, orderflow, run, until } from "./lib.mjs";
import { Shop, inTime } from "./shop.mjs";

const HTML = `<!doctype html><title>a dashboard</title><iframe id="frame" src="${PAGE}" width="1200" height="800"></iframe>`;

const shop = new Shop();

/** A dashboard at a port: the one that the page was started for, or any other. */
function dashboard(port) {
  const server = createServer((_, answer) => answer.setHeader("content-type", "text/html").end(HTML));
  return new Promise((resolve) => server.listen(port, "127.0.0.1", () => resolve(server)));
}

const visit = async (browser, server) => {
  const page = await (await browser.newContext()).newPage();
  await page.goto(`http://127.0.0.1:${server.address().port}/`);
  return page;
};

/** What a script of the page reads of the totals; null if the browser does not let it. */
const read = (page, headers = {}) =>
  page.evaluate(
    ([address, headers]) => fetch(address, { headers }).then((answer) => answer.json(), () => null),
    [`${PAGE}api/total`, headers],
  );

await run("embedded", async (browser) => {
  orderflow("init");
  await shop.put({ user: "ann", id: "1", price: 12.5, at: await inTime() });
  const [allowed, other] = [await dashboard(Number(process.env.EMBEDDER)), await dashboard(0)];
  const page = await visit(browser, allowed);
  const count = () => page.frameLocator("#frame").locator("#kpi-count").getAttribute("data-value");
  await becomes("the frame shows the numbers", count, "1");
  await shop.put({ user: "ann", id: "2", price: 7.5, at: await inTime() });
  await becomes("and goes on", count, "2");
  await until("its chart", () => page.frameLocator("#frame").locator("#trend canvas").count());
  equal((await read(page)).map(({ totalPriceExact }) => totalPriceExact), ["20.00"], "a script reads answers");
  equal((await read(page, { "x-dashboard": "1" }))[0].count, 2, "with a header of its own too");

  const stranger = await visit(browser, other);
  equal(await read(stranger), null, "no script of another origin reads them");
  const refused = () => stranger.frames()[1].evaluate(() => document.getElementById("kpi-count") === null);
  await until("the frame stays empty", () => stranger.frames()[1].url(), (url) => url.startsWith("chrome-error:"));
  equal(await refused(), true, "and no other origin shows the page");
  for (const server of [allowed, other]) server.close();
});
