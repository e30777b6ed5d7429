//! The correlate service: wires the correlate stage to lanes. Everything it decides is in `correlate-pipeline`.

use std::sync::Arc;

use correlate_pipeline::Correlate;
use streams::{LaneError, LaneThread, Log, NoEffects, spawn_lanes};

/// Starts the stage's lanes.
///
/// # Errors
/// A topic is missing, or the log refuses.
pub fn start(log: &Arc<dyn Log>, instance: &str, lanes: usize) -> Result<Vec<LaneThread>, LaneError> {
    spawn_lanes(log, instance, lanes, Correlate::default, |_| Box::new(NoEffects))
}
