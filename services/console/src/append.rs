//! Writing to the log outside of any transaction: silences, commands, config.

use std::sync::mpsc;

use alert::{Timestamp, partition_for};
use processor::Meta;
use streams::{Log, LogError, NewRecord};
use tokio::sync::oneshot;
use xxhash_rust::xxh3::xxh3_128;

use crate::view::partitions;

/// A record of ours: its partition by its key, its id by what it says and when.
pub(crate) fn record(
    log: &dyn Log,
    topic: &'static str,
    key: &[u8],
    value: Option<Vec<u8>>,
    now: Timestamp,
) -> Result<NewRecord, LogError> {
    let partition = partition_for(key, partitions(log, topic)?);
    let mut seed = now.millis().to_be_bytes().to_vec();
    seed.extend(key);
    seed.extend(value.as_deref().unwrap_or_default());
    let id = xxh3_128(&seed);
    let meta = Meta {
        id,
        now: now.millis(),
        trace: id,
        ..Meta::default()
    };
    Ok(NewRecord {
        topic: topic.into(),
        partition,
        key: key.to_vec(),
        value,
        meta: Some(meta),
        headers: Vec::new(),
    })
}

/// Appends; returns the offsets once they are durable.
pub(crate) async fn append(log: &dyn Log, records: Vec<NewRecord>) -> Result<Vec<i64>, LogError> {
    let (done, appended) = oneshot::channel();
    log.append(records, Box::new(move |result| drop(done.send(result))));
    appended.await.unwrap_or_else(|_| Err(no_answer()))
}

/// [`append`] for a thread that may block.
pub(crate) fn append_blocking(log: &dyn Log, records: Vec<NewRecord>) -> Result<Vec<i64>, LogError> {
    let (done, appended) = mpsc::channel();
    log.append(records, Box::new(move |result| drop(done.send(result))));
    appended.recv().unwrap_or_else(|_| Err(no_answer()))
}

fn no_answer() -> LogError {
    LogError::Unknown("the log gave no answer".to_owned())
}
