//! A reader of committed records, outside any group.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::Offset;
use rdkafka::config::{ClientConfig, FromClientConfigAndContext};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;

use super::context::{self, Plain};
use super::{Shared, ask_offsets, failure, offset_of, record, whole_millis};
use crate::log::{From, LogError, Read, Reader};

/// A partition that gave nothing for this long while its end lies ahead is looked at: compaction may have removed all
/// that was between.
const STALLED: Duration = Duration::from_millis(250);
/// How long that look may take.
const LOOK: Duration = Duration::from_secs(2);

#[derive(Debug)]
struct Place {
    position: i64,
    /// The position was found to be the end, or what lies ahead is known to come.
    settled: bool,
    /// Something lay ahead when it was looked at before: what was appended a moment ago is on its way, so only what still
    /// lies there at the next look is looked into.
    ahead: bool,
}

impl Place {
    fn at(position: i64, settled: bool) -> Self {
        Self {
            position,
            settled,
            ahead: false,
        }
    }
}

/// A consumer with partitions of its own choice.
pub(super) struct KafkaReader {
    shared: Arc<Shared>,
    consumer: BaseConsumer<Plain>,
    /// By full topic and partition.
    places: BTreeMap<(String, u32), Place>,
    quiet_since: Instant,
    held_back: Option<LogError>,
    /// Bare topics by their full names, as far as records of them came.
    bare: BTreeMap<String, Arc<str>>,
}

impl KafkaReader {
    pub(super) fn open(
        shared: Arc<Shared>,
        config: &ClientConfig,
        from: &[(String, u32, From)],
    ) -> Result<Self, LogError> {
        let consumer = BaseConsumer::from_config_and_context(config, Plain("reader"))
            .map_err(|error| LogError::Refused(format!("kafka consumer: {error}")))?;
        let wanted: Vec<_> = from
            .iter()
            .map(|(topic, partition, from)| (shared.topic(topic), *partition, *from))
            .collect();
        let mut places = BTreeMap::new();
        if !wanted.is_empty() {
            // An offset below the first one that is there begins at that.
            let ask = |offset| {
                let list = shared.list(
                    wanted
                        .iter()
                        .map(|(topic, partition, _)| (topic.as_str(), *partition, offset)),
                )?;
                ask_offsets(&consumer, &list)
            };
            let (lows, ends) = (ask(Offset::Beginning)?, ask(Offset::End)?);
            for (topic, partition, from) in &wanted {
                let find = |list: &rdkafka::TopicPartitionList| {
                    let element = list.find_partition(topic, record::native_partition(*partition));
                    element.map_or_else(
                        || Err(LogError::Refused(format!("no {topic}/{partition}"))),
                        |e| offset_of(&e),
                    )
                };
                let position = match from {
                    From::Beginning => find(&lows)?,
                    From::Offset(offset) => find(&lows)?.max(*offset),
                    From::End => find(&ends)?,
                };
                places.insert((topic.clone(), *partition), Place::at(position, false));
            }
            let list = shared.list(
                places
                    .iter()
                    .map(|((topic, p), place)| (topic.as_str(), *p, Offset::Offset(place.position))),
            )?;
            consumer
                .assign(&list)
                .map_err(|error| failure::request("assign", &error))?;
        }
        Ok(Self {
            shared,
            consumer,
            places,
            quiet_since: Instant::now(),
            held_back: None,
            bare: BTreeMap::new(),
        })
    }

    fn note_positions(&mut self) -> Result<(), LogError> {
        let positions = self
            .consumer
            .position()
            .map_err(|error| failure::request("position", &error))?;
        for element in positions.elements() {
            let key = (element.topic().to_owned(), record::partition(element.partition()));
            if let (Some(place), Offset::Offset(offset)) = (self.places.get_mut(&key), element.offset())
                && offset > place.position
            {
                *place = Place::at(offset, false);
            }
        }
        self.quiet_since = Instant::now();
        Ok(())
    }

    /// Finds out, after a while without anything, which partitions are at their end without our knowing: a compacted
    /// log may end in nothing that could be given.
    fn settle(&mut self) -> Result<(), LogError> {
        self.quiet_since = Instant::now();
        let open: Vec<_> = self
            .places
            .iter()
            .filter(|(_, place)| !place.settled)
            .map(|(key, _)| key.clone())
            .collect();
        if open.is_empty() {
            return Ok(());
        }
        let list = self.shared.list(
            open.iter()
                .map(|(topic, partition)| (topic.as_str(), *partition, Offset::End)),
        )?;
        let ends = ask_offsets(&self.consumer, &list)?;
        for element in ends.elements() {
            let (topic, partition) = (element.topic().to_owned(), record::partition(element.partition()));
            let end = offset_of(&element)?;
            let Some(place) = self.places.get_mut(&(topic.clone(), partition)) else {
                continue;
            };
            if end <= place.position {
                place.settled = true;
            } else if !place.ahead {
                place.ahead = true;
            } else if nothing_from(&self.shared, &topic, partition, place.position)? {
                *place = Place::at(end, true);
            }
        }
        Ok(())
    }
}

/// A topic's bare name, made once.
fn bare(known: &mut BTreeMap<String, Arc<str>>, shared: &Shared, topic: &str) -> Arc<str> {
    if let Some(bare) = known.get(topic) {
        return Arc::clone(bare);
    }
    let bare: Arc<str> = shared.bare(topic).into();
    known.insert(topic.to_owned(), Arc::clone(&bare));
    bare
}

/// Whether a reader that begins here comes to the end without being given a record. The end it comes to is at or behind
/// the one asked for before.
fn nothing_from(shared: &Shared, topic: &str, partition: u32, offset: i64) -> Result<bool, LogError> {
    let consumer: BaseConsumer<Plain> =
        BaseConsumer::from_config_and_context(&shared.options.reader(), Plain("reader"))
            .map_err(|error| LogError::Refused(format!("kafka consumer: {error}")))?;
    let list = shared.list([(topic, partition, Offset::Offset(offset))])?;
    consumer
        .assign(&list)
        .map_err(|error| failure::request("assign", &error))?;
    let deadline = Instant::now() + LOOK;
    while Instant::now() < deadline {
        match consumer.poll(deadline.saturating_duration_since(Instant::now())) {
            Some(Ok(_)) => return Ok(false),
            Some(Err(KafkaError::PartitionEOF(_))) => return Ok(true),
            Some(Err(_)) | None => {}
        }
    }
    Ok(false)
}

impl Reader for KafkaReader {
    fn poll(&mut self, max: usize, wait: Duration) -> Result<Vec<Read>, LogError> {
        if let Some(error) = self.held_back.take() {
            return Err(error);
        }
        let deadline = Instant::now() + wait;
        let mut records = Vec::new();
        let mut moved = false;
        while records.len() < max {
            let left = deadline.saturating_duration_since(Instant::now());
            let wait = if records.is_empty() { left } else { Duration::ZERO };
            match self.consumer.poll(whole_millis(wait)) {
                Some(Ok(message)) => {
                    moved = true;
                    let record = record::read(&message);
                    self.shared.clock.reached(record.appended.millis());
                    records.push((bare(&mut self.bare, &self.shared, message.topic()), Arc::new(record)));
                }
                Some(Err(KafkaError::PartitionEOF(_))) => moved = true,
                Some(Err(error)) => {
                    context::consumer_error("reader", &error);
                    if matches!(error, KafkaError::MessageConsumptionFatal(_)) {
                        self.held_back = Some(LogError::Fatal(format!("reading: {error}")));
                        break;
                    }
                }
                None if wait.is_zero() || left.is_zero() => break,
                None => {}
            }
        }
        if moved {
            self.note_positions()?;
        } else if self.quiet_since.elapsed() >= STALLED {
            self.settle()?;
        }
        match self.held_back.take() {
            Some(error) if records.is_empty() => Err(error),
            error => {
                self.held_back = error;
                Ok(records)
            }
        }
    }

    fn position(&self, topic: &str, partition: u32) -> Option<i64> {
        self.places
            .get(&(self.shared.topic(topic), partition))
            .map(|place| place.position)
    }
}
