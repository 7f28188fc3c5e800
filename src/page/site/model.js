// The windows that the page knows, by their begin. Memory is bounded: what is older than 26 hours is forgotten.

import { toText, toUnits } from "./decimal.js";
import { Grid } from "./grid.js";

const HOUR_MS = 3_600_000;
export const DAY_MS = 24 * HOUR_MS;
/** How far back windows are kept: a day of 25 hours and some. */
export const KEPT_MS = 26 * HOUR_MS;
/** How many windows may come before the old ones are looked for again. */
const SLACK = 5000;

/** A window without orders. */
export const EMPTY = Object.freeze({ count: 0, units: 0n, late: 0, epoch: -1 });

export class Windows {
  #rows = new Map();
  #pruneAbove = SLACK;
  /** The range of the last whole answer and its epoch: older frames say nothing about it. */
  #answer = { from: Infinity, to: -Infinity, epoch: -1 };
  /** Goes up whenever anything changes. */
  version = 0;

  constructor(widthMs) {
    this.widthMs = widthMs;
    this.grid = new Grid(widthMs);
  }

  /** Takes what the server tells of the clock that windows begin by, if they do. */
  takeClock(clock) {
    this.grid = new Grid(this.widthMs, clock);
    this.version++;
  }

  get size() {
    return this.#rows.size;
  }

  /** The window that begins at `beginMs`; empty if there is none. */
  at(beginMs) {
    return this.#rows.get(beginMs) ?? EMPTY;
  }

  /** Forgets everything, as for another store. */
  clear() {
    this.#rows.clear();
    this.#answer = { from: Infinity, to: -Infinity, epoch: -1 };
    this.version++;
  }

  /** From when on every window is known; Infinity before the first answer. */
  get knownFrom() {
    return this.#answer.from;
  }

  /** Takes the windows that a frame of `epoch` changed. Zero orders stay as a row, so that no older answer revives them. */
  takeFrame(changed, epoch, nowMs) {
    for (const row of changed) {
      const { from, to, epoch: answered } = this.#answer;
      const answeredLater = epoch < answered && row.beginMs >= from && row.beginMs < to;
      if (!answeredLater) this.#put(row, epoch);
    }
    if (this.#rows.size > this.#pruneAbove) this.prune(nowMs);
  }

  /** Takes all windows of `[from, to)` as of `epoch`: those that are not among `rows` have no orders. An older answer than the last says nothing. */
  takeAnswer(rows, { from, to, epoch }, nowMs) {
    if (epoch < this.#answer.epoch) return;
    const present = new Set();
    for (const row of rows) {
      present.add(row.beginMs);
      this.#put(row, row.epoch ?? epoch);
    }
    for (const [beginMs, row] of this.#rows) {
      if (beginMs >= from && beginMs < to && row.epoch <= epoch && !present.has(beginMs))
        this.#rows.delete(beginMs);
    }
    this.#answer = { from, to, epoch };
    this.version++;
    this.prune(nowMs);
  }

  #put({ beginMs, count, totalPriceExact, late }, epoch) {
    if (epoch < this.at(beginMs).epoch) return;
    this.#rows.set(beginMs, { count, units: toUnits(totalPriceExact), late: late ?? 0, epoch });
    this.version++;
  }

  /** Begin of the newest window with orders that has begun by `nowMs`; null if there is none. */
  newest(nowMs) {
    let newest = null;
    for (const [beginMs, row] of this.#rows) {
      if (row.count > 0 && beginMs <= nowMs && (newest === null || beginMs > newest)) newest = beginMs;
    }
    return newest;
  }

  /**
   * Where the trend ends: at the window that is open now, or, when there was no order for 24 hours, at the newest one.
   */
  end(nowMs) {
    const newest = this.newest(nowMs);
    const historic = newest !== null && this.grid.end(newest) <= nowMs - DAY_MS;
    return { lastBeginMs: historic ? newest : this.grid.begin(nowMs), historic };
  }

  /** From when on windows are shown that are narrow enough for many, and of any width the last three. */
  oldest(nowMs) {
    const { lastBeginMs, historic } = this.end(nowMs);
    const third = this.grid.before(this.grid.before(lastBeginMs));
    return Math.min(third, (historic ? this.grid.end(lastBeginMs) : nowMs) - KEPT_MS - this.widthMs);
  }

  /** Forgets windows more than 26 hours before the end of the trend, or after now. */
  prune(nowMs) {
    const oldest = this.oldest(nowMs);
    for (const beginMs of this.#rows.keys()) {
      if (beginMs < oldest || beginMs > nowMs + KEPT_MS) this.#rows.delete(beginMs);
    }
    this.#pruneAbove = this.#rows.size + SLACK;
  }

  /** Orders and exact amount of the windows that begin in `[from, to)`; null where not all of them are known. */
  sum(from, to) {
    if (from < this.#answer.from) return null;
    let count = 0;
    let units = 0n;
    for (const [beginMs, row] of this.#rows) {
      if (beginMs < from || beginMs >= to) continue;
      count += row.count;
      units += row.units;
    }
    return { count, amount: toText(units) };
  }
}
