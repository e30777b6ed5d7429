//! What a run showed, for a person.

use std::fmt;
use std::fmt::Write;

use crate::observe::Observed;
use crate::percentile::Summary;

/// More violations of one run than this are counted, not shown.
const SHOWN: usize = 50;

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            count,
            p50,
            p90,
            p99,
            max,
        } = self;
        write!(
            f,
            "p50 {p50} ms, p90 {p90} ms, p99 {p99} ms, worst {max} ms (of {count})"
        )
    }
}

/// The report: what was done, what was seen, what must not be, and the verdict in the last line.
pub(crate) fn report(observed: &Observed) -> Result<String, fmt::Error> {
    let Observed {
        verdict,
        faults,
        refused,
        journal_error,
        records,
        took,
    } = observed;
    let mut text = String::new();
    writeln!(
        text,
        "What was done ({} faults, {:.0} s in all):",
        faults.outages.len(),
        took.as_secs_f64()
    )?;
    for note in &faults.notes {
        writeln!(text, "  {note}")?;
    }
    writeln!(text, "What was seen, alerts firing and resolved counted apart:")?;
    writeln!(text, "  posted                {}", verdict.posted)?;
    writeln!(text, "  acknowledged          {}", verdict.acknowledged)?;
    writeln!(text, "  of those, notified    {}", verdict.notified)?;
    writeln!(text, "  repeats explained     {}", verdict.repeats_explained)?;
    writeln!(
        text,
        "  their records         {records} (possible_duplicate, in the journal)"
    )?;
    for (status, latencies) in &verdict.latencies {
        if let Some(summary) = Summary::of(latencies) {
            writeln!(text, "  {:<22}{summary}", format!("{status}, to received"))?;
        }
    }
    let mut wrong: Vec<String> = faults.failures.clone();
    wrong.extend(refused.iter().map(|refused| format!("REFUSED: {refused}")));
    wrong.extend(journal_error.iter().map(|error| format!("NO JOURNAL: {error}")));
    wrong.extend(verdict.violations.iter().map(ToString::to_string));
    if !wrong.is_empty() {
        writeln!(text, "What must not be:")?;
    }
    for line in wrong.iter().take(SHOWN) {
        writeln!(text, "  {line}")?;
    }
    if wrong.len() > SHOWN {
        writeln!(text, "  and {} more", wrong.len() - SHOWN)?;
    }
    let nothing = verdict.acknowledged == 0;
    match (observed.is_good(), nothing) {
        (true, false) => writeln!(text, "PASSED")?,
        (true, true) => writeln!(text, "FAILED: nothing was acknowledged, so nothing is shown")?,
        (false, _) => writeln!(text, "FAILED: {} findings", wrong.len())?,
    }
    Ok(text)
}
