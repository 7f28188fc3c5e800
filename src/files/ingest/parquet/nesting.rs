//! How deep a footer's columns nest, found without following them.
//!
//! The crate decodes a schema by recursion, one call a level, and makes room for as many children as
//! a level claims. A footer of one level per few bytes would end the process, which no error can
//! catch, so it is read flat here first. Thrift's compact form is all that is known of it.

/// The deepest that columns may nest. An order's are flat; what else is in the file may not be.
const DEPTH_MAX: usize = 100;

/// The deepest that values of one schema element nest.
const VALUE_DEPTH_MAX: u32 = 16;

/// The field of a footer that lists its schema, depth first.
const SCHEMA_FIELD: i64 = 2;

/// The field of a schema element that says how many of the next are its children.
const CHILDREN_FIELD: i64 = 5;

/// Whether the schema in a footer can be decoded by recursion.
///
/// # Errors
/// What is wrong with it. Bytes that are no schema at all are left to the decoder.
pub(super) fn check_nesting(footer: &[u8]) -> Result<(), String> {
    let Some((count, mut elements)) = schema(footer) else { return Ok(()) };
    // Children that are still to come, on each level that is open.
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

/// How many elements a footer's schema has, and where the first one starts.
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

/// Reads Thrift's compact form; `None` wherever the bytes end or make no sense.
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

    /// The kind of the next field of a struct, whose number replaces `id`; `Some(None)` at its end.
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

    /// How many elements a list has, and of which kind.
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
                // In a list even a boolean takes a byte.
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

    /// How many children the next schema element has.
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

    /// A footer whose schema has these numbers of children, depth first.
    fn footer(children: &[u64]) -> Vec<u8> {
        let varint = |mut value: u64, out: &mut Vec<u8>| {
            while value >= 0x80 {
                out.push(value as u8 | 0x80);
                value >>= 7;
            }
            out.push(value as u8);
        };
        // Field 1 (version 2), then field 2: a list of structs.
        let mut bytes = vec![0x15, 0x04, 0x19, 0xfc];
        varint(children.len() as u64, &mut bytes);
        for &count in children {
            // Field 4, a name of one letter; field 5, the children; the end of the struct.
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
