//! A group's incident: which one a flush belongs to, and what people, the last resolve and a move make of it.

use alert::Timestamp;
use processor::Poison;
use schemas::{Flush, GenerationRaised, IncidentStatus, RouteIncident, route_keys, topics};

use crate::group::{Group, REMEMBERED};
use crate::journal::Entry;
use crate::ladder;
use crate::state::{delete_all, encoded};

/// A group's first incident, or the one that follows another: generations only rise.
pub(crate) fn begin(id: &str, flush: &Flush, receiver: &str, before: Option<&RouteIncident>) -> RouteIncident {
    RouteIncident {
        group_derived: false,
        answer_owed: false,
        group: id.to_owned(),
        group_labels: flush.group_labels.clone(),
        route: flush.route.clone(),
        receiver: receiver.to_owned(),
        incident_id: flush.incident_id.clone(),
        opened_at: flush.opened_at,
        status: IncidentStatus::Firing,
        generation: before.map_or(1, |before| before.generation),
        acknowledged_by: None,
        acknowledged_at: None,
        quiet: false,
        muted: false,
        team: None,
        severity: None,
        policy: None,
        policy_version: None,
        ladder: None,
        flush: 0,
        tick: flush.tick,
        settled: true,
        failed: false,
        voided: false,
        content: 0,
        firing: 0,
        firing_muted: 0,
        muted_by: before.map(|before| before.muted_by.clone()).unwrap_or_default(),
        muted_until: None,
        again_at: None,
        forget_at: None,
    }
}

/// Another incident took the group over: what belonged to the one before ends.
pub(crate) fn succeed(group: &mut Group<'_, '_>, before: &RouteIncident) -> Result<(), Poison> {
    if !matches!(before.status, IncidentStatus::Resolved | IncidentStatus::Moved) {
        let raised = GenerationRaised {
            incident_id: before.incident_id.clone(),
            generation: before.generation + 1,
            everything: false,
            reason: "another incident followed".to_owned(),
        };
        group
            .cx
            .send(topics::NOTIFICATIONS, before.group.as_bytes(), encoded(&raised)?);
        Entry::new("escalation.ended", "another incident followed").of(before, group.cx)?;
    }
    for slot in group.slots.values_mut() {
        (slot.queued, slot.failed) = (None, None);
    }
    group.ladder = None;
    for kind in [route_keys::LADDER, route_keys::COMMAND] {
        delete_all(group.cx, group.hash, kind, |_| false);
    }
    group.raise("reopened", false)
}

/// A flush of an incident that ended: a moved one goes on where it was, a resolved one that fires again starts anew.
pub(crate) fn meet_again(group: &mut Group<'_, '_>, fires: bool) -> Result<(), Poison> {
    match group.incident.status {
        IncidentStatus::Moved => {
            group.incident.status = IncidentStatus::Firing;
            group.incident.forget_at = None;
            let entry = Entry::new("incident.returned", "the config brought its alerts back");
            group.note(entry)
        }
        IncidentStatus::Resolved if fires => {
            group.incident.status = IncidentStatus::Firing;
            group.incident.forget_at = None;
            (group.incident.acknowledged_by, group.incident.acknowledged_at) = (None, None);
            (group.incident.policy, group.incident.policy_version) = (None, None);
            group.raise("reopened", false)?;
            let entry = Entry::new("incident.reopened", "it fires again");
            group.note(entry)
        }
        IncidentStatus::Resolved | IncidentStatus::Firing | IncidentStatus::Acknowledged | IncidentStatus::Quiet => {
            Ok(())
        }
    }
}

/// Nothing fires any more, and the flush says so: the incident is over.
pub(crate) fn resolve(group: &mut Group<'_, '_>) -> Result<(), Poison> {
    group.incident.forget_at = Some(group.now() + REMEMBERED);
    if !group.is_live() {
        return Ok(());
    }
    group.incident.status = IncidentStatus::Resolved;
    ladder::end(group, "resolved")?;
    group.raise("resolved", false)?;
    let entry = Entry::new("incident.resolved", "nothing fires any more");
    group.note(entry)
}

/// Correlate said that the last firing alert resolved; the message waits for its tick, the ladder does not.
pub(crate) fn quiet(group: &mut Group<'_, '_>, incident_id: &str, at: Timestamp) {
    if group.is_live() && group.incident.incident_id == incident_id {
        group.incident.quiet = true;
        ladder::hold_from(group, Some(at));
    }
}

/// Correlate said that something fires again.
pub(crate) fn firing(group: &mut Group<'_, '_>, incident_id: &str) {
    if group.is_live() && group.incident.incident_id == incident_id {
        group.incident.quiet = false;
    }
}

/// A new config took every alert out of the group: everything queued is void, nothing is sent, and for a while it is
/// remembered where the incident stood.
pub(crate) fn moved(group: &mut Group<'_, '_>, incident_id: &str, config_version: i64) -> Result<(), Poison> {
    if group.incident.incident_id != incident_id || group.incident.status == IncidentStatus::Moved {
        return Ok(());
    }
    group.incident.status = IncidentStatus::Moved;
    group.incident.forget_at = Some(group.now() + REMEMBERED);
    (group.incident.settled, group.incident.again_at) = (true, None);
    group.raise("moved", true)?;
    let entry = Entry::new(
        "incident.moved",
        format!("config version {config_version} took its alerts elsewhere"),
    );
    group.note(entry)
}
