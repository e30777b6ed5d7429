//! The speed and size gates, measured and printed; run by hand on a quiet machine, in release:
//!
//! ```text
//! cargo build --release --bin alertstream
//! cargo run --release --example gates                    everything
//! cargo run --release --example gates embedded | kafka | size [ALERTS] | policy [ALERTS]
//! ```
//!
//! `embedded` and `kafka`: from alert posted to webhook received, at 200 alerts a second. `size` and `policy` fill a system
//! with one-alert groups, without and with an escalation policy, and say what an alert costs in each stage, in the console
//! and on disk, and how fast a restore is. A commit's cost by partitions touched is what `services/streams/tests/kafka.rs`
//! prints.

mod fill;
mod measure;

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use loadtest::broker::Kafka;
use loadtest::outcome::TargetOutcome;
use loadtest::profile::{Profile, Settings};
use loadtest::run::{Place, Prepared};
use loadtest::target::Target;
use streams::kafka::broker::Broker;

/// Whatever ends a run early: told, and the run has failed.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// New alerts a second of the latency gates.
const RATE: f64 = 200.0;
/// What is counted, in seconds.
const COUNTED: f64 = 20.0;
/// A broker that has just started is still compiling what it does all the time: it is driven this long before anything
/// counts, in seconds.
const BROKER_WARM_UP: f64 = 40.0;
/// The gates: the 99th percentile is below, in milliseconds.
const EMBEDDED_P99: u64 = 20;
const KAFKA_P99: u64 = 150;
/// How many groups the size gates fill where nobody says otherwise.
const GROUPS: u64 = 100_000;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match run(&args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failure) => {
            eprintln!("gates: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &[String]) -> Result<bool, Failure> {
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let groups = |text: Option<&&str>| text.map_or(Ok(GROUPS), |text| text.parse::<u64>());
    match words.as_slice() {
        [] => Ok(latency(false)? & latency(true)? & fill::run(GROUPS, false)? & fill::run(GROUPS, true)?),
        ["embedded"] => latency(false),
        ["kafka"] => latency(true),
        ["size", rest @ ..] => fill::run(groups(rest.first())?, false),
        ["policy", rest @ ..] => fill::run(groups(rest.first())?, true),
        ["measure", folder, what] => measure::print(Path::new(folder), what).map(|()| true),
        _ => Err("say one of embedded, kafka, size, policy".into()),
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}

/// The program that was built beside this one.
fn program() -> Result<PathBuf, Failure> {
    let here = std::env::current_exe()?;
    let folder = here
        .parent()
        .and_then(Path::parent)
        .ok_or("this program lies in no folder")?;
    let program = folder.join("alertstream");
    if program.is_file() {
        Ok(program)
    } else {
        Err(format!("{} is not built", program.display()).into())
    }
}

fn latency(kafka: bool) -> Result<bool, Failure> {
    let (form, limit) = if kafka {
        ("four services on one Kafka", KAFKA_P99)
    } else {
        ("one process, embedded", EMBEDDED_P99)
    };
    println!("== From posted to received: {form}. Goal: p99 under {limit} ms");
    let broker = if kafka { Some(Broker::find()?) } else { None };
    let kafka = broker.as_ref().map(|broker| Kafka::There(broker.address().to_owned()));
    let program = Some(program()?);
    let target = if kafka.is_some() {
        Target::Services(program)
    } else {
        Target::Up(program)
    };
    let place = |topic_prefix| Place {
        target: &target,
        listen: (Ipv4Addr::LOCALHOST, 0).into(),
        kafka: kafka.as_ref(),
        topic_prefix,
        partitions: None,
        config: None,
        keep: false,
    };
    if kafka.is_some() {
        steady(&place("warm-"), BROKER_WARM_UP)?;
    }
    let outcome = steady(&place(""), COUNTED)?;
    let counted = outcome.phases.iter().find(|phase| phase.is_counted);
    let spread = counted.and_then(|phase| phase.notify).ok_or("nothing was heard")?;
    println!("posted to received: {spread}");
    outcome.findings.iter().for_each(|finding| println!("{finding}"));
    Ok(outcome.findings.is_empty() && spread.p99 < limit * 1_000)
}

/// New alerts at the gates' rate.
fn steady(place: &Place<'_>, seconds: f64) -> Result<TargetOutcome, Failure> {
    let settings = Settings {
        rate: Some(RATE),
        seconds: Some(seconds),
        ..Settings::default()
    };
    let prepared = Prepared::new(Profile::Steady.scenario(&settings)?);
    Ok(runtime()?.block_on(prepared.run(place))?)
}
