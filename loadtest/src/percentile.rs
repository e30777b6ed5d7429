//! Percentiles of what was measured.

/// The value that `percent` of the values do not exceed (nearest rank, so always one that was measured); none of none.
/// `percent` is from 0 to 100; 100 is the worst.
pub fn percentile(values: &[u64], percent: u32) -> Option<u64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let rank = (sorted.len() * percent.min(100) as usize).div_ceil(100).max(1);
    sorted.get(rank - 1).copied()
}

/// The ones that people ask for, in the values' own unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// How many values.
    pub count: usize,
    /// The median.
    pub p50: u64,
    /// Nine of ten are no worse.
    pub p90: u64,
    /// 99 of a hundred are no worse.
    pub p99: u64,
    /// The worst.
    pub max: u64,
}

impl Summary {
    /// Of these values; none of none.
    pub fn of(values: &[u64]) -> Option<Self> {
        Some(Self {
            count: values.len(),
            p50: percentile(values, 50)?,
            p90: percentile(values, 90)?,
            p99: percentile(values, 99)?,
            max: percentile(values, 100)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Summary, percentile};

    #[test]
    fn nearest_rank() {
        let ten: Vec<u64> = (1..=10).rev().collect();
        for (values, percent, expected) in [
            (&[] as &[u64], 50, None),
            (&[7], 0, Some(7)),
            (&[7], 99, Some(7)),
            (&ten, 0, Some(1)),
            (&ten, 50, Some(5)),
            (&ten, 51, Some(6)),
            (&ten, 90, Some(9)),
            (&ten, 99, Some(10)),
            (&ten, 100, Some(10)),
            (&ten, 200, Some(10)),
        ] {
            assert_eq!(percentile(values, percent), expected, "{percent} of {values:?}");
        }
        assert_eq!(
            Summary::of(&ten),
            Some(Summary {
                count: 10,
                p50: 5,
                p90: 9,
                p99: 10,
                max: 10
            })
        );
        assert_eq!(Summary::of(&[]), None);
    }
}
