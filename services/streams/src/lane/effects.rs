//! What a stage asks for after a commit: who carries it out, and how the lane learns what became of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::mpsc::Sender;
use std::time::Duration;

use crate::log::{NewRecord, Waker};

/// Who carries out what a stage asks for after a commit.
pub trait Effects<E>: Send {
    /// Starts one effect of a partition; must not block.
    fn release(&mut self, partition: u32, effect: E);
    /// What the next transaction is about to write, for those who count it; it may still be aborted.
    fn writing(&mut self, _records: &[NewRecord]) {}
    /// What was last said to be written is committed.
    fn committed(&mut self) {}
    /// The partitions are given up: start nothing more for them, and wait, this long at most, for what runs. Its
    /// completions are reported before this returns.
    fn revoke(&mut self, partitions: &[u32], budget: Duration);
}

/// For a stage that asks for none.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoEffects;

impl<E> Effects<E> for NoEffects {
    fn release(&mut self, _: u32, _: E) {}
    fn revoke(&mut self, _: &[u32], _: Duration) {}
}

/// Where completions are reported: the partition that asked, and the result. Bounded by the effects in flight.
pub struct Completions<C> {
    sender: Sender<(u32, C)>,
    waker: Option<Waker>,
    gathering: Gathering,
}

/// Whether the lane gathers completions: it looks for them by itself soon, and need not be woken.
#[derive(Debug, Clone, Default)]
pub(super) struct Gathering(Arc<AtomicBool>);

impl Gathering {
    pub(super) fn is_on(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn begin(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whoever reports from now on wakes the lane. It must look once more: one that has just reported did not.
    pub(super) fn end(&self) {
        self.0.store(false, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }
}

impl<C> Completions<C> {
    /// To whoever holds the other end, who is woken where that can be.
    pub fn new(sender: Sender<(u32, C)>, waker: Option<Waker>) -> Self {
        Self {
            sender,
            waker,
            gathering: Gathering::default(),
        }
    }

    /// Reports one. Where the log lets the lane be woken it takes the first one up at once, and those behind it together, a
    /// moment ([`Patience::later`](crate::log::Patience::later)) later. A lane that is gone needs none.
    pub fn send(&self, partition: u32, completion: C) {
        if self.sender.send((partition, completion)).is_err() {
            return;
        }
        fence(Ordering::SeqCst);
        if let Some(wake) = &self.waker
            && !self.gathering.is_on()
        {
            wake();
        }
    }

    pub(super) fn gathering(&self) -> Gathering {
        self.gathering.clone()
    }
}

impl<C> Clone for Completions<C> {
    fn clone(&self) -> Self {
        Self {
            sender: self.sender.clone(),
            waker: self.waker.clone(),
            gathering: self.gathering.clone(),
        }
    }
}

impl<C> std::fmt::Debug for Completions<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Completions").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn who_reports_wakes_the_lane_unless_it_gathers() {
        let (sender, received) = channel();
        let woken = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&woken);
        let waker: Waker = Arc::new(move || {
            count.fetch_add(1, Ordering::Relaxed);
        });
        let completions = Completions::new(sender, Some(waker));
        let (gathering, effect) = (completions.gathering(), completions.clone());
        for (place, wakes) in [(0, 1), (1, 1), (2, 2)] {
            match place {
                1 => gathering.begin(),
                2 => gathering.end(),
                _ => {}
            }
            effect.send(7, place);
            assert_eq!(woken.load(Ordering::Relaxed), wakes, "report {place}");
            assert_eq!(received.try_recv(), Ok((7, place)));
        }
    }
}
