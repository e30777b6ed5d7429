//! A users' topic, read by the lane on the simulated log.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::time::Duration;

use alert::{PromDuration, Timestamp};
use ingest_pipeline::Ingest;
use schemas::topics;
use schemas::{AlertUpdate, ConfigVersion, DeadLetter, decode, encode};
use streams::simulated::SimLog;
use streams::{Lane, LaneConfig, Log, NewRecord, NewTopic, NoEffects};

const NOW: Timestamp = Timestamp::from_secs(1_000_000);
const CONFIG: &str = "route: {receiver: all, group_by: [alertname]}\nreceivers: [{name: all}]\n";

fn log() -> Arc<SimLog> {
    let log = SimLog::new(7, NOW);
    log.create_topics(&NewTopic::ours(2)).unwrap();
    log
}

fn append(log: &SimLog, topic: &str, value: Vec<u8>) {
    let (topic, key) = (topic.to_owned(), b"any".to_vec());
    let record = NewRecord {
        topic: topic.into(),
        partition: 0,
        key,
        value: Some(value),
        meta: None,
        headers: Vec::new(),
    };
    log.append(vec![record], Box::new(|appended| assert!(appended.is_ok())));
}

#[test]
fn events_wait_for_the_config_and_are_received_when_they_were_appended() {
    let log = log();
    let shared: Arc<dyn Log> = Arc::clone(&log) as Arc<dyn Log>;
    append(
        &log,
        topics::ALERT_EVENTS,
        br#"{"kind":"alert","labels":{"alertname":"A"}}"#.to_vec(),
    );
    append(&log, topics::ALERT_EVENTS, b"oops".to_vec());
    log.advance(PromDuration::from_mins(2));
    let version = ConfigVersion {
        alertmanager: CONFIG.to_owned(),
        alertmanager_file: "alertmanager.yml".to_owned(),
        escalation: None,
        escalation_file: None,
        published_by: "test".to_owned(),
        at: NOW,
    };
    append(&log, topics::CONFIG, encode(&version).unwrap());
    let mut lane = Lane::new(Ingest::new(), shared, LaneConfig::new("one-ingest-0"), |_| {
        Box::new(NoEffects)
    })
    .unwrap();
    for _ in 0..20 {
        lane.step(Duration::ZERO).unwrap();
    }
    let sent = log.committed_records(topics::ALERTS);
    let update: AlertUpdate = decode(sent[0].bytes()).unwrap();
    assert_eq!(sent.len(), 1);
    assert_eq!(
        (update.received_at, update.ends_at),
        (NOW, NOW + PromDuration::from_mins(5))
    );
    assert_eq!((update.config_version, sent[0].meta.unwrap().config_version), (1, 1));
    let letters = log.committed_records(topics::DEAD_LETTERS);
    let letter: DeadLetter = decode(letters[0].bytes()).unwrap();
    assert_eq!(
        (
            letters.len(),
            letter.stage.as_str(),
            letter.offset,
            letter.value.as_slice()
        ),
        (1, "ingest", 1, &b"oops"[..])
    );
    assert!(
        letter.error.starts_with("unknown_format: neither Avro"),
        "{}",
        letter.error
    );
    lane.close().unwrap();
}
