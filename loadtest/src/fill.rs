//! `fill`: posts many alerts, each a group of its own, as fast as they are taken.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use alert::{PromDuration, Timestamp};
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::cli::FillArgs;
use crate::client::{Client, PostError};
use crate::error::Error;
use crate::percentile::Summary;
use crate::poster::{Numbering, millis};
use crate::sink::wall_clock;

/// How long an alert lives: long enough to look at the filled system.
const LIFETIME: PromDuration = PromDuration::from_hours(1);
/// Before a batch is posted again that was not taken.
const AGAIN: Duration = Duration::from_millis(500);
/// After this many tries of one batch the system is taken for gone.
const TRIES: u32 = 60;

/// Posts, prints the rate, and says whether every alert was acknowledged.
///
/// # Errors
/// No client can be made.
pub async fn run(args: &FillArgs) -> Result<bool, Error> {
    let client = Client::new()?;
    let numbering = Numbering {
        run: format!("{:x}", wall_clock().millis()),
    };
    let began = Instant::now();
    let turns = Arc::new(Semaphore::new(args.at_once.max(1)));
    let repeated = Arc::new(AtomicU64::new(0));
    let mut running = JoinSet::new();
    let mut results = Vec::new();
    let mut first = 0;
    while first < args.alerts {
        let last = args.alerts.min(first + args.batch.max(1));
        let now = wall_clock();
        let alerts = alerts(&numbering, first..last, now);
        first = last;
        let turn = Arc::clone(&turns)
            .acquire_owned()
            .await
            .map_err(|error| Error::of("a turn", error))?;
        let (client, url, repeated) = (client.clone(), args.url.clone(), Arc::clone(&repeated));
        running.spawn(async move {
            let _turn = turn;
            post(&client, &url, &alerts, &repeated).await
        });
        while let Some(result) = running.try_join_next() {
            results.push(result);
        }
    }
    while let Some(result) = running.join_next().await {
        results.push(result);
    }
    let took = began.elapsed();
    let results = results
        .into_iter()
        .map(|result| result.map_err(|error| Error::of("a post", error)).flatten());
    let (done, failed): (Vec<_>, Vec<_>) = results.partition(Result::is_ok);
    let (counts, times): (Vec<u64>, Vec<u64>) = done.into_iter().flatten().unzip();
    let acknowledged: u64 = counts.iter().sum();
    println!(
        "{acknowledged} of {} alerts acknowledged in {:.1} s: {} a second",
        args.alerts,
        took.as_secs_f64(),
        rate(acknowledged, took)
    );
    println!(
        "requests of {}, {} at once: {}",
        args.batch,
        args.at_once,
        Summary::of(&times).map_or("none".to_owned(), |summary| summary.to_string())
    );
    println!("requests that had to be repeated: {}", repeated.load(Ordering::Relaxed));
    failed
        .into_iter()
        .filter_map(Result::err)
        .take(5)
        .for_each(|error| println!("{error}"));
    Ok(acknowledged == args.alerts)
}

fn alerts(numbering: &Numbering, numbers: std::ops::Range<u64>, now: Timestamp) -> Vec<Value> {
    numbers
        .map(|number| numbering.alert(number, now, now + LIFETIME))
        .collect()
}

fn rate(count: u64, took: Duration) -> u64 {
    count.saturating_mul(1_000) / millis(took).max(1)
}

/// Posts one batch until it is taken; how many alerts, and how long the last try took in milliseconds.
async fn post(client: &Client, url: &str, alerts: &[Value], repeated: &AtomicU64) -> Result<(u64, u64), Error> {
    let mut tries = 0;
    loop {
        let began = Instant::now();
        match client.post_alerts(url, alerts).await {
            Ok(()) => return Ok((alerts.len() as u64, millis(began.elapsed()))),
            Err(error @ PostError::Refused(..)) => return Err(Error::of(url, error)),
            Err(error @ PostError::NotNow(_)) if tries >= TRIES => return Err(Error::of(url, error)),
            Err(PostError::NotNow(_)) => {}
        }
        tries += 1;
        repeated.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(AGAIN).await;
    }
}
