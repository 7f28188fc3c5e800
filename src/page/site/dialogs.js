// The orders that were set aside and the late changes, row by row, in dialogs.

import { grouped } from "./decimal.js";
import { byId, element, fetchRows, idText, setText } from "./dom.js";
import { fullText, secondText } from "./zone.js";

const AGAIN_MS = 2000;

const KINDS = {
  rejects: {
    url: "api/rejects?limit=1000",
    none: () => "No order is set aside.",
    limit: 1000,
    some: "The first 1,000",
    cells: (row) => [idText(row.UserId), idText(row.OrderId), row.reason, number(row.commit)],
  },
  late: {
    url: "api/late?limit=500",
    none: ({ sinceMs, zone }) => `No late change since ${fullText(sinceMs, zone)}, when this program started.`,
    limit: 500,
    some: "The last 500",
    cells: (row, { zone }) => [
      fullText(row.beginMs, zone),
      secondText(row.timestamp, zone),
      idText(row.UserId),
      idText(row.OrderId),
      row.change,
      number(row.priceBefore),
      number(row.price),
      number(row.commit),
    ],
  },
};

const number = (text) => element("span", { class: "number" }, text === null ? "\u2013" : grouped(text));

/** A number's cell takes its class, so that it is aligned as one. */
function tableCell(content) {
  const cell = element("td", {}, content);
  if (content.className === "number") cell.className = "number";
  return cell;
}

class Rows {
  #asked = { count: null, at: -Infinity };

  constructor(name, context) {
    this.kind = KINDS[name];
    this.name = name;
    this.context = context;
    this.dialog = byId(`${name}-dialog`);
    byId(name).addEventListener("click", () => {
      this.dialog.showModal();
      this.#ask(null);
    });
    this.dialog.querySelector(".close").addEventListener("click", () => this.dialog.close());
    this.dialog.addEventListener("click", (event) => {
      if (event.target === this.dialog) this.dialog.close();
    });
    this.dialog.addEventListener("close", () => this.dialog.querySelector("tbody").replaceChildren());
  }

  refresh(count) {
    const due = performance.now() - this.#asked.at > AGAIN_MS;
    if (this.dialog.open && due && count !== this.#asked.count) this.#ask(count);
  }

  async #ask(count) {
    this.#asked = { count, at: performance.now() };
    const words = this.dialog.querySelector(".words");
    try {
      const rows = await fetchRows(this.kind.url);
      if (!this.dialog.open) return;
      const made = rows.map((row) =>
        element("tr", {}, ...this.kind.cells(row, this.context()).map(tableCell)),
      );
      this.dialog.querySelector("tbody").replaceChildren(...made);
      this.dialog.querySelector(".scroll").hidden = rows.length === 0;
      const first = rows.length >= this.kind.limit ? `${this.kind.some}, as of epoch ` : "As of epoch ";
      setText(words, rows.length ? `${first}${grouped(rows[0].epoch)}.` : this.kind.none(this.context()));
    } catch (error) {
      setText(words, `The rows did not come: ${error.message}.`);
    }
  }
}

export class Dialogs {
  #all;

  /** `context()` is the zone to show times in, and since when late changes are counted. */
  constructor(context) {
    this.#all = Object.keys(KINDS).map((name) => new Rows(name, context));
  }

  /** Keeps the rows of an open dialog up to date. */
  refresh(state) {
    for (const rows of this.#all) rows.refresh(state[rows.name]);
  }
}
