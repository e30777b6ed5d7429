//! Label sets: an alert's identity, and what everything matches on.

use std::cmp::Ordering;
use std::collections::{BTreeMap, btree_map};
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::packed;
use crate::quote::{go_quote, push_quoted};

/// Names and values, ordered by name. Also used for annotations, which have the same shape.
///
/// It is one piece of text (see `packed`): each stage reads an alert's labels, copies them and lets them go, and a tree of
/// texts would be as many pieces of memory as there are names and values.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct LabelSet(String);

/// Why a label is refused, in Prometheus' words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LabelError {
    /// The name is empty, or (classic) not `[a-zA-Z_][a-zA-Z0-9_]*`.
    #[error("invalid name {}", go_quote(.0))]
    InvalidName(String),
}

/// Accepts a label name in UTF-8 mode: anything but the empty text. (That it is valid UTF-8, its type says.)
pub fn validate_name(name: &str) -> Result<(), LabelError> {
    if name.is_empty() {
        Err(LabelError::InvalidName(String::new()))
    } else {
        Ok(())
    }
}

/// Accepts a label name as before Prometheus 3: `[a-zA-Z_][a-zA-Z0-9_]*`. Still the rule for `match` and `match_re`.
pub fn validate_classic_name(name: &str) -> Result<(), LabelError> {
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if starts_well && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        Ok(())
    } else {
        Err(LabelError::InvalidName(name.to_owned()))
    }
}

impl LabelSet {
    /// A set without labels.
    pub const fn new() -> Self {
        Self(String::new())
    }

    /// The value of a label, if it is present. For matching, use [`LabelSet::value`].
    pub fn get(&self, name: &str) -> Option<&str> {
        packed::find(&self.0, name)
    }

    /// The value of a label as matchers see it: a missing label is the empty text.
    pub fn value(&self, name: &str) -> &str {
        self.get(name).unwrap_or_default()
    }

    /// Whether the label is present, be it empty.
    pub fn contains(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Names and values, ordered by name.
    pub fn iter(&self) -> packed::Pairs<'_> {
        packed::Pairs::of(&self.0)
    }

    /// How many labels there are.
    pub fn len(&self) -> usize {
        packed::count(&self.0)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Sets a label. All of them are packed anew: what sets many collects them.
    pub fn insert(&mut self, name: impl AsRef<str>, value: impl AsRef<str>) {
        *self = self.iter().chain([(name.as_ref(), value.as_ref())]).collect();
    }

    /// The set without labels whose value is empty: to Prometheus, an empty label is an absent one.
    #[must_use]
    pub fn without_empty_values(self) -> Self {
        self.iter().filter(|(_, value)| !value.is_empty()).collect()
    }

    /// The set reduced to the given names; those it does not have stay absent.
    #[must_use]
    pub fn only<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Self {
        names
            .into_iter()
            .filter_map(|name| Some((name, self.get(name)?)))
            .collect()
    }

    /// Names and values as a map.
    pub fn to_map(&self) -> BTreeMap<String, String> {
        self.iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }

    /// The set's identity as Prometheus computes it: FNV-1a (64 bit) over `name 0xFF value 0xFF` for each label, ordered by
    /// name.
    pub fn fingerprint(&self) -> Fingerprint {
        let mut hash = FNV_OFFSET;
        for (name, value) in self {
            hash = fnv1a(hash, name.as_bytes());
            hash = fnv1a(hash, &[SEPARATOR]);
            hash = fnv1a(hash, value.as_bytes());
            hash = fnv1a(hash, &[SEPARATOR]);
        }
        Fingerprint(hash)
    }

    /// Prometheus' `LabelSet.Before` as an ordering: fewer labels first; then, over the names of both in order, at the first
    /// difference the set that lacks the name comes first, or the smaller value.
    pub fn before(&self, other: &Self) -> Ordering {
        self.len().cmp(&other.len()).then_with(|| {
            for ((my_name, my_value), (name, value)) in self.iter().zip(other.iter()) {
                // The smaller name is the one the other set lacks, so the set that has it comes after.
                let difference = name.cmp(my_name).then_with(|| my_value.cmp(value));
                if difference.is_ne() {
                    return difference;
                }
            }
            Ordering::Equal
        })
    }

    /// Checks every name with [`validate_name`]; the first that fails is the error.
    pub fn validate(&self) -> Result<(), LabelError> {
        self.iter().try_for_each(|(name, _)| validate_name(name))
    }
}

impl fmt::Display for LabelSet {
    /// As Alertmanager prints group labels: `{a="x", b="y"}`, ordered, values quoted as Go's `%q`, names bare.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        push_pairs(&mut text, self.iter());
        f.write_str(&text)
    }
}

/// Appends labels as a [`LabelSet`] shows them.
pub(crate) fn push_pairs<'a>(out: &mut String, labels: impl Iterator<Item = (&'a str, &'a str)>) {
    out.push('{');
    for (i, (name, value)) in labels.enumerate() {
        if i > 0 {
            out.push_str(", ");
        }
        out.push_str(name);
        out.push('=');
        push_quoted(out, value);
    }
    out.push('}');
}

impl fmt::Debug for LabelSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self).finish()
    }
}

impl Ord for LabelSet {
    fn cmp(&self, other: &Self) -> Ordering {
        self.iter().cmp(other)
    }
}

impl PartialOrd for LabelSet {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<N: AsRef<str>, V: AsRef<str>> FromIterator<(N, V)> for LabelSet {
    /// Of several values of one name the last counts.
    fn from_iter<I: IntoIterator<Item = (N, V)>>(labels: I) -> Self {
        let mut packing = packed::Packing::begin();
        for (name, value) in labels {
            packing.push(name.as_ref().as_bytes());
            packing.push(value.as_ref().as_bytes());
        }
        // Texts behind their lengths are text.
        Self(packing.finish().unwrap_or_default())
    }
}

impl<N: AsRef<str>, V: AsRef<str>, const LEN: usize> From<[(N, V); LEN]> for LabelSet {
    fn from(labels: [(N, V); LEN]) -> Self {
        labels.into_iter().collect()
    }
}

impl From<BTreeMap<String, String>> for LabelSet {
    fn from(labels: BTreeMap<String, String>) -> Self {
        labels.into_iter().collect()
    }
}

impl<'a> IntoIterator for &'a LabelSet {
    type Item = (&'a str, &'a str);
    type IntoIter = packed::Pairs<'a>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl IntoIterator for LabelSet {
    type Item = (String, String);
    type IntoIter = btree_map::IntoIter<String, String>;

    fn into_iter(self) -> Self::IntoIter {
        self.to_map().into_iter()
    }
}

impl Serialize for LabelSet {
    /// A map of texts where people read it; else the packed text, as a newtype with the name [`PACKED`](packed::PACKED).
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        if !to.is_human_readable() {
            return to.serialize_newtype_struct(packed::PACKED, self.0.as_str());
        }
        let mut map = to.serialize_map(Some(self.len()))?;
        for (name, value) in self {
            serde::ser::SerializeMap::serialize_entry(&mut map, name, value)?;
        }
        serde::ser::SerializeMap::end(map)
    }
}

impl<'de> Deserialize<'de> for LabelSet {
    /// A map of texts, in any order, or the packed text.
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_newtype_struct(packed::PACKED, packed::Packed)
            .map(Self)
    }
}

/// FNV-1a's start value for 64 bits.
const FNV_OFFSET: u64 = 14_695_981_039_346_656_037;
/// FNV-1a's prime for 64 bits.
const FNV_PRIME: u64 = 1_099_511_628_211;
/// Stands between names and values: a byte that no UTF-8 text holds.
const SEPARATOR: u8 = 0xFF;

fn fnv1a(start: u64, bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(start, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(FNV_PRIME))
}

/// The hash that identifies an alert by its labels; 16 hex digits in the API and in URLs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Fingerprint(pub u64);

/// The text is not a fingerprint: hexadecimal, 1 to 16 digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a fingerprint: {}", go_quote(.0))]
pub struct FingerprintError(pub String);

impl Fingerprint {
    /// The fingerprint with this hash.
    pub const fn new(hash: u64) -> Self {
        Self(hash)
    }

    /// The hash.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for Fingerprint {
    type Err = FingerprintError;

    fn from_str(text: &str) -> Result<Self, FingerprintError> {
        let refused = || FingerprintError(text.to_owned());
        // `from_str_radix` alone would take a sign.
        if !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(refused());
        }
        u64::from_str_radix(text, 16).map(Self).map_err(|_| refused())
    }
}

impl TryFrom<String> for Fingerprint {
    type Error = FingerprintError;

    fn try_from(text: String) -> Result<Self, FingerprintError> {
        text.parse()
    }
}

impl From<Fingerprint> for String {
    fn from(fingerprint: Fingerprint) -> Self {
        fingerprint.to_string()
    }
}
