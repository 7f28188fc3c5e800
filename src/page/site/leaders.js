// The users' ranking: a table whose rows move to their new places.

import { grouped, percent, toUnits } from "./decimal.js";
import { byId, element, idText, mayMove, setAttribute, setDecimal, setFractionRoom, setText } from "./dom.js";

const MOVE = { duration: 450, easing: "cubic-bezier(.2, .7, .2, 1)" };
const APPEAR = { duration: 300, easing: "ease-out" };

const moving = new WeakMap();

/** A row of a user: rank, user, orders, amount, share. */
function makeRow(user) {
  const row = element("tr", { "data-user": user });
  const bar = element("span", { class: "bar", "aria-hidden": "true" });
  const share = element("td", { class: "share" }, bar, element("span", { class: "percent" }));
  row.append(
    element("td", { class: "rank" }),
    element("th", { scope: "row", class: "user" }, idText(user)),
    element("td", { class: "number orders" }),
    element("td", { class: "number amount" }),
    share,
  );
  return row;
}

function fillRow(row, rank, entry, { by, most, whole }) {
  const [rankCell, , orders, amount, share] = row.children;
  setAttribute(row, "data-count", entry.count);
  setAttribute(row, "data-amount", entry.totalPriceExact);
  setText(rankCell, String(rank));
  setText(orders, grouped(entry.count));
  setDecimal(amount, grouped(entry.totalPriceExact));
  const value = by === "amount" ? toUnits(entry.totalPriceExact) : BigInt(entry.count);
  const part = percent(value, whole);
  const length = percent(value, most) ?? 0;
  share.firstChild.style.setProperty("--share", String(length / 100));
  setText(share.lastChild, part === null ? "\u2013" : `${part.toFixed(1)} %`);
}

export class Leaders {
  #rows = new Map();
  #body = byId("leaders").tBodies[0];

  /** Shows the first `top` of `list`, which is ordered already. */
  show(list, { by, top, state }) {
    const shown = list.slice(0, top);
    const value = (entry) => (by === "amount" ? toUnits(entry.totalPriceExact) : BigInt(entry.count));
    const whole = by === "amount" ? toUnits(state.totalPriceExact) : BigInt(state.count);
    const scale = { by, whole, most: shown.length ? value(shown[0]) : 0n };
    const moved = shown.some((entry, at) => this.#body.children[at]?.dataset.user !== entry.UserId);
    const before = moved && mayMove() ? this.#tops() : null;
    const gone = new Set(this.#rows.keys());
    shown.forEach((entry, at) => {
      gone.delete(entry.UserId);
      let row = this.#rows.get(entry.UserId);
      if (!row) this.#rows.set(entry.UserId, (row = makeRow(entry.UserId)));
      fillRow(row, at + 1, entry, scale);
      const there = this.#body.children[at];
      if (there !== row) this.#body.insertBefore(row, there ?? null);
    });
    for (const user of gone) {
      this.#rows.get(user).remove();
      this.#rows.delete(user);
    }
    setFractionRoom(
      byId("leaders"),
      shown.map((entry) => entry.totalPriceExact),
    );
    setAttribute(byId("leaders"), "data-by", by);
    byId("leaders-empty").hidden = shown.length > 0;
    byId("leaders").hidden = shown.length === 0;
    if (before) this.#move(before);
  }

  #tops() {
    return new Map(Array.from(this.#body.children, (row) => [row, row.getBoundingClientRect().top]));
  }

  /** Lets each row glide from where it was seen; new ones fade in. */
  #move(before) {
    const rows = [...this.#body.children];
    for (const row of rows) moving.get(row)?.cancel();
    const after = this.#tops();
    for (const row of rows) {
      const from = before.get(row);
      if (from === undefined) {
        if (before.size) moving.set(row, row.animate([{ opacity: 0 }, { opacity: 1 }], APPEAR));
      } else if (Math.abs(from - after.get(row)) > 1) {
        const frames = [{ transform: `translateY(${from - after.get(row)}px)` }, { transform: "none" }];
        moving.set(row, row.animate(frames, MOVE));
      }
    }
  }
}
