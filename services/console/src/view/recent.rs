//! The newest journal entries, and route's answers to commands among them.

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use alert::Timestamp;
use processor::Record;
use schemas::JournalEntry;

/// How many journal entries are held, encoded: some 10 MiB, and hours of a system that is not on fire. Older ones are
/// read from the log.
pub(crate) const MAX_RECENT: usize = 10_000;
/// How many answers to commands are held for those who wait for them or repeat one: people give few.
pub(crate) const MAX_ANSWERS: usize = 1_000;
/// What the kinds of route's answers to commands begin with.
const ANSWER_KINDS: &str = "command.";

/// One journal entry as it stands in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kept {
    /// Its partition.
    pub(crate) partition: u32,
    /// Its place.
    pub(crate) offset: i64,
    /// When it was written.
    pub(crate) at: Timestamp,
    /// Joins it with everything the same arrival caused.
    pub(crate) trace: u128,
    /// The config version it was decided under.
    pub(crate) config_version: u64,
    record: Arc<Record>,
}

impl Kept {
    /// A record of the journal; none for a tombstone.
    pub(crate) fn of(record: Arc<Record>) -> Option<Self> {
        record.value.as_ref()?;
        let meta = record.meta.unwrap_or_default();
        Some(Self {
            partition: record.partition,
            offset: record.offset,
            at: if record.meta.is_some() {
                meta.at()
            } else {
                record.appended
            },
            trace: meta.trace,
            config_version: meta.config_version,
            record,
        })
    }

    /// What it is about: a group id.
    pub(crate) fn group(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.record.key)
    }

    /// The entry itself.
    pub(crate) fn entry(&self) -> Option<JournalEntry> {
        super::held::read(self.record.bytes())
    }
}

/// Newest entries of all partitions, in the order they were read.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    entries: VecDeque<Kept>,
    /// By incident and command: one command of a person may go to several incidents under one id.
    answers: BTreeMap<(String, String), JournalEntry>,
    answered: VecDeque<(String, String)>,
}

impl Recent {
    /// Takes one more entry; the oldest one goes where there are too many.
    pub(crate) fn push(&mut self, kept: Kept) {
        // Few entries are answers, and only what may be one is decoded for it.
        let may_be = memchr::memmem::find(kept.record.bytes(), ANSWER_KINDS.as_bytes()).is_some();
        let entry = may_be.then(|| kept.entry()).flatten();
        if let Some(entry) = entry.filter(|entry| entry.kind.starts_with(ANSWER_KINDS))
            && let (Some(incident), Some(id)) = (entry.fields.get("incident"), entry.fields.get("id"))
        {
            let id = (incident.to_owned(), id.to_owned());
            self.answer(id, entry);
        }
        self.entries.push_back(kept);
        if self.entries.len() > MAX_RECENT {
            self.entries.pop_front();
        }
    }

    /// The first answer to a command is the one that counts.
    fn answer(&mut self, id: (String, String), entry: JournalEntry) {
        if self.answers.contains_key(&id) {
            return;
        }
        self.answered.push_back(id.clone());
        self.answers.insert(id, entry);
        if self.answered.len() > MAX_ANSWERS
            && let Some(oldest) = self.answered.pop_front()
        {
            self.answers.remove(&oldest);
        }
    }

    /// Route's answer to a command.
    pub(crate) fn answer_to(&self, incident: &str, command: &str) -> Option<JournalEntry> {
        self.answers.get(&(incident.to_owned(), command.to_owned())).cloned()
    }

    /// Everything held, oldest first.
    pub(crate) fn all(&self) -> Vec<Kept> {
        self.entries.iter().cloned().collect()
    }

    /// The first offset of a partition from which on everything is held; none where nothing of it is.
    pub(crate) fn first_of(&self, partition: u32) -> Option<i64> {
        self.entries
            .iter()
            .find(|kept| kept.partition == partition)
            .map(|kept| kept.offset)
    }
}
