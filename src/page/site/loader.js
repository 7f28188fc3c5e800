// Fetches the windows that the trend and today need: those of the last 26 hours, or the newest ones where all are older.

import { KEPT_MS } from "./model.js";

const HOUR_MS = 3_600_000;
const PAGE_ROWS = 20_000;
/** No more pages than these, whatever the width of the windows. */
const PAGES_MAX = 12;
const WHOLE_MS = HOUR_MS;
const AGAIN_MS = 10_000;
/** The shortest time between two loads where frame after frame asks for them. */
const WANTED_MS = 1000;
const MAX_MS = Number.MAX_SAFE_INTEGER;

export class Loader {
  #running = null;
  #loadedAt = -Infinity;
  #askedAt = -Infinity;
  #historic = false;
  #wanted = false;

  /** `fetchRows(url, signal)` gets the objects of an address. */
  constructor(fetchRows) {
    this.fetchRows = fetchRows;
  }

  /** More windows changed than a frame says: they are to be loaded at one of the next checks. */
  want() {
    this.#wanted = true;
  }

  /** Fetches anew what is in `windows`; what still runs is dropped. `epoch` is that of empty answers. */
  async load(windows, epoch, now, done) {
    this.#running?.abort();
    const running = new AbortController();
    this.#running = running;
    this.#askedAt = now();
    this.#wanted = false;
    try {
      // Windows that lie further ahead come when the next hour's are loaded.
      const to = Math.ceil(now() + KEPT_MS);
      const from = Math.min(now() - KEPT_MS - windows.widthMs, windows.oldest(now()));
      const recent = await this.#pages({ from, to, epoch }, running.signal);
      windows.takeAnswer(recent.rows, recent, now());
      const none = windows.newest(now()) === null || windows.end(now()).historic;
      if (none) {
        const old = await this.#page(`to=${to}&limit=${PAGE_ROWS}`, running.signal);
        const known = old.length < PAGE_ROWS ? -MAX_MS : old[0].beginMs;
        windows.takeAnswer(old, { from: known, to, epoch: old[0]?.epoch ?? epoch }, now());
      }
      this.#historic = windows.end(now()).historic;
      this.#loadedAt = now();
      done();
    } catch (error) {
      if (running.signal.aborted) return;
      this.#loadedAt = -Infinity;
      console.warn(`the windows did not come: ${error.message}`);
    } finally {
      if (this.#running === running) this.#running = null;
    }
  }

  /** Loads again where that is wanted, and where time has passed: each hour, when the newest windows turn old, and after a failure. */
  check(windows, state, now, done) {
    if (this.#running || now() - this.#askedAt < (this.#wanted ? WANTED_MS : AGAIN_MS)) return;
    if (this.#wanted) return this.load(windows, state.epoch, now, done);
    const whole = now() - this.#loadedAt < WHOLE_MS && windows.knownFrom < Infinity;
    const turned = windows.end(now()).historic && !this.#historic;
    const lost = state.count > 0 && windows.newest(now()) === null && state.ahead === 0;
    if (!whole || turned || lost) this.load(windows, state.epoch, now, done);
  }

  /** All windows that begin in `[from, to)`, in as many pages as it takes. */
  async #pages({ from, to, epoch }, signal) {
    let rows = [];
    let end = to;
    for (let page = 0; page < PAGES_MAX; page++) {
      const more = await this.#page(`from=${Math.floor(from)}&to=${end}&limit=${PAGE_ROWS}`, signal);
      rows = more.concat(rows);
      if (more.length < PAGE_ROWS) return { rows, from, to, epoch: earliest(rows, epoch) };
      end = more[0].beginMs;
    }
    return { rows, from: end, to, epoch: earliest(rows, epoch) };
  }

  async #page(parameters, signal) {
    return this.fetchRows(`api/windows?${parameters}`, signal);
  }
}

function earliest(rows, epoch) {
  return rows.length === 0 ? epoch : rows.reduce((least, row) => Math.min(least, row.epoch), Infinity);
}
