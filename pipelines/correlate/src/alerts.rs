//! The alerts of a group as they stand in state: keys, timers, and what ends them without an update.

use alert::{Fingerprint, GroupHash, PromDuration};
use processor::{Context, Poison, StateKey, Timer, Timers};
use schemas::{AlertBody, AlertPhase, CORRELATE_ALERT, CorrelateAlert};

use crate::expiry::{Expiry, Hold, expiry};
use crate::group::{EXPIRE, FORGET, Group};
use crate::receiving::Listeners;
use crate::versions::Versions;
use crate::{Never, journal, wire};

/// How long a settled alert or a moved group is remembered: as long as Prometheus re-sends a resolve.
pub(crate) const MEMORY: PromDuration = PromDuration::from_mins(15);

/// Where an alert of a group is stored.
pub(crate) fn key(group: GroupHash, fingerprint: Fingerprint) -> StateKey {
    StateKey::with(group, CORRELATE_ALERT, &fingerprint.0.to_be_bytes())
}

/// What all alerts of a group have their keys begin with.
pub(crate) fn prefix(group: GroupHash) -> StateKey {
    StateKey::new(group, CORRELATE_ALERT)
}

/// The fingerprint in a key that [`key`] made.
pub(crate) fn fingerprint(key: &StateKey) -> Fingerprint {
    Fingerprint(
        key.rest()
            .first_chunk::<8>()
            .map(|bytes| u64::from_be_bytes(*bytes))
            .unwrap_or_default(),
    )
}

/// The alert under a key.
pub(crate) fn load(cx: &Context<'_, Never>, key: &StateKey) -> Result<Option<CorrelateAlert>, Poison> {
    cx.get(key).map(|stored| wire::unpack(stored.bytes)).transpose()
}

/// The alerts of a group from a key on, at most `limit`.
pub(crate) fn in_group(
    cx: &Context<'_, Never>,
    group: GroupHash,
    from: &StateKey,
    limit: usize,
) -> Result<Vec<(StateKey, CorrelateAlert)>, Poison> {
    let prefix = prefix(group);
    cx.scan(Some(from))
        .take_while(|(key, _)| key.as_bytes().starts_with(prefix.as_bytes()))
        .take(limit)
        .map(|(key, stored)| Ok((key, wire::unpack(stored.bytes)?)))
        .collect()
}

/// Stores an alert with the timer that its phase has.
pub(crate) fn store(cx: &mut Context<'_, Never>, key: StateKey, alert: &CorrelateAlert) -> Result<(), Poison> {
    let timers = match alert.phase {
        AlertPhase::Firing => Timers::one(EXPIRE, alert.expires_at),
        AlertPhase::Resolved => Timers::none(),
        AlertPhase::Settled => Timers::one(FORGET, cx.now() + MEMORY),
    };
    cx.put(key, &timers, &wire::pack(alert)?);
    Ok(())
}

/// An alert leaves its group and is remembered.
pub(crate) fn settle(cx: &mut Context<'_, Never>, key: StateKey, mut alert: CorrelateAlert) -> Result<(), Poison> {
    alert.phase = AlertPhase::Settled;
    alert.since = cx.now();
    alert.body = AlertBody::default();
    store(cx, key, &alert)
}

/// An alert's timer fires: its memory ends, or it expires unless nobody listened.
pub(crate) fn timer(
    versions: &Versions,
    listeners: &Listeners,
    timer: &Timer,
    cx: &mut Context<'_, Never>,
) -> Result<(), Poison> {
    let Some(alert) = load(cx, &timer.key)? else {
        return Ok(());
    };
    match (timer.kind, alert.phase) {
        (FORGET, AlertPhase::Settled) => cx.delete(&timer.key),
        (EXPIRE, AlertPhase::Firing) => {
            let now = cx.now();
            let hold = Hold {
                expires_at: alert.expires_at,
                heard_at: alert.heard_at,
                resent: alert.expires_at > alert.ends_at,
            };
            match expiry(hold, listeners.listening(now), versions.grace(), now) {
                Expiry::NotBefore(due) => cx.put(timer.key.clone(), &Timers::one(EXPIRE, due), &wire::pack(&alert)?),
                Expiry::Now => expire(versions, timer.key.clone(), alert, cx)?,
            }
        }
        _ => {}
    }
    Ok(())
}

fn expire(
    versions: &Versions,
    key: StateKey,
    mut alert: CorrelateAlert,
    cx: &mut Context<'_, Never>,
) -> Result<(), Poison> {
    let Some(hash) = key.group() else { return Ok(()) };
    let Some(mut group) = Group::load(cx, hash)? else {
        return settle(cx, key, alert);
    };
    alert.phase = AlertPhase::Resolved;
    alert.since = cx.now();
    alert.next_flush = group.next_flush();
    let reason = format!("expired: not sent again by {}", alert.expires_at);
    journal::alert(cx, "alert.resolved", &group, fingerprint(&key), &alert, reason)?;
    store(cx, key, &alert)?;
    group.stopped_firing(cx)?;
    group.changed(versions.timing(&group.record.route), cx.now());
    group.save(cx)
}
