//! What the clients are told: our settings, and the few a person may change.

use std::fmt;
use std::time::Duration;

use rdkafka::config::{ClientConfig, RDKafkaLogLevel};

use crate::log::LogError;

/// How to reach a cluster.
#[derive(Clone)]
pub struct KafkaOptions {
    /// `bootstrap.servers`.
    pub brokers: String,
    /// librdkafka properties for the connection: TLS, SASL, sockets. Others are refused; see [`properties`].
    pub config: Vec<(String, String)>,
    /// Stands in front of every topic, group and transactional id, so that several systems share a cluster.
    pub topic_prefix: String,
    /// The replication factor of topics to be made; none for the brokers' `default.replication.factor`.
    pub replication: Option<u16>,
    /// After this long without a heartbeat a member is declared dead. Brokers allow no less than their
    /// `group.min.session.timeout.ms`, 6 s.
    pub session_timeout: Duration,
    /// A member that does not poll for this long gives up its partitions.
    pub max_poll_interval: Duration,
    /// How long a record may wait for its acknowledgement.
    pub delivery_timeout: Duration,
}

impl Default for KafkaOptions {
    fn default() -> Self {
        Self {
            brokers: "localhost:9092".to_owned(),
            config: Vec::new(),
            topic_prefix: String::new(),
            replication: None,
            session_timeout: Duration::from_secs(10),
            max_poll_interval: Duration::from_mins(1),
            delivery_timeout: DELIVERY_TIMEOUT,
        }
    }
}

impl fmt::Debug for KafkaOptions {
    /// Without the values of `config`: they hold passwords.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.config.iter().map(|(name, _)| name).collect();
        f.debug_struct("KafkaOptions")
            .field("brokers", &self.brokers)
            .field("config", &names)
            .field("topic_prefix", &self.topic_prefix)
            .field("replication", &self.replication)
            .finish_non_exhaustive()
    }
}

/// Prometheus gives up a request after 10 s; an answer must come before.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(8);
/// A transaction left open by a dead lane that nobody fences is aborted by the broker after this.
pub(super) const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(10);
/// The largest batch sent. A record is at most 900 KiB by itself; Kafka's default of 1,000,000 leaves little room for
/// its key and headers.
pub(super) const MAX_BATCH_BYTES: usize = 1_040_000;
/// How long a broker holds a member's fetch back when there is nothing. A record is answered with at once; only "this is
/// the end" comes as late as this, and with it a timer that is due. At 5 ms four idle services took one and a half cores.
const MEMBER_FETCH_MS: u32 = 20;
/// The same for readers: of tables, views and restores, whose end nobody times.
const READER_FETCH_MS: u32 = 50;
/// A view's reader is answered at once when this much is there: it follows dozens of partitions that each commit touches,
/// and an answer for each commit cost a broker more than the commit's own reader did.
const VIEW_FETCH_BYTES: usize = 65_536;
/// How long an append outside any transaction waits for others to share its request. A sender that posts alerts one by one
/// would else have each become a request, and a fetch of the lane that reads it.
const APPEND_LINGER_MS: u32 = 5;
/// What one lane reads ahead.
const READ_AHEAD_RECORDS: u32 = 20_000;
/// And at most this much of it, in KiB: a process has several lanes.
const READ_AHEAD_KIB: u32 = 32_768;

/// Properties a person may set: how to connect. What decides whether a record is lost or seen twice is ours.
const ALLOWED: [&str; 12] = [
    "security.protocol",
    "enable.ssl.certificate.verification",
    "client.id",
    "client.rack",
    "client.dns.lookup",
    "connections.max.idle.ms",
    "broker.address.family",
    "broker.address.ttl",
    "metadata.max.age.ms",
    "allow.auto.create.topics",
    "debug",
    "log_level",
];
const ALLOWED_PREFIXES: [&str; 5] = ["ssl.", "sasl.", "socket.", "reconnect.backoff.", "enable.sasl."];

/// Reads a librdkafka properties file: `name=value` lines, `#` begins a comment line.
///
/// # Errors
/// [`LogError::Refused`] with the line's number, for a line that is no property and for one that is not ours to take.
pub fn properties(text: &str) -> Result<Vec<(String, String)>, LogError> {
    let mut read = Vec::new();
    for (number, line) in text.lines().enumerate().map(|(index, line)| (index + 1, line.trim())) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let Some((name, value)) = line.split_once('=') else {
            return Err(LogError::Refused(format!(
                "kafka config, line {number}: expected name=value"
            )));
        };
        let (name, value) = (name.trim(), value.trim());
        allowed(name).map_err(|error| LogError::Refused(format!("kafka config, line {number}: {error}")))?;
        read.push((name.to_owned(), value.to_owned()));
    }
    Ok(read)
}

fn allowed(name: &str) -> Result<(), String> {
    if ALLOWED.contains(&name) || ALLOWED_PREFIXES.iter().any(|prefix| name.starts_with(prefix)) {
        return Ok(());
    }
    Err(format!(
        "{name} is not a property of the connection; only those can be set"
    ))
}

fn millis(duration: Duration) -> String {
    duration.as_millis().to_string()
}

impl KafkaOptions {
    pub(super) fn check(&self) -> Result<(), LogError> {
        for (name, _) in &self.config {
            allowed(name).map_err(|error| LogError::Refused(format!("kafka config: {error}")))?;
        }
        Ok(())
    }

    /// A client that only asks. High watermarks count open transactions in.
    pub(super) fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.brokers)
            .set("client.id", "alertstream")
            .set("isolation.level", "read_uncommitted")
            .set("enable.auto.commit", "false")
            .set("allow.auto.create.topics", "false")
            .set("topic.metadata.propagation.max.ms", "10000")
            // A write is answered before the next is sent: waiting for a fuller packet is waiting for nothing.
            .set("socket.nagle.disable", "true")
            .set("reconnect.backoff.max.ms", "1000")
            .set("log.connection.close", "false");
        if self
            .config
            .iter()
            .any(|(name, value)| name == "security.protocol" && value.to_ascii_lowercase().contains("ssl"))
        {
            // A statically linked OpenSSL does not know where this system keeps its certificates.
            config.set("ssl.ca.location", "probe");
        }
        for (name, value) in &self.config {
            config.set(name, value);
        }
        config.set_log_level(RDKafkaLogLevel::Info);
        config
    }

    /// A reader outside any group; librdkafka wants a group's name all the same.
    pub(super) fn reader(&self) -> ClientConfig {
        let mut config = self.client();
        config
            .set("group.id", format!("{}reader", self.topic_prefix))
            .set("isolation.level", "read_committed")
            .set("auto.offset.reset", "earliest");
        reading(&mut config, READER_FETCH_MS);
        config
    }

    /// A reader of a view: the broker answers when there is much, or after a moment.
    pub(super) fn view_reader(&self) -> ClientConfig {
        let mut config = self.reader();
        config.set("fetch.min.bytes", VIEW_FETCH_BYTES.to_string());
        config
    }

    /// A lane's consumer.
    pub(super) fn member(&self, group: &str) -> ClientConfig {
        let mut config = self.client();
        config
            .set("group.id", group)
            .set("isolation.level", "read_committed")
            // Two topics would not be shared out alike by it; a stage has one inbox.
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("session.timeout.ms", millis(self.session_timeout))
            // Each of the two rebalances of a move waits for one.
            .set(
                "heartbeat.interval.ms",
                millis((self.session_timeout / 10).min(Duration::from_secs(1))),
            )
            .set(
                "max.poll.interval.ms",
                millis(self.max_poll_interval.max(self.session_timeout)),
            )
            // A position that the log no longer has is said, never silently replaced.
            .set("auto.offset.reset", "error");
        reading(&mut config, MEMBER_FETCH_MS);
        config
    }

    /// A producer that appends outside any transaction.
    pub(super) fn appender(&self) -> ClientConfig {
        let mut config = self.client();
        config.set("message.timeout.ms", millis(self.delivery_timeout));
        writing(&mut config);
        config.set("linger.ms", APPEND_LINGER_MS.to_string());
        config
    }

    /// A lane's producer.
    pub(super) fn transactional(&self, id: &str) -> ClientConfig {
        let mut config = self.client();
        config
            .set("transactional.id", id)
            .set("transaction.timeout.ms", millis(TRANSACTION_TIMEOUT))
            .set("message.timeout.ms", millis(DELIVERY_TIMEOUT));
        writing(&mut config);
        config
    }
}

fn reading(config: &mut ClientConfig, fetch_ms: u32) {
    config
        .set("enable.partition.eof", "true")
        .set("enable.auto.offset.store", "false")
        .set("fetch.wait.max.ms", fetch_ms.to_string())
        .set("fetch.error.backoff.ms", "50")
        // The default of 1 s stalls a lane whose read-ahead was full.
        .set("fetch.queue.backoff.ms", "5")
        .set("queued.min.messages", READ_AHEAD_RECORDS.to_string())
        .set("queued.max.messages.kbytes", READ_AHEAD_KIB.to_string());
}

fn writing(config: &mut ClientConfig) {
    config
        .set("enable.idempotence", "true")
        .set("acks", "all")
        // Paid at the end of every commit.
        .set("linger.ms", "1")
        .set("compression.type", "lz4")
        .set("message.max.bytes", MAX_BATCH_BYTES.to_string())
        .set("queue.buffering.max.kbytes", "131072")
        .set("queue.buffering.max.messages", "200000")
        .set("retry.backoff.ms", "20")
        .set("retry.backoff.max.ms", "200");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connection_properties_are_read_and_others_refused() {
        let refused = |text: &str| Err(LogError::Refused(text.to_owned()));
        let rows = [
            ("", Ok(vec![])),
            (
                "# tls\n\n security.protocol = SASL_SSL \n",
                Ok(vec![("security.protocol", "SASL_SSL")]),
            ),
            ("sasl.password=a=b", Ok(vec![("sasl.password", "a=b")])),
            ("\nnonsense", refused("kafka config, line 2: expected name=value")),
            (
                "ssl.ca.location=/ca.pem\nacks=1",
                refused("kafka config, line 2: acks is not a property of the connection; only those can be set"),
            ),
        ];
        for (text, expected) in rows {
            let expected = expected.map(|pairs| {
                pairs
                    .into_iter()
                    .map(|(n, v)| (n.to_owned(), v.to_owned()))
                    .collect::<Vec<(String, String)>>()
            });
            assert_eq!(properties(text), expected, "{text}");
        }
    }

    #[test]
    fn passwords_are_not_printed() {
        let options = KafkaOptions {
            config: vec![("sasl.password".to_owned(), "s3cret".to_owned())],
            ..Default::default()
        };
        assert!(!format!("{options:?}").contains("s3cret"));
    }
}
