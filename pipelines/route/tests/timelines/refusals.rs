//! What the stage refuses, and what it puts together.

use processor::{Hurry, Poison, Processor, Record, Said};
use route_pipeline::Route;
use schemas::{Flush, FlushAlert, GroupQuiet, Look, NotificationRequest, OutcomeKind, decode, encode, topics};

use crate::bench::{Bench, GROUP, PLAIN};

fn refusal(value: Vec<u8>) -> Poison {
    let mut bench = Bench::new(PLAIN, None);
    bench.driver.record(GROUP, value);
    match bench.driver.said().pop() {
        Some(Said::Refused(_, poison)) => poison,
        other => panic!("{other:?}"),
    }
}

#[test]
fn garbage_is_malformed_and_a_newer_schema_waits_for_its_release() {
    let known = encode(&Look {
        at: alert::Timestamp::ZERO,
    })
    .unwrap();
    let mut newer = known.clone();
    newer[2] ^= 0xFF;
    for (value, unknown) in [
        (known, false),
        (b"garbage".to_vec(), false),
        (Vec::new(), false),
        (newer, true),
    ] {
        let poison = refusal(value.clone());
        assert_eq!(
            matches!(poison, Poison::UnknownSchema(_)),
            unknown,
            "{value:?}: {poison}"
        );
    }
}

/// A flush with so many alerts of a kilobyte each, in parts of so many.
fn parts(bench: &Bench, alerts: usize, per_part: usize) -> Vec<Flush> {
    let alert = |number: usize| FlushAlert {
        fingerprint: alert::Fingerprint(number as u64),
        resolved: false,
        starts_at: bench.now(),
        ends_at: bench.now(),
        updated_at: bench.now(),
        body: schemas::AlertBody {
            labels: [("name".to_owned(), format!("a{number:05}"))].into(),
            annotations: [("text".to_owned(), "x".repeat(1_000))].into(),
            ..schemas::AlertBody::default()
        },
    };
    let all: Vec<FlushAlert> = (0..alerts).map(alert).collect();
    let chunks: Vec<_> = all.chunks(per_part).collect();
    let count = i32::try_from(chunks.len()).unwrap();
    let flush = |(part, alerts): (i32, &&[FlushAlert])| Flush {
        flush: 1,
        part,
        parts: count,
        tick: bench.now(),
        route: "{}".to_owned(),
        group_key: GROUP.to_owned(),
        group_labels: alert::LabelSet::new(),
        incident_id: "i1".to_owned(),
        opened_at: bench.now(),
        config_version: 1,
        alerts: alerts.to_vec(),
    };
    (0..).zip(&chunks).map(flush).collect()
}

#[test]
fn a_flush_in_parts_is_judged_whole_and_its_request_goes_in_parts() {
    let mut bench = Bench::new(PLAIN, None);
    let parts = parts(&bench, 2_000, 700);
    for part in &parts {
        assert!(bench.driver.sent(topics::NOTIFICATIONS).is_empty());
        bench.driver.record(GROUP, encode(part).unwrap());
        assert!(bench.driver.restores_equal());
        bench.driver.restart();
    }
    let requests: Vec<NotificationRequest> = bench
        .driver
        .sent(topics::NOTIFICATIONS)
        .iter()
        .map(|(_, output)| {
            let bytes = output.value.as_deref().unwrap();
            assert!(bytes.len() <= schemas::MAX_RECORD_BYTES);
            decode(bytes).unwrap()
        })
        .collect();
    assert_eq!(
        requests.iter().map(|request| request.alerts.len()).sum::<usize>(),
        2_000
    );
    let numbers: Vec<(i32, i32)> = requests.iter().map(|request| (request.part, request.parts)).collect();
    assert_eq!(numbers, [(0, 3), (1, 3), (2, 3)]);
    assert!(
        requests
            .iter()
            .all(|request| request.idempotency_key == requests[0].idempotency_key)
    );
}

#[test]
fn a_part_that_does_not_follow_is_refused_and_a_first_part_starts_over() {
    let mut bench = Bench::new(PLAIN, None);
    let parts = parts(&bench, 3, 1);
    bench.driver.record(GROUP, encode(&parts[0]).unwrap());
    bench.driver.record(GROUP, encode(&parts[2]).unwrap());
    assert!(matches!(
        bench.driver.said().pop(),
        Some(Said::Refused(_, Poison::Malformed(_)))
    ));
    for part in &parts {
        bench.driver.record(GROUP, encode(part).unwrap());
    }
    assert_eq!(bench.driver.sent(topics::NOTIFICATIONS).len(), 1);
}

#[test]
fn an_old_outcome_and_one_of_nothing_change_nothing() {
    let mut bench = Bench::new(PLAIN, None);
    bench.fire(&["a"]);
    let before: Vec<u8> = bench
        .driver
        .store()
        .dump()
        .flat_map(|(_, value)| value.to_vec())
        .collect();
    let mut outcome = bench.outcome(&bench.requests[0].1, OutcomeKind::Failed, Vec::new());
    bench.send(&outcome);
    outcome.receiver = "nobody".to_owned();
    bench.send(&outcome);
    let after: Vec<u8> = bench
        .driver
        .store()
        .dump()
        .flat_map(|(_, value)| value.to_vec())
        .collect();
    assert_eq!(before, after);
}

/// A lane lets records wait for each other by this, where a transaction costs much.
#[test]
fn only_an_outcome_waits_for_others() {
    let mut bench = Bench::new(PLAIN, None);
    bench.fire(&["a"]);
    let request = bench.requests[0].1.clone();
    let outcome = bench.outcome(&request, OutcomeKind::Delivered, Vec::new());
    let quiet = GroupQuiet {
        incident_id: bench.incident_id(),
        at: bench.now(),
    };
    let rows = [
        ("an outcome", encode(&outcome), Hurry::Later),
        ("the ladder is to be held", encode(&quiet), Hurry::Now),
        ("a tombstone", Ok(Vec::new()), Hurry::Now),
    ];
    for (name, value, hurry) in rows {
        let record = Record {
            partition: 0,
            offset: 0,
            appended: bench.now(),
            key: GROUP.as_bytes().to_vec(),
            value: Some(value.unwrap()),
            meta: None,
            headers: Vec::new(),
        };
        assert_eq!(Route::hurry(&record), hurry, "{name}");
    }
}
