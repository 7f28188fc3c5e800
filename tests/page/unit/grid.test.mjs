import assert from "node:assert/strict";
import { test } from "node:test";
import { module } from "./support.mjs";

const { Grid } = await module("grid.js");
const { Windows } = await module("model.js");
const { RANGES, change, rangeOf } = await module("series.js");
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const START_MS = -(2 ** 63);
const at = (text) => Date.parse(text);

// As the server tells of Berlin around the autumn of 2026, for windows of a day and of an hour.
const DAYS = [
  { fromMs: START_MS, offsetMs: HOUR_MS, openMs: START_MS, nextMs: START_MS },
  {
    fromMs: at("2026-03-29T01:00:00Z"),
    offsetMs: 2 * HOUR_MS,
    openMs: at("2026-03-28T23:00:00Z"),
    nextMs: at("2026-03-29T22:00:00Z"),
  },
  {
    fromMs: at("2026-10-25T01:00:00Z"),
    offsetMs: HOUR_MS,
    openMs: at("2026-10-24T22:00:00Z"),
    nextMs: at("2026-10-25T23:00:00Z"),
  },
];
const HOURS = [
  { fromMs: START_MS, offsetMs: 2 * HOUR_MS, openMs: START_MS, nextMs: START_MS },
  {
    fromMs: at("2026-10-25T01:00:00Z"),
    offsetMs: HOUR_MS,
    openMs: at("2026-10-25T00:00:00Z"),
    nextMs: at("2026-10-25T01:00:00Z"),
  },
];

test("without a clock, windows begin at multiples of their width, before 1970 too", () => {
  const grid = new Grid(30_000);
  assert.equal(grid.begin(-1), -30_000);
  assert.equal(grid.begin(-30_000), -30_000);
  assert.equal(grid.begin(59_999.9), 30_000);
  assert.equal(grid.end(30_000), 60_000);
  assert.equal(grid.before(30_000), 0);
});

test("days begin at midnight and have 23 or 25 hours where the clock is turned", () => {
  const grid = new Grid(DAY_MS, DAYS);
  for (const [begin, hours] of [
    ["2026-03-27T23:00:00Z", 24],
    ["2026-03-28T23:00:00Z", 23],
    ["2026-03-29T22:00:00Z", 24],
    ["2026-10-23T22:00:00Z", 24],
    ["2026-10-24T22:00:00Z", 25],
    ["2026-10-25T23:00:00Z", 24],
  ]) {
    const end = at(begin) + hours * HOUR_MS;
    assert.equal(grid.end(at(begin)), end, begin);
    assert.equal(grid.before(end), at(begin), begin);
    for (const ms of [at(begin), at(begin) + 12 * HOUR_MS, end - 1]) assert.equal(grid.begin(ms), at(begin), begin);
  }
});

test("an hour that comes twice is two windows", () => {
  const grid = new Grid(HOUR_MS, HOURS);
  const second = at("2026-10-25T01:00:00Z");
  assert.deepEqual([grid.before(second), grid.begin(second), grid.end(second)], [second - HOUR_MS, second, second + HOUR_MS]);
});

test("a trend of days shows the days of the clock", () => {
  const windows = new Windows(DAY_MS);
  windows.takeClock(DAYS);
  const now = at("2026-10-26T12:00:00Z");
  const row = (begin, count) => ({ beginMs: at(begin), count, totalPriceExact: "1.00", late: 0 });
  windows.takeFrame([row("2026-10-24T22:00:00Z", 3), row("2026-10-25T23:00:00Z", 5)], 1, now);
  const { lastBeginMs, historic } = windows.end(now);
  assert.deepEqual([lastBeginMs, historic], [at("2026-10-25T23:00:00Z"), false]);
  const rows = rangeOf(windows, { lastBeginMs, rangeMs: RANGES["24h"].ms, nowMs: now });
  assert.deepEqual(
    rows.map(({ beginMs, endMs, count, open }) => [beginMs, endMs, count, open]),
    [
      [at("2026-10-24T22:00:00Z"), at("2026-10-25T23:00:00Z"), 3, false],
      [at("2026-10-25T23:00:00Z"), at("2026-10-26T23:00:00Z"), 5, true],
    ],
  );
  const { beginMs, count, countBefore } = change(windows, { lastBeginMs, nowMs: now });
  assert.deepEqual([beginMs, count, countBefore], [at("2026-10-24T22:00:00Z"), 3, 0]);
});

test("of windows wider than a day the last three are kept", () => {
  const windows = new Windows(7 * DAY_MS);
  const now = at("2026-11-28T12:00:00Z");
  const last = windows.grid.begin(now);
  const rows = [0, 1, 2, 3].map((weeks) => ({ beginMs: last - weeks * 7 * DAY_MS, count: 1 + weeks, totalPriceExact: "1.00", late: 0 }));
  windows.takeFrame(rows, 1, now);
  windows.prune(now);
  assert.deepEqual([0, 1, 2, 3].map((weeks) => windows.at(last - weeks * 7 * DAY_MS).count), [1, 2, 3, 0]);
});
