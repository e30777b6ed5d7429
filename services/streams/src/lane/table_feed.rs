//! The global tables a stage sees: read whole, followed, and versioned by offset.

use std::time::Duration;

use processor::{TableChange, Tables};

use crate::log::{From, Log, LogError, Reader};

/// The most table records taken up between two transactions, so that a large table does not hold up the inbox.
const SLICE: usize = 2_000;

/// A lane's view of the tables' topics.
pub(crate) struct TableFeed {
    names: &'static [&'static str],
    reader: Option<Box<dyn Reader>>,
    versions: Tables,
}

impl TableFeed {
    pub(crate) fn open(log: &dyn Log, names: &'static [&'static str]) -> Result<Self, LogError> {
        let from: Vec<_> = names
            .iter()
            .map(|name| ((*name).to_owned(), 0, From::Beginning))
            .collect();
        let reader = if from.is_empty() {
            None
        } else {
            Some(log.reader(&from)?)
        };
        Ok(Self {
            names,
            reader,
            versions: Tables::new(),
        })
    }

    /// The next changes; their versions count from now on.
    pub(crate) fn poll(&mut self) -> Result<Vec<TableChange>, LogError> {
        let Some(reader) = &mut self.reader else {
            return Ok(Vec::new());
        };
        let records = match reader.poll(SLICE, Duration::ZERO) {
            Ok(records) => records,
            Err(LogError::Busy(_)) => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut changes = Vec::with_capacity(records.len());
        for (topic, record) in records {
            let Some(table) = self.names.iter().copied().find(|name| **name == *topic) else {
                continue;
            };
            self.versions.insert(table, record.offset + 1);
            let (offset, appended) = (record.offset, record.appended);
            changes.push(TableChange {
                table,
                key: record.key.clone(),
                value: record.value.clone(),
                offset,
                appended,
            });
        }
        Ok(changes)
    }

    /// The versions of what has been taken up.
    pub(crate) fn versions(&self) -> &Tables {
        &self.versions
    }

    /// Where each table ends now.
    pub(crate) fn ends(&self, log: &dyn Log) -> Result<Vec<(&'static str, i64)>, LogError> {
        self.names
            .iter()
            .map(|name| Ok((*name, log.watermarks(name, 0)?.high)))
            .collect()
    }

    /// Whether every table has been read up to these ends.
    pub(crate) fn reached(&self, ends: &[(&'static str, i64)]) -> bool {
        let Some(reader) = &self.reader else { return true };
        ends.iter()
            .all(|(name, end)| *end == 0 || reader.position(name, 0).is_some_and(|position| position >= *end))
    }
}
