//! The fallback chain, links with several integrations, and resolves that go to exactly who heard.

use alert::PromDuration;
use schemas::{NotificationRequest, OutcomeKind};

use crate::fixture::{World, accepted, alert, body, network, no_destination, request, resolve, secs, status};

#[test]
fn a_link_that_fails_for_good_hands_over_at_once() {
    for result in [status(404), status(401), no_destination()] {
        let mut world = World::new();
        let first = world.request(&request(&["pager", "sms"]));
        let did = world.answer(first.attempt(), result);
        assert_eq!(
            did.sends(),
            [("sms".into(), 0, 1)],
            "only the request's own integration was tried before"
        );
        assert_eq!(did.kinds(), ["notification.attempted", "link.exhausted"]);
        assert_ne!(
            did.attempt().idempotency_key,
            "key-1",
            "another receiver may share the gateway"
        );
        assert_eq!(body(did.attempt())["receiver"], "sms");
        let done = world.answer(did.attempt(), accepted());
        assert_eq!(done.outcome(), (OutcomeKind::Delivered, vec!["sms"]));
        assert_eq!(done.outcomes[0].receiver, "pager", "the outcome is the request's");
        assert!(world.at_rest());
    }
}

#[test]
fn a_link_that_failed_for_its_time_hands_over_then() {
    let mut world = World::new();
    let mut did = world.request(&request(&["pager", "sms"]));
    while world.driver.now() < secs(30) {
        for attempt in std::mem::take(&mut did.attempts) {
            assert_eq!(attempt.link, "pager");
            assert!(world.answer(&attempt, status(500)).attempts.is_empty());
        }
        assert!(!did.kinds().contains(&"link.exhausted"));
        did = world.until((world.driver.now() + PromDuration::from_millis(100)).min(secs(30)));
    }
    assert_eq!(did.sends(), [("sms".into(), 0, 1)]);
    assert_eq!(did.kinds(), ["link.exhausted"]);
    assert!(did.journal[0].fields.value("link") == "pager");
}

#[test]
fn a_link_that_hangs_does_not_hold_the_next_one_up() {
    let slow = |world: &mut World| {
        let mut slow = request(&["pager", "sms"]);
        slow.chain[0].try_for_ms = 10_000;
        let first = world.request(&slow);
        let second = world.until(secs(10));
        assert_eq!(second.sends(), [("sms".into(), 0, 1)]);
        (first, second)
    };
    // It answers after all: both heard.
    let mut world = World::new();
    let (first, second) = slow(&mut world);
    assert!(
        world.answer(first.attempt(), accepted()).outcomes.is_empty(),
        "what is in flight is waited for"
    );
    assert_eq!(
        world.answer(second.attempt(), accepted()).outcome(),
        (OutcomeKind::Delivered, vec!["pager", "sms"])
    );
    // It does not: it is not tried again.
    let mut world = World::new();
    let (first, second) = slow(&mut world);
    assert!(world.answer(first.attempt(), network(true)).outcomes.is_empty());
    let retried = world.answer(second.attempt(), status(503));
    assert!(retried.attempts.is_empty());
    assert_eq!(world.until(secs(20)).sends(), [("sms".into(), 0, 2)]);
}

#[test]
fn a_link_with_several_integrations_is_told_on_all_and_accepts_with_one() {
    for (zero, one, kind, heard) in [
        (accepted(), status(404), OutcomeKind::Delivered, vec!["noc"]),
        (status(404), accepted(), OutcomeKind::Delivered, vec!["noc"]),
        (accepted(), status(503), OutcomeKind::Delivered, vec!["noc"]),
        (accepted(), accepted(), OutcomeKind::Delivered, vec!["noc"]),
        (status(404), status(404), OutcomeKind::Failed, vec![]),
    ] {
        let mut world = World::new();
        let first = world.request(&request(&["pager", "noc"]));
        let both = world.answer(first.attempt(), status(400));
        assert_eq!(both.sends(), [("noc".into(), 0, 1), ("noc".into(), 1, 1)]);
        assert_ne!(both.attempts[0].idempotency_key, both.attempts[1].idempotency_key);
        assert!(world.answer(&both.attempts[0], zero).outcomes.is_empty());
        let did = world.answer(&both.attempts[1], one);
        assert_eq!(did.outcome(), (kind, heard));
        assert!(world.at_rest());
    }
}

#[test]
fn every_link_failing_is_a_failure_and_one_without_integrations_is_passed_over() {
    let mut world = World::new();
    let first = world.request(&request(&["pager", "nobody", "unknown", "sms"]));
    let did = world.answer(first.attempt(), status(400));
    assert_eq!(did.sends(), [("sms".into(), 0, 1)]);
    assert_eq!(
        did.kinds(),
        [
            "notification.attempted",
            "link.exhausted",
            "link.exhausted",
            "link.exhausted"
        ]
    );
    let done = world.answer(did.attempt(), status(400));
    assert_eq!(done.outcome(), (OutcomeKind::Failed, vec![]));
    assert_eq!(done.outcomes[0].attempts, 2);
}

#[test]
fn a_missing_integration_fails_with_that_reason() {
    let mut world = World::new();
    let did = world.request(&NotificationRequest {
        index: 7,
        ..request(&["pager", "sms"])
    });
    assert_eq!(did.sends(), [("sms".into(), 0, 1)]);
    assert_eq!(
        did.journal[0].reason,
        "config version 1 has no webhook[7] of this receiver"
    );
}

#[test]
fn the_last_link_is_tried_until_the_request_is_given_up() {
    let mut world = World::new();
    let mut did = world.request(&NotificationRequest {
        give_up_at: secs(90),
        ..request(&["pager"])
    });
    let mut last = 0;
    while did.outcomes.is_empty() {
        for attempt in std::mem::take(&mut did.attempts) {
            last = world.driver.now().millis();
            world.answer(&attempt, status(500));
        }
        did = world.until(world.driver.now() + PromDuration::from_millis(500));
    }
    assert!(last > 30_000, "the only link is tried beyond its own time");
    assert_eq!((did.outcome().0, did.outcomes[0].at), (OutcomeKind::Failed, secs(90)));
}

#[test]
fn a_resolve_goes_to_exactly_who_heard() {
    for (pager, sms, kind, heard) in [
        (accepted(), accepted(), OutcomeKind::Delivered, vec!["pager", "sms"]),
        (accepted(), status(404), OutcomeKind::Failed, vec!["pager"]),
        (status(404), accepted(), OutcomeKind::Failed, vec!["sms"]),
    ] {
        let mut world = World::new();
        let both = world.request(&resolve("pager", &["pager", "sms"]));
        assert_eq!(both.sends(), [("pager".into(), 0, 1), ("sms".into(), 0, 1)]);
        assert!(world.answer(&both.attempts[0], pager).outcomes.is_empty());
        assert_eq!(world.answer(&both.attempts[1], sms).outcome(), (kind, heard));
        assert!(world.at_rest());
    }
}

#[test]
fn each_link_of_a_resolve_is_tried_until_it_accepts_and_no_other_link_is() {
    let mut world = World::new();
    let only = NotificationRequest {
        chain: request(&["pager", "sms", "noc"]).chain,
        ..resolve("pager", &["sms"])
    };
    let first = world.request(&only);
    assert_eq!(first.sends(), [("sms".into(), 0, 1)]);
    world.answer(first.attempt(), status(500));
    let again = world.until(secs(2));
    assert_eq!(again.sends(), [("sms".into(), 0, 2)]);
    assert_eq!(
        world.answer(again.attempt(), status(404)).outcome(),
        (OutcomeKind::Failed, vec![])
    );
}

#[test]
fn an_integration_without_send_resolved_is_not_told_of_a_resolve() {
    let mut world = World::new();
    let did = world.request(&resolve("firing-only", &["firing-only"]));
    assert!(did.attempts.is_empty());
    assert_eq!(did.outcome(), (OutcomeKind::Delivered, vec!["firing-only"]));
    assert!(did.journal[0].reason.contains("send_resolved: false"));

    let some = NotificationRequest {
        alerts: vec![alert("a", true), alert("b", false)],
        ..request(&["firing-only"])
    };
    let did = world.request(&some);
    assert_eq!(
        body(did.attempt())["alerts"].as_array().unwrap().len(),
        1,
        "only what fires is shown"
    );
}
