//! Which build of the program this is.

/// The version, and the commit that it was built from where git knew it, such as `0.1.0
/// (8ddb48332a1c)`. After the commit, `-dirty` says that the sources differed from it.
pub const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), env!("ORDERFLOW_COMMIT"));
