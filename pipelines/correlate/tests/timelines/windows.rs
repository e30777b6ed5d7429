//! `group_wait`, the grid, looks: when a group speaks.

use schemas::{JournalEntry, decode};

use crate::world::{EMPTY, ONE_GROUP, Post, ROOT, Step, World, fire, hold, resolve, settle, timeline};

#[test]
fn the_first_flush_waits_for_group_wait_and_the_next_lie_on_its_grid() {
    timeline(
        ONE_GROUP,
        &[
            (0, hold("A"), &["0 incident.opened", "0 alert.opened A"]),
            (10, hold("B"), &["10 alert.opened B"]),
            (29, Step::Nothing, &[]),
            (30, Step::Nothing, &["30 flush 1: +A +B"]),
            (31, settle(1), &[]),
            (60, hold("C"), &["60 alert.opened C"]),
            (329, hold("A"), &[]),
            (330, Step::Nothing, &["330 flush 2: +A +B +C"]),
            (331, settle(2), &[]),
        ],
    );
}

#[test]
fn an_idle_group_says_nothing_and_arms_nothing() {
    let rows: Vec<_> = (1..30).map(|minute| (minute * 60, fire("A"), &[][..])).collect();
    let opening = [
        (0, fire("A"), &["0 incident.opened", "0 alert.opened A"][..]),
        (30, Step::Nothing, &["30 flush 1: +A"][..]),
        (31, settle(1), &[][..]),
    ];
    timeline(ONE_GROUP, &[&opening[..], &rows[..]].concat());
    let mut world = World::new(ONE_GROUP);
    for (second, step, _) in opening {
        world.until(second);
        world.step(&step);
    }
    // the alert's expiry, and nothing else
    assert_eq!(world.driver.store().timers_armed(), 1);
}

#[test]
fn a_change_long_after_the_last_flush_waits_for_the_next_grid_point() {
    timeline(
        ONE_GROUP,
        &[
            (0, hold("A"), &["0 incident.opened", "0 alert.opened A"]),
            (30, Step::Nothing, &["30 flush 1: +A"]),
            (31, settle(1), &[]),
            (7_000, fire("B"), &["7000 alert.opened B"]),
            (7_229, Step::Nothing, &[]),
            // 30 + 24 x 300
            (7_230, Step::Nothing, &["7230 flush 2: +A +B"]),
        ],
    );
}

#[test]
fn a_first_alert_that_is_old_already_is_flushed_at_once_with_what_came_with_it() {
    let old = |starts| {
        Step::Post(Post {
            alert: "A",
            starts: Some(starts),
            ..EMPTY
        })
    };
    timeline(
        ONE_GROUP,
        &[
            (0, old(-31), &["0 incident.opened", "0 alert.opened A"]),
            // what came with it, or waited unread behind it, is in the same flush
            (0, fire("B"), &["0 alert.opened B"]),
            (1, Step::Nothing, &["0 flush 1: +A +B"]),
        ],
    );
    // at the very edge it is not
    timeline(
        ONE_GROUP,
        &[
            (0, old(-30), &["0 incident.opened", "0 alert.opened A"]),
            (30, Step::Nothing, &["30 flush 1: +A"]),
        ],
    );
    // and it is asked of the first alert only
    timeline(
        ONE_GROUP,
        &[
            (0, fire("B"), &["0 incident.opened", "0 alert.opened B"]),
            (1, old(-300), &["1 alert.opened A"]),
            (30, Step::Nothing, &["30 flush 1: +A +B"]),
        ],
    );
}

#[test]
fn route_can_ask_for_a_look_though_nothing_changed() {
    timeline(
        ONE_GROUP,
        &[
            (0, hold("A"), &["0 incident.opened", "0 alert.opened A"]),
            (30, Step::Nothing, &["30 flush 1: +A"]),
            (31, Step::Settle(ROOT, 1, false, Some(1_000)), &[]),
            (1_000, Step::Nothing, &["1000 flush 2: +A"]),
            // an answer to an older flush than the newest does not count
            (1_001, Step::Settle(ROOT, 1, false, Some(1_002)), &[]),
            (1_010, Step::Settle(ROOT, 2, false, Some(2_000)), &[]),
            // the newest look replaces it
            (1_020, Step::Look(ROOT, 1_500), &[]),
            (1_500, Step::Nothing, &["1500 flush 3: +A"]),
            (2_100, Step::Nothing, &[]),
            // one that is past ticks at once, off the grid
            (2_100, Step::Settle(ROOT, 3, false, Some(2_050)), &["2100 flush 4: +A"]),
            (2_101, Step::Look(ROOT, 2_101), &["2101 flush 5: +A"]),
            // and the grid stays: 30 + 8 x 300
            (2_110, fire("B"), &["2110 alert.opened B"]),
            (2_129, Step::Nothing, &[]),
            (2_130, Step::Nothing, &["2130 flush 6: +A +B"]),
        ],
    );
}

#[test]
fn a_look_before_the_first_flush_does_not_cut_group_wait_short() {
    timeline(
        ONE_GROUP,
        &[
            (0, fire("A"), &["0 incident.opened", "0 alert.opened A"]),
            (5, Step::Look(ROOT, 6), &[]),
            (29, Step::Look(ROOT, 1), &[]),
            (30, Step::Nothing, &["30 flush 1: +A"]),
        ],
    );
}

#[test]
fn a_look_flushes_what_changed_and_the_tick_then_has_nothing_to_say() {
    timeline(
        ONE_GROUP,
        &[
            (0, hold("A"), &["0 incident.opened", "0 alert.opened A"]),
            (30, Step::Nothing, &["30 flush 1: +A"]),
            (31, Step::Settle(ROOT, 1, false, Some(100)), &[]),
            (50, hold("B"), &["50 alert.opened B"]),
            (100, Step::Nothing, &["100 flush 2: +A +B"]),
            (900, Step::Nothing, &[]),
        ],
    );
}

#[test]
fn a_look_asked_for_after_the_flush_survives_its_answer() {
    timeline(
        ONE_GROUP,
        &[
            (0, hold("A"), &["0 incident.opened", "0 alert.opened A"]),
            (30, Step::Nothing, &["30 flush 1: +A"]),
            (31, Step::Look(ROOT, 330), &[]),
            (32, Step::Settle(ROOT, 1, false, Some(14_430)), &[]),
            (330, Step::Nothing, &["330 flush 2: +A"]),
        ],
    );
}

#[test]
fn what_resolves_before_the_first_flush_is_still_told() {
    timeline(
        ONE_GROUP,
        &[
            (0, fire("A"), &["0 incident.opened", "0 alert.opened A"]),
            (10, resolve("A"), &["10 alert.resolved A", "10 quiet"]),
            (30, Step::Nothing, &["30 flush 1: -A"]),
            (31, settle(1), &["31 incident.resolved"]),
        ],
    );
}

#[test]
fn groups_of_one_route_have_their_own_windows() {
    let by_team =
        "route: {receiver: r, group_wait: 30s, group_interval: 5m, group_by: [team]}\nreceivers: [{name: r}]\n";
    timeline(
        by_team,
        &[
            (
                0,
                fire("A team=x"),
                &["0 incident.opened {}:{team=\"x\"}", "0 alert.opened A {}:{team=\"x\"}"],
            ),
            (
                20,
                fire("B team=y"),
                &[
                    "20 incident.opened {}:{team=\"y\"}",
                    "20 alert.opened B {}:{team=\"y\"}",
                ],
            ),
            (30, Step::Nothing, &["30 flush 1 {}:{team=\"x\"}: +A"]),
            (50, Step::Nothing, &["50 flush 1 {}:{team=\"y\"}: +B"]),
        ],
    );
}

#[test]
fn a_look_that_finds_nothing_changed_is_not_journalled() {
    let mut world = World::new(ONE_GROUP);
    for (second, step) in [
        (0, hold("A")),
        (31, settle(1)),
        (100, Step::Look(ROOT, 100)),
        (101, hold("B")),
    ] {
        world.until(second);
        world.step(&step);
    }
    world.until(330);
    let flushes = world.driver.sent("incidents").len();
    let journal: Vec<String> = world
        .driver
        .sent("journal")
        .into_iter()
        .map(|(_, output)| decode::<JournalEntry>(output.value.as_deref().unwrap()).unwrap())
        .filter(|entry| entry.kind == "group.flushed")
        .map(|entry| entry.fields.value("flush").to_owned())
        .collect();
    assert_eq!((flushes, journal), (3, vec!["1".to_owned(), "3".to_owned()]));
}
