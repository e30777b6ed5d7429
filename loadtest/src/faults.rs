//! What is done to a system while it runs, taken down as it happens.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::oracle::{Muted, Outage};
use crate::outcome::Mark;

/// What was done. Times are microseconds since the run began.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FaultLog {
    /// While something of the system was away.
    pub outages: Vec<Outage>,
    /// What, for the report.
    pub marks: Vec<Mark>,
    /// The silences that somebody made.
    pub silences: Vec<Muted>,
    /// What went wrong with it: the run has failed.
    pub failures: Vec<String>,
}

impl FaultLog {
    /// Something was done, from then until then.
    pub fn happened(&mut self, outage: Outage, text: String) {
        let seconds = |micros| std::time::Duration::from_micros(micros).as_secs_f64();
        self.marks.push(Mark {
            at: seconds(outage.from),
            until: Some(seconds(outage.until)),
            text,
        });
        self.outages.push(outage);
    }
}

/// The log, written by those who do it and read at the end of a run. All clones are one log.
#[derive(Debug, Clone, Default)]
pub struct Faults(Arc<Mutex<FaultLog>>);

impl Faults {
    /// To write in, or to read.
    pub fn log(&self) -> MutexGuard<'_, FaultLog> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
