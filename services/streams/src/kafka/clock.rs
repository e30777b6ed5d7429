//! The log's clock: this process's monotonic clock plus the offset that append times show.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use alert::Timestamp;

/// The offset is the best of the last one to two of these, so that a clock that is set back is followed.
const WINDOW: Duration = Duration::from_mins(1);
/// More than this between the wall clock and the log's is worth a warning.
const TOLERATED_SKEW_MS: i64 = 2_000;
/// At most one warning in this time.
const WARN_EVERY: Duration = Duration::from_mins(1);

/// A clock shared by all clients of a log.
#[derive(Debug)]
pub(super) struct Clock {
    base: Instant,
    estimate: Mutex<Estimate>,
}

/// All times in milliseconds; `mono` since the process's base, the rest since the epoch.
#[derive(Debug)]
struct Estimate {
    /// Epoch time at the base, as far as is known.
    offset: i64,
    /// The best sample of this window and of the one before.
    window: Option<i64>,
    before: Option<i64>,
    window_began: i64,
    /// The latest time that was told.
    told: i64,
    warned: Option<i64>,
}

impl Estimate {
    fn new(offset: i64) -> Self {
        Self {
            offset,
            window: None,
            before: None,
            window_began: 0,
            told: i64::MIN,
            warned: None,
        }
    }

    fn now(&mut self, mono: i64) -> i64 {
        self.told = self.told.max(self.offset + mono);
        self.told
    }

    /// A record of ours was appended at `appended`, and the answer came at `mono`: late by the way back, so that of
    /// several samples the greatest is the best.
    fn acknowledged(&mut self, appended: i64, mono: i64) {
        if mono - self.window_began >= i64::try_from(WINDOW.as_millis()).unwrap_or(i64::MAX) {
            self.before = self.window.take();
            self.window_began = mono;
        }
        let sample = appended - mono;
        let best = self.window.map_or(sample, |best| best.max(sample));
        self.window = Some(best);
        self.offset = self.before.map_or(best, |before| before.max(best));
    }

    /// A record was read that was appended at `appended`: it cannot be earlier than that now.
    fn reached(&mut self, appended: i64, mono: i64) {
        let sample = appended - mono;
        if sample > self.offset {
            self.offset = sample;
            self.window = Some(self.window.map_or(sample, |best| best.max(sample)));
        }
    }

    /// How far the wall clock is ahead, and whether to warn of it.
    fn skew(&mut self, wall: i64, mono: i64) -> (i64, bool) {
        let skew = wall - (self.offset + mono);
        let due = self
            .warned
            .is_none_or(|at| mono - at >= i64::try_from(WARN_EVERY.as_millis()).unwrap_or(i64::MAX));
        let warn = skew.abs() > TOLERATED_SKEW_MS && due;
        if warn {
            self.warned = Some(mono);
        }
        (skew, warn)
    }
}

impl Clock {
    pub(super) fn new() -> Self {
        Self {
            base: Instant::now(),
            estimate: Mutex::new(Estimate::new(wall())),
        }
    }

    fn mono(&self) -> i64 {
        i64::try_from(self.base.elapsed().as_millis()).unwrap_or(i64::MAX)
    }

    pub(super) fn now(&self) -> Timestamp {
        let mono = self.mono();
        Timestamp::from_millis(self.estimate.lock().unwrap_or_else(PoisonError::into_inner).now(mono))
    }

    /// A record of ours was appended at this time, and the answer is here now.
    pub(super) fn acknowledged(&self, appended: i64) {
        let (mono, wall) = (self.mono(), wall());
        let mut estimate = self.estimate.lock().unwrap_or_else(PoisonError::into_inner);
        estimate.acknowledged(appended, mono);
        let (skew, warn) = estimate.skew(wall, mono);
        drop(estimate);
        #[expect(
            clippy::cast_precision_loss,
            reason = "a skew of 285,000 years may be shown imprecisely"
        )]
        metrics::gauge!("streams_clock_skew_seconds").set(skew as f64 / 1_000.0);
        if warn {
            metrics::counter!("streams_clock_skewed_total").increment(1);
            tracing::warn!(skew_ms = skew, "this machine's clock is off; the log's clock is used");
        }
    }

    /// A record was read that was appended at this time.
    pub(super) fn reached(&self, appended: i64) {
        let mono = self.mono();
        self.estimate
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .reached(appended, mono);
    }
}

fn wall() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    enum Step {
        /// Appended at, answered at.
        Acknowledged(i64, i64),
        Reached(i64, i64),
        /// Asked at, expected.
        Now(i64, i64),
    }
    use Step::{Acknowledged, Now, Reached};

    #[test]
    fn the_clock_follows_append_times_and_never_goes_back() {
        let rows: [(&str, Vec<Step>); 6] = [
            (
                "the wall clock until something is known",
                vec![Now(0, 1_000), Now(5, 1_005)],
            ),
            (
                "a broker ahead pulls it up",
                vec![Acknowledged(5_000, 10), Now(10, 5_000), Now(20, 5_010)],
            ),
            (
                "the quickest answer counts",
                vec![Acknowledged(2_000, 40), Acknowledged(2_010, 60), Now(60, 2_020)],
            ),
            (
                "a broker behind holds it until it caught up",
                vec![Now(0, 1_000), Acknowledged(500, 10), Now(10, 1_000), Now(600, 1_090)],
            ),
            (
                "an old record read says nothing",
                vec![Acknowledged(2_000, 0), Reached(700, 5), Now(5, 2_005)],
            ),
            (
                "a clock set back is followed after two windows",
                vec![
                    Acknowledged(9_000, 0),
                    Acknowledged(61_000, 60_001),
                    Now(60_001, 69_001),
                    Acknowledged(121_000, 120_002),
                    Now(120_002, 120_002 + 999),
                ],
            ),
        ];
        for (name, steps) in rows {
            let mut clock = Estimate::new(1_000);
            for step in steps {
                match step {
                    Acknowledged(appended, mono) => clock.acknowledged(appended, mono),
                    Reached(appended, mono) => clock.reached(appended, mono),
                    Now(mono, expected) => assert_eq!(clock.now(mono), expected, "{name}"),
                }
            }
        }
    }

    #[test]
    fn a_skew_is_warned_of_once_a_minute() {
        let mut clock = Estimate::new(0);
        clock.acknowledged(10_000, 0);
        assert_eq!(clock.skew(11_000, 0), (1_000, false));
        assert_eq!(clock.skew(13_000, 0), (3_000, true));
        assert_eq!(clock.skew(13_000, 1), (2_999, false));
        assert_eq!(clock.skew(73_000, 60_000), (3_000, true));
    }
}
