//! What one stage's state, or the console's view, takes by itself: measured in a process of its own that opens the folder
//! of a system that was stopped.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use processor::Store;
use runtime::Health;
use schemas::topics::{CORRELATE_CHANGELOG, NOTIFY_CHANGELOG, ROUTE_CHANGELOG};
use streams::embedded::{EmbeddedLog, Options};
use streams::{From, Log};

use super::{Failure, runtime};

/// The most records of one read: as a lane's restore does it.
const SLICE: usize = 10_000;
/// Every topic that holds state.
const CHANGELOGS: [&str; 3] = [CORRELATE_CHANGELOG, ROUTE_CHANGELOG, NOTIFY_CHANGELOG];

/// What a measurement found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Measured {
    /// Records held.
    pub(crate) records: u64,
    /// Bytes of keys and values.
    pub(crate) bytes: u64,
    /// Resident memory of the whole process at the end, in bytes.
    pub(crate) rss: u64,
    /// How long it took.
    pub(crate) took: Duration,
}

/// Resident memory of a process, in bytes.
pub(crate) fn rss(pid: u32) -> Result<u64, Failure> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches("kB").trim().parse::<u64>()? * 1024)
}

/// Measures in a process of its own; `what` is a changelog, `-` and a changelog (read and dropped: what the engine takes
/// for it), or `console`.
pub(crate) fn measure(folder: &Path, what: &str) -> Result<Measured, Failure> {
    let output = Command::new(std::env::current_exe()?)
        .arg("measure")
        .arg(folder)
        .arg(what)
        .output()?;
    let text = String::from_utf8(output.stdout)?;
    let numbers: Vec<u64> = text.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
    match numbers.as_slice() {
        [records, bytes, rss, millis] => Ok(Measured {
            records: *records,
            bytes: *bytes,
            rss: *rss,
            took: Duration::from_millis(*millis),
        }),
        _ => Err(format!("measuring {what}: {}", String::from_utf8_lossy(&output.stderr)).into()),
    }
}

/// The process that measures.
pub(crate) fn print(folder: &Path, what: &str) -> Result<(), Failure> {
    let log = EmbeddedLog::open(folder, Options::default())?;
    let began = Instant::now();
    let (mut records, mut bytes, mut stores) = (0, 0, Vec::new());
    let mut console = None;
    if what == "console" {
        console = Some(view(log)?);
    } else {
        for topic in CHANGELOGS
            .into_iter()
            .filter(|topic| what.ends_with(topic) || what == "-all")
        {
            let store = restore(log.as_ref(), topic, !what.starts_with('-'))?;
            records += u64::try_from(store.len())?;
            stores.push(store);
        }
    }
    let took = began.elapsed().as_millis();
    for store in &stores {
        bytes += u64::try_from(store.bytes())?;
    }
    println!("{records} {bytes} {} {took}", rss(std::process::id())?);
    drop((stores, console));
    Ok(())
}

/// All partitions of a changelog in one store (keys begin with the group's hash, so they do not meet), or nothing of it.
fn restore(log: &dyn Log, topic: &str, keep: bool) -> Result<Store, Failure> {
    let mut store = Store::default();
    for partition in 0..log.partitions(topic)?.unwrap_or(0) {
        let end = log.watermarks(topic, partition)?.high;
        let mut reader = log.reader(&[(topic.to_owned(), partition, From::Beginning)])?;
        while reader.position(topic, partition).unwrap_or(0) < end {
            for (_, record) in reader.poll(SLICE, Duration::ZERO)? {
                if keep {
                    store.restore(&record.key, record.value.as_deref())?;
                }
            }
        }
    }
    Ok(store)
}

/// A console that has read everything.
fn view(log: Arc<EmbeddedLog>) -> Result<(tokio::runtime::Runtime, console::Service), Failure> {
    let runtime = runtime()?;
    let settings = console::Settings::new("gates", Arc::new(|| Err("there are no files".to_owned())));
    let service = runtime.block_on(async {
        let started =
            tokio::task::spawn_blocking(move || console::Service::start(log, settings, &Health::default())).await??;
        started.caught_up().await;
        Ok::<_, Failure>(started)
    })?;
    Ok((runtime, service))
}
