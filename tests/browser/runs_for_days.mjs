// A wall screen over three days in one minute: midnights come as the zone has them, and nothing grows.
//
// The page is the real one; what it is told comes from a server of the flow's own, whose clock runs as fast as the page
// can follow. The days are those of a spring in Berlin, one of them with 23 hours.

import { createServer } from "node:http";

import { PAGE, becomes, close, equal, holds, leaders, numbers, open, run } from "./lib.mjs";
import { dayIn, decimal, units } from "./shop.mjs";

const ZONE = "Europe/Berlin";
const HOUR_MS = 3_600_000;
/** Ten minutes before midnight. */
const START_MS = Date.parse("2026-03-27T22:50:00Z");
const DAYS = 4;
/** Width of a window: a wide one makes the days short. */
const WINDOW_MS = 300_000;
/** How much passes before the page is looked at. */
const STEP_HOURS = 3;
const STEP_WINDOWS = (STEP_HOURS * HOUR_MS) / WINDOW_MS;

/** The orders of the window that begins so: some windows have none. */
function windowAt(beginMs) {
  const number = beginMs / WINDOW_MS;
  const count = number % 7;
  return { beginMs, count, totalPriceExact: decimal(units(1.01) * BigInt(count * (number % 97))), late: 0 };
}

const rowsOf = (fromMs, toMs) => {
  const rows = [];
  for (let beginMs = fromMs; beginMs < toMs; beginMs += WINDOW_MS) rows.push(windowAt(beginMs));
  return rows.filter(({ count }) => count > 0);
};

/** A server whose windows up to `nowMs` are there. */
class Racing {
  nowMs = START_MS;
  #epoch = 1;
  #streams = new Set();

  get state() {
    const { nowMs } = this;
    return {
      epoch: this.#epoch, changedMs: nowMs, nowMs, count: this.#epoch, totalPriceExact: `${this.#epoch}.50`, users: 10,
      windows: 1, rejects: 0, late: 0, phase: "running", reason: null, behindMs: 0, verifiedEpoch: this.#epoch,
      verifiedEqual: true, verifiedMs: nowMs, widthMs: WINDOW_MS, zone: "UTC", version: "0",
    };
  }

  /** Ten users, who are others each time. */
  get #board() {
    const user = (_, rank) => ({ UserId: `user ${this.#epoch - rank}`, count: 100 - rank, totalPriceExact: `${100 - rank}.00` });
    return { byAmount: Array.from({ length: 10 }, user), byCount: Array.from({ length: 10 }, user) };
  }

  #send(kind, data) {
    for (const stream of this.#streams) stream.write(`event: ${kind}\nid: ${this.#epoch}\ndata: ${JSON.stringify(data)}\n\n`);
  }

  beat() {
    this.#send("beat", this.state);
  }

  /** Lets windows pass, a frame for each. */
  pass(windows) {
    for (let passed = 0; passed < windows; passed++) {
      const beginMs = this.nowMs - (this.nowMs % WINDOW_MS);
      this.nowMs += WINDOW_MS;
      this.#epoch++;
      this.#send("frame", { ...this.state, ...this.#board, changed: [windowAt(beginMs)] });
    }
    return String(this.#epoch);
  }

  async answer(request, answer) {
    const url = new URL(request.url, PAGE);
    if (url.pathname === "/api/stream") {
      answer.writeHead(200, { "content-type": "text/event-stream" });
      this.#streams.add(answer);
      request.on("close", () => this.#streams.delete(answer));
      this.#send("snapshot", { ...this.state, ...this.#board });
    } else if (url.pathname === "/api/windows") {
      const from = Math.max(Number(url.searchParams.get("from")), START_MS - 26 * HOUR_MS);
      const rows = rowsOf(Math.ceil(from / WINDOW_MS) * WINDOW_MS, this.nowMs);
      answer.setHeader("content-type", "application/json");
      answer.end(JSON.stringify(rows.map((row) => ({ ...row, epoch: this.#epoch }))));
    } else {
      const found = await fetch(url);
      for (const name of ["content-type", "content-security-policy"]) answer.setHeader(name, found.headers.get(name));
      answer.end(Buffer.from(await found.arrayBuffer()));
    }
  }
}

const day = dayIn(ZONE);

/** Today's orders and amount of all windows that have passed. */
function today(nowMs) {
  const rows = rowsOf(nowMs - 26 * HOUR_MS, nowMs).filter(({ beginMs }) => day(beginMs) === day(nowMs));
  const amount = rows.reduce((sum, { totalPriceExact }) => sum + units(Number(totalPriceExact)), 0n);
  return [String(rows.reduce((sum, { count }) => sum + count, 0)), decimal(amount)];
}

const shownToday = (page) =>
  numbers(page).then(({ todayCount, todayAmount }) => [todayCount, todayAmount]);

/** What the page holds after everything that can go has gone. */
async function held(session) {
  await session.send("HeapProfiler.collectGarbage");
  const { metrics } = await session.send("Performance.getMetrics");
  const { Nodes, JSEventListeners, JSHeapUsedSize } = Object.fromEntries(metrics.map(({ name, value }) => [name, value]));
  return { nodes: Nodes, listeners: JSEventListeners, heapKib: Math.round(JSHeapUsedSize / 1024) };
}

await run("four days", async (browser) => {
  const racing = new Racing();
  const server = createServer((request, answer) => racing.answer(request, answer));
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const beats = setInterval(() => racing.beat(), 500);
  const page = await open(browser, `http://127.0.0.1:${server.address().port}/?wall&range=24h&zone=${ZONE}`);
  const session = await page.context().newCDPSession(page);
  await session.send("Performance.enable");
  const epoch = () => page.locator("#epoch").getAttribute("data-value");
  const dates = new Set();
  const kept = [];
  for (let hour = STEP_HOURS; hour <= DAYS * 24; hour += STEP_HOURS) {
    const passed = racing.pass(STEP_WINDOWS);
    await becomes(`hour ${hour}`, epoch, passed);
    await becomes(`today, hour ${hour}`, () => shownToday(page), today(racing.nowMs));
    dates.add(await page.locator(".today-date").first().textContent());
    if (hour % 24 === 0) {
      await becomes("a row a window", () => page.locator("#trend-table tbody tr").count(), 288);
      kept.push(await held(session));
    }
  }
  equal([...dates], ["28 Mar", "29 Mar", "30 Mar", "31 Mar", "1 Apr"], "midnights");
  await becomes("the newest users", async () => (await leaders(page))[0][0], `user ${racing.state.epoch}`);
  equal(await page.locator("#banner").isHidden(), true, "all is well");
  for (const found of kept) console.log(`at the end of a day: ${JSON.stringify(found)}`);
  const [, before, , after] = kept;
  holds(after.nodes <= before.nodes * 1.05, "no more nodes");
  holds(after.listeners <= before.listeners, "no more listeners");
  holds(after.heapKib <= before.heapKib * 1.1 + 512, "no more memory");
  clearInterval(beats);
  await close(page);
  server.closeAllConnections();
  server.close();
});
