//! An update arrives: its step for the alert becomes a step for the group.

use alert::{GroupId, PromDuration, Timestamp};
use processor::{Context, Poison, Record};
use schemas::{AlertUpdate, CorrelateAlert, GroupPhase, KnownHead, UpdateHead};

use crate::group::{Group, TICK};
use crate::merge::Step;
use crate::versions::Versions;
use crate::{Never, alerts, group_id, journal, merge, rekey};

/// How long a group that a config change makes waits before its first flush, if its first alert is older than
/// `group_wait`: the slices of a sweep need a moment to bring all of it.
const MOVE_SETTLE: PromDuration = PromDuration::from_secs(5);

/// Whether an update changes nothing that has to be written, as far as the first fields of both records can tell: what
/// most updates are, since a sender repeats each alert every minute. One that a newer config may have to re-key is read whole.
pub(crate) fn is_needless(versions: &Versions, record: &Record, cx: &Context<'_, Never>) -> bool {
    let Some(update) = UpdateHead::read(record.bytes()).filter(|head| !rekey::may_move(versions, head.config_version))
    else {
        return false;
    };
    let Ok(id) = group_id(record) else { return false };
    let known = cx.get(&alerts::key(id.hash(), update.fingerprint));
    known
        .and_then(|known| KnownHead::read(known.bytes))
        .is_some_and(|known| merge::is_needless(&known, &update))
}

/// Applies an update to the group it belongs to.
pub(crate) fn arrive(
    versions: &Versions,
    id: GroupId,
    update: &AlertUpdate,
    appended: Timestamp,
    cx: &mut Context<'_, Never>,
) -> Result<(), Poison> {
    let key = alerts::key(id.hash(), update.fingerprint);
    let known = alerts::load(cx, &key)?;
    match merge::arrive(known.as_ref(), update, appended, cx.now()) {
        (Step::Nothing, _) | (_, None) => Ok(()),
        (Step::Refreshed | Step::Remembered, Some(alert)) => alerts::store(cx, key, &alert),
        (step, Some(alert)) => change(versions, id, update, step, alert, cx),
    }
}

/// A step that the group takes part in.
fn change(
    versions: &Versions,
    id: GroupId,
    update: &AlertUpdate,
    step: Step,
    mut alert: CorrelateAlert,
    cx: &mut Context<'_, Never>,
) -> Result<(), Poison> {
    let (mut group, fresh) = open(versions, id, update, cx)?;
    if fresh || step == Step::Opened {
        group.record.alerts = group.record.alerts.saturating_add(1);
    }
    alert.next_flush = group.next_flush();
    let (kind, reason) = match step {
        Step::Opened => ("alert.opened", opened_because(update)),
        Step::FiredAgain => ("alert.opened", "fires again".to_owned()),
        Step::Resolved => ("alert.resolved", "its sender says so".to_owned()),
        Step::Changed | Step::Nothing | Step::Refreshed | Step::Remembered => {
            ("alert.changed", "received with other content".to_owned())
        }
    };
    journal::alert(cx, kind, &group, update.fingerprint, &alert, reason)?;
    alerts::store(cx, alerts::key(group.hash, update.fingerprint), &alert)?;
    match step {
        Step::Opened | Step::FiredAgain => group.began_firing(cx)?,
        Step::Resolved => group.stopped_firing(cx)?,
        Step::Changed | Step::Nothing | Step::Refreshed | Step::Remembered => {}
    }
    let (timing, now) = (versions.timing(&group.record.route), cx.now());
    if fresh && update.starts_at + timing.group_wait < now {
        // An alert that is older than `group_wait` waits no longer; but what came with it lies unread yet, and after an
        // outage all of the backlog does: as a timer that is due at once, the tick comes after it.
        let settle = if update.moved_from.is_some() {
            MOVE_SETTLE.min(timing.group_wait)
        } else {
            PromDuration::ZERO
        };
        group.timers = group.timers.and(TICK, now + settle);
    }
    group.changed(timing, now);
    group.save(cx)
}

/// The group, and whether its window begins now.
fn open(
    versions: &Versions,
    id: GroupId,
    update: &AlertUpdate,
    cx: &mut Context<'_, Never>,
) -> Result<(Group, bool), Poison> {
    let (group, kind, reason) = match Group::load(cx, id.hash())? {
        Some(mut group) if group.record.phase == GroupPhase::Moved => {
            group.reopen(versions.stamp());
            (group, "incident.reopened", "came back after a config change".to_owned())
        }
        Some(group) => return Ok((group, false)),
        None => (
            Group::open(cx, id, update, versions.stamp()),
            "incident.opened",
            opened_because(update),
        ),
    };
    let receiver = versions.receiver(&group.record.route);
    let fields = [("route", group.record.route.clone())];
    journal::group(cx, kind, &group, receiver, reason, &fields)?;
    Ok((group, true))
}

fn opened_because(update: &AlertUpdate) -> String {
    match &update.moved_from {
        Some(from) => format!("a config change moved it from {from}"),
        None => "first received".to_owned(),
    }
}
