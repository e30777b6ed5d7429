//! Which groups changed, in order: what a browser that is a little behind has to be told.
//!
//! Only their hashes are kept, never what changed: whoever asks is shown the groups as they stand when it asks. So a slow
//! browser costs nothing but a number, and one that is too far behind is told to begin anew.

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::str::FromStr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use alert::GroupHash;

/// How many changes are kept: 1 MiB, six seconds of a system that takes 10,000 changes a second.
const MAX_CHANGES: usize = 65_536;

/// How far a browser has been told, as it stands in URLs: `EPOCH:SEQUENCE`, both hexadecimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// Which view counts: each start of each console counts for itself.
    epoch: u64,
    /// The first change it was not told of.
    sequence: u64,
}

/// A text that is no cursor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} is no cursor: take a new snapshot")]
pub(crate) struct CursorError(String);

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}:{:x}", self.epoch, self.sequence)
    }
}

impl FromStr for Cursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        let parsed = text.split_once(':').and_then(|(epoch, sequence)| {
            Some(Self {
                epoch: u64::from_str_radix(epoch, 16).ok()?,
                sequence: u64::from_str_radix(sequence, 16).ok()?,
            })
        });
        parsed.ok_or_else(|| CursorError(text.to_owned()))
    }
}

/// What there is to tell from a cursor on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Since {
    /// These groups changed, each named once; `next` is where the browser stands once it was told.
    Groups {
        /// The groups, in no order.
        groups: Vec<GroupHash>,
        /// The cursor after them.
        next: Cursor,
    },
    /// It cannot be told from there; the reason, in words.
    Reset(&'static str),
}

#[derive(Debug, Default)]
struct Ring {
    /// The sequence of the change that comes next.
    next: u64,
    groups: VecDeque<GroupHash>,
}

/// The newest changes.
#[derive(Debug)]
pub(crate) struct Changes {
    epoch: u64,
    ring: Mutex<Ring>,
}

impl Changes {
    pub(crate) fn new() -> Self {
        Self {
            // The standard library's hash keys are random, and that is all an epoch has to be.
            epoch: RandomState::new().build_hasher().finish(),
            ring: Mutex::default(),
        }
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A group is not what it was. Called after it was changed: who is told looks at it after that.
    pub(crate) fn note(&self, group: GroupHash) {
        let mut ring = self.ring();
        ring.next += 1;
        ring.groups.push_back(group);
        if ring.groups.len() > MAX_CHANGES {
            ring.groups.pop_front();
        }
    }

    /// Where a browser stands that is shown everything as it is from now on.
    pub(crate) fn cursor(&self) -> Cursor {
        Cursor {
            epoch: self.epoch,
            sequence: self.ring().next,
        }
    }

    /// What there is to tell from `cursor` on: at most `max` changes at once.
    pub(crate) fn since(&self, cursor: Cursor, max: usize) -> Since {
        let ring = self.ring();
        let behind = ring.next.checked_sub(cursor.sequence);
        let Some(behind) = behind.filter(|_| cursor.epoch == self.epoch) else {
            return Since::Reset("this console does not know the cursor: it has started anew, or it is another one");
        };
        let Some(skip) = usize::try_from(behind)
            .ok()
            .and_then(|behind| ring.groups.len().checked_sub(behind))
        else {
            return Since::Reset("too far behind");
        };
        let told = ring.groups.len().saturating_sub(skip).min(max);
        let groups: HashSet<GroupHash> = ring.groups.iter().skip(skip).take(told).copied().collect();
        Since::Groups {
            groups: groups.into_iter().collect(),
            next: Cursor {
                sequence: cursor.sequence + u64::try_from(told).unwrap_or_default(),
                ..cursor
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(number: u32) -> GroupHash {
        let mut bytes = [0; 16];
        bytes[..4].copy_from_slice(&number.to_be_bytes());
        GroupHash(bytes)
    }

    fn told(since: Since) -> (Vec<GroupHash>, Cursor) {
        match since {
            Since::Groups { mut groups, next } => {
                groups.sort_by_key(|group| group.0);
                (groups, next)
            }
            Since::Reset(why) => panic!("{why}"),
        }
    }

    #[test]
    fn each_changed_group_is_told_once_and_from_there_on() {
        let changes = Changes::new();
        let start = changes.cursor();
        assert_eq!(told(changes.since(start, 10)), (vec![], start));
        for number in [1, 2, 1] {
            changes.note(group(number));
        }
        let (groups, next) = told(changes.since(start, 10));
        assert_eq!(groups, [group(1), group(2)]);
        assert_eq!(next, changes.cursor());
        let (first, after_one) = told(changes.since(start, 1));
        assert_eq!(first, [group(1)]);
        assert_eq!(told(changes.since(after_one, 10)).0, [group(1), group(2)]);
    }

    #[test]
    fn who_is_too_far_behind_or_a_stranger_begins_anew() {
        let changes = Changes::new();
        let start = changes.cursor();
        for number in 0..=u32::try_from(MAX_CHANGES).unwrap() {
            changes.note(group(number));
        }
        assert_eq!(changes.since(start, 10), Since::Reset("too far behind"));
        let one_later: Cursor = format!("{:x}:1", start.epoch).parse().unwrap();
        assert_eq!(told(changes.since(one_later, 1)).0, [group(1)]);
        for stranger in [
            Changes::new().cursor(),
            format!("{:x}:{:x}", start.epoch, u64::MAX).parse().unwrap(),
        ] {
            assert!(matches!(changes.since(stranger, 10), Since::Reset(_)), "{stranger}");
        }
    }

    #[test]
    fn cursors_are_read_as_they_are_written() {
        let cursor = Changes::new().cursor();
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        for text in ["", ":", "1", "x:1", "1:-1", "1:2:3"] {
            assert!(text.parse::<Cursor>().is_err(), "{text}");
        }
    }
}
