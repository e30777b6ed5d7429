//! What a flush says, by the notification log.

use alert::{LabelSet, Timestamp};
use schemas::{OutcomeKind, RequestKind};

use crate::bench::{Bench, PLAIN, Reply};

const HOUR: i64 = 3_600;

/// Two receivers' worth of webhooks: one that wants no resolves.
const NO_RESOLVED: &str = "
route: {receiver: chat, group_by: [alertname], group_wait: 0s, group_interval: 5m, repeat_interval: 4h}
receivers:
- name: chat
  webhook_configs: [{url: 'http://chat.test/', send_resolved: false}]
";

fn at(second: i64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000 + second * 1_000)
}

#[test]
fn first_joined_some_and_all_resolved_are_each_said_once() {
    for restarts in [false, true] {
        let mut bench = Bench::new(PLAIN, None);
        bench.restarts = restarts;
        bench.fire(&["a"]);
        bench.run_to(60);
        bench.fire(&["b"]);
        bench.run_to(400);
        bench.resolve(&["a"]);
        bench.run_to(700);
        bench.resolve(&["b"]);
        bench.run_to(HOUR);
        assert_eq!(
            bench.said,
            [
                "00:00 chat First +a",
                "05:00 chat Joined +a +b",
                "10:00 chat Resolve -a +b",
                "15:00 chat Resolve -b"
            ]
        );
        let reasons: Vec<&str> = bench
            .requests
            .iter()
            .map(|(_, request)| request.reason.as_str())
            .collect();
        assert_eq!(
            reasons,
            [
                "first notification",
                "new alerts added",
                "some alerts resolved",
                "all alerts resolved"
            ]
        );
        assert_eq!(bench.requests[3].1.only, ["chat"]);
        assert!(bench.driver.restores_equal());
    }
}

#[test]
fn without_send_resolved_the_end_is_not_said_and_the_next_alert_is_a_first_one() {
    let mut bench = Bench::new(NO_RESOLVED, None);
    bench.fire(&["a", "b"]);
    bench.run_to(10);
    bench.resolve(&["a"]);
    bench.run_to(310);
    bench.resolve(&["b"]);
    bench.run_to(610);
    bench.fire(&["a"]);
    bench.run_to(HOUR);
    assert_eq!(bench.said, ["00:00 chat First +a +b", "10:10 chat First +a"]);
    let unsaid: Vec<&str> = bench
        .journal
        .iter()
        .filter(|entry| entry.kind == "notification.unsaid")
        .map(|entry| entry.reason.as_str())
        .collect();
    assert_eq!(
        unsaid,
        [
            "told already, and no repeat is due",
            "only resolved alerts, and the integration does not send those"
        ]
    );
}

/// A flush that waited is judged as of now, not of its tick: a repeat that came due meanwhile would be asked for no more.
#[test]
fn a_flush_that_waited_until_a_repeat_was_due_says_it() {
    let mut bench = Bench::new(
        &NO_RESOLVED.replace("repeat_interval: 4h", "repeat_interval: 10m"),
        None,
    );
    bench.fire(&["a"]);
    bench.run_to(60);
    bench.fire(&["b"]);
    bench.replies.insert("chat".to_owned(), Reply::Hold);
    bench.run_to(310);
    bench.resolve(&["b"]);
    bench.run_to(650);
    bench.answer(OutcomeKind::Failed);
    assert_eq!(
        bench.said,
        ["00:00 chat First +a", "05:00 chat Joined +a +b", "10:50 chat Repeat +a"]
    );
}

#[test]
fn a_repeat_is_asked_for_to_the_instant_and_said() {
    let mut bench = Bench::new(PLAIN, None);
    bench.fire(&["a"]);
    assert_eq!(
        bench.again_at(),
        Some(at(4 * HOUR) + alert::PromDuration::from_millis(1))
    );
    bench.run_to(9 * HOUR);
    assert_eq!(
        bench.said,
        ["00:00 chat First +a", "240:01 chat Repeat +a", "480:02 chat Repeat +a"]
    );
    assert_eq!(
        bench.requests[1].1.generation,
        Some(1),
        "a repeat is void once the generation is raised"
    );
    assert_eq!(bench.requests[0].1.generation, None, "a first word is not");
}

/// Correlate has nothing to let go of before something is resolved; then it is told, whatever the integrations hear of it.
#[test]
fn only_a_flush_that_carries_resolved_alerts_is_answered() {
    for config in [PLAIN, NO_RESOLVED] {
        let mut bench = Bench::new(config, None);
        bench.fire(&["a", "b"]);
        bench.run_to(4 * HOUR + 60);
        assert_eq!(bench.said.len(), 2, "a first word and a repeat");
        assert!(bench.settled.is_empty());
        bench.resolve(&["a"]);
        bench.run_to(4 * HOUR + 310);
        bench.resolve(&["b"]);
        bench.run_to(5 * HOUR);
        let answers: Vec<_> = bench
            .settled
            .iter()
            .map(|(_, settled)| (settled.flush, settled.keep, settled.again_at))
            .collect();
        assert_eq!(answers, [(3, false, None), (4, false, None)]);
    }
}

#[test]
fn what_changes_nothing_is_not_journaled() {
    let mut bench = Bench::new(PLAIN, None);
    bench.fire(&["a"]);
    let entries = bench.journal.len();
    for _ in 0..5 {
        bench.run_to(bench.second() + 300);
        bench.flush_now();
    }
    assert_eq!(bench.journal.len(), entries);
    assert_eq!(bench.said.len(), 1);
}

#[test]
fn a_failed_request_keeps_its_key_and_is_tried_again_after_the_interval() {
    let mut bench = Bench::new(PLAIN, None);
    bench.replies.insert("chat".to_owned(), Reply::Failed);
    bench.fire(&["a"]);
    assert_eq!((bench.is_settled(), bench.again_at()), (true, Some(at(300))));
    bench.run_to(310);
    bench.replies.clear();
    bench.run_to(700);
    assert_eq!(
        bench.said,
        ["00:00 chat First +a", "05:00 chat First +a", "10:00 chat First +a"]
    );
    let keys: Vec<&str> = bench
        .requests
        .iter()
        .map(|(_, request)| request.idempotency_key.as_str())
        .collect();
    assert!(keys.iter().all(|key| *key == keys[0]), "{keys:?}");
    // Other content has another key.
    bench.fire(&["b"]);
    bench.run_to(910);
    assert_ne!(bench.requests[3].1.idempotency_key, bench.requests[0].1.idempotency_key);
}

#[test]
fn a_repeat_that_fails_is_tried_again_after_the_interval() {
    let mut bench = Bench::new(PLAIN, None);
    bench.fire(&["a"]);
    bench.run_to(4 * HOUR);
    bench.replies.insert("chat".to_owned(), Reply::Failed);
    bench.run_to(4 * HOUR + 620);
    assert_eq!(
        bench.said[1..],
        [
            "240:01 chat Repeat +a",
            "245:01 chat Repeat +a",
            "250:01 chat Repeat +a"
        ]
    );
}

#[test]
fn resolved_alerts_stay_until_their_resolve_is_delivered() {
    let mut bench = Bench::new(PLAIN, None);
    bench.fire(&["a"]);
    bench.run_to(10);
    bench.replies.insert("chat".to_owned(), Reply::Failed);
    bench.resolve(&["a"]);
    bench.run_to(310);
    bench.replies.clear();
    bench.run_to(HOUR);
    assert_eq!(
        bench.said,
        ["00:00 chat First +a", "05:00 chat Resolve -a", "10:00 chat Resolve -a"]
    );
}

#[test]
fn a_flush_waits_for_the_pending_request_the_newest_only_and_is_judged_afresh() {
    for restarts in [false, true] {
        let mut bench = Bench::new(PLAIN, None);
        bench.restarts = restarts;
        bench.replies.insert("chat".to_owned(), Reply::Hold);
        bench.fire(&["a"]);
        bench.run_to(10);
        bench.fire(&["b"]);
        bench.run_to(310);
        bench.fire(&["c"]);
        bench.run_to(610);
        assert_eq!(bench.said, ["00:00 chat First +a"], "one request at a time");
        bench.resolve(&["b"]);
        bench.run_to(910);
        assert_eq!(bench.said, ["00:00 chat First +a"], "one request at a time");
        bench.answer(OutcomeKind::Delivered);
        assert_eq!(bench.said[1..], ["15:10 chat Joined +a -b +c"]);
        assert!(bench.settled.is_empty());
        bench.answer(OutcomeKind::Delivered);
        let flushes: Vec<i64> = bench.settled.iter().map(|(_, settled)| settled.flush).collect();
        assert_eq!(flushes, [4], "it settles that flush and all before it");
        assert!(bench.driver.restores_equal());
    }
}

#[test]
fn what_resolved_while_the_first_word_failed_is_never_said() {
    let mut bench = Bench::new(PLAIN, None);
    bench.replies.insert("chat".to_owned(), Reply::Hold);
    bench.fire(&["a"]);
    bench.run_to(10);
    bench.resolve(&["a"]);
    bench.run_to(310);
    bench.answer(OutcomeKind::Failed);
    bench.run_to(HOUR);
    assert_eq!(
        bench.said,
        ["00:00 chat First +a"],
        "a resolve goes only to who heard that it fires"
    );
}

#[test]
fn a_request_has_its_interval_and_never_less_than_its_chain_needs() {
    let short = PLAIN.replace("group_interval: 5m", "group_interval: 1s");
    let escalation = "
version: 1
receivers: {chat: {fallback: [{receiver: sms}, {receiver: noc}], try_for: 1m}}
";
    let receivers = "
- name: sms
  webhook_configs: [{url: 'http://sms.test/'}]
- name: noc
  webhook_configs: [{url: 'http://noc.test/'}]
";
    let chained = format!("{}{receivers}", short.trim_end());
    for (config, escalation, seconds) in [
        (PLAIN, None, 300),
        (short.as_str(), None, 30),
        (chained.as_str(), Some(escalation), 120),
    ] {
        let mut bench = Bench::new(config, escalation);
        bench.fire(&["a"]);
        assert_eq!(bench.requests[0].1.give_up_at, at(seconds), "{config}");
    }
}

#[test]
fn a_resolve_goes_to_every_link_that_heard_and_to_no_other() {
    let escalation = "version: 1\nreceivers: {chat: {fallback: [{receiver: sms}]}}\n";
    let config = format!(
        "{}\n- name: sms\n  webhook_configs: [{{url: 'http://sms.test/'}}]\n",
        PLAIN.trim_end()
    );
    let mut bench = Bench::new(&config, Some(escalation));
    bench.replies.insert("chat".to_owned(), Reply::By("sms"));
    bench.fire(&["a"]);
    bench.run_to(10);
    bench.replies.clear();
    bench.fire(&["b"]);
    bench.run_to(310);
    assert_eq!(
        bench.requests[1].1.chain[0].receiver, "chat",
        "a new alert tries the receiver itself first"
    );
    assert!(bench.requests[1].1.only.is_empty());
    bench.resolve(&["a", "b"]);
    bench.run_to(610);
    let request = &bench.requests[2].1;
    assert_eq!(request.only, ["sms", "chat"]);
    let chain: Vec<&str> = request.chain.iter().map(|link| link.receiver.as_str()).collect();
    assert_eq!(chain, ["sms", "chat"]);
    // Who heard of that end is owed no other.
    bench.fire(&["a"]);
    bench.run_to(910);
    bench.resolve(&["a"]);
    bench.run_to(1_210);
    let last = &bench.requests.last().unwrap().1;
    assert_eq!(
        (last.kind, &last.only[..]),
        (RequestKind::Resolve, &["chat".to_owned()][..])
    );
}

#[test]
fn a_log_entry_lives_twice_the_repeat_interval_and_goes_by_itself() {
    let mut bench = Bench::new(PLAIN, None);
    bench.fire(&["a"]);
    bench.run_to(10);
    bench.resolve(&["a"]);
    bench.run_to(301 + 15 * 60);
    assert!(bench.incident().is_none(), "forgotten after a quarter of an hour");
    assert_eq!(bench.driver.store().len(), 1, "the log entry stays");
    bench.run_to(300 + 8 * HOUR);
    assert!(bench.driver.store().is_empty());
}

#[test]
fn a_flush_of_a_route_that_is_gone_is_settled_unsaid() {
    let mut bench = Bench::new(PLAIN, None);
    bench.fire(&["a"]);
    let gone = schemas::Flush {
        flush: 2,
        part: 0,
        parts: 1,
        tick: bench.now(),
        route: "{}/{team=\"gone\"}".to_owned(),
        group_key: String::new(),
        group_labels: LabelSet::new(),
        incident_id: "i1".to_owned(),
        opened_at: bench.now(),
        config_version: 1,
        alerts: Vec::new(),
    };
    bench.send(&gone);
    let settled = &bench.settled.last().unwrap().1;
    assert_eq!((settled.flush, settled.keep, settled.again_at), (2, false, None));
    assert_eq!(
        bench.journal.last().unwrap().reason,
        "the config has no route {}/{team=\"gone\"} any more"
    );
    assert_eq!(bench.count(RequestKind::First), 1);
}

#[test]
fn at_rest_a_group_without_a_policy_is_small() {
    let mut bench = Bench::new(PLAIN, None);
    bench.fire(&["a"]);
    assert_eq!(bench.driver.store().len(), 2, "an incident and a slot, and no alert");
    assert!(
        bench.driver.store().bytes() < 400,
        "{} bytes",
        bench.driver.store().bytes()
    );
}
