//! Durations as Prometheus and Alertmanager write them: `1h30m`, `4h`, `1d`, `0`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::quote::go_quote;

/// The units of the grammar, in the order they must appear, with their length in milliseconds. A year is always 365 days.
/// The flag says that [`PromDuration`] prints the unit only when nothing remains, as `90d` reads better than `12w6d`.
const UNITS: [(&str, u64, bool); 7] = [
    ("y", 365 * DAY, true),
    ("w", 7 * DAY, true),
    ("d", DAY, false),
    ("h", 3_600_000, false),
    ("m", 60_000, false),
    ("s", 1_000, false),
    ("ms", 1, false),
];

/// One day in milliseconds.
const DAY: u64 = 24 * 3_600_000;

/// The longest duration that parses: what fits into Go's `time.Duration`, 2^63 - 1 nanoseconds (about 292 years).
const MAX_PARSED_MS: u64 = 9_223_372_036_854;

/// A length of time in whole milliseconds, never negative.
///
/// Parses and prints as Prometheus' `model.Duration`: `(\d+y)?(\d+w)?(\d+d)?(\d+h)?(\d+m)?(\d+s)?(\d+ms)?` or `0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PromDuration(u64);

/// Why a text is no duration, in Prometheus' words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// The text was empty.
    #[error("empty duration string")]
    Empty,
    /// The text does not follow the grammar; holds the text as it came.
    #[error("not a valid duration string: {}", go_quote(.0))]
    Invalid(String),
    /// Longer than Go's `time.Duration` can hold (about 292 years).
    #[error("duration out of range")]
    OutOfRange,
}

impl PromDuration {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// A duration of `ms` milliseconds.
    pub const fn from_millis(ms: u64) -> Self {
        Self(ms)
    }

    /// A duration of `secs` seconds; saturates.
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(1_000))
    }

    /// A duration of `mins` minutes; saturates.
    pub const fn from_mins(mins: u64) -> Self {
        Self(mins.saturating_mul(60_000))
    }

    /// A duration of `hours` hours; saturates.
    pub const fn from_hours(hours: u64) -> Self {
        Self(hours.saturating_mul(3_600_000))
    }

    /// The length in milliseconds.
    pub const fn millis(self) -> u64 {
        self.0
    }

    /// The length in seconds, as a float for metrics and Go-like payloads.
    #[allow(
        clippy::cast_precision_loss,
        reason = "a float of seconds is an approximation by nature"
    )]
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1_000.0
    }

    /// Whether the length is 0.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// The same length as a standard duration.
    pub const fn as_std(self) -> Duration {
        Duration::from_millis(self.0)
    }

    /// The sum, or the longest duration there is.
    #[must_use]
    pub const fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// The difference, or zero.
    #[must_use]
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// `factor` times this, or the longest duration there is.
    #[must_use]
    pub const fn saturating_mul(self, factor: u64) -> Self {
        Self(self.0.saturating_mul(factor))
    }
}

impl FromStr for PromDuration {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<Self, DurationError> {
        match text {
            "" => return Err(DurationError::Empty),
            "0" => return Ok(Self::ZERO),
            _ => {}
        }
        let invalid = || DurationError::Invalid(text.to_owned());
        let mut units = UNITS.iter();
        let mut total: u64 = 0;
        let mut rest = text;
        while !rest.is_empty() {
            let after_digits = rest.trim_start_matches(|c: char| c.is_ascii_digit());
            let digits = rest.strip_suffix(after_digits).unwrap_or_default();
            let after_unit = after_digits.trim_start_matches(|c: char| c.is_ascii_alphabetic());
            let unit = after_digits.strip_suffix(after_unit).unwrap_or_default();
            // The iterator only moves forward: a unit out of order or twice is not found any more.
            let (_, length, _) = units.find(|(name, _, _)| *name == unit).ok_or_else(invalid)?;
            if digits.is_empty() {
                return Err(invalid());
            }
            // Digits only, so the one error left is a number too large: the whole text must still be read to know whether
            // it is valid at all.
            let ms = digits.parse::<u64>().unwrap_or(u64::MAX).saturating_mul(*length);
            total = total.saturating_add(ms);
            rest = after_unit;
        }
        if total > MAX_PARSED_MS {
            Err(DurationError::OutOfRange)
        } else {
            Ok(Self(total))
        }
    }
}

impl fmt::Display for PromDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("0s");
        }
        let mut left = self.0;
        for (name, length, only_exact) in UNITS {
            if only_exact && !left.is_multiple_of(length) {
                continue;
            }
            let count = left / length;
            if count > 0 {
                write!(f, "{count}{name}")?;
                left %= length;
            }
        }
        Ok(())
    }
}

impl TryFrom<String> for PromDuration {
    type Error = DurationError;

    fn try_from(text: String) -> Result<Self, DurationError> {
        text.parse()
    }
}

impl From<PromDuration> for String {
    fn from(duration: PromDuration) -> Self {
        duration.to_string()
    }
}
