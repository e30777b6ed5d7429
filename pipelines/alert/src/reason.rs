//! Why something was said, and why something was not. Never a bool: the journal and the dashboard show these.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::label_set::Fingerprint;
use crate::quote::go_quote;

/// Why a notification is sent. Serialised as its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum NotifyReason {
    /// Nothing is to be said.
    #[default]
    None,
    /// Nothing was said of this group so far, or all that was said is resolved.
    FirstNotification,
    /// An alert fires that was not told of.
    NewAlertsInGroup,
    /// Some alerts resolved, others still fire.
    NewResolvedAlerts,
    /// The last firing alert resolved.
    AllAlertsResolved,
    /// Nothing changed for `repeat_interval`.
    RepeatIntervalElapsed,
    /// A step or a round of the escalation ladder is due. Ours.
    EscalationStep,
    /// The ladder ended without an answer. Ours.
    LastResort,
    /// The one word after an acknowledgement, while the group still fires. Ours.
    AcknowledgedReminder,
    /// A record from elsewhere did not say.
    Unknown,
}

/// The text is no reason that this release knows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown notification reason: {}", go_quote(.0))]
pub struct UnknownNotifyReason(pub String);

impl NotifyReason {
    /// Every reason.
    pub const ALL: [Self; 10] = [
        Self::None,
        Self::FirstNotification,
        Self::NewAlertsInGroup,
        Self::NewResolvedAlerts,
        Self::AllAlertsResolved,
        Self::RepeatIntervalElapsed,
        Self::EscalationStep,
        Self::LastResort,
        Self::AcknowledgedReminder,
        Self::Unknown,
    ];

    /// The text in payloads and templates (`.NotificationReason`); Alertmanager's where it has the reason.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::FirstNotification => "first notification",
            Self::NewAlertsInGroup => "new alerts added",
            Self::NewResolvedAlerts => "some alerts resolved",
            Self::AllAlertsResolved => "all alerts resolved",
            Self::RepeatIntervalElapsed => "repeat interval elapsed",
            Self::EscalationStep => "escalation step",
            Self::LastResort => "last resort",
            Self::AcknowledgedReminder => "acknowledged, still firing",
            Self::Unknown => "unknown",
        }
    }

    /// Whether anything is sent for this reason.
    pub const fn notifies(self) -> bool {
        !matches!(self, Self::None)
    }
}

impl fmt::Display for NotifyReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for NotifyReason {
    type Err = UnknownNotifyReason;

    fn from_str(text: &str) -> Result<Self, UnknownNotifyReason> {
        Self::ALL
            .into_iter()
            .find(|reason| reason.as_str() == text)
            .ok_or_else(|| UnknownNotifyReason(text.to_owned()))
    }
}

impl TryFrom<String> for NotifyReason {
    type Error = UnknownNotifyReason;

    fn try_from(text: String) -> Result<Self, UnknownNotifyReason> {
        text.parse()
    }
}

impl From<NotifyReason> for String {
    fn from(reason: NotifyReason) -> Self {
        reason.as_str().to_owned()
    }
}

/// Why nothing was said of an alert or of a group.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", content = "by", rename_all = "snake_case")]
pub enum MuteReason {
    /// By these silences (their ids).
    Silenced(Vec<String>),
    /// By this firing alert, under an inhibit rule.
    Inhibited(Fingerprint),
    /// By this mute time interval.
    MuteTimeInterval(String),
    /// It is outside of all of these active time intervals.
    ActiveTimeInterval(Vec<String>),
    /// Somebody answered: name of who acknowledged it, and the ladder is held.
    Acknowledged(String),
    /// Somebody snoozed it: name of who did.
    Snoozed(String),
    /// The notification log already holds this content, and no repeat is due.
    NotChanged,
    /// Only resolved alerts, and the integration does not send those.
    ResolvedNotSent,
}

impl MuteReason {
    /// The kind alone, as metrics label it.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Silenced(_) => "silence",
            Self::Inhibited(_) => "inhibition",
            Self::MuteTimeInterval(_) => "mute_time_interval",
            Self::ActiveTimeInterval(_) => "active_time_interval",
            Self::Acknowledged(_) => "acknowledged",
            Self::Snoozed(_) => "snoozed",
            Self::NotChanged => "not_changed",
            Self::ResolvedNotSent => "resolved_not_sent",
        }
    }
}

impl fmt::Display for MuteReason {
    /// A sentence's end for people: "muted: …".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Silenced(ids) => write!(f, "silenced by {}", ids.join(", ")),
            Self::Inhibited(by) => write!(f, "inhibited by {by}"),
            Self::MuteTimeInterval(name) => write!(f, "in mute time interval {name}"),
            Self::ActiveTimeInterval(names) => {
                write!(f, "outside of active time intervals {}", names.join(", "))
            }
            Self::Acknowledged(by) => write!(f, "acknowledged by {by}"),
            Self::Snoozed(by) => write!(f, "snoozed by {by}"),
            Self::NotChanged => f.write_str("nothing new since the last notification"),
            Self::ResolvedNotSent => f.write_str("the integration does not send resolved alerts"),
        }
    }
}
