// The orders that were set aside and the late changes, row by row, in dialogs.

import { grouped } from "./decimal.js";
import { byId, element, fetchRows, idText, setText } from "./dom.js";
import { fullText, isZone } from "./zone.js";

const AGAIN_MS = 2000;

const KINDS = {
  rejects: {
    url: "/api/rejects?limit=1000",
    none: "No order is set aside.",
    limit: 1000,
    cells: (row) => [idText(row.UserId), idText(row.OrderId), row.reason, grouped(row.commit)],
  },
  late: {
    url: "/api/late?limit=500",
    none: "No late change since this start.",
    limit: 500,
    cells: (row, zone) => [
      row.begin,
      idText(row.UserId),
      idText(row.OrderId),
      row.change,
      price(row.priceBefore),
      price(row.price),
      row.timestamp === null ? "\u2013" : fullText(row.timestamp, zone),
      grouped(row.commit),
    ],
  },
};

const price = (text) => (text === null || text === undefined ? "\u2013" : grouped(text));

class Rows {
  #asked = { count: null, at: 0 };

  constructor(name, zoneNow) {
    this.kind = KINDS[name];
    this.name = name;
    this.zoneNow = zoneNow;
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
    const due = Date.now() - this.#asked.at > AGAIN_MS;
    if (this.dialog.open && due && count !== this.#asked.count) this.#ask(count);
  }

  async #ask(count) {
    this.#asked = { count, at: Date.now() };
    const words = this.dialog.querySelector(".words");
    try {
      const rows = await fetchRows(this.kind.url);
      if (!this.dialog.open) return;
      const zone = isZone(this.zoneNow()) ? this.zoneNow() : "UTC";
      const made = rows.map((row) => element("tr", {}, ...this.kind.cells(row, zone).map((cell) => element("td", {}, cell))));
      this.dialog.querySelector("tbody").replaceChildren(...made);
      this.dialog.querySelector(".scroll").hidden = rows.length === 0;
      const first = rows.length >= this.kind.limit ? `The first ${grouped(this.kind.limit)}, as of epoch ` : "As of epoch ";
      setText(words, rows.length ? `${first}${grouped(rows[0].epoch)}.` : this.kind.none);
    } catch (error) {
      setText(words, `The rows did not come: ${error.message}.`);
    }
  }
}

export class Dialogs {
  #all;

  /** `zoneNow` says the zone to show times in. */
  constructor(zoneNow) {
    this.#all = Object.keys(KINDS).map((name) => new Rows(name, zoneNow));
  }

  /** Keeps the rows of an open dialog up to date. */
  refresh(state) {
    for (const rows of this.#all) rows.refresh(state[rows.name]);
  }
}
