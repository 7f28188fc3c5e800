//! Divides tables into ranges of about equal size for callers that read them in parallel.

use bytes::Bytes;
use prost::Message;

use super::Service;
use super::decode::{SPLIT_POINTS, consumed, decode};
use super::error::Refusal;
use super::reads::encode_whole_key;
use super::tables::{key_schema, named};
use crate::table;
use store::SPLIT_POINTS_MAX;

/// The bytes of a unit of size if the caller does not say otherwise.
const UNIT_BYTES: i64 = 100 << 20;

/// The only place at which rows lie. Clients expect a name.
const LOCATION: &str = "0";

/// Computes the keys at which a table is divided. Reads the whole table.
pub(super) async fn compute(service: &Service, body: Bytes) -> Result<Vec<u8>, Refusal> {
    let request: table::ComputeSplitPointsBySizeRequest = decode(body, &SPLIT_POINTS)?;
    named(&request.table_name)?;
    let unit_bytes = request.split_size_unit_in_byte.unwrap_or(UNIT_BYTES);
    if request.split_size <= 0 || unit_bytes <= 0 {
        return Err(Refusal::invalid("split_size_in_MB is not positive"));
    }
    let split_bytes = request.split_size.saturating_mul(unit_bytes).unsigned_abs();
    let limit = request.split_point_limit.filter(|limit| *limit > 0);
    let points_max = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(SPLIT_POINTS_MAX);
    let compute = move |store: &store::Store| {
        let info = store.table(&request.table_name)?;
        let points = store.split_points(&request.table_name, split_bytes, points_max)?;
        Ok::<_, Refusal>((info, points))
    };
    let (info, points) = service.blocking(compute).await?;
    let ranges = i64::try_from(points.len() + 1).unwrap_or(i64::MAX);
    let response = table::ComputeSplitPointsBySizeResponse {
        consumed: consumed(0, 0),
        schema: key_schema(&info),
        split_points: points.into_iter().map(|key| encode_whole_key(&info, key).into()).collect(),
        locations: vec![table::SplitLocation { location: LOCATION.to_owned(), repeat: ranges }],
    };
    Ok(response.encode_to_vec())
}
