//! An incident's ladder: when it starts, what holds it, what each rung tells, and how it ends.

use alert::{PromDuration, Timestamp};
use config::{Policy, Target};
use policy::{Ladder, Rung};
use processor::Poison;
use schemas::{
    LadderPhase, LadderPosition, LadderReceiver, LadderStep, QueuedRung, RequestKind, RouteLadder, RouteSlot,
};

use crate::group::Group;
use crate::journal::Entry;
use crate::mutes;
use crate::slot::Seat;
use crate::state::{duration, millis};

/// Starts the ladder at the first flush of an alert that fires unmuted, if the receiver has a policy. From here on the
/// policy stays what it is now.
pub(crate) fn start(group: &mut Group<'_, '_>) -> Result<(), Poison> {
    let unmuted = group.incident.firing > group.incident.firing_muted;
    if group.incident.ladder.is_some() || !unmuted || !group.is_live() {
        return Ok(());
    }
    let Some(policy) = group.view.policy_of(&group.incident.receiver) else {
        return Ok(());
    };
    let Some(route) = group.view.route(&group.incident.route) else {
        return Ok(());
    };
    let pinned = pin(group, policy, route.timing.repeat_interval);
    let now = group.now();
    let mut position = LadderPosition {
        phase: LadderPhase::Climbing,
        round: 0,
        step: 0,
        last_resort: false,
        due: Some(now),
        remaining_ms: None,
        since: now,
        fired_at: None,
        last_resort_heard: false,
    };
    stand(&mut position, Ladder::of(policy).first());
    group.incident.policy = Some(pinned.policy.clone());
    group.incident.policy_version = Some(pinned.version);
    group.incident.ladder = Some(position);
    let entry = Entry::new("escalation.started", format!("policy {}", pinned.policy));
    group.store_ladder(pinned)?;
    let entry = entry.field("policy_version", group.view.version);
    group.note(entry)
}

fn pin(group: &Group<'_, '_>, policy: &Policy, repeat_interval: PromDuration) -> RouteLadder {
    let names = |targets: &[Target]| targets.iter().map(name).collect::<Vec<String>>();
    let steps: Vec<LadderStep> = policy
        .steps
        .iter()
        .map(|step| LadderStep {
            notify: names(&step.notify),
            escalate_after_ms: millis(step.escalate_after),
        })
        .collect();
    let last_resort = names(&policy.last_resort);
    let mut all: Vec<&String> = steps.iter().flat_map(|step| &step.notify).chain(&last_resort).collect();
    all.sort_unstable();
    all.dedup();
    let receiver = |name: &String| LadderReceiver {
        receiver: name.clone(),
        integrations: group.view.integrations(name),
        chain: group.view.chain(name),
    };
    let receivers = all.into_iter().map(receiver).collect();
    RouteLadder {
        incident_id: group.incident.incident_id.clone(),
        policy: policy.name.clone(),
        version: i64::try_from(group.view.version).unwrap_or(i64::MAX),
        steps,
        repeat_times: i32::try_from(policy.repeat_times).unwrap_or(i32::MAX),
        last_resort,
        receivers,
        repeat_interval_ms: millis(repeat_interval),
    }
}

fn name(target: &Target) -> String {
    let Target::Receiver(name) = target;
    name.clone()
}

/// The policy that was pinned, so that crate `policy` says what follows what.
fn pinned_policy(ladder: &RouteLadder) -> Policy {
    let targets = |names: &[String]| names.iter().cloned().map(Target::Receiver).collect::<Vec<_>>();
    let step = |step: &LadderStep| config::Step {
        notify: targets(&step.notify),
        escalate_after: duration(step.escalate_after_ms),
    };
    Policy {
        name: ladder.policy.clone(),
        steps: ladder.steps.iter().map(step).collect(),
        repeat_times: u32::try_from(ladder.repeat_times).unwrap_or(0),
        last_resort: targets(&ladder.last_resort),
    }
}

fn rung_at(position: &LadderPosition) -> Rung {
    if position.last_resort {
        return Rung::LastResort;
    }
    Rung::Step {
        round: position.round.unsigned_abs(),
        step: position.step.unsigned_abs(),
    }
}

fn stand(position: &mut LadderPosition, rung: Rung) {
    match rung {
        Rung::Step { round, step } => {
            position.round = i32::try_from(round).unwrap_or(i32::MAX);
            position.step = i32::try_from(step).unwrap_or(i32::MAX);
        }
        Rung::LastResort => position.last_resort = true,
    }
}

/// Whether the ladder may say anything now.
pub(crate) fn may_speak(group: &Group<'_, '_>) -> bool {
    let incident = &group.incident;
    group.is_live() && incident.acknowledged_at.is_none() && !incident.quiet && !incident.muted
}

/// Before anything of the ladder is said: what is muted by now?
pub(crate) fn see_mutes(group: &mut Group<'_, '_>) -> Result<(), Poison> {
    let due = is_due(group);
    let free = |slot: &RouteSlot| slot.queued.is_some() && slot.pending.is_none() && slot.void_tables.is_none();
    if !may_speak(group) || !(due || group.slots.values().any(free)) {
        return Ok(());
    }
    let batch = group.batch()?;
    mutes::note(group, &batch)?;
    if group.incident.muted
        && let Some(until) = batch.muted_until
    {
        group.look(until);
    }
    Ok(())
}

fn is_due(group: &Group<'_, '_>) -> bool {
    let due = |ladder: &LadderPosition| {
        ladder.phase == LadderPhase::Climbing && ladder.due.is_some_and(|due| due <= group.now())
    };
    group.incident.ladder.as_ref().is_some_and(due)
}

/// Holds the ladder or lets it go on, and fires the rung that is due.
pub(crate) fn climb(group: &mut Group<'_, '_>) -> Result<(), Poison> {
    hold_or_resume(group)?;
    if is_due(group) { fire(group) } else { Ok(()) }
}

fn hold_or_resume(group: &mut Group<'_, '_>) -> Result<(), Poison> {
    let (now, speaks) = (group.now(), may_speak(group));
    let since = group.hold_since.unwrap_or(now);
    let because = held_because(group);
    let Some(ladder) = group.incident.ladder.as_mut() else {
        return Ok(());
    };
    let entry = match ladder.phase {
        LadderPhase::Climbing if !speaks => {
            let due = ladder.due.take().unwrap_or(now);
            let from = since.min(now).max(ladder.since);
            ladder.phase = LadderPhase::Held;
            ladder.remaining_ms = Some(millis(due.saturating_since(from)));
            Entry::new("escalation.held", because)
        }
        LadderPhase::Held if speaks => {
            let remaining = duration(ladder.remaining_ms.take().unwrap_or(0));
            ladder.phase = LadderPhase::Climbing;
            ladder.due = Some(now + remaining);
            ladder.since = now;
            Entry::new("escalation.resumed", format!("next rung in {remaining}"))
        }
        LadderPhase::Climbing | LadderPhase::Held | LadderPhase::LastResort | LadderPhase::Exhausted => return Ok(()),
    };
    group.note(entry)
}

fn held_because(group: &Group<'_, '_>) -> String {
    let incident = &group.incident;
    match &incident.acknowledged_by {
        _ if !group.is_live() => "the incident is over or was moved".to_owned(),
        Some(by) => format!("acknowledged by {by}"),
        None if incident.quiet => "nothing fires just now".to_owned(),
        None => format!("everything that fires is silenced by {}", incident.muted_by.join(", ")),
    }
}

fn fire(group: &mut Group<'_, '_>) -> Result<(), Poison> {
    let batch = group.batch()?;
    let (Some(pinned), Some(mut position)) = (group.ladder.clone(), group.incident.ladder.clone()) else {
        return Ok(());
    };
    if batch.firing.is_empty() {
        return Ok(());
    }
    let policy = pinned_policy(&pinned);
    let ladder = Ladder::of(&policy);
    let rung = rung_at(&position);
    let last_resort = rung == Rung::LastResort;
    let queued = QueuedRung {
        round: position.round,
        step: position.step,
        last_resort,
    };
    let told: Vec<String> = ladder.targets(rung).iter().map(name).collect();
    for receiver in pinned
        .receivers
        .iter()
        .filter(|receiver| told.contains(&receiver.receiver))
    {
        for integration in &receiver.integrations {
            let seat = Seat::new(&receiver.receiver, integration.clone(), receiver.chain.clone(), true);
            group
                .slots
                .entry(seat.name.clone())
                .or_insert_with(|| seat.slot())
                .queued = Some(queued.clone());
        }
    }
    note_rung(group, &position, &told)?;
    position.fired_at = Some(group.now());
    if let Some((next, due)) = ladder.due_after(rung, group.now()) {
        position.due = Some(due);
        stand(&mut position, next);
    } else {
        position.due = None;
        position.phase = LadderPhase::LastResort;
    }
    group.incident.ladder = Some(position);
    Ok(())
}

/// What came due while nobody ran is late, and says so.
const LATE: PromDuration = PromDuration::from_secs(2);

fn note_rung(group: &mut Group<'_, '_>, position: &LadderPosition, told: &[String]) -> Result<(), Poison> {
    let (kind, what) = if position.last_resort {
        (
            "escalation.last_resort",
            "nobody acknowledged: the last resort".to_owned(),
        )
    } else {
        (
            "escalation.step",
            format!("step {} of round {}", position.step + 1, position.round + 1),
        )
    };
    let late = position
        .due
        .map_or(PromDuration::ZERO, |due| group.now().saturating_since(due));
    let mut entry = Entry::new(kind, what).field("receivers", told.join(", "));
    if !position.last_resort {
        entry = entry.field("round", position.round).field("step", position.step);
    }
    if late > LATE {
        entry = entry.field("late", late);
    }
    group.note(entry)
}

/// Takes back a rung whose request was void, so that it is told once that is possible. A step that the raised generation
/// voided is not: the ladder went on meanwhile. The last resort always is: it must be tried.
pub(crate) fn requeue(group: &mut Group<'_, '_>, name: &str, pending: &schemas::SlotRequest) {
    let last_resort = pending.kind == RequestKind::LastResort;
    let current = pending.generation == group.incident.generation;
    let climbs = group.incident.ladder.is_some() && (last_resort || current);
    let Some(slot) = group.slots.get_mut(name) else { return };
    if climbs && slot.queued.is_none() {
        let (round, step) = (pending.round.unwrap_or(0), pending.step.unwrap_or(0));
        slot.queued = Some(QueuedRung {
            round,
            step,
            last_resort,
        });
    }
}

/// Ends the ladder whose last resort was tried through its whole chain.
pub(crate) fn note_end(group: &mut Group<'_, '_>) -> Result<(), Poison> {
    let trying = group.slots.values().any(|slot| {
        slot.queued.as_ref().is_some_and(|rung| rung.last_resort)
            || slot
                .pending
                .as_ref()
                .is_some_and(|pending| pending.kind == RequestKind::LastResort)
    });
    let Some(ladder) = group
        .incident
        .ladder
        .as_mut()
        .filter(|ladder| ladder.phase == LadderPhase::LastResort)
    else {
        return Ok(());
    };
    if trying {
        return Ok(());
    }
    ladder.phase = LadderPhase::Exhausted;
    let reason = if ladder.last_resort_heard {
        "the last resort was told; nobody acknowledged before"
    } else {
        "the last resort could not be reached"
    };
    let heard = ladder.last_resort_heard;
    let entry = Entry::new("escalation.exhausted", reason).field("heard", heard);
    group.note(entry)
}

/// Ends the ladder of an incident that is over.
pub(crate) fn end(group: &mut Group<'_, '_>, reason: &str) -> Result<(), Poison> {
    for slot in group.slots.values_mut() {
        slot.queued = None;
    }
    let Some(ladder) = group.incident.ladder.take() else {
        return Ok(());
    };
    if ladder.phase == LadderPhase::Exhausted {
        return Ok(());
    }
    let entry = Entry::new("escalation.ended", reason);
    group.note(entry)
}

/// The instant a hold counts from.
pub(crate) fn hold_from(group: &mut Group<'_, '_>, since: Option<Timestamp>) {
    group.hold_since = since;
}
