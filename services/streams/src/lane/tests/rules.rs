//! The lane's rules one by one; each of these fails without its rule.

use super::*;
use crate::log::LogError;

fn dead_letters(stand: &Stand) -> Vec<schemas::DeadLetter> {
    let records = stand.log.committed_records(topics::DEAD_LETTERS);
    records
        .into_iter()
        .map(|record| schemas::decode(&record.value.unwrap()).unwrap())
        .collect()
}

#[test]
fn poison_becomes_a_dead_letter_and_its_neighbours_go_on() {
    let stand = Stand::new(1);
    let mut lane = stand.lane("a", None).unwrap();
    stand.append("k", 1);
    for bad in ["rubbish", "panic"] {
        let record = NewRecord {
            topic: topics::ALERTS.to_owned(),
            partition: alert::partition_for(b"k", PARTITIONS),
            key: b"k".to_vec(),
            value: Some(bad.as_bytes().to_vec()),
            meta: None,
            headers: Vec::new(),
        };
        stand.log.append(vec![record], Box::new(|_| {}));
    }
    stand.append("k", 2);
    settle(&mut lane).unwrap();
    stand.advance(1_500);
    settle(&mut lane).unwrap();
    let letters = dead_letters(&stand);
    let reasons: Vec<_> = letters
        .iter()
        .map(|letter| (letter.reason.as_str(), letter.value.as_slice()))
        .collect();
    assert_eq!(reasons, [("malformed", &b"rubbish"[..]), ("panic", &b"panic"[..])]);
    assert_eq!(totals(&stand.said()), [("k".to_owned(), 3)]);
}

#[test]
fn a_timer_does_not_fire_ahead_of_unread_input() {
    let stand = Stand::new(2);
    let mut lane = stand.lane("a", None).unwrap();
    stand.append("k", 1);
    settle(&mut lane).unwrap();
    drop(lane);
    // The lane was away; what came before the timer's time is unread.
    stand.advance(900);
    stand.append("k", 10);
    stand.advance(60_000);
    stand.append("k", 100);
    stand.log.expire("a");
    let mut lane = stand.lane("b", None).unwrap();
    settle(&mut lane).unwrap();
    assert_eq!(
        totals(&stand.said()),
        [("k".to_owned(), 11)],
        "the record before the due time counts, the later one not"
    );
    stand.advance(2_000);
    settle(&mut lane).unwrap();
    assert_eq!(totals(&stand.said()), [("k".to_owned(), 111)]);
}

#[test]
fn without_that_rule_the_unread_record_comes_too_late() {
    let stand = Stand::new(2);
    let mut lane = stand.lane("a", None).unwrap();
    stand.append("k", 1);
    settle(&mut lane).unwrap();
    drop(lane);
    stand.advance(900);
    stand.append("k", 10);
    stand.advance(60_000);
    stand.log.expire("a");
    let mut lane = stand.lane("b", Some(Sabotage::FireTimersAheadOfInput)).unwrap();
    settle(&mut lane).unwrap();
    assert_eq!(
        totals(&stand.said()),
        [("k".to_owned(), 1)],
        "this is what the rule prevents"
    );
}

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

#[test]
fn a_takeover_fences_the_open_transaction_of_the_dead() {
    let stand = Stand::new(4);
    let mut old = stand.lane("old", None).unwrap();
    stand.append("k", 1);
    settle(&mut old).unwrap();
    // It dies with records sent and nothing committed: readers stand before them.
    stand.append("k", 2);
    stand.log.crash_in("old", 1);
    for points in 1..40 {
        stand.log.crash_in("old", points);
        if old.step(Duration::ZERO).is_err() {
            break;
        }
    }
    stand.log.expire("old");
    let mut new = stand.lane("new", None).unwrap();
    for _ in 0..10 {
        settle(&mut new).unwrap();
        stand.advance(100);
    }
    assert_eq!(
        new.stores().count(),
        4,
        "every partition is active long before the transaction's timeout"
    );
    stand.advance(1_000);
    settle(&mut new).unwrap();
    assert_eq!(totals(&stand.said()), [("k".to_owned(), 3)]);
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
fn a_record_of_a_newer_config_waits_for_the_table() {
    for (sabotage, said_early) in [(None, false), (Some(Sabotage::IgnoreConfigVersion), true)] {
        let stand = Stand::new(6);
        let mut lane = stand.lane("a", sabotage).unwrap();
        settle(&mut lane).unwrap();
        let meta = processor::Meta {
            config_version: 1,
            ..processor::Meta::default()
        };
        let partition = alert::partition_for(b"k", PARTITIONS);
        let record = |topic: &str, partition: u32, value: &str, meta| NewRecord {
            topic: topic.to_owned(),
            partition,
            key: b"k".to_vec(),
            value: Some(value.as_bytes().to_vec()),
            meta,
            headers: Vec::new(),
        };
        stand.log.hold(&[topics::CONFIG]);
        stand
            .log
            .append(vec![record(topics::CONFIG, 0, "c", None)], Box::new(|_| {}));
        stand.log.append(
            vec![record(topics::ALERTS, partition, "5", Some(meta))],
            Box::new(|_| {}),
        );
        settle(&mut lane).unwrap();
        stand.advance(2_000);
        settle(&mut lane).unwrap();
        assert_eq!(!stand.said().is_empty(), said_early);
        stand.log.let_go();
        settle(&mut lane).unwrap();
        stand.advance(2_000);
        settle(&mut lane).unwrap();
        assert_eq!(totals(&stand.said()), [("k".to_owned(), 5)]);
    }
}

#[test]
fn a_partition_runs_nothing_before_its_tables_are_read() {
    let stand = Stand::new(7);
    let config = NewRecord {
        topic: topics::CONFIG.to_owned(),
        partition: 0,
        key: b"c".to_vec(),
        value: Some(b"c".to_vec()),
        meta: None,
        headers: Vec::new(),
    };
    stand.log.append(vec![config], Box::new(|_| {}));
    stand.log.hold(&[topics::CONFIG]);
    let mut lane = stand.lane("a", None).unwrap();
    stand.append("k", 1);
    settle(&mut lane).unwrap();
    assert_eq!(lane.stores().count(), 0);
    assert!(lane.status().not_ready().unwrap().contains("restoring 4 of 4"));
    stand.log.let_go();
    settle(&mut lane).unwrap();
    assert_eq!(lane.stores().count(), 4);
    assert_eq!(lane.status().not_ready(), None);
}

#[test]
fn an_idle_lane_commits_a_position_past_control_records() {
    let stand = Stand::new(8);
    // A transaction that writes to the inbox leaves a marker behind it.
    let mut writer = stand
        .log
        .join(&Join {
            group: "other".to_owned(),
            topic: topics::INCIDENTS.to_owned(),
            lane: "writer".to_owned(),
        })
        .unwrap();
    drop(writer.poll(1, Duration::ZERO).unwrap());
    writer.begin().unwrap();
    let partition = alert::partition_for(b"k", PARTITIONS);
    writer
        .send(NewRecord {
            topic: topics::ALERTS.to_owned(),
            partition,
            key: b"k".to_vec(),
            value: Some(b"4".to_vec()),
            meta: None,
            headers: Vec::new(),
        })
        .unwrap();
    writer.commit(&[(0, 0)]).unwrap();
    let mut lane = stand.lane("a", None).unwrap();
    for _ in 0..4 {
        settle(&mut lane).unwrap();
        stand.advance(150);
    }
    let committed = stand
        .log
        .committed("counter", topics::ALERTS, partition)
        .unwrap()
        .unwrap();
    assert_eq!(
        (committed.offset, committed.lane.as_str()),
        (2, "a"),
        "record and marker"
    );
}

#[test]
fn a_burst_of_due_timers_does_not_hold_up_the_inbox() {
    let stand = Stand::new(9);
    let mut lane = stand.lane("a", None).unwrap();
    (0..900).for_each(|n| stand.append(&format!("k{n}"), 1));
    settle(&mut lane).unwrap();
    stand.advance(5_000);
    let progress = lane.step(Duration::ZERO).unwrap();
    assert!(
        progress.timers > 0 && progress.timers <= lane.config.max_timers,
        "{progress:?}"
    );
    settle(&mut lane).unwrap();
    assert_eq!(totals(&stand.said()).len(), 900);
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
fn an_aborted_transaction_releases_nothing() {
    let sends_at_most = |sabotage| {
        let stand = Stand::new(11);
        let mut lane = stand.lane("a", sabotage).unwrap();
        settle(&mut lane).unwrap();
        stand.log.set_faults(Faults {
            abort: 500,
            ..Faults::default()
        });
        for n in 0..40 {
            stand.append(&format!("k{n}"), n);
            settle(&mut lane).unwrap();
            stand.advance(200);
        }
        stand.world.most()
    };
    assert_eq!(sends_at_most(None), 1);
    assert!(
        sends_at_most(Some(Sabotage::ReleaseBeforeCommit)) > 1,
        "the rule's test can fail"
    );
}
