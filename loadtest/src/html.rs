//! The report: one page with everything in it, to be opened anywhere and pasted into a review.

use std::fmt::{self, Write};

use crate::outcome::{Outcome, Sample, TargetOutcome};
use crate::percentile::{RANKS, Rank, Spread};
use crate::plot::{Line, Plot, Scale, escape};
use crate::table::{PhaseTable, phase_tables};

/// More findings of a target than this are counted, not shown.
const SHOWN: usize = 50;
/// How the page looks. Colours are told apart by people who do not see all of them.
const STYLE: &str = include_str!("report.css");

/// A plot of the page: its title, its scale, and its lines for a target.
struct Row {
    title: &'static str,
    scale: Scale,
    lines: fn(&TargetOutcome) -> Vec<Line>,
}

/// The page's plots, in order.
const ROWS: [Row; 7] = [
    Row {
        title: "From alert due to webhook received, ms",
        scale: Scale::Log,
        lines: |target| percentiles(target, |sample| sample.notify),
    },
    Row {
        title: "From request due to acknowledged, ms",
        scale: Scale::Log,
        lines: |target| percentiles(target, |sample| sample.accept),
    },
    Row {
        title: "Alerts a second",
        scale: Scale::Linear,
        lines: |target| {
            vec![
                line(target, "accepted", |sample| Some(float(sample.accepted))),
                line(target, "heard", |sample| Some(float(sample.heard))),
            ]
        },
    },
    Row {
        title: "Changes said and not heard yet",
        scale: Scale::Linear,
        lines: |target| vec![line(target, "owed", |sample| Some(float(sample.owed)))],
    },
    Row {
        title: "Records a stage has not taken yet, by stage and partition",
        scale: Scale::Linear,
        lines: lags,
    },
    Row {
        title: "CPU, % of one processor",
        scale: Scale::Linear,
        lines: |target| by_process(target, |process| process.cpu_percent),
    },
    Row {
        title: "Resident memory, MiB",
        scale: Scale::Linear,
        lines: |target| by_process(target, |process| float(process.resident) / 1_048_576.0),
    },
];

/// The page of a run.
///
/// # Errors
/// None: writing to a string does not fail.
pub fn page(outcome: &Outcome) -> Result<String, fmt::Error> {
    let mut out = String::new();
    let title = escape(&format!("loadtest {}", outcome.scenario));
    writeln!(
        out,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>"
    )?;
    writeln!(
        out,
        "<meta name=\"viewport\" content=\"width=device-width\"><style>{STYLE}</style></head><body>"
    )?;
    writeln!(out, "<h1>{title}</h1>")?;
    let build = if outcome.release {
        ""
    } else {
        " — a debug build of the load test: its numbers say little"
    };
    writeln!(
        out,
        "<p class=\"about\">{} on {}{build}</p>",
        escape(&outcome.began),
        escape(&outcome.machine)
    )?;
    writeln!(out, "<dl class=\"settings\">")?;
    for (name, value) in &outcome.settings {
        writeln!(out, "<div><dt>{}</dt><dd>{}</dd></div>", escape(name), escape(value))?;
    }
    writeln!(out, "</dl>")?;
    for target in &outcome.targets {
        verdict(&mut out, target)?;
    }
    writeln!(out, "<div class=\"tables\">")?;
    for table in phase_tables(outcome) {
        figures(&mut out, &table)?;
    }
    writeln!(out, "</div>")?;
    plots(&mut out, outcome)?;
    writeln!(out, "</body></html>")?;
    Ok(out)
}

fn verdict(out: &mut String, target: &TargetOutcome) -> fmt::Result {
    let name = escape(&target.name);
    if target.findings.is_empty() {
        return writeln!(out, "<p class=\"good\"><b>{name}</b>: nothing that must not be.</p>");
    }
    writeln!(
        out,
        "<div class=\"bad\"><b>{name}</b>: {} findings<ul>",
        target.findings.len()
    )?;
    for finding in target.findings.iter().take(SHOWN) {
        writeln!(out, "<li>{}</li>", escape(finding))?;
    }
    writeln!(out, "</ul></div>")
}

fn figures(out: &mut String, table: &PhaseTable) -> fmt::Result {
    writeln!(
        out,
        "<table><caption>{}</caption><thead><tr><th></th>",
        escape(&table.name)
    )?;
    for target in &table.targets {
        writeln!(out, "<th>{}</th>", escape(target))?;
    }
    let several = table.targets.len() > 1;
    writeln!(
        out,
        "{}</tr></thead><tbody>",
        if several { "<th>ratio</th>" } else { "" }
    )?;
    for row in &table.rows {
        write!(out, "<tr><th>{}</th>", escape(&row.name))?;
        for value in &row.values {
            write!(out, "<td>{value}</td>")?;
        }
        if several {
            write!(out, "<td>{}</td>", row.ratio.as_deref().unwrap_or_default())?;
        }
        writeln!(out, "</tr>")?;
    }
    writeln!(out, "</tbody></table>")
}

/// A row of plots for each kind, a column for each target, on one scale.
fn plots(out: &mut String, outcome: &Outcome) -> fmt::Result {
    let until = outcome
        .targets
        .iter()
        .filter_map(|target| target.series.last())
        .map(|sample| sample.at);
    let until = until.fold(1.0, f64::max);
    writeln!(
        out,
        "<div class=\"plots\" style=\"--targets:{}\">",
        outcome.targets.len()
    )?;
    if outcome.targets.len() > 1 {
        for target in &outcome.targets {
            writeln!(out, "<h2>{}</h2>", escape(&target.name))?;
        }
    }
    for row in &ROWS {
        let lines: Vec<Vec<Line>> = outcome.targets.iter().map(row.lines).collect();
        let points = lines.iter().flatten().flat_map(|line| &line.points);
        let most = points.clone().map(|(_, value)| *value).fold(0.0, f64::max);
        if points.count() == 0 {
            continue;
        }
        for (target, lines) in outcome.targets.iter().zip(lines) {
            let plot = Plot {
                title: row.title,
                lines,
                marks: &target.marks,
                scale: row.scale,
                until,
                most,
            };
            plot.html(out)?;
        }
    }
    writeln!(out, "</div>")
}

fn line(target: &TargetOutcome, name: &str, value: impl Fn(&Sample) -> Option<f64>) -> Line {
    Line {
        name: name.to_owned(),
        points: target
            .series
            .iter()
            .filter_map(|sample| Some((sample.at, value(sample)?)))
            .collect(),
    }
}

fn percentiles(target: &TargetOutcome, spread: fn(&Sample) -> Option<Spread>) -> Vec<Line> {
    let of = |(name, value): Rank| {
        line(target, name, move |sample| {
            Some(float(value(&spread(sample)?)) / 1_000.0)
        })
    };
    // Of one second's values the last thousandth is the worst.
    RANKS.into_iter().filter(|(name, _)| *name != "p99.9").map(of).collect()
}

/// Every stage's partitions together, and the worst of them.
fn lags(target: &TargetOutcome) -> Vec<Line> {
    let stages: std::collections::BTreeSet<_> = target.series.iter().flat_map(|sample| sample.lag.keys()).collect();
    let sum = |stage: &String, sample: &Sample| Some(float(sample.lag.get(stage)?.iter().sum()));
    let worst = |stage: &String, sample: &Sample| Some(float(*sample.lag.get(stage)?.iter().max()?));
    let lines = stages.into_iter().flat_map(|stage| {
        [
            line(target, stage, |sample| sum(stage, sample)),
            line(target, &format!("{stage}, worst partition"), |sample| {
                worst(stage, sample)
            }),
        ]
    });
    lines.collect()
}

fn by_process(target: &TargetOutcome, value: fn(&crate::outcome::ProcessSample) -> f64) -> Vec<Line> {
    let mut names: Vec<&str> = Vec::new();
    for process in target.series.iter().flat_map(|sample| &sample.processes) {
        if !names.contains(&process.name.as_str()) {
            names.push(&process.name);
        }
    }
    let of = |name: &str, sample: &Sample| sample.processes.iter().find(|process| process.name == name).map(value);
    names
        .into_iter()
        .map(|name| line(target, name, |sample| of(name, sample)))
        .collect()
}

#[allow(clippy::cast_precision_loss, reason = "far below 2^53")]
fn float(count: u64) -> f64 {
    count as f64
}
