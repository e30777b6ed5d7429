//! An incident's life: quiet, firing again, what a settled flush takes away, and its end.

use alert::{LabelSet, compare_for_notification};
use schemas::{Flush, MAX_RECORD_BYTES, decode, encode};

use crate::world::{EMPTY, ONE_GROUP, Post, ROOT, Step, World, hold, resolve, settle, timeline};

#[test]
fn quiet_and_firing_are_said_at_once_and_only_at_the_edges() {
    timeline(
        ONE_GROUP,
        &[
            (0, hold("A"), &["0 incident.opened", "0 alert.opened A"]),
            (1, hold("B"), &["1 alert.opened B"]),
            (30, Step::Nothing, &["30 flush 1: +A +B"]),
            (31, settle(1), &[]),
            (40, resolve("A"), &["40 alert.resolved A"]),
            (50, resolve("B"), &["50 alert.resolved B", "50 quiet"]),
            (60, hold("A"), &["60 alert.opened A", "60 firing"]),
            (70, hold("C"), &["70 alert.opened C"]),
            (330, Step::Nothing, &["330 flush 2: +A -B +C"]),
            (331, settle(2), &[]),
        ],
    );
}

#[test]
fn a_settled_flush_takes_the_resolved_out_and_the_last_one_closes() {
    timeline(
        ONE_GROUP,
        &[
            (0, hold("A"), &["0 incident.opened", "0 alert.opened A"]),
            (1, hold("B"), &["1 alert.opened B"]),
            (40, resolve("A"), &["30 flush 1: +A +B", "40 alert.resolved A"]),
            // of the flush before the resolve: A has not been told as resolved yet
            (41, settle(1), &[]),
            (330, Step::Nothing, &["330 flush 2: -A +B"]),
            (331, settle(2), &[]),
            (340, resolve("B"), &["340 alert.resolved B", "340 quiet"]),
            (630, Step::Nothing, &["630 flush 3: -B"]),
            (631, settle(3), &["631 incident.resolved"]),
            (632, settle(3), &[]),
            (633, Step::Look(ROOT, 640), &[]),
            (2_000, Step::Nothing, &[]),
        ],
    );
}

#[test]
fn what_changed_since_the_flush_stays() {
    let changed = Step::Post(Post {
        alert: "A",
        starts: Some(-335),
        ends: -290,
        text: "other",
        ..EMPTY
    });
    timeline(
        ONE_GROUP,
        &[
            (0, hold("A"), &["0 incident.opened", "0 alert.opened A"]),
            (40, resolve("A"), &["30 flush 1: +A", "40 alert.resolved A", "40 quiet"]),
            (335, changed, &["330 flush 2: -A", "335 alert.changed A"]),
            (336, settle(2), &[]),
            (630, Step::Nothing, &["630 flush 3: -A"]),
            (631, settle(3), &["631 incident.resolved"]),
        ],
    );
}

#[test]
fn with_keep_the_resolved_stay_until_a_flush_settles_without_it() {
    timeline(
        ONE_GROUP,
        &[
            (0, hold("A"), &["0 incident.opened", "0 alert.opened A"]),
            (40, resolve("A"), &["30 flush 1: +A", "40 alert.resolved A", "40 quiet"]),
            (330, Step::Nothing, &["330 flush 2: -A"]),
            (335, Step::Settle(ROOT, 2, true, Some(630)), &[]),
            (630, Step::Nothing, &["630 flush 3: -A"]),
            (640, settle(3), &["640 incident.resolved"]),
        ],
    );
}

#[test]
fn with_keep_they_stay_no_longer_than_log_entries_live() {
    let config = "route: {receiver: r, group_interval: 5m, repeat_interval: 5m}\nreceivers: [{name: r}]\n";
    timeline(
        config,
        &[
            (0, hold("A"), &["0 incident.opened", "0 alert.opened A"]),
            (40, resolve("A"), &["30 flush 1: +A", "40 alert.resolved A", "40 quiet"]),
            (335, Step::Settle(ROOT, 2, true, Some(630)), &["330 flush 2: -A"]),
            // resolved at 40, twice the repeat interval is 600
            (639, Step::Settle(ROOT, 3, true, Some(645)), &["630 flush 3: -A"]),
            (
                646,
                Step::Settle(ROOT, 4, true, Some(900)),
                &["645 flush 4: -A", "646 incident.resolved"],
            ),
        ],
    );
}

#[test]
fn an_incident_ends_only_with_the_answer_to_its_newest_flush() {
    timeline(
        ONE_GROUP,
        &[
            (0, hold("A"), &["0 incident.opened", "0 alert.opened A"]),
            (40, resolve("A"), &["30 flush 1: +A", "40 alert.resolved A", "40 quiet"]),
            (331, Step::Look(ROOT, 331), &["330 flush 2: -A", "331 flush 3: -A"]),
            (340, settle(2), &[]),
            // nothing is left, and nothing is flushed
            (341, Step::Look(ROOT, 341), &[]),
            (350, settle(3), &["350 incident.resolved"]),
            // an answer to a flush of an incident that is over
            (360, hold("B"), &["360 incident.opened", "360 alert.opened B"]),
            (361, resolve("B"), &["361 alert.resolved B", "361 quiet"]),
            (362, settle(3), &[]),
            (390, Step::Nothing, &["390 flush 1: -B"]),
        ],
    );
}

#[test]
fn answers_and_looks_for_groups_nobody_knows_are_no_trouble() {
    timeline(
        ONE_GROUP,
        &[
            (0, Step::Settle("{}/{gone=\"x\"}:{}", 7, false, Some(1)), &[]),
            (1, Step::Look("{}/{gone=\"x\"}:{}", 1), &[]),
        ],
    );
}

#[test]
fn a_flush_is_sorted_as_notifications_show_it_and_comes_in_parts() {
    let mut world = World::new(ONE_GROUP);
    let long = "x".repeat(4_000);
    let post = Post {
        alert: "A job=a",
        ..EMPTY
    };
    for n in 0..600 {
        let (group, template) = world.updates(&post).remove(0);
        let mut update = template;
        update.body.labels = LabelSet::from([("instance", format!("{:03}", (n * 7) % 600))]);
        update.body.annotations = LabelSet::from([("text", &long)]);
        update.fingerprint = update.body.labels.clone().fingerprint();
        world.driver.record(&group, encode(&update).unwrap());
    }
    world.until(30);
    let sent = world.driver.sent("incidents");
    let parts: Vec<Flush> = sent
        .iter()
        .map(|(_, output)| decode(output.value.as_deref().unwrap()).unwrap())
        .collect();
    assert!(parts.len() > 2, "{}", parts.len());
    assert!(
        sent.iter()
            .all(|(_, output)| output.value.as_deref().unwrap().len() <= MAX_RECORD_BYTES)
    );
    let count = i32::try_from(parts.len()).unwrap();
    for (n, part) in (0..).zip(&parts) {
        assert_eq!((part.flush, part.part, part.parts), (1, n, count));
    }
    let labels: Vec<LabelSet> = parts
        .into_iter()
        .flat_map(|part| part.alerts)
        .map(|alert| alert.body.labels)
        .collect();
    assert_eq!(labels.len(), 600);
    assert!(labels.is_sorted_by(|a, b| compare_for_notification(a, b).is_lt()));
}
