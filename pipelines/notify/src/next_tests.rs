//! The decision alone, as a table.

use std::collections::BTreeMap;

use schemas::{Link, RequestKind};

use super::*;

fn request(chain: &[&str], only: &[&str]) -> NotificationRequest {
    NotificationRequest {
        receiver: "r".into(),
        integration: "webhook".into(),
        index: 0,
        sequence: 1,
        part: 0,
        parts: 1,
        idempotency_key: String::new(),
        kind: RequestKind::First,
        reason: String::new(),
        incident_id: String::new(),
        generation: None,
        policy: None,
        step: None,
        round: None,
        flush: 1,
        tick: Timestamp::ZERO,
        give_up_at: at(100),
        chain: chain
            .iter()
            .map(|name| Link {
                receiver: (*name).into(),
                try_for_ms: 30_000,
            })
            .collect(),
        only: only.iter().map(|name| (*name).into()).collect(),
        route: String::new(),
        group_key: String::new(),
        group_labels: alert::LabelSet::new(),
        acknowledged_by: None,
        acknowledged_at: None,
        config_version: 1,
        alerts: Vec::new(),
    }
}

fn at(secs: i64) -> Timestamp {
    Timestamp::from_secs(secs)
}

/// Legs as `link state at`, states by their first letter; as many links are started as there are.
fn progress(legs: &str, void: &str) -> NotifyProgress {
    let legs: Vec<NotifyLeg> = legs.split_terminator(", ").map(leg).collect();
    NotifyProgress {
        group_id: String::new(),
        run: 0,
        parts: 1,
        links: legs.iter().map(|leg| leg.link + 1).max().unwrap_or(0),
        link_started: at(0),
        legs,
        void: (!void.is_empty()).then(|| void.to_owned()),
        void_tables: BTreeMap::new(),
    }
}

fn leg(text: &str) -> NotifyLeg {
    let words: Vec<&str> = text.split(' ').collect();
    let state = match words[1] {
        "W" => NotifyLegState::Waiting,
        "I" => NotifyLegState::InFlight,
        "A" => NotifyLegState::Accepted,
        _ => NotifyLegState::Failed,
    };
    NotifyLeg {
        link: words[0].parse().unwrap(),
        receiver: String::new(),
        integration: String::new(),
        index: 0,
        state,
        at: at(words[2].parse().unwrap()),
        attempts: 1,
        doubt: false,
    }
}

fn told(next: &Next) -> String {
    match next {
        Next::OpenLink(link, None) => format!("open {link}"),
        Next::OpenLink(link, Some(_)) => format!("open {link}, late"),
        Next::Attempt(leg) => format!("try {leg}"),
        Next::Wait(until) => format!("wait {}", until.unix_seconds()),
        Next::Finish(OutcomeKind::Delivered, _) => "delivered".into(),
        Next::Finish(OutcomeKind::Void, why) => format!("void: {why}"),
        Next::Finish(OutcomeKind::Failed, why) => format!("failed: {why}"),
    }
}

/// What it is, its legs, why it is void, the time in seconds, what follows.
type Row = (&'static str, &'static str, &'static str, i64, &'static str);

fn check(request: &NotificationRequest, rows: &[Row]) {
    for (name, legs, void, now, expected) in rows {
        assert_eq!(
            told(&next(request, &progress(legs, void), at(*now))),
            *expected,
            "{name}"
        );
    }
}

#[test]
fn a_chain_goes_link_by_link() {
    let rows = [
        ("nothing yet", "", "", 0, "open 0"),
        ("nothing yet, void", "", "muted", 0, "void: muted"),
        ("due", "0 W 5", "", 5, "try 0"),
        ("not due", "0 W 5", "", 4, "wait 5"),
        ("due after its link's time", "0 W 50", "", 4, "wait 30"),
        ("its link's time is over", "0 W 5", "", 30, "open 1, late"),
        ("due, but void", "0 W 5", "old", 5, "void: old"),
        ("out", "0 I 20", "", 4, "wait 30"),
        ("out and void", "0 I 20", "old", 4, "wait 50"),
        ("out and given up", "0 I 110", "", 100, "wait 140"),
        (
            "given up",
            "0 W 5",
            "",
            100,
            "failed: given up at 1970-01-01T00:01:40.000Z",
        ),
        ("failed for good", "0 F 0", "", 1, "open 1"),
        ("failed for good, another waits", "0 F 0, 0 W 9", "", 1, "wait 9"),
        ("both failed", "0 F 0, 1 F 0", "", 1, "failed: every link failed"),
        ("both failed, one is out", "0 I 20, 1 F 0", "", 1, "wait 50"),
        ("the second took it", "0 F 0, 1 A 0", "", 1, "delivered"),
        ("the last waits", "0 F 0, 1 W 95", "", 80, "wait 95"),
        ("the last waits too long", "0 F 0, 1 W 150", "", 80, "wait 100"),
        ("a first that waits is not tried again", "0 W 5, 1 W 9", "", 6, "wait 9"),
        ("accepted, another waits", "0 A 0, 0 W 0", "", 1, "delivered"),
        ("accepted, another is out", "0 A 0, 0 I 20", "", 1, "wait 50"),
        ("accepted though void", "0 A 0", "old", 1, "delivered"),
    ];
    check(&request(&["r", "s"], &[]), &rows);
}

#[test]
fn a_resolve_goes_to_all_who_heard() {
    let rows = [
        ("the second starts too", "0 W 0", "", 0, "open 1"),
        ("one accepted", "0 A 0, 1 W 0", "", 0, "try 1"),
        ("both accepted", "0 A 0, 1 A 0", "", 0, "delivered"),
        (
            "one failed",
            "0 A 0, 1 F 0",
            "",
            0,
            "failed: not accepted by all who heard",
        ),
        ("no link has a time of its own", "0 W 50, 1 W 60", "", 40, "wait 50"),
    ];
    check(&request(&["r", "s"], &["r", "s"]), &rows);
}
