//! Everything people ask for, folded out of the log into memory: one thread writes, every request reads.
//!
//! A request that walks all groups holds one part of them at a time, and the writing thread goes on with the others.

mod changes;
mod feed;
mod fold;
mod held;
mod positions;
mod recent;
mod tables;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use alert::{Fingerprint, GroupHash};
use dashmap::DashMap;
use policy::SilenceIndex;
use runtime::names;
use schemas::{AlertPhase, JournalEntry, NotifyTally, RouteCommand, RouteIncident};
use tokio::sync::watch;
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

pub(crate) use changes::{Changes, Cursor, Since};
pub(crate) use feed::{Feed, FeedThread, partitions};
pub(crate) use held::{Groups, Held};
pub(crate) use positions::{Place, Positions};
pub(crate) use recent::{Kept, Recent};
pub(crate) use tables::{Tables, Version};

/// The view.
#[derive(Debug)]
pub(crate) struct View {
    groups: Groups,
    /// Hash of an incident's id → its group. Whoever looks one up compares the id.
    incidents: DashMap<u64, GroupHash>,
    /// Route's answers to commands, by the key of their state.
    commands: DashMap<Box<[u8]>, RouteCommand>,
    tables: RwLock<Tables>,
    recent: Mutex<Recent>,
    /// How far it has read.
    pub(crate) positions: Positions,
    /// Everything that was there at the start has been read.
    complete: AtomicBool,
    /// Why it is incomplete for good: a record that only a newer release can read.
    stuck: Mutex<Option<String>>,
    /// By partition of notify.
    tallies: Mutex<BTreeMap<u32, NotifyTally>>,
    /// Which groups changed last.
    pub(crate) changes: Changes,
}

impl View {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            groups: Groups::new(),
            incidents: DashMap::new(),
            commands: DashMap::new(),
            tables: RwLock::default(),
            recent: Mutex::default(),
            positions: Positions::new(),
            complete: AtomicBool::new(false),
            stuck: Mutex::default(),
            tallies: Mutex::default(),
            changes: Changes::new(),
        })
    }

    /// Shows every group to `look`, one after the other, in no order.
    pub(crate) fn each_group(&self, look: impl FnMut(&Held<'_>)) {
        self.groups.each(look);
    }

    /// How many groups correlate knows, and how many of their alerts fire.
    pub(crate) fn count(&self) -> (usize, usize) {
        self.groups.count()
    }

    /// Shows one group to `look`.
    pub(crate) fn group<T>(&self, group: &GroupHash, look: impl FnOnce(Held<'_>) -> T) -> Option<T> {
        self.groups.with(group, look)
    }

    /// The incident with this id and the group it is in.
    pub(crate) fn incident(&self, id: &str) -> Option<(GroupHash, RouteIncident)> {
        let group = *self.incidents.get(&xxh3_64(id.as_bytes()))?;
        let incident = self.group(&group, |held| held.incident())??;
        (incident.incident_id == id).then_some((group, incident))
    }

    /// Every incident that an alert is in.
    pub(crate) fn incidents_of(&self, fingerprint: Fingerprint) -> Vec<RouteIncident> {
        let mut found = Vec::new();
        self.each_group(|held| {
            let alert = held.alert(fingerprint);
            if alert.is_some_and(|alert| alert.phase != AlertPhase::Settled) {
                found.extend(held.incident());
            }
        });
        found.sort_by(|a, b| a.incident_id.cmp(&b.incident_id));
        found
    }

    /// What route answered to a command, from its state or from the journal: kind, reason, fields.
    pub(crate) fn answer(&self, group: &GroupHash, incident: &str, command: &str) -> Option<RouteCommand> {
        let key = command_key(group, command);
        let kept = self.commands.get(key.as_slice()).map(|answer| answer.value().clone());
        kept.filter(|answer| answer.fields.get("incident").is_some_and(|of| of == incident))
            .or_else(|| {
                let JournalEntry {
                    kind, reason, fields, ..
                } = self.recent().answer_to(incident, command)?;
                Some(RouteCommand {
                    id: command.to_owned(),
                    kind,
                    reason,
                    fields: fields.to_map(),
                })
            })
    }

    /// The newest config, where there is one.
    pub(crate) fn config(&self) -> Option<Arc<Version>> {
        self.with_tables(|tables| tables.config.clone())
    }

    /// Every silence.
    pub(crate) fn silences(&self) -> Arc<SilenceIndex> {
        self.with_tables(|tables| Arc::clone(&tables.silences))
    }

    /// Shows the tables to `look`, which must be quick.
    pub(crate) fn with_tables<T>(&self, look: impl FnOnce(&Tables) -> T) -> T {
        look(&self.tables.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The newest journal entries; held locked only for a moment.
    pub(crate) fn recent(&self) -> MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why it does not show everything, if so.
    pub(crate) fn not_ready(&self) -> Option<String> {
        if !self.is_complete() {
            return Some("the console is still reading the log".to_owned());
        }
        self.stuck.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether everything that was there at the start has been read.
    pub(crate) fn is_complete(&self) -> bool {
        self.complete.load(Ordering::Acquire)
    }

    /// Returns once everything that was there at the start has been read.
    pub(crate) async fn caught_up(&self) {
        let mut moved = self.moved();
        // The sender lives as long as the view, so that `changed` does not fail.
        while !self.is_complete() && moved.changed().await.is_ok() {}
    }

    /// Everything that was there at the start has been read.
    pub(crate) fn complete(&self) {
        self.complete.store(true, Ordering::Release);
        self.show_tallies();
        self.positions.advance(std::iter::empty());
    }

    /// Takes up what a partition of notify has counted.
    pub(crate) fn take_tally(&self, partition: u32, tally: NotifyTally) {
        let mut tallies = self.tallies.lock().unwrap_or_else(PoisonError::into_inner);
        tallies.insert(partition, tally);
        drop(tallies);
        self.show_tallies();
    }

    fn show_tallies(&self) {
        if let Some(count) = self.possible_duplicates() {
            metrics::counter!(names::NOTIFY_POSSIBLE_DUPLICATES).absolute(count);
        }
    }

    /// How many sends may have been a second delivery, ever; none before all is read: a counter that is read back step by
    /// step would look like news.
    fn possible_duplicates(&self) -> Option<u64> {
        let tallies = self.tallies.lock().unwrap_or_else(PoisonError::into_inner);
        let sum: i64 = tallies.values().map(|tally| tally.possible_duplicates).sum();
        self.is_complete().then(|| u64::try_from(sum).unwrap_or_default())
    }

    /// Tells each time the view has read on.
    pub(crate) fn moved(&self) -> watch::Receiver<()> {
        self.positions.subscribe()
    }
}

/// The key under which route keeps the answer to a command: the group's hash, the kind, the hash of the command's id.
fn command_key(group: &GroupHash, command: &str) -> Vec<u8> {
    let mut key = group.as_bytes().to_vec();
    key.push(schemas::route_keys::COMMAND);
    key.extend(xxh3_128(command.as_bytes()).to_be_bytes());
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn possible_duplicates_are_summed_once_all_is_read() {
        let view = View::new();
        let tally = |possible_duplicates| NotifyTally { possible_duplicates };
        view.take_tally(0, tally(1));
        view.take_tally(0, tally(2));
        assert_eq!(view.possible_duplicates(), None);
        view.complete();
        assert_eq!(view.possible_duplicates(), Some(2));
        view.take_tally(7, tally(3));
        assert_eq!(view.possible_duplicates(), Some(5));
    }
}
