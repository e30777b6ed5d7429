//! The verdict is able to fail: systems that each do one thing wrong, and what a run says of them.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod fake;

use std::time::{Duration, Instant};

use fake::Fault;
use loadtest::answers::Answers;
use loadtest::client::{Client, Endpoints};
use loadtest::observe::{Faults, Observed, Plan, Tested, observe};
use loadtest::poster::{Numbering, Posting};
use loadtest::sink::Sink;

/// Long beside what a message takes, short beside a test.
const BOUND: Duration = Duration::from_secs(5);

/// Ten alerts to a system with that fault.
async fn run(fault: Fault) -> Observed {
    let client = Client::new().unwrap();
    let sink = Sink::start("127.0.0.1:0".parse().unwrap(), Answers::default(), None)
        .await
        .unwrap();
    let url = fake::start(fault, format!("http://{}/", sink.address())).await;
    let plan = Plan {
        rate: 50,
        lasting: Duration::from_millis(200),
        posting: Posting {
            numbering: Numbering {
                run: format!("{fault:?}"),
            },
            resend: Duration::from_millis(200),
            bound: BOUND,
            resolve_bound: BOUND,
        },
        linger: Duration::from_millis(300),
        record_shown: Duration::from_millis(300),
    };
    let tested = Tested {
        client,
        endpoints: Endpoints::new([url]),
    };
    observe(&plan, &tested, &sink, Instant::now(), &Faults::default(), async {}).await
}

/// What the run says is wrong, in short.
fn findings(observed: &Observed) -> Vec<String> {
    let verdict = observed.verdict.violations.iter().map(ToString::to_string);
    let mut all: Vec<String> = verdict
        .map(|text| {
            text.split_once(" (")
                .map_or(text.clone(), |(first, _)| first.to_owned())
        })
        .collect();
    all.extend(observed.refused.iter().map(|_| "REFUSED".to_owned()));
    all.extend(observed.journal_error.iter().map(|_| "NO JOURNAL".to_owned()));
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn each_fault_is_seen_and_nothing_else() {
    let rows: [(Fault, &[&str]); 12] = [
        (Fault::None, &[]),
        (Fault::IsBusyOnce, &[]),
        (Fault::RepeatsAndSaysSo, &[]),
        (Fault::Loses, &["LOST: alert 3"]),
        (Fault::KeepsResolvesToItself, &["LOST: alert 3"]),
        (Fault::RepeatsSilently, &["UNEXPLAINED REPEAT: alert 3"]),
        (Fault::ChangesTheKey, &["SAID TWICE: alert 3"]),
        (Fault::SendsNoKey, &["NO KEY: a message with alert 3"]),
        (Fault::SharesAKey, &["KEY SHARED: 2-true was used for alert 2"]),
        (Fault::ResolvesUnasked, &["NEVER POSTED: alert 1000"]),
        (Fault::Refuses, &["REFUSED", "REFUSED"]),
        (Fault::HidesTheJournal, &["UNEXPLAINED REPEAT: alert 3", "NO JOURNAL"]),
    ];
    let running: Vec<_> = rows.iter().map(|(fault, _)| tokio::spawn(run(*fault))).collect();
    for ((fault, expected), running) in rows.into_iter().zip(running) {
        let observed = running.await.unwrap();
        assert_eq!(findings(&observed), expected, "{fault:?}: {observed:?}");
        assert_eq!(observed.is_good(), expected.is_empty(), "{fault:?}");
        let explained = usize::from(fault == Fault::RepeatsAndSaysSo);
        assert_eq!(observed.verdict.repeats_explained, explained, "{fault:?}");
        assert_eq!(
            observed.verdict.posted, 20,
            "{fault:?}: ten alerts, firing and resolved"
        );
    }
}
