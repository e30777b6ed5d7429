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
//! So an alert never expires before its true `endsAt`, with or without a restore between, and at most one slack after it,
//! and the wait for the next heartbeat.

use alert::{PromDuration, Timestamp};

use crate::receiving::Listening;

/// The most an expiry may be late by: with Prometheus' four minutes the slack is two, and one explicit `endsAt` far ahead
/// must not hold an alert for days.
pub const MAX_SLACK: PromDuration = PromDuration::from_mins(5);

/// How long after somebody began to listen an alert from before it may still be re-sent: five minutes is more than any
/// usual re-send interval. `resolve_timeout` counts where it is longer.
pub const GRACE: PromDuration = PromDuration::from_mins(5);

/// While nobody listens, how long an overdue alert waits to ask again: long enough that a million of them re-arm 17,000
/// times a second, and a listener's return adds five minutes of grace anyway.
pub const ASK_AGAIN: PromDuration = PromDuration::from_mins(1);

/// When the heartbeat after the newest is here: they come every 5 s, and take less than one to arrive.
const NEXT_HEARTBEAT: PromDuration = PromDuration::from_secs(6);

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

/// Up to when an alert holds that is not heard of again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hold {
    /// When it expires if somebody listens.
    pub expires_at: Timestamp,
    /// When it was last heard of.
    pub heard_at: Timestamp,
    /// Whether its source sends it again and again; else it was sent once, with an end.
    pub resent: bool,
}

/// Whether an alert is over at `now`, when somebody has been listening as `listening` says, and re-sends may take `grace`
/// after the begin of that.
///
/// Heartbeats come every five seconds, so for a moment nobody knows whether who listened still does. A source that sends
/// again and again would have been heard, so what it sends is over only once a heartbeat from after `expires_at` tells
/// that it would; what was sent once with an end is over then, exactly.
pub fn expiry(hold: Hold, listening: Option<Listening>, grace: PromDuration, now: Timestamp) -> Expiry {
    let Hold {
        expires_at,
        heard_at,
        resent,
    } = hold;
    let due = match listening {
        None => expires_at.max(now + ASK_AGAIN),
        Some(Listening { since, .. }) if heard_at < since => expires_at.max(since + grace),
        Some(Listening { until, .. }) if resent && until < expires_at => expires_at
            .max(until + NEXT_HEARTBEAT)
            .max(now + PromDuration::from_secs(1)),
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

    /// A name, expires, heard, since and until when somebody listens, now, expected; grace is 300 s.
    type Row = (&'static str, i64, i64, Option<(i64, i64)>, i64, Expiry);

    #[test]
    fn silence_counts_only_since_somebody_listened() {
        use Expiry::{NotBefore, Now};
        let alive = Some((40, 1_000));
        let rows: &[Row] = &[
            ("heard since R: at its end", 100, 50, alive, 100, Now),
            ("heard at R: at its end", 100, 40, alive, 100, Now),
            ("heard since R: not before", 100, 50, alive, 99, NotBefore(at(100))),
            (
                "heard before R: after the grace",
                100,
                39,
                alive,
                100,
                NotBefore(at(340)),
            ),
            ("heard before R: the grace is over", 100, 39, alive, 340, Now),
            (
                "heard before R: its end is later",
                500,
                39,
                alive,
                400,
                NotBefore(at(500)),
            ),
            ("nobody listens: ask again", 100, 50, None, 100, NotBefore(at(160))),
            (
                "nobody listens: its end is later",
                500,
                50,
                None,
                100,
                NotBefore(at(500)),
            ),
        ];
        for (name, expires, heard, listening, now, expected) in rows {
            for resent in [false, true] {
                let found = found(*expires, *heard, resent, *listening, *now);
                assert_eq!(found, *expected, "{name}, re-sent: {resent}");
            }
        }
    }

    #[test]
    fn what_is_sent_again_and_again_is_over_once_a_heartbeat_tells_that_it_would_have_been_heard() {
        use Expiry::{NotBefore, Now};
        let rows: &[(&str, bool, i64, i64, Expiry)] = &[
            (
                "the last heartbeat is from before its end",
                true,
                98,
                100,
                NotBefore(at(104)),
            ),
            ("the next one is late", true, 98, 104, NotBefore(at(105))),
            ("a heartbeat from then", true, 100, 100, Now),
            ("a heartbeat from after", true, 103, 104, Now),
            ("sent once, with an end", false, 98, 100, Now),
        ];
        for (name, resent, until, now, expected) in rows {
            let found = found(100, 50, *resent, Some((40, *until)), *now);
            assert_eq!(found, *expected, "{name}");
        }
    }

    fn found(expires: i64, heard: i64, resent: bool, listening: Option<(i64, i64)>, now: i64) -> Expiry {
        let hold = Hold {
            expires_at: at(expires),
            heard_at: at(heard),
            resent,
        };
        let listening = listening.map(|(since, until)| Listening {
            since: at(since),
            until: at(until),
        });
        expiry(hold, listening, GRACE, at(now))
    }
}
