//! Pairs of texts in one: each text behind its length, name and value in turn, ordered by name, no name twice.
//!
//! A length is written in base 64 with the bytes 0 to 127, so that the whole is text and every piece of it can be borrowed.

use std::cell::Cell;
use std::fmt;
use std::ops::Range;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};

/// Of a length's byte: how many of its bits tell the length, and the mark that more follow.
const LOW_BITS: u32 = 6;
const MORE: u8 = 1 << LOW_BITS;

thread_local! {
    /// Where a thread packs: what is packed is then as long as it is, in one piece of memory that never grew.
    static SCRATCH: Cell<String> = const { Cell::new(String::new()) };
}

/// The pairs in packed text.
#[derive(Debug, Clone)]
pub struct Pairs<'a>(&'a str);

impl<'a> Pairs<'a> {
    pub(crate) const fn of(packed: &'a str) -> Self {
        Self(packed)
    }

    fn text(&mut self) -> Option<&'a str> {
        let place = text_at(self.0.as_bytes(), 0)?;
        let text = self.0.get(place.clone())?;
        self.0 = self.0.get(place.end..)?;
        Some(text)
    }
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        Some((self.text()?, self.text()?))
    }
}

/// The value that packed text has for a name. Names are only compared: to walk over a pair is to read two lengths.
pub(crate) fn find<'a>(packed: &'a str, name: &str) -> Option<&'a str> {
    let bytes = packed.as_bytes();
    let mut at = 0;
    loop {
        let known = text_at(bytes, at)?;
        let value = text_at(bytes, known.end)?;
        if bytes.get(known)? == name.as_bytes() {
            return packed.get(value);
        }
        at = value.end;
    }
}

/// Where the text lies whose length stands at `at`; none where there is no length.
#[inline]
fn text_at(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    let byte = *bytes.get(at)?;
    if byte & MORE == 0 {
        let begin = at + 1;
        return Some(begin..begin + usize::from(byte));
    }
    long_text_at(bytes, at)
}

fn long_text_at(bytes: &[u8], mut at: usize) -> Option<Range<usize>> {
    let (mut len, mut shift) = (0_usize, 0);
    loop {
        let byte = *bytes.get(at)?;
        len |= usize::from(byte & (MORE - 1)).checked_shl(shift)?;
        at += 1;
        if byte & MORE == 0 {
            return Some(at..at.checked_add(len)?);
        }
        shift += LOW_BITS;
    }
}

/// Packs pairs as they come.
#[derive(Debug)]
pub(crate) struct Packing {
    packed: String,
    /// How many texts there are.
    texts: usize,
    /// Where the last name stands.
    last: Range<usize>,
    /// A name came that does not follow the one before it.
    unordered: bool,
}

impl Packing {
    pub(crate) fn begin() -> Self {
        let mut packed = SCRATCH.take();
        packed.clear();
        Self {
            packed,
            texts: 0,
            last: 0..0,
            unordered: false,
        }
    }

    /// Adds a name or, behind one, its value.
    pub(crate) fn push_text(&mut self, text: &str) {
        let mut len = text.len();
        while len >= usize::from(MORE) {
            self.push_byte(u8::try_from(len % usize::from(MORE)).unwrap_or_default() | MORE);
            len /= usize::from(MORE);
        }
        self.push_byte(u8::try_from(len).unwrap_or_default());
        let start = self.packed.len();
        self.packed.push_str(text);
        if self.texts.is_multiple_of(2) {
            let before = self.packed.get(self.last.clone()).unwrap_or_default();
            self.unordered |= self.texts > 0 && before >= text;
            self.last = start..self.packed.len();
        }
        self.texts += 1;
    }

    fn push_byte(&mut self, byte: u8) {
        self.packed.push(char::from(byte));
    }

    /// The pairs in order, the last of several with one name.
    pub(crate) fn finish(self) -> String {
        let packed = if self.unordered {
            self.ordered()
        } else {
            self.packed.as_str().to_owned()
        };
        SCRATCH.set(self.packed);
        packed
    }

    fn ordered(&self) -> String {
        let mut pairs: Vec<(&str, &str)> = Pairs::of(&self.packed).collect();
        // Stable: what came last stands last.
        pairs.sort_by_key(|(name, _)| *name);
        let mut ordered = Self::begin();
        for (place, (name, value)) in pairs.iter().enumerate() {
            if pairs.get(place + 1).is_none_or(|(next, _)| next != name) {
                ordered.push_text(name);
                ordered.push_text(value);
            }
        }
        ordered.finish()
    }
}

impl<'de> Visitor<'de> for Packing {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<String, A::Error> {
        while map.next_key_seed(Text(&mut self))?.is_some() {
            map.next_value_seed(Text(&mut self))?;
        }
        Ok(self.finish())
    }
}

/// Packs the next text.
struct Text<'a>(&'a mut Packing);

impl<'de> DeserializeSeed<'de> for Text<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_str(self)
    }
}

impl Visitor<'_> for Text<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.0.push_text(text);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn packed(pairs: &[(&str, &str)]) -> String {
        let mut packing = Packing::begin();
        for (name, value) in pairs {
            packing.push_text(name);
            packing.push_text(value);
        }
        packing.finish()
    }

    #[test]
    fn pairs_come_back_in_order_and_the_last_of_a_name_counts() {
        let long = ["x".repeat(63), "y".repeat(64), "é".repeat(3_000)];
        let rows: [&[(&str, &str)]; 6] = [
            &[],
            &[("", "")],
            &[("a", "1"), ("b", ""), ("c", "\u{0}\u{7f}é")],
            &[("b", "1"), ("a", "2")],
            &[("a", "1"), ("a", "2"), ("b", "3"), ("a", "4")],
            &[(&long[0], &long[1]), (&long[1], &long[2]), (&long[2], &long[0])],
        ];
        for row in rows {
            let map: BTreeMap<&str, &str> = row.iter().copied().collect();
            let packed = packed(row);
            for (name, value) in &map {
                assert_eq!(find(&packed, name), Some(*value), "{row:?}");
            }
            assert_eq!(find(&packed, "absent"), None);
            assert!(Pairs::of(&packed).eq(map), "{row:?}");
        }
    }

    #[test]
    fn equal_sets_are_equal_texts() {
        let one = packed(&[("b", "1"), ("a", "2")]);
        assert_eq!(one, packed(&[("a", "0"), ("a", "2"), ("b", "1")]));
        assert_ne!(one, packed(&[("a", "2"), ("b", "2")]));
    }

    #[test]
    fn what_is_no_packed_text_has_no_pairs_and_ends() {
        for text in [
            "\u{5}ab",
            "\u{7f}\u{7f}\u{7f}\u{7f}\u{7f}\u{7f}\u{7f}\u{7f}\u{7f}\u{7f}\u{7f}\u{7f}",
            "\u{1}a",
            "\u{1}é",
        ] {
            assert_eq!(Pairs::of(text).count(), 0, "{text:?}");
        }
    }
}
