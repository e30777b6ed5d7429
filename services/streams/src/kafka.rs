//! The log on Apache Kafka, by librdkafka: the engine for more than one machine.
//!
//! One consumer and one transactional producer a lane, one idempotent producer and one asking client a process. It wants
//! brokers of release 2.5 or later (offsets in transactions carry the group's generation). Topic, group and transactional
//! names get their prefix here and nowhere else.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use alert::{PromDuration, Timestamp};
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::topic_partition_list::TopicPartitionListElem;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Offset, TopicPartitionList};

use crate::log::{
    AppendDone, Committed, From, Join, Log, LogError, Member, NewRecord, NewTopic, Patience, Reader, Watermarks,
};

mod admin;
mod append;
#[cfg(feature = "test-broker")]
pub mod broker;
mod clock;
mod context;
mod failure;
mod member;
mod reader;
mod record;
mod settings;
mod transaction;

pub use settings::{KafkaOptions, properties};

use append::Appender;
use clock::Clock;
use context::Plain;
use member::KafkaMember;
use reader::KafkaReader;
use transaction::Producing;

/// How long a question to the brokers may take. Above a broker's election, below an operator's patience.
const ASK: Duration = Duration::from_secs(5);
/// Between two tries while leaders move.
const ASK_AGAIN: Duration = Duration::from_millis(20);
/// How long to wait for offsets that an open transaction is about to change.
const ASK_COMMITTED: Duration = Duration::from_secs(1);
/// How long the first contact may take: a broker may start at the same moment as we do.
const CONNECT: Duration = Duration::from_secs(30);
/// How often the asking clients' own messages are fetched.
const HOUSEKEEPING: Duration = Duration::from_millis(500);

/// A transaction costs a broker and its lane some milliseconds of CPU between them, as much as three alerts all the way: a
/// lane that begins the next as soon as the last is through takes what the others need. What nobody waits for has more than
/// twice the time, so that it goes with what the stages before have gathered; a process that dies meanwhile may repeat what it sent in
/// that time.
const PATIENCE: Patience = Patience {
    soon: PromDuration::from_millis(25),
    later: PromDuration::from_millis(60),
};

/// A group's offsets are asked for by a client with its name: one that sees only settled ones, one that sees past open
/// transactions.
type GroupClients = BTreeMap<(String, bool), Arc<BaseConsumer<Plain>>>;

/// What all parts of the log share.
struct Shared {
    options: KafkaOptions,
    clock: Arc<Clock>,
    asking: BaseConsumer<Plain>,
    groups: Mutex<GroupClients>,
}

/// The log.
pub struct KafkaLog {
    shared: Arc<Shared>,
    appender: Appender,
}

impl fmt::Debug for KafkaLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaLog")
            .field("options", &self.shared.options)
            .finish_non_exhaustive()
    }
}

impl KafkaLog {
    /// Connects, and waits for the first answer of a broker.
    ///
    /// # Errors
    /// [`LogError::Refused`] for options that cannot work, [`LogError::Busy`] when no broker answers in 30 s.
    pub fn connect(options: KafkaOptions) -> Result<Arc<Self>, LogError> {
        options.check()?;
        let asking: BaseConsumer<Plain> = BaseConsumer::from_config_and_context(&options.client(), Plain("ask"))
            .map_err(|error| LogError::Refused(format!("kafka client: {error}")))?;
        asking
            .fetch_metadata(Some(&format!("{}alerts", options.topic_prefix)), CONNECT)
            .map_err(|error| failure::request(&format!("no answer from {}", options.brokers), &error))?;
        let clock = Arc::new(Clock::new());
        let appender = Appender::start(options.appender(), Arc::clone(&clock))?;
        let shared = Arc::new(Shared {
            options,
            clock,
            asking,
            groups: Mutex::default(),
        });
        let kept = Arc::downgrade(&shared);
        std::thread::Builder::new()
            .name("kafka-ask".to_owned())
            .spawn(move || {
                while let Some(shared) = kept.upgrade() {
                    shared.serve();
                    drop(shared);
                    std::thread::sleep(HOUSEKEEPING);
                }
            })
            .map_err(|error| LogError::Fatal(format!("starting a thread: {error}")))?;
        Ok(Arc::new(Self { shared, appender }))
    }
}

impl Shared {
    fn topic(&self, bare: &str) -> String {
        self.prefixed(bare)
    }

    fn prefixed(&self, name: &str) -> String {
        format!("{}{name}", self.options.topic_prefix)
    }

    fn bare(&self, topic: &str) -> String {
        topic
            .strip_prefix(&self.options.topic_prefix)
            .unwrap_or(topic)
            .to_owned()
    }

    /// Fetches what the asking clients have to report; they would keep it for ever.
    fn serve(&self) {
        drop(self.asking.poll(Duration::ZERO));
        let clients: Vec<_> = self
            .groups
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
            .cloned()
            .collect();
        for client in clients {
            drop(client.poll(Duration::ZERO));
        }
    }

    /// A list of partitions by full topic.
    fn list<'a>(&self, of: impl IntoIterator<Item = (&'a str, u32, Offset)>) -> Result<TopicPartitionList, LogError> {
        let mut list = TopicPartitionList::new();
        for (topic, partition, offset) in of {
            list.add_partition_offset(topic, record::native_partition(partition), offset)
                .map_err(|error| LogError::Refused(format!("{}, offset {offset:?}: {error}", self.bare(topic))))?;
        }
        Ok(list)
    }

    /// Where partitions begin ([`Offset::Beginning`]) or end ([`Offset::End`]), open transactions included: one request
    /// to each leader. librdkafka sends what stands in the place of the time as it is, and the protocol gives these two
    /// their meaning.
    fn offsets(&self, list: TopicPartitionList) -> Result<TopicPartitionList, LogError> {
        if list.count() == 0 {
            return Ok(list);
        }
        ask_offsets(&self.asking, &list)
    }

    /// How many partitions a topic has, and how many of them have a leader.
    fn led_partitions(&self, topic: &str) -> Result<Option<(u32, u32)>, LogError> {
        let what = || format!("topic {topic}");
        let metadata = self
            .asking
            .fetch_metadata(Some(topic), ASK)
            .map_err(|error| failure::request(&what(), &error))?;
        let Some(found) = metadata.topics().iter().find(|found| found.name() == topic) else {
            return Ok(None);
        };
        match found.error() {
            Some(
                RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART
                | RDKafkaRespErr::RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC,
            ) => Ok(None),
            Some(error) => Err(failure::from_code(&what(), RDKafkaErrorCode::from(error))),
            None if found.partitions().is_empty() => Ok(None),
            None => {
                let led = found
                    .partitions()
                    .iter()
                    .filter(|partition| partition.leader() >= 0)
                    .count();
                let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
                Ok(Some((count(found.partitions().len()), count(led))))
            }
        }
    }

    fn partitions(&self, topic: &str) -> Result<Option<u32>, LogError> {
        Ok(self.led_partitions(&self.topic(topic))?.map(|(count, _)| count))
    }

    fn group_client(&self, group: &str, settled: bool) -> Result<Arc<BaseConsumer<Plain>>, LogError> {
        let mut groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (self.prefixed(group), settled);
        if let Some(client) = groups.get(&key) {
            return Ok(Arc::clone(client));
        }
        let mut config = self.options.client();
        config.set("group.id", &key.0).set(
            "isolation.level",
            if settled { "read_committed" } else { "read_uncommitted" },
        );
        let client: BaseConsumer<Plain> = BaseConsumer::from_config_and_context(&config, Plain("ask"))
            .map_err(|error| LogError::Refused(format!("kafka client: {error}")))?;
        let client = Arc::new(client);
        groups.insert(key, Arc::clone(&client));
        Ok(client)
    }

    /// What a group has committed; `settled` waits for open transactions.
    fn committed(
        &self,
        group: &str,
        topic: &str,
        partition: u32,
        settled: bool,
    ) -> Result<Option<Committed>, LogError> {
        let list = self.list([(self.topic(topic).as_str(), partition, Offset::Invalid)])?;
        let wait = if settled { ASK_COMMITTED } else { ASK };
        let found = self
            .group_client(group, settled)?
            .committed_offsets(list, wait)
            .map_err(|error| failure::request("committed offsets", &error))?;
        let elements = found.elements();
        let Some(element) = elements.first() else {
            return Ok(None);
        };
        element
            .error()
            .map_err(|error| failure::request("committed offsets", &error))?;
        match element.offset() {
            Offset::Offset(offset) => Ok(Some(Committed {
                offset,
                lane: element.metadata().to_owned(),
            })),
            Offset::Invalid => Ok(None),
            Offset::Beginning | Offset::End | Offset::Stored | Offset::OffsetTail(_) => {
                Err(LogError::Busy(format!("committed offset {:?}", element.offset())))
            }
        }
    }
}

/// Asks for offsets, again while the leaders move: librdkafka learns of new ones only when metadata are asked for, and
/// a broker that just came back learns of its own leadership a moment later than we do.
fn ask_offsets(client: &BaseConsumer<Plain>, wanted: &TopicPartitionList) -> Result<TopicPartitionList, LogError> {
    let deadline = Instant::now() + ASK;
    loop {
        let answer = client.offsets_for_times(wanted.clone(), ASK);
        let stale = match &answer {
            Ok(found) => found
                .elements()
                .iter()
                .filter_map(|element| element.error().err())
                .any(|error| is_stale(&error)),
            Err(error) => is_stale(error),
        };
        if !stale || Instant::now() >= deadline {
            return answer.map_err(|error| failure::request("offsets", &error));
        }
        client
            .fetch_metadata(None, ASK)
            .map_err(|error| failure::request("metadata", &error))?;
        std::thread::sleep(ASK_AGAIN);
    }
}

fn is_stale(error: &KafkaError) -> bool {
    error.rdkafka_error_code().is_some_and(failure::is_stale)
}

/// A wait for the client library, rounded up: it counts whole milliseconds, and spins through what is left of one.
fn whole_millis(wait: Duration) -> Duration {
    Duration::from_millis(u64::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX))
}

/// The offset in a broker's answer.
fn offset_of(element: &TopicPartitionListElem<'_>) -> Result<i64, LogError> {
    let what = || format!("{}/{}", element.topic(), element.partition());
    element
        .error()
        .map_err(|error: KafkaError| failure::request(&what(), &error))?;
    match element.offset() {
        Offset::Offset(offset) => Ok(offset),
        other @ (Offset::Beginning | Offset::End | Offset::Stored | Offset::Invalid | Offset::OffsetTail(_)) => {
            Err(LogError::Busy(format!("{}: offset {other:?}", what())))
        }
    }
}

impl Log for KafkaLog {
    fn now(&self) -> Timestamp {
        self.shared.clock.now()
    }

    fn create_topics(&self, topics: &[NewTopic]) -> Result<(), LogError> {
        admin::create_topics(&self.shared, topics)
    }

    fn partitions(&self, topic: &str) -> Result<Option<u32>, LogError> {
        self.shared.partitions(topic)
    }

    fn watermarks(&self, topic: &str, partition: u32) -> Result<Watermarks, LogError> {
        let topic = self.shared.topic(topic);
        let bound = |offset| {
            let answer = self
                .shared
                .offsets(self.shared.list([(topic.as_str(), partition, offset)])?)?;
            answer
                .elements()
                .first()
                .map_or_else(|| Err(LogError::Busy(format!("{topic}: no answer"))), offset_of)
        };
        Ok(Watermarks {
            low: bound(Offset::Beginning)?,
            high: bound(Offset::End)?,
        })
    }

    fn committed(&self, group: &str, topic: &str, partition: u32) -> Result<Option<Committed>, LogError> {
        self.shared.committed(group, topic, partition, true)
    }

    fn owner(&self, group: &str, topic: &str, partition: u32) -> Result<Option<String>, LogError> {
        let committed = self.shared.committed(group, topic, partition, false)?;
        Ok(committed
            .map(|committed| committed.lane)
            .filter(|lane| !lane.is_empty()))
    }

    fn join(&self, join: &Join) -> Result<Box<dyn Member>, LogError> {
        Ok(Box::new(KafkaMember::join(Arc::clone(&self.shared), join)?))
    }

    fn reader(&self, from: &[(String, u32, From)]) -> Result<Box<dyn Reader>, LogError> {
        let config = self.shared.options.reader();
        Ok(Box::new(KafkaReader::open(Arc::clone(&self.shared), &config, from)?))
    }

    fn view_reader(&self, from: &[(String, u32, From)]) -> Result<Box<dyn Reader>, LogError> {
        let config = self.shared.options.view_reader();
        Ok(Box::new(KafkaReader::open(Arc::clone(&self.shared), &config, from)?))
    }

    fn patience(&self) -> Patience {
        PATIENCE
    }

    fn append(&self, records: Vec<NewRecord>, done: AppendDone) {
        self.appender.append(&records, |topic| self.shared.topic(topic), done);
    }

    fn fence(&self, lane: &str) -> Result<(), LogError> {
        drop(Producing::start(Arc::clone(&self.shared), self.shared.prefixed(lane))?);
        Ok(())
    }
}
