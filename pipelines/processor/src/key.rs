//! A key of the state.

use alert::GroupHash;
use smallvec::SmallVec;

/// What most keys are no longer than: those take no memory of their own, and a key is no larger than a cache line.
const SHORT: usize = 48;

/// A key of the state: the group's hash, a kind, and what tells several of that kind apart. Ordered bytewise, so that a
/// group's records lie together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct StateKey {
    /// What it begins with: the keys of two groups are told apart by it, without a look at their bytes.
    front: u64,
    bytes: SmallVec<[u8; SHORT]>,
}

impl StateKey {
    /// The key of the one record of `kind` that a group has.
    pub fn new(group: GroupHash, kind: u8) -> Self {
        Self::with(group, kind, &[])
    }

    /// The key of one of several records of `kind` in a group.
    pub fn with(group: GroupHash, kind: u8, rest: &[u8]) -> Self {
        let mut bytes = SmallVec::from_slice(&group.0);
        bytes.push(kind);
        bytes.extend_from_slice(rest);
        Self {
            front: front(&group.0),
            bytes,
        }
    }

    /// A key as it stands in a changelog.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self {
            front: front(bytes),
            bytes: bytes.into(),
        }
    }

    /// What every key of a group begins with.
    pub fn of_group(group: GroupHash) -> Self {
        Self::from_bytes(&group.0)
    }

    /// The bytes, as they stand in the changelog.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The group it belongs to; none for a key that is shorter than a group's hash.
    pub fn group(&self) -> Option<GroupHash> {
        self.bytes.first_chunk::<16>().map(|hash| GroupHash(*hash))
    }

    /// The kind of record under it.
    pub fn kind(&self) -> Option<u8> {
        self.bytes.get(16).copied()
    }

    /// What follows group and kind.
    pub fn rest(&self) -> &[u8] {
        self.bytes.get(17..).unwrap_or_default()
    }

    /// Its first eight bytes as a number, which orders keys as they are ordered unless it is the same.
    pub(crate) const fn front(&self) -> u64 {
        self.front
    }
}

/// What a key begins with, as a number that orders keys as they are ordered unless it is the same: nearly always the keys
/// of two groups' hashes differ there, and nothing is called to compare them.
pub(crate) fn front(key: &[u8]) -> u64 {
    if let Some(front) = key.first_chunk() {
        return u64::from_be_bytes(*front);
    }
    let mut front = [0; size_of::<u64>()];
    front.iter_mut().zip(key).for_each(|(to, from)| *to = *from);
    u64::from_be_bytes(front)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_ordered_bytewise() {
        let texts: [&[u8]; 9] = [
            b"",
            b"\0",
            b"\0\0",
            b"\0\x01",
            b"a",
            b"a\0",
            b"aaaaaaaa",
            b"aaaaaaaa\0",
            b"b",
        ];
        for (place, low) in texts.iter().enumerate() {
            for high in &texts[place + 1..] {
                assert!(
                    StateKey::from_bytes(low) < StateKey::from_bytes(high),
                    "{low:?} {high:?}"
                );
            }
        }
    }
}
