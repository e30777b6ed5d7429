//! The log on disk: the journal, the segments, and how both come back together.
//!
//! A batch is whole in the journal before its runs are added to the segments. The journal is synced by whoever needs to
//! know that it is on disk; the segments only when a journal's file is full: until then the journal tells what belongs
//! into them. A start takes what the oldest journal says was on disk, and adds again what came after.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use super::codec::Bytes;
use super::folder::{Folder, OpenError};
use super::journal::{self, Frames, Journal, Stamp};
use super::op::Op;
use super::segment;
use super::state::State;

/// The files, opened and found whole.
pub(super) struct Store {
    folder: Folder,
    records: PathBuf,
    writing: Mutex<Writing>,
}

struct Writing {
    journal: Journal,
    sequence: u64,
    /// Up to which batch all is on disk.
    synced: u64,
    /// The last segment of each partition, as far as it was written to.
    open: HashMap<(u32, u32), (u64, Arc<File>)>,
    /// What was written to since the journal's file was begun.
    dirty: BTreeMap<u64, Arc<File>>,
    /// Syncs what was written to before, and then does away with the journal's former files.
    checkpoint: Option<JoinHandle<io::Result<()>>>,
}

/// What is written at once, or not at all.
pub(super) struct Batch {
    buffer: Vec<u8>,
    runs: Vec<Planned>,
}

/// Runs, and where they go.
struct Planned {
    topic: u32,
    partition: u32,
    segment: u64,
    at: u64,
    runs: Vec<u8>,
}

impl Batch {
    /// Put together in a buffer that is empty.
    pub(super) fn within(buffer: Vec<u8>) -> Self {
        Self {
            buffer: journal::begin(buffer),
            runs: Vec::new(),
        }
    }

    pub(super) fn op(&mut self, op: &Op<'_>) {
        op.put(&mut self.buffer);
    }

    /// Adds runs to a partition's last segment, which has that number and is that long.
    pub(super) fn runs(&mut self, topic: u32, partition: u32, (segment, at): (u64, u64), runs: Vec<u8>) {
        self.op(&Op::Runs {
            topic,
            partition,
            runs: &runs,
        });
        self.runs.push(Planned {
            topic,
            partition,
            segment,
            at,
            runs,
        });
    }

    /// The runs that were added, in their order.
    pub(super) fn runs_of(&self) -> impl Iterator<Item = &[u8]> {
        self.runs.iter().map(|planned| planned.runs.as_slice())
    }

    /// What it was put together in.
    pub(super) fn into_buffers(self) -> impl Iterator<Item = Vec<u8>> {
        std::iter::once(self.buffer).chain(self.runs.into_iter().map(|planned| planned.runs))
    }
}

fn io(path: &Path) -> impl Fn(io::Error) -> OpenError {
    let path = path.to_owned();
    move |error| OpenError::Io {
        path: path.clone(),
        error,
    }
}

impl Store {
    /// Opens what lies in the folder, and makes sure that nothing is gone that was acknowledged.
    ///
    /// Also says what the clock was at the last write.
    pub(super) fn open(folder: Folder) -> Result<(Self, State, i64), OpenError> {
        let (journals, records) = (folder.journal(), folder.path.join("records"));
        let found = Found::look(&folder, &journals, &records)?;
        // Nothing was changed up to here.
        fs::create_dir_all(&journals).map_err(io(&journals))?;
        fs::create_dir_all(&records).map_err(io(&records))?;
        for number in &found.unfinished {
            journal::remove(&journals, *number).map_err(io(&journals))?;
        }
        let (mut dirty, mut sequence) = (BTreeMap::new(), found.sequence);
        let journal = if let Some((number, end)) = found.last {
            found.forget_others(&records)?;
            dirty = found.add_again(&journals)?;
            Journal::go_on(&journals, number, end)
        } else {
            sequence = 1;
            let (synced, clock) = (0, found.clock);
            Journal::begin(
                &journals,
                1,
                &mut journal::begin(Vec::new()),
                Stamp {
                    sequence,
                    synced,
                    clock,
                },
            )
        };
        let journal = journal.map_err(io(&journals))?;
        folder.mark.set(sequence).map_err(io(&folder.path.join("mark")))?;
        let writing = Writing {
            journal,
            sequence,
            synced: sequence,
            open: HashMap::new(),
            dirty,
            checkpoint: None,
        };
        let store = Self {
            folder,
            records,
            writing: Mutex::new(writing),
        };
        Ok((store, found.state, found.clock))
    }

    pub(super) fn path(&self) -> &Path {
        &self.folder.path
    }

    /// Writes a batch, and says its number. `known` gives all that was known before it.
    ///
    /// # Errors
    /// Whether it is written will be known only when the log is opened again.
    pub(super) fn write(&self, clock: i64, batch: &mut Batch, known: impl FnOnce(&mut Vec<u8>)) -> Result<u64, String> {
        let mut writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let writing = &mut *writing;
        let say = |error: io::Error| error.to_string();
        if writing.journal.is_full() && writing.are_segments_synced().map_err(say)? {
            // A batch is torn in the last file only.
            writing.journal.file().sync_data().map_err(say)?;
            self.reached(writing, writing.sequence)?;
            let mut buffer = journal::begin(Vec::new());
            known(&mut buffer);
            let stamp = writing.stamp(clock);
            let next = writing.journal.next(&mut buffer, stamp).map_err(say)?;
            self.reached(writing, stamp.sequence)?;
            writing.journal = next;
            writing.checkpoint(self.records.clone()).map_err(say)?;
        }
        let stamp = writing.stamp(clock);
        writing.journal.append(&mut batch.buffer, stamp).map_err(say)?;
        for planned in &batch.runs {
            let file = writing.file(&self.records, planned).map_err(say)?;
            file.write_all_at(&planned.runs, planned.at).map_err(say)?;
        }
        Ok(stamp.sequence)
    }

    /// All that was written before is on disk when it returns; says which batch was the last. Others write meanwhile.
    ///
    /// # Errors
    /// As of [`Store::write`].
    pub(super) fn sync(&self) -> Result<u64, String> {
        let (file, sequence) = {
            let writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
            (writing.journal.file(), writing.sequence)
        };
        file.sync_data().map_err(|error| error.to_string())?;
        let mut writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        self.reached(&mut writing, sequence)?;
        Ok(sequence)
    }

    /// All is on disk up to this batch.
    fn reached(&self, writing: &mut Writing, sequence: u64) -> Result<(), String> {
        if sequence <= writing.synced {
            return Ok(());
        }
        writing.synced = sequence;
        let mark = self.folder.mark.set(sequence);
        mark.map_err(|error| format!("{}: {error}", self.folder.path.join("mark").display()))
    }

    /// The mark is synced now and then; see there.
    pub(super) fn sync_mark(&self) {
        if let Err(error) = self.folder.mark.sync() {
            tracing::warn!(%error, "the log's mark could not be synced");
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        let writing = self.writing.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(Ok(Err(error))) = writing.checkpoint.take().map(JoinHandle::join) {
            tracing::warn!(%error, "segments could not be synced; the next start adds to them again from the journal");
        }
    }
}

impl Writing {
    /// What the next batch's head says.
    fn stamp(&mut self, clock: i64) -> Stamp {
        self.sequence += 1;
        let (sequence, synced) = (self.sequence, self.synced);
        Stamp {
            sequence,
            synced,
            clock,
        }
    }

    /// Whether all that was written to segments before the journal's file was begun is on disk.
    fn are_segments_synced(&mut self) -> io::Result<bool> {
        match self.checkpoint.take() {
            Some(running) if !running.is_finished() => {
                self.checkpoint = Some(running);
                Ok(false)
            }
            Some(done) => {
                let panicked = |_| Err(io::Error::other("the thread that syncs panicked"));
                done.join().unwrap_or_else(panicked).map(|()| true)
            }
            None => Ok(true),
        }
    }

    fn checkpoint(&mut self, records: PathBuf) -> io::Result<()> {
        let dirty = std::mem::take(&mut self.dirty);
        let former = self.journal.former();
        let sync = move || {
            dirty.values().try_for_each(|file| file.sync_data())?;
            File::open(records)?.sync_all()?;
            former.retire()
        };
        let thread = std::thread::Builder::new().name("log-sync".to_owned());
        self.checkpoint = Some(thread.spawn(sync)?);
        Ok(())
    }

    fn file(&mut self, records: &Path, planned: &Planned) -> io::Result<Arc<File>> {
        let place = (planned.topic, planned.partition);
        if let Some((number, file)) = self.open.get(&place)
            && *number == planned.segment
        {
            // A checkpoint may have begun since.
            self.dirty.entry(planned.segment).or_insert_with(|| Arc::clone(file));
            return Ok(Arc::clone(file));
        }
        let path = segment::path(records, planned.topic, planned.partition, planned.segment);
        let file = Arc::new(OpenOptions::new().create(true).truncate(false).write(true).open(path)?);
        self.open.insert(place, (planned.segment, Arc::clone(&file)));
        self.dirty.insert(planned.segment, Arc::clone(&file));
        Ok(file)
    }
}

/// What lies in a folder.
struct Found {
    state: State,
    sequence: u64,
    clock: i64,
    /// The journal's files, oldest first.
    journals: Vec<u64>,
    /// The last one, and where its last whole batch ends.
    last: Option<(u64, u64)>,
    /// Files that were being begun when the process ended.
    unfinished: Vec<u64>,
    /// How much of each segment was on disk when the oldest file was begun.
    synced: HashMap<u64, u64>,
}

impl Found {
    fn look(folder: &Folder, journals: &Path, records: &Path) -> Result<Self, OpenError> {
        let mark = folder.mark.get();
        let numbers = if journals.exists() {
            journal::numbers(journals).map_err(io(journals))?
        } else {
            Vec::new()
        };
        let mut found = Self {
            state: State::new(records),
            sequence: 0,
            clock: i64::MIN,
            journals: Vec::new(),
            last: None,
            unfinished: Vec::new(),
            synced: HashMap::new(),
        };
        for number in numbers {
            if !found.unfinished.is_empty() {
                return Err(folder.damaged("its journal has a gap"));
            }
            found.read(folder, journals, number)?;
        }
        if found.sequence < mark {
            let sequence = found.sequence;
            return Err(folder.damaged(format!(
                "its journal ends at batch {sequence}, and {mark} were acknowledged"
            )));
        }
        found.check_segments(folder)?;
        Ok(found)
    }

    /// Reads one of the journal's files.
    fn read(&mut self, folder: &Folder, journals: &Path, number: u64) -> Result<(), OpenError> {
        let mut frames = Frames::open(journals, number).map_err(io(journals))?;
        let mut first = true;
        while let Some(frame) = frames.next().map_err(io(journals))?
            && frame.sequence > self.sequence
        {
            if self.last.is_some() && frame.sequence != self.sequence + 1 {
                let (found, after) = (frame.sequence, self.sequence);
                return Err(folder.damaged(format!("its journal goes on with batch {found} after {after}")));
            }
            // A file begins with what is known already from the one before it.
            if !(first && self.last.is_some()) {
                self.apply(&frame.batch, frame.clock).ok_or_else(|| {
                    folder.damaged(format!("batch {} of its journal is not readable", frame.sequence))
                })?;
            }
            if self.last.is_none() {
                self.synced = self
                    .state
                    .segments()
                    .map(|(_, _, s)| (s.note.number, s.note.bytes))
                    .collect();
            }
            self.sequence = frame.sequence;
            self.clock = self.clock.max(frame.clock);
            self.last = Some((number, frames.at));
            first = false;
        }
        if first {
            self.unfinished.push(number);
        } else {
            self.journals.push(number);
        }
        match frames.synced_beyond().map_err(io(journals))? {
            Some(synced) if synced > self.sequence => {
                let sequence = self.sequence;
                Err(folder.damaged(format!(
                    "its journal was on disk up to batch {synced}, and the one after {sequence} is not readable"
                )))
            }
            // What a power cut leaves of batches that were not yet synced.
            _ => Ok(()),
        }
    }

    fn apply(&mut self, batch: &[u8], clock: i64) -> Option<()> {
        let mut rest = Bytes(batch);
        while !rest.0.is_empty() {
            let op = Op::parse(&mut rest)?;
            self.state.apply(&op, clock)?;
            if let Op::Cleaned { by, .. } = &op {
                self.synced.insert(by.number, by.bytes);
            }
        }
        Some(())
    }

    /// What was on disk must be there.
    fn check_segments(&self, folder: &Folder) -> Result<(), OpenError> {
        for (_, _, segment) in self.state.segments() {
            let synced = self.synced.get(&segment.note.number).copied().unwrap_or(0);
            let there = fs::metadata(segment.file.path()).map_or(0, |found| found.len());
            if there < synced {
                let name = segment.file.path().file_name().unwrap_or_default().display();
                return Err(folder.damaged(format!("its segment {name} has {there} of {synced} bytes")));
            }
        }
        Ok(())
    }

    /// Removes the segments that nothing names: a stop in the middle of making or dropping one leaves them.
    fn forget_others(&self, records: &Path) -> Result<(), OpenError> {
        let known: BTreeSet<&Path> = self
            .state
            .segments()
            .map(|(_, _, segment)| segment.file.path())
            .collect();
        for entry in fs::read_dir(records).map_err(io(records))? {
            let path = entry.map_err(io(records))?.path();
            if !known.contains(&*path) {
                fs::remove_file(&path).map_err(io(&path))?;
            }
        }
        Ok(())
    }

    /// Adds to the segments what the journal says belongs into them.
    fn add_again(&self, journals: &Path) -> Result<BTreeMap<u64, Arc<File>>, OpenError> {
        let mut files = BTreeMap::new();
        for (_, _, segment) in self.state.segments() {
            let synced = self.synced.get(&segment.note.number).copied().unwrap_or(0);
            if segment.note.bytes > synced {
                let path = segment.file.path();
                let file = OpenOptions::new().create(true).truncate(false).write(true).open(path);
                let file = file.map_err(io(path))?;
                file.set_len(synced).map_err(io(path))?;
                files.insert(segment.note.number, (Arc::new(file), synced));
            }
        }
        let (mut last, mut sequence) = (HashMap::new(), 0);
        for number in &self.journals {
            let mut frames = Frames::open(journals, *number).map_err(io(journals))?;
            while let Some(frame) = frames.next().map_err(io(journals))?
                && frame.sequence > sequence
            {
                sequence = frame.sequence;
                let mut rest = Bytes(&frame.batch);
                while let Some(op) = Op::parse(&mut rest) {
                    add(&mut files, &mut last, &op).map_err(io(journals))?;
                }
            }
        }
        Ok(files.into_iter().map(|(number, (file, _))| (number, file)).collect())
    }
}

/// Does to the segments what a batch did.
fn add(
    files: &mut BTreeMap<u64, (Arc<File>, u64)>,
    last: &mut HashMap<(u32, u32), u64>,
    op: &Op<'_>,
) -> io::Result<()> {
    match op {
        Op::Partition {
            topic,
            partition,
            segments,
            ..
        } => {
            last.extend(segments.last().map(|newest| ((*topic, *partition), newest.number)));
        }
        Op::Begun {
            topic,
            partition,
            number,
        } => {
            last.insert((*topic, *partition), *number);
        }
        Op::Runs { topic, partition, runs } => {
            let number = last.get(&(*topic, *partition));
            if let Some((file, at)) = number.and_then(|number| files.get_mut(number)) {
                file.write_all_at(runs, *at)?;
                *at += u64::try_from(runs.len()).unwrap_or(u64::MAX);
            }
        }
        Op::Committed { .. } | Op::Topic { .. } | Op::Dropped { .. } | Op::Cleaned { .. } => {}
    }
    Ok(())
}
