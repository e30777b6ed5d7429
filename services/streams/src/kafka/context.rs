//! What librdkafka's callbacks do: they note things down and return.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::ProducerContext;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientContext, TopicPartitionList};

use super::clock::Clock;
use super::record;

fn report(client: &'static str, error: &KafkaError, reason: &str) {
    let code = error.rdkafka_error_code();
    if code == Some(RDKafkaErrorCode::PartitionEOF) {
        return;
    }
    let name = code.map_or_else(|| "unknown".to_owned(), |code| format!("{code:?}"));
    metrics::counter!("streams_kafka_errors_total", "client" => client, "code" => name).increment(1);
    tracing::warn!(client, code = ?code, reason, "kafka client error");
}

/// librdkafka's name for remarks on settings. Ours are the same for producers and consumers, so each client remarks on
/// those of the other kind; nobody has to do anything about it.
const SETTINGS: &str = "CONFWARN";

fn log_line(client: &'static str, level: RDKafkaLogLevel, facility: &str, text: &str) {
    match level {
        RDKafkaLogLevel::Warning if facility == SETTINGS => {
            tracing::debug!(target: "librdkafka", client, facility, "{text}");
        }
        RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical | RDKafkaLogLevel::Error => {
            tracing::error!(target: "librdkafka", client, facility, "{text}");
        }
        RDKafkaLogLevel::Warning => tracing::warn!(target: "librdkafka", client, facility, "{text}"),
        RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => {
            tracing::info!(target: "librdkafka", client, facility, "{text}");
        }
        RDKafkaLogLevel::Debug => tracing::debug!(target: "librdkafka", client, facility, "{text}"),
    }
}

/// Of a client that only asks, or only reads.
pub(super) struct Plain(pub(super) &'static str);

impl ClientContext for Plain {
    fn log(&self, level: RDKafkaLogLevel, fac: &str, text: &str) {
        log_line(self.0, level, fac, text);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        report(self.0, &error, reason);
    }
}

impl ConsumerContext for Plain {}

/// What the group decided, as it came.
#[derive(Debug)]
pub(super) enum Rebalance {
    Assign(Vec<u32>),
    Revoke { partitions: Vec<u32>, lost: bool },
}

/// Of a lane's consumer.
#[derive(Default)]
pub(super) struct Group {
    events: Mutex<VecDeque<Rebalance>>,
    closing: AtomicBool,
}

impl Group {
    pub(super) fn next(&self) -> Option<Rebalance> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    /// From now on partitions are given back inside the callback: nobody polls for events any more, and a consumer
    /// whose partitions are never given back never closes.
    pub(super) fn close(&self) {
        self.closing.store(true, Ordering::Release);
    }
}

impl ClientContext for Group {
    fn log(&self, level: RDKafkaLogLevel, fac: &str, text: &str) {
        log_line("member", level, fac, text);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        report("member", &error, reason);
    }
}

impl ConsumerContext for Group {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, err: RDKafkaRespErr, tpl: &mut TopicPartitionList) {
        let assigned = err == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        if self.closing.load(Ordering::Acquire) {
            let done = if assigned {
                consumer.incremental_assign(tpl)
            } else {
                consumer.incremental_unassign(tpl)
            };
            if let Err(error) = done {
                report("member", &error, "rebalance while closing");
            }
            return;
        }
        let partitions = tpl
            .elements()
            .iter()
            .map(|element| record::partition(element.partition()))
            .collect();
        let event = if assigned {
            Rebalance::Assign(partitions)
        } else {
            Rebalance::Revoke {
                partitions,
                lost: consumer.assignment_lost(),
            }
        };
        self.events
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push_back(event);
    }
}

/// Of a lane's producer.
pub(super) struct Transaction {
    clock: Arc<Clock>,
    /// The first record of this transaction that was not taken in.
    failed: Mutex<Option<RDKafkaErrorCode>>,
}

impl Transaction {
    pub(super) fn new(clock: Arc<Clock>) -> Self {
        Self {
            clock,
            failed: Mutex::new(None),
        }
    }

    pub(super) fn take_failed(&self) -> Option<RDKafkaErrorCode> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl ClientContext for Transaction {
    fn log(&self, level: RDKafkaLogLevel, fac: &str, text: &str) {
        log_line("transaction", level, fac, text);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        report("transaction", &error, reason);
    }
}

impl ProducerContext for Transaction {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        match result {
            Ok(message) => {
                if let Some(appended) = message.timestamp().to_millis() {
                    self.clock.acknowledged(appended);
                }
            }
            Err((error, _)) => {
                let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
                let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown);
                failed.get_or_insert(code);
            }
        }
    }
}

/// Shown by its name alone.
pub(super) fn consumer_error(client: &'static str, error: &KafkaError) {
    report(client, error, "while reading");
}
