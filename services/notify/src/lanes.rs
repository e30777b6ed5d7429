//! Between the lanes and the sender: which sends belong to which partition, and where their results go.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use notify_pipeline::{Attempt, AttemptDone, Notify, NotifySettings};
use streams::{Completions, Effects, LaneError, LaneThread, Log, NewRecord, spawn_lanes};
use tokio::sync::watch;

use crate::counters::Counters;
use crate::sender::Sender;

/// Starts the stage's lanes. `settings.clock_tolerance` must be what the log promises of an earlier owner.
///
/// # Errors
/// The log or the system refuses.
pub fn start(
    log: &Arc<dyn Log>,
    instance: &str,
    lanes: usize,
    settings: &NotifySettings,
    sender: &Sender,
) -> Result<Vec<LaneThread>, LaneError> {
    let stage = || Notify::new(settings.clone());
    spawn_lanes(log, instance, lanes, stage, |completions| {
        Box::new(LaneSends::new(sender.clone(), completions))
    })
}

/// One lane's sends.
#[derive(Debug)]
pub struct LaneSends {
    sender: Sender,
    completions: Completions<AttemptDone>,
    partitions: BTreeMap<u32, PartitionSends>,
    counters: Counters,
}

/// What one partition has out.
#[derive(Debug)]
struct PartitionSends {
    stop: watch::Sender<bool>,
    out: Arc<Out>,
}

/// How many sends are waiting for their turn or running.
#[derive(Debug, Default)]
struct Out {
    count: Mutex<usize>,
    fewer: Condvar,
}

/// One send; counted until it is dropped, however it ends.
struct OneOut(Arc<Out>);

impl Out {
    fn change(&self, by: impl FnOnce(usize) -> usize) {
        let mut count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        *count = by(*count);
        drop(count);
        self.fewer.notify_all();
    }

    fn wait_for_none(&self, until: Instant) {
        let mut count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        while *count > 0 {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            count = self
                .fewer
                .wait_timeout(count, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }
}

impl OneOut {
    fn new(out: &Arc<Out>) -> Self {
        out.change(|count| count + 1);
        Self(Arc::clone(out))
    }
}

impl Drop for OneOut {
    fn drop(&mut self) {
        self.0.change(|count| count.saturating_sub(1));
    }
}

impl LaneSends {
    /// The sends of a lane that takes results up from `completions`.
    pub fn new(sender: Sender, completions: Completions<AttemptDone>) -> Self {
        Self {
            sender,
            completions,
            partitions: BTreeMap::new(),
            counters: Counters::default(),
        }
    }
}

impl Effects<Attempt> for LaneSends {
    fn release(&mut self, partition: u32, effect: Attempt) {
        let sends = self.partitions.entry(partition).or_insert_with(|| PartitionSends {
            stop: watch::Sender::new(false),
            out: Arc::default(),
        });
        let (one, completions) = (OneOut::new(&sends.out), self.completions.clone());
        self.sender.send(effect, sends.stop.subscribe(), move |done| {
            // A lane that is gone needs no result: whoever restores the partition knows that this was in flight.
            completions.send(partition, done);
            drop(one);
        });
    }

    fn writing(&mut self, records: &[NewRecord]) {
        self.counters.writing(records);
    }

    fn committed(&mut self) {
        self.counters.committed();
    }

    fn revoke(&mut self, partitions: &[u32], budget: Duration) {
        let until = Instant::now() + budget;
        let given_up: Vec<_> = partitions
            .iter()
            .filter_map(|partition| self.partitions.remove(partition))
            .collect();
        for sends in &given_up {
            sends.stop.send_replace(true);
        }
        for sends in &given_up {
            sends.out.wait_for_none(until);
        }
    }
}
