//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::answers::Answers;
use crate::bgl;

/// Load for an Alertstream, and proof that nothing was lost under it.
#[derive(Debug, Parser)]
#[command(
    name = "loadtest",
    version,
    about = "Load for an Alertstream, and proof that nothing was lost under it"
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Receives webhooks, records each as a line of JSON on standard output, and shows them at /messages.
    Sink(SinkArgs),
    /// Kills, freezes and scales a system of its own while alerts are posted, and judges what was heard.
    Chaos(ChaosArgs),
    /// Publishes the labelled lines of a log as alert events on Kafka.
    ReplayLog(ReplayArgs),
    /// Measures the time from alert posted to webhook received at a steady rate.
    Latency(LatencyArgs),
    /// Posts many alerts, each a group of its own.
    Fill(FillArgs),
}

/// Of `sink`.
#[derive(Debug, Args)]
pub struct SinkArgs {
    /// Where to listen.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9099")]
    pub listen: SocketAddr,
    /// What to answer, in turn, comma-separated: STATUS, then xTIMES and @MILLISECONDS where wanted (`503x2,200@500,200x8`). Default: 200.
    #[arg(long, value_name = "SCHEDULE")]
    pub answers: Option<Answers>,
}

/// Which system: one that is started for this, or one that runs.
#[derive(Debug, Clone, Args)]
pub struct SystemArgs {
    /// Start `alertstream up` on an embedded log in a temporary folder.
    #[arg(long)]
    pub embedded: bool,
    /// Start one process a service on this Kafka.
    #[arg(long = "kafka.brokers", value_name = "HOST:PORT,…")]
    pub kafka_brokers: Option<String>,
    /// Start a Kafka too (a build with the feature `test-broker`).
    #[arg(long, hide = true)]
    pub start_kafka: bool,
    /// The program. Default: the one beside this one.
    #[arg(long, value_name = "PATH")]
    pub alertstream: Option<PathBuf>,
}

/// Of `chaos`.
#[derive(Debug, Args)]
pub struct ChaosArgs {
    /// Which system.
    #[command(flatten)]
    pub system: SystemArgs,
    /// How long alerts are posted and faults happen.
    #[arg(long, value_name = "N", default_value_t = 120)]
    pub seconds: u64,
    /// Which faults, and when. Default: another one at each run; it is printed.
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// New alerts a second.
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub rate: u32,
    /// Seconds between two sends of an alert that fires; its `endsAt` is four of them ahead, as in Prometheus.
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub resend: u64,
    /// Seconds that an acknowledged alert may take, anew after each fault. Default: 15 embedded; on Kafka 75: a session
    /// timeout, a takeover, and the 30 s during which an attempt of a dead owner may still arrive.
    #[arg(long, value_name = "N")]
    pub bound: Option<u64>,
    /// The services' session timeout in seconds: they are frozen for longer.
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub session_timeout: u64,
    /// `group_wait` of the system's config, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 0)]
    pub group_wait: u64,
    /// Do nothing to the system.
    #[arg(long)]
    pub calm: bool,
}

/// Of `latency`.
#[derive(Debug, Args)]
pub struct LatencyArgs {
    /// Which system, where not --url.
    #[command(flatten)]
    pub system: SystemArgs,
    /// A system that runs; its config sends webhooks to --listen, with `group_by: [alertname, run, n]` and
    /// `group_wait: 0s`.
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// Where to receive the webhooks of the system at --url.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9099")]
    pub listen: SocketAddr,
    /// New alerts a second.
    #[arg(long, value_name = "N", default_value_t = 200)]
    pub rate: u32,
    /// For how long.
    #[arg(long, value_name = "N", default_value_t = 30)]
    pub seconds: u64,
    /// Seconds before that during which alerts are posted and not counted.
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub warm_up: u64,
    /// Fail when the 99th percentile is above this many milliseconds.
    #[arg(long, value_name = "MS")]
    pub p99_under: Option<u64>,
}

/// Of `fill`.
#[derive(Debug, Args)]
pub struct FillArgs {
    /// The system.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:9093")]
    pub url: String,
    /// How many alerts.
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    pub alerts: u64,
    /// How many in one request.
    #[arg(long, value_name = "N", default_value_t = 500)]
    pub batch: u64,
    /// How many requests at once.
    #[arg(long, value_name = "N", default_value_t = 4)]
    pub at_once: usize,
}

/// Of `replay-log`.
#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// How the log is written; `bgl` is the only one.
    #[arg(long, default_value = "bgl", value_parser = ["bgl"])]
    pub format: String,
    /// The log.
    #[arg(long, value_name = "FILE")]
    pub file: PathBuf,
    /// Kafka's bootstrap servers.
    #[arg(long = "kafka.brokers", value_name = "HOST:PORT,…")]
    pub kafka_brokers: String,
    /// The topic.
    #[arg(long, default_value = bgl::TOPIC)]
    pub topic: String,
    /// Put before the topic's name.
    #[arg(long = "topic-prefix", value_name = "PREFIX", default_value = "")]
    pub topic_prefix: String,
    /// How many times as fast as it was written. Default: as fast as Kafka takes it.
    #[arg(long, value_name = "TIMES")]
    pub speed: Option<f64>,
    /// A `loadtest sink` that the system's webhooks go to: wait until each labelled line was notified.
    #[arg(long, value_name = "URL")]
    pub verify: Option<String>,
    /// Seconds to wait for that.
    #[arg(long, value_name = "N", default_value_t = 120)]
    pub within: u64,
}
