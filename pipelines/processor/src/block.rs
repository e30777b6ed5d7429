//! A few KiB of sorted entries in one allocation.
//!
//! A tree's node, two allocations and two fat pointers for each small record would be a third of what a one-alert group
//! takes. An entry of a block costs the bytes of its key and value and their lengths; what a block costs is shared by all
//! its entries. To look one up is to read past those before it, to change one is to move those behind it: at this size
//! both are less than the misses of the cache on the way through a tree of as many separate keys.

use std::cmp::Ordering;
use std::ops::Range;

use crate::StateKey;
use crate::key::front;

/// What a block takes before it is cut in two: small enough to be moved whole in a fraction of what decoding one of its
/// records takes, large enough that what a block costs is a few percent of it.
pub(crate) const MAX_BLOCK: usize = 4 * 1024;
/// Blocks grow by this much: a record that becomes a little longer does not move them, and the allocator sees few sizes.
const STEP: usize = 128;
/// Of a length's byte: the bits of it, and the mark that more follow.
const LOW_BITS: usize = 0x7F;
const MORE: u8 = 0x80;

/// Entries in the order of their keys, each as key length, value length, key, value.
#[derive(Debug, Default)]
pub(crate) struct Block {
    bytes: Vec<u8>,
}

impl Block {
    /// Bytes used.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Keys and values in order.
    pub(crate) fn iter(&self) -> Entries<'_> {
        Entries { rest: &self.bytes }
    }

    /// Where the entry with this key lies, or would lie (then nothing wide), and its value.
    pub(crate) fn find(&self, key: &StateKey) -> (Range<usize>, Option<&[u8]>) {
        let mut entries = self.iter();
        loop {
            let start = self.len() - entries.rest.len();
            let next = entries.next();
            let order = next.map(|(found, _)| front(found).cmp(&key.front()).then_with(|| found.cmp(key.as_bytes())));
            match (next, order) {
                (_, Some(Ordering::Less)) => {}
                (Some((_, value)), Some(Ordering::Equal)) => {
                    return (start..self.len() - entries.rest.len(), Some(value));
                }
                _ => return (start..start, None),
            }
        }
    }

    /// Keys and values in order, from the first on that is not before this key.
    pub(crate) fn from(&self, key: &StateKey) -> Entries<'_> {
        let (place, _) = self.find(key);
        Entries {
            rest: self.bytes.get(place.start..).unwrap_or_default(),
        }
    }

    /// Puts an entry (its value in two pieces), or nothing, in the place that [`Block::find`] found for its key.
    pub(crate) fn replace(&mut self, place: Range<usize>, entry: Option<(&StateKey, [&[u8]; 2])>) {
        let Some((key, [head, value])) = entry else {
            self.gap(place, 0);
            return;
        };
        let key = key.as_bytes();
        let lengths = [Length::of(key.len()), Length::of(head.len() + value.len())];
        let [of_key, of_value] = lengths.each_ref().map(Length::bytes);
        let pieces = [of_key, of_value, key, head, value];
        let mut room = self.gap(place, pieces.iter().map(|piece| piece.len()).sum());
        for piece in pieces {
            let Some((here, rest)) = room.split_at_mut_checked(piece.len()) else {
                break;
            };
            here.copy_from_slice(piece);
            room = rest;
        }
    }

    /// Makes a place so wide, moves what is behind it, and gives it out.
    fn gap(&mut self, place: Range<usize>, wide: usize) -> &mut [u8] {
        let (from, to) = (place.end, place.start + wide);
        let (before, after) = (self.len(), self.len() + to - from);
        self.fit(after);
        self.bytes.resize(before.max(after), 0);
        self.bytes.copy_within(from..before, to);
        self.bytes.truncate(after);
        self.fit(after);
        self.bytes.get_mut(place.start..to).unwrap_or_default()
    }

    /// Cuts off the entries behind the middle; none where there is only one entry.
    pub(crate) fn split(&mut self) -> Option<Self> {
        let half = self.len() / 2;
        let mut entries = self.iter();
        let mut cut = 0;
        while entries.next().is_some() {
            let end = self.len() - entries.rest.len();
            let nearer = cut == 0 || end.abs_diff(half) < half.abs_diff(cut);
            if !nearer || end == self.len() {
                break;
            }
            cut = end;
        }
        if cut == 0 {
            return None;
        }
        let mut upper = Self::default();
        upper.append(self.bytes.get(cut..).unwrap_or_default());
        self.bytes.truncate(cut);
        self.fit(cut);
        Some(upper)
    }

    /// Adds the entries of the block that follows this one.
    pub(crate) fn join(&mut self, next: &Self) {
        self.append(&next.bytes);
    }

    fn append(&mut self, bytes: &[u8]) {
        self.fit(self.len() + bytes.len());
        self.bytes.extend_from_slice(bytes);
    }

    /// Room for so many bytes, and little more.
    fn fit(&mut self, len: usize) {
        let room = len.next_multiple_of(STEP);
        if self.bytes.capacity() < len {
            self.bytes.reserve_exact(room.saturating_sub(self.len()));
        } else if self.bytes.capacity() >= room + STEP {
            self.bytes.shrink_to(room);
        }
    }
}

/// The entries of a block.
#[derive(Debug, Clone)]
pub(crate) struct Entries<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Entries<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (key, rest) = take_length(self.rest)?;
        let (value, rest) = take_length(rest)?;
        let (key, rest) = rest.split_at_checked(key)?;
        let (value, rest) = rest.split_at_checked(value)?;
        self.rest = rest;
        Some((key, value))
    }
}

/// A length as it stands in a block: seven bits a byte, the low ones first.
struct Length {
    bytes: [u8; Self::MOST],
    len: usize,
}

impl Length {
    const MOST: usize = (usize::BITS as usize).div_ceil(7);

    fn of(mut len: usize) -> Self {
        let mut length = Self {
            bytes: [0; Self::MOST],
            len: 0,
        };
        for place in &mut length.bytes {
            let low = u8::try_from(len & LOW_BITS).unwrap_or_default();
            len >>= 7;
            length.len += 1;
            if len == 0 {
                *place = low;
                break;
            }
            *place = low | MORE;
        }
        length
    }

    fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

fn take_length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut len = 0;
    for (place, byte) in bytes.iter().enumerate() {
        len |= (usize::from(*byte) & LOW_BITS) << (7 * place);
        if byte & MORE == 0 {
            return Some((len, bytes.get(place + 1..)?));
        }
    }
    None
}
