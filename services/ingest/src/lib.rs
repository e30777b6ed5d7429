//! Takes alerts in: Alertmanager's `POST /api/v2/alerts`, `POST /api/v1/events`, and the users' own topics.
//!
//! What is an alert and where it goes is decided in the pipeline crate of the same name. This crate listens, reads and
//! appends: it answers 2xx only once the log has acknowledged all of a request, and 503 with the reason otherwise. It
//! tells everyone, in the table `instances`, since when it has been receiving without a gap. It deliberately keeps nothing
//! between requests but the current config.

mod append;
mod config_feed;
mod counters;
mod heartbeat;
mod lag;
mod lanes;
mod posts;
mod service;
mod watch;

pub use heartbeat::{HEARTBEAT_EVERY, Heartbeat, STALE};
pub use lag::{LagWatch, MAX_LAG};
pub use service::{OtherLanes, Service, Settings, StartError};
