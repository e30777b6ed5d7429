//! Notify's state records, as they stand in `notify-changelog`. A request that is under way is one [`NotifyRun`], and
//! [`NotifyAlerts`] for each of its parts whose alerts that does not hold; with its outcome all of them go.

use std::collections::BTreeMap;

use alert::Timestamp;
use serde::{Deserialize, Serialize};

use crate::incidents::FlushAlert;
use crate::notifications::NotificationRequest;

/// Where a partition keeps its tally.
pub mod notify_keys {
    /// What stands in the place of a group's hash: the last there can be.
    pub const TALLY_OF: [u8; 16] = [0xFF; 16];
    /// The kind byte of a [`NotifyTally`](super::NotifyTally).
    pub const TALLY: u8 = 5;
}

/// What a partition counted since its topics were made: state, so that no crash loses a count and none is made twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct NotifyTally {
    /// How many `notification.possible_duplicate` records it wrote into the journal.
    pub possible_duplicates: i64,
}

/// The alerts of one part of a request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NotifyAlerts {
    /// In the order in which the message shows them.
    pub alerts: Vec<FlushAlert>,
}

/// How far one integration of one link is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum NotifyLegState {
    /// To be tried at `at`.
    Waiting,
    /// An attempt is out; it ends before `at`.
    InFlight,
    /// It took the message.
    Accepted,
    /// It will not be tried again.
    Failed,
}

/// One integration that a request goes to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotifyLeg {
    /// Which link it belongs to, from 0.
    pub link: i32,
    /// The link's receiver.
    pub receiver: String,
    /// The integration's kind.
    pub integration: String,
    /// Its place among the receiver's integrations of that kind.
    pub index: i32,
    /// How far it is.
    pub state: NotifyLegState,
    /// What the state is about: when it is tried, or the deadline of its attempt.
    pub at: Timestamp,
    /// How many attempts were made.
    pub attempts: i32,
    /// Nobody knows whether an earlier attempt arrived: each further one may be a duplicate.
    pub doubt: bool,
}

/// A request that is under way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NotifyRun {
    /// The request, without its alerts.
    pub request: NotificationRequest,
    /// How far it is.
    pub progress: NotifyProgress,
    /// The alerts of its first part, as a [`NotifyAlerts`]: they are read only where it is sent once more. Empty where they
    /// are many; then they have a record of their own, which is not written again with each step.
    #[serde(with = "serde_bytes")]
    pub alerts: Vec<u8>,
}

/// How far a request is. By itself only in what earlier releases left: beside it stand the
/// [`NotificationRequest`] without alerts and [`NotifyAlerts`] for each part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotifyProgress {
    /// The group it is about.
    pub group_id: String,
    /// The inbox offset of its first part; tells apart two runs of one sequence number.
    pub run: i64,
    /// How many of its parts are here.
    pub parts: i32,
    /// How many links have been started.
    pub links: i32,
    /// When the newest link was started.
    pub link_started: Timestamp,
    /// Everything it went to so far.
    pub legs: Vec<NotifyLeg>,
    /// Why it is not wanted any more; what is out is waited for.
    pub void: Option<String>,
    /// The table versions that voided it.
    pub void_tables: BTreeMap<String, i64>,
}

/// What remains of a request that ended undelivered while nobody knows whether an attempt arrived: when it is asked for
/// again under the same sequence number, its attempts may be duplicates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotifyDoubt {
    /// The request's sequence number.
    pub sequence: i64,
    /// The integrations in doubt, as `receiver/integration/index`.
    pub legs: Vec<String>,
}
