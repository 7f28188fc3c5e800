// What the person chose: theme, zone, range, ranking. Kept in this browser; an address such as ?wall&range=6h comes first.

import { byId, element } from "./dom.js";
import { RANGES } from "./series.js";
import { isZone } from "./zone.js";

const asked = new URLSearchParams(location.search);

const ALLOWED = {
  theme: (value) => ["system", "light", "dark"].includes(value),
  zone: (value) => value === "results" || value === "browser" || isZone(value),
  range: (value) => Object.hasOwn(RANGES, value),
  by: (value) => ["amount", "count"].includes(value),
  top: (value) => ["10", "50"].includes(value),
};
const DEFAULTS = { theme: "system", zone: "results", range: "30m", by: "amount", top: "10" };

function read(name) {
  try {
    return asked.get(name) ?? localStorage.getItem(`orderflow.${name}`);
  } catch {
    return null;
  }
}

function keep(name, value) {
  try {
    localStorage.setItem(`orderflow.${name}`, value);
  } catch {
    // Not kept, then: it holds until the page is closed.
  }
}

const BROWSER_ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone ?? "UTC";

const zoneOption = (zone) => element("option", { value: zone }, zone.replaceAll("_", " "));

export class Settings {
  wall = document.documentElement.dataset.wall === "true";
  #resultsZone = "UTC";

  /** `onChange(name)` is called after each choice. */
  constructor(onChange) {
    this.onChange = onChange;
    for (const name of Object.keys(DEFAULTS)) {
      const value = read(name);
      this[name] = value !== null && ALLOWED[name](value) ? value : DEFAULTS[name];
    }
    this.#firstZones();
    this.#bind("theme", "theme");
    this.#bind("zone", "zone");
    this.#bind("by", "leaders-by");
    this.#bind("top", "leaders-top");
    for (const button of byId("range").querySelectorAll("button")) {
      button.addEventListener("click", () => this.#choose("range", button.dataset.range));
    }
    this.#showRange();
  }

  /** The zone that times are shown in. */
  get zoneName() {
    const named = { results: this.#resultsZone, browser: BROWSER_ZONE }[this.zone] ?? this.zone;
    return isZone(named) ? named : "UTC";
  }

  /** The zone of the result tables, as the server says it. */
  set resultsZone(zone) {
    if (zone === this.#resultsZone) return;
    this.#resultsZone = zone;
    byId("zone").options[0].textContent = `${zone} (results)`;
  }

  #firstZones() {
    byId("zone").replaceChildren(
      element("option", { value: "results" }, `${this.#resultsZone} (results)`),
      element("option", { value: "browser" }, `${BROWSER_ZONE} (this device)`),
    );
    if (!["results", "browser"].includes(this.zone)) byId("zone").append(zoneOption(this.zone));
  }

  /** Adds all the other zones that the browser knows: some hundred, too many for before the first paint. */
  offerZones() {
    const zones = new Set(["UTC", ...(Intl.supportedValuesOf?.("timeZone") ?? [])]);
    zones.delete(this.zone);
    byId("zone").append(...Array.from(zones, zoneOption));
  }

  #bind(name, id) {
    const control = byId(id);
    control.value = this[name];
    control.addEventListener("change", () => this.#choose(name, control.value));
  }

  #choose(name, value) {
    this[name] = value;
    keep(name, value);
    if (name === "theme") document.documentElement.dataset.theme = value;
    if (name === "range") this.#showRange();
    this.onChange(name);
  }

  #showRange() {
    for (const button of byId("range").querySelectorAll("button")) {
      button.setAttribute("aria-pressed", String(button.dataset.range === this.range));
    }
  }
}
