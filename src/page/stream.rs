//! Serves the stream: frames as they come, and a heartbeat.

use std::sync::Arc;

use hyper::header::HeaderMap;
use hyper::{Response, StatusCode};
use tokio::sync::Notify;
use tokio::time::{MissedTickBehavior, interval};

use super::Page;
use super::answer::{Body, Parts, answer, refusal};

const EVENTS: &str = "text/event-stream";

/// The header by which browsers say which event they had last, as the HTML standard defines it.
const LAST_EVENT_ID: &str = "last-event-id";

impl Page {
    /// Follows the frames for a reader until either side ends the stream.
    pub(super) fn stream(&self, request: &HeaderMap, hang_up: Arc<Notify>) -> Response<Body> {
        let limits = &self.config.limits;
        let Ok(place) = self.streams.clone().try_acquire_owned() else {
            return refusal(StatusCode::SERVICE_UNAVAILABLE, "too many readers follow the stream already");
        };
        let after = request.get(LAST_EVENT_ID).and_then(|id| id.to_str().ok()?.parse().ok());
        let mut follower = self.config.feed.follow(after);
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
            }
            drop(place);
        });
        answer(StatusCode::OK, EVENTS, body)
    }
}
