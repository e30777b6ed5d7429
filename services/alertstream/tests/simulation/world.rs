//! The system under test: the three stages as lanes that come and go, ingest and console as the records they write.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use alert::{LabelSet, Timestamp, partition_for};
use config::Config;
use correlate_pipeline::Correlate;
use notify_pipeline::{Notify, NotifySettings};
use processor::{Meta, Processor, StateKey, Store, Tables};
use route_pipeline::Route;
use schemas::{
    AlertBody, AlertUpdate, Avro, CORRELATE_ALERT, CORRELATE_GROUP, CorrelateAlert, CorrelateGroup, GroupPhase,
    Instance, route_keys, topics,
};
use streams::simulated::SimLog;
use streams::{Lane, LaneConfig, LaneError, Log, NewRecord, NewTopic, NoEffects, Patience, Progress, Sabotage};

use super::breakage::{Breakage, Broken};
use super::checks::Slot;
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
    fn tables(&self) -> Tables;
    fn gathered_at(&self) -> Option<Timestamp>;
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

    fn tables(&self) -> Tables {
        Self::tables(self).clone()
    }

    fn gathered_at(&self) -> Option<Timestamp> {
        Self::gathered_at(self)
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
    breakage: Option<Breakage>,
    /// What a lane takes in hand at most.
    max_records: usize,
    lives: u64,
    /// The newest config: what ingest routes by, and its version.
    pub(crate) config: Config,
    pub(crate) version: u64,
    /// Where the newest config puts each alert of [`setting::alerts`].
    pub(crate) slots: Vec<Vec<Slot>>,
    ids: u128,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        Self::broken(seed, None, None)
    }

    /// A world in which a rule of the lane, or a stage, is broken.
    pub(crate) fn broken(seed: u64, sabotage: Option<Sabotage>, breakage: Option<Breakage>) -> Self {
        let log = SimLog::new(seed, START);
        log.create_topics(&NewTopic::ours(PARTITIONS)).unwrap();
        // Half of the histories run as on Kafka.
        log.set_patience(Patience {
            soon: alert::PromDuration::from_millis(25 * (seed % 2)),
            later: alert::PromDuration::from_millis(60 * (seed % 2)),
        });
        let (receivers, lanes) = (Receivers::default(), BTreeMap::new());
        let config = setting::load(0);
        let mut world = Self {
            log,
            receivers,
            lanes,
            sabotage,
            breakage,
            // In some histories lanes have their hands full all the time.
            max_records: if seed.is_multiple_of(3) { 1 } else { 2_000 },
            lives: 0,
            config,
            version: 0,
            slots: Vec::new(),
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
            max_records: self.max_records,
            // So few that a restore takes several passes, and what restores beside it waits.
            restore_records: 20,
            sabotage: self.sabotage,
            ..LaneConfig::new(&name)
        };
        let log: Arc<dyn Log> = self.log.clone();
        let breakage = self.breakage;
        let lane: Box<dyn AnyLane> = match stage {
            "correlate" => {
                let stage = Broken::new(Correlate::new(), breakage);
                Box::new(Lane::new(stage, log, config, |_| Box::new(NoEffects)).unwrap())
            }
            "route" => {
                let stage = Broken::new(Route::new(), breakage);
                Box::new(Lane::new(stage, log, config, |_| Box::new(NoEffects)).unwrap())
            }
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
                let stage = Broken::new(Notify::new(settings), breakage);
                Box::new(Lane::new(stage, log, config, effects).unwrap())
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
        let offset = self.append_surely(topics::CONFIG, 0, &format!("v{version}"), &record)[0];
        self.version = u64::try_from(offset + 1).unwrap();
        let slots = |labels: &LabelSet| {
            let placements = policy::walk(&self.config, labels).into_iter();
            placements
                .map(|placement| (placement.group_id.as_str().to_owned(), placement.receiver, 0))
                .collect()
        };
        self.slots = setting::alerts().iter().map(slots).collect();
    }

    /// The lanes that own partitions of a stage, each with its state.
    fn stores(&self, changelog: &'static str) -> impl Iterator<Item = (u32, &Store)> {
        let lanes = self.lanes.values().filter(move |lane| lane.changelog() == changelog);
        lanes.flat_map(|lane| lane.stores())
    }

    /// Whether each partition of each stage has an owner that runs it.
    pub(crate) fn is_whole(&self) -> bool {
        let mut owned = BTreeSet::new();
        for lane in self.lanes.values() {
            owned.extend(
                lane.stores()
                    .into_iter()
                    .map(|(partition, _)| (lane.changelog(), partition)),
            );
        }
        owned.len() == STAGES.len() * PARTITIONS as usize
    }

    /// When the next timer of any stage is due, after now.
    pub(crate) fn next_timer(&self) -> Option<Timestamp> {
        let stores = self.lanes.values().flat_map(|lane| lane.stores());
        let due = stores
            .filter_map(|(_, store)| store.next_timer())
            .map(|timer| timer.due);
        due.filter(|due| *due > self.now()).min()
    }

    /// When the first lane takes up what it gathers, after now.
    pub(crate) fn gathered_at(&self) -> Option<Timestamp> {
        let at = self.lanes.values().filter_map(|lane| lane.gathered_at());
        at.filter(|at| *at > self.now()).min()
    }

    /// Whether correlate has flushed this group, and still has it; or may have, as not every partition has an owner.
    pub(crate) fn was_flushed(&self, group: &str) -> bool {
        if !self.is_whole() {
            return true;
        }
        let key = StateKey::new(alert::GroupId(group.to_owned()).hash(), CORRELATE_GROUP);
        let groups = self
            .stores(topics::CORRELATE_CHANGELOG)
            .filter_map(|(_, store)| store.get(&key));
        let mut groups = groups.map(|stored| schemas::decode::<CorrelateGroup>(stored.bytes).unwrap());
        groups.any(|group| group.origin.is_some() && group.phase != GroupPhase::Moved)
    }

    /// Every alert that correlate knows: its group's hash, its fingerprint, and what is known.
    pub(crate) fn known_alerts(&self) -> Vec<(alert::GroupHash, u64, CorrelateAlert)> {
        let records = self
            .stores(topics::CORRELATE_CHANGELOG)
            .flat_map(|(_, store)| store.from(None));
        let alerts = records.filter(|(key, _)| key.kind() == Some(CORRELATE_ALERT));
        alerts
            .map(|(key, stored)| {
                let fingerprint = u64::from_be_bytes(*key.rest().first_chunk().unwrap());
                (
                    key.group().unwrap(),
                    fingerprint,
                    schemas::decode(stored.bytes).unwrap(),
                )
            })
            .collect()
    }

    /// The incidents as route's owners hold them: state keys, and records.
    pub(crate) fn incidents(&self) -> impl Iterator<Item = (StateKey, &[u8])> {
        let records = self
            .stores(topics::ROUTE_CHANGELOG)
            .flat_map(|(_, store)| store.from(None));
        let incidents = records.filter(|(key, _)| key.kind() == Some(route_keys::INCIDENT));
        incidents.map(|(key, stored)| (key, stored.bytes))
    }

    /// Where a partition ends.
    pub(crate) fn end(&self, topic: &str, partition: u32) -> i64 {
        self.log.watermarks(topic, partition).unwrap().high
    }

    /// Appends as a client that tries again until it is acknowledged: what lies there twice means the same.
    pub(crate) fn append_surely<T: Avro>(&mut self, topic: &str, partition: u32, key: &str, record: &T) -> Vec<i64> {
        let bytes = schemas::encode(record).unwrap();
        loop {
            if let Ok(offsets) = self.append(topic, partition, key.to_owned(), bytes.clone()) {
                return offsets;
            }
        }
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
                group_labels: placement.group_labels,
                moved_from: None,
                body: AlertBody {
                    labels: labels.clone(),
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
            lanes: Vec::new(),
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
            topic: topic.to_owned().into(),
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
