//! The log on Kafka as a stand: one broker for all rules, names of its own for each.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use streams::Log;
use streams::kafka::broker::Broker;
use streams::kafka::{KafkaLog, KafkaOptions};

use crate::stand::Stand;

/// One rule at a time: one of them restarts the broker.
static TURN: Mutex<()> = Mutex::new(());
static COUNT: AtomicU32 = AtomicU32::new(0);

/// A log with a prefix of its own.
pub struct Kafka {
    log: Option<Arc<KafkaLog>>,
    options: KafkaOptions,
    broker: Arc<Mutex<Broker>>,
    _turn: MutexGuard<'static, ()>,
}

impl Kafka {
    /// None where there is no broker, which it says.
    pub fn find() -> Option<Self> {
        let broker = Broker::shared().expect("a broker is required")?;
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let brokers = broker
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .address()
            .to_owned();
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let topic_prefix = format!("c{}-{number}.", std::process::id());
        let options = KafkaOptions {
            brokers,
            topic_prefix,
            ..KafkaOptions::default()
        };
        let log = KafkaLog::connect(options.clone()).expect("a connection");
        Some(Self {
            log: Some(log),
            options,
            broker,
            _turn: turn,
        })
    }
}

impl Stand for Kafka {
    fn log(&self) -> Arc<dyn Log> {
        Arc::clone(self.log.as_ref().expect("an open log")) as Arc<dyn Log>
    }

    fn name(&self, bare: &str) -> String {
        bare.to_owned()
    }

    fn restart(&mut self) -> bool {
        self.log = None;
        let restarted = self
            .broker
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .restart()
            .is_ok();
        self.log = Some(KafkaLog::connect(self.options.clone()).expect("a connection"));
        restarted
    }

    fn trims(&self) -> bool {
        // A broker drops a segment at a time, after minutes at the least.
        false
    }
}
