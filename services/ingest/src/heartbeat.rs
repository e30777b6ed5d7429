//! Since when this process has been receiving without a gap: what keeps silence from looking like resolution.

use alert::{PromDuration, Timestamp};

/// How often a process says that it lives.
pub const HEARTBEAT_EVERY: PromDuration = PromDuration::from_secs(5);

/// A last acknowledged heartbeat older than this is a gap: nobody can tell whether this process was listening. Three
/// heartbeats, so that one lost is none.
pub const STALE: PromDuration = PromDuration::from_secs(15);

/// The rule for `receiving_since`: the start, or anew once the last acknowledged heartbeat is older than [`STALE`]; none
/// while nothing is received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heartbeat {
    receiving_since: Option<Timestamp>,
    acknowledged: Timestamp,
}

impl Heartbeat {
    /// A process that starts, and is not receiving yet.
    pub fn new(started_at: Timestamp) -> Self {
        Self {
            receiving_since: None,
            acknowledged: started_at,
        }
    }

    /// What a heartbeat written at `now` says; `receiving` is whether what is sent to this process is taken, in time.
    pub fn beat(&mut self, now: Timestamp, receiving: bool) -> Option<Timestamp> {
        let gap = now.saturating_since(self.acknowledged) > STALE;
        self.receiving_since = match self.receiving_since {
            _ if !receiving => None,
            Some(since) if !gap => Some(since),
            Some(_) | None => Some(now),
        };
        self.receiving_since
    }

    /// The log has acknowledged the heartbeat that was written at `at`.
    pub fn acknowledged(&mut self, at: Timestamp) {
        self.acknowledged = self.acknowledged.max(at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_secs(seconds)
    }

    #[test]
    fn receiving_since_begins_anew_after_every_gap() {
        /// Second, whether it receives, whether the log acknowledges this beat; since when it says it has been receiving.
        type Beat = (i64, bool, bool, Option<i64>);
        let timelines: [(&str, &[Beat]); 6] = [
            (
                "all well",
                &[
                    (0, true, true, Some(0)),
                    (5, true, true, Some(0)),
                    (10, true, true, Some(0)),
                ],
            ),
            (
                "no config at first",
                &[
                    (0, false, true, None),
                    (5, true, true, Some(5)),
                    (10, true, true, Some(5)),
                ],
            ),
            (
                "one beat lost",
                &[
                    (0, true, true, Some(0)),
                    (5, true, false, Some(0)),
                    (10, true, true, Some(0)),
                ],
            ),
            (
                "three beats lost: at 15 s it is not yet a gap, after it is",
                &[
                    (0, true, true, Some(0)),
                    (5, true, false, Some(0)),
                    (15, true, false, Some(0)),
                    (16, true, true, Some(16)),
                    (21, true, true, Some(16)),
                ],
            ),
            (
                "while nothing is acknowledged every beat begins anew",
                &[
                    (0, true, true, Some(0)),
                    (20, true, false, Some(20)),
                    (25, true, false, Some(25)),
                    (30, true, true, Some(30)),
                ],
            ),
            (
                "refuses in between",
                &[
                    (0, true, true, Some(0)),
                    (5, false, true, None),
                    (10, true, true, Some(10)),
                ],
            ),
        ];
        for (name, beats) in timelines {
            let mut heartbeat = Heartbeat::new(at(0));
            for (second, receiving, acknowledged, want) in beats {
                assert_eq!(
                    heartbeat.beat(at(*second), *receiving),
                    want.map(at),
                    "{name}: at {second} s"
                );
                if *acknowledged {
                    heartbeat.acknowledged(at(*second));
                }
            }
        }
    }
}
