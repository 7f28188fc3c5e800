//! Counts why rows were set aside, and says when they are too many.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use files::ingest::Reject;
use serde::{Serialize, Serializer};

/// The most kinds of reasons that are counted. Rows of further kinds are counted in no kind.
const KINDS_MAX: usize = 1_000;

/// The most reasons that a summary or a refusal names.
pub const REASONS_TOLD_MAX: usize = 3;

/// How many millionths of a percent all rows are.
const ALL_MILLIONTHS: u64 = 100_000_000;

/// How many rows may be set aside. Whatever is said here, a run that could use none of its rows
/// fails.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum MaxRejects {
    /// At most this many.
    Rows(u64),
    /// At most this share of all rows, in millionths of a percent.
    Millionths(u64),
}

impl MaxRejects {
    /// Any number of rows.
    pub const ANY: MaxRejects = MaxRejects::Millionths(ALL_MILLIONTHS);

    /// Returns whether this allows that `rejected` of `rows` rows were set aside.
    pub fn allows(self, rejected: u64, rows: u64) -> bool {
        match self {
            MaxRejects::Rows(most) => rejected <= most,
            MaxRejects::Millionths(share) => {
                u128::from(rejected) * u128::from(ALL_MILLIONTHS) <= u128::from(rows) * u128::from(share)
            }
        }
    }
}

impl FromStr for MaxRejects {
    type Err = String;

    fn from_str(text: &str) -> Result<MaxRejects, String> {
        let limit = match text.strip_suffix('%') {
            None => text.parse().ok().map(MaxRejects::Rows),
            Some(percent) => {
                let (whole, fraction) = percent.split_once('.').unwrap_or((percent, "0"));
                let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
                let share = (digits(whole) && digits(fraction) && fraction.len() <= 6)
                    .then(|| format!("{whole}{fraction:0<6}").parse().ok())
                    .flatten();
                share.filter(|share| *share <= ALL_MILLIONTHS).map(MaxRejects::Millionths)
            }
        };
        limit.ok_or_else(|| "expected a number of rows or a share of them, such as 100 or 0.5%".to_owned())
    }
}

impl fmt::Display for MaxRejects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MaxRejects::Rows(most) => most.fmt(f),
            MaxRejects::Millionths(share) => {
                let (whole, fraction) = (share / 1_000_000, share % 1_000_000);
                let text = format!("{whole}.{fraction:06}");
                write!(f, "{}%", text.trim_end_matches('0').trim_end_matches('.'))
            }
        }
    }
}

impl Serialize for MaxRejects {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The place of a row: input, part and line. In this order the rows follow each other.
pub(crate) type Place = (u32, u32, u64);

/// One kind of reason.
struct Kind {
    count: u64,
    /// The first row of this kind.
    place: Place,
    /// Why that row was set aside.
    reason: String,
}

/// The kinds of reasons for which rows were set aside. What it says is the same in whatever order
/// the rows come, unless there are more kinds than are counted.
#[derive(Default)]
pub(crate) struct Reasons {
    kinds: HashMap<String, Kind>,
}

impl Reasons {
    /// Counts a row that was set aside.
    pub(crate) fn add(&mut self, reject: &Reject) {
        let place = (reject.input, reject.part, reject.line);
        let name = kind_of(&reject.reason);
        let room = self.kinds.len() < KINDS_MAX;
        match self.kinds.get_mut(&name) {
            Some(kind) => {
                kind.count += 1;
                if place < kind.place {
                    kind.place = place;
                    kind.reason.clone_from(&reject.reason);
                }
            }
            None if room => {
                drop(self.kinds.insert(name, Kind { count: 1, place, reason: reject.reason.clone() }));
            }
            None => {}
        }
    }

    /// Returns the commonest kinds, at most [`REASONS_TOLD_MAX`]: the number of rows of each, and
    /// place and reason of the first. Of kinds with as many rows, the one that comes first is first.
    pub(crate) fn commonest(&self) -> Vec<(u64, Place, &str)> {
        let mut kinds: Vec<_> =
            self.kinds.values().map(|kind| (kind.count, kind.place, kind.reason.as_str())).collect();
        kinds.sort_by_key(|(count, place, _)| (std::cmp::Reverse(*count), *place));
        kinds.truncate(REASONS_TOLD_MAX);
        kinds
    }
}

/// Returns a reason without the values that it shows: without what stands in quotes and without
/// numbers. The name of a column or member is kept.
fn kind_of(reason: &str) -> String {
    let mut kind = String::with_capacity(reason.len());
    let mut chars = reason.chars().peekable();
    while let Some(char) = chars.next() {
        if char == '"' && !(kind.ends_with("column ") || kind.ends_with("member ")) {
            kind.push('"');
            let mut escaped = false;
            for char in chars.by_ref() {
                match char {
                    '"' if !escaped => break,
                    char => escaped = char == '\\' && !escaped,
                }
            }
        } else if char.is_ascii_digit() {
            kind.push('0');
            while chars.next_if(char::is_ascii_digit).is_some() {}
        } else {
            kind.push(char);
        }
    }
    kind
}

/// Why rows were set aside, as it is told. The names of its fields are the names in JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReasonTold {
    /// The number of rows that were set aside for a reason of this kind.
    pub rows: u64,
    /// The input that holds the first of them.
    pub file: String,
    /// The line of the first in its input, counted from 1; `None` if it is not known.
    pub line: Option<u64>,
    /// Why the first was set aside.
    pub reason: String,
}

impl fmt::Display for ReasonTold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, " line {line}")?;
        }
        write!(f, ": {}", self.reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reject(input: u32, part: u32, line: u64, reason: &str) -> Reject {
        Reject { input, part, line, reason: reason.to_owned(), raw: Vec::new() }
    }

    #[test]
    fn limits_are_rows_or_shares() {
        for (text, shown) in
            [("0", "0"), ("100", "100"), ("0.5%", "0.5%"), ("100%", "100%"), ("00.250000%", "0.25%")]
        {
            assert_eq!(text.parse::<MaxRejects>().unwrap().to_string(), shown);
        }
        for text in ["", "%", "-1", "1.5", "101%", "1.%", ".5%", "0.0000001%", "1e2%", "+1%", "5 %"] {
            text.parse::<MaxRejects>().unwrap_err();
        }
        let share: MaxRejects = "12.5%".parse().unwrap();
        assert!(share.allows(1, 8) && !share.allows(2, 15) && share.allows(0, 0));
        assert!(MaxRejects::Rows(2).allows(2, 2) && !MaxRejects::Rows(2).allows(3, 1_000_000));
        assert!(MaxRejects::ANY.allows(u64::MAX, u64::MAX));
    }

    #[test]
    fn reasons_that_differ_in_values_are_of_one_kind() {
        for (one, other) in [
            ("price \"1,5\" is not a decimal number", "price \"a\\\"b\" is not a decimal number"),
            ("5 fields instead of 4", "17 fields instead of 4"),
            ("timestamp 99999999999999999 is out of range", "timestamp 1 is out of range"),
        ] {
            assert_eq!(kind_of(one), kind_of(other));
        }
        for (one, other) in [
            ("price is empty", "user_id is empty"),
            ("no member \"price\"", "no member \"user_id\""),
            ("price \"x\" is not a decimal number", "price \"x\" is beyond 1"),
        ] {
            assert_ne!(kind_of(one), kind_of(other));
        }
    }

    #[test]
    fn the_commonest_come_first_with_their_first_rows_in_any_order_of_rows() {
        let rows = [
            reject(0, 1, 5, "price \"b\" is not a decimal number"),
            reject(0, 0, 9, "price \"a\" is not a decimal number"),
            reject(1, 0, 0, "price is empty"),
            reject(0, 0, 3, "user_id is empty"),
            reject(0, 0, 2, "op \"x\" is neither put nor delete"),
        ];
        let expected = [
            (2, (0, 0, 9), "price \"a\" is not a decimal number"),
            (1, (0, 0, 2), "op \"x\" is neither put nor delete"),
            (1, (0, 0, 3), "user_id is empty"),
        ];
        for first in 0..rows.len() {
            let mut reasons = Reasons::default();
            rows[first..].iter().chain(&rows[..first]).for_each(|row| reasons.add(row));
            assert_eq!(reasons.commonest(), expected);
        }
    }

    #[test]
    fn kinds_without_end_take_no_memory_without_end() {
        let mut reasons = Reasons::default();
        for number in 0..2 * KINDS_MAX {
            let letters: String = number.to_string().bytes().map(|byte| char::from(byte + 49)).collect();
            reasons.add(&reject(0, 0, number as u64, &letters));
        }
        assert_eq!(reasons.kinds.len(), KINDS_MAX);
    }
}
