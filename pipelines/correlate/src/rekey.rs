//! What a new config does to alerts that are under way or in state: which groups they leave, and which they gain.

use alert::{Fingerprint, GroupId, LabelSet};
use config::Config;
use policy::{Placement, walk};
use processor::{Context, Poison, StateKey, Timers};
use schemas::{AlertPhase, AlertUpdate, CORRELATE_ALERT, CorrelateAlert, GroupMoved, GroupPhase, topics};

use crate::alerts::{self, MEMORY};
use crate::group::{FORGET, Group};
use crate::versions::Versions;
use crate::{Never, journal, wire};

/// How often an update is sent on to where a newer config wants it: rolling upgrades and two reloads in a row take one
/// each; what is sent about more often would chase a config that flaps.
const MAX_HOPS: i32 = 2;

/// How much one slice of a sweep looks at, in alerts (a group counts as one): about a millisecond of work.
const SLICE: usize = 200;

/// Past every key of a group.
const END_OF_GROUP: u8 = u8::MAX;

/// What one copy of an alert has to do under another config.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Whether it stays in its group.
    pub(crate) stays: bool,
    /// Where it has to be sent: the groups that gain it, each with its place in the new walk.
    pub(crate) gains: Vec<(usize, Placement)>,
    /// In how many groups the alert is under the new config.
    pub(crate) copies: usize,
}

/// Compares an alert's groups under two configs, as seen from the copy in group `mine`. The first group of the old walk
/// sends the alert on, so that each gained group hears of it once.
///
/// Where the old walk is not known or does not lead to `mine`, the copy speaks for itself: it sends if `first`.
pub(crate) fn plan(old: Option<&Config>, new: &Config, labels: &LabelSet, mine: &GroupId, first: bool) -> Plan {
    let before: Vec<GroupId> = old
        .map(|old| {
            walk(old, labels)
                .into_iter()
                .map(|place| place.group_id)
                .collect::<Vec<_>>()
        })
        .filter(|before| before.contains(mine))
        .unwrap_or_default();
    let sends = before.first().map_or(first, |head| head == mine);
    let after = walk(new, labels);
    let copies = after.len();
    let stays = after.iter().any(|place| place.group_id == *mine);
    let gains = after
        .into_iter()
        .enumerate()
        .filter(|(_, place)| sends && place.group_id != *mine && !before.contains(&place.group_id))
        .collect();
    Plan { stays, gains, copies }
}

/// Whether an update that a config version placed may have to go elsewhere: that was an older one.
pub(crate) fn may_move(versions: &Versions, placed_by: i64) -> bool {
    versions.config().is_some() && placed_by < versions.stamp()
}

/// An update that was placed by an older config: sends it on to the groups that gain it, and says whether it is for this
/// group too.
pub(crate) fn update(
    versions: &Versions,
    id: &GroupId,
    update: &AlertUpdate,
    cx: &mut Context<'_, Never>,
) -> Result<bool, Poison> {
    let Some(config) = versions.config() else {
        return Ok(true);
    };
    if !may_move(versions, update.config_version) || update.hops >= MAX_HOPS {
        return Ok(true);
    }
    let labels = &update.body.labels;
    let old = versions.at(update.config_version).map(AsRef::as_ref);
    let plan = plan(old, config, labels, id, update.copy == 0);
    for (copy, place) in plan.gains {
        let moved = AlertUpdate {
            hops: update.hops.saturating_add(1),
            ..update.clone()
        };
        send(versions, moved, copy, plan.copies, place, cx)?;
    }
    Ok(plan.stays)
}

fn send(
    versions: &Versions,
    update: AlertUpdate,
    copy: usize,
    copies: usize,
    place: Placement,
    cx: &mut Context<'_, Never>,
) -> Result<(), Poison> {
    let update = AlertUpdate {
        config_version: versions.stamp(),
        copy: i32::try_from(copy).unwrap_or(i32::MAX),
        copies: i32::try_from(copies).unwrap_or(i32::MAX),
        route: place.route_id.as_str().to_owned(),
        group_labels: place.group_labels,
        ..update
    };
    cx.send(topics::ALERTS, place.group_id.as_str(), wire::pack(&update)?);
    Ok(())
}

/// One slice of the pass over all groups after a config change. Groups that were compared with this version already are
/// skipped without a look at their alerts.
pub(crate) fn sweep(
    versions: &Versions,
    from: Option<&StateKey>,
    cx: &mut Context<'_, Never>,
) -> Result<Option<StateKey>, Poison> {
    let Some(config) = versions.config().cloned() else {
        return Ok(None);
    };
    let mut cursor = from.cloned();
    let mut left = SLICE;
    while left > 0 {
        // Inside a group the cursor itself says which: what it stood at may be gone, and the group is not finished yet.
        let inside = cursor.take_if(|key| key.kind() == Some(CORRELATE_ALERT));
        let Some(key) = inside.or_else(|| cx.scan(cursor.as_ref()).next().map(|(key, _)| key)) else {
            return Ok(None);
        };
        let Some(hash) = key.group() else { return Ok(None) };
        left = left.saturating_sub(1);
        let mut next = StateKey::new(hash, END_OF_GROUP);
        if let Some(mut group) = Group::load(cx, hash)?
            && group.record.phase != GroupPhase::Moved
            && group.record.config_version < versions.stamp()
        {
            let start = if key.kind() == Some(CORRELATE_ALERT) {
                key
            } else {
                alerts::prefix(hash)
            };
            // One at least, or a slice that ends on a group would never come past it.
            let batch = alerts::in_group(cx, hash, &start, left.max(1))?;
            let resume = batch
                .last()
                .filter(|_| batch.len() >= left.max(1))
                .map(|(key, _)| after(key));
            left = left.saturating_sub(batch.len());
            for (key, alert) in &batch {
                compare(versions, &config, &mut group, key, alert, cx)?;
            }
            match resume {
                Some(key) => next = key,
                None => finish(versions, &mut group, cx)?,
            }
            group.save(cx)?;
        }
        cursor = Some(next);
    }
    Ok(cursor)
}

/// The first key there can be after this one.
fn after(key: &StateKey) -> StateKey {
    StateKey::from_bytes(&[key.as_bytes(), &[0]].concat())
}

/// Compares one alert of a group with the new config: it leaves, is sent to the groups it gains, or both, or neither.
fn compare(
    versions: &Versions,
    config: &Config,
    group: &mut Group,
    key: &StateKey,
    alert: &CorrelateAlert,
    cx: &mut Context<'_, Never>,
) -> Result<(), Poison> {
    if alert.phase == AlertPhase::Settled {
        return Ok(());
    }
    let labels = &alert.body.labels;
    let old = versions.at(group.record.config_version).map(AsRef::as_ref);
    let plan = plan(old, config, labels, &group.id, true);
    for (copy, place) in plan.gains {
        let moved = moved(&group.id, alerts::fingerprint(key), alert);
        send(versions, moved, copy, plan.copies, place, cx)?;
    }
    if plan.stays {
        return Ok(());
    }
    cx.delete(key);
    group.record.moving = true;
    group.record.alerts = group.record.alerts.saturating_sub(1).max(0);
    if alert.phase == AlertPhase::Firing {
        group.record.firing = group.record.firing.saturating_sub(1).max(0);
    }
    Ok(())
}

/// An alert in state as an update for another group.
fn moved(from: &GroupId, fingerprint: Fingerprint, alert: &CorrelateAlert) -> AlertUpdate {
    AlertUpdate {
        fingerprint,
        content_hash: alert.content_hash,
        starts_at: alert.starts_at,
        ends_at: alert.ends_at,
        received_at: alert.received_at,
        timeout: alert.timeout,
        resolved: alert.phase == AlertPhase::Resolved,
        config_version: 0,
        hops: 1,
        copy: 0,
        copies: 0,
        route: String::new(),
        group_labels: LabelSet::new(),
        moved_from: Some(from.0.clone()),
        body: alert.body.clone(),
    }
}

/// All alerts of a group are compared: the group is up to date, and what changed for it takes effect.
fn finish(versions: &Versions, group: &mut Group, cx: &mut Context<'_, Never>) -> Result<(), Poison> {
    let speaks_differently = versions.speaks_differently(&group.record.route, group.record.config_version);
    let lost = std::mem::take(&mut group.record.moving);
    group.record.config_version = versions.stamp();
    if group.record.alerts == 0 {
        if lost {
            end_as_moved(versions, group, cx)?;
        }
        return Ok(());
    }
    if lost {
        group.quiet_if_nothing_fires(cx)?;
    }
    if lost || speaks_differently {
        group.changed(versions.timing(&group.record.route), cx.now());
    }
    Ok(())
}

/// The incident of an emptied group ends as moved: nothing is owed, and for a while it can come back.
fn end_as_moved(versions: &Versions, group: &mut Group, cx: &mut Context<'_, Never>) -> Result<(), Poison> {
    let receiver = versions.receiver(&group.record.route);
    journal::group(
        cx,
        "incident.moved",
        group,
        receiver,
        "a config change took its last alert",
        &[],
    )?;
    let incident_id = group.record.incident_id.clone();
    let moved = GroupMoved {
        incident_id,
        at: cx.now(),
        config_version: versions.stamp(),
    };
    cx.send(topics::INCIDENTS, group.id.as_str(), wire::pack(&moved)?);
    group.record.phase = GroupPhase::Moved;
    group.record.changed = false;
    group.record.firing = 0;
    group.timers = Timers::one(FORGET, cx.now() + MEMORY);
    Ok(())
}
