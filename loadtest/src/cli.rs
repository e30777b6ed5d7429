//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::answers::Behaviour;
use crate::bgl;
use crate::profile::Profile;
use crate::scenario::Entry;
use crate::target::Target;
use crate::timetable::Timetable;

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
    /// Drives a scenario against one target, or several in turn, and shows the figures side by side.
    Run(Box<RunArgs>),
    /// Sets the figures of two runs side by side: files of `run --json`, each target of the second beside that of the first.
    Compare(CompareArgs),
    /// Computes what a deployment needs from what runs measured: files of `run resend --json` and `run memory --json`.
    Plan(PlanArgs),
    /// Takes what flows through a topic into a file that `run replay` sends again.
    Record(RecordArgs),
    /// Receives webhooks, records each as a line of JSON on standard output, and shows them at /messages.
    Sink(SinkArgs),
    /// Publishes the labelled lines of a log as alert events on Kafka.
    ReplayLog(ReplayArgs),
}

/// Of `run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The scenario.
    pub profile: Profile,
    /// What to drive: up, services, alertmanager (each also as NAME=PROGRAM), or a URL, with `,pid=N+N` for its CPU and
    /// memory and `,command=…` to start it (`{config}` in it is the config's path). Several: in turn. Default: alertmanager,
    /// where there is one, and up.
    #[arg(long, value_name = "TARGET")]
    pub target: Vec<Target>,
    /// Alerts that are there before measuring begins, or are what is measured. Default: the scenario's.
    #[arg(long, value_name = "N")]
    pub alerts: Option<u32>,
    /// New alerts a second.
    #[arg(long, value_name = "N")]
    pub rate: Option<f64>,
    /// How long new alerts come.
    #[arg(long, value_name = "N")]
    pub seconds: Option<f64>,
    /// Alerts that share a group.
    #[arg(long, value_name = "N")]
    pub per_group: Option<u32>,
    /// Alerts in one request, where all of them are there: a burst, a re-send. Prometheus's own limit is 256, and was 64 up
    /// to 3.0.
    #[arg(long, value_name = "N", default_value_t = 64)]
    pub batch: u32,
    /// New alerts in one request, where they come at a steady rate. Default: 1, and 10 for `active-50k`.
    #[arg(long, value_name = "N")]
    pub new_batch: Option<u32>,
    /// Connections that requests go over.
    #[arg(long, value_name = "N", default_value_t = 4)]
    pub connections: usize,
    /// How requests get to the target.
    #[arg(long, value_enum, default_value_t)]
    pub entry: Entry,
    /// What `replay` sends: a recording (`record`), a Blue Gene/L log, or Prometheus's answer to a range query of
    /// `ALERTS{alertstate="firing"}`, saved or as the query's http:// URL.
    #[arg(long, value_name = "FILE")]
    pub file: Option<String>,
    /// What that is.
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// The query's `step`, in seconds: without a value for longer an alert was over.
    #[arg(long, value_name = "N", default_value_t = 15)]
    pub step: u64,
    /// How many times as fast as it was recorded.
    #[arg(long, value_name = "TIMES", default_value_t = 1.0)]
    pub speed: f64,
    /// Decides what is left to chance.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// The label `run`, which tells this run's alerts from others'. Default: from the clock.
    #[arg(long, value_name = "TEXT")]
    pub run: Option<String>,
    /// `group_wait` of the target's config, in milliseconds. Default: the scenario's.
    #[arg(long, value_name = "MS")]
    pub group_wait: Option<u64>,
    /// `group_interval` of the target's config, in milliseconds. Default: the scenario's.
    #[arg(long, value_name = "MS")]
    pub group_interval: Option<u64>,
    /// Routes in the target's config that match no alert.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub routes: u32,
    /// What the receiver answers, as `sink --answers`; its times count from the phase that counts. What is accepted late or
    /// not at all counts as an outage. Default: the scenario's.
    #[arg(long, value_name = "SCHEDULE")]
    pub answers: Option<Behaviour>,
    /// What is done to the target in the phase that counts: `10s kill notify 2s; 20s freeze correlate 12s; 30s restart
    /// route; 40s scale route 4; 50s broker; 60s silence namespace="team-7" 20s`. The one service of `up` is `up`. Default:
    /// the scenario's.
    #[arg(long, value_name = "TIMETABLE")]
    pub faults: Option<Timetable>,
    /// Seconds that a change may take beyond what the config says, anew after each fault, until it is called late.
    #[arg(long, value_name = "N")]
    pub slack: Option<u64>,
    /// Where to receive webhooks. Default: a free port of this machine.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    /// The target's alertmanager.yml, where it is not to be the scenario's: its receivers' webhooks go to --listen, each to a
    /// path that is the receiver's name. A target that runs already has such a config, or the scenario's.
    #[arg(long = "config.file", value_name = "FILE")]
    pub config_file: Option<PathBuf>,
    /// Kafka's bootstrap servers, for the target `services`.
    #[arg(long = "kafka.brokers", value_name = "HOST:PORT,…")]
    pub kafka_brokers: Option<String>,
    /// What stands before the topics of a target that runs already.
    #[arg(long = "topic-prefix", value_name = "PREFIX", default_value = "")]
    pub topic_prefix: String,
    /// Partitions of the topics that are made for the target `services`. Default: the program's own.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub partitions: Option<u32>,
    /// Start a Kafka for the target `services` (a build with the feature `test-broker`).
    #[arg(long)]
    pub start_kafka: bool,
    /// Write what was measured to this file.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write a page with plots to this file.
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
}

/// What a file of recorded traffic is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// A recording: a JSON object a line.
    #[default]
    Lines,
    /// A Blue Gene/L log.
    Bgl,
    /// Prometheus's answer to a range query.
    Query,
}

/// Of `record`.
#[derive(Debug, Clone, Args)]
pub struct RecordArgs {
    /// Kafka's bootstrap servers.
    #[arg(long = "kafka.brokers", value_name = "HOST:PORT,…")]
    pub kafka_brokers: String,
    /// The topic: alert-events, or alerts.
    #[arg(long, default_value = bgl::TOPIC)]
    pub topic: String,
    /// Put before the topic's name.
    #[arg(long = "topic-prefix", value_name = "PREFIX", default_value = "")]
    pub topic_prefix: String,
    /// Where to.
    #[arg(long, value_name = "FILE")]
    pub file: PathBuf,
    /// For how long.
    #[arg(long, value_name = "N", default_value_t = 60)]
    pub seconds: u64,
    /// What is there already, too.
    #[arg(long)]
    pub from_beginning: bool,
    /// Replace the values of labels, but of alertname and severity, and leave out annotations.
    #[arg(long)]
    pub anonymise: bool,
}

/// Of `plan`.
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// Alerts received a second, re-sends among them.
    #[arg(long, value_name = "N")]
    pub rate: f64,
    /// Of those, new ones a second.
    #[arg(long, value_name = "N")]
    pub new: f64,
    /// Active alerts.
    #[arg(long, value_name = "N")]
    pub active: f64,
    /// Receivers that each alert goes to.
    #[arg(long, value_name = "N", default_value_t = 1.0)]
    pub receivers: f64,
    /// What was measured.
    #[arg(value_name = "FILE.json", required = true)]
    pub measured: Vec<PathBuf>,
}

/// Of `compare`.
#[derive(Debug, Args)]
pub struct CompareArgs {
    /// The earlier run.
    #[arg(value_name = "A.json")]
    pub before: PathBuf,
    /// The later one.
    #[arg(value_name = "B.json")]
    pub after: PathBuf,
}

/// Of `sink`.
#[derive(Debug, Args)]
pub struct SinkArgs {
    /// Where to listen.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9099")]
    pub listen: SocketAddr,
    /// What to answer, in turn, comma-separated: STATUS, then xTIMES and @MILLISECONDS where wanted (`503x2,200@500,200x8`); after `; TIME` something else (`200; 10s 503; 20s hang`). Default: 200.
    #[arg(long, value_name = "SCHEDULE")]
    pub answers: Option<Behaviour>,
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
