import assert from "node:assert/strict";
import { test } from "node:test";
import { module } from "./support.mjs";

const { trouble, waitMs } = await module("backoff.js");
const WELL = { phase: "running", reason: null, refusing: null, behindMs: 0, verifiedEqual: true, verifiedEpoch: 5 };
const kindOf = (state, heardMs = 500, lostMs = null) =>
  trouble({ state: state && { ...WELL, ...state }, heardMs, lostMs })?.kind ?? null;

test("waits grow to five seconds and are spread", () => {
  assert.deepEqual(
    [1, 2, 3, 4, 5, 6, 100].map((failures) => waitMs(failures, 0.5)),
    [500, 1000, 2000, 4000, 5000, 5000, 5000],
  );
  assert.equal(waitMs(1, 0), 400);
  assert.equal(waitMs(5, 0.999999), 6000);
});

test("what is wrong is said, the gravest first", () => {
  for (const [state, heardMs, lostMs, kind] of [
    [null, 100, null, null],
    [null, 3001, null, "silent"],
    [{}, 3000, null, null],
    [{}, 3001, null, "silent"],
    [{}, 1500, 999, null],
    [{}, 1500, 1000, "lost"],
    [{ phase: "waiting" }, 500, null, null],
    [{ phase: "blocked", reason: "x" }, 500, null, "phase"],
    [{ phase: "failed" }, 500, null, "phase"],
    [{ phase: "rebuilding" }, 500, null, "phase"],
    [{ refusing: "x" }, 500, null, "refusing"],
    [{ refusing: "x", phase: "blocked", reason: "x", behindMs: 9999 }, 500, null, "refusing"],
    [{ refusing: "x", verifiedEqual: false }, 500, null, "differs"],
    [{ refusing: "x" }, 3001, null, "silent"],
    [{ behindMs: 3000 }, 500, null, null],
    [{ behindMs: 3001 }, 500, null, "behind"],
    [{ verifiedEqual: false, phase: "blocked", behindMs: 9999 }, 500, null, "differs"],
    [{ verifiedEqual: false }, 5000, null, "silent"],
    [{ verifiedEqual: null, verifiedEpoch: null }, 500, null, null],
  ]) {
    assert.equal(kindOf(state, heardMs, lostMs), kind, JSON.stringify({ state, heardMs, lostMs }));
  }
});

test("only a lost or silent connection makes values stale", () => {
  const stale = (state, heardMs, lostMs) => trouble({ state: { ...WELL, ...state }, heardMs, lostMs }).stale;
  assert.ok(stale({}, 4000, null));
  assert.ok(stale({}, 0, 2000));
  assert.ok(!stale({ phase: "blocked" }, 0, null));
  assert.ok(!stale({ behindMs: 5000 }, 0, null));
});

test("a reason is a sentence", () => {
  const { text } = trouble({
    state: { ...WELL, phase: "blocked", reason: "table T has another key" },
    heardMs: 0,
    lostMs: null,
  });
  assert.equal(text, "The job is blocked. Table T has another key.");
  const refused = trouble({ state: { ...WELL, refusing: "a write failed" }, heardMs: 0, lostMs: null });
  assert.deepEqual([refused.text, refused.stale], ["A write failed.", false]);
});
