//! A lane's transactional producers: two that take turns.
//!
//! After a commit the broker still writes its markers, and refuses the same producer's next transaction until it has;
//! librdkafka then asks again only after 20 ms. Another producer need not wait. A commit that was answered is decided,
//! so the next transaction may build on it before its markers are written: a reader meets the two in the order of their
//! records. What fences a lane is its group's generation, which both send, and its name, by which both are found.

use std::collections::VecDeque;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::ConsumerGroupMetadata;
use rdkafka::error::{KafkaResult, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, Producer, ProducerContext};

use super::context::Transaction;
use super::failure::{self, Step};
use super::{Shared, record};
use crate::log::{LogError, NewRecord};

/// How long one call to the coordinator may take. All calls of a commit together stay below `max.poll.interval.ms`.
const CALL: Duration = Duration::from_secs(10);
/// How long a producer may take to get its id, an open transaction of its predecessor included. A coordinator that moves
/// takes some seconds; `max.poll.interval.ms` bounds it from above.
const INIT: Duration = Duration::from_secs(30);
/// What librdkafka has beyond [`CALL`] to say itself that a call took too long.
const GRACE: Duration = Duration::from_secs(1);
/// A wait for acknowledgements is made of these; also what a commit may lose by it. Not a poll that waits: the client
/// library counts whole milliseconds, and spins through the last one, on a core that the brokers' answers need.
const DRAIN: Duration = Duration::from_micros(200);

/// One call of an abort.
const ABORT_SLICE: Duration = Duration::from_millis(50);

/// What follows a lane's name in the transactional ids of its producers.
const TURNS: [&str; 2] = ["", "~2"];

/// The producers, and whether a transaction is open.
pub(super) struct Producing {
    shared: Arc<Shared>,
    /// With the prefix.
    id: String,
    /// Whose turn it is comes first. Empty between a failed renewal and the next.
    producers: VecDeque<Arc<BaseProducer<Transaction>>>,
    open: bool,
    offsets: Offsets<Transaction>,
}

impl Producing {
    /// Fences whoever has this id, and aborts what they left open.
    pub(super) fn start(shared: Arc<Shared>, id: String) -> Result<Self, LogError> {
        let mut producing = Self {
            shared,
            id,
            producers: VecDeque::new(),
            open: false,
            offsets: Offsets::new(),
        };
        producing.renew()?;
        Ok(producing)
    }

    pub(super) fn renew(&mut self) -> Result<(), LogError> {
        self.open = false;
        // First the old ones go: a late request of theirs is fenced by the new ones' epochs.
        self.producers.clear();
        let producers: Result<_, _> = TURNS.iter().map(|turn| self.create(turn)).collect();
        self.producers = producers?;
        Ok(())
    }

    fn create(&self, turn: &str) -> Result<Arc<BaseProducer<Transaction>>, LogError> {
        let context = Transaction::new(Arc::clone(&self.shared.clock));
        let config = self.shared.options.transactional(&format!("{}{turn}", self.id));
        let producer = BaseProducer::from_config_and_context(&config, context)
            .map_err(|error| LogError::Refused(format!("kafka producer: {error}")))?;
        let deadline = Instant::now() + INIT;
        loop {
            match producer.init_transactions(deadline.saturating_duration_since(Instant::now())) {
                Ok(()) => return Ok(Arc::new(producer)),
                Err(error) if failure::may_resume(&error) && Instant::now() < deadline => {}
                Err(error) => return Err(failure::transaction(Step::Init, &error)),
            }
        }
    }

    fn producer(&self) -> Result<&Arc<BaseProducer<Transaction>>, LogError> {
        self.producers
            .front()
            .ok_or_else(|| LogError::Unknown("the producers are to be renewed".to_owned()))
    }

    pub(super) fn begin(&mut self) -> Result<(), LogError> {
        let producer = self.producer()?;
        producer.context().take_failed();
        producer
            .begin_transaction()
            .map_err(|error| failure::transaction(Step::Begin, &error))?;
        self.open = true;
        Ok(())
    }

    pub(super) fn send(&mut self, new: &NewRecord) -> Result<(), LogError> {
        let producer = self.producer()?;
        let topic = self.shared.topic(&new.topic);
        let deadline = Instant::now() + CALL;
        loop {
            match record::enqueue(producer, &topic, new, ()) {
                Ok(()) => return Ok(()),
                Err((RDKafkaErrorCode::QueueFull, ())) if Instant::now() < deadline => serve(producer),
                Err((RDKafkaErrorCode::State | RDKafkaErrorCode::Fatal | RDKafkaErrorCode::Fenced, ())) => {
                    return Err(LogError::Unknown("the producer takes no record".to_owned()));
                }
                Err((code, ())) => return Err(failure::from_code("send", code)),
            }
        }
    }

    /// Waits until all records are acknowledged: `commit_transaction` would do so in steps of 100 ms.
    fn drain(producer: &BaseProducer<Transaction>) -> Result<(), LogError> {
        let deadline = Instant::now() + CALL;
        while producer.in_flight_count() > 0 {
            serve(producer);
            if Instant::now() >= deadline {
                return Err(LogError::Unknown(format!(
                    "{} records are not acknowledged",
                    producer.in_flight_count()
                )));
            }
        }
        match producer.context().take_failed() {
            None => Ok(()),
            Some(code) if failure::is_fenced(code) || producer.client().fatal_error().is_some() => {
                Err(LogError::Unknown(format!("send: {code} ({code:?})")))
            }
            Some(code) => Err(LogError::Abort(format!("send: {code} ({code:?})"))),
        }
    }

    /// Commits with these offsets; the metadata of each names this lane.
    pub(super) fn commit(
        &mut self,
        mut offsets: TopicPartitionList,
        lane: &str,
        group: &Arc<ConsumerGroupMetadata>,
    ) -> Result<(), LogError> {
        let producer = Arc::clone(self.producer()?);
        // Not behind the acknowledgements: the coordinator answers one request of a connection after the other, so the offsets
        // come behind the partitions, and beside the records.
        stamp(&mut offsets, lane);
        self.offsets
            .send(Arc::clone(&producer), offsets, Arc::clone(group), CALL)?;
        Self::drain(&producer)?;
        let committed = match producer.commit_transaction(CALL) {
            Err(error) if failure::may_resume(&error) => producer.commit_transaction(CALL),
            other => other,
        };
        committed.map_err(|error| failure::transaction(Step::Commit, &error))?;
        self.open = false;
        self.producers.rotate_left(1);
        Ok(())
    }

    pub(super) fn abort(&mut self) -> Result<(), LogError> {
        if !self.open {
            return Ok(());
        }
        let producer = self.producer()?;
        // An abort waits for reports that only a poll takes; so it is asked for in short calls with polls between, and
        // mostly there is nothing left to wait for.
        let deadline = Instant::now() + CALL;
        let settled = Instant::now() + ABORT_SLICE;
        while producer.in_flight_count() > 0 && Instant::now() < settled {
            serve(producer);
        }
        loop {
            match producer.abort_transaction(ABORT_SLICE) {
                Ok(()) => break,
                Err(error) if failure::may_resume(&error) && Instant::now() < deadline => serve(producer),
                Err(error) => return Err(failure::transaction(Step::Abort, &error)),
            }
        }
        self.open = false;
        Ok(())
    }
}

/// What adds offsets to an open transaction, and says in time how that went. librdkafka's own bound does not hold while it
/// waits for a group coordinator whose broker is gone: nothing may ever wake it (its issues 5456 and 5511). So the call has a
/// thread of its own; one that hangs keeps its thread and its producer, and the next call gets a new thread.
struct Offsets<C: ProducerContext + 'static> {
    /// To the thread that answered last.
    calls: Option<mpsc::Sender<Call<C>>>,
}

/// One call, and where its result goes.
struct Call<C: ProducerContext + 'static> {
    producer: Arc<BaseProducer<C>>,
    offsets: TopicPartitionList,
    group: Arc<ConsumerGroupMetadata>,
    bound: Duration,
    done: mpsc::SyncSender<KafkaResult<()>>,
}

impl<C: ProducerContext + 'static> Call<C> {
    fn carry_out(self) {
        let sent = self
            .producer
            .send_offsets_to_transaction(&self.offsets, &self.group, self.bound);
        // First the producer goes: whoever waits may be about to close it.
        drop(self.producer);
        // Nobody waits any more when it took too long.
        drop(self.done.send(sent));
    }
}

impl<C: ProducerContext + 'static> Offsets<C> {
    const fn new() -> Self {
        Self { calls: None }
    }

    fn start() -> Result<mpsc::Sender<Call<C>>, LogError> {
        let (calls, called) = mpsc::channel::<Call<C>>();
        thread::Builder::new()
            .name("kafka-offsets".to_owned())
            .spawn(move || called.into_iter().for_each(Call::carry_out))
            .map_err(|error| LogError::Abort(format!("offsets: no thread: {error}")))?;
        Ok(calls)
    }

    /// Adds the offsets. A thread that does not answer within `bound` and a little more is left to itself.
    fn send(
        &mut self,
        producer: Arc<BaseProducer<C>>,
        offsets: TopicPartitionList,
        group: Arc<ConsumerGroupMetadata>,
        bound: Duration,
    ) -> Result<(), LogError> {
        let calls = self.calls.take().map_or_else(Self::start, Ok)?;
        let (done, result) = mpsc::sync_channel(1);
        let call = Call {
            producer,
            offsets,
            group,
            bound,
            done,
        };
        calls
            .send(call)
            .map_err(|_| LogError::Abort("offsets: the thread is gone".to_owned()))?;
        let Ok(sent) = result.recv_timeout(bound + GRACE) else {
            return Err(LogError::Unknown(format!(
                "offsets: the group's coordinator does not answer within {bound:?}"
            )));
        };
        self.calls = Some(calls);
        sent.map_err(|error| failure::transaction(Step::Offsets, &error))
    }
}

/// Takes up one report; where there is none, waits a little.
fn serve(producer: &BaseProducer<Transaction>) {
    let before = producer.in_flight_count();
    producer.poll(Duration::ZERO);
    if producer.in_flight_count() == before {
        thread::sleep(DRAIN);
    }
}

fn stamp(offsets: &mut TopicPartitionList, lane: &str) {
    for mut element in offsets.elements() {
        element.set_metadata(lane);
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::ClientConfig;
    use rdkafka::consumer::{BaseConsumer, Consumer};
    use rdkafka::mocking::{MockCluster, MockCoordinator};
    use rdkafka::producer::{BaseRecord, DefaultProducerContext};

    use super::*;

    #[test]
    fn offsets_for_a_coordinator_that_is_gone_end_in_time() {
        let cluster = MockCluster::new(3).unwrap();
        cluster.create_topic("t", 1, 3).unwrap();
        cluster.partition_leader("t", 0, Some(1)).unwrap();
        cluster
            .coordinator(MockCoordinator::Transaction("lane".to_owned()), 1)
            .unwrap();
        cluster
            .coordinator(MockCoordinator::Group("group".to_owned()), 2)
            .unwrap();
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", cluster.bootstrap_servers());
        let consumer: BaseConsumer = config.clone().set("group.id", "group").create().unwrap();
        let group = Arc::new(consumer.group_metadata().unwrap());
        let producer: BaseProducer<DefaultProducerContext> = config.set("transactional.id", "lane").create().unwrap();
        let producer = Arc::new(producer);
        let mut sender = Offsets::new();
        let mut send = |bound| {
            producer.begin_transaction().unwrap();
            producer
                .send(BaseRecord::to("t").partition(0).key("k").payload("v"))
                .unwrap();
            let mut offsets = TopicPartitionList::new();
            offsets
                .add_partition_offset("t", 0, rdkafka::Offset::Offset(1))
                .unwrap();
            sender.send(Arc::clone(&producer), offsets, Arc::clone(&group), bound)
        };
        producer.init_transactions(CALL).unwrap();
        send(CALL).unwrap();
        producer.commit_transaction(CALL).unwrap();
        cluster.broker_down(2).unwrap();
        let began = Instant::now();
        let hung = send(Duration::from_millis(100)).unwrap_err();
        assert!(began.elapsed() < CALL);
        // Once librdkafka ends it itself, this bound has no more use.
        assert!(hung.to_string().contains("does not answer"), "{hung}");
    }
}
