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

/// The start of the unbroken time up to `now` in which at least one ingest was receiving; none while no heartbeat is
/// younger than 15 s.
///
/// A stretch speaks for 15 s after its last heartbeat, so that a handover within that time is no gap.
pub fn listening_since(stretches: &[Stretch], now: Timestamp) -> Option<Timestamp> {
    let newest = stretches.iter().map(|stretch| stretch.heard).max()?;
    if now.saturating_since(newest) > HEARTBEAT_TIMEOUT {
        return None;
    }
    let mut start = newest;
    // Each round reaches further back or is the last, so there are at most as many rounds as stretches.
    loop {
        let reached = stretches
            .iter()
            .filter(|stretch| stretch.heard + HEARTBEAT_TIMEOUT >= start)
            .map(|stretch| stretch.since)
            .min()
            .filter(|since| *since < start);
        match reached {
            Some(since) => start = since,
            None => return Some(start),
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

    /// [`listening_since`] of the table as it stands.
    pub(crate) fn since(&self, now: Timestamp) -> Option<Timestamp> {
        let stretches: Vec<Stretch> = self.0.values().copied().collect();
        listening_since(&stretches, now)
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
            ("a handover within 15 s is no gap", &[(10, 60), (75, 99)], 100, Some(10)),
            ("a gap of more than 15 s is one", &[(10, 60), (76, 99)], 100, Some(76)),
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
            let found = listening_since(&stretches, Timestamp::from_secs(*now));
            assert_eq!(found, expected.map(Timestamp::from_secs), "{name}");
        }
    }

    #[test]
    fn a_wrong_clock_of_the_writer_does_not_move_the_start() {
        let at = Timestamp::from_secs;
        assert_eq!(to_log_clock(at(1_010), at(1_098), at(98)), at(10));
        assert_eq!(to_log_clock(at(10), at(98), at(98)), at(10));
    }
}
