//! The stage on the users' topics: formats told apart, alerts placed, what is refused and how.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeMap;

use alert::{LabelSet, Timestamp};
use ingest_pipeline::{Format, Ingest, Tally};
use processor::{Driver, Poison, Said};
use schemas::{AlertEvent, AlertUpdate, ConfigVersion, EventKind, JournalEntry, decode, encode, topics};

const NOW: Timestamp = Timestamp::from_secs(1_000_000);

const CONFIG: &str = "
route:
  receiver: default
  group_by: [alertname]
  routes:
    - matchers: [team=db]
      receiver: db
      group_by: [cluster]
      continue: true
    - matchers: [severity=critical]
      receiver: pager
      group_by: [...]
receivers: [{name: default}, {name: db}, {name: pager}]
";

fn driver() -> Driver<Ingest> {
    let mut driver = Driver::new(Ingest::new(), NOW);
    let version = ConfigVersion {
        alertmanager: CONFIG.to_owned(),
        alertmanager_file: "alertmanager.yml".to_owned(),
        escalation: None,
        escalation_file: None,
        published_by: "test".to_owned(),
        at: NOW,
    };
    driver.table(topics::CONFIG, "1", Some(encode(&version).unwrap()));
    driver
}

fn updates(driver: &mut Driver<Ingest>) -> Vec<(String, AlertUpdate)> {
    let sent = driver.sent(topics::ALERTS);
    sent.into_iter()
        .map(|(_, o)| (String::from_utf8(o.key).unwrap(), decode(&o.value.unwrap()).unwrap()))
        .collect()
}

fn map(pairs: &[(&str, &str)]) -> LabelSet {
    pairs.iter().copied().collect()
}

#[test]
fn an_alert_goes_to_each_of_its_groups_as_a_numbered_copy() {
    let mut driver = driver();
    let event = r#"{"kind":"alert","source":"vector/7","labels":{"alertname":"A","team":"db","severity":"critical","empty":""},
        "annotations":{"summary":"s"},"startsAt":"1970-01-12T13:46:00Z","expr":"x > 1","value":1.5,"for":"2m","generatorURL":"http://g/"}"#;
    driver.record("any", event.as_bytes().to_vec());
    let sent = updates(&mut driver);
    let keys: Vec<&str> = sent.iter().map(|(key, _)| key.as_str()).collect();
    let all = r#"{}/{severity="critical"}:{alertname="A", severity="critical", team="db"}"#;
    assert_eq!(keys, [r#"{}/{team="db"}:{}"#, all]);
    let first = &sent[0].1;
    let want = AlertUpdate {
        fingerprint: first.fingerprint,
        content_hash: first.content_hash,
        starts_at: Timestamp::from_secs(999_960),
        ends_at: Timestamp::from_secs(1_000_300),
        received_at: NOW,
        timeout: true,
        resolved: false,
        config_version: 1,
        hops: 0,
        copy: 0,
        copies: 2,
        route: r#"{}/{team="db"}"#.to_owned(),
        group_labels: LabelSet::new(),
        moved_from: None,
        body: schemas::AlertBody {
            labels: map(&[("alertname", "A"), ("severity", "critical"), ("team", "db")]),
            annotations: map(&[("summary", "s")]),
            generator_url: "http://g/".to_owned(),
            expr: Some("x > 1".to_owned()),
            value: Some(1.5),
            for_ms: Some(120_000),
            source: Some("vector/7".to_owned()),
        },
    };
    assert_eq!(first, &want);
    let second = &sent[1].1;
    assert_eq!(
        (second.copy, second.copies, second.content_hash),
        (1, 2, first.content_hash)
    );
    assert_eq!(second.group_labels, second.body.labels);
    let [Said::Effect(_, tally)] = &driver.said()[..] else {
        panic!("a tally")
    };
    let want = Tally {
        formats: BTreeMap::from([(Format::Event, 1)]),
        firing: 1,
        ..Tally::default()
    };
    assert_eq!(tally, &want);
}

#[test]
fn the_content_hash_moves_with_the_content_and_not_with_the_times() {
    let hash = |item: &str| {
        let mut driver = driver();
        driver.record("", format!(r#"{{"labels":{{"a":"b"}}{item}}}"#).into_bytes());
        updates(&mut driver)[0].1.content_hash
    };
    let plain = hash("");
    assert_eq!(
        plain,
        hash(r#","startsAt":"1970-01-12T13:46:00Z","endsAt":"9999-01-01T00:00:00Z""#)
    );
    for other in [
        r#","annotations":{"a":"b"}"#,
        r#","generatorURL":"http://x""#,
        r#","annotations":{"ab":""}"#,
    ] {
        assert_ne!(plain, hash(other), "{other}");
    }
    assert_ne!(hash(r#","annotations":{"a":"b"}"#), hash(r#","annotations":{"ab":""}"#));
}

fn avro(kind: EventKind, ends_at: Option<Timestamp>) -> Vec<u8> {
    let event = AlertEvent {
        id: Some("1".to_owned()),
        source: None,
        kind,
        labels: map(&[("alertname", "A")]),
        annotations: LabelSet::new(),
        starts_at: None,
        ends_at,
        generator_url: None,
        expr: None,
        value: None,
        for_ms: None,
    };
    encode(&event).unwrap()
}

#[test]
fn every_format_is_told_from_the_others() {
    let labels = r#""labels":{"alertname":"A"}"#;
    // The value; of each alert in it, whether it is over.
    let rows: [(Vec<u8>, &[bool]); 9] = [
        (avro(EventKind::Alert, None), &[false]),
        (avro(EventKind::Resolve, None), &[true]),
        (
            avro(EventKind::Resolve, Some(NOW + alert::PromDuration::from_mins(4))),
            &[true],
        ),
        (avro(EventKind::Alert, Some(NOW)), &[true]),
        (format!("{{{labels}}}").into_bytes(), &[false]),
        (format!("[{{{labels}}},{{{labels}}}]").into_bytes(), &[false, false]),
        (
            format!(r#"[{{{labels},"kind":"alert"}},{{{labels},"endsAt":"1970-01-02"}}]"#).into_bytes(),
            &[false, true],
        ),
        (
            format!(r#"{{{labels},"kind":"resolve","endsAt":null,"own":{{}}}}"#).into_bytes(),
            &[true],
        ),
        (b"[]".to_vec(), &[]),
    ];
    for (value, want) in rows {
        let mut driver = driver();
        driver.record("", value.clone());
        let over: Vec<bool> = updates(&mut driver).iter().map(|(_, update)| update.resolved).collect();
        assert_eq!(over, want, "{}", String::from_utf8_lossy(&value));
        assert!(driver.said().iter().all(|said| matches!(said, Said::Effect(..))));
    }
}

#[test]
fn a_record_of_which_nothing_can_be_taken_is_a_dead_letter_with_its_reason() {
    let rows: [(&[u8], &str); 15] = [
        (b"", "unknown_format: it is empty"),
        (
            b"2026-01-01 host oops",
            "unknown_format: neither Avro (C3 01 in front) nor JSON: ",
        ),
        (
            b"\x00\x00\x00\x00\x07rest",
            "unknown_format: framed for a schema registry (schema 7), which is not supported yet",
        ),
        (
            b"\xC3\x01\x01\x02\x03\x04\x05\x06\x07\x08",
            "unknown_format: Avro, but no schema in this release",
        ),
        (b"\xC3\x01", "unknown_format: Avro, but too short"),
        (b"7", "0: unknown_format: an alert is a JSON object"),
        (br#"{"message":"oops"}"#, "0: unknown_format: JSON without `labels`"),
        (
            br#"{"version":"4","alerts":[]}"#,
            "0: unknown_format: Alertmanager's webhook payload is not supported yet",
        ),
        (
            br#"{"routing_key":"k","event_action":"trigger"}"#,
            "0: unknown_format: PagerDuty's Events API",
        ),
        (
            br#"{"resourceLogs":[]}"#,
            "0: unknown_format: OTLP is not supported yet",
        ),
        (
            br#"{"kind":"ack","labels":{"a":"b"}}"#,
            "0: kind \"ack\" is not supported",
        ),
        (br#"{"kind":"alert"}"#, "0: labels are missing"),
        (br#"{"kind":"alert","labels":{"a":"b"},"for":"soon"}"#, "0: for: "),
        (
            br#"{"kind":"alert","labels":{"a":"b"},"value":"1"}"#,
            "0: value must be a number",
        ),
        (
            br#"[{"labels":{}},{"labels":{"a":"b"},"endsAt":"x"}]"#,
            "0: at least one label pair required\n1: invalid time",
        ),
    ];
    for (value, reason) in rows {
        let mut driver = driver();
        driver.record("", value.to_vec());
        let [Said::Refused(_, Poison::Malformed(why))] = &driver.said()[..] else {
            panic!("{reason}: not refused")
        };
        assert!(why.starts_with(reason), "{reason:?}: {why:?}");
    }
}

/// A map of Avro takes many times its bytes in memory, so its size is asked first.
#[test]
fn an_event_in_avro_is_not_decoded_where_it_is_too_large() {
    let event = |labels: usize| {
        let labels = (0..labels).map(|number| (format!("l{number}"), String::new()));
        let event: AlertEvent = decode(&avro(EventKind::Alert, None)).unwrap();
        encode(&AlertEvent {
            labels: event.labels.clone().into_iter().chain(labels).collect(),
            ..event
        })
        .unwrap()
    };
    let mut driver = driver();
    driver.record("", event(10_000));
    assert_eq!(updates(&mut driver)[0].1.body.labels, map(&[("alertname", "A")]));
    driver.said();
    let large = event(100_000);
    driver.record("", large.clone());
    let [Said::Refused(_, Poison::Malformed(why))] = &driver.said()[..] else {
        panic!("not refused")
    };
    let bytes = large.len();
    assert_eq!(
        *why,
        format!("an event of {bytes} bytes in Avro, at most 262144 are taken")
    );
}

#[test]
fn a_bad_item_is_journaled_and_its_neighbours_are_kept() {
    let mut driver = driver();
    driver.record(
        "",
        br#"[{"labels":{"a":"b"}},{"labels":{"c":"d"},"startsAt":"x"},{"labels":{"e":"f"}}]"#.to_vec(),
    );
    assert_eq!(updates(&mut driver).len(), 2);
    let journal = driver.sent(topics::JOURNAL);
    let entry: JournalEntry = decode(journal[0].1.value.as_ref().unwrap()).unwrap();
    assert_eq!(
        (journal.len(), entry.kind.as_str(), &entry.labels),
        (1, "alert.refused", &map(&[("c", "d")]))
    );
    assert_eq!((entry.fields.value("index"), entry.fields.value("offset")), ("1", "0"));
    assert!(entry.reason.starts_with("invalid time \"x\""), "{}", entry.reason);
}

#[test]
fn nothing_is_taken_before_the_first_config() {
    let mut driver = Driver::new(Ingest::new(), NOW);
    driver.record("", br#"{"labels":{"a":"b"}}"#.to_vec());
    let [Said::Refused(_, poison)] = &driver.said()[..] else {
        panic!("not refused")
    };
    assert_eq!(poison.to_string(), "no config has been published");
}
