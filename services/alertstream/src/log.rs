//! The log of this process: Kafka where brokers are named, else the embedded one.

use std::path::Path;
use std::sync::Arc;

use streams::Log;
use streams::embedded::{EmbeddedLog, Options};
use streams::kafka::{KafkaLog, KafkaOptions, properties};

use crate::Refusal;
use crate::cli::Cli;

/// Opens it; on the embedded log the topics are made where they are missing.
///
/// # Errors
/// No broker answers, or the folder is in use, damaged, or of another release: each with the way out.
pub(crate) fn open(cli: &Cli) -> Result<Arc<dyn Log>, Refusal> {
    match &cli.kafka_brokers {
        None => {
            let options = Options {
                retention_bytes: cli.storage_retention_size,
                ..Options::default()
            };
            Ok(EmbeddedLog::open(&cli.storage_path, options)?)
        }
        Some(brokers) => {
            let config = cli
                .kafka_config
                .as_deref()
                .map(kafka_properties)
                .transpose()?
                .unwrap_or_default();
            let options = KafkaOptions {
                brokers: brokers.clone(),
                config,
                topic_prefix: cli.topic_prefix.clone(),
                replication: cli.replication,
                ..KafkaOptions::default()
            };
            Ok(KafkaLog::connect(options)?)
        }
    }
}

/// Where the log is, for people.
pub(crate) fn describe(cli: &Cli) -> String {
    match &cli.kafka_brokers {
        None => format!("embedded, in {}", cli.storage_path.display()),
        Some(brokers) => format!("Kafka at {brokers}"),
    }
}

fn kafka_properties(path: &Path) -> Result<Vec<(String, String)>, Refusal> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        format!(
            "{}: {error}: name librdkafka properties with --kafka.config",
            path.display()
        )
    })?;
    Ok(properties(&text)?)
}
