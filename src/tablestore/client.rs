//! Calls servers of Tablestore's wire protocol: this program's and the vendor's.
//!
//! ```text
//!  tables, rows, batch, tunnels, channels, snapshots, why    one method an operation, in the store's own types
//!              │
//!            call                  encode, sign, send, verify, decode; and again, where retry says so
//!         ┌────┼─────┐
//!     retry  verify  transport     pure │ pure │ HTTP over connections that are kept
//! ```
//!
//! Calls are signed by version 4 if a region is set, else by version 2. An answer is believed only
//! if its digest, date and signature are right. Calls that the server refused for the moment are
//! sent again with a new date and signature. A write is never sent again if the server may have
//! acted on it.

use std::sync::Arc;

mod batch;
mod call;
mod channels;
mod config;
mod error;
mod retry;
mod rows;
mod snapshots;
mod tables;
mod transport;
mod tunnels;
mod verify;
mod why;

pub use batch::RowResult;
pub use call::{Called, Operation};
pub use channels::{ChannelCheckpoint, ChannelPage, ChannelRecord, Connected, FINISHED};
pub use config::ClientConfig;
pub use error::{ClientError, ServiceError};
pub use retry::{Access, CallFailure, RetryPolicy};
pub use rows::{RangePage, RangePages};
pub use snapshots::{ChangesPage, Place, Snapshot};
pub use tunnels::tunnel_type_text;

use super::signature::DerivedKeys;
use transport::Transport;

/// A client of one instance. It is cheap to clone; clones share their connections.
#[derive(Clone, Debug)]
pub struct Client {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    config: ClientConfig,
    transport: Transport,
    derived_keys: DerivedKeys,
}

impl Client {
    /// Creates a client that has not connected yet. Its methods need a tokio runtime with time and
    /// I/O.
    ///
    /// # Errors
    /// Returns [`ClientError::Config`], which names the setting that is unusable.
    pub fn new(config: ClientConfig) -> Result<Client, ClientError> {
        let transport = Transport::new(config.check()?, config.request_timeout)?;
        Ok(Client { inner: Arc::new(Inner { config, transport, derived_keys: DerivedKeys::default() }) })
    }

    /// Returns the endpoint to which calls go.
    pub fn endpoint(&self) -> &str {
        self.inner.transport.endpoint()
    }

    /// Returns the name of the instance.
    pub fn instance(&self) -> &str {
        &self.inner.config.instance
    }
}

#[cfg(test)]
mod fake;
#[cfg(test)]
mod tests;
