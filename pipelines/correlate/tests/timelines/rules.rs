//! Rules of design section 5 that no other timeline here would miss: each row fails without its rule.

use alert::{PromDuration, Timestamp};
use processor::{Origin, Processor, Store, Tables, apply};
use schemas::{AlertPhase, AlertUpdate, CORRELATE_ALERT, CorrelateAlert, Instance, decode, encode, topics};

use crate::world::{EMPTY, ONE_GROUP, Post, ROOT, START, Step, World, fire, hold, resolve, settle, timeline};

const TEAM_X: &str = "route: {receiver: r, group_wait: 30s, group_interval: 5m, routes: [
  {matchers: ['team=x'], receiver: x}]}
receivers: [{name: r}, {name: x}]
";
const GROUP_X: &str = "{}/{team=\"x\"}:{}";
/// Team x has a group, and all have one more; then all have a third.
const TWO: &str = "route: {receiver: r, routes: [
  {matchers: ['team=x'], receiver: x, continue: true}, {matchers: ['alertname=~\".*\"'], receiver: y}]}
receivers: [{name: r}, {name: x}, {name: y}]
";
const THREE: &str = "route: {receiver: r, routes: [
  {matchers: ['team=x'], receiver: x, continue: true}, {matchers: ['alertname=~\".*\"'], receiver: y, continue: true},
  {matchers: ['alertname=~\".+\"'], receiver: z}]}
receivers: [{name: r}, {name: x}, {name: y}, {name: z}]
";

fn post(post: Post) -> Step {
    Step::Post(post)
}

/// The alerts of the one group, as they are kept.
fn known(world: &World) -> Vec<CorrelateAlert> {
    let records = world.driver.store().from(None);
    let alerts = records.filter(|(key, _)| key.kind() == Some(CORRELATE_ALERT));
    alerts.map(|(_, stored)| decode(stored.bytes).unwrap()).collect()
}

/// 5.3: a flush says all there is: what was to be looked at before it is armed no more, until route answers.
#[test]
fn a_flush_disarms_the_look_before_it() {
    timeline(
        ONE_GROUP,
        &[
            (0, hold("A"), &["0 incident.opened", "0 alert.opened A"]),
            (31, Step::Settle(ROOT, 1, false, Some(400)), &["30 flush 1: +A"]),
            (40, hold("B"), &["40 alert.opened B"]),
            (330, Step::Nothing, &["330 flush 2: +A +B"]),
            (500, Step::Nothing, &[]),
        ],
    );
}

/// 5.3: with `keep`, no longer than log entries live: 120 hours, however long the repeat interval is.
#[test]
fn what_is_kept_is_kept_no_longer_than_any_entry_lives() {
    let config = "route: {receiver: r, group_interval: 5m, repeat_interval: 100h}\nreceivers: [{name: r}]\n";
    let mut world = World::new(config);
    for (second, step) in [
        (0, hold("A")),
        (40, resolve("A")),
        (335, Step::Settle(ROOT, 2, true, None)),
    ] {
        world.until(second);
        world.step(&step);
    }
    for (flush, hours, leaves) in [(3, 119, false), (4, 2, true)] {
        world.driver.advance(PromDuration::from_hours(hours));
        world.step(&Step::Look(ROOT, 336));
        world.lines();
        world.step(&Step::Settle(ROOT, flush, true, None));
        let left = world.lines().iter().any(|line| line.ends_with("incident.resolved"));
        assert_eq!(left, leaves, "after {hours} more hours");
    }
}

/// 5.2: a version counts as a change of every group whose receiver differs, if only in what it consists of.
#[test]
fn a_receiver_with_another_integration_is_a_change_of_the_group() {
    timeline(
        ONE_GROUP,
        &[
            (0, hold("A"), &["0 incident.opened", "0 alert.opened A"]),
            (31, settle(1), &["30 flush 1: +A"]),
            (
                40,
                Step::Config(
                    "route: {receiver: r, group_wait: 30s, group_interval: 5m}\nreceivers: [{name: r, webhook_configs: [{url: 'http://r/'}]}]\n",
                ),
                &[],
            ),
            (640, Step::Nothing, &["330 flush 2: +A"]),
        ],
    );
}

/// 5.2: a version that does not load is seen all the same: records stamped with it do not wait for ever.
#[test]
fn a_version_that_does_not_load_counts_as_seen() {
    let mut world = World::new(ONE_GROUP);
    world.step(&Step::Config("route: {receiver: nobody}\n"));
    assert_eq!(world.driver.stage.config_version(), 2);
}

/// 5.2: an old update is placed by the version it was placed by: its first copy sends it on, once, as one hop.
#[test]
fn a_late_update_is_sent_on_once_and_says_so() {
    let mut world = World::new(TWO);
    world.step(&Step::Config(THREE));
    let updates = world.updates(&Post {
        alert: "A team=x",
        version: Some(1),
        ..EMPTY
    });
    assert_eq!(updates.len(), 2);
    for (group, update) in updates {
        world.driver.record(&group, encode(&update).unwrap());
    }
    let sent = world.driver.sent(topics::ALERTS).into_iter();
    let sent: Vec<(String, i32, i32)> = sent
        .map(|(_, output)| {
            let update: AlertUpdate = decode(output.value.as_deref().unwrap()).unwrap();
            (String::from_utf8(output.key).unwrap(), update.hops, update.copies)
        })
        .collect();
    let gained = "{}/{alertname=~\".+\"}:{}".to_owned();
    assert_eq!(sent, [(gained, 1, 3)], "not to the groups it is in already");
}

/// 5.2: where the version an update was placed by is not kept any more, its first copy speaks for it.
#[test]
fn of_an_update_from_a_forgotten_version_the_first_copy_is_sent_on() {
    let mut world = World::new(TWO);
    for _ in 0..10 {
        world.step(&Step::Config(ONE_GROUP));
    }
    let updates = world.updates(&Post {
        alert: "A team=x",
        version: Some(1),
        ..EMPTY
    });
    for (group, update) in updates {
        world.driver.record(&group, encode(&update).unwrap());
    }
    assert_eq!(world.driver.sent(topics::ALERTS).len(), 1, "once, not once a copy");
}

/// 5.2: what stays in a group whose route is gone goes by the newest config that knew the route.
#[test]
fn a_group_whose_route_is_gone_keeps_its_last_intervals() {
    let stays = Step::Post(Post {
        alert: "A team=x",
        version: Some(2),
        hops: 2,
        ..EMPTY
    });
    timeline(
        TEAM_X,
        &[
            (
                0,
                Step::Config(
                    "route: {receiver: r, routes: [{matchers: ['team=x'], receiver: r, group_wait: 12s}]}\nreceivers: [{name: r}]\n",
                ),
                &[],
            ),
            (1, Step::Config(ONE_GROUP), &[]),
            (
                2,
                stays,
                &[
                    "2 incident.opened {}/{team=\"x\"}:{}",
                    "2 alert.opened A {}/{team=\"x\"}:{}",
                ],
            ),
            (20, Step::Nothing, &["14 flush 1 {}/{team=\"x\"}:{}: +A"]),
        ],
    );
}

/// 5.2: what is only remembered of an alert moves nowhere.
#[test]
fn a_settled_alert_is_not_moved() {
    let mut world = World::new(TEAM_X);
    for (second, step) in [
        (0, hold("A team=x")),
        (1, hold("B team=x")),
        (40, resolve("A team=x")),
        (331, Step::Settle(GROUP_X, 2, false, None)),
    ] {
        world.until(second);
        world.step(&step);
        world.lines();
    }
    let phases: Vec<AlertPhase> = known(&world).iter().map(|alert| alert.phase).collect();
    assert!(phases.contains(&AlertPhase::Settled), "{phases:?}");
    world.step(&Step::Config(ONE_GROUP));
    assert_eq!(world.driver.sent(topics::ALERTS).len(), 1, "only B");
}

/// 5.2: a group that comes back begins a new grid.
#[test]
fn a_group_that_comes_back_begins_its_grid_anew() {
    let mut world = World::new(ONE_GROUP);
    let mut flushes = Vec::new();
    for (second, step) in [
        (0, hold("A team=x")),
        (40, Step::Config(TEAM_X)),
        (100, Step::Config(ONE_GROUP)),
        (110, hold("B")),
        (700, Step::Nothing),
    ] {
        world.until(second);
        world.step(&step);
        let lines = world.lines().into_iter();
        flushes.extend(lines.filter(|line| line.contains("flush") && !line.contains("team")));
    }
    let seconds: Vec<&str> = flushes.iter().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(seconds, ["30", "105", "405"], "{flushes:?}");
}

/// 5.1: a heartbeat's times are by its writer's clock; the log's clock is what counts.
#[test]
fn a_listener_whose_clock_is_an_hour_ahead_has_not_begun_in_the_future() {
    let mut world = World::new(ONE_GROUP);
    world.step(&fire("A"));
    world.until(239);
    world.lines();
    let ahead = PromDuration::from_hours(1);
    let instance = Instance {
        id: "i".to_owned(),
        services: vec!["ingest".to_owned()],
        started_at: Timestamp::from_secs(START),
        receiving_since: Some(Timestamp::from_secs(START - 60) + ahead),
        at: world.driver.now() + ahead,
        lanes: Vec::new(),
    };
    world
        .driver
        .table(topics::INSTANCES, "i", Some(encode(&instance).unwrap()));
    world.driver.advance(PromDuration::from_secs(1));
    assert_eq!(
        world.lines(),
        ["240 alert.resolved A", "240 quiet"],
        "it listened all the time"
    );
}

/// 5.1: an alert was heard of when it was received or appended, whichever was earlier, and never earlier than before.
#[test]
fn an_alert_is_as_old_as_the_earlier_of_its_times_and_never_gets_older() {
    let at = |second| Timestamp::from_secs(START + second);
    let mut world = World::new(ONE_GROUP);
    world.until(100);
    // It lay in a backlog: received 50 s before it was appended. And one whose receiver's clock is ahead.
    for (alert, received_ago, heard) in [("A", 50, 50), ("B", -50, 100)] {
        world.step(&post(Post {
            alert,
            received_ago,
            ..EMPTY
        }));
        assert!(known(&world).iter().any(|known| known.heard_at == at(heard)), "{alert}");
    }
    let mut world = World::new(ONE_GROUP);
    world.until(200);
    world.step(&fire("A"));
    assert_eq!(known(&world)[0].heard_at, at(200));
    // An older one comes late, from a partition that lagged.
    world.until(210);
    world.step(&post(Post {
        alert: "A",
        starts: Some(-150),
        ends: 500,
        received_ago: 100,
        ..EMPTY
    }));
    assert_eq!(known(&world)[0].heard_at, at(200));
}

/// 5.3: an update received earlier merges where it overlaps: the earlier start and the later end are known now, and the
/// newer content stays.
#[test]
fn an_older_update_that_overlaps_widens_and_says_nothing_new() {
    let mut world = World::new(ONE_GROUP);
    world.until(100);
    world.step(&post(Post {
        alert: "A",
        starts: Some(0),
        text: "new",
        ..EMPTY
    }));
    world.step(&post(Post {
        alert: "A",
        starts: Some(-60),
        ends: 200,
        text: "old",
        received_ago: 30,
        ..EMPTY
    }));
    let alert = &known(&world)[0];
    assert_eq!(alert.starts_at, Timestamp::from_secs(START + 40));
    assert_eq!(alert.ends_at, Timestamp::from_secs(START + 340));
    assert_eq!(alert.body.annotations.value("text"), "new");
}

/// 5.3: a change that people see is carried by the next flush; the state keeps since when it fires.
#[test]
fn a_change_does_not_begin_the_phase_anew() {
    let mut world = World::new(ONE_GROUP);
    world.step(&hold("A"));
    world.until(60);
    world.step(&post(Post {
        alert: "A",
        ends: 36_000,
        text: "other",
        ..EMPTY
    }));
    assert_eq!(known(&world)[0].since, Timestamp::from_secs(START));
}

/// 5.3: an end that the sender gave holds until a later one: refreshes that were not written hold too.
#[test]
fn a_shorter_end_does_not_take_back_what_was_promised() {
    let mut world = World::new(ONE_GROUP);
    world.step(&fire("A"));
    world.until(60);
    world.step(&fire("A"));
    let promised = known(&world)[0].expires_at;
    world.until(70);
    world.step(&post(Post {
        alert: "A",
        ends: 100,
        text: "other",
        ..EMPTY
    }));
    assert!(known(&world)[0].expires_at >= promised, "{:?}", known(&world)[0]);
}

/// 5.1: a timer is void once its alert moved on: the expiry of one that was resolved meanwhile does nothing.
#[test]
fn an_expiry_that_comes_after_the_resolve_does_nothing() {
    let mut world = World::new(ONE_GROUP);
    world.step(&fire("A"));
    world.until(35);
    let timer = world.driver.store().next_timer().unwrap().clone();
    assert_eq!(timer.due, Timestamp::from_secs(START + 240));
    world.step(&resolve("A"));
    let mut store = Store::default();
    for (key, value) in world.driver.store().dump() {
        store.restore(key.as_bytes(), Some(value)).unwrap();
    }
    let tables = Tables::new();
    let origin = Origin {
        stage: "correlate",
        now: world.driver.now(),
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
    assert!(applied.outputs.is_empty());
}

/// 5.3: refreshes that were not written are not lost by a move.
#[test]
fn an_alert_that_was_moved_does_not_expire_before_its_true_end() {
    let narrow = "route: {receiver: r, group_by: [alertname]}\nreceivers: [{name: r}]\n";
    let mut world = World::new(ONE_GROUP);
    for second in [0, 60, 120, 170] {
        world.until(second);
        world.step(&fire("A"));
    }
    world.until(180);
    world.step(&Step::Config(narrow));
    world.lines();
    world.until(409);
    let said = world.lines();
    assert!(
        !said.iter().any(|line| line.contains("alert.resolved")),
        "it ends at 410: {said:?}"
    );
}

/// 5.3: only what was carried by a settled flush leaves, also when its resolve was sent again meanwhile.
#[test]
fn a_resolve_that_is_sent_again_is_still_to_be_carried() {
    timeline(
        ONE_GROUP,
        &[
            (0, hold("A"), &["0 incident.opened", "0 alert.opened A"]),
            (40, resolve("A"), &["30 flush 1: +A", "40 alert.resolved A", "40 quiet"]),
            (
                50,
                post(Post {
                    alert: "A",
                    starts: Some(-50),
                    ends: 0,
                    ..EMPTY
                }),
                &[],
            ),
            (60, settle(1), &[]),
            (330, Step::Nothing, &["330 flush 2: -A"]),
        ],
    );
}
