//! `run`: a scenario against each target in turn, and what came of it.

use std::path::Path;
use std::time::Duration;

use crate::broker::Kafka;
use crate::cli::{Format, RunArgs};
use crate::client::Client;
use crate::error::Error;
use crate::html::page;
use crate::outcome::{Outcome, VERSION};
use crate::profile::{Profile, Settings};
use crate::recording::Recording;
use crate::run::{Place, Prepared};
use crate::sink::wall_clock;
use crate::summary::summary;
use crate::target::Target;
use crate::usage::machine;

/// Runs, prints, writes what is asked for, and says whether all was as it must be.
///
/// # Errors
/// A run could not begin, or a file not be written.
pub async fn run(args: &RunArgs) -> Result<bool, Error> {
    let began = wall_clock();
    let settings = Settings {
        alerts: args.alerts,
        rate: args.rate,
        seconds: args.seconds,
        per_group: args.per_group,
        batch: args.batch,
        new_batch: args.new_batch,
        connections: args.connections,
        entry: args.entry,
        recording: recording(args).await?,
        seed: args.seed,
        run: args.run.clone().unwrap_or_else(|| format!("{:x}", began.millis())),
        group_wait: args.group_wait.map(Duration::from_millis),
        group_interval: args.group_interval.map(Duration::from_millis),
        routes: args.routes,
        answers: args.answers.clone(),
        faults: args.faults.clone(),
        slack: args.slack.map(Duration::from_secs),
    };
    let prepared = Prepared::new(args.profile.scenario(&settings)?);
    let mut outcome = Outcome {
        version: VERSION,
        scenario: args.profile.name(),
        began: began.to_string(),
        machine: machine(),
        release: !cfg!(debug_assertions),
        settings: prepared.scenario().settings(),
        targets: Vec::new(),
    };
    let kafka = kafka(args).await?;
    let config = args
        .config_file
        .as_ref()
        .map(|file| std::fs::read_to_string(file).map_err(|error| Error::of(file.display(), error)));
    let config = config.transpose()?;
    for target in targets(args) {
        eprintln!(
            "{}: {} requests against {}",
            outcome.scenario,
            prepared.requests(),
            target.name()
        );
        let place = Place {
            target: &target,
            listen: args.listen,
            kafka: kafka.as_ref(),
            topic_prefix: &args.topic_prefix,
            partitions: args.partitions,
            config: config.as_deref(),
            keep: true,
        };
        outcome.targets.push(prepared.run(&place).await?);
    }
    print!(
        "{}",
        summary(&outcome).map_err(|error| Error::of("the summary", error))?
    );
    if let Some(file) = &args.json {
        let text = serde_json::to_string_pretty(&outcome).map_err(|error| Error::of(file.display(), error))?;
        write(file, &(text + "\n"))?;
    }
    if let Some(file) = &args.html {
        write(file, &page(&outcome).map_err(|error| Error::of("the report", error))?)?;
    }
    Ok(outcome.targets.iter().all(|target| target.findings.is_empty()))
}

async fn kafka(args: &RunArgs) -> Result<Option<Kafka>, Error> {
    if !args.start_kafka {
        return Ok(args.kafka_brokers.clone().map(Kafka::There));
    }
    eprintln!("starting a Kafka");
    let started = tokio::task::spawn_blocking(Kafka::start).await;
    started.map_err(|error| Error::of("starting a Kafka", error))?.map(Some)
}

/// What `replay` sends.
async fn recording(args: &RunArgs) -> Result<Option<Recording>, Error> {
    if args.profile != Profile::Replay {
        return Ok(None);
    }
    let file = args.file.as_ref().ok_or_else(|| Error::new("replay needs --file"))?;
    let text = || std::fs::read(file).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let text = || text().map_err(|error| Error::of(file, error));
    let recording = match args.format {
        Format::Lines => Recording::from_lines(&text()?)?,
        Format::Bgl => {
            let name = Path::new(file)
                .file_name()
                .map(|name| name.to_string_lossy().into_owned());
            Recording::from_bgl(&text()?, &name.unwrap_or_default())?
        }
        Format::Query => {
            let answer = if file.starts_with("http://") {
                Client::new()?.json(file).await?
            } else {
                serde_json::from_str(&text()?).map_err(|error| Error::of(file, error))?
            };
            Recording::from_query(&answer, Duration::from_secs(args.step))?
        }
    };
    Ok(Some(recording.faster(args.speed)))
}

fn targets(args: &RunArgs) -> Vec<Target> {
    if !args.target.is_empty() {
        return args.target.clone();
    }
    if args.profile.is_of_services() {
        return vec![Target::Services(None)];
    }
    if !args.profile.is_beside_alertmanager() {
        return vec![Target::Up(None)];
    }
    let beside = Target::alertmanager_program().map(|program| Target::Alertmanager(Some(program)));
    if beside.is_none() {
        eprintln!(
            "there is no alertmanager on the path to drive beside (Debian: apt-get install prometheus-alertmanager)"
        );
    }
    beside.into_iter().chain([Target::Up(None)]).collect()
}

fn write(file: &Path, text: &str) -> Result<(), Error> {
    std::fs::write(file, text).map_err(|error| Error::of(file.display(), error))
}
