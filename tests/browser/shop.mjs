// The shop: orders written with the official Node SDK, and what the page must show of them, counted apart from the program.

import { createRequire } from "node:module";

import { until } from "./lib.mjs";

const TableStore = createRequire(import.meta.url)("tablestore");
const { IGNORE } = TableStore.RowExistenceExpectation;

export const WINDOW_MS = 30_000;
const ROWS_MAX = 200;
const DIGITS = 18;

/** The 10^-18 that a double is: those of its shortest decimal form. */
export function units(price) {
  const [, sign, whole, fraction = "", exponent = "0"] = /^(-?)(\d+)(?:\.(\d+))?(?:e([-+]\d+))?$/.exec(String(price));
  const size = BigInt(whole + fraction) * 10n ** BigInt(DIGITS - fraction.length + Number(exponent));
  return sign ? -size : size;
}

/** Such units as a plain decimal with two fraction digits or more. */
export function decimal(units) {
  const digits = String(units < 0n ? -units : units).padStart(DIGITS + 1, "0");
  const fraction = digits.slice(-DIGITS).replace(/0+$/, "").padEnd(2, "0");
  return `${units < 0n ? "-" : ""}${digits.slice(0, -DIGITS)}.${fraction}`;
}

/** The window of a time: its begin. */
export const windowOf = (at) => Math.floor(at / WINDOW_MS) * WINDOW_MS;

/** How long a window has to stay open for an order to come in time for it. */
const IN_TIME_MS = 4000;

/** The time, once its window stays open for long enough. */
export const inTime = () =>
  until("a window that stays open", () => Date.now(), (now) => windowOf(now) + WINDOW_MS - now > IN_TIME_MS);

/** The calendar day of a time in a zone, as text. */
export const dayIn = (zone) => {
  const format = new Intl.DateTimeFormat("en-CA", { timeZone: zone, dateStyle: "short" });
  return (at) => format.format(at);
};

function add(sums, key, price) {
  const { count, amount } = sums.get(key) ?? { count: 0, amount: 0n };
  sums.set(key, { count: count + 1, amount: amount + price });
}

const most = (by) => (a, b) => (a[1][by] === b[1][by] ? 0 : a[1][by] < b[1][by] ? 1 : -1);

export class Shop {
  #client = new TableStore.Client({
    endpoint: process.env.OTS_ENDPOINT,
    accessKeyId: process.env.OTS_AK_ENV,
    secretAccessKey: process.env.OTS_SK_ENV,
    instancename: process.env.OTS_INSTANCE,
  });
  #orders = new Map();
  #rejects = 0;
  #late = new Map();

  #call(operation, params) {
    return new Promise((resolve, reject) =>
      this.#client[operation](params, (error, data) => (error ? reject(error) : resolve(data))),
    );
  }

  /** Writes orders `{ user, id, price, at }`; a row that is there is replaced. A price of text cannot be counted. */
  async put(...orders) {
    for (let start = 0; start < orders.length; start += ROWS_MAX) {
      const rows = orders.slice(start, start + ROWS_MAX).map(({ user, id, price, at }) => ({
        type: "PUT",
        condition: new TableStore.Condition(IGNORE, null),
        primaryKey: [{ UserId: user }, { OrderId: id }],
        attributeColumns: [{ price }, { timestamp: TableStore.Long.fromNumber(at) }],
      }));
      const written = await this.#call("batchWriteRow", { tables: [{ tableName: "OrderSource", rows }] });
      const refused = written.tables.find((row) => !row.isOk);
      if (refused) throw new Error(`an order was refused: ${refused.errorCode} ${refused.errorMessage}`);
    }
    for (const order of orders) this.#take(order.user, order.id, order);
  }

  /** Deletes an order. */
  async remove(user, id) {
    await this.#call("deleteRow", {
      tableName: "OrderSource",
      condition: new TableStore.Condition(IGNORE, null),
      primaryKey: [{ UserId: user }, { OrderId: id }],
    });
    this.#take(user, id, null);
  }

  #take(user, id, after) {
    const key = JSON.stringify([user, id]);
    const before = this.#orders.get(key);
    const good = after !== null && typeof after.price === "number";
    if (after && !good) this.#rejects += 1;
    if (before && typeof before.price !== "number") this.#rejects -= 1;
    if (after) this.#orders.set(key, after);
    else this.#orders.delete(key);
    const ended = [good ? after : null, before].filter((order) => order && windowOf(order.at) + WINDOW_MS <= Date.now());
    if (ended.length === 0) return;
    const window = windowOf(ended[0].at);
    this.#late.set(window, (this.#late.get(window) ?? 0) + 1);
  }

  get #good() {
    return [...this.#orders.values()].filter(({ price }) => typeof price === "number");
  }

  #windows() {
    const windows = new Map();
    for (const { at, price } of this.#good) add(windows, windowOf(at), units(price));
    return windows;
  }

  #users() {
    const users = new Map();
    for (const { user, price } of this.#good) add(users, user, units(price));
    return users;
  }

  #total(which = () => true) {
    const chosen = this.#good.filter(which);
    const amount = chosen.reduce((sum, { price }) => sum + units(price), 0n);
    return { count: chosen.length, amount: decimal(amount) };
  }

  /** What `numbers` must give at this moment, with the days of a zone. */
  numbers(zone = "UTC") {
    const now = Date.now();
    const windows = this.#windows();
    const closed = windowOf(now) - WINDOW_MS;
    const orders = (begin) => windows.get(begin)?.count ?? 0;
    const day = dayIn(zone);
    const today = this.#total(({ at }) => day(windowOf(at)) === day(now));
    const total = this.#total();
    return {
      amount: total.amount,
      count: String(total.count),
      users: String(this.#users().size),
      todayAmount: today.amount,
      todayCount: String(today.count),
      change: String(orders(closed) - orders(closed - WINDOW_MS)),
      rejects: String(this.#rejects),
      late: String([...this.#late.values()].reduce((sum, count) => sum + count, 0)),
    };
  }

  /** What `trendRows` must give. */
  trendRows() {
    const windows = this.#windows();
    const begins = [...new Set([...windows.keys(), ...this.#late.keys()])].sort((a, b) => b - a);
    const row = (begin) => {
      const { count, amount } = windows.get(begin) ?? { count: 0, amount: 0n };
      return [begin, count, decimal(amount), this.#late.get(begin) ?? 0];
    };
    return begins.map(row);
  }

  /** What `leaders` must give, most first: no two users may have the same. */
  leaders(by = "amount", top = 10) {
    const users = [...this.#users()].sort(most(by)).slice(0, top);
    return users.map(([user, { count, amount }]) => [user, count, decimal(amount)]);
  }

  /** Forgets what only a running server remembers. */
  restarted() {
    this.#late.clear();
  }
}
