//! The lane on the simulated log: a counting stage crashed at every step, and each rule of the lane on its own.

mod counter;
mod refusals;
mod rules;
mod takeovers;
mod transactions;

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use alert::{PromDuration, Timestamp};
use counter::{Counter, Recorder, WorldSends};
use metrics::{Gauge, Histogram, Key, KeyName, Metadata, SharedString, Unit};
use processor::Meta;
use schemas::topics;

use super::*;
use crate::log::{NewRecord, NewTopic};
use crate::simulated::{Faults, SimLog};

pub(super) const START: Timestamp = Timestamp::from_millis(1_000_000_000_000);
const PARTITIONS: u32 = 4;

/// One log, one world that receives sends, and lanes that come and go.
pub(super) struct Stand {
    pub(super) log: Arc<SimLog>,
    pub(super) world: WorldSends,
}

impl Stand {
    pub(super) fn new(seed: u64) -> Self {
        let log = SimLog::new(seed, START);
        log.create_topics(&NewTopic::ours(PARTITIONS)).unwrap();
        Self {
            log,
            world: WorldSends::default(),
        }
    }

    pub(super) fn lane(&self, name: &str, sabotage: Option<Sabotage>) -> Result<Lane<Counter>, LaneError> {
        let config = LaneConfig {
            sabotage,
            ..LaneConfig::new(name)
        };
        let world = self.world.clone();
        Lane::new(Counter::default(), self.log.clone(), config, |report| {
            Box::new(Recorder::new(world, report))
        })
    }

    /// A lane whose effects end only when their partition is given up.
    pub(super) fn slow_lane(&self, name: &str) -> Lane<Counter> {
        let world = self.world.clone();
        Lane::new(Counter::default(), self.log.clone(), LaneConfig::new(name), |report| {
            Box::new(Recorder::slow(world, report))
        })
        .unwrap()
    }

    /// Appends one number for a counter, retried until acknowledged as a client would: so it may be there twice.
    pub(super) fn append(&self, key: &str, number: i64) {
        self.append_text(key, &number.to_string());
    }

    pub(super) fn append_text(&self, key: &str, text: &str) {
        self.append_stamped(key, text, None);
    }

    /// The same, written by a stage that says something of it.
    pub(super) fn append_stamped(&self, key: &str, text: &str, meta: Option<Meta>) {
        self.log.append(vec![Self::number(key, text, meta)], Box::new(|_| {}));
    }

    fn number(key: &str, text: &str, meta: Option<Meta>) -> NewRecord {
        NewRecord {
            topic: topics::ALERTS.into(),
            partition: alert::partition_for(key.as_bytes(), PARTITIONS),
            key: key.as_bytes().to_vec(),
            value: Some(text.as_bytes().to_vec()),
            meta,
            headers: Vec::new(),
        }
    }

    /// A transaction of another stage that has written a number for a counter and stays open.
    pub(super) fn open_transaction(&self, key: &str) -> Box<dyn Member> {
        let join = Join {
            group: "other".to_owned(),
            topic: topics::INCIDENTS.into(),
            lane: "other".to_owned(),
        };
        let mut other = self.log.join(&join).unwrap();
        other.begin().unwrap();
        other.send(vec![Self::number(key, "1", None)]).unwrap();
        other
    }

    /// A new version of the one table.
    pub(super) fn append_config(&self, text: &str) {
        let record = NewRecord {
            topic: topics::CONFIG.into(),
            partition: 0,
            key: b"c".to_vec(),
            value: Some(text.as_bytes().to_vec()),
            meta: None,
            headers: Vec::new(),
        };
        self.log.append(vec![record], Box::new(|_| {}));
    }

    /// What the stage's group has committed for the partition of a key, and by whom.
    pub(super) fn committed(&self, key: &str) -> Option<(i64, String)> {
        let partition = alert::partition_for(key.as_bytes(), PARTITIONS);
        let committed = self.log.committed("counter", topics::ALERTS, partition).unwrap();
        committed.map(|committed| (committed.offset, committed.lane))
    }

    pub(super) fn advance(&self, ms: u64) {
        self.log.advance(PromDuration::from_millis(ms));
    }

    /// What the stage said, as sorted text.
    pub(super) fn said(&self) -> Vec<String> {
        let records = self.log.committed_records(topics::INCIDENTS).into_iter();
        let mut said: Vec<String> = records
            .map(|record| String::from_utf8(record.value.unwrap_or_default()).unwrap())
            .collect();
        said.sort();
        said
    }
}

/// Counters by name, whatever their labels.
#[derive(Debug, Default)]
struct Counters(Mutex<BTreeMap<String, Arc<AtomicU64>>>);

impl metrics::Recorder for Counters {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> metrics::Counter {
        let mut counters = self.0.lock().unwrap();
        Arc::clone(counters.entry(key.name().to_owned()).or_default()).into()
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

/// What is counted while something is done.
pub(super) fn counted(during: impl FnOnce()) -> BTreeMap<String, u64> {
    let counters = Counters::default();
    metrics::with_local_recorder(&counters, during);
    let counters = counters.0.lock().unwrap();
    counters
        .iter()
        .map(|(name, count)| (name.clone(), count.load(Ordering::Relaxed)))
        .collect()
}

/// A key beside another one, or in another partition.
pub(super) fn key_for(other: &str, beside: bool) -> String {
    let partition = |key: &str| alert::partition_for(key.as_bytes(), PARTITIONS);
    let mut keys = (0..100).map(|n| format!("j{n}"));
    keys.find(|key| (partition(key) == partition(other)) == beside).unwrap()
}

/// Steps a lane until nothing is left to do now.
pub(super) fn settle(lane: &mut Lane<Counter>) -> Result<(), LaneError> {
    let mut quiet = 0;
    for _ in 0..400 {
        quiet = if lane.step(Duration::ZERO)?.is_idle() {
            quiet + 1
        } else {
            0
        };
        if quiet > 4 {
            break;
        }
    }
    Ok(())
}

/// The scenario every crash is tried on: two bursts, timers between them, effects after each timer.
fn scenario(stand: &Stand, step: usize) -> bool {
    match step {
        0 => (0..12).for_each(|n| stand.append(&format!("counter-{}", n % 5), n)),
        2 => stand.advance(500),
        4 => (0..6).for_each(|n| stand.append(&format!("counter-{}", n % 3), 100 + n)),
        10 => stand.append("counter-1", 1_000),
        6..=16 => stand.advance(400),
        17.. => return false,
        _ => {}
    }
    true
}

/// Runs the scenario with a crash at one point (none for 0); returns what was said, the final state, what was sent, and
/// how many crash points there were.
fn run(
    seed: u64,
    crash_at: u64,
    faults: &Faults,
    sabotage: Option<Sabotage>,
) -> (Vec<String>, Vec<String>, WorldSends, u64) {
    let stand = Stand::new(seed);
    stand.log.set_faults(faults.clone());
    let mut lives = 1;
    if crash_at > 0 {
        stand.log.crash_in("life-1", crash_at);
    }
    let mut lane = stand.lane("life-1", sabotage).ok();
    let mut step = 0;
    while scenario(&stand, step) {
        step += 1;
        while lane.as_mut().is_none_or(|lane| settle(lane).is_err()) {
            // The process is dead; the group notices, and another takes over under its own name.
            stand.log.expire(&format!("life-{lives}"));
            lives += 1;
            lane = stand.lane(&format!("life-{lives}"), sabotage).ok();
            stand.advance(400);
        }
    }
    let points = stand.log.points();
    stand.log.set_faults(Faults::default());
    stand.log.spare("life-1");
    let mut lane = lane.unwrap();
    for _ in 0..200 {
        settle(&mut lane).unwrap();
        stand.advance(200);
    }
    let state = lane.stores().flat_map(|(_, store)| {
        store
            .dump()
            .map(|(key, v)| format!("{key:?}={v:?}"))
            .collect::<Vec<_>>()
    });
    let state = state.collect();
    (stand.said(), state, stand.world.clone(), points)
}

/// The sum each counter said in all, which no crash may change: `counter=sum`.
fn totals(said: &[String]) -> Vec<(String, i64)> {
    let mut totals: BTreeMap<String, i64> = BTreeMap::new();
    for line in said {
        let (name, rest) = line.split_once('=').unwrap();
        *totals.entry(name.to_owned()).or_default() += rest.split(' ').next().unwrap().parse::<i64>().unwrap();
    }
    totals.into_iter().collect()
}

fn check(seed: u64, crash_at: u64, faults: &Faults, sabotage: Option<Sabotage>) -> Result<(), String> {
    let (said, state, world, _) = run(seed, crash_at, faults, sabotage);
    let expected = vec![
        ("counter-0", 15 + 203),
        ("counter-1", 18 + 205 + 1_000),
        ("counter-2", 9 + 207),
        ("counter-3", 11),
        ("counter-4", 13),
    ];
    let expected: Vec<_> = expected.into_iter().map(|(name, sum)| (name.to_owned(), sum)).collect();
    let found = totals(&said);
    if found != expected {
        return Err(format!("seed {seed}, crash at {crash_at}: said {found:?}"));
    }
    if !state.is_empty() {
        return Err(format!("seed {seed}, crash at {crash_at}: left {state:?}"));
    }
    world
        .each_was_sent(&said)
        .map_err(|error| format!("seed {seed}, crash at {crash_at}: {error}"))
}

#[test]
fn a_counting_stage_survives_a_crash_at_every_step() {
    let (_, _, _, points) = run(1, 0, &Faults::default(), None);
    assert!(points > 200, "the scenario is too short to prove anything: {points}");
    for crash_at in 0..points {
        check(1, crash_at, &Faults::default(), None).unwrap();
    }
}

#[test]
fn a_counting_stage_survives_every_fault_at_once() {
    let faults = Faults {
        abort: 100,
        unknown: 60,
        partial: 300,
        lag: 300,
        lost_ack: 0,
        busy: 100,
    };
    for seed in 0..300 {
        check(seed, seed % 97, &faults, None).unwrap();
    }
}

#[test]
fn a_lane_without_one_of_its_rules_is_caught() {
    let faults = Faults {
        abort: 150,
        unknown: 60,
        partial: 300,
        lag: 200,
        lost_ack: 0,
        busy: 0,
    };
    for sabotage in [
        Sabotage::SkipUndo,
        Sabotage::EndRestoreEarly,
        Sabotage::ForgetTombstones,
        Sabotage::LoseCompletionsOnAbort,
    ] {
        let caught = (0..400).any(|seed| {
            std::panic::catch_unwind(|| check(seed, seed % 211, &faults, Some(sabotage))).map_or(true, |r| r.is_err())
        });
        assert!(caught, "{sabotage:?} was not noticed in 400 seeds");
    }
}
