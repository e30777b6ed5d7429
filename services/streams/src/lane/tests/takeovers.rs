//! Partitions that move, and brokers that are gone; each of these fails without its rule.

use super::*;
use crate::log::LogError;

/// A zombie: its session is over, another lane owns its partitions, and it goes on with what it has in memory.
fn zombie(sabotage: Option<Sabotage>) -> Vec<(String, i64)> {
    let stand = Stand::new(3);
    let mut old = stand.lane("old", sabotage).unwrap();
    stand.append("k", 7);
    settle(&mut old).unwrap();
    stand.log.expire("old");
    let mut new = stand.lane("new", None).unwrap();
    settle(&mut new).unwrap();
    stand.advance(2_000);
    // The zombie wakes between its poll and its commit: nothing but a timer is in its transaction.
    old.now = old.log.now();
    old.ask_for_ends().unwrap();
    let batch = old.apply(Budget::pass(&old.config.clone()));
    drop(old.transact(batch));
    settle(&mut new).unwrap();
    totals(&stand.said())
}

#[test]
fn a_zombie_that_only_fires_timers_is_fenced_by_its_offsets() {
    assert_eq!(zombie(None), [("k".to_owned(), 7)]);
    assert_eq!(
        zombie(Some(Sabotage::DropOffsetsFromTimerCommits)),
        [("k".to_owned(), 14)],
        "the rule's test can fail"
    );
}

/// The dead left a transaction open, at each point where it can die; a takeover, and the next one by a lane that has only
/// stamped its name beside the offsets, both go on long before the transaction's timeout.
#[test]
fn a_takeover_fences_the_open_transaction_of_the_dead() {
    for points in 1..60 {
        let stand = Stand::new(4);
        let mut lane = stand.lane("old", None).unwrap();
        stand.append("k", 1);
        settle(&mut lane).unwrap();
        for (name, heir, number) in [("old", "new", 2), ("new", "newest", 4)] {
            stand.append("k", number);
            stand.log.crash_in(name, points);
            while lane.step(Duration::ZERO).is_ok_and(|progress| !progress.is_idle()) {}
            stand.log.spare(name);
            stand.log.expire(name);
            lane = stand.lane(heir, None).unwrap();
            for _ in 0..5 {
                settle(&mut lane).unwrap();
                stand.advance(100);
            }
            assert_eq!(lane.stores().count(), 4, "point {points}: {heir} waits for {name}");
        }
        stand.advance(1_000);
        settle(&mut lane).unwrap();
        assert_eq!(totals(&stand.said()), [("k".to_owned(), 7)], "point {points}");
    }
}

/// What brokers that are gone cannot answer is asked again, wherever it meets the lane: no lane ends by it, and a takeover
/// still fences the dead.
#[test]
fn a_lane_waits_for_brokers_that_do_not_answer() {
    for points in 1..60 {
        let stand = Stand::new(points);
        let mut dead = stand.lane("dead", None).unwrap();
        stand.append("k", 1);
        settle(&mut dead).unwrap();
        stand.append("k", 2);
        stand.log.crash_in("dead", points);
        while dead.step(Duration::ZERO).is_ok_and(|progress| !progress.is_idle()) {}
        stand.log.expire("dead");
        let mut lane = stand.lane("heir", None).unwrap();
        // All is well, then nobody answers, then some do.
        for (busy, rounds) in [(0, 1), (1_000, 5), (300, 8), (0, 5)] {
            stand.log.set_faults(Faults {
                unknown: busy / 2,
                busy,
                ..Faults::default()
            });
            for _ in 0..rounds {
                settle(&mut lane).unwrap();
                stand.advance(100);
            }
        }
        assert_eq!(lane.stores().count(), 4, "point {points}");
        stand.advance(1_000);
        settle(&mut lane).unwrap();
        assert_eq!(totals(&stand.said()), [("k".to_owned(), 3)], "point {points}");
    }
}

#[test]
fn a_partition_without_a_leader_holds_up_no_other() {
    let stand = Stand::new(17);
    let mut lane = stand.lane("a", None).unwrap();
    stand.log.set_leaderless(Some(1));
    settle(&mut lane).unwrap();
    let active = |lane: &Lane<Counter>| lane.stores().map(|(partition, _)| partition).collect::<Vec<_>>();
    assert_eq!(active(&lane), [0, 2, 3]);
    assert!(lane.status().not_ready().unwrap().contains("restoring 1 of 4"));
    stand.log.set_leaderless(None);
    settle(&mut lane).unwrap();
    assert_eq!(active(&lane), [0, 1, 2, 3]);
}

/// Whoever waits for a timer of the first partition does not wait for the state of the last.
#[test]
fn partitions_are_restored_one_after_the_other() {
    const RECORDS: usize = 3;
    let stand = Stand::new(21);
    let mut lane = stand.lane("old", None).unwrap();
    for key in 0..40 {
        stand.append(&format!("k{key}"), key);
    }
    settle(&mut lane).unwrap();
    lane.close().unwrap();
    let mut heir = stand.lane("new", None).unwrap();
    heir.config.restore_records = RECORDS;
    let mut grew = vec![0];
    for _ in 0..100 {
        heir.step(Duration::ZERO).unwrap();
        let restored: usize = heir.tasks.values().map(|task| task.store.len()).sum();
        assert!(restored <= grew.last().unwrap() + RECORDS);
        grew.push(restored);
        let parts = heir
            .tasks
            .values()
            .filter(|task| task.is_restoring() && !task.store.is_empty());
        assert!(parts.count() <= 1, "one partition at a time");
    }
    assert_eq!(heir.stores().count(), 4);
    assert_eq!(grew.last(), Some(&40));
    stand.advance(1_000);
    settle(&mut heir).unwrap();
    assert_eq!(totals(&stand.said()).len(), 40);
}

#[test]
fn what_runs_when_a_partition_is_given_up_is_waited_for_and_not_done_again() {
    let stand = Stand::new(14);
    let mut lane = stand.slow_lane("a");
    stand.append("k", 1);
    settle(&mut lane).unwrap();
    stand.advance(1_000);
    settle(&mut lane).unwrap();
    lane.close().unwrap();
    let mut heir = stand.lane("b", None).unwrap();
    settle(&mut heir).unwrap();
    assert_eq!(stand.world.most(), 1);
}

#[test]
fn partitions_move_to_a_second_lane_and_back_without_loss() {
    let stand = Stand::new(5);
    let mut first = stand.lane("first", None).unwrap();
    (0..20).for_each(|n| stand.append(&format!("k{n}"), n));
    settle(&mut first).unwrap();
    let mut second = stand.lane("second", None).unwrap();
    for _ in 0..5 {
        settle(&mut second).unwrap();
        settle(&mut first).unwrap();
    }
    assert_eq!((first.stores().count(), second.stores().count()), (2, 2));
    second.close().unwrap();
    settle(&mut first).unwrap();
    assert_eq!(first.stores().count(), 4);
    stand.advance(1_500);
    settle(&mut first).unwrap();
    assert_eq!(totals(&stand.said()).iter().map(|(_, sum)| sum).sum::<i64>(), 190);
}

#[test]
fn a_dead_lane_says_so_on_every_call() {
    let stand = Stand::new(10);
    let mut lane = stand.lane("a", None).unwrap();
    stand.log.crash_in("a", 1);
    assert!(matches!(
        lane.step(Duration::ZERO),
        Err(LaneError::Log(LogError::Crashed))
    ));
    assert!(matches!(
        lane.step(Duration::ZERO),
        Err(LaneError::Log(LogError::Crashed))
    ));
}

#[test]
fn a_new_owner_writes_its_name_beside_the_offset_though_it_has_nothing_else_to_write() {
    let stand = Stand::new(20);
    for name in ["a", "b"] {
        let mut lane = stand.lane(name, None).unwrap();
        lane.stage.quiet = true;
        settle(&mut lane).unwrap();
        assert_eq!(stand.committed("k"), Some((0, name.to_owned())));
        stand.log.expire(name);
    }
}

/// Somebody else may own it already.
#[test]
fn what_is_lost_is_neither_waited_for_nor_written() {
    let stand = Stand::new(22);
    let mut lane = stand.slow_lane("a");
    stand.append("k", 1);
    settle(&mut lane).unwrap();
    stand.advance(1_000);
    settle(&mut lane).unwrap();
    stand.log.expire("a");
    lane.step(Duration::ZERO).unwrap();
    assert_eq!(stand.world.budgets(), [Duration::ZERO]);
    assert_eq!(lane.status().not_ready(), None, "no transaction was refused");
    settle(&mut lane).unwrap();
    lane.close().unwrap();
    assert_eq!(stand.world.budgets(), [Duration::ZERO, REVOKE_BUDGET]);
}
