//! Which rows a browser asks for.

use alert::{LabelSet, MatchOp, Matcher, parse_matchers};
use schemas::AlertPhase;

use super::row::{Row, State};
use crate::json::Refusal;
use crate::params::Params;
use crate::view::Held;

/// What stands before a name that is no label: what we know of an incident.
const FACT: char = '@';
/// The word for what a silence mutes, beside the states.
const MUTED: &str = "muted";

/// What of an incident a matcher is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fact {
    State,
    Team,
    Severity,
    Receiver,
}

impl Fact {
    pub(super) const ALL: [Self; 4] = [Self::State, Self::Team, Self::Severity, Self::Receiver];

    /// As it is typed.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::State => "@state",
            Self::Team => "@team",
            Self::Severity => "@severity",
            Self::Receiver => "@receiver",
        }
    }

    /// What it is of a row: a muted one has two states.
    pub(super) fn values(self, row: &Row) -> Vec<&str> {
        match self {
            Self::State if row.muted => vec![row.state.as_str(), MUTED],
            Self::State => vec![row.state.as_str()],
            Self::Team => vec![row.team.as_deref().unwrap_or_default()],
            Self::Severity => vec![row.severity.as_deref().unwrap_or_default()],
            Self::Receiver => vec![&row.receiver],
        }
    }
}

/// Matchers on what we know of an incident and on the labels of its alerts. All have to be met; those on labels by one and
/// the same alert.
#[derive(Debug, Clone, Default)]
pub(super) struct Filter {
    facts: Vec<(Fact, Matcher)>,
    labels: Vec<Matcher>,
}

impl Filter {
    /// The parameters `filter`: a text of one or more matchers each.
    pub(super) fn of(params: &Params) -> Result<Self, Refusal> {
        let mut filter = Self::default();
        for (_, text) in params
            .0
            .iter()
            .filter(|(name, text)| name == "filter" && !text.trim().is_empty())
        {
            filter.add(text.trim()).map_err(Refusal::bad)?;
        }
        Ok(filter)
    }

    /// The matchers on labels.
    pub(super) fn labels(&self) -> &[Matcher] {
        &self.labels
    }

    fn add(&mut self, text: &str) -> Result<(), String> {
        let Some(rest) = text.strip_prefix(FACT) else {
            let parsed = parse_matchers(text).map_err(|error| error.0)?;
            self.labels.extend(parsed.matchers.0);
            return Ok(());
        };
        for matcher in parse_matchers(rest).map_err(|error| error.0)?.matchers.0 {
            let name = format!("{FACT}{}", matcher.name());
            let Some(fact) = Fact::ALL.into_iter().find(|fact| fact.name() == name) else {
                let known = Fact::ALL.map(Fact::name).join(", ");
                return Err(format!("there is no {name}; there are {known}"));
            };
            self.facts.push((fact, matcher));
        }
        Ok(())
    }

    /// Whether a row is asked for. What is over is not, unless the filter says something of states.
    pub(super) fn takes(&self, row: &Row, held: &Held<'_>) -> bool {
        let of_states = self.facts.iter().any(|(fact, _)| *fact == Fact::State);
        (of_states || !row.state.is_over())
            && self.facts.iter().all(|(fact, matcher)| met(matcher, &fact.values(row)))
            && self.takes_labels(row, held)
    }

    fn takes_labels(&self, row: &Row, held: &Held<'_>) -> bool {
        if self.labels.is_empty() {
            return true;
        }
        let all = |labels: &LabelSet| self.labels.iter().all(|matcher| matcher.matches(labels));
        let mut alerts = held
            .alerts()
            .filter(|(_, alert)| alert.phase != AlertPhase::Settled)
            .peekable();
        if alerts.peek().is_none() || row.state == State::Moved {
            return all(&row.labels.clone());
        }
        alerts.any(|(_, alert)| all(&alert.body.labels))
    }
}

/// Of several values one has to be the one, or none may be the other.
fn met(matcher: &Matcher, values: &[&str]) -> bool {
    let mut values = values.iter();
    match matcher.op() {
        MatchOp::Equal | MatchOp::Regex => values.any(|value| matcher.matches_value(value)),
        MatchOp::NotEqual | MatchOp::NotRegex => values.all(|value| matcher.matches_value(value)),
    }
}
