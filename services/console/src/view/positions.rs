//! How far the view has read, and waiting for it to be further.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

/// A place in the log: everything before `offset` is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// The topic.
    pub(crate) topic: &'static str,
    /// The partition.
    pub(crate) partition: u32,
    /// The first offset that is not meant.
    pub(crate) offset: i64,
}

/// The view was not as far as asked when the time was over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the view is behind: {topic}/{partition} at {at} of {wanted}")]
pub(crate) struct Behind {
    topic: &'static str,
    partition: u32,
    at: i64,
    wanted: i64,
}

/// The next offset of every partition the view reads.
#[derive(Debug)]
pub(crate) struct Positions {
    next: Mutex<BTreeMap<(&'static str, u32), i64>>,
    moved: watch::Sender<()>,
}

impl Positions {
    pub(crate) fn new() -> Self {
        Self {
            next: Mutex::default(),
            moved: watch::Sender::new(()),
        }
    }

    /// The next offset of a partition; 0 where nothing was read of it.
    pub(crate) fn get(&self, topic: &'static str, partition: u32) -> i64 {
        let next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        next.get(&(topic, partition)).copied().unwrap_or(0)
    }

    /// Everything before these places is folded in: whoever waits for that goes on.
    pub(crate) fn advance(&self, places: impl Iterator<Item = Place>) {
        {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            next.extend(places.map(|place| ((place.topic, place.partition), place.offset)));
        }
        self.moved.send_replace(());
    }

    /// The first of `places` that is not reached.
    pub(crate) fn behind(&self, places: &[Place]) -> Option<Behind> {
        let next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        places.iter().find_map(|place| {
            let at = next.get(&(place.topic, place.partition)).copied().unwrap_or(0);
            let Place {
                topic,
                partition,
                offset: wanted,
            } = *place;
            (at < wanted).then_some(Behind {
                topic,
                partition,
                at,
                wanted,
            })
        })
    }

    /// Waits until all of `places` are reached, or until the deadline.
    pub(crate) async fn wait_for(&self, places: &[Place], deadline: Instant) -> Result<(), Behind> {
        let mut moved = self.moved.subscribe();
        loop {
            moved.borrow_and_update();
            let Some(behind) = self.behind(places) else {
                return Ok(());
            };
            if timeout_at(deadline, moved.changed()).await.is_err() {
                return Err(behind);
            }
        }
    }

    /// Tells each time the view has read on.
    pub(crate) fn subscribe(&self) -> watch::Receiver<()> {
        self.moved.subscribe()
    }
}
