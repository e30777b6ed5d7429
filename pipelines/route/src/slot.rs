//! One integration of one receiver: whether the newest flush gives it anything to say, and what came of what was said.

use alert::{NotifyReason, PromDuration, Timestamp};
use config::{Binding, Timing};
use processor::Poison;
use schemas::{
    FlushAlert, IncidentStatus, LadderIntegration, LadderPhase, Link, LogEntry, QueuedRung, RequestKind, RouteSlot,
    slot_name,
};

use crate::batch::{Batch, bits, fingerprints};
use crate::group::Group;
use crate::journal::Entry;
use crate::notification_log::{Facts, Told, Unsaid, lifetime, needs_update};
use crate::request::{Ask, ask};
use crate::state::{duration, earliest, millis};

/// The least time a request has, whatever `group_interval` says: Alertmanager's `MinTimeout`.
const LEAST_TIME: PromDuration = PromDuration::from_secs(10);

/// Just after: a repeat is due strictly after its interval.
pub(crate) const INSTANT: PromDuration = PromDuration::from_millis(1);

/// An integration that a flush concerns.
#[derive(Debug, Clone)]
pub(crate) struct Seat {
    pub(crate) name: String,
    pub(crate) receiver: String,
    pub(crate) integration: LadderIntegration,
    pub(crate) chain: Vec<Link>,
    /// It is not the route's: the ladder told it.
    pub(crate) by_ladder: bool,
}

impl Seat {
    pub(crate) fn new(receiver: &str, integration: LadderIntegration, chain: Vec<Link>, by_ladder: bool) -> Self {
        let name = slot_name(receiver, &integration.integration, integration.index);
        Self {
            name,
            receiver: receiver.to_owned(),
            integration,
            chain,
            by_ladder,
        }
    }

    pub(crate) fn slot(&self) -> RouteSlot {
        RouteSlot {
            receiver: self.receiver.clone(),
            integration: self.integration.integration.clone(),
            index: self.integration.index,
            sequence: 0,
            waits: false,
            entry: None,
            pending: None,
            failed: None,
            queued: None,
            told_by_ladder: false,
            reminded: None,
            void_tables: None,
            recheck_at: None,
        }
    }
}

/// The integrations that the newest flush concerns: the route's, those the ladder told of something that fires, and, when
/// all is over, those that the ladder is telling just now.
pub(crate) fn seats(group: &Group<'_, '_>) -> Vec<Seat> {
    let receiver = &group.incident.receiver;
    let mut seats: Vec<Seat> = group
        .view
        .integrations(receiver)
        .into_iter()
        .map(|integration| Seat::new(receiver, integration, group.view.chain(receiver), false))
        .collect();
    let over = group.incident.firing == 0;
    for (name, slot) in &group.slots {
        let owed = slot.told_by_ladder && slot.entry.as_ref().is_some_and(|entry| !entry.firing.is_empty());
        let telling = over && slot.pending.is_some();
        if (owed || telling) && !seats.iter().any(|seat| seat.name == *name) {
            seats.push(ladder_seat(group, slot));
        }
    }
    seats
}

/// A slot as the ladder knew it when it started; of an older ladder, as the config knows it.
fn ladder_seat(group: &Group<'_, '_>, slot: &RouteSlot) -> Seat {
    let same = |one: &LadderIntegration| one.integration == slot.integration && one.index == slot.index;
    let pinned = group.ladder.as_ref().and_then(|ladder| {
        let receiver = ladder
            .receivers
            .iter()
            .find(|receiver| receiver.receiver == slot.receiver)?;
        let integration = receiver.integrations.iter().find(|one| same(one))?;
        Some((integration.clone(), receiver.chain.clone()))
    });
    let (integration, chain) = pinned.unwrap_or_else(|| {
        let known = group.view.integrations(&slot.receiver).into_iter().find(same);
        let integration = known.unwrap_or_else(|| LadderIntegration {
            integration: slot.integration.clone(),
            index: slot.index,
            send_resolved: true,
        });
        (integration, group.view.chain(&slot.receiver))
    });
    Seat::new(&slot.receiver, integration, chain, true)
}

/// Judges the newest flush for every integration that is free to be told.
pub(crate) fn judge_waiting(group: &mut Group<'_, '_>) -> Result<(), Poison> {
    if !group.slots.values().any(|slot| slot.waits) {
        return Ok(());
    }
    let seats = seats(group);
    let timing = group.view.route(&group.incident.route).map(|route| route.timing);
    let gone = timing.is_none() || group.incident.status == IncidentStatus::Moved;
    for (name, slot) in &mut group.slots {
        slot.waits &= !gone && seats.iter().any(|seat| seat.name == *name);
    }
    let Some(timing) = timing else { return Ok(()) };
    for seat in &seats {
        let free = |slot: &RouteSlot| slot.waits && slot.pending.is_none() && slot.void_tables.is_none();
        if group.slots.get(&seat.name).is_some_and(free) {
            judge(group, seat, timing)?;
        }
    }
    Ok(())
}

fn judge(group: &mut Group<'_, '_>, seat: &Seat, timing: Timing) -> Result<(), Poison> {
    let batch = group.batch()?;
    let Some(slot) = group.slots.get_mut(&seat.name) else {
        return Ok(());
    };
    slot.waits = false;
    let slot = slot.clone();
    match verdict(group, seat, &slot, &batch, timing) {
        Ok(reason) => say(group, seat, &slot, &batch, timing, reason),
        Err(because) if group.changed && !seat.by_ladder => note_unsaid(group, seat, because),
        Err(_) => Ok(()),
    }
}

fn note_unsaid(group: &mut Group<'_, '_>, seat: &Seat, because: &str) -> Result<(), Poison> {
    let entry = Entry::new("notification.unsaid", because).receiver(&seat.receiver);
    let (integration, index) = (&seat.integration.integration, seat.integration.index);
    group.note(
        entry
            .field("integration", integration)
            .field("index", index)
            .field("flush", group.incident.flush),
    )
}

/// Whether anything is to be said to an integration, and why.
fn verdict(
    group: &Group<'_, '_>,
    seat: &Seat,
    slot: &RouteSlot,
    batch: &Batch,
    timing: Timing,
) -> Result<NotifyReason, &'static str> {
    if batch.alerts.is_empty() {
        return Err("everything is muted");
    }
    let at = group.now().max(group.incident.tick);
    let entry = slot.entry.as_ref().filter(|entry| entry.expires_at > at);
    let sets = entry.map(|entry| (fingerprints(&entry.firing), fingerprints(&entry.resolved)));
    // Where nothing is repeated, no time is long enough ago.
    let timestamp = repeats_since(group, seat.by_ladder, slot).unwrap_or(Timestamp::MAX);
    let reason = needs_update(&Facts {
        firing: &batch.firing,
        resolved: &batch.resolved,
        told: sets.as_ref().map(|(firing, resolved)| Told {
            firing,
            resolved,
            timestamp,
        }),
        // Who was told by the ladder hears of the end, not of each alert's.
        send_resolved: seat.integration.send_resolved && !seat.by_ladder,
        tick: at,
        repeat_interval: timing.repeat_interval,
    })
    .map_err(Unsaid::as_str)?;
    let climbing = group
        .incident
        .ladder
        .as_ref()
        .is_some_and(|ladder| ladder.phase == LadderPhase::Climbing);
    if seat.by_ladder && climbing && reason == NotifyReason::NewAlertsInGroup {
        return Err("the ladder's next rung tells of it");
    }
    Ok(reason)
}

/// Since when `repeat_interval` counts for an integration; none where nothing is repeated. An acknowledgement starts it
/// anew, for one word. The ladder's receivers have no repeats, but that one word where the route has no integration.
fn repeats_since(group: &Group<'_, '_>, by_ladder: bool, slot: &RouteSlot) -> Option<Timestamp> {
    let entry = slot.entry.as_ref()?;
    match group.incident.acknowledged_at {
        Some(acknowledged) => {
            let alone = by_ladder && group.view.integrations(&group.incident.receiver).is_empty();
            let reminded = slot.reminded == Some(acknowledged);
            (!reminded && (!by_ladder || alone)).then_some(acknowledged)
        }
        None => (!by_ladder).then_some(entry.timestamp),
    }
}

/// When the first repeat is due, of all that the newest flush concerns.
pub(crate) fn repeat_due(group: &Group<'_, '_>) -> Option<Timestamp> {
    let route = group.view.route(&group.incident.route)?;
    if group.incident.firing == group.incident.firing_muted {
        return None;
    }
    let due = |seat: &Seat| {
        let slot = group.slots.get(&seat.name)?;
        let entry = slot.entry.as_ref().filter(|entry| !entry.firing.is_empty())?;
        let repeat = repeats_since(group, seat.by_ladder, slot)? + route.timing.repeat_interval + INSTANT;
        // An entry that expires before its repeat (#2320) makes the next word a first one.
        Some(if group.incident.acknowledged_at.is_none() {
            repeat.min(entry.expires_at)
        } else {
            repeat
        })
    };
    earliest(seats(group).iter().map(due))
}

fn say(
    group: &mut Group<'_, '_>,
    seat: &Seat,
    slot: &RouteSlot,
    batch: &Batch,
    timing: Timing,
    reason: NotifyReason,
) -> Result<(), Poison> {
    let life = lifetime(timing.repeat_interval);
    if batch.firing.is_empty() && !seat.integration.send_resolved {
        let entry = LogEntry {
            firing: Vec::new(),
            resolved: bits(&batch.resolved),
            timestamp: group.now(),
            heard: Vec::new(),
            expires_at: group.now() + life,
        };
        if let Some(slot) = group.slots.get_mut(&seat.name) {
            slot.entry = Some(entry);
        }
        return note_unsaid(
            group,
            seat,
            "only resolved alerts, and the integration does not send those",
        );
    }
    let kind = kind_of(reason, group.incident.acknowledged_at.is_some());
    let only = if kind == RequestKind::Resolve {
        heard_of(slot)
    } else {
        Vec::new()
    };
    let chain = if only.is_empty() {
        seat.chain.clone()
    } else {
        links(&only, &seat.chain)
    };
    let walked = group.now() + walk_time(&chain);
    let give_up_at = walked.max(group.incident.tick + timing.group_interval.max(LEAST_TIME));
    let alerts = if seat.integration.send_resolved {
        batch.alerts.clone()
    } else {
        batch.firing_alerts()
    };
    let (firing, resolved) = (bits(&batch.firing), bits(&batch.resolved));
    let reason = if kind == RequestKind::Reminder {
        NotifyReason::AcknowledgedReminder
    } else {
        reason
    };
    let seat = seat.clone();
    ask(
        group,
        Ask {
            seat,
            kind,
            reason,
            alerts,
            firing,
            resolved,
            only,
            chain,
            give_up_at,
            rung: None,
            lifetime: life,
        },
    )
}

fn kind_of(reason: NotifyReason, acknowledged: bool) -> RequestKind {
    match reason {
        NotifyReason::NewAlertsInGroup => RequestKind::Joined,
        NotifyReason::NewResolvedAlerts | NotifyReason::AllAlertsResolved => RequestKind::Resolve,
        NotifyReason::RepeatIntervalElapsed if acknowledged => RequestKind::Reminder,
        NotifyReason::RepeatIntervalElapsed => RequestKind::Repeat,
        NotifyReason::EscalationStep => RequestKind::Step,
        NotifyReason::LastResort => RequestKind::LastResort,
        NotifyReason::AcknowledgedReminder => RequestKind::Reminder,
        NotifyReason::FirstNotification | NotifyReason::None | NotifyReason::Unknown => RequestKind::First,
    }
}

/// Who accepted any of what fires: exactly these hear that it resolved.
fn heard_of(slot: &RouteSlot) -> Vec<String> {
    let heard = slot.entry.as_ref().map(|entry| entry.heard.clone()).unwrap_or_default();
    if heard.is_empty() {
        vec![slot.receiver.clone()]
    } else {
        heard
    }
}

/// Links by name, with the time their chain gives them.
fn links(names: &[String], chain: &[Link]) -> Vec<Link> {
    let link = |name: &String| {
        let known = chain.iter().find(|link| link.receiver == *name).cloned();
        known.unwrap_or_else(|| Link {
            receiver: name.clone(),
            try_for_ms: millis(Binding::TRY_FOR),
        })
    };
    names.iter().map(link).collect()
}

/// How long it takes until each link of a chain had its `try_for`.
fn walk_time(chain: &[Link]) -> PromDuration {
    chain.iter().fold(PromDuration::ZERO, |sum, link| {
        sum.saturating_add(duration(link.try_for_ms))
    })
}

/// Tells the rungs that wait for their slots, while the ladder may speak.
pub(crate) fn send_queued(group: &mut Group<'_, '_>) -> Result<(), Poison> {
    let held = !crate::ladder::may_speak(group);
    let free = |slot: &RouteSlot| slot.pending.is_none() && slot.void_tables.is_none();
    let queued: Vec<(RouteSlot, QueuedRung)> = group
        .slots
        .values()
        .filter(|slot| !held && free(slot))
        .filter_map(|slot| Some((slot.clone(), slot.queued.clone()?)))
        .collect();
    for (slot, rung) in queued {
        let batch = group.batch()?;
        if batch.firing.is_empty() {
            return Ok(());
        }
        let alerts: Vec<FlushAlert> = batch.firing_alerts();
        let seat = ladder_seat(group, &slot);
        let resolved = slot
            .entry
            .as_ref()
            .map(|entry| entry.resolved.clone())
            .unwrap_or_default();
        let (kind, reason) = if rung.last_resort {
            (RequestKind::LastResort, NotifyReason::LastResort)
        } else {
            (RequestKind::Step, NotifyReason::EscalationStep)
        };
        let repeat = group
            .ladder
            .as_ref()
            .map_or(PromDuration::ZERO, |ladder| duration(ladder.repeat_interval_ms));
        let request = Ask {
            kind,
            reason,
            alerts,
            firing: bits(&batch.firing),
            resolved,
            only: Vec::new(),
            chain: seat.chain.clone(),
            give_up_at: group.now() + walk_time(&seat.chain),
            rung: Some(rung),
            lifetime: lifetime(repeat),
            seat,
        };
        ask(group, request)?;
    }
    Ok(())
}
