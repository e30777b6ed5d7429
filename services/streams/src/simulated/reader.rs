//! A reader of committed records on the simulated log.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::Shared;
use crate::log::{From, LogError, Read, Reader};

#[derive(Debug)]
pub(super) struct SimReader {
    shared: Shared,
    positions: BTreeMap<(String, u32), i64>,
}

impl SimReader {
    pub(super) fn new(shared: Shared, from: &[(String, u32, From)]) -> Result<Self, LogError> {
        let mut positions = BTreeMap::new();
        for (topic, partition, start) in from {
            let bounds = shared.lock().watermarks(topic, *partition)?;
            let position = match start {
                From::Beginning => bounds.low,
                From::Offset(offset) => *offset,
                From::End => bounds.high,
            };
            positions.insert((topic.clone(), *partition), position);
        }
        Ok(Self { shared, positions })
    }
}

impl Reader for SimReader {
    fn poll(&mut self, max: usize, _: Duration) -> Result<Vec<Read>, LogError> {
        let mut broker = self.shared.lock();
        let mut found = Vec::new();
        for ((topic, partition), position) in &mut self.positions {
            let lag = broker.faults.lag;
            if broker.held.contains(topic) || broker.rng.chance(lag) {
                continue;
            }
            let (records, next) = broker.fetch(topic, *partition, *position, max - found.len())?;
            *position = next;
            found.extend(
                records
                    .into_iter()
                    .map(|record| (topic.as_str().into(), Arc::new(record))),
            );
        }
        Ok(found)
    }

    fn position(&self, topic: &str, partition: u32) -> Option<i64> {
        self.positions.get(&(topic.to_owned(), partition)).copied()
    }
}
