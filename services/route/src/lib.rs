//! The route service: wires the route stage to lanes. Everything it decides is in `route-pipeline`.

use std::sync::Arc;

use route_pipeline::Route;
use streams::{LaneError, LaneThread, Log, NoEffects, spawn_lanes};

/// Starts the stage's lanes.
///
/// # Errors
/// A topic is missing, or the log refuses.
pub fn start(log: &Arc<dyn Log>, instance: &str, lanes: usize) -> Result<Vec<LaneThread>, LaneError> {
    spawn_lanes(log, instance, lanes, Route::default, |_| Box::new(NoEffects))
}
