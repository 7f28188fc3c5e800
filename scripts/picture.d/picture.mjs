// Takes the picture of the page: of an `up` whose shop has had orders for two hours, and has more as they come.
//
// `node picture.mjs FILE`, with the program as ORDERFLOW; finds Playwright by NODE_PATH.

import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

import { launch, numbers, still, until } from "../../tests/browser/lib.mjs";

const HOURS = 2;
const ORDERS_A_SECOND = 8;
const SHOP = ["--users", "400", "--quiet", "--cancels", "2"];
/** How long orders come before the picture is taken: long enough for a window that is over, and a recount. */
const LIVE_MS = 75_000;
const PATIENCE_MS = 60_000;

const [file] = process.argv.slice(2);
const program = process.env.ORDERFLOW;

/** Starts the server on a folder; gives the process, the page's address and the variables that it prints. */
async function start(data) {
  const server = spawn(program, ["up", "--data", data, "--listen", "127.0.0.1:0", "--page", "127.0.0.1:0"]);
  const variables = {};
  createInterface({ input: server.stdout }).on("line", (line) => {
    const [, name, value] = /^export (\w+)=(.*)$/.exec(line) ?? [];
    if (name) variables[name] = value;
  });
  let page;
  for await (const line of createInterface({ input: server.stderr })) {
    page = /^orderflow: page: (.*)$/.exec(line)?.[1] ?? page;
    if (line.startsWith("orderflow: ready: ")) return { server, page, env: { ...process.env, ...variables } };
  }
  throw new Error("the server ended");
}

async function end(child) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill();
  await once(child, "exit");
}

const at = async (page) => (await (await fetch(`${page}api/at`)).json())[0];

/** Fills a shop with what was ordered until now. */
async function fill(data) {
  const { server, page, env } = await start(data);
  const run = (...args) => execFileSync(program, args, { env, stdio: ["ignore", "ignore", "inherit"] });
  try {
    run("init");
    const orders = String(HOURS * 3600 * ORDERS_A_SECOND);
    run("generate", "--orders", orders, "--hours", String(HOURS), "--late", "0", "--seed", "11", ...SHOP);
    await until("the results", () => at(page), ({ count, behindMs }) => count > 0 && behindMs === 0, PATIENCE_MS);
  } finally {
    await end(server);
  }
}

/** Has orders come for a while, stops them, and takes the picture before anything looks old. */
async function picture(tab, { page, env }) {
  const live = ["--rate", `${ORDERS_A_SECOND}/s`, "--late", "5", "--late-max", "20m", "--seed", "12", "--orders", "1000000"];
  const orders = spawn(program, ["generate", ...live, ...SHOP], { env, stdio: ["ignore", "ignore", "inherit"] });
  try {
    const since = Date.now();
    await tab.goto(page);
    const enough = async () => Date.now() - since > LIVE_MS && (await at(page)).verifiedEqual;
    await until("orders for a while, and a recount", enough, Boolean, LIVE_MS + PATIENCE_MS);
    await until("late changes", () => numbers(tab), ({ late }) => Number(late) > 0, PATIENCE_MS);
  } finally {
    await end(orders);
  }
  const { epoch } = await at(page);
  await until("the last orders", () => tab.locator("#epoch").getAttribute("data-value"), (shown) => Number(shown) >= epoch);
  await until("a still picture", () => still(tab));
  await tab.screenshot({ path: file });
}

const data = mkdtempSync(join(tmpdir(), "orderflow-picture-"));
let browser;
let shop;
try {
  await fill(data);
  shop = await start(data);
  browser = await launch();
  const screen = { viewport: { width: 1280, height: 860 }, deviceScaleFactor: 2, colorScheme: "light" };
  await picture(await browser.newPage(screen), shop);
} finally {
  await browser?.close();
  if (shop) await end(shop.server);
  rmSync(data, { recursive: true });
}
