// What the tests of the page's modules share.

const PAGE = "../../../src/page/site/";

/** A module of the page; it must need no document. */
export const module = (name) => import(new URL(PAGE + name, import.meta.url));

/** Random numbers that are the same each time for the same seed: mulberry32. */
export function randomFrom(seed) {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return { next, below: (limit) => Math.floor(next() * limit) };
}
