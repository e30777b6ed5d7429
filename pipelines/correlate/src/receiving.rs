//! Since when somebody has been listening: R of the rule "silence is not resolution while nobody listened".

use std::collections::BTreeMap;

use alert::{PromDuration, Timestamp};
use processor::{Poison, TableChange};
use schemas::Instance;

use crate::wire;

/// A heartbeat older than this speaks for nobody any more: ingests write one every 5 s, and begin `receiving_since` anew
/// once the last acknowledged one is older than this.
pub(crate) const HEARTBEAT_TIMEOUT: PromDuration = PromDuration::from_secs(15);

/// One ingest's unbroken stretch of receiving, by the log's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// When it began to receive.
    pub since: Timestamp,
    /// When its newest heartbeat was appended.
    pub heard: Timestamp,
}

/// The unbroken time in which somebody has been listening.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listening {
    /// Its start: R.
    pub since: Timestamp,
    /// When that was last heard: the newest heartbeat.
    pub until: Timestamp,
}

/// The unbroken time up to now in which at least one ingest was receiving; none while no heartbeat is younger than 15 s.
///
/// A stretch ends with its last heartbeat: two that do not touch have a gap between them, however short it may be,
/// in which an alert may have been sent in vain.
pub fn listening(stretches: &[Stretch], now: Timestamp) -> Option<Listening> {
    let until = stretches.iter().map(|stretch| stretch.heard).max()?;
    if now.saturating_since(until) > HEARTBEAT_TIMEOUT {
        return None;
    }
    let mut since = until;
    // Each round reaches further back or is the last, so there are at most as many rounds as stretches.
    loop {
        let reached = stretches
            .iter()
            .filter(|stretch| stretch.heard >= since)
            .map(|stretch| stretch.since)
            .min()
            .filter(|reached| *reached < since);
        match reached {
            Some(reached) => since = reached,
            None => return Some(Listening { since, until }),
        }
    }
}

/// The view of the table `instances`: the newest stretch of each ingest.
#[derive(Debug, Default)]
pub(crate) struct Listeners(BTreeMap<Vec<u8>, Stretch>);

impl Listeners {
    /// Takes up one change of the table.
    pub(crate) fn change(&mut self, change: &TableChange) -> Result<(), Poison> {
        let instance: Option<Instance> = change.value.as_deref().map(wire::unpack).transpose()?;
        self.0.remove(&change.key);
        if let Some(instance) = instance
            && let Some(since) = instance.receiving_since
        {
            let since = to_log_clock(since, instance.at, change.appended);
            self.0.insert(
                change.key.clone(),
                Stretch {
                    since,
                    heard: change.appended,
                },
            );
        }
        Ok(())
    }

    /// [`listening`] of the table as it stands.
    pub(crate) fn listening(&self, now: Timestamp) -> Option<Listening> {
        let stretches: Vec<Stretch> = self.0.values().copied().collect();
        listening(&stretches, now)
    }
}

/// A time by the writer's clock as a time by the log's: the record itself shows by how much they differ.
fn to_log_clock(time: Timestamp, written: Timestamp, appended: Timestamp) -> Timestamp {
    let ahead = appended.millis().saturating_sub(written.millis());
    Timestamp::from_millis(time.millis().saturating_add(ahead))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A name, stretches (since, newest heartbeat), now, and R; all in seconds.
    type Row = (&'static str, &'static [(i64, i64)], i64, Option<i64>);

    #[test]
    fn the_start_of_the_unbroken_union() {
        let rows: &[Row] = &[
            ("nobody ever listened", &[], 100, None),
            ("one, alive", &[(10, 98)], 100, Some(10)),
            ("one, its heartbeat just young enough", &[(10, 85)], 100, Some(10)),
            ("one, its heartbeat too old", &[(10, 84)], 100, None),
            ("one, only just started", &[(100, 100)], 100, Some(100)),
            ("a heartbeat from ahead of now", &[(10, 101)], 100, Some(10)),
            ("two at once: the older start", &[(10, 98), (50, 99)], 100, Some(10)),
            (
                "a dead one reaches up to the living one",
                &[(10, 60), (50, 99)],
                100,
                Some(10),
            ),
            (
                "a handover at that very time is no gap",
                &[(10, 60), (60, 99)],
                100,
                Some(10),
            ),
            (
                "a second in which nobody listened is one",
                &[(10, 60), (61, 99)],
                100,
                Some(61),
            ),
            ("a chain of three", &[(70, 99), (40, 72), (10, 42)], 100, Some(10)),
            (
                "a chain that is broken in the middle",
                &[(70, 99), (40, 72), (1, 24)],
                100,
                Some(40),
            ),
            ("all dead", &[(10, 60), (50, 70)], 100, None),
        ];
        for (name, stretches, now, expected) in rows {
            let stretches: Vec<Stretch> = stretches
                .iter()
                .map(|(since, heard)| Stretch {
                    since: Timestamp::from_secs(*since),
                    heard: Timestamp::from_secs(*heard),
                })
                .collect();
            let found = listening(&stretches, Timestamp::from_secs(*now));
            let newest = stretches.iter().map(|stretch| stretch.heard).max();
            assert_eq!(
                found.map(|found| found.since),
                expected.map(Timestamp::from_secs),
                "{name}"
            );
            assert_eq!(
                found.map(|found| found.until),
                newest.filter(|_| found.is_some()),
                "{name}"
            );
        }
    }

    #[test]
    fn a_wrong_clock_of_the_writer_does_not_move_the_start() {
        let at = Timestamp::from_secs;
        assert_eq!(to_log_clock(at(1_010), at(1_098), at(98)), at(10));
        assert_eq!(to_log_clock(at(10), at(98), at(98)), at(10));
    }
}
