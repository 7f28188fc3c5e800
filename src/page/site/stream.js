// The connection: events as they come, made anew with growing waits whenever it breaks or goes silent. Where no event
// comes through, or where there is no place for another reader, what has come is asked for every so often instead.

import { ASK_MS, FIRST_MS, GIVE_UP_MS, SILENT_MS, waitMs } from "./backoff.js";
import { letIn } from "./gate.js";

/** How long an answer to a question may take. */
const ANSWER_MS = 5000;
/** How long after the answer to a question the stream may still say something itself. */
const ANSWERED_MS = 500;
/** How long a page that asks waits before it tries the stream again, and how long that has to go well. */
const TRIAL_AFTER_MS = 30_000;
const TRIAL_MS = 4000;
/** The longest pause between events of a stream that goes well. */
const PAUSE_MS = 2000;

const KINDS = ["snapshot", "frame", "beat"];

/** What the page has of the world, all of which a test can replace. */
const WORLD = {
  fetch: (...parameters) => fetch(...parameters).then(letIn),
  now: () => performance.now(),
  later: (act, ms) => setTimeout(act, ms),
  never: (timer) => clearTimeout(timer),
  random: () => Math.random(),
};

export class Stream {
  #following = null;
  #timer = null;
  #failures = 0;
  /** The number of the frame that comes next, as the server counts; null before the first event. */
  #next = null;
  #openedAt;
  #streamedAt = -Infinity;
  #answeredAt = -Infinity;
  #questioning = false;
  #trialAt = Infinity;
  /** When the last event came, by a clock that cannot be set; when the page was opened, before the first. */
  heardAt;
  /** When the connection broke; null while it is there. */
  lostAt = null;
  /** When the next attempt is due; null while one is under way. */
  retryAt = null;
  /** Why and how often the page asks, `{ reason: "held" | "full", everyMs }`; null while events come by themselves. */
  asking = null;

  /** `onEvent(kind, data)` gets each snapshot, frame and beat, already read. */
  constructor(url, onEvent, world = WORLD) {
    this.url = url;
    this.onEvent = onEvent;
    this.world = world;
    this.heardAt = this.#openedAt = world.now();
  }

  open() {
    this.world.never(this.#timer);
    this.retryAt = null;
    this.#follow();
  }

  /** To be called every so often: finds out whether a silent connection is one that is held back, or gives it up. */
  watch() {
    const now = this.world.now();
    const silentMs = now - Math.max(this.#streamedAt, this.#openedAt);
    if (this.asking) return this.#watchTrial(now, silentMs);
    if (!this.#following) return;
    const heldBack = this.#answeredAt > Math.max(this.#streamedAt, this.#openedAt);
    if (silentMs >= SILENT_MS && heldBack && now - this.#answeredAt >= ANSWERED_MS)
      return this.#ask({ reason: "held", everyMs: ASK_MS });
    if (silentMs > GIVE_UP_MS) return this.#lost();
    if (silentMs >= (this.#next === null ? FIRST_MS : SILENT_MS) && !heldBack) this.#question();
  }

  /** Beside the questions, the stream is tried every so often; they end once it has gone well for a while. */
  #watchTrial(now, silentMs) {
    if (this.#following && silentMs > PAUSE_MS) {
      this.#ask(this.asking);
    } else if (this.#following && now - this.#openedAt > TRIAL_MS) {
      this.asking = null;
    } else if (!this.#following && now >= this.#trialAt) {
      this.#trialAt = Infinity;
      this.#follow();
    }
  }

  async #follow() {
    this.#leave();
    const following = new AbortController();
    this.#following = following;
    this.#openedAt = this.world.now();
    try {
      const answer = await this.#fetch([], following.signal);
      if (!answer.ok) throw await refusal(answer);
      for await (const event of events(answer.body)) {
        if (following !== this.#following) return;
        this.#streamedAt = this.world.now();
        this.#heard(event);
      }
      throw new Error("the stream ended");
    } catch (error) {
      if (following !== this.#following) return;
      if (error.askEveryMs) this.#ask({ reason: "full", everyMs: error.askEveryMs });
      else if (this.asking) this.#ask(this.asking);
      else this.#lost();
    }
  }

  /** Goes over to asking, or stays with it; the stream is tried again after a while. */
  #ask(asking) {
    this.#leave();
    this.#trialAt = this.world.now() + this.#spread(TRIAL_AFTER_MS);
    if (this.asking) return;
    this.asking = asking;
    this.#askOn(asking);
  }

  async #askOn(asking) {
    if (asking !== this.asking) return;
    const answered = await this.#question();
    if (asking !== this.asking) return;
    if (!answered) return this.#lost();
    this.#timer = this.world.later(() => this.#askOn(asking), this.#spread(asking.everyMs));
  }

  /** Asks for what has come since the last event, and says whether there was an answer. */
  async #question() {
    if (this.#questioning) return true;
    this.#questioning = true;
    const control = new AbortController();
    const timer = this.world.later(() => control.abort(), ANSWER_MS);
    try {
      const answer = await this.#fetch(["once"], control.signal);
      if (!answer.ok) return false;
      for await (const event of events(answer.body)) this.#heard(event);
      this.#answeredAt = this.world.now();
      return true;
    } catch {
      return false;
    } finally {
      this.world.never(timer);
      this.#questioning = false;
    }
  }

  #fetch(parameters, signal) {
    const all = this.#next === null ? parameters : [...parameters, `next=${this.#next}`];
    const query = all.length > 0 ? `?${all.join("&")}` : "";
    return this.world.fetch(this.url + query, { signal, cache: "no-store" });
  }

  #heard({ kind, text }) {
    if (!KINDS.includes(kind)) return;
    const data = JSON.parse(text);
    this.heardAt = this.world.now();
    this.lostAt = null;
    this.#failures = 0;
    this.#next = data.next ?? this.#next;
    this.onEvent(kind, data);
  }

  #leave() {
    this.#following?.abort();
    this.#following = null;
  }

  #lost() {
    this.#leave();
    this.asking = null;
    this.#failures++;
    const now = this.world.now();
    this.lostAt ??= now;
    const wait = waitMs(this.#failures, this.world.random());
    this.retryAt = now + wait;
    this.#timer = this.world.later(() => this.open(), wait);
  }

  #spread(ms) {
    return ms * (0.9 + 0.2 * this.world.random());
  }
}

/** The error of an answer that is none; with `askEveryMs` where the server has no place for another reader. */
async function refusal(answer) {
  const error = new Error(`the server answered ${answer.status}`);
  try {
    error.askEveryMs = (await answer.json()).askEveryMs;
  } catch {
    // Something on the way answered, not the server.
  }
  return error;
}

/** The events of a body in the event stream format, as they come. */
async function* events(body) {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const blocks = (rest + decoder.decode(value, { stream: true })).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) yield eventOf(block);
  }
}

function eventOf(block) {
  const fields = { event: "message", data: "" };
  for (const line of block.split("\n")) {
    const at = line.indexOf(": ");
    fields[line.slice(0, at)] = line.slice(at + 2);
  }
  return { kind: fields.event, text: fields.data };
}
