// Exact decimals: amounts come as text such as "-0.5001" and are counted as whole numbers of 10^-18, never as doubles.

const DIGITS = 18;
const ONE = 10n ** BigInt(DIGITS);
const DECIMAL = /^(-?)(\d+)(?:\.(\d{1,18}))?$/;
const GROUPS = new Intl.NumberFormat("en");
const MINUS = "\u2212";

/** How many 10^-18 the decimal `text` is. Throws if it is not a plain decimal of at most 18 fraction digits. */
export function toUnits(text) {
  const parts = DECIMAL.exec(text);
  if (!parts) throw new RangeError(`"${text}" is not a plain decimal`);
  const units = BigInt(parts[2]) * ONE + BigInt((parts[3] ?? "").padEnd(DIGITS, "0"));
  return parts[1] ? -units : units;
}

/** `units` of 10^-18 as the server writes them: at least two fraction digits, no zeros beyond. */
export function toText(units) {
  const size = units < 0n ? -units : units;
  const fraction = String(size % ONE).padStart(DIGITS, "0");
  return `${units < 0n ? "-" : ""}${size / ONE}.${fraction.slice(0, 2)}${fraction.slice(2).replace(/0+$/, "")}`;
}

/** A decimal or whole number as people read it: thousands grouped, every digit kept, a real minus sign. */
export function grouped(text) {
  const [whole, fraction] = String(text).replace("-", "").split(".");
  const sign = String(text).startsWith("-") ? MINUS : "";
  return sign + GROUPS.format(BigInt(whole)) + (fraction === undefined ? "" : `.${fraction}`);
}

/** The same with a plus sign before what is above zero. */
export function signed(text) {
  return (/^[^-]*[1-9]/.test(text) ? "+" : "") + grouped(text);
}

/** What part of `whole` the units `part` are, in percent; null where that says nothing. Rounded to a hundredth. */
export function percent(part, whole) {
  return whole > 0n && part >= 0n ? Number((part * 10000n) / whole) / 100 : null;
}
