//! Silences: who muted what, from when to when, and why.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::label_set::validate_name;
use crate::matcher::{MatchOp, Matcher, Matchers};
use crate::quote::go_quote;
use crate::timestamp::Timestamp;

/// A silence as the API takes and shows it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Silence {
    /// A UUID, given when it is created.
    #[serde(default)]
    pub id: String,
    /// What it mutes: alerts that match all of these.
    pub matchers: Vec<SilenceMatcher>,
    /// From when.
    pub starts_at: Timestamp,
    /// Until when (inclusive).
    pub ends_at: Timestamp,
    /// When it was last written.
    #[serde(default)]
    pub updated_at: Timestamp,
    /// Who asked for it.
    #[serde(default)]
    pub created_by: String,
    /// Why.
    #[serde(default)]
    pub comment: String,
    /// What else the asker noted.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
}

/// A matcher as the API writes it: structured, never parsed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SilenceMatcher {
    /// The label's name.
    pub name: String,
    /// What its value is held against.
    pub value: String,
    /// Whether `value` is a regular expression, anchored at both ends.
    #[serde(default)]
    pub is_regex: bool,
    /// Whether it must match (the default) or must not.
    #[serde(default = "is_equal_by_default")]
    pub is_equal: bool,
}

/// Clients from before Alertmanager 0.22 do not send `isEqual`.
const fn is_equal_by_default() -> bool {
    true
}

/// Where the clock stands in a silence's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SilenceState {
    /// Before its start.
    Pending,
    /// It mutes.
    Active,
    /// After its end.
    Expired,
}

impl SilenceState {
    /// As the API writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Expired => "expired",
        }
    }
}

/// Why a silence is refused, in Alertmanager's words. Its log and API put `invalid silence: ` in front.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SilenceError {
    /// There are no matchers. Alertmanager's API always makes one matcher set, so this is the text its users see.
    #[error("matcher set 0 is empty")]
    NoMatchers,
    /// A matcher is refused: its place, from 0, and why.
    #[error("invalid label matcher {index} in set 0: {reason}")]
    Matcher {
        /// The matcher's place, from 0.
        index: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// Every matcher matches the empty text, so the silence could mute everything.
    #[error("matcher set 0: at least one matcher must not match the empty string")]
    MatchesEverything,
    /// `starts_at` is not set.
    #[error("invalid zero start timestamp")]
    NoStart,
    /// `ends_at` is not set.
    #[error("invalid zero end timestamp")]
    NoEnd,
    /// It ends before it starts.
    #[error("end time must not be before start time")]
    EndsBeforeStart,
}

impl SilenceMatcher {
    /// The operator that the two flags stand for.
    pub const fn op(&self) -> MatchOp {
        match (self.is_regex, self.is_equal) {
            (false, true) => MatchOp::Equal,
            (false, false) => MatchOp::NotEqual,
            (true, true) => MatchOp::Regex,
            (true, false) => MatchOp::NotRegex,
        }
    }

    /// The matcher, ready to use. Fails as Alertmanager's check of a silence's matcher does.
    pub fn compile(&self) -> Result<Matcher, String> {
        if validate_name(&self.name).is_err() {
            return Err(format!("invalid label name {}", go_quote(&self.name)));
        }
        Matcher::new(self.op(), &*self.name, &*self.value)
            .map_err(|error| format!("invalid regular expression {}: {error}", go_quote(&self.value)))
    }
}

impl From<&Matcher> for SilenceMatcher {
    fn from(matcher: &Matcher) -> Self {
        let op = matcher.op();
        Self {
            name: matcher.name().to_owned(),
            value: matcher.value().to_owned(),
            is_regex: matches!(op, MatchOp::Regex | MatchOp::NotRegex),
            is_equal: matches!(op, MatchOp::Equal | MatchOp::Regex),
        }
    }
}

impl Silence {
    /// Checks what Alertmanager checks before it stores a silence, in its order.
    pub fn validate(&self) -> Result<(), SilenceError> {
        let matchers = self.compile()?;
        // `!=` and `!~` never count as matching the empty text, whatever they exclude.
        let matches_empty = |m: &Matcher| matches!(m.op(), MatchOp::Equal | MatchOp::Regex) && m.matches_value("");
        if matchers.iter().all(matches_empty) {
            return Err(SilenceError::MatchesEverything);
        }
        if self.starts_at.is_zero_time() {
            return Err(SilenceError::NoStart);
        }
        if self.ends_at.is_zero_time() {
            return Err(SilenceError::NoEnd);
        }
        if self.ends_at < self.starts_at {
            return Err(SilenceError::EndsBeforeStart);
        }
        Ok(())
    }

    /// The matchers, ready to use, in their order. Fails if there are none or one is refused.
    pub fn compile(&self) -> Result<Matchers, SilenceError> {
        if self.matchers.is_empty() {
            return Err(SilenceError::NoMatchers);
        }
        let compile = |(index, matcher): (usize, &SilenceMatcher)| {
            matcher
                .compile()
                .map_err(|reason| SilenceError::Matcher { index, reason })
        };
        self.matchers
            .iter()
            .enumerate()
            .map(compile)
            .collect::<Result<Vec<_>, _>>()
            .map(Matchers)
    }

    /// Where `now` stands in its life: pending before the start, expired after the end, else active.
    pub fn state(&self, now: Timestamp) -> SilenceState {
        if now < self.starts_at {
            SilenceState::Pending
        } else if now > self.ends_at {
            SilenceState::Expired
        } else {
            SilenceState::Active
        }
    }

    /// Whether `new` may take `old`'s place under its id. If not, `old` is to be expired and `new` gets an id of its own.
    ///
    /// The matchers must be the same in the same order. An active silence must keep its start (to the second) and not end
    /// in the past; a pending one must not start in the past; an expired one stays as it is.
    pub fn can_update(old: &Self, new: &Self, now: Timestamp) -> bool {
        old.matchers == new.matchers
            && match old.state(now) {
                SilenceState::Active => {
                    new.starts_at.unix_seconds() == old.starts_at.unix_seconds() && new.ends_at >= now
                }
                SilenceState::Pending => new.starts_at >= now,
                SilenceState::Expired => false,
            }
    }

    /// Ends the silence: an active one at `now`, a pending one without ever having been active. Returns whether that
    /// changed anything; an expired one is left as it is.
    pub fn expire(&mut self, now: Timestamp) -> bool {
        match self.state(now) {
            SilenceState::Active => self.ends_at = now,
            SilenceState::Pending => {
                self.starts_at = now;
                self.ends_at = now;
            }
            SilenceState::Expired => return false,
        }
        self.updated_at = now;
        true
    }
}
