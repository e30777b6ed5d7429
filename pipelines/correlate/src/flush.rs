//! Ticks, flushes, and route's answers to them.

use alert::{GroupHash, PromDuration, Timestamp, compare_for_notification};
use processor::{Context, Poison, Timer};
use schemas::{
    AlertPhase, CorrelateAlert, Flush, FlushAlert, FlushSettled, GroupPhase, Look, MAX_RECORD_BYTES, body_size,
    into_parts, topics,
};

use crate::alerts::fingerprint;
use crate::group::{AGAIN, FORGET, Group, TICK};
use crate::versions::Versions;
use crate::{Never, alerts, journal, wire};

/// How late a flush may be without saying so.
const LATE: PromDuration = PromDuration::from_secs(2);

/// The longest that log entries live, as Alertmanager's `--data.retention` has it; a resolved alert that is kept for
/// another try is kept no longer.
const LOG_RETENTION: PromDuration = PromDuration::from_hours(120);

/// A group's timer fires.
pub(crate) fn timer(versions: &Versions, timer: &Timer, cx: &mut Context<'_, Never>) -> Result<(), Poison> {
    let Some(hash) = timer.key.group() else { return Ok(()) };
    let Some(mut group) = Group::load(cx, hash)? else {
        return Ok(());
    };
    group.timers = group.timers.without(timer.kind);
    match (timer.kind, group.record.phase) {
        (FORGET, GroupPhase::Moved) => {
            group.remove(cx);
            return Ok(());
        }
        (TICK, GroupPhase::Firing | GroupPhase::Quiet) => {
            let late = cx.now().saturating_since(timer.due);
            let reason = if late > LATE {
                format!("changed; {late} late")
            } else {
                "changed".to_owned()
            };
            write(versions, &mut group, &reason, cx)?;
        }
        (AGAIN, GroupPhase::Firing | GroupPhase::Quiet) => write(versions, &mut group, "route asked", cx)?,
        _ => {}
    }
    group.save(cx)
}

/// Route's answer to a flush.
pub(crate) fn settled(
    versions: &Versions,
    hash: GroupHash,
    answer: &FlushSettled,
    cx: &mut Context<'_, Never>,
) -> Result<(), Poison> {
    let Some(mut group) = live(cx, hash)? else {
        return Ok(());
    };
    // A flush that this group has not written was one of an earlier incident.
    if answer.flush > group.record.flushes {
        return Ok(());
    }
    if group.record.alerts > group.record.firing {
        let repeat = versions.timing(&group.record.route).repeat_interval;
        let left = release(&group, answer, repeat.saturating_mul(2).min(LOG_RETENTION), cx)?;
        group.record.alerts = group.record.alerts.saturating_sub(left).max(0);
    }
    if answer.flush == group.record.flushes {
        if group.record.alerts == 0 {
            return close(versions, &group, cx);
        }
        // A look that was asked for after that flush stays asked for: one too many says nothing, one missing may page
        // nobody.
        let asked = group.timers.get(AGAIN);
        let again = answer.again_at.map(|at| asked.map_or(at, |asked| asked.min(at)));
        if let Some(at) = again {
            look(versions, &mut group, at, cx)?;
        }
    }
    group.save(cx)
}

/// Route asks for a look.
pub(crate) fn asked(
    versions: &Versions,
    hash: GroupHash,
    ask: &Look,
    cx: &mut Context<'_, Never>,
) -> Result<(), Poison> {
    let Some(mut group) = live(cx, hash)? else {
        return Ok(());
    };
    look(versions, &mut group, ask.at, cx)?;
    group.save(cx)
}

fn live(cx: &Context<'_, Never>, hash: GroupHash) -> Result<Option<Group>, Poison> {
    Ok(Group::load(cx, hash)?.filter(|group| group.record.phase != GroupPhase::Moved))
}

/// Arms the look, or flushes at once, off the grid, if its time is past. Before the first flush nothing was said that
/// could be looked at again.
fn look(versions: &Versions, group: &mut Group, at: Timestamp, cx: &mut Context<'_, Never>) -> Result<(), Poison> {
    if group.record.origin.is_none() {
        return Ok(());
    }
    if at > cx.now() {
        group.timers = group.timers.and(AGAIN, at);
        return Ok(());
    }
    write(versions, group, "route asked", cx)
}

/// The resolved alerts that a settled flush carried leave the group; how many there are. With `keep` only those leave that
/// no log entry can speak of any more.
fn release(
    group: &Group,
    answer: &FlushSettled,
    longest: PromDuration,
    cx: &mut Context<'_, Never>,
) -> Result<i64, Poison> {
    let mut left: i64 = 0;
    for (key, alert) in alerts::in_group(cx, group.hash, &alerts::prefix(group.hash), usize::MAX)? {
        let carried = alert.phase == AlertPhase::Resolved && alert.next_flush <= answer.flush;
        if carried && (!answer.keep || alert.since + longest <= cx.now()) {
            alerts::settle(cx, key, alert)?;
            left = left.saturating_add(1);
        }
    }
    Ok(left)
}

fn close(versions: &Versions, group: &Group, cx: &mut Context<'_, Never>) -> Result<(), Poison> {
    let receiver = versions.receiver(&group.record.route);
    journal::group(
        cx,
        "incident.resolved",
        group,
        receiver,
        "all its alerts are resolved and settled",
        &[],
    )?;
    group.remove(cx);
    Ok(())
}

/// Writes a flush: the whole group as of now, in as many parts as it takes. An empty group writes none. What was armed
/// for the group is disarmed: the flush says all there is, and route's answer says when to look again.
pub(crate) fn write(
    versions: &Versions,
    group: &mut Group,
    reason: &str,
    cx: &mut Context<'_, Never>,
) -> Result<(), Poison> {
    let changed = std::mem::take(&mut group.record.changed);
    group.timers = group.timers.without(TICK).without(AGAIN);
    let carried = carried(group.hash, cx)?;
    if carried.is_empty() {
        return Ok(());
    }
    let now = cx.now();
    group.record.flushes = group.next_flush();
    group.record.origin.get_or_insert(now);
    let fields = [
        ("flush", group.record.flushes.to_string()),
        ("firing", group.record.firing.to_string()),
        ("alerts", carried.len().to_string()),
    ];
    send(versions, group, carried, cx)?;
    // A look that finds nothing changed is no news.
    if changed {
        journal::group(
            cx,
            "group.flushed",
            group,
            versions.receiver(&group.record.route),
            reason,
            &fields,
        )?;
    }
    Ok(())
}

/// Sends the flush that the group's counter names, in parts that each fit into a record.
fn send(
    versions: &Versions,
    group: &Group,
    carried: Vec<FlushAlert>,
    cx: &mut Context<'_, Never>,
) -> Result<(), Poison> {
    let mut whole = Flush {
        flush: group.record.flushes,
        part: 0,
        parts: 1,
        tick: cx.now(),
        route: group.record.route.clone(),
        group_key: group.id.group_key().0,
        group_labels: group.record.group_labels.clone(),
        incident_id: group.record.incident_id.clone(),
        opened_at: group.record.opened_at,
        config_version: versions.stamp(),
        alerts: carried,
    };
    let record = wire::pack(&whole)?;
    if record.len() <= MAX_RECORD_BYTES {
        cx.send(topics::INCIDENTS, group.id.as_str(), record);
        return Ok(());
    }
    let carried = std::mem::take(&mut whole.alerts);
    // What every part repeats, and what an alert is beside its body: numbers, a few bytes each.
    let repeated = wire::pack(&whole)?.len();
    let size = |alert: &FlushAlert| size_of::<FlushAlert>() + body_size(&alert.body);
    let parts = into_parts(carried, size, MAX_RECORD_BYTES.saturating_sub(2 * repeated));
    let count = i32::try_from(parts.len()).unwrap_or(i32::MAX);
    for (part, alerts) in (0..count).zip(parts) {
        let record = Flush {
            part,
            parts: count,
            alerts,
            ..whole.clone()
        };
        cx.send(topics::INCIDENTS, group.id.as_str(), wire::pack(&record)?);
    }
    Ok(())
}

/// The alerts of a group, ordered as notifications show them.
fn carried(hash: GroupHash, cx: &Context<'_, Never>) -> Result<Vec<FlushAlert>, Poison> {
    let mut found: Vec<FlushAlert> = Vec::new();
    for (key, alert) in alerts::in_group(cx, hash, &alerts::prefix(hash), usize::MAX)? {
        if alert.phase != AlertPhase::Settled {
            found.push(flush_alert(fingerprint(&key), alert));
        }
    }
    found.sort_by(|a, b| compare_for_notification(&a.body.labels, &b.body.labels));
    Ok(found)
}

fn flush_alert(fingerprint: alert::Fingerprint, alert: CorrelateAlert) -> FlushAlert {
    FlushAlert {
        fingerprint,
        resolved: alert.phase == AlertPhase::Resolved,
        starts_at: alert.starts_at,
        ends_at: alert.ends_at,
        updated_at: alert.received_at,
        body: alert.body,
    }
}
