//! Percentiles of what was measured.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How latencies spread, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Spread {
    /// How many there are.
    pub count: u64,
    /// The median.
    pub p50: u64,
    /// Nine of ten are no worse.
    pub p90: u64,
    /// 99 of a hundred are no worse.
    pub p99: u64,
    /// 999 of a thousand are no worse.
    pub p999: u64,
    /// The worst.
    pub max: u64,
}

impl Spread {
    /// Of these values, in microseconds; none of none.
    pub fn of(mut values: Vec<u64>) -> Option<Self> {
        values.sort_unstable();
        let rank = |thousandths: usize| {
            let rank = (values.len() * thousandths).div_ceil(1_000).max(1);
            values.get(rank - 1).copied()
        };
        Some(Self {
            count: values.len() as u64,
            p50: rank(500)?,
            p90: rank(900)?,
            p99: rank(990)?,
            p999: rank(999)?,
            max: rank(1_000)?,
        })
    }
}

/// One of a spread's values: its name, and the value.
pub type Rank = (&'static str, fn(&Spread) -> u64);

/// The values of a spread that are worth a line or a row, in order.
pub const RANKS: [Rank; 5] = [
    ("p50", |spread| spread.p50),
    ("p90", |spread| spread.p90),
    ("p99", |spread| spread.p99),
    ("p99.9", |spread| spread.p999),
    ("worst", |spread| spread.max),
];

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [p50, p90, p99, p999, max] = [self.p50, self.p90, self.p99, self.p999, self.max].map(millis_text);
        write!(
            f,
            "p50 {p50}, p90 {p90}, p99 {p99}, p99.9 {p999}, worst {max} ms (of {})",
            self.count
        )
    }
}

/// Microseconds as milliseconds, with as many places as help.
pub fn millis_text(micros: u64) -> String {
    let (whole, part) = (micros / 1_000, micros % 1_000);
    match whole {
        0..10 => format!("{whole}.{:02}", part / 10),
        10..100 => format!("{whole}.{}", part / 100),
        _ => whole.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Spread, millis_text};

    #[test]
    fn a_spread_is_of_values_that_were_measured() {
        let thousand: Vec<u64> = (1..=1_000).rev().collect();
        let spread = Spread::of(thousand).unwrap();
        assert_eq!(
            (spread.p50, spread.p99, spread.p999, spread.max),
            (500, 990, 999, 1_000)
        );
        assert_eq!(Spread::of(vec![7]).map(|spread| (spread.p50, spread.max)), Some((7, 7)));
        assert_eq!(Spread::of(Vec::new()), None);
        let texts = [0, 1_234, 12_345, 123_456].map(millis_text);
        assert_eq!(texts, ["0.00", "1.23", "12.3", "123"]);
    }
}
