//! `latency`: from alert posted to webhook received, at a steady rate, whatever the answers take (open loop).

use std::time::{Duration, Instant};

use crate::chaos::{Started, start};
use crate::cli::LatencyArgs;
use crate::client::{Client, Endpoints};
use crate::error::Error;
use crate::observe::Ear;
use crate::oracle::{Evidence, Status, judge};
use crate::percentile::Summary;
use crate::poster::{Numbering, Poster, Posting, millis};
use crate::sink::{Sink, wall_clock};
use crate::system::{System, Timing};

/// How long after the last post a message may come.
const WAIT: Duration = Duration::from_secs(30);
/// A firing alert is not sent again while it is measured.
const NO_RESEND: Duration = Duration::from_mins(15);
/// No second word within a run.
const GROUP_INTERVAL: Duration = Duration::from_mins(5);

/// Where the messages come and the alerts go; the system, where it is ours.
struct Place {
    sink: Sink,
    endpoints: Endpoints,
    client: Client,
    numbering: Numbering,
    system: Option<System>,
}

async fn place(args: &LatencyArgs) -> Result<Place, Error> {
    if let Some(url) = &args.url {
        let sink = Sink::start(args.listen, crate::answers::Answers::default(), None).await?;
        let numbering = Numbering {
            run: format!("{:x}", wall_clock().millis()),
        };
        let endpoints = Endpoints::new([url.clone()]);
        return Ok(Place {
            sink,
            endpoints,
            client: Client::new()?,
            numbering,
            system: None,
        });
    }
    let timing = Timing {
        group_wait: Duration::ZERO,
        group_interval: GROUP_INTERVAL,
    };
    let Started {
        sink,
        system,
        client,
        numbering,
        ..
    } = start(&args.system, timing).await?;
    Ok(Place {
        sink,
        endpoints: system.endpoints(),
        client,
        numbering,
        system: Some(system),
    })
}

/// Measures, prints, and says whether every alert was heard, once, in time.
///
/// # Errors
/// The run could not begin.
pub async fn run(args: &LatencyArgs) -> Result<bool, Error> {
    let place = place(args).await?;
    let began = Instant::now();
    let posting = Posting {
        numbering: place.numbering.clone(),
        resend: NO_RESEND,
        bound: WAIT,
        resolve_bound: WAIT,
    };
    let poster = Poster::new(place.client, place.endpoints, posting, began);
    let mut ear = Ear::new(&place.sink, place.numbering, began);
    let warm_up = Duration::from_secs(args.warm_up);
    let lasting = warm_up + Duration::from_secs(args.seconds);
    println!(
        "{} alerts a second for {} s, {} s of them to warm up",
        args.rate,
        lasting.as_secs(),
        args.warm_up
    );
    let fired = tokio::time::timeout(lasting + WAIT, poster.fire(args.rate, lasting)).await;
    if fired.is_err() {
        println!("not every alert was acknowledged {} s after the last", WAIT.as_secs());
    }
    ear.wait(&poster, Status::Firing, WAIT).await;
    poster.close();

    let mut counted = poster.posted();
    counted.retain(|_, posted| posted.at >= millis(warm_up));
    let acknowledged = counted
        .values()
        .filter_map(|posted| Some(posted.acknowledged?.saturating_sub(posted.at)));
    let acknowledged: Vec<u64> = acknowledged.collect();
    let mut heard = ear.heard().to_vec();
    heard.retain(|heard| counted.contains_key(&heard.word));
    let all = counted.len();
    let verdict = judge(&Evidence {
        posted: counted,
        heard,
        ..Evidence::default()
    });
    let none = Vec::new();
    let latencies = verdict.latencies.get(&Status::Firing).unwrap_or(&none);
    for (name, values) in [
        ("posted to acknowledged", &acknowledged),
        ("posted to received", latencies),
    ] {
        let text = Summary::of(values).map_or("none".to_owned(), |summary| summary.to_string());
        println!("{name:<24}{text}");
    }
    let violations = verdict.violations.iter().take(20);
    violations.for_each(|violation| println!("{violation}"));
    println!(
        "{} of {all} alerts heard, {} violations",
        verdict.notified,
        verdict.violations.len()
    );
    let mut good = verdict.violations.is_empty() && verdict.notified == all && poster.refused().is_empty();
    good &= is_fast(latencies, args.p99_under);
    if cfg!(debug_assertions) {
        println!("(a debug build: its numbers say little)");
    }
    drop(place.system.map(|system| system.end(false)));
    Ok(good)
}

/// Whether the 99th percentile is under the limit, if there is one; says so.
fn is_fast(latencies: &[u64], limit: Option<u64>) -> bool {
    let (Some(limit), Some(Summary { p99, .. })) = (limit, Summary::of(latencies)) else {
        return true;
    };
    let fast = p99 < limit;
    println!(
        "p99 {p99} ms {} {limit} ms",
        if fast { "is under" } else { "IS NOT UNDER" }
    );
    fast
}
