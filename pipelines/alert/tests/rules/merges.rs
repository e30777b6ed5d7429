//! The merge rule, and what an alert is checked for.

use alert::{Alert, LabelSet, Side, Times, Timestamp, merge, merge_times, overlaps};

fn at(secs: i64) -> Timestamp {
    Timestamp::from_secs(secs)
}

/// `starts, ends, updated` in seconds, and flags.
type Version = (i64, i64, i64, &'static str);

/// `starts, ends, updated`, then flags: `t` for timeout, `r` for resolved.
fn times((starts, ends, updated, flags): Version) -> Times {
    Times {
        starts_at: at(starts),
        ends_at: at(ends),
        updated_at: at(updated),
        timeout: flags.contains('t'),
        resolved: flags.contains('r'),
    }
}

#[test]
fn ranges_overlap_strictly() {
    let rows = [
        ((10, 20), (12, 25), true),
        ((10, 20), (5, 15), true),
        ((10, 20), (12, 15), true),
        ((10, 20), (10, 25), false),
        ((10, 20), (10, 20), false),
        ((10, 20), (20, 25), false),
        ((10, 20), (5, 10), false),
        ((10, 20), (5, 25), false),
        ((10, 20), (10, 15), true),
        ((10, 20), (30, 40), false),
    ];
    for (old, new, expected) in rows {
        let (old, new) = (times((old.0, old.1, 0, "")), times((new.0, new.1, 1, "")));
        assert_eq!(overlaps(&old, &new), expected, "{old:?} {new:?}");
    }
}

/// Stored, arriving, what is stored then, and which of the two was the newer.
const MERGES: &[(Version, Version, Version, Side)] = &[
    // A re-send with a later end replaces, start and all.
    ((10, 20, 10, ""), (10, 30, 15, ""), (10, 30, 15, ""), Side::New),
    ((10, 20, 10, ""), (40, 50, 40, ""), (40, 50, 40, ""), Side::New),
    // No overlap: the arriving one replaces, though it was received earlier.
    ((10, 20, 50, "r"), (40, 60, 40, ""), (40, 60, 40, ""), Side::New),
    // The earlier start counts.
    ((10, 20, 10, ""), (12, 25, 15, ""), (10, 25, 15, ""), Side::New),
    ((10, 20, 10, ""), (5, 25, 15, "t"), (5, 25, 15, "t"), Side::New),
    ((10, 30, 10, "t"), (5, 25, 15, ""), (5, 25, 15, ""), Side::New),
    // It fires: a later end that somebody set is kept, a later end from a timeout is not.
    ((10, 40, 10, ""), (12, 25, 15, ""), (10, 40, 15, ""), Side::New),
    ((10, 40, 10, ""), (12, 25, 15, "t"), (10, 40, 15, "t"), Side::New),
    ((10, 40, 10, "t"), (12, 25, 15, ""), (10, 25, 15, ""), Side::New),
    // It is resolved: a firing version's later end is dropped, a resolved one's is kept.
    ((10, 40, 10, ""), (10, 15, 15, "r"), (10, 15, 15, "r"), Side::New),
    ((10, 40, 41, "r"), (10, 15, 42, "r"), (10, 40, 42, "r"), Side::New),
    ((10, 40, 41, "tr"), (12, 15, 42, "r"), (10, 40, 42, "r"), Side::New),
    // The stored version was received later: it is the newer one.
    ((10, 40, 30, ""), (5, 25, 15, ""), (5, 40, 30, ""), Side::Old),
    ((10, 15, 15, "r"), (12, 40, 10, ""), (10, 15, 15, "r"), Side::Old),
    ((10, 30, 20, "t"), (12, 60, 10, ""), (10, 60, 20, "t"), Side::Old),
    // A tie goes to the arriving one.
    ((10, 40, 15, "t"), (12, 25, 15, ""), (10, 25, 15, ""), Side::New),
];

#[test]
fn times_merge_as_in_alertmanager() {
    for (old, new, expected, newer) in MERGES {
        let merged = merge_times(times(*old), times(*new));
        assert_eq!(
            (merged.times, merged.newer),
            (times(*expected), *newer),
            "{old:?} {new:?}"
        );
    }
}

fn alert(starts: i64, ends: i64, updated: i64, note: &str) -> Alert {
    Alert {
        labels: LabelSet::from([("alertname", "X")]),
        annotations: LabelSet::from([("note", note)]),
        starts_at: at(starts),
        ends_at: at(ends),
        updated_at: at(updated),
        generator_url: note.to_owned(),
        ..Alert::default()
    }
}

#[test]
fn the_version_received_later_gives_all_that_is_no_time() {
    let (early, late) = (alert(10, 40, 10, "early"), alert(12, 25, 15, "late"));
    let merged = merge(&early, late.clone());
    assert_eq!(merged, alert(10, 40, 15, "late"));
    let replaced = merge(&early, alert(50, 60, 50, "next"));
    assert_eq!(replaced, alert(50, 60, 50, "next"));
    let stale = merge(&late, alert(10, 20, 10, "stale"));
    assert_eq!(stale, alert(10, 25, 15, "late"));
}

#[test]
fn resolved_means_ended_by_then() {
    let alert = alert(10, 20, 10, "");
    assert_eq!([19, 20, 21].map(|t| alert.resolved_at(at(t))), [false, true, true]);
    let endless = Alert {
        ends_at: Timestamp::ZERO_TIME,
        ..alert
    };
    assert!(!endless.resolved_at(Timestamp::MAX));
}

#[test]
fn an_alert_is_refused_in_alertmanagers_words() {
    let good = alert(10, 20, 10, "");
    assert_eq!(good.validate(), Ok(()));
    let rows = [
        (
            Alert {
                starts_at: Timestamp::ZERO_TIME,
                ..good.clone()
            },
            "start time missing",
        ),
        (
            Alert {
                ends_at: at(9),
                ..good.clone()
            },
            "start time must be before end time",
        ),
        (
            Alert {
                labels: LabelSet::new(),
                ..good.clone()
            },
            "at least one label pair required",
        ),
        (
            Alert {
                labels: LabelSet::from([("", "x")]),
                ..good.clone()
            },
            r#"invalid label set: invalid name """#,
        ),
        (
            Alert {
                annotations: LabelSet::from([("", "x")]),
                ..good.clone()
            },
            r#"invalid annotations: invalid name """#,
        ),
    ];
    for (alert, text) in rows {
        assert_eq!(alert.validate().unwrap_err().to_string(), text);
    }
    let open = Alert {
        ends_at: Timestamp::ZERO_TIME,
        ..good
    };
    assert_eq!(open.validate(), Ok(()));
    let json = serde_json::to_string(&open).unwrap();
    assert_eq!(serde_json::from_str::<Alert>(&json).unwrap(), open);
}
