//! Reading one partition: from its tail in memory where that reaches back far enough, else from its segments in pieces.

use std::collections::VecDeque;
use std::sync::Arc;

use processor::Record;

use super::segment::{ReadError, Scan, SegmentFile};
use super::state::Topic;
use crate::log::LogError;

/// What one read of a segment brings at most; a restore makes one call for each.
const CHUNK_RECORDS: usize = 4_000;
const CHUNK_BYTES: usize = 2 << 20;

/// A place in a partition.
#[derive(Debug, Default)]
pub(super) struct Cursor {
    /// The next offset.
    pub(super) position: i64,
    /// Read from a segment and not given out yet.
    ahead: VecDeque<Record>,
    /// Where the position goes when these are given out.
    ahead_end: i64,
    /// The segment that is being read, and the offset it stands at.
    open: Option<(Arc<SegmentFile>, Scan, i64)>,
}

/// What a cursor can give now.
pub(super) enum Step {
    /// It stands at the end.
    Nothing,
    /// From memory.
    Tail(Vec<Arc<Record>>),
    /// It has records in hand already.
    Ahead,
    /// A segment is to be read, without the lock.
    Read(Read),
}

/// A read of a segment.
pub(super) struct Read {
    file: Arc<SegmentFile>,
    bytes: u64,
    /// Whether every offset must be there.
    whole: bool,
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
            self.open = None;
            return Step::Nothing;
        }
        if self.position >= partition.tail_start() {
            self.open = None;
            let records = partition.tail_from(self.position, max);
            if let Some(last) = records.last() {
                self.position = last.offset + 1;
            }
            return Step::Tail(records);
        }
        let segments = &partition.segments;
        let after = segments.partition_point(|segment| segment.note.first <= self.position);
        let Some(segment) = after.checked_sub(1).and_then(|place| segments.get(place)) else {
            return Step::Nothing;
        };
        Step::Read(Read {
            file: Arc::clone(&segment.file),
            bytes: segment.note.bytes,
            whole: !segment.note.clean,
            partition: number,
            from: self.position,
            to: segments.get(after).map_or(partition.high, |next| next.note.first),
        })
    }

    /// Gives out at most `max` of the records in hand.
    pub(super) fn drain(&mut self, max: usize, mut give: impl FnMut(Arc<Record>)) {
        for _ in 0..max {
            let Some(record) = self.ahead.pop_front() else { break };
            self.position = record.offset + 1;
            give(Arc::new(record));
        }
        if self.ahead.is_empty() {
            // Not its room either: a whole partition was in hand, and a reader of many keeps one cursor for each.
            self.ahead = VecDeque::new();
            self.position = self.position.max(self.ahead_end);
        }
    }

    /// Does a read, and takes what it brings in hand.
    pub(super) fn fill(&mut self, read: &Read) -> Result<(), LogError> {
        match self.read(read) {
            Ok(end) => self.ahead_end = end,
            // What is there instead is found by the next step.
            Err(ReadError::Gone) => self.open = None,
            Err(ReadError::Damaged(what)) => return Err(read.damaged(&what)),
        }
        if self.ahead.is_empty() {
            self.position = self.position.max(self.ahead_end);
        }
        Ok(())
    }

    /// Takes records in hand; gives the offset that was reached.
    fn read(&mut self, read: &Read) -> Result<i64, ReadError> {
        let open = self.open.take();
        let open = open.filter(|(file, _, at)| Arc::ptr_eq(file, &read.file) && *at == read.from);
        let mut scan = match open {
            Some((_, scan, _)) => scan,
            None => read.file.scan(read.from, read.bytes)?,
        };
        scan.end = read.bytes;
        let (mut bytes, mut next) = (0, read.from);
        let unreadable = || ReadError::Damaged("a record is not readable".to_owned());
        while self.ahead.len() < CHUNK_RECORDS && bytes < CHUNK_BYTES {
            let Some(run) = scan.next()? else {
                if read.whole && next != read.to {
                    return Err(ReadError::Damaged(format!("offset {next} is missing")));
                }
                return Ok(read.to);
            };
            bytes += run.head.bytes();
            for stored in run.records() {
                let stored = stored.ok_or_else(unreadable)?;
                if stored.offset < next {
                    continue;
                }
                if read.whole && stored.offset != next {
                    return Err(ReadError::Damaged(format!("offset {next} is missing")));
                }
                next = stored.offset + 1;
                self.ahead
                    .push_back(stored.record(read.partition).ok_or_else(unreadable)?);
            }
        }
        self.open = Some((Arc::clone(&read.file), scan, next));
        Ok(next)
    }
}

impl Read {
    fn damaged(&self, what: &str) -> LogError {
        LogError::Fatal(format!(
            "the log is damaged in its segment {}: {what}. Restore its folder from a backup, or move it away to begin \
             with an empty log",
            self.file.path().display()
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alert::Timestamp;

    #[test]
    fn what_was_given_out_takes_no_room_any_more() {
        let record = |offset| Record {
            partition: 0,
            offset,
            appended: Timestamp::from_millis(0),
            key: Vec::new(),
            value: None,
            meta: None,
            headers: Vec::new(),
        };
        let mut cursor = Cursor {
            position: 0,
            ahead: (0..100).map(record).collect(),
            ahead_end: 120,
            open: None,
        };
        let mut given = 0;
        cursor.drain(60, |_| given += 1);
        assert_eq!((given, cursor.position), (60, 60));
        cursor.drain(60, |_| given += 1);
        assert_eq!((given, cursor.position, cursor.ahead.capacity()), (100, 120, 0));
    }
}
