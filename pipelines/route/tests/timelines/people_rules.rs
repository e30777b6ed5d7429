//! Rules of design section 5.5 that no other history here would miss: each fails without its rule.

use std::collections::BTreeMap;

use alert::PromDuration;
use schemas::{Command, CommandAction, GroupFiring, GroupMoved, GroupQuiet, OutcomeKind, RequestKind, route_keys};

use crate::bench::{Bench, PLAIN, Reply};
use crate::ladders::{PAYMENTS, RECEIVERS};

const HOUR: i64 = 3_600;

fn climbing() -> Bench {
    let mut bench = Bench::new(RECEIVERS, Some(PAYMENTS));
    bench.fire(&["a"]);
    bench
}

fn remaining(bench: &Bench) -> Option<i64> {
    bench.incident()?.ladder?.remaining_ms
}

fn keys_of(bench: &Bench, kind: u8) -> usize {
    let records = bench.driver.store().from(None);
    records.filter(|(key, _)| key.kind() == Some(kind)).count()
}

/// 5.5: requests of the ladder and of `repeat_interval` carry the generation; a first word, a joined alert and a resolve
/// do not. And every request carries the config version it was decided under (5.2).
#[test]
fn a_request_carries_the_generation_if_an_older_one_is_to_be_void() {
    let mut bench = Bench::new(PLAIN, None);
    bench.fire(&["a"]);
    bench.run_to(60);
    bench.fire(&["b"]);
    bench.run_to(310);
    bench.resolve(&["b"]);
    bench.run_to(5 * HOUR);
    bench.acknowledge();
    bench.run_to(9 * HOUR + 1);
    let mut ladder = climbing();
    ladder.run_to(HOUR);
    let all = bench.requests.iter().chain(&ladder.requests);
    let carried: BTreeMap<String, bool> = all
        .map(|(_, request)| {
            assert_eq!(request.config_version, 1);
            (format!("{:?}", request.kind), request.generation.is_some())
        })
        .collect();
    let expected = [
        ("First", false),
        ("Joined", false),
        ("LastResort", true),
        ("Reminder", true),
        ("Repeat", true),
        ("Resolve", false),
        ("Step", true),
    ];
    assert_eq!(
        carried,
        expected.map(|(kind, carries)| (kind.to_owned(), carries)).into()
    );
}

/// 5.5: a rung tells of what fires; those it told hear of the end, not of each alert's, and are not repeated to.
#[test]
fn a_rung_tells_of_what_fires_and_its_receivers_hear_no_repeats() {
    let mut bench = Bench::new(RECEIVERS, Some(PAYMENTS));
    bench.fire(&["a", "b"]);
    bench.run_to(60);
    bench.resolve(&["a"]);
    bench.flush_now();
    bench.run_to(6 * HOUR);
    bench.flush_now();
    assert_eq!(
        bench.said,
        [
            "00:00 payments-pager Step +a +b",
            "05:00 payments-lead Step +b",
            "05:00 platform-pager Step +b",
            "15:00 payments-pager Step +b",
            "20:00 payments-lead Step +b",
            "20:00 platform-pager Step +b",
            "30:00 noc LastResort +b",
        ]
    );
}

/// 5.5: a step that an acknowledgement voided is not told once it is taken back: the ladder goes on where it stood.
#[test]
fn a_step_that_an_acknowledgement_voided_is_not_told_again() {
    let mut bench = Bench::new(RECEIVERS, Some(PAYMENTS));
    bench.replies.insert("payments-pager".to_owned(), Reply::Hold);
    bench.fire(&["a"]);
    bench.run_to(10);
    bench.acknowledge();
    bench.replies.clear();
    bench.run_to(20);
    bench.unacknowledge();
    bench.run_to(400);
    assert_eq!(
        bench.said,
        [
            "00:00 payments-pager Step +a",
            "05:10 payments-lead Step +a",
            "05:10 platform-pager Step +a"
        ]
    );
}

/// 5.5: what the ladder had queued ends with the incident, whether it resolves or another follows.
#[test]
fn what_a_ladder_had_queued_ends_with_its_incident() {
    for follows in [false, true] {
        let mut bench = Bench::new(RECEIVERS, Some(PAYMENTS));
        bench.replies.insert("payments-lead".to_owned(), Reply::Hold);
        bench.fire(&["a"]);
        bench.run_to(1_201);
        let said = bench.said.len();
        if follows {
            bench.another_incident();
        } else {
            // Its resolve is not heard: what fires again is the same incident.
            bench.replies.insert("payments-pager".to_owned(), Reply::Failed);
            bench.resolve(&["a"]);
            bench.flush_now();
            bench.fire(&["a"]);
            bench.flush_now();
        }
        while !bench.held.is_empty() {
            bench.answer(OutcomeKind::Failed);
        }
        bench.run_to(1_260);
        let lead = bench.said[said..]
            .iter()
            .find(|said| said.contains("payments-lead Step"));
        assert_eq!(lead, None, "follows: {follows}");
    }
}

/// 5.5: no ladder, and no version of its policy, before something fires unmuted.
#[test]
fn a_muted_group_has_no_ladder_yet() {
    let mut bench = Bench::new(RECEIVERS, Some(PAYMENTS));
    bench.silence("s1", "a", 600);
    bench.fire(&["a"]);
    bench.run_to(10);
    assert!(bench.incident().unwrap().ladder.is_none());
    bench.run_to(602);
    assert!(bench.incident().unwrap().ladder.is_some());
}

/// 5.5: a hold counts from when the world was quiet or muted, but not from before the ladder climbed.
#[test]
fn a_hold_gives_back_the_time_since_it_began_and_no_more() {
    let mut bench = climbing();
    bench.run_to(60);
    let quiet = GroupQuiet {
        incident_id: bench.incident_id(),
        at: bench.now() - PromDuration::from_secs(30),
    };
    bench.send(&quiet);
    assert_eq!(remaining(&bench), Some(270_000), "quiet since second 30");

    let mut bench = Bench::new(RECEIVERS, Some(PAYMENTS));
    bench.silence("s1", "b", 9_000);
    bench.run_to(100);
    bench.fire(&["a", "b"]);
    bench.run_to(200);
    bench.resolve(&["a"]);
    bench.flush_now();
    assert_eq!(remaining(&bench), Some(300_000), "muted for longer than it climbed");
}

/// 5.5: what correlate says of another incident changes nothing.
#[test]
fn quiet_firing_and_moved_are_about_one_incident() {
    let mut bench = climbing();
    bench.run_to(60);
    let (other, mine, at) = ("i9".to_owned(), bench.incident_id(), bench.now());
    bench.send(&GroupQuiet {
        incident_id: other.clone(),
        at,
    });
    bench.send(&GroupMoved {
        incident_id: other.clone(),
        at,
        config_version: 2,
    });
    assert!(bench.raised.is_empty() && remaining(&bench).is_none());
    bench.send(&GroupQuiet { incident_id: mine, at });
    bench.send(&GroupFiring { incident_id: other, at });
    assert_eq!(remaining(&bench), Some(240_000), "still held");
}

/// 5.5: an incident that fires again is not acknowledged any more; one that ends keeps its owner.
#[test]
fn a_reopened_incident_is_unacknowledged_and_one_that_ends_keeps_its_owner() {
    let mut bench = climbing();
    bench.acknowledge();
    bench.replies.insert("payments-pager".to_owned(), Reply::Failed);
    bench.run_to(60);
    bench.resolve(&["a"]);
    bench.run_to(310);
    let over = bench.incident().unwrap();
    assert_eq!(over.team.as_deref(), Some("payments"));
    bench.fire(&["a"]);
    bench.flush_now();
    let again = bench.incident().unwrap();
    assert_eq!((again.incident_id, again.acknowledged_at), (over.incident_id, None));
}

/// 5.5: one that ends keeps its severity.
#[test]
fn an_incident_that_ends_keeps_its_severity() {
    let escalation = "version: 1\nseverity: {label: name, order: [b, a]}\n";
    let mut bench = Bench::new(PLAIN, Some(escalation));
    bench.fire(&["a", "b"]);
    bench.run_to(10);
    assert_eq!(bench.incident().unwrap().severity.as_deref(), Some("b"), "the highest");
    bench.replies.insert("chat".to_owned(), Reply::Hold);
    bench.resolve(&["a", "b"]);
    bench.run_to(310);
    assert_eq!(bench.incident().unwrap().severity.as_deref(), Some("b"));
}

/// 5.5: where another incident takes a group over, what waits for the one before is void; one that moved owes nothing.
#[test]
fn another_incident_voids_what_waits_for_the_one_before() {
    for moved in [false, true] {
        let mut bench = climbing();
        bench.run_to(60);
        if moved {
            bench.move_away();
        }
        bench.another_incident();
        let of_the_first: Vec<(i64, bool)> = bench
            .raised
            .iter()
            .filter(|raised| raised.incident_id == "i1")
            .map(|raised| (raised.generation, raised.everything))
            .collect();
        assert_eq!(of_the_first, [(2, moved)], "once, moved or followed");
        assert!(bench.raised.iter().any(|raised| raised.incident_id == "i2"));
    }
}

/// 5.2, 5.5: nothing of an incident's ladder and commands is left to the one that follows.
#[test]
fn another_incident_inherits_no_ladder_and_no_answers() {
    let mut bench = climbing();
    bench.acknowledge();
    let slower = PAYMENTS.replace("payments-pager: {team", "payments-pager: {try_for: 1m, team");
    bench.config(RECEIVERS, Some(&slower));
    bench.resolve(&["a"]);
    bench.another_incident();
    let resolve = &bench.requests.last().unwrap().1;
    assert_eq!(
        (resolve.kind, resolve.chain[0].try_for_ms),
        (RequestKind::Resolve, 60_000)
    );
    let kept = [route_keys::LADDER, route_keys::COMMAND].map(|kind| keys_of(&bench, kind));
    assert_eq!(kept, [0, 0]);
}

/// 5.5: a command is for one incident, and the answers that are kept are bounded.
#[test]
fn a_command_for_another_incident_is_refused_and_answers_are_bounded() {
    let mut bench = Bench::new(PLAIN, None);
    bench.fire(&["a"]);
    bench.send(&Command {
        id: "c".to_owned(),
        incident_id: "i9".to_owned(),
        action: CommandAction::Acknowledge,
        by: "ada".to_owned(),
        generation: 1,
        at: bench.now(),
        comment: String::new(),
    });
    let answer = bench.journal.last().unwrap();
    assert_eq!((answer.kind.as_str(), bench.raised.len()), ("command.refused", 0));
    for n in 0..300 {
        bench.command_as(&format!("c{n}"), CommandAction::Unacknowledge, 1);
    }
    assert_eq!(keys_of(&bench, route_keys::COMMAND), 256);
}
