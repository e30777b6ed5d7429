//! Whose alert it is, and how bad.

use alert::LabelSet;
use config::Config;

/// Who owns an alert.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Team {
    /// A declared team, by name.
    Named(String),
    /// No receiver and no label names a declared team.
    Unowned,
}

/// The team that owns an alert with `labels` at `receiver`: the receiver's, else the declared one that the team label
/// names.
pub fn team_of(config: &Config, receiver: &str, labels: &LabelSet) -> Team {
    let by_receiver = || config.binding(receiver)?.team.clone();
    let by_label = || {
        let escalation = config.escalation.as_ref()?;
        let name = labels.get(escalation.team_label.as_deref()?)?;
        escalation.teams.contains_key(name).then(|| name.to_owned())
    };
    by_receiver().or_else(by_label).map_or(Team::Unowned, Team::Named)
}

/// How severe an alert is: 0 is the highest rank; a missing or unlisted severity comes after all listed ones.
pub fn severity_rank(config: &Config, labels: &LabelSet) -> u32 {
    let severity = config.severity();
    let value = labels.value(&severity.label);
    let rank = severity
        .order
        .iter()
        .position(|listed| listed == value)
        .unwrap_or(severity.order.len());
    u32::try_from(rank).unwrap_or(u32::MAX)
}
