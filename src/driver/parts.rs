//! What the parts of the inputs held, as their workers have reported it.

use std::collections::BTreeMap;

use super::reasons::Place;
use files::ingest::TAIL_PART;

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

    /// Returns the first input whose rows all were set aside because they lack a member, and of
    /// which no row has members of some roles, with these roles.
    pub(crate) fn lacking(&self) -> Option<(u32, u8)> {
        let all_lack_one = self.rejected.iter().filter(|(_, rejected)| rejected.lacking == rejected.rows);
        all_lack_one.map(|(input, _)| *input).find_map(|input| {
            let parts = || self.done.range((input, 0)..=(input, u32::MAX)).map(|(_, part)| part);
            let lacking = parts().fold(u8::MAX, |lacking, part| lacking & part.lacking);
            let is_used = parts().next().is_none() || parts().any(|part| part.good > 0);
            (!is_used && lacking != 0).then_some((input, lacking))
        })
    }
}

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
        parts.done(0, 0, 0, 0, 0b111);
        assert_eq!(parts.lacking(), None, "it has no rows at all");
        parts.done(1, 0, 5, 0, 0b110);
        parts.done(1, 1, 5, 0, 0b011);
        // A part without rows lacks everything, and says nothing about the others.
        parts.done(1, 2, 0, 0, 0b111);
        parts.rejected(1, true);
        assert_eq!(parts.lacking(), Some((1, 0b010)));
        parts.done(1, 3, 1, 1, 0b010);
        assert_eq!(parts.lacking(), None, "one of its rows is good");
        parts.done(2, 0, 5, 0, 0b010);
        parts.rejected(2, true);
        assert_eq!(parts.lacking(), Some((2, 0b010)));
        parts.rejected(2, false);
        assert_eq!(parts.lacking(), None, "one of its rows is bad for another reason");
    }
}
