import assert from "node:assert/strict";
import { test } from "node:test";
import { module } from "./support.mjs";

const { Stream } = await module("stream.js");
const TICK_MS = 500;

/** Lets everything happen that waits for nothing but promises. */
const settle = async () => {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
};

const event = (kind, data) => `event: ${kind}\ndata: ${JSON.stringify(data)}\n\n`;

/**
 * A world with a clock of its own and a server behind it. `server` says how the server is: `flows` passes events on,
 * `answers` answers questions, `full` has no place on the stream, `gone` refuses all.
 */
class World {
  ms = 0;
  server = { flows: true, answers: true, full: false, gone: false };
  streams = new Set();
  asked = [];
  heard = [];
  #timers = new Map();
  #number = 0;

  constructor() {
    const world = {
      fetch: (url, { signal }) => this.#fetch(url, signal),
      now: () => this.ms,
      later: (act, ms) => {
        this.#timers.set(++this.#number, { act, at: this.ms + ms });
        return this.#number;
      },
      never: (timer) => this.#timers.delete(timer),
      random: () => 0.5,
    };
    this.stream = new Stream("api/stream", (kind, data) => this.heard.push([this.ms, kind, data.count]), world);
  }

  async #fetch(url, signal) {
    this.asked.push([this.ms, url]);
    const { flows, answers, full, gone } = this.server;
    if (gone) throw new TypeError("failed to fetch");
    const until = (act) => signal.addEventListener("abort", () => act(new DOMException("aborted", "AbortError")));
    if (url.includes("once")) {
      if (!answers) return new Promise((_, reject) => until(reject));
      return new Response(event("frame", { count: this.ms, next: this.ms + 1 }) + event("beat", { count: this.ms }));
    }
    if (full) return Response.json({ error: "all places are taken", askEveryMs: 5000 }, { status: 503 });
    let controller;
    const body = new ReadableStream({ start: (made) => (controller = made) });
    const stream = { send: (text) => controller.enqueue(new TextEncoder().encode(text)), end: () => controller.close() };
    until((error) => {
      this.streams.delete(stream);
      controller.error(error);
    });
    this.streams.add(stream);
    if (flows) stream.send(event("snapshot", { count: this.ms, next: 1 }));
    return new Response(body);
  }

  /** Lets time pass: an event a second where the stream flows, and the page's own watch. */
  async pass(ms) {
    for (const end = this.ms + ms; this.ms < end; ) {
      this.ms += TICK_MS;
      const due = [...this.#timers].filter(([, { at }]) => at <= this.ms);
      for (const [timer, { act }] of due) {
        this.#timers.delete(timer);
        act();
      }
      if (this.server.flows && this.ms % 1000 === 0)
        for (const stream of this.streams) stream.send(event("beat", { count: this.ms }));
      await settle();
      this.stream.watch();
      await settle();
    }
  }

  get silentMs() {
    return this.ms - this.stream.heardAt;
  }

  questions(since = 0) {
    return this.asked.filter(([ms, url]) => ms > since && url.includes("once")).length;
  }
}

test("events that come are heard, and nothing is asked", async () => {
  const world = new World();
  world.stream.open();
  await world.pass(20_000);
  assert.equal(world.asked.length, 1);
  assert.ok(world.silentMs <= 1000 && world.stream.asking === null && world.stream.lostAt === null);
});

test("an event in pieces is one event", async () => {
  const world = new World();
  world.server.flows = false;
  world.stream.open();
  await settle();
  const [stream] = world.streams;
  for (const piece of ["event: fra", 'me\nid: 7\ndata: {"count":', "3}\n", "\nevent: beat\n"]) stream.send(piece);
  await settle();
  assert.deepEqual(world.heard, [[0, "frame", 3]]);
});

test("where no event comes through, it asks once a second, and says why", async () => {
  const world = new World();
  world.server.flows = false;
  world.stream.open();
  await world.pass(1500);
  assert.equal(world.heard.length > 0, true, "the first numbers do not wait for that");
  await world.pass(2500);
  assert.deepEqual(world.stream.asking, { reason: "held", everyMs: 1000 });
  const since = world.ms;
  await world.pass(20_000);
  assert.ok(world.questions(since) >= 17 && world.questions(since) <= 21, `${world.questions(since)} questions`);
  assert.ok(world.silentMs <= 1500 && world.stream.lostAt === null);
  const numbers = world.asked.map(([, url]) => /next=(\d+)/.exec(url)?.[1]).filter(Boolean).map(Number);
  assert.ok(numbers.every((number, at) => at === 0 || number >= numbers[at - 1]), "each question goes on where the last ended");
});

test("it follows again once the stream goes well", async () => {
  const world = new World();
  world.server.flows = false;
  world.stream.open();
  await world.pass(5000);
  world.server.flows = true;
  await world.pass(40_000);
  assert.equal(world.stream.asking, null);
  const since = world.ms;
  await world.pass(10_000);
  assert.equal(world.questions(since), 0);
  assert.ok(world.silentMs <= 1000);
});

test("a stream of which now and then a piece comes through does not end the questions", async () => {
  const world = new World();
  world.server.flows = false;
  world.stream.open();
  await world.pass(5000);
  for (let second = 0; second < 90; second += 10) {
    for (const stream of world.streams) stream.send(event("beat", { count: world.ms }));
    await world.pass(10_000);
    assert.equal(world.stream.asking?.reason, "held");
    assert.ok(world.silentMs <= 1500);
  }
});

test("without a place on the stream, it asks as often as it is told, and takes a place that is free", async () => {
  const world = new World();
  world.server.full = true;
  world.stream.open();
  await world.pass(1000);
  assert.deepEqual(world.stream.asking, { reason: "full", everyMs: 5000 });
  const since = world.ms;
  await world.pass(50_000);
  assert.ok(world.questions(since) >= 9 && world.questions(since) <= 11, `${world.questions(since)} questions`);
  world.server.full = false;
  await world.pass(40_000);
  assert.equal(world.stream.asking, null);
});

test("a server that hangs is silent, and is not taken for a stream that is held back", async () => {
  const world = new World();
  world.stream.open();
  await world.pass(10_000);
  Object.assign(world.server, { flows: false, answers: false });
  await world.pass(6000);
  assert.ok(world.silentMs >= 6000 && world.stream.asking === null);
  // It goes on: the question and the stream are answered at once.
  Object.assign(world.server, { flows: true, answers: true });
  await world.pass(2000);
  assert.equal(world.stream.asking, null);
  assert.ok(world.silentMs <= 1000);
});

test("a connection that breaks is made anew, while it asks too", async () => {
  for (const flows of [true, false]) {
    const world = new World();
    world.server.flows = flows;
    world.stream.open();
    await world.pass(6000);
    world.server.gone = true;
    for (const stream of world.streams) stream.end();
    await world.pass(4000);
    assert.ok(world.stream.lostAt !== null, `flows: ${flows}`);
    world.server.gone = false;
    await world.pass(20_000);
    assert.equal(world.stream.lostAt, null);
    assert.equal(world.stream.asking?.reason, flows ? undefined : "held");
    assert.ok(world.silentMs <= 1500);
  }
});
