//! The world around the stage: an ingest that routes and sends, heartbeats, a clock, and a reader of what is said.

use std::collections::{BTreeMap, BTreeSet};

use alert::{Fingerprint, LabelSet, Timestamp};
use config::{Config, Source};
use correlate_pipeline::{Correlate, Never};
use processor::{Driver, Output, Processor, Said};
use schemas::{
    AlertBody, AlertUpdate, Avro, ConfigVersion, Flush, FlushSettled, GroupFiring, GroupMoved, GroupQuiet, Instance,
    JournalEntry, Look, decode, encode, schema_of, topics,
};

/// Second 0 of every timeline.
pub(crate) const START: i64 = 1_700_000_000;

/// One group for everything.
pub(crate) const ONE_GROUP: &str =
    "route: {receiver: r, group_wait: 30s, group_interval: 5m}\nreceivers: [{name: r}]\n";

/// The key of that group.
pub(crate) const ROOT: &str = "{}:{}";

/// An alert as its sender knows it: a name, then labels as `team=x`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Post {
    pub(crate) alert: &'static str,
    /// Relative to now.
    pub(crate) starts: Option<i64>,
    /// Relative to now.
    pub(crate) ends: i64,
    pub(crate) text: &'static str,
    pub(crate) timeout: bool,
    /// How long ago it was received; it is delivered now.
    pub(crate) received_ago: i64,
    /// The config version its sender had; the newest where none.
    pub(crate) version: Option<i64>,
    pub(crate) hops: i32,
}

/// It fires, and ends four minutes from now as Prometheus has it; it began when it was first fired.
pub(crate) const fn fire(alert: &'static str) -> Step {
    Step::Post(Post {
        alert,
        ends: 240,
        ..EMPTY
    })
}

/// It fires, and says that it ends in ten hours.
pub(crate) const fn hold(alert: &'static str) -> Step {
    Step::Post(Post {
        alert,
        ends: 36_000,
        ..EMPTY
    })
}

/// It is over.
pub(crate) const fn resolve(alert: &'static str) -> Step {
    Step::Post(Post {
        alert,
        ends: 0,
        ..EMPTY
    })
}

pub(crate) const EMPTY: Post = Post {
    alert: "",
    starts: None,
    ends: 240,
    text: "",
    timeout: false,
    received_ago: 0,
    version: None,
    hops: 0,
};

/// What happens to the stage.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    Post(Post),
    /// Route's answer for a group: flush, keep, again at that second.
    Settle(&'static str, i64, bool, Option<i64>),
    /// Route asks a group for a look at that second.
    Look(&'static str, i64),
    Config(&'static str),
    /// The ingest stops, or starts anew.
    Ingest(bool),
    Nothing,
}

pub(crate) fn settle(flush: i64) -> Step {
    Step::Settle(ROOT, flush, false, None)
}

/// A row: the second, what happens, and what was said since the row before, as `second what`.
pub(crate) type Row<'a> = (i64, Step, &'a [&'a str]);

pub(crate) struct World<P: Processor<Effect = Never> = Correlate> {
    pub(crate) driver: Driver<P>,
    /// Every record that was sent, in order.
    pub(crate) sent: Vec<Output>,
    configs: Vec<Config>,
    receiving_since: Option<Timestamp>,
    starts: BTreeMap<&'static str, Timestamp>,
    names: BTreeMap<String, String>,
}

/// Runs a timeline, without and with restarts.
pub(crate) fn timeline(config: &str, rows: &[Row<'_>]) {
    for restarts in [false, true] {
        let mut world = World::new(config);
        for (second, step, expected) in rows {
            world.until(*second);
            if restarts {
                world.driver.restart();
            }
            world.step(step);
            let said = world.lines();
            assert_eq!(said, *expected, "at {second}: {step:?} (restarts: {restarts})");
            assert!(
                world.driver.restores_equal(),
                "at {second}: the changelog gives another state"
            );
        }
    }
}

impl World {
    pub(crate) fn new(config: &str) -> Self {
        Self::of(Correlate::new(), config)
    }
}

impl<P: Processor<Effect = Never>> World<P> {
    /// The world around another form of the stage.
    pub(crate) fn of(stage: P, config: &str) -> Self {
        let driver = Driver::new(stage, Timestamp::from_secs(START));
        let receiving_since = Some(Timestamp::from_secs(START - 3_600));
        let (starts, names) = (BTreeMap::new(), BTreeMap::new());
        let mut world = Self {
            driver,
            sent: Vec::new(),
            configs: Vec::new(),
            receiving_since,
            starts,
            names,
        };
        world.config(config);
        world.beat();
        world
    }

    /// Lets time pass up to a second of the timeline, with a heartbeat every five.
    pub(crate) fn until(&mut self, second: i64) {
        let end = Timestamp::from_secs(START + second);
        while self.driver.now() < end {
            let next = Timestamp::from_millis((self.driver.now().millis() / 5_000 + 1) * 5_000);
            self.driver.advance_to(next.min(end));
            self.beat();
        }
    }

    fn beat(&mut self) {
        if self.receiving_since.is_some() {
            let instance = Instance {
                id: "i".to_owned(),
                services: vec!["ingest".to_owned()],
                started_at: Timestamp::from_secs(START),
                receiving_since: self.receiving_since,
                at: self.driver.now(),
                lanes: Vec::new(),
            };
            self.driver
                .table(topics::INSTANCES, "i", Some(encode(&instance).unwrap()));
        }
    }

    pub(crate) fn step(&mut self, step: &Step) {
        match *step {
            Step::Post(post) => self.post(&post),
            Step::Settle(group, flush, keep, again) => {
                let again_at = again.map(|second| Timestamp::from_secs(START + second));
                self.driver
                    .record(group, encode(&FlushSettled { flush, keep, again_at }).unwrap());
            }
            Step::Look(group, second) => {
                self.driver.record(
                    group,
                    encode(&Look {
                        at: Timestamp::from_secs(START + second),
                    })
                    .unwrap(),
                );
            }
            Step::Config(text) => self.config(text),
            Step::Ingest(up) => {
                self.receiving_since = up.then(|| self.driver.now());
                self.beat();
            }
            Step::Nothing => {}
        }
    }

    fn config(&mut self, text: &str) {
        let loaded = Config::load(Source { name: "a.yml", text }, None);
        let version = ConfigVersion {
            alertmanager: text.to_owned(),
            alertmanager_file: "a.yml".to_owned(),
            escalation: None,
            escalation_file: None,
            published_by: "test".to_owned(),
            at: self.driver.now(),
        };
        // A version that does not load is published all the same: the stage has to bear it.
        let config = loaded.unwrap_or_else(|_| self.configs.last().unwrap().clone());
        self.configs.push(config);
        let key = self.configs.len().to_string();
        self.driver.table(topics::CONFIG, &key, Some(encode(&version).unwrap()));
    }

    /// What ingest does: one update for each group, under the version the sender has.
    fn post(&mut self, post: &Post) {
        let now = self.driver.now();
        for (group, update) in self.updates(post) {
            assert_eq!(now, self.driver.now());
            self.driver.record(&group, encode(&update).unwrap());
        }
    }

    pub(crate) fn updates(&mut self, post: &Post) -> Vec<(String, AlertUpdate)> {
        let now = self.driver.now();
        let later = |seconds: i64| Timestamp::from_millis(now.millis() + seconds * 1_000);
        let labels = labels(post.alert);
        let name = post.alert.split(' ').next().unwrap();
        let starts_at = match post.starts {
            Some(relative) => later(relative),
            None => *self.starts.entry(name).or_insert(now),
        };
        let received_at = later(-post.received_ago);
        let resolved = later(post.ends) <= received_at;
        if resolved {
            self.starts.remove(name);
        }
        self.names.insert(labels.fingerprint().to_string(), name.to_owned());
        let version = post
            .version
            .unwrap_or_else(|| i64::try_from(self.configs.len()).unwrap());
        let places = policy::walk(&self.configs[usize::try_from(version).unwrap() - 1], &labels);
        let copies = i32::try_from(places.len()).unwrap();
        let annotations = LabelSet::from([("text", post.text)]);
        let body = AlertBody {
            labels: labels.clone(),
            annotations,
            ..AlertBody::default()
        };
        (0..copies)
            .zip(places)
            .map(|(copy, place)| {
                let update = AlertUpdate {
                    fingerprint: labels.fingerprint(),
                    content_hash: i64::from_be_bytes(
                        Fingerprint(LabelSet::from([("t", post.text)]).fingerprint().0)
                            .0
                            .to_be_bytes(),
                    ),
                    starts_at,
                    ends_at: later(post.ends),
                    received_at,
                    timeout: post.timeout,
                    resolved,
                    config_version: version,
                    hops: post.hops,
                    copy,
                    copies,
                    route: place.route_id.as_str().to_owned(),
                    group_labels: place.group_labels,
                    moved_from: None,
                    body: body.clone(),
                };
                (place.group_id.0, update)
            })
            .collect()
    }

    /// What was said since the last call; what goes to `alerts` is delivered.
    pub(crate) fn lines(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let said = self.driver.said();
            if said.is_empty() {
                return lines;
            }
            for said in said {
                match said {
                    Said::Sent(at, output) => {
                        let second = at.millis() / 1_000 - START;
                        lines.extend(self.line(&output).map(|line| format!("{second} {line}")));
                        self.sent.push(output.clone());
                        if output.topic == topics::ALERTS {
                            let key = String::from_utf8(output.key).unwrap();
                            self.driver.record(&key, output.value.unwrap());
                        }
                    }
                    Said::Effect(_, never) => match never {},
                    Said::Refused(_, poison) => lines.push(format!("refused: {poison}")),
                }
            }
        }
    }

    fn line(&self, output: &Output) -> Option<String> {
        let bytes = output.value.as_deref().unwrap();
        let key = std::str::from_utf8(&output.key).unwrap();
        let group = if key == ROOT { String::new() } else { format!(" {key}") };
        match schema_of(bytes).unwrap() {
            Flush::NAME => {
                let flush: Flush = decode(bytes).unwrap();
                let alerts = flush.alerts.iter().map(|alert| {
                    let sign = if alert.resolved { '-' } else { '+' };
                    format!(" {sign}{}", alert.body.labels.value("alertname"))
                });
                Some(format!("flush {}{group}:{}", flush.flush, alerts.collect::<String>()))
            }
            GroupQuiet::NAME => Some(format!("quiet{group}")),
            GroupFiring::NAME => Some(format!("firing{group}")),
            GroupMoved::NAME => Some(format!("moved{group}")),
            AlertUpdate::NAME => {
                let update: AlertUpdate = decode(bytes).unwrap();
                Some(format!("send {} to {key}", update.body.labels.value("alertname")))
            }
            JournalEntry::NAME => {
                let entry: JournalEntry = decode(bytes).unwrap();
                let name = entry
                    .fingerprint
                    .map(|print| format!(" {}", self.names[&print]))
                    .unwrap_or_default();
                // It stands beside a flush line, always.
                (entry.kind != "group.flushed").then(|| format!("{}{name}{group}", entry.kind))
            }
            other => panic!("{other} is none of ours"),
        }
    }

    /// Every key that state holds, for what is said to be forgotten.
    pub(crate) fn keys(&self) -> BTreeSet<Vec<u8>> {
        self.driver
            .store()
            .dump()
            .map(|(key, _)| key.as_bytes().to_vec())
            .collect()
    }
}

/// `A team=x` as labels.
pub(crate) fn labels(alert: &str) -> LabelSet {
    let mut words = alert.split(' ');
    let name = ("alertname".to_owned(), words.next().unwrap().to_owned());
    let rest = words
        .map(|word| word.split_once('=').unwrap())
        .map(|(n, v)| (n.to_owned(), v.to_owned()));
    std::iter::once(name).chain(rest).collect()
}
