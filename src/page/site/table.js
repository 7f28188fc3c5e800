// The trend as a table, newest window first: for screen readers, keyboards and exact values.

import { grouped, toText } from "./decimal.js";
import { byId, element, setAttribute, setDecimal, setFractionRoom, setText } from "./dom.js";
import { momentText } from "./zone.js";

function makeRow(row, zone) {
  return element(
    "tr",
    { "data-begin-ms": row.beginMs },
    element("th", { scope: "row" }, momentText(row.beginMs, zone)),
    element("td", { class: "number" }),
    element("td", { class: "number" }),
    element("td", { class: "notes" }),
  );
}

function notes({ open, late }) {
  const said = [];
  if (open) said.push("open");
  if (late) said.push(`\u25c6 ${grouped(late)} late`);
  return said.join(", ");
}

export class TrendTable {
  #rows = new Map();
  #key = "";
  #body = byId("trend-table").tBodies[0];

  constructor() {
    const toggle = byId("table-toggle");
    toggle.addEventListener("click", () => {
      const open = toggle.getAttribute("aria-expanded") !== "true";
      toggle.setAttribute("aria-expanded", String(open));
      byId("trend-rows").classList.toggle("for-readers", !open);
      byId("trend-rows").tabIndex = open ? 0 : -1;
    });
  }

  /** Shows `rows`, oldest first; touches only what changed. */
  show(rows, zone, range) {
    const key = `${zone} ${range}`;
    if (key !== this.#key) {
      this.#key = key;
      this.#rows.clear();
      this.#body.replaceChildren();
    }
    const first = rows[0].beginMs;
    const last = rows.at(-1).beginMs;
    for (const [beginMs, made] of this.#rows) {
      if (beginMs >= first && beginMs <= last) continue;
      made.row.remove();
      this.#rows.delete(beginMs);
    }
    const fresh = document.createDocumentFragment();
    for (let at = rows.length - 1; at >= 0; at--) {
      const row = rows[at];
      let made = this.#rows.get(row.beginMs);
      if (!made) {
        made = { row: makeRow(row, zone), seen: "", exact: "" };
        this.#rows.set(row.beginMs, made);
        this.#place(made.row, row.beginMs, fresh);
      }
      this.#fill(made, row);
    }
    this.#body.prepend(fresh);
    setFractionRoom(
      byId("trend-table"),
      Array.from(this.#rows.values(), (made) => made.exact),
    );
  }

  /** New windows come before all that are there, but for those that fill in below after a jump of the clock. */
  #place(row, beginMs, fresh) {
    const newest = Number(this.#body.firstElementChild?.dataset.beginMs ?? -Infinity);
    if (beginMs > newest) return fresh.append(row);
    const next = [...this.#body.children].find((other) => Number(other.dataset.beginMs) < beginMs);
    this.#body.insertBefore(row, next ?? null);
  }

  #fill(made, row) {
    const seen = `${row.count} ${row.units} ${row.late} ${row.open}`;
    if (seen === made.seen) return;
    made.seen = seen;
    const [, orders, amount, note] = made.row.children;
    const exact = toText(row.units);
    made.exact = exact;
    setAttribute(made.row, "data-count", row.count);
    setAttribute(made.row, "data-amount", exact);
    setAttribute(made.row, "data-open", row.open ? "true" : null);
    setAttribute(made.row, "data-late", row.late ? row.late : null);
    setText(orders, grouped(row.count));
    setDecimal(amount, grouped(exact));
    setText(note, notes(row));
  }
}
