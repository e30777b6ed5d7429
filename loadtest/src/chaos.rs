//! `chaos`: hurts a system of its own while alerts are posted, and judges what was heard.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use crate::answers::Answers;
use crate::broker::Broker;
use crate::cli::{ChaosArgs, SystemArgs};
use crate::client::Client;
use crate::error::Error;
use crate::observe::{Observed, Plan, Tested, observe};
use crate::poster::{Numbering, Posting};
use crate::report::report;
use crate::schedule::{Possible, Schedule};
use crate::sink::{Sink, wall_clock};
use crate::system::{Form, System, Timing, config_text};

/// What an acknowledged alert may take on the embedded log: its owner is the only one, so nothing waits for an earlier
/// one; the rest is for a machine that is busy.
const EMBEDDED_BOUND: Duration = Duration::from_secs(15);
/// On Kafka: a session timeout of 10 s, takeover and restore, and the 30 s during which a dead owner's attempt may arrive.
const KAFKA_BOUND: Duration = Duration::from_secs(75);
/// From tick to tick: a second word, or one that resolves what nobody resolved, shows within the run.
const GROUP_INTERVAL: Duration = Duration::from_secs(5);
/// How long to listen at the end for what must not come: a tick, and a little more.
const LINGER: Duration = Duration::from_secs(7);

/// How long a repeat's record may take to be shown by the console, which reads the journal behind the stages.
const RECORD_SHOWN: Duration = Duration::from_secs(10);

/// What was started for a run.
pub(crate) struct Started {
    pub(crate) sink: Sink,
    pub(crate) system: System,
    pub(crate) client: Client,
    pub(crate) numbering: Numbering,
    pub(crate) embedded: bool,
}

/// Starts a sink and a system that sends to it.
pub(crate) async fn start(args: &SystemArgs, timing: Timing) -> Result<Started, Error> {
    let numbering = Numbering {
        run: format!("{:x}", wall_clock().millis()),
    };
    let program = program(args)?;
    let broker = if args.start_kafka {
        println!("Starting a Kafka …");
        let started = tokio::task::spawn_blocking(Broker::start).await;
        Some(started.map_err(|error| Error::of("starting a Kafka", error))??)
    } else {
        None
    };
    let brokers = args
        .kafka_brokers
        .clone()
        .or_else(|| broker.as_ref().map(Broker::address));
    let form = match (args.embedded, brokers) {
        (true, None) => Form::Embedded,
        (false, Some(brokers)) => Form::Kafka {
            brokers,
            prefix: format!("loadtest-{}-", numbering.run),
        },
        _ => return Err(Error::new("say either --embedded or --kafka.brokers HOST:PORT")),
    };
    let embedded = form == Form::Embedded;
    let client = Client::new()?;
    let sink = Sink::start(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), Answers::default(), None).await?;
    let config = config_text(timing, sink.address());
    let system = System::start(form, &program, &config, broker, client.clone()).await?;
    println!(
        "Started, with webhooks to {}:\n{}",
        sink.address(),
        system.describe().trim_end()
    );
    Ok(Started {
        sink,
        system,
        client,
        numbering,
        embedded,
    })
}

fn program(args: &SystemArgs) -> Result<PathBuf, Error> {
    if let Some(program) = &args.alertstream {
        return Ok(program.clone());
    }
    let ours = std::env::current_exe().map_err(|error| Error::of("this program's place", error))?;
    Ok(ours.with_file_name("alertstream"))
}

/// Runs, prints the report, and says whether all was as it must be.
///
/// # Errors
/// The run could not begin.
pub async fn run(args: &ChaosArgs) -> Result<bool, Error> {
    let seed = args.seed.unwrap_or_else(|| wall_clock().millis().unsigned_abs());
    let group_wait = Duration::from_millis(args.group_wait);
    let started = start(
        &args.system,
        Timing {
            group_wait,
            group_interval: GROUP_INTERVAL,
        },
    )
    .await?;
    let Started {
        sink,
        system,
        client,
        numbering,
        embedded,
    } = started;
    let usual = if embedded { EMBEDDED_BOUND } else { KAFKA_BOUND };
    let bound = args.bound.map_or(usual, Duration::from_secs);
    let bound = bound + group_wait;
    let lasting = Duration::from_secs(args.seconds);
    println!(
        "Seed {seed}: {} alerts a second for {} s, heard within {} s",
        args.rate,
        args.seconds,
        bound.as_secs()
    );
    let plan = Plan {
        rate: args.rate,
        lasting,
        posting: Posting {
            numbering,
            resend: Duration::from_secs(args.resend.max(1)),
            bound,
            resolve_bound: bound + GROUP_INTERVAL,
        },
        linger: LINGER,
        record_shown: RECORD_SHOWN,
    };
    let possible = Possible {
        services: if args.calm { 0 } else { system.services() },
        scales: !embedded,
        broker: system.owns_broker() && !args.calm,
        session_timeout: Duration::from_secs(args.session_timeout),
    };
    let tested = Tested {
        client,
        endpoints: system.endpoints(),
    };
    let (observed, system) = watch(&plan, &tested, &sink, system, Schedule::new(seed, possible)).await;
    finish(observed, system, seed)
}

/// Observes while the schedule is carried out and what ends by itself is started again.
async fn watch(plan: &Plan, tested: &Tested, sink: &Sink, system: System, schedule: Schedule) -> (Observed, System) {
    let began = Instant::now();
    let faults = system.faults();
    let system = Mutex::new(system);
    let suffering = async { system.lock().await.suffer(schedule, began, plan.lasting).await };
    let observed = tokio::select! {
        observed = observe(plan, tested, sink, began, &faults, suffering) => observed,
        never = System::supervise(&system, began) => match never {},
    };
    (observed, system.into_inner())
}

fn finish(mut observed: Observed, system: System, seed: u64) -> Result<bool, Error> {
    observed.faults.failures.extend(system.panics());
    let good = observed.is_good() && observed.verdict.acknowledged > 0;
    let text = report(&observed).map_err(|error| Error::of("the report", error))?;
    let kept = system.end(!good);
    print!("{text}");
    if let Some(folder) = kept {
        println!(
            "The processes' logs and data are in {}; the same faults again: --seed {seed}",
            folder.display()
        );
    }
    Ok(good)
}
