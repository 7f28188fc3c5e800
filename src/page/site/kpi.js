// The large numbers. Each is exact text; a digit that changes rolls from the old one to the new one.

import { grouped, signed, toText } from "./decimal.js";
import { byId, element, mayMove, setAttribute, setText } from "./dom.js";
import { agoText } from "./series.js";
import { dayText, secondText, sinceText } from "./zone.js";

const ROLL = { duration: 340, easing: "cubic-bezier(.2, .7, .2, 1)" };

/** A number whose digits roll. Its text is the number; the digits that leave are never in the document. */
class Roll {
  /** The characters before the decimal point, last first, and those from it on. */
  #whole = [];
  #fraction = [];
  #text = "";
  #length = 0;

  constructor(host) {
    this.host = host;
  }

  /** Shows `text`; `value` is the same as the server wrote it. `up` is the way that digits roll. */
  show(text, value, up) {
    if (text === this.#text) return;
    if (this.#text === "") this.host.replaceChildren();
    this.#text = text;
    setAttribute(this.host, "data-value", value);
    setAttribute(this.host, "aria-label", text);
    const point = text.includes(".") ? text.indexOf(".") : text.length;
    this.#fill(this.#whole, [...text.slice(0, point)].reverse(), up, (cell) => this.host.prepend(cell));
    this.#fill(this.#fraction, [...text.slice(point)], up, (cell) => {
      cell.classList.add("fraction");
      this.host.append(cell);
    });
    this.#size(point + (text.length - point) * 0.62);
  }

  #fill(cells, characters, up, add) {
    while (cells.length > characters.length) cells.pop().remove();
    characters.forEach((character, at) => {
      if (at < cells.length) return roll(cells[at].firstChild, character, up);
      const cell = element("span", { class: "digit" }, element("span", {}, character));
      cells.push(cell);
      add(cell);
    });
  }

  /** Tells the style how much room the number needs; not less at once because it lost a digit, so that nothing jumps. */
  #size(length) {
    if (length > this.#length || length < this.#length * 0.7) {
      this.#length = length;
      this.host.closest(".kpi").style.setProperty("--length", length.toFixed(2));
    }
  }
}

const rolling = new WeakMap();

/** Changes one character, letting digits roll. One that still rolls just becomes the newer digit. */
function roll(inner, character, up) {
  if (inner.textContent === character) return;
  const digits = /\d/.test(character) && /\d/.test(inner.textContent);
  if (digits && mayMove() && rolling.get(inner)?.playState !== "running") {
    inner.dataset.was = inner.textContent;
    inner.dataset.up = up;
    rolling.set(
      inner,
      inner.animate([{ transform: `translateY(${up ? 100 : -100}%)` }, { transform: "none" }], ROLL),
    );
  }
  inner.textContent = character;
}

export class Kpi {
  #amount = new Roll(byId("kpi-amount"));
  #count = new Roll(byId("kpi-count"));
  #last = { count: 0 };
  #said = { text: "", at: -Infinity };

  /** Shows the totals of `state`, those of `day` (null: not known yet) and the change between two windows. */
  show({ state, day, dayStart, change, zone, localNow }) {
    const up = state.count >= this.#last.count;
    this.#last = state;
    this.#amount.show(grouped(state.totalPriceExact), state.totalPriceExact, up);
    this.#count.show(grouped(state.count), state.count, up);
    setText(byId("kpi-users"), grouped(state.users));
    setAttribute(byId("kpi-users"), "data-value", state.users);
    this.#showDay("kpi-today-amount", day?.amount);
    this.#showDay("kpi-today-count", day?.count);
    for (const label of document.querySelectorAll(".today-date")) setText(label, dayText(dayStart, zone));
    this.#showChange(change, zone);
    this.#say(state, localNow);
  }

  #showDay(id, value) {
    setText(byId(id), value === undefined ? "\u2026" : grouped(value));
    setAttribute(byId(id), "data-value", value ?? null);
  }

  #showChange(change, zone) {
    const host = byId("change");
    const { difference, count, countBefore } = change;
    setAttribute(host, "data-value", difference);
    setAttribute(host, "data-direction", difference > 0 ? "up" : difference < 0 ? "down" : "same");
    setText(byId("change-arrow"), difference > 0 ? "\u2191" : difference < 0 ? "\u2193" : "=");
    setText(byId("change-value"), difference === 0 ? "0" : signed(difference));
    setText(byId("change-window"), secondText(change.beginMs, zone));
    setText(byId("change-amount"), signed(toText(change.unitsDifference)));
    const [from, to] = [grouped(countBefore), grouped(count)];
    setText(byId("change-way"), difference > 0 ? "up" : difference < 0 ? "down" : "the same");
    setText(byId("change-words"), difference === 0 ? `as before, ${to}` : `from ${from} to ${to}`);
  }

  /** Tells screen readers, a sentence every 15 seconds at most. */
  #say(state, now) {
    if (now - this.#said.at < 15_000) return;
    const text = `${grouped(state.count)} orders, amount ${grouped(state.totalPriceExact)}, ${grouped(state.users)} users.`;
    if (text === this.#said.text) return;
    this.#said = { text, at: now };
    setText(byId("spoken"), text);
  }
}

/** The strip that says why the numbers can be believed. */
export function showTrust({ state, heardMs, changedMs, nowMs, zone }) {
  setText(byId("epoch"), grouped(state.epoch));
  setAttribute(byId("epoch"), "data-value", state.epoch);
  const changed = changedMs === null ? "changed before this start" : `changed ${agoText(changedMs)}`;
  setText(byId("age"), `${changed}, heard ${agoText(heardMs)}`);
  const host = byId("verified");
  const { verifiedEpoch, verifiedEqual } = state;
  setAttribute(host, "data-epoch", verifiedEpoch);
  setAttribute(host, "data-equal", verifiedEpoch === null ? null : verifiedEqual);
  if (verifiedEpoch === null) {
    setText(byId("verified-mark"), "\u2026");
    setText(byId("verified-words"), "first recount under way");
  } else {
    setText(byId("verified-mark"), verifiedEqual ? "\u2713" : "\u2717");
    const ago = agoText(nowMs - state.verifiedMs);
    const behind = state.epoch - verifiedEpoch;
    const epochs =
      behind <= 0 ? "this epoch" : behind === 1 ? "1 epoch ago" : `${grouped(behind)} epochs ago`;
    setText(
      byId("equation"),
      verifiedEqual
        ? "\u03a3 users = \u03a3 windows = total,"
        : "\u03a3 users, \u03a3 windows and total DIFFER,",
    );
    setText(byId("verified-words"), `verified at epoch ${grouped(verifiedEpoch)} (${epochs}, ${ago})`);
  }
  showCount("rejects", state.rejects, state.rejects === 1 ? "order set aside" : "orders set aside");
  const since = sinceText(state.lateSinceMs, nowMs, zone);
  showCount("late", state.late, `${state.late === 1 ? "late change" : "late changes"} since ${since}`);
}

function showCount(id, value, words) {
  setAttribute(byId(id), "data-value", value);
  setText(byId(id), `${grouped(value)} ${words}`);
}
