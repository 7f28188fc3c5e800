//! How a store is opened.

use std::fmt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// When a write is acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// Once it is synced to disk.
    #[default]
    Synced,
    /// Once the operating system has it: what was acknowledged last may be lost if the machine stops, not if only this process does.
    /// For loads that can be done again.
    Relaxed,
}

/// Tells the time.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> i64 + Send + Sync>);

impl Clock {
    /// A clock that calls `now_us` for the microseconds since 1970.
    pub fn new(now_us: impl Fn() -> i64 + Send + Sync + 'static) -> Clock {
        Clock(Arc::new(now_us))
    }

    /// Microseconds since 1970.
    pub fn now_us(&self) -> i64 {
        (self.0)()
    }
}

impl Default for Clock {
    /// The system's.
    fn default() -> Clock {
        Clock::new(|| {
            let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            i64::try_from(since_1970.as_micros()).unwrap_or(i64::MAX)
        })
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clock({} µs)", self.now_us())
    }
}

/// How a store is opened.
#[derive(Clone, Debug, Default)]
pub struct StoreOptions {
    /// When writes are acknowledged.
    pub durability: Durability,
    /// What time it is; for tests to set.
    pub clock: Clock,
}
