//! Making topics.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic as Native, TopicReplication};
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::error::RDKafkaErrorCode;

use super::context::Plain;
use super::record::native_partition;
use super::settings::MAX_BATCH_BYTES;
use super::{Shared, failure};
use crate::log::{LogError, NewTopic};

/// How long the brokers may take.
const ASK: Duration = Duration::from_secs(20);
/// How long new topics may take to have leaders.
const LEADERS: Duration = Duration::from_secs(20);
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// A broker adds its own framing to a batch.
const FRAMING: usize = 512;
/// Restoring costs the live keys and what was written in about this time.
const COMPACTED_SEGMENT_MS: u64 = 300_000;
const COMPACTED_SEGMENT_BYTES: u64 = 64 << 20;
/// A change is compacted away after this at the latest.
const COMPACTION_LAG_MS: u64 = 600_000;
/// A reader has this long to see a tombstone; a restore takes minutes at most.
const TOMBSTONE_MS: u64 = 3_600_000;
/// Old records go a segment at a time: a quarter of the retention, no less than ten minutes, no more than a day.
const SEGMENT_MS: (u64, u64) = (600_000, 86_400_000);
/// From this many replicas on, one may be away while writes go on, and no acknowledged record is on one machine alone.
const REPLICAS_FOR_TWO: u16 = 3;

fn settings(topic: &NewTopic, replication: Option<u16>) -> Vec<(&'static str, String)> {
    let mut settings = vec![
        // One clock for all: the brokers'.
        ("message.timestamp.type", "LogAppendTime".to_owned()),
        ("max.message.bytes", (MAX_BATCH_BYTES + FRAMING).to_string()),
    ];
    if replication.is_some_and(|replicas| replicas >= REPLICAS_FOR_TWO) {
        settings.push(("min.insync.replicas", "2".to_owned()));
    }
    if topic.compacted {
        settings.extend([
            ("cleanup.policy", "compact".to_owned()),
            ("segment.ms", COMPACTED_SEGMENT_MS.to_string()),
            ("segment.bytes", COMPACTED_SEGMENT_BYTES.to_string()),
            ("min.cleanable.dirty.ratio", "0.2".to_owned()),
            ("max.compaction.lag.ms", COMPACTION_LAG_MS.to_string()),
            ("delete.retention.ms", TOMBSTONE_MS.to_string()),
        ]);
    } else {
        let retention = u64::try_from(topic.retention.as_millis())
            .unwrap_or(u64::MAX)
            .min(i64::MAX.unsigned_abs());
        settings.extend([
            ("cleanup.policy", "delete".to_owned()),
            ("retention.ms", retention.to_string()),
            (
                "segment.ms",
                (retention / 4).clamp(SEGMENT_MS.0, SEGMENT_MS.1).to_string(),
            ),
        ]);
    }
    settings
}

fn other_count(topic: &str, there: u32, wanted: u32) -> LogError {
    LogError::Refused(format!(
        "topic {topic} has {there} partitions and {wanted} are wanted: a key's partition depends on the count. Use \
         --partitions {there}, another --topic-prefix, or delete the topic with all it holds"
    ))
}

/// Makes those that are not there, and waits until they can be written to.
pub(super) fn create_topics(shared: &Shared, topics: &[NewTopic]) -> Result<(), LogError> {
    let mut missing = Vec::new();
    for topic in topics {
        match shared.partitions(&topic.name)? {
            None => missing.push((
                shared.topic(&topic.name),
                topic,
                settings(topic, shared.options.replication),
            )),
            Some(there) if there != topic.partitions => {
                return Err(other_count(&shared.topic(&topic.name), there, topic.partitions));
            }
            Some(_) => {}
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    let admin = AdminClient::from_config_and_context(&shared.options.client(), Plain("admin"))
        .map_err(|error| LogError::Refused(format!("kafka client: {error}")))?;
    let replication = shared.options.replication.map_or(-1, i32::from);
    let natives: Vec<Native<'_>> = missing
        .iter()
        .map(|(name, topic, settings)| {
            let native = Native::new(
                name,
                native_partition(topic.partitions),
                TopicReplication::Fixed(replication),
            );
            settings
                .iter()
                .fold(native, |native, (key, value)| native.set(key, value))
        })
        .collect();
    let options = AdminOptions::new()
        .request_timeout(Some(ASK))
        .operation_timeout(Some(ASK));
    let made = block_on(admin.create_topics(&natives, &options)).map_err(|error| made_nothing(&error))?;
    for result in made {
        match result {
            // Another process was quicker.
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((name, code)) => return Err(failure::from_code(&format!("topic {name}"), code)),
        }
    }
    missing
        .iter()
        .try_for_each(|(name, topic, _)| wait_for_leaders(shared, name, topic))
}

fn made_nothing(error: &rdkafka::error::KafkaError) -> LogError {
    if let rdkafka::error::KafkaError::AdminOp(code) = error {
        return failure::from_code("making topics", *code);
    }
    failure::request("making topics", error)
}

fn wait_for_leaders(shared: &Shared, name: &str, topic: &NewTopic) -> Result<(), LogError> {
    let deadline = Instant::now() + LEADERS;
    loop {
        match shared.led_partitions(name)? {
            Some((count, led)) if count == led && count == topic.partitions => return Ok(()),
            Some((count, led)) if count == led && count > 0 => return Err(other_count(name, count, topic.partitions)),
            Some(_) | None if Instant::now() >= deadline => {
                return Err(LogError::Busy(format!("topic {name} has no leaders yet")));
            }
            Some(_) | None => std::thread::sleep(LOOK_AGAIN),
        }
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// The admin client is the only part of rdkafka without a blocking call; its answer comes from a thread of its own.
fn block_on<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
        std::thread::park();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_get_the_settings_of_their_kind() {
        let topic = |compacted, secs| NewTopic {
            name: "t".to_owned(),
            partitions: 1,
            compacted,
            retention: Duration::from_secs(secs),
        };
        let rows = [
            (topic(false, 86_400), None, "cleanup.policy", Some("delete")),
            (topic(false, 86_400), None, "retention.ms", Some("86400000")),
            (topic(false, 86_400), None, "segment.ms", Some("21600000")),
            (topic(false, 60), None, "segment.ms", Some("600000")),
            (
                topic(false, 86_400),
                None,
                "message.timestamp.type",
                Some("LogAppendTime"),
            ),
            (topic(true, 0), None, "cleanup.policy", Some("compact")),
            (topic(true, 0), None, "segment.ms", Some("300000")),
            (topic(true, 0), None, "retention.ms", None),
            (topic(true, 0), Some(1), "min.insync.replicas", None),
            (topic(true, 0), Some(3), "min.insync.replicas", Some("2")),
        ];
        for (topic, replication, name, expected) in rows {
            let settings = settings(&topic, replication);
            let found = settings
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| value.as_str());
            assert_eq!(found, expected, "{name} of {topic:?}");
        }
    }
}
