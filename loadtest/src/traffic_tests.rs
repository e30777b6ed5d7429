//! Requests and their times.

use super::{Plan, Resend, Traffic};
use crate::body::Form;
use crate::population::{Made, Population};
use std::time::Duration;

fn plan(traffic: &Traffic, batch: u32) -> Plan {
    let population = Population::Made(Made {
        run: "r".to_owned(),
        seed: 1,
        alerts: 1_000,
        per_group: 1,
        giant: 0,
    });
    traffic.plan(&population, Form::V2, batch, 7)
}

/// Each request: its time in milliseconds, its first alert, how many, how many of them resolved.
fn rows(plan: &Plan) -> Vec<(u128, u32, usize, usize)> {
    let row = |request: &super::Request| {
        let alerts = &plan.bodies[request.body as usize].alerts;
        (request.due.as_millis(), alerts[0], alerts.len(), request.resolved.len())
    };
    plan.requests.iter().map(row).collect()
}

fn resend(one_in: u32, at_once: bool) -> Resend {
    Resend {
        alerts: 0..400,
        every: Duration::from_secs(60),
        rounds: 3,
        servers: 2,
        one_in,
        at_once,
    }
}

#[test]
fn times_and_sizes() {
    for (traffic, batch, expected) in [
        (Traffic::Storm { alerts: 5..12 }, 4, vec![(0, 5, 4, 0), (0, 9, 3, 0)]),
        (Traffic::Resolve { alerts: 0..3 }, 4, vec![(0, 0, 3, 3)]),
        (
            Traffic::Steady {
                alerts: 10..13,
                rate: 4.0,
            },
            1,
            vec![(0, 10, 1, 0), (250, 11, 1, 0), (500, 12, 1, 0)],
        ),
        (
            Traffic::Flap {
                alerts: 0..2,
                every: Duration::from_secs(10),
                changes: 2,
            },
            1,
            vec![(0, 0, 1, 0), (5_000, 1, 1, 0), (10_000, 0, 1, 1), (15_000, 1, 1, 1)],
        ),
        (
            Traffic::Replay {
                events: vec![
                    (Duration::ZERO, 3, true),
                    (Duration::ZERO, 4, true),
                    (Duration::from_secs(1), 3, false),
                ],
            },
            10,
            vec![(0, 3, 2, 0), (1_000, 3, 1, 1)],
        ),
    ] {
        assert_eq!(rows(&plan(&traffic, batch)), expected, "{traffic:?}");
    }
}

#[test]
fn a_pair_sends_everything_twice_an_interval_half_an_interval_apart() {
    let plan = plan(&Traffic::Resend(resend(0, false)), 200);
    let due: Vec<_> = rows(&plan).iter().map(|row| (row.0 / 1_000, row.1)).collect();
    assert_eq!(due[..4], [(0, 0), (0, 200), (30, 0), (30, 200)]);
    assert_eq!(plan.alerts(), 400 * 3 * 2);
    assert_eq!(plan.bodies.len(), 2, "bodies are shared");
    assert!(
        plan.requests
            .iter()
            .all(|request| !request.is_news && request.lifetime == Duration::from_mins(4))
    );
}

#[test]
fn rounds_at_once_still_move_the_ends() {
    let plan = plan(&Traffic::Resend(resend(0, true)), 400);
    let ends: Vec<_> = plan
        .requests
        .iter()
        .map(|request| (request.due, request.lifetime.as_secs()))
        .collect();
    assert_eq!(
        ends,
        [240, 240, 300, 300, 360, 360].map(|seconds| (Duration::ZERO, seconds))
    );
}

#[test]
fn one_alert_in_so_many_changes_and_stays_changed() {
    let plan = plan(&Traffic::Resend(resend(10, true)), 400);
    let resolved: Vec<_> = plan.requests.iter().map(|request| request.resolved.clone()).collect();
    assert!(resolved[0].is_empty(), "the first round is as it was");
    assert!((20..=60).contains(&resolved[2].len()), "{}", resolved[2].len());
    assert_eq!(resolved[2], resolved[3], "the pair agrees");
    assert_ne!(resolved[2], resolved[4]);
    assert!(plan.requests[2].is_news && !plan.requests[0].is_news);
}

#[test]
fn a_day_has_a_quiet_beginning_and_a_busy_middle() {
    let traffic = Traffic::Diurnal {
        alerts: 0..1_000,
        rates: (1.0, 99.0),
        day: Duration::from_secs(20),
    };
    let plan = plan(&traffic, 1);
    let within = |from: u128, to: u128| {
        rows(&plan)
            .iter()
            .filter(|row| (from..to).contains(&(row.0 / 1_000)))
            .count()
    };
    assert!(
        within(0, 2) < 10 && within(9, 11) > 150,
        "{} {}",
        within(0, 2),
        within(9, 11)
    );
    assert!(
        (18_000..22_000).contains(&plan.lasts().as_millis()),
        "1,000 alerts at 50 a second"
    );
}

#[test]
fn what_lives_is_sent_again_over_other_connections() {
    let traffic = Traffic::Live {
        alerts: 10..30,
        rate: 2.0,
        every: Duration::from_secs(4),
    };
    let plan = plan(&traffic, 8);
    let again: Vec<_> = rows(&plan)
        .into_iter()
        .zip(&plan.requests)
        .filter(|(_, request)| !request.is_news)
        .collect();
    let shown: Vec<_> = again
        .iter()
        .filter(|(_, request)| !request.is_tail)
        .map(|(row, _)| (row.0, row.1, row.2))
        .collect();
    assert_eq!(shown, [(4_000, 10, 4), (8_000, 10, 8), (8_000, 18, 4)]);
    assert_eq!(plan.lasts(), Duration::from_millis(9_500));
    let last = again.last().map(|(row, request)| (row.0, request.is_tail));
    assert_eq!(
        last,
        Some((188_000, true)),
        "what fires is kept alive until somebody ends it"
    );
    assert!(
        plan.bodies.len() < 30,
        "{} bodies: whole ones are shared",
        plan.bodies.len()
    );
    assert!(
        plan.requests
            .iter()
            .all(|request| (request.connection % 2 == 0) == request.is_news)
    );
    assert!(
        plan.requests
            .iter()
            .all(|request| request.lifetime == Duration::from_secs(16))
    );
}
