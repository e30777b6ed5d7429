//! Labels and annotations while they are read: however many a sender writes, only as many are held as could be taken.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;

use alert::LabelSet;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

use crate::limits::{MAX_ANNOTATIONS, MAX_LABELS};

/// How many with a value are held, and how many without one: as many as the larger limit allows, so that whatever is
/// taken was held whole.
const MOST: usize = if MAX_LABELS > MAX_ANNOTATIONS {
    MAX_LABELS
} else {
    MAX_ANNOTATIONS
};

/// Names and values, ordered by name; the last of several values of one name counts. Beyond [`MOST`] they are only counted,
/// and one that comes twice there counts twice.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Pairs {
    texts: BTreeMap<String, String>,
    /// How many of `texts` are empty.
    empty: usize,
    beyond: usize,
    empty_beyond: usize,
}

impl Pairs {
    /// Takes up one more.
    pub(crate) fn insert(&mut self, name: String, value: String) {
        let empty = value.is_empty();
        let held = if empty {
            self.empty
        } else {
            self.texts.len() - self.empty
        };
        match self.texts.entry(name) {
            Entry::Occupied(mut old) => {
                self.empty -= usize::from(old.get().is_empty());
                self.empty += usize::from(empty);
                old.insert(value);
            }
            Entry::Vacant(new) if held < MOST => {
                self.empty += usize::from(empty);
                new.insert(value);
            }
            Entry::Vacant(_) if empty => self.empty_beyond += 1,
            Entry::Vacant(_) => self.beyond += 1,
        }
    }

    /// How many there were.
    pub(crate) fn len(&self) -> usize {
        self.texts.len() + self.beyond + self.empty_beyond
    }

    /// How many with a value were not held.
    pub(crate) fn beyond(&self) -> usize {
        self.beyond
    }

    /// Whether one of those that are held has no value.
    pub(crate) fn has_empty(&self) -> bool {
        self.empty > 0
    }

    /// Those that are held.
    pub(crate) fn held(self) -> LabelSet {
        self.texts.into()
    }
}

impl From<LabelSet> for Pairs {
    /// What is in memory already.
    fn from(texts: LabelSet) -> Self {
        Self {
            empty: texts.iter().filter(|(_, value)| value.is_empty()).count(),
            texts: texts.to_map(),
            ..Self::default()
        }
    }
}

impl<'de> Deserialize<'de> for Pairs {
    /// An object of strings, in which `null` is the empty text.
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Visit;
        impl<'de> Visitor<'de> for Visit {
            type Value = Pairs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs = Pairs::default();
                while let Some((name, value)) = map.next_entry::<String, Option<String>>()? {
                    pairs.insert(name, value.unwrap_or_default());
                }
                Ok(pairs)
            }
        }
        from.deserialize_map(Visit)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn read(text: &str) -> Pairs {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn what_is_held_is_bounded_and_the_rest_is_counted() {
        let object = |value: &str| {
            let pairs: Vec<String> = (0..5_000).map(|number| format!("\"l{number}\":\"{value}\"")).collect();
            format!("{{{}}}", pairs.join(","))
        };
        let pairs = read(&object("v"));
        assert_eq!(
            (pairs.texts.len(), pairs.beyond(), pairs.len()),
            (MOST, 5_000 - MOST, 5_000)
        );
        let empty = read(&object(""));
        assert_eq!((empty.texts.len(), empty.beyond(), empty.len()), (MOST, 0, 5_000));
    }

    #[test]
    fn empty_ones_take_no_room_from_others() {
        let empty: Vec<String> = (0..5_000).map(|number| format!("\"l{number}\":null")).collect();
        let pairs = read(&format!("{{{},\"a\":\"b\",\"a\":\"c\"}}", empty.join(",")));
        assert!(pairs.has_empty());
        assert_eq!(pairs.beyond(), 0);
        assert_eq!(pairs.held().get("a"), Some("c"));
    }

    #[test]
    fn the_last_value_of_a_name_counts() {
        let mut pairs = read(r#"{"a":"1","a":"","b":"","b":"2","c":"3"}"#);
        assert_eq!((pairs.empty, pairs.len()), (1, 3));
        pairs.insert("a".to_owned(), "4".to_owned());
        assert!(!pairs.has_empty());
        assert_eq!(pairs.held(), LabelSet::from([("a", "4"), ("b", "2"), ("c", "3")]));
    }
}
