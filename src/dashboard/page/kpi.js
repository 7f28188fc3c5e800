// The large numbers. Each is exact text; a digit that changes rolls from the old one to the new one.

import { grouped, signed, toText } from "./decimal.js";
import { byId, mayMove, setAttribute, setText } from "./dom.js";
import { agoText } from "./series.js";
import { dayText, secondText } from "./zone.js";

const ROLL = { duration: 420, easing: "cubic-bezier(.2, .7, .2, 1)" };

/** A number whose digits roll. Its text is the number; the digits that leave are never in the document. */
class Roll {
  #cells = [];
  #shape = "";
  #text = "";

  constructor(host) {
    this.host = host;
  }

  /** Shows `text`; `value` is the same as the server wrote it. `up` is the way that digits roll. */
  show(text, value, up) {
    if (text === this.#text) return;
    setAttribute(this.host, "data-value", value);
    setAttribute(this.host, "aria-label", text);
    const shape = text.replace(/\d/g, "0");
    if (shape === this.#shape) this.#roll(text, up);
    else this.#build(text, shape);
    this.#text = text;
  }

  #build(text, shape) {
    const point = text.indexOf(".");
    this.#shape = shape;
    this.#cells = Array.from(text, (character, at) => {
      const cell = document.createElement("span");
      const inner = document.createElement("span");
      cell.className = /\d/.test(character) ? "digit" : "mark";
      if (point >= 0 && at >= point) cell.classList.add("fraction");
      inner.textContent = character;
      cell.append(inner);
      return cell;
    });
    const whole = point < 0 ? text.length : point;
    this.host.style.setProperty("--length", (whole + (text.length - whole) * 0.62).toFixed(2));
    this.host.replaceChildren(...this.#cells);
  }

  #roll(text, up) {
    const move = mayMove();
    this.#cells.forEach((cell, at) => {
      if (text[at] === this.#text[at]) return;
      const inner = cell.firstChild;
      const idle = inner.getAnimations().length === 0;
      if (move && idle) {
        inner.dataset.was = inner.textContent;
        inner.dataset.up = up;
        inner.animate([{ transform: `translateY(${up ? 100 : -100}%)` }, { transform: "none" }], ROLL);
      }
      inner.textContent = text[at];
    });
  }
}

export class Kpi {
  #amount = new Roll(byId("kpi-amount"));
  #count = new Roll(byId("kpi-count"));
  #last = { count: 0 };
  #said = { text: "", at: 0 };

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
    const more = Math.abs(difference) === 1 ? "order" : "orders";
    setText(byId("change-words"), difference > 0 ? `${more} more` : difference < 0 ? `${more} fewer` : "no change");
    const times = `${secondText(change.beginMs, zone)}\u2013${secondText(change.endMs, zone)}`;
    setText(byId("change-window"), times);
    setText(byId("change-detail"), `${grouped(count)} after ${grouped(countBefore)}, amount ${signed(toText(change.unitsDifference))}`);
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
export function showTrust({ state, heardMs, changedMs, nowMs }) {
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
    const epochs = behind <= 0 ? "this epoch" : behind === 1 ? "1 epoch ago" : `${grouped(behind)} epochs ago`;
    const words = verifiedEqual ? "verified at" : "DIFFERENT at";
    setText(byId("verified-words"), `${words} epoch ${grouped(verifiedEpoch)} (${epochs}, ${ago})`);
  }
  showCount("rejects", state.rejects, state.rejects === 1 ? "order set aside" : "orders set aside");
  showCount("late", state.late, state.late === 1 ? "late change" : "late changes");
}

function showCount(id, value, words) {
  setAttribute(byId(id), "data-value", value);
  setText(byId(id), `${grouped(value)} ${words}`);
}
