//! What a run showed, as it is written to a file and read from one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::percentile::Spread;
use crate::usage::Usage;

/// The form of the file; another one is refused.
pub const VERSION: u32 = 1;

/// A run: one scenario, against one target or several in turn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// [`VERSION`].
    pub version: u32,
    /// The scenario's name.
    pub scenario: String,
    /// When it began, RFC 3339.
    pub began: String,
    /// Which machine all of it shared.
    pub machine: String,
    /// Whether this program was built for speed.
    pub release: bool,
    /// The scenario's settings.
    pub settings: BTreeMap<String, String>,
    /// What each target did.
    pub targets: Vec<TargetOutcome>,
}

/// Of one target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TargetOutcome {
    /// How it was named on the command line.
    pub name: String,
    /// The phases, in order.
    pub phases: Vec<PhaseOutcome>,
    /// What was seen second after second.
    pub series: Vec<Sample>,
    /// What happened when: phases, faults.
    pub marks: Vec<Mark>,
    /// Why requests were not acknowledged, and how often.
    pub errors: BTreeMap<String, u64>,
    /// Messages in which nothing of this run was said.
    pub strange_messages: u64,
    /// The oracle's counts.
    pub verdict: Counts,
    /// What must not be; none, or the run has failed.
    pub findings: Vec<String>,
}

/// What the oracle counted: a change for each receiver that must hear of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Changes said.
    pub words: u64,
    /// Of those, acknowledged.
    pub acknowledged: u64,
    /// Of those, heard.
    pub notified: u64,
    /// Not heard, with a reason: it changed again, or nobody had heard it fire.
    pub excused: u64,
    /// Not heard, and not due before the end.
    pub undecided: u64,
    /// Repeats that the system's own records explain.
    pub repeats_explained: u64,
    /// Those records.
    pub possible_duplicates: u64,
    /// What must not be.
    pub violations: u64,
}

/// Of one phase.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PhaseOutcome {
    /// Its name.
    pub name: String,
    /// Whether it is what the scenario is about; the others prepare.
    pub is_counted: bool,
    /// Alerts sent, re-sends among them.
    pub alerts: u64,
    /// Of those, acknowledged.
    pub acknowledged: u64,
    /// Requests.
    pub requests: u64,
    /// Tries that were not acknowledged.
    pub failed_tries: u64,
    /// Changes that were said: new alerts, and ends.
    pub words: u64,
    /// Of those, heard by the end of the phase.
    pub heard: u64,
    /// Messages received.
    pub messages: u64,
    /// From the first request's time to the last acknowledgement, in seconds.
    pub accept_seconds: f64,
    /// From the first request's time to the last word heard, in seconds; none where nothing was.
    pub notify_seconds: Option<f64>,
    /// CPU time of the target until it had come to rest, in microseconds; none where its processes are not known.
    pub cpu: Option<u64>,
    /// And until the last acknowledgement.
    pub cpu_accepting: Option<u64>,
    /// What its processes held before, and after they had come to rest.
    pub before: Usage,
    /// See `before`.
    pub after: Usage,
    /// How late requests left, because those before them were not answered.
    pub lateness: Option<Spread>,
    /// From when a request was due to when it was acknowledged.
    pub accept: Option<Spread>,
    /// From when a word was due to be said to when it was heard first.
    pub notify: Option<Spread>,
    /// What the generator took of a CPU, in microseconds.
    pub generator_cpu: u64,
    /// What the receiver took of a CPU, in microseconds.
    pub receiver_cpu: u64,
    /// Other figures, by name and unit.
    pub figures: BTreeMap<String, f64>,
}

impl PhaseOutcome {
    /// Alerts acknowledged a second.
    pub fn accept_rate(&self) -> f64 {
        ratio(self.acknowledged, self.accept_seconds)
    }

    /// Words heard a second.
    pub fn notify_rate(&self) -> Option<f64> {
        self.notify_seconds.map(|seconds| ratio(self.heard, seconds))
    }

    /// Microseconds of the target's CPU an alert.
    pub fn cpu_per_alert(&self) -> Option<f64> {
        self.cpu.map(|cpu| per(cpu, self.alerts))
    }

    /// Bytes that the target grew by for each alert.
    pub fn resident_per_alert(&self) -> f64 {
        per(self.after.resident.saturating_sub(self.before.resident), self.alerts)
    }

    /// Bytes that the target wrote for each alert.
    pub fn written_per_alert(&self) -> f64 {
        per(self.after.written.saturating_sub(self.before.written), self.alerts)
    }
}

/// What one second showed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct Sample {
    /// Its end, in seconds since the run began.
    pub at: f64,
    /// Alerts acknowledged in it.
    pub accepted: u64,
    /// Words heard in it.
    pub heard: u64,
    /// Words said and not heard at its end.
    pub owed: u64,
    /// Of the requests acknowledged in it: from due to acknowledged.
    pub accept: Option<Spread>,
    /// Of the words heard in it: from due to heard.
    pub notify: Option<Spread>,
    /// Records that a stage has not applied yet, for each partition, by stage.
    pub lag: BTreeMap<String, Vec<u64>>,
    /// What each process took.
    pub processes: Vec<ProcessSample>,
}

/// What one process took in one second.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProcessSample {
    /// Its name.
    pub name: String,
    /// Of one CPU, in hundredths.
    pub cpu_percent: f64,
    /// Resident memory at its end, in bytes.
    pub resident: u64,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mark {
    /// When, in seconds since the run began.
    pub at: f64,
    /// Until when, where it lasted.
    pub until: Option<f64>,
    /// What.
    pub text: String,
}

/// `count` a second.
#[allow(clippy::cast_precision_loss, reason = "far below 2^53")]
fn ratio(count: u64, seconds: f64) -> f64 {
    count as f64 / seconds.max(1e-6)
}

/// How many of something for each alert.
#[allow(clippy::cast_precision_loss, reason = "far below 2^53")]
fn per(amount: u64, alerts: u64) -> f64 {
    amount as f64 / alerts.max(1) as f64
}
