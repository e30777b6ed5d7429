//! The state of one partition: ordered keys, values that carry their own timers, and an undo log.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use alert::Timestamp;

use crate::StateKey;
use crate::block::{Block, MAX_BLOCK};

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
        [Head::of(timers).bytes(), bytes].concat().into_boxed_slice()
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

/// What stands before a value's own bytes: layout and timers.
struct Head {
    bytes: [u8; Self::MOST],
    len: usize,
}

impl Head {
    const MOST: usize = 2 + 9 * MAX_TIMERS;

    fn of(timers: &Timers) -> Self {
        let mut head = Self {
            bytes: [0; Self::MOST],
            len: 0,
        };
        let armed = timers
            .iter()
            .flat_map(|(kind, due)| std::iter::once(kind).chain(due.millis().to_be_bytes()));
        for (place, byte) in head.bytes.iter_mut().zip([LAYOUT, timers.len].into_iter().chain(armed)) {
            *place = byte;
            head.len += 1;
        }
        head
    }

    fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

/// A value to be stored, in two pieces: the first holds the timers.
type Pieces<'a> = [&'a [u8]; 2];

/// Where a block's keys begin: between the last key before it and its own first.
type Edge = StateKey;

/// The state of one partition: its records in order, in blocks, and an index of the blocks by the first timer in each.
#[derive(Debug, Default)]
pub struct Store {
    /// By the edge from which on keys are theirs. The lowest edge is empty, so that every key has its block.
    blocks: BTreeMap<Edge, Timed>,
    due: BTreeSet<(Timestamp, Edge)>,
    len: usize,
    timers: usize,
    undo: Vec<(StateKey, Option<Box<[u8]>>)>,
}

/// A block, and when the first timer in it is due: looked for again only where that one went.
#[derive(Debug, Default)]
struct Timed {
    block: Block,
    due: Option<Timestamp>,
}

impl Timed {
    fn new(block: Block) -> Self {
        let due = first_due(&block);
        Self { block, due }
    }
}

impl Store {
    /// The value under a key.
    pub fn get(&self, key: &StateKey) -> Option<Stored<'_>> {
        self.bytes_of(key).and_then(|bytes| Stored::decode(bytes).ok())
    }

    /// Stores a value; its timers replace those of the value it replaces.
    pub fn put(&mut self, key: StateKey, timers: &Timers, bytes: &[u8]) {
        let head = Head::of(timers);
        let mut before = None;
        let changed = self.set(&key, Some([head.bytes(), bytes]), |old| {
            let same = old.and_then(|old| old.strip_prefix(head.bytes())) == Some(bytes);
            before = old.filter(|_| !same).map(Box::from);
            !same
        });
        if changed {
            self.undo.push((key, before));
        }
    }

    /// Stores a value without timers, or removes it, for good: for whoever never goes back.
    pub fn keep(&mut self, key: &StateKey, value: Option<&[u8]>) {
        let head = Head::of(&Timers::none());
        self.set(key, value.map(|bytes| [head.bytes(), bytes]), |old| {
            old.is_some() || value.is_some()
        });
    }

    /// Removes a value and its timers.
    pub fn delete(&mut self, key: &StateKey) {
        let mut before = None;
        let changed = self.set(key, None, |old| {
            before = old.map(Box::from);
            old.is_some()
        });
        if changed {
            self.undo.push((key.clone(), before));
        }
    }

    /// The values whose keys begin with `prefix`, in order.
    pub fn range(&self, prefix: StateKey) -> impl Iterator<Item = (StateKey, Stored<'_>)> {
        self.entries(&prefix)
            .take_while(move |(key, _)| key.starts_with(prefix.as_bytes()))
            .filter_map(read)
    }

    /// The values from a key on (after the beginning where none), in order.
    pub fn from<'a>(&'a self, from: Option<&StateKey>) -> impl Iterator<Item = (StateKey, Stored<'a>)> + use<'a> {
        self.entries(from.unwrap_or(&Edge::default())).filter_map(read)
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many timers are armed.
    pub fn timers_armed(&self) -> usize {
        self.timers
    }

    /// When the first timer is due.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.due.first().map(|(due, _)| *due)
    }

    /// The timer that is due first.
    pub fn next_timer(&self) -> Option<Timer> {
        let (due, edge) = self.due.first()?;
        let (key, kind) = self.blocks.get(edge)?.block.iter().find_map(|(key, value)| {
            let kinds = armed(value).filter(|(_, at)| at == due).map(|(kind, _)| kind);
            Some((key, kinds.min()?))
        })?;
        Some(Timer {
            due: *due,
            key: StateKey::from_bytes(key),
            kind,
        })
    }

    /// Takes one timer out of the value it is part of; nothing when the value moved on.
    pub fn disarm(&mut self, timer: &Timer) {
        let Some(stored) = self.get(&timer.key) else { return };
        if stored.timers.get(timer.kind) == Some(timer.due) {
            let (timers, bytes) = (stored.timers.without(timer.kind), stored.bytes.to_vec());
            self.put(timer.key.clone(), &timers, &bytes);
        }
    }

    /// Takes up one changelog record during a restore; no undo.
    ///
    /// # Errors
    /// Bytes that are no state record of ours.
    pub fn restore(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<(), StoredError> {
        if let Some(bytes) = value {
            Stored::decode(bytes)?;
        }
        self.set(&StateKey::from_bytes(key), value.map(whole), |_| true);
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
                self.set(&key, old.as_deref().map(whole), |_| true);
            }
        }
    }

    /// The changed keys since the last commit in order, each once, with what they hold now: the changelog of the
    /// transaction.
    pub fn dirty(&self) -> Vec<(&StateKey, Option<&[u8]>)> {
        let mut keys: Vec<&StateKey> = self.undo.iter().map(|(key, _)| key).collect();
        keys.sort_unstable();
        keys.dedup();
        keys.into_iter().map(|key| (key, self.bytes_of(key))).collect()
    }

    /// Forgets how to go back: the transaction is committed.
    pub fn committed(&mut self) {
        self.undo.clear();
    }

    /// Every key and value, for a comparison with a restored store.
    pub fn dump(&self) -> impl Iterator<Item = (StateKey, &[u8])> {
        self.entries(&Edge::default())
            .map(|(key, value)| (StateKey::from_bytes(key), value))
    }

    /// Bytes held in keys and values, without what is around them.
    pub fn bytes(&self) -> usize {
        self.entries(&Edge::default())
            .map(|(key, value)| key.len() + value.len())
            .sum()
    }

    fn bytes_of(&self, key: &StateKey) -> Option<&[u8]> {
        let (_, held) = self.blocks.range(..=key).next_back()?;
        held.block.find(key).1
    }

    /// The entries from a key on.
    fn entries<'a>(&'a self, from: &StateKey) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        let first = self.blocks.range(..=from).next_back();
        let begun = first.map(|(_, held)| held.block.from(from));
        // Mostly nobody looks further, and so the tree is not searched again before somebody does.
        let further = first.into_iter().flat_map(|(edge, _)| {
            let behind = (Bound::Excluded(edge), Bound::Unbounded);
            self.blocks.range(behind).flat_map(|(_, held)| held.block.iter())
        });
        begun.into_iter().flatten().chain(further)
    }

    /// Puts a value, or nothing, under a key, if `wanted` says so when it is shown what is there.
    fn set(&mut self, key: &StateKey, value: Option<Pieces<'_>>, wanted: impl FnOnce(Option<&[u8]>) -> bool) -> bool {
        if self.blocks.is_empty() {
            self.blocks.insert(Edge::default(), Timed::default());
        }
        let Some((edge, held)) = self.blocks.range_mut(..=key).next_back() else {
            return false;
        };
        let before = held.due;
        let (place, old) = held.block.find(key);
        if !wanted(old) {
            return false;
        }
        let gone = old.and_then(first_of);
        let timed = value.map(|[head, _]| head);
        self.len = self.len + usize::from(value.is_some()) - usize::from(old.is_some());
        self.timers =
            self.timers + timed.map_or(0, |value| armed(value).count()) - old.map_or(0, |old| armed(old).count());
        held.block.replace(place, value.map(|pieces| (key, pieces)));
        let upper = (held.block.len() > MAX_BLOCK).then(|| held.block.split()).flatten();
        held.due = if upper.is_some() || (gone.is_some() && gone == before) {
            first_due(&held.block)
        } else {
            before.into_iter().chain(timed.and_then(first_of)).min()
        };
        let now = held.due;
        if now != before || upper.is_some() || value.is_none() {
            let edge = edge.clone();
            self.move_due(&edge, before, now);
            if let Some(upper) = upper {
                self.add(upper);
            } else if value.is_none() {
                self.join(&edge);
            }
        }
        true
    }

    fn add(&mut self, block: Block) {
        let Some(edge) = block.iter().next().map(|(key, _)| Edge::from_bytes(key)) else {
            return;
        };
        let held = Timed::new(block);
        self.move_due(&edge, None, held.due);
        self.blocks.insert(edge, held);
    }

    /// Joins a block that became small with the one before it: what is deleted leaves no blocks behind.
    fn join(&mut self, edge: &Edge) {
        let Some((lower, before)) = self.blocks.range(..edge).next_back() else {
            return;
        };
        let (lower, len) = (lower.clone(), before.block.len());
        if self
            .blocks
            .get(edge)
            .is_none_or(|held| len + held.block.len() > MAX_BLOCK / 2)
        {
            return;
        }
        let Some(held) = self.blocks.remove(edge) else { return };
        self.move_due(edge, held.due, None);
        if let Some(before) = self.blocks.get_mut(&lower) {
            let due = before.due;
            before.block.join(&held.block);
            before.due = due.into_iter().chain(held.due).min();
            let now = before.due;
            self.move_due(&lower, due, now);
        }
    }

    fn move_due(&mut self, edge: &Edge, from: Option<Timestamp>, to: Option<Timestamp>) {
        if from == to {
            return;
        }
        if let Some(due) = from {
            self.due.remove(&(due, edge.clone()));
        }
        if let Some(due) = to {
            self.due.insert((due, edge.clone()));
        }
    }
}

/// A value that is in one piece.
fn whole(value: &[u8]) -> Pieces<'_> {
    [value, &[]]
}

fn read<'a>((key, value): (&[u8], &'a [u8])) -> Option<(StateKey, Stored<'a>)> {
    Some((StateKey::from_bytes(key), Stored::decode(value).ok()?))
}

fn first_due(block: &Block) -> Option<Timestamp> {
    block.iter().filter_map(|(_, value)| first_of(value)).min()
}

/// When the first timer of a stored value is due.
fn first_of(value: &[u8]) -> Option<Timestamp> {
    armed(value).map(|(_, due)| due).min()
}

/// The timers of a stored value, without the rest of it.
fn armed(value: &[u8]) -> impl Iterator<Item = (u8, Timestamp)> + '_ {
    let count = value.get(1).map_or(0, |count| usize::from(*count));
    let (timers, _) = value.get(2..).unwrap_or_default().as_chunks::<9>();
    timers
        .iter()
        .take(count)
        .map(|[kind, due @ ..]| (*kind, Timestamp::from_millis(i64::from_be_bytes(*due))))
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
