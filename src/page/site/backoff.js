// When to try again, and whether what is shown can be believed. No clock in here: it is given.

import { grouped } from "./decimal.js";

/** Waits between attempts to connect, in milliseconds; the last is kept to. */
const WAITS_MS = [500, 1000, 2000, 4000, 5000];
/** Silence after which the values are shown as old. The server says something each second. */
export const SILENT_MS = 3000;
/** How long a lost connection may come back before anything is said. */
export const LOST_GRACE_MS = 1000;
/** How long the first numbers may take before they are asked for beside the stream. */
export const FIRST_MS = 1000;
/** How often what has come is asked for where no event comes through. */
export const ASK_MS = 1000;
/** Silence after which the connection itself is given up and made anew. */
export const GIVE_UP_MS = 8000;
/** How far the results may be behind the orders before it is said. */
export const BEHIND_MS = 3000;

/** How long to wait before the attempt after `failures` failed ones (one or more). `random` is in [0, 1). */
export function waitMs(failures, random) {
  const wait = WAITS_MS[Math.min(failures, WAITS_MS.length) - 1];
  return Math.round(wait * (0.8 + 0.4 * random));
}

/** What to make of a reason that is there in no other words. */
const PHASES = {
  starting: "The results are being read back after a start.",
  blocked: "The job is blocked.",
  rebuilding: "The results are being counted anew from the orders.",
  failed: "The job has failed.",
  stopped: "The job has stopped.",
};

/**
 * What keeps the values from being those of now, the gravest first; null if nothing does.
 * `heardMs`: time since the last event (or since the page was opened), `lostMs`: since the connection broke or null.
 * `asking`: why and how often the page asks, or null while events come by themselves.
 * Kinds: lost, silent (both mean stale values), differs, refusing (no write is taken), phase, behind, asking.
 */
export function trouble({ state, heardMs, lostMs, asking = null }) {
  if (lostMs !== null && lostMs >= LOST_GRACE_MS)
    return { kind: "lost", stale: true, text: "The connection is lost." };
  if (heardMs > SILENT_MS + (asking?.everyMs ?? 0)) return { kind: "silent", stale: true, text: "The server has gone silent." };
  if (!state) return null;
  if (state.verifiedEqual === false) {
    const text = `The results do not add up: users, windows and total differ at epoch ${grouped(state.verifiedEpoch)}.`;
    return { kind: "differs", stale: false, text };
  }
  if (state.refusing) return { kind: "refusing", stale: false, text: sentence(state.refusing) };
  if (state.phase in PHASES) {
    const words = PHASES[state.phase];
    return { kind: "phase", stale: false, text: state.reason ? `${words} ${sentence(state.reason)}` : words };
  }
  if (state.behindMs > BEHIND_MS) {
    const text = `The results are ${Math.round(state.behindMs / 1000)} s behind the orders.`;
    return { kind: "behind", stale: false, text };
  }
  return asking === null ? null : { kind: "asking", stale: false, text: askingText(asking) };
}

/** Why the page asks, and how often. */
function askingText({ reason, everyMs }) {
  const seconds = Math.round(everyMs / 1000);
  const often = seconds <= 1 ? "once a second" : `every ${seconds} seconds`;
  return reason === "full"
    ? `As many readers as there are places follow this page already: it asks ${often}.`
    : `No event comes through to this page; something on the way holds them back: it asks ${often}.`;
}

function sentence(reason) {
  const text = reason.charAt(0).toUpperCase() + reason.slice(1);
  return /[.!?]$/.test(text) ? text : `${text}.`;
}
