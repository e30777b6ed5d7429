//! Silences: what they hide, what they hold, and what their end brings back.

use std::collections::BTreeMap;

use alert::PromDuration;
use processor::{Attention, Processor, Said, TableChange};
use schemas::{NotificationRequest, OutcomeKind, RequestKind, schema_of, topics};

use crate::bench::{Bench, PLAIN, Reply};
use crate::ladders::{PAYMENTS, RECEIVERS};

const HOUR: i64 = 3_600;

#[test]
fn a_silenced_alert_is_not_said_until_its_silence_ends() {
    for restarts in [false, true] {
        let mut bench = Bench::new(PLAIN, None);
        bench.restarts = restarts;
        bench.silence("s1", "a", 1_000);
        bench.fire(&["a"]);
        bench.run_to(HOUR);
        assert_eq!(bench.said, ["16:41 chat First +a"]);
        let muted = bench.journal.iter().find(|entry| entry.kind == "group.muted").unwrap();
        assert_eq!(muted.reason, "silenced by s1");
    }
}

/// As Alertmanager counts its suppressed notifications.
#[test]
fn every_flush_tells_how_many_of_its_alerts_are_muted() {
    let mut bench = Bench::new(PLAIN, None);
    bench.silence("s1", "a", 2_000);
    bench.silence("s2", "b", 400);
    bench.fire(&["a", "b", "c"]);
    bench.run_to(10);
    assert_eq!(bench.muted, [2]);
    bench.fire(&["d"]);
    bench.run_to(310);
    assert_eq!(bench.muted, [2, 2]);
    bench.run_to(HOUR);
    // b's silence ends and asks for a flush, then a's, after which nothing is muted.
    assert_eq!(bench.muted, [2, 2, 1]);
}

#[test]
fn only_the_muted_alerts_are_hidden_and_a_subset_is_no_change() {
    let mut bench = Bench::new(PLAIN, None);
    bench.fire(&["a", "b"]);
    bench.run_to(10);
    bench.silence("s1", "a", 2_000);
    bench.fire(&["b"]);
    bench.run_to(310);
    assert_eq!(bench.said, ["00:00 chat First +a +b"]);
    bench.fire(&["c"]);
    bench.run_to(HOUR);
    // The entry was rewritten while a was hidden, so the end of its silence tells of it anew.
    assert_eq!(
        bench.said[1..],
        ["10:00 chat Joined +b +c", "33:21 chat Joined +a +b +c"]
    );
}

#[test]
fn a_silence_that_ends_early_asks_for_a_look_at_once() {
    for (what, deleted) in [("expired", false), ("deleted", true)] {
        let mut bench = Bench::new(PLAIN, None);
        bench.silence("s1", "a", 9 * HOUR);
        bench.silence("s2", "other", 9 * HOUR);
        bench.fire(&["a"]);
        bench.run_to(60);
        bench.unsilence("s2");
        bench.run_to(90);
        if deleted {
            bench.unsilence("s1");
        } else {
            bench.silence("s1", "a", 90);
        }
        bench.run_to(120);
        assert_eq!(bench.said.len(), 1, "{what}");
        assert!(bench.said[0].starts_with("01:3"), "{what}: {:?}", bench.said);
        assert!(bench.driver.restores_equal());
    }
}

#[test]
fn a_silence_made_shorter_moves_the_look_and_one_that_concerns_nobody_asks_for_none() {
    let mut bench = Bench::new(PLAIN, None);
    bench.silence("s1", "a", 9 * HOUR);
    bench.fire(&["a"]);
    bench.run_to(60);
    bench.silence("s1", "a", 600);
    bench.silence("s2", "other", 900);
    bench.unsilence("s2");
    bench.run_to(HOUR);
    assert_eq!(bench.said, ["10:01 chat First +a"]);
}

#[test]
fn a_silence_made_shorter_puts_off_no_earlier_look() {
    let mut bench = Bench::new(PLAIN, None);
    bench.silence("s1", "a", 9 * HOUR);
    bench.silence("s2", "b", 400);
    bench.fire(&["a", "b"]);
    bench.run_to(60);
    bench.silence("s1", "a", 600);
    bench.run_to(HOUR);
    assert_eq!(bench.said, ["06:41 chat First +b", "10:01 chat Joined +a +b"]);
}

#[test]
fn a_silence_that_is_put_off_mutes_nothing_until_then() {
    let mut bench = Bench::new(PLAIN, None);
    bench.silence("s1", "a", 9 * HOUR);
    bench.fire(&["a"]);
    bench.run_to(60);
    bench.silence_from("s1", "a", 900, 9 * HOUR);
    bench.run_to(90);
    assert_eq!(bench.said.len(), 1, "{:?}", bench.said);
}

#[test]
fn a_silence_that_ended_by_itself_asks_for_no_second_look() {
    let mut bench = Bench::new(PLAIN, None);
    bench.silence("s1", "a", 60);
    bench.silence("s2", "other", 9 * HOUR);
    bench.fire(&["a"]);
    bench.run_to(60);
    bench.driver.advance(PromDuration::from_millis(500));
    let looks = bench.driver.said().iter().filter(|said| is_look(said)).count();
    assert_eq!(looks, 1, "its end is over");
    bench.driver.table(topics::SILENCES, "s2", None);
    assert!(!bench.driver.said().iter().any(is_look));
    let tombstone = TableChange {
        table: topics::SILENCES,
        key: b"s1".to_vec(),
        value: None,
        offset: 3,
        appended: bench.now(),
    };
    let attention = bench.driver.stage.table(&tombstone).unwrap();
    assert_eq!(attention, Attention::None, "no group is gone through for it either");
}

/// What nobody may hear is not repeated: the next look is at the end of the mute.
#[test]
fn a_muted_group_is_looked_at_when_its_mute_ends_not_when_it_would_be_repeated() {
    let mut bench = Bench::new(PLAIN, None);
    bench.fire(&["a"]);
    bench.silence("s1", "a", 9 * HOUR);
    bench.flush_now();
    let again_at = bench.again_at().unwrap();
    let end = bench.now() + PromDuration::from_hours(9);
    assert_eq!(again_at.saturating_since(end), PromDuration::from_millis(1));
}

/// The ladder asks for a look when a mute stops it; what was to be looked at before that is looked at all the same.
#[test]
fn a_mute_that_stops_the_ladder_puts_off_no_earlier_look() {
    let config = RECEIVERS.replace(
        "- name: payments-critical",
        "- {name: payments-critical, webhook_configs: [{url: 'http://z.test/'}]}",
    );
    let mut bench = Bench::new(&config, Some(PAYMENTS));
    bench.fire(&["a", "b"]);
    bench.run_to(100);
    bench.replies.insert("payments-critical".to_owned(), Reply::Failed);
    bench.resolve(&["b"]);
    bench.flush_now();
    bench.replies.clear();
    bench.run_to(200);
    bench.silence("s1", "a", 9 * HOUR);
    bench.run_to(HOUR);
    assert_eq!(
        bench.said[2..],
        [
            "01:40 payments-critical Resolve +a -b",
            "06:40 payments-critical Resolve -b",
            "06:40 payments-pager Resolve -b"
        ]
    );
}

#[test]
fn an_end_that_came_while_nobody_ran_is_found_after_the_restore() {
    let mut bench = Bench::new(PLAIN, None);
    bench.silence("s1", "a", 9 * HOUR);
    bench.fire(&["a"]);
    bench.run_to(60);
    // A lane that did not see the change sweep: the table moved on without it.
    let change = TableChange {
        table: topics::SILENCES,
        key: b"s1".to_vec(),
        value: None,
        offset: 1,
        appended: bench.now(),
    };
    bench.driver.stage.table(&change).unwrap();
    bench.driver.restart();
    let looks = bench.driver.said().iter().filter(|said| is_look(said)).count();
    assert_eq!(looks, 1);
}

fn is_look<E>(said: &Said<E>) -> bool {
    matches!(said, Said::Sent(_, output) if schema_of(output.value.as_deref().unwrap()) == Some("Look"))
}

#[test]
fn a_mute_holds_the_ladder_and_its_end_lets_it_go_on() {
    for restarts in [false, true] {
        let mut bench = Bench::new(RECEIVERS, Some(PAYMENTS));
        bench.restarts = restarts;
        bench.fire(&["a"]);
        bench.run_to(120);
        bench.silence("s1", "a", 1_200);
        bench.run_to(HOUR);
        // Three of five minutes were left when the silence began; it ends at 20:00.
        assert_eq!(
            bench.said[..3],
            [
                "00:00 payments-pager Step +a",
                "23:01 payments-lead Step +a",
                "23:01 platform-pager Step +a"
            ]
        );
    }
}

#[test]
fn a_ladder_starts_when_something_fires_unmuted_and_tells_only_of_that() {
    let mut bench = Bench::new(RECEIVERS, Some(PAYMENTS));
    bench.silence("s1", "a", 700);
    bench.fire(&["a"]);
    bench.run_to(310);
    assert!(bench.said.is_empty());
    bench.fire(&["b"]);
    bench.run_to(HOUR);
    assert_eq!(
        bench.said[..2],
        ["10:00 payments-pager Step +b", "15:00 payments-lead Step +a +b"]
    );
}

#[test]
fn a_void_request_is_no_failure_and_is_judged_again_once_the_tables_are_here() {
    let mut bench = Bench::new(PLAIN, None);
    bench.replies.insert("chat".to_owned(), Reply::Hold);
    bench.fire(&["a"]);
    let request: NotificationRequest = bench.held.remove(0);
    let mut outcome = bench.outcome(&request, OutcomeKind::Void, Vec::new());
    outcome.tables = BTreeMap::from([(topics::SILENCES.to_owned(), 1)]);
    bench.run_to(5);
    bench.send(&outcome);
    assert!(bench.incident().unwrap().voided);
    bench.flush_now();
    bench.run_to(8);
    assert_eq!(bench.said.len(), 1, "notify saw a silence that route has not seen yet");
    bench.silence("s1", "a", 900);
    bench.replies.clear();
    bench.run_to(HOUR);
    assert_eq!(bench.said, ["00:00 chat First +a", "15:01 chat First +a"]);
    assert_ne!(bench.requests[1].1.idempotency_key, bench.requests[0].1.idempotency_key);
}

#[test]
fn a_void_step_is_told_once_its_mute_is_over() {
    let mut bench = Bench::new(RECEIVERS, Some(PAYMENTS));
    bench.restarts = true;
    bench.replies.insert("payments-pager".to_owned(), Reply::Hold);
    bench.fire(&["a"]);
    bench.silence("s1", "a", 60);
    bench.answer(OutcomeKind::Void);
    bench.replies.clear();
    bench.run_to(2);
    assert_eq!(
        bench.incident().unwrap().flush,
        2,
        "a void asks for a look at once, not at the end of the mute"
    );
    bench.run_to(HOUR);
    assert_eq!(
        bench.said[..3],
        [
            "00:00 payments-pager Step +a",
            "01:01 payments-pager Step +a",
            "06:01 payments-lead Step +a"
        ]
    );
}

#[test]
fn an_alert_that_resolves_while_silenced_is_forgotten() {
    let mut bench = Bench::new(PLAIN, None);
    bench.fire(&["a"]);
    bench.run_to(10);
    bench.silence("s1", "a", HOUR);
    bench.resolve(&["a"]);
    bench.run_to(2 * HOUR);
    assert_eq!(bench.said, ["00:00 chat First +a"], "as Alertmanager: #226");
    assert_eq!(bench.count(RequestKind::Resolve), 0);
    let looks = bench
        .journal
        .iter()
        .filter(|entry| entry.reason == "everything is muted")
        .count();
    assert_eq!(looks, 1);
}
