//! Groups: the keys they are known by, the partition they live in, and the order of alerts within a message.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use crate::label_set::{LabelSet, push_pairs};
use crate::matcher::Matchers;

/// Labels that order alerts before all others do, the most telling first.
const LEADING_LABELS: [&str; 2] = ["job", "instance"];

/// Stands between a group key and the ordinal. A group key ends with `}`, so what follows the last one is the ordinal.
const ORDINAL_MARK: char = '#';

/// The key of a route: its parent's, a slash, and its own matchers. The root has no parent (the empty text) and, having no
/// matchers, the key `{}`.
pub fn route_key(parent: &str, matchers: &Matchers) -> String {
    if parent.is_empty() {
        matchers.to_string()
    } else {
        format!("{parent}/{matchers}")
    }
}

/// The key of a group: its route's key, a colon, and the labels it is grouped by.
pub fn group_key(route_key: &str, group_labels: &LabelSet) -> GroupKey {
    let labels: usize = group_labels
        .iter()
        .map(|(name, value)| name.len() + value.len() + 5)
        .sum();
    let mut key = String::with_capacity(route_key.len() + 3 + labels);
    key.push_str(route_key);
    key.push(':');
    push_pairs(&mut key, group_labels.iter());
    GroupKey(key)
}

/// Alertmanager's group key, as payloads and the API show it: `{}/{team="db"}:{alertname="X", cluster="eu"}`.
///
/// Not unique: two sibling routes with equal matchers share it. What identifies a group is its [`GroupId`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GroupKey(pub String);

impl GroupKey {
    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for GroupKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The identity of a group, and the key of every partitioned topic: the group key, and `#n` behind it if the route is not
/// the first among those with its route key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GroupId(pub String);

impl GroupId {
    /// The id of the group with this key under the `ordinal`-th (from 0) of the routes that share the route key.
    pub fn new(key: GroupKey, ordinal: u32) -> Self {
        if ordinal == 0 {
            Self(key.0)
        } else {
            Self(format!("{}{ORDINAL_MARK}{ordinal}", key.0))
        }
    }

    /// The id of the group with these labels under the route with this id, which carries the ordinal just as a group's.
    pub fn of_route(route_id: &str, group_labels: &LabelSet) -> Self {
        let (route_key, ordinal) = split(route_id);
        Self::new(group_key(route_key, group_labels), ordinal)
    }

    /// The group key inside.
    pub fn group_key(&self) -> GroupKey {
        GroupKey(split(&self.0).0.to_owned())
    }

    /// Which of the routes with the same route key this group belongs to.
    pub fn ordinal(&self) -> u32 {
        split(&self.0).1
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands for the id in state keys and URLs.
    pub fn hash(&self) -> GroupHash {
        GroupHash(xxh3_128(self.0.as_bytes()).to_be_bytes())
    }

    /// The partition that every topic keeps this group in.
    pub fn partition(&self, partitions: u32) -> u32 {
        partition_for(self.0.as_bytes(), partitions)
    }
}

/// A route's or a group's key, and the ordinal behind it.
fn split(id: &str) -> (&str, u32) {
    id.rsplit_once(ORDINAL_MARK)
        .and_then(|(key, ordinal)| Some((key, ordinal.parse().ok()?)))
        .unwrap_or((id, 0))
}

impl fmt::Display for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// xxh3 (128 bit) of a [`GroupId`], big endian; 32 hex digits as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct GroupHash(pub [u8; 16]);

/// The text is not a group hash: 32 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a group hash (32 hexadecimal digits): {0:?}")]
pub struct GroupHashError(pub String);

impl GroupHash {
    /// The bytes, as they begin a state key.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for GroupHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl FromStr for GroupHash {
    type Err = GroupHashError;

    fn from_str(text: &str) -> Result<Self, GroupHashError> {
        let refused = || GroupHashError(text.to_owned());
        // `from_str_radix` alone would take a sign.
        if text.len() != 32 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(refused());
        }
        u128::from_str_radix(text, 16)
            .map(|hash| Self(hash.to_be_bytes()))
            .map_err(|_| refused())
    }
}

impl TryFrom<String> for GroupHash {
    type Error = GroupHashError;

    fn try_from(text: String) -> Result<Self, GroupHashError> {
        text.parse()
    }
}

impl From<GroupHash> for String {
    fn from(hash: GroupHash) -> Self {
        hash.to_string()
    }
}

/// The partition of a key: xxh3 (64 bit) modulo the number of partitions.
///
/// The one function for this in the whole system: every producer sets its partition by it, so that a group is the same
/// partition in every topic. `partitions` of 0 counts as 1.
pub fn partition_for(key: &[u8], partitions: u32) -> u32 {
    let partition = xxh3_64(key) % u64::from(partitions.max(1));
    // A remainder of a 32-bit number fits into 32 bits.
    u32::try_from(partition).unwrap_or_default()
}

/// Orders alerts as Alertmanager orders them in a message. See [`compare_for_notification`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotifySortKey<'a>(&'a LabelSet);

/// What alerts of a message are ordered by, as a key for sorted maps, `min_by_key` and the like. It borrows the labels, so a
/// slice is sorted with [`compare_for_notification`].
pub const fn sort_key(labels: &LabelSet) -> NotifySortKey<'_> {
    NotifySortKey(labels)
}

impl Ord for NotifySortKey<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        compare_for_notification(self.0, other.0)
    }
}

impl PartialOrd for NotifySortKey<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The order of alerts in a message: by `job`, then by `instance` (an alert without the label after those with it), then
/// by [`LabelSet::before`].
pub fn compare_for_notification(a: &LabelSet, b: &LabelSet) -> Ordering {
    LEADING_LABELS
        .iter()
        .map(|name| match (a.get(name), b.get(name)) {
            (Some(left), Some(right)) => left.cmp(right),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => Ordering::Equal,
        })
        .find(|order| order.is_ne())
        .unwrap_or_else(|| a.before(b))
}
