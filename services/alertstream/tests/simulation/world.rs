//! The system under test: the three stages as lanes that come and go, ingest and console as the records they write.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use alert::{LabelSet, Timestamp, partition_for};
use config::Config;
use correlate_pipeline::Correlate;
use notify_pipeline::{Notify, NotifySettings};
use processor::{Meta, Processor, Store};
use route_pipeline::Route;
use schemas::{AlertBody, AlertUpdate, Instance, topics};
use streams::simulated::SimLog;
use streams::{Lane, LaneConfig, LaneError, Log, NewRecord, NewTopic, NoEffects, Progress, Sabotage};

use super::receivers::{Post, Receivers};
use super::setting;

pub(crate) const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);
pub(crate) const PARTITIONS: u32 = 3;
pub(crate) const STAGES: [&str; 3] = ["correlate", "route", "notify"];

/// A lane of any stage.
pub(crate) trait AnyLane {
    fn step(&mut self) -> Result<Progress, LaneError>;
    fn stores(&self) -> Vec<(u32, &Store)>;
    fn changelog(&self) -> &'static str;
    fn close(self: Box<Self>);
}

impl<P: Processor> AnyLane for Lane<P> {
    fn step(&mut self) -> Result<Progress, LaneError> {
        Self::step(self, Duration::ZERO)
    }

    fn stores(&self) -> Vec<(u32, &Store)> {
        Self::stores(self).collect()
    }

    fn changelog(&self) -> &'static str {
        P::CHANGELOG.unwrap()
    }

    fn close(self: Box<Self>) {
        drop(Self::close(*self));
    }
}

/// The whole.
pub(crate) struct World {
    pub(crate) log: Arc<SimLog>,
    pub(crate) receivers: Receivers,
    pub(crate) lanes: BTreeMap<String, Box<dyn AnyLane>>,
    sabotage: Option<Sabotage>,
    lives: u64,
    /// The newest config: what ingest routes by, and its version.
    pub(crate) config: Config,
    pub(crate) version: u64,
    ids: u128,
}

impl World {
    pub(crate) fn new(seed: u64, sabotage: Option<Sabotage>) -> Self {
        let log = SimLog::new(seed, START);
        let new: Vec<NewTopic> = topics::TOPICS
            .iter()
            .map(|spec| NewTopic {
                name: spec.name.to_owned(),
                partitions: match spec.partitions {
                    topics::Partitions::PerGroup => PARTITIONS,
                    topics::Partitions::Fixed(count) => count,
                },
                compacted: spec.cleanup == topics::Cleanup::Compact,
                retention: Duration::from_secs(86_400),
            })
            .collect();
        log.create_topics(&new).unwrap();
        let (receivers, lanes) = (Receivers::default(), BTreeMap::new());
        let config = setting::load(0);
        let mut world = Self {
            log,
            receivers,
            lanes,
            sabotage,
            lives: 0,
            config,
            version: 0,
            ids: 0,
        };
        world.publish_config(0);
        world
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.log.now()
    }

    /// Starts a lane of a stage under a fresh name.
    pub(crate) fn start(&mut self, stage: &str) -> String {
        self.lives += 1;
        let name = format!("{stage}-{}", self.lives);
        let config = LaneConfig {
            sabotage: self.sabotage,
            ..LaneConfig::new(&name)
        };
        let log: Arc<dyn Log> = self.log.clone();
        let lane: Box<dyn AnyLane> = match stage {
            "correlate" => Box::new(Lane::new(Correlate::new(), log, config, |_| Box::new(NoEffects)).unwrap()),
            "route" => Box::new(Lane::new(Route::new(), log, config, |_| Box::new(NoEffects)).unwrap()),
            _ => {
                let settings = NotifySettings {
                    external_url: "http://alertstream.test".to_owned(),
                    clock_tolerance: Some(alert::PromDuration::from_secs(2)),
                };
                let receivers = self.receivers.clone();
                let lane = name.clone();
                let effects = |report| {
                    Box::new(Post {
                        lane,
                        receivers,
                        report,
                    }) as Box<dyn streams::Effects<_>>
                };
                Box::new(Lane::new(Notify::new(settings), log, config, effects).unwrap())
            }
        };
        self.lanes.insert(name.clone(), lane);
        name
    }

    /// The process of a lane is gone; its group will notice.
    pub(crate) fn bury(&mut self, name: &str) {
        self.lanes.remove(name);
        self.receivers.lane_died(name);
        self.log.spare(name);
    }

    pub(crate) fn publish_config(&mut self, version: usize) {
        let record = setting::config_version(version);
        self.config = setting::load(version);
        let bytes = schemas::encode(&record).unwrap();
        // An answer that is lost is asked for again; the same text twice is two versions that mean the same.
        let offset = loop {
            if let Ok(offsets) = self.append(topics::CONFIG, 0, format!("v{version}"), bytes.clone()) {
                break offsets[0];
            }
        };
        self.version = u64::try_from(offset + 1).unwrap();
    }

    /// What ingest makes of one alert. True when the log acknowledged all of it.
    pub(crate) fn post(&mut self, labels: &LabelSet, starts_at: Timestamp, ends_at: Timestamp) -> bool {
        let now = self.now();
        let placements = policy::walk(&self.config, labels);
        let copies = i32::try_from(placements.len()).unwrap();
        let mut acknowledged = true;
        for (copy, placement) in (0..).zip(placements) {
            let update = AlertUpdate {
                fingerprint: labels.fingerprint(),
                content_hash: 1,
                starts_at,
                ends_at,
                received_at: now,
                timeout: false,
                resolved: ends_at <= now,
                config_version: i64::try_from(self.version).unwrap(),
                hops: 0,
                copy,
                copies,
                route: placement.route_id.to_string(),
                group_labels: placement.group_labels.into_map(),
                moved_from: None,
                body: AlertBody {
                    labels: labels.as_map().clone(),
                    ..AlertBody::default()
                },
            };
            let key = placement.group_id.as_str().to_owned();
            let partition = partition_for(key.as_bytes(), PARTITIONS);
            let bytes = schemas::encode(&update).unwrap();
            acknowledged &= self.append(topics::ALERTS, partition, key, bytes).is_ok();
        }
        acknowledged
    }

    pub(crate) fn heartbeat(&mut self, receiving_since: Option<Timestamp>) {
        let at = self.now();
        let instance = Instance {
            id: "i".to_owned(),
            services: vec!["ingest".to_owned()],
            started_at: START,
            receiving_since,
            at,
        };
        let bytes = schemas::encode(&instance).unwrap();
        drop(self.append(topics::INSTANCES, 0, "i".to_owned(), bytes));
    }

    pub(crate) fn append(
        &mut self,
        topic: &str,
        partition: u32,
        key: String,
        value: Vec<u8>,
    ) -> Result<Vec<i64>, String> {
        self.ids += 1;
        let meta = Meta {
            id: self.ids,
            now: self.now().millis(),
            config_version: self.version,
            ..Meta::default()
        };
        let record = NewRecord {
            topic: topic.to_owned(),
            partition,
            key: key.into_bytes(),
            value: Some(value),
            meta: Some(meta),
            headers: Vec::new(),
        };
        let (done, answer) = std::sync::mpsc::channel();
        self.log
            .append(vec![record], Box::new(move |appended| drop(done.send(appended))));
        answer.recv().unwrap().map_err(|error| error.to_string())
    }
}
