//! A Kafka for tests: one that is there, or one that is started and ended with the test.
//!
//! Tried in this order: the address in `ALERTSTREAM_KAFKA`; a container, where a Docker engine answers and has or gets
//! the image; Apache Kafka's Maven artifacts as a Java process, where `mvn` and `java` are there. With
//! `ALERTSTREAM_REQUIRE_KAFKA=1` (CI) it is an error to have none; else tests say so and pass.

mod container;
mod java;

use std::fmt;
use std::io::Write;
use std::net::TcpListener;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};

/// The release that is started.
const RELEASE: &str = "4.1.0";
/// How long a broker may take to answer; a loaded machine with two cores takes some 15 s.
const READY: Duration = Duration::from_mins(2);
/// An address where to find a broker that is already there.
const ADDRESS: &str = "ALERTSTREAM_KAFKA";
/// Whether its absence is a failure.
const REQUIRED: &str = "ALERTSTREAM_REQUIRE_KAFKA";

/// Why there is no Kafka: what was tried, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skip(pub String);

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no Kafka (tried {})", self.0)
    }
}

impl std::error::Error for Skip {}

/// Says that a test is skipped, and why. Into standard error itself: what a test prints is shown only where it fails.
pub fn say_skipped(why: &str) {
    // Without a standard error there is nobody to tell.
    drop(writeln!(std::io::stderr(), "SKIPPED: {why}"));
}

#[derive(Debug)]
enum Kind {
    Given,
    Container(Box<container::KafkaContainer>),
    Java(java::KafkaProcess),
}

/// A broker. Dropping it ends what was started.
#[derive(Debug)]
pub struct Broker {
    address: String,
    kind: Kind,
}

impl Broker {
    /// Finds or starts one and waits until it answers.
    ///
    /// # Errors
    /// What was tried in vain.
    pub fn find() -> Result<Self, Skip> {
        if let Ok(address) = std::env::var(ADDRESS) {
            return match wait_until_ready(&address) {
                Ok(()) => Ok(Self {
                    address,
                    kind: Kind::Given,
                }),
                Err(error) => Err(Skip(format!("{ADDRESS}={address}: {error}"))),
            };
        }
        let mut tried = vec![format!("{ADDRESS}: not set")];
        match container::KafkaContainer::start() {
            Ok(started) => return Self::started(started.address(), Kind::Container(Box::new(started))),
            Err(error) => tried.push(format!("Docker: {error}")),
        }
        match java::KafkaProcess::start() {
            Ok(started) => return Self::started(started.address(), Kind::Java(started)),
            Err(error) => tried.push(format!("Maven and Java: {error}")),
        }
        Err(Skip(tried.join("; ")))
    }

    /// As [`Broker::find`]; when there is none, says so on standard error and gives none, so that a test can return.
    ///
    /// # Errors
    /// There is none, and `ALERTSTREAM_REQUIRE_KAFKA=1`.
    pub fn find_or_say() -> Result<Option<Self>, Skip> {
        match Self::find() {
            Ok(broker) => Ok(Some(broker)),
            Err(skip) if std::env::var(REQUIRED).is_ok_and(|value| value == "1") => Err(skip),
            Err(skip) => {
                say_skipped(&skip.to_string());
                Ok(None)
            }
        }
    }

    /// The broker of this process's tests: started by the first who asks, ended with the last who holds it.
    ///
    /// # Errors
    /// As [`Broker::find_or_say`].
    pub fn shared() -> Result<Option<Arc<Mutex<Self>>>, Skip> {
        static SHARED: Mutex<Weak<Mutex<Broker>>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(broker) = shared.upgrade() {
            return Ok(Some(broker));
        }
        let Some(broker) = Self::find_or_say()? else {
            return Ok(None);
        };
        let broker = Arc::new(Mutex::new(broker));
        *shared = Arc::downgrade(&broker);
        Ok(Some(broker))
    }

    fn started(address: String, kind: Kind) -> Result<Self, Skip> {
        wait_until_ready(&address).map_err(|error| Skip(format!("{kind:?}: {error}")))?;
        Ok(Self { address, kind })
    }

    /// `host:port`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Ends the broker's process at once, as a power cut would; its data stay.
    ///
    /// # Errors
    /// It is not ours to end.
    pub fn stop(&mut self) -> Result<(), Skip> {
        match &mut self.kind {
            Kind::Given => Err(Skip(format!("ending the broker of {ADDRESS}"))),
            Kind::Container(container) => container.stop().map_err(Skip),
            Kind::Java(process) => {
                process.stop();
                Ok(())
            }
        }
    }

    /// Ends it, starts it on the same address with the same data, and waits until it answers.
    ///
    /// # Errors
    /// It is not ours to end, or did not come back.
    pub fn restart(&mut self) -> Result<(), Skip> {
        self.stop()?;
        match &mut self.kind {
            Kind::Given => {}
            Kind::Container(container) => container.start_again().map_err(Skip)?,
            Kind::Java(process) => process.start_again().map_err(Skip)?,
        }
        wait_until_ready(&self.address).map_err(Skip)
    }
}

/// The settings of a single node that answers at `advertised`, in the names of `server.properties`. Test members may
/// die quickly, and a first member need not wait for others.
fn node_settings(listen: &str, controller: &str, advertised: &str) -> Vec<(&'static str, String)> {
    let mut settings = vec![
        ("process.roles", "broker,controller".to_owned()),
        ("node.id", "1".to_owned()),
        ("controller.quorum.voters", format!("1@{controller}")),
        ("controller.listener.names", "CONTROLLER".to_owned()),
        ("inter.broker.listener.name", "PLAINTEXT".to_owned()),
        (
            "listener.security.protocol.map",
            "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT".to_owned(),
        ),
        ("listeners", format!("PLAINTEXT://{listen},CONTROLLER://{controller}")),
        ("advertised.listeners", format!("PLAINTEXT://{advertised}")),
    ];
    let fixed = [
        ("offsets.topic.replication.factor", "1"),
        ("offsets.topic.num.partitions", "4"),
        ("transaction.state.log.replication.factor", "1"),
        ("transaction.state.log.min.isr", "1"),
        ("transaction.state.log.num.partitions", "4"),
        ("share.coordinator.state.topic.replication.factor", "1"),
        ("share.coordinator.state.topic.min.isr", "1"),
        ("default.replication.factor", "1"),
        ("min.insync.replicas", "1"),
        // A broker that was killed and comes back waits for its former life's session to end.
        ("broker.session.timeout.ms", "3000"),
        ("broker.heartbeat.interval.ms", "500"),
        ("group.initial.rebalance.delay.ms", "0"),
        ("group.min.session.timeout.ms", "500"),
        ("auto.create.topics.enable", "false"),
        ("log.cleaner.backoff.ms", "200"),
        ("log.cleaner.dedupe.buffer.size", "16777216"),
        ("log.retention.check.interval.ms", "1000"),
    ];
    settings.extend(fixed.map(|(name, value)| (name, value.to_owned())));
    settings
}

/// Ports that were free a moment ago.
fn free_ports<const N: usize>() -> Result<[u16; N], String> {
    let mut held = Vec::with_capacity(N);
    let mut ports = [0; N];
    for port in &mut ports {
        let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(|error| format!("a free port: {error}"))?;
        *port = listener
            .local_addr()
            .map_err(|error| format!("a free port: {error}"))?
            .port();
        held.push(listener);
    }
    Ok(ports)
}

fn wait_until_ready(address: &str) -> Result<(), String> {
    let asking: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", address)
        .set("reconnect.backoff.max.ms", "250")
        .set("log_level", "0")
        .create()
        .map_err(|error| error.to_string())?;
    let deadline = Instant::now() + READY;
    loop {
        match asking.fetch_metadata(None, Duration::from_secs(1)) {
            Ok(metadata) if !metadata.brokers().is_empty() => return Ok(()),
            Err(error) if Instant::now() >= deadline => return Err(format!("{address}: {error}")),
            Ok(_) | Err(_) => {}
        }
    }
}
