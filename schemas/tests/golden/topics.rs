//! Which records each topic carries: all of them have a schema, and no schema is left over.

use std::collections::BTreeSet;

use schemas::RECORDS;
use schemas::topics::{
    ALERT_EVENTS, ALERTS, CONFIG, CORRELATE_CHANGELOG, DEAD_LETTERS, INCIDENTS, INSTANCES, JOURNAL, LAYOUT,
    NOTIFICATIONS, NOTIFY_CHANGELOG, ROUTE_CHANGELOG, SILENCES, TOPICS,
};

#[test]
fn every_topics_records_have_a_schema() {
    let rows: &[(&str, &[&str])] = &[
        (ALERTS, &["AlertUpdate", "FlushSettled", "Look"]),
        (
            INCIDENTS,
            &["Flush", "GroupQuiet", "GroupFiring", "GroupMoved", "Outcome", "Command"],
        ),
        (NOTIFICATIONS, &["NotificationRequest", "GenerationRaised"]),
        (ALERT_EVENTS, &["AlertEvent"]),
        (CORRELATE_CHANGELOG, &["CorrelateGroup", "CorrelateAlert"]),
        (
            ROUTE_CHANGELOG,
            &[
                "RouteIncident",
                "RouteLadder",
                "RouteSlot",
                "FlushAlert",
                "RouteCommand",
                "Flush",
                "RouteMute",
            ],
        ),
        (
            NOTIFY_CHANGELOG,
            &[
                "NotifyRun",
                "NotifyProgress",
                "NotifyAlerts",
                "NotifyDoubt",
                "NotifyTally",
                "NotificationRequest",
            ],
        ),
        (CONFIG, &["ConfigVersion"]),
        (SILENCES, &["SilenceRecord"]),
        (INSTANCES, &["Instance"]),
        (JOURNAL, &["JournalEntry"]),
        (DEAD_LETTERS, &["DeadLetter"]),
        // no record of this crate: a process compares the layout before it reads anything else
        (LAYOUT, &[]),
    ];
    let listed: BTreeSet<&str> = rows.iter().map(|(topic, _)| *topic).collect();
    let all: BTreeSet<&str> = TOPICS.iter().map(|spec| spec.name).collect();
    assert_eq!(listed, all, "topics");
    let carried: BTreeSet<&str> = rows.iter().flat_map(|(_, records)| records.iter().copied()).collect();
    let registered: BTreeSet<&str> = RECORDS.iter().map(|row| row.name).collect();
    assert_eq!(carried, registered, "records");
}
