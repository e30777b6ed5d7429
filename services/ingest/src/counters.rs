//! What is counted of what was received.

use ingest_pipeline::Tally;
use runtime::names;
use streams::Effects;

/// Alertmanager's label for its API; ours are events.
pub(crate) const V2: &str = "v2";
const EVENTS: &str = "events";

/// Counts a request or record: `version` is the label of Alertmanager's counters.
pub(crate) fn count(tally: &Tally, version: &'static str) {
    for (status, count) in [("firing", tally.firing), ("resolved", tally.resolved)] {
        metrics::counter!(names::ALERTS_RECEIVED, "status" => status, "version" => version).increment(count);
    }
    for (reason, count) in &tally.refused {
        metrics::counter!(names::INGEST_ALERTS_REFUSED, "reason" => reason.as_str()).increment(*count);
        metrics::counter!(names::ALERTS_INVALID, "version" => version).increment(*count);
    }
    for (format, count) in &tally.formats {
        metrics::counter!(names::INGEST_EVENTS_RECEIVED, "format" => format.as_str()).increment(*count);
    }
}

/// [`count`] for what came as events over HTTP.
pub(crate) fn count_events(tally: &Tally) {
    count(tally, EVENTS);
}

/// Counts what a lane committed.
#[derive(Debug)]
pub(crate) struct CountCommitted;

impl Effects<Tally> for CountCommitted {
    fn release(&mut self, _: u32, tally: Tally) {
        count_events(&tally);
    }

    fn revoke(&mut self, _: &[u32], _: std::time::Duration) {}
}
