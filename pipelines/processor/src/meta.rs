//! What every record of ours says of itself, beside its value.

use alert::Timestamp;

/// The fixed part every record carries: who caused it, when, under which config. It travels in one header, so that
/// tombstones carry it too and no schema has to repeat it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Meta {
    /// The same input at the same place gives the same id.
    pub id: u128,
    /// The writer's `now`.
    pub now: i64,
    /// The inbox partition the writer worked on.
    pub partition: u32,
    /// The inbox offset that caused it; for a timer or a completion, the position it fired at.
    pub offset: i64,
    /// For a timer: when it was due.
    pub due: Option<i64>,
    /// The config version it was decided under; 0 for none.
    pub config_version: u64,
    /// Joins everything that one arrival caused.
    pub trace: u128,
}

/// Why the bytes of a meta header are not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("meta header: {0}")]
pub struct MetaError(&'static str);

/// Layout 1: version, id, now, partition, offset, has-due, due, config version, trace; all big endian.
const LAYOUT: u8 = 1;
const LEN: usize = 1 + 16 + 8 + 4 + 8 + 1 + 8 + 8 + 16;

impl Meta {
    /// The name of the header it travels in.
    pub const HEADER: &'static str = "m";

    /// The writer's `now` as a time.
    pub fn at(&self) -> Timestamp {
        Timestamp::from_millis(self.now)
    }

    /// The header's bytes.
    pub fn encode(&self) -> [u8; LEN] {
        let mut out = [0; LEN];
        let rest = out.as_mut_slice();
        let rest = put(rest, [LAYOUT]);
        let rest = put(rest, self.id.to_be_bytes());
        let rest = put(rest, self.now.to_be_bytes());
        let rest = put(rest, self.partition.to_be_bytes());
        let rest = put(rest, self.offset.to_be_bytes());
        let rest = put(rest, [u8::from(self.due.is_some())]);
        let rest = put(rest, self.due.unwrap_or(0).to_be_bytes());
        let rest = put(rest, self.config_version.to_be_bytes());
        put(rest, self.trace.to_be_bytes());
        out
    }

    /// Reads what [`Meta::encode`] wrote.
    ///
    /// # Errors
    /// Another layout, or another length.
    pub fn decode(bytes: &[u8]) -> Result<Self, MetaError> {
        if bytes.first() != Some(&LAYOUT) {
            return Err(MetaError("unknown layout"));
        }
        if bytes.len() != LEN {
            return Err(MetaError("wrong length"));
        }
        let mut rest = bytes.get(1..).unwrap_or_default();
        let id = u128::from_be_bytes(take(&mut rest)?);
        let now = i64::from_be_bytes(take(&mut rest)?);
        let partition = u32::from_be_bytes(take(&mut rest)?);
        let offset = i64::from_be_bytes(take(&mut rest)?);
        let has_due = take::<1>(&mut rest)? == [1];
        let due = i64::from_be_bytes(take(&mut rest)?);
        Ok(Self {
            id,
            now,
            partition,
            offset,
            due: has_due.then_some(due),
            config_version: u64::from_be_bytes(take(&mut rest)?),
            trace: u128::from_be_bytes(take(&mut rest)?),
        })
    }
}

/// Puts bytes at the front of a piece; gives what is left of it.
fn put<const N: usize>(rest: &mut [u8], bytes: [u8; N]) -> &mut [u8] {
    let Some((head, tail)) = rest.split_first_chunk_mut() else {
        return &mut [];
    };
    *head = bytes;
    tail
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], MetaError> {
    let (head, tail) = rest.split_first_chunk::<N>().ok_or(MetaError("wrong length"))?;
    *rest = tail;
    Ok(*head)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_meta_header_reads_back() {
        let whole = Meta {
            id: u128::MAX - 7,
            now: 1,
            partition: 3,
            offset: 991,
            due: Some(-5),
            config_version: 9,
            trace: 4,
        };
        for meta in [whole, Meta { due: None, ..whole }] {
            assert_eq!(Meta::decode(&meta.encode()), Ok(meta));
        }
    }

    #[test]
    fn what_is_no_meta_header_is_refused() {
        let good = Meta::default().encode();
        assert_eq!(Meta::decode(&[]), Err(MetaError("unknown layout")));
        assert_eq!(Meta::decode(&good[..good.len() - 1]), Err(MetaError("wrong length")));
        assert_eq!(Meta::decode(&[9; LEN]), Err(MetaError("unknown layout")));
    }
}
