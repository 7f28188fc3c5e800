//! Defines the options with which a store is opened.

use std::fmt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// The durability of a write when it is acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// The write is acknowledged once it is synced to disk.
    #[default]
    Synced,
    /// The write is acknowledged once the operating system has it. The last acknowledged writes may
    /// be lost if the machine stops, but not if only this process stops. This is for loads that can
    /// be repeated.
    Relaxed,
}

/// A clock that tells the time. It is cheap to clone.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> i64 + Send + Sync>);

impl Clock {
    /// Creates a clock that calls `now_us` for the microseconds since 1970.
    pub fn new(now_us: impl Fn() -> i64 + Send + Sync + 'static) -> Clock {
        Clock(Arc::new(now_us))
    }

    /// Returns the time in microseconds since 1970.
    pub fn now_us(&self) -> i64 {
        (self.0)()
    }
}

impl Default for Clock {
    /// Returns the clock of the system.
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

/// The options with which a store is opened.
#[derive(Clone, Debug, Default)]
pub struct StoreOptions {
    /// When writes are acknowledged.
    pub durability: Durability,
    /// The clock of the store. Tests set their own.
    pub clock: Clock,
}
