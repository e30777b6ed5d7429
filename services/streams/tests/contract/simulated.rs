//! The simulated log as a stand, without faults: those are the simulations' business.

use std::sync::Arc;

use alert::Timestamp;
use streams::Log;
use streams::simulated::SimLog;

use crate::stand::Stand;

/// A log in memory.
pub struct Simulated(Arc<SimLog>);

impl Simulated {
    /// An empty one.
    pub fn new() -> Self {
        Self(SimLog::new(1, Timestamp::from_secs(1_700_000_000)))
    }
}

impl Stand for Simulated {
    fn log(&self) -> Arc<dyn Log> {
        Arc::clone(&self.0) as Arc<dyn Log>
    }

    fn name(&self, bare: &str) -> String {
        bare.to_owned()
    }

    /// Its broker is the memory.
    fn restart(&mut self) -> bool {
        false
    }

    fn trims(&self) -> bool {
        true
    }

    fn age(&self, topic: &str, partition: u32, before: i64) {
        self.0.trim(topic, partition, before);
    }
}
