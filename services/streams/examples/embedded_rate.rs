//! What the embedded log does on this machine: `cargo run --release -p streams --example embedded_rate -- FOLDER`.
//!
//! Small transactions (three records and an offset) one after the other, then large ones (2,000 records), then appends
//! of one record each with many in flight, then reading everything back. Prints times, rates, memory and disk.
#![allow(clippy::expect_used, reason = "a measurement ends where it cannot measure")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use streams::embedded::{EmbeddedLog, Options};
use streams::{Event, From, Join, Log, LogError, Member, NewRecord, NewTopic};

const PARTITIONS: u32 = 16;
const VALUE: usize = 300;
const SMALL: u32 = 3_000;
const LARGE: u32 = 300;
const LARGE_RECORDS: u32 = 2_000;
const APPENDS: u32 = 100_000;

fn record(topic: &str, number: u32) -> NewRecord {
    let mut x = u64::from(number) + 1;
    let mut value = Vec::with_capacity(VALUE);
    while value.len() < VALUE {
        x = x
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        value.extend(x.to_be_bytes());
    }
    let key = (number % 50_000).to_be_bytes().to_vec();
    let topic = topic.to_owned();
    NewRecord {
        topic: topic.into(),
        partition: number % PARTITIONS,
        key,
        value: Some(value),
        meta: None,
        headers: Vec::new(),
    }
}

fn percentiles(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let at = |part: usize| {
        times
            .get((times.len() * part / 1000).min(times.len() - 1))
            .copied()
            .unwrap_or_default()
    };
    format!("p50 {:?}, p99 {:?}, max {:?}", at(500), at(990), at(1000))
}

fn transactions(member: &mut dyn Member, count: u32, records: u32) -> Vec<Duration> {
    let mut times = Vec::new();
    for round in 0..count {
        let begun = Instant::now();
        member.begin().expect("begin");
        for number in 0..records {
            let topic = if number % 3 == 2 { "changelog" } else { "events" };
            member
                .send(vec![record(topic, round * records + number)])
                .expect("send");
        }
        member
            .commit(&[(round % PARTITIONS, i64::from(round))])
            .expect("commit");
        times.push(begun.elapsed());
    }
    times
}

fn appends(log: &dyn Log) -> Duration {
    let (done, answers) = channel();
    let begun = Instant::now();
    for number in 0..APPENDS {
        let mut again = true;
        while again {
            again = false;
            let done = done.clone();
            let answer = move |result| done.send(result).unwrap_or_default();
            log.append(vec![record("events", number)], Box::new(answer));
        }
    }
    for _ in 0..APPENDS {
        match answers.recv().expect("an answer") {
            Ok(_) | Err(LogError::Busy(_)) => {}
            Err(other) => eprintln!("append: {other}"),
        }
    }
    begun.elapsed()
}

fn read_back(log: &dyn Log, topic: &str) -> (usize, Duration) {
    let places: Vec<_> = (0..PARTITIONS)
        .map(|p| (topic.to_owned(), p, From::Beginning))
        .collect();
    let mut reader = log.reader(&places).expect("a reader");
    let (begun, mut count) = (Instant::now(), 0);
    loop {
        let found = reader.poll(2_000, Duration::ZERO).expect("a poll");
        if found.is_empty() {
            return (count, begun.elapsed());
        }
        count += found.len();
    }
}

fn folder_bytes(folder: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let Ok(entries) = std::fs::read_dir(folder) else {
        return 0;
    };
    let one = |path: PathBuf| match std::fs::metadata(&path) {
        Ok(found) if found.is_dir() => folder_bytes(&path),
        Ok(found) => found.blocks() * 512,
        Err(_) => 0,
    };
    entries.filter_map(Result::ok).map(|entry| one(entry.path())).sum()
}

fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = |name| {
        status
            .lines()
            .find(|l| l.starts_with(name))
            .unwrap_or_default()
            .to_owned()
    };
    format!("{} {}", line("VmRSS"), line("VmHWM"))
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

fn open(folder: &Path) -> Arc<EmbeddedLog> {
    let begun = Instant::now();
    let log = EmbeddedLog::open(folder, Options::default()).expect("the log opens");
    println!("open: {:?}", begun.elapsed());
    log
}

fn main() {
    let folder = PathBuf::from(std::env::args().nth(1).expect("a folder"));
    let log = open(&folder);
    let day = Duration::from_secs(86_400);
    let topic = |name: &str, compacted| NewTopic {
        name: name.to_owned(),
        partitions: PARTITIONS,
        compacted,
        retention: day,
    };
    log.create_topics(&[topic("events", false), topic("changelog", true), topic("inbox", false)])
        .expect("topics");
    let join = Join {
        group: "stage".to_owned(),
        topic: "inbox".to_owned(),
        lane: "lane".to_owned(),
    };
    let mut member = log.join(&join).expect("a member");
    assert!(matches!(
        member.poll(1, Duration::ZERO).expect("a poll").as_slice(),
        [Event::Assigned(_)]
    ));
    println!(
        "small transactions: {}",
        percentiles(transactions(&mut *member, SMALL, 3))
    );
    let begun = Instant::now();
    let times = transactions(&mut *member, LARGE, LARGE_RECORDS);
    let rate = f64::from(LARGE * LARGE_RECORDS) / begun.elapsed().as_secs_f64();
    println!("large transactions: {}; {rate:.0} records/s", percentiles(times));
    let taken = appends(&*log);
    println!(
        "appends of one record: {:.0}/s",
        f64::from(APPENDS) / taken.as_secs_f64()
    );
    println!("memory: {}; disk: {} MiB", memory(), folder_bytes(&folder) >> 20);
    drop(member);
    drop(log);
    let log = open(&folder);
    for topic in ["events", "changelog"] {
        let (count, taken) = read_back(&*log, topic);
        println!("read back {topic}: {count} records in {taken:?}");
    }
    println!("memory: {}; disk: {} MiB", memory(), folder_bytes(&folder) >> 20);
}
