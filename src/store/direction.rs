//! Which way a range of keys is read.

/// Which way a range is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// Upwards.
    #[default]
    Forward,
    /// Downwards.
    Backward,
}
