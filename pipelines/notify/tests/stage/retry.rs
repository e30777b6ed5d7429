//! One integration: two transactions an attempt, tries again, gives up; requests in parts; messages.

use alert::PromDuration;
use notify_pipeline::{AttemptResult, NotStarted};
use schemas::{NotificationRequest, OutcomeKind};

use crate::fixture::{
    World, accepted, alert, body, header, network, no_destination, request, retry_after, secs, status,
};

#[test]
fn an_attempt_is_in_flight_before_it_is_sent_and_gone_after_its_outcome() {
    let mut world = World::new();
    let did = world.request(&request(&["pager"]));
    assert_eq!(did.sends(), [("pager".into(), 0, 1)]);
    assert_eq!(did.attempt().deadline, secs(30));
    assert!(did.outcomes.is_empty() && did.journal.is_empty());
    assert!(!world.at_rest());

    let done = world.answer(did.attempt(), accepted());
    assert_eq!(done.outcome(), (OutcomeKind::Delivered, vec!["pager"]));
    assert_eq!((done.outcomes[0].sequence, done.outcomes[0].attempts), (1, 1));
    assert_eq!(done.kinds(), ["notification.attempted", "notification.delivered"]);
    let fields = &done.journal[0].fields;
    assert_eq!((fields.value("status"), fields.value("duration_ms")), ("200", "12"));
    assert_eq!((fields.value("link"), fields.value("attempt")), ("pager", "1"));
    assert_eq!(fields.value("tables"), "config=1");
    assert!(world.at_rest());
}

#[test]
fn the_deadline_is_the_integrations_timeout() {
    let mut world = World::new();
    let did = world.request(&NotificationRequest {
        index: 1,
        ..request(&["noc"])
    });
    assert_eq!(did.attempt().deadline, secs(5));
}

#[test]
fn a_failure_is_tried_again_under_the_same_key_until_it_is_given_up() {
    let mut world = World::new();
    let mut pending = world.request(&request(&["pager"]));
    let mut tries = 0;
    while pending.outcomes.is_empty() {
        for attempt in std::mem::take(&mut pending.attempts) {
            tries += 1;
            assert_eq!((attempt.id.attempt, attempt.idempotency_key.as_str()), (tries, "key-1"));
            assert!(world.driver.now() < secs(300), "no attempt after it was given up");
            pending.outcomes.extend(world.answer(&attempt, status(503)).outcomes);
        }
        let next = world.driver.now() + PromDuration::from_millis(50);
        let later = world.until(next);
        pending.attempts.extend(later.attempts);
        pending.outcomes.extend(later.outcomes);
    }
    assert_eq!(pending.outcome(), (OutcomeKind::Failed, vec![]));
    assert_eq!(pending.outcomes[0].at, secs(300));
    assert!(
        (12..=25).contains(&tries),
        "500 ms times 1.5 up to 60 s makes about 15 tries in 5 minutes: {tries}"
    );
    assert!(world.at_rest());
}

#[test]
fn retry_after_is_honoured_where_it_fits() {
    for (name, result, again_at) in [
        ("429 that fits", retry_after(429, 40), Some(secs(40))),
        ("503", retry_after(503, 40), Some(secs(40))),
        ("429 that does not fit", retry_after(429, 300), None),
        ("429 that does not say", status(429), None),
        ("404", status(404), None),
        ("no address", no_destination(), None),
    ] {
        let mut world = World::new();
        let first = world.request(&request(&["pager"]));
        let did = world.answer(first.attempt(), result);
        if let Some(at) = again_at {
            assert!(did.outcomes.is_empty() && did.attempts.is_empty(), "{name}");
            assert!(world.until(at - PromDuration::from_millis(1)).nothing(), "{name}");
            assert_eq!(world.until(at).sends(), [("pager".into(), 0, 2)], "{name}");
        } else {
            assert_eq!(did.outcome().0, OutcomeKind::Failed, "{name}");
            assert_eq!(
                did.kinds(),
                ["notification.attempted", "link.exhausted", "notification.failed"],
                "{name}"
            );
            assert!(world.at_rest(), "{name}");
        }
    }
}

#[test]
fn what_was_not_started_is_no_possible_duplicate() {
    for reason in [NotStarted::DeadlinePassed, NotStarted::ShuttingDown] {
        let mut world = World::new();
        let first = world.request(&request(&["pager"]));
        let did = world.answer(first.attempt(), AttemptResult::NotStarted { reason });
        assert_eq!(did.kinds(), ["notification.attempted"]);
        let again = world.until(secs(2));
        assert_eq!(again.sends(), [("pager".into(), 0, 2)]);
        assert!(again.kinds().is_empty());
    }
}

#[test]
fn sending_again_after_an_unknown_fate_says_possible_duplicate() {
    for (written, kinds) in [(true, vec!["notification.possible_duplicate"]), (false, vec![])] {
        let mut world = World::new();
        let first = world.request(&request(&["pager"]));
        assert_eq!(
            world.answer(first.attempt(), network(written)).kinds(),
            ["notification.attempted"]
        );
        let again = world.until(secs(2));
        assert_eq!(again.sends(), [("pager".into(), 0, 2)]);
        assert_eq!(again.kinds(), kinds, "request written: {written}");
    }
}

#[test]
fn a_failed_request_in_doubt_that_is_asked_for_again_says_so() {
    let mut world = World::new();
    let first = world.request(&request(&["pager"]));
    world.answer(first.attempt(), network(true));
    let again = world.until(secs(2));
    assert_eq!(
        world.answer(again.attempt(), status(404)).outcome().0,
        OutcomeKind::Failed
    );
    assert!(!world.at_rest(), "the doubt is kept");

    world.until(secs(300));
    let run = world.request(&NotificationRequest {
        give_up_at: secs(600),
        ..request(&["pager"])
    });
    assert_eq!(run.kinds(), ["notification.possible_duplicate"]);
    assert_eq!(
        world.answer(run.attempt(), accepted()).outcome(),
        (OutcomeKind::Delivered, vec!["pager"])
    );
    assert!(world.at_rest(), "delivered: nothing is in doubt any more");
}

#[test]
fn a_doubt_is_about_one_sequence_number_and_ends_after_a_day() {
    let doubtful = || {
        let mut world = World::new();
        let first = world.request(&NotificationRequest {
            give_up_at: secs(1),
            ..request(&["pager"])
        });
        world.until(secs(1));
        assert_eq!(
            world.answer(first.attempt(), network(true)).outcome().0,
            OutcomeKind::Failed
        );
        world
    };
    let other = NotificationRequest {
        sequence: 2,
        give_up_at: secs(600),
        ..request(&["pager"])
    };
    assert!(doubtful().request(&other).kinds().is_empty());

    let mut world = doubtful();
    world.until(secs(2 * 86_400));
    assert!(world.at_rest());
}

#[test]
fn a_lost_result_is_taken_as_an_unknown_fate() {
    let mut world = World::new();
    let first = world.request(&request(&["pager"]));
    assert!(world.until(secs(59)).nothing());
    let again = world.until(secs(60));
    assert_eq!(again.sends(), [("pager".into(), 0, 2)]);
    assert_eq!(again.kinds(), ["notification.possible_duplicate"]);
    // The first one's result comes after all: it was taken, and that settles it.
    let late = world.answer(first.attempt(), accepted());
    assert_eq!(late.outcome(), (OutcomeKind::Delivered, vec!["pager"]));
    assert!(world.answer(again.attempt(), status(500)).nothing());
    assert!(world.at_rest());
}

#[test]
fn a_request_in_parts_is_one_message() {
    let mut world = World::new();
    for (part, instance) in [(0, "a"), (1, "b"), (2, "c")] {
        let part = NotificationRequest {
            part,
            parts: 3,
            alerts: vec![alert(instance, false)],
            ..request(&["pager"])
        };
        let did = world.request(&part);
        if part.part < 2 {
            assert!(did.nothing(), "not whole");
            continue;
        }
        let alerts = body(did.attempt())["alerts"].as_array().unwrap().clone();
        let instances: Vec<_> = alerts.iter().map(|alert| alert["labels"]["instance"].clone()).collect();
        assert_eq!(instances, ["a", "b", "c"]);
        assert_eq!(
            world.answer(did.attempt(), accepted()).outcome().0,
            OutcomeKind::Delivered
        );
    }
    assert!(world.at_rest());
}

#[test]
fn a_part_out_of_place_is_refused() {
    let mut world = World::new();
    let stray = NotificationRequest {
        part: 1,
        parts: 3,
        ..request(&["pager"])
    };
    assert_eq!(world.request(&stray).refused.len(), 1);
    assert_eq!(
        world.request(&NotificationRequest { part: 3, ..stray }).refused,
        ["part 3 of 3"]
    );
    assert!(world.at_rest());
}

#[test]
fn every_request_has_one_outcome_whatever_is_under_way() {
    let numbered = |sequence| NotificationRequest {
        sequence,
        ..request(&["pager"])
    };
    let mut world = World::new();
    let first = world.request(&numbered(5));
    assert!(world.request(&numbered(5)).nothing(), "the one under way answers");

    let older = world.request(&numbered(4));
    assert_eq!((older.outcome().0, older.outcomes[0].sequence), (OutcomeKind::Void, 4));
    let in_parts = |part| NotificationRequest {
        part,
        parts: 2,
        ..numbered(3)
    };
    assert_eq!(
        world.request(&in_parts(0)).outcome().0,
        OutcomeKind::Void,
        "at its first part"
    );
    assert!(world.request(&in_parts(1)).nothing());

    let newer = world.request(&numbered(6));
    assert_eq!((newer.outcome().0, newer.outcomes[0].sequence), (OutcomeKind::Void, 5));
    assert!(
        world.answer(first.attempt(), accepted()).nothing(),
        "a run that is over"
    );
    let done = world.answer(newer.attempt(), accepted());
    assert_eq!(
        (done.outcome().0, done.outcomes[0].sequence),
        (OutcomeKind::Delivered, 6)
    );
    assert!(world.at_rest());
}

#[test]
fn a_request_whose_place_is_taken_after_somebody_accepted_was_delivered() {
    let mut world = World::new();
    let mut slow = request(&["pager", "sms"]);
    slow.chain[0].try_for_ms = 10_000;
    world.request(&slow);
    let sms = world.until(secs(10));
    assert!(
        world.answer(sms.attempt(), accepted()).outcomes.is_empty(),
        "pager is waited for"
    );
    let newer = world.request(&NotificationRequest { sequence: 2, ..slow });
    assert_eq!(newer.outcome(), (OutcomeKind::Delivered, vec!["sms"]));
}

#[test]
fn a_failed_sequence_number_may_be_asked_for_again() {
    let mut world = World::new();
    for _ in 0..2 {
        let run = world.request(&request(&["pager"]));
        assert_eq!(run.attempt().idempotency_key, "key-1");
        assert_eq!(
            world.answer(run.attempt(), status(400)).outcome().0,
            OutcomeKind::Failed
        );
    }
    assert!(world.at_rest());
}

#[test]
fn the_message_carries_what_its_body_has_no_place_for() {
    let mut world = World::new();
    let step = NotificationRequest {
        policy: Some("payments".into()),
        step: Some(1),
        round: Some(2),
        reason: "escalation step".into(),
        acknowledged_by: Some("Jürgen".into()),
        acknowledged_at: Some(secs(61)),
        ..request(&["pager"])
    };
    let did = world.request(&step);
    let attempt = did.attempt();
    for (name, value) in [
        ("User-Agent", "Alertmanager/0.34.0"),
        ("Content-Type", "application/json"),
        ("Idempotency-Key", "key-1"),
        ("X-Alertstream-Incident", "inc-1"),
        ("X-Alertstream-Link", "http://am.example/#/incidents/inc-1"),
        ("X-Alertstream-Step", "payments/1/2"),
        ("X-Alertstream-Reason", "escalation step"),
        ("X-Alertstream-Attempt", "1"),
        ("X-Alertstream-Acknowledged-By", "J%C3%BCrgen"),
        ("X-Alertstream-Acknowledged-At", "1970-01-01T00:01:01.000Z"),
    ] {
        assert_eq!(header(attempt, name), Some(value), "{name}");
    }
    let body = body(attempt);
    assert_eq!(
        (&body["notification_reason"], &body["receiver"]),
        (&"escalation step".into(), &"pager".into())
    );
    assert_eq!(
        (&body["externalURL"], &body["status"]),
        (&"http://am.example/".into(), &"firing".into())
    );
}

#[test]
fn at_most_max_alerts_are_shown() {
    let did = World::new().request(&request(&["one-alert"]));
    let body = body(did.attempt());
    assert_eq!(
        (body["alerts"].as_array().unwrap().len(), &body["truncatedAlerts"]),
        (1, &1.into())
    );
}
