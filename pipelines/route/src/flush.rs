//! A flush: collected from its parts, held against the mutes, and handed to every integration it concerns.

use alert::GroupId;
use processor::{Poison, StateKey, Timers};
use schemas::{Flush, FlushAlert, FlushSettled, route_keys, topics};

use crate::batch::{self, Batch};
use crate::group::Group;
use crate::journal::Entry;
use crate::slot::seats;
use crate::state::{alert_key, delete_all, encoded, load_all, load_incident, save};
use crate::view::{Cx, View};
use crate::{incident, ladder, mutes};

/// Takes a part of a flush; with the last one, the flush.
pub(crate) fn take(view: &View, cx: &mut Cx<'_>, id: &str, part: Flush) -> Result<(), Poison> {
    let hash = GroupId(id.to_owned()).hash();
    let Some(mut flush) = collect(cx, hash, part)? else {
        return Ok(());
    };
    let Some(route) = view.route(&flush.route) else {
        return settle_unsaid(cx, id, &flush);
    };
    let before = load_incident(cx, hash)?;
    let same = before
        .as_ref()
        .is_some_and(|before| before.incident_id == flush.incident_id);
    let begun = || incident::begin(id, &flush, &route.receiver, before.as_ref());
    let incident = before.clone().filter(|_| same).unwrap_or_else(begun);
    let mut group = Group::with(view, cx, hash, incident)?;
    if let Some(before) = before.as_ref().filter(|_| !same) {
        incident::succeed(&mut group, before)?;
    }
    group.incident.route.clone_from(&flush.route);
    group.incident.receiver.clone_from(&route.receiver);
    (group.incident.flush, group.incident.tick) = (flush.flush, flush.tick);
    (group.incident.settled, group.incident.failed, group.incident.voided) = (false, false, false);
    group.incident.again_at = None;
    let alerts = std::mem::take(&mut flush.alerts);
    group.incident.answer_owed = alerts.iter().any(|alert| alert.resolved);
    incident::meet_again(&mut group, alerts.iter().any(|alert| !alert.resolved))?;
    keep_alerts(&mut group, &alerts)?;
    (group.incident.team, group.incident.severity) = owner(&group, &alerts);
    let batch = group.set_batch(alerts);
    judge(&mut group, &batch)?;
    group.finish()
}

/// The whole flush, once its last part is here. Parts come one after the other, in order.
fn collect(cx: &mut Cx<'_>, hash: alert::GroupHash, part: Flush) -> Result<Option<Flush>, Poison> {
    if part.parts == 1 && part.part == 0 {
        return Ok(Some(part));
    }
    if part.part == 0 {
        delete_all(cx, hash, route_keys::PART, |_| false);
    }
    let mut held: Vec<Flush> = load_all(cx, hash, route_keys::PART)?
        .into_iter()
        .map(|(_, part)| part)
        .collect();
    let fits = held
        .first()
        .is_none_or(|first| first.flush == part.flush && first.parts == part.parts);
    if usize::try_from(part.part) != Ok(held.len()) || !fits || part.part >= part.parts {
        let (number, parts, flush) = (part.part, part.parts, part.flush);
        return Err(Poison::Malformed(format!(
            "part {number} of {parts} of flush {flush} does not follow what is held"
        )));
    }
    if part.part + 1 < part.parts {
        let key = StateKey::with(hash, route_keys::PART, &part.part.to_be_bytes());
        save(cx, key, &Timers::none(), &part)?;
        return Ok(None);
    }
    delete_all(cx, hash, route_keys::PART, |_| false);
    held.push(part);
    let mut parts = held.into_iter();
    let Some(mut whole) = parts.next() else { return Ok(None) };
    whole.alerts.extend(parts.flat_map(|part| part.alerts));
    (whole.part, whole.parts) = (0, 1);
    Ok(Some(whole))
}

/// A flush of a route that the config has no more: it says nothing, and its group must not wait for that.
fn settle_unsaid(cx: &mut Cx<'_>, id: &str, flush: &Flush) -> Result<(), Poison> {
    let bytes = encoded(&FlushSettled {
        flush: flush.flush,
        keep: false,
        again_at: None,
    })?;
    cx.send(topics::ALERTS, id.as_bytes(), bytes);
    let reason = format!("the config has no route {} any more", flush.route);
    Entry::new("notification.unsaid", reason)
        .field("flush", flush.flush)
        .field("incident", &flush.incident_id)
        .about(id, cx)
}

/// Keeps the flush's alerts where they are needed later: to render the ladder's rungs, or to judge it once an
/// integration is free.
fn keep_alerts(group: &mut Group<'_, '_>, alerts: &[FlushAlert]) -> Result<(), Poison> {
    if let Some(policy) = group
        .view
        .policy_of(&group.incident.receiver)
        .filter(|_| group.incident.policy.is_none())
    {
        group.incident.policy = Some(policy.name.clone());
    }
    let busy = group
        .slots
        .values()
        .any(|slot| slot.pending.is_some() || slot.void_tables.is_some());
    let needed = busy || group.incident.policy.is_some();
    let keys: Vec<StateKey> = alerts
        .iter()
        .map(|alert| alert_key(group.hash, alert.fingerprint))
        .collect();
    delete_all(group.cx, group.hash, route_keys::ALERT, |key| {
        needed && keys.contains(key)
    });
    for (key, alert) in keys.into_iter().zip(alerts).filter(|_| needed) {
        save(group.cx, key, &Timers::none(), alert)?;
    }
    Ok(())
}

/// The owner and severity of what fires; once nothing does, they stay what they were.
fn owner(group: &Group<'_, '_>, alerts: &[FlushAlert]) -> (Option<String>, Option<String>) {
    let (team, severity) = batch::owner(alerts, &group.incident.receiver, group.view);
    (
        team.or_else(|| group.incident.team.clone()),
        severity.or_else(|| group.incident.severity.clone()),
    )
}

fn judge(group: &mut Group<'_, '_>, batch: &Batch) -> Result<(), Poison> {
    group.changed = std::mem::replace(&mut group.incident.content, batch.content()) != batch.content();
    mutes::count(group, batch);
    mutes::note(group, batch)?;
    group.incident.quiet &= batch.all_firing() == 0;
    if batch.all_firing() == 0 {
        incident::resolve(group)?;
    } else {
        ladder::start(group)?;
    }
    for seat in seats(group) {
        group
            .slots
            .entry(seat.name.clone())
            .or_insert_with(|| seat.slot())
            .waits = true;
    }
    Ok(())
}
