//! From an assigned partition to an active one: the changelog to its end, the tables to theirs, the committed offset.

use std::time::Duration;

use alert::{PromDuration, Timestamp};
use processor::Processor;

use super::phase::Phase;
use super::settings::Sabotage;
use super::{Lane, LaneError};
use crate::log::{From, LogError, Reader};

/// A restore that stands still this long waits for a dead lane's open transaction: time to fence it.
const STUCK_AFTER: PromDuration = PromDuration::from_millis(300);

/// A restore under way.
pub(crate) struct Restore {
    reader: Option<Box<dyn Reader>>,
    /// The changelog's end, open transactions included, when the restore began.
    end: i64,
    /// Where the tables stood when the restore began.
    table_ends: Vec<(&'static str, i64)>,
    began: Timestamp,
    moved: Timestamp,
    records: u64,
    fenced: bool,
}

impl std::fmt::Debug for Restore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Restore")
            .field("end", &self.end)
            .field("records", &self.records)
            .finish_non_exhaustive()
    }
}

impl<P: Processor> Lane<P> {
    fn begin_restore(&mut self, partition: u32) -> Result<Restore, LaneError> {
        let now = self.log.now();
        let (reader, end) = match P::CHANGELOG {
            Some(topic) => {
                let end = self.log.watermarks(topic, partition)?.high;
                (
                    Some(self.log.reader(&[(topic.to_owned(), partition, From::Beginning)])?),
                    end,
                )
            }
            None => (None, 0),
        };
        let table_ends = self.tables.ends(self.log.as_ref())?;
        Ok(Restore {
            reader,
            end,
            table_ends,
            began: now,
            moved: now,
            records: 0,
            fenced: false,
        })
    }

    /// Goes on with the restores; returns how many partitions became active. All are begun, so that a log that fetches
    /// ahead does so for all of them; what is there is taken up one partition after the other, so that the first one's
    /// timers fire while the last one is still read.
    pub(super) fn restore_slice(&mut self) -> Result<usize, LaneError> {
        let mut restoring: Vec<u32> = self
            .tasks
            .values()
            .filter(|task| task.is_restoring())
            .map(|task| task.partition)
            .collect();
        if !restoring.is_empty() {
            let first = self.put_off % restoring.len();
            restoring.rotate_left(first);
        }
        let mut moved = 0;
        let mut room = self.config.restore_records;
        for partition in restoring {
            match self.restore(partition, &mut room) {
                Ok(active) => moved += usize::from(active),
                // A broker is gone, and this partition has no leader yet. A question may take seconds, and polling must
                // go on: the next pass begins with another partition.
                Err(LaneError::Log(LogError::Busy(reason))) => {
                    tracing::debug!(stage = P::NAME, partition, reason, "restore put off");
                    self.put_off = self.put_off.wrapping_add(1);
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(moved)
    }

    /// Begins a restore or goes on with it; true once the partition is active. What the log cannot answer now is asked
    /// again by the next call.
    fn restore(&mut self, partition: u32, room: &mut usize) -> Result<bool, LaneError> {
        if self
            .tasks
            .get(&partition)
            .is_some_and(|task| matches!(task.phase, Phase::Assigned))
        {
            let restore = self.begin_restore(partition)?;
            if let Some(task) = self.tasks.get_mut(&partition) {
                task.phase = Phase::Restoring(restore);
            }
        }
        Ok(self.read_changelog(partition, room)? && self.activate(partition)?)
    }

    /// Reads a slice; true once changelog and tables are at their ends. The end is an offset, never "the last record":
    /// compaction and control records may take any place, the last one too.
    fn read_changelog(&mut self, partition: u32, room: &mut usize) -> Result<bool, LaneError> {
        let now = self.log.now();
        let Some(task) = self.tasks.get_mut(&partition) else {
            return Ok(false);
        };
        let Phase::Restoring(restore) = &mut task.phase else {
            return Ok(false);
        };
        let (Some(reader), Some(topic)) = (&mut restore.reader, P::CHANGELOG) else {
            return Ok(self.tables.reached(&restore.table_ends));
        };
        let mut end = restore.end;
        if self.config.sabotage == Some(Sabotage::EndRestoreEarly) {
            end -= 1;
        }
        let before = reader.position(topic, partition);
        if end > 0 && before.is_none_or(|position| position < end) {
            if *room == 0 {
                // It waits for its turn, and stands still for no other reason.
                restore.moved = now;
                return Ok(false);
            }
            let records = match reader.poll(*room, Duration::ZERO) {
                Err(LogError::Busy(_)) => Vec::new(),
                other => other?,
            };
            *room -= records.len().min(*room);
            for (_, record) in records {
                if self.config.sabotage == Some(Sabotage::EndRestoreEarly) && record.offset >= end {
                    continue;
                }
                restore.records += 1;
                if let Err(error) = task.store.restore(&record.key, record.value.as_deref()) {
                    let reason = format!("{topic}/{partition} offset {}: {error}", record.offset);
                    tracing::error!(
                        stage = P::NAME,
                        reason,
                        "the changelog cannot be read: the partition is held"
                    );
                    task.phase = Phase::Held { reason };
                    return Ok(false);
                }
            }
        }
        let position = reader.position(topic, partition);
        if end <= 0 || position.is_some_and(|position| position >= end) {
            return Ok(self.tables.reached(&restore.table_ends));
        }
        if position != before {
            restore.moved = now;
        } else if now.saturating_since(restore.moved) >= STUCK_AFTER && !restore.fenced {
            self.fence_last_owner(partition)?;
        }
        Ok(false)
    }

    fn fence_last_owner(&mut self, partition: u32) -> Result<(), LaneError> {
        let owner = self.log.owner(&self.config.group::<P>(), &self.inbox(), partition)?;
        if let Some(lane) = owner.filter(|lane| *lane != self.config.lane) {
            tracing::info!(
                stage = P::NAME,
                partition,
                lane,
                "takeover: fencing the last owner's open transaction"
            );
            self.log.fence(&lane)?;
        }
        if let Some(Phase::Restoring(restore)) = self.tasks.get_mut(&partition).map(|task| &mut task.phase) {
            restore.fenced = true;
        }
        Ok(())
    }

    /// Starts reading where the group stands; false when that is not known yet.
    fn activate(&mut self, partition: u32) -> Result<bool, LaneError> {
        let inbox = self.inbox();
        let committed = match self.log.committed(&self.config.group::<P>(), &inbox, partition) {
            Ok(committed) => committed,
            Err(LogError::Busy(_)) => {
                let now = self.log.now();
                return self.wait_for_stable_offset(partition, now).map(|()| false);
            }
            Err(error) => return Err(error.into()),
        };
        let low = self.log.watermarks(&inbox, partition)?.low;
        let offset = committed.as_ref().map_or(low, |committed| committed.offset);
        if offset < low {
            tracing::error!(
                stage = P::NAME,
                partition,
                offset,
                low,
                "records were trimmed before they were read"
            );
            metrics::counter!("streams_trimmed_unread_total", "stage" => P::NAME)
                .increment((low - offset).unsigned_abs());
        }
        let offset = offset.max(low);
        self.member.start(partition, offset)?;
        let now = self.log.now();
        if let Some(task) = self.tasks.get_mut(&partition) {
            if let Phase::Restoring(restore) = &task.phase {
                let took = now.saturating_since(restore.began);
                metrics::counter!("streams_restored_records_total", "stage" => P::NAME).increment(restore.records);
                tracing::debug!(stage = P::NAME, partition, records = restore.records, %took, "partition active");
            }
            task.phase = Phase::Active;
            task.store.committed();
            task.next = offset;
            // No stamp yet: the first commit writes this lane's name beside the offset, for whoever takes over.
            task.committed = committed
                .filter(|committed| committed.lane == self.config.lane)
                .map(|c| c.offset);
            task.greet = true;
            task.sweep_from_start();
        }
        Ok(true)
    }

    fn wait_for_stable_offset(&mut self, partition: u32, now: Timestamp) -> Result<(), LaneError> {
        let Some(Phase::Restoring(restore)) = self.tasks.get(&partition).map(|task| &task.phase) else {
            return Ok(());
        };
        if now.saturating_since(restore.moved) >= STUCK_AFTER && !restore.fenced {
            return self.fence_last_owner(partition);
        }
        Ok(())
    }

    pub(super) fn inbox(&self) -> String {
        self.config.inbox.clone().unwrap_or_else(|| P::INBOX.to_owned())
    }
}
