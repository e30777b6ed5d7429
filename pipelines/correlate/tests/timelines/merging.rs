//! Re-sends, changes, resolves, and what arrives too late.

use alert::{LabelSet, Timestamp};
use correlate_pipeline::{Step as Taken, arrive};
use schemas::AlertPhase::{self, Firing, Resolved, Settled};
use schemas::{AlertBody, AlertUpdate, CorrelateAlert};

use crate::world::{EMPTY, ONE_GROUP, Post, Step, World, fire, hold, resolve, settle, timeline};

const OPENED: (i64, Step, &[&str]) = (0, hold("A"), &["0 incident.opened", "0 alert.opened A"]);
const FLUSHED: (i64, Step, &[&str]) = (30, Step::Nothing, &["30 flush 1: +A"]);

const fn post(post: Post) -> Step {
    Step::Post(post)
}

#[test]
fn a_resend_says_nothing_and_writes_nothing() {
    let mut world = World::new(ONE_GROUP);
    world.step(&fire("A"));
    world.until(60);
    world.step(&fire("A"));
    world.lines();
    let before: Vec<_> = world
        .driver
        .store()
        .dump()
        .map(|(key, value)| (key.clone(), value.to_vec()))
        .collect();
    for second in [61, 120, 179] {
        world.until(second);
        world.step(&fire("A"));
        assert!(world.lines().is_empty(), "{second}");
        let after: Vec<_> = world
            .driver
            .store()
            .dump()
            .map(|(key, value)| (key.clone(), value.to_vec()))
            .collect();
        assert_eq!(before, after, "{second}");
    }
}

#[test]
fn other_content_is_a_change_and_told_at_the_next_tick() {
    timeline(
        ONE_GROUP,
        &[
            OPENED,
            FLUSHED,
            (31, settle(1), &[]),
            (
                40,
                post(Post {
                    alert: "A",
                    ends: 36_000,
                    text: "worse",
                    ..EMPTY
                }),
                &["40 alert.changed A"],
            ),
            (
                41,
                post(Post {
                    alert: "A",
                    ends: 36_000,
                    text: "worse",
                    ..EMPTY
                }),
                &[],
            ),
            (330, Step::Nothing, &["330 flush 2: +A"]),
        ],
    );
}

#[test]
fn a_resolve_that_is_sent_again_and_again_changes_nothing() {
    let again = |starts, ends| {
        post(Post {
            alert: "A",
            starts: Some(starts),
            ends,
            ..EMPTY
        })
    };
    timeline(
        ONE_GROUP,
        &[
            OPENED,
            FLUSHED,
            (31, settle(1), &[]),
            (60, resolve("A"), &["60 alert.resolved A", "60 quiet"]),
            (120, again(-120, -60), &[]),
            (330, Step::Nothing, &["330 flush 2: -A"]),
            (331, settle(2), &["331 incident.resolved"]),
            (400, again(-400, -340), &[]),
            (900, again(-900, -840), &[]),
            // it is forgotten, and opens nothing even so
            (1_300, again(-1_300, -1_240), &[]),
            (2_000, Step::Nothing, &[]),
        ],
    );
}

#[test]
fn a_resolve_for_an_unknown_alert_is_remembered_for_15_minutes() {
    let late = post(Post {
        alert: "A",
        starts: Some(-100),
        received_ago: 90,
        ends: 200,
        ..EMPTY
    });
    let unknown = post(Post {
        alert: "A",
        starts: Some(-50),
        ends: -1,
        ..EMPTY
    });
    // an older update merges with it and opens nothing
    timeline(
        ONE_GROUP,
        &[(0, unknown, &[]), (50, late, &[]), (800, Step::Nothing, &[])],
    );
    // a newer one opens
    timeline(
        ONE_GROUP,
        &[
            (0, unknown, &[]),
            (1, hold("A"), &["1 incident.opened", "1 alert.opened A"]),
        ],
    );
    let mut world = World::new(ONE_GROUP);
    world.step(&unknown);
    assert_eq!(world.keys().len(), 1);
    world.until(899);
    assert_eq!(world.keys().len(), 1);
    world.until(900);
    assert_eq!(world.keys().len(), 0);
}

#[test]
fn an_older_update_undoes_nothing_newer() {
    timeline(
        ONE_GROUP,
        &[
            OPENED,
            FLUSHED,
            // received before A was
            (
                40,
                post(Post {
                    alert: "A",
                    starts: Some(-100),
                    ends: -45,
                    received_ago: 44,
                    ..EMPTY
                }),
                &[],
            ),
            (60, resolve("A"), &["60 alert.resolved A", "60 quiet"]),
            (
                62,
                post(Post {
                    alert: "A",
                    starts: Some(-62),
                    ends: 300,
                    received_ago: 12,
                    ..EMPTY
                }),
                &[],
            ),
            (330, Step::Nothing, &["330 flush 2: -A"]),
        ],
    );
}

#[test]
fn what_fires_again_after_it_was_settled_is_a_new_incident() {
    let mut world = World::new(ONE_GROUP);
    let mut incidents = std::collections::BTreeSet::new();
    for (second, step) in [
        (0, hold("A")),
        (40, resolve("A")),
        (331, settle(2)),
        (332, hold("A")),
        (400, Step::Nothing),
    ] {
        world.until(second);
        world.step(&step);
        for (_, output) in world.driver.sent("incidents") {
            if let Ok(flush) = schemas::decode::<schemas::Flush>(output.value.as_deref().unwrap()) {
                incidents.insert((flush.incident_id, flush.flush, flush.alerts[0].resolved));
            }
        }
    }
    let ids: std::collections::BTreeSet<_> = incidents.iter().map(|(id, ..)| id.clone()).collect();
    assert_eq!((ids.len(), incidents.len()), (2, 3), "{incidents:?}");
}

#[test]
fn what_fires_again_while_its_resolve_waits_is_the_same_incident() {
    timeline(
        ONE_GROUP,
        &[
            OPENED,
            FLUSHED,
            (31, settle(1), &[]),
            (60, resolve("A"), &["60 alert.resolved A", "60 quiet"]),
            (70, hold("A"), &["70 alert.opened A", "70 firing"]),
            (330, Step::Nothing, &["330 flush 2: +A"]),
        ],
    );
}

/// The alert as known: from 0 to 100, received at 10.
fn known(phase: AlertPhase, timeout: bool) -> CorrelateAlert {
    CorrelateAlert {
        phase,
        content_hash: 1,
        starts_at: at(0),
        ends_at: at(100),
        expires_at: at(100),
        received_at: at(10),
        heard_at: at(10),
        timeout,
        since: at(10),
        next_flush: 1,
        body: AlertBody::default(),
    }
}

fn update(starts: i64, ends: i64, received: i64, content_hash: i64) -> AlertUpdate {
    AlertUpdate {
        fingerprint: alert::Fingerprint(7),
        content_hash,
        starts_at: at(starts),
        ends_at: at(ends),
        received_at: at(received),
        timeout: false,
        resolved: ends <= received,
        config_version: 1,
        hops: 0,
        copy: 0,
        copies: 1,
        route: "{}".to_owned(),
        group_labels: LabelSet::new(),
        moved_from: None,
        body: AlertBody::default(),
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_secs(second)
}

/// Name, known phase and timeout, update (starts, ends, received, content), step, then phase, start and end.
type Row = (
    &'static str,
    (AlertPhase, bool),
    (i64, i64, i64, i64),
    Taken,
    Option<(AlertPhase, i64, i64)>,
);

const MERGES: &[Row] = &[
    (
        "a later end is written the first time",
        (Firing, false),
        (0, 160, 70, 1),
        Taken::Refreshed,
        Some((Firing, 0, 160)),
    ),
    (
        "the same times are not",
        (Firing, false),
        (0, 100, 70, 1),
        Taken::Nothing,
        None,
    ),
    (
        "an explicit end holds against an earlier one",
        (Firing, false),
        (0, 90, 70, 1),
        Taken::Nothing,
        None,
    ),
    (
        "a derived end does not",
        (Firing, true),
        (0, 90, 70, 1),
        Taken::Refreshed,
        Some((Firing, 0, 90)),
    ),
    (
        "a start inside the known range keeps the earlier one",
        (Firing, false),
        (50, 160, 70, 1),
        Taken::Refreshed,
        Some((Firing, 0, 160)),
    ),
    (
        "a start after the known range replaces it",
        (Firing, false),
        (120, 300, 130, 1),
        Taken::Changed,
        Some((Firing, 120, 300)),
    ),
    (
        "other content",
        (Firing, false),
        (0, 100, 70, 2),
        Taken::Changed,
        Some((Firing, 0, 100)),
    ),
    (
        "other content, but older",
        (Firing, false),
        (0, 100, 9, 2),
        Taken::Nothing,
        None,
    ),
    (
        "a resolve",
        (Firing, false),
        (0, 70, 70, 1),
        Taken::Resolved,
        Some((Resolved, 0, 70)),
    ),
    (
        "a resolve, but older",
        (Firing, false),
        (0, 8, 9, 1),
        Taken::Nothing,
        None,
    ),
    (
        "an end that is past by now, firing when received",
        (Firing, false),
        (0, 105, 99, 1),
        Taken::Refreshed,
        Some((Firing, 0, 105)),
    ),
    (
        "it fires again",
        (Resolved, false),
        (110, 300, 120, 1),
        Taken::FiredAgain,
        Some((Firing, 110, 300)),
    ),
    (
        "an older one does not fire it again",
        (Resolved, false),
        (0, 300, 9, 1),
        Taken::Nothing,
        None,
    ),
    (
        "one resolve is as good as two",
        (Resolved, false),
        (0, 100, 150, 1),
        Taken::Nothing,
        None,
    ),
    (
        "a settled one opens",
        (Settled, false),
        (110, 300, 120, 1),
        Taken::Opened,
        Some((Firing, 110, 300)),
    ),
    (
        "a settled one stays so",
        (Settled, false),
        (0, 300, 9, 1),
        Taken::Nothing,
        None,
    ),
    (
        "a settled one's resolve, again",
        (Settled, false),
        (0, 100, 150, 1),
        Taken::Nothing,
        None,
    ),
    (
        "a settled one's next episode, over already",
        (Settled, false),
        (120, 130, 150, 1),
        Taken::Remembered,
        Some((Settled, 120, 130)),
    ),
];

#[test]
fn updates_merge_by_alertmanagers_rule_and_resolved_is_a_state() {
    for (name, (phase, timeout), (starts, ends, received, content), step, expected) in MERGES {
        let known = known(*phase, *timeout);
        let (taken, next) = arrive(
            Some(&known),
            &update(*starts, *ends, *received, *content),
            at(*received),
            at(200),
        );
        assert_eq!(taken, *step, "{name}");
        let next = next.map(|next| (next.phase, next.starts_at.unix_seconds(), next.ends_at.unix_seconds()));
        assert_eq!(next, *expected, "{name}");
    }
}
