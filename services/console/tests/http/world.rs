//! A console on a simulated log, with records as the stages write them, and requests to it as a process answers them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use alert::{GroupId, LabelSet, PromDuration, Timestamp, partition_for};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request};
use config::{Config, Source};
use console::{ConfigFiles, Service, Settings, publish_config};
use processor::{Meta, StateKey, Stored, Timers};
use runtime::{Health, Prefix, Web};
use schemas::topics;
use schemas::{
    AlertBody, AlertPhase, Avro, CORRELATE_ALERT, CORRELATE_GROUP, CorrelateAlert, CorrelateGroup, GroupPhase,
    IncidentStatus, JournalEntry, LadderPhase, LadderPosition, RouteIncident, route_keys,
};
use serde_json::Value;
use streams::simulated::SimLog;
use streams::{Join, Log, NewRecord, NewTopic};
use tower::ServiceExt;

/// When everything here happens.
pub(crate) const NOW: &str = "2026-01-02T03:04:05.678Z";
/// How many partitions the grouped topics have here.
const PARTITIONS: u32 = 2;

pub(crate) const CONFIG: &str = "\
route:
  receiver: all
  group_by: [alertname]
  routes:
  - receiver: db
    matchers: ['team=\"db\"']
    continue: true
  - receiver: all
receivers:
- name: all
- name: db
  webhook_configs:
  - url: http://example.com/secret
";

pub(crate) fn now() -> Timestamp {
    Timestamp::parse(NOW).unwrap()
}

/// So many seconds after [`NOW`].
pub(crate) fn at(secs: i64) -> Timestamp {
    Timestamp::from_millis(now().millis() + secs * 1_000)
}

/// A text as it stands in a URL.
pub(crate) fn encoded(text: &str) -> String {
    text.bytes()
        .fold(String::new(), |url, byte| url + &format!("%{byte:02x}"))
}

pub(crate) fn config(text: &str) -> Config {
    Config::load(
        Source {
            name: "alertmanager.yml",
            text,
        },
        None,
    )
    .unwrap()
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    pub(crate) fn stale(&self) -> Option<&str> {
        self.headers
            .get("x-alertstream-stale")
            .map(|value| value.to_str().unwrap())
    }
}

pub(crate) struct World {
    pub(crate) log: Arc<SimLog>,
    pub(crate) health: Health,
    /// What the next reload reads.
    pub(crate) file: Arc<Mutex<Result<String, String>>>,
    settings: Settings,
    service: Option<Service>,
}

impl World {
    /// A log with every topic and nothing but a config.
    pub(crate) fn new() -> Self {
        let log = SimLog::new(1, now());
        log.create_topics(&NewTopic::ours(PARTITIONS)).unwrap();
        let files = ConfigFiles {
            alertmanager: "alertmanager.yml".to_owned(),
            escalation: None,
        };
        publish_config(log.as_ref(), &config(CONFIG), &files, "one").unwrap();
        let file = Arc::new(Mutex::new(Ok(CONFIG.to_owned())));
        let read = Arc::clone(&file);
        let load = move || {
            let text = read.lock().unwrap().clone()?;
            Config::load(
                Source {
                    name: "alertmanager.yml",
                    text: &text,
                },
                None,
            )
            .map_err(|errors| errors.to_string())
        };
        let mut settings = Settings::new("one", Arc::new(load));
        settings.read_wait = Duration::from_millis(50);
        settings.write_wait = Duration::from_secs(2);
        Self {
            log,
            health: Health::default(),
            file,
            settings,
            service: None,
        }
    }

    pub(crate) fn with(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.settings);
        self
    }

    /// Starts the console, and waits until it is ready.
    pub(crate) async fn start(mut self) -> Self {
        let service = Service::start(self.log.clone(), self.settings.clone(), &self.health).unwrap();
        service.caught_up().await;
        self.service = Some(service);
        self
    }

    pub(crate) fn service(&self) -> &Service {
        self.service.as_ref().unwrap()
    }

    pub(crate) fn app(&self) -> Router {
        let web = Web {
            health: self.health.clone(),
            metrics: None,
            prefix: Prefix::default(),
            get_concurrency: 8,
        };
        web.app(self.service().router())
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.request("GET", path, &[], "").await
    }

    pub(crate) async fn post(&self, path: &str, body: &str) -> Answer {
        self.request("POST", path, &[("content-type", "application/json")], body)
            .await
    }

    pub(crate) async fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self
            .app()
            .oneshot(request.body(Body::from(body.to_owned())).unwrap())
            .await
            .unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        Answer {
            status,
            headers,
            body: String::from_utf8(body.to_vec()).unwrap(),
        }
    }

    /// Appends one record as it is.
    pub(crate) fn append(&self, topic: &str, key: &[u8], value: Option<Vec<u8>>) {
        let partitions = self.log.partitions(topic).unwrap().unwrap();
        self.append_to(topic, partition_for(key, partitions), key, value);
    }

    fn append_to(&self, topic: &str, partition: u32, key: &[u8], value: Option<Vec<u8>>) {
        let meta = Some(Meta {
            now: self.log.now().millis(),
            ..Meta::default()
        });
        let (topic, key, headers) = (topic.to_owned(), key.to_vec(), Vec::new());
        let record = NewRecord {
            topic: topic.into(),
            partition,
            key,
            value,
            meta,
            headers,
        };
        self.log.append(vec![record], Box::new(|done| drop(done.unwrap())));
    }

    /// A state record of a group, in the group's partition.
    pub(crate) fn state<T: Avro>(&self, topic: &str, group: &GroupId, kind: u8, rest: &[u8], record: Option<&T>) {
        let key = StateKey::with(group.hash(), kind, rest);
        let value = record.map(|record| Stored::encode(&Timers::none(), &schemas::encode(record).unwrap()).into_vec());
        self.append_to(topic, group.partition(PARTITIONS), key.as_bytes(), value);
    }

    /// A firing alert in a group of its own, as correlate keeps it.
    pub(crate) fn firing(&self, group: &Group, labels: &[(&str, &str)]) -> LabelSet {
        let labels: LabelSet = labels.iter().copied().collect();
        self.alert(group, &labels, AlertPhase::Firing);
        self.state(
            topics::CORRELATE_CHANGELOG,
            &group.id,
            CORRELATE_GROUP,
            &[],
            Some(&group.correlate()),
        );
        labels
    }

    pub(crate) fn alert(&self, group: &Group, labels: &LabelSet, phase: AlertPhase) {
        let annotations = LabelSet::from([("summary", "<b>&")]);
        let body = AlertBody {
            labels: labels.clone(),
            annotations,
            generator_url: "http://prometheus/graph?a=b&c".to_owned(),
            ..AlertBody::default()
        };
        let alert = CorrelateAlert {
            phase,
            content_hash: 0,
            starts_at: at(-60),
            ends_at: at(240),
            expires_at: at(240),
            received_at: at(-1),
            heard_at: at(-1),
            timeout: false,
            since: at(-60),
            next_flush: 1,
            body,
        };
        let rest = labels.fingerprint().0.to_be_bytes();
        self.state(
            topics::CORRELATE_CHANGELOG,
            &group.id,
            CORRELATE_ALERT,
            &rest,
            Some(&alert),
        );
    }

    /// Route's incident of a group.
    pub(crate) fn incident(&self, group: &Group, change: impl FnOnce(&mut RouteIncident)) {
        let mut incident = group.incident();
        change(&mut incident);
        self.state(
            topics::ROUTE_CHANGELOG,
            &group.id,
            route_keys::INCIDENT,
            &[],
            Some(&incident),
        );
    }

    /// A journal entry about a group.
    pub(crate) fn journal(&self, group: &Group, kind: &str, reason: &str, fields: &[(&str, &str)]) {
        let entry = JournalEntry {
            kind: kind.to_owned(),
            at: self.log.now(),
            group_key: group.id.group_key().0,
            incident_id: Some(group.incident.clone()),
            reason: reason.to_owned(),
            fields: fields
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            ..JournalEntry::default()
        };
        self.append(
            topics::JOURNAL,
            group.id.as_str().as_bytes(),
            Some(schemas::encode(&entry).unwrap()),
        );
    }

    /// Correlate commits everything that is in `alerts`.
    pub(crate) fn correlate_commits(&self) {
        let join = Join {
            group: "correlate".to_owned(),
            topic: topics::ALERTS.to_owned(),
            lane: "lane".to_owned(),
        };
        let mut member = self.log.join(&join).unwrap();
        drop(member.poll(1, Duration::ZERO).unwrap());
        let ends: Vec<_> = (0..PARTITIONS)
            .map(|p| (p, self.log.watermarks(topics::ALERTS, p).unwrap().high))
            .collect();
        member.begin().unwrap();
        member.commit(&ends).unwrap();
    }

    pub(crate) fn advance(&self, secs: u64) {
        self.log.advance(PromDuration::from_secs(secs));
    }
}

/// A group with one route and the labels it is grouped by.
pub(crate) struct Group {
    pub(crate) id: GroupId,
    pub(crate) incident: String,
    pub(crate) route: String,
    pub(crate) labels: LabelSet,
}

impl Group {
    pub(crate) fn new(route: &str, labels: &[(&str, &str)], incident: &str) -> Self {
        let labels: LabelSet = labels.iter().copied().collect();
        let id = GroupId(format!("{route}:{labels}"));
        Self {
            id,
            incident: incident.to_owned(),
            route: route.to_owned(),
            labels,
        }
    }

    fn correlate(&self) -> CorrelateGroup {
        CorrelateGroup {
            phase: GroupPhase::Firing,
            group_id: self.id.0.clone(),
            route: self.route.clone(),
            group_labels: self.labels.clone(),
            incident_id: self.incident.clone(),
            opened_at: at(-60),
            config_version: 1,
            flushes: 1,
            origin: Some(at(-30)),
            alerts: 1,
            firing: 1,
            changed: false,
            moving: false,
            group_derived: false,
        }
    }

    fn incident(&self) -> RouteIncident {
        let ladder = LadderPosition {
            phase: LadderPhase::Climbing,
            round: 0,
            step: 1,
            last_resort: false,
            due: Some(at(270)),
            remaining_ms: None,
            since: at(-30),
            fired_at: Some(at(-30)),
            last_resort_heard: false,
        };
        RouteIncident {
            group: self.id.0.clone(),
            group_labels: self.labels.clone(),
            route: self.route.clone(),
            receiver: "db".to_owned(),
            incident_id: self.incident.clone(),
            opened_at: at(-60),
            status: IncidentStatus::Firing,
            generation: 1,
            acknowledged_by: None,
            acknowledged_at: None,
            quiet: false,
            muted: false,
            team: Some("payments".to_owned()),
            severity: Some("critical".to_owned()),
            policy: Some("payments".to_owned()),
            policy_version: Some(1),
            ladder: Some(ladder),
            flush: 1,
            tick: at(-30),
            settled: true,
            failed: false,
            voided: false,
            content: 0,
            firing: 1,
            firing_muted: 0,
            muted_by: Vec::new(),
            muted_until: None,
            again_at: None,
            forget_at: None,
            group_derived: false,
            answer_owed: false,
        }
    }
}
