//! The log of one machine: Kafka's semantics in this process, in one folder.
//!
//! A transaction is gathered in its member and written as one batch with its group's offsets; an aborted one is never
//! written. One thread writes: everything that waits goes into one batch of the journal, and from there into the segments,
//! a file for each stretch of a partition. Another one syncs the journal: what is read may not be on disk yet, but nothing
//! is acknowledged and no effect released before it is, and a crash leaves a prefix of the journal. A compacted topic's segments are cleaned now and then, so that the newest record of each key is left. A
//! folder that comes back with less than was acknowledged is refused at the start, with a text that says what to do. Who
//! owns a partition dies with the process; the folder's lock proves that there is only one.

mod cleaner;
mod codec;
mod cursor;
mod folder;
mod journal;
mod member;
mod op;
mod reader;
mod retention;
mod segment;
mod shared;
mod state;
mod store;
mod syncing;
#[cfg(test)]
mod tests;
mod topics;
mod writer;

use std::fmt;
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use alert::{PromDuration, Timestamp};

use self::folder::Folder;
pub use self::folder::OpenError;
use self::member::EmbeddedMember;
use self::reader::EmbeddedReader;
use self::shared::{Clock, Job, Shared, lock};
use self::store::Store;
use crate::log::{
    AppendDone, Committed, From, Join, Log, LogError, Member, NewRecord, NewTopic, Patience, Reader, Watermarks,
};

/// How often the cleaner looks whether a compacted topic has grown.
const SWEEP: Duration = Duration::from_secs(1);

/// What an operator may set.
#[derive(Debug, Clone)]
pub struct Options {
    /// How many bytes of records the topics that are dropped by age may hold together, as written
    /// (`--storage.retention.size`). The compacted topics, and some 64 MiB of journal, come on top.
    pub retention_bytes: u64,
    /// How many bytes must stay free on the disk: below it appends are refused, below a quarter of it transactions.
    pub disk_reserve: u64,
    /// How long a compacted topic keeps the tombstone of a key that is gone.
    pub tombstone_retention: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            retention_bytes: 8 << 30,
            disk_reserve: 512 << 20,
            tombstone_retention: cleaner::TOMBSTONES,
        }
    }
}

impl Options {
    fn tombstone_ms(&self) -> i64 {
        i64::try_from(self.tombstone_retention.as_millis()).unwrap_or(i64::MAX)
    }
}

/// The log in a folder. Dropping it finishes what is queued; the folder is free once its members and readers are gone
/// too.
pub struct EmbeddedLog {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// Dropping it ends the sweeper.
    sweeper: Mutex<Option<Sender<()>>>,
}

impl fmt::Debug for EmbeddedLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbeddedLog")
            .field("folder", &self.shared.store.path())
            .finish_non_exhaustive()
    }
}

impl EmbeddedLog {
    /// Opens the log in a folder, or makes one in an empty or missing folder.
    ///
    /// # Errors
    /// The folder is in use, holds something else, was written by another release, or is damaged: the text says what to
    /// do. Nothing that was acknowledged is ever left out silently.
    pub fn open(path: &Path, options: Options) -> Result<Arc<Self>, OpenError> {
        let (store, state, last) = Store::open(Folder::open(path)?)?;
        let shared = Arc::new(Shared::new(store, options, Clock::new(last), state));
        let (stop, stopped) = channel();
        let io = |error| OpenError::Io {
            path: path.to_owned(),
            error,
        };
        let writer = {
            let shared = Arc::clone(&shared);
            let builder = std::thread::Builder::new().name("log-writer".to_owned());
            builder.spawn(move || writer::run(&shared)).map_err(io)?
        };
        let syncer = {
            let shared = Arc::clone(&shared);
            let builder = std::thread::Builder::new().name("log-syncer".to_owned());
            builder.spawn(move || syncing::run(&shared)).map_err(io)?
        };
        let sweeper = {
            let shared = Arc::clone(&shared);
            let builder = std::thread::Builder::new().name("log-sweeper".to_owned());
            let spawned = builder.spawn(move || {
                while stopped.recv_timeout(SWEEP) == Err(RecvTimeoutError::Timeout) {
                    cleaner::clean_grown(&shared);
                }
            });
            spawned.map_err(io)?
        };
        Ok(Arc::new(Self {
            shared,
            threads: Mutex::new(vec![writer, syncer, sweeper]),
            sweeper: Mutex::new(Some(stop)),
        }))
    }

    /// Why the log takes no appends now, if it does not: it is at its limit and a group has not worked off what it
    /// would have to drop, or the disk is full, or it takes nothing any more. Ingest answers 503 with this text.
    pub fn full(&self) -> Option<String> {
        let room = retention::room(&self.shared).append().err().map(|e| e.to_string());
        let state = self.shared.state();
        state.dead.clone().or_else(|| state.full.clone()).or(room)
    }
}

impl Drop for EmbeddedLog {
    fn drop(&mut self) {
        lock(&self.sweeper).take();
        self.shared.stop();
        for thread in lock(&self.threads).drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the log panicked");
            }
        }
        // A member that outlives the log learns it.
        let mut state = self.shared.state();
        state.dead.get_or_insert_with(|| "the log was closed".to_owned());
        state.wake_all();
    }
}

/// At a thousand messages a second ten outcomes share a transaction. A crash meanwhile makes possible duplicates of them.
const PATIENCE: Patience = Patience {
    soon: PromDuration::ZERO,
    later: PromDuration::from_millis(10),
};

impl Log for EmbeddedLog {
    fn now(&self) -> Timestamp {
        self.shared.now()
    }

    fn patience(&self) -> Patience {
        PATIENCE
    }

    fn create_topics(&self, topics: &[NewTopic]) -> Result<(), LogError> {
        let (reply, answer) = sync_channel(1);
        let job = Job::Create {
            topics: topics.to_vec(),
            reply,
        };
        self.shared.submit(job).map_err(|refused| refused.1)?;
        answer
            .recv()
            .unwrap_or_else(|_| Err(LogError::Fatal("the log's writer has ended".to_owned())))
    }

    fn partitions(&self, topic: &str) -> Result<Option<u32>, LogError> {
        Ok(self.shared.state().topics.get(topic).map(|t| t.note.partitions))
    }

    fn watermarks(&self, topic: &str, partition: u32) -> Result<Watermarks, LogError> {
        let state = self.shared.state();
        let bounds = state.partition(topic, partition)?;
        Ok(Watermarks {
            low: bounds.low,
            high: bounds.high,
        })
    }

    fn committed(&self, group: &str, topic: &str, partition: u32) -> Result<Option<Committed>, LogError> {
        let state = self.shared.state();
        let group = state.groups.get(&(group.to_owned(), topic.to_owned()));
        Ok(group.and_then(|g| g.committed.get(&partition).cloned()))
    }

    fn owner(&self, group: &str, topic: &str, partition: u32) -> Result<Option<String>, LogError> {
        Ok(self.committed(group, topic, partition)?.map(|committed| committed.lane))
    }

    fn join(&self, join: &Join) -> Result<Box<dyn Member>, LogError> {
        Ok(Box::new(EmbeddedMember::join(&self.shared, join)?))
    }

    fn reader(&self, from: &[(String, u32, From)]) -> Result<Box<dyn Reader>, LogError> {
        Ok(Box::new(EmbeddedReader::new(&self.shared, from)?))
    }

    fn append(&self, records: Vec<NewRecord>, done: AppendDone) {
        if let Err(refused) = writer::hand_in(&self.shared, Job::Append { records, done })
            && let (Job::Append { done, .. }, error) = *refused
        {
            done(Err(error));
        }
    }

    fn fence(&self, lane: &str) -> Result<(), LogError> {
        let _writing = self.shared.writing();
        let mut state = self.shared.state();
        state.alive()?;
        if let Some(lane) = state.lanes.get_mut(lane) {
            lane.epoch += 1;
        }
        Ok(())
    }
}
