//! Did you mean.

/// The candidate most like `word`, if one is close enough to be meant: at most a third of the word's letters differ.
pub(crate) fn closest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (word.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, candidate)| candidate)
}

/// The hint for a name that is not among `candidates`.
pub(crate) fn did_you_mean<'a>(
    word: &str,
    what: &str,
    candidates: impl IntoIterator<Item = &'a str> + Clone,
) -> Option<String> {
    /// More names than this are no help on one line.
    const MAX_LISTED: usize = 8;
    if let Some(candidate) = closest(word, candidates.clone()) {
        return Some(format!("did you mean {candidate:?}?"));
    }
    let all: Vec<&str> = candidates.into_iter().collect();
    if all.is_empty() || all.len() > MAX_LISTED {
        return None;
    }
    Some(format!("{what}: {}", all.join(", ")))
}

/// Optimal string alignment: insertions, deletions, substitutions, and swaps of neighbours.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=right.len()).collect();
    let mut previous: Option<char> = None;
    for (row, a) in left.chars().enumerate() {
        let mut current = vec![row + 1];
        for (column, b) in right.iter().enumerate() {
            let at = |line: &[usize], n: usize| line.get(n).copied().unwrap_or(usize::MAX - 1);
            let mut best = (at(&above, column + 1) + 1)
                .min(at(&current, column) + 1)
                .min(at(&above, column) + usize::from(a != *b));
            let swapped = column
                .checked_sub(1)
                .is_some_and(|earlier| previous == Some(*b) && right.get(earlier) == Some(&a));
            if swapped {
                best = best.min(column.checked_sub(1).map_or(best, |n| at(&before, n) + 1));
            }
            current.push(best);
        }
        before = std::mem::replace(&mut above, current);
        previous = Some(a);
    }
    above.last().copied().unwrap_or(left.chars().count())
}

#[cfg(test)]
mod tests {
    use super::{closest, distance};

    #[test]
    fn distances_count_swaps_as_one() {
        let rows = [
            ("pagerduty", "pagerdty", 1),
            ("recieve", "receive", 1),
            ("", "abc", 3),
            ("abc", "abc", 0),
            ("abc", "xyz", 3),
        ];
        for (left, right, expected) in rows {
            assert_eq!(distance(left, right), expected, "{left} {right}");
        }
    }

    #[test]
    fn only_a_close_name_is_suggested() {
        let names = ["pager", "chat", "noc"];
        let rows = [
            ("pagr", Some("pager")),
            ("chta", Some("chat")),
            ("email", None),
            ("", None),
        ];
        for (word, expected) in rows {
            assert_eq!(closest(word, names), expected, "{word}");
        }
    }
}
