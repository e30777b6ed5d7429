//! What becomes of an input that a stage refuses.

use std::collections::BTreeMap;

use processor::{Meta, Poison, Processor, Record};
use schemas::{DeadLetter, MAX_RECORD_BYTES, topics};

use super::Lane;
use super::batch::BatchOf;
use crate::log::NewRecord;

impl<P: Processor> Lane<P> {
    /// The letter for a record.
    pub(super) fn letter_of(&self, record: &Record, poison: &Poison) -> DeadLetter {
        DeadLetter {
            partition: i32::try_from(record.partition).unwrap_or(-1),
            offset: record.offset,
            appended: record.appended,
            value: record.value.clone().unwrap_or_default(),
            headers: text_headers(record),
            ..self.letter(record.partition, "malformed", poison)
        }
    }

    /// The letter for an input of a partition; a panic says so itself.
    pub(super) fn letter(&self, partition: u32, reason: &str, poison: &Poison) -> DeadLetter {
        let reason = if poison.to_string().starts_with("panic") {
            "panic"
        } else {
            reason
        };
        DeadLetter {
            stage: P::NAME.to_owned(),
            reason: reason.to_owned(),
            error: poison.to_string(),
            topic: self.inbox(),
            partition: i32::try_from(partition).unwrap_or(-1),
            offset: self.tasks.get(&partition).map_or(-1, |task| task.next),
            appended: self.now,
            ..DeadLetter::default()
        }
    }

    /// Sends an input that was refused to the dead letters, in the same transaction.
    pub(super) fn bury(&mut self, batch: &mut BatchOf<P>, key: Vec<u8>, mut letter: DeadLetter) {
        tracing::warn!(
            stage = P::NAME,
            reason = letter.reason,
            offset = letter.offset,
            error = letter.error,
            "dead letter"
        );
        metrics::counter!("streams_dead_letters_total", "stage" => P::NAME, "reason" => letter.reason.clone())
            .increment(1);
        letter.value.truncate(MAX_RECORD_BYTES / 2);
        let meta = Meta {
            now: self.now.millis(),
            offset: letter.offset,
            ..Meta::default()
        };
        // A letter is plain text and bytes, which always encode; were it not so, the reason is still kept.
        let value = schemas::encode(&letter).unwrap_or_else(|error| error.to_string().into_bytes());
        batch.outputs.push(NewRecord {
            topic: topics::DEAD_LETTERS.into(),
            partition: 0,
            key,
            value: Some(value),
            meta: Some(meta),
            headers: Vec::new(),
        });
    }
}

fn text_headers(record: &Record) -> BTreeMap<String, String> {
    record
        .headers
        .iter()
        .map(|(name, value)| (name.clone(), String::from_utf8_lossy(value).into_owned()))
        .collect()
}
