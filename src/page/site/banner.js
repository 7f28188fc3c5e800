// The banner: what is wrong, since when, and what happens next. Hidden while all is well.

import { byId, setAttribute, setText } from "./dom.js";
import { secondText } from "./zone.js";

/** Shows `trouble` (null: none). `heardAtMs` by the server's clock, `retryMs` until the next attempt or null. */
export function showBanner({ trouble, heardAtMs, retryMs, zone }) {
  const page = document.documentElement;
  setAttribute(page, "data-stale", String(trouble?.stale ?? false));
  byId("banner").hidden = trouble === null;
  setText(byId("banner-text"), trouble === null ? "" : words(trouble, heardAtMs, zone));
  setText(byId("banner-next"), trouble?.stale ? next(retryMs) : "");
  setAttribute(byId("banner"), "data-kind", trouble?.kind ?? null);
  const title = trouble && trouble.kind !== "asking" ? "\u26a0 orderflow" : "orderflow";
  if (document.title !== title) document.title = title;
}

function words({ text, stale }, heardAtMs, zone) {
  if (!stale) return text;
  return heardAtMs === null
    ? `${text} Nothing has come yet.`
    : `${text} These values are those of ${secondText(heardAtMs, zone)}.`;
}

function next(retryMs) {
  if (retryMs === null) return "Trying again now.";
  return `Trying again in ${Math.max(1, Math.ceil(retryMs / 1000))} s.`;
}
