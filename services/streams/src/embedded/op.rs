//! What the embedded log notes of itself: the operations a batch consists of, in the journal and in its snapshots.

use super::codec::{Bytes, put_sized, put_varint};

/// What is noted of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TopicNote {
    pub(super) id: u32,
    pub(super) partitions: u32,
    pub(super) compacted: bool,
    pub(super) retention_ms: i64,
}

/// What is noted of a segment: the file that holds a stretch of a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SegmentNote {
    /// Its file's number, of which there is one only in the whole log.
    pub(super) number: u64,
    /// The first offset that may be in it.
    pub(super) first: i64,
    /// When it was begun, by the log's clock.
    pub(super) created: i64,
    /// When its last record was appended.
    pub(super) newest: i64,
    /// How long its file is.
    pub(super) bytes: u64,
    /// Whether it holds the newest record of each key only.
    pub(super) clean: bool,
}

impl SegmentNote {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend(self.number.to_be_bytes());
        out.extend(self.first.to_be_bytes());
        out.extend(self.created.to_be_bytes());
        out.extend(self.newest.to_be_bytes());
        out.extend(self.bytes.to_be_bytes());
        out.push(u8::from(self.clean));
    }

    fn parse(bytes: &mut Bytes<'_>) -> Option<Self> {
        Some(Self {
            number: bytes.u64()?,
            first: bytes.i64()?,
            created: bytes.i64()?,
            newest: bytes.i64()?,
            bytes: bytes.u64()?,
            clean: bytes.u8()? == 1,
        })
    }
}

/// One thing that a batch does. All that the log knows follows from these, in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Op<'a> {
    /// Runs are added to a partition's last segment.
    Runs { topic: u32, partition: u32, runs: &'a [u8] },
    /// A group has committed.
    Committed {
        group: String,
        topic: String,
        partition: u32,
        offset: i64,
        lane: String,
    },
    /// A topic is made, or its note changes.
    Topic { name: String, note: TopicNote },
    /// A partition begins another segment.
    Begun { topic: u32, partition: u32, number: u64 },
    /// A partition's oldest segment is gone.
    Dropped { topic: u32, partition: u32, number: u64 },
    /// A partition's segments up to number `last` are gone, and `by` holds the newest of what they held.
    Cleaned {
        topic: u32,
        partition: u32,
        last: u64,
        by: SegmentNote,
    },
    /// All that is known of a partition: stands at the begin of a journal.
    Partition {
        topic: u32,
        partition: u32,
        high: i64,
        segments: Vec<SegmentNote>,
    },
}

impl<'a> Op<'a> {
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        let place = |out: &mut Vec<u8>, tag: u8, topic: u32, partition: u32| {
            out.push(tag);
            out.extend(topic.to_be_bytes());
            out.extend(partition.to_be_bytes());
        };
        match self {
            Op::Runs { topic, partition, runs } => {
                place(out, 1, *topic, *partition);
                put_sized(out, runs);
            }
            Op::Committed {
                group,
                topic,
                partition,
                offset,
                lane,
            } => {
                out.push(2);
                put_sized(out, group.as_bytes());
                put_sized(out, topic.as_bytes());
                out.extend(partition.to_be_bytes());
                out.extend(offset.to_be_bytes());
                put_sized(out, lane.as_bytes());
            }
            Op::Topic { name, note } => {
                place(out, 3, note.id, note.partitions);
                out.push(u8::from(note.compacted));
                out.extend(note.retention_ms.to_be_bytes());
                put_sized(out, name.as_bytes());
            }
            Op::Begun {
                topic,
                partition,
                number,
            } => {
                place(out, 4, *topic, *partition);
                out.extend(number.to_be_bytes());
            }
            Op::Dropped {
                topic,
                partition,
                number,
            } => {
                place(out, 5, *topic, *partition);
                out.extend(number.to_be_bytes());
            }
            Op::Cleaned {
                topic,
                partition,
                last,
                by,
            } => {
                place(out, 6, *topic, *partition);
                out.extend(last.to_be_bytes());
                by.put(out);
            }
            Op::Partition {
                topic,
                partition,
                high,
                segments,
            } => {
                place(out, 7, *topic, *partition);
                out.extend(high.to_be_bytes());
                put_varint(out, u64::try_from(segments.len()).unwrap_or(u64::MAX));
                for segment in segments {
                    segment.put(out);
                }
            }
        }
    }

    /// Takes one off the front; none if these are none that we wrote.
    pub(super) fn parse(bytes: &mut Bytes<'a>) -> Option<Self> {
        let tag = bytes.u8()?;
        if tag == 2 {
            return Some(Op::Committed {
                group: bytes.text()?,
                topic: bytes.text()?,
                partition: bytes.u32()?,
                offset: bytes.i64()?,
                lane: bytes.text()?,
            });
        }
        let (topic, partition) = (bytes.u32()?, bytes.u32()?);
        Some(match tag {
            1 => Op::Runs {
                topic,
                partition,
                runs: bytes.sized()?,
            },
            3 => {
                let (compacted, retention_ms) = (bytes.u8()? == 1, bytes.i64()?);
                Op::Topic {
                    name: bytes.text()?,
                    note: TopicNote {
                        id: topic,
                        partitions: partition,
                        compacted,
                        retention_ms,
                    },
                }
            }
            4 => Op::Begun {
                topic,
                partition,
                number: bytes.u64()?,
            },
            5 => Op::Dropped {
                topic,
                partition,
                number: bytes.u64()?,
            },
            6 => Op::Cleaned {
                topic,
                partition,
                last: bytes.u64()?,
                by: SegmentNote::parse(bytes)?,
            },
            7 => {
                let (high, count) = (bytes.i64()?, bytes.varint()?);
                let segments = (0..count).map(|_| SegmentNote::parse(bytes)).collect::<Option<_>>()?;
                Op::Partition {
                    topic,
                    partition,
                    high,
                    segments,
                }
            }
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ops_come_back_as_they_went() {
        let segment = SegmentNote {
            number: 4,
            first: 9,
            created: -1,
            newest: 7,
            bytes: 1 << 40,
            clean: true,
        };
        let ops = [
            Op::Runs {
                topic: 1,
                partition: 2,
                runs: b"runs",
            },
            Op::Committed {
                group: "g".to_owned(),
                topic: "t".to_owned(),
                partition: 3,
                offset: 8,
                lane: "lane".to_owned(),
            },
            Op::Topic {
                name: "t".to_owned(),
                note: TopicNote {
                    id: 3,
                    partitions: 16,
                    compacted: true,
                    retention_ms: 86_400_000,
                },
            },
            Op::Begun {
                topic: 1,
                partition: 2,
                number: 3,
            },
            Op::Dropped {
                topic: 1,
                partition: 2,
                number: 3,
            },
            Op::Cleaned {
                topic: 1,
                partition: 2,
                last: 3,
                by: segment.clone(),
            },
            Op::Partition {
                topic: 1,
                partition: 2,
                high: 77,
                segments: vec![segment.clone(), segment],
            },
        ];
        let mut bytes = Vec::new();
        for op in &ops {
            op.put(&mut bytes);
        }
        let mut rest = Bytes(&bytes);
        for op in &ops {
            assert_eq!(Op::parse(&mut rest).as_ref(), Some(op));
        }
        assert!(rest.0.is_empty());
    }
}
