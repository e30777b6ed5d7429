//! Single values out of nodes. Each getter reports what it cannot read, in the words of Alertmanager's parser, and
//! then gives `None`.

use std::time::Duration;

use alert::{PromDuration, go_quote};

use crate::diagnostic::Position;
use crate::duration;
use crate::report::Report;
use crate::scalar;
use crate::yaml::{Node, Scalar, Value};

/// How much of an unreadable value a type error shows, as Alertmanager's parser does; longer ones are cut.
const SHOWN: usize = 10;

/// Reports that a value has the wrong shape.
pub(super) fn cannot_unmarshal(report: &mut Report, node: &Node, into: &str) {
    let what = match &node.value {
        Value::Null => "!!null".to_owned(),
        Value::Seq(_) => "!!seq".to_owned(),
        Value::Map(_) => "!!map".to_owned(),
        Value::Scalar(Scalar { text, plain }) => {
            let shown = if text.chars().count() > SHOWN {
                format!("{}...", text.chars().take(SHOWN - 3).collect::<String>())
            } else {
                text.clone()
            };
            format!("{} `{shown}`", scalar::tag(text, *plain))
        }
    };
    report.error(node.at, format!("cannot unmarshal {what} into {into}"), None);
}

/// A text; null is the empty one, and numbers keep their writing.
pub(super) fn string(report: &mut Report, node: &Node) -> Option<String> {
    match &node.value {
        Value::Null => Some(String::new()),
        Value::Scalar(scalar) => Some(scalar.text.clone()),
        Value::Seq(_) | Value::Map(_) => {
            cannot_unmarshal(report, node, "string");
            None
        }
    }
}

/// A boolean; null is false, as in Alertmanager.
pub(super) fn boolean(report: &mut Report, node: &Node) -> Option<bool> {
    let read = match &node.value {
        Value::Null => Some(false),
        Value::Scalar(Scalar { text, plain: true }) => scalar::boolean(text),
        Value::Scalar(_) | Value::Seq(_) | Value::Map(_) => None,
    };
    if read.is_none() {
        cannot_unmarshal(report, node, "bool");
    }
    read
}

/// A number from 0 to `max`.
pub(super) fn unsigned(report: &mut Report, node: &Node, max: u64, type_name: &str) -> Option<u64> {
    let read = match &node.value {
        Value::Null => Some(0),
        Value::Scalar(Scalar { text, plain: true }) => scalar::integer(text)
            .and_then(|number| u64::try_from(number).ok())
            .filter(|number| *number <= max),
        Value::Scalar(_) | Value::Seq(_) | Value::Map(_) => None,
    };
    if read.is_none() {
        cannot_unmarshal(report, node, type_name);
    }
    read
}

/// The items of a list; null is the empty list.
pub(super) fn list<'n>(report: &mut Report, node: &'n Node, type_name: &str) -> Option<&'n [Node]> {
    match &node.value {
        Value::Null => Some(&[]),
        Value::Seq(items) => Some(items),
        Value::Scalar(_) | Value::Map(_) => {
            cannot_unmarshal(report, node, type_name);
            None
        }
    }
}

/// A list of texts, each with its place.
pub(super) fn strings(report: &mut Report, node: &Node) -> Option<Vec<(String, Position)>> {
    let items = list(report, node, "[]string")?;
    let read = items
        .iter()
        .map(|item| string(report, item).map(|text| (text, item.at)));
    let read: Vec<Option<_>> = read.collect();
    read.into_iter().collect()
}

/// A map of texts to texts in file order, each with its key's and its value's place.
pub(super) fn string_map(report: &mut Report, node: &Node) -> Option<Vec<StringEntry>> {
    let map = match &node.value {
        Value::Null => return Some(Vec::new()),
        Value::Map(map) => map,
        Value::Scalar(_) | Value::Seq(_) => {
            cannot_unmarshal(report, node, "map[string]string");
            return None;
        }
    };
    let mut read: Vec<StringEntry> = Vec::new();
    for (key, value) in map {
        if read.iter().any(|entry| entry.key == key.text) {
            let hint = Some("remove one of the two".to_owned());
            report.error(key.at, format!("key {} already set in map", go_quote(&key.text)), hint);
            continue;
        }
        if let Some(text) = string(report, value) {
            let is_null = matches!(value.value, Value::Null);
            read.push(StringEntry {
                key: key.text.clone(),
                at: key.at,
                value: text,
                value_at: value.at,
                is_null,
            });
        }
    }
    Some(read)
}

/// One entry of [`string_map`].
pub(super) struct StringEntry {
    pub(super) key: String,
    pub(super) at: Position,
    pub(super) value: String,
    pub(super) value_at: Position,
    pub(super) is_null: bool,
}

/// A Prometheus duration.
pub(super) fn prom_duration(report: &mut Report, node: &Node) -> Option<PromDuration> {
    let text = string(report, node)?;
    match text.parse() {
        Ok(duration) => Some(duration),
        Err(error) => {
            report.error(
                node.at,
                format!("{error}"),
                Some("write it like 30s, 5m or 1h30m".to_owned()),
            );
            None
        }
    }
}

/// A Go duration; a bare number is nanoseconds, as in Alertmanager.
pub(super) fn go_duration(report: &mut Report, node: &Node) -> Option<Duration> {
    match &node.value {
        Value::Null => return Some(Duration::ZERO),
        Value::Scalar(Scalar { text, plain: true }) => {
            if let Some(nanos) = scalar::integer(text).and_then(|number| u64::try_from(number).ok()) {
                return Some(Duration::from_nanos(nanos));
            }
        }
        Value::Scalar(_) | Value::Seq(_) | Value::Map(_) => {}
    }
    let text = string(report, node)?;
    let read = duration::parse_go(&text);
    if read.is_err() {
        cannot_unmarshal(report, node, "time.Duration");
    }
    read.ok()
}
