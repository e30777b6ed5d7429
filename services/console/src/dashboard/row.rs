//! A group and its incident as one row of a list.

use std::cmp::Reverse;
use std::sync::Arc;

use alert::{LabelSet, Timestamp};
use policy::{Team, severity_rank, team_of};
use schemas::{AlertPhase, CorrelateAlert, IncidentStatus, LadderPhase as Phase, LadderPosition, RouteIncident};
use serde::Serialize;

use crate::view::{Held, Version, View};

/// How many of an incident's alerts are asked for the name they share.
const NAMED_BY: usize = 3;
/// What an alert's annotations say of it in one line, best first.
const SUMMARIES: [&str; 3] = ["summary", "message", "description"];

/// Where a row stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    Waiting,
    Firing,
    Acknowledged,
    Quiet,
    Resolved,
    Moved,
}

impl State {
    const fn of(status: IncidentStatus) -> Self {
        match status {
            IncidentStatus::Firing => Self::Firing,
            IncidentStatus::Acknowledged => Self::Acknowledged,
            IncidentStatus::Quiet => Self::Quiet,
            IncidentStatus::Resolved => Self::Resolved,
            IncidentStatus::Moved => Self::Moved,
        }
    }

    /// As people type it.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Firing => "firing",
            Self::Acknowledged => "acknowledged",
            Self::Quiet => "quiet",
            Self::Resolved => "resolved",
            Self::Moved => "moved",
        }
    }

    /// Whether it is over.
    pub(super) const fn is_over(self) -> bool {
        matches!(self, Self::Resolved | Self::Moved)
    }

    /// Its place in the columns.
    pub(super) const fn place(self) -> u8 {
        match self {
            Self::Waiting => 0,
            Self::Firing => 1,
            Self::Acknowledged => 2,
            Self::Quiet => 3,
            Self::Resolved => 4,
            Self::Moved => 5,
        }
    }
}

/// What a ladder does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "lowercase")]
pub(super) enum LadderPhase {
    Climbing,
    Held,
    #[serde(rename = "last resort")]
    LastResort,
    Exhausted,
}

/// Where an incident's ladder stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub(super) struct Ladder {
    phase: LadderPhase,
    /// From 0.
    round: i32,
    /// From 0: the rung that fires next.
    step: i32,
    /// What fires next is the last resort.
    last_resort: bool,
    /// When it fires; null while held or over.
    pub(super) due: Option<i64>,
    /// What is left of the wait while it is held.
    remaining_ms: Option<i64>,
    /// When the rung before fired.
    fired_at: Option<i64>,
}

impl Ladder {
    fn of(at: &LadderPosition) -> Self {
        let phase = match at.phase {
            Phase::Climbing => LadderPhase::Climbing,
            Phase::Held => LadderPhase::Held,
            Phase::LastResort => LadderPhase::LastResort,
            Phase::Exhausted => LadderPhase::Exhausted,
        };
        Self {
            phase,
            round: at.round,
            step: at.step,
            last_resort: at.last_resort,
            due: at.due.filter(|_| phase == LadderPhase::Climbing).map(Timestamp::millis),
            remaining_ms: at.remaining_ms,
            fired_at: at.fired_at.map(Timestamp::millis),
        }
    }
}

/// One group of alerts and its incident: a row of every list. Its key is `group`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub(super) struct Row {
    /// Hash of the group: the row's key, for ever.
    pub(super) group: String,
    /// The incident; empty while the group still waits for its first flush (`state` is "waiting").
    pub(super) id: String,
    pub(super) state: State,
    /// What a command must name, so that two people cannot undo each other unseen.
    pub(super) generation: i64,
    /// Firing, not muted, not acknowledged, and its receiver has an integration or a policy.
    pub(super) needs_human: bool,
    pub(super) muted: bool,
    /// Ids of silences.
    pub(super) muted_by: Vec<String>,
    pub(super) muted_until: Option<i64>,
    /// What to call it: the alert name, where all alerts have one.
    pub(super) name: String,
    /// An alert's summary (or description); may be empty.
    pub(super) summary: String,
    /// The group's labels.
    #[cfg_attr(test, ts(as = "std::collections::BTreeMap<String, String>"))]
    pub(super) labels: LabelSet,
    pub(super) team: Option<String>,
    pub(super) severity: Option<String>,
    /// 0 is the worst.
    pub(super) severity_rank: u32,
    pub(super) receiver: String,
    pub(super) policy: Option<String>,
    pub(super) opened_at: i64,
    /// Alerts that fire.
    pub(super) firing: i64,
    /// How many of those are muted.
    pub(super) firing_muted: i32,
    pub(super) acknowledged_by: Option<String>,
    pub(super) acknowledged_at: Option<i64>,
    pub(super) ladder: Option<Ladder>,
}

/// What a row is made by: one config for all rows of an answer.
#[derive(Debug)]
pub(super) struct Rows {
    config: Option<Arc<Version>>,
}

impl Rows {
    pub(super) fn of(view: &View) -> Self {
        Self { config: view.config() }
    }

    /// The row of a group, without what only its alerts say: `name` and `summary`. None where nothing of it is shown.
    pub(super) fn bare(&self, held: &Held<'_>) -> Option<Row> {
        match held.incident() {
            Some(incident) => Some(self.of_incident(held, incident)),
            None => self.waiting(held),
        }
    }

    /// The row of a group, whole.
    pub(super) fn whole(&self, held: &Held<'_>) -> Option<Row> {
        let mut row = self.bare(held)?;
        complete(&mut row, held);
        Some(row)
    }

    fn of_incident(&self, held: &Held<'_>, incident: RouteIncident) -> Row {
        let state = State::of(incident.status);
        let anybody = incident.policy.is_some() || self.tells_anybody(&incident.receiver);
        let labels = incident.group_labels;
        Row {
            group: held.hash().to_string(),
            id: incident.incident_id,
            state,
            generation: incident.generation,
            needs_human: state == State::Firing && !incident.muted && anybody,
            muted: incident.muted,
            muted_by: incident.muted_by,
            muted_until: incident.muted_until.map(Timestamp::millis),
            name: String::new(),
            summary: String::new(),
            team: incident.team,
            severity_rank: self.rank(incident.severity.as_deref()),
            severity: incident.severity,
            receiver: incident.receiver,
            policy: incident.policy,
            opened_at: incident.opened_at.millis(),
            firing: i64::from(incident.firing),
            firing_muted: incident.firing_muted,
            acknowledged_by: incident.acknowledged_by,
            acknowledged_at: incident.acknowledged_at.map(Timestamp::millis),
            ladder: incident.ladder.as_ref().map(Ladder::of),
            labels,
        }
    }

    /// A group that correlate knows and route does not yet: its first flush is still to come.
    fn waiting(&self, held: &Held<'_>) -> Option<Row> {
        let group = held.correlate_group()?;
        let config = self.config.as_ref().map(|version| &version.config);
        let receiver = config
            .and_then(|config| config.route(&group.route))
            .map(|route| route.receiver.clone())
            .unwrap_or_default();
        let labels = group.group_labels;
        let team = config.map(|config| team_of(config, &receiver, &labels));
        Some(Row {
            group: held.hash().to_string(),
            id: String::new(),
            state: State::Waiting,
            generation: 0,
            needs_human: false,
            muted: false,
            muted_by: Vec::new(),
            muted_until: None,
            name: String::new(),
            summary: String::new(),
            team: team.and_then(|team| match team {
                Team::Named(name) => Some(name),
                Team::Unowned => None,
            }),
            severity_rank: config.map_or(u32::MAX, |config| severity_rank(config, &labels)),
            severity: None,
            receiver,
            policy: None,
            opened_at: group.opened_at.millis(),
            firing: group.firing,
            firing_muted: 0,
            acknowledged_by: None,
            acknowledged_at: None,
            ladder: None,
            labels,
        })
    }

    /// Whether anything is ever sent to a receiver.
    fn tells_anybody(&self, receiver: &str) -> bool {
        let config = self.config.as_ref().map(|version| &version.config);
        config
            .and_then(|config| config.receiver(receiver))
            .is_some_and(|receiver| !receiver.integrations.is_empty())
    }

    fn rank(&self, severity: Option<&str>) -> u32 {
        let Some(version) = &self.config else { return u32::MAX };
        let label = version
            .config
            .escalation
            .as_ref()
            .map(|escalation| escalation.severity.label.as_str());
        let labels = LabelSet::from([(label.unwrap_or("severity"), severity.unwrap_or_default())]);
        severity_rank(&version.config, &labels)
    }
}

/// Adds what only the alerts say.
pub(super) fn complete(row: &mut Row, held: &Held<'_>) {
    let alerts: Vec<CorrelateAlert> = held
        .alerts()
        .map(|(_, alert)| alert)
        .filter(|alert| alert.phase != AlertPhase::Settled)
        .take(NAMED_BY)
        .collect();
    let name_of = |alert: &CorrelateAlert| alert.body.labels.get("alertname").map(str::to_owned);
    let shared = || {
        let first = alerts.first().and_then(name_of)?;
        alerts
            .iter()
            .all(|alert| name_of(alert).as_ref() == Some(&first))
            .then_some(first)
    };
    let labels = || {
        let texts: Vec<_> = row
            .labels
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        texts.join(" ")
    };
    let name = row
        .labels
        .get("alertname")
        .map(str::to_owned)
        .or_else(shared)
        .unwrap_or_else(labels);
    let summary = alerts.first().and_then(|alert| {
        let said = |name| alert.body.annotations.get(name).filter(|text| !text.trim().is_empty());
        SUMMARIES.into_iter().find_map(said).map(str::to_owned)
    });
    row.name = name;
    row.summary = summary.unwrap_or_default();
}

/// What comes first: who needs a human (running ladders by their next rung, then by severity and age), then the rest.
pub(super) type Urgency = (bool, i64, u32, u8, Reverse<i64>);

impl Row {
    /// Its place in the order of all rows, the most urgent the least.
    pub(super) fn urgency(&self) -> Urgency {
        let due = self
            .ladder
            .as_ref()
            .and_then(|ladder| ladder.due)
            .filter(|_| self.needs_human);
        (
            !self.needs_human,
            due.unwrap_or(i64::MAX),
            self.severity_rank,
            self.state.place(),
            Reverse(self.opened_at),
        )
    }
}
