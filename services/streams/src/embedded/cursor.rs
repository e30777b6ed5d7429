//! Reading one partition: from its tail in memory where that reaches back far enough, else from the engine in pieces.

use std::collections::VecDeque;
use std::sync::Arc;

use fjall::Keyspace;
use processor::Record;

use super::codec;
use super::state::{Kept, Topic, start};
use crate::log::LogError;

/// What one read of the engine brings at most; a restore makes one call for each.
const CHUNK_RECORDS: usize = 4_000;
const CHUNK_BYTES: usize = 2 << 20;

/// A place in a partition.
#[derive(Debug, Default)]
pub(super) struct Cursor {
    /// The next offset.
    pub(super) position: i64,
    /// Read from the engine and not given out yet.
    ahead: VecDeque<Record>,
    /// Where the position goes when these are given out.
    ahead_end: i64,
}

/// What a cursor can give now.
pub(super) enum Step {
    /// It stands at the end.
    Nothing,
    /// From memory.
    Tail(Vec<Arc<Record>>),
    /// It has records in hand already.
    Ahead,
    /// The engine is to be asked, without the lock.
    Read(Read),
}

/// A read of the engine.
pub(super) struct Read {
    keyspace: Keyspace,
    compacted: bool,
    partition: u32,
    from: i64,
    to: i64,
}

impl Cursor {
    pub(super) fn at(position: i64) -> Self {
        Self {
            position,
            ..Self::default()
        }
    }

    /// What is next. Moves past what was dropped.
    pub(super) fn step(&mut self, topic: &Topic, number: u32, max: usize) -> Step {
        if !self.ahead.is_empty() {
            return Step::Ahead;
        }
        let Some(partition) = topic.partition(number) else {
            return Step::Nothing;
        };
        self.position = self.position.max(partition.low);
        if self.position >= partition.high {
            return Step::Nothing;
        }
        if self.position >= partition.tail_start() {
            let records = partition.tail_from(self.position, max);
            if let Some(last) = records.last() {
                self.position = last.offset + 1;
            }
            return Step::Tail(records);
        }
        let (from, high) = (self.position, partition.high);
        match &topic.kept {
            Kept::Newest(keyspace) => Step::Read(Read {
                keyspace: keyspace.clone(),
                compacted: true,
                partition: number,
                from,
                to: high,
            }),
            Kept::Segments(segments) => {
                let mut end = high;
                for segment in segments.values().rev() {
                    let Some(first) = start(segment, number) else { continue };
                    if first <= from {
                        let keyspace = segment.keyspace.clone();
                        return Step::Read(Read {
                            keyspace,
                            compacted: false,
                            partition: number,
                            from,
                            to: end,
                        });
                    }
                    end = first;
                }
                Step::Nothing
            }
        }
    }

    /// Gives out at most `max` of the records in hand.
    pub(super) fn drain(&mut self, max: usize, mut give: impl FnMut(Record)) {
        for _ in 0..max {
            let Some(record) = self.ahead.pop_front() else { break };
            self.position = record.offset + 1;
            give(record);
        }
        if self.ahead.is_empty() {
            self.position = self.position.max(self.ahead_end);
        }
    }

    /// Does a read, and takes what it brings in hand.
    pub(super) fn fill(&mut self, read: &Read) -> Result<(), LogError> {
        let (records, end) = if read.compacted { read.newest()? } else { read.all()? };
        self.ahead = records;
        self.ahead_end = end;
        if self.ahead.is_empty() {
            self.position = self.position.max(end);
        }
        Ok(())
    }
}

impl Read {
    /// The records of a segment: every offset must be there.
    fn all(&self) -> Result<(VecDeque<Record>, i64), LogError> {
        let range = codec::offset_key(self.partition, self.from)..codec::offset_key(self.partition, self.to);
        let (mut records, mut bytes, mut next) = (VecDeque::new(), 0, self.from);
        for entry in self.keyspace.range(range) {
            let value = entry.value().map_err(|e| self.damaged(&e.to_string()))?;
            let record = self.decode(&value)?;
            if record.offset != next {
                return Err(self.damaged(&format!("offset {next} is missing")));
            }
            next += 1;
            bytes += value.len();
            records.push_back(record);
            if records.len() >= CHUNK_RECORDS || bytes >= CHUNK_BYTES {
                return Ok((records, next));
            }
        }
        if next != self.to {
            return Err(self.damaged(&format!("offset {next} is missing")));
        }
        Ok((records, next))
    }

    /// The newest record of each key from the position on, in the order of their offsets. The engine has them in the
    /// order of keys, so the whole partition is read: a restore wants it whole, and who merely fell behind comes back to
    /// the tail. What is written meanwhile lies at or behind `to`, and comes from there.
    fn newest(&self) -> Result<(VecDeque<Record>, i64), LogError> {
        let mut records = Vec::new();
        for entry in self.keyspace.prefix(self.partition.to_be_bytes()) {
            let value = entry.value().map_err(|e| self.damaged(&e.to_string()))?;
            let (offset, _) = codec::record_head(&value).ok_or_else(|| self.damaged("a record is not readable"))?;
            if (self.from..self.to).contains(&offset) {
                records.push(self.decode(&value)?);
            }
        }
        records.sort_unstable_by_key(|r| r.offset);
        Ok((records.into(), self.to))
    }

    fn decode(&self, value: &[u8]) -> Result<Record, LogError> {
        codec::decode_record(self.partition, value).ok_or_else(|| self.damaged("a record is not readable"))
    }

    fn damaged(&self, what: &str) -> LogError {
        LogError::Fatal(format!(
            "the log is damaged in its part {}, partition {}: {what}. Restore its folder from a backup, or move it away \
             to begin with an empty log",
            &**self.keyspace.name(),
            self.partition
        ))
    }
}
