//! Defines the direction in which a range of keys is read.

/// The direction in which a range of keys is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// From the least key upwards.
    #[default]
    Forward,
    /// From the greatest key downwards.
    Backward,
}
