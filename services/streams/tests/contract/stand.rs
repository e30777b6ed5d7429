//! What the contract suite needs of a log under test, and the few steps every rule is made of.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use processor::Record;
use streams::{Appended, Event, From, Join, Log, LogError, Member, NewRecord, NewTopic, Reader};

/// A log under test.
pub trait Stand {
    /// The log.
    fn log(&self) -> Arc<dyn Log>;

    /// A name of its own for a topic, group or lane of a rule, so that rules may share one broker.
    fn name(&self, bare: &str) -> String;

    /// Stops and starts what the log lives in, if the stand can: every client is gone then, what was acknowledged is
    /// not. False where it cannot.
    fn restart(&mut self) -> bool;

    /// Whether the log drops what is older than a topic's retention within seconds.
    fn trims(&self) -> bool;

    /// For a log whose time does not pass by itself: what lies before the offset is old now.
    fn age(&self, _topic: &str, _partition: u32, _before: i64) {}
}

/// How long a rule waits for what must come; a broker's group protocol takes seconds.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// One step of waiting.
pub const STEP: Duration = Duration::from_millis(50);

/// Tries until it gives something; fails after [`PATIENCE`].
pub fn until<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = attempt() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited too long for {what}");
    }
}

/// A topic dropped by age.
pub fn topic(name: &str, partitions: u32) -> NewTopic {
    let retention = Duration::from_secs(3600);
    NewTopic {
        name: name.to_owned(),
        partitions,
        compacted: false,
        retention,
    }
}

/// A record.
pub fn record(topic: &str, partition: u32, key: &str, value: &str) -> NewRecord {
    NewRecord {
        topic: topic.to_owned().into(),
        partition,
        key: key.as_bytes().to_vec(),
        value: Some(value.as_bytes().to_vec()),
        meta: None,
        headers: Vec::new(),
    }
}

/// A record's value as text; "-" for a tombstone.
pub fn text(record: &Arc<Record>) -> String {
    record
        .value
        .as_ref()
        .map_or("-".to_owned(), |v| String::from_utf8_lossy(v).into_owned())
}

/// Appends; the answer comes through the channel.
pub fn append_later(log: &dyn Log, records: Vec<NewRecord>) -> Receiver<Appended> {
    let (done, answer) = channel();
    log.append(records, Box::new(move |result| done.send(result).unwrap_or_default()));
    answer
}

/// Appends and waits.
pub fn append(log: &dyn Log, records: Vec<NewRecord>) -> Vec<i64> {
    append_later(log, records)
        .recv_timeout(PATIENCE)
        .expect("an answer")
        .expect("an acknowledgement")
}

/// A member that is of use: it calls back what it was assigned and gives up what is revoked.
pub struct Seat {
    /// The member.
    pub member: Box<dyn Member>,
    /// What is assigned to it.
    pub owned: Vec<u32>,
    /// What it has read.
    pub got: Vec<Arc<Record>>,
}

impl Seat {
    /// Joins.
    pub fn join(log: &dyn Log, group: &str, topic: &str, lane: &str) -> Self {
        let join = Join {
            group: group.to_owned(),
            topic: topic.to_owned(),
            lane: lane.to_owned(),
        };
        let member = until("a join", || retry(|| log.join(&join)));
        Self {
            member,
            owned: Vec::new(),
            got: Vec::new(),
        }
    }

    /// One poll; starts at what is committed, or at the beginning. Gives up at once what is asked back.
    pub fn poll(&mut self, log: &dyn Log, group: &str, topic: &str) {
        for event in self.member.poll(1000, STEP).expect("a poll") {
            match event {
                Event::Assigned(partitions) => {
                    for partition in partitions {
                        let committed = until("a committed offset", || {
                            retry(|| log.committed(group, topic, partition))
                        });
                        self.member
                            .start(partition, committed.map_or(0, |c| c.offset))
                            .expect("a start");
                        self.owned.push(partition);
                    }
                }
                Event::Revoked { partitions, lost } => {
                    if !lost {
                        self.member.release(&partitions).expect("a release");
                    }
                    self.owned.retain(|p| !partitions.contains(p));
                }
                Event::Records(found) => self.got.extend(found),
            }
        }
        self.owned.sort_unstable();
    }

    /// Polls until it owns that many partitions.
    pub fn settle(&mut self, log: &dyn Log, group: &str, topic: &str, count: usize) {
        until("an assignment", || {
            self.poll(log, group, topic);
            (self.owned.len() == count).then_some(())
        });
    }

    /// One transaction: begins, sends, commits.
    pub fn commit(&mut self, records: Vec<NewRecord>, offsets: &[(u32, i64)]) -> Result<(), LogError> {
        self.member.begin()?;
        self.member.send(records)?;
        self.member.commit(offsets)
    }
}

/// None where the log says "not now".
pub fn retry<T>(mut call: impl FnMut() -> Result<T, LogError>) -> Option<T> {
    match call() {
        Ok(found) => Some(found),
        Err(LogError::Busy(_)) => None,
        Err(other) => panic!("{other}"),
    }
}

/// A reader of whole partitions.
pub fn reader(log: &dyn Log, topic: &str, partitions: u32, from: From) -> Box<dyn Reader> {
    let places: Vec<_> = (0..partitions).map(|p| (topic.to_owned(), p, from)).collect();
    log.reader(&places).expect("a reader")
}

/// Reads until the position stands at the high watermark of every partition: all that is committed.
pub fn read_all(log: &dyn Log, topic: &str, partitions: u32) -> Vec<Arc<Record>> {
    let mut reader = reader(log, topic, partitions, From::Beginning);
    let highs: BTreeMap<u32, i64> = (0..partitions)
        .map(|p| (p, log.watermarks(topic, p).expect("watermarks").high))
        .collect();
    let mut records = Vec::new();
    until("the end of a topic", || {
        records.extend(reader.poll(1000, STEP).expect("a poll").into_iter().map(|(_, r)| r));
        let at_end = |(partition, high): (&u32, &i64)| reader.position(topic, *partition).is_some_and(|p| p >= *high);
        highs.iter().all(at_end).then_some(())
    });
    records
}
