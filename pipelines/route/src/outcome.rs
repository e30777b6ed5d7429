//! What came of a request: delivered content moves into the log entry, the rest is dropped.

use alert::{PromDuration, Timestamp};
use processor::{Poison, Processor};
use schemas::{LogEntry, Outcome, OutcomeKind, RequestKind, RouteSlot, SlotFailure, SlotRequest, slot_name};

use crate::Route;
use crate::group::Group;
use crate::journal::Entry;
use crate::ladder;
use crate::notification_log::RETENTION;
use crate::state::duration;

/// How long until route looks again whether its tables are as new as those that voided a request: they lag by
/// milliseconds, and a page waits for it.
const RECHECK: PromDuration = PromDuration::from_millis(200);

/// Takes up an outcome. One of a request that the slot does not wait for is old and changes nothing.
pub(crate) fn take(group: &mut Group<'_, '_>, outcome: Outcome) -> Result<(), Poison> {
    let name = slot_name(&outcome.receiver, &outcome.integration, outcome.index);
    let Some(slot) = group.slots.get_mut(&name) else {
        return Ok(());
    };
    let Some(pending) = slot.pending.take_if(|pending| pending.sequence == outcome.sequence) else {
        return Ok(());
    };
    match outcome.kind {
        OutcomeKind::Delivered => {
            deliver(slot, &pending, &outcome);
            let last_resort = pending.kind == RequestKind::LastResort;
            if let Some(ladder) = group.incident.ladder.as_mut() {
                ladder.last_resort_heard |= last_resort;
            }
            Ok(())
        }
        OutcomeKind::Failed => fail(group, &name, &pending, &outcome),
        OutcomeKind::Void => {
            void(group, &name, &pending, outcome);
            Ok(())
        }
    }
}

fn is_ladder(pending: &SlotRequest) -> bool {
    matches!(pending.kind, RequestKind::Step | RequestKind::LastResort)
}

fn deliver(slot: &mut RouteSlot, pending: &SlotRequest, outcome: &Outcome) {
    let mut heard = slot.entry.take().map(|entry| entry.heard).unwrap_or_default();
    let accepted = if outcome.heard.is_empty() {
        std::slice::from_ref(&slot.receiver)
    } else {
        &outcome.heard
    };
    for link in accepted {
        if !heard.contains(link) {
            heard.push(link.clone());
        }
    }
    if pending.firing.is_empty() {
        // They heard of the end: what fires next is news to everybody.
        heard.clear();
    }
    slot.entry = Some(LogEntry {
        firing: pending.firing.clone(),
        resolved: pending.resolved.clone(),
        timestamp: outcome.at,
        heard,
        expires_at: outcome.at + duration(pending.lifetime_ms),
    });
    slot.failed = None;
    slot.told_by_ladder |= is_ladder(pending);
    slot.reminded = pending.acknowledged_at.or(slot.reminded);
}

fn fail(group: &mut Group<'_, '_>, name: &str, pending: &SlotRequest, outcome: &Outcome) -> Result<(), Poison> {
    let Some(slot) = group.slots.get_mut(name) else {
        return Ok(());
    };
    slot.failed = Some(SlotFailure {
        content: pending.content,
        sequence: pending.sequence,
    });
    if pending.kind == RequestKind::Resolve
        && let Some(entry) = slot.entry.as_mut()
        && pending.firing.is_empty()
        && entry.heard.iter().any(|link| !outcome.heard.contains(link))
    {
        // Whoever did hear of the end is not told again when the others are tried once more.
        entry.heard.retain(|link| !outcome.heard.contains(link));
    }
    if is_ladder(pending) {
        let entry = Entry::new("escalation.unreached", outcome.reason.as_str()).receiver(&outcome.receiver);
        return group.note(entry);
    }
    group.incident.failed |= pending.flush == group.incident.flush && !slot.waits;
    Ok(())
}

fn void(group: &mut Group<'_, '_>, name: &str, pending: &SlotRequest, outcome: Outcome) {
    let Some(slot) = group.slots.get_mut(name) else { return };
    slot.void_tables = Some(outcome.tables);
    if !is_ladder(pending) {
        group.incident.voided |= pending.flush == group.incident.flush && !slot.waits;
    }
    ladder::requeue(group, name, pending);
    recheck(group, name);
}

/// Asks for a look once the tables that voided a request are here; until then the slot says nothing.
pub(crate) fn recheck(group: &mut Group<'_, '_>, name: &str) {
    let now = group.now();
    let Some(slot) = group.slots.get_mut(name) else { return };
    let Some(named) = &slot.void_tables else { return };
    // Tables that route does not read cannot become newer for it; one that nothing stands in is at 0.
    let lags = |table: &str| {
        let mine = group.cx.tables().get(table).copied().unwrap_or(0);
        named.get(table).is_some_and(|version| mine < *version)
    };
    if Route::TABLES.iter().any(|table| lags(table)) {
        slot.recheck_at = Some(now + RECHECK);
        return;
    }
    (slot.void_tables, slot.recheck_at) = (None, None);
    if group.is_live() || !group.incident.settled {
        group.look(now);
    }
}

/// A log entry's time is over. While an incident is acknowledged its entries stay, or the silence that was promised would
/// end with them; so do those of whom the ladder told, as they are owed the resolve.
pub(crate) fn expire(group: &mut Group<'_, '_>, name: &str, due: Timestamp) {
    let live = group.is_live();
    let acknowledged = group.incident.acknowledged_at.is_some();
    let Some(slot) = group.slots.get_mut(name) else { return };
    let Some(entry) = slot.entry.as_mut().filter(|entry| entry.expires_at <= due) else {
        return;
    };
    if live && (acknowledged || slot.told_by_ladder) && !entry.firing.is_empty() {
        entry.expires_at = due + RETENTION;
    } else {
        slot.entry = None;
        slot.told_by_ladder = false;
    }
}
