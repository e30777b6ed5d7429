//! Ladders, chains, teams and severities, on the example of the design.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use alert::{LabelSet, PromDuration, Timestamp};
use config::{Config, Policy, Source, Target};
use policy::{Ladder, Rung, Team, chain, severity_rank, team_of};

fn load(escalation: Option<&str>) -> Config {
    let alertmanager = Source {
        name: "alertmanager.yml",
        text: include_str!("../../examples/on-call/alertmanager.yml"),
    };
    let escalation = escalation.map(|text| Source {
        name: "escalation.yml",
        text,
    });
    Config::load(alertmanager, escalation).unwrap_or_else(|errors| panic!("{errors}"))
}

fn example() -> Config {
    load(Some(include_str!("../../examples/on-call/escalation.yml")))
}

fn policy<'c>(config: &'c Config, name: &str) -> &'c Policy {
    config.escalation.as_ref().unwrap().policies.get(name).unwrap()
}

fn names(targets: &[Target]) -> Vec<&str> {
    targets.iter().map(|Target::Receiver(name)| name.as_str()).collect()
}

fn step(round: u32, step: u32) -> Rung {
    Rung::Step { round, step }
}

#[test]
fn the_example_of_the_design() {
    let config = example();
    let ladder = Ladder::of(policy(&config, "payments"));
    let rows = [
        ("0s", step(0, 0), vec!["payments-pager"]),
        ("5m", step(0, 1), vec!["payments-lead", "platform-pager"]),
        ("15m", step(1, 0), vec!["payments-pager"]),
        ("20m", step(1, 1), vec!["payments-lead", "platform-pager"]),
        ("30m", Rung::LastResort, vec!["noc"]),
    ];
    let schedule = ladder.schedule();
    let found: Vec<_> = schedule
        .iter()
        .map(|(at, rung)| (at.to_string(), *rung, names(ladder.targets(*rung))))
        .collect();
    assert_eq!(found, rows.map(|(at, rung, names)| (at.to_owned(), rung, names)));
    assert_eq!(ladder.total(), PromDuration::from_mins(30));
}

#[test]
fn a_rung_that_came_late_moves_what_follows() {
    let config = example();
    let ladder = Ladder::of(policy(&config, "payments"));
    let minute = |n: i64| Timestamp::from_secs(n * 60);
    // rung, when it fired, what follows and when
    let rows = [
        (step(0, 0), 0, Some((step(0, 1), 5))),
        (step(0, 0), 7, Some((step(0, 1), 12))),
        (step(0, 1), 12, Some((step(1, 0), 22))),
        (step(1, 1), 60, Some((Rung::LastResort, 70))),
        (Rung::LastResort, 70, None),
        // Rungs that a newer version of the policy no longer has.
        (step(0, 9), 3, Some((Rung::LastResort, 3))),
        (step(2, 0), 3, Some((Rung::LastResort, 3))),
    ];
    for (rung, fired, expected) in rows {
        let expected = expected.map(|(rung, at)| (rung, minute(at)));
        assert_eq!(ladder.due_after(rung, minute(fired)), expected, "{rung:?} at {fired}");
    }
    assert_eq!(ladder.first(), step(0, 0));
    assert!(ladder.step_at(1, 1).is_some() && ladder.step_at(1, 2).is_none() && ladder.step_at(2, 0).is_none());
    assert!(ladder.targets(step(2, 0)).is_empty());
}

#[test]
fn every_ladder_ends_with_its_last_resort_after_its_total() {
    let step_text = |minutes: usize| format!("{{notify: [{{receiver: noc}}], escalate_after: {minutes}m}}");
    for (steps, times) in [(1, 0), (1, 1), (2, 0), (3, 4), (5, 100)] {
        let list: Vec<_> = (1..=steps).map(step_text).collect();
        let text = format!(
            "version: 1\npolicies: {{p: {{steps: [{}], repeat: {{times: {times}}}, last_resort: [{{receiver: noc}}]}}}}",
            list.join(", ")
        );
        let config = load(Some(&text));
        let ladder = Ladder::of(policy(&config, "p"));
        let schedule = ladder.schedule();
        assert_eq!(schedule.len(), steps * (times + 1) + 1);
        assert_eq!(
            schedule.last().map(|(at, rung)| (*at, *rung)),
            Some((ladder.total(), Rung::LastResort))
        );
        let round = u64::try_from((1..=steps).sum::<usize>() * (times + 1)).unwrap();
        assert_eq!(ladder.total(), PromDuration::from_mins(round));
        assert!(
            schedule
                .iter()
                .zip(schedule.iter().skip(1))
                .all(|(left, right)| left < right)
        );
    }
}

#[test]
fn chains_go_depth_first_and_name_nobody_twice() {
    let nested = "\
version: 1
receivers:
  payments-pager: {fallback: [{receiver: payments-sms}, {receiver: payments-lead}], try_for: 1m}
  payments-sms: {fallback: [{receiver: noc}], try_for: 10s}
  payments-lead: {fallback: [{receiver: noc}]}
";
    let config = load(Some(nested));
    let rows = [
        ("noc", vec!["noc 30s"]),
        ("payments-sms", vec!["payments-sms 10s", "noc 30s"]),
        (
            "payments-pager",
            vec!["payments-pager 1m", "payments-sms 10s", "noc 30s", "payments-lead 30s"],
        ),
    ];
    for (receiver, expected) in rows {
        let found: Vec<_> = chain(&config, receiver)
            .iter()
            .map(|link| format!("{} {}", link.receiver, link.try_for))
            .collect();
        assert_eq!(found, expected);
    }
    let plain = load(None);
    assert_eq!(chain(&plain, "payments-pager").len(), 1);
}

#[test]
fn teams_and_severities() {
    let (config, plain) = (example(), load(None));
    let labels = |team: &str, severity: &str| {
        let mut labels = LabelSet::default();
        labels.insert("team", team);
        labels.insert("severity", severity);
        labels
    };
    let named = |name: &str| Team::Named(name.to_owned());
    // receiver, team label, severity, team, rank
    let rows = [
        ("payments-critical", "platform", "critical", named("payments"), 0),
        ("noc", "platform", "warning", named("platform"), 1),
        ("noc", "typo", "info", Team::Unowned, 2),
        ("noc", "", "odd", Team::Unowned, 3),
        ("unheard-of", "payments", "", named("payments"), 3),
    ];
    for (receiver, team, severity, owner, rank) in rows {
        let labels = labels(team, severity);
        assert_eq!(team_of(&config, receiver, &labels), owner, "{receiver} {team}");
        assert_eq!(severity_rank(&config, &labels), rank, "{severity}");
        assert_eq!(team_of(&plain, receiver, &labels), Team::Unowned);
        assert_eq!(severity_rank(&plain, &labels), rank, "the same order without a file");
    }
}
