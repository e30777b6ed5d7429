//! A Kafka topic that alerts are published to, as users' pipelines do.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, mpsc};

use alert::Timestamp;
use schemas::{AlertEvent, EventKind, encode, topics};
use serde::Deserialize;
use streams::kafka::{KafkaLog, KafkaOptions};
use streams::{Appended, Log, NewRecord};

use crate::error::Error;
use crate::ledger::{Sent, Word};

/// What a record is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// JSON: a list, as the plan wrote it.
    Json,
    /// One canonical event in Avro for each alert.
    Avro,
}

/// The topic. All clones are one.
#[derive(Clone)]
pub struct Topic {
    log: Arc<KafkaLog>,
    partitions: u32,
    encoding: Encoding,
}

impl fmt::Debug for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Topic")
            .field("encoding", &self.encoding)
            .finish_non_exhaustive()
    }
}

/// What was published, kept until it is answered.
#[derive(Debug)]
pub struct Published {
    /// The request.
    pub sent: Sent,
    /// What is new in it.
    pub words: Vec<Word>,
    /// The list of events.
    pub record: Vec<u8>,
    /// Whether it only keeps alive.
    pub is_tail: bool,
    /// The first alert of it: the record's key.
    pub first: u32,
}

/// What was published, and what became of it.
pub type Answered = (Published, Appended);

/// An event of a plan's body, as it stands there.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    kind: EventKind,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
    starts_at: String,
    ends_at: String,
    #[serde(rename = "generatorURL")]
    generator_url: String,
}

impl Topic {
    /// Connects to the topic `alert-events` behind this prefix. Blocks.
    ///
    /// # Errors
    /// No Kafka answers, or there is no such topic.
    pub fn connect(brokers: &str, prefix: &str, encoding: Encoding) -> Result<Self, Error> {
        let failed = |error| Error::of("kafka", error);
        let log = KafkaLog::connect(KafkaOptions {
            brokers: brokers.to_owned(),
            topic_prefix: prefix.to_owned(),
            ..KafkaOptions::default()
        });
        let log = log.map_err(failed)?;
        let partitions = log
            .partitions(topics::ALERT_EVENTS)
            .map_err(failed)?
            .filter(|partitions| *partitions > 0);
        let missing = || Error::new(format!("there is no topic {prefix}{}", topics::ALERT_EVENTS));
        Ok(Self {
            partitions: partitions.ok_or_else(missing)?,
            log,
            encoding,
        })
    }

    /// Publishes; `answer` gets it back with what became of it.
    pub fn publish(&self, published: Published, answer: &mpsc::Sender<Answered>) {
        let values = match self.encoding {
            Encoding::Json => vec![published.record.clone()],
            Encoding::Avro => avro(&published.record),
        };
        // A body always goes to the same partition, so what it says stays in order.
        let first = published.first;
        let record = |value| NewRecord {
            topic: topics::ALERT_EVENTS.into(),
            partition: first % self.partitions,
            key: first.to_string().into_bytes(),
            value: Some(value),
            meta: None,
            headers: Vec::new(),
        };
        let records = values.into_iter().map(record).collect();
        let answer = answer.clone();
        // Who does not wait any more does not want to know.
        self.log.append(
            records,
            Box::new(move |appended| drop(answer.send((published, appended)))),
        );
    }
}

/// Each event of a list in Avro.
fn avro(list: &[u8]) -> Vec<Vec<u8>> {
    let events: Vec<Event> = serde_json::from_slice(list).unwrap_or_default();
    let time = |text: &str| text.parse::<Timestamp>().ok();
    let encoded = events.into_iter().map(|event| {
        encode(&AlertEvent {
            id: None,
            source: Some("loadtest".to_owned()),
            kind: event.kind,
            labels: event.labels.into(),
            annotations: event.annotations.into(),
            starts_at: time(&event.starts_at),
            ends_at: time(&event.ends_at),
            generator_url: Some(event.generator_url),
            expr: None,
            value: None,
            for_ms: None,
        })
    });
    encoded.filter_map(Result::ok).collect()
}

#[cfg(test)]
mod tests {
    use super::avro;
    use crate::body::{Body, Form, Said};
    use crate::population::{Made, Population};
    use alert::Timestamp;
    use schemas::{AlertEvent, EventKind, decode};

    #[test]
    fn a_body_of_events_is_as_many_in_avro() {
        let population = Population::Made(Made {
            run: "r".to_owned(),
            seed: 1,
            alerts: 3,
            per_group: 1,
            giant: 0,
        });
        let mut list = Vec::new();
        Body::new(&population, Form::Event, vec![0, 1, 2]).write(&mut list, |place| Said {
            starts: Timestamp::from_secs(1),
            ends: Timestamp::from_secs(2),
            firing: place != 1,
        });
        let events: Vec<AlertEvent> = avro(&list).iter().map(|bytes| decode(bytes).unwrap()).collect();
        let kinds: Vec<_> = events.iter().map(|event| event.kind).collect();
        assert_eq!(kinds, [EventKind::Alert, EventKind::Resolve, EventKind::Alert]);
        assert_eq!(events[2].labels, population.labels(2));
        assert_eq!(events[2].ends_at, Some(Timestamp::from_secs(2)));
        assert!(avro(b"garbage").is_empty());
    }
}
