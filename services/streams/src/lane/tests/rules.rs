//! Timers, input and tables: the lane's rules one by one; each of these fails without its rule.

use super::*;

/// What a stage says that has taken up the first version of the config.
const NEWER_CONFIG: Option<Meta> = Some(Meta {
    id: 0,
    now: 0,
    partition: 0,
    offset: 0,
    due: None,
    config_version: 1,
    trace: 0,
});

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

#[test]
fn what_comes_at_the_instant_a_timer_is_due_goes_first() {
    let stand = Stand::new(12);
    let mut lane = stand.lane("a", None).unwrap();
    stand.append("k", 1);
    settle(&mut lane).unwrap();
    stand.advance(1_000);
    stand.append("k", 10);
    settle(&mut lane).unwrap();
    assert_eq!(totals(&stand.said()), [("k".to_owned(), 11)]);
}

/// Only an answer from after a timer was due says that nothing came before it: an older one is of no use, though all that
/// it spoke of is read.
#[test]
fn an_answer_from_before_a_timer_was_due_does_not_let_it_fire() {
    let stand = Stand::new(16);
    let mut lane = stand.lane("a", None).unwrap();
    let beside = key_for("k", true);
    stand.append(&beside, 1);
    settle(&mut lane).unwrap();
    stand.advance(500);
    stand.append("k", 1);
    settle(&mut lane).unwrap();
    // The end is asked for when the first timer is due.
    stand.advance(500);
    settle(&mut lane).unwrap();
    stand.advance(400);
    stand.append(&beside, 5);
    stand.append("k", 10);
    stand.advance(600);
    lane.config.max_records = 1;
    settle(&mut lane).unwrap();
    let of_k: Vec<String> = stand.said().into_iter().filter(|said| said.starts_with("k=")).collect();
    assert!(of_k.len() == 1 && of_k[0].starts_with("k=11 "), "{of_k:?}");
}

#[test]
fn a_pass_takes_no_more_in_hand_than_it_may_apply() {
    let stand = Stand::new(13);
    let mut lane = stand.lane("a", None).unwrap();
    settle(&mut lane).unwrap();
    lane.config.max_records = 5;
    (0..50).for_each(|n| stand.append(&format!("k{n}"), 1));
    let mut applied = 0;
    while applied < 50 {
        let progress = lane.step(Duration::ZERO).unwrap();
        let in_hand: usize = lane.tasks.values().map(|task| task.in_hand.len()).sum();
        assert!(progress.records <= 5 && in_hand <= 5, "{progress:?}, {in_hand} in hand");
        applied += progress.records;
    }
}

#[test]
fn a_pass_over_the_state_begins_after_a_restore_and_a_table_change_and_survives_aborts() {
    let swept = |stand: &Stand| -> Vec<String> {
        let records = stand.log.committed_records(topics::JOURNAL).into_iter();
        records
            .map(|record| String::from_utf8(record.value.unwrap()).unwrap())
            .collect()
    };
    let stand = Stand::new(15);
    stand.log.set_faults(Faults {
        abort: 200,
        ..Faults::default()
    });
    let mut lane = stand.lane("a", None).unwrap();
    settle(&mut lane).unwrap();
    let each_partition = |version| -> Vec<String> {
        let slices = |_| [format!("begun {version}"), format!("done {version}")];
        (0..4).flat_map(slices).collect()
    };
    let mut found = swept(&stand);
    found.sort();
    let mut expected = each_partition(0);
    expected.sort();
    assert_eq!(found, expected);
    stand.append_config("c");
    settle(&mut lane).unwrap();
    let mut found = swept(&stand);
    found.sort();
    expected.extend(each_partition(1));
    expected.sort();
    assert_eq!(found, expected);
}

#[test]
fn a_record_of_a_newer_config_waits_for_the_table() {
    for (sabotage, said_early) in [(None, false), (Some(Sabotage::IgnoreConfigVersion), true)] {
        let stand = Stand::new(6);
        let mut lane = stand.lane("a", sabotage).unwrap();
        settle(&mut lane).unwrap();
        stand.log.hold(&[topics::CONFIG]);
        stand.append_config("c");
        stand.append_stamped("k", "5", NEWER_CONFIG);
        settle(&mut lane).unwrap();
        stand.advance(2_000);
        settle(&mut lane).unwrap();
        assert_eq!(!stand.said().is_empty(), said_early);
        stand.log.let_go();
        stand.log.set_faults(Faults {
            busy: 1_000,
            ..Faults::default()
        });
        settle(&mut lane).unwrap();
        stand.log.set_faults(Faults::default());
        settle(&mut lane).unwrap();
        stand.advance(2_000);
        settle(&mut lane).unwrap();
        assert_eq!(totals(&stand.said()), [("k".to_owned(), 5)]);
    }
}

#[test]
fn a_partition_runs_nothing_before_its_tables_are_read() {
    let stand = Stand::new(7);
    stand.append_config("c");
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

/// A partition that waits for a config version is neither read nor polled for, but what runs for it may end.
#[test]
fn a_partition_that_waits_holds_up_no_other_and_keeps_what_is_reported() {
    let stand = Stand::new(19);
    let mut lane = stand.slow_lane("a");
    lane.stage.quiet = true;
    lane.config.max_records = 3;
    stand.append("k", 1);
    settle(&mut lane).unwrap();
    stand.advance(1_000);
    settle(&mut lane).unwrap();
    (0..5).for_each(|_| stand.append_stamped("k", "1", NEWER_CONFIG));
    settle(&mut lane).unwrap();
    assert_eq!(lane.member.position(alert::partition_for(b"k", PARTITIONS)), None);
    assert!(lane.idle_wait() > Duration::ZERO);
    lane.effects.revoke(&[], Duration::ZERO);
    let other = key_for("k", false);
    (0..5).for_each(|_| stand.append(&other, 1));
    let applied: usize = (0..3).map(|_| lane.step(Duration::ZERO).unwrap().records).sum();
    assert_eq!(applied, 5, "of the other");
    stand.append_config("c");
    settle(&mut lane).unwrap();
    let kept: usize = lane.stores().map(|(_, store)| store.len()).sum();
    assert_eq!(kept, 2, "two sums, and nothing under way");
}

#[test]
fn what_retention_took_before_it_was_read_is_counted_and_passed() {
    let stand = Stand::new(24);
    let mut lane = stand.lane("a", None).unwrap();
    stand.append("k", 1);
    settle(&mut lane).unwrap();
    drop(lane);
    stand.log.expire("a");
    (0..5).for_each(|_| stand.append("k", 10));
    stand
        .log
        .trim(topics::ALERTS, alert::partition_for(b"k", PARTITIONS), 4);
    let counted = counted(|| {
        let mut lane = stand.lane("b", None).unwrap();
        while lane.stores().count() == 0 {
            lane.step(Duration::ZERO).unwrap();
        }
        assert_eq!(stand.committed("k"), Some((4, "b".to_owned())));
        settle(&mut lane).unwrap();
        stand.advance(1_000);
        settle(&mut lane).unwrap();
    });
    assert_eq!(counted["streams_trimmed_unread_total"], 3);
    assert_eq!(totals(&stand.said()), [("k".to_owned(), 21)]);
}

#[test]
fn partitions_take_turns() {
    let stand = Stand::new(25);
    let mut lane = stand.lane("a", None).unwrap();
    lane.config.max_timers = 1;
    for n in 0..40 {
        stand.append(&format!("k{n}"), 1);
    }
    settle(&mut lane).unwrap();
    stand.advance(1_000);
    for _ in 0..PARTITIONS {
        lane.step(Duration::ZERO).unwrap();
    }
    let said = stand.log.committed_records(topics::INCIDENTS);
    let served: std::collections::BTreeSet<u32> = said.iter().map(|record| record.partition).collect();
    assert_eq!(served.len(), PARTITIONS as usize, "{served:?}");
}

/// A broker that tells of an end that nobody ever reaches.
#[test]
fn a_timer_that_fires_though_something_stays_hidden_is_counted() {
    let stand = Stand::new(28);
    let mut lane = stand.lane("a", None).unwrap();
    stand.append("k", 1);
    settle(&mut lane).unwrap();
    let due = START + PromDuration::from_millis(1_000);
    let task = lane.tasks.get_mut(&alert::partition_for(b"k", PARTITIONS)).unwrap();
    task.end_seen = Some((due, 1_000));
    let counted = counted(|| {
        for second in 1..=21 {
            assert!(stand.said().is_empty(), "fired before second {second}");
            stand.advance(1_000);
            settle(&mut lane).unwrap();
        }
    });
    assert_eq!(counted["streams_timers_fired_blind_total"], 1);
    assert_eq!(totals(&stand.said()), [("k".to_owned(), 1)]);
}
