// Wall mode: nothing to click, no pointer, and a screen that stays on.

import { byId } from "./dom.js";

const IDLE_MS = 4000;

export function startWall() {
  const page = document.documentElement;
  let timer = null;
  const awake = () => {
    clearTimeout(timer);
    page.dataset.idle = "false";
    timer = setTimeout(() => (page.dataset.idle = "true"), IDLE_MS);
  };
  for (const kind of ["mousemove", "keydown", "touchstart"]) addEventListener(kind, awake, { passive: true });
  awake();
  byId("wall").textContent = "Leave the wall";
  byId("wall").href = "?";
  addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !document.querySelector("dialog[open]")) location.assign("?");
  });
  keepScreenOn();
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) keepScreenOn();
  });
}

/** Asks that the screen stays on; browsers may refuse, and give it back whenever the page is hidden. */
async function keepScreenOn() {
  try {
    await navigator.wakeLock?.request("screen");
  } catch {
    // Refused: the screen saver is up to the machine.
  }
}
