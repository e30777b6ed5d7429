//! From a pass to a committed transaction, or back to where it was.

use std::time::{Duration, Instant};

use alert::{PromDuration, Timestamp};
use processor::{Meta, Processor};

use super::batch::Batch;
use super::settings::Sabotage;
use super::{Lane, LaneError, Progress};
use crate::log::{LogError, NewRecord};

/// A position beyond the committed offset (control records, a quiet topic's end) is committed alone after this long, so
/// that a view that waits for it need not wait for the next record.
const IDLE_COMMIT_AFTER: PromDuration = PromDuration::from_millis(100);

impl<P: Processor> Lane<P> {
    /// Commits what a pass did and releases its effects; on an abort everything is as before the pass.
    pub(super) fn transact(&mut self, mut batch: Batch<P::Effect, P::Completion>) -> Result<Progress, LaneError> {
        let (held, waiting) = (std::mem::take(&mut batch.held), std::mem::take(&mut batch.waiting));
        let records = self.records_of(&mut batch);
        self.sent = records.len();
        let moved = batch.progress.records > 0 || self.is_unstamped();
        if records.is_empty() && batch.effects.is_empty() && !moved {
            self.commit_idle()?;
            self.set_aside(held, waiting)?;
            return Ok(batch.progress);
        }
        if self.config.sabotage == Some(Sabotage::ReleaseBeforeCommit) {
            for (partition, effect) in std::mem::take(&mut batch.effects) {
                self.effects.release(partition, effect);
            }
        }
        let offsets = self.offsets(&batch);
        let mut progress = batch.progress;
        self.effects.writing(&records);
        let (asked, began) = (self.log.now(), Instant::now());
        self.began = asked;
        match self.write(records, &offsets) {
            Ok(()) => {
                self.settle(&offsets, progress, began.elapsed());
                self.committing = self.log.now().saturating_since(asked);
                progress.committed = true;
                self.effects.committed();
                if !batch.effects.is_empty() && self.config.sabotage != Some(Sabotage::ReleaseBeforeDurable) {
                    self.member.durable()?;
                }
                self.release(batch.effects);
            }
            Err(LogError::Unknown(reason)) => {
                tracing::warn!(
                    stage = P::NAME,
                    reason,
                    "the transaction's outcome is unknown: starting anew"
                );
                metrics::counter!("streams_transactions_unknown_total", "stage" => P::NAME).increment(1);
                self.take_back(batch);
                self.start_anew()?;
                return Ok(progress);
            }
            Err(LogError::Abort(reason)) => {
                // Every rebalance brings some; of what else brings one the log itself warns.
                tracing::info!(stage = P::NAME, reason, "transaction aborted, and done again");
                let progress = self.aborted(batch, &reason)?;
                self.read_again()?;
                return Ok(progress);
            }
            Err(LogError::Busy(reason) | LogError::Refused(reason)) => {
                tracing::warn!(stage = P::NAME, reason, "transaction aborted");
                return self.aborted(batch, &reason);
            }
            Err(error @ (LogError::Crashed | LogError::Fatal(_))) => return Err(error.into()),
        }
        self.set_aside(held, waiting)?;
        Ok(progress)
    }

    /// Takes back what a transaction that has no effect was to do.
    fn aborted(&mut self, batch: Batch<P::Effect, P::Completion>, reason: &str) -> Result<Progress, LaneError> {
        metrics::counter!("streams_transactions_aborted_total", "stage" => P::NAME).increment(1);
        self.status.refused(reason);
        self.take_back(batch);
        self.abort()?;
        Ok(Progress::default())
    }

    /// Puts back what is in hand, to be read again. What the group decided waits behind what was read ahead: a lane with its
    /// hands full would never come to it, and each of its transactions would be aborted until the group throws it out.
    fn read_again(&mut self) -> Result<(), LaneError> {
        if self.config.sabotage == Some(Sabotage::KeepInHand) {
            return Ok(());
        }
        let full = self
            .tasks
            .values_mut()
            .filter(|task| task.is_active() && !task.in_hand.is_empty());
        for task in full {
            match self.member.start(task.partition, task.next) {
                Ok(()) => task.in_hand.clear(),
                Err(error @ (LogError::Crashed | LogError::Fatal(_))) => return Err(error.into()),
                // It stays in hand.
                Err(error) => tracing::debug!(stage = P::NAME, task.partition, %error, "reading again is put off"),
            }
        }
        Ok(())
    }

    fn release(&mut self, effects: Vec<(u32, P::Effect)>) {
        for (partition, effect) in effects {
            let Some(task) = self.tasks.get_mut(&partition) else {
                continue;
            };
            match self.stage.release(effect, &task.store) {
                Ok(effect) => self.effects.release(partition, effect),
                Err(completion) => task.completions.push_back(completion),
            }
        }
    }

    /// The batch's outputs, then each dirty key once with what it holds now.
    fn records_of(&mut self, batch: &mut Batch<P::Effect, P::Completion>) -> Vec<NewRecord> {
        let mut records = std::mem::take(&mut batch.outputs);
        let Some(topic) = P::CHANGELOG else { return records };
        let config_version = self.stage.config_version();
        for partition in batch.undo.keys() {
            let Some(task) = self.tasks.get(partition) else {
                continue;
            };
            let meta = Meta {
                now: self.now.millis(),
                partition: *partition,
                offset: task.next,
                config_version,
                ..Meta::default()
            };
            let dirty = task.store.dirty();
            records.reserve(dirty.len());
            for (key, value) in dirty {
                if value.is_none() && self.config.sabotage == Some(Sabotage::ForgetTombstones) {
                    continue;
                }
                records.push(NewRecord {
                    topic: topic.into(),
                    partition: *partition,
                    key: key.as_bytes().to_vec(),
                    value: value.map(<[u8]>::to_vec),
                    meta: Some(meta),
                    headers: Vec::new(),
                });
            }
        }
        records
    }

    /// The offsets of all partitions that run: they fence this lane, whatever the transaction holds.
    fn offsets(&self, batch: &Batch<P::Effect, P::Completion>) -> Vec<(u32, i64)> {
        let timers_only = batch.progress.records == 0;
        if timers_only && self.config.sabotage == Some(Sabotage::DropOffsetsFromTimerCommits) {
            return Vec::new();
        }
        let running = self.tasks.values().filter(|task| task.is_active());
        running
            .map(|task| (task.partition, self.position_of(task.partition)))
            .collect()
    }

    /// How far a partition may be committed: its position, never past a record in hand.
    fn position_of(&self, partition: u32) -> i64 {
        let Some(task) = self.tasks.get(&partition) else {
            return 0;
        };
        match task.in_hand.front() {
            Some(unread) => unread.offset,
            None => self.member.position(partition).unwrap_or(task.next).max(task.next),
        }
    }

    fn is_unstamped(&self) -> bool {
        self.tasks
            .values()
            .any(|task| task.is_active() && task.committed.is_none())
    }

    fn write(&mut self, records: Vec<NewRecord>, offsets: &[(u32, i64)]) -> Result<(), LogError> {
        self.member.begin()?;
        self.member.send(records)?;
        self.member.commit(offsets)
    }

    fn settle(&mut self, offsets: &[(u32, i64)], did: Progress, took: Duration) {
        self.idle_since = None;
        self.status.committed(self.now, did, took);
        for (partition, offset) in offsets {
            if let Some(task) = self.tasks.get_mut(partition) {
                task.committed = Some(*offset);
            }
        }
        for task in self.tasks.values_mut() {
            task.store.committed();
        }
    }

    fn abort(&mut self) -> Result<(), LaneError> {
        match self.member.abort() {
            Ok(()) => Ok(()),
            Err(LogError::Unknown(_) | LogError::Abort(_) | LogError::Busy(_)) => self.start_anew(),
            Err(error @ (LogError::Refused(_) | LogError::Crashed | LogError::Fatal(_))) => Err(error.into()),
        }
    }

    /// Commits positions alone when they have stood beyond the committed offsets for a while.
    fn commit_idle(&mut self) -> Result<(), LaneError> {
        let behind = self.tasks.values().any(|task| {
            task.is_active()
                && task.in_hand.is_empty()
                && task.committed.is_some_and(|c| c < self.position_of(task.partition))
        });
        if !behind {
            self.idle_since = None;
            return Ok(());
        }
        let since: Timestamp = *self.idle_since.get_or_insert(self.now);
        if self.now.saturating_since(since) < IDLE_COMMIT_AFTER {
            return Ok(());
        }
        let empty = Batch {
            progress: Progress {
                records: 1,
                ..Progress::default()
            },
            ..self.apply(super::Budget::completions_only(&[]))
        };
        let offsets = self.offsets(&empty);
        let began = Instant::now();
        match self.write(Vec::new(), &offsets) {
            Ok(()) => {
                self.settle(&offsets, Progress::default(), began.elapsed());
                Ok(())
            }
            Err(LogError::Unknown(_)) => self.start_anew(),
            Err(LogError::Abort(_) | LogError::Busy(_) | LogError::Refused(_)) => self.abort(),
            Err(error @ (LogError::Crashed | LogError::Fatal(_))) => Err(error.into()),
        }
    }
}
