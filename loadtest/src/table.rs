//! The figures of a run, side by side: a row a figure, a column a target, and the ratio of the last to the first.

use std::collections::BTreeSet;

use crate::outcome::{Outcome, PhaseOutcome, TargetOutcome};
use crate::percentile::{RANKS, Spread, millis_text};

/// The figures of one phase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhaseTable {
    /// The phase, and whether it only prepares.
    pub name: String,
    /// The targets, in order.
    pub targets: Vec<String>,
    /// The figures.
    pub rows: Vec<Row>,
}

/// One figure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its name, with its unit.
    pub name: String,
    /// Its value for each target; a dash where there is none.
    pub values: Vec<String>,
    /// The last target's beside the first's, where there are several.
    pub ratio: Option<String>,
}

/// The figures of every phase of a run.
pub fn phase_tables(outcome: &Outcome) -> Vec<PhaseTable> {
    let columns: Vec<(String, &TargetOutcome)> = outcome
        .targets
        .iter()
        .map(|target| (target.name.clone(), target))
        .collect();
    tables(&columns)
}

/// The same of targets that come from anywhere, under these names.
pub fn tables(columns: &[(String, &TargetOutcome)]) -> Vec<PhaseTable> {
    let phases = columns.iter().map(|(_, target)| target.phases.len()).max().unwrap_or(0);
    let table = |place: usize| {
        let phases: Vec<Option<PhaseOutcome>> = columns
            .iter()
            .map(|(_, target)| target.phases.get(place).cloned())
            .collect();
        let first = phases.iter().flatten().next()?;
        let all = if first.is_counted {
            figures(&phases)
        } else {
            few_figures(&phases)
        };
        let rows = all
            .into_iter()
            .filter(|figure| figure.values.iter().any(Option::is_some));
        Some(PhaseTable {
            name: if first.is_counted {
                first.name.clone()
            } else {
                format!("{} (prepares)", first.name)
            },
            targets: columns.iter().map(|(name, _)| name.clone()).collect(),
            rows: rows.map(Figure::row).collect(),
        })
    };
    (0..phases).filter_map(table).collect()
}

/// A figure of a phase: how it is written, and its value for each target.
struct Figure {
    name: String,
    text: fn(f64) -> String,
    values: Vec<Option<f64>>,
}

impl Figure {
    fn row(self) -> Row {
        let ratio = match self.values.as_slice() {
            [Some(first), .., Some(last)] if *first > 0.0 => Some(format!("{:.2}×", last / first)),
            _ => None,
        };
        Row {
            name: self.name,
            values: self
                .values
                .iter()
                .map(|value| value.map_or("-".to_owned(), self.text))
                .collect(),
            ratio,
        }
    }
}

type Phases = [Option<PhaseOutcome>];

fn figure(
    phases: &Phases,
    name: &str,
    text: fn(f64) -> String,
    value: impl Fn(&PhaseOutcome) -> Option<f64>,
) -> Figure {
    Figure {
        name: name.to_owned(),
        text,
        values: phases.iter().map(|phase| value(phase.as_ref()?)).collect(),
    }
}

/// What of a phase that prepares is worth a look.
fn few_figures(phases: &Phases) -> Vec<Figure> {
    vec![
        figure(phases, "accepted, /s", whole, |phase| Some(phase.accept_rate())),
        figure(phases, "heard, /s", whole, PhaseOutcome::notify_rate),
        figure(phases, "CPU an alert, µs", whole, PhaseOutcome::cpu_per_alert),
        figure(phases, "resident, MiB", whole, |phase| mebibytes(phase.after.resident)),
    ]
}

fn figures(phases: &Phases) -> Vec<Figure> {
    let mut all = vec![
        figure(phases, "alerts sent", whole, |phase| Some(float(phase.alerts))),
        figure(phases, "accepted, /s", whole, |phase| Some(phase.accept_rate())),
        figure(phases, "changes heard", whole, |phase| Some(float(phase.heard))),
        figure(phases, "heard, /s", whole, PhaseOutcome::notify_rate),
        figure(phases, "CPU an alert, µs", tenth, PhaseOutcome::cpu_per_alert),
        figure(phases, "CPU an alert while accepting, µs", tenth, |phase| {
            Some(float(phase.cpu_accepting?) / float(phase.alerts.max(1)))
        }),
        figure(phases, "resident before, MiB", whole, |phase| {
            mebibytes(phase.before.resident)
        }),
        figure(phases, "resident after, MiB", whole, |phase| {
            mebibytes(phase.after.resident)
        }),
        figure(phases, "grown by an alert, bytes", whole, |phase| {
            (phase.after.resident > phase.before.resident).then(|| phase.resident_per_alert())
        }),
        figure(phases, "written for an alert, bytes", whole, |phase| {
            (phase.after.written > phase.before.written).then(|| phase.written_per_alert())
        }),
    ];
    for (name, spread) in [
        (
            "due to acknowledged",
            (|phase| phase.accept) as fn(&PhaseOutcome) -> Option<Spread>,
        ),
        ("due to heard", |phase| phase.notify),
    ] {
        for (rank, value) in RANKS.into_iter().filter(|(name, _)| *name != "p90") {
            let name = format!("{name}, {rank}, ms");
            all.push(figure(phases, &name, millis, |phase| {
                Some(float(value(&spread(phase)?)))
            }));
        }
    }
    all.push(figure(phases, "requests left late, p99, ms", millis, |phase| {
        Some(float(phase.lateness?.p99))
    }));
    all.push(figure(phases, "requests not taken at first", whole, |phase| {
        (phase.failed_tries > 0).then(|| float(phase.failed_tries))
    }));
    all.push(figure(phases, "generator's CPU an alert, µs", tenth, |phase| {
        Some(float(phase.generator_cpu) / float(phase.alerts.max(1)))
    }));
    all.push(figure(phases, "receiver's CPU a message, µs", tenth, |phase| {
        (phase.messages > 0).then(|| float(phase.receiver_cpu) / float(phase.messages))
    }));
    let named = phases
        .iter()
        .flatten()
        .flat_map(|phase| phase.figures.keys())
        .collect::<BTreeSet<_>>();
    for name in named {
        all.push(figure(
            phases,
            name,
            |value| format!("{value:.2}"),
            |phase| phase.figures.get(name).copied(),
        ));
    }
    all
}

fn whole(value: f64) -> String {
    format!("{value:.0}")
}

fn tenth(value: f64) -> String {
    format!("{value:.1}")
}

/// Of microseconds.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`as` saturates, and none is negative"
)]
fn millis(value: f64) -> String {
    millis_text(value as u64)
}

fn mebibytes(bytes: u64) -> Option<f64> {
    (bytes > 0).then(|| float(bytes) / 1_048_576.0)
}

#[allow(clippy::cast_precision_loss, reason = "far below 2^53")]
fn float(count: u64) -> f64 {
    count as f64
}
