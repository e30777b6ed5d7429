//! The state of one partition: ordered keys, values that carry their own timers, and an undo log.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use alert::{GroupHash, Timestamp};

/// A key of the state: the group's hash, a kind, and what tells several of that kind apart. Ordered bytewise, so that a
/// group's records lie together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StateKey(Arc<[u8]>);

impl StateKey {
    /// The key of the one record of `kind` that a group has.
    pub fn new(group: GroupHash, kind: u8) -> Self {
        Self::with(group, kind, &[])
    }

    /// The key of one of several records of `kind` in a group.
    pub fn with(group: GroupHash, kind: u8, rest: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(17 + rest.len());
        bytes.extend(group.0);
        bytes.push(kind);
        bytes.extend(rest);
        Self(bytes.into())
    }

    /// A key as it stands in a changelog.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }

    /// The bytes, as they stand in the changelog.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The group it belongs to; none for a key that is shorter than a group's hash.
    pub fn group(&self) -> Option<GroupHash> {
        self.0.first_chunk::<16>().map(|hash| GroupHash(*hash))
    }

    /// The kind of record under it.
    pub fn kind(&self) -> Option<u8> {
        self.0.get(16).copied()
    }

    /// What follows group and kind.
    pub fn rest(&self) -> &[u8] {
        self.0.get(17..).unwrap_or_default()
    }
}

/// The most timers one value may carry: every state of ours needs fewer, and a restore trusts the count byte.
pub const MAX_TIMERS: usize = 8;

/// The timers of one value: at most one of each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Timers {
    armed: [(u8, i64); MAX_TIMERS],
    len: u8,
}

impl Timers {
    /// No timer.
    pub fn none() -> Self {
        Self::default()
    }

    /// One timer.
    pub fn one(kind: u8, due: Timestamp) -> Self {
        Self::none().and(kind, due)
    }

    /// One more timer; one of the same kind is moved.
    #[must_use]
    pub fn and(mut self, kind: u8, due: Timestamp) -> Self {
        let used = usize::from(self.len);
        if let Some(slot) = self.armed.iter_mut().take(used).find(|(armed, _)| *armed == kind) {
            slot.1 = due.millis();
        } else if let Some(slot) = self.armed.get_mut(used) {
            *slot = (kind, due.millis());
            self.len += 1;
        }
        self
    }

    /// One more timer where there is a time for it.
    #[must_use]
    pub fn and_maybe(self, kind: u8, due: Option<Timestamp>) -> Self {
        match due {
            Some(due) => self.and(kind, due),
            None => self,
        }
    }

    /// Without the timer of that kind.
    #[must_use]
    pub fn without(self, kind: u8) -> Self {
        self.iter()
            .filter(|(armed, _)| *armed != kind)
            .fold(Self::none(), |timers, (kind, due)| timers.and(kind, due))
    }

    /// The timers, in the order they were armed.
    pub fn iter(&self) -> impl Iterator<Item = (u8, Timestamp)> + '_ {
        self.armed
            .iter()
            .take(usize::from(self.len))
            .map(|(kind, due)| (*kind, Timestamp::from_millis(*due)))
    }

    /// When the timer of that kind is due.
    pub fn get(&self, kind: u8) -> Option<Timestamp> {
        self.iter().find(|(armed, _)| *armed == kind).map(|(_, due)| due)
    }
}

/// A timer that is due.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timer {
    /// When it was to fire.
    pub due: Timestamp,
    /// The state it is part of.
    pub key: StateKey,
    /// Which of that state's timers.
    pub kind: u8,
}

/// One value as it is stored and as it stands in the changelog: layout, timers, then the record's own bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored<'a> {
    /// What is armed.
    pub timers: Timers,
    /// The state record, Avro in single-object encoding.
    pub bytes: &'a [u8],
}

/// Why stored bytes are not a value of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("state record: {0}")]
pub struct StoredError(&'static str);

const LAYOUT: u8 = 1;

impl<'a> Stored<'a> {
    /// The bytes to store.
    pub fn encode(timers: &Timers, bytes: &[u8]) -> Box<[u8]> {
        let mut out = Vec::with_capacity(2 + 9 * usize::from(timers.len) + bytes.len());
        out.push(LAYOUT);
        out.push(timers.len);
        for (kind, due) in timers.iter() {
            out.push(kind);
            out.extend(due.millis().to_be_bytes());
        }
        out.extend(bytes);
        out.into_boxed_slice()
    }

    /// Reads what [`Stored::encode`] wrote.
    ///
    /// # Errors
    /// Another layout, too many timers, or an end too early.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, StoredError> {
        let (&layout, rest) = bytes.split_first().ok_or(StoredError("empty"))?;
        if layout != LAYOUT {
            return Err(StoredError("unknown layout"));
        }
        let (&count, mut rest) = rest.split_first().ok_or(StoredError("cut short"))?;
        if usize::from(count) > MAX_TIMERS {
            return Err(StoredError("too many timers"));
        }
        let mut timers = Timers::none();
        for _ in 0..count {
            let (&kind, tail) = rest.split_first().ok_or(StoredError("cut short"))?;
            let (due, tail) = tail.split_first_chunk::<8>().ok_or(StoredError("cut short"))?;
            timers = timers.and(kind, Timestamp::from_millis(i64::from_be_bytes(*due)));
            rest = tail;
        }
        Ok(Self { timers, bytes: rest })
    }
}

/// The state of one partition.
#[derive(Debug, Default)]
pub struct Store {
    values: BTreeMap<StateKey, Box<[u8]>>,
    timers: BTreeSet<Timer>,
    undo: Vec<(StateKey, Option<Box<[u8]>>)>,
}

impl Store {
    /// The value under a key.
    pub fn get(&self, key: &StateKey) -> Option<Stored<'_>> {
        self.values.get(key).and_then(|bytes| Stored::decode(bytes).ok())
    }

    /// Stores a value; its timers replace those of the value it replaces.
    pub fn put(&mut self, key: StateKey, timers: &Timers, bytes: &[u8]) {
        let encoded = Stored::encode(timers, bytes);
        if self.values.get(&key).is_some_and(|old| **old == *encoded) {
            return;
        }
        let old = self.set(key.clone(), Some(encoded));
        self.undo.push((key, old));
    }

    /// Removes a value and its timers.
    pub fn delete(&mut self, key: &StateKey) {
        let old = self.set(key.clone(), None);
        if old.is_some() {
            self.undo.push((key.clone(), old));
        }
    }

    /// The values whose keys begin with `prefix`, in order.
    pub fn range<'a>(&'a self, prefix: &[u8]) -> impl Iterator<Item = (&'a StateKey, Stored<'a>)> + use<'a> {
        let from = StateKey::from_bytes(prefix);
        let prefix = prefix.to_vec();
        self.values
            .range(from..)
            .take_while(move |(key, _)| key.as_bytes().starts_with(&prefix))
            .filter_map(|(key, bytes)| Some((key, Stored::decode(bytes).ok()?)))
    }

    /// The values from a key on (after the beginning where none), in order.
    pub fn from<'a>(&'a self, from: Option<&StateKey>) -> impl Iterator<Item = (&'a StateKey, Stored<'a>)> + use<'a> {
        let from = from.map_or(Bound::Unbounded, |key| Bound::Included(key.clone()));
        self.values
            .range((from, Bound::Unbounded))
            .filter_map(|(key, bytes)| Some((key, Stored::decode(bytes).ok()?)))
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// How many timers are armed.
    pub fn timers_armed(&self) -> usize {
        self.timers.len()
    }

    /// The timer that is due first.
    pub fn next_timer(&self) -> Option<&Timer> {
        self.timers.first()
    }

    /// Takes one timer out of the value it is part of; nothing when the value moved on.
    pub fn disarm(&mut self, timer: &Timer) {
        if !self.timers.contains(timer) {
            return;
        }
        let Some(stored) = self.get(&timer.key) else { return };
        let (timers, bytes) = (stored.timers.without(timer.kind), stored.bytes.to_vec());
        self.put(timer.key.clone(), &timers, &bytes);
    }

    /// Takes up one changelog record during a restore; no undo.
    ///
    /// # Errors
    /// Bytes that are no state record of ours.
    pub fn restore(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<(), StoredError> {
        if let Some(bytes) = value {
            Stored::decode(bytes)?;
        }
        self.set(StateKey::from_bytes(key), value.map(Into::into));
        Ok(())
    }

    /// Where the undo log stands: what [`Store::undo_to`] goes back to.
    pub fn savepoint(&self) -> usize {
        self.undo.len()
    }

    /// Takes back every change since the savepoint.
    pub fn undo_to(&mut self, savepoint: usize) {
        while self.undo.len() > savepoint {
            if let Some((key, old)) = self.undo.pop() {
                self.set(key, old);
            }
        }
    }

    /// The changed keys since the last commit, each once, with what they hold now: the changelog of the transaction.
    pub fn dirty(&self) -> BTreeMap<StateKey, Option<&[u8]>> {
        self.undo
            .iter()
            .map(|(key, _)| (key.clone(), self.values.get(key).map(AsRef::as_ref)))
            .collect()
    }

    /// Forgets how to go back: the transaction is committed.
    pub fn committed(&mut self) {
        self.undo.clear();
    }

    /// Every key and value, for a comparison with a restored store.
    pub fn dump(&self) -> impl Iterator<Item = (&StateKey, &[u8])> {
        self.values.iter().map(|(key, bytes)| (key, bytes.as_ref()))
    }

    /// Bytes held in keys and values, without the maps around them.
    pub fn bytes(&self) -> usize {
        self.values
            .iter()
            .map(|(key, value)| key.as_bytes().len() + value.len())
            .sum()
    }

    fn set(&mut self, key: StateKey, value: Option<Box<[u8]>>) -> Option<Box<[u8]>> {
        let new = value.as_deref().map(timers_of).unwrap_or_default();
        // Keys are shared with the map, so that a timer costs no second copy of them.
        let key = self
            .values
            .get_key_value(&key)
            .map_or(key, |(shared, _)| shared.clone());
        let old = match value {
            Some(value) => self.values.insert(key.clone(), value),
            None => self.values.remove(&key),
        };
        for (kind, due) in old.as_deref().map(timers_of).unwrap_or_default().iter() {
            self.timers.remove(&Timer {
                due,
                key: key.clone(),
                kind,
            });
        }
        for (kind, due) in new.iter() {
            self.timers.insert(Timer {
                due,
                key: key.clone(),
                kind,
            });
        }
        old
    }
}

fn timers_of(bytes: &[u8]) -> Timers {
    Stored::decode(bytes).map(|stored| stored.timers).unwrap_or_default()
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
