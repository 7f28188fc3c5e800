// Looks users up by how their id begins.

import { grouped } from "./decimal.js";
import { byId, element, fetchRows, idText, setDecimal, setFractionRoom, setText } from "./dom.js";

const WAIT_MS = 200;
const AGAIN_MS = 2000;
const LIMIT = 50;

function makeRow({ UserId, count, totalPriceExact }) {
  const amount = element("td", { class: "number" });
  setDecimal(amount, grouped(totalPriceExact));
  return element(
    "tr",
    { "data-user": UserId, "data-count": count, "data-amount": totalPriceExact },
    element("th", { scope: "row", class: "user" }, idText(UserId)),
    element("td", { class: "number" }, grouped(count)),
    amount,
  );
}

export class Search {
  #query = "";
  #epoch = -1;
  #askedAt = -Infinity;
  #timer = null;
  #running = null;

  constructor() {
    byId("search").addEventListener("input", () => {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#ask(), WAIT_MS);
    });
    byId("search").addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || byId("search").value === "") return;
      byId("search").value = "";
      this.#ask();
      event.preventDefault();
    });
  }

  /** To be called as epochs pass: what was found is kept up to date. */
  refresh(epoch) {
    if (this.#query !== "" && epoch !== this.#epoch && performance.now() - this.#askedAt > AGAIN_MS)
      this.#ask(epoch);
  }

  async #ask(epoch = -1) {
    this.#query = byId("search").value;
    this.#epoch = epoch;
    this.#askedAt = performance.now();
    this.#running?.abort();
    byId("found").hidden = this.#query === "";
    byId("ranking").hidden = this.#query !== "";
    if (this.#query === "") {
      setText(byId("found-words"), "");
      return;
    }
    this.#running = new AbortController();
    const { signal } = this.#running;
    try {
      const url = `api/users?q=${encodeURIComponent(this.#query)}&limit=${LIMIT}`;
      const rows = await fetchRows(url, signal);
      if (!signal.aborted) this.#show(rows);
    } catch (error) {
      if (!signal.aborted) setText(byId("found-words"), `Not found out: ${error.message}.`);
    }
  }

  #show(rows) {
    const body = byId("found").querySelector("tbody");
    body.replaceChildren(...rows.map(makeRow));
    setFractionRoom(
      body.parentElement,
      rows.map((row) => row.totalPriceExact),
    );
    const users =
      rows.length === 0
        ? "No user begins"
        : rows.length === 1
          ? "1 user begins"
          : `${rows.length} users begin`;
    const first = rows.length === LIMIT ? "The first " : "";
    const epoch = rows.length ? `, as of epoch ${grouped(rows[0].epoch)}` : "";
    setText(byId("found-words"), `${first}${users} with these letters${epoch}.`);
  }
}
