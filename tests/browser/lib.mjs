// What the flows share: the browser, waiting for what the page must show, and counting what was checked.
//
// Playwright and axe are found by NODE_PATH, as the SDK is.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const require = createRequire(import.meta.url);
const { chromium } = require("playwright-core");

export const PAGE = process.env.PAGE;
/** How long something may take to be shown before a flow gives up. */
const PATIENCE_MS = 30_000;
/** How long a whole flow may take. */
const FLOW_MS = 180_000;
const POLL_MS = 20;

/** Without these a browser keeps asking for addresses outside, which a closed network answers with floods of errors. */
const QUIET = [
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-gpu",
  "--disable-quic",
  "--disable-sync",
  "--no-first-run",
];

let checks = 0;

export function equal(got, want, what) {
  checks += 1;
  assert.deepStrictEqual(got, want, what);
}

export function holds(condition, what) {
  checks += 1;
  assert.ok(condition, what);
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits until `read` gives something that `is` true for, and gives it. */
export async function until(what, read, is = Boolean, withinMs = PATIENCE_MS) {
  const end = Date.now() + withinMs;
  for (;;) {
    const got = await read();
    if (is(got)) {
      checks += 1;
      return got;
    }
    if (Date.now() > end) throw new Error(`${what}: still ${JSON.stringify(got)}`);
    await pause(POLL_MS);
  }
}

/** Waits until what `read` gives is `want`, which may be a function of the time. Says how they differ if that never is. */
export async function becomes(what, read, want, withinMs = PATIENCE_MS) {
  const wanted = typeof want === "function" ? want : () => want;
  let got;
  const is = (found) => {
    got = found;
    try {
      assert.deepStrictEqual(found, wanted());
      return true;
    } catch {
      return false;
    }
  };
  await until(what, read, is, withinMs).catch((error) => {
    assert.deepStrictEqual(got, wanted(), what);
    throw error;
  });
}

/** Runs the program with the shop's address and key. */
export function orderflow(...args) {
  return execFileSync(process.env.ORDERFLOW, args, { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
}

let answers;

/** Has the harness do something to the server: `kill`, `start`, `pause`, `resume`, `fill` or `free`. Gives the time when it was done. */
export async function order(word) {
  console.log(`> ${word}`);
  answers ??= createInterface({ input: process.stdin })[Symbol.asyncIterator]();
  equal((await answers.next()).value, "done", word);
  return Date.now();
}

/** Debian's browser, with a profile of its own. */
export const launch = () => chromium.launch({ executablePath: "/usr/bin/chromium", args: QUIET });

const watched = new Map();

/** A page of its own context, with everything noted that a healthy page never says. */
export async function open(browser, address = PAGE, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, colorScheme: "light", ...options });
  await context.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (event) => {
      console.error(`policy violated: ${event.violatedDirective} ${event.blockedURI}`);
    });
  });
  const page = await context.newPage();
  const said = [];
  watched.set(page, said);
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) said.push(`${message.type()}: ${message.text()}`);
  });
  page.on("pageerror", (error) => said.push(`thrown: ${error.stack}`));
  page.on("dialog", (dialog) => said.push(`dialog: ${dialog.message()}`));
  page.on("request", (request) => {
    const { origin, protocol } = new URL(request.url());
    if (origin !== new URL(address).origin && protocol !== "data:") said.push(`request: ${request.url()}`);
  });
  await page.goto(address);
  return page;
}

/** Sees that the page has said nothing but what is `allowed`, and closes it. */
export async function close(page, allowed = /(?!)/) {
  equal(watched.get(page).filter((text) => !allowed.test(text)), [], "what the page said");
  await page.context().close();
}

/** Whether nothing moves on the page, and the chart is drawn to its end. */
export const still = (page) =>
  page.evaluate(() => {
    const chart = window.echarts?.getInstanceByDom(document.getElementById("trend"));
    return document.getAnimations().length === 0 && chart !== undefined && chart.getZr().animation.isFinished();
  });

/** What the page shows in large, by the attributes that hold the exact values. */
export const numbers = (page) =>
  page.evaluate(() => {
    const value = (id) => document.getElementById(id).getAttribute("data-value");
    return {
      amount: value("kpi-amount"),
      count: value("kpi-count"),
      users: value("kpi-users"),
      todayAmount: value("kpi-today-amount"),
      todayCount: value("kpi-today-count"),
      change: value("change"),
      rejects: value("rejects"),
      late: value("late"),
    };
  });

/** The rows of the trend's table with orders or late changes: begin, orders, amount, late changes. */
export const trendRows = (page) =>
  page.evaluate(() =>
    [...document.querySelectorAll("#trend-table tbody tr")]
      .map(({ dataset }) => [Number(dataset.beginMs), Number(dataset.count), dataset.amount, Number(dataset.late ?? 0)])
      .filter(([, count, , late]) => count > 0 || late > 0),
  );

/** The rows of the ranking: user, orders, amount. */
export const leaders = (page) =>
  page.evaluate(() =>
    [...document.querySelectorAll("#leaders tbody tr")].map(({ dataset }) => [
      dataset.user,
      Number(dataset.count),
      dataset.amount,
    ]),
  );

/** The texts of the cells of a dialog's rows. */
export const dialogRows = (page, id) =>
  page.evaluate(
    (id) =>
      [...document.querySelectorAll(`#${id} tbody tr`)].map((row) => Array.from(row.cells, (cell) => cell.textContent)),
    id,
  );

const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

/** Has axe look at the page as it stands: nothing serious may be wrong; of the rest it tells. */
export async function accessible(page, what) {
  if (!(await page.evaluate(() => "axe" in window))) await page.evaluate(axe);
  const violations = await page.evaluate(async () => {
    const { violations } = await window.axe.run(document, { resultTypes: ["violations"] });
    return violations.map(({ id, impact, nodes }) => ({ id, impact, at: nodes.map(({ target }) => target.join(" ")) }));
  });
  for (const { id, impact, at } of violations) console.log(`axe, ${what}: ${impact} ${id} at ${at.join(", ")}`);
  equal(violations.filter(({ impact }) => ["serious", "critical"].includes(impact)), [], `axe, ${what}`);
}

/** Runs a flow in a browser of its own, and says how much it checked. */
export async function run(name, flow) {
  const late = setTimeout(() => {
    console.error(`${name}: not over after ${FLOW_MS / 1000} s`);
    process.exit(1);
  }, FLOW_MS);
  let browser;
  const since = Date.now();
  try {
    browser = await launch();
    await flow(browser);
    console.log(`${name}: ${checks} checks passed in ${((Date.now() - since) / 1000).toFixed(1)} s`);
  } catch (error) {
    console.error(error);
    process.exitCode = 1;
  }
  await browser?.close();
  clearTimeout(late);
  // Whatever a flow that failed has left open must not keep it.
  process.exit();
}
