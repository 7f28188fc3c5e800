//! Names rows where views with different keys come together.

use std::fmt;
use std::sync::Arc;

use crate::Id;

/// The number of a view in the list. It dereferences to the [`View`](crate::View).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ViewId(pub(crate) u16);

impl ViewId {
    /// Returns the view's place in the list.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// One value of a row's key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// A text. Texts are ordered bytewise.
    Text(Id),
    /// A whole number, or an instant (epoch ms).
    Integer(i64),
}

/// The values of a row's key within its view. A single value is held inline; only keys of several
/// values allocate.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Parts {
    /// The key of the only row of a view without groups.
    None,
    /// A key of one value.
    One(Part),
    /// A key of two or more values.
    Many(Arc<[Part]>),
}

impl Parts {
    /// Creates a key of one text.
    pub fn text(text: Id) -> Parts {
        Parts::One(Part::Text(text))
    }

    /// Creates a key of one number, or of an instant (epoch ms).
    pub fn integer(number: i64) -> Parts {
        Parts::One(Part::Integer(number))
    }

    /// Returns the values, in the order of the view's groups.
    pub fn as_slice(&self) -> &[Part] {
        match self {
            Parts::None => &[],
            Parts::One(part) => std::slice::from_ref(part),
            Parts::Many(parts) => parts,
        }
    }
}

impl From<Vec<Part>> for Parts {
    fn from(mut parts: Vec<Part>) -> Parts {
        match parts.len() {
            0 => Parts::None,
            1 => parts.pop().map_or(Parts::None, Parts::One),
            _ => Parts::Many(parts.into()),
        }
    }
}

/// Names a row by its view and its key there. Rows are ordered by the list of views, then by key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowKey {
    /// The view that the row is of.
    pub view: ViewId,
    /// The row's key in that view.
    pub parts: Parts,
}

impl RowKey {
    /// Names the row of this view with this key.
    pub fn new(view: ViewId, parts: Parts) -> RowKey {
        RowKey { view, parts }
    }
}

/// Writes which row this is in words, as [`View::row`](crate::View::row) gives them.
impl fmt::Display for RowKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = self.parts.as_slice().iter();
        for (at, words) in self.view.row.split("{}").enumerate() {
            match if at == 0 { None } else { parts.next() } {
                Some(Part::Text(text)) => write!(f, "{text:?}")?,
                Some(Part::Integer(number)) => write!(f, "{number}")?,
                None => {}
            }
            f.write_str(words)?;
        }
        Ok(())
    }
}
