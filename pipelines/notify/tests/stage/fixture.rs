//! A stage with a config, requests to give it, and its decisions in a form that tests compare.

use std::collections::BTreeMap;

use alert::{Fingerprint, LabelSet, PromDuration, SilenceMatcher, Timestamp};
use notify_pipeline::{Attempt, AttemptDone, AttemptResult, NotStarted, Notify, NotifySettings};
use processor::{Driver, Said, StateKey, Stored, Timers};
use schemas::{
    AlertBody, Avro, ConfigVersion, FlushAlert, GenerationRaised, JournalEntry, Link, NotificationRequest, NotifyRun,
    NotifyTally, Outcome, OutcomeKind, RequestKind, SilenceRecord, notify_keys, topics,
};

pub(crate) const GROUP: &str = "{}:{alertname=\"Disk\"}";
pub(crate) const INCIDENT: &str = "inc-1";

const CONFIG: &str = r#"
route: {receiver: pager}
receivers:
- name: pager
  webhook_configs: [{url: "<secret>"}, {url: "<secret>"}]
- name: sms
  webhook_configs: [{url: "<secret>"}]
- name: noc
  webhook_configs: [{url: "<secret>"}, {url: "<secret>", timeout: 5s}]
- name: firing-only
  webhook_configs: [{url: "<secret>", send_resolved: false}]
- name: one-alert
  webhook_configs: [{url: "<secret>", max_alerts: 1}]
- name: nobody
"#;

/// The stage under test.
pub(crate) struct World {
    pub(crate) driver: Driver<Notify>,
}

/// What the stage did, in order of kinds.
#[derive(Debug, Default)]
pub(crate) struct Did {
    pub(crate) attempts: Vec<Attempt>,
    pub(crate) outcomes: Vec<Outcome>,
    pub(crate) journal: Vec<JournalEntry>,
    pub(crate) refused: Vec<String>,
}

impl Did {
    /// Links, integrations' places and attempt numbers of the attempts.
    pub(crate) fn sends(&self) -> Vec<(String, i32, i32)> {
        self.attempts
            .iter()
            .map(|it| (it.link.clone(), it.index, it.id.attempt))
            .collect()
    }

    /// The kinds of the journal's records.
    pub(crate) fn kinds(&self) -> Vec<&str> {
        self.journal.iter().map(|entry| entry.kind.as_str()).collect()
    }

    /// The one attempt there was.
    pub(crate) fn attempt(&self) -> &Attempt {
        assert_eq!(self.attempts.len(), 1, "{self:?}");
        &self.attempts[0]
    }

    /// The one outcome there was: kind and who heard.
    pub(crate) fn outcome(&self) -> (OutcomeKind, Vec<&str>) {
        assert_eq!(self.outcomes.len(), 1, "{self:?}");
        (
            self.outcomes[0].kind,
            self.outcomes[0].heard.iter().map(String::as_str).collect(),
        )
    }

    pub(crate) fn nothing(&self) -> bool {
        self.attempts.is_empty() && self.outcomes.is_empty() && self.journal.is_empty() && self.refused.is_empty()
    }
}

pub(crate) fn secs(secs: i64) -> Timestamp {
    Timestamp::from_secs(secs)
}

impl World {
    /// At time 0, on the embedded log.
    pub(crate) fn new() -> Self {
        Self::with_tolerance(None)
    }

    /// At time 0, on a log whose owners' clocks differ by this.
    pub(crate) fn with_tolerance(clock_tolerance: Option<PromDuration>) -> Self {
        let settings = NotifySettings {
            external_url: "http://am.example/".to_owned(),
            clock_tolerance,
        };
        let mut world = Self {
            driver: Driver::new(Notify::new(settings), Timestamp::ZERO),
        };
        let version = ConfigVersion {
            alertmanager: CONFIG.to_owned(),
            alertmanager_file: "alertmanager.yml".to_owned(),
            escalation: None,
            escalation_file: None,
            published_by: "test".to_owned(),
            at: Timestamp::ZERO,
        };
        world
            .driver
            .table(topics::CONFIG, "hash", Some(schemas::encode(&version).unwrap()));
        assert!(world.did().nothing());
        world
    }

    pub(crate) fn request(&mut self, request: &NotificationRequest) -> Did {
        self.driver.record(GROUP, schemas::encode(request).unwrap());
        self.did()
    }

    pub(crate) fn raise(&mut self, generation: i64, everything: bool) -> Did {
        self.raise_of(INCIDENT, generation, everything)
    }

    pub(crate) fn raise_of(&mut self, incident: &str, generation: i64, everything: bool) -> Did {
        let (incident_id, reason) = (incident.to_owned(), "acknowledged by Ann".to_owned());
        let raised = GenerationRaised {
            incident_id,
            generation,
            everything,
            reason,
        };
        self.driver.record(GROUP, schemas::encode(&raised).unwrap());
        self.did()
    }

    pub(crate) fn answer(&mut self, attempt: &Attempt, result: AttemptResult) -> Did {
        self.driver.complete(&AttemptDone {
            id: attempt.id.clone(),
            result,
        });
        self.did()
    }

    /// Mutes `instance=<instance>` from `from` to `to` seconds.
    pub(crate) fn silence(&mut self, instance: &str, from: i64, to: i64) -> Did {
        let matchers = vec![SilenceMatcher {
            name: "instance".into(),
            value: instance.into(),
            is_regex: false,
            is_equal: true,
        }];
        let silence = SilenceRecord {
            id: format!("silence-of-{instance}"),
            matchers,
            starts_at: secs(from),
            ends_at: secs(to),
            updated_at: Timestamp::ZERO,
            created_by: "Ann".into(),
            comment: String::new(),
            annotations: BTreeMap::new(),
        };
        let id = silence.id.clone();
        self.driver
            .table(topics::SILENCES, &id, Some(schemas::encode(&silence).unwrap()));
        self.did()
    }

    pub(crate) fn until(&mut self, at: Timestamp) -> Did {
        self.driver.advance_to(at);
        self.did()
    }

    pub(crate) fn restart(&mut self) -> Did {
        self.driver.restart();
        self.did()
    }

    /// A restart over the same state as an earlier release kept it.
    pub(crate) fn restart_in_several_records(&mut self) -> Did {
        let mut records = Vec::new();
        for (key, value) in self.driver.store().dump() {
            let stored = Stored::decode(value).unwrap();
            let NotifyRun {
                request,
                progress,
                alerts,
            } = schemas::decode(stored.bytes).unwrap();
            let of = |kind, rest: &[u8]| StateKey::with(key.group().unwrap(), kind, rest);
            let (head, progress) = (schemas::encode(&request).unwrap(), schemas::encode(&progress).unwrap());
            let plain = |bytes: &[u8]| Some(Stored::encode(&Timers::none(), bytes).into_vec());
            records.push((of(1, key.rest()), plain(&head)));
            records.push((of(2, &[key.rest(), &[0; 4]].concat()), plain(&alerts)));
            records.push((key.clone(), Some(Stored::encode(&stored.timers, &progress).into_vec())));
        }
        self.driver.restart_over(records);
        self.did()
    }

    /// Takes what was said; the state must always be what a restore would give.
    pub(crate) fn did(&mut self) -> Did {
        assert!(self.driver.restores_equal(), "a restore differs");
        let mut did = Did::default();
        for said in self.driver.said() {
            match said {
                Said::Effect(_, attempt) => did.attempts.push(attempt),
                Said::Refused(_, poison) => did.refused.push(poison.to_string()),
                Said::Sent(_, output) => {
                    assert_eq!(output.key, GROUP.as_bytes());
                    let value = output.value.unwrap();
                    match schemas::schema_of(&value) {
                        Some(Outcome::NAME) if output.topic == topics::INCIDENTS => {
                            did.outcomes.push(schemas::decode(&value).unwrap());
                        }
                        Some(JournalEntry::NAME) if output.topic == topics::JOURNAL => {
                            did.journal.push(schemas::decode(&value).unwrap());
                        }
                        other => panic!("{other:?} to {}", output.topic),
                    }
                }
            }
        }
        did
    }

    /// Nothing is kept of what is over, but how often it was in doubt.
    pub(crate) fn at_rest(&self) -> bool {
        let mut keys = self.driver.store().dump().map(|(key, _)| key.kind());
        keys.all(|kind| kind == Some(notify_keys::TALLY))
    }

    /// How many possible duplicates state has counted.
    pub(crate) fn tally(&self) -> i64 {
        let tally = self
            .driver
            .store()
            .dump()
            .find(|(key, _)| key.kind() == Some(notify_keys::TALLY));
        tally.map_or(0, |(_, value)| {
            let tally: NotifyTally = schemas::decode(Stored::decode(value).unwrap().bytes).unwrap();
            tally.possible_duplicates
        })
    }
}

pub(crate) fn accepted() -> AttemptResult {
    AttemptResult::Accepted {
        status: 200,
        duration_ms: 12,
    }
}

pub(crate) fn status(code: u16) -> AttemptResult {
    let error = format!("unexpected status code {code}");
    AttemptResult::Failed {
        status: Some(code),
        retryable: false,
        retry_after_ms: None,
        error,
        duration_ms: 7,
        request_written: true,
    }
}

pub(crate) fn retry_after(code: u16, seconds: u64) -> AttemptResult {
    AttemptResult::Failed {
        status: Some(code),
        retryable: false,
        retry_after_ms: Some(seconds * 1_000),
        error: "busy".into(),
        duration_ms: 7,
        request_written: true,
    }
}

pub(crate) fn network(request_written: bool) -> AttemptResult {
    AttemptResult::Failed {
        status: None,
        retryable: true,
        retry_after_ms: None,
        error: "connection reset".into(),
        duration_ms: 7,
        request_written,
    }
}

pub(crate) fn no_destination() -> AttemptResult {
    AttemptResult::NotStarted {
        reason: NotStarted::NoDestination("no URL for pager/webhook/0".into()),
    }
}

pub(crate) fn alert(instance: &str, resolved: bool) -> FlushAlert {
    let labels: LabelSet = [("alertname", "Disk"), ("instance", instance)].into();
    FlushAlert {
        fingerprint: Fingerprint(labels.fingerprint().get()),
        resolved,
        starts_at: secs(-60),
        ends_at: secs(240),
        updated_at: secs(-1),
        body: AlertBody {
            labels,
            ..AlertBody::default()
        },
    }
}

/// A first word of two firing alerts to `pager`, webhook 0, given up at 300 s, with these links of 30 s each.
pub(crate) fn request(chain: &[&str]) -> NotificationRequest {
    NotificationRequest {
        receiver: chain[0].into(),
        integration: "webhook".into(),
        index: 0,
        sequence: 1,
        part: 0,
        parts: 1,
        idempotency_key: "key-1".into(),
        kind: RequestKind::First,
        reason: "first notification".into(),
        incident_id: INCIDENT.into(),
        generation: None,
        policy: None,
        step: None,
        round: None,
        flush: 1,
        tick: Timestamp::ZERO,
        give_up_at: secs(300),
        chain: chain
            .iter()
            .map(|name| Link {
                receiver: (*name).into(),
                try_for_ms: 30_000,
            })
            .collect(),
        only: Vec::new(),
        route: "{}".into(),
        group_key: GROUP.into(),
        group_labels: LabelSet::from([("alertname", "Disk")]),
        acknowledged_by: None,
        acknowledged_at: None,
        config_version: 1,
        alerts: vec![alert("a", false), alert("b", false)],
    }
}

/// A resolve for exactly these links.
pub(crate) fn resolve(receiver: &str, only: &[&str]) -> NotificationRequest {
    NotificationRequest {
        kind: RequestKind::Resolve,
        reason: "all alerts resolved".into(),
        only: only.iter().map(|name| (*name).into()).collect(),
        alerts: vec![alert("a", true), alert("b", true)],
        ..request(&[receiver])
    }
}

/// The body of an attempt.
pub(crate) fn body(attempt: &Attempt) -> serde_json::Value {
    serde_json::from_slice(&attempt.body).unwrap()
}

/// A header of an attempt.
pub(crate) fn header<'a>(attempt: &'a Attempt, name: &str) -> Option<&'a str> {
    attempt
        .headers
        .iter()
        .find(|(it, _)| it == name)
        .map(|(_, value)| value.as_ref())
}
