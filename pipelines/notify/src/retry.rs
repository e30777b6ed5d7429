//! Whether and when a failed attempt is made again. Backoff as Alertmanager's: 500 ms, times 1.5, ±50 %, at most 60 s.

use alert::{PromDuration, Timestamp};
use xxhash_rust::xxh3::xxh3_64;

use crate::attempt::{AttemptResult, NotStarted};

/// The wait after the first attempt; Alertmanager's.
const FIRST_WAIT_MS: u64 = 500;
/// The longest wait before jitter; Alertmanager's.
const LONGEST_WAIT_MS: u64 = 60_000;
/// Growth stops long before this many attempts; bounds the loop.
const GROWING_ATTEMPTS: i32 = 32;
/// A receiver in distress may ask for this much at most (with a 503): beyond it, one that names a wrong unit would be
/// lost for a day.
const LONGEST_RETRY_AFTER_MS: u64 = 600_000;
/// Too many requests.
const TOO_MANY_REQUESTS: u16 = 429;
/// Service unavailable.
const UNAVAILABLE: u16 = 503;

/// What follows a failed attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is made again then.
    Retry(Timestamp),
    /// It is not made again.
    ForGood,
}

/// The wait after attempt number `attempt` (from 1). The jitter comes from `key`, so that the same attempt always waits
/// the same time, and a thousand groups that failed together do not come back together.
pub(crate) fn backoff(key: &str, attempt: i32) -> PromDuration {
    let mut wait = FIRST_WAIT_MS;
    for _ in 1..attempt.min(GROWING_ATTEMPTS) {
        wait = (wait * 3 / 2).min(LONGEST_WAIT_MS);
    }
    let spread = xxh3_64(format!("{key} {attempt}").as_bytes()) % (wait + 1);
    PromDuration::from_millis(wait - wait / 2 + spread)
}

/// What follows this result. `key` is the attempt's idempotency key. A 429 is made again only where it says when, and
/// that is before `give_up_at`; Alertmanager never makes it again. Other 4xx are for good, 5xx are not.
pub(crate) fn verdict(
    result: &AttemptResult,
    key: &str,
    attempt: i32,
    now: Timestamp,
    give_up_at: Timestamp,
) -> Verdict {
    let wait = backoff(key, attempt);
    match result {
        AttemptResult::Accepted { .. }
        | AttemptResult::NotStarted {
            reason: NotStarted::NoDestination(_),
        } => Verdict::ForGood,
        AttemptResult::NotStarted {
            reason: NotStarted::DeadlinePassed | NotStarted::ShuttingDown | NotStarted::NoLongerWanted,
        } => Verdict::Retry(now + wait),
        AttemptResult::Failed {
            status,
            retryable,
            retry_after_ms,
            ..
        } => {
            let asked = retry_after_ms.map(PromDuration::from_millis);
            match (*status, asked) {
                (Some(TOO_MANY_REQUESTS), Some(asked)) if now + asked < give_up_at => {
                    Verdict::Retry(now + asked.max(wait))
                }
                (Some(UNAVAILABLE), Some(asked)) => {
                    let asked = asked.min(PromDuration::from_millis(LONGEST_RETRY_AFTER_MS));
                    Verdict::Retry(now + asked.max(wait))
                }
                (Some(500..), _) => Verdict::Retry(now + wait),
                (None, _) if *retryable => Verdict::Retry(now + wait),
                (Some(_) | None, _) => Verdict::ForGood,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIVE_UP: Timestamp = Timestamp::from_millis(300_000);

    fn failed(status: Option<u16>, retryable: bool, retry_after_ms: Option<u64>) -> AttemptResult {
        let (error, duration_ms, request_written) = (String::new(), 1, true);
        AttemptResult::Failed {
            status,
            retryable,
            retry_after_ms,
            error,
            duration_ms,
            request_written,
        }
    }

    fn not_started(reason: NotStarted) -> AttemptResult {
        AttemptResult::NotStarted { reason }
    }

    #[test]
    fn what_is_tried_again_and_when() {
        let after = |ms| Verdict::Retry(Timestamp::from_millis(ms));
        let soon = Verdict::Retry(Timestamp::ZERO + backoff("k", 1));
        let rows = [
            ("500", failed(Some(500), false, None), soon.clone()),
            ("599", failed(Some(599), false, None), soon.clone()),
            ("network", failed(None, true, None), soon.clone()),
            ("no request could be made", failed(None, false, None), Verdict::ForGood),
            ("400", failed(Some(400), true, None), Verdict::ForGood),
            (
                "404 with Retry-After",
                failed(Some(404), true, Some(1_000)),
                Verdict::ForGood,
            ),
            ("302", failed(Some(302), true, None), Verdict::ForGood),
            ("429 alone", failed(Some(429), true, None), Verdict::ForGood),
            ("429 that fits", failed(Some(429), true, Some(7_000)), after(7_000)),
            (
                "429 that just fits",
                failed(Some(429), true, Some(299_999)),
                after(299_999),
            ),
            (
                "429 that does not",
                failed(Some(429), true, Some(300_000)),
                Verdict::ForGood,
            ),
            ("429 at once", failed(Some(429), true, Some(0)), soon.clone()),
            ("503 that says when", failed(Some(503), true, Some(7_000)), after(7_000)),
            (
                "503 that asks for a day",
                failed(Some(503), true, Some(86_400_000)),
                after(600_000),
            ),
            (
                "500 does not say when",
                failed(Some(500), true, Some(7_000)),
                soon.clone(),
            ),
            (
                "unknown address",
                not_started(NotStarted::NoDestination("no".into())),
                Verdict::ForGood,
            ),
            ("too late", not_started(NotStarted::DeadlinePassed), soon.clone()),
            ("going down", not_started(NotStarted::ShuttingDown), soon),
        ];
        for (name, result, expected) in rows {
            assert_eq!(verdict(&result, "k", 1, Timestamp::ZERO, GIVE_UP), expected, "{name}");
        }
    }

    #[test]
    fn waits_grow_by_half_within_half_and_stop_growing() {
        for (attempt, middle) in [
            (1, 500),
            (2, 750),
            (3, 1_125),
            (4, 1_687),
            (13, 60_000),
            (1_000_000, 60_000),
        ] {
            let waits: Vec<u64> = (0..200).map(|n| backoff(&n.to_string(), attempt).millis()).collect();
            let (least, most) = (waits.iter().min().unwrap(), waits.iter().max().unwrap());
            assert!(
                *least >= middle / 2 && *least < middle * 6 / 10,
                "attempt {attempt}: {least}"
            );
            assert!(
                *most <= middle * 3 / 2 + 1 && *most > middle * 14 / 10,
                "attempt {attempt}: {most}"
            );
        }
        assert_eq!(backoff("same", 3), backoff("same", 3));
    }
}
