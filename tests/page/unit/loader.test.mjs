import assert from "node:assert/strict";
import { test } from "node:test";
import { module } from "./support.mjs";

const { Loader } = await module("loader.js");
const { Windows } = await module("model.js");
const NOW = Date.parse("2026-11-22T21:00:10Z");
const HOUR_MS = 3_600_000;

/** A server with windows of `widthMs` that begin at `begins`; it keeps what it was asked. */
function serverOf(begins, epoch) {
  const asked = [];
  const fetchRows = async (url) => {
    asked.push(url);
    const parameters = new URL(url, "http://host").searchParams;
    const from = Number(parameters.get("from") ?? -Infinity);
    const to = Number(parameters.get("to") ?? Infinity);
    const rows = begins
      .filter((beginMs) => beginMs >= from && beginMs < to)
      .slice(-Number(parameters.get("limit")));
    return rows.map((beginMs) => ({ epoch, beginMs, count: 1, totalPriceExact: "1.00", late: 0 }));
  };
  return { fetchRows, asked };
}

const loaded = async (server, widthMs, now = NOW) => {
  const windows = new Windows(widthMs);
  const loader = new Loader(server.fetchRows);
  await loader.load(
    windows,
    7,
    () => now,
    () => {},
  );
  return { windows, loader };
};

test("the last 25 hours are one answer for windows of 30 seconds", async () => {
  const begins = Array.from(
    { length: 4000 },
    (_, at) => Math.floor(NOW / 30_000) * 30_000 - (3999 - at) * 30_000,
  );
  const server = serverOf(begins, 7);
  const { windows } = await loaded(server, 30_000);
  assert.equal(server.asked.length, 1);
  assert.equal(windows.sum(NOW - 25 * HOUR_MS, NOW).count, 3000);
});

test("narrow windows take as many answers as they need", async () => {
  const begins = Array.from(
    { length: 95_000 },
    (_, at) => Math.floor(NOW / 1000) * 1000 - (94_999 - at) * 1000,
  );
  const server = serverOf(begins, 7);
  const { windows } = await loaded(server, 1000);
  assert.equal(server.asked.length, 5);
  assert.equal(windows.sum(NOW - 25 * HOUR_MS, NOW).count, 90_000);
});

test("where all orders are old, the newest windows come", async () => {
  const newest = Date.parse("1998-06-14T09:00:00Z");
  const server = serverOf([newest - 40 * HOUR_MS, newest - HOUR_MS, newest], 7);
  const { windows } = await loaded(server, 30_000);
  assert.equal(server.asked.length, 2);
  assert.deepEqual(windows.end(NOW), { lastBeginMs: newest, historic: true });
  assert.equal(windows.at(newest - HOUR_MS).count, 1);
  assert.deepEqual(windows.sum(NOW - HOUR_MS, NOW), { count: 0, amount: "0.00" });
});

test("windows are loaded anew each hour, and when a day went by without orders", async () => {
  const last = Math.floor(NOW / 30_000) * 30_000;
  const server = serverOf([last - 20 * HOUR_MS, last], 7);
  let now = NOW;
  const windows = new Windows(30_000);
  const loader = new Loader(server.fetchRows);
  const check = async () => {
    const before = server.asked.length;
    let ended = Promise.resolve();
    const load = loader.load.bind(loader);
    loader.load = (...parameters) => (ended = load(...parameters));
    loader.check(
      windows,
      { count: 2, epoch: 7, ahead: 0 },
      () => now,
      () => {},
    );
    await ended;
    loader.load = load;
    return server.asked.length - before;
  };
  await loader.load(
    windows,
    7,
    () => now,
    () => {},
  );
  assert.equal(await check(), 0);
  now += 59 * 60_000;
  assert.equal(await check(), 0);
  now += 2 * 60_000;
  assert.equal(await check(), 1);
  for (; now < NOW + 23 * HOUR_MS; now += 10 * 60_000) await check();
  assert.equal(windows.end(now).historic, false);
  now = NOW + 24 * HOUR_MS + 60_000;
  await check();
  assert.equal(windows.end(now).historic, true);
  assert.equal(windows.at(last - 20 * HOUR_MS).count, 1);
});

test("a failed answer is asked for again, not at once", async () => {
  let broken = true;
  const server = serverOf([NOW], 7);
  const warned = console.warn;
  console.warn = () => {};
  const windows = new Windows(30_000);
  const loader = new Loader(async (url) => {
    if (broken) throw new Error("no route");
    return server.fetchRows(url);
  });
  await loader.load(
    windows,
    7,
    () => NOW,
    () => {},
  );
  console.warn = warned;
  assert.equal(windows.sum(NOW - HOUR_MS, NOW), null);
  broken = false;
  let done = false;
  loader.check(
    windows,
    { count: 1, epoch: 7, ahead: 0 },
    () => NOW + 5000,
    () => (done = true),
  );
  assert.equal(server.asked.length, 0);
  await new Promise((resolve) =>
    loader.check(
      windows,
      { count: 1, epoch: 7, ahead: 0 },
      () => NOW + 11_000,
      () => resolve((done = true)),
    ),
  );
  assert.ok(done);
});

test("however many frames want all windows, they are loaded once a second", async () => {
  const server = serverOf([NOW], 7);
  let now = NOW;
  const windows = new Windows(30_000);
  const loader = new Loader(server.fetchRows);
  const ended = () => new Promise((resolve) => setImmediate(resolve));
  await loader.load(
    windows,
    7,
    () => now,
    () => {},
  );
  const before = server.asked.length;
  for (; now < NOW + 5000; now += 100) {
    loader.want();
    loader.check(
      windows,
      { count: 1, epoch: 7, ahead: 0 },
      () => now,
      () => {},
    );
    await ended();
  }
  assert.equal(server.asked.length - before, 4);
});
