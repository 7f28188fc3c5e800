//! Makes up orders for trials, tests and benchmarks. The same [`Spec`] makes the same orders.
//!
//! Some users order far more than others, and low prices are more frequent than high ones. Lines
//! come mostly in the order of their event time; a few are late. With corrections or cancels, the
//! lines are a log of upserts: a later line of an order replaces or deletes it.
//!
//! Each line depends only on the spec, its own number and how many orders were placed before it. So
//! no earlier line is kept: ten million lines need as much memory as ten.

mod day;
mod format;
mod shape;

pub use day::Day;
pub use format::{WriteError, write};
pub use shape::{Shape, write_shape};

/// The fewest digits of a user id, without its letter. Ids are longer if there are more users.
const USER_DIGITS: usize = 7;

/// The fewest digits of an order id, without its letter.
const ORDER_DIGITS: usize = 8;

/// The range of prices, in cents.
pub const PRICE_CENTS: std::ops::RangeInclusive<i64> = 50..=50_000;

/// The most by which lines that are not late are out of order, in milliseconds.
pub const JITTER_MS: u32 = 2_000;

/// The most by which a correction moves an order's event time, in milliseconds.
pub const CORRECTION_MS: i64 = 3_600_000;

/// The description of the orders to make.
#[derive(Clone, Debug, PartialEq)]
pub struct Spec {
    /// The number of lines, each of which places, corrects or cancels an order.
    pub orders: u64,
    /// The number of users, at least 1.
    pub users: u32,
    /// The seed of the random numbers. Another seed makes other orders.
    pub seed: u64,
    /// The event time of the first order, in epoch milliseconds.
    pub start_ms: i64,
    /// The event time over which the orders are spread, in milliseconds.
    pub span_ms: u64,
    /// How many of a hundred orders are late.
    pub late_percent: u8,
    /// The most by which a late order is late, in milliseconds.
    pub late_max_ms: u64,
    /// How many of a hundred lines correct an earlier order.
    pub corrections_percent: u8,
    /// How many of a hundred lines cancel an earlier order.
    pub cancels_percent: u8,
    /// Whether no line has an order of later than the line itself, which is at its share of the
    /// span: for orders that are written about then, or were by now.
    pub keeps_to_past: bool,
}

impl Default for Spec {
    fn default() -> Spec {
        Spec {
            orders: 1_000_000,
            users: 100_000,
            seed: 42,
            start_ms: 1_767_225_600_000, // 2026-01-01 00:00:00 UTC
            span_ms: 24 * 3_600_000,
            late_percent: 5,
            late_max_ms: 10 * 60_000,
            corrections_percent: 0,
            cancels_percent: 0,
            keeps_to_past: false,
        }
    }
}

impl Spec {
    /// Returns whether the lines are a log of upserts and have an `op`.
    pub fn is_upserts(&self) -> bool {
        self.corrections_percent > 0 || self.cancels_percent > 0
    }

    /// Checks that these orders are possible.
    ///
    /// # Errors
    /// Returns the reason if they are not, as the rest of a sentence that begins with "orders".
    pub fn check(&self) -> Result<(), String> {
        let corrected = u32::from(self.corrections_percent) + u32::from(self.cancels_percent);
        if self.users == 0 {
            return Err("need at least one user".to_owned());
        }
        if corrected >= 100 {
            return Err(format!(
                "cannot be corrected or cancelled in {corrected} of 100 lines: some must be placed"
            ));
        }
        if self.late_percent > 100 {
            return Err(format!("cannot be late in {} of 100 lines", self.late_percent));
        }
        let reach_ms = i128::from(self.late_max_ms) + i128::from(CORRECTION_MS) + i128::from(JITTER_MS);
        let first_ms = i128::from(self.start_ms) - reach_ms;
        let last_ms = i128::from(self.start_ms) + i128::from(self.span_ms) + i128::from(CORRECTION_MS);
        use orders::rules::{AT_MS_MAX, AT_MS_MIN};
        if first_ms < i128::from(AT_MS_MIN) || last_ms > i128::from(AT_MS_MAX) {
            return Err(format!("must be placed between {AT_MS_MIN} and {AT_MS_MAX} ms, late ones too"));
        }
        Ok(())
    }
}

/// What a line does to its order.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// The line places or corrects the order.
    Put,
    /// The line cancels the order.
    Delete,
}

/// One generated line.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct GeneratedOrder {
    /// The number of the user. [`push_user_id`] spells it as an id.
    pub user: u32,
    /// The number of the order, from 0. [`push_order_id`] spells it as an id.
    pub order: u64,
    /// The price in cents. In a line that deletes, it is the price at which the order was placed.
    pub price_cents: i64,
    /// The event time in epoch milliseconds. In a line that deletes, it is the time at which the
    /// order was placed.
    pub at_ms: i64,
    /// What the line does to the order.
    pub op: Op,
}

/// Appends the id of a user: `u` and at least seven digits.
pub fn push_user_id(user: u32, out: &mut Vec<u8>) {
    out.push(b'u');
    push_digits(user.into(), USER_DIGITS, out);
}

/// Appends the id of an order: `o` and at least eight digits. They count from 1, while `order`
/// counts from 0.
pub fn push_order_id(order: u64, out: &mut Vec<u8>) {
    out.push(b'o');
    push_digits(order + 1, ORDER_DIGITS, out);
}

/// Appends a number with at least `digits_min` digits.
fn push_digits(mut value: u64, digits_min: usize, out: &mut Vec<u8>) {
    let mut digits = [b'0'; 20];
    let mut start = digits.len();
    while value > 0 || start > digits.len() - digits_min {
        start -= 1;
        digits[start] = b'0' + (value % 10) as u8;
        value /= 10;
    }
    out.extend_from_slice(&digits[start..]);
}

/// An iterator over the lines of a [`Spec`].
#[derive(Clone, Debug)]
pub struct Orders {
    spec: Spec,
    /// About how many orders are placed in all. The event time of each is its share of the span.
    placed_expected: u64,
    line: u64,
    placed: u64,
}

impl Orders {
    /// Creates the iterator. Panics unless [`Spec::check`] accepts the spec.
    pub fn new(spec: Spec) -> Orders {
        assert_eq!(spec.check(), Ok(()), "the orders are possible");
        let placed_percent = 100 - u64::from(spec.corrections_percent) - u64::from(spec.cancels_percent);
        let placed_expected = (u128::from(spec.orders) * u128::from(placed_percent) / 100) as u64;
        Orders { spec, placed_expected: placed_expected.max(1), line: 0, placed: 0 }
    }

    /// Returns the order with this number as it was placed.
    fn placed(&self, order: u64) -> GeneratedOrder {
        let spec = &self.spec;
        let mut random = Random::new(spec.seed, order << 1);
        let (user, price_cents) = bought(&mut random, spec.users);
        let step = u128::from(order.min(self.placed_expected - 1)) * u128::from(spec.span_ms);
        let on_time_ms = spec.start_ms + (step / u128::from(self.placed_expected)) as i64;
        let late = random.below(100) < u64::from(spec.late_percent);
        let late_ms = if late { spec.late_max_ms } else { spec.late_max_ms.min(JITTER_MS.into()) };
        let at_ms = on_time_ms - random.below(late_ms + 1) as i64;
        GeneratedOrder { user, order, price_cents, at_ms, op: Op::Put }
    }

    /// Returns a line that corrects or cancels an order that an earlier line placed.
    fn changed(&self, random: &mut Random, op: Op) -> GeneratedOrder {
        // Recent orders are changed most often.
        let order = self.placed - 1 - random.squared_below(self.placed);
        let mut changed = GeneratedOrder { op, ..self.placed(order) };
        if op == Op::Put {
            changed.price_cents = PRICE_CENTS.start() + random.below(*PRICE_CENTS.end() as u64 - 49) as i64;
            if random.below(2) == 0 {
                changed.at_ms += random.below(2 * CORRECTION_MS as u64 + 1) as i64 - CORRECTION_MS;
            }
        }
        changed
    }

    /// What the next line does.
    fn line(&mut self, line: u64) -> GeneratedOrder {
        if self.spec.is_upserts() && self.placed > 0 {
            let mut random = Random::new(self.spec.seed, line << 1 | 1);
            let corrections = u64::from(self.spec.corrections_percent);
            let draw = random.below(100);
            if draw < corrections {
                return self.changed(&mut random, Op::Put);
            }
            if draw < corrections + u64::from(self.spec.cancels_percent) {
                return self.changed(&mut random, Op::Delete);
            }
        }
        self.placed += 1;
        self.placed(self.placed - 1)
    }

    /// When a line is written, in epoch milliseconds.
    fn due_ms(&self, line: u64) -> i64 {
        let passed = u128::from(line) * u128::from(self.spec.span_ms) / u128::from(self.spec.orders.max(1));
        self.spec.start_ms + passed as i64
    }
}

/// Number of the user of the next order, and its price in cents.
fn bought(random: &mut Random, users: u32) -> (u32, i64) {
    // The square of a number below one leans to zero: the user of rank r is about 1/√r as busy as
    // the busiest. Multiplying by a prime scatters the busy ones among the names.
    let rank = random.squared_below(users.into());
    let user = ((rank * 2_654_435_761 + 40_503) % u64::from(users)) as u32;
    let (cents_min, cents_max) = (*PRICE_CENTS.start(), *PRICE_CENTS.end());
    (user, cents_min + random.squared_below((cents_max - cents_min + 1) as u64) as i64)
}

impl Iterator for Orders {
    type Item = GeneratedOrder;

    fn next(&mut self) -> Option<GeneratedOrder> {
        if self.line == self.spec.orders {
            return None;
        }
        let line = self.line;
        self.line += 1;
        let mut order = self.line(line);
        if self.spec.keeps_to_past {
            // What would lie ahead lies back as far.
            let due_ms = self.due_ms(line);
            order.at_ms = order.at_ms.min(2 * due_ms - order.at_ms);
        }
        Some(order)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = usize::try_from(self.spec.orders - self.line).ok();
        (left.unwrap_or(usize::MAX), left)
    }
}

/// A sequence of random numbers for every seed and number (SplitMix64). It is quick to start and
/// looks random enough.
struct Random {
    state: u64,
}

impl Random {
    fn new(seed: u64, number: u64) -> Random {
        Random { state: mixed(seed ^ 0x6f72_6465_7273).wrapping_add(mixed(number)) }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed(self.state)
    }

    /// Returns a number in `0..bound`. All are equally likely, up to one part in 2^64.
    fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }

    /// Returns a number in `0..bound`, the square of an evenly spread one, so small numbers are
    /// likelier.
    fn squared_below(&mut self, bound: u64) -> u64 {
        let part = self.next() >> 32;
        ((u128::from(part * part) * u128::from(bound)) >> 64) as u64
    }
}

fn mixed(value: u64) -> u64 {
    let value = (value ^ value >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ value >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ value >> 31
}

#[cfg(test)]
mod tests;
