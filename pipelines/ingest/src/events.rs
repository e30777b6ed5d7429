//! The formats that the users' topics and `POST /api/v1/events` carry, and how one is told from another.
//!
//! In order, the first that fits: an Avro `AlertEvent` in single-object encoding; JSON, alone or in a list, item by item:
//! with `kind` our own event, with `labels` and no `kind` an alert as Alertmanager's API v2 takes it. What is known and not
//! taken yet is refused by its name.

use std::fmt;

use schemas::AlertEvent;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, IgnoredAny, SeqAccess, Visitor};

use crate::batch::{Batch, Told};
use crate::event_item::Item;
use crate::limits::{MAX_ALERT_BYTES, MAX_ALERTS};

/// What an item was written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    /// Our event in Avro.
    Avro,
    /// Our event in JSON.
    Event,
    /// An alert of Alertmanager's API v2.
    Alertmanager,
    /// Something else.
    Unknown,
}

impl Format {
    /// The format in one word, for the metric.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Avro => "avro",
            Self::Event => "event",
            Self::Alertmanager => "alertmanager",
            Self::Unknown => "unknown",
        }
    }
}

/// The first byte of what a Confluent schema registry's clients write.
const CONFLUENT: u8 = 0;
/// What a single-object encoding begins with.
const AVRO: [u8; 2] = [0xC3, 0x01];

/// Reads a record's value or a request's body into a batch; `headers` are the record's, or the request's.
///
/// # Errors
/// All of it is refused, and why, and what the batch holds is void: the text begins with `unknown_format` where it is none
/// of the formats.
pub fn events(headers: &[(String, Vec<u8>)], bytes: &[u8], batch: &mut Batch<'_>) -> Result<(), String> {
    by_headers(headers)?;
    if bytes.starts_with(&AVRO) {
        return avro(bytes, batch);
    }
    if let Some((&CONFLUENT, rest)) = bytes.split_first() {
        let id = rest.first_chunk().copied().map_or(0, u32::from_be_bytes);
        return Err(format!(
            "unknown_format: framed for a schema registry (schema {id}), which is not supported yet"
        ));
    }
    if bytes.trim_ascii().is_empty() {
        return Err("unknown_format: it is empty".to_owned());
    }
    let count = json(bytes, batch)
        .map_err(|error| format!("unknown_format: neither Avro (C3 01 in front) nor JSON: {error}"))?;
    if count > MAX_ALERTS {
        return Err(format!("{count} alerts at once, at most {MAX_ALERTS} are taken"));
    }
    Ok(())
}

/// One event of ours in Avro. Its size is asked before it is decoded: a map of Avro takes many times its bytes in memory.
fn avro(bytes: &[u8], batch: &mut Batch<'_>) -> Result<(), String> {
    if bytes.len() > MAX_ALERT_BYTES {
        return Err(format!(
            "an event of {} bytes in Avro, at most {MAX_ALERT_BYTES} are taken",
            bytes.len()
        ));
    }
    let mut event =
        schemas::decode::<AlertEvent>(bytes).map_err(|error| format!("unknown_format: Avro, but {error}"))?;
    batch.saw(Format::Avro);
    let labels = std::mem::take(&mut event.labels).into();
    let annotations = std::mem::take(&mut event.annotations).into();
    batch.add(0, Told::by_event(event, labels, annotations));
    Ok(())
}

/// Formats that say what they are in a header.
fn by_headers(headers: &[(String, Vec<u8>)]) -> Result<(), String> {
    for (name, value) in headers {
        let value = String::from_utf8_lossy(value).to_ascii_lowercase();
        let refused = match name.to_ascii_lowercase().as_str() {
            "ce_specversion" | "ce-specversion" => "CloudEvents",
            "content-type" if value.starts_with("application/cloudevents") => "CloudEvents",
            "content-type" if value.contains("protobuf") => "Protobuf",
            _ => continue,
        };
        return Err(format!(
            "unknown_format: {refused} (header {name}) is not supported yet"
        ));
    }
    Ok(())
}

/// A list on its way into a batch. The value is how many items it has; those beyond `MAX_ALERTS` are only counted.
struct Items<'a, 'c>(&'a mut Batch<'c>);

impl<'de> DeserializeSeed<'de> for Items<'_, '_> {
    type Value = usize;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<usize, D::Error> {
        from.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Items<'_, '_> {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of alerts")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<usize, A::Error> {
        let mut count = 0;
        while count < MAX_ALERTS {
            let Some(item) = seq.next_element()? else {
                return Ok(count);
            };
            take(item, count, self.0);
            count += 1;
        }
        while seq.next_element::<IgnoredAny>()?.is_some() {
            count += 1;
        }
        Ok(count)
    }
}

fn take(item: Item, index: usize, batch: &mut Batch<'_>) {
    batch.saw(item.format());
    match item.told() {
        Ok(told) => batch.add(index, told),
        Err(no) => batch.refuse(index, &no.labels, no.count, no.reason, no.message),
    }
}

/// Reads one item, or a list of them; the value is how many there are.
fn json(bytes: &[u8], batch: &mut Batch<'_>) -> serde_json::Result<usize> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let count = if bytes.trim_ascii_start().starts_with(b"[") {
        Items(batch).deserialize(&mut reader)?
    } else {
        take(Item::deserialize(&mut reader)?, 0, batch);
        1
    };
    reader.end().map(|()| count)
}
