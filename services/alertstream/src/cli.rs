//! The command line. Flags carry Alertmanager's names wherever it has one.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Parser;
use clap::builder::ArgPredicate;

/// The alert pipeline: an alert comes in, the right person is told.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "alertstream",
    version,
    about = "An alert pipeline on Kafka, or on one machine without it; takes Alertmanager's place",
    after_help = "Commands:\n  up                            everything in one process (the default)\n  ingest,correlate,route,notify,console\n                                one service, or several behind one listener, on Kafka\n  topics create                 make the topics on a Kafka\n  check-config                  read both config files and say what is wrong with them"
)]
pub(crate) struct Cli {
    /// What to run; see below.
    #[arg(value_name = "COMMAND", default_value = "up")]
    pub command: Vec<String>,

    /// Alertmanager's configuration file. Default: `alertmanager.yml` where it is, else a built-in one.
    #[arg(long = "config.file", value_name = "FILE")]
    pub config_file: Option<PathBuf>,

    /// What Alertmanager's file does not know: teams, policies, fallbacks. Default: `escalation.yml` where it is.
    #[arg(long = "escalation.file", value_name = "FILE")]
    pub escalation_file: Option<PathBuf>,

    /// With `up`: sample alerts of three teams under a config of their own, in a folder of their own.
    #[arg(long, conflicts_with_all = ["config_file", "escalation_file"])]
    pub demo: bool,

    /// The embedded log's folder.
    #[arg(long = "storage.path", value_name = "DIR", default_value = "data/",
        default_value_if("demo", ArgPredicate::Equals("true".into()), "data-demo/"))]
    pub storage_path: PathBuf,

    /// The most the embedded log keeps of records that may be dropped, in bytes (suffixes KB, MB, GB).
    #[arg(long = "storage.retention.size", value_name = "SIZE", default_value = "4GB", value_parser = size)]
    pub storage_retention_size: u64,

    /// Where to listen for HTTP.
    #[arg(long = "web.listen-address", value_name = "ADDRESS", default_value = "127.0.0.1:9093", value_parser = listen)]
    pub web_listen_address: SocketAddr,

    /// The URL people reach this under, for links; its path is the prefix of every route.
    #[arg(long = "web.external-url", value_name = "URL")]
    pub web_external_url: Option<String>,

    /// Only messages of at least this severity: debug, info, warn, error.
    #[arg(long = "log.level", value_name = "LEVEL", default_value = "info")]
    pub log_level: String,

    /// logfmt or json.
    #[arg(long = "log.format", value_name = "FORMAT", default_value = "logfmt")]
    pub log_format: String,

    /// Kafka's bootstrap servers; without it `up` runs on the embedded log.
    #[arg(long = "kafka.brokers", value_name = "HOST:PORT,…")]
    pub kafka_brokers: Option<String>,

    /// librdkafka properties, one `name=value` a line: TLS, SASL.
    #[arg(long = "kafka.config", value_name = "FILE")]
    pub kafka_config: Option<PathBuf>,

    /// Put before every topic's name, so that several systems share a cluster.
    #[arg(long = "topic-prefix", value_name = "PREFIX", default_value = "")]
    pub topic_prefix: String,

    /// Topics of alert events to read, comma-separated.
    #[arg(long = "event-topics", value_name = "TOPICS", default_value = "alert-events")]
    pub event_topics: String,

    /// This process's name among all. Default: a fresh one at each start.
    #[arg(long = "instance", value_name = "NAME")]
    pub instance: Option<String>,

    /// Threads that a stage runs on here. More of them help where one is busy all the time; each commits on its own, and
    /// on Kafka commits are what costs.
    #[arg(long = "lanes", value_name = "N", default_value_t = 1)]
    pub lanes: usize,

    /// For `topics create`: partitions of the group-keyed topics, fixed from then on.
    #[arg(long = "partitions", value_name = "P", default_value_t = schemas::topics::DEFAULT_PARTITIONS)]
    pub partitions: u32,

    /// For `topics create`: copies of each partition. Default: the brokers' own.
    #[arg(long = "replication", value_name = "N")]
    pub replication: Option<u16>,
}

/// One service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ServiceName {
    /// Takes alerts in.
    Ingest,
    /// Groups them.
    Correlate,
    /// Decides who hears of them.
    Route,
    /// Tells them.
    Notify,
    /// Shows it all.
    Console,
}

impl ServiceName {
    /// Every service.
    pub(crate) const ALL: [Self; 5] = [Self::Ingest, Self::Correlate, Self::Route, Self::Notify, Self::Console];

    /// Its name on the command line.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Correlate => "correlate",
            Self::Route => "route",
            Self::Notify => "notify",
            Self::Console => "console",
        }
    }
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    /// Run these services in this process.
    Run(Vec<ServiceName>),
    /// Make the topics.
    TopicsCreate,
    /// Read the config files.
    CheckConfig,
}

/// Why a command line makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CommandError {
    /// There is no such command.
    #[error(
        "unknown command {0:?}: run one of up, ingest, correlate, route, notify, console (or several, \
             comma-separated), topics create, check-config"
    )]
    Unknown(String),
    /// Separate services meet in Kafka.
    #[error(
        "{0} needs a Kafka: name it with --kafka.brokers HOST:PORT (without one, `alertstream up` runs everything \
             in this process on the embedded log)"
    )]
    NeedsKafka(String),
    /// The demo is a system of its own.
    #[error("--demo is for `alertstream up`, which runs everything; {0} does not")]
    DemoOfAll(String),
}

impl Cli {
    /// What the words ask for.
    ///
    /// # Errors
    /// An unknown command, or one that needs a Kafka without one.
    pub(crate) fn command(&self) -> Result<Command, CommandError> {
        let words: Vec<&str> = self.command.iter().map(String::as_str).collect();
        let command = match words.as_slice() {
            [] | ["up"] => return Ok(Command::Run(ServiceName::ALL.to_vec())),
            ["check-config"] => return Ok(Command::CheckConfig),
            ["topics", "create"] => Command::TopicsCreate,
            [list] => Command::Run(services(list)?),
            other => return Err(CommandError::Unknown(other.join(" "))),
        };
        if self.demo {
            return Err(CommandError::DemoOfAll(words.join(" ")));
        }
        if self.kafka_brokers.is_none() {
            return Err(CommandError::NeedsKafka(words.join(" ")));
        }
        Ok(command)
    }

    /// Whether this runs on the embedded log.
    pub(crate) fn is_embedded(&self) -> bool {
        self.kafka_brokers.is_none()
    }
}

fn services(list: &str) -> Result<Vec<ServiceName>, CommandError> {
    let mut found = Vec::new();
    for word in list.split(',') {
        let service = ServiceName::ALL
            .into_iter()
            .find(|service| service.as_str() == word.trim());
        let service = service.ok_or_else(|| CommandError::Unknown(list.to_owned()))?;
        if !found.contains(&service) {
            found.push(service);
        }
    }
    Ok(found)
}

/// `:9093` means every interface, as in Alertmanager.
fn listen(text: &str) -> Result<SocketAddr, String> {
    let text = if text.starts_with(':') {
        format!("0.0.0.0{text}")
    } else {
        text.replace("localhost:", "127.0.0.1:")
    };
    text.parse()
        .map_err(|_| format!("{text:?} is not an address like 127.0.0.1:9093 or :9093"))
}

/// Bytes with Prometheus's suffixes, powers of 1024.
fn size(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = text.strip_prefix(digits).unwrap_or_default();
    let factor: u64 = match unit {
        "" | "B" => 1,
        "KB" => 1 << 10,
        "MB" => 1 << 20,
        "GB" => 1 << 30,
        "TB" => 1 << 40,
        _ => return Err(format!("{unit:?} is not one of B, KB, MB, GB, TB")),
    };
    let number: u64 = digits
        .parse()
        .map_err(|_| format!("{text:?} is not a size like 512MB"))?;
    number
        .checked_mul(factor)
        .ok_or_else(|| format!("{text:?} is too large"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(args: &[&str]) -> Result<Command, CommandError> {
        Cli::try_parse_from(std::iter::once("alertstream").chain(args.iter().copied()))
            .unwrap()
            .command()
    }

    #[test]
    fn commands_are_read_as_people_write_them() {
        use ServiceName::{Console, Ingest, Notify};
        let kafka = "--kafka.brokers=localhost:9092";
        assert_eq!(command(&[]), Ok(Command::Run(ServiceName::ALL.to_vec())));
        assert_eq!(command(&["up", kafka]), Ok(Command::Run(ServiceName::ALL.to_vec())));
        assert_eq!(command(&["notify", kafka]), Ok(Command::Run(vec![Notify])));
        assert_eq!(
            command(&["ingest,console", kafka]),
            Ok(Command::Run(vec![Ingest, Console]))
        );
        assert_eq!(command(&["topics", "create", kafka]), Ok(Command::TopicsCreate));
        assert_eq!(command(&["check-config"]), Ok(Command::CheckConfig));
        assert_eq!(command(&["notify"]), Err(CommandError::NeedsKafka("notify".to_owned())));
        assert_eq!(
            command(&["notfy", kafka]),
            Err(CommandError::Unknown("notfy".to_owned()))
        );
    }

    #[test]
    fn addresses_and_sizes() {
        assert_eq!(listen(":9093"), Ok(SocketAddr::from(([0, 0, 0, 0], 9093))));
        assert_eq!(listen("localhost:1"), Ok(SocketAddr::from(([127, 0, 0, 1], 1))));
        assert!(listen("here").unwrap_err().contains("is not an address"));
        assert_eq!(size("2MB"), Ok(2 << 20));
        assert_eq!(size("7"), Ok(7));
        assert!(size("7XB").unwrap_err().contains("not one of"));
        assert!(size("99999999TB").unwrap_err().contains("too large"));
    }
}
