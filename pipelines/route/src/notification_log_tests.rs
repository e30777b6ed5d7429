//! Every row of Alertmanager's rule.

use NotifyReason::{AllAlertsResolved, FirstNotification, NewAlertsInGroup, NewResolvedAlerts, RepeatIntervalElapsed};
use Unsaid::{NotChanged, NothingFires};

use super::*;

type Entry = Option<(&'static [u64], &'static [u64], i64)>;
type Row = (
    Entry,
    &'static [u64],
    &'static [u64],
    bool,
    i64,
    Result<NotifyReason, Unsaid>,
);

fn set(fingerprints: &[u64]) -> BTreeSet<Fingerprint> {
    fingerprints.iter().copied().map(Fingerprint).collect()
}

/// Rows: entry (firing, resolved, told at), firing, resolved, `send_resolved`, tick; `repeat_interval` is 100 ms.
fn check(rows: &[Row]) {
    for row in rows {
        let (entry, firing, resolved, send_resolved, tick, expected) = *row;
        let sets = entry.map(|(firing, resolved, at)| (set(firing), set(resolved), at));
        let facts = Facts {
            firing: &set(firing),
            resolved: &set(resolved),
            told: sets.as_ref().map(|(firing, resolved, at)| Told {
                firing,
                resolved,
                timestamp: Timestamp::from_millis(*at),
            }),
            send_resolved,
            tick: Timestamp::from_millis(tick),
            repeat_interval: PromDuration::from_millis(100),
        };
        assert_eq!(needs_update(&facts), expected, "{row:?}");
    }
}

#[test]
fn without_an_entry_only_what_fires_is_said() {
    check(&[
        (None, &[], &[1], true, 0, Err(NothingFires)),
        (None, &[], &[], true, 0, Err(NothingFires)),
        (None, &[1], &[], true, 0, Ok(FirstNotification)),
        (None, &[1], &[2], false, 0, Ok(FirstNotification)),
    ]);
}

#[test]
fn an_alert_the_entry_does_not_list_is_new() {
    check(&[
        (Some((&[1], &[], 0)), &[1, 2], &[], true, 1, Ok(NewAlertsInGroup)),
        (Some((&[1], &[], 0)), &[2], &[1], true, 1, Ok(NewAlertsInGroup)),
        (Some((&[], &[], 0)), &[1], &[], true, 1, Ok(FirstNotification)),
        (Some((&[], &[1], 0)), &[1], &[], false, 1, Ok(FirstNotification)),
    ]);
}

#[test]
fn all_resolved_is_said_whatever_send_resolved_is() {
    check(&[
        (Some((&[1], &[], 0)), &[], &[1], true, 1, Ok(AllAlertsResolved)),
        (Some((&[1], &[], 0)), &[], &[1], false, 1, Ok(AllAlertsResolved)),
        (Some((&[], &[], 0)), &[], &[1], true, 1, Err(NothingFires)),
        (Some((&[], &[1], 0)), &[], &[1], true, 999, Err(NothingFires)),
    ]);
}

#[test]
fn some_resolved_is_said_where_it_is_wanted() {
    check(&[
        (Some((&[1, 2], &[], 0)), &[1], &[2], true, 1, Ok(NewResolvedAlerts)),
        (Some((&[1, 2], &[], 0)), &[1], &[2], false, 1, Err(NotChanged)),
        (
            Some((&[1, 2], &[], 0)),
            &[1],
            &[],
            false,
            101,
            Ok(RepeatIntervalElapsed),
        ),
        (Some((&[1], &[2], 0)), &[1], &[2], true, 1, Err(NotChanged)),
    ]);
}

#[test]
fn a_repeat_is_due_strictly_after_its_interval() {
    check(&[
        (Some((&[1], &[], 0)), &[1], &[], true, 99, Err(NotChanged)),
        (Some((&[1], &[], 0)), &[1], &[], true, 100, Err(NotChanged)),
        (Some((&[1], &[], 0)), &[1], &[], true, 101, Ok(RepeatIntervalElapsed)),
        // A subset is no change: an alert that a silence hides since is still listed.
        (Some((&[1, 2], &[], 0)), &[1], &[], true, 50, Err(NotChanged)),
    ]);
}

#[test]
fn an_entry_lives_twice_the_repeat_interval_and_no_longer_than_the_retention() {
    assert_eq!(lifetime(PromDuration::from_hours(4)), PromDuration::from_hours(8));
    assert_eq!(lifetime(PromDuration::from_hours(100)), RETENTION);
}
