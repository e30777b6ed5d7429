//! `replay-log`: publishes the labelled lines of a log as alert events, and finds each again in the notifications.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use alert::Timestamp;
use serde_json::Value;
use streams::kafka::{KafkaLog, KafkaOptions};
use streams::{Log, LogError, NewRecord};
use tokio::sync::mpsc;

use crate::bgl;
use crate::cli::ReplayArgs;
use crate::client::Client;
use crate::error::Error;

/// Before an event is published again that the producer had no room for.
const AGAIN: Duration = Duration::from_millis(50);
/// Kafka gives up a record after 8 s; an answer is then there, whatever it says.
const ANSWERED: Duration = Duration::from_secs(30);
/// Between two looks at the sink.
const LOOK: Duration = Duration::from_millis(500);
/// Messages asked for at a time.
const PAGE: usize = 1_000;
/// Missing lines are named up to this many.
const SHOWN: usize = 20;

/// What a file holds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Events {
    /// Lines in all.
    pub lines: usize,
    /// Lines that are none of such a log: number and reason.
    pub bad: Vec<(usize, bgl::LineError)>,
    /// The event of each labelled line, with the line's number and time.
    pub events: Vec<(usize, Timestamp, Value)>,
}

/// The events of a log.
pub fn events(text: &str, source: &str) -> Events {
    let mut found = Events::default();
    for (number, line) in (1..).zip(text.lines()) {
        found.lines += 1;
        match bgl::parse(line) {
            Ok(line) => {
                let event = bgl::event(&line, number, source);
                found.events.extend(event.map(|event| (number, line.at, event)));
            }
            Err(error) => found.bad.push((number, error)),
        }
    }
    found
}

/// The numbers of the lines whose alerts a webhook's body holds.
pub fn lines_in(body: &Value, source: &str) -> Vec<usize> {
    let Some(alerts) = body.get("alerts").and_then(Value::as_array) else {
        return Vec::new();
    };
    let line = |alert: &Value| {
        let labels = alert.get("labels")?;
        let ours = labels.get("log").and_then(Value::as_str) == Some(source);
        ours.then(|| labels.get(bgl::LINE)?.as_str()?.parse().ok()).flatten()
    };
    alerts.iter().filter_map(line).collect()
}

/// Publishes, prints what was done, verifies if asked, and says whether all was as it must be.
///
/// # Errors
/// The file cannot be read, or Kafka not be used.
pub async fn run(args: &ReplayArgs) -> Result<bool, Error> {
    let bytes = std::fs::read(&args.file).map_err(|error| Error::of(args.file.display(), error))?;
    let source = args
        .file
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let found = events(&String::from_utf8_lossy(&bytes), &source);
    println!(
        "{}: {} lines, {} of them labelled, {} unreadable",
        source,
        found.lines,
        found.events.len(),
        found.bad.len()
    );
    found
        .bad
        .iter()
        .take(SHOWN)
        .for_each(|(number, error)| println!("  line {number}: {error}"));
    let began = Instant::now();
    let acknowledged = publish(args, &found.events).await?;
    println!(
        "{acknowledged} events acknowledged in {:.1} s",
        began.elapsed().as_secs_f64()
    );
    let mut good = acknowledged == found.events.len() && found.bad.is_empty();
    if let Some(sink) = &args.verify {
        let expected: BTreeSet<usize> = found.events.iter().map(|(number, ..)| *number).collect();
        let missing = missing(sink, &source, expected.clone(), Duration::from_secs(args.within)).await?;
        println!(
            "{} of {} labelled lines found in notifications",
            expected.len() - missing.len(),
            expected.len()
        );
        if !missing.is_empty() {
            let named: Vec<String> = missing.iter().take(SHOWN).map(ToString::to_string).collect();
            println!(
                "missing lines: {}{}",
                named.join(", "),
                if missing.len() > SHOWN { ", …" } else { "" }
            );
        }
        good &= missing.is_empty();
    }
    Ok(good)
}

async fn publish(args: &ReplayArgs, events: &[(usize, Timestamp, Value)]) -> Result<usize, Error> {
    let options = KafkaOptions {
        brokers: args.kafka_brokers.clone(),
        topic_prefix: args.topic_prefix.clone(),
        ..KafkaOptions::default()
    };
    let topic = args.topic.clone();
    let connected = tokio::task::spawn_blocking(move || {
        let log = KafkaLog::connect(options)?;
        let partitions = log.partitions(&topic)?;
        Ok::<_, LogError>((log, partitions))
    });
    let (log, partitions) = connected
        .await
        .map_err(|error| Error::of("kafka", error))?
        .map_err(|error| Error::of("kafka", error))?;
    let partitions = partitions.filter(|partitions| *partitions > 0).ok_or_else(|| {
        Error::new(format!(
            "there is no topic {}{}: make it, or all of them with `alertstream topics create`",
            args.topic_prefix, args.topic
        ))
    })?;
    let (done, mut answers) = mpsc::unbounded_channel();
    let (began, first) = (Instant::now(), events.first().map(|(_, at, _)| *at));
    for (number, at, event) in events {
        let behind = first
            .map(|first| at.saturating_since(first).as_secs_f64())
            .unwrap_or_default();
        if let Some(speed) = args.speed.filter(|speed| *speed > 0.0) {
            tokio::time::sleep_until((began + Duration::from_secs_f64(behind / speed)).into()).await;
        }
        let partition = u32::try_from(*number).unwrap_or_default() % partitions;
        let record = record(&args.topic, partition, *number, event);
        let done = done.clone();
        log.append(
            vec![record.clone()],
            Box::new(move |appended| drop(done.send((record, appended.map(drop))))),
        );
    }
    let mut waiting = events.len();
    let mut acknowledged = 0;
    while waiting > 0 {
        let answer = tokio::time::timeout(ANSWERED, answers.recv()).await;
        let Ok(Some((record, appended))) = answer else {
            return Err(Error::new(format!("{waiting} events without an answer")));
        };
        match appended {
            Ok(()) => acknowledged += 1,
            // An event may so be there twice; it is the same alert.
            Err(LogError::Busy(_)) => {
                tokio::time::sleep(AGAIN).await;
                let done = done.clone();
                let again = record.clone();
                log.append(
                    vec![record],
                    Box::new(move |appended| drop(done.send((again, appended.map(drop))))),
                );
                continue;
            }
            Err(error) => println!("not published: {error}"),
        }
        waiting -= 1;
    }
    Ok(acknowledged)
}

fn record(topic: &str, partition: u32, number: usize, event: &Value) -> NewRecord {
    NewRecord {
        topic: topic.to_owned().into(),
        partition,
        key: number.to_string().into_bytes(),
        value: Some(event.to_string().into_bytes()),
        meta: None,
        headers: Vec::new(),
    }
}

/// Reads the sink's messages until no line is missing any more, or until the time is over; what is missing then.
async fn missing(
    sink: &str,
    source: &str,
    mut missing: BTreeSet<usize>,
    within: Duration,
) -> Result<BTreeSet<usize>, Error> {
    let client = Client::new()?;
    let deadline = Instant::now() + within;
    let mut after = 0;
    while !missing.is_empty() && Instant::now() < deadline {
        let url = format!("{}/messages?after={after}&limit={PAGE}", sink.trim_end_matches('/'));
        let messages = client.json(&url).await?;
        let messages = messages.as_array().cloned().unwrap_or_default();
        for message in &messages {
            after = message.get("seq").and_then(Value::as_u64).unwrap_or(after);
            let body = message.get("body").cloned().unwrap_or_default();
            for line in lines_in(&body, source) {
                missing.remove(&line);
            }
        }
        if messages.is_empty() {
            tokio::time::sleep(LOOK).await;
        }
    }
    Ok(missing)
}

#[cfg(test)]
mod tests {
    use super::{events, lines_in};
    use serde_json::json;

    #[test]
    fn a_log_becomes_the_events_of_its_labelled_lines() {
        let line = |label: &str| {
            format!("{label} 1117838570 2005.06.03 R02 2005-06-03-15.42.50.6 R02 RAS KERNEL INFO text\r\n")
        };
        let text = format!("{}{}garbage\n{}", line("-"), line("KERNDTLB"), line("APPREAD"));
        let found = events(&text, "a.log");
        assert_eq!((found.lines, found.bad.len()), (4, 1));
        let numbers: Vec<_> = found.events.iter().map(|(number, ..)| *number).collect();
        assert_eq!(numbers, [2, 4]);
        let alerts: Vec<_> = found.events.iter().map(|(_, _, event)| event).collect();
        assert_eq!(
            lines_in(&json!({"alerts": alerts}), "a.log"),
            [2, 4],
            "an event's labels lead back to its line"
        );
        assert!(lines_in(&json!({"alerts": alerts}), "b.log").is_empty());
        assert!(lines_in(&json!("garbage"), "a.log").is_empty());
    }
}
