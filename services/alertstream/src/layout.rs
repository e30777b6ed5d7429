//! The topics, and the record that says what they were made for.

use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use schemas::topics::LAYOUT;
use streams::{From, Log, LogError, NewRecord, NewTopic};

/// What this build expects: the hash that chooses partitions, and the format of the keys.
const HASH: &str = "xxh3-64";
const KEYS: &str = "group-id/1";
/// How long a new layout record may take to be acknowledged.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why the topics cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LayoutError {
    /// They are not there.
    #[error(
        "the topics are not there yet: run `alertstream topics create` with the same --kafka.brokers and --topic-prefix"
    )]
    Missing,
    /// They were made for something else.
    #[error(
        "the topics were made for another layout: they say {found}, this release needs {needed}. Use the release that \
             made them, or another --topic-prefix"
    )]
    Other {
        /// What the record says.
        found: String,
        /// What this build needs.
        needed: String,
    },
    /// The log refuses.
    #[error(transparent)]
    Log(#[from] LogError),
}

/// Makes what is missing and writes the layout record once; an existing layout must be the same.
///
/// # Errors
/// Topics of another layout, or a log that refuses.
pub(crate) fn create(log: &Arc<dyn Log>, partitions: u32) -> Result<(), LayoutError> {
    log.create_topics(&NewTopic::ours(partitions))?;
    match found(log)? {
        Some(found) => same(found, &needed(partitions)),
        None => write(log, &needed(partitions)),
    }
}

/// Checks that the topics are there and were made for this build.
///
/// # Errors
/// They are missing, or were made for another layout.
pub(crate) fn check(log: &Arc<dyn Log>) -> Result<(), LayoutError> {
    let partitions = log.partitions(schemas::topics::ALERTS)?.ok_or(LayoutError::Missing)?;
    if log.partitions(LAYOUT)?.is_none() {
        return Err(LayoutError::Missing);
    }
    match found(log)? {
        Some(found) => same(found, &needed(partitions)),
        None => Err(LayoutError::Missing),
    }
}

fn needed(partitions: u32) -> String {
    format!("partitions={partitions} hash={HASH} keys={KEYS}")
}

fn same(found: String, needed: &str) -> Result<(), LayoutError> {
    if found == needed {
        Ok(())
    } else {
        Err(LayoutError::Other {
            found,
            needed: needed.to_owned(),
        })
    }
}

/// The layout record; none in topics that were just made.
fn found(log: &Arc<dyn Log>) -> Result<Option<String>, LayoutError> {
    let end = log.watermarks(LAYOUT, 0)?.high;
    let mut reader = log.reader(&[(LAYOUT.to_owned(), 0, From::Beginning)])?;
    let mut newest = None;
    while reader.position(LAYOUT, 0).unwrap_or(0) < end {
        for (_, record) in reader.poll(100, Duration::from_millis(100))? {
            newest = Some(String::from_utf8_lossy(record.bytes()).into_owned());
        }
    }
    Ok(newest)
}

fn write(log: &Arc<dyn Log>, layout: &str) -> Result<(), LayoutError> {
    let record = NewRecord {
        topic: LAYOUT.into(),
        partition: 0,
        key: b"layout".to_vec(),
        value: Some(layout.as_bytes().to_vec()),
        meta: None,
        headers: Vec::new(),
    };
    let (done, answer) = channel();
    log.append(vec![record], Box::new(move |appended| drop(done.send(appended))));
    let answer = answer.recv_timeout(PATIENCE);
    answer.map_err(|_| LogError::Busy("the layout record was not acknowledged".to_owned()))??;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use alert::Timestamp;
    use streams::simulated::SimLog;

    #[test]
    fn a_layout_is_written_once_and_checked_ever_after() {
        let log: Arc<dyn Log> = SimLog::new(1, Timestamp::from_millis(0));
        assert!(matches!(check(&log), Err(LayoutError::Missing)));
        create(&log, 4).unwrap();
        create(&log, 4).unwrap();
        check(&log).unwrap();
        assert_eq!(log.watermarks(LAYOUT, 0).unwrap().high, 1);
        assert!(matches!(create(&log, 8), Err(LayoutError::Log(LogError::Refused(_)))));
    }

    #[test]
    fn topics_of_another_layout_are_refused_with_the_way_out() {
        let log: Arc<dyn Log> = SimLog::new(1, Timestamp::from_millis(0));
        create(&log, 4).unwrap();
        write(&log, "partitions=4 hash=crc32 keys=group-id/1").unwrap();
        let error = check(&log).unwrap_err().to_string();
        assert!(
            error.contains("hash=crc32") && error.contains("--topic-prefix"),
            "{error}"
        );
    }
}
