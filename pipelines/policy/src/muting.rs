//! Silences, indexed for the question "what mutes this alert".

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use alert::{LabelSet, MatchOp, Matchers, PromDuration, Silence, SilenceError, SilenceState, Timestamp};

/// The finest step of time there is.
const INSTANT: PromDuration = PromDuration::from_millis(1);

/// Every silence of the table. A silence that demands one value of one label is looked up by it; only the others are
/// tried on every alert.
#[derive(Debug, Clone, Default)]
pub struct SilenceIndex {
    silences: BTreeMap<String, Entry>,
    /// Label name → value → ids of the silences that demand it.
    by_label: BTreeMap<String, BTreeMap<String, BTreeSet<String>>>,
    /// Ids of the silences that demand no one value.
    others: BTreeSet<String>,
    /// When a silence's state changes, with its id.
    edges: BTreeSet<(Timestamp, String)>,
}

#[derive(Debug, Clone)]
struct Entry {
    silence: Silence,
    matchers: Matchers,
}

impl SilenceIndex {
    /// An index without silences.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a silence in place of the one with its id, which is returned. One whose matchers are refused changes nothing.
    pub fn insert(&mut self, silence: Silence) -> Result<Option<Silence>, SilenceError> {
        let matchers = silence.compile()?;
        let before = self.remove(&silence.id);
        let id = silence.id.clone();
        self.ids_like(&matchers).insert(id.clone());
        for edge in edges(&silence) {
            self.edges.insert((edge, id.clone()));
        }
        self.silences.insert(id, Entry { silence, matchers });
        Ok(before)
    }

    /// Forgets a silence; gives it back if there was one.
    pub fn remove(&mut self, id: &str) -> Option<Silence> {
        let Entry { silence, matchers } = self.silences.remove(id)?;
        for edge in edges(&silence) {
            self.edges.remove(&(edge, id.to_owned()));
        }
        self.ids_like(&matchers).remove(id);
        if let Some((name, value)) = demanded(&matchers)
            && let Some(values) = self.by_label.get_mut(name)
        {
            if values.get(value).is_some_and(BTreeSet::is_empty) {
                values.remove(value);
            }
            if values.is_empty() {
                self.by_label.remove(name);
            }
        }
        Some(silence)
    }

    /// The silence with this id.
    pub fn get(&self, id: &str) -> Option<&Silence> {
        self.silences.get(id).map(|entry| &entry.silence)
    }

    /// Every silence, by id.
    pub fn iter(&self) -> impl Iterator<Item = &Silence> {
        self.silences.values().map(|entry| &entry.silence)
    }

    /// How many silences there are, expired ones included.
    pub fn len(&self) -> usize {
        self.silences.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.silences.is_empty()
    }

    /// The ids of the silences that mute an alert with `labels` at `now`, sorted. Empty = not silenced.
    pub fn muted_by(&self, labels: &LabelSet, now: Timestamp) -> Vec<String> {
        let active = self
            .matching(labels)
            .into_iter()
            .filter(|silence| silence.state(now) == SilenceState::Active);
        active.map(|silence| silence.id.clone()).collect()
    }

    /// The silences that match `labels` and are not over at `now`, by id: those that mute, and those that will.
    pub fn applying(&self, labels: &LabelSet, now: Timestamp) -> Vec<&Silence> {
        let mut silences = self.matching(labels);
        silences.retain(|silence| silence.state(now) != SilenceState::Expired);
        silences
    }

    /// The first instant after `now` at which no silence known today mutes `labels`; `None` if nothing mutes them at `now`.
    pub fn muted_until(&self, labels: &LabelSet, now: Timestamp) -> Option<Timestamp> {
        let silences = self.applying(labels, now);
        let mut free = now;
        while let Some(end) = silences
            .iter()
            .filter(|silence| silence.state(free) == SilenceState::Active)
            .map(|silence| after_end(silence))
            .max()
            .filter(|end| *end > free)
        {
            free = end;
        }
        (free > now).then_some(free)
    }

    /// The first instant after `now` at which any silence starts or has ended.
    pub fn next_edge(&self, now: Timestamp) -> Option<Timestamp> {
        self.edges_after(now).next().map(|(at, _)| *at)
    }

    /// The ids of the silences that started or ended after `after` and not after `upto`, sorted.
    pub fn changed_between(&self, after: Timestamp, upto: Timestamp) -> Vec<String> {
        let changed: BTreeSet<&String> = self
            .edges_after(after)
            .take_while(|(at, _)| *at <= upto)
            .map(|(_, id)| id)
            .collect();
        changed.into_iter().cloned().collect()
    }

    fn edges_after(&self, now: Timestamp) -> impl Iterator<Item = &(Timestamp, String)> {
        let next = now + INSTANT;
        self.edges
            .range((Bound::Included((next, String::new())), Bound::Unbounded))
    }

    /// The silences that match `labels`, by id, whatever their state.
    fn matching(&self, labels: &LabelSet) -> Vec<&Silence> {
        let demanding = labels
            .iter()
            .filter_map(|(name, value)| self.by_label.get(name)?.get(value))
            .flatten();
        let ids: BTreeSet<&String> = demanding.chain(&self.others).collect();
        let entries = ids.into_iter().filter_map(|id| self.silences.get(id));
        entries
            .filter(|entry| entry.matchers.matches(labels))
            .map(|entry| &entry.silence)
            .collect()
    }

    /// The list that a silence with these matchers is found in.
    fn ids_like(&mut self, matchers: &Matchers) -> &mut BTreeSet<String> {
        match demanded(matchers) {
            Some((name, value)) => self
                .by_label
                .entry(name.to_owned())
                .or_default()
                .entry(value.to_owned())
                .or_default(),
            None => &mut self.others,
        }
    }
}

/// The one value of one label that whatever matches must have.
fn demanded(matchers: &Matchers) -> Option<(&str, &str)> {
    let equal = matchers
        .iter()
        .find(|matcher| matcher.op() == MatchOp::Equal && !matcher.value().is_empty())?;
    Some((equal.name(), equal.value()))
}

/// The instants at which a silence's state changes: its start, and the first one after its inclusive end.
fn edges(silence: &Silence) -> [Timestamp; 2] {
    [silence.starts_at, after_end(silence)]
}

fn after_end(silence: &Silence) -> Timestamp {
    silence.ends_at + INSTANT
}
