//! What a stage reads.

use alert::Timestamp;

use crate::Meta;

/// One record of an inbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its partition.
    pub partition: u32,
    /// Its place in the partition.
    pub offset: i64,
    /// When the log took it in, by the log's clock.
    pub appended: Timestamp,
    /// The key it was written under; a group id on our own topics.
    pub key: Vec<u8>,
    /// None for a tombstone.
    pub value: Option<Vec<u8>>,
    /// What it says of itself; none where a user's pipeline wrote it.
    pub meta: Option<Meta>,
    /// The other headers.
    pub headers: Vec<(String, Vec<u8>)>,
}

impl Record {
    /// The value's bytes; empty for a tombstone.
    pub fn bytes(&self) -> &[u8] {
        self.value.as_deref().unwrap_or_default()
    }
}

/// One change of a global table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableChange {
    /// The table's topic.
    pub table: &'static str,
    /// The object's id.
    pub key: Vec<u8>,
    /// None when the object is gone.
    pub value: Option<Vec<u8>>,
    /// Its place in the table's only partition; versions of a table are these plus one.
    pub offset: i64,
    /// When the log took it in.
    pub appended: Timestamp,
}
