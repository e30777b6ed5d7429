//! What the tests on a real Kafka share: the broker, and a member that does what is asked of it.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use processor::Record;
use streams::kafka::broker::Broker;
use streams::kafka::{KafkaLog, KafkaOptions};
use streams::{Event, From, Join, Log, LogError, Member, NewRecord, NewTopic};

/// Everything a broker does in these tests it does within this, on a loaded machine.
pub const PATIENCE: Duration = Duration::from_mins(1);
pub const TICK: Duration = Duration::from_millis(20);

/// One test at a time: latencies are measured here.
static TURN: Mutex<()> = Mutex::new(());
static COUNT: AtomicU32 = AtomicU32::new(0);

pub struct Stand {
    pub broker: Arc<Mutex<Broker>>,
    pub options: KafkaOptions,
    _turn: MutexGuard<'static, ()>,
}

impl Stand {
    /// None without a broker. Each has its own topics, groups and lanes.
    pub fn find() -> Option<Self> {
        let broker = Broker::shared().unwrap()?;
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let address = broker
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .address()
            .to_owned();
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let options = KafkaOptions {
            brokers: address,
            topic_prefix: format!("t{}-{number}.", std::process::id()),
            ..KafkaOptions::default()
        };
        Some(Self {
            broker,
            options,
            _turn: turn,
        })
    }

    pub fn log(&self) -> Arc<KafkaLog> {
        KafkaLog::connect(self.options.clone()).unwrap()
    }

    /// Members that do not poll for two seconds are thrown out.
    pub fn hasty(mut self) -> Self {
        self.options.session_timeout = Duration::from_secs(2);
        self.options.max_poll_interval = Duration::from_secs(2);
        self
    }

    /// A log with these topics.
    pub fn log_with(&self, topics: &[(&str, u32)]) -> Arc<KafkaLog> {
        let log = self.log();
        let topics: Vec<_> = topics
            .iter()
            .map(|(name, partitions)| topic(name, *partitions))
            .collect();
        log.create_topics(&topics).unwrap();
        log
    }
}

pub fn topic(name: &str, partitions: u32) -> NewTopic {
    NewTopic {
        name: name.to_owned(),
        partitions,
        compacted: false,
        retention: Duration::from_hours(1),
    }
}

pub fn record(topic: &str, partition: u32, value: &str) -> NewRecord {
    NewRecord {
        topic: topic.to_owned().into(),
        partition,
        key: b"k".to_vec(),
        value: Some(value.as_bytes().to_vec()),
        meta: None,
        headers: Vec::new(),
    }
}

pub fn append(log: &dyn Log, records: Vec<NewRecord>) -> Result<Vec<i64>, LogError> {
    let (done, result) = mpsc::channel();
    log.append(records, Box::new(move |appended| done.send(appended).unwrap()));
    result.recv_timeout(PATIENCE).expect("an append ends")
}

pub fn join(log: &dyn Log, lane: &str) -> Box<dyn Member> {
    log.join(&Join {
        group: "stage".to_owned(),
        topic: "inbox".to_owned(),
        lane: lane.to_owned(),
    })
    .unwrap()
}

/// Polls until a condition holds; partitions that are assigned are started where the group stands, and those that are
/// revoked are released at once.
pub struct Driver {
    pub member: Box<dyn Member>,
    pub owned: BTreeSet<u32>,
    pub records: Vec<Arc<Record>>,
    /// Whether a revocation was of partitions already lost.
    pub lost: bool,
}

impl Driver {
    pub fn new(member: Box<dyn Member>) -> Self {
        Self {
            member,
            owned: BTreeSet::new(),
            records: Vec::new(),
            lost: false,
        }
    }

    pub fn step(&mut self, log: &dyn Log) {
        for event in self.member.poll(1_000, TICK).unwrap() {
            match event {
                Event::Assigned(partitions) => {
                    for partition in partitions {
                        let committed = log.committed("stage", "inbox", partition).unwrap();
                        self.member
                            .start(partition, committed.map_or(0, |committed| committed.offset))
                            .unwrap();
                        self.owned.insert(partition);
                    }
                }
                Event::Revoked { partitions, lost } => {
                    self.lost |= lost;
                    self.owned.retain(|partition| !partitions.contains(partition));
                    self.member.release(&partitions).unwrap();
                }
                Event::Records(records) => self.records.extend(records),
            }
        }
    }

    pub fn until(&mut self, log: &dyn Log, what: &str, mut reached: impl FnMut(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !reached(self) {
            assert!(Instant::now() < deadline, "never came: {what}");
            self.step(log);
        }
    }

    pub fn values(&self) -> Vec<String> {
        self.records
            .iter()
            .map(|record| String::from_utf8(record.bytes().to_vec()).unwrap())
            .collect()
    }
}

/// Everything committed in a topic, read to its end.
pub fn read_all(log: &dyn Log, topic: &str, partitions: u32) -> Vec<Arc<Record>> {
    let from: Vec<_> = (0..partitions)
        .map(|partition| (topic.to_owned(), partition, From::Beginning))
        .collect();
    let ends: Vec<_> = (0..partitions)
        .map(|partition| log.watermarks(topic, partition).unwrap().high)
        .collect();
    let mut reader = log.reader(&from).unwrap();
    let mut read = Vec::new();
    let deadline = Instant::now() + PATIENCE;
    while (0..partitions).any(|partition| reader.position(topic, partition).unwrap() < ends[partition as usize]) {
        assert!(Instant::now() < deadline, "{topic} is not read to its end");
        read.extend(reader.poll(1_000, TICK).unwrap().into_iter().map(|(_, record)| record));
    }
    read
}

pub fn values(records: &[Arc<Record>]) -> Vec<String> {
    records
        .iter()
        .map(|record| String::from_utf8(record.bytes().to_vec()).unwrap())
        .collect()
}
