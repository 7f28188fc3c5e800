import assert from "node:assert/strict";
import { test } from "node:test";
import { module, randomFrom } from "./support.mjs";

const { aheadMs, dateText, dayOf, dayText, fullText, isZone, minuteText, momentText, secondText } =
  await module("zone.js");
const HOUR_MS = 3_600_000;
const at = (text) => Date.parse(text);

test("days begin and end at the midnights of their zone", () => {
  for (const [zone, now, start, hours] of [
    ["UTC", "2026-11-22T21:00:00Z", "2026-11-22T00:00:00Z", 24],
    ["UTC", "2026-11-22T00:00:00Z", "2026-11-22T00:00:00Z", 24],
    ["UTC", "2026-11-21T23:59:59.999Z", "2026-11-21T00:00:00Z", 24],
    ["Asia/Shanghai", "2026-11-22T15:59:59Z", "2026-11-21T16:00:00Z", 24],
    ["Asia/Kathmandu", "2026-11-22T12:00:00Z", "2026-11-21T18:15:00Z", 24],
    ["Europe/Berlin", "2026-03-29T12:00:00Z", "2026-03-28T23:00:00Z", 23],
    ["Europe/Berlin", "2026-10-25T12:00:00Z", "2026-10-24T22:00:00Z", 25],
    ["America/New_York", "2026-03-08T12:00:00Z", "2026-03-08T05:00:00Z", 23],
    ["America/New_York", "2026-11-01T12:00:00Z", "2026-11-01T04:00:00Z", 25],
    ["Australia/Lord_Howe", "2026-04-05T01:00:00Z", "2026-04-04T13:00:00Z", 24.5],
    ["Africa/Cairo", "2026-04-24T12:00:00Z", "2026-04-23T22:00:00Z", 23],
    ["America/Sao_Paulo", "2018-11-04T12:00:00Z", "2018-11-04T03:00:00Z", 23],
    ["UTC", "1969-12-31T12:00:00Z", "1969-12-31T00:00:00Z", 24],
  ]) {
    const day = dayOf(at(now), zone);
    assert.equal(new Date(day.start).toISOString(), new Date(start).toISOString(), `${zone} ${now}`);
    assert.equal((day.end - day.start) / HOUR_MS, hours, `${zone} ${now}`);
  }
});

test("days follow each other without gap or overlap for a year", () => {
  for (const zone of ["Europe/Berlin", "America/St_Johns", "Pacific/Chatham", "Asia/Shanghai"]) {
    let day = dayOf(at("2025-01-01T12:00:00Z"), zone);
    for (let passed = 0; passed < 366; passed++) {
      const next = dayOf(day.end, zone);
      assert.equal(next.start, day.end, zone);
      assert.deepEqual(dayOf(day.end - 1, zone), day, zone);
      assert.notEqual(dayText(next.start, zone), dayText(day.start, zone));
      day = next;
    }
  }
});

test("a wall clock is ahead of UTC by what its zone says", () => {
  const random = randomFrom(2);
  for (const [zone, text, hours] of [
    ["UTC", "2026-11-22T21:00:00Z", 0],
    ["Asia/Kathmandu", "2026-11-22T21:00:00Z", 5.75],
    ["America/New_York", "2026-07-01T00:00:00.123Z", -4],
    ["America/New_York", "2026-12-01T00:00:00Z", -5],
    ["Europe/Berlin", "1998-06-14T00:00:00Z", 2],
  ]) {
    assert.equal(aheadMs(at(text), zone), hours * HOUR_MS, zone);
  }
  for (let round = 0; round < 500; round++) {
    const ms = random.below(2 ** 31) * 1000 + random.below(1000) - 2 ** 40;
    assert.equal(aheadMs(ms, "UTC"), 0);
  }
});

test("times are written the same way everywhere", () => {
  const ms = at("2026-11-22T23:59:30Z");
  assert.equal(dateText(ms, "UTC"), "22 Nov 2026");
  assert.equal(dayText(ms, "Asia/Shanghai"), "23 Nov");
  assert.equal(minuteText(at("2026-11-22T00:05:00Z"), "UTC"), "00:05");
  assert.equal(secondText(ms, "UTC"), "23:59:30");
  assert.equal(momentText(ms, "UTC"), "22 Nov, 23:59:30");
  assert.equal(fullText(ms, "Asia/Shanghai"), "23 Nov 2026, 07:59:30");
});

test("a zone is one or is not", () => {
  for (const zone of ["UTC", "Asia/Shanghai", "Europe/Berlin"]) assert.ok(isZone(zone), zone);
  for (const zone of ["", "Mars/Olympus", null, undefined, 3, "<img>"])
    assert.ok(!isZone(zone), String(zone));
});
