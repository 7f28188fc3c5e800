//! How many connections there is room for, beside the files that the store opens.

use super::InstanceError;
use connections::{Places, descriptors};
use store::OPEN_FILES_MAX;

/// The most files that are open for a moment beside those of the store and of connections: what
/// metrics are read from, certificates, a backup, connections that get no place.
const OTHER_FILES_MAX: usize = 32;

/// The fewest connections that are worth a start.
const PLACES_MIN: usize = 16;

/// How many files are open after the start where the system does not tell.
const OPEN_AT_START: usize = 64;

/// Returns places for as many connections as are wanted, but for no more than there are files left
/// to open, beside what the store opens at its busiest. Says so where that is less.
///
/// To be called once the store is open and all listeners are there.
///
/// # Errors
/// Returns [`InstanceError::TooFewFiles`] if nothing would be left for connections.
pub(super) fn left(wanted: usize) -> Result<Places, InstanceError> {
    let limit = descriptors::limit();
    let open = descriptors::open_files().unwrap_or(OPEN_AT_START);
    let left = room(limit, open)?;
    if left < wanted {
        tracing::warn!(
            "at most {limit} files may be open at a time, which leaves room for {left} connections instead of {wanted}: \
             raise the limit with `ulimit -n`, or LimitNOFILE= for systemd"
        );
    }
    Ok(Places::new(left.min(wanted)))
}

/// Returns how many connections there is room for, when this many files may be open and this many
/// are.
fn room(limit: usize, open: usize) -> Result<usize, InstanceError> {
    let kept = open + OPEN_FILES_MAX + OTHER_FILES_MAX;
    match limit.saturating_sub(kept) {
        left if left >= PLACES_MIN => Ok(left),
        _ => Err(InstanceError::TooFewFiles { limit, needed: kept + PLACES_MIN }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_get_what_the_store_leaves() {
        let kept = OPEN_FILES_MAX + OTHER_FILES_MAX;
        assert_eq!(room(1_024, 30).unwrap(), 1_024 - 30 - kept);
        assert_eq!(room(30 + kept + PLACES_MIN, 30).unwrap(), PLACES_MIN);
        assert_eq!(room(usize::MAX, 30).unwrap(), usize::MAX - 30 - kept);
        for limit in [0, 30, kept, 30 + kept, 30 + kept + PLACES_MIN - 1] {
            let error = room(limit, 30).unwrap_err();
            assert_eq!(error.exit_code(), 3);
            assert_eq!(
                error.to_string(),
                format!(
                    "at most {limit} files may be open at a time, and {} are needed: raise the limit with `ulimit -n`, \
                     or LimitNOFILE= for systemd",
                    30 + kept + PLACES_MIN
                )
            );
        }
        // The usual limit leaves most of it to connections.
        assert!(room(1_024, 30).unwrap() >= 640);
    }
}
