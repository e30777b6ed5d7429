//! `escalation.yml`: what Alertmanager does not know of its receivers.

use std::collections::BTreeMap;

use alert::PromDuration;

/// The whole file.
#[derive(Debug, Clone, PartialEq)]
pub struct Escalation {
    /// The label that names an alert's team where the receiver names none.
    pub team_label: Option<String>,
    /// How severities rank.
    pub severity: Severity,
    /// Declared teams by name; any other name is unowned.
    pub teams: BTreeMap<String, Team>,
    /// Policies by name.
    pub policies: BTreeMap<String, Policy>,
    /// What receivers of `alertmanager.yml` additionally are, by name.
    pub receivers: BTreeMap<String, Binding>,
}

/// Which label is the severity, and its values from the highest rank down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Severity {
    /// `severity` unless the file says otherwise.
    pub label: String,
    /// Highest first; what is not listed ranks last.
    pub order: Vec<String>,
}

impl Default for Severity {
    fn default() -> Self {
        Self {
            label: "severity".to_owned(),
            order: ["critical", "warning", "info"].map(str::to_owned).to_vec(),
        }
    }
}

/// A declared team.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Team {
    /// For people to read; the name where the file gives none.
    pub title: String,
}

/// Who is told, in which order, until somebody acknowledges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Its name in the file.
    pub name: String,
    /// The ladder; never empty.
    pub steps: Vec<Step>,
    /// How often the whole ladder is climbed again after the first time.
    pub repeat_times: u32,
    /// Who is told when all of that was unanswered; never empty.
    pub last_resort: Vec<Target>,
}

/// One rung.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Who is told; never empty.
    pub notify: Vec<Target>,
    /// From this step's start to the next one's (after the last step: the next round's, or the last resort's). Not zero.
    pub escalate_after: PromDuration,
}

/// Whom a step tells.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// A receiver of `alertmanager.yml`; it exists and has an integration.
    Receiver(String),
}

/// What `escalation.yml` says of one receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// The team that owns what reaches this receiver.
    pub team: Option<String>,
    /// The policy that starts at the first unmuted firing flush to this receiver.
    pub policy: Option<String>,
    /// The receivers that are tried, in order, when this one failed. Without cycles.
    pub fallback: Vec<String>,
    /// How long this one is tried before the next link of a chain is. Not zero.
    pub try_for: PromDuration,
}

impl Binding {
    /// [`Binding::try_for`] where the file does not say, and of receivers that the file does not name.
    pub const TRY_FOR: PromDuration = PromDuration::from_secs(30);
}
