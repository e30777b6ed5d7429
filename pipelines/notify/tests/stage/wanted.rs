//! Whether a request is still wanted, asked just before each attempt.

use schemas::{NotificationRequest, OutcomeKind};

use crate::fixture::{World, accepted, network, request, secs, status};

fn of_generation(generation: i64) -> NotificationRequest {
    NotificationRequest {
        generation: Some(generation),
        ..request(&["pager", "sms"])
    }
}

#[test]
fn one_muted_alert_voids_the_whole_request() {
    for (name, instance, from, to, void) in [
        ("mutes one of two", "b", -10, 100, true),
        ("mutes until this instant", "a", -10, 0, true),
        ("mutes another alert", "z", -10, 100, false),
        ("is over", "a", -10, -1, false),
        ("has not begun", "a", 1, 100, false),
    ] {
        let mut world = World::new();
        world.silence(instance, from, to);
        let did = world.request(&request(&["pager", "sms"]));
        if void {
            assert_eq!(did.outcome(), (OutcomeKind::Void, vec![]), "{name}");
            assert!(did.attempts.is_empty(), "{name}");
            assert_eq!(
                did.outcomes[0].tables,
                [("config".into(), 1), ("silences".into(), 1)].into(),
                "{name}"
            );
            assert!(
                did.outcomes[0].reason.contains(&format!("silence-of-{instance}")),
                "{name}"
            );
            assert_eq!(did.kinds(), ["notification.void"], "{name}");
            assert!(world.at_rest(), "{name}");
        } else {
            assert_eq!(did.attempts.len(), 1, "{name}");
        }
    }
}

#[test]
fn a_silence_is_seen_before_every_attempt() {
    let mut world = World::new();
    let first = world.request(&request(&["pager", "sms"]));
    assert!(world.silence("a", 0, 100).nothing(), "what is out is not recalled");
    assert!(world.answer(first.attempt(), status(503)).outcomes.is_empty());
    let did = world.until(secs(2));
    assert_eq!(did.outcome(), (OutcomeKind::Void, vec![]));
    assert!(did.attempts.is_empty());
}

#[test]
fn what_arrives_although_it_was_muted_meanwhile_is_delivered() {
    let mut world = World::new();
    let first = world.request(&request(&["pager"]));
    world.silence("a", 0, 100);
    assert_eq!(
        world.answer(first.attempt(), accepted()).outcome(),
        (OutcomeKind::Delivered, vec!["pager"])
    );
}

#[test]
fn a_raised_generation_voids_what_waits() {
    for (name, asked, incident, raised, everything, void) in [
        ("an older generation", Some(1), "inc-1", 2, false, true),
        ("the same generation", Some(2), "inc-1", 2, false, false),
        ("a newer generation", Some(3), "inc-1", 2, false, false),
        ("a first word", None, "inc-1", 2, false, false),
        ("another incident", Some(1), "inc-0", 2, false, false),
        ("a first word, moved", None, "inc-1", 2, true, true),
        ("a newer generation, moved", Some(3), "inc-1", 2, true, true),
    ] {
        let mut world = World::new();
        let first = world.request(&NotificationRequest {
            generation: asked,
            ..request(&["pager", "sms"])
        });
        world.answer(first.attempt(), status(500));
        let did = world.raise_of(incident, raised, everything);
        if void {
            assert_eq!(did.outcome(), (OutcomeKind::Void, vec![]), "{name}");
            assert!(did.outcomes[0].reason.contains("acknowledged by Ann"), "{name}");
            assert!(world.until(secs(400)).nothing(), "{name}");
            assert!(world.at_rest(), "{name}");
        } else {
            assert!(did.nothing(), "{name}");
            assert!(!world.until(secs(2)).attempts.is_empty(), "{name}");
        }
    }
}

#[test]
fn what_is_in_flight_when_the_generation_rises_has_its_own_outcome_and_nothing_after() {
    for (result, kind, heard) in [
        (accepted(), OutcomeKind::Delivered, vec!["pager"]),
        (status(500), OutcomeKind::Void, vec![]),
        (status(404), OutcomeKind::Void, vec![]),
        (network(true), OutcomeKind::Void, vec![]),
    ] {
        let mut world = World::new();
        let first = world.request(&of_generation(1));
        assert!(world.raise(2, false).nothing());
        let did = world.answer(first.attempt(), result.clone());
        assert_eq!(did.outcome(), (kind, heard), "{result:?}");
        assert!(world.until(secs(400)).attempts.is_empty(), "{result:?}");
    }
}

#[test]
fn a_raised_generation_is_known_after_a_restart() {
    let mut world = World::new();
    world.request(&of_generation(1));
    world.raise(2, false);
    let did = world.restart();
    assert_eq!(did.outcome(), (OutcomeKind::Void, vec![]));
    assert!(
        did.attempts.is_empty(),
        "nothing starts after the generation was raised"
    );
}

#[test]
fn a_request_in_parts_that_was_voided_meanwhile_sends_nothing() {
    let mut world = World::new();
    let part = |part| NotificationRequest {
        part,
        parts: 2,
        ..of_generation(1)
    };
    world.request(&part(0));
    assert!(world.raise(2, false).nothing());
    let did = world.request(&part(1));
    assert_eq!(did.outcome(), (OutcomeKind::Void, vec![]));
    assert!(did.attempts.is_empty());
}
