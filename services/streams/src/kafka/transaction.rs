//! A lane's transactional producer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::ConsumerGroupMetadata;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::producer::{BaseProducer, Producer};

use super::context::Transaction;
use super::failure::{self, Step};
use super::{Shared, record};
use crate::log::{LogError, NewRecord};

/// How long one call to the coordinator may take. All calls of a commit together stay below `max.poll.interval.ms`.
const CALL: Duration = Duration::from_secs(10);
/// How long a producer may take to get its id, an open transaction of its predecessor included. A coordinator that moves
/// takes some seconds; `max.poll.interval.ms` bounds it from above.
const INIT: Duration = Duration::from_secs(30);
/// A wait for acknowledgements is made of these; also what a commit may lose by it. Not a poll that waits: the client
/// library counts whole milliseconds, and spins through the last one, on a core that the brokers' answers need.
const DRAIN: Duration = Duration::from_micros(200);

/// One call of an abort.
const ABORT_SLICE: Duration = Duration::from_millis(50);

/// The producer, and whether a transaction is open.
pub(super) struct Producing {
    shared: Arc<Shared>,
    /// With the prefix.
    id: String,
    /// None between a failed renewal and the next.
    producer: Option<BaseProducer<Transaction>>,
    open: bool,
}

impl Producing {
    /// Fences whoever has this id, and aborts what they left open.
    pub(super) fn start(shared: Arc<Shared>, id: String) -> Result<Self, LogError> {
        let mut producing = Self {
            shared,
            id,
            producer: None,
            open: false,
        };
        producing.renew()?;
        Ok(producing)
    }

    pub(super) fn renew(&mut self) -> Result<(), LogError> {
        self.open = false;
        // First the old one goes: a late request of its is fenced by the new one's epoch.
        drop(self.producer.take());
        let context = Transaction::new(Arc::clone(&self.shared.clock));
        let config = self.shared.options.transactional(&self.id);
        let producer = BaseProducer::from_config_and_context(&config, context)
            .map_err(|error| LogError::Refused(format!("kafka producer: {error}")))?;
        let deadline = Instant::now() + INIT;
        loop {
            match producer.init_transactions(deadline.saturating_duration_since(Instant::now())) {
                Ok(()) => break,
                Err(error) if failure::may_resume(&error) && Instant::now() < deadline => {}
                Err(error) => return Err(failure::transaction(Step::Init, &error)),
            }
        }
        self.producer = Some(producer);
        Ok(())
    }

    fn producer(&self) -> Result<&BaseProducer<Transaction>, LogError> {
        self.producer
            .as_ref()
            .ok_or_else(|| LogError::Unknown("the producer is to be renewed".to_owned()))
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

    /// Waits until every record is acknowledged: `commit_transaction` would do so in steps of 100 ms.
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
        group: &ConsumerGroupMetadata,
    ) -> Result<(), LogError> {
        let producer = self.producer()?;
        Self::drain(producer)?;
        stamp(&mut offsets, lane);
        producer
            .send_offsets_to_transaction(&offsets, group, CALL)
            .map_err(|error| failure::transaction(Step::Offsets, &error))?;
        let committed = match producer.commit_transaction(CALL) {
            Err(error) if failure::may_resume(&error) => producer.commit_transaction(CALL),
            other => other,
        };
        committed.map_err(|error| failure::transaction(Step::Commit, &error))?;
        self.open = false;
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

/// Takes up one report; where there is none, waits a little.
fn serve(producer: &BaseProducer<Transaction>) {
    let before = producer.in_flight_count();
    producer.poll(Duration::ZERO);
    if producer.in_flight_count() == before {
        std::thread::sleep(DRAIN);
    }
}

fn stamp(offsets: &mut TopicPartitionList, lane: &str) {
    for mut element in offsets.elements() {
        element.set_metadata(lane);
    }
}
