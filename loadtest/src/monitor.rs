//! Looks at a run every second: a sample for the report, and a line for who waits.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use crate::lag::Lag;
use crate::ledger::Ledger;
use crate::outcome::{ProcessSample, Sample};
use crate::percentile::{Spread, millis_text};
use crate::target::Processes;
use crate::usage::Usage;

/// How often it looks.
const EVERY: Duration = Duration::from_secs(1);
/// Where nobody looks at a terminal, a line this often is enough.
const LINES_APART: u32 = 10;

/// The monitor of a run. It ends when it is dropped.
#[derive(Debug)]
pub struct Monitor {
    samples: Arc<Mutex<Vec<Sample>>>,
    running: JoinHandle<()>,
}

impl Drop for Monitor {
    fn drop(&mut self) {
        self.running.abort();
    }
}

/// What was seen so far.
struct Seen {
    ledger: Arc<Ledger>,
    processes: Processes,
    lag: Option<Lag>,
    sent: usize,
    heard: usize,
    at: Instant,
    usage: BTreeMap<u32, Usage>,
}

impl Monitor {
    /// Begins to look.
    pub fn start(ledger: Arc<Ledger>, processes: Processes, lag: Option<Lag>) -> Self {
        let samples: Arc<Mutex<Vec<Sample>>> = Arc::default();
        let kept = Arc::clone(&samples);
        let running = tokio::spawn(async move {
            let mut seen = Seen::new(ledger, processes, lag);
            let mut tick = tokio::time::interval(EVERY);
            tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
            tick.tick().await;
            for number in 1_u32.. {
                tick.tick().await;
                let sample = seen.look();
                say(&sample, number);
                kept.lock().unwrap_or_else(PoisonError::into_inner).push(sample);
            }
        });
        Self { samples, running }
    }

    /// Ends it; what it saw.
    pub fn end(self) -> Vec<Sample> {
        if std::io::stderr().is_terminal() {
            eprint!("\r\x1b[K");
        }
        std::mem::take(&mut *self.samples.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Seen {
    fn new(ledger: Arc<Ledger>, processes: Processes, lag: Option<Lag>) -> Self {
        Self {
            ledger,
            processes,
            lag,
            sent: 0,
            heard: 0,
            at: Instant::now(),
            usage: BTreeMap::new(),
        }
    }

    fn look(&mut self) -> Sample {
        let now = Instant::now();
        let (sent, heard) = (self.ledger.sent(self.sent), self.ledger.heard(self.heard));
        self.sent += sent.len();
        self.heard += heard.len();
        let acknowledged: Vec<_> = sent
            .iter()
            .filter_map(|sent| Some((sent, sent.acknowledged?)))
            .collect();
        let heard: Vec<_> = heard
            .iter()
            .filter_map(|heard| Some(heard.at.saturating_sub(heard.due?)))
            .collect();
        let since = now.saturating_duration_since(self.at);
        self.at = now;
        Sample {
            at: now.saturating_duration_since(self.ledger.began()).as_secs_f64(),
            accepted: acknowledged.iter().map(|(sent, _)| u64::from(sent.alerts)).sum(),
            heard: heard.len() as u64,
            owed: self.ledger.owed(),
            accept: Spread::of(
                acknowledged
                    .iter()
                    .map(|(sent, at)| at.saturating_sub(sent.due))
                    .collect(),
            ),
            notify: Spread::of(heard),
            lag: self.lag.as_ref().map(Lag::now).unwrap_or_default(),
            processes: self.processes(since),
        }
    }

    fn processes(&mut self, since: Duration) -> Vec<ProcessSample> {
        let mut samples = Vec::new();
        for (name, pid) in self.processes.list() {
            let Some(usage) = Usage::of(pid) else { continue };
            let before = self.usage.insert(pid, usage).unwrap_or(usage);
            samples.push(ProcessSample {
                name,
                cpu_percent: 100.0 * usage.cpu_since(&before).as_secs_f64() / since.as_secs_f64().max(1e-6),
                resident: usage.resident,
            });
        }
        samples
    }
}

fn say(sample: &Sample, number: u32) {
    let terminal = std::io::stderr().is_terminal();
    if !terminal && !number.is_multiple_of(LINES_APART) {
        return;
    }
    let spread = sample.notify.map_or_else(
        || "nothing heard".to_owned(),
        |notify| {
            format!(
                "heard in p50 {} p99 {} ms",
                millis_text(notify.p50),
                millis_text(notify.p99)
            )
        },
    );
    let cpu: f64 = sample.processes.iter().map(|process| process.cpu_percent).sum();
    let resident: u64 = sample.processes.iter().map(|process| process.resident).sum();
    let lag: u64 = sample.lag.values().flatten().sum();
    let lag = if sample.lag.is_empty() {
        String::new()
    } else {
        format!("  {lag} lag")
    };
    let line = format!(
        "{:6.0} s  {:>7}/s accepted  {:>7}/s heard  {:>7} owed{lag}  {spread}  cpu {cpu:.0} %  {} MiB",
        sample.at,
        sample.accepted,
        sample.heard,
        sample.owed,
        resident >> 20
    );
    let (before, after) = if terminal { ("\r\x1b[K", "") } else { ("", "\n") };
    eprint!("{before}{line}{after}");
    drop(std::io::stderr().flush());
}
