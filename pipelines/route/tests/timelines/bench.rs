//! The stage between a small correlate and a small notify, second by second.

use std::collections::{BTreeMap, VecDeque};

use alert::{LabelSet, PromDuration, SilenceMatcher, Timestamp};
use processor::{Driver, Said};
use route_pipeline::Route;
use schemas::{
    AlertBody, Avro, Command, CommandAction, ConfigVersion, Flush, FlushAlert, FlushSettled, GenerationRaised,
    GroupFiring, GroupMoved, GroupQuiet, JournalEntry, Look, NotificationRequest, Outcome, OutcomeKind, RequestKind,
    RouteIncident, SilenceRecord, decode, encode, route_keys, schema_of, topics,
};

/// The group all histories are about.
pub(crate) const GROUP: &str = r#"{}:{alertname="X"}"#;
/// 2023-11-14T22:13:20Z: any time that is not zero.
const START: i64 = 1_700_000_000_000;

/// One receiver with one webhook, no escalation. The small correlate does not wait before the first flush.
pub(crate) const PLAIN: &str = "
route: {receiver: chat, group_by: [alertname], group_wait: 0s, group_interval: 5m, repeat_interval: 4h}
receivers:
- name: chat
  webhook_configs: [{url: 'http://chat.test/'}]
";

/// What the small notify makes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reply {
    /// Accepted by the first link.
    Delivered,
    /// Accepted by this link.
    By(&'static str),
    /// Failed at once.
    Failed,
    /// Nothing yet: [`Bench::answer`] ends it.
    Hold,
}

/// An alert as the small correlate has it.
#[derive(Debug, Clone)]
struct Kept {
    labels: LabelSet,
    resolved: bool,
    changed: i64,
}

/// The stage and its two neighbours.
pub(crate) struct Bench {
    pub(crate) driver: Driver<Route>,
    /// What becomes of a request, by receiver; delivered where nothing is said.
    pub(crate) replies: BTreeMap<String, Reply>,
    /// Requests that wait for [`Bench::answer`].
    pub(crate) held: Vec<NotificationRequest>,
    /// Everything that was asked, as `mm:ss receiver Kind alerts`.
    pub(crate) said: Vec<String>,
    /// What was delivered: by `receiver/integration/index`, sequence and flush; when and by whom.
    pub(crate) delivered: BTreeMap<(String, i64, i64), (Timestamp, Vec<String>)>,
    /// Every request, whole, with its time.
    pub(crate) requests: Vec<(Timestamp, NotificationRequest)>,
    /// Every journal entry.
    pub(crate) journal: Vec<JournalEntry>,
    /// How many alerts each flush left unsaid as muted, where it did.
    pub(crate) muted: Vec<usize>,
    /// Every answer to a flush.
    pub(crate) settled: Vec<(Timestamp, FlushSettled)>,
    /// The generations that were raised.
    pub(crate) raised: Vec<GenerationRaised>,
    /// Crash and restore after each second.
    pub(crate) restarts: bool,
    alerts: BTreeMap<String, Kept>,
    interval: i64,
    incident: i64,
    flush: i64,
    first_tick: Option<i64>,
    dirty: bool,
    asked: bool,
    commands: i64,
}

impl Bench {
    /// A bench under one config.
    pub(crate) fn new(alertmanager: &str, escalation: Option<&str>) -> Self {
        let mut bench = Self {
            driver: Driver::new(Route::new(), Timestamp::from_millis(START)),
            replies: BTreeMap::new(),
            held: Vec::new(),
            said: Vec::new(),
            delivered: BTreeMap::new(),
            requests: Vec::new(),
            journal: Vec::new(),
            muted: Vec::new(),
            settled: Vec::new(),
            raised: Vec::new(),
            restarts: false,
            alerts: BTreeMap::new(),
            interval: 300_000,
            incident: 0,
            flush: 0,
            first_tick: None,
            dirty: false,
            asked: false,
            commands: 0,
        };
        bench.config(alertmanager, escalation);
        bench
    }

    pub(crate) fn config(&mut self, alertmanager: &str, escalation: Option<&str>) {
        let version = ConfigVersion {
            alertmanager: alertmanager.to_owned(),
            alertmanager_file: "alertmanager.yml".to_owned(),
            escalation: escalation.map(str::to_owned),
            escalation_file: escalation.map(|_| "escalation.yml".to_owned()),
            published_by: "test".to_owned(),
            at: self.now(),
        };
        self.driver.table(topics::CONFIG, "v", Some(encode(&version).unwrap()));
        self.pump();
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.driver.now()
    }

    /// Seconds since the start.
    pub(crate) fn second(&self) -> i64 {
        (self.now().millis() - START) / 1_000
    }

    pub(crate) fn incident_id(&self) -> String {
        format!("i{}", self.incident)
    }

    /// Alerts begin to fire.
    pub(crate) fn fire(&mut self, names: &[&str]) {
        let quiet = self.is_quiet();
        if self.alerts.is_empty() {
            self.incident += 1;
            self.first_tick = None;
        }
        for name in names {
            let labels = [("alertname", "X"), ("name", *name)]
                .map(|(n, v)| (n.to_owned(), v.to_owned()))
                .into();
            self.alerts.insert(
                (*name).to_owned(),
                Kept {
                    labels,
                    resolved: false,
                    changed: self.flush + 1,
                },
            );
        }
        self.dirty = true;
        if quiet {
            let record = GroupFiring {
                incident_id: self.incident_id(),
                at: self.now(),
            };
            self.send(&record);
        }
        self.tick();
    }

    /// Alerts resolve.
    pub(crate) fn resolve(&mut self, names: &[&str]) {
        for name in names {
            if let Some(kept) = self.alerts.get_mut(*name).filter(|kept| !kept.resolved) {
                (kept.resolved, kept.changed) = (true, self.flush + 1);
                self.dirty = true;
            }
        }
        if self.is_quiet() {
            let record = GroupQuiet {
                incident_id: self.incident_id(),
                at: self.now(),
            };
            self.send(&record);
        }
    }

    fn is_quiet(&self) -> bool {
        !self.alerts.is_empty() && self.alerts.values().all(|kept| kept.resolved)
    }

    /// A config that takes every alert out of the group; the alerts are remembered.
    pub(crate) fn move_away(&mut self) {
        let record = GroupMoved {
            incident_id: self.incident_id(),
            at: self.now(),
            config_version: 2,
        };
        self.send(&record);
    }

    /// Sends a flush of the group now, whatever the grid says.
    pub(crate) fn flush_now(&mut self) {
        self.flush_of(self.now());
    }

    /// Sends a flush that another clock says was written then.
    pub(crate) fn flush_of(&mut self, tick: Timestamp) {
        self.flush += 1;
        self.first_tick = self.first_tick.or(Some(self.now().millis()));
        (self.dirty, self.asked) = (false, false);
        let mut alerts: Vec<FlushAlert> = self.alerts.values().map(|kept| self.alert(kept)).collect();
        alerts.sort_by(|a, b| a.body.labels.cmp(&b.body.labels));
        let flush = Flush {
            flush: self.flush,
            part: 0,
            parts: 1,
            tick,
            route: "{}".to_owned(),
            group_key: GROUP.to_owned(),
            group_labels: [("alertname".to_owned(), "X".to_owned())].into(),
            incident_id: self.incident_id(),
            opened_at: self.now(),
            config_version: 1,
            alerts,
        };
        self.send(&flush);
    }

    /// Correlate opens another incident of the group, with the same alerts.
    pub(crate) fn another_incident(&mut self) {
        self.incident += 1;
        self.flush_now();
    }

    fn alert(&self, kept: &Kept) -> FlushAlert {
        FlushAlert {
            fingerprint: kept.labels.fingerprint(),
            resolved: kept.resolved,
            starts_at: Timestamp::from_millis(START),
            ends_at: self.now(),
            updated_at: self.now(),
            body: AlertBody {
                labels: kept.labels.clone(),
                ..AlertBody::default()
            },
        }
    }

    /// Delivers a record to the stage, and what it says to the neighbours.
    pub(crate) fn send<T: Avro>(&mut self, record: &T) {
        self.driver.record(GROUP, encode(record).unwrap());
        self.pump();
    }

    /// Somebody gives a command for the generation there is; returns the kind of the answer.
    pub(crate) fn command(&mut self, action: CommandAction) -> String {
        let generation = self.incident().map_or(0, |incident| incident.generation);
        self.commands += 1;
        let id = format!("c{}", self.commands);
        self.command_as(&id, action, generation)
    }

    pub(crate) fn command_as(&mut self, id: &str, action: CommandAction, generation: i64) -> String {
        let command = Command {
            id: id.to_owned(),
            incident_id: self.incident_id(),
            action,
            by: "ada".to_owned(),
            generation,
            at: self.now(),
            comment: String::new(),
        };
        self.send(&command);
        let answer = self
            .journal
            .iter()
            .rev()
            .find(|entry| entry.kind.starts_with("command."))
            .unwrap();
        answer.kind.clone()
    }

    pub(crate) fn acknowledge(&mut self) {
        assert_eq!(self.command(CommandAction::Acknowledge), "command.accepted");
    }

    pub(crate) fn unacknowledge(&mut self) {
        assert_eq!(self.command(CommandAction::Unacknowledge), "command.accepted");
    }

    /// Somebody silences alerts by name until a second.
    pub(crate) fn silence(&mut self, id: &str, name: &str, until: i64) {
        self.silence_from(id, name, self.second(), until);
    }

    /// Somebody silences alerts by name from a second until another.
    pub(crate) fn silence_from(&mut self, id: &str, name: &str, from: i64, until: i64) {
        let starts_at = Timestamp::from_millis(START + from * 1_000);
        let record = SilenceRecord {
            id: id.to_owned(),
            matchers: vec![SilenceMatcher {
                name: "name".to_owned(),
                value: name.to_owned(),
                is_regex: true,
                is_equal: true,
            }],
            starts_at,
            ends_at: Timestamp::from_millis(START + until * 1_000),
            updated_at: self.now(),
            created_by: "ada".to_owned(),
            comment: String::new(),
            annotations: BTreeMap::new(),
        };
        self.driver.table(topics::SILENCES, id, Some(encode(&record).unwrap()));
        self.pump();
    }

    /// The silence is gone.
    pub(crate) fn unsilence(&mut self, id: &str) {
        self.driver.table(topics::SILENCES, id, None);
        self.pump();
    }

    /// Lets time pass up to a second of the history.
    pub(crate) fn run_to(&mut self, second: i64) {
        while self.second() < second {
            self.driver.advance(PromDuration::from_secs(1));
            self.pump();
            self.tick();
            if self.restarts {
                assert!(self.driver.restores_equal(), "at {} s", self.second());
                self.driver.restart();
                self.pump();
            }
        }
    }

    /// The small correlate: a flush where the group changed and the grid says so, or where it was asked for.
    fn tick(&mut self) {
        let now = self.now();
        let on_grid = self
            .first_tick
            .is_none_or(|first| (now.millis() - first) % self.interval == 0);
        if !self.alerts.is_empty() && ((self.dirty && on_grid) || self.asked) {
            self.flush_now();
        }
    }

    /// Hands on what the stage said, until it says no more.
    pub(crate) fn pump(&mut self) {
        loop {
            let said: VecDeque<_> = self.driver.said().into();
            if said.is_empty() {
                return;
            }
            for one in said {
                match one {
                    Said::Sent(at, output) => {
                        assert!(output.topic == topics::JOURNAL || output.key == GROUP.as_bytes());
                        self.take(at, &output.value.unwrap());
                    }
                    Said::Effect(_, muted) => self.muted.push(muted.silenced),
                    Said::Refused(at, poison) => panic!("refused at {at}: {poison}"),
                }
            }
        }
    }

    fn take(&mut self, at: Timestamp, bytes: &[u8]) {
        match schema_of(bytes).unwrap() {
            NotificationRequest::NAME => self.take_request(at, decode(bytes).unwrap()),
            GenerationRaised::NAME => self.take_raised(decode(bytes).unwrap()),
            FlushSettled::NAME => {
                let settled: FlushSettled = decode(bytes).unwrap();
                if settled.flush == self.flush && !settled.keep {
                    self.alerts
                        .retain(|_, kept| !kept.resolved || kept.changed > settled.flush);
                }
                self.settled.push((at, settled));
            }
            Look::NAME => {
                assert_eq!(decode::<Look>(bytes).unwrap().at, at, "it is asked for when it is due");
                self.asked = true;
            }
            JournalEntry::NAME => self.journal.push(decode(bytes).unwrap()),
            other => panic!("nobody asked for a {other}"),
        }
    }

    fn take_request(&mut self, at: Timestamp, request: NotificationRequest) {
        let seconds = (at.millis() - START) / 1_000;
        let alerts: Vec<String> = request
            .alerts
            .iter()
            .map(|alert| {
                format!(
                    "{}{}",
                    if alert.resolved { "-" } else { "+" },
                    alert.body.labels.value("name")
                )
            })
            .collect();
        let (minute, second) = (seconds / 60, seconds % 60);
        let (receiver, kind) = (&request.receiver, request.kind);
        self.said.push(format!(
            "{minute:02}:{second:02} {receiver} {kind:?} {}",
            alerts.join(" ")
        ));
        self.requests.push((at, request.clone()));
        match self.replies.get(&request.receiver).copied().unwrap_or(Reply::Delivered) {
            Reply::Delivered => self.answer_with(&request, OutcomeKind::Delivered, heard(&request, None)),
            Reply::By(link) => self.answer_with(&request, OutcomeKind::Delivered, heard(&request, Some(link))),
            Reply::Failed => self.answer_with(&request, OutcomeKind::Failed, Vec::new()),
            Reply::Hold => self.held.push(request),
        }
    }

    /// The small notify voids what waits under an older generation.
    fn take_raised(&mut self, raised: GenerationRaised) {
        let old = |request: &NotificationRequest| {
            raised.everything
                || request
                    .generation
                    .is_some_and(|generation| generation < raised.generation)
        };
        let (voided, held): (Vec<_>, Vec<_>) = std::mem::take(&mut self.held).into_iter().partition(old);
        self.held = held;
        for request in voided {
            self.answer_with(&request, OutcomeKind::Void, Vec::new());
        }
        self.raised.push(raised);
    }

    /// Ends the oldest request that was held.
    pub(crate) fn answer(&mut self, kind: OutcomeKind) {
        let request = self.held.remove(0);
        let heard = if kind == OutcomeKind::Delivered {
            heard(&request, None)
        } else {
            Vec::new()
        };
        self.answer_with(&request, kind, heard);
        self.pump();
    }

    fn answer_with(&mut self, request: &NotificationRequest, kind: OutcomeKind, heard: Vec<String>) {
        if kind == OutcomeKind::Delivered {
            let seat = format!("{}/{}/{}", request.receiver, request.integration, request.index);
            self.delivered
                .insert((seat, request.sequence, request.flush), (self.now(), heard.clone()));
        }
        let outcome = self.outcome(request, kind, heard);
        self.driver.record(GROUP, encode(&outcome).unwrap());
    }

    pub(crate) fn outcome(&self, request: &NotificationRequest, kind: OutcomeKind, heard: Vec<String>) -> Outcome {
        Outcome {
            receiver: request.receiver.clone(),
            integration: request.integration.clone(),
            index: request.index,
            sequence: request.sequence,
            kind,
            heard,
            reason: "as the test says".to_owned(),
            tables: BTreeMap::new(),
            attempts: 1,
            at: self.now(),
        }
    }

    /// The incident as the console would read it.
    pub(crate) fn incident(&self) -> Option<RouteIncident> {
        self.driver
            .store()
            .from(None)
            .find(|(key, _)| key.kind() == Some(route_keys::INCIDENT))
            .map(|(_, stored)| decode::<RouteIncident>(stored.bytes).unwrap().whole())
    }

    /// When the group is to be looked at again.
    pub(crate) fn again_at(&self) -> Option<Timestamp> {
        self.incident().and_then(|incident| incident.again_at)
    }

    /// Whether the newest flush is settled.
    pub(crate) fn is_settled(&self) -> bool {
        self.incident().is_none_or(|incident| incident.settled)
    }

    /// The kinds of the journal's entries, without those of flushes and requests.
    pub(crate) fn kinds(&self) -> Vec<&str> {
        let kinds = self.journal.iter().map(|entry| entry.kind.as_str());
        kinds
            .filter(|kind| !kind.starts_with("group.") && !kind.starts_with("notification."))
            .collect()
    }

    /// Whether a request of a kind was made.
    pub(crate) fn count(&self, kind: RequestKind) -> usize {
        self.requests.iter().filter(|(_, request)| request.kind == kind).count()
    }
}

fn heard(request: &NotificationRequest, link: Option<&str>) -> Vec<String> {
    match link {
        _ if !request.only.is_empty() => request.only.clone(),
        Some(link) => vec![link.to_owned()],
        None => vec![request.receiver.clone()],
    }
}
