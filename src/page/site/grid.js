// Where windows begin and end: at multiples of their width, or by a zone's clock as the server tells it.

/** `value` modulo `width`, never negative. */
const modulo = (value, width) => ((value % width) + width) % width;

export class Grid {
  #clock;

  /** `clock` has the stretches in which the zone's clock is not turned, earliest first; empty where windows know no clock. */
  constructor(widthMs, clock = []) {
    this.widthMs = widthMs;
    this.#clock = clock;
  }

  /** The begin of the window that holds `ms`. Right before 1970 too. */
  begin(ms) {
    const at = Math.floor(ms);
    const stretch = this.#clock[this.#place(at)];
    if (!stretch) return at - modulo(at, this.widthMs);
    if (at < stretch.nextMs) return stretch.openMs;
    return at - modulo(at + stretch.offsetMs, this.widthMs);
  }

  /** The end of the window that begins at `beginMs`. */
  end(beginMs) {
    const place = this.#place(beginMs);
    let next = this.#clock[place]?.nextMs ?? beginMs;
    if (next <= beginMs) next = beginMs + this.widthMs;
    for (const { fromMs, openMs, nextMs } of this.#clock.slice(place + 1)) {
      if (fromMs > next) break;
      if (openMs === fromMs) return fromMs;
      next = nextMs;
    }
    return next;
  }

  /** The begin of the window before the one that begins at `beginMs`. */
  before(beginMs) {
    return this.begin(beginMs - 1);
  }

  #place(ms) {
    return Math.max(0, this.#clock.findLastIndex(({ fromMs }) => fromMs <= ms));
  }
}
