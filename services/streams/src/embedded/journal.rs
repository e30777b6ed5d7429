//! The journal: every batch in the order it was written. A sync makes all of them durable that were written before it;
//! each tells how far the last one had come, so that a batch which a power cut has torn before it was synced is told from
//! one that was whole and is spoiled.
//!
//! A journal's file begins with all that is known at that time, so the oldest file that is kept and those after it tell
//! everything. Once its file is full the next one is begun, and the old one is spare when the segments it wrote to are on
//! disk: the one after takes its place on the disk, for a sync costs least where no room has to be found. What is left of
//! its former life is told by its numbers, which are lower.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use memchr::memmem;
use rustix::fs::{FallocateFlags, fallocate};
use xxhash_rust::xxh3::xxh3_64;

use super::codec::Bytes;

/// A file's size, which is set aside at once: it bounds what a start has to read again.
const FILE_BYTES: u64 = 32 << 20;
/// The name of a file that waits to be written to again.
const SPARE: &str = "spare";
/// Begins each frame.
const MAGIC: [u8; 8] = *b"\xffAlertS\x01";
/// A frame's head: magic, checksum of what follows it, length of the batch, number of the batch, number of the last batch
/// that was on disk when it was written, the clock.
const HEAD_BYTES: usize = 8 + 8 + 8 + 8 + 8 + 8;
const SUMMED: usize = 16;

/// The journal as it is written.
#[derive(Debug)]
pub(super) struct Journal {
    folder: PathBuf,
    file: Arc<File>,
    number: u64,
    at: u64,
}

/// What a frame's head says of its batch.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stamp {
    /// Its number.
    pub(super) sequence: u64,
    /// The last batch that was on disk by then.
    pub(super) synced: u64,
    /// The clock.
    pub(super) clock: i64,
}

/// A batch that was read back.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) sequence: u64,
    pub(super) clock: i64,
    pub(super) batch: Vec<u8>,
}

/// Leaves room for a batch's head at the front of an empty buffer.
pub(super) fn begin(mut buffer: Vec<u8>) -> Vec<u8> {
    buffer.resize(HEAD_BYTES, 0);
    buffer
}

fn seal(buffer: &mut [u8], stamp: Stamp) {
    let len = u64::try_from(buffer.len() - HEAD_BYTES).unwrap_or(u64::MAX);
    let mut put = |at: usize, bytes: [u8; 8]| {
        if let Some(place) = buffer.get_mut(at..at + 8) {
            place.copy_from_slice(&bytes);
        }
    };
    put(0, MAGIC);
    put(16, len.to_be_bytes());
    put(24, stamp.sequence.to_be_bytes());
    put(32, stamp.synced.to_be_bytes());
    put(40, stamp.clock.to_be_bytes());
    let sum = xxh3_64(buffer.get(SUMMED..).unwrap_or_default());
    if let Some(place) = buffer.get_mut(8..16) {
        place.copy_from_slice(&sum.to_be_bytes());
    }
}

impl Journal {
    /// Begins a file, whose first batch is in `buffer`. On disk when it returns.
    pub(super) fn begin(folder: &Path, number: u64, buffer: &mut [u8], stamp: Stamp) -> io::Result<Self> {
        let path = path(folder, number);
        let file = if fs::rename(folder.join(SPARE), &path).is_ok() {
            OpenOptions::new().write(true).open(path)?
        } else {
            let file = File::create_new(path)?;
            if let Err(error) = fallocate(&file, FallocateFlags::empty(), 0, FILE_BYTES) {
                tracing::debug!(%error, "the journal grows as it is written");
            }
            file
        };
        let mut journal = Self {
            folder: folder.to_owned(),
            file: Arc::new(file),
            number,
            at: 0,
        };
        journal.append(buffer, stamp)?;
        journal.file.sync_all()?;
        File::open(folder)?.sync_all()?;
        Ok(journal)
    }

    /// Goes on where the last whole batch ends; what lies behind it was not acknowledged.
    pub(super) fn go_on(folder: &Path, number: u64, at: u64) -> io::Result<Self> {
        let file = OpenOptions::new().write(true).open(path(folder, number))?;
        file.set_len(at)?;
        file.sync_all()?;
        Ok(Self {
            folder: folder.to_owned(),
            file: Arc::new(file),
            number,
            at,
        })
    }

    /// Adds a batch. On disk once the file is synced.
    ///
    /// # Errors
    /// Whether it is there will be known only when the journal is read again.
    pub(super) fn append(&mut self, buffer: &mut [u8], stamp: Stamp) -> io::Result<()> {
        seal(buffer, stamp);
        self.file.write_all_at(buffer, self.at)?;
        self.at += u64::try_from(buffer.len()).unwrap_or(u64::MAX);
        Ok(())
    }

    /// The file, for a sync.
    pub(super) fn file(&self) -> Arc<File> {
        Arc::clone(&self.file)
    }

    /// Whether the next batch belongs into another file.
    pub(super) fn is_full(&self) -> bool {
        self.at >= FILE_BYTES
    }

    /// The next file, which begins with the batch in `buffer`. This one is synced before.
    pub(super) fn next(&self, buffer: &mut [u8], stamp: Stamp) -> io::Result<Self> {
        Self::begin(&self.folder, self.number + 1, buffer, stamp)
    }

    /// The files before this one.
    pub(super) fn former(&self) -> Former {
        Former {
            folder: self.folder.clone(),
            before: self.number,
        }
    }
}

/// The files that a newer one makes superfluous.
#[derive(Debug)]
pub(super) struct Former {
    folder: PathBuf,
    before: u64,
}

impl Former {
    /// Does away with them; the last one is spare.
    pub(super) fn retire(&self) -> io::Result<()> {
        for number in numbers(&self.folder)?
            .into_iter()
            .filter(|number| *number < self.before)
        {
            fs::rename(path(&self.folder, number), self.folder.join(SPARE))?;
        }
        Ok(())
    }
}

fn path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:010}.jnl"))
}

/// The files that are there, oldest first.
pub(super) fn numbers(folder: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".jnl"));
        numbers.extend(number.and_then(|number| number.parse::<u64>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

pub(super) fn remove(folder: &Path, number: u64) -> io::Result<()> {
    fs::remove_file(path(folder, number))
}

/// A file that is read from its begin, batch after batch.
#[derive(Debug)]
pub(super) struct Frames {
    file: BufReader<File>,
    /// Where the next batch begins.
    pub(super) at: u64,
    len: u64,
}

impl Frames {
    pub(super) fn open(folder: &Path, number: u64) -> io::Result<Self> {
        let file = File::open(path(folder, number))?;
        let len = file.metadata()?.len();
        Ok(Self {
            file: BufReader::with_capacity(1 << 20, file),
            at: 0,
            len,
        })
    }

    /// The next batch; none where no whole one follows. The caller tells by its number whether it is of the file's former
    /// life.
    pub(super) fn next(&mut self) -> io::Result<Option<Frame>> {
        let mut head = [0; HEAD_BYTES];
        if self.len - self.at < HEAD_BYTES as u64 {
            return Ok(None);
        }
        self.file.read_exact(&mut head)?;
        let mut fields = Bytes(head.get(8..).unwrap_or_default());
        let (Some(sum), Some(len), Some(sequence), Some(_), Some(clock)) =
            (fields.u64(), fields.u64(), fields.u64(), fields.u64(), fields.i64())
        else {
            return Ok(None);
        };
        if !head.starts_with(&MAGIC) || len > self.len - self.at - HEAD_BYTES as u64 {
            return Ok(None);
        }
        let mut all = head.get(SUMMED..).unwrap_or_default().to_vec();
        let start = all.len();
        all.resize(start + usize::try_from(len).unwrap_or(0), 0);
        self.file.read_exact(all.get_mut(start..).unwrap_or_default())?;
        if xxh3_64(&all) != sum {
            return Ok(None);
        }
        self.at += HEAD_BYTES as u64 + len;
        Ok(Some(Frame {
            sequence,
            clock,
            batch: all.split_off(start),
        }))
    }

    /// How far syncs had come, by what the whole batches say that lie behind the place where none follows. What is not
    /// whole, and synced, is spoiled; else it is what a power cut leaves.
    pub(super) fn synced_beyond(mut self) -> io::Result<Option<u64>> {
        self.file.seek(SeekFrom::Start(self.at))?;
        let mut rest = Vec::new();
        self.file.read_to_end(&mut rest)?;
        let mut highest = None;
        let mut from = 1;
        while let Some(found) = memmem::find(rest.get(from..).unwrap_or_default(), &MAGIC) {
            let place = from + found;
            from = place + 1;
            let mut fields = Bytes(rest.get(place + 8..).unwrap_or_default());
            let (sum, len) = (fields.u64(), fields.u64());
            let end = len.and_then(|len| usize::try_from(len).ok()?.checked_add(place + HEAD_BYTES));
            if let Some(summed) = end.and_then(|end| rest.get(place + SUMMED..end))
                && sum == Some(xxh3_64(summed))
            {
                let (_, synced) = (fields.u64(), fields.u64());
                highest = highest.max(synced);
            }
        }
        Ok(highest)
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn stamp(sequence: u64, clock: i64) -> Stamp {
        let synced = sequence.saturating_sub(2);
        Stamp {
            sequence,
            synced,
            clock,
        }
    }

    fn batch(text: &str) -> Vec<u8> {
        let mut buffer = begin(Vec::new());
        buffer.extend(text.as_bytes());
        buffer
    }

    fn read(folder: &TempDir) -> (Vec<(u64, i64, String)>, Option<u64>) {
        let mut frames = Frames::open(folder.path(), 1).unwrap();
        let mut found = Vec::new();
        while let Some(frame) = frames.next().unwrap() {
            found.push((frame.sequence, frame.clock, String::from_utf8(frame.batch).unwrap()));
        }
        (found, frames.synced_beyond().unwrap())
    }

    fn spoil(folder: &TempDir, change: impl FnOnce(&mut Vec<u8>)) {
        let path = path(folder.path(), 1);
        let mut bytes = fs::read(&path).unwrap();
        change(&mut bytes);
        fs::write(&path, bytes).unwrap();
    }

    #[test]
    fn batches_come_back_up_to_the_first_that_is_not_whole() {
        let folder = TempDir::new().unwrap();
        let mut journal = Journal::begin(folder.path(), 1, &mut batch("one"), stamp(1, -5)).unwrap();
        journal.append(&mut batch(""), stamp(2, 6)).unwrap();
        journal.append(&mut batch("three"), stamp(3, 7)).unwrap();
        let all = [(1, -5, "one"), (2, 6, ""), (3, 7, "three")].map(|(n, c, t)| (n, c, t.to_owned()));
        assert_eq!(read(&folder), (all.to_vec(), None));
        let end = usize::try_from(journal.at).unwrap();
        spoil(&folder, |bytes| bytes[end - 1] ^= 1);
        assert_eq!(read(&folder), (all[..2].to_vec(), None));
        spoil(&folder, |bytes| bytes[HEAD_BYTES] ^= 1);
        assert_eq!(
            read(&folder),
            (Vec::new(), Some(0)),
            "a whole one lies behind it, which says how far syncs had come"
        );
    }

    #[test]
    fn a_file_is_written_to_again_and_its_former_batches_have_lower_numbers() {
        let folder = TempDir::new().unwrap();
        let mut first = Journal::begin(folder.path(), 1, &mut batch("one"), stamp(1, 0)).unwrap();
        for number in 2..10 {
            first.append(&mut batch("another"), stamp(number, 0)).unwrap();
        }
        let second = first.next(&mut batch("ten"), stamp(10, 0)).unwrap();
        second.former().retire().unwrap();
        let mut third = second.next(&mut batch("two"), stamp(11, 0)).unwrap();
        third.append(&mut batch("twelfth"), stamp(12, 0)).unwrap();
        assert_eq!(
            numbers(folder.path()).unwrap(),
            [2, 3],
            "the first has become the third"
        );
        let mut frames = Frames::open(folder.path(), 3).unwrap();
        let found = std::iter::from_fn(|| frames.next().unwrap().map(|frame| frame.sequence));
        assert_eq!(found.collect::<Vec<_>>(), [11, 12, 3, 4, 5, 6, 7, 8, 9]);
    }

    #[test]
    fn it_goes_on_behind_the_last_whole_batch() {
        let folder = TempDir::new().unwrap();
        let mut journal = Journal::begin(folder.path(), 1, &mut batch("one"), stamp(1, 0)).unwrap();
        let at = journal.at;
        journal.append(&mut batch("torn"), stamp(2, 0)).unwrap();
        let mut journal = Journal::go_on(folder.path(), 1, at).unwrap();
        journal.append(&mut batch("two"), stamp(2, 0)).unwrap();
        let found = read(&folder).0;
        assert_eq!(
            found.iter().map(|(_, _, text)| &**text).collect::<Vec<_>>(),
            ["one", "two"]
        );
    }
}
