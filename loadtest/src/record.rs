//! `record`: takes what flows through a topic into a file that `run replay` sends again.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::time::{Duration, Instant};

use alert::Timestamp;
use schemas::{AlertEvent, AlertUpdate, Avro, EventKind, decode, schema_of};
use serde_json::Value;
use streams::kafka::{KafkaLog, KafkaOptions};
use streams::{From, Log};

use crate::cli::RecordArgs;
use crate::error::Error;
use crate::recording::{Line, anonymise};
use crate::sink::wall_clock;

/// Records taken at a time.
const SLICE: usize = 1_000;
/// How long to wait for one.
const WAIT: Duration = Duration::from_millis(200);

/// Records, prints how much, and says that all is well.
///
/// # Errors
/// Kafka cannot be read, or the file not be written.
pub async fn run(args: &RecordArgs) -> Result<bool, Error> {
    let args = args.clone();
    let ran = tokio::task::spawn_blocking(move || record(&args)).await;
    ran.map_err(|error| Error::of("recording", error))?
}

fn record(args: &RecordArgs) -> Result<bool, Error> {
    let kafka = |error| Error::of("kafka", error);
    let log = KafkaLog::connect(KafkaOptions {
        brokers: args.kafka_brokers.clone(),
        topic_prefix: args.topic_prefix.clone(),
        ..KafkaOptions::default()
    })
    .map_err(kafka)?;
    let partitions = log.partitions(&args.topic).map_err(kafka)?;
    let partitions = partitions.ok_or_else(|| Error::of(&args.topic, "there is no such topic"))?;
    let from = if args.from_beginning {
        From::Beginning
    } else {
        From::End
    };
    let all: Vec<_> = (0..partitions)
        .map(|partition| (args.topic.clone(), partition, from))
        .collect();
    let mut reader = log.reader(&all).map_err(kafka)?;
    let file = File::create(&args.file).map_err(|error| Error::of(args.file.display(), error))?;
    let mut file = BufWriter::new(file);
    let salt = wall_clock().millis().unsigned_abs();
    let deadline = Instant::now() + Duration::from_secs(args.seconds);
    let (mut written, mut skipped) = (0_u64, 0_u64);
    while Instant::now() < deadline {
        for (_, record) in reader.poll(SLICE, WAIT).map_err(kafka)? {
            let lines = lines(record.bytes(), record.appended);
            skipped += u64::from(lines.is_empty());
            for mut line in lines {
                if args.anonymise {
                    anonymise(&mut line, salt);
                }
                let text = serde_json::to_string(&line).map_err(|error| Error::of("a line", error))?;
                writeln!(file, "{text}").map_err(|error| Error::of(args.file.display(), error))?;
                written += 1;
            }
        }
    }
    file.flush().map_err(|error| Error::of(args.file.display(), error))?;
    println!("{written} changes recorded; {skipped} records that tell of none were left out");
    Ok(true)
}

/// What a record of `alert-events` or `alerts` says, in any format that ingest accepts; nothing of any other.
fn lines(bytes: &[u8], appended: Timestamp) -> Vec<Line> {
    match schema_of(bytes) {
        Some(AlertEvent::NAME) => decode::<AlertEvent>(bytes).map(|event| vec![of_event(&event, appended)]),
        Some(AlertUpdate::NAME) => decode::<AlertUpdate>(bytes).map(|update| of_update(&update).into_iter().collect()),
        _ => return json_lines(bytes, appended),
    }
    .unwrap_or_default()
}

fn of_event(event: &AlertEvent, appended: Timestamp) -> Line {
    Line {
        at: appended,
        kind: event.kind,
        labels: event.labels.to_map(),
        annotations: event.annotations.to_map(),
    }
}

/// An alert in several groups has a copy in each: one is enough.
fn of_update(update: &AlertUpdate) -> Option<Line> {
    (update.copy == 0).then_some(Line {
        at: update.received_at,
        kind: if update.resolved {
            EventKind::Resolve
        } else {
            EventKind::Alert
        },
        labels: update.body.labels.to_map(),
        annotations: update.body.annotations.to_map(),
    })
}

fn json_lines(bytes: &[u8], appended: Timestamp) -> Vec<Line> {
    let items = match serde_json::from_slice(bytes) {
        Ok(Value::Array(items)) => items,
        Ok(item) => vec![item],
        Err(_) => Vec::new(),
    };
    items.iter().filter_map(|item| of_item(item, appended)).collect()
}

/// Our event, or an alert of API v2, which says that it is over by an end that is past.
fn of_item(item: &Value, appended: Timestamp) -> Option<Line> {
    let texts = |name: &str| serde_json::from_value(item.get(name)?.clone()).ok();
    let ended = || {
        let ends: Timestamp = item.get("endsAt")?.as_str()?.parse().ok()?;
        Some(ends <= appended && !ends.is_zero_time())
    };
    let resolved = match item.get("kind").and_then(Value::as_str) {
        Some(kind) => kind == "resolve",
        None => ended().unwrap_or(false),
    };
    Some(Line {
        at: appended,
        kind: if resolved { EventKind::Resolve } else { EventKind::Alert },
        labels: texts("labels")?,
        annotations: texts("annotations").unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::lines;
    use alert::Timestamp;
    use schemas::{AlertEvent, EventKind, encode};
    use serde_json::json;

    #[test]
    fn every_accepted_format_is_read() {
        let now = Timestamp::from_secs(1_000);
        let labels = json!({"alertname": "A"});
        let event = AlertEvent {
            id: None,
            source: None,
            kind: EventKind::Resolve,
            labels: [("alertname".to_owned(), "A".to_owned())].into(),
            annotations: alert::LabelSet::new(),
            starts_at: None,
            ends_at: None,
            generator_url: None,
            expr: None,
            value: None,
            for_ms: None,
        };
        let kinds = |bytes: &[u8]| lines(bytes, now).iter().map(|line| line.kind).collect::<Vec<_>>();
        let list = json!([{"labels": labels, "endsAt": "1970-01-01T00:00:01Z"}, {"labels": labels}]).to_string();
        let one = json!({"kind": "resolve", "labels": labels}).to_string();
        assert_eq!(kinds(list.as_bytes()), [EventKind::Resolve, EventKind::Alert]);
        assert_eq!(kinds(one.as_bytes()), [EventKind::Resolve]);
        assert_eq!(kinds(&encode(&event).unwrap()), [EventKind::Resolve]);
        for other in [b"garbage".as_slice(), b"{}", b""] {
            assert!(lines(other, now).is_empty());
        }
        assert_eq!(lines(one.as_bytes(), now)[0].labels["alertname"], "A");
    }
}
