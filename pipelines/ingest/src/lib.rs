//! Decides what becomes of what is sent to us: which bodies and events are alerts, with which times, which are refused and
//! why, and in which groups an accepted alert is.
//!
//! It follows Alertmanager to the letter where a client speaks Alertmanager's API. It deliberately remembers nothing (the
//! stage is stateless), does not merge an alert with what was known of it (that is correlate), and does no I/O: the
//! service of the same name listens, reads and appends.

mod batch;
mod config_view;
mod event_item;
mod events;
mod limits;
mod pairs;
mod placement;
mod post;
mod postable;
mod refused;
mod stage;
mod uri;
mod wire;

pub use batch::Batch;
pub use config_view::{ConfigView, Current};
pub use events::{Format, events};
pub use limits::*;
pub use post::{PostRefused, post_alerts};
pub use refused::{Reason, Received, Refused, journal_entries};
pub use stage::{Ingest, Tally};
