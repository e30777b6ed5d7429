//! The one binary: `up` runs everything in a process, a list of names runs those services, and the rest are tools.
//!
//! It decides nothing but the order in which things start and stop.

mod announce;
mod banner;
mod cli;
mod demo;
mod files;
mod inbox;
mod layout;
mod log;
mod services;

use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;

use crate::cli::{Cli, Command};

/// A third of what an alert costs was the system's allocator: records are many small pieces that one thread makes and
/// another lets go. This one takes a fifth off the whole for the same memory (its third version took half as much again). The
/// C libraries' memory comes from it too: on Kafka that is another fifteenth.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Any error that ends the process: told once, in words, on stderr.
type Refusal = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    let cli = Cli::parse();
    small_pages();
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(refusal) => {
            eprintln!("alertstream: {refusal}");
            ExitCode::FAILURE
        }
    }
}

/// The allocator asks for huge pages, and gives back at once what it does not need: of each that it takes again the kernel
/// clears 2 MiB, for a few records. With small ones a cold burst of new alerts costs a sixth less, and memory is a fifth less.
fn small_pages() {
    if let Err(error) = rustix::thread::disable_transparent_huge_pages(true) {
        tracing::debug!(%error, "memory stays in huge pages");
    }
}

fn run(cli: Cli) -> Result<(), Refusal> {
    let command = cli.command()?;
    runtime::logging::install(cli.log_level.parse()?, cli.log_format.parse()?);
    match command {
        Command::CheckConfig => check_config(&cli),
        Command::TopicsCreate => {
            let log = log::open(&cli)?;
            layout::create(&log, cli.partitions)?;
            println!(
                "the topics are there: {} partitions for each group-keyed one",
                cli.partitions
            );
            Ok(())
        }
        Command::Run(list) => {
            let workers = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            let ended = workers.block_on(services::run(Arc::new(cli), list));
            // Sends that outlived their budget are cut off; their owner's successor sends them again.
            workers.shutdown_timeout(std::time::Duration::from_secs(1));
            ended
        }
    }
}

fn check_config(cli: &Cli) -> Result<(), Refusal> {
    let files = files::Files::choose(
        cli,
        &std::env::current_dir()?,
        format!("http://{}/inbox", cli.web_listen_address),
    );
    let loaded = files.load()?;
    for warning in &loaded.config.warnings {
        println!("warning: {warning}");
    }
    println!(
        "{}: SUCCESS, {} receivers",
        files.describe(),
        loaded.config.receivers.len()
    );
    Ok(())
}
