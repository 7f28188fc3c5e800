//! Finds how deep a footer's columns nest, without recursion.
//!
//! The crate decodes a schema by recursion, one call for each level, and reserves memory for as
//! many children as a level claims. A footer with one level every few bytes would end the process,
//! which no error can catch. So the footer is first read flat here. This code knows only Thrift's
//! compact form.

/// The most levels that columns may nest. The columns of an order are flat, but the file may hold
/// others that are not.
const DEPTH_MAX: usize = 100;

/// The most levels that the values of one schema element may nest.
const VALUE_DEPTH_MAX: u32 = 16;

/// The number of the field of a footer that lists its schema, depth first.
const SCHEMA_FIELD: i64 = 2;

/// The number of the field of a schema element that says how many of the next elements are its
/// children.
const CHILDREN_FIELD: i64 = 5;

/// Checks that the schema in a footer can be decoded by recursion. Bytes that are no schema at all
/// pass, because the decoder refuses them.
///
/// # Errors
/// Returns as text what is wrong with the schema.
pub(super) fn check_nesting(footer: &[u8]) -> Result<(), String> {
    let Some((count, mut elements)) = schema(footer) else { return Ok(()) };
    // For each open level, this holds the number of children that are still to come.
    let mut open: Vec<u64> = Vec::new();
    for _ in 0..count {
        let Some(children) = elements.children() else { return Ok(()) };
        if children > count {
            return Err(format!("a group claims to have {children} columns"));
        }
        if children > 0 {
            open.push(children);
            if open.len() > DEPTH_MAX {
                return Err(format!("its columns nest deeper than {DEPTH_MAX} levels"));
            }
            continue;
        }
        while let Some(last) = open.last_mut() {
            *last -= 1;
            if *last > 0 {
                break;
            }
            open.pop();
        }
    }
    Ok(())
}

/// Returns how many elements a footer's schema has, and a reader that stands at the first one.
fn schema(footer: &[u8]) -> Option<(u64, Compact<'_>)> {
    let mut reader = Compact(footer);
    let mut id = 0;
    while let Some(kind) = reader.field(&mut id)? {
        if id == SCHEMA_FIELD && kind == Compact::LIST {
            let (count, kind) = reader.list()?;
            return (kind == Compact::STRUCT).then_some((count, reader));
        }
        reader.skip(kind, 0)?;
    }
    None
}

/// A reader of Thrift's compact form. Its methods return `None` if the bytes end or make no sense.
struct Compact<'a>(&'a [u8]);

impl Compact<'_> {
    const I32: u8 = 5;
    const LIST: u8 = 9;
    const STRUCT: u8 = 12;

    fn byte(&mut self) -> Option<u8> {
        let (&byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(byte)
    }

    fn bytes(&mut self, count: u64) -> Option<()> {
        self.0 = self.0.get(usize::try_from(count).ok()?..)?;
        Some(())
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn zigzag(&mut self) -> Option<i64> {
        let value = self.varint()?;
        Some((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    /// Reads the header of a struct's next field. Returns its kind, and replaces `id` by its
    /// number. Returns `Some(None)` at the end of the struct.
    fn field(&mut self, id: &mut i64) -> Option<Option<u8>> {
        let header = self.byte()?;
        if header == 0 {
            return Some(None);
        }
        *id = match header >> 4 {
            0 => self.zigzag()?,
            step => id.checked_add(i64::from(step))?,
        };
        Some(Some(header & 0x0f))
    }

    /// Reads the header of a list. Returns how many elements it has, and their kind.
    fn list(&mut self) -> Option<(u64, u8)> {
        let header = self.byte()?;
        let count = if header >> 4 == 15 { self.varint()? } else { u64::from(header >> 4) };
        Some((count, header & 0x0f))
    }

    fn skip(&mut self, kind: u8, depth: u32) -> Option<()> {
        if depth > VALUE_DEPTH_MAX {
            return None;
        }
        match kind {
            1 | 2 => Some(()),
            3 => self.bytes(1),
            4..=6 => self.varint().map(drop),
            7 => self.bytes(8),
            8 => {
                let count = self.varint()?;
                self.bytes(count)
            }
            Self::LIST | 10 => {
                let (count, kind) = self.list()?;
                // In a list, even a boolean takes a byte.
                let kind = if kind <= 2 { 3 } else { kind };
                (0..count).try_for_each(|_| self.skip(kind, depth + 1))
            }
            Self::STRUCT => {
                let mut id = 0;
                while let Some(kind) = self.field(&mut id)? {
                    self.skip(kind, depth + 1)?;
                }
                Some(())
            }
            _ => None,
        }
    }

    /// Reads the next schema element and returns how many children it has.
    fn children(&mut self) -> Option<u64> {
        let (mut id, mut children) = (0, 0);
        while let Some(kind) = self.field(&mut id)? {
            if id == CHILDREN_FIELD && kind == Self::I32 {
                children = u64::try_from(self.zigzag()?).ok()?;
            } else {
                self.skip(kind, 0)?;
            }
        }
        Some(children)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a footer whose schema elements have these numbers of children, depth first.
    fn footer(children: &[u64]) -> Vec<u8> {
        let varint = |mut value: u64, out: &mut Vec<u8>| {
            while value >= 0x80 {
                out.push(value as u8 | 0x80);
                value >>= 7;
            }
            out.push(value as u8);
        };
        // These bytes are field 1 (version 2), then the start of field 2, a list of structs.
        let mut bytes = vec![0x15, 0x04, 0x19, 0xfc];
        varint(children.len() as u64, &mut bytes);
        for &count in children {
            // These bytes are field 4, a name of one letter; then field 5, the children, and the
            // end of the struct.
            bytes.extend([0x48, 1, b'a', 0x15]);
            varint(count << 1, &mut bytes);
            bytes.push(0);
        }
        bytes.push(0);
        bytes
    }

    #[test]
    fn depth_is_counted_along_a_branch_and_not_along_the_list() {
        assert_eq!(check_nesting(&footer(&[3, 0, 0, 0])), Ok(()));
        let wide: Vec<u64> = std::iter::once(500).chain([1, 0].repeat(500)).collect();
        assert_eq!(check_nesting(&footer(&wide)), Ok(()));
        let deep = |levels: usize| [vec![1; levels], vec![0]].concat();
        assert_eq!(check_nesting(&footer(&deep(DEPTH_MAX))), Ok(()));
        let refused = Err("its columns nest deeper than 100 levels".to_owned());
        assert_eq!(check_nesting(&footer(&deep(DEPTH_MAX + 1))), refused);
        assert_eq!(check_nesting(&footer(&deep(1_000_000))), refused);
    }

    #[test]
    fn a_group_has_no_more_columns_than_the_schema() {
        let refused = Err("a group claims to have 1000000000 columns".to_owned());
        assert_eq!(check_nesting(&footer(&[1_000_000_000, 0])), refused);
    }

    #[test]
    fn bytes_that_are_no_schema_are_left_to_the_decoder() {
        let whole = footer(&[2, 0, 0]);
        for length in 0..whole.len() {
            assert_eq!(check_nesting(&whole[..length]), Ok(()), "{length}");
        }
        assert_eq!(check_nesting(&[0x1c; 100_000]), Ok(()));
        assert_eq!(check_nesting(&[0x19; 100_000]), Ok(()));
    }
}
