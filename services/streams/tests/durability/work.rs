//! Transactions that can be told apart, and the look whether each is there whole.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use processor::Record;
use streams::embedded::{EmbeddedLog, Options};
use streams::{Event, From, Join, Log, LogError, Member, NewRecord, NewTopic};

const GROUP: &str = "stage";
const INBOX: &str = "inbox";
const TABLE: &str = "table";
const OUTPUTS: u32 = 12;

/// No reserve: a test machine's disk may be almost full.
pub fn options() -> Options {
    Options {
        disk_reserve: 0,
        ..Options::default()
    }
}

fn output(number: u32) -> String {
    format!("output-{number}")
}

fn topics() -> Vec<NewTopic> {
    let topic = |name: String, compacted| {
        let retention = Duration::from_secs(1_000_000);
        NewTopic {
            name,
            partitions: 2,
            compacted,
            retention,
        }
    };
    let mut all = vec![topic(INBOX.to_owned(), false), topic(TABLE.to_owned(), true)];
    all.extend((0..OUTPUTS).map(|n| topic(output(n), false)));
    all
}

/// A lane that writes transactions. Number n has one record in two outputs and one in the table, and commits offset n.
pub struct Work {
    member: Box<dyn Member>,
    next: usize,
    _log: Arc<dyn Log>,
}

impl Work {
    /// On a log in a folder.
    pub fn open(folder: &Path) -> Self {
        Self::on(EmbeddedLog::open(folder, options()).expect("it opens"))
    }

    /// Goes on after what is committed.
    pub fn on(log: Arc<dyn Log>) -> Self {
        if log.partitions(TABLE) == Ok(None) {
            log.create_topics(&topics()).expect("topics");
        }
        let join = Join {
            group: GROUP.to_owned(),
            topic: INBOX.to_owned(),
            lane: "lane".to_owned(),
        };
        let mut member = log.join(&join).expect("a member");
        let events = member.poll(1, Duration::ZERO).expect("a poll");
        assert_eq!(events, vec![Event::Assigned(vec![0, 1])]);
        let committed = log.committed(GROUP, INBOX, 0).expect("an answer");
        let next = committed.map_or(0, |c| usize::try_from(c.offset).unwrap());
        Self {
            member,
            next,
            _log: log,
        }
    }

    /// How many there are.
    pub fn done(&self) -> usize {
        self.next
    }

    /// One more, whose values are that many bytes at least.
    pub fn try_transaction(&mut self, bytes: usize) -> Result<(), LogError> {
        let number = self.next;
        self.member.begin()?;
        let value = |salt: usize| {
            let mut value = format!("{number}:").into_bytes();
            // Not to be compressed.
            let mut x = (number * 31 + salt + 1) as u64;
            while value.len() < bytes {
                x = x
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                value.extend(x.to_be_bytes());
            }
            value
        };
        let first = u32::try_from(number).unwrap() % OUTPUTS;
        let targets = [
            (output(first), 0),
            (output((first + 1) % OUTPUTS), 1),
            (TABLE.to_owned(), first % 2),
        ];
        for (salt, (topic, partition)) in targets.into_iter().enumerate() {
            let (key, value) = (number.to_string().into_bytes(), Some(value(salt)));
            self.member.send(vec![NewRecord {
                topic: topic.into(),
                partition,
                key,
                value,
                meta: None,
                headers: Vec::new(),
            }])?;
        }
        let offset = i64::try_from(number + 1).unwrap();
        self.member.commit(&[(0, offset), (1, offset)])?;
        self.member.durable()?;
        self.next += 1;
        Ok(())
    }

    /// One more, acknowledged.
    pub fn transaction(&mut self, bytes: usize) {
        self.try_transaction(bytes).expect("a commit");
    }

    /// Writes until the journal's first file is full and gone, so that the segments alone hold what was in it.
    pub fn until_segments_count(&mut self, folder: &Path) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while folder.join("journal/0000000001.jnl").exists() {
            assert!(Instant::now() < deadline, "the journal's first file stays");
            (0..40).for_each(|_| self.transaction(16 << 10));
        }
    }
}

/// What is in a folder.
#[derive(Debug)]
pub struct Found {
    /// How many transactions, each of them whole.
    pub transactions: usize,
}

/// Reads everything there is; fails the test if a transaction is there in part.
///
/// # Errors
/// Why the log refuses, at the start or when the damaged part is read.
pub fn find(folder: &Path) -> Result<Found, String> {
    let log = EmbeddedLog::open(folder, options()).map_err(|e| e.to_string())?;
    if log.partitions(TABLE) == Ok(None) {
        return Ok(Found { transactions: 0 });
    }
    let committed = log.committed(GROUP, INBOX, 0).map_err(|e| e.to_string())?;
    let mut seen: BTreeMap<usize, usize> = BTreeMap::new();
    for topic in topics() {
        for partition in 0..topic.partitions {
            for record in read(&*log, &topic.name, partition)? {
                let number: usize = String::from_utf8(record.key.clone())
                    .map_err(|e| e.to_string())?
                    .parse()
                    .unwrap();
                let value = record.value.as_deref().expect("a value");
                assert!(
                    value.starts_with(format!("{number}:").as_bytes()),
                    "the value is another's"
                );
                *seen.entry(number).or_default() += 1;
            }
        }
    }
    assert!(seen.values().all(|count| *count == 3), "a transaction is there in part");
    let transactions = committed.map_or(0, |c| usize::try_from(c.offset).unwrap());
    assert!(
        seen.keys().copied().eq(0..transactions),
        "{} of {transactions} transactions",
        seen.len()
    );
    Ok(Found { transactions })
}

fn read(log: &dyn Log, topic: &str, partition: u32) -> Result<Vec<Arc<Record>>, String> {
    let mut reader = log
        .reader(&[(topic.to_owned(), partition, From::Beginning)])
        .map_err(|e| e.to_string())?;
    let high = log.watermarks(topic, partition).map_err(|e| e.to_string())?.high;
    let mut records = Vec::new();
    while reader
        .position(topic, partition)
        .is_some_and(|position| position < high)
    {
        let found = reader.poll(1000, Duration::ZERO).map_err(|e| e.to_string())?;
        records.extend(found.into_iter().map(|(_, record)| record));
    }
    Ok(records)
}
