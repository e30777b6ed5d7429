//! Route's state records, as they stand in `route-changelog`. The console reads them too, so each says in itself what a
//! reader needs: nothing has to be computed from the config.
//!
//! | kind of key | after the kind | record |
//! |---|---|---|
//! | [`route_keys::INCIDENT`] | nothing | [`RouteIncident`] |
//! | [`route_keys::LADDER`] | nothing | [`RouteLadder`] |
//! | [`route_keys::SLOT`] | `receiver/integration/index` | [`RouteSlot`] |
//! | [`route_keys::ALERT`] | the fingerprint, 8 bytes big endian | `FlushAlert`: the newest flush |
//! | [`route_keys::COMMAND`] | hash of the command's id | [`RouteCommand`] |
//! | [`route_keys::PART`] | the part, 4 bytes big endian | `Flush`: a part of a flush that is not whole yet |
//! | [`route_keys::MUTE`] | hash of the silence's id, then the group's hash | [`RouteMute`] |

use std::collections::BTreeMap;

use alert::{GroupId, LabelSet, Timestamp};
use serde::{Deserialize, Serialize};

use crate::notifications::{Link, RequestKind};

/// The kinds of route's state keys and timers.
pub mod route_keys {
    /// The group's incident.
    pub const INCIDENT: u8 = 1;
    /// The incident's ladder, as its policy was when it started.
    pub const LADDER: u8 = 2;
    /// What was said to one integration, and what is being said.
    pub const SLOT: u8 = 3;
    /// One alert of the newest flush.
    pub const ALERT: u8 = 4;
    /// One command that was answered.
    pub const COMMAND: u8 = 5;
    /// One part of a flush that is not whole yet.
    pub const PART: u8 = 6;
    /// One silence mutes something of one group.
    pub const MUTE: u8 = 7;
    /// Stands for the group in the keys of [`MUTE`], so that these lie together, ordered by silence.
    pub const MUTES: [u8; 16] = [0xFF; 16];

    /// Of an incident: the ladder's next rung is due.
    pub const TIMER_RUNG: u8 = 1;
    /// Of an incident that ended: it is forgotten.
    pub const TIMER_FORGET: u8 = 2;
    /// Of a slot: its log entry expires.
    pub const TIMER_EXPIRE: u8 = 3;
    /// Of a slot: are the tables that voided its request here by now?
    pub const TIMER_RECHECK: u8 = 4;
    /// Of an incident: its group is to be looked at again though nothing changed.
    pub const TIMER_LOOK: u8 = 5;
}

/// Where an incident stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum IncidentStatus {
    /// It fires and nobody has it.
    Firing,
    /// Somebody has it.
    Acknowledged,
    /// Nothing fires just now; the next flush says so.
    Quiet,
    /// It is over.
    Resolved,
    /// A new config took its alerts elsewhere.
    Moved,
}

/// How far a ladder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum LadderPhase {
    /// The next rung has a time.
    Climbing,
    /// Acknowledged, quiet, muted or moved: it goes on from here.
    Held,
    /// The last resort is being told.
    LastResort,
    /// The last resort was tried: the end.
    Exhausted,
}

/// A ladder's next rung.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LadderPosition {
    /// How far it is.
    pub phase: LadderPhase,
    /// The next rung's round, from 0.
    pub round: i32,
    /// The next rung's step, from 0.
    pub step: i32,
    /// The next rung is the last resort, whatever `round` and `step` say.
    pub last_resort: bool,
    /// When it is due, while climbing.
    pub due: Option<Timestamp>,
    /// What was left of the gap when it was held, in milliseconds.
    pub remaining_ms: Option<i64>,
    /// Since when it climbs without a pause.
    pub since: Timestamp,
    /// When the rung before fired.
    pub fired_at: Option<Timestamp>,
    /// Somebody accepted the last resort.
    pub last_resort_heard: bool,
}

/// A group's incident.
#[allow(
    clippy::struct_excessive_bools,
    reason = "independent facts, each of which a reader shows by itself"
)]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteIncident {
    /// The group's id, in full.
    pub group: String,
    /// The group's labels.
    pub group_labels: LabelSet,
    /// The route's id.
    pub route: String,
    /// The route's receiver; empty where the config has no such route any more.
    pub receiver: String,
    /// The incident.
    pub incident_id: String,
    /// When it opened.
    pub opened_at: Timestamp,
    /// Where it stands.
    pub status: IncidentStatus,
    /// Raised by people's commands, a resolve, a reopening and a move.
    pub generation: i64,
    /// Who has it.
    pub acknowledged_by: Option<String>,
    /// Since when.
    pub acknowledged_at: Option<Timestamp>,
    /// Nothing fires just now.
    pub quiet: bool,
    /// Everything that fires is muted.
    pub muted: bool,
    /// The owner; none where it is nobody's.
    pub team: Option<String>,
    /// The highest severity of its alerts, as the label's value.
    pub severity: Option<String>,
    /// The policy it started under.
    pub policy: Option<String>,
    /// That policy's config version.
    pub policy_version: Option<i64>,
    /// The ladder, where there is a policy and it has started.
    pub ladder: Option<LadderPosition>,
    /// The newest flush.
    pub flush: i64,
    /// Its tick.
    pub tick: Timestamp,
    /// It is settled.
    pub settled: bool,
    /// A request of it failed.
    pub failed: bool,
    /// A request of it was void.
    pub voided: bool,
    /// Hash of what it showed: who fires, who is resolved, who is muted.
    pub content: i64,
    /// How many of its alerts fire.
    pub firing: i32,
    /// How many of those are muted.
    pub firing_muted: i32,
    /// The silences that mute any of its alerts.
    pub muted_by: Vec<String>,
    /// When the first of its muted alerts is muted no more.
    pub muted_until: Option<Timestamp>,
    /// When the group is to be looked at again though nothing changed.
    pub again_at: Option<Timestamp>,
    /// When an incident that ended is forgotten.
    pub forget_at: Option<Timestamp>,
    /// Whether route and labels give `group`; as stored it is empty then.
    #[serde(default)]
    pub group_derived: bool,
    /// Correlate is told when the newest flush is settled: it carries alerts that are resolved, and leave with it.
    #[serde(default = "owed")]
    pub answer_owed: bool,
}

/// What a record says that was written before this was asked: every flush was answered.
const fn owed() -> bool {
    true
}

impl RouteIncident {
    /// The incident as it is stored: without the group's id where its route and labels give it, as they do for every group
    /// that the routing tree makes. It would be a third of the record.
    #[must_use]
    pub fn shortened(mut self) -> Self {
        if self.group_derived {
            debug_assert_eq!(self.group, self.derived_group(), "route and labels stay what they were");
        } else {
            self.group_derived = self.group == self.derived_group();
        }
        if self.group_derived {
            self.group.clear();
        }
        self
    }

    /// The incident as it was before [`RouteIncident::shortened`].
    #[must_use]
    pub fn whole(mut self) -> Self {
        if self.group_derived {
            self.group = self.derived_group();
        }
        self
    }

    fn derived_group(&self) -> String {
        GroupId::of_route(&self.route, &self.group_labels).0
    }
}

/// One step of a ladder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LadderStep {
    /// Receivers, by name.
    pub notify: Vec<String>,
    /// From this step's start to the next rung's, in milliseconds.
    pub escalate_after_ms: i64,
}

/// One integration of a receiver of a ladder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LadderIntegration {
    /// Its kind.
    pub integration: String,
    /// Its place among the receiver's integrations of that kind.
    pub index: i32,
    /// Whether it is told when alerts resolve.
    pub send_resolved: bool,
}

/// One receiver of a ladder, as it was when the ladder started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LadderReceiver {
    /// Its name.
    pub receiver: String,
    /// Its integrations.
    pub integrations: Vec<LadderIntegration>,
    /// Whom to try, in order.
    pub chain: Vec<Link>,
}

/// A ladder as its policy was when the incident started: an incident keeps its policy, whatever is edited meanwhile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteLadder {
    /// The incident.
    pub incident_id: String,
    /// The policy's name.
    pub policy: String,
    /// The config version it is from.
    pub version: i64,
    /// Its steps.
    pub steps: Vec<LadderStep>,
    /// Extra rounds.
    pub repeat_times: i32,
    /// Receivers of the last resort.
    pub last_resort: Vec<String>,
    /// Every receiver that the above names, each once.
    pub receivers: Vec<LadderReceiver>,
    /// The route's `repeat_interval` then, in milliseconds: log entries live by it.
    pub repeat_interval_ms: i64,
}

/// A log entry: what an integration was told last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogEntry {
    /// Fingerprints it was told of as firing, ascending by their unsigned value.
    pub firing: Vec<i64>,
    /// Fingerprints it was told of as resolved, likewise.
    pub resolved: Vec<i64>,
    /// When it was told.
    pub timestamp: Timestamp,
    /// The links of its chain that accepted any of what fires, in the order they did.
    pub heard: Vec<String>,
    /// When the entry is dropped.
    pub expires_at: Timestamp,
}

/// The request an integration is being told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotRequest {
    /// Its sequence number.
    pub sequence: i64,
    /// Why it was made.
    pub kind: RequestKind,
    /// The flush it was decided at.
    pub flush: i64,
    /// For the ladder: the round.
    pub round: Option<i32>,
    /// For the ladder: the step.
    pub step: Option<i32>,
    /// When it was made.
    pub requested_at: Timestamp,
    /// When it has failed at the latest.
    pub give_up_at: Timestamp,
    /// The generation it was made under.
    pub generation: i64,
    /// For a reminder: the acknowledgement it is about.
    pub acknowledged_at: Option<Timestamp>,
    /// Fingerprints that fire, of all that was not muted.
    pub firing: Vec<i64>,
    /// Fingerprints that are resolved, likewise.
    pub resolved: Vec<i64>,
    /// Hash of its content.
    pub content: i64,
    /// How long the log entry lives once it is delivered, in milliseconds.
    pub lifetime_ms: i64,
}

/// The request that failed last, if nothing was delivered since.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotFailure {
    /// Hash of its content.
    pub content: i64,
    /// Its sequence number.
    pub sequence: i64,
}

/// A rung that waits for its slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueuedRung {
    /// Its round.
    pub round: i32,
    /// Its step.
    pub step: i32,
    /// It is the last resort.
    pub last_resort: bool,
}

/// What one integration of one receiver was told of the group, and what it is being told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteSlot {
    /// The receiver.
    pub receiver: String,
    /// The integration's kind.
    pub integration: String,
    /// Its place among the receiver's integrations of that kind.
    pub index: i32,
    /// The sequence number of the newest request.
    pub sequence: i64,
    /// The newest flush is still to be judged for it.
    pub waits: bool,
    /// What it was told last.
    pub entry: Option<LogEntry>,
    /// What it is being told.
    pub pending: Option<SlotRequest>,
    /// What it could not be told.
    pub failed: Option<SlotFailure>,
    /// A rung that waits.
    pub queued: Option<QueuedRung>,
    /// The ladder told it.
    pub told_by_ladder: bool,
    /// The acknowledgement, by its time, that it had the one word after.
    pub reminded: Option<Timestamp>,
    /// A void request asks for a look once these table versions are here.
    pub void_tables: Option<BTreeMap<String, i64>>,
    /// When that is looked at again.
    pub recheck_at: Option<Timestamp>,
}

/// A command that was answered; a repeated one gets the same answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteCommand {
    /// The command's id.
    pub id: String,
    /// The journal entry's kind.
    pub kind: String,
    /// The journal entry's reason.
    pub reason: String,
    /// The journal entry's fields.
    pub fields: BTreeMap<String, String>,
}

/// One silence mutes something of one group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteMute {
    /// The silence.
    pub silence: String,
    /// The group's id.
    pub group: String,
    /// The silence's end, as far as it was taken into account.
    pub ends_at: Timestamp,
}
