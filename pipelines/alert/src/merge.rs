//! What becomes of two versions of one alert: Alertmanager's merge rule.

use serde::{Deserialize, Serialize};

use crate::alert::Alert;
use crate::timestamp::Timestamp;

/// The times of one version of an alert: all that the merge rule looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Times {
    /// Since when it fires.
    pub starts_at: Timestamp,
    /// When it ended, or until when it counts as firing.
    pub ends_at: Timestamp,
    /// When this version was received.
    pub updated_at: Timestamp,
    /// Whether `ends_at` was derived from `resolve_timeout`.
    pub timeout: bool,
    /// Whether this version is resolved: a state, given, not found by comparing `ends_at` with a clock.
    pub resolved: bool,
}

/// One of the two versions given to a merge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Side {
    /// The stored version.
    Old,
    /// The arriving version.
    New,
}

/// The outcome of a merge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Merged {
    /// The times to store.
    pub times: Times,
    /// The version whose annotations, generator URL and timeout flag count.
    pub newer: Side,
}

/// Whether two versions tell of one stretch of firing: the new one starts or ends strictly inside the old one.
///
/// A re-send with the same start and a later end does *not* overlap: it replaces.
pub fn overlaps(old: &Times, new: &Times) -> bool {
    let inside = |t: Timestamp| t > old.starts_at && t < old.ends_at;
    inside(new.ends_at) || inside(new.starts_at)
}

/// What is stored once `new` arrives where `old` is stored: their merge if they overlap, else `new` as it came, even
/// if it was received earlier.
pub fn merge_times(old: Times, new: Times) -> Merged {
    if overlaps(&old, &new) {
        merge_overlapping(old, new)
    } else {
        Merged {
            times: new,
            newer: Side::New,
        }
    }
}

/// The merge of two versions that overlap (not asked again here).
///
/// The version received later counts, the arriving one at a tie, but: the start is the earlier of the two; if it is
/// resolved and the other too, the end is the later of the two; if it fires and the other, of which the end was not
/// derived from a timeout, ends later, that end is kept.
pub fn merge_overlapping(old: Times, new: Times) -> Merged {
    let (older, newer, side) = if new.updated_at < old.updated_at {
        (new, old, Side::Old)
    } else {
        (old, new, Side::New)
    };
    let keeps_older_end = if newer.resolved { older.resolved } else { !older.timeout };
    let ends_at = if keeps_older_end {
        newer.ends_at.max(older.ends_at)
    } else {
        newer.ends_at
    };
    let times = Times {
        starts_at: newer.starts_at.min(older.starts_at),
        ends_at,
        ..newer
    };
    Merged { times, newer: side }
}

/// What is stored once `new` arrives where `old` is stored, for whole alerts with the same labels: [`merge_times`], and
/// everything else from the version received later.
///
/// Each version counts as resolved if it was when it was received.
pub fn merge(old: &Alert, new: Alert) -> Alert {
    let merged = merge_times(old.times(), new.times());
    let newer = match merged.newer {
        Side::Old => old.clone(),
        Side::New => new,
    };
    Alert {
        starts_at: merged.times.starts_at,
        ends_at: merged.times.ends_at,
        updated_at: merged.times.updated_at,
        timeout: merged.times.timeout,
        ..newer
    }
}
