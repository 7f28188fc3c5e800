//! What the parts of the inputs held, as their workers have reported it.

use std::collections::{BTreeMap, BTreeSet};

use super::reasons::Place;
use files::ingest::TAIL_PART;
use orders::rules::Role;

/// One part that was read to its end.
struct PartDone {
    lines: u64,
    good: u64,
    lacking: u8,
}

/// The rows of one input that were set aside.
#[derive(Default)]
struct Rejected {
    rows: u64,
    /// How many of them lack a member.
    lacking: u64,
}

/// The parts that were read to their ends, by input and part.
#[derive(Default)]
pub(crate) struct Parts {
    done: BTreeMap<(u32, u32), PartDone>,
    rejected: BTreeMap<u32, Rejected>,
}

impl Parts {
    /// Takes in that a part was read to its end. It has `lines` lines and `good` good orders, and
    /// none of its rows has columns of the roles `lacking`, a bit each.
    pub(crate) fn done(&mut self, input: u32, part: u32, lines: u64, good: u64, lacking: u8) {
        self.done.insert((input, part), PartDone { lines, good, lacking });
    }

    /// Takes in that a row of an input was set aside, and whether that is because it lacks a member.
    pub(crate) fn rejected(&mut self, input: u32, lacking: bool) {
        let rejected = self.rejected.entry(input).or_default();
        rejected.rows += 1;
        rejected.lacking += u64::from(lacking);
    }

    /// Returns the line of a row in its input, counted from 1.
    ///
    /// Lines are counted within their part. So the line is known only if all parts before the row's
    /// own were read to their ends.
    pub(crate) fn line_of(&self, (input, part, line): Place) -> Option<u64> {
        if part == TAIL_PART {
            return None;
        }
        let lines = |part| self.done.get(&(input, part)).map(|done| done.lines);
        let before: Option<u64> = (0..part).map(lines).sum();
        before.map(|before| before + line + 1)
    }

    /// Returns the first input that cannot be what was meant, because none of its rows has members
    /// of some roles, with these roles.
    ///
    /// If some of its rows are good, only ids count: all of its orders are a guest's, or without an
    /// id, though one was named. If none is, all must have been set aside because they lack a member.
    pub(crate) fn lacking(&self) -> Option<(u32, u8)> {
        let inputs: BTreeSet<u32> = self.done.keys().map(|(input, _)| *input).collect();
        inputs.into_iter().find_map(|input| {
            let parts = || self.done.range((input, 0)..=(input, u32::MAX)).map(|(_, part)| part);
            let lacking = parts().fold(u8::MAX, |lacking, part| lacking & part.lacking);
            let lacking = match self.rejected.get(&input) {
                _ if parts().any(|part| part.good > 0) => lacking & IDS,
                Some(rejected) if rejected.lacking == rejected.rows => lacking,
                _ => 0,
            };
            (lacking != 0).then_some((input, lacking))
        })
    }
}

/// The roles of ids, a bit each.
const IDS: u8 = Role::UserId.bit() | Role::OrderId.bit();

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_known_once_the_parts_before_are_read() {
        let mut parts = Parts::default();
        assert_eq!(parts.line_of((3, 0, 4)), Some(5));
        assert_eq!(parts.line_of((3, 2, 4)), None);
        parts.done(3, 1, 10, 10, 0);
        assert_eq!(parts.line_of((3, 2, 4)), None);
        parts.done(3, 0, 100, 10, 0);
        assert_eq!(parts.line_of((3, 2, 4)), Some(115));
        assert_eq!(parts.line_of((3, TAIL_PART, 4)), None);
    }

    #[test]
    fn an_input_lacks_what_none_of_its_parts_has() {
        let mut parts = Parts::default();
        parts.done(0, 0, 0, 0, 0b11100);
        assert_eq!(parts.lacking(), None, "it has no rows at all");
        parts.done(1, 0, 5, 0, 0b11000);
        parts.done(1, 1, 5, 0, 0b01100);
        // A part without rows lacks everything, and says nothing about the others.
        parts.done(1, 2, 0, 0, 0b11100);
        parts.rejected(1, true);
        assert_eq!(parts.lacking(), Some((1, 0b01000)));
        parts.done(1, 3, 1, 1, 0b01000);
        assert_eq!(parts.lacking(), None, "one of its rows is good");
        parts.done(2, 0, 5, 0, 0b01000);
        parts.rejected(2, true);
        assert_eq!(parts.lacking(), Some((2, 0b01000)));
        parts.rejected(2, false);
        assert_eq!(parts.lacking(), None, "one of its rows is bad for another reason");
    }

    #[test]
    fn an_input_without_any_id_is_not_what_was_meant_even_if_its_rows_are_good() {
        for role in [Role::UserId, Role::OrderId] {
            let mut parts = Parts::default();
            parts.done(0, 0, 5, 5, role.bit());
            assert_eq!(parts.lacking(), Some((0, role.bit())));
            parts.done(0, 1, 5, 5, 0);
            assert_eq!(parts.lacking(), None, "some of its rows have one");
        }
    }
}
