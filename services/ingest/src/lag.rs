//! Whether the users' topics are read in time.

use std::collections::{BTreeMap, VecDeque};

use alert::{PromDuration, Timestamp};

/// An event that waits longer than this has not been received: as long as a heartbeat may be old.
pub const MAX_LAG: PromDuration = PromDuration::from_secs(15);

/// Remembers where each partition ended, to tell how long what is unread has been waiting.
#[derive(Debug, Clone, Default)]
pub struct LagWatch {
    partitions: BTreeMap<(String, u32), Partition>,
}

#[derive(Debug, Clone, Default)]
struct Partition {
    /// Ends as seen, oldest first; the first is the newest that is at least `MAX_LAG` old.
    ends: VecDeque<(Timestamp, i64)>,
    committed: i64,
}

impl LagWatch {
    /// Notes a partition's end and the group's committed position, as asked for at `now`. A position that could not be
    /// learnt is the one before.
    pub fn note(&mut self, topic: &str, partition: u32, now: Timestamp, end: i64, committed: Option<i64>) {
        let seen = self.partitions.entry((topic.to_owned(), partition)).or_default();
        seen.committed = seen.committed.max(committed.unwrap_or(0));
        seen.ends.push_back((now, end));
        while seen
            .ends
            .get(1)
            .is_some_and(|(at, _)| now.saturating_since(*at) >= MAX_LAG)
        {
            seen.ends.pop_front();
        }
    }

    /// The partitions in which something has waited for [`MAX_LAG`] or longer.
    pub fn behind(&self, now: Timestamp) -> Vec<(&str, u32)> {
        let late = |seen: &Partition| {
            seen.ends
                .front()
                .is_some_and(|(at, end)| now.saturating_since(*at) >= MAX_LAG && seen.committed < *end)
        };
        self.partitions
            .iter()
            .filter(|(_, seen)| late(seen))
            .map(|((topic, n), _)| (topic.as_str(), *n))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_is_behind_once_something_waits_too_long() {
        // Second, the partition's end, the committed position (none: not known); whether it is behind.
        type Look = (i64, i64, Option<i64>, bool);
        let timelines: [(&str, &[Look]); 5] = [
            (
                "nothing ever",
                &[(0, 0, None, false), (5, 0, None, false), (20, 0, None, false)],
            ),
            (
                "keeps up",
                &[
                    (0, 5, Some(5), false),
                    (10, 9, Some(8), false),
                    (20, 14, Some(9), false),
                    (30, 20, Some(18), false),
                ],
            ),
            (
                "stands still",
                &[
                    (0, 5, Some(3), false),
                    (5, 5, Some(3), false),
                    (15, 5, Some(3), true),
                    (20, 5, Some(5), false),
                ],
            ),
            (
                "moves, but late",
                &[
                    (0, 100, Some(10), false),
                    (10, 200, Some(50), false),
                    (15, 300, Some(90), true),
                    (16, 300, Some(100), false),
                ],
            ),
            (
                "position unknown for a while",
                &[(0, 5, Some(5), false), (10, 5, None, false), (20, 5, None, false)],
            ),
        ];
        for (name, looks) in timelines {
            let mut watch = LagWatch::default();
            for (second, end, committed, want) in looks {
                let now = Timestamp::from_secs(*second);
                watch.note("alert-events", 3, now, *end, *committed);
                assert_eq!(!watch.behind(now).is_empty(), *want, "{name}: at {second} s");
            }
        }
    }
}
