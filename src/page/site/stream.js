// The connection: server-sent events, made anew with growing waits whenever it breaks or goes silent.

import { GIVE_UP_MS, waitMs } from "./backoff.js";

export class Stream {
  #source = null;
  #timer = null;
  #failures = 0;
  #openedAt = 0;
  /** When the last event came, by this page's clock; when the page was opened, before the first. */
  heardAt = Date.now();
  /** When the connection broke; null while it is there. */
  lostAt = null;
  /** When the next attempt is due; null while one is under way. */
  retryAt = null;

  /** `onEvent(kind, data)` gets each snapshot, frame and beat, already read. */
  constructor(url, onEvent) {
    this.url = url;
    this.onEvent = onEvent;
  }

  open() {
    clearTimeout(this.#timer);
    this.#source?.close();
    this.retryAt = null;
    this.#openedAt = Date.now();
    const source = new EventSource(this.url);
    this.#source = source;
    for (const kind of ["snapshot", "frame", "beat"]) {
      source.addEventListener(kind, (event) => {
        if (source === this.#source) this.#heard(kind, event.data);
      });
    }
    source.addEventListener("error", () => {
      if (source === this.#source) this.#lost();
    });
  }

  /** To be called every so often: gives up on a connection that says nothing. */
  watch() {
    const silentMs = Date.now() - Math.max(this.heardAt, this.#openedAt);
    if (this.#source && silentMs > GIVE_UP_MS) this.#lost();
  }

  #heard(kind, text) {
    let data;
    try {
      data = JSON.parse(text);
    } catch {
      return this.#lost();
    }
    this.heardAt = Date.now();
    this.lostAt = null;
    this.#failures = 0;
    this.onEvent(kind, data);
  }

  #lost() {
    this.#source?.close();
    this.#source = null;
    this.#failures++;
    this.lostAt ??= Date.now();
    const wait = waitMs(this.#failures, Math.random());
    this.retryAt = Date.now() + wait;
    this.#timer = setTimeout(() => this.open(), wait);
  }
}
