//! Rules of design sections 5.1 to 5.4 that no other history here would miss: each fails without its rule.

use std::collections::BTreeMap;

use alert::{LabelSet, PromDuration, SilenceMatcher};
use processor::Driver;
use route_pipeline::Route;
use schemas::{
    AlertBody, Avro, Flush, FlushAlert, Look, NotificationRequest, OutcomeKind, RequestKind, SilenceRecord, decode,
    encode, route_keys, schema_of, topics,
};

use crate::bench::{Bench, PLAIN, Reply};
use crate::ladders::{PAYMENTS, RECEIVERS};

const HOUR: i64 = 3_600;

fn keys_of(bench: &Bench, kind: u8) -> usize {
    let records = bench.driver.store().from(None);
    records.filter(|(key, _)| key.kind() == Some(kind)).count()
}

/// 5.3: the key of a failed request is used again for the same content, and for nothing else.
#[test]
fn other_content_or_another_rung_has_another_key() {
    let mut bench = Bench::new(PLAIN, None);
    bench.replies.insert("chat".to_owned(), Reply::Failed);
    bench.fire(&["a"]);
    bench.run_to(60);
    bench.fire(&["b"]);
    bench.run_to(310);
    bench.another_incident();
    let keys = |bench: &Bench| -> Vec<String> {
        let requests = bench.requests.iter();
        requests.map(|(_, request)| request.idempotency_key.clone()).collect()
    };
    let said = keys(&bench);
    assert_eq!(bench.said.len(), 3, "{:?}", bench.said);
    assert_ne!(said[0], said[1], "another alert joined");
    assert_ne!(said[1], said[2], "the same alerts, of another incident");

    let mut bench = Bench::new(RECEIVERS, Some(PAYMENTS));
    bench.replies.insert("payments-pager".to_owned(), Reply::Failed);
    bench.fire(&["a"]);
    bench.run_to(901);
    let pager: Vec<&NotificationRequest> = bench.requests.iter().map(|(_, request)| request).collect();
    let pager: Vec<_> = pager
        .iter()
        .filter(|request| request.receiver == "payments-pager")
        .collect();
    assert_eq!(pager.len(), 2);
    assert_ne!(
        pager[0].idempotency_key, pager[1].idempotency_key,
        "the same step of another round"
    );
}

/// 5.3: what was delivered is over: a repeat of it is another message, with another key.
#[test]
fn a_repeat_of_what_failed_once_has_another_key() {
    let mut bench = Bench::new(PLAIN, None);
    bench.replies.insert("chat".to_owned(), Reply::Failed);
    bench.fire(&["a"]);
    bench.run_to(60);
    bench.replies.clear();
    bench.run_to(5 * HOUR);
    let keys: Vec<&String> = bench
        .requests
        .iter()
        .map(|(_, request)| &request.idempotency_key)
        .collect();
    assert_eq!(bench.said[1..], ["05:00 chat First +a", "245:01 chat Repeat +a"]);
    assert!(keys[0] == keys[1] && keys[1] != keys[2], "{keys:?}");
}

/// 5.3: the key tells groups, receivers and integrations apart.
#[test]
fn two_integrations_and_two_groups_have_keys_of_their_own() {
    let two = PLAIN.replace("chat.test/'}", "chat.test/'}, {url: 'http://more.test/'}");
    let mut bench = Bench::new(&two, None);
    bench.fire(&["a"]);
    let flush = first_flush(&bench.driver, "{}:{alertname=\"Y\"}", "i7");
    bench.driver.record(&flush.group_key, encode(&flush).unwrap());
    let others = bench.driver.sent(topics::NOTIFICATIONS).into_iter();
    let others = others.map(|(_, output)| decode::<NotificationRequest>(output.value.as_deref().unwrap()).unwrap());
    let mut keys: Vec<String> = others.map(|request| request.idempotency_key).collect();
    keys.extend(
        bench
            .requests
            .iter()
            .map(|(_, request)| request.idempotency_key.clone()),
    );
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), 4);
}

/// 5.3: who did hear of the end is not told again when the others are tried once more.
#[test]
fn a_failed_resolve_goes_again_only_to_whom_it_did_not_reach() {
    let escalation = "version: 1\nreceivers: {chat: {fallback: [{receiver: sms}]}}\n";
    let sms = "\n- name: sms\n  webhook_configs: [{url: 'http://sms.test/'}]\n";
    let mut bench = Bench::new(&format!("{}{sms}", PLAIN.trim_end()), Some(escalation));
    bench.replies.insert("chat".to_owned(), Reply::By("sms"));
    bench.fire(&["a"]);
    bench.run_to(10);
    bench.replies.clear();
    bench.fire(&["b"]);
    bench.run_to(310);
    bench.replies.insert("chat".to_owned(), Reply::Hold);
    bench.resolve(&["a", "b"]);
    bench.run_to(610);
    let request = bench.held.remove(0);
    assert_eq!(request.only, ["sms", "chat"]);
    let outcome = bench.outcome(&request, OutcomeKind::Failed, vec!["chat".to_owned()]);
    bench.send(&outcome);
    bench.run_to(910);
    assert_eq!(bench.held[0].only, ["sms"]);
}

/// 5.3: `keep` speaks of the flush that is settled: what became of an older request does not count.
#[test]
fn an_older_requests_failure_keeps_nothing_in_the_newer_flush() {
    for kind in [OutcomeKind::Failed, OutcomeKind::Void] {
        let mut bench = Bench::new(PLAIN, None);
        bench.replies.insert("chat".to_owned(), Reply::Hold);
        bench.fire(&["a"]);
        bench.run_to(60);
        bench.fire(&["b"]);
        bench.run_to(310);
        bench.replies.clear();
        bench.answer(kind);
        let incident = bench.incident().unwrap();
        assert_eq!(
            (incident.flush, incident.failed, incident.voided),
            (2, false, false),
            "{kind:?}"
        );
    }
}

/// 5.3: a slot has one pending request, and an outcome of another is none of its own.
#[test]
fn an_outcome_of_another_sequence_leaves_the_slot_pending() {
    let mut bench = Bench::new(PLAIN, None);
    bench.replies.insert("chat".to_owned(), Reply::Hold);
    bench.fire(&["a"]);
    let mut outcome = bench.outcome(&bench.held[0], OutcomeKind::Delivered, Vec::new());
    outcome.sequence -= 1;
    bench.send(&outcome);
    assert!(!bench.is_settled());
    bench.answer(OutcomeKind::Delivered);
    assert!(bench.is_settled());
}

/// 5.3: a flush is settled when its own requests are; the ladder's do not hold it up.
#[test]
fn a_ladders_request_holds_up_no_flush() {
    let mut bench = Bench::new(RECEIVERS, Some(PAYMENTS));
    bench.replies.insert("payments-pager".to_owned(), Reply::Hold);
    bench.fire(&["a"]);
    assert_eq!((bench.held.len(), bench.is_settled()), (1, true));
}

/// 5.3: a flush that waits because notify saw a newer table is not settled before route sees it too.
#[test]
fn a_flush_that_waits_for_a_table_is_not_settled() {
    let mut bench = Bench::new(PLAIN, None);
    bench.replies.insert("chat".to_owned(), Reply::Hold);
    bench.fire(&["a"]);
    let request = bench.held.remove(0);
    let mut outcome = bench.outcome(&request, OutcomeKind::Void, Vec::new());
    outcome.tables = BTreeMap::from([(topics::SILENCES.to_owned(), 1)]);
    bench.send(&outcome);
    bench.flush_now();
    bench.run_to(2);
    assert!(!bench.is_settled(), "what it says is not known yet");
    bench.silence("s1", "b", 900);
    bench.run_to(4);
    assert_eq!(bench.held.len(), 1, "the silence mutes somebody else: it is said");
}

/// 5.3: a rung that notify voided by a table that route has not seen waits for that table, too.
#[test]
fn a_rung_that_waits_for_a_table_is_not_told_before() {
    let mut bench = Bench::new(RECEIVERS, Some(PAYMENTS));
    bench.replies.insert("payments-pager".to_owned(), Reply::Hold);
    bench.fire(&["a"]);
    let request = bench.held.remove(0);
    let mut outcome = bench.outcome(&request, OutcomeKind::Void, Vec::new());
    outcome.tables = BTreeMap::from([(topics::SILENCES.to_owned(), 1)]);
    bench.send(&outcome);
    bench.run_to(2);
    assert_eq!(bench.said.len(), 1);
    bench.silence("s1", "b", 900);
    bench.run_to(4);
    assert_eq!(bench.said.len(), 2, "the silence mutes somebody else");
}

/// 5.3: after a failure route looks again at that flush's tick + `group_interval`, however long the failing took.
#[test]
fn a_retry_counts_from_the_tick_of_its_flush() {
    let mut bench = Bench::new(PLAIN, None);
    bench.replies.insert("chat".to_owned(), Reply::Hold);
    bench.fire(&["a"]);
    bench.run_to(100);
    bench.answer(OutcomeKind::Failed);
    let start = bench.requests[0].0;
    assert_eq!(bench.again_at(), Some(start + PromDuration::from_secs(300)));
}

/// 5.3: an entry that expires before its repeat makes the next word a first one, and route looks when it does.
#[test]
fn an_entry_that_ends_before_its_repeat_is_looked_at_when_it_ends() {
    let mut bench = Bench::new(&PLAIN.replace("repeat_interval: 4h", "repeat_interval: 200h"), None);
    bench.fire(&["a"]);
    let start = bench.requests[0].0;
    assert_eq!(bench.again_at(), Some(start + PromDuration::from_hours(120)));
}

/// 5.3: such an entry is over at that very instant, by whichever of the two clocks is ahead.
#[test]
fn an_entry_is_over_at_the_instant_it_ends() {
    for (early, said) in [(1, 1), (0, 2)] {
        let mut bench = Bench::new(&PLAIN.replace("repeat_interval: 4h", "repeat_interval: 200h"), None);
        bench.fire(&["a"]);
        let end = bench.again_at().unwrap();
        bench.driver.advance_to(end - PromDuration::from_millis(1));
        bench.flush_of(end - PromDuration::from_millis(early));
        assert_eq!((bench.said.len(), bench.count(RequestKind::First)), (said, said));
    }
}

/// 5.3: a request has ten seconds at least; each link of a resolve has the time its chain gives it.
#[test]
fn a_request_has_ten_seconds_and_a_resolve_its_links_own_time() {
    let short = PLAIN.replace("group_interval: 5m", "group_interval: 2s");
    let escalation = "version: 1\nreceivers: {chat: {try_for: 1s}}\n";
    let mut bench = Bench::new(&short, Some(escalation));
    bench.fire(&["a"]);
    let (at, first) = &bench.requests[0];
    assert_eq!(first.give_up_at, *at + PromDuration::from_secs(10));
    bench.resolve(&["a"]);
    bench.run_to(310);
    let resolve = &bench.requests[1].1;
    assert_eq!(
        (resolve.kind, resolve.chain[0].try_for_ms),
        (RequestKind::Resolve, 1_000)
    );
}

/// 4: an integration without `send_resolved` is shown only what fires.
#[test]
fn without_send_resolved_a_message_shows_only_what_fires() {
    let config = PLAIN.replace("chat.test/'", "chat.test/', send_resolved: false");
    let mut bench = Bench::new(&config, None);
    bench.fire(&["a", "b"]);
    bench.run_to(60);
    bench.resolve(&["a"]);
    bench.fire(&["c"]);
    bench.run_to(310);
    assert_eq!(bench.said, ["00:00 chat First +a +b", "05:00 chat Joined +b +c"]);
}

/// 5.3: of rungs that wait for one slot the newest is told, whatever becomes of the older.
#[test]
fn a_void_rung_does_not_take_the_place_of_a_newer_one() {
    let mut bench = Bench::new(RECEIVERS, Some(PAYMENTS));
    bench.replies.insert("payments-pager".to_owned(), Reply::Hold);
    bench.fire(&["a"]);
    bench.run_to(901);
    assert_eq!(bench.held.len(), 1, "the second round's waits for the first's");
    bench.answer(OutcomeKind::Void);
    let newest = &bench.held[0];
    assert_eq!((newest.round, newest.step), (Some(1), Some(0)));
}

/// 5.3: an un-acknowledgement asks for the next tick: a repeat that was due meanwhile is said.
#[test]
fn unacknowledging_asks_for_a_look() {
    let mut bench = Bench::new(PLAIN, None);
    bench.fire(&["a"]);
    bench.run_to(60);
    bench.acknowledge();
    bench.run_to(10 * HOUR);
    assert_eq!(bench.said.len(), 2);
    bench.unacknowledge();
    bench.run_to(10 * HOUR + 1);
    assert_eq!(bench.said.len(), 3, "{:?}", bench.said);
}

/// 5.3: what muted a group is forgotten with its mute and with the group.
#[test]
fn what_mutes_a_group_is_kept_no_longer_than_it_does() {
    let mut bench = Bench::new(PLAIN, None);
    bench.silence("s1", "a", 9 * HOUR);
    bench.fire(&["a", "b"]);
    bench.run_to(10);
    assert_eq!(keys_of(&bench, route_keys::MUTE), 1);
    bench.resolve(&["a"]);
    bench.run_to(310);
    bench.flush_now();
    assert_eq!(
        keys_of(&bench, route_keys::MUTE),
        0,
        "the flush has nothing that is muted"
    );

    let mut bench = Bench::new(PLAIN, None);
    bench.silence("s1", "a", 9 * HOUR);
    bench.fire(&["a"]);
    bench.resolve(&["a"]);
    bench.run_to(310);
    assert_eq!(keys_of(&bench, route_keys::MUTE), 1);
    bench.run_to(2 * HOUR);
    assert_eq!(keys_of(&bench, route_keys::MUTE), 0, "forgotten");
}

/// 5.3: an incident is not forgotten while a request is under way: its outcome still settles the flush.
#[test]
fn an_incident_is_remembered_while_its_resolve_is_under_way() {
    let mut bench = Bench::new(PLAIN, None);
    bench.fire(&["a"]);
    bench.run_to(10);
    bench.replies.insert("chat".to_owned(), Reply::Hold);
    bench.resolve(&["a"]);
    bench.run_to(HOUR);
    let settled = bench.settled.len();
    bench.answer(OutcomeKind::Delivered);
    assert_eq!(bench.settled.len(), settled + 1);
    bench.run_to(2 * HOUR);
    assert!(bench.incident().is_none());
}

/// 5.3: a flush voids what was to be looked at before it.
#[test]
fn a_flush_takes_the_place_of_an_earlier_look() {
    let mut bench = Bench::new(PLAIN, None);
    bench.fire(&["a"]);
    assert!(bench.incident().unwrap().again_at.is_some(), "the repeat");
    bench.replies.insert("chat".to_owned(), Reply::Hold);
    bench.run_to(60);
    bench.fire(&["b"]);
    bench.run_to(310);
    assert_eq!(bench.incident().unwrap().again_at, None, "not known before its outcome");
}

/// 5.3: the end of a silence finds every group it muted, however many slices that takes.
#[test]
fn a_silence_of_many_groups_finds_them_all() {
    const GROUPS: usize = 1_200;
    let bench = Bench::new(PLAIN, None);
    let mut driver: Driver<Route> = bench.driver;
    let silence = SilenceRecord {
        id: "s".to_owned(),
        matchers: vec![equal("name", "a")],
        starts_at: driver.now(),
        ends_at: driver.now() + PromDuration::from_hours(9),
        updated_at: driver.now(),
        created_by: "ada".to_owned(),
        comment: String::new(),
        annotations: BTreeMap::new(),
    };
    driver.table(topics::SILENCES, "s", Some(encode(&silence).unwrap()));
    for n in 0..GROUPS {
        let flush = first_flush(&driver, &format!("{{}}:{{alertname=\"X{n}\"}}"), &format!("i{n}"));
        driver.record(&flush.group_key, encode(&flush).unwrap());
    }
    drop(driver.said());
    driver.table(topics::SILENCES, "s", None);
    let looks = driver.sent(topics::ALERTS).into_iter();
    let looks = looks.filter(|(_, output)| schema_of(output.value.as_deref().unwrap()) == Some(Look::NAME));
    assert_eq!(looks.count(), GROUPS);
}

/// The first flush of another group, with one alert that fires.
fn first_flush(driver: &Driver<Route>, group: &str, incident: &str) -> Flush {
    let labels = LabelSet::from([("name", "a")]);
    let now = driver.now();
    let alert = FlushAlert {
        fingerprint: labels.fingerprint(),
        resolved: false,
        starts_at: now,
        ends_at: now,
        updated_at: now,
        body: AlertBody {
            labels,
            ..AlertBody::default()
        },
    };
    Flush {
        flush: 1,
        part: 0,
        parts: 1,
        tick: now,
        route: "{}".to_owned(),
        group_key: group.to_owned(),
        group_labels: LabelSet::new(),
        incident_id: incident.to_owned(),
        opened_at: now,
        config_version: 1,
        alerts: vec![alert],
    }
}

fn equal(name: &str, value: &str) -> SilenceMatcher {
    SilenceMatcher {
        name: name.to_owned(),
        value: value.to_owned(),
        is_regex: false,
        is_equal: true,
    }
}
