//! The engine (fjall) as the log uses it: one place that writes, and ranges that are read.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use fjall::config::FilterPolicy;
use fjall::{CompressionType, Database, Keyspace, KeyspaceCreateOptions, OwnedWriteBatch, PersistMode};

use super::codec::{self, SEQUENCE};
use super::folder::{Folder, OpenError};
use super::inspect;

/// Blocks read lately. Readers that keep up are served from the partitions' tails, so this is for restores only.
const CACHE_BYTES: u64 = 16 << 20;
/// What a keyspace holds in memory before it is written to a table; up to a dozen are written to at a time.
const MEMTABLE_BYTES: u64 = 6 << 20;
/// The notes are few and overwritten all the time.
const NOTES_MEMTABLE_BYTES: u64 = 2 << 20;
/// The engine's least. It bounds what a start has to replay, and what lies in memory in all keyspaces together.
const JOURNAL_BYTES: u64 = 64 << 20;
/// One for flushes, one for compactions.
const WORKERS: usize = 2;
/// Open tables; the common limit of a process is 1,024 descriptors.
const OPEN_FILES: usize = 200;

const NOTES: &str = "notes";

/// The engine, opened and found whole.
pub(super) struct Store {
    db: Database,
    notes: Keyspace,
    sequence: Mutex<u64>,
    folder: Folder,
}

/// A note's key and value.
pub(super) type Note = (Vec<u8>, Vec<u8>);

/// One atomic write.
pub(super) struct Batch<'a> {
    inner: OwnedWriteBatch,
    notes: &'a Keyspace,
    /// The clock that is noted with it.
    pub(super) clock: i64,
}

impl Batch<'_> {
    pub(super) fn note(&mut self, key: impl Into<fjall::UserKey>, value: Vec<u8>) {
        self.inner.insert(self.notes, key, value);
    }

    pub(super) fn forget_note(&mut self, key: Vec<u8>) {
        self.inner.remove(self.notes, key);
    }

    pub(super) fn put(&mut self, keyspace: &Keyspace, key: Vec<u8>, value: Vec<u8>) {
        self.inner.insert(keyspace, key, value);
    }

    pub(super) fn remove(&mut self, keyspace: &Keyspace, key: Vec<u8>) {
        self.inner.remove(keyspace, key);
    }
}

impl Store {
    /// Opens the engine in the folder, and makes sure that nothing is gone that was acknowledged.
    ///
    /// Also says what the clock was at the last write.
    pub(super) fn open(folder: Folder) -> Result<(Self, i64), OpenError> {
        let path = folder.engine();
        let mark = folder.mark.get();
        if !path.join("version").exists() {
            if mark > 0 {
                return Err(folder.damaged("the engine's files are gone"));
            }
            // A first start that was cut off: nothing was acknowledged yet.
            if path.exists() {
                std::fs::remove_dir_all(&path).map_err(|error| OpenError::Io {
                    path: path.clone(),
                    error,
                })?;
            }
        }
        let journals = look(&folder, &path)?;
        // A journal that holds any batch holds the newest. One that holds none may be rightly so, when all lies in
        // tables: then what the engine says of the notes is compared below.
        if let Some(last) = journals.last
            && last < mark
        {
            return Err(folder.damaged(format!(
                "its journal ends at batch {last}, and {mark} were acknowledged"
            )));
        }
        let db = Database::builder(&path)
            .cache_size(CACHE_BYTES)
            .max_journaling_size(JOURNAL_BYTES)
            .worker_threads(WORKERS)
            .max_cached_files(Some(OPEN_FILES))
            .journal_compression(CompressionType::None)
            .open()
            .map_err(|e| folder.damaged(format!("the engine says {e}")))?;
        let notes = db
            .keyspace(NOTES, || options().max_memtable_size(NOTES_MEMTABLE_BYTES))
            .map_err(|e| folder.damaged(format!("the engine says {e}")))?;
        let found = notes
            .get(SEQUENCE)
            .map_err(|e| folder.damaged(format!("the engine says {e}")))?;
        let (sequence, clock) = match found {
            Some(bytes) => {
                codec::decode_sequence(&bytes).ok_or_else(|| folder.damaged("its count of batches is not readable"))?
            }
            None => (0, i64::MIN),
        };
        if sequence < mark || journals.last.is_some_and(|last| last != sequence) {
            let least = mark.max(journals.last.unwrap_or(0));
            return Err(folder.damaged(format!("the engine came back with {sequence} of {least} batches")));
        }
        let store = Self {
            db,
            notes,
            sequence: Mutex::new(sequence),
            folder,
        };
        store.check_oldest(&journals.oldest)?;
        store.folder.mark.set(sequence).map_err(|error| OpenError::Io {
            path: store.folder.path.join("mark"),
            error,
        })?;
        Ok((store, clock))
    }

    /// The engine skips what it takes for older than its tables; of the oldest batch in the journals only its own,
    /// unchecked order number says so. Notes are overwritten and left out, records are not.
    fn check_oldest(&self, oldest: &[(u64, Vec<u8>)]) -> Result<(), OpenError> {
        for name in self.db.list_keyspace_names() {
            let Ok(keyspace) = self.existing(&name) else { continue };
            for (_, key) in oldest.iter().filter(|(id, _)| *id == keyspace.id() && &*name != NOTES) {
                let found = keyspace.contains_key(key).map_err(|e| self.damaged(e))?;
                if !found && name.starts_with("d") {
                    return Err(self.folder.damaged("a record of the oldest journal is missing"));
                }
            }
        }
        Ok(())
    }

    pub(super) fn damaged(&self, what: impl std::fmt::Display) -> OpenError {
        self.folder.damaged(what.to_string())
    }

    pub(super) fn path(&self) -> &Path {
        &self.folder.path
    }

    /// Writes all that `fill` puts into the batch, or nothing. On disk when it returns.
    ///
    /// # Errors
    /// Whether it is written will be known only when the log is opened again; the engine takes nothing any more.
    pub(super) fn write(&self, clock: i64, fill: impl FnOnce(&mut Batch<'_>)) -> Result<(), String> {
        let mut sequence = self.sequence.lock().unwrap_or_else(PoisonError::into_inner);
        let next = *sequence + 1;
        // fdatasync: the journal's space is set aside, and what is needed to read it back is synced with it.
        let inner = self.db.batch().durability(Some(PersistMode::SyncData));
        let mut batch = Batch {
            inner,
            notes: &self.notes,
            clock,
        };
        fill(&mut batch);
        let clock = batch.clock;
        batch.note(SEQUENCE, codec::encode_sequence(next, clock));
        batch.inner.commit().map_err(|e| e.to_string())?;
        *sequence = next;
        self.folder
            .mark
            .set(next)
            .map_err(|e| format!("{}: {e}", self.folder.path.join("mark").display()))
    }

    /// The mark is synced now and then; see there.
    pub(super) fn sync_mark(&self) {
        if let Err(error) = self.folder.mark.sync() {
            tracing::warn!(%error, "the log's mark could not be synced");
        }
    }

    /// All notes of a kind.
    pub(super) fn notes(&self, kind: &[u8]) -> Result<Vec<Note>, OpenError> {
        let mut out = Vec::new();
        for entry in self.notes.prefix(kind) {
            let (key, value) = entry.into_inner().map_err(|e| self.damaged(e))?;
            out.push((key.to_vec(), value.to_vec()));
        }
        Ok(out)
    }

    /// Makes a keyspace for a segment, whose records are only ever read in order.
    pub(super) fn segment(&self, topic: u32, segment: u64) -> fjall::Result<Keyspace> {
        self.db.keyspace(&segment_name(topic, segment), || {
            options().filter_policy(FilterPolicy::disabled())
        })
    }

    /// Makes a keyspace for a compacted topic.
    pub(super) fn compacted(&self, topic: u32) -> fjall::Result<Keyspace> {
        self.db.keyspace(&compacted_name(topic), options)
    }

    /// A keyspace that must be there.
    pub(super) fn existing(&self, name: &str) -> Result<Keyspace, OpenError> {
        if !self.db.keyspace_exists(name) {
            return Err(self.damaged(format!("its part {name} is missing")));
        }
        self.db.keyspace(name, options).map_err(|e| self.damaged(e))
    }

    /// The names of all keyspaces but the notes.
    pub(super) fn names(&self) -> Vec<String> {
        self.db
            .list_keyspace_names()
            .iter()
            .map(ToString::to_string)
            .filter(|n| n != NOTES)
            .collect()
    }

    /// Drops a keyspace; its files go when its last reader is done.
    pub(super) fn drop_keyspace(&self, keyspace: Keyspace) {
        let name = keyspace.name().to_string();
        if let Err(error) = self.db.delete_keyspace(keyspace) {
            tracing::warn!(%error, name, "a part of the log that is no longer needed could not be removed");
        }
    }
}

fn look(folder: &Folder, path: &Path) -> Result<inspect::Journals, OpenError> {
    if !path.join("version").exists() {
        return Ok(inspect::Journals::default());
    }
    inspect::manifests(path).map_err(|what| folder.damaged(what))?;
    inspect::journals(path).map_err(|what| folder.damaged(what))
}

fn options() -> KeyspaceCreateOptions {
    KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES)
}

pub(super) fn segment_name(topic: u32, segment: u64) -> String {
    format!("d{topic}-{segment}")
}

pub(super) fn compacted_name(topic: u32) -> String {
    format!("c{topic}")
}
