//! New configs: what leaves, what is gained, what is sent on.

use std::collections::{BTreeMap, BTreeSet};

use processor::{Origin, Processor, StateKey, Store, Tables, apply};
use schemas::{AlertUpdate, CORRELATE_ALERT, Flush, decode, encode};

use crate::world::{EMPTY, ONE_GROUP, Post, ROOT, Row, Step, World, fire, hold, resolve, settle, timeline};

/// Alerts of team x have a route of their own.
const TEAM_X: &str =
    "route: {receiver: r, group_wait: 30s, group_interval: 5m, routes: [{matchers: ['team=x'], receiver: x}]}
receivers: [{name: r}, {name: x}]
";
/// They are in both, and in a third.
const TEAM_X_AND_MORE: &str = "route: {receiver: r, group_wait: 30s, group_interval: 5m, routes: [
  {matchers: ['team=x'], receiver: x, continue: true}, {matchers: ['alertname=~\".*\"'], receiver: x}]}
receivers: [{name: r}, {name: x}]
";
const GROUP_X: &str = "{}/{team=\"x\"}:{}";

const OPENED: Row<'static> = (0, hold("A team=x"), &["0 incident.opened", "0 alert.opened A"]);
const FLUSHED: Row<'static> = (30, Step::Nothing, &["30 flush 1: +A"]);

#[test]
fn an_alert_goes_where_the_new_config_wants_it_and_its_old_incident_ends_as_moved() {
    timeline(
        ONE_GROUP,
        &[
            OPENED,
            FLUSHED,
            (
                100,
                Step::Config(TEAM_X),
                &[
                    "100 send A to {}/{team=\"x\"}:{}",
                    "100 incident.moved",
                    "100 moved",
                    "100 incident.opened {}/{team=\"x\"}:{}",
                    "100 alert.opened A {}/{team=\"x\"}:{}",
                ],
            ),
            // old already, but other slices may bring more
            (104, Step::Nothing, &[]),
            (105, Step::Nothing, &["105 flush 1 {}/{team=\"x\"}:{}: +A"]),
            (106, Step::Settle(GROUP_X, 1, false, None), &[]),
            // the old group is over: nothing comes of what still speaks of it
            (107, Step::Settle(ROOT, 1, false, Some(100)), &[]),
            (108, Step::Look(ROOT, 100), &[]),
            (2_000, hold("A team=x"), &[]),
        ],
    );
}

#[test]
fn a_group_that_loses_one_of_two_has_changed() {
    timeline(
        ONE_GROUP,
        &[
            OPENED,
            (1, hold("B"), &["1 alert.opened B"]),
            (31, settle(1), &["30 flush 1: +B +A"]),
            (32, resolve("B"), &["32 alert.resolved B"]),
            (
                100,
                Step::Config(TEAM_X),
                &[
                    "100 send A to {}/{team=\"x\"}:{}",
                    // nothing fires in what is left
                    "100 quiet",
                    "100 incident.opened {}/{team=\"x\"}:{}",
                    "100 alert.opened A {}/{team=\"x\"}:{}",
                ],
            ),
            (
                330,
                Step::Nothing,
                &["105 flush 1 {}/{team=\"x\"}:{}: +A", "330 flush 2: -B"],
            ),
            (331, settle(2), &["331 incident.resolved"]),
        ],
    );
}

#[test]
fn the_loss_itself_is_the_change_and_a_quiet_group_is_not_told_twice() {
    let moved: &[&str] = &[
        "100 send A to {}/{team=\"x\"}:{}",
        "100 incident.opened {}/{team=\"x\"}:{}",
        "100 alert.opened A {}/{team=\"x\"}:{}",
    ];
    timeline(
        ONE_GROUP,
        &[
            OPENED,
            (1, hold("B"), &["1 alert.opened B"]),
            (31, settle(1), &["30 flush 1: +B +A"]),
            (100, Step::Config(TEAM_X), moved),
            (
                330,
                Step::Nothing,
                &["105 flush 1 {}/{team=\"x\"}:{}: +A", "330 flush 2: +B"],
            ),
        ],
    );
    timeline(
        ONE_GROUP,
        &[
            OPENED,
            (1, hold("B"), &["1 alert.opened B"]),
            (40, resolve("A team=x"), &["30 flush 1: +B +A", "40 alert.resolved A"]),
            (41, resolve("B"), &["41 alert.resolved B", "41 quiet"]),
            (100, Step::Config(TEAM_X), &["100 send A to {}/{team=\"x\"}:{}"]),
            (330, Step::Nothing, &["330 flush 2: -B"]),
        ],
    );
}

#[test]
fn a_move_keeps_no_resolve_owed() {
    timeline(
        ONE_GROUP,
        &[
            OPENED,
            FLUSHED,
            (40, resolve("A team=x"), &["40 alert.resolved A", "40 quiet"]),
            (
                100,
                Step::Config(TEAM_X),
                &["100 send A to {}/{team=\"x\"}:{}", "100 incident.moved", "100 moved"],
            ),
            (2_000, Step::Nothing, &[]),
        ],
    );
}

#[test]
fn each_gained_group_hears_of_an_alert_once() {
    timeline(
        TEAM_X,
        &[
            (
                0,
                hold("A team=x"),
                &[
                    "0 incident.opened {}/{team=\"x\"}:{}",
                    "0 alert.opened A {}/{team=\"x\"}:{}",
                ],
            ),
            (
                10,
                Step::Config(TEAM_X_AND_MORE),
                &[
                    "10 send A to {}/{alertname=~\".*\"}:{}",
                    "10 incident.opened {}/{alertname=~\".*\"}:{}",
                    "10 alert.opened A {}/{alertname=~\".*\"}:{}",
                ],
            ),
            (
                20,
                Step::Config(ONE_GROUP),
                // two leave, the first of the old walk sends
                &[
                    "20 incident.moved {}/{alertname=~\".*\"}:{}",
                    "20 moved {}/{alertname=~\".*\"}:{}",
                    "20 send A to {}:{}",
                    "20 incident.moved {}/{team=\"x\"}:{}",
                    "20 moved {}/{team=\"x\"}:{}",
                    "20 incident.opened",
                    "20 alert.opened A",
                ],
            ),
        ],
    );
}

/// The incident ids of the root group's flushes when an alert is moved away and comes back after that many seconds.
fn incidents_around_a_move(seconds: i64) -> Vec<(String, i64)> {
    let mut world = World::new(ONE_GROUP);
    let mut found = Vec::new();
    let steps = [
        (0, hold("A team=x")),
        (100, Step::Config(TEAM_X)),
        (100 + seconds, Step::Config(ONE_GROUP)),
    ];
    for (second, step) in steps {
        world.until(second);
        world.step(&step);
        for (_, output) in world.driver.said().into_iter().filter_map(|said| match said {
            processor::Said::Sent(at, output) => Some((at, output)),
            processor::Said::Effect(..) | processor::Said::Refused(..) => None,
        }) {
            let value = output.value.unwrap();
            if output.topic == "alerts" {
                world.driver.record(std::str::from_utf8(&output.key).unwrap(), value);
            } else if let Ok(flush) = decode::<Flush>(&value)
                && output.key == ROOT.as_bytes()
            {
                found.push((flush.incident_id, flush.flush));
            }
        }
    }
    world.until(2_000);
    for (_, output) in world.driver.sent("incidents") {
        if let Ok(flush) = decode::<Flush>(output.value.as_deref().unwrap())
            && output.key == ROOT.as_bytes()
        {
            found.push((flush.incident_id, flush.flush));
        }
    }
    found
}

#[test]
fn a_group_that_returns_within_15_minutes_is_the_same_incident() {
    let back = incidents_around_a_move(899);
    assert_eq!((back.len(), &back[0].0, back[1].1), (2, &back[1].0, 2), "{back:?}");
    let anew = incidents_around_a_move(901);
    assert_eq!((anew.len(), anew[1].1), (2, 1), "{anew:?}");
    assert_ne!(anew[0].0, anew[1].0);
}

#[test]
fn a_record_that_an_older_config_placed_is_sent_on() {
    let old = |hops| {
        Step::Post(Post {
            alert: "A team=x",
            ends: 36_000,
            version: Some(1),
            hops,
            ..EMPTY
        })
    };
    let gained: &[&str] = &[
        "10 send A to {}/{team=\"x\"}:{}",
        "10 incident.opened {}/{team=\"x\"}:{}",
        "10 alert.opened A {}/{team=\"x\"}:{}",
    ];
    timeline(ONE_GROUP, &[(0, Step::Config(TEAM_X), &[]), (10, old(0), gained)]);
    timeline(ONE_GROUP, &[(0, Step::Config(TEAM_X), &[]), (10, old(1), gained)]);
    // after two hops it stays where it is, until the next version
    let rest: &[Row<'_>] = &[
        (0, Step::Config(TEAM_X), &[]),
        (10, old(2), &["10 incident.opened", "10 alert.opened A"]),
        (40, Step::Nothing, &["40 flush 1: +A"]),
        (
            50,
            Step::Config(
                "route: {receiver: x, group_wait: 30s, group_interval: 5m, routes: [{matchers: ['team=x'], receiver: r}]}\nreceivers: [{name: r}, {name: x}]\n",
            ),
            &[
                "50 send A to {}/{team=\"x\"}:{}",
                "50 incident.moved",
                "50 moved",
                "50 incident.opened {}/{team=\"x\"}:{}",
                "50 alert.opened A {}/{team=\"x\"}:{}",
            ],
        ),
    ];
    timeline(ONE_GROUP, rest);
    // one that belongs where it came is taken as it is
    let same = Step::Post(Post {
        alert: "B",
        ends: 36_000,
        version: Some(1),
        ..EMPTY
    });
    timeline(
        ONE_GROUP,
        &[
            (0, Step::Config(TEAM_X), &[]),
            (10, same, &["10 incident.opened", "10 alert.opened B"]),
        ],
    );
}

#[test]
fn a_resolve_that_is_sent_on_before_the_move_holds_against_it() {
    let mut world = World::new(ONE_GROUP);
    world.step(&fire("A team=x"));
    world.until(50);
    let before = snapshot(&world);
    // the resolve went to the gained group first, then the sweep came
    world.step(&Step::Config(TEAM_X));
    let moved: Vec<AlertUpdate> = world
        .driver
        .sent("alerts")
        .iter()
        .map(|(_, out)| decode(out.value.as_deref().unwrap()).unwrap())
        .collect();
    world.driver.said();
    world.until(51);
    world.step(&resolve("A team=x"));
    world.driver.record(GROUP_X, encode(&moved[0]).unwrap());
    assert_eq!(world.lines(), Vec::<String>::new());
    assert_eq!(moved[0].moved_from.as_deref(), Some(ROOT));
    assert!(before.len() == 2 && moved.len() == 1);
}

#[test]
fn a_version_that_does_not_load_leaves_the_old_one_in_force() {
    timeline(
        ONE_GROUP,
        &[
            OPENED,
            FLUSHED,
            (40, Step::Config("route: {receiver: nobody}\n"), &[]),
            (
                50,
                Step::Post(Post {
                    alert: "B team=x",
                    ends: 36_000,
                    version: Some(1),
                    ..EMPTY
                }),
                &["50 alert.opened B"],
            ),
            (330, Step::Nothing, &["330 flush 2: +A +B"]),
        ],
    );
}

#[test]
fn a_group_from_the_time_of_a_bad_version_is_compared_with_the_one_in_force_then() {
    let same = "route: {receiver: r, group_wait: 30s, group_interval: 300s}\nreceivers: [{name: r}]\n";
    timeline(
        ONE_GROUP,
        &[
            (0, Step::Config("route: {receiver: nobody}\n"), &[]),
            (0, hold("A"), &["0 incident.opened", "0 alert.opened A"]),
            (31, settle(1), &["30 flush 1: +A"]),
            (40, Step::Config(same), &[]),
            (700, Step::Nothing, &[]),
        ],
    );
}

#[test]
fn another_receiver_or_other_intervals_are_a_change_of_the_group() {
    let with = |next: &'static str, after: &[&str]| {
        timeline(
            ONE_GROUP,
            &[
                OPENED,
                FLUSHED,
                (31, settle(1), &[]),
                (40, Step::Config(next), &[]),
                (640, Step::Nothing, after),
            ],
        );
    };
    let changed = &["330 flush 2: +A"][..];
    with(
        "route: {receiver: s, group_wait: 30s, group_interval: 5m}\nreceivers: [{name: s}]\n",
        changed,
    );
    with(
        "route: {receiver: r, group_wait: 30s, group_interval: 5m, repeat_interval: 1h}\nreceivers: [{name: r}]\n",
        changed,
    );
    with(
        "route: {receiver: r, group_wait: 10s, group_interval: 5m}\nreceivers: [{name: r}]\n",
        changed,
    );
    let sooner = "route: {receiver: r, group_wait: 30s, group_interval: 1m}\nreceivers: [{name: r}]\n";
    with(sooner, &["90 flush 2: +A"]);
    // the same, said otherwise
    with(
        "route: {receiver: r, group_wait: 30s, group_interval: 300s}\nreceivers: [{name: r}, {name: more}]\n",
        &[],
    );
}

fn snapshot(world: &World) -> BTreeMap<StateKey, Vec<u8>> {
    world
        .driver
        .store()
        .dump()
        .map(|(key, value)| (key, value.to_vec()))
        .collect()
}

/// Sweeps a group of that many alerts slice by slice; with `crash`, from the beginning again after each.
fn sweep_in_slices(alerts: usize, crash: bool) {
    let mut world = World::new(ONE_GROUP);
    for n in 0..alerts {
        let (group, mut update) = world
            .updates(&Post {
                alert: "A team=x",
                ..EMPTY
            })
            .remove(0);
        update.body.labels.insert("n", n.to_string());
        update.fingerprint = update.body.labels.clone().fingerprint();
        world.driver.record(&group, encode(&update).unwrap());
    }
    let mut store = Store::default();
    for (key, value) in snapshot(&world) {
        store.restore(key.as_bytes(), Some(&value)).unwrap();
    }
    world.step(&Step::Config(TEAM_X));
    let tables = Tables::new();
    let (mut from, mut sent, mut slices, mut moved) = (None, BTreeSet::new(), 0, 0);
    loop {
        slices += 1;
        let origin = Origin {
            stage: "correlate",
            now: world.driver.now(),
            partition: 0,
            offset: slices,
            due: None,
            discriminator: 0,
            trace: 0,
            config_version: 2,
            tables: &tables,
        };
        let stage = &mut world.driver.stage;
        let start: Option<StateKey> = from.take();
        let (next, applied) = apply(&mut store, origin, |cx| stage.sweep(start.as_ref(), cx)).unwrap();
        moved += applied
            .outputs
            .iter()
            .filter(|output| output.topic == "incidents")
            .count();
        let updates: Vec<_> = applied
            .outputs
            .iter()
            .filter(|output| output.topic == "alerts")
            .collect();
        assert!(updates.len() <= 200, "a slice of {}", updates.len());
        for output in updates {
            let update: AlertUpdate = decode(output.value.as_deref().unwrap()).unwrap();
            assert!(sent.insert(update.fingerprint), "sent twice");
        }
        let left = store
            .dump()
            .filter(|(key, _)| key.kind() == Some(CORRELATE_ALERT))
            .count();
        assert_eq!(left + sent.len(), alerts, "neither lost nor in two places");
        match next {
            None => break,
            Some(_) if crash && left > 0 => {}
            Some(next) => from = Some(next),
        }
    }
    assert_eq!((sent.len(), moved), (alerts, 1));
    assert!(slices > i64::try_from(alerts / 200).unwrap());
    // the moved group is all that is left, and a further pass does nothing
    assert_eq!(store.len(), 1);
}

#[test]
fn a_large_group_is_swept_in_slices() {
    // also where a slice ends with the group
    for alerts in [1, 198, 199, 200, 398, 399, 1_000] {
        sweep_in_slices(alerts, false);
        sweep_in_slices(alerts, true);
    }
}
