//! Journal entries: the newest from memory, older ones from their one partition.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use alert::{Timestamp, partition_for};
use schemas::topics;
use streams::{From, LogError};

use crate::app::App;
use crate::view::{Kept, partitions};

/// How many records before those in memory one question reads at most. The log has no seek by time, so the newest of the
/// older ones are read, and the answer says when there may be more.
pub(crate) const MAX_SCAN: i64 = 50_000;
/// How long such a question may read.
const SCAN_TIME: Duration = Duration::from_secs(2);
/// How many records are read at once.
const BATCH: usize = 2_000;
/// How long one poll waits.
const POLL_WAIT: Duration = Duration::from_millis(50);

/// Which entries are asked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    /// Of this group id. Only with it older entries than those in memory can be found: it says in which partition.
    pub(crate) group: Option<String>,
    /// Of this incident.
    pub(crate) incident: Option<String>,
    /// Written then or later.
    pub(crate) since: Option<Timestamp>,
    /// At most so many, the newest.
    pub(crate) limit: usize,
}

impl Filter {
    fn takes(&self, kept: &Kept) -> bool {
        let of_incident = |id: &String| {
            kept.entry().is_some_and(|entry| {
                entry.incident_id.as_ref() == Some(id) || entry.fields.get("incident") == Some(id.as_str())
            })
        };
        self.since.is_none_or(|since| kept.at >= since)
            && self.group.as_ref().is_none_or(|group| *group == kept.group())
            && self.incident.as_ref().is_none_or(of_incident)
    }
}

/// What was found.
#[derive(Debug)]
pub(crate) struct Found {
    /// The newest first.
    pub(crate) entries: Vec<Kept>,
    /// Whether that is all there is.
    pub(crate) complete: bool,
}

/// The entries asked for. May read the log, so it may block, for [`SCAN_TIME`] at most.
pub(crate) fn entries(app: &App, filter: &Filter) -> Result<Found, LogError> {
    let mut recent = app.view.recent().all();
    recent.sort_by_key(|kept| (kept.at, kept.partition, kept.offset));
    let mut entries: Vec<_> = recent
        .iter()
        .rev()
        .filter(|kept| filter.takes(kept))
        .take(filter.limit + 1)
        .cloned()
        .collect();
    if entries.len() > filter.limit {
        entries.truncate(filter.limit);
        return Ok(Found {
            entries,
            complete: false,
        });
    }
    let count = partitions(app.log.as_ref(), topics::JOURNAL)?;
    let mut complete = true;
    for partition in 0..count {
        let mine = filter
            .group
            .as_ref()
            .is_none_or(|group| partition_for(group.as_bytes(), count) == partition);
        let low = app.log.watermarks(topics::JOURNAL, partition)?.low;
        let held_from = app
            .view
            .recent()
            .first_of(partition)
            .unwrap_or_else(|| app.view.positions.get(topics::JOURNAL, partition));
        let oldest = recent
            .iter()
            .find(|kept| kept.partition == partition)
            .map(|kept| kept.at);
        let covered = held_from <= low
            || filter
                .since
                .is_some_and(|since| oldest.is_some_and(|oldest| oldest < since));
        if !mine || covered {
            continue;
        }
        if filter.group.is_none() {
            complete = false;
            continue;
        }
        let room = filter.limit - entries.len();
        let older = scan(app, filter, partition, (low, held_from), room)?;
        complete = older.complete;
        entries.extend(older.entries);
    }
    Ok(Found { entries, complete })
}

/// The newest entries of one partition before `end`, where the log begins at `low`.
fn scan(app: &App, filter: &Filter, partition: u32, (low, end): (i64, i64), room: usize) -> Result<Found, LogError> {
    let start = (end - MAX_SCAN).max(low);
    let mut reader = app
        .log
        .reader(&[(topics::JOURNAL.to_owned(), partition, From::Offset(start))])?;
    let (mut found, mut cut, began) = (VecDeque::new(), start > low, Instant::now());
    while reader.position(topics::JOURNAL, partition).unwrap_or(start) < end {
        if began.elapsed() > SCAN_TIME {
            cut = true;
            break;
        }
        let records = reader.poll(BATCH, POLL_WAIT)?;
        for kept in records
            .into_iter()
            .filter(|(_, record)| record.offset < end)
            .filter_map(|(_, record)| Kept::of(record))
        {
            if cut && filter.since.is_some_and(|since| kept.at < since) {
                cut = false;
            }
            if filter.takes(&kept) {
                found.push_back(kept);
                if found.len() > room {
                    found.pop_front();
                    cut = true;
                }
            }
        }
    }
    Ok(Found {
        entries: found.into_iter().rev().collect(),
        complete: !cut,
    })
}
