// What the trend shows of the windows: one point a window, zeros where nothing was ordered, neighbours added up where there are too many.

import { Grid } from "./grid.js";

const MINUTE_MS = 60_000;
export const RANGES = {
  "5m": { ms: 5 * MINUTE_MS, words: "5 minutes" },
  "30m": { ms: 30 * MINUTE_MS, words: "30 minutes" },
  "6h": { ms: 360 * MINUTE_MS, words: "6 hours" },
  "24h": { ms: 1440 * MINUTE_MS, words: "24 hours" },
};
/** No more points than these are drawn. */
export const POINTS_MAX = 1500;
const FACTORS = [1, 2, 4, 5, 6, 10, 12, 20, 30, 40, 60, 120, 240, 360, 720, 1440, 2880];

/** The windows of the range that ends with `lastBeginMs`, oldest first; those without orders as zeros. They are two at least. */
export function rangeOf(windows, { lastBeginMs, rangeMs, nowMs }) {
  const { grid } = windows;
  const fromMs = grid.end(lastBeginMs) - rangeMs;
  const rows = [];
  let beginMs = lastBeginMs;
  let endMs = grid.end(lastBeginMs);
  while (rows.length < 2 || endMs > fromMs) {
    const { count, units, late } = windows.at(beginMs);
    rows.push({ beginMs, endMs, count, units, late, open: endMs > nowMs });
    [beginMs, endMs] = [grid.before(beginMs), beginMs];
  }
  return rows.reverse();
}

/** How many neighbours to add up so that `count` windows are at most `pointsMax` points. */
export function factorFor(count, pointsMax) {
  const least = Math.ceil(count / Math.min(pointsMax, POINTS_MAX));
  return FACTORS.find((factor) => factor >= least) ?? least;
}

/** Adds up `factor` neighbours, in groups that do not move as time goes on. The first group may lack its first windows: it is left out. */
export function addUp(rows, factor, widthMs, nowMs) {
  if (factor === 1) return rows;
  const points = [];
  const spanMs = widthMs * factor;
  const spans = new Grid(spanMs);
  for (const row of rows) {
    const beginMs = spans.begin(row.beginMs);
    let point = points.at(-1);
    if (point?.beginMs !== beginMs) {
      point = {
        beginMs,
        endMs: beginMs + spanMs,
        count: 0,
        units: 0n,
        late: 0,
        open: beginMs + spanMs > nowMs,
      };
      points.push(point);
    }
    point.count += row.count;
    point.units += row.units;
    point.late += row.late;
  }
  if (points.length > 1 && points[0].beginMs < rows[0].beginMs) points.shift();
  return points;
}

/** The last window that is over against the one before it. */
export function change(windows, { lastBeginMs, nowMs }) {
  const { grid } = windows;
  const closedMs = grid.end(lastBeginMs) > nowMs ? grid.before(lastBeginMs) : lastBeginMs;
  const last = windows.at(closedMs);
  const before = windows.at(grid.before(closedMs));
  return {
    beginMs: closedMs,
    endMs: grid.end(closedMs),
    count: last.count,
    countBefore: before.count,
    difference: last.count - before.count,
    unitsDifference: last.units - before.units,
  };
}

const STEPS_MIN = [1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880, 10080];

/** The step of the time axis' labels, in milliseconds, so that at most `labelsMax` are needed for `spanMs`. */
export function labelStepMs(spanMs, labelsMax) {
  const least = spanMs / Math.max(1, labelsMax);
  return (STEPS_MIN.find((step) => step * MINUTE_MS >= least) ?? STEPS_MIN.at(-1)) * MINUTE_MS;
}

/** A span of time in words: "30 seconds", "2 minutes", "1 hour", "1 day". */
export function spanWords(ms) {
  const units = [
    [86_400_000, "day"],
    [3_600_000, "hour"],
    [MINUTE_MS, "minute"],
    [1000, "second"],
    [1, "millisecond"],
  ];
  const [unitMs, word] = units.find(([unitMs]) => ms % unitMs === 0);
  const size = ms / unitMs;
  return `${size} ${word}${size === 1 ? "" : "s"}`;
}

/** How long ago, short: "now", "3 s", "2 min", "5 h", "3 days". */
export function agoText(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 1) return "just now";
  if (seconds < 120) return `${seconds} s ago`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86_400)} days ago`;
}
