//! When a pass begins: at once where somebody waits for what it does, a moment after the last one where what there is may
//! share a transaction with what is still to come.

use std::time::Duration;

use alert::Timestamp;
use processor::{Hurry, Processor};

use super::Lane;
use super::phase::Task;

impl<P: Processor> Lane<P> {
    /// How long a step may wait: not at all while there is work that waits for no other, and not past the next timer or the
    /// time when what gathers is taken up.
    pub(super) fn idle_wait(&self) -> Duration {
        if self.gathers().is_none() && self.tasks.values().any(Task::has_work) {
            return Duration::ZERO;
        }
        let timer = self.tasks.values().filter_map(|task| task.store.next_due()).min();
        let next = [timer, self.gathered_at()].into_iter().flatten().min();
        let until = next.map_or(self.wait, |at| at.saturating_since(self.log.now()).as_std());
        until.clamp(Duration::from_millis(1), self.wait)
    }

    /// When what gathers now is taken up at the latest, by the log's clock; none where nothing does.
    pub fn gathered_at(&self) -> Option<Timestamp> {
        let completions = self.gathering.is_on().then(|| self.began + self.log.patience().later);
        [self.gathers(), completions].into_iter().flatten().min()
    }

    /// Until when all there is to do waits for more to share its transaction: one costs more than many records of it. None
    /// where something waits for nothing, where there is nothing, and where the hand is full.
    pub(super) fn gathers(&self) -> Option<Timestamp> {
        let patience = self.log.patience();
        let now = self.log.now();
        let longest = self.began + patience.soon.max(patience.later);
        let in_hand: usize = self.tasks.values().map(|task| task.in_hand.len()).sum();
        if now >= longest || in_hand >= self.config.max_records {
            return None;
        }
        let hurry = self.tasks.values().filter_map(|task| task.hurry(now, P::hurry)).min()?;
        let until = match hurry {
            Hurry::Now => return None,
            Hurry::Soon => self.began + patience.soon,
            Hurry::Later => self.began + patience.later,
        };
        Some(until).filter(|until| now < *until)
    }

    /// Completions gather too, unless a transaction is due anyway.
    pub(super) fn take_in_shared_completions(&mut self) {
        let is_due = self.tasks.values().any(|task| !task.in_hand.is_empty());
        if !is_due && self.log.now() < self.began + self.log.patience().later {
            // Who reports one meanwhile need not wake the lane.
            self.gathering.begin();
            return;
        }
        self.gathering.end();
        if self.take_in_completions() {
            self.gathering.begin();
        }
    }

    /// Whether there were any.
    pub(super) fn take_in_completions(&mut self) -> bool {
        let mut any = false;
        while let Ok((partition, completion)) = self.completions.try_recv() {
            // A partition that is gone has an owner that finds the attempt in flight and decides anew. One that restores or
            // waits takes it up when it runs.
            if let Some(task) = self.tasks.get_mut(&partition) {
                task.completions.push_back(completion);
            }
            any = true;
        }
        any
    }
}
