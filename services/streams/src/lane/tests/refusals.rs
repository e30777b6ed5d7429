//! What a stage refuses, and what fails in it: a dead letter, or a partition that is held; never a loss.

use super::counter::{COMPLETION_REFUSED, PANICS_LATER};
use super::*;

fn dead_letters(stand: &Stand) -> Vec<schemas::DeadLetter> {
    let records = stand.log.committed_records(topics::DEAD_LETTERS);
    records
        .into_iter()
        .map(|record| schemas::decode(&record.value.unwrap()).unwrap())
        .collect()
}

fn reasons(stand: &Stand) -> Vec<(String, String)> {
    let letters = dead_letters(stand).into_iter();
    letters
        .map(|letter| (letter.reason, String::from_utf8_lossy(&letter.value).into_owned()))
        .collect()
}

#[test]
fn poison_becomes_a_dead_letter_and_its_neighbours_go_on() {
    let stand = Stand::new(1);
    let mut lane = stand.lane("a", None).unwrap();
    stand.append("k", 1);
    stand.append_text("k", "rubbish");
    stand.append_text("k", "panic");
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
fn a_timer_that_panics_is_undone_and_disarmed_and_its_letter_holds_the_state() {
    let stand = Stand::new(2);
    let mut lane = stand.lane("a", None).unwrap();
    stand.append("k", PANICS_LATER);
    for _ in 0..3 {
        settle(&mut lane).unwrap();
        stand.advance(1_500);
    }
    let state = format!("k {PANICS_LATER}");
    assert_eq!(reasons(&stand), [("panic".to_owned(), state)]);
    assert!(stand.said().is_empty());
    let kept: usize = lane.stores().map(|(_, store)| store.len()).sum();
    assert_eq!(kept, 1, "the state is as it was, without its timer");
}

#[test]
fn a_completion_that_is_refused_is_a_dead_letter() {
    let stand = Stand::new(3);
    let mut lane = stand.lane("a", None).unwrap();
    stand.append("k", COMPLETION_REFUSED);
    for _ in 0..3 {
        settle(&mut lane).unwrap();
        stand.advance(1_500);
    }
    assert_eq!(reasons(&stand), [("completion".to_owned(), String::new())]);
}

#[test]
fn a_pass_over_the_state_that_fails_is_a_dead_letter_and_ends() {
    let stand = Stand::new(4);
    let mut lane = stand.lane("a", None).unwrap();
    settle(&mut lane).unwrap();
    stand.append_config("bad sweep");
    settle(&mut lane).unwrap();
    let swept = ("sweep".to_owned(), String::new());
    assert_eq!(reasons(&stand), vec![swept; 4], "once a partition");
}

#[test]
fn what_asks_for_a_record_that_is_too_large_is_undone_and_refused() {
    let stand = Stand::new(5);
    let mut lane = stand.lane("a", None).unwrap();
    stand.append_text("k", "too large");
    stand.append("k", 2);
    settle(&mut lane).unwrap();
    assert_eq!(reasons(&stand), [("malformed".to_owned(), "too large".to_owned())]);
    stand.advance(1_500);
    settle(&mut lane).unwrap();
    assert_eq!(totals(&stand.said()), [("k".to_owned(), 2)]);
}

/// A record of a newer release is no dead letter: its partition stands before it until that release runs.
#[test]
fn a_record_of_a_newer_release_holds_its_partition_and_no_other() {
    let stand = Stand::new(6);
    let mut lane = stand.lane("a", None).unwrap();
    stand.append("k", 1);
    stand.append_text("k", "newer");
    stand.append("k", 2);
    let other = key_for("k", false);
    stand.append(&other, 5);
    for _ in 0..3 {
        settle(&mut lane).unwrap();
        stand.advance(1_500);
    }
    assert!(dead_letters(&stand).is_empty());
    assert_eq!(totals(&stand.said()), [(other, 5)]);
    let reason = lane.status().not_ready().unwrap();
    assert!(reason.contains("a schema of tomorrow"), "{reason}");
    assert_eq!(
        stand.committed("k"),
        Some((1, "a".to_owned())),
        "before the newer record"
    );
}

#[test]
fn a_table_record_that_is_refused_is_counted_and_passed() {
    let stand = Stand::new(7);
    let counted = counted(|| {
        let mut lane = stand.lane("a", None).unwrap();
        stand.append_config("rubbish");
        stand.append_config("c");
        settle(&mut lane).unwrap();
        assert_eq!(lane.stage().version, 2);
    });
    assert_eq!(counted["streams_table_records_refused_total"], 1);
}
