//! The route service: wires the route stage to lanes. Everything it decides is in `route-pipeline`.

use std::sync::Arc;
use std::time::Duration;

use route_pipeline::{Muted, Route};
use runtime::names;
use streams::{Effects, LaneError, LaneThread, Log, spawn_lanes};

/// Starts the stage's lanes.
///
/// # Errors
/// A topic is missing, or the log refuses.
pub fn start(log: &Arc<dyn Log>, instance: &str, lanes: usize) -> Result<Vec<LaneThread>, LaneError> {
    // There from the start, so that the first one is an increase.
    count(Muted { silenced: 0 });
    spawn_lanes(log, instance, lanes, Route::default, |_| Box::new(CountCommitted))
}

/// Counts what committed flushes left unsaid.
#[derive(Debug)]
struct CountCommitted;

impl Effects<Muted> for CountCommitted {
    fn release(&mut self, _: u32, muted: Muted) {
        count(muted);
    }

    fn revoke(&mut self, _: &[u32], _: Duration) {}
}

/// Under Alertmanager's word for the reason.
fn count(muted: Muted) {
    let silenced = u64::try_from(muted.silenced).unwrap_or(u64::MAX);
    metrics::counter!(names::NOTIFICATIONS_SUPPRESSED, "reason" => "silence").increment(silenced);
}
