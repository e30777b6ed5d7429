//! Alerts that nobody sends again.

use alert::Timestamp;
use processor::{Origin, Processor, Store, Tables, apply};
use schemas::{Flush, JournalEntry, decode};

use crate::world::{EMPTY, ONE_GROUP, Post, START, Step, World, fire, settle, timeline};

#[test]
fn without_a_resend_it_expires_at_its_end_exactly() {
    timeline(
        ONE_GROUP,
        &[
            (0, fire("A"), &["0 incident.opened", "0 alert.opened A"]),
            (239, Step::Nothing, &["30 flush 1: +A"]),
            (240, Step::Nothing, &["240 alert.resolved A", "240 quiet"]),
            (330, Step::Nothing, &["330 flush 2: -A"]),
            (331, settle(2), &["331 incident.resolved"]),
            (2_000, Step::Nothing, &[]),
        ],
    );
}

/// When the alert expires whose last re-send of `resends` came at that minute, and how often state was written for it.
fn expires(resends: i64, restart: bool) -> (i64, usize) {
    let mut world = World::new(ONE_GROUP);
    let mut writes = 0;
    for minute in 0..=resends {
        world.until(minute * 60);
        let before: Vec<Vec<u8>> = world.driver.store().dump().map(|(_, value)| value.to_vec()).collect();
        world.step(&fire("A"));
        let after: Vec<Vec<u8>> = world.driver.store().dump().map(|(_, value)| value.to_vec()).collect();
        writes += usize::from(before != after);
    }
    world.lines();
    if restart {
        world.driver.restart();
    }
    for second in resends * 60.. {
        world.until(second);
        if world.lines().iter().any(|line| line.ends_with("alert.resolved A")) {
            return (second, writes);
        }
    }
    unreachable!("the loop above has no end")
}

#[test]
fn an_expiry_is_never_early_and_late_by_no_more_than_the_slack() {
    for resends in 0..15 {
        for restart in [false, true] {
            let (second, writes) = expires(resends, restart);
            let ends = resends * 60 + 240;
            // With a re-send there is slack, and the wait for the heartbeat after it.
            let slack = if resends == 0 { 0 } else { 120 + 6 };
            assert!(
                (ends..=ends + slack).contains(&second),
                "{resends} re-sends: ends {ends}, expired {second}"
            );
            // the opening, the first re-send, then every third
            assert!(
                writes <= 2 + usize::try_from(resends).unwrap() / 3,
                "{resends} re-sends: {writes} writes"
            );
        }
    }
}

#[test]
fn six_minutes_of_our_own_downtime_resolve_nobody() {
    timeline(
        ONE_GROUP,
        &[
            (0, fire("A"), &["0 incident.opened", "0 alert.opened A"]),
            (60, Step::Ingest(false), &["30 flush 1: +A"]),
            (61, settle(1), &[]),
            (420, Step::Ingest(true), &[]),
            (480, fire("A"), &[]),
            (700, fire("A"), &[]),
            (720, Step::Nothing, &[]),
        ],
    );
}

#[test]
fn a_restart_of_seconds_resolves_nobody_whose_source_sends_often() {
    let fire_for = |ends| {
        Step::Post(Post {
            alert: "A",
            ends,
            ..EMPTY
        })
    };
    timeline(
        ONE_GROUP,
        &[
            (0, fire_for(8), &["0 incident.opened", "0 alert.opened A"]),
            (2, fire_for(8), &[]),
            // Killed: its last heartbeat is from second 5, and the alert's end at 14 passes unheard.
            (6, Step::Ingest(false), &[]),
            (16, Step::Ingest(true), &[]),
            (17, fire_for(8), &[]),
            // Its end is at 29 now; the heartbeat of second 30 tells that it would have been heard.
            (30, Step::Nothing, &["30 flush 1: +A"]),
            (31, Step::Nothing, &["31 alert.resolved A", "31 quiet"]),
        ],
    );
}

#[test]
fn what_is_not_sent_again_after_a_downtime_expires_after_the_grace() {
    timeline(
        ONE_GROUP,
        &[
            (0, fire("A"), &["0 incident.opened", "0 alert.opened A"]),
            (60, Step::Ingest(false), &["30 flush 1: +A"]),
            (61, settle(1), &[]),
            (420, Step::Ingest(true), &[]),
            // one that came since expires at its end
            (
                425,
                Step::Post(Post {
                    alert: "B",
                    ends: 10,
                    ..EMPTY
                }),
                &["425 alert.opened B"],
            ),
            (435, Step::Nothing, &["435 alert.resolved B"]),
            (719, Step::Nothing, &["630 flush 2: +A -B"]),
            (720, Step::Nothing, &["720 alert.resolved A", "720 quiet"]),
        ],
    );
}

#[test]
fn a_longer_resolve_timeout_is_the_grace() {
    let config = "global: {resolve_timeout: 10m}\nroute: {receiver: r}\nreceivers: [{name: r}]\n";
    timeline(
        config,
        &[
            (0, fire("A"), &["0 incident.opened", "0 alert.opened A"]),
            (60, Step::Ingest(false), &["30 flush 1: +A"]),
            (420, Step::Ingest(true), &[]),
            (1_019, Step::Nothing, &[]),
            (1_020, Step::Nothing, &["1020 alert.resolved A", "1020 quiet"]),
        ],
    );
}

#[test]
fn while_nobody_listens_nothing_expires() {
    timeline(
        ONE_GROUP,
        &[
            (0, Step::Ingest(false), &[]),
            (1, fire("A"), &["1 incident.opened", "1 alert.opened A"]),
            (86_400, Step::Nothing, &["31 flush 1: +A"]),
        ],
    );
}

#[test]
fn an_alert_that_was_moved_is_not_younger_for_it() {
    let narrow = "route: {receiver: r, group_by: [alertname]}\nreceivers: [{name: r}]\n";
    timeline(
        ONE_GROUP,
        &[
            (0, fire("A"), &["0 incident.opened", "0 alert.opened A"]),
            (60, Step::Ingest(false), &["30 flush 1: +A"]),
            (420, Step::Ingest(true), &[]),
            (
                450,
                Step::Config(narrow),
                &[
                    "450 send A to {}:{alertname=\"A\"}",
                    "450 incident.moved",
                    "450 moved",
                    "450 incident.opened {}:{alertname=\"A\"}",
                    "450 alert.opened A {}:{alertname=\"A\"}",
                ],
            ),
            (719, Step::Nothing, &["455 flush 1 {}:{alertname=\"A\"}: +A"]),
            (
                720,
                Step::Nothing,
                &[
                    "720 alert.resolved A {}:{alertname=\"A\"}",
                    "720 quiet {}:{alertname=\"A\"}",
                ],
            ),
        ],
    );
}

#[test]
fn what_came_due_while_nobody_ran_fires_once_late_and_says_so() {
    let mut world = World::new(ONE_GROUP);
    world.step(&fire("A"));
    let mut store = Store::default();
    for (key, value) in world.driver.store().dump() {
        store.restore(key.as_bytes(), Some(value)).unwrap();
    }
    let timer = store.next_timer().unwrap();
    assert_eq!(timer.due, Timestamp::from_secs(START + 30));
    let tables = Tables::new();
    let now = Timestamp::from_secs(START + 130);
    let origin = Origin {
        stage: "correlate",
        now,
        partition: 0,
        offset: 1,
        due: Some(timer.due),
        discriminator: 0,
        trace: 0,
        config_version: 1,
        tables: &tables,
    };
    let stage = &mut world.driver.stage;
    let ((), applied) = apply(&mut store, origin, |cx| stage.timer(&timer, cx)).unwrap();
    let flush: Flush = decode(applied.outputs[0].value.as_deref().unwrap()).unwrap();
    let entry: JournalEntry = decode(applied.outputs[1].value.as_deref().unwrap()).unwrap();
    assert_eq!((flush.tick, flush.flush), (now, 1));
    assert_eq!(
        (entry.kind.as_str(), entry.reason.as_str()),
        ("group.flushed", "changed; 1m40s late")
    );
    assert_eq!(
        (entry.fields.value("flush"), entry.receiver.as_deref()),
        ("1", Some("r"))
    );
    // nothing is armed for the flushes that were missed
    assert_eq!(
        store.next_timer().map(|timer| timer.due),
        Some(Timestamp::from_secs(START + 240))
    );
}
