//! When an alert that nobody sends again expires.
//!
//! **The refresh slack.** A re-send that only moves `endsAt` is not written each time: that would be a changelog record a
//! minute and alert. State is all that survives, and what is not written is not known to anybody, so the bound stands in
//! state itself: [`expires_at`](schemas::CorrelateAlert::expires_at).
//!
//! - As an alert opens, it is its `endsAt`: without a re-send the alert expires there, exactly.
//! - The first re-send is written, with `expires_at` = its `endsAt` + [`slack`]. The re-sends after it are written only
//!   when their `endsAt` lies past that bound, so no unwritten one can.
//!
//! So an alert never expires before its true `endsAt`, with or without a restore between, and at most one slack after it.

use alert::{PromDuration, Timestamp};

/// The most an expiry may be late by: with Prometheus' four minutes the slack is two, and one explicit `endsAt` far ahead
/// must not hold an alert for days.
pub const MAX_SLACK: PromDuration = PromDuration::from_mins(5);

/// How long after somebody began to listen an alert from before it may still be re-sent: five minutes is more than any
/// usual re-send interval. `resolve_timeout` counts where it is longer.
pub const GRACE: PromDuration = PromDuration::from_mins(5);

/// While nobody listens, how long an overdue alert waits to ask again: long enough that a million of them re-arm 17,000
/// times a second, and a listener's return adds five minutes of grace anyway.
pub const ASK_AGAIN: PromDuration = PromDuration::from_mins(1);

/// By how much a re-send may move `endsAt` without being written: half of (`endsAt` − received), [`MAX_SLACK`] at most.
pub fn slack(ends_at: Timestamp, received_at: Timestamp) -> PromDuration {
    PromDuration::from_millis(ends_at.saturating_since(received_at).millis() / 2).min(MAX_SLACK)
}

/// What an expiry timer that fired finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiry {
    /// It is over.
    Now,
    /// Not before then.
    NotBefore(Timestamp),
}

/// Whether an alert that was last heard of at `heard_at` and expires at `expires_at` is over at `now`, when somebody has
/// been listening since `listening`, and re-sends may take `grace` after that.
pub fn expiry(
    expires_at: Timestamp,
    heard_at: Timestamp,
    listening: Option<Timestamp>,
    grace: PromDuration,
    now: Timestamp,
) -> Expiry {
    let due = match listening {
        None => expires_at.max(now + ASK_AGAIN),
        Some(since) if heard_at < since => expires_at.max(since + grace),
        Some(_) => expires_at,
    };
    if due <= now {
        Expiry::Now
    } else {
        Expiry::NotBefore(due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    #[test]
    fn the_slack_is_half_of_what_is_left_and_five_minutes_at_most() {
        let rows = [
            (240, 0, 120),
            (240, 60, 90),
            (60, 60, 0),
            (10, 60, 0),
            (601, 0, 300),
            (1_000_000, 0, 300),
        ];
        for (ends, received, secs) in rows {
            assert_eq!(
                slack(at(ends), at(received)),
                PromDuration::from_secs(secs),
                "{ends} {received}"
            );
        }
    }

    /// A name, expires, heard, R, now, expected; grace is 300 s.
    type Row = (&'static str, i64, i64, Option<i64>, i64, Expiry);

    #[test]
    fn silence_counts_only_since_somebody_listened() {
        let rows: &[Row] = &[
            ("heard since R: at its end", 100, 50, Some(40), 100, Expiry::Now),
            ("heard at R: at its end", 100, 40, Some(40), 100, Expiry::Now),
            (
                "heard since R: not before",
                100,
                50,
                Some(40),
                99,
                Expiry::NotBefore(at(100)),
            ),
            (
                "heard before R: after the grace",
                100,
                39,
                Some(40),
                100,
                Expiry::NotBefore(at(340)),
            ),
            ("heard before R: the grace is over", 100, 39, Some(40), 340, Expiry::Now),
            (
                "heard before R: its end is later",
                500,
                39,
                Some(40),
                400,
                Expiry::NotBefore(at(500)),
            ),
            (
                "nobody listens: ask again",
                100,
                50,
                None,
                100,
                Expiry::NotBefore(at(160)),
            ),
            (
                "nobody listens: its end is later",
                500,
                50,
                None,
                100,
                Expiry::NotBefore(at(500)),
            ),
        ];
        for (name, expires, heard, listening, now, expected) in rows {
            let found = expiry(at(*expires), at(*heard), listening.map(at), GRACE, at(*now));
            assert_eq!(found, *expected, "{name}");
        }
    }
}
