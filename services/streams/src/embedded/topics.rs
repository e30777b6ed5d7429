//! Making topics.

use std::time::Duration;

use super::op::{Op, TopicNote};
use super::retention;
use super::shared::Shared;
use crate::log::{LogError, NewTopic};

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// Makes the topics that are not there; takes over a retention that changed.
pub(super) fn create(shared: &Shared, topics: &[NewTopic]) -> Result<(), LogError> {
    shared.state().alive()?;
    for new in topics {
        let (existing, free) = {
            let state = shared.state();
            let free = state.topics.values().map(|t| t.note.id + 1).max().unwrap_or(0);
            (state.topics.get(&new.name).map(|t| t.note.clone()), free)
        };
        match existing {
            Some(note) if note.partitions != new.partitions => {
                let (name, has, asked) = (&new.name, note.partitions, new.partitions);
                return Err(LogError::Refused(format!(
                    "topic {name} has {has} partitions, not {asked}"
                )));
            }
            Some(note) if note.compacted != new.compacted => {
                let kind = if note.compacted {
                    "keeps the newest of each key"
                } else {
                    "is dropped by age"
                };
                return Err(LogError::Refused(format!(
                    "topic {} {kind}, which cannot be changed",
                    new.name
                )));
            }
            Some(note) => {
                let changed = TopicNote {
                    retention_ms: millis(new.retention),
                    ..note.clone()
                };
                if changed != note {
                    save(shared, &new.name, changed)?;
                }
            }
            None => make(shared, new, free)?,
        }
    }
    Ok(())
}

fn make(shared: &Shared, new: &NewTopic, id: u32) -> Result<(), LogError> {
    if new.partitions == 0 || new.name.is_empty() {
        return Err(LogError::Refused(
            "a topic has a name and one partition at least".to_owned(),
        ));
    }
    let retention_ms = millis(new.retention);
    let note = TopicNote {
        id,
        partitions: new.partitions,
        compacted: new.compacted,
        retention_ms,
    };
    save(shared, &new.name, note)
}

fn save(shared: &Shared, name: &str, note: TopicNote) -> Result<(), LogError> {
    let name = name.to_owned();
    retention::commit(shared, &Op::Topic { name, note }).map_err(|why| {
        shared.die(why.clone());
        LogError::Fatal(why)
    })
}
