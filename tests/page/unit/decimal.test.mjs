import assert from "node:assert/strict";
import { test } from "node:test";
import { module, randomFrom } from "./support.mjs";

const { grouped, percent, signed, toText, toUnits } = await module("decimal.js");
const ONE = 10n ** 18n;

test("a decimal is its number of 10^-18", () => {
  for (const [text, units] of [
    ["0.00", 0n],
    ["123.45", 12345n * 10n ** 16n],
    ["-0.5001", -5001n * 10n ** 14n],
    ["0.000000000000000001", 1n],
    ["-1000000000000.999999999999999999", -(10n ** 30n + ONE - 1n)],
    ["7", 7n * ONE],
  ]) {
    assert.equal(toUnits(text), units, text);
  }
});

test("what is no plain decimal is refused", () => {
  for (const text of [
    "",
    "1.",
    ".5",
    "1e3",
    "+1.00",
    "1,000.00",
    "NaN",
    "0.0000000000000000001",
    " 1.00",
    "--1",
  ]) {
    assert.throws(() => toUnits(text), RangeError, text);
  }
});

test("text and units are each other's inverse, and sums are exact", () => {
  const random = randomFrom(1);
  let sum = 0n;
  for (let round = 0; round < 20_000; round++) {
    const digits = random.below(19);
    let units = BigInt(random.below(2 ** 32)) * 10n ** BigInt(18 - digits) + BigInt(random.below(1000)) * ONE;
    if (random.below(2)) units = -units;
    const text = toText(units);
    assert.match(text, /^-?\d+\.\d\d(\d{0,15}[1-9])?$/);
    assert.equal(toUnits(text), units, text);
    const before = sum;
    sum += units;
    assert.equal(toUnits(toText(sum)) - units, before);
  }
});

test("people read every digit, in groups", () => {
  for (const [text, read] of [
    ["1234567.5001", "1,234,567.5001"],
    ["-1234.50", "\u22121,234.50"],
    ["-0.50", "\u22120.50"],
    ["0.00", "0.00"],
    ["123456789012345678901234.00", "123,456,789,012,345,678,901,234.00"],
    [5000, "5,000"],
    [-12, "\u221212"],
  ]) {
    assert.equal(grouped(text), read);
  }
});

test("a change has its sign, none has none", () => {
  assert.equal(signed("1.50"), "+1.50");
  assert.equal(signed("-1.50"), "\u22121.50");
  assert.equal(signed("0.00"), "0.00");
  assert.equal(signed("0.000000000000000001"), "+0.000000000000000001");
  assert.equal(signed(12), "+12");
  assert.equal(signed(0), "0");
});

test("a share is given only where it says something", () => {
  assert.equal(percent(ONE, 3n * ONE), 33.33);
  assert.equal(percent(0n, ONE), 0);
  assert.equal(percent(ONE, 0n), null);
  assert.equal(percent(-1n, ONE), null);
  assert.equal(percent(ONE, -ONE), null);
});
