//! Acknowledgements and what races with them.

use schemas::{CommandAction, IncidentStatus, LadderPhase, OutcomeKind, RequestKind};

use crate::bench::{Bench, PLAIN, Reply};
use crate::ladders::{PAYMENTS, RECEIVERS};

const HOUR: i64 = 3_600;

#[test]
fn unacknowledging_resumes_the_ladder_where_it_stood() {
    let mut bench = Bench::new(RECEIVERS, Some(PAYMENTS));
    bench.restarts = true;
    bench.fire(&["a"]);
    bench.run_to(120);
    bench.acknowledge();
    let held = bench.incident().unwrap();
    assert_eq!(held.status, IncidentStatus::Acknowledged);
    assert_eq!(held.acknowledged_by.as_deref(), Some("ada"));
    let ladder = held.ladder.unwrap();
    assert_eq!(
        (ladder.phase, ladder.remaining_ms, ladder.due),
        (LadderPhase::Held, Some(180_000), None)
    );
    bench.run_to(1_200);
    bench.unacknowledge();
    bench.run_to(HOUR);
    assert_eq!(
        bench.said[1..4],
        [
            "23:00 payments-lead Step +a",
            "23:00 platform-pager Step +a",
            "33:00 payments-pager Step +a"
        ]
    );
}

#[test]
fn a_step_on_its_way_when_somebody_acknowledges_is_void() {
    let mut bench = Bench::new(RECEIVERS, Some(PAYMENTS));
    bench.restarts = true;
    bench.replies.insert("payments-pager".to_owned(), Reply::Hold);
    bench.fire(&["a"]);
    bench.run_to(10);
    bench.acknowledge();
    assert!(bench.held.is_empty(), "the small notify voided it");
    bench.run_to(HOUR);
    assert_eq!(bench.said, ["00:00 payments-pager Step +a"]);
    assert!(
        bench
            .incident()
            .is_some_and(|incident| incident.status == IncidentStatus::Acknowledged)
    );
}

#[test]
fn a_last_resort_that_an_acknowledgement_voided_is_tried_once_it_is_taken_back() {
    let mut bench = Bench::new(RECEIVERS, Some(PAYMENTS));
    bench.restarts = true;
    bench.replies.insert("noc".to_owned(), Reply::Hold);
    bench.fire(&["a"]);
    bench.run_to(1_810);
    bench.acknowledge();
    bench.run_to(2_000);
    bench.replies.clear();
    bench.unacknowledge();
    bench.run_to(HOUR);
    assert_eq!(bench.said[6..], ["30:00 noc LastResort +a", "33:20 noc LastResort +a"]);
    assert_eq!(bench.kinds().last(), Some(&"escalation.exhausted"));
}

#[test]
fn what_still_fires_is_said_once_more_after_an_acknowledgement() {
    for restarts in [false, true] {
        let mut bench = Bench::new(PLAIN, None);
        bench.restarts = restarts;
        bench.fire(&["a"]);
        bench.run_to(HOUR);
        bench.acknowledge();
        bench.run_to(12 * HOUR);
        bench.flush_now();
        bench.run_to(13 * HOUR);
        assert_eq!(
            bench.said,
            ["00:00 chat First +a", "300:01 chat Reminder +a"],
            "four hours after it, and no more"
        );
        let reminder = &bench.requests[1].1;
        assert_eq!(reminder.acknowledged_by.as_deref(), Some("ada"));
        assert_eq!(reminder.reason, "acknowledged, still firing");
        assert!(reminder.acknowledged_at.is_some());
    }
}

#[test]
fn joined_alerts_and_the_resolve_are_said_while_acknowledged_and_restart_nothing() {
    let mut bench = Bench::new(RECEIVERS, Some(PAYMENTS));
    bench.restarts = true;
    bench.fire(&["a"]);
    bench.run_to(60);
    bench.acknowledge();
    bench.fire(&["b"]);
    bench.run_to(400);
    bench.resolve(&["a", "b"]);
    bench.run_to(HOUR);
    assert_eq!(
        bench.said,
        [
            "00:00 payments-pager Step +a",
            "05:00 payments-pager Joined +a +b",
            "10:00 payments-pager Resolve -a -b"
        ]
    );
}

#[test]
fn where_the_route_tells_nobody_the_reminder_goes_to_whom_the_ladder_told() {
    let mut bench = Bench::new(RECEIVERS, Some(PAYMENTS));
    bench.fire(&["a"]);
    bench.run_to(60);
    bench.acknowledge();
    bench.run_to(20 * HOUR);
    assert_eq!(
        bench.said,
        ["00:00 payments-pager Step +a", "241:01 payments-pager Reminder +a"]
    );
    bench.resolve(&["a"]);
    bench.run_to(21 * HOUR);
    assert_eq!(bench.said.len(), 3, "the resolve is owed after any time");
    assert!(bench.said[2].contains("payments-pager Resolve -a"));
}

#[test]
fn commands_are_answered_and_repeated_answers_are_the_first_ones() {
    let mut bench = Bench::new(PLAIN, None);
    let (ack, unack) = (CommandAction::Acknowledge, CommandAction::Unacknowledge);
    assert_eq!(bench.command_as("early", ack, 1), "command.refused");
    assert!(bench.journal.last().unwrap().reason.starts_with("not found: "));
    bench.fire(&["a"]);
    // id, action, generation → answer, reason begins with, generation after
    let rows = [
        ("k1", ack, 1, "command.accepted", "acknowledged by ada", 2),
        ("k1", ack, 1, "command.accepted", "acknowledged by ada", 2),
        (
            "k2",
            ack,
            1,
            "command.refused",
            "conflict: the incident is at generation 2",
            2,
        ),
        ("k3", ack, 2, "command.accepted", "it is so already", 2),
        ("k4", unack, 2, "command.accepted", "unacknowledged by ada", 3),
        ("k5", unack, 3, "command.accepted", "it is so already", 3),
        (
            "k2",
            ack,
            3,
            "command.refused",
            "conflict: the incident is at generation 2",
            2,
        ),
        (
            "k6",
            unack,
            9,
            "command.refused",
            "conflict: the incident is at generation 3",
            3,
        ),
    ];
    for (id, action, generation, kind, reason, after) in rows {
        assert_eq!(bench.command_as(id, action, generation), kind, "{id}");
        let answer = bench
            .journal
            .iter()
            .rev()
            .find(|entry| entry.kind.starts_with("command."))
            .unwrap();
        assert!(answer.reason.starts_with(reason), "{id}: {}", answer.reason);
        assert_eq!(answer.fields.value("generation"), after.to_string(), "{id}");
        assert_eq!(answer.fields.value("id"), id);
        assert_eq!(answer.fields.value("incident"), "i1");
        bench.driver.restart();
        bench.pump();
    }
    assert_eq!(bench.raised.len(), 2, "what is so already raises nothing");
    bench.resolve(&["a"]);
    bench.run_to(310);
    assert_eq!(bench.command_as("k7", ack, 4), "command.refused");
    assert!(
        bench
            .journal
            .iter()
            .any(|entry| entry.reason.starts_with("conflict: the incident is over"))
    );
}

#[test]
fn a_repeat_on_its_way_when_somebody_acknowledges_is_void_and_not_said_again() {
    let mut bench = Bench::new(PLAIN, None);
    bench.fire(&["a"]);
    bench.run_to(4 * HOUR);
    bench.replies.insert("chat".to_owned(), Reply::Hold);
    bench.run_to(4 * HOUR + 10);
    assert_eq!(bench.held.len(), 1);
    bench.replies.clear();
    bench.acknowledge();
    bench.run_to(8 * HOUR);
    assert_eq!(bench.count(RequestKind::Repeat), 1);
    assert_eq!(bench.count(RequestKind::Reminder), 0);
    bench.run_to(9 * HOUR);
    assert_eq!(bench.count(RequestKind::Reminder), 1);
}

#[test]
fn a_moved_incident_says_nothing_and_returns_where_it_was() {
    let mut bench = Bench::new(RECEIVERS, Some(PAYMENTS));
    bench.restarts = true;
    bench.replies.insert("payments-lead".to_owned(), Reply::Hold);
    bench.fire(&["a"]);
    bench.run_to(310);
    bench.move_away();
    assert!(bench.held.is_empty());
    let raised = bench.raised.last().unwrap();
    assert!(raised.everything);
    bench.run_to(900);
    assert_eq!(bench.said.len(), 3, "nothing is sent");
    assert_eq!(bench.incident().unwrap().status, IncidentStatus::Moved);
    bench.flush_now();
    bench.run_to(1_480);
    assert_eq!(bench.said.len(), 3, "it had 9:50 left");
    bench.run_to(1_500);
    assert_eq!(bench.said[3..], ["24:50 payments-pager Step +a"]);
    assert!(bench.kinds().contains(&"incident.returned"));
}

#[test]
fn an_acknowledgement_survives_a_move_and_a_long_one_is_forgotten() {
    let mut bench = Bench::new(RECEIVERS, Some(PAYMENTS));
    bench.fire(&["a"]);
    bench.run_to(10);
    bench.acknowledge();
    bench.run_to(20);
    bench.move_away();
    bench.run_to(600);
    bench.flush_now();
    let incident = bench.incident().unwrap();
    assert_eq!(
        (incident.status, incident.acknowledged_by.as_deref()),
        (IncidentStatus::Acknowledged, Some("ada"))
    );
    bench.move_away();
    bench.run_to(600 + 15 * 60);
    assert!(bench.incident().is_none());
    assert!(bench.driver.store().is_empty(), "a moved group owes nothing");
    assert_eq!(bench.said, ["00:00 payments-pager Step +a"]);
}

#[test]
fn a_first_word_is_not_void_by_an_acknowledgement() {
    let mut bench = Bench::new(PLAIN, None);
    bench.replies.insert("chat".to_owned(), Reply::Hold);
    bench.fire(&["a"]);
    bench.acknowledge();
    assert_eq!(bench.held.len(), 1);
    bench.answer(OutcomeKind::Delivered);
    bench.resolve(&["a"]);
    bench.run_to(310);
    assert_eq!(bench.said, ["00:00 chat First +a", "05:00 chat Resolve -a"]);
}
