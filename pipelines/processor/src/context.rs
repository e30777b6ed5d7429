//! What a stage may do while it applies one input, and the one place where an input is applied.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use alert::Timestamp;
use xxhash_rust::xxh3::{xxh3_64, xxh3_128_with_seed};

use crate::{Meta, Poison, StateKey, Store, Stored, Timer, Timers};

/// The versions of the tables a transaction sees: topic → offset of the newest change plus one.
pub type Tables = BTreeMap<&'static str, i64>;

/// A record to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// The topic.
    pub topic: &'static str,
    /// The key; it alone chooses the partition.
    pub key: Vec<u8>,
    /// None for a tombstone.
    pub value: Option<Vec<u8>>,
    /// What the record says of itself.
    pub meta: Meta,
}

/// Where and when an input takes effect.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    /// The stage.
    pub stage: &'static str,
    /// The lane's time.
    pub now: Timestamp,
    /// The inbox partition.
    pub partition: u32,
    /// The record's offset, or the position a timer or completion is applied at.
    pub offset: i64,
    /// For a timer: when it was due.
    pub due: Option<Timestamp>,
    /// What tells apart several timers or completions at one position.
    pub discriminator: u64,
    /// The trace of the record that caused it; 0 starts a new one.
    pub trace: u128,
    /// The config version the stage has taken up.
    pub config_version: u64,
    /// The tables' versions.
    pub tables: &'a Tables,
}

/// What one input did.
#[derive(Debug)]
pub struct Applied<E> {
    /// Records to send, in order.
    pub outputs: Vec<Output>,
    /// Effects to release after the commit, in order.
    pub effects: Vec<E>,
    /// Timers that it armed for its own time: what they do is the other half of what it did. Some may be disarmed again.
    pub due_now: Vec<Timer>,
}

/// A stage's hands while it applies one input.
#[derive(Debug)]
pub struct Context<'a, E> {
    origin: Origin<'a>,
    store: &'a mut Store,
    applied: Applied<E>,
    ids: u32,
}

impl<E> Context<'_, E> {
    /// The lane's time.
    pub fn now(&self) -> Timestamp {
        self.origin.now
    }

    /// The inbox partition this input belongs to.
    pub fn partition(&self) -> u32 {
        self.origin.partition
    }

    /// The inbox offset that caused this.
    pub fn offset(&self) -> i64 {
        self.origin.offset
    }

    /// The versions of the tables this transaction sees.
    pub fn tables(&self) -> &Tables {
        self.origin.tables
    }

    /// An id that is the same whenever this input is applied at this place, and differs between calls.
    pub fn next_id(&mut self) -> u128 {
        self.ids += 1;
        let origin = &self.origin;
        let numbers = [
            u64::from(origin.partition) << u32::BITS | u64::from(self.ids),
            origin.offset.cast_unsigned(),
            origin.due.map_or(-1, Timestamp::millis).cast_unsigned(),
            origin.discriminator,
        ];
        let mut bytes = [0; size_of::<u64>() * 4];
        for (place, number) in bytes.as_chunks_mut().0.iter_mut().zip(numbers) {
            *place = number.to_be_bytes();
        }
        xxh3_128_with_seed(&bytes, xxh3_64(origin.stage.as_bytes()))
    }

    /// The value under a key.
    pub fn get(&self, key: &StateKey) -> Option<Stored<'_>> {
        self.store.get(key)
    }

    /// Stores a value with its timers.
    pub fn put(&mut self, key: StateKey, timers: &Timers, bytes: &[u8]) {
        let now = self.origin.now;
        let due_now = timers.iter().filter(|(_, due)| *due == now).map(|(kind, due)| Timer {
            due,
            key: key.clone(),
            kind,
        });
        self.applied.due_now.extend(due_now);
        self.store.put(key, timers, bytes);
    }

    /// Removes a value with its timers.
    pub fn delete(&mut self, key: &StateKey) {
        self.store.delete(key);
    }

    /// The values whose keys begin with `prefix`, in order.
    pub fn range(&self, prefix: StateKey) -> impl Iterator<Item = (StateKey, Stored<'_>)> {
        self.store.range(prefix)
    }

    /// The values from a key on, in order: for a sweep.
    pub fn scan(&self, from: Option<&StateKey>) -> impl Iterator<Item = (StateKey, Stored<'_>)> {
        self.store.from(from)
    }

    /// Sends a record in this transaction; the key chooses its partition.
    pub fn send(&mut self, topic: &'static str, key: impl Into<Vec<u8>>, value: Vec<u8>) {
        self.output(topic, key.into(), Some(value));
    }

    /// Sends a tombstone in this transaction.
    pub fn send_tombstone(&mut self, topic: &'static str, key: impl Into<Vec<u8>>) {
        self.output(topic, key.into(), None);
    }

    /// Asks for an effect, released only after the commit.
    pub fn effect(&mut self, effect: E) {
        self.applied.effects.push(effect);
    }

    fn output(&mut self, topic: &'static str, key: Vec<u8>, value: Option<Vec<u8>>) {
        let id = self.next_id();
        let trace = if self.origin.trace == 0 { id } else { self.origin.trace };
        self.origin.trace = trace;
        let meta = Meta {
            id,
            now: self.origin.now.millis(),
            partition: self.origin.partition,
            offset: self.origin.offset,
            due: self.origin.due.map(Timestamp::millis),
            config_version: self.origin.config_version,
            trace,
        };
        self.applied.outputs.push(Output {
            topic,
            key,
            value,
            meta,
        });
    }
}

/// Applies one input: all of it, or (poison, panic) nothing of it.
///
/// # Errors
/// The stage's [`Poison`]; a panic is one, with its message.
pub fn apply<E, T>(
    store: &mut Store,
    origin: Origin<'_>,
    input: impl FnOnce(&mut Context<'_, E>) -> Result<T, Poison>,
) -> Result<(T, Applied<E>), Poison> {
    let savepoint = store.savepoint();
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let applied = Applied {
            outputs: Vec::new(),
            effects: Vec::new(),
            due_now: Vec::new(),
        };
        let mut cx = Context {
            origin,
            store: &mut *store,
            applied,
            ids: 0,
        };
        let answer = input(&mut cx)?;
        Ok((answer, cx.applied))
    }));
    let result = outcome.unwrap_or_else(|panic| Err(Poison::Malformed(format!("panic: {}", message(&panic)))));
    if result.is_err() {
        store.undo_to(savepoint);
    }
    result
}

fn message(panic: &Box<dyn std::any::Any + Send>) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}
