//! How the embedded log's records and its own notes lie in the engine. Everything is big endian, so that the engine's
//! order of keys is the order of partitions and offsets.

use alert::Timestamp;
use processor::{Meta, Record};

/// Layout of a stored record; another one is damage, as the folder's layout file rules out other releases.
const RECORD: u8 = 1;
const HAS_VALUE: u8 = 1;
const HAS_META: u8 = 2;

/// Takes bytes off the front.
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

    fn sized(&mut self) -> Option<&'a [u8]> {
        let len = self.u32()?;
        self.take(usize::try_from(len).ok()?)
    }
}

fn put_sized(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend(bytes);
}

/// A record's bytes; its partition is in the engine's key.
pub(super) fn encode_record(record: &Record) -> Vec<u8> {
    let mut out = Vec::with_capacity(64 + record.key.len() + record.bytes().len());
    out.push(RECORD);
    let value = if record.value.is_some() { HAS_VALUE } else { 0 };
    let meta = if record.meta.is_some() { HAS_META } else { 0 };
    out.push(value | meta);
    out.extend(record.offset.to_be_bytes());
    out.extend(record.appended.millis().to_be_bytes());
    put_sized(&mut out, &record.key);
    if let Some(meta) = &record.meta {
        put_sized(&mut out, &meta.encode());
    }
    out.extend(u32::try_from(record.headers.len()).unwrap_or(u32::MAX).to_be_bytes());
    for (name, bytes) in &record.headers {
        put_sized(&mut out, name.as_bytes());
        put_sized(&mut out, bytes);
    }
    out.extend(record.bytes());
    out
}

/// The offset of a stored record, and whether it is a tombstone and since when.
pub(super) fn record_head(bytes: &[u8]) -> Option<(i64, Option<i64>)> {
    let mut bytes = Bytes(bytes);
    if bytes.u8()? != RECORD {
        return None;
    }
    let flags = bytes.u8()?;
    let offset = bytes.i64()?;
    let appended = bytes.i64()?;
    Some((offset, (flags & HAS_VALUE == 0).then_some(appended)))
}

/// Reads what [`encode_record`] wrote; none if these are not such bytes.
pub(super) fn decode_record(partition: u32, bytes: &[u8]) -> Option<Record> {
    let mut bytes = Bytes(bytes);
    if bytes.u8()? != RECORD {
        return None;
    }
    let flags = bytes.u8()?;
    let offset = bytes.i64()?;
    let appended = Timestamp::from_millis(bytes.i64()?);
    let key = bytes.sized()?.to_vec();
    let meta = if flags & HAS_META == 0 {
        None
    } else {
        Some(Meta::decode(bytes.sized()?).ok()?)
    };
    let count = bytes.u32()?;
    let mut headers = Vec::new();
    for _ in 0..count {
        let name = String::from_utf8(bytes.sized()?.to_vec()).ok()?;
        headers.push((name, bytes.sized()?.to_vec()));
    }
    let value = (flags & HAS_VALUE != 0).then(|| bytes.0.to_vec());
    Some(Record {
        partition,
        offset,
        appended,
        key,
        value,
        meta,
        headers,
    })
}

/// The engine's key of a record where records are dropped by age.
pub(super) fn offset_key(partition: u32, offset: i64) -> Vec<u8> {
    let mut out = partition.to_be_bytes().to_vec();
    out.extend(offset.to_be_bytes());
    out
}

/// The engine's key of a record where only the newest of each key is kept: a new one takes the old one's place.
pub(super) fn compacted_key(partition: u32, key: &[u8]) -> Vec<u8> {
    let mut out = partition.to_be_bytes().to_vec();
    out.extend(key);
    out
}

/// The first note: how many batches were ever written and the clock at the last one.
pub(super) const SEQUENCE: &[u8] = b"n";
/// Notes of topics, by name.
pub(super) const TOPICS: &[u8] = b"t";
/// Notes of segments, by topic and number.
pub(super) const SEGMENTS: &[u8] = b"s";
/// The next offset of each partition.
pub(super) const HIGHS: &[u8] = b"h";
/// What groups have committed.
pub(super) const OFFSETS: &[u8] = b"o";

pub(super) fn encode_sequence(sequence: u64, clock: i64) -> Vec<u8> {
    let mut out = sequence.to_be_bytes().to_vec();
    out.extend(clock.to_be_bytes());
    out
}

pub(super) fn decode_sequence(bytes: &[u8]) -> Option<(u64, i64)> {
    let mut bytes = Bytes(bytes);
    Some((bytes.u64()?, bytes.i64()?))
}

/// What is noted of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TopicNote {
    pub(super) id: u32,
    pub(super) partitions: u32,
    pub(super) compacted: bool,
    pub(super) retention_ms: i64,
}

pub(super) fn topic_key(name: &str) -> Vec<u8> {
    [TOPICS, name.as_bytes()].concat()
}

impl TopicNote {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = self.id.to_be_bytes().to_vec();
        out.extend(self.partitions.to_be_bytes());
        out.push(u8::from(self.compacted));
        out.extend(self.retention_ms.to_be_bytes());
        out
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut bytes = Bytes(bytes);
        Some(Self {
            id: bytes.u32()?,
            partitions: bytes.u32()?,
            compacted: bytes.u8()? == 1,
            retention_ms: bytes.i64()?,
        })
    }
}

/// What is noted of a segment: the unit that is dropped whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SegmentNote {
    /// When it was begun, by the log's clock.
    pub(super) created: i64,
    /// When its last record was appended; known once it is closed.
    pub(super) newest: i64,
    /// Bytes of its records; known once it is closed.
    pub(super) bytes: u64,
    /// Its first offset in each partition.
    pub(super) starts: Vec<i64>,
}

pub(super) fn segment_key(topic: u32, segment: u64) -> Vec<u8> {
    let mut out = SEGMENTS.to_vec();
    out.extend(topic.to_be_bytes());
    out.extend(segment.to_be_bytes());
    out
}

pub(super) fn parse_segment_key(key: &[u8]) -> Option<(u32, u64)> {
    let mut bytes = Bytes(key.strip_prefix(SEGMENTS)?);
    Some((bytes.u32()?, bytes.u64()?))
}

impl SegmentNote {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = self.created.to_be_bytes().to_vec();
        out.extend(self.newest.to_be_bytes());
        out.extend(self.bytes.to_be_bytes());
        for start in &self.starts {
            out.extend(start.to_be_bytes());
        }
        out
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut bytes = Bytes(bytes);
        let (created, newest, size) = (bytes.i64()?, bytes.i64()?, bytes.u64()?);
        let mut starts = Vec::new();
        while !bytes.0.is_empty() {
            starts.push(bytes.i64()?);
        }
        Some(Self {
            created,
            newest,
            bytes: size,
            starts,
        })
    }
}

pub(super) fn high_key(topic: u32, partition: u32) -> Vec<u8> {
    let mut out = HIGHS.to_vec();
    out.extend(topic.to_be_bytes());
    out.extend(partition.to_be_bytes());
    out
}

pub(super) fn parse_high_key(key: &[u8]) -> Option<(u32, u32)> {
    let mut bytes = Bytes(key.strip_prefix(HIGHS)?);
    Some((bytes.u32()?, bytes.u32()?))
}

pub(super) fn offsets_key(group: &str, topic: &str, partition: u32) -> Vec<u8> {
    let mut out = OFFSETS.to_vec();
    put_sized(&mut out, group.as_bytes());
    put_sized(&mut out, topic.as_bytes());
    out.extend(partition.to_be_bytes());
    out
}

pub(super) fn parse_offsets_key(key: &[u8]) -> Option<(String, String, u32)> {
    let mut bytes = Bytes(key.strip_prefix(OFFSETS)?);
    let group = String::from_utf8(bytes.sized()?.to_vec()).ok()?;
    let topic = String::from_utf8(bytes.sized()?.to_vec()).ok()?;
    Some((group, topic, bytes.u32()?))
}

pub(super) fn encode_committed(offset: i64, lane: &str) -> Vec<u8> {
    let mut out = offset.to_be_bytes().to_vec();
    out.extend(lane.as_bytes());
    out
}

pub(super) fn decode_committed(bytes: &[u8]) -> Option<(i64, String)> {
    let mut bytes = Bytes(bytes);
    let offset = bytes.i64()?;
    Some((offset, String::from_utf8(bytes.0.to_vec()).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_comes_back_as_it_went() {
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
            value: None,
            meta: Some(Meta {
                id: 9,
                ..Meta::default()
            }),
            ..plain.clone()
        };
        let empty = Record {
            value: Some(Vec::new()),
            key: Vec::new(),
            headers: Vec::new(),
            ..plain.clone()
        };
        for record in [plain, tombstone, empty] {
            let bytes = encode_record(&record);
            assert_eq!(decode_record(7, &bytes), Some(record.clone()));
            let dead = record.value.is_none().then_some(record.appended.millis());
            assert_eq!(record_head(&bytes), Some((42, dead)));
            let head = 18 + 4 + record.key.len();
            for cut in 0..head {
                assert_eq!(decode_record(7, &bytes[..cut]), None, "cut at {cut}");
            }
        }
    }

    #[test]
    fn notes_come_back_as_they_went() {
        let topic = TopicNote {
            id: 3,
            partitions: 16,
            compacted: true,
            retention_ms: 86_400_000,
        };
        assert_eq!(TopicNote::decode(&topic.encode()), Some(topic));
        let segment = SegmentNote {
            created: 1,
            newest: -1,
            bytes: 5,
            starts: vec![0, 9, i64::MAX],
        };
        assert_eq!(SegmentNote::decode(&segment.encode()), Some(segment));
        assert_eq!(parse_segment_key(&segment_key(1, 2)), Some((1, 2)));
        assert_eq!(parse_high_key(&high_key(1, 2)), Some((1, 2)));
        let key = offsets_key("route", "incidents", 5);
        assert_eq!(
            parse_offsets_key(&key),
            Some(("route".to_owned(), "incidents".to_owned(), 5))
        );
        assert_eq!(
            decode_committed(&encode_committed(8, "lane")),
            Some((8, "lane".to_owned()))
        );
        assert_eq!(decode_sequence(&encode_sequence(8, -3)), Some((8, -3)));
    }
}
