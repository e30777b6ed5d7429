//! Notification requests: what is handed to notify.

use alert::{NotifyReason, PromDuration, Timestamp};
use processor::Poison;
use schemas::{
    FlushAlert, Link, MAX_RECORD_BYTES, NotificationRequest, QueuedRung, RequestKind, RouteSlot, SlotRequest,
    alert_size, into_parts, topics,
};

use crate::group::Group;
use crate::journal::Entry;
use crate::slot::Seat;
use crate::state::{encoded, hash_of, idempotency_key, millis};
use crate::view::group_key;

/// What is to be asked of an integration.
pub(crate) struct Ask {
    pub(crate) seat: Seat,
    pub(crate) kind: RequestKind,
    pub(crate) reason: NotifyReason,
    pub(crate) alerts: Vec<FlushAlert>,
    pub(crate) firing: Vec<i64>,
    pub(crate) resolved: Vec<i64>,
    pub(crate) only: Vec<String>,
    pub(crate) chain: Vec<Link>,
    pub(crate) give_up_at: Timestamp,
    pub(crate) rung: Option<QueuedRung>,
    pub(crate) lifetime: PromDuration,
}

/// Sends a request and holds its integration's slot until the outcome.
pub(crate) fn ask(group: &mut Group<'_, '_>, ask: Ask) -> Result<(), Poison> {
    let rung = ask.rung.as_ref();
    let place = rung.map_or([0, 0, 0], |rung| {
        [1 + i64::from(rung.last_resort), rung.round.into(), rung.step.into()]
    });
    let content = hash_of(&[&ask.firing, &ask.resolved, &place]);
    let now = group.now();
    let mut slot = group.slots.remove(&ask.seat.name).unwrap_or_else(|| ask.seat.slot());
    let sequence = sequence_for(&mut slot, content, now);
    let reminder = ask.kind == RequestKind::Reminder;
    slot.pending = Some(SlotRequest {
        sequence,
        kind: ask.kind,
        flush: group.incident.flush,
        round: rung.map(|rung| rung.round),
        step: rung.map(|rung| rung.step),
        requested_at: now,
        give_up_at: ask.give_up_at,
        generation: group.incident.generation,
        acknowledged_at: group.incident.acknowledged_at.filter(|_| reminder),
        firing: ask.firing.clone(),
        resolved: ask.resolved.clone(),
        content,
        lifetime_ms: millis(ask.lifetime),
    });
    if rung.is_some() {
        slot.queued = None;
    }
    group.slots.insert(ask.seat.name.clone(), slot);
    note(group, &ask, sequence)?;
    send(group, ask, sequence)
}

/// The sequence number of a request: that of the last failed one if it says the same, else the next. A new slot starts at
/// the time, so that a number never comes back after its slot was forgotten.
fn sequence_for(slot: &mut RouteSlot, content: i64, now: Timestamp) -> i64 {
    if let Some(failed) = slot.failed.as_ref().filter(|failed| failed.content == content) {
        return failed.sequence;
    }
    slot.sequence = if slot.sequence == 0 {
        now.millis().max(1)
    } else {
        slot.sequence + 1
    };
    slot.sequence
}

fn note(group: &mut Group<'_, '_>, ask: &Ask, sequence: i64) -> Result<(), Poison> {
    let mut entry = Entry::new("notification.requested", ask.reason.as_str())
        .receiver(&ask.seat.receiver)
        .field("integration", &ask.seat.integration.integration)
        .field("index", ask.seat.integration.index)
        .field("sequence", sequence)
        .field("flush", group.incident.flush)
        .field("alerts", ask.alerts.len());
    if let Some(rung) = ask.rung.as_ref().filter(|rung| !rung.last_resort) {
        entry = entry.field("round", rung.round).field("step", rung.step);
    }
    group.note(entry)
}

fn send(group: &mut Group<'_, '_>, ask: Ask, sequence: i64) -> Result<(), Poison> {
    let incident = &group.incident;
    // Only these are void once the generation is raised.
    let bound = matches!(
        ask.kind,
        RequestKind::Repeat | RequestKind::Reminder | RequestKind::Step | RequestKind::LastResort
    );
    let reminder = ask.kind == RequestKind::Reminder;
    let step = ask.rung.as_ref().filter(|rung| !rung.last_resort);
    let request = NotificationRequest {
        receiver: ask.seat.receiver,
        integration: ask.seat.integration.integration,
        index: ask.seat.integration.index,
        sequence,
        part: 0,
        parts: 1,
        idempotency_key: idempotency_key(&incident.group, &ask.seat.name, sequence),
        kind: ask.kind,
        reason: ask.reason.as_str().to_owned(),
        incident_id: incident.incident_id.clone(),
        generation: bound.then_some(incident.generation),
        policy: ask.rung.as_ref().and(incident.policy.clone()),
        step: step.map(|rung| rung.step),
        round: step.map(|rung| rung.round),
        flush: incident.flush,
        tick: incident.tick,
        give_up_at: ask.give_up_at,
        chain: ask.chain,
        only: ask.only,
        route: incident.route.clone(),
        group_key: group_key(&incident.group).0,
        group_labels: incident.group_labels.clone(),
        acknowledged_by: incident.acknowledged_by.clone().filter(|_| reminder),
        acknowledged_at: incident.acknowledged_at.filter(|_| reminder),
        config_version: i64::try_from(group.view.version).unwrap_or(i64::MAX),
        alerts: Vec::new(),
    };
    let key = incident.group.as_bytes().to_vec();
    for part in in_parts(request, ask.alerts)? {
        group.cx.send(topics::NOTIFICATIONS, key.clone(), part);
    }
    Ok(())
}

/// What the count of the alerts and the two part numbers may take more than in the empty request.
const COUNTS: usize = 30;

/// A request as the records it goes in: one, but for a group that is larger than a record may be.
fn in_parts(mut request: NotificationRequest, alerts: Vec<FlushAlert>) -> Result<Vec<Vec<u8>>, Poison> {
    request.alerts = alerts;
    let whole = encoded(&request)?;
    if whole.len() <= MAX_RECORD_BYTES {
        return Ok(vec![whole]);
    }
    let alerts = std::mem::take(&mut request.alerts);
    let repeated = encoded(&request)?.len();
    let budget = MAX_RECORD_BYTES.saturating_sub(repeated + COUNTS);
    let parts = into_parts(alerts, alert_size, budget);
    request.parts = i32::try_from(parts.len()).unwrap_or(i32::MAX);
    let mut records = Vec::with_capacity(parts.len());
    for (part, alerts) in (0..).zip(parts) {
        request.part = part;
        request.alerts = alerts;
        records.push(encoded(&request)?);
    }
    Ok(records)
}
