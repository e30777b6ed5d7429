//! A lane's place in its group.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use processor::Record;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerGroupMetadata};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};

use super::context::{self, Group, Rebalance};
use super::record;
use super::transaction::Producing;
use super::{Shared, failure, offset_of, whole_millis};
use crate::log::{Event, Join, LogError, Member, NewRecord};

/// How long a seek may wait for the fetcher to have started.
const SEEK: Duration = Duration::from_secs(10);
/// Between two tries of a seek.
const SEEK_AGAIN: Duration = Duration::from_millis(2);
/// The least time between a commit and the next transaction: what arrives meanwhile shares it. With 1 ms three lanes under
/// load took a tenth more of the machine, and with 10 ms each hop was later than that saved.
const COMMIT_GAP: Duration = Duration::from_millis(4);
/// How long leaving the group may take; what still hangs then is left behind.
const CLOSE: Duration = Duration::from_secs(10);

/// A partition of ours.
#[derive(Debug, Default)]
struct Place {
    /// Whether it is being read.
    running: bool,
    /// The next offset it would give; none before its first start.
    position: Option<i64>,
}

/// A consumer of the group and a transactional producer.
pub(super) struct KafkaMember {
    shared: Arc<Shared>,
    /// With the prefix.
    topic: String,
    /// As the caller named it.
    lane: String,
    /// None once closed.
    clients: Option<(BaseConsumer<Group>, Producing)>,
    owned: BTreeMap<u32, Place>,
    /// Asked for and not yet released; and those of them that are.
    leaving: BTreeSet<u32>,
    released: BTreeSet<u32>,
    /// Taken when the group decided last. A consumer that was thrown out would give one without member and generation,
    /// and with that a broker checks nothing.
    membership: Option<Arc<ConsumerGroupMetadata>>,
    /// An error that came behind records.
    held_back: Option<LogError>,
    /// When the next transaction may begin.
    free_at: Instant,
}

impl KafkaMember {
    pub(super) fn join(shared: Arc<Shared>, join: &Join) -> Result<Self, LogError> {
        let topic = shared.topic(&join.topic);
        if shared.partitions(&join.topic)?.is_none() {
            return Err(LogError::Refused(format!("no topic {topic}")));
        }
        let producing = Producing::start(Arc::clone(&shared), shared.prefixed(&join.lane))?;
        let config = shared.options.member(&shared.prefixed(&join.group));
        let consumer = BaseConsumer::from_config_and_context(&config, Group::default())
            .map_err(|error| LogError::Refused(format!("kafka consumer: {error}")))?;
        consumer
            .subscribe(&[&topic])
            .map_err(|error| LogError::Refused(format!("subscribe to {topic}: {error}")))?;
        Ok(Self {
            shared,
            topic,
            lane: join.lane.clone(),
            clients: Some((consumer, producing)),
            owned: BTreeMap::new(),
            leaving: BTreeSet::new(),
            released: BTreeSet::new(),
            membership: None,
            held_back: None,
            free_at: Instant::now(),
        })
    }

    fn consumer(&self) -> Result<&BaseConsumer<Group>, LogError> {
        self.clients.as_ref().map(|(consumer, _)| consumer).ok_or_else(closed)
    }

    fn producing(&mut self) -> Result<&mut Producing, LogError> {
        self.clients.as_mut().map(|(_, producing)| producing).ok_or_else(closed)
    }

    fn list<'a>(
        &self,
        partitions: impl IntoIterator<Item = &'a u32>,
        offset: Offset,
    ) -> Result<TopicPartitionList, LogError> {
        self.shared.list(
            partitions
                .into_iter()
                .map(|partition| (self.topic.as_str(), *partition, offset)),
        )
    }

    /// Takes up what the group decided.
    fn rebalanced(&mut self, rebalance: Rebalance) -> Result<Option<Event>, LogError> {
        let event = match rebalance {
            Rebalance::Assign(partitions) => self.assigned(partitions)?,
            Rebalance::Revoke { partitions, lost } => self.revoked(partitions, lost)?,
        };
        Ok(event)
    }

    /// librdkafka goes on with the rebalance only after the call. So the fetchers start at once and are paused before
    /// they can give anything; [`Member::start`] then seeks, because a pause so soon forgets the offset given here.
    ///
    /// That offset must be absolute and there. For a logical one the fetcher asks a broker; the pause makes the answer
    /// outdated, and half a second later it is asked again and undoes the seek.
    fn assigned(&mut self, partitions: Vec<u32>) -> Result<Option<Event>, LogError> {
        let found = match self.shared.offsets(self.list(&partitions, Offset::Beginning)?) {
            Ok(lows) => lows,
            Err(error) => {
                tracing::warn!(%error, "where the assigned partitions begin is not known");
                self.list(&partitions, Offset::Offset(0))?
            }
        };
        let consumer = self.consumer()?;
        let membership = consumer.group_metadata().map(Arc::new);
        let lost = consumer.assignment_lost();
        consumer
            .incremental_assign(&found)
            .map_err(|error| failure::request("assign", &error))?;
        if !partitions.is_empty() {
            consumer
                .pause(&found)
                .map_err(|error| failure::request("pause", &error))?;
        }
        self.membership = membership.filter(|_| !lost);
        for partition in &partitions {
            self.owned.insert(*partition, Place::default());
        }
        Ok((!partitions.is_empty()).then_some(Event::Assigned(partitions)))
    }

    fn revoked(&mut self, partitions: Vec<u32>, lost: bool) -> Result<Option<Event>, LogError> {
        let consumer = self.consumer()?;
        if lost {
            let found = self.list(&partitions, Offset::Invalid)?;
            consumer
                .incremental_unassign(&found)
                .map_err(|error| failure::request("unassign", &error))?;
            self.membership = None;
            for partition in &partitions {
                self.owned.remove(partition);
            }
            return Ok(Some(Event::Revoked { partitions, lost }));
        }
        let membership = consumer.group_metadata().map(Arc::new);
        if !consumer.assignment_lost() {
            self.membership = membership;
        }
        self.leaving.extend(&partitions);
        if partitions.is_empty() {
            self.give_up()?;
            return Ok(None);
        }
        Ok(Some(Event::Revoked { partitions, lost }))
    }

    /// Tells the group, once all that it asked for is released: librdkafka takes the first call for the whole answer.
    fn give_up(&mut self) -> Result<(), LogError> {
        if !self.leaving.is_empty() && self.leaving != self.released {
            return Ok(());
        }
        let list = self.list(&self.released, Offset::Invalid)?;
        self.consumer()?
            .incremental_unassign(&list)
            .map_err(|error| failure::request("unassign", &error))?;
        self.leaving.clear();
        self.released.clear();
        Ok(())
    }

    /// The consumer's positions, which pass over control records and aborted ones.
    fn note_positions(&mut self) -> Result<(), LogError> {
        let positions = self
            .consumer()?
            .position()
            .map_err(|error| failure::request("position", &error))?;
        for element in positions.elements() {
            if let (Some(place), Offset::Offset(offset)) = (
                self.owned.get_mut(&record::partition(element.partition())),
                element.offset(),
            ) && place.running
            {
                place.position = Some(offset);
            }
        }
        Ok(())
    }

    /// Reads until there is something to say. Returns whether positions may have moved.
    fn gather(
        &mut self,
        max: usize,
        wait: Duration,
        records: &mut Vec<Arc<Record>>,
        events: &mut Vec<Event>,
    ) -> Result<bool, LogError> {
        let deadline = (Instant::now() + wait).max(self.free_at);
        let mut moved = false;
        while records.len() < max {
            let now = Instant::now();
            let left = deadline.saturating_duration_since(now);
            let wait = if records.is_empty() {
                left
            } else {
                self.free_at.saturating_duration_since(now)
            };
            let consumer = self.clients.as_ref().map(|(consumer, _)| consumer).ok_or_else(closed)?;
            let nothing = match consumer.poll(whole_millis(wait)) {
                Some(Ok(message)) => {
                    moved = true;
                    let partition = record::partition(message.partition());
                    if self.owned.get(&partition).is_some_and(|place| place.running) {
                        let record = record::read(&message);
                        self.shared.clock.reached(record.appended.millis());
                        records.push(Arc::new(record));
                    }
                    false
                }
                Some(Err(KafkaError::PartitionEOF(_))) => {
                    moved = true;
                    false
                }
                Some(Err(error)) => {
                    if let Some(error) = read_error(&error) {
                        self.held_back = Some(error);
                        break;
                    }
                    false
                }
                None => true,
            };
            let rebalance = self.consumer()?.context().next();
            if let Some(rebalance) = rebalance {
                if !records.is_empty() {
                    events.push(Event::Records(std::mem::take(records)));
                }
                events.extend(self.rebalanced(rebalance)?);
                break;
            }
            if nothing && (wait.is_zero() || left.is_zero()) {
                break;
            }
        }
        Ok(moved)
    }

    fn shut_down(&mut self) {
        let Some((consumer, producing)) = self.clients.take() else {
            return;
        };
        consumer.context().close();
        let leaving = self.list(&self.leaving, Offset::Invalid);
        let (done, closed) = mpsc::channel();
        let spawned = std::thread::Builder::new()
            .name("kafka-close".to_owned())
            .spawn(move || {
                close(consumer, producing, leaving.ok());
                if done.send(()).is_err() {
                    tracing::info!("a consumer closed late");
                }
            });
        if let Err(error) = spawned {
            tracing::error!(%error, "no thread to close a consumer with");
        } else if closed.recv_timeout(CLOSE).is_err() {
            tracing::error!(
                lane = self.lane,
                "leaving the group takes too long; it is left to the session timeout"
            );
        }
    }
}

/// Aborts what is open, gives the partitions back and leaves.
fn close(consumer: BaseConsumer<Group>, mut producing: Producing, leaving: Option<TopicPartitionList>) {
    if let Err(error) = producing.abort() {
        tracing::warn!(%error, "an open transaction is left to its timeout");
    }
    drop(producing);
    if let Some(list) = leaving.filter(|list| list.count() > 0)
        && let Err(error) = consumer.incremental_unassign(&list)
    {
        tracing::warn!(%error, "giving up partitions");
    }
    drop(consumer);
}

fn closed() -> LogError {
    LogError::Fatal("the member is closed".to_owned())
}

/// Most errors of a consumer are told for information and mend themselves; these do not.
fn read_error(error: &KafkaError) -> Option<LogError> {
    context::consumer_error("member", error);
    if matches!(error, KafkaError::MessageConsumptionFatal(_)) {
        return Some(LogError::Fatal(format!("reading: {error}")));
    }
    let code = error.rdkafka_error_code()?;
    // Metadata may lag behind a topic that was just made, and behind a broker that just came back.
    if matches!(
        code,
        RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownPartition
    ) {
        return None;
    }
    let found = failure::from_code("reading", code);
    (!matches!(found, LogError::Busy(_))).then_some(found)
}

impl Member for KafkaMember {
    fn poll(&mut self, max: usize, wait: Duration) -> Result<Vec<Event>, LogError> {
        if let Some(error) = self.held_back.take() {
            return Err(error);
        }
        let (mut records, mut events) = (Vec::new(), Vec::new());
        let moved = self.gather(max, wait, &mut records, &mut events)?;
        if !records.is_empty() {
            events.push(Event::Records(records));
        }
        if moved {
            self.note_positions()?;
        }
        match self.held_back.take() {
            Some(error) if events.is_empty() => Err(error),
            error => {
                self.held_back = error;
                Ok(events)
            }
        }
    }

    fn start(&mut self, partition: u32, offset: i64) -> Result<(), LogError> {
        if !self.owned.contains_key(&partition) {
            return Err(LogError::Refused(format!("partition {partition} is not this member's")));
        }
        let list = self.list(&[partition], Offset::Offset(offset))?;
        let consumer = self.consumer()?;
        let deadline = Instant::now() + SEEK;
        loop {
            let sought = consumer
                .seek_partitions(list.clone(), SEEK)
                .map_err(|error| failure::request("seek", &error))?;
            let refused = sought.elements().iter().find_map(|element| element.error().err());
            match refused.as_ref().map(KafkaError::rdkafka_error_code) {
                None => break,
                // The fetcher of a partition that was just assigned is not there yet.
                Some(Some(RDKafkaErrorCode::State | RDKafkaErrorCode::UnknownPartition))
                    if Instant::now() < deadline =>
                {
                    std::thread::sleep(SEEK_AGAIN);
                }
                Some(_) => return Err(LogError::Busy(format!("seek: {refused:?}"))),
            }
        }
        consumer
            .resume(&list)
            .map_err(|error| failure::request("resume", &error))?;
        self.owned.insert(
            partition,
            Place {
                running: true,
                position: Some(offset),
            },
        );
        Ok(())
    }

    fn pause(&mut self, partition: u32) -> Result<(), LogError> {
        let list = self.list(&[partition], Offset::Invalid)?;
        self.consumer()?
            .pause(&list)
            .map_err(|error| failure::request("pause", &error))?;
        if let Some(place) = self.owned.get_mut(&partition) {
            place.running = false;
        }
        Ok(())
    }

    fn release(&mut self, partitions: &[u32]) -> Result<(), LogError> {
        let released: Vec<u32> = partitions
            .iter()
            .copied()
            .filter(|partition| self.leaving.contains(partition))
            .collect();
        if released.is_empty() {
            return Ok(());
        }
        for partition in &released {
            self.owned.remove(partition);
        }
        self.released.extend(released);
        self.give_up()
    }

    fn position(&self, partition: u32) -> Option<i64> {
        self.owned.get(&partition).and_then(|place| place.position)
    }

    fn ends(&mut self, partitions: &[u32]) -> Result<BTreeMap<u32, i64>, LogError> {
        let list = self.list(partitions, Offset::End)?;
        let ends = self.shared.offsets(list)?;
        ends.elements()
            .iter()
            .map(|element| Ok((record::partition(element.partition()), offset_of(element)?)))
            .collect()
    }

    fn begin(&mut self) -> Result<(), LogError> {
        self.producing()?.begin()
    }

    fn send(&mut self, records: Vec<NewRecord>) -> Result<(), LogError> {
        let producing = self.producing()?;
        records.iter().try_for_each(|record| producing.send(record))
    }

    fn commit(&mut self, offsets: &[(u32, i64)]) -> Result<(), LogError> {
        if offsets.is_empty() {
            return Err(LogError::Abort(
                "a transaction without offsets fences nobody".to_owned(),
            ));
        }
        if let Some((partition, _)) = offsets
            .iter()
            .find(|(partition, _)| !self.owned.contains_key(partition))
        {
            return Err(LogError::Abort(format!("partition {partition} is not this member's")));
        }
        let list = self.shared.list(
            offsets
                .iter()
                .map(|(p, offset)| (self.topic.as_str(), *p, Offset::Offset(*offset))),
        )?;
        let Some((_, producing)) = &mut self.clients else {
            return Err(closed());
        };
        let Some(membership) = &self.membership else {
            return Err(LogError::Abort("not a member of the group".to_owned()));
        };
        let committed = producing.commit(list, &self.lane, membership);
        self.free_at = Instant::now() + COMMIT_GAP;
        committed
    }

    /// A commit is answered once enough replicas have it.
    fn durable(&mut self) -> Result<(), LogError> {
        Ok(())
    }

    fn abort(&mut self) -> Result<(), LogError> {
        self.producing()?.abort()
    }

    fn renew(&mut self) -> Result<(), LogError> {
        self.producing()?.renew()
    }

    fn close(mut self: Box<Self>) {
        self.shut_down();
    }
}

impl Drop for KafkaMember {
    fn drop(&mut self) {
        self.shut_down();
    }
}
