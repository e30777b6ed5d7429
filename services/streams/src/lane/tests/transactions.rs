//! What a transaction holds, and what becomes of it where it ends otherwise; each of these fails without its rule.

use super::counter::{AT_ONCE, UNWANTED};
use super::phase::Sweep;
use super::*;
use crate::log::Patience;

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
fn an_idle_lane_commits_a_position_past_control_records() {
    let stand = Stand::new(8);
    let mut lane = stand.lane("a", None).unwrap();
    settle(&mut lane).unwrap();
    // A transaction that writes to the inbox and is aborted leaves nothing to read, and takes two offsets.
    let mut writer = stand
        .log
        .join(&Join {
            group: "other".to_owned(),
            topic: topics::INCIDENTS.into(),
            lane: "writer".to_owned(),
        })
        .unwrap();
    drop(writer.poll(1, Duration::ZERO).unwrap());
    writer.begin().unwrap();
    let partition = alert::partition_for(b"k", PARTITIONS);
    writer
        .send(vec![NewRecord {
            topic: topics::ALERTS.into(),
            partition,
            key: b"k".to_vec(),
            value: Some(b"4".to_vec()),
            meta: None,
            headers: Vec::new(),
        }])
        .unwrap();
    writer.abort().unwrap();
    settle(&mut lane).unwrap();
    stand.advance(99);
    settle(&mut lane).unwrap();
    assert_eq!(stand.committed("k"), Some((0, "a".to_owned())), "not at once");
    stand.advance(1);
    settle(&mut lane).unwrap();
    assert_eq!(stand.committed("k"), Some((2, "a".to_owned())), "record and marker");
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

#[test]
fn what_may_still_be_undone_releases_nothing() {
    let sends = |sabotage| {
        let stand = Stand::new(11);
        let mut lane = stand.lane("a", sabotage).unwrap();
        settle(&mut lane).unwrap();
        stand.log.fail_disk();
        stand.append("k", 1);
        let ended = loop {
            stand.advance(200);
            if let Err(ended) = settle(&mut lane) {
                break ended.to_string();
            }
            if stand.world.most() > 0 {
                break String::new();
            }
        };
        (stand.world.most(), ended.contains("disk"))
    };
    assert_eq!(sends(None), (0, true));
    assert_eq!(sends(Some(Sabotage::ReleaseBeforeDurable)), (1, false));
}

const PATIENCE: Patience = Patience {
    soon: PromDuration::from_millis(25),
    later: PromDuration::from_millis(60),
};

#[test]
fn completions_share_a_transaction_where_one_costs_much() {
    let stand = Stand::new(12);
    stand.log.set_patience(PATIENCE);
    let mut lane = stand.lane("a", None).unwrap();
    settle(&mut lane).unwrap();
    let mut stored_after = |key: Option<&str>, ms: u64| {
        stand.advance(ms);
        if let Some(key) = key {
            stand.append(key, 1);
        }
        settle(&mut lane).unwrap();
        lane.stores().map(|(_, store)| store.len()).sum::<usize>()
    };
    // Sums are told after a second, and what is told stays in the state until its completion is taken up.
    assert_eq!(stored_after(Some("first"), 0), 1, "its sum");
    assert_eq!(
        stored_after(None, 1_000),
        1,
        "told in a transaction that has only just begun"
    );
    assert_eq!(stored_after(None, 59), 1);
    assert_eq!(stored_after(None, 1), 0, "nothing came that it could go with");
    assert_eq!(stored_after(Some("second"), 0), 1);
    assert_eq!(stored_after(None, 1_000), 1);
    assert_eq!(
        stored_after(Some("third"), 10),
        1,
        "the third's sum: the second went with it"
    );
}

#[test]
fn records_share_a_transaction_where_one_costs_much_and_nobody_waits_long() {
    let stand = Stand::new(12);
    stand.log.set_patience(PATIENCE);
    let mut lane = stand.lane("a", None).unwrap();
    settle(&mut lane).unwrap();
    lane.config.max_records = 3;
    let mut stored_after = |ms: u64, keys: &[&str]| {
        stand.advance(ms);
        for key in keys {
            stand.append(key, 1);
        }
        settle(&mut lane).unwrap();
        lane.stores().map(|(_, store)| store.len()).sum::<usize>()
    };
    let rows: [(u64, &[&str], usize, &str); 12] = [
        (100, &["soon-1"], 1, "at once after a pause"),
        (10, &["soon-2"], 1, "waits for others"),
        (5, &["soon-3"], 1, "as this does"),
        (9, &[], 1, "not long enough"),
        (1, &[], 3, "both, 25 ms after the last transaction began"),
        (10, &["later-4"], 3, "waits"),
        (49, &[], 3, "still"),
        (1, &[], 4, "60 ms are over"),
        (10, &["later-5", "soon-6"], 4, "what is in no hurry goes with what is"),
        (15, &[], 6, "and has not waited longer"),
        (5, &["later-7", "now-8"], 8, "what cannot wait takes all with it"),
        (
            1,
            &["soon-9", "soon-10", "soon-11"],
            11,
            "a full hand waits for nothing",
        ),
    ];
    for (ms, keys, stored, why) in rows {
        assert_eq!(stored_after(ms, keys), stored, "{keys:?}: {why}");
    }
    // The first sum is told a second after it came, whatever else waits.
    assert_eq!(stored_after(874, &[]), 11);
    assert_eq!(stored_after(9, &["later-12"]), 12, "after a pause");
    assert_eq!(
        stored_after(1, &["later-13"]),
        13,
        "a timer that is due takes it with it"
    );
}

/// Lets every commit end so from now on; none for as it should be.
fn commits_end(stand: &Stand, abort: bool, unknown: bool) {
    let always = |fault| if fault { 1_000 } else { 0 };
    stand.log.set_faults(Faults {
        abort: always(abort),
        unknown: always(unknown),
        ..Faults::default()
    });
}

#[test]
fn an_aborted_transaction_leaves_its_partition_as_it_was() {
    let stand = Stand::new(17);
    commits_end(&stand, true, false);
    let mut lane = stand.lane("a", None).unwrap();
    (0..3).for_each(|n| stand.append("k", n));
    settle(&mut lane).unwrap();
    let partition = alert::partition_for(b"k", PARTITIONS);
    let task = &lane.tasks[&partition];
    // What was in hand is put back, to be read again.
    assert_eq!(
        (task.next, task.greet, &task.sweep, task.store.len(), task.in_hand.len()),
        (0, true, &Sweep::Start, 0, 0)
    );
    commits_end(&stand, false, false);
    settle(&mut lane).unwrap();
    let task = &lane.tasks[&partition];
    assert_eq!(
        (task.next, task.greet, &task.sweep, task.store.len()),
        (3, false, &Sweep::Done, 1)
    );
}

/// Neither an abort nor a restore that begins anew loses what was reported of a send: nobody would report it again.
#[test]
fn a_completion_outlives_its_transaction() {
    for (seed, abort) in (0..20).flat_map(|seed| [(seed, false), (seed, true)]) {
        let stand = Stand::new(seed);
        let mut lane = stand.lane("a", None).unwrap();
        lane.stage.quiet = true;
        stand.append("k", 1);
        settle(&mut lane).unwrap();
        stand.advance(1_000);
        assert_eq!(lane.step(Duration::ZERO).unwrap().timers, 1);
        commits_end(&stand, abort, !abort);
        assert!(!lane.step(Duration::ZERO).unwrap().committed);
        commits_end(&stand, false, false);
        settle(&mut lane).unwrap();
        let kept: usize = lane.stores().map(|(_, store)| store.len()).sum();
        assert_eq!((kept, stand.world.most()), (0, 1), "seed {seed}, abort {abort}");
    }
}

#[test]
fn without_a_new_producer_a_lane_does_nothing_else() {
    let stand = Stand::new(18);
    let mut lane = stand.lane("a", None).unwrap();
    settle(&mut lane).unwrap();
    stand.log.refuse_producers(true);
    commits_end(&stand, false, true);
    stand.append("k", 1);
    assert!(!lane.step(Duration::ZERO).unwrap().committed);
    commits_end(&stand, false, false);
    stand.append("k", 2);
    for _ in 0..5 {
        assert!(lane.step(Duration::ZERO).unwrap().is_idle());
    }
    let reason = lane.status().not_ready().unwrap();
    assert!(reason.contains("no producer"), "{reason}");
    stand.log.refuse_producers(false);
    settle(&mut lane).unwrap();
    stand.advance(1_000);
    settle(&mut lane).unwrap();
    assert_eq!(totals(&stand.said()), [("k".to_owned(), 3)]);
    assert_eq!(lane.status().not_ready(), None);
}

#[test]
fn every_record_says_where_when_and_under_what_it_was_decided() {
    let stand = Stand::new(21);
    stand.append_config("c");
    let mut lane = stand.lane("a", None).unwrap();
    lane.stage.quiet = true;
    settle(&mut lane).unwrap();
    let trace = 7;
    stand.append("k", 1);
    stand.append_stamped("k", "say", NEWER_CONFIG.map(|meta| Meta { trace, ..meta }));
    settle(&mut lane).unwrap();
    stand.advance(1_500);
    settle(&mut lane).unwrap();
    let partition = alert::partition_for(b"k", PARTITIONS);
    let now = |ms| (START + PromDuration::from_millis(ms)).millis();
    let meta = |offset, now, due, trace| Meta {
        id: 0,
        now,
        partition,
        offset,
        due,
        config_version: 1,
        trace,
    };
    let of = |topic| stand.log.committed_records(topic).into_iter();
    let metas = |topic| -> Vec<Meta> { of(topic).map(|record| record.meta.unwrap()).collect() };
    let tables = of(topics::JOURNAL).map(|record| String::from_utf8(record.value.unwrap()).unwrap());
    assert_eq!(tables.collect::<Vec<_>>(), [r#"{"config": 1}"#]);
    let without_id = |meta: &Meta| Meta { id: 0, ..*meta };
    let said = metas(topics::JOURNAL);
    assert_eq!(without_id(&said[0]), meta(1, now(0), None, trace));
    // A timer begins a trace of its own.
    let told = metas(topics::INCIDENTS);
    assert_eq!(without_id(&told[0]), meta(2, now(1_500), Some(now(1_000)), told[0].id));
    assert!(said[0].id != 0 && told[0].id != 0 && said[0].id != told[0].id);
    // The sum; without it, the send under way; without that.
    let states = [now(0), now(1_500), now(1_500), now(1_500)].map(|now| meta(2, now, None, 0));
    assert_eq!(metas(topics::CORRELATE_CHANGELOG), states);
}

#[test]
fn a_send_that_is_not_wanted_any_more_at_the_commit_is_not_sent_but_ends() {
    let stand = Stand::new(23);
    let mut lane = stand.lane("a", None).unwrap();
    stand.append("k", UNWANTED);
    settle(&mut lane).unwrap();
    stand.advance(1_000);
    settle(&mut lane).unwrap();
    let kept: usize = lane.stores().map(|(_, store)| store.len()).sum();
    assert_eq!((stand.said().len(), stand.world.most(), kept), (1, 0, 0));
}

#[test]
fn a_pass_that_takes_long_commits_what_it_has() {
    let stand = Stand::new(26);
    let mut lane = stand.lane("a", None).unwrap();
    settle(&mut lane).unwrap();
    lane.stage.slow = Some(stand.log.clone());
    (0..25).for_each(|n| stand.append("k", n));
    let passes: Vec<usize> = (0..3).map(|_| lane.step(Duration::ZERO).unwrap().records).collect();
    assert_eq!(passes, [10, 10, 5]);
    // After a commit that took long it applies for as long, up to a limit.
    for (took, expected) in [(20, [20, 10]), (30_000, [100, 10])] {
        (0..expected.iter().sum()).for_each(|n| stand.append("k", n));
        lane.committing = PromDuration::from_millis(took);
        let passes = [(); 2].map(|()| i64::try_from(lane.step(Duration::ZERO).unwrap().records).unwrap());
        assert_eq!(passes, expected, "{took} ms");
    }
}

/// A commit of its own would cost every hop without a wait twice. What another stage's open transaction hides is not waited
/// for either: on a busy log there always is one.
#[test]
fn what_a_pass_arms_for_now_joins_its_transaction() {
    for hidden in [false, true] {
        let stand = Stand::new(27);
        let mut lane = stand.lane("a", None).unwrap();
        settle(&mut lane).unwrap();
        stand.append("k", AT_ONCE);
        let _open = hidden.then(|| stand.open_transaction("k"));
        let progress = lane.step(Duration::ZERO).unwrap();
        assert_eq!((progress.records, progress.timers), (1, 1), "hidden: {hidden}");
        assert!(
            lane.tasks.values().all(|task| task.halves.is_empty()),
            "none is left behind"
        );
    }
}

/// Otherwise each pass would begin with what the last one left, and every hop take a transaction more for as long as the load
/// lasts.
#[test]
fn what_a_pass_that_took_long_armed_for_now_joins_the_next() {
    let stand = Stand::new(31);
    let mut lane = stand.lane("a", None).unwrap();
    settle(&mut lane).unwrap();
    lane.stage.slow = Some(stand.log.clone());
    (0..12).for_each(|_| stand.append("k", AT_ONCE));
    let _open = stand.open_transaction("k");
    let passes = [(); 2].map(|()| lane.step(Duration::ZERO).unwrap());
    assert_eq!(passes.map(|did| (did.records, did.timers)), [(10, 0), (2, 1)]);
    assert_eq!(totals(&stand.said()), [("k".to_owned(), 12 * AT_ONCE)]);
}

#[test]
fn what_a_record_arms_for_now_does_not_wait_for_another_timer_that_must() {
    let stand = Stand::new(32);
    let mut lane = stand.lane("a", None).unwrap();
    stand.append("k", 1);
    settle(&mut lane).unwrap();
    stand.advance(1_000);
    let beside = key_for("k", true);
    stand.append(&beside, AT_ONCE);
    let mut open = stand.open_transaction("k");
    let progress = lane.step(Duration::ZERO).unwrap();
    assert_eq!((progress.records, progress.timers), (1, 1));
    assert_eq!(totals(&stand.said()), [(beside.clone(), AT_ONCE)]);
    open.abort().unwrap();
    settle(&mut lane).unwrap();
    assert_eq!(totals(&stand.said()), [(beside, AT_ONCE), ("k".to_owned(), 1)]);
}

/// What an abort takes back arms its timer anew.
#[test]
fn what_a_record_armed_for_now_is_taken_back_with_it() {
    let stand = Stand::new(33);
    let mut lane = stand.lane("a", None).unwrap();
    settle(&mut lane).unwrap();
    lane.stage.slow = Some(stand.log.clone());
    (0..12).for_each(|_| stand.append("k", AT_ONCE));
    commits_end(&stand, true, false);
    lane.step(Duration::ZERO).unwrap();
    commits_end(&stand, false, false);
    assert!(lane.tasks.values().all(|task| task.halves.is_empty()));
    settle(&mut lane).unwrap();
    assert_eq!(totals(&stand.said()), [("k".to_owned(), 12 * AT_ONCE)]);
}

/// After an outage the first record of a group is not all of it: what it arms for now comes after the backlog, and after
/// what that hides.
#[test]
fn what_a_backlog_arms_for_now_waits_for_its_end() {
    let stand = Stand::new(29);
    let mut lane = stand.lane("a", None).unwrap();
    settle(&mut lane).unwrap();
    stand.append("k", AT_ONCE);
    let mut open = stand.open_transaction("k");
    stand.advance(1_001);
    let progress = lane.step(Duration::ZERO).unwrap();
    assert_eq!((progress.records, progress.timers), (1, 0));
    open.abort().unwrap();
    settle(&mut lane).unwrap();
    assert_eq!(totals(&stand.said()), [("k".to_owned(), AT_ONCE)]);
}

/// What was read is all that a pass may take: more of it may be there.
#[test]
fn what_a_full_pass_arms_for_now_waits_for_the_next() {
    let stand = Stand::new(30);
    let mut lane = stand.lane("a", None).unwrap();
    lane.config.max_records = 2;
    settle(&mut lane).unwrap();
    (0..3).for_each(|_| stand.append("k", AT_ONCE));
    let progress = lane.step(Duration::ZERO).unwrap();
    assert_eq!((progress.records, progress.timers), (2, 0));
    settle(&mut lane).unwrap();
    assert_eq!(totals(&stand.said()), [("k".to_owned(), 3 * AT_ONCE)]);
}
