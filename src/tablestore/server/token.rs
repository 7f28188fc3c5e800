//! Encodes and decodes tokens, which are places in a channel that clients carry. Clients look
//! inside: a token with an iterator is one of a stream.
//!
//! The position names its tunnel and channel, so that a token of another channel is refused and not
//! read from.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use prost::Message;

use super::error::Refusal;
use crate::tunnel;
use store::log::LogPosition;
use store::tunnel::{Claim, Cursor, Place};

/// The text that stands for a token if there are no more records.
const FINISHED: &str = "finished";
/// The version of tokens that hold counts.
const VERSION: i64 = 2;

/// Returns the token of a place in a channel.
pub(super) fn encode(claim: Claim<'_>, cursor: &Cursor) -> String {
    let place = format!("{}/{}/", claim.tunnel, claim.channel);
    let (primary_key, iterator) = match &cursor.place {
        Place::Finished => return FINISHED.to_owned(),
        Place::Base(key) => (Some([place.as_bytes(), key].concat().into()), None),
        Place::Stream(LogPosition { commit, index }) => (None, Some(format!("{place}{commit}/{index}"))),
    };
    let content = tunnel::TokenContent {
        primary_key,
        iterator,
        timestamp: Some(cursor.time_us),
        // No channel has more records than this number can hold.
        total_count: Some(i64::try_from(cursor.records).unwrap_or(i64::MAX)),
    };
    let token = tunnel::Token { version: VERSION, content: content.encode_to_vec().into() };
    BASE64.encode(token.encode_to_vec())
}

/// Returns the place that a token names. Refuses a token of another channel.
pub(super) fn decode(claim: Claim<'_>, token: &str) -> Result<Cursor, Refusal> {
    if token == FINISHED {
        return Ok(Cursor { place: Place::Finished, records: 0, time_us: 0 });
    }
    let read = || {
        let outside = tunnel::Token::decode(BASE64.decode(token).ok()?.as_slice()).ok()?;
        if outside.version != VERSION {
            return None;
        }
        let content = tunnel::TokenContent::decode(outside.content).ok()?;
        let prefix = format!("{}/{}/", claim.tunnel, claim.channel);
        let place = match (&content.primary_key, &content.iterator) {
            (Some(key), None) => Place::Base(key.strip_prefix(prefix.as_bytes())?.to_vec()),
            (None, Some(iterator)) => {
                let (commit, index) = iterator.strip_prefix(&prefix)?.split_once('/')?;
                Place::Stream(LogPosition { commit: commit.parse().ok()?, index: index.parse().ok()? })
            }
            _ => return None,
        };
        let records = u64::try_from(content.total_count?).ok()?;
        Some(Cursor { place, records, time_us: content.timestamp? })
    };
    read().ok_or_else(|| {
        Refusal::invalid(format!(
            "Invalid token: it is not one of channel '{}' of tunnel '{}'.",
            claim.channel, claim.tunnel
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLAIM: Claim<'_> = Claim { tunnel: "t", client: "c", channel: "Stream_0" };

    fn cursor(place: Place) -> Cursor {
        Cursor { place, records: 5, time_us: 1_700_000_000_123_456 }
    }

    #[test]
    fn places_come_back() {
        let places = [
            Place::Base(Vec::new()),
            Place::Base(vec![0, 0xff, b'/', 7]),
            Place::Stream(LogPosition::default()),
            Place::Stream(LogPosition { commit: u64::MAX, index: u32::MAX }),
        ];
        for place in places {
            let cursor = cursor(place);
            assert_eq!(decode(CLAIM, &encode(CLAIM, &cursor)), Ok(cursor));
        }
        let finished = Cursor { place: Place::Finished, records: 0, time_us: 0 };
        assert_eq!(encode(CLAIM, &finished), "finished");
        assert_eq!(decode(CLAIM, "finished"), Ok(finished));
    }

    #[test]
    fn clients_see_whether_it_is_a_stream() {
        let inside = |place| {
            let outside = BASE64.decode(encode(CLAIM, &cursor(place))).unwrap();
            assert!(outside.starts_with(&[0x08, 0x02, 0x12]));
            tunnel::TokenContent::decode(tunnel::Token::decode(&*outside).unwrap().content).unwrap()
        };
        let stream = inside(Place::Stream(LogPosition::start_of(7)));
        assert_eq!((stream.iterator.as_deref(), stream.total_count), (Some("t/Stream_0/7/0"), Some(5)));
        let base = inside(Place::Base(Vec::new()));
        assert_eq!((base.iterator, base.primary_key.as_deref()), (None, Some(&b"t/Stream_0/"[..])));
    }

    #[test]
    fn refuses_all_else() {
        let token = |content: tunnel::TokenContent, version| {
            BASE64.encode(tunnel::Token { version, content: content.encode_to_vec().into() }.encode_to_vec())
        };
        let content = |iterator: &str| tunnel::TokenContent {
            primary_key: None,
            iterator: Some(iterator.to_owned()),
            timestamp: Some(0),
            total_count: Some(0),
        };
        assert!(decode(CLAIM, &token(content("t/Stream_0/7/0"), 2)).is_ok());
        let wrong = [
            String::new(),
            "Finished".to_owned(),
            "AAAA".to_owned(),
            "\u{fffd}".to_owned(),
            encode(Claim { channel: "Stream_1", ..CLAIM }, &cursor(Place::Stream(LogPosition::default()))),
            encode(Claim { tunnel: "u", ..CLAIM }, &cursor(Place::Base(Vec::new()))),
            token(content("t/Stream_0/7/0"), 1),
            token(content("t/Stream_0/7"), 2),
            token(content("t/Stream_0/-7/0"), 2),
            token(content("t/Stream_0/7/4294967296"), 2),
            token(tunnel::TokenContent { total_count: Some(-1), ..content("t/Stream_0/7/0") }, 2),
            token(tunnel::TokenContent { total_count: None, ..content("t/Stream_0/7/0") }, 2),
            token(tunnel::TokenContent { primary_key: Some("t".into()), ..content("t/Stream_0/7/0") }, 2),
            token(tunnel::TokenContent { iterator: None, ..content("") }, 2),
        ];
        for token in wrong {
            let refused = decode(CLAIM, &token).unwrap_err();
            assert_eq!(refused.code, "OTSParameterInvalid", "{token}");
        }
    }
}
