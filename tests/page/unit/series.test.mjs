import assert from "node:assert/strict";
import { test } from "node:test";
import { module, randomFrom } from "./support.mjs";

const { Windows } = await module("model.js");
const { Grid } = await module("grid.js");
const { POINTS_MAX, RANGES, addUp, agoText, change, factorFor, labelStepMs, rangeOf, spanWords } =
  await module("series.js");
const NOW = Date.parse("2026-11-22T21:00:10Z");
const beginOf = (ms, widthMs) => new Grid(widthMs).begin(ms);

/** Windows of `widthMs` with `counts` orders, the last of them the one that holds `NOW`. */
function windowsOf(widthMs, counts) {
  const windows = new Windows(widthMs);
  const last = beginOf(NOW, widthMs);
  const rows = counts.map((count, at) => ({
    beginMs: last - (counts.length - 1 - at) * widthMs,
    count,
    totalPriceExact: `${count}.25`,
    late: count % 2,
  }));
  windows.takeFrame(
    rows.filter((row) => row.count),
    1,
    NOW,
  );
  return { windows, last };
}

test("each range has its windows, for any width, and the last is open", () => {
  for (const widthMs of [1000, 7000, 30_000, 60_000, 3_600_000, 5_400_000]) {
    for (const { ms } of Object.values(RANGES)) {
      const { windows, last } = windowsOf(widthMs, [1]);
      const rows = rangeOf(windows, { lastBeginMs: last, rangeMs: ms, nowMs: NOW });
      assert.equal(rows.length, Math.max(2, Math.ceil(ms / widthMs)));
      assert.ok(rows.length * widthMs >= ms);
      rows.forEach((row, at) => assert.equal(row.beginMs, last - (rows.length - 1 - at) * widthMs));
      assert.deepEqual(rows.map((row) => row.open).indexOf(true), rows.length - 1);
    }
  }
});

test("windows without orders are zeros", () => {
  const { windows, last } = windowsOf(30_000, [4, 0, 0, 2, 1]);
  const rows = rangeOf(windows, { lastBeginMs: last, rangeMs: RANGES["5m"].ms, nowMs: NOW });
  assert.deepEqual(
    rows.map((row) => row.count),
    [0, 0, 0, 0, 0, 4, 0, 0, 2, 1],
  );
  assert.equal(rows[6].units, 0n);
});

test("no more points than there is room for, and nothing is lost in adding up", () => {
  const random = randomFrom(3);
  for (let round = 0; round < 200; round++) {
    const widthMs = [1000, 5000, 30_000, 45_000][random.below(4)];
    const counts = Array.from({ length: 400 + random.below(4000) }, () => random.below(5));
    const { windows, last } = windowsOf(widthMs, counts);
    const rows = rangeOf(windows, { lastBeginMs: last, rangeMs: counts.length * widthMs, nowMs: NOW });
    const factor = factorFor(rows.length, 60 + random.below(3000));
    const points = addUp(rows, factor, widthMs, NOW);
    assert.ok(points.length <= POINTS_MAX + 1);
    const kept = rows.filter((row) => row.beginMs >= points[0].beginMs);
    assert.ok(rows.length - kept.length < factor);
    assert.equal(
      points.reduce((sum, point) => sum + point.count, 0),
      kept.reduce((sum, row) => sum + row.count, 0),
    );
    assert.equal(
      points.reduce((sum, point) => sum + point.units, 0n),
      kept.reduce((sum, row) => sum + row.units, 0n),
    );
    points.forEach((point, at) => assert.equal(point.beginMs, points[0].beginMs + at * factor * widthMs));
    assert.ok(points.at(-1).open);
  }
});

test("points do not change their windows as time goes on", () => {
  const { windows, last } = windowsOf(
    30_000,
    Array.from({ length: 2880 }, (_, at) => at % 7),
  );
  const begins = (lastBeginMs) => {
    const rows = rangeOf(windows, { lastBeginMs, rangeMs: RANGES["24h"].ms, nowMs: NOW });
    return new Map(
      addUp(rows, 12, 30_000, NOW)
        .slice(0, -1)
        .map((point) => [point.beginMs, point.count]),
    );
  };
  const before = begins(last - 30_000);
  for (const [begin, count] of begins(last)) if (before.has(begin)) assert.equal(before.get(begin), count);
});

test("the last window that is over is held against the one before", () => {
  const { windows, last } = windowsOf(30_000, [5, 9, 4]);
  const found = change(windows, { lastBeginMs: last, nowMs: NOW });
  assert.equal(found.beginMs, last - 30_000);
  assert.deepEqual([found.countBefore, found.count, found.difference], [5, 9, 4]);
  assert.equal(found.unitsDifference, 4n * 10n ** 18n);
  const over = change(windows, { lastBeginMs: last, nowMs: last + 30_000 });
  assert.equal(over.difference, -5);
});

test("labels fit and are at round times", () => {
  assert.equal(labelStepMs(300_000, 8), 60_000);
  assert.equal(labelStepMs(86_400_000, 10), 3 * 3_600_000);
  assert.equal(labelStepMs(86_400_000, 4), 6 * 3_600_000);
  assert.equal(labelStepMs(1000, 0), 60_000);
});

test("spans and ages in words", () => {
  for (const [ms, words] of [
    [30_000, "30 seconds"],
    [1000, "1 second"],
    [60_000, "1 minute"],
    [5_400_000, "90 minutes"],
    [7_200_000, "2 hours"],
    [86_400_000, "1 day"],
    [172_800_000, "2 days"],
    [1500, "1500 milliseconds"],
  ]) {
    assert.equal(spanWords(ms), words);
  }
  for (const [ms, words] of [
    [-5, "just now"],
    [999, "just now"],
    [1000, "1 s ago"],
    [119_999, "119 s ago"],
    [120_000, "2 min ago"],
    [7_200_000, "2 h ago"],
    [172_800_000, "2 days ago"],
  ]) {
    assert.equal(agoText(ms), words);
  }
});
