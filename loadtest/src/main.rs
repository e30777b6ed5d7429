//! The program.

use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use loadtest::cli::{Cli, Command, SinkArgs};
use loadtest::error::Error;
use loadtest::sink::{Keep, Sink};
use loadtest::{compare, drive, plan, record, replay};
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = tokio::select! {
        outcome = carry_out(&cli.command) => outcome,
        told = told_to_end() => told,
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("loadtest: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn carry_out(command: &Command) -> Result<bool, Error> {
    match command {
        Command::Run(args) => Box::pin(drive::run(args)).await,
        Command::Compare(args) => compare::run(args),
        Command::Plan(args) => plan::run(args),
        Command::Record(args) => record::run(args).await,
        Command::Sink(args) => sink(args).await,
        Command::ReplayLog(args) => Box::pin(replay::run(args)).await,
    }
}

async fn sink(args: &SinkArgs) -> Result<bool, Error> {
    let answers = args.answers.clone().unwrap_or_default();
    let sink = Sink::start(args.listen, answers, Keep::Messages(Some(Box::new(std::io::stdout()))))?;
    sink.begin(Instant::now());
    eprintln!("receiving webhooks at http://{}, shown at /messages", sink.address());
    sink.wait().await.map(|()| true)
}

/// SIGINT or SIGTERM: what runs is dropped, and with it every process that was started.
async fn told_to_end() -> Result<bool, Error> {
    let listen = |kind| signal(kind).map_err(|error| Error::of("listening for signals", error));
    let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Err(Error::new("told to end; what was started is ended too"))
}
