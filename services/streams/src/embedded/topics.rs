//! Making topics.

use std::collections::BTreeMap;
use std::time::Duration;

use super::codec::{self, TopicNote};
use super::shared::Shared;
use super::state::{Kept, Partition, Topic};
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
                    save(shared, &new.name, &changed)?;
                    if let Some(topic) = shared.state().topics.get_mut(&new.name) {
                        topic.note = changed;
                    }
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
    let kept = if new.compacted {
        let made = shared.store.compacted(id);
        Kept::Newest(made.map_err(|e| LogError::Refused(format!("topic {} was not made: {e}", new.name)))?)
    } else {
        Kept::Segments(BTreeMap::new())
    };
    save(shared, &new.name, &note)?;
    let partitions = (0..new.partitions).map(|_| Partition::default()).collect();
    let topic = Topic {
        note,
        partitions,
        kept,
        waiters: BTreeMap::new(),
    };
    shared.state().topics.insert(new.name.clone(), topic);
    Ok(())
}

fn save(shared: &Shared, name: &str, note: &TopicNote) -> Result<(), LogError> {
    let written = shared.store.write(shared.clock.now(), |batch| {
        batch.note(codec::topic_key(name), note.encode());
    });
    written.map_err(|why| {
        shared.die(why.clone());
        LogError::Fatal(why)
    })
}
