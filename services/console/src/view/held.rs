//! What the view keeps of the groups: the stages' records as they stand in the changelogs, not decoded, packed as a stage's
//! own state is.
//!
//! A decoded alert is four times its encoding, and most alerts are never looked at: whoever asks decodes (design 5.7).

use std::ops::Deref;

use alert::{Fingerprint, GroupHash, LabelSet};
use dashmap::DashMap;
use processor::{StateKey, Store};
use schemas::{AlertPhase, Avro, CorrelateAlert, CorrelateGroup, KnownHead, NotifyRun, RouteIncident};

/// There while correlate knows the group: a record that says what the group is, or nothing where [`INCIDENT`] says it. Both
/// stages' records do, and it is held once (design 5.7).
const GROUP: u8 = 1;
/// Route's record of its incident.
const INCIDENT: u8 = 2;
/// Correlate's record of an alert, by fingerprint.
const ALERT: u8 = 3;
/// A record of notify's about what is under way, by what its key ends with. None at rest.
const REQUEST: u8 = 4;

/// In how many parts the groups lie: by the first byte of their hash.
const PARTS: usize = 256;

/// The groups. Who walks all of them holds one part at a time, and the writing thread goes on with the others: of a million
/// groups a part has four thousand.
#[derive(Debug)]
pub(crate) struct Groups {
    parts: DashMap<u8, Store>,
}

impl Groups {
    pub(crate) fn new() -> Self {
        Self {
            parts: DashMap::with_shard_amount(PARTS),
        }
    }

    /// Shows every group to `look`, one after the other, in no order.
    pub(crate) fn each(&self, mut look: impl FnMut(&Held<'_>)) {
        for part in &self.parts {
            let mut last = None;
            for group in part.from(None).filter_map(|(key, _)| key.group()) {
                if last.replace(group) != Some(group) {
                    look(&Records { group, store: &part });
                }
            }
        }
    }

    /// How many groups correlate knows, and how many of their alerts fire: one walk that reads no more of an alert than its
    /// head.
    pub(crate) fn count(&self) -> (usize, usize) {
        let (mut groups, mut firing) = (0, 0);
        for part in &self.parts {
            for (key, stored) in part.from(None) {
                match key.kind() {
                    Some(GROUP) => groups += 1,
                    Some(ALERT) => firing += usize::from(phase_of(stored.bytes) == Some(AlertPhase::Firing)),
                    _ => {}
                }
            }
        }
        (groups, firing)
    }

    /// Shows one group to `look`; none where nothing of it is held.
    pub(crate) fn with<T>(&self, group: &GroupHash, look: impl FnOnce(Held<'_>) -> T) -> Option<T> {
        let part = self.parts.get(&part_of(group))?;
        part.range(StateKey::of_group(*group)).next()?;
        Some(look(Records {
            group: *group,
            store: &part,
        }))
    }

    /// Changes what is held of a group.
    pub(crate) fn change<T>(&self, group: GroupHash, change: impl FnOnce(&mut Records<&mut Store>) -> T) -> T {
        let mut part = self.parts.entry(part_of(&group)).or_default();
        change(&mut Records {
            group,
            store: &mut part,
        })
    }
}

fn phase_of(alert: &[u8]) -> Option<AlertPhase> {
    let head = KnownHead::read(alert).map(|head| head.phase);
    head.or_else(|| Some(read::<CorrelateAlert>(alert)?.phase))
}

fn part_of(GroupHash([first, ..]): &GroupHash) -> u8 {
    *first
}

/// What both correlate's and route's records say of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Texts {
    /// The group's id.
    pub(crate) id: String,
    /// The route's id.
    pub(crate) route: String,
    /// The labels its alerts share by `group_by`.
    pub(crate) labels: LabelSet,
}

impl Texts {
    fn of(bytes: &[u8]) -> Option<Self> {
        if schemas::schema_of(bytes) == Some(RouteIncident::NAME) {
            let incident = read::<RouteIncident>(bytes)?.whole();
            return Some(Self {
                id: incident.group,
                route: incident.route,
                labels: incident.group_labels,
            });
        }
        let group = read::<CorrelateGroup>(bytes)?.whole();
        Some(Self {
            id: group.group_id,
            route: group.route,
            labels: group.group_labels,
        })
    }
}

/// One group's records in the part that holds them.
#[derive(Debug)]
pub(crate) struct Records<S> {
    group: GroupHash,
    store: S,
}

/// One group, to look at.
pub(crate) type Held<'a> = Records<&'a Store>;

impl<S: Deref<Target = Store>> Records<S> {
    fn bytes(&self, kind: u8, rest: &[u8]) -> Option<&[u8]> {
        let stored = self.store.get(&StateKey::with(self.group, kind, rest))?;
        Some(stored.bytes)
    }

    /// The records of one kind, by what their keys end with.
    fn all(&self, kind: u8) -> impl Iterator<Item = (StateKey, &[u8])> {
        let prefix = StateKey::new(self.group, kind);
        self.store.range(prefix).map(|(key, stored)| (key, stored.bytes))
    }

    /// What stands for the group.
    pub(crate) const fn hash(&self) -> GroupHash {
        self.group
    }

    /// Correlate's record of the group, while route has none of it.
    pub(crate) fn correlate_group(&self) -> Option<CorrelateGroup> {
        let record = self.bytes(GROUP, &[])?;
        let says = schemas::schema_of(record) == Some(CorrelateGroup::NAME);
        says.then(|| read::<CorrelateGroup>(record).map(CorrelateGroup::whole))?
    }

    /// Whether correlate knows the group.
    pub(crate) fn in_correlate(&self) -> bool {
        self.bytes(GROUP, &[]).is_some()
    }

    /// What the group is; none once neither correlate nor route knows it.
    pub(crate) fn texts(&self) -> Option<Texts> {
        let record = self.bytes(INCIDENT, &[]).or_else(|| self.bytes(GROUP, &[]));
        Texts::of(record?)
    }

    /// Route's record of its incident.
    pub(crate) fn incident(&self) -> Option<RouteIncident> {
        let incident: RouteIncident = read(self.bytes(INCIDENT, &[])?)?;
        Some(incident.whole())
    }

    /// The incident's id.
    pub(crate) fn incident_id(&self) -> Option<String> {
        let incident: RouteIncident = read(self.bytes(INCIDENT, &[])?)?;
        Some(incident.incident_id)
    }

    /// Correlate's record of one alert.
    pub(crate) fn alert(&self, Fingerprint(fingerprint): Fingerprint) -> Option<CorrelateAlert> {
        read(self.bytes(ALERT, &fingerprint.to_be_bytes())?)
    }

    /// Correlate's records of its alerts, by fingerprint.
    pub(crate) fn alerts(&self) -> impl Iterator<Item = (Fingerprint, CorrelateAlert)> {
        self.all(ALERT).filter_map(|(key, bytes)| {
            let fingerprint = u64::from_be_bytes(key.rest().try_into().ok()?);
            Some((Fingerprint(fingerprint), read(bytes)?))
        })
    }

    /// What is under way.
    pub(crate) fn requests(&self) -> Vec<NotifyRun> {
        self.all(REQUEST).filter_map(|(_, bytes)| read(bytes)).collect()
    }
}

impl Records<&mut Store> {
    fn set(&mut self, kind: u8, rest: &[u8], bytes: Option<&[u8]>) {
        self.store.keep(&StateKey::with(self.group, kind, rest), bytes);
    }

    /// Takes correlate's record of an alert, or its end.
    pub(crate) fn set_alert(&mut self, Fingerprint(fingerprint): Fingerprint, bytes: Option<&[u8]>) {
        self.set(ALERT, &fingerprint.to_be_bytes(), bytes);
    }

    /// Takes correlate's record of the group, or its end.
    pub(crate) fn set_group(&mut self, bytes: Option<&[u8]>) {
        let known = self.bytes(INCIDENT, &[]).is_some();
        self.set(GROUP, &[], bytes.map(|bytes| if known { &[] } else { bytes }));
    }

    /// Takes route's record of its incident, or its end.
    pub(crate) fn set_incident(&mut self, bytes: Option<&[u8]>) {
        let last = bytes.is_none().then(|| self.bytes(INCIDENT, &[])).flatten();
        let last = last.map(<[u8]>::to_vec);
        self.set(INCIDENT, &[], bytes);
        // What an incident that goes was the last to say of the group stays.
        let says = last.as_deref().unwrap_or_default();
        if self
            .bytes(GROUP, &[])
            .is_some_and(|group| group.is_empty() == bytes.is_none())
        {
            self.set(GROUP, &[], Some(says));
        }
    }

    /// Takes notify's record of something under way, or its end.
    pub(crate) fn set_request(&mut self, suffix: &[u8], value: Option<&[u8]>) {
        self.set(REQUEST, suffix, value);
    }
}

/// Reads a record that was checked when it was folded in; none if it is damaged all the same.
pub(crate) fn read<T: Avro>(bytes: &[u8]) -> Option<T> {
    schemas::decode(bytes)
        .inspect_err(|error| tracing::error!(%error, record = T::NAME, "unreadable state record"))
        .ok()
}

#[cfg(test)]
#[path = "held_tests.rs"]
mod tests;
