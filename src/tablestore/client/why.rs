//! Asks a store of this program why it refused a request. No Tablestore answers that.

use super::Client;
use super::call::Operation;
use super::error::ClientError;
use crate::refusals::{RefusedRequest, WhyRequest};

const WHY: Operation = Operation::read("/orderflow/why");

impl Client {
    /// Returns why the request with this id was refused, or why rows of it were, with what there is
    /// to say beyond the sentences that its caller got. The store remembers the last of them.
    ///
    /// # Errors
    /// Returns [`ClientError`]; with `OTSObjectNotExist` if the store knows of no such request.
    pub async fn why(&self, request_id: &str) -> Result<RefusedRequest, ClientError> {
        let request = WhyRequest { request_id: request_id.to_owned() };
        Ok(self.call(WHY, &request).await?.answer)
    }
}
