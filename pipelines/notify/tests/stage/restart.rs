//! What an earlier owner left in flight.

use alert::PromDuration;
use schemas::{NotificationRequest, OutcomeKind};

use crate::fixture::{World, accepted, request, retry_after, secs, status};

/// What a release left that kept a request, its alerts and how far it is in a record each.
#[test]
fn a_run_in_several_records_goes_on_and_leaves_nothing() {
    let mut world = World::new();
    let first = world.request(&request(&["pager", "sms"]));
    let again = world.restart_in_several_records();
    assert_eq!(again.sends(), [("pager".into(), 0, 2)]);
    assert_eq!(again.attempt().body, first.attempt().body);
    assert_eq!(
        world.answer(again.attempt(), accepted()).outcome(),
        (OutcomeKind::Delivered, vec!["pager"])
    );
    assert!(world.at_rest());
}

#[test]
fn the_embedded_log_sends_again_at_once_under_the_same_key() {
    let mut world = World::new();
    let first = world.request(&request(&["pager", "sms"]));
    world.until(secs(3));
    let again = world.restart();
    assert_eq!(again.sends(), [("pager".into(), 0, 2)]);
    assert_eq!(again.attempt().idempotency_key, first.attempt().idempotency_key);
    assert_eq!(again.attempt().deadline, secs(33));
    assert_eq!(again.kinds(), ["notification.possible_duplicate"]);
    assert_eq!(world.tally(), 1);
    assert_eq!(
        world.answer(again.attempt(), accepted()).outcome(),
        (OutcomeKind::Delivered, vec!["pager"])
    );
    assert!(world.at_rest());
}

/// The metric is made of it, so neither a crash before a scrape nor a restart may change it.
#[test]
fn every_possible_duplicate_is_counted_once_for_good() {
    let mut world = World::new();
    assert_eq!(world.tally(), 0);
    world.request(&request(&["pager"]));
    for restarts in 1..=3 {
        assert_eq!(world.restart().kinds(), ["notification.possible_duplicate"]);
        assert_eq!(world.tally(), restarts);
    }
    let sent = world.restart();
    world.answer(sent.attempt(), accepted());
    assert!(world.restart().kinds().is_empty());
    assert_eq!(world.tally(), 4);
}

#[test]
fn another_owner_waits_until_the_earlier_one_cannot_be_sending() {
    let mut world = World::with_tolerance(Some(PromDuration::from_secs(2)));
    world.request(&request(&["pager", "sms"]));
    world.until(secs(3));
    assert!(world.restart().nothing());
    assert!(world.until(secs(31)).nothing());
    let again = world.until(secs(32));
    assert_eq!(again.sends(), [("pager".into(), 0, 2)], "its link has its time anew");
    assert_eq!(again.kinds(), ["notification.possible_duplicate"]);
}

#[test]
fn a_restore_after_the_deadline_does_not_wait() {
    let mut world = World::with_tolerance(Some(PromDuration::from_secs(2)));
    world.request(&request(&["pager"]));
    assert!(world.until(secs(40)).nothing());
    assert_eq!(world.restart().sends(), [("pager".into(), 0, 2)]);
}

/// What the restart took from a link it gets back, counted from when it is tried again; a link that was not cut off gets
/// nothing.
#[test]
fn a_link_that_was_cut_off_has_its_time_anew_and_no_other_has() {
    let mut world = World::with_tolerance(Some(PromDuration::from_secs(2)));
    let mut minute = request(&["pager", "sms"]);
    minute.chain[0].try_for_ms = 60_000;
    world.request(&minute);
    assert!(world.until(secs(50)).nothing());
    let again = world.restart();
    assert!(world.answer(again.attempt(), retry_after(503, 200)).attempts.is_empty());
    assert!(world.until(secs(109)).nothing(), "its time began anew at 50, not at 32");
    assert_eq!(world.until(secs(110)).sends(), [("sms".into(), 0, 1)]);

    let mut world = World::new();
    minute.chain[0].try_for_ms = 70_000;
    world.request(&minute);
    let again = world.until(secs(60));
    assert!(world.answer(again.attempt(), retry_after(503, 200)).attempts.is_empty());
    assert!(world.until(secs(129)).nothing(), "its first attempt was lost at 60");
    assert_eq!(world.until(secs(130)).sends(), [("sms".into(), 0, 1)]);

    let mut world = World::with_tolerance(Some(PromDuration::from_secs(20)));
    let mut short = request(&["pager", "sms", "noc"]);
    short.chain[0].try_for_ms = 10_000;
    world.request(&short);
    let sms = world.until(secs(10));
    assert!(world.answer(sms.attempt(), retry_after(503, 200)).attempts.is_empty());
    assert!(world.restart().nothing(), "pager is cut off, and tried no more");
    assert_eq!(
        world.until(secs(40)).attempts.len(),
        2,
        "sms has had its 30 s: noc's turn"
    );
}

#[test]
fn a_second_restart_waits_anew_and_loses_nothing() {
    let mut world = World::with_tolerance(Some(PromDuration::ZERO));
    world.request(&request(&["pager", "sms"]));
    assert!(world.restart().nothing());
    assert!(world.restart().nothing());
    let again = world.until(secs(30));
    assert_eq!(again.sends(), [("pager".into(), 0, 2)]);
    let failed = world.answer(again.attempt(), status(404));
    assert_eq!(failed.sends(), [("sms".into(), 0, 1)]);
    assert!(
        failed
            .kinds()
            .iter()
            .all(|kind| *kind != "notification.possible_duplicate"),
        "sms was never tried"
    );
}

#[test]
fn what_waited_goes_on_where_it_stood() {
    let mut world = World::new();
    let first = world.request(&request(&["pager"]));
    world.answer(first.attempt(), status(503));
    assert!(world.restart().nothing(), "a backoff is not cut short");
    let again = world.until(secs(2));
    assert_eq!(again.sends(), [("pager".into(), 0, 2)]);
    assert!(again.kinds().is_empty(), "the first one's fate is known");
}

#[test]
fn a_restore_after_it_was_given_up_fails_it_and_keeps_the_doubt() {
    let mut world = World::new();
    let short = NotificationRequest {
        give_up_at: secs(10),
        ..request(&["pager"])
    };
    world.request(&short);
    world.until(secs(20));
    let did = world.restart();
    assert_eq!(did.outcome(), (OutcomeKind::Failed, vec![]));
    let run = world.request(&NotificationRequest {
        give_up_at: secs(100),
        ..short
    });
    assert_eq!(run.kinds(), ["notification.possible_duplicate"]);
}

#[test]
fn only_what_was_in_flight_is_in_doubt() {
    let mut world = World::new();
    let first = world.request(&request(&["pager", "noc"]));
    let both = world.answer(first.attempt(), status(400));
    world.answer(&both.attempts[0], status(503));
    let did = world.restart();
    assert_eq!(did.sends(), [("noc".into(), 1, 2)]);
    assert_eq!(did.kinds(), ["notification.possible_duplicate"]);
}
