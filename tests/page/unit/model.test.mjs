import assert from "node:assert/strict";
import { test } from "node:test";
import { module, randomFrom } from "./support.mjs";

const { KEPT_MS, Windows } = await module("model.js");
const { Grid } = await module("grid.js");
const { toText } = await module("decimal.js");
const WIDTH_MS = 30_000;
const beginOf = (ms, widthMs) => new Grid(widthMs).begin(ms);
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const NOW = Date.parse("2026-11-22T21:00:10Z");
const ALL = { from: -Number.MAX_SAFE_INTEGER, to: Number.MAX_SAFE_INTEGER };

const row = (beginMs, count, late = 0) => ({ beginMs, count, totalPriceExact: `${count}.50`, late });
const begins = (windows, from, to) => {
  const found = [];
  for (let at = from; at < to; at += WIDTH_MS) if (windows.at(at).count) found.push(at);
  return found;
};

test("a row of a higher epoch wins, whichever comes first", () => {
  const begin = beginOf(NOW, WIDTH_MS);
  const frameFirst = new Windows(WIDTH_MS);
  frameFirst.takeFrame([row(begin, 3)], 12, NOW);
  frameFirst.takeAnswer([{ ...row(begin, 2), epoch: 11 }], { ...ALL, epoch: 11 }, NOW);
  assert.equal(frameFirst.at(begin).count, 3);
  const answerFirst = new Windows(WIDTH_MS);
  answerFirst.takeAnswer([{ ...row(begin, 3), epoch: 12 }], { ...ALL, epoch: 12 }, NOW);
  answerFirst.takeFrame([row(begin, 2)], 11, NOW);
  assert.equal(answerFirst.at(begin).count, 3);
});

test("a window that went stays gone, whatever older answers and frames say", () => {
  const begin = beginOf(NOW, WIDTH_MS);
  const windows = new Windows(WIDTH_MS);
  windows.takeFrame([{ beginMs: begin, count: 0, totalPriceExact: "0.00", late: 0 }], 12, NOW);
  windows.takeAnswer([{ ...row(begin, 2), epoch: 11 }], { ...ALL, epoch: 11 }, NOW);
  assert.equal(windows.at(begin).count, 0);
  windows.takeAnswer([], { ...ALL, epoch: 13 }, NOW);
  windows.takeFrame([row(begin, 2)], 12, NOW);
  assert.equal(windows.at(begin).count, 0);
});

test("any order of answers among the frames ends at what the server has", () => {
  for (let seed = 0; seed < 300; seed++) {
    const random = randomFrom(seed);
    const server = new Map();
    const windows = new Windows(WIDTH_MS);
    const waiting = [];
    const first = beginOf(NOW, WIDTH_MS) - 20 * WIDTH_MS;
    const answer = (epoch) => ({
      epoch,
      rows: [...server]
        .filter(([, count]) => count)
        .map(([begin, count]) => ({ ...row(begin, count), epoch })),
    });
    windows.takeAnswer([], { ...ALL, epoch: 0 }, NOW);
    for (let epoch = 1; epoch <= 60; epoch++) {
      const changed = Array.from({ length: 1 + random.below(3) }, () => [
        first + random.below(20) * WIDTH_MS,
        random.below(4),
      ]);
      for (const [begin, count] of changed) server.set(begin, count);
      if (random.below(8) === 0) waiting.push(answer(epoch));
      const rows = [...new Map(changed)].map(([begin, count]) => row(begin, count));
      windows.takeFrame(rows, epoch, NOW);
      if (random.below(6) === 0 && waiting.length) {
        const late = waiting.splice(random.below(waiting.length), 1)[0];
        windows.takeAnswer(late.rows, { ...ALL, epoch: late.epoch }, NOW);
      }
    }
    for (const [begin, count] of server) assert.equal(windows.at(begin).count, count, `seed ${seed}`);
  }
});

test("frames that were missed are made good by the answer", () => {
  const begin = beginOf(NOW, WIDTH_MS);
  const windows = new Windows(WIDTH_MS);
  windows.takeFrame([row(begin, 1), row(begin - WIDTH_MS, 5)], 3, NOW);
  windows.takeAnswer([{ ...row(begin, 9), epoch: 8 }], { ...ALL, epoch: 8 }, NOW);
  assert.deepEqual(begins(windows, begin - DAY_MS, begin + DAY_MS), [begin]);
  assert.equal(windows.at(begin).count, 9);
});

test("sums are exact and given only for what is wholly known", () => {
  const windows = new Windows(WIDTH_MS);
  const midnight = Date.parse("2026-11-22T00:00:00Z");
  assert.equal(windows.sum(midnight, midnight + DAY_MS), null);
  const rows = [-1, 0, 1, 2, 2880].map((at) => ({
    beginMs: midnight + at * WIDTH_MS,
    count: 1,
    totalPriceExact: "0.10",
    late: 0,
    epoch: 4,
  }));
  windows.takeAnswer(rows, { from: NOW - 25 * HOUR_MS, to: ALL.to, epoch: 4 }, NOW);
  assert.deepEqual(windows.sum(midnight, midnight + DAY_MS), { count: 3, amount: "0.30" });
  assert.equal(windows.sum(NOW - 26 * HOUR_MS, NOW), null);
});

test("the trend ends now, or at the newest window when a day went by without orders", () => {
  const windows = new Windows(WIDTH_MS);
  assert.deepEqual(windows.end(NOW), { lastBeginMs: beginOf(NOW, WIDTH_MS), historic: false });
  const old = beginOf(Date.parse("1998-06-14T09:00:00Z"), WIDTH_MS);
  windows.takeFrame([row(old, 3), row(old - WIDTH_MS, 3)], 5, NOW);
  windows.prune(NOW);
  assert.deepEqual(windows.end(NOW), { lastBeginMs: old, historic: true });
  assert.equal(windows.at(old - WIDTH_MS).count, 3);
  windows.takeFrame([row(beginOf(NOW, WIDTH_MS), 1)], 6, NOW);
  windows.prune(NOW);
  assert.deepEqual(windows.end(NOW), { lastBeginMs: beginOf(NOW, WIDTH_MS), historic: false });
  assert.equal(windows.size, 1);
});

test("thirty days of frames and any timestamps leave no more windows than a day has", () => {
  const random = randomFrom(7);
  const windows = new Windows(WIDTH_MS);
  const most = (2 * KEPT_MS) / WIDTH_MS + 5100;
  let epoch = 0;
  let amount = 0;
  for (let now = NOW; now < NOW + 30 * DAY_MS; now += WIDTH_MS) {
    epoch++;
    const wild = Array.from({ length: 3 }, () => row(beginOf(random.next() * 2 ** 42, WIDTH_MS), 1));
    windows.takeFrame([row(beginOf(now, WIDTH_MS), ++amount), ...wild], epoch, now);
    assert.ok(windows.size <= most, `${windows.size} windows`);
  }
  const end = NOW + 30 * DAY_MS;
  windows.prune(end);
  assert.ok(windows.size <= (2 * KEPT_MS) / WIDTH_MS + 2);
  windows.takeAnswer([], { from: end - 25 * HOUR_MS, to: ALL.to, epoch: epoch - 100 }, end);
  assert.equal(windows.sum(end - 100 * WIDTH_MS + 10_000, end).count > 0, true);
  assert.equal(toText(windows.at(beginOf(end - WIDTH_MS, WIDTH_MS)).units), `${amount}.50`);
});

test("windows ahead of now are not the newest, and those far ahead are not kept", () => {
  const windows = new Windows(WIDTH_MS);
  windows.takeFrame(
    [row(beginOf(NOW + HOUR_MS, WIDTH_MS), 2), row(beginOf(NOW + 40 * DAY_MS, WIDTH_MS), 2)],
    1,
    NOW,
  );
  windows.prune(NOW);
  assert.equal(windows.size, 1);
  assert.equal(windows.newest(NOW), null);
});
