//! Pairs of texts in one: each text behind its length, name and value in turn, ordered by name, no name twice.
//!
//! A length is written in base 64 with the bytes 0 to 127, so that the whole is text and every piece of it can be borrowed.

use std::cell::Cell;
use std::fmt;
use std::ops::Range;
use std::str::Utf8Error;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, Visitor};

/// How a format that writes and reads packed text itself knows a label set: as a newtype of this name around a text. To all
/// others it is a map.
pub const PACKED: &str = "alert::LabelSet";

/// Of a length's byte: how many of its bits tell the length, and the mark that more follow.
const LOW_BITS: u32 = 6;
const MORE: u8 = 1 << LOW_BITS;

thread_local! {
    /// Where a thread packs: what is packed is then as long as it is, in one piece of memory that never grew.
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
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

/// Names and values in turn, as bytes.
#[derive(Debug, Clone)]
pub struct Texts<'a> {
    packed: &'a [u8],
    at: usize,
}

impl<'a> Texts<'a> {
    /// Those of packed text.
    pub const fn of(packed: &'a str) -> Self {
        Self::within(packed.as_bytes())
    }

    const fn within(packed: &'a [u8]) -> Self {
        Self { packed, at: 0 }
    }

    fn place(&mut self) -> Option<Range<usize>> {
        let place = text_at(self.packed, self.at).filter(|place| place.end <= self.packed.len())?;
        self.at = place.end;
        Some(place)
    }
}

impl<'a> Iterator for Texts<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        let place = self.place()?;
        self.packed.get(place)
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

/// How many pairs there are: to count one is to read two lengths.
pub fn count(packed: &str) -> usize {
    let mut texts = Texts::of(packed);
    std::iter::from_fn(|| texts.place()).count() / 2
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
pub struct Packing {
    packed: Vec<u8>,
    /// How many texts there are.
    texts: usize,
    /// Where the last name stands.
    last: Range<usize>,
    /// A name came that does not follow the one before it.
    unordered: bool,
}

impl Packing {
    /// Nothing yet.
    pub fn begin() -> Self {
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
    #[inline]
    pub fn push(&mut self, text: &[u8]) {
        let mut len = text.len();
        while len >= usize::from(MORE) {
            self.packed
                .push(u8::try_from(len % usize::from(MORE)).unwrap_or_default() | MORE);
            len /= usize::from(MORE);
        }
        self.packed.push(u8::try_from(len).unwrap_or_default());
        let start = self.packed.len();
        self.packed.extend_from_slice(text);
        if self.texts.is_multiple_of(2) {
            let before = self.packed.get(self.last.clone()).unwrap_or_default();
            self.unordered |= self.texts > 0 && before >= text;
            self.last = start..self.packed.len();
        }
        self.texts += 1;
    }

    /// The pairs in order, the last of several with one name.
    ///
    /// # Errors
    /// What was pushed is not text. (The lengths between the texts are, so that no character begins in one text and ends in
    /// the next.)
    pub fn finish(self) -> Result<String, Utf8Error> {
        let packed = if self.unordered {
            self.ordered()
        } else {
            str::from_utf8(&self.packed).map(str::to_owned)
        };
        SCRATCH.set(self.packed);
        packed
    }

    fn ordered(&self) -> Result<String, Utf8Error> {
        let mut texts = Texts::within(&self.packed);
        let pair = || Some((texts.next()?, texts.next()?));
        let mut pairs: Vec<(&[u8], &[u8])> = std::iter::from_fn(pair).collect();
        // Stable: what came last stands last.
        pairs.sort_by_key(|(name, _)| *name);
        let mut ordered = Self::begin();
        for (place, (name, value)) in pairs.iter().enumerate() {
            if pairs.get(place + 1).is_none_or(|(next, _)| next != name) {
                ordered.push(name);
                ordered.push(value);
            }
        }
        ordered.finish()
    }
}

/// Takes packed text from a format that knows of it ([`PACKED`]), and a map from all others.
pub(crate) struct Packed;

impl<'de> Visitor<'de> for Packed {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, from: D) -> Result<String, D::Error> {
        from.deserialize_map(Map)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<String, A::Error> {
        Map.visit_map(map)
    }

    fn visit_str<E>(self, packed: &str) -> Result<String, E> {
        Ok(packed.to_owned())
    }

    fn visit_string<E>(self, packed: String) -> Result<String, E> {
        Ok(packed)
    }
}

/// Packs a map.
struct Map;

impl<'de> Visitor<'de> for Map {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<String, A::Error> {
        let mut packing = Packing::begin();
        while map.next_key_seed(Text(&mut packing))?.is_some() {
            map.next_value_seed(Text(&mut packing))?;
        }
        packing.finish().map_err(A::Error::custom)
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
        self.0.push(text.as_bytes());
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
            packing.push(name.as_bytes());
            packing.push(value.as_bytes());
        }
        packing.finish().unwrap()
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
            assert_eq!(count(&packed), map.len(), "{row:?}");
            assert!(Pairs::of(&packed).eq(map), "{row:?}");
        }
    }

    #[test]
    fn what_is_no_text_is_refused() {
        // Two halves of one character.
        for (name, value) in [(&b"\xFF"[..], &b""[..]), (b"\xC3", b"\xA9"), (b"a", b"\xC3")] {
            let mut packing = Packing::begin();
            packing.push(name);
            packing.push(value);
            assert!(packing.finish().is_err(), "{name:?} {value:?}");
        }
    }

    /// Only a format that packs itself may hand over packed text.
    #[test]
    fn json_is_a_map() {
        let set = crate::LabelSet::from([("a", "1"), ("b", "")]);
        let json = r#"{"a":"1","b":""}"#;
        assert_eq!(serde_json::to_string(&set).unwrap(), json);
        assert_eq!(serde_json::from_str::<crate::LabelSet>(json).unwrap(), set);
        for other in [r#""\u0001a\u00011""#, "null", "[]", r#"{"a":1}"#] {
            assert!(serde_json::from_str::<crate::LabelSet>(other).is_err(), "{other}");
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
