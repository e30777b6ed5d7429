//! How the embedded log's records lie in its files.
//!
//! Records that one transaction or append wrote into one partition are a *run*: a head with a checksum over all of it,
//! then record after record. The same bytes stand in the journal and in the partition's segment. Numbers of fixed size
//! are big endian, all others as short as they are (LEB128).

use alert::Timestamp;
use processor::{Meta, Record};
use xxhash_rust::xxh3::xxh3_64;

const HAS_VALUE: u8 = 1;
const HAS_META: u8 = 2;
const HAS_HEADERS: u8 = 4;

/// A run's head: checksum of all that follows it, length of the records, their count, first offset, append time.
pub(super) const HEAD_BYTES: usize = 8 + 4 + 4 + 8 + 8;
/// A run is closed at this size, so that whoever reads needs no more than this and one record at a time.
const RUN_BYTES: usize = 128 << 10;
/// What is set aside for the first: room for some ten records.
const FIRST_BYTES: usize = 4 << 10;

/// Takes bytes off the front.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bytes<'a>(pub(super) &'a [u8]);

impl<'a> Bytes<'a> {
    pub(super) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(head)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    pub(super) fn i64(&mut self) -> Option<i64> {
        self.array().map(i64::from_be_bytes)
    }

    pub(super) fn varint(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    pub(super) fn signed(&mut self) -> Option<i64> {
        let number = self.varint()?;
        Some((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }

    pub(super) fn sized(&mut self) -> Option<&'a [u8]> {
        let len = self.varint()?;
        self.take(usize::try_from(len).ok()?)
    }

    pub(super) fn text(&mut self) -> Option<String> {
        String::from_utf8(self.sized()?.to_vec()).ok()
    }
}

pub(super) fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    out.push(number.to_le_bytes()[0]);
}

fn put_signed(out: &mut Vec<u8>, number: i64) {
    put_varint(out, ((number << 1) ^ (number >> 63)).cast_unsigned());
}

pub(super) fn put_sized(out: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(out, u64::try_from(bytes.len()).unwrap_or(u64::MAX));
    out.extend(bytes);
}

/// A record as it lies in a run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stored<'a> {
    pub(super) offset: i64,
    pub(super) appended: i64,
    pub(super) key: &'a [u8],
    meta: Option<&'a [u8]>,
    headers: Option<&'a [u8]>,
    pub(super) value: Option<&'a [u8]>,
}

impl<'a> Stored<'a> {
    fn parse(bytes: &mut Bytes<'a>, head: &Head) -> Option<Self> {
        let flags = bytes.u8()?;
        let offset = head.first.checked_add_unsigned(bytes.varint()?)?;
        let appended = head.appended.checked_add(bytes.signed()?)?;
        let key = bytes.sized()?;
        let mut part = |flag: u8| match flags & flag {
            0 => Some(None),
            _ => bytes.sized().map(Some),
        };
        let (meta, headers, value) = (part(HAS_META)?, part(HAS_HEADERS)?, part(HAS_VALUE)?);
        Some(Self {
            offset,
            appended,
            key,
            meta,
            headers,
            value,
        })
    }

    /// The record, of that partition; none if its bytes are none that we wrote.
    pub(super) fn record(&self, partition: u32) -> Option<Record> {
        let mut headers = Vec::new();
        let mut rest = Bytes(self.headers.unwrap_or_default());
        while !rest.0.is_empty() {
            headers.push((rest.text()?, rest.sized()?.to_vec()));
        }
        let meta = match self.meta {
            None => None,
            Some(bytes) => Some(Meta::decode(bytes).ok()?),
        };
        Some(Record {
            partition,
            offset: self.offset,
            appended: Timestamp::from_millis(self.appended),
            key: self.key.to_vec(),
            value: self.value.map(<[u8]>::to_vec),
            meta,
            headers,
        })
    }

    fn put(&self, out: &mut Vec<u8>, head: &Head) {
        let flag = |part: Option<&[u8]>, flag: u8| if part.is_some() { flag } else { 0 };
        out.push(flag(self.value, HAS_VALUE) | flag(self.meta, HAS_META) | flag(self.headers, HAS_HEADERS));
        put_varint(out, self.offset.saturating_sub(head.first).unsigned_abs());
        put_signed(out, self.appended.saturating_sub(head.appended));
        put_sized(out, self.key);
        for part in [self.meta, self.headers, self.value].into_iter().flatten() {
            put_sized(out, part);
        }
    }
}

/// What stands before the records of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    checksum: u64,
    /// How long its records are together.
    body: usize,
    /// How many they are.
    pub(super) count: u32,
    /// The first one's offset.
    pub(super) first: i64,
    /// The first one's append time.
    pub(super) appended: i64,
}

impl Head {
    /// Of a run that begins here; none where too few bytes are left.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let mut bytes = Bytes(bytes);
        Some(Self {
            checksum: bytes.u64()?,
            body: usize::try_from(bytes.u32()?).ok()?,
            count: bytes.u32()?,
            first: bytes.i64()?,
            appended: bytes.i64()?,
        })
    }

    /// How long the whole run is.
    pub(super) fn bytes(&self) -> usize {
        HEAD_BYTES + self.body
    }
}

/// A run whose checksum is right.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run<'a> {
    pub(super) head: Head,
    records: Bytes<'a>,
}

impl<'a> Run<'a> {
    /// The run that these bytes begin with.
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let head = Head::parse(bytes)?;
        let whole = bytes.get(..head.bytes())?;
        let (summed, records) = (whole.get(8..)?, whole.get(HEAD_BYTES..)?);
        (xxh3_64(summed) == head.checksum).then_some(Self {
            head,
            records: Bytes(records),
        })
    }

    /// Its records in their order; what is not readable, though its checksum is right, is none.
    pub(super) fn records(self) -> impl Iterator<Item = Option<Stored<'a>>> {
        let (head, mut rest) = (self.head, self.records);
        (0..head.count).map(move |_| Stored::parse(&mut rest, &head))
    }
}

/// Records of one partition as they are put together into runs.
#[derive(Debug, Default)]
pub(super) struct Runs {
    bytes: Vec<u8>,
    /// Where the open run begins, and its head.
    open: Option<(usize, Head)>,
    scratch: Vec<u8>,
}

impl Runs {
    /// Put together in a buffer that is empty.
    pub(super) fn within(buffer: Vec<u8>) -> Self {
        Self {
            bytes: buffer,
            ..Self::default()
        }
    }

    /// Adds a record, whose offset is greater than the last one's.
    pub(super) fn push(&mut self, record: &Record) {
        let meta = record.meta.map(|meta| meta.encode());
        let mut headers = std::mem::take(&mut self.scratch);
        headers.clear();
        for (name, value) in &record.headers {
            put_sized(&mut headers, name.as_bytes());
            put_sized(&mut headers, value);
        }
        self.push_stored(&Stored {
            offset: record.offset,
            appended: record.appended.millis(),
            key: &record.key,
            meta: meta.as_ref().map(AsRef::as_ref),
            headers: (!headers.is_empty()).then_some(&*headers),
            value: record.value.as_deref(),
        });
        self.scratch = headers;
    }

    pub(super) fn push_stored(&mut self, record: &Stored<'_>) {
        if self
            .open
            .is_some_and(|(begin, _)| self.bytes.len() - begin >= RUN_BYTES)
        {
            self.close();
        }
        let (_, head) = self.open.get_or_insert_with(|| {
            let head = Head {
                checksum: 0,
                body: 0,
                count: 0,
                first: record.offset,
                appended: record.appended,
            };
            let begin = self.bytes.len();
            if begin == 0 {
                self.bytes.reserve(FIRST_BYTES);
            }
            self.bytes.resize(begin + HEAD_BYTES, 0);
            (begin, head)
        });
        head.count += 1;
        let head = *head;
        record.put(&mut self.bytes, &head);
    }

    fn close(&mut self) {
        let Some((begin, head)) = self.open.take() else { return };
        let body = u32::try_from(self.bytes.len() - begin - HEAD_BYTES).unwrap_or(u32::MAX);
        let mut bytes = body.to_be_bytes().to_vec();
        bytes.extend(head.count.to_be_bytes());
        bytes.extend(head.first.to_be_bytes());
        bytes.extend(head.appended.to_be_bytes());
        if let Some(place) = self.bytes.get_mut(begin + 8..begin + HEAD_BYTES) {
            place.copy_from_slice(&bytes);
        }
        let sum = xxh3_64(self.bytes.get(begin + 8..).unwrap_or_default());
        if let Some(place) = self.bytes.get_mut(begin..begin + 8) {
            place.copy_from_slice(&sum.to_be_bytes());
        }
    }

    /// How many bytes it has so far.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The runs' bytes.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.close();
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records() -> Vec<Record> {
        let plain = Record {
            partition: 7,
            offset: 42,
            appended: Timestamp::from_millis(1_700_000_000_123),
            key: b"group".to_vec(),
            value: Some(b"value".to_vec()),
            meta: None,
            headers: vec![("h".to_owned(), b"x".to_vec()), (String::new(), Vec::new())],
        };
        let tombstone = Record {
            offset: 43,
            value: None,
            meta: Some(Meta {
                id: 9,
                ..Meta::default()
            }),
            ..plain.clone()
        };
        let empty = Record {
            offset: 100_000,
            appended: Timestamp::from_millis(1_600_000_000_000),
            value: Some(Vec::new()),
            key: Vec::new(),
            headers: Vec::new(),
            ..plain.clone()
        };
        vec![plain, tombstone, empty]
    }

    #[test]
    fn records_come_back_as_they_went() {
        let mut runs = Runs::default();
        for record in &records() {
            runs.push(record);
        }
        let bytes = runs.finish();
        let run = Run::parse(&bytes).unwrap();
        assert_eq!((run.head.count, run.head.first, run.head.bytes()), (3, 42, bytes.len()));
        let found: Vec<Record> = run.records().map(|stored| stored.unwrap().record(7).unwrap()).collect();
        assert_eq!(found, records());
    }

    #[test]
    fn a_run_that_is_cut_or_changed_is_none() {
        let mut runs = Runs::default();
        for record in &records() {
            runs.push(record);
        }
        let bytes = runs.finish();
        for cut in 0..bytes.len() {
            assert!(Run::parse(&bytes[..cut]).is_none(), "cut at {cut}");
        }
        for place in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[place] ^= 0x10;
            assert!(Run::parse(&changed).is_none(), "byte {place}");
        }
    }

    #[test]
    fn a_run_ends_before_it_is_large() {
        let mut runs = Runs::default();
        let large = Record {
            value: Some(vec![7; 50_000]),
            ..records().remove(0)
        };
        for offset in 0..10 {
            runs.push(&Record {
                offset,
                ..large.clone()
            });
        }
        let (bytes, mut at, mut next) = (runs.finish(), 0, 0);
        while at < bytes.len() {
            let run = Run::parse(&bytes[at..]).unwrap();
            assert!(run.head.bytes() < RUN_BYTES + 60_000);
            assert_eq!(run.head.first, next);
            next += i64::from(run.head.count);
            at += run.head.bytes();
        }
        assert_eq!(next, 10);
    }
}
