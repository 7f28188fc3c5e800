// Small helpers for the document. Whatever comes from outside gets in as text nodes only.

import { letIn } from "./gate.js";

export const byId = (id) => document.getElementById(id);

/** An element with attributes and children; strings become text nodes. */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** Sets the text of an element, if it is another one. */
export function setText(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

/** Sets an attribute, if it is another one; null removes it. */
export function setAttribute(target, name, value) {
  if (value === null) target.removeAttribute(name);
  else if (target.getAttribute(name) !== String(value)) target.setAttribute(name, value);
}

/** Amounts of more characters are broken at the point. */
const LONG = 16;

/** Shows a decimal so that the points of a column are below each other; the style knows the longest fraction. */
export function setDecimal(cell, text) {
  if (cell.textContent === text) return;
  const point = text.indexOf(".");
  cell.classList.toggle("long", text.length > LONG);
  cell.replaceChildren(text.slice(0, point), element("span", { class: "after-point" }, text.slice(point)));
}

/** Tells the style of a table how many fraction digits its amounts have at the most. */
export function setFractionRoom(table, amounts) {
  const digits = (amount) => (amount.length > LONG - 2 ? 0 : amount.length - amount.indexOf(".") - 1);
  table.style.setProperty(
    "--fraction",
    String(amounts.reduce((most, amount) => Math.max(most, digits(amount)), 2)),
  );
}

/** The id of a user or an order, kept to itself whatever its direction, whole in its title. */
export function idText(id) {
  return element("bdi", { class: "id", title: id }, id);
}

/** Whether things may move: not if the person asked for calm, not behind another tab. */
const calm = matchMedia("(prefers-reduced-motion: reduce)");
export const mayMove = () => !calm.matches && !document.hidden;

/** Objects from an address of the server; throws its sentence if it refuses. */
export async function fetchRows(url, signal) {
  const answer = letIn(await fetch(url, { signal, cache: "no-store" }));
  const body = await answer.json();
  if (!answer.ok) throw new Error(body.error ?? `the server answered ${answer.status}`);
  return body;
}
