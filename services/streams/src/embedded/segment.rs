//! A segment: the file that holds a stretch of a partition, run after run.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use super::codec::{HEAD_BYTES, Head, Run};

/// What is read at a time; a run is half as long, but for one record that is larger.
const READ_BYTES: usize = 256 << 10;
/// How far apart the places are that a segment remembers.
const INDEX_BYTES: u64 = 64 << 10;

/// Where a segment lies.
#[derive(Debug)]
pub(super) struct SegmentFile {
    path: PathBuf,
    gone: AtomicBool,
    index: Mutex<Index>,
}

/// Where some of the runs begin, as far as somebody has looked.
#[derive(Debug, Default)]
struct Index {
    /// First offset and place.
    runs: Vec<(i64, u64)>,
    looked: u64,
}

/// Why a segment is not read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ReadError {
    /// It was dropped meanwhile.
    Gone,
    /// What is wrong.
    Damaged(String),
}

pub(super) fn path(folder: &Path, topic: u32, partition: u32, number: u64) -> PathBuf {
    folder.join(format!("{topic}-{partition}-{number}.seg"))
}

impl SegmentFile {
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            gone: AtomicBool::new(false),
            index: Mutex::default(),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Removes the file; its last readers still have it open.
    pub(super) fn remove(&self) {
        self.gone.store(true, Ordering::SeqCst);
        if let Err(error) = std::fs::remove_file(&self.path)
            && error.kind() != io::ErrorKind::NotFound
        {
            let path = self.path.display();
            tracing::warn!(%error, %path, "a segment that is no longer needed could not be removed");
        }
    }

    fn wrong(&self, error: &io::Error) -> ReadError {
        if error.kind() == io::ErrorKind::NotFound && self.gone.load(Ordering::SeqCst) {
            return ReadError::Gone;
        }
        ReadError::Damaged(error.to_string())
    }

    /// Its runs from the one on that holds `from`, or the first behind that; `end` is its length so far.
    pub(super) fn scan(&self, from: i64, end: u64) -> Result<Scan, ReadError> {
        let file = File::open(&self.path).map_err(|error| self.wrong(&error))?;
        let mut index = self.index.lock().unwrap_or_else(PoisonError::into_inner);
        let known = index.runs.partition_point(|(first, _)| *first <= from);
        let begin = known
            .checked_sub(1)
            .and_then(|last| index.runs.get(last))
            .map_or(0, |(_, at)| *at);
        let mut scan = Scan {
            file,
            at: begin,
            end,
            buffer: Vec::new(),
            taken: 0,
        };
        let mut found = begin;
        while let Some((at, head)) = scan.peek()? {
            if at >= index.looked {
                let last = index.runs.last().map_or(0, |(_, at)| *at);
                if at >= last + INDEX_BYTES {
                    index.runs.push((head.first, at));
                }
                index.looked = at + 1;
            }
            if head.first > from {
                break;
            }
            found = at;
            scan.skip(head);
        }
        drop(index);
        scan.go_to(found);
        Ok(scan)
    }
}

/// A segment that is read run by run.
#[derive(Debug)]
pub(super) struct Scan {
    file: File,
    /// Where the buffer's bytes lie.
    at: u64,
    /// How long the segment is known to be.
    pub(super) end: u64,
    buffer: Vec<u8>,
    /// How much of the buffer was given out.
    taken: usize,
}

impl Scan {
    fn place(&self) -> u64 {
        self.at + u64::try_from(self.taken).unwrap_or(u64::MAX)
    }

    fn go_to(&mut self, place: u64) {
        self.at = place;
        self.taken = 0;
        self.buffer.clear();
    }

    /// Brings that many bytes into the buffer, or all that are left.
    fn need(&mut self, bytes: usize) -> Result<(), ReadError> {
        if self.buffer.len() - self.taken >= bytes {
            return Ok(());
        }
        let place = self.place();
        let left = usize::try_from(self.end.saturating_sub(place)).unwrap_or(usize::MAX);
        if left < bytes {
            return Err(ReadError::Damaged(format!(
                "it ends in the middle of a run at byte {place}"
            )));
        }
        self.at = place;
        self.taken = 0;
        self.buffer.resize(bytes.max(READ_BYTES).min(left), 0);
        self.file
            .read_exact_at(&mut self.buffer, place)
            .map_err(|error| ReadError::Damaged(format!("at byte {place}: {error}")))
    }

    /// Where the next run begins, and its head; none at the end.
    fn peek(&mut self) -> Result<Option<(u64, Head)>, ReadError> {
        let place = self.place();
        if place == self.end {
            return Ok(None);
        }
        self.need(HEAD_BYTES)?;
        let head = Head::parse(self.buffer.get(self.taken..).unwrap_or_default());
        Ok(head.map(|head| (place, head)))
    }

    fn skip(&mut self, head: Head) {
        let next = self.place() + u64::try_from(head.bytes()).unwrap_or(u64::MAX);
        if self.buffer.len() - self.taken >= head.bytes() {
            self.taken += head.bytes();
        } else {
            self.go_to(next);
        }
    }

    /// The next run; none at the end.
    pub(super) fn next(&mut self) -> Result<Option<Run<'_>>, ReadError> {
        let Some((place, head)) = self.peek()? else {
            return Ok(None);
        };
        self.need(head.bytes())?;
        let begin = self.taken;
        self.taken += head.bytes();
        let run = Run::parse(self.buffer.get(begin..self.taken).unwrap_or_default());
        let damaged = || ReadError::Damaged(format!("the run at byte {place} has another checksum than it should"));
        run.map(Some).ok_or_else(damaged)
    }
}

#[cfg(test)]
mod tests {
    use alert::Timestamp;
    use processor::Record;
    use tempfile::TempDir;

    use super::super::codec::Runs;
    use super::*;

    /// A segment with runs of one record, and one of two at last.
    fn segment(folder: &TempDir, records: i64) -> (SegmentFile, u64) {
        let mut bytes = Vec::new();
        let record = |offset| Record {
            partition: 0,
            offset,
            appended: Timestamp::from_millis(0),
            key: Vec::new(),
            value: Some(vec![7; 1_000]),
            meta: None,
            headers: Vec::new(),
        };
        for offset in 0..records - 2 {
            let mut runs = Runs::default();
            runs.push(&record(offset));
            bytes.extend(runs.finish());
        }
        let mut runs = Runs::default();
        runs.push(&record(records - 2));
        runs.push(&record(records - 1));
        bytes.extend(runs.finish());
        let path = path(folder.path(), 1, 2, 3);
        std::fs::write(&path, &bytes).unwrap();
        (SegmentFile::new(path), u64::try_from(bytes.len()).unwrap())
    }

    fn first(scan: &mut Scan) -> Option<i64> {
        scan.next().unwrap().map(|run| run.head.first)
    }

    #[test]
    fn a_scan_begins_with_the_run_that_holds_the_offset() {
        let folder = TempDir::new().unwrap();
        let (file, end) = segment(&folder, 1_000);
        for _ in 0..2 {
            for from in [0, 1, 500, 3, 997, 998, 999, 1_000] {
                let mut scan = file.scan(from, end).unwrap();
                assert_eq!(first(&mut scan), Some(from.min(998)), "from {from}");
            }
        }
        let remembered = file.index.lock().unwrap().runs.len();
        assert!((12..=16).contains(&remembered), "{remembered} places in a megabyte");
    }

    #[test]
    fn a_scan_ends_where_the_segment_was_known_to_end_and_goes_on_when_it_has_grown() {
        let folder = TempDir::new().unwrap();
        let (file, end) = segment(&folder, 3);
        let one = u64::try_from(Head::parse(&std::fs::read(file.path()).unwrap()).unwrap().bytes()).unwrap();
        let mut scan = file.scan(0, one).unwrap();
        assert_eq!((first(&mut scan), first(&mut scan)), (Some(0), None));
        scan.end = end;
        assert_eq!((first(&mut scan), first(&mut scan)), (Some(1), None));
    }

    #[test]
    fn what_is_damaged_says_where_and_what_was_dropped_is_gone() {
        let folder = TempDir::new().unwrap();
        let (file, end) = segment(&folder, 3);
        let mut bytes = std::fs::read(file.path()).unwrap();
        bytes[60] ^= 1;
        std::fs::write(file.path(), &bytes).unwrap();
        let mut scan = file.scan(0, end).unwrap();
        assert!(matches!(scan.next(), Err(ReadError::Damaged(what)) if what.contains("byte 0")));
        std::fs::write(file.path(), &bytes[..1_500]).unwrap();
        assert!(matches!(file.scan(2, end), Err(ReadError::Damaged(_))));
        std::fs::remove_file(file.path()).unwrap();
        assert!(matches!(file.scan(0, end), Err(ReadError::Damaged(_))));
        file.remove();
        assert!(matches!(file.scan(0, end), Err(ReadError::Gone)));
    }
}
