//! Appends outside any transaction: one idempotent producer for all threads.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::config::{ClientConfig, FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::{BaseProducer, Producer, ProducerContext};

use super::clock::Clock;
use super::context::Plain;
use super::{failure, record};
use crate::log::{AppendDone, LogError, NewRecord};

/// Records on their way. librdkafka's own limit is twice that, so that its queue is never what refuses half a call.
const MAX_IN_FLIGHT: usize = 100_000;
/// And their bytes: half of `queue.buffering.max.kbytes`.
const MAX_BYTES_IN_FLIGHT: usize = 64 << 20;
/// How long the polling thread waits at a time. A log that is dropped waits for it; and the client library spins through the
/// last millisecond of each, which at 50 ms took a fiftieth of a core.
const POLL: Duration = Duration::from_millis(250);

/// What is on its way.
#[derive(Debug, Default)]
struct Budget {
    records: AtomicUsize,
    bytes: AtomicUsize,
}

impl Budget {
    fn take(&self, records: usize, bytes: usize) -> bool {
        let taken_records = self.records.fetch_add(records, Ordering::AcqRel);
        let taken_bytes = self.bytes.fetch_add(bytes, Ordering::AcqRel);
        let fits = taken_records + records <= MAX_IN_FLIGHT && taken_bytes + bytes <= MAX_BYTES_IN_FLIGHT;
        // What is larger than the limit by itself goes through alone.
        if fits || taken_records == 0 {
            return true;
        }
        self.give_back(records, bytes);
        false
    }

    fn give_back(&self, records: usize, bytes: usize) {
        self.records.fetch_sub(records, Ordering::AcqRel);
        self.bytes.fetch_sub(bytes, Ordering::AcqRel);
    }
}

/// One call of `append`.
struct Call {
    budget: Arc<Budget>,
    records: usize,
    bytes: usize,
    state: Mutex<State>,
}

struct State {
    offsets: Vec<i64>,
    left: usize,
    error: Option<LogError>,
    done: Option<AppendDone>,
}

impl Call {
    /// `count` records are settled: the one at `index` with its offset, or all of them with an error.
    fn settle(&self, count: usize, result: Result<(usize, i64), LogError>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match result {
            Ok((index, offset)) => {
                if let Some(place) = state.offsets.get_mut(index) {
                    *place = offset;
                }
            }
            Err(error) => {
                state.error.get_or_insert(error);
            }
        }
        state.left = state.left.saturating_sub(count);
        if state.left > 0 {
            return;
        }
        let Some(done) = state.done.take() else { return };
        let result = match state.error.take() {
            Some(error) => Err(error),
            None => Ok(std::mem::take(&mut state.offsets)),
        };
        drop(state);
        self.budget.give_back(self.records, self.bytes);
        done(result);
    }
}

/// One record's place in its call.
pub(super) struct Ticket {
    call: Arc<Call>,
    index: usize,
}

/// Of the shared producer.
pub(super) struct Append {
    plain: Plain,
    clock: Arc<Clock>,
    /// The producer is of no use any more.
    fatal: Arc<AtomicBool>,
}

impl ClientContext for Append {
    fn log(&self, level: RDKafkaLogLevel, fac: &str, text: &str) {
        self.plain.log(level, fac, text);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::Fatal) {
            self.fatal.store(true, Ordering::Release);
        }
        self.plain.error(error, reason);
    }
}

impl ProducerContext for Append {
    type DeliveryOpaque = Box<Ticket>;

    fn delivery(&self, result: &DeliveryResult<'_>, ticket: Box<Ticket>) {
        let settled = match result {
            Ok(message) => {
                if let Some(appended) = message.timestamp().to_millis() {
                    self.clock.acknowledged(appended);
                }
                Ok((ticket.index, message.offset()))
            }
            Err((error, _)) => Err(failure::delivery(
                error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown),
            )),
        };
        ticket.call.settle(1, settled);
    }
}

type SharedProducer = Arc<Mutex<Arc<BaseProducer<Append>>>>;

/// The shared producer and the thread that polls it.
pub(super) struct Appender {
    producer: SharedProducer,
    budget: Arc<Budget>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Appender {
    pub(super) fn start(config: ClientConfig, clock: Arc<Clock>) -> Result<Self, LogError> {
        let fatal = Arc::new(AtomicBool::new(false));
        let first = create(&config, &clock, &fatal)?;
        let producer: SharedProducer = Arc::new(Mutex::new(Arc::new(first)));
        let stop = Arc::new(AtomicBool::new(false));
        let (polled, stopping) = (Arc::clone(&producer), Arc::clone(&stop));
        let thread = std::thread::Builder::new()
            .name("kafka-append".to_owned())
            .spawn(move || poll_until_stopped(&polled, &stopping, &fatal, &config, &clock))
            .map_err(|error| LogError::Fatal(format!("starting a thread: {error}")))?;
        Ok(Self {
            producer,
            budget: Arc::default(),
            stop,
            thread: Some(thread),
        })
    }

    /// `topic` gives a record's full topic.
    pub(super) fn append(&self, records: &[NewRecord], topic: impl Fn(&str) -> String, done: AppendDone) {
        if records.is_empty() {
            return done(Ok(Vec::new()));
        }
        let bytes = records.iter().map(record::size).sum();
        if !self.budget.take(records.len(), bytes) {
            return done(Err(LogError::Busy(
                "too much is waiting for the brokers' acknowledgement".to_owned(),
            )));
        }
        let state = State {
            offsets: vec![-1; records.len()],
            left: records.len(),
            error: None,
            done: Some(done),
        };
        let budget = Arc::clone(&self.budget);
        let call = Arc::new(Call {
            budget,
            records: records.len(),
            bytes,
            state: Mutex::new(state),
        });
        let producer = Arc::clone(&self.producer.lock().unwrap_or_else(PoisonError::into_inner));
        for (index, new) in records.iter().enumerate() {
            let ticket = Box::new(Ticket {
                call: Arc::clone(&call),
                index,
            });
            if let Err((code, _)) = record::enqueue(&producer, &topic(&new.topic), new, ticket) {
                return call.settle(records.len() - index, Err(failure::delivery(code)));
            }
        }
    }
}

impl Drop for Appender {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != std::thread::current().id()
            && thread.join().is_err()
        {
            tracing::error!("the appending thread panicked");
        }
    }
}

fn create(
    config: &ClientConfig,
    clock: &Arc<Clock>,
    fatal: &Arc<AtomicBool>,
) -> Result<BaseProducer<Append>, LogError> {
    let context = Append {
        plain: Plain("append"),
        clock: Arc::clone(clock),
        fatal: Arc::clone(fatal),
    };
    BaseProducer::from_config_and_context(config, context)
        .map_err(|error| LogError::Refused(format!("kafka producer: {error}")))
}

/// Serves acknowledgements, and replaces a producer that met a fatal error.
fn poll_until_stopped(
    shared: &SharedProducer,
    stop: &AtomicBool,
    fatal: &Arc<AtomicBool>,
    config: &ClientConfig,
    clock: &Arc<Clock>,
) {
    while !stop.load(Ordering::Acquire) {
        let producer = Arc::clone(&shared.lock().unwrap_or_else(PoisonError::into_inner));
        producer.poll(POLL);
        if !fatal.load(Ordering::Acquire) {
            continue;
        }
        match create(config, clock, fatal) {
            Ok(new) => {
                tracing::warn!(
                    waiting = producer.in_flight_count(),
                    "the appending producer failed for good and is replaced"
                );
                *shared.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(new);
                fatal.store(false, Ordering::Release);
            }
            Err(error) => tracing::error!(%error, "the appending producer cannot be replaced"),
        }
    }
}
