//! Escalation: who is told when, to the second, and nothing else.

use alert::Timestamp;
use processor::{Origin, Processor, Store, Tables, apply};
use route_pipeline::Route;
use schemas::{JournalEntry, NotificationRequest, OutcomeKind, RequestKind, decode, topics};

use crate::bench::{Bench, Reply};

const HOUR: i64 = 3_600;

/// The route's own receiver has no integration: everything that is said is the ladder's.
pub(crate) const RECEIVERS: &str = "
route: {receiver: payments-critical, group_by: [alertname], group_wait: 0s, group_interval: 5m, repeat_interval: 4h}
receivers:
- name: payments-critical
- {name: payments-pager, webhook_configs: [{url: 'http://a.test/'}]}
- {name: payments-lead, webhook_configs: [{url: 'http://b.test/'}]}
- {name: platform-pager, webhook_configs: [{url: 'http://c.test/'}]}
- {name: payments-sms, webhook_configs: [{url: 'http://d.test/'}]}
- {name: noc, webhook_configs: [{url: 'http://e.test/'}]}
";

/// The example of the design's section 7.
pub(crate) const PAYMENTS: &str = "
version: 1
teams: {payments: {title: Payments}}
policies:
  payments:
    steps:
    - {notify: [{receiver: payments-pager}], escalate_after: 5m}
    - {notify: [{receiver: payments-lead}, {receiver: platform-pager}], escalate_after: 10m}
    repeat: {times: 1}
    last_resort: [{receiver: noc}]
receivers:
  payments-critical: {team: payments, policy: payments}
  payments-pager: {team: payments, fallback: [{receiver: payments-sms}, {receiver: noc}]}
";

/// Policy P of the reference scenarios: A, B, C, then L.
const P: &str = "
version: 1
policies:
  p:
    steps:
    - {notify: [{receiver: payments-pager}], escalate_after: 5m}
    - {notify: [{receiver: payments-lead}], escalate_after: 10m}
    - {notify: [{receiver: platform-pager}], escalate_after: 10m}
    repeat: {times: 0}
    last_resort: [{receiver: noc}]
receivers: {payments-critical: {policy: p}}
";

fn history(escalation: &str, restarts: bool) -> Bench {
    let mut bench = Bench::new(RECEIVERS, Some(escalation));
    bench.restarts = restarts;
    bench.fire(&["a"]);
    bench
}

#[test]
fn the_design_s_example_to_the_second() {
    for restarts in [false, true] {
        let mut bench = history(PAYMENTS, restarts);
        bench.run_to(2 * HOUR);
        assert_eq!(
            bench.said,
            [
                "00:00 payments-pager Step +a",
                "05:00 payments-lead Step +a",
                "05:00 platform-pager Step +a",
                "15:00 payments-pager Step +a",
                "20:00 payments-lead Step +a",
                "20:00 platform-pager Step +a",
                "30:00 noc LastResort +a",
            ]
        );
        let request = &bench.requests[3].1;
        assert_eq!(
            (request.policy.as_deref(), request.round, request.step),
            (Some("payments"), Some(1), Some(0))
        );
        let chain: Vec<&str> = request.chain.iter().map(|link| link.receiver.as_str()).collect();
        assert_eq!(chain, ["payments-pager", "payments-sms", "noc"]);
        assert_eq!(
            request.give_up_at.saturating_since(bench.requests[3].0),
            alert::PromDuration::from_secs(90)
        );
        assert_eq!(bench.kinds().last(), Some(&"escalation.exhausted"));
        let incident = bench.incident().unwrap();
        assert_eq!(incident.team.as_deref(), Some("payments"));
        assert_eq!(
            (incident.policy.as_deref(), incident.policy_version),
            (Some("payments"), Some(1))
        );
    }
}

#[test]
fn scenario_1_basic_chain() {
    let mut bench = history(P, true);
    bench.run_to(HOUR);
    assert_eq!(
        bench.said,
        [
            "00:00 payments-pager Step +a",
            "05:00 payments-lead Step +a",
            "15:00 platform-pager Step +a",
            "25:00 noc LastResort +a"
        ]
    );
}

#[test]
fn scenario_2_an_acknowledgement_stops_all() {
    let mut bench = history(P, true);
    bench.run_to(120);
    bench.acknowledge();
    bench.run_to(HOUR);
    assert_eq!(bench.said, ["00:00 payments-pager Step +a"]);
    let raised = bench.raised.last().unwrap();
    assert_eq!((raised.generation, raised.everything), (2, false));
}

#[test]
fn scenario_4_loops() {
    let two = "
version: 1
policies:
  p:
    steps:
    - {notify: [{receiver: payments-pager}], escalate_after: 5m}
    - {notify: [{receiver: payments-lead}], escalate_after: 5m}
    repeat: {times: 2}
    last_resort: [{receiver: noc}]
receivers: {payments-critical: {policy: p}}
";
    let mut bench = history(two, true);
    bench.run_to(HOUR);
    let expected: Vec<String> = [
        (0, "pager"),
        (5, "lead"),
        (10, "pager"),
        (15, "lead"),
        (20, "pager"),
        (25, "lead"),
    ]
    .iter()
    .map(|(minute, who)| format!("{minute:02}:00 payments-{who} Step +a"))
    .chain(["30:00 noc LastResort +a".to_owned()])
    .collect();
    assert_eq!(bench.said, expected);
}

#[test]
fn scenario_14_an_edit_while_it_runs_changes_nothing() {
    let mut bench = history(P, true);
    bench.run_to(120);
    bench.config(RECEIVERS, Some(&P.replace("payments-lead", "payments-sms")));
    bench.run_to(HOUR);
    assert_eq!(bench.said[1], "05:00 payments-lead Step +a");
    assert_eq!(bench.said.len(), 4);
    assert_eq!(bench.incident().unwrap().policy_version, Some(1));
    // The next incident climbs the new one.
    bench.resolve(&["a"]);
    bench.run_to(HOUR + 310);
    bench.fire(&["a"]);
    bench.run_to(HOUR + 700);
    assert!(
        bench.said.last().unwrap().contains("payments-sms Step"),
        "{:?}",
        bench.said
    );
}

/// Runs what is due at an instant that came late, and takes the requests, and how late they say they are.
fn late(stage: &mut Route, store: &mut Store, second: i64) -> Vec<String> {
    let now = Timestamp::from_millis(1_700_000_000_000 + second * 1_000);
    let tables = Tables::new();
    let mut said = Vec::new();
    while let Some(timer) = store.next_timer().filter(|timer| timer.due <= now) {
        let origin = Origin {
            stage: Route::NAME,
            now,
            partition: 0,
            offset: 1,
            due: Some(timer.due),
            discriminator: 0,
            trace: 0,
            config_version: 1,
            tables: &tables,
        };
        let ((), applied) = apply(store, origin, |cx| stage.timer(&timer, cx)).unwrap();
        store.disarm(&timer);
        let of = |topic| {
            let outputs = applied.outputs.iter().filter(move |output| output.topic == topic);
            outputs.map(|output| output.value.as_deref().unwrap())
        };
        let entries = of(topics::JOURNAL).map(|entry| decode::<JournalEntry>(entry).unwrap());
        let late: Vec<String> = entries
            .filter_map(|entry| entry.fields.get("late").map(str::to_owned))
            .collect();
        said.extend(of(topics::NOTIFICATIONS).map(|request| {
            let request: NotificationRequest = decode(request).unwrap();
            format!("{} {:?} {}", request.receiver, request.kind, late.join(" "))
        }));
    }
    said
}

#[test]
fn scenario_12_three_hours_down() {
    let mut bench = history(P, false);
    bench.run_to(240);
    let mut store = Store::default();
    for (key, value) in bench.driver.store().dump() {
        store.restore(key.as_bytes(), Some(value)).unwrap();
    }
    let stage = &mut bench.driver.stage;
    assert_eq!(
        late(stage, &mut store, 184 * 60),
        ["payments-lead Step 2h59m"],
        "once, and no burst"
    );
    assert!(
        late(stage, &mut store, 194 * 60 - 1).is_empty(),
        "nobody gets less time than the policy says"
    );
    assert_eq!(late(stage, &mut store, 194 * 60), ["platform-pager Step "]);
    assert_eq!(late(stage, &mut store, 204 * 60), ["noc LastResort "]);
}

#[test]
fn a_step_whose_slot_is_busy_waits_for_the_outcome() {
    let mut bench = history(PAYMENTS, true);
    bench.run_to(899);
    bench.replies.insert("payments-pager".to_owned(), Reply::Hold);
    bench.run_to(900);
    assert_eq!(bench.held.len(), 1);
    // Its own receiver is told nothing else meanwhile; the others are.
    bench.run_to(1_500);
    assert_eq!(bench.said.len(), 6);
    bench.answer(OutcomeKind::Failed);
    bench.run_to(1_800);
    assert_eq!(bench.said[6], "30:00 noc LastResort +a");
    assert!(bench.kinds().contains(&"escalation.unreached"));
}

#[test]
fn a_last_resort_that_fails_is_tried_and_said_so() {
    for (reply, heard) in [(Reply::Failed, "false"), (Reply::Delivered, "true")] {
        let mut bench = history(P, false);
        bench.replies.insert("noc".to_owned(), reply);
        bench.run_to(HOUR);
        assert_eq!(bench.count(RequestKind::LastResort), 1);
        let end = bench
            .journal
            .iter()
            .find(|entry| entry.kind == "escalation.exhausted")
            .unwrap();
        assert_eq!(end.fields.value("heard"), heard);
    }
}

#[test]
fn a_resolve_goes_to_everyone_the_ladder_told_once() {
    let mut bench = history(P, true);
    bench.run_to(400);
    bench.resolve(&["a"]);
    bench.run_to(HOUR);
    assert_eq!(
        bench.said,
        [
            "00:00 payments-pager Step +a",
            "05:00 payments-lead Step +a",
            "10:00 payments-lead Resolve -a",
            "10:00 payments-pager Resolve -a"
        ]
    );
    assert!(bench.kinds().contains(&"escalation.ended"));
}

#[test]
fn a_step_that_is_delivered_while_all_resolves_owes_its_resolve() {
    let mut bench = history(P, true);
    bench.run_to(299);
    bench.replies.insert("payments-lead".to_owned(), Reply::Hold);
    bench.run_to(310);
    bench.resolve(&["a"]);
    // The tick at 10:00 raises the generation; this outcome was on its way before notify read that.
    let step = bench.held.remove(0);
    bench.replies.clear();
    bench.run_to(601);
    let outcome = bench.outcome(&step, OutcomeKind::Delivered, vec!["payments-lead".to_owned()]);
    bench.send(&outcome);
    bench.run_to(HOUR);
    assert_eq!(
        bench.said[2..],
        ["10:00 payments-pager Resolve -a", "10:01 payments-lead Resolve -a"]
    );
}

#[test]
fn quiet_holds_the_ladder_at_once_and_firing_resumes_it() {
    let mut bench = history(P, true);
    bench.run_to(120);
    bench.resolve(&["a"]);
    bench.run_to(180);
    bench.fire(&["a"]);
    bench.run_to(HOUR);
    // One minute of quiet moves all that follows by one minute.
    assert_eq!(
        bench.said[1..],
        [
            "06:00 payments-lead Step +a",
            "16:00 platform-pager Step +a",
            "26:00 noc LastResort +a"
        ]
    );
}

#[test]
fn a_new_incident_climbs_anew() {
    let mut bench = history(P, true);
    bench.run_to(310);
    bench.resolve(&["a"]);
    bench.run_to(610);
    bench.fire(&["a"]);
    bench.run_to(940);
    assert_eq!(
        bench.said[4..],
        ["10:10 payments-pager Step +a", "15:10 payments-lead Step +a"],
        "{:?}",
        bench.said
    );
    assert_eq!(bench.incident().unwrap().incident_id, "i2");
    let generations: Vec<i64> = bench.raised.iter().map(|raised| raised.generation).collect();
    assert_eq!(generations, [2, 3], "resolved, reopened");
}

#[test]
fn an_incident_that_fires_again_before_its_resolve_was_heard_is_reopened() {
    let mut bench = history(P, true);
    bench.run_to(310);
    bench.replies.insert("payments-pager".to_owned(), Reply::Failed);
    bench.resolve(&["a"]);
    bench.run_to(610);
    bench.replies.clear();
    bench.fire(&["a"]);
    bench.run_to(1_210);
    assert_eq!(bench.incident().unwrap().incident_id, "i1");
    assert!(bench.kinds().contains(&"incident.reopened"));
    let steps: Vec<&String> = bench.said.iter().filter(|said| said.contains("Step")).collect();
    assert_eq!(
        steps[2..],
        ["15:00 payments-pager Step +a", "20:00 payments-lead Step +a"]
    );
    let generations: Vec<i64> = bench.raised.iter().map(|raised| raised.generation).collect();
    assert_eq!(generations, [2, 3]);
}

#[test]
fn a_resolve_is_owed_to_whom_the_ladder_told_after_any_time() {
    let mut bench = history(P, false);
    bench.run_to(20 * HOUR);
    assert_eq!(bench.said.len(), 4);
    bench.resolve(&["a"]);
    bench.run_to(21 * HOUR);
    assert_eq!(bench.count(RequestKind::Resolve), 4);
}
