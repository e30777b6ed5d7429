//! Waiting for what must come, against a deadline.

use std::time::{Duration, Instant};

/// Between two looks at something that tells nobody when it changes.
const LOOK: Duration = Duration::from_millis(25);

/// Looks until there is something, at most so long; fails with `what` was waited for.
#[track_caller]
pub(crate) fn eventually<T>(at_most: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + at_most;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "not within {at_most:?}: {what}");
        std::thread::sleep(LOOK);
    }
}

/// Looks all the time that it stays so, for as long as asked.
#[track_caller]
pub(crate) fn throughout(time: Duration, what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + time;
    while Instant::now() < deadline {
        assert!(holds(), "not throughout {time:?}: {what}");
        std::thread::sleep(LOOK);
    }
}

pub(crate) const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
