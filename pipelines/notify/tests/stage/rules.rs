//! Rules of design section 5 that no other history here would miss: each row fails without its rule.

use processor::Processor;
use schemas::{ConfigVersion, GenerationRaised, NotificationRequest, OutcomeKind, encode, topics};

use crate::fixture::{INCIDENT, World, accepted, network, request, resolve, secs, status};

fn of_generation(generation: i64) -> NotificationRequest {
    NotificationRequest {
        generation: Some(generation),
        ..request(&["pager"])
    }
}

fn config(text: &str) -> Vec<u8> {
    let version = ConfigVersion {
        alertmanager: text.to_owned(),
        alertmanager_file: "alertmanager.yml".to_owned(),
        escalation: None,
        escalation_file: None,
        published_by: "test".to_owned(),
        at: secs(0),
    };
    encode(&version).unwrap()
}

/// 5.4: the result of an attempt that was taken as lost, and made again since, ends nothing: only an acceptance counts.
#[test]
fn a_late_failure_does_not_end_the_newer_attempt() {
    let mut world = World::new();
    let first = world.request(&request(&["pager"]));
    let second = world.until(secs(60));
    assert_eq!(second.sends(), [("pager".into(), 0, 2)]);
    let late = world.answer(first.attempt(), status(404));
    assert_eq!((late.outcomes.len(), late.attempts.len()), (0, 0));
    let done = world.answer(second.attempt(), accepted());
    assert_eq!(done.outcome(), (OutcomeKind::Delivered, vec!["pager"]));
}

/// 5.4: what was accepted stays so: the failure of a newer attempt of the same leg takes nothing back.
#[test]
fn a_failure_after_a_late_acceptance_takes_nothing_back() {
    let mut world = World::new();
    let both = world.request(&resolve("pager", &["pager", "sms"]));
    let again = world.until(secs(60));
    assert_eq!(again.sends(), [("pager".into(), 0, 2), ("sms".into(), 0, 2)]);
    assert!(world.answer(&both.attempts[0], accepted()).outcomes.is_empty());
    assert!(world.answer(&again.attempts[0], status(404)).outcomes.is_empty());
    assert_eq!(
        world.answer(&again.attempts[1], accepted()).outcome(),
        (OutcomeKind::Delivered, vec!["pager", "sms"])
    );
}

/// 5.3: a run that is over has had its outcome, though the same sequence number runs again.
#[test]
fn a_result_of_an_earlier_run_of_the_number_changes_nothing() {
    let mut world = World::new();
    let short = NotificationRequest {
        give_up_at: secs(1),
        ..request(&["pager"])
    };
    let first = world.request(&short);
    assert_eq!(world.until(secs(60)).outcome().0, OutcomeKind::Failed);
    let again = world.request(&request(&["pager"]));
    assert!(world.answer(first.attempt(), accepted()).nothing());
    assert_eq!(
        world.answer(again.attempt(), accepted()).outcome().0,
        OutcomeKind::Delivered
    );
}

/// 5.3: a void names what first made it so, and the tables as they were then.
#[test]
fn a_request_is_void_for_its_first_reason() {
    let mut world = World::new();
    let first = world.request(&of_generation(1));
    assert!(world.raise(2, false).nothing() && world.raise(3, false).nothing());
    let did = world.answer(first.attempt(), status(503));
    assert!(did.outcomes[0].reason.contains("generation 2"), "{did:?}");
}

/// 5.5: what was read in the transaction that asked for an attempt is seen before it is released.
#[test]
fn an_attempt_that_its_own_transaction_voided_is_not_released() {
    let mut world = World::new();
    let first = world.request(&of_generation(1));
    let attempt = first.attempt().clone();
    let released = world.driver.stage.release(attempt.clone(), world.driver.store());
    assert_eq!(released, Ok(attempt.clone()));
    world.raise(2, false);
    assert!(
        world
            .driver
            .stage
            .release(attempt.clone(), world.driver.store())
            .is_err()
    );
    let mut of_another_run = attempt;
    of_another_run.id.run += 1;
    assert!(world.driver.stage.release(of_another_run, world.driver.store()).is_ok());
}

/// 5.5: a raised generation speaks of its own group.
#[test]
fn a_move_of_another_group_voids_nothing_here() {
    let mut world = World::new();
    let first = world.request(&request(&["pager"]));
    assert!(world.answer(first.attempt(), status(503)).outcomes.is_empty());
    let raised = GenerationRaised {
        incident_id: INCIDENT.to_owned(),
        generation: 2,
        everything: true,
        reason: "moved".to_owned(),
    };
    world
        .driver
        .record("{}:{alertname=\"Other\"}", encode(&raised).unwrap());
    assert!(world.did().nothing());
}

/// 5.4: doubt is about one integration of one link, and only about what was not accepted since.
#[test]
fn only_the_link_in_doubt_may_be_a_possible_duplicate() {
    let mut world = World::new();
    let chain = request(&["pager", "sms"]);
    let first = world.request(&chain);
    world.answer(first.attempt(), network(true));
    let second = world.until(secs(2));
    let sms = world.answer(second.attempt(), status(404));
    assert_eq!(
        world.answer(sms.attempt(), status(404)).outcome().0,
        OutcomeKind::Failed
    );
    let again = world.request(&chain);
    assert_eq!(again.kinds(), ["notification.possible_duplicate"]);
    let sms = world.answer(again.attempt(), status(404));
    assert_eq!(sms.sends(), [("sms".into(), 0, 1)]);
    assert!(!sms.kinds().contains(&"notification.possible_duplicate"), "{sms:?}");
    assert_eq!(
        world.answer(sms.attempt(), accepted()).outcome().0,
        OutcomeKind::Delivered
    );
    assert!(world.at_rest(), "delivered: no doubt is left, of no link");

    let mut world = World::new();
    let first = world.request(&resolve("pager", &["pager", "sms"]));
    let (pager, sms) = (&first.attempts[0], &first.attempts[1]);
    world.answer(pager, network(true));
    world.answer(sms, status(404));
    let pager = world.until(secs(2));
    assert_eq!(
        world.answer(pager.attempt(), accepted()).outcome().0,
        OutcomeKind::Failed
    );
    assert!(world.at_rest(), "it was accepted after all");
}

/// 5.3: a link has accepted when one of its integrations has: the others are not tried again.
#[test]
fn a_link_of_a_resolve_that_accepted_is_not_tried_again() {
    let mut world = World::new();
    let first = world.request(&resolve("sms", &["sms", "noc"]));
    let noc: Vec<_> = first.attempts.iter().filter(|attempt| attempt.link == "noc").collect();
    assert_eq!(noc.len(), 2, "{first:?}");
    world.answer(noc[0], status(503));
    world.answer(noc[1], accepted());
    assert!(world.until(secs(20)).attempts.is_empty());
}

/// 5.2: a request is carried out under the version it was decided under, each link of it.
#[test]
fn a_link_has_the_integrations_it_had_when_the_request_was_decided() {
    let mut world = World::new();
    let next = "route: {receiver: pager}\nreceivers: [{name: pager, webhook_configs: [{url: 'http://p.test/'}]}]\n";
    world.driver.table(topics::CONFIG, "next", Some(config(next)));
    let first = world.request(&request(&["pager", "sms"]));
    let did = world.answer(first.attempt(), status(404));
    assert_eq!(did.sends(), [("sms".into(), 0, 1)]);
}

/// 5.2: a version that does not load counts as seen: what was decided under it must not wait for ever.
#[test]
fn a_version_that_does_not_load_counts_as_seen() {
    let mut world = World::new();
    world.driver.table(topics::CONFIG, "bad", Some(config("route: {}\n")));
    assert_eq!(world.driver.stage.config_version(), 2);
}

/// 5.3: a silence that is gone mutes nothing.
#[test]
fn a_silence_that_is_gone_voids_nothing() {
    let mut world = World::new();
    world.silence("a", 0, 100);
    world.driver.table(topics::SILENCES, "silence-of-a", None);
    assert_eq!(world.request(&request(&["pager"])).attempts.len(), 1);
}

/// 3: parts come in order; those of a request that is whole or over are passed over.
#[test]
fn a_part_that_is_skipped_is_refused_and_one_too_many_is_passed_over() {
    let part = |part, parts| NotificationRequest {
        part,
        parts,
        ..request(&["pager"])
    };
    let mut world = World::new();
    assert!(world.request(&part(0, 3)).nothing());
    assert_eq!(world.request(&part(2, 3)).refused.len(), 1);
    world.request(&part(1, 3));
    assert_eq!(world.request(&part(2, 3)).attempts.len(), 1);
    assert!(world.request(&part(2, 3)).nothing());
}
