//! `orderflow why`: says why the store refused a request.

use clap::Args;
use jiff::Timestamp;

use super::connection::ConnectionArgs;
use super::{Failure, say};
use tablestore::refusals::{LoggedRefusal, RefusedRequest};

/// The flags of `why`.
#[derive(Args, Clone, Debug)]
pub struct WhyArgs {
    /// Id of the request, as the SDK's error and the header x-ots-requestid give it
    #[arg(value_name = "REQUEST_ID")]
    pub request_id: String,
    /// The connection to the store.
    #[command(flatten)]
    pub connection: ConnectionArgs,
}

/// Prints what the store's log says of a request that was refused, or of which rows were.
///
/// # Errors
/// Returns [`Failure`] with exit code 2 if the store does not remember such a request.
pub fn why(args: &WhyArgs) -> Result<(), Failure> {
    args.connection.run(async |client| say(&told(&client.why(&args.request_id).await?)))
}

fn told(request: &RefusedRequest) -> String {
    let at = Timestamp::from_microsecond(request.at_us).unwrap_or_default();
    let operation = request.operation.trim_start_matches('/');
    let mut text = format!("{operation} at {}\n", at.strftime("%Y-%m-%d %H:%M:%S UTC"));
    for LoggedRefusal { status, code, message, detail } in &request.refusals {
        text += &format!("{status} {code}: {message}\n");
        if let Some(detail) = detail {
            text += &format!("  {detail}\n");
        }
    }
    let listed = request.refusals.len() as u64;
    if request.refused > listed {
        text += &format!("and {} more rows of it\n", request.refused - listed);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_has_its_sentence_and_what_there_is_to_say() {
        let refusal = |detail: Option<&str>| LoggedRefusal {
            status: 404,
            code: "OTSObjectNotExist".to_owned(),
            message: "Requested table does not exist.".to_owned(),
            detail: detail.map(str::to_owned),
        };
        let mut request = RefusedRequest {
            request_id: "r".to_owned(),
            operation: "/BatchWriteRow".to_owned(),
            at_us: 1_700_000_000_000_000,
            refusals: vec![refusal(Some("there is no table T")), refusal(None)],
            refused: 2,
        };
        let sentence = "404 OTSObjectNotExist: Requested table does not exist.\n";
        let expected =
            format!("BatchWriteRow at 2023-11-14 22:13:20 UTC\n{sentence}  there is no table T\n{sentence}");
        assert_eq!(told(&request), expected);
        request.refused = 200;
        assert_eq!(told(&request), expected + "and 198 more rows of it\n");
    }
}
