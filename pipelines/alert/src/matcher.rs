//! Matchers: the conditions that routes, inhibit rules, silences and filters put on labels.

mod classic;
mod fallback;
mod go_regex;
mod utf8;

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};

use crate::label_set::LabelSet;
use crate::quote::go_quote;
use crate::silence::SilenceMatcher;

pub use fallback::{
    MatcherMode, ParsedMatcher, ParsedMatchers, parse_matcher, parse_matcher_in, parse_matchers, parse_matchers_in,
};

/// The longest regular expression taken, in bytes: longer ones are machine-made, and belong into labels.
const MAX_REGEX_BYTES: usize = 32 * 1024;
/// The most memory one compiled expression may take: a config can hold thousands.
const MAX_REGEX_PROGRAM: usize = 10 * 1024 * 1024;

/// How a matcher compares. Ordered as Alertmanager orders its match types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum MatchOp {
    /// `=`: the value is this text.
    #[serde(rename = "=")]
    Equal,
    /// `!=`: the value is another text.
    #[serde(rename = "!=")]
    NotEqual,
    /// `=~`: the whole value matches this regular expression.
    #[serde(rename = "=~")]
    Regex,
    /// `!~`: the whole value does not match this regular expression.
    #[serde(rename = "!~")]
    NotRegex,
}

impl MatchOp {
    /// The operator as it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Regex => "=~",
            Self::NotRegex => "!~",
        }
    }

    /// The operator that is written like this.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        [Self::Equal, Self::NotEqual, Self::Regex, Self::NotRegex]
            .into_iter()
            .find(|op| op.as_str() == text)
    }
}

/// Why matchers are refused; its text is Alertmanager's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct MatcherError(pub String);

/// One condition on one label. To every matcher, a missing label is the empty text.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "SilenceMatcher", into = "SilenceMatcher")]
pub struct Matcher {
    name: String,
    op: MatchOp,
    value: String,
    /// Set exactly if `op` is one of the two regular ones.
    pattern: Option<Pattern>,
}

/// A regular expression. Most that people write are plain words with bars between (`page|critical`): those need no program,
/// which would take tens of KiB, in every process and stage that holds the config or the silences.
#[derive(Debug, Clone)]
enum Pattern {
    /// The matcher's value is such words.
    Words,
    /// Anything else.
    Compiled(Regex),
}

/// What means anything but itself in a regular expression, the bar excepted.
const SPECIAL: &str = r"\.+*?()[]{}^$";

impl Matcher {
    /// A matcher; compiles the expression of a regular one, where it is more than words, with Go's meaning and anchored at
    /// both ends.
    ///
    /// Fails if Go would refuse the expression, or if it is too large.
    pub fn new(op: MatchOp, name: impl Into<String>, value: impl Into<String>) -> Result<Self, MatcherError> {
        let (name, value) = (name.into(), value.into());
        let pattern = match op {
            MatchOp::Equal | MatchOp::NotEqual => None,
            MatchOp::Regex | MatchOp::NotRegex if value.len() <= MAX_REGEX_BYTES && is_words(&value) => {
                Some(Pattern::Words)
            }
            MatchOp::Regex | MatchOp::NotRegex => Some(Pattern::Compiled(compile(&value)?)),
        };
        Ok(Self {
            name,
            op,
            value,
            pattern,
        })
    }

    /// The label's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How it compares.
    pub const fn op(&self) -> MatchOp {
        self.op
    }

    /// What it compares with, as written.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// Whether the labels meet the condition.
    pub fn matches(&self, labels: &LabelSet) -> bool {
        self.matches_value(labels.value(&self.name))
    }

    /// Whether a value meets the condition.
    pub fn matches_value(&self, value: &str) -> bool {
        let regex_matches = || match &self.pattern {
            Some(Pattern::Words) => self.value.split('|').any(|word| word == value),
            Some(Pattern::Compiled(regex)) => regex.is_match(value),
            None => false,
        };
        match self.op {
            MatchOp::Equal => value == self.value,
            MatchOp::NotEqual => value != self.value,
            MatchOp::Regex => regex_matches(),
            MatchOp::NotRegex => !regex_matches(),
        }
    }

    fn sort_key(&self) -> (&str, &str, MatchOp) {
        (&self.name, &self.value, self.op)
    }
}

/// Whether a regular expression is plain words with bars between.
fn is_words(pattern: &str) -> bool {
    !pattern.contains(|c: char| SPECIAL.contains(c))
}

/// Compiles a regular expression as Go's `regexp.Compile("^(?:" + pattern + ")$")` does.
fn compile(pattern: &str) -> Result<Regex, MatcherError> {
    let anchored = format!("^(?:{pattern})$");
    let refused = |reason: String| MatcherError(format!("error parsing regexp: {reason}"));
    if pattern.len() > MAX_REGEX_BYTES {
        return Err(refused(format!(
            "expression too large: more than {MAX_REGEX_BYTES} bytes"
        )));
    }
    let translated = go_regex::translate(&anchored).map_err(refused)?;
    RegexBuilder::new(&translated)
        .size_limit(MAX_REGEX_PROGRAM)
        .build()
        .map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => refused("expression too large".to_owned()),
            regex::Error::Syntax(_) | _ => refused(format!("{}: `{anchored}`", last_line(&error.to_string()))),
        })
}

/// The regex crate draws the expression with a caret over several lines; the last one says what is wrong.
fn last_line(message: &str) -> &str {
    message
        .lines()
        .next_back()
        .map_or("invalid expression", |line| line.trim_start_matches("error: "))
}

/// Whether a character ends an unquoted name or value, and makes a printed name need quotes.
pub(crate) fn is_reserved(c: char) -> bool {
    c.is_whitespace() || "{}!=~,\\\"'`".contains(c)
}

impl fmt::Display for Matcher {
    /// `name op "value"` without spaces, the value escaped as `OpenMetrics` does. A name that would not parse bare is quoted,
    /// and then both are quoted as Go does.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let op = self.op.as_str();
        if self.name.contains(is_reserved) {
            return write!(f, "{}{op}{}", go_quote(&self.name), go_quote(&self.value));
        }
        let value = self
            .value
            .replace('\\', "\\\\")
            .replace('\n', "\\n")
            .replace('"', "\\\"");
        write!(f, "{}{op}\"{value}\"", self.name)
    }
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        self.sort_key() == other.sort_key()
    }
}

impl Eq for Matcher {}

impl Hash for Matcher {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.sort_key().hash(state);
    }
}

impl Ord for Matcher {
    /// By name, value and operator, as Alertmanager sorts the matchers of a route.
    fn cmp(&self, other: &Self) -> Ordering {
        self.sort_key().cmp(&other.sort_key())
    }
}

impl PartialOrd for Matcher {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl TryFrom<SilenceMatcher> for Matcher {
    type Error = MatcherError;

    fn try_from(matcher: SilenceMatcher) -> Result<Self, MatcherError> {
        Self::new(matcher.op(), matcher.name, matcher.value)
    }
}

impl From<Matcher> for SilenceMatcher {
    fn from(matcher: Matcher) -> Self {
        Self::from(&matcher)
    }
}

/// Conditions that all must be met; none at all are always met.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Matchers(pub Vec<Matcher>);

impl Matchers {
    /// Whether the labels meet all conditions.
    pub fn matches(&self, labels: &LabelSet) -> bool {
        self.0.iter().all(|matcher| matcher.matches(labels))
    }

    /// The matchers in their order.
    pub fn iter(&self) -> std::slice::Iter<'_, Matcher> {
        self.0.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a matcher at the end.
    pub fn push(&mut self, matcher: Matcher) {
        self.0.push(matcher);
    }

    /// Brings them into the order of a route's key: by name, value and operator.
    pub fn sort(&mut self) {
        self.0.sort();
    }
}

impl fmt::Display for Matchers {
    /// `{a="x",b=~"y"}`, in their order.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (i, matcher) in self.0.iter().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            write!(f, "{comma}{matcher}")?;
        }
        f.write_str("}")
    }
}

impl FromIterator<Matcher> for Matchers {
    fn from_iter<I: IntoIterator<Item = Matcher>>(matchers: I) -> Self {
        Self(matchers.into_iter().collect())
    }
}

impl IntoIterator for Matchers {
    type Item = Matcher;
    type IntoIter = std::vec::IntoIter<Matcher>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Matchers {
    type Item = &'a Matcher;
    type IntoIter = std::slice::Iter<'a, Matcher>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}
