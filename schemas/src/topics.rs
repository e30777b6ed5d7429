//! The topics: names, how they are cleaned, how many partitions they have. Names here are bare; a deployment may put a
//! prefix in front.

/// Partitioned by group id.
pub const ALERTS: &str = "alerts";
/// Partitioned by group id.
pub const INCIDENTS: &str = "incidents";
/// Partitioned by group id.
pub const NOTIFICATIONS: &str = "notifications";
/// The users' own topic.
pub const ALERT_EVENTS: &str = "alert-events";
/// Correlate's state.
pub const CORRELATE_CHANGELOG: &str = "correlate-changelog";
/// Route's state.
pub const ROUTE_CHANGELOG: &str = "route-changelog";
/// Notify's state.
pub const NOTIFY_CHANGELOG: &str = "notify-changelog";
/// Table: config versions, history kept.
pub const CONFIG: &str = "config";
/// Table: silences.
pub const SILENCES: &str = "silences";
/// Table: who is alive.
pub const INSTANCES: &str = "instances";
/// What changed and why.
pub const JOURNAL: &str = "journal";
/// What could not be applied.
pub const DEAD_LETTERS: &str = "dead-letters";
/// One record: what the topics were made for.
pub const LAYOUT: &str = "layout";

/// Partitions of the group-keyed topics where nobody says otherwise: as many lanes as a stage of most systems will ever
/// run. More are not free on Kafka, where a transaction's cost is that of the partitions it touches, one after another.
pub const DEFAULT_PARTITIONS: u32 = 8;
/// Partitions of the journal: every lane touches all of them in nearly every transaction.
pub const JOURNAL_PARTITIONS: u32 = 1;

/// How a topic is kept small.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cleanup {
    /// By age: hours.
    Delete {
        /// Kept this long.
        hours: u32,
    },
    /// The newest value of each key.
    Compact,
}

/// How many partitions a topic has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Partitions {
    /// As many as the group-keyed topics have.
    PerGroup,
    /// A fixed number.
    Fixed(u32),
}

/// One topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopicSpec {
    /// Its bare name.
    pub name: &'static str,
    /// How many partitions.
    pub partitions: Partitions,
    /// How it is kept small.
    pub cleanup: Cleanup,
}

const fn grouped(name: &'static str, hours: u32) -> TopicSpec {
    TopicSpec {
        name,
        partitions: Partitions::PerGroup,
        cleanup: Cleanup::Delete { hours },
    }
}

const fn changelog(name: &'static str) -> TopicSpec {
    TopicSpec {
        name,
        partitions: Partitions::PerGroup,
        cleanup: Cleanup::Compact,
    }
}

const fn table(name: &'static str) -> TopicSpec {
    TopicSpec {
        name,
        partitions: Partitions::Fixed(1),
        cleanup: Cleanup::Compact,
    }
}

/// Every topic there is.
pub const TOPICS: [TopicSpec; 13] = [
    grouped(ALERTS, 24),
    grouped(INCIDENTS, 7 * 24),
    grouped(NOTIFICATIONS, 7 * 24),
    grouped(ALERT_EVENTS, 7 * 24),
    changelog(CORRELATE_CHANGELOG),
    changelog(ROUTE_CHANGELOG),
    changelog(NOTIFY_CHANGELOG),
    table(CONFIG),
    table(SILENCES),
    table(INSTANCES),
    table(LAYOUT),
    TopicSpec {
        name: JOURNAL,
        partitions: Partitions::Fixed(JOURNAL_PARTITIONS),
        cleanup: Cleanup::Delete { hours: 30 * 24 },
    },
    TopicSpec {
        name: DEAD_LETTERS,
        partitions: Partitions::Fixed(1),
        cleanup: Cleanup::Delete { hours: 14 * 24 },
    },
];

/// The topic of that bare name.
pub fn spec(name: &str) -> Option<&'static TopicSpec> {
    TOPICS.iter().find(|spec| spec.name == name)
}
