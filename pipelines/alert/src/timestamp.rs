//! Points in time: whole milliseconds since the Unix epoch, in UTC, written as RFC 3339.

use std::fmt;
use std::ops::{Add, Sub};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::duration::PromDuration;
use crate::quote::go_quote;

/// Milliseconds in a day.
const DAY_MS: i64 = 86_400_000;
/// Days from 0000-03-01 to 1970-01-01; the calendar arithmetic below counts from the former.
const EPOCH_DAYS: i64 = 719_468;
/// Days in 400 years, after which the calendar repeats.
const ERA_DAYS: i64 = 146_097;
/// 9999-12-31T23:59:59.999Z, the last instant RFC 3339 can write.
const LAST_WRITABLE: i64 = 253_402_300_799_999;

/// An instant in milliseconds since the Unix epoch. All arithmetic saturates.
///
/// Serialised as a plain integer; `Display` writes RFC 3339 with exactly three digits of milliseconds and `Z`. What lies
/// outside of the years 1 to 9999 is a legal instant, but prints as the nearest instant inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

/// Why a text is no instant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid time {}: {reason}", go_quote(.text))]
pub struct TimestampError {
    /// The text as it came.
    pub text: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl Timestamp {
    /// The Unix epoch.
    pub const ZERO: Self = Self(0);
    /// Later than anything: "never".
    pub const MAX: Self = Self(i64::MAX);
    /// Go's zero time, `0001-01-01T00:00:00Z`: what Alertmanager's payloads say for "not set".
    pub const ZERO_TIME: Self = Self(-62_135_596_800_000);

    /// The instant `ms` milliseconds after the epoch.
    pub const fn from_millis(ms: i64) -> Self {
        Self(ms)
    }

    /// The instant `secs` seconds after the epoch; saturates.
    pub const fn from_secs(secs: i64) -> Self {
        Self(secs.saturating_mul(1_000))
    }

    /// Milliseconds since the epoch.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down: Go's `Unix()`.
    pub const fn unix_seconds(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    /// Whether this is Go's zero time, Alertmanager's "not set".
    pub const fn is_zero_time(self) -> bool {
        self.0 == Self::ZERO_TIME.0
    }

    /// The time from `earlier` to this instant; zero if `earlier` is later.
    #[must_use]
    pub fn saturating_since(self, earlier: Self) -> PromDuration {
        if self > earlier {
            PromDuration::from_millis(self.0.abs_diff(earlier.0))
        } else {
            PromDuration::ZERO
        }
    }

    /// `2026-11-23T02:00:00.000Z`, as `Display` has it.
    fn written(self) -> [u8; 24] {
        let ms = self.0.clamp(Self::ZERO_TIME.0, LAST_WRITABLE);
        let (year, month, day) = civil_from_days(ms.div_euclid(DAY_MS));
        let of_day = ms.rem_euclid(DAY_MS);
        let (hour, minute) = (of_day / 3_600_000, of_day / 60_000 % 60);
        let (second, milli) = (of_day / 1_000 % 60, of_day % 1_000);
        let mut text = *b"0000-00-00T00:00:00.000Z";
        let mut fields = [
            (year, 4),
            (month, 2),
            (day, 2),
            (hour, 2),
            (minute, 2),
            (second, 2),
            (milli, 3),
        ]
        .into_iter();
        let mut rest = text.as_mut_slice();
        while let Some((mut number, digits)) = fields.next()
            && let Some((field, behind)) = rest.split_at_mut_checked(digits)
        {
            for digit in field.iter_mut().rev() {
                *digit = b'0' + u8::try_from(number % 10).unwrap_or_default();
                number /= 10;
            }
            rest = behind.get_mut(1..).unwrap_or_default();
        }
        text
    }

    /// Go's `RFC3339Nano`: as `Display`, but without trailing zeros of the fraction, and without the dot if it is zero.
    pub fn rfc3339_nano(self) -> String {
        let text = self.written();
        let text = str::from_utf8(&text).unwrap_or_default();
        let whole = text.trim_end_matches('Z').trim_end_matches('0');
        // With zero milliseconds the trimming ends at the dot; otherwise at a digit that belongs to the fraction.
        [whole.trim_end_matches('.'), "Z"].concat()
    }

    /// Reads RFC 3339: any offset, `T`, `t` or a space between date and time, any number of fraction digits (what is
    /// finer than a millisecond is cut off). A time without zone is UTC; a date alone is its midnight in UTC.
    ///
    /// Fails with the part that is wrong, or if the instant in UTC is outside of the years 1 to 9999.
    pub fn parse(text: &str) -> Result<Self, TimestampError> {
        parse_instant(text).map_err(|reason| TimestampError {
            text: text.to_owned(),
            reason,
        })
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(str::from_utf8(&self.written()).unwrap_or_default())
    }
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    fn from_str(text: &str) -> Result<Self, TimestampError> {
        Self::parse(text)
    }
}

impl Add<PromDuration> for Timestamp {
    type Output = Self;

    fn add(self, duration: PromDuration) -> Self {
        Self(self.0.saturating_add_unsigned(duration.millis()))
    }
}

impl Sub<PromDuration> for Timestamp {
    type Output = Self;

    fn sub(self, duration: PromDuration) -> Self {
        Self(self.0.saturating_sub_unsigned(duration.millis()))
    }
}

/// What is left of a text while its parts are read off its front.
struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    /// Takes exactly `count` digits whose number lies within `low..=high`.
    fn number(&mut self, count: usize, low: i64, high: i64, reason: &'static str) -> Result<i64, &'static str> {
        let (digits, rest) = self.rest.split_at_checked(count).ok_or(reason)?;
        if !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(reason);
        }
        self.rest = rest;
        let number = digits.parse().map_err(|_| reason)?;
        if (low..=high).contains(&number) {
            Ok(number)
        } else {
            Err(reason)
        }
    }

    /// Takes one of the given characters, if it is next.
    fn take(&mut self, any_of: &[char]) -> Option<char> {
        let c = self.rest.chars().next().filter(|c| any_of.contains(c))?;
        self.rest = self.rest.strip_prefix(c)?;
        Some(c)
    }

    fn expect(&mut self, c: char, reason: &'static str) -> Result<(), &'static str> {
        self.take(&[c]).map(drop).ok_or(reason)
    }

    /// Takes the digits of a fraction of a second and returns its whole milliseconds.
    fn fraction(&mut self) -> Result<i64, &'static str> {
        let rest = self.rest.trim_start_matches(|c: char| c.is_ascii_digit());
        let digits = self.rest.strip_suffix(rest).unwrap_or_default();
        self.rest = rest;
        if digits.is_empty() {
            return Err("no digits after the decimal point");
        }
        Ok(digits
            .bytes()
            .chain(*b"000")
            .take(3)
            .fold(0, |ms, digit| ms * 10 + i64::from(digit - b'0')))
    }
}

fn parse_instant(text: &str) -> Result<Timestamp, &'static str> {
    let mut reader = Reader { rest: text };
    let year = reader.number(4, 1, 9_999, "the year must be 0001 to 9999")?;
    reader.expect('-', "no '-' after the year")?;
    let month = reader.number(2, 1, 12, "the month must be 01 to 12")?;
    reader.expect('-', "no '-' after the month")?;
    let day = reader.number(2, 1, days_in_month(year, month), "the month has no such day")?;
    let midnight = days_from_civil(year, month, day) * DAY_MS;
    if reader.rest.is_empty() {
        return Ok(Timestamp(midnight));
    }
    reader.take(&['T', 't', ' ']).ok_or("no 'T' after the date")?;
    let hour = reader.number(2, 0, 23, "the hour must be 00 to 23")?;
    reader.expect(':', "no ':' after the hour")?;
    let minute = reader.number(2, 0, 59, "the minute must be 00 to 59")?;
    reader.expect(':', "no ':' after the minute")?;
    let second = reader.number(2, 0, 59, "the second must be 00 to 59")?;
    let milli = if reader.take(&['.', ',']).is_some() {
        reader.fraction()?
    } else {
        0
    };
    let offset = parse_offset(&mut reader)?;
    let of_day = ((hour * 60 + minute) * 60 + second) * 1_000 + milli;
    let ms = midnight + of_day - offset;
    if (Timestamp::ZERO_TIME.0..=LAST_WRITABLE).contains(&ms) {
        Ok(Timestamp(ms))
    } else {
        Err("in UTC it is outside of the years 0001 to 9999")
    }
}

/// Reads the zone, which must be the end of the text, and returns its distance from UTC in milliseconds.
fn parse_offset(reader: &mut Reader<'_>) -> Result<i64, &'static str> {
    const NO_OFFSET: &str = "the zone must be 'Z' or an offset as +01:00";
    let sign = match reader.take(&['Z', 'z', '+', '-']) {
        Some('+') => 1,
        Some('-') => -1,
        Some(_) => {
            return if reader.rest.is_empty() {
                Ok(0)
            } else {
                Err("text after the zone")
            };
        }
        None => {
            return if reader.rest.is_empty() { Ok(0) } else { Err(NO_OFFSET) };
        }
    };
    let hours = reader.number(2, 0, 23, NO_OFFSET)?;
    reader.expect(':', NO_OFFSET)?;
    let minutes = reader.number(2, 0, 59, NO_OFFSET)?;
    if reader.rest.is_empty() {
        Ok(sign * (hours * 60 + minutes) * 60_000)
    } else {
        Err("text after the zone")
    }
}

const fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from the epoch to a date. Counts years from March, so that the leap day is the last of its year.
const fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let march_year = if month <= 2 { year - 1 } else { year };
    let era = march_year.div_euclid(400);
    let year_of_era = march_year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * ERA_DAYS + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - EPOCH_DAYS
}

/// The date (year, month, day) that many days from the epoch; the inverse of [`days_from_civil`].
const fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let from_march = days + EPOCH_DAYS;
    let era = from_march.div_euclid(ERA_DAYS);
    let day_of_era = from_march.rem_euclid(ERA_DAYS);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = era * 400 + year_of_era + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}
