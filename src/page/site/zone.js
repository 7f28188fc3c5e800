// Days and times of day in a zone, with its days of 23 and 25 hours.

const HOUR_MS = 3_600_000;
const formats = new Map();

/** The formatter of a kind (a set of Intl options) in a zone; made once. */
function format(zone, kind, options) {
  const key = `${zone} ${kind}`;
  let found = formats.get(key);
  if (!found) {
    if (formats.size > 100) formats.clear();
    found = new Intl.DateTimeFormat("en-GB", { timeZone: zone, ...options });
    formats.set(key, found);
  }
  return found;
}

/** Whether times can be shown in `zone`. */
export function isZone(zone) {
  if (typeof zone !== "string" || zone === "") return false;
  try {
    return Boolean(format(zone, "minute", CLOCK));
  } catch {
    return false;
  }
}

const DATE = { year: "numeric", month: "2-digit", day: "2-digit" };
const CLOCK = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };

/** "22 Nov 2026" */
export const dateText = (ms, zone) =>
  format(zone, "date", { day: "numeric", month: "short", year: "numeric" }).format(ms);
/** "22 Nov" */
export const dayText = (ms, zone) => format(zone, "day", { day: "numeric", month: "short" }).format(ms);
/** "23:59" */
export const minuteText = (ms, zone) => format(zone, "minute", CLOCK).format(ms);
/** "23:59:30" */
export const secondText = (ms, zone) => format(zone, "second", { ...CLOCK, second: "2-digit" }).format(ms);
/** "22 Nov, 23:59:30" */
export const momentText = (ms, zone) =>
  format(zone, "moment", { day: "numeric", month: "short", ...CLOCK, second: "2-digit" }).format(ms);
/** "22 Nov 2026, 23:59:30" */
export const fullText = (ms, zone) => `${dateText(ms, zone)}, ${secondText(ms, zone)}`;

/** When something began: the time alone if it was today, "21:05", else "22 Nov, 21:05". */
export const sinceText = (ms, nowMs, zone) =>
  dayKey(ms, zone) === dayKey(nowMs, zone)
    ? minuteText(ms, zone)
    : `${dayText(ms, zone)}, ${minuteText(ms, zone)}`;

const dayKey = (ms, zone) => format(zone, "key", DATE).format(ms);

/** Milliseconds that the wall clock in `zone` is ahead of UTC at `ms`. */
export function aheadMs(ms, zone) {
  const parts = format(zone, "parts", { ...DATE, ...CLOCK, second: "2-digit", era: "short" }).formatToParts(
    ms,
  );
  const part = Object.fromEntries(parts.map(({ type, value }) => [type, value]));
  const year = part.era === "BC" ? 1 - Number(part.year) : Number(part.year);
  const wall = new Date(0);
  wall.setUTCFullYear(year, Number(part.month) - 1, Number(part.day));
  wall.setUTCHours(Number(part.hour), Number(part.minute), Number(part.second));
  return wall.getTime() - Math.floor(ms / 1000) * 1000;
}

/** The first whole millisecond in `(low, high]` for which `holds`, which once true stays true and is true for `high`. */
function first(low, high, holds) {
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (holds(middle)) high = middle;
    else low = middle;
  }
  return high;
}

/** The day `[start, end)` of `zone` that holds `ms`. Costs some 50 formattings: keep it until it is over. */
export function dayOf(ms, zone) {
  const at = Math.floor(ms);
  const key = dayKey(at, zone);
  const start = first(at - 26 * HOUR_MS, at, (other) => dayKey(other, zone) === key);
  const end = first(at, at + 26 * HOUR_MS, (other) => dayKey(other, zone) !== key);
  return { start, end };
}
