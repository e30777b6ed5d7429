//! What mutes a group, kept by silence, so that a table change finds the groups whose mute it ends.

use alert::{GroupHash, GroupId, Timestamp};
use processor::{Poison, StateKey, Timers};
use schemas::{RouteMute, route_keys};

use crate::batch::Batch;
use crate::group::{Group, ask_if_due, look_at};
use crate::journal::Entry;
use crate::ladder;
use crate::slot::INSTANT;
use crate::state::{load_incident, mute_key, save, save_incident};
use crate::view::{Cx, View};

/// Rows looked at in one slice of a sweep: a slice must not hold up the lane's records.
const SWEEP_SLICE: usize = 500;

/// What a flush left unsaid because something mutes it; to be counted once that is committed, nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Muted {
    /// How many of its alerts silences mute. There is nothing else yet that mutes.
    pub silenced: usize,
}

/// Tells of what a flush leaves unsaid, as often as Alertmanager does: at every flush.
pub(crate) fn count(group: &mut Group<'_, '_>, batch: &Batch) {
    if !batch.muted.is_empty() {
        group.cx.effect(Muted {
            silenced: batch.muted.len(),
        });
    }
}

/// Takes down what mutes the group's newest flush.
pub(crate) fn note(group: &mut Group<'_, '_>, batch: &Batch) -> Result<(), Poison> {
    let now = group.now();
    let muted_by: Vec<String> = batch.muted_by.iter().cloned().collect();
    let before = std::mem::replace(&mut group.incident.muted_by, muted_by.clone());
    for gone in before.iter().filter(|silence| !batch.muted_by.contains(*silence)) {
        group.cx.delete(&mute_key(group.hash, gone));
    }
    for silence in &muted_by {
        let Some(ends_at) = group.view.mutes_until(silence, now) else {
            continue;
        };
        let row = RouteMute {
            silence: silence.clone(),
            group: group.incident.group.clone(),
            ends_at,
        };
        save(group.cx, mute_key(group.hash, silence), &Timers::none(), &row)?;
    }
    group.incident.firing = i32::try_from(batch.all_firing()).unwrap_or(i32::MAX);
    let firing_muted = i32::try_from(batch.firing_muted).unwrap_or(i32::MAX);
    let changed = before != muted_by || group.incident.firing_muted != firing_muted;
    group.incident.firing_muted = firing_muted;
    group.incident.muted_until = batch.muted_until;
    if batch.fires_muted() && !group.incident.muted {
        ladder::hold_from(group, batch.muted_since);
    }
    group.incident.muted = batch.fires_muted();
    if !changed || muted_by.is_empty() {
        return Ok(());
    }
    let entry = Entry::new("group.muted", format!("silenced by {}", muted_by.join(", ")));
    group.note(
        entry
            .field("alerts", batch.muted.len())
            .field("firing", batch.firing_muted),
    )
}

/// Forgets what mutes the group.
pub(crate) fn forget(group: &mut Group<'_, '_>) {
    for silence in std::mem::take(&mut group.incident.muted_by) {
        group.cx.delete(&mute_key(group.hash, &silence));
    }
}

/// One slice of a sweep: each group with a mute that ends sooner than it was taken into account is looked at again.
pub(crate) fn sweep(view: &View, from: Option<&StateKey>, cx: &mut Cx<'_>) -> Result<Option<StateKey>, Poison> {
    let first = StateKey::new(GroupHash(route_keys::MUTES), route_keys::MUTE);
    let rows: Vec<(StateKey, Vec<u8>)> = cx
        .scan(Some(from.unwrap_or(&first)))
        .take_while(|(key, _)| key.as_bytes().starts_with(first.as_bytes()))
        .take(SWEEP_SLICE + 1)
        .map(|(key, stored)| (key, stored.bytes.to_vec()))
        .collect();
    for (key, bytes) in rows.iter().take(SWEEP_SLICE) {
        let row: RouteMute = crate::state::decoded(bytes)?;
        look_again(view, cx, key, row)?;
    }
    Ok(rows.get(SWEEP_SLICE).map(|(key, _)| key.clone()))
}

fn look_again(view: &View, cx: &mut Cx<'_>, key: &StateKey, mut row: RouteMute) -> Result<(), Poison> {
    let now = cx.now();
    let ends_at = view.mutes_until(&row.silence, now);
    if ends_at.is_some_and(|ends_at| ends_at >= row.ends_at) || (ends_at.is_none() && now > row.ends_at) {
        // As long as it was taken for, or its own end came, which the group is looked at for anyway.
        return Ok(());
    }
    ask(cx, &row.group, ends_at.map_or(now, |ends_at| ends_at + INSTANT))?;
    if let Some(ends_at) = ends_at {
        row.ends_at = ends_at;
        save(cx, key.clone(), &Timers::none(), &row)
    } else {
        // The flush that was asked for takes the mutes down anew.
        cx.delete(key);
        Ok(())
    }
}

/// Asks for a flush of a group that is not in hand.
fn ask(cx: &mut Cx<'_>, id: &str, at: Timestamp) -> Result<(), Poison> {
    let hash = GroupId(id.to_owned()).hash();
    let Some(mut incident) = load_incident(cx, hash)? else {
        return Ok(());
    };
    look_at(&mut incident, at);
    ask_if_due(&mut incident, cx)?;
    save_incident(cx, hash, incident)
}
