//! The routes over the simulated log: 2xx only for what the log holds, 503 with the reason otherwise.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::sync::Arc;

use alert::Timestamp;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use ingest::{Service, Settings};
use runtime::{Health, Web};
use schemas::topics;
use schemas::{AlertUpdate, ConfigVersion, Instance, JournalEntry, decode, encode};
use streams::simulated::{Faults, SimLog};
use streams::{Log, NewRecord, NewTopic};
use tower::ServiceExt;

const NOW: Timestamp = Timestamp::from_secs(1_000_000);
const JSON: (&str, &str) = ("content-type", "application/json");

struct Running {
    log: Arc<SimLog>,
    service: Service,
    health: Health,
    app: axum::Router,
}

/// A running ingest, with a config or without.
fn start(with_config: bool) -> Running {
    let log = SimLog::new(1, NOW);
    log.create_topics(&NewTopic::ours(4)).unwrap();
    if with_config {
        append(&log, topics::CONFIG, encode(&config()).unwrap());
    }
    let health = Health::default();
    let settings = Settings {
        instance: "one".to_owned(),
        services: vec!["ingest".to_owned()],
        event_topics: vec![topics::ALERT_EVENTS.to_owned()],
        lanes: 1,
        others: ingest::OtherLanes::default(),
    };
    let shared: Arc<dyn Log> = Arc::clone(&log) as Arc<dyn Log>;
    let service = Service::start(&shared, settings, &health).unwrap();
    let web = Web {
        health: health.clone(),
        metrics: None,
        prefix: runtime::Prefix::default(),
        get_concurrency: 8,
    };
    let app = web.app(service.router());
    Running {
        log,
        service,
        health,
        app,
    }
}

fn config() -> ConfigVersion {
    ConfigVersion {
        alertmanager: "route: {receiver: all, group_by: [alertname]}\nreceivers: [{name: all}]\n".to_owned(),
        alertmanager_file: "alertmanager.yml".to_owned(),
        escalation: None,
        escalation_file: None,
        published_by: "test".to_owned(),
        at: NOW,
    }
}

fn append(log: &SimLog, topic: &str, value: Vec<u8>) {
    let record = NewRecord {
        topic: topic.to_owned().into(),
        partition: 0,
        key: Vec::new(),
        value: Some(value),
        meta: None,
        headers: Vec::new(),
    };
    log.append(vec![record], Box::new(|appended| assert!(appended.is_ok())));
}

impl Running {
    async fn post(&self, path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> (u16, String) {
        let mut request = Request::post(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self
            .app
            .clone()
            .oneshot(request.body(body.into()).unwrap())
            .await
            .unwrap();
        let status = response.status().as_u16();
        let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    fn alerts(&self) -> Vec<AlertUpdate> {
        self.log
            .committed_records(topics::ALERTS)
            .iter()
            .map(|record| decode(record.bytes()).unwrap())
            .collect()
    }

    fn refusals(&self) -> Vec<JournalEntry> {
        self.log
            .committed_records(topics::JOURNAL)
            .iter()
            .map(|record| decode(record.bytes()).unwrap())
            .collect()
    }
}

/// Path, headers, body; status, answer (its beginning), alerts and refusals in the log.
type Row<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str, u16, &'a str, usize, usize);

const ROWS: [Row<'static>; 12] = [
    (
        "/api/v2/alerts",
        &[JSON],
        r#"[{"labels":{"alertname":"A"}},{"labels":{"alertname":"B"}}]"#,
        200,
        "",
        2,
        0,
    ),
    ("/api/v2/alerts", &[JSON], "[]", 200, "", 0, 0),
    (
        "/api/v2/alerts",
        &[JSON],
        r#"[{"labels":{"a":""}},{"labels":{"a":"b"}}]"#,
        400,
        "\"at least one label pair required\"\n",
        1,
        1,
    ),
    (
        "/api/v2/alerts",
        &[JSON],
        r#"[{"labels":{"a":""}},{"labels":{"":"b"}}]"#,
        400,
        "\"at least one label pair required\\ninvalid label set: invalid name \\\"\\\"\"\n",
        0,
        2,
    ),
    (
        "/api/v2/alerts",
        &[JSON],
        "",
        422,
        r#"{"code":602,"message":"alerts in body is required"}"#,
        0,
        0,
    ),
    (
        "/api/v2/alerts",
        &[JSON],
        "[{}]",
        422,
        r#"{"code":602,"message":"0.labels in body is required"}"#,
        0,
        0,
    ),
    (
        "/api/v2/alerts",
        &[JSON],
        "{",
        400,
        r#"{"code":400,"message":"parsing alerts body from \"\" failed, because "#,
        0,
        0,
    ),
    (
        "/api/v2/alerts",
        &[("content-type", "text/plain")],
        "[]",
        415,
        r#"{"code":415,"message":"unsupported media type \"text/plain\", only [application/json] are allowed"}"#,
        0,
        0,
    ),
    (
        "/api/v2/alerts",
        &[JSON, ("accept", "text/html")],
        "[]",
        406,
        r#"{"code":406,"message":"unsupported media type requested, only [application/json] are available"}"#,
        0,
        0,
    ),
    (
        "/api/v1/events",
        &[],
        r#"{"kind":"resolve","labels":{"a":"b"}}"#,
        200,
        "",
        1,
        0,
    ),
    (
        "/api/v1/events",
        &[],
        r#"[{"labels":{"a":"b"}},{"kind":"ack","labels":{}}]"#,
        400,
        "\"1: kind \\\"ack\\\" is not supported",
        1,
        1,
    ),
    (
        "/api/v1/events",
        &[],
        "oops",
        400,
        r#"{"code":400,"message":"unknown_format: neither Avro"#,
        0,
        0,
    ),
];

#[tokio::test]
async fn every_post_is_answered_for_what_the_log_holds() {
    for (path, headers, body, status, answer, alerts, refusals) in ROWS {
        let running = start(true);
        let (got, text) = running.post(path, headers, body.to_owned()).await;
        assert_eq!(got, status, "{path} {body}: {text}");
        assert!(
            text.starts_with(answer) && (!answer.is_empty() || text.is_empty()),
            "{path} {body}: {text}"
        );
        assert_eq!(
            (running.alerts().len(), running.refusals().len()),
            (alerts, refusals),
            "{path} {body}"
        );
        running.service.stop().unwrap();
    }
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_413() {
    let running = start(true);
    let (status, text) = running
        .post("/api/v2/alerts", &[JSON], vec![b' '; 11 * 1024 * 1024])
        .await;
    assert_eq!(
        (status, text.as_str()),
        (
            413,
            r#"{"code":413,"message":"the request body is larger than 10485760 bytes"}"#
        )
    );
    running.service.stop().unwrap();
}

#[tokio::test]
async fn without_a_config_it_is_not_ready_and_answers_503() {
    let running = start(false);
    let body = r#"[{"labels":{"a":"b"}}]"#;
    let answer = running.post("/api/v2/alerts", &[JSON], body).await;
    assert_eq!(answer, (503, "\"no config has been published yet\"\n".to_owned()));
    assert!(
        running
            .health
            .not_ready()
            .contains(&"ingest: no config has been published yet".to_owned())
    );
    assert!(running.alerts().is_empty());
    running.service.stop().unwrap();
}

#[tokio::test]
async fn what_the_log_does_not_acknowledge_is_503() {
    let running = start(true);
    running.log.set_faults(Faults {
        lost_ack: 1_000,
        ..Faults::default()
    });
    let (status, text) = running
        .post("/api/v2/alerts", &[JSON], r#"[{"labels":{"a":"b"}}]"#)
        .await;
    assert_eq!(status, 503);
    assert!(text.starts_with("\"the log does not take alerts: "), "{text}");
    running.service.stop().unwrap();
}

#[tokio::test]
async fn records_carry_their_cause_and_their_config() {
    let running = start(true);
    running
        .post("/api/v2/alerts", &[JSON], r#"[{"labels":{"alertname":"A"}}]"#)
        .await;
    let records = running.log.committed_records(topics::ALERTS);
    let meta = records[0].meta.unwrap();
    assert_eq!(
        (meta.now, meta.offset, meta.config_version, meta.trace),
        (NOW.millis(), -1, 1, meta.id)
    );
    assert_eq!(records[0].key, br#"{}:{alertname="A"}"#);
    assert_eq!(records[0].partition, alert::partition_for(&records[0].key, 4));
    assert_eq!(running.alerts()[0].received_at, NOW);
    running.service.stop().unwrap();
}

#[tokio::test]
async fn the_process_says_that_it_receives() {
    let running = start(true);
    let log = Arc::clone(&running.log);
    // The first heartbeat is written before the thread looks whether it is to stop.
    running.service.stop().unwrap();
    let beats = log.committed_records(topics::INSTANCES);
    let beat: Instance = decode(beats[0].bytes()).unwrap();
    assert_eq!(
        (beat.id.as_str(), beat.services.as_slice()),
        ("one", ["ingest".to_owned()].as_slice())
    );
    assert_eq!((beat.started_at, beat.receiving_since, beat.at), (NOW, Some(NOW), NOW));
}
