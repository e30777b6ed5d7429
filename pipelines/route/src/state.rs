//! How route's state is kept: keys, timers, and the records behind them.

use alert::{GroupHash, Timestamp};
use processor::{Poison, StateKey, Timers};
use schemas::{Avro, DecodeError, LadderPhase, RouteIncident, RouteSlot, route_keys};
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use crate::view::Cx;

/// Reads a record.
pub(crate) fn decoded<T: Avro>(bytes: &[u8]) -> Result<T, Poison> {
    schemas::decode(bytes).map_err(|error| poison(&error))
}

/// What a record that cannot be read means for its partition.
pub(crate) fn poison(error: &DecodeError) -> Poison {
    match error {
        DecodeError::UnknownSchema(_) => Poison::UnknownSchema(error.to_string()),
        DecodeError::WrongRecord { .. } | DecodeError::Malformed(_) | DecodeError::TooShort => {
            Poison::Malformed(error.to_string())
        }
    }
}

/// The record under a key.
pub(crate) fn load<T: Avro>(cx: &Cx<'_>, key: &StateKey) -> Result<Option<T>, Poison> {
    cx.get(key).map(|stored| decoded(stored.bytes)).transpose()
}

/// The records of one kind that a group has, with their keys, in the order of the keys.
pub(crate) fn load_all<T: Avro>(cx: &Cx<'_>, group: GroupHash, kind: u8) -> Result<Vec<(StateKey, T)>, Poison> {
    cx.range(StateKey::new(group, kind))
        .map(|(key, stored)| Ok((key, decoded(stored.bytes)?)))
        .collect()
}

/// Removes the records of one kind that a group has, but for those to keep.
pub(crate) fn delete_all(cx: &mut Cx<'_>, group: GroupHash, kind: u8, keep: impl Fn(&StateKey) -> bool) {
    let keys: Vec<StateKey> = cx.range(StateKey::new(group, kind)).map(|(key, _)| key).collect();
    for key in keys.iter().filter(|key| !keep(key)) {
        cx.delete(key);
    }
}

/// Stores a record.
pub(crate) fn save<T: Avro>(cx: &mut Cx<'_>, key: StateKey, timers: &Timers, record: &T) -> Result<(), Poison> {
    let bytes = encoded(record)?;
    cx.put(key, timers, &bytes);
    Ok(())
}

/// Writes a record.
pub(crate) fn encoded<T: Avro>(record: &T) -> Result<Vec<u8>, Poison> {
    schemas::encode(record).map_err(|error| Poison::Malformed(error.to_string()))
}

/// A group's incident.
pub(crate) fn load_incident(cx: &Cx<'_>, group: GroupHash) -> Result<Option<RouteIncident>, Poison> {
    let stored: Option<RouteIncident> = load(cx, &StateKey::new(group, route_keys::INCIDENT))?;
    Ok(stored.map(RouteIncident::whole))
}

/// Stores a group's incident.
pub(crate) fn save_incident(cx: &mut Cx<'_>, group: GroupHash, incident: RouteIncident) -> Result<(), Poison> {
    let timers = incident_timers(&incident);
    save(
        cx,
        StateKey::new(group, route_keys::INCIDENT),
        &timers,
        &incident.shortened(),
    )
}

/// An incident's timers, all of them written in the incident itself.
fn incident_timers(incident: &RouteIncident) -> Timers {
    let rung = incident
        .ladder
        .as_ref()
        .filter(|ladder| ladder.phase == LadderPhase::Climbing)
        .and_then(|ladder| ladder.due);
    Timers::none()
        .and_maybe(route_keys::TIMER_RUNG, rung)
        .and_maybe(route_keys::TIMER_FORGET, incident.forget_at)
        .and_maybe(route_keys::TIMER_LOOK, incident.again_at)
}

/// A slot's timers.
pub(crate) fn slot_timers(slot: &RouteSlot) -> Timers {
    Timers::none()
        .and_maybe(
            route_keys::TIMER_EXPIRE,
            slot.entry.as_ref().map(|entry| entry.expires_at),
        )
        .and_maybe(route_keys::TIMER_RECHECK, slot.recheck_at)
}

/// Whether a slot says anything that a new one would not.
pub(crate) fn slot_is_empty(slot: &RouteSlot) -> bool {
    slot.entry.is_none()
        && slot.pending.is_none()
        && slot.queued.is_none()
        && slot.failed.is_none()
        && slot.void_tables.is_none()
        && !slot.waits
}

/// The key of a slot: Alertmanager's `receiver/integration/index`.
pub(crate) fn slot_key(group: GroupHash, name: &str) -> StateKey {
    StateKey::with(group, route_keys::SLOT, name.as_bytes())
}

/// The key of an alert of the newest flush.
pub(crate) fn alert_key(group: GroupHash, fingerprint: alert::Fingerprint) -> StateKey {
    StateKey::with(group, route_keys::ALERT, &fingerprint.0.to_be_bytes())
}

/// The key of a command's answer.
pub(crate) fn command_key(group: GroupHash, id: &str) -> StateKey {
    StateKey::with(group, route_keys::COMMAND, &xxh3_128(id.as_bytes()).to_be_bytes())
}

/// The key that says: this silence mutes something of this group.
pub(crate) fn mute_key(group: GroupHash, silence: &str) -> StateKey {
    let mut rest = xxh3_128(silence.as_bytes()).to_be_bytes().to_vec();
    rest.extend(group.as_bytes());
    StateKey::with(GroupHash(route_keys::MUTES), route_keys::MUTE, &rest)
}

/// The key under which a receiver may tell a repeated send from a new one (design 5.3): the same for every attempt.
pub(crate) fn idempotency_key(group: &str, slot: &str, sequence: i64) -> String {
    format!("{:032x}", xxh3_128(format!("{group}\0{slot}\0{sequence}").as_bytes()))
}

/// A hash of lists of numbers that keeps their borders apart.
pub(crate) fn hash_of(lists: &[&[i64]]) -> i64 {
    let numbers: usize = lists.iter().map(|list| 1 + list.len()).sum();
    let mut bytes = Vec::with_capacity(numbers * size_of::<i64>());
    for list in lists {
        bytes.extend((list.len() as u64).to_be_bytes());
        bytes.extend(list.iter().flat_map(|number| number.to_be_bytes()));
    }
    xxh3_64(&bytes).cast_signed()
}

/// A duration out of a record's milliseconds.
pub(crate) fn duration(ms: i64) -> alert::PromDuration {
    alert::PromDuration::from_millis(u64::try_from(ms).unwrap_or(0))
}

/// A record's milliseconds of a duration.
pub(crate) fn millis(duration: alert::PromDuration) -> i64 {
    i64::try_from(duration.millis()).unwrap_or(i64::MAX)
}

/// The earlier of two times, either of which may be missing.
pub(crate) fn earliest(times: impl IntoIterator<Item = Option<Timestamp>>) -> Option<Timestamp> {
    times.into_iter().flatten().min()
}
