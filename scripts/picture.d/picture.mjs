// Takes the picture of the page: of a `demo`, with its day of history, once it has run for a while.
//
// `node picture.mjs FILE`, with the program as ORDERFLOW; finds Playwright by NODE_PATH.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

import { launch, numbers, still, until } from "../../tests/browser/lib.mjs";

const DEMO = ["demo", "--seed", "11", "--page", "127.0.0.1:0"];
/** How long the demo runs before the picture is taken: long enough for a window that is over, and a recount. */
const LIVE_MS = 75_000;
const PATIENCE_MS = 60_000;

const [file] = process.argv.slice(2);
const program = process.env.ORDERFLOW;

/** Starts the demo; gives its process and its page's address, once it is ready. */
async function start() {
  const demo = spawn(program, DEMO, { stdio: ["ignore", "pipe", "inherit"] });
  const lines = createInterface({ input: demo.stdout });
  const page = await new Promise((resolve, reject) => {
    lines.on("line", (line) => {
      const [, page] = /^# The live page: (.*)$/.exec(line) ?? [];
      if (page) resolve(page);
    });
    lines.on("close", () => reject(new Error("the demo ended")));
  });
  return { demo, page };
}

async function end(child) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill();
  await once(child, "exit");
}

const at = async (page) => (await (await fetch(`${page}api/at`)).json())[0];

/** Lets the demo run for a while, and takes the picture between two orders. */
async function picture(tab, page) {
  const since = Date.now();
  await tab.goto(page);
  const enough = async () => Date.now() - since > LIVE_MS && (await at(page)).verifiedEqual;
  await until("orders for a while, and a recount", enough, Boolean, LIVE_MS + PATIENCE_MS);
  await until("late changes", () => numbers(tab), ({ late }) => Number(late) > 0, PATIENCE_MS);
  await until("a still picture", () => still(tab), Boolean, PATIENCE_MS);
  await tab.screenshot({ path: file });
}

let browser;
let shop;
try {
  shop = await start();
  browser = await launch();
  const screen = { viewport: { width: 1280, height: 860 }, deviceScaleFactor: 2, colorScheme: "light" };
  await picture(await browser.newPage(screen), shop.page);
} finally {
  await browser?.close();
  if (shop) await end(shop.demo);
}
