//! The nouns of alerting: what an alert, a label set, a matcher, a silence, a group and a duration *are*, when two are
//! equal, how they print, and how two versions of one alert merge.
//!
//! Everything here is a value: no I/O, no clock, no randomness. Where Alertmanager or Prometheus define a rule or a text,
//! this crate follows it to the letter, because operators grep for those texts and group keys are built from them.
//!
//! It deliberately does not decide where an alert goes (`policy`), how a config file is read (`config`), or how a
//! record is encoded (`schemas`).

mod alert;
mod duration;
mod group;
mod label_set;
mod matcher;
mod merge;
pub mod packed;
mod quote;
mod reason;
mod silence;
mod timestamp;

pub use crate::alert::{Alert, AlertError};
pub use crate::duration::{DurationError, PromDuration};
pub use crate::group::{
    GroupHash, GroupHashError, GroupId, GroupKey, NotifySortKey, compare_for_notification, group_key, partition_for,
    route_key, sort_key,
};
pub use crate::label_set::{Fingerprint, FingerprintError, LabelError, LabelSet, validate_classic_name, validate_name};
pub use crate::matcher::{
    MatchOp, Matcher, MatcherError, MatcherMode, Matchers, ParsedMatcher, ParsedMatchers, parse_matcher,
    parse_matcher_in, parse_matchers, parse_matchers_in,
};
pub use crate::merge::{Merged, Side, Times, merge, merge_overlapping, merge_times, overlaps};
pub use crate::quote::{go_quote, go_unquote};
pub use crate::reason::{MuteReason, NotifyReason, UnknownNotifyReason};
pub use crate::silence::{Silence, SilenceError, SilenceMatcher, SilenceState};
pub use crate::timestamp::{Timestamp, TimestampError};
