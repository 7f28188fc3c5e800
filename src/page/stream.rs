//! Serves the stream: frames as they come, and a heartbeat.

use std::sync::Arc;

use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use tokio::sync::Notify;
use tokio::time::{MissedTickBehavior, interval};

use super::Page;
use super::answer::{Body, JSON, Parts, answer, refusal, whole};
use super::query::Query;
use live::feed::FollowFrom;

const EVENTS: &str = "text/event-stream";

/// The header by which browsers say which event they had last, as the HTML standard defines it.
const LAST_EVENT_ID: &str = "last-event-id";

/// The header by which nginx is told to pass each part on as it comes, whatever its configuration
/// buffers.
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// How often a reader for whom there is no place may ask for what has come, in milliseconds.
const ASK_EVERY_MS: u32 = 5_000;

impl Page {
    /// Follows the frames for a reader until either side ends the stream. With the parameter `once`,
    /// sends what is there already and ends.
    pub(super) fn stream(
        &self,
        request: &HeaderMap,
        query: Option<&str>,
        hang_up: Arc<Notify>,
    ) -> Response<Body> {
        let (once, from) = match asked(request, query) {
            Ok(asked) => asked,
            Err(sentence) => return refusal(StatusCode::BAD_REQUEST, &sentence),
        };
        if once {
            return self.ask(from);
        }
        let limits = &self.config.limits;
        let Ok(place) = self.streams.clone().try_acquire_owned() else { return self.no_place() };
        let mut follower = self.config.feed.follow(from);
        let (parts, body) = Parts::new(hang_up, limits.unread_time_max);
        let mut beats = interval(limits.beat_interval);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        tokio::spawn(async move {
            loop {
                let event = tokio::select! {
                    biased;
                    event = follower.next() => Some(event),
                    _ = beats.tick() => Some(follower.beat()),
                    () = parts.gone() => None,
                };
                let Some(event) = event else { break };
                if !parts.give(event).await {
                    break;
                }
                beats.reset();
            }
            drop(place);
        });
        let mut response = answer(StatusCode::OK, EVENTS, body);
        let headers = response.headers_mut();
        headers.insert(ACCEL_BUFFERING, HeaderValue::from_static("no"));
        // What packs the stream on the way would hold it back, too.
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store, no-transform"));
        response
    }

    /// Sends the events that are there already, and then a heartbeat.
    fn ask(&self, from: FollowFrom) -> Response<Body> {
        let events = self.config.feed.follow(from).now();
        let mut response = answer(StatusCode::OK, EVENTS, Body::Whole(Some(events)));
        // Those who ask because there is no place keep no connection between their questions either.
        if self.streams.available_permits() == 0 {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    /// Refuses a reader for whom there is no place, and says how to go on without one.
    fn no_place(&self) -> Response<Body> {
        let places = self.config.limits.streams_max;
        let error = format!(
            "all {places} places on the stream are taken: ask for /api/stream?once every few seconds, or have \
             more places with --page-readers"
        );
        let body = serde_json::json!({ "error": error, "askEveryMs": ASK_EVERY_MS }).to_string();
        answer(StatusCode::SERVICE_UNAVAILABLE, JSON, whole(format!("{body}\n").into_bytes()))
    }
}

/// Returns whether only what is there already is asked for, and where the reader begins.
///
/// # Errors
/// Returns a sentence if a parameter is unknown or no number.
fn asked(request: &HeaderMap, query: Option<&str>) -> Result<(bool, FollowFrom), String> {
    let query = Query::read(query, &["once", "next"])?;
    let last = || request.get(LAST_EVENT_ID).and_then(|id| id.to_str().ok()?.parse().ok());
    let from = match query.number("next")? {
        Some(number) => FollowFrom::Frame(number),
        None => last().map_or(FollowFrom::Start, FollowFrom::After),
    };
    Ok((query.text("once").is_some(), from))
}
