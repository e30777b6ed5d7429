//! The formats that the users' topics and `POST /api/v1/events` carry, and how one is told from another.
//!
//! In order, the first that fits: an Avro `AlertEvent` in single-object encoding; JSON, alone or in a list, item by item:
//! with `kind` our own event, with `labels` and no `kind` an alert as Alertmanager's API v2 takes it. What is known and not
//! taken yet is refused by its name.

use alert::{LabelSet, PromDuration, Timestamp};
use schemas::{AlertEvent, EventKind};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::accept::Told;
use crate::limits::MAX_ALERTS;
use crate::post::PostableAlert;
use crate::refused::Reason;
use crate::uri::is_request_uri;

/// What an item was written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    /// Our event in Avro.
    Avro,
    /// Our event in JSON.
    Event,
    /// An alert of Alertmanager's API v2.
    Alertmanager,
    /// Something else.
    Unknown,
}

impl Format {
    /// The format in one word, for the metric.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Avro => "avro",
            Self::Event => "event",
            Self::Alertmanager => "alertmanager",
            Self::Unknown => "unknown",
        }
    }
}

/// One item of a record or request.
#[derive(Debug, Clone, PartialEq)]
pub struct EventItem {
    /// What it was written as.
    pub format: Format,
    /// The alert, or why it is none, with its labels as far as they can be read.
    pub told: Result<Told, (LabelSet, Reason, String)>,
}

/// The first byte of what a Confluent schema registry's clients write.
const CONFLUENT: u8 = 0;
/// What a single-object encoding begins with.
const AVRO: [u8; 2] = [0xC3, 0x01];

/// Reads a record's value or a request's body; `headers` are the record's, or the request's.
///
/// # Errors
/// All of it is refused, and why: the text begins with `unknown_format` where it is none of the formats.
pub fn events(headers: &[(String, Vec<u8>)], bytes: &[u8]) -> Result<Vec<EventItem>, String> {
    by_headers(headers)?;
    if bytes.starts_with(&AVRO) {
        let event =
            schemas::decode::<AlertEvent>(bytes).map_err(|error| format!("unknown_format: Avro, but {error}"))?;
        return Ok(vec![EventItem {
            format: Format::Avro,
            told: Ok(event.into()),
        }]);
    }
    if let Some((&CONFLUENT, rest)) = bytes.split_first() {
        let id = rest.first_chunk().copied().map_or(0, u32::from_be_bytes);
        return Err(format!(
            "unknown_format: framed for a schema registry (schema {id}), which is not supported yet"
        ));
    }
    if bytes.trim_ascii().is_empty() {
        return Err("unknown_format: it is empty".to_owned());
    }
    let value = serde_json::from_slice::<Value>(bytes)
        .map_err(|error| format!("unknown_format: neither Avro (C3 01 in front) nor JSON: {error}"))?;
    match value {
        Value::Array(items) if items.len() > MAX_ALERTS => Err(format!(
            "{} alerts at once, at most {MAX_ALERTS} are taken",
            items.len()
        )),
        Value::Array(items) => Ok(items.into_iter().map(item).collect()),
        one @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_)) => {
            Ok(vec![item(one)])
        }
    }
}

/// Formats that say what they are in a header.
fn by_headers(headers: &[(String, Vec<u8>)]) -> Result<(), String> {
    for (name, value) in headers {
        let value = String::from_utf8_lossy(value).to_ascii_lowercase();
        let refused = match name.to_ascii_lowercase().as_str() {
            "ce_specversion" | "ce-specversion" => "CloudEvents",
            "content-type" if value.starts_with("application/cloudevents") => "CloudEvents",
            "content-type" if value.contains("protobuf") => "Protobuf",
            _ => continue,
        };
        return Err(format!(
            "unknown_format: {refused} (header {name}) is not supported yet"
        ));
    }
    Ok(())
}

fn item(value: Value) -> EventItem {
    let Value::Object(object) = value else {
        let message = "unknown_format: an alert is a JSON object".to_owned();
        return EventItem {
            format: Format::Unknown,
            told: Err((LabelSet::new(), Reason::UnknownFormat, message)),
        };
    };
    let (labels, format) = (readable_labels(&object), format_of(&object));
    let told = match format {
        Ok(Format::Event) => event(&object).map(Told::from).map_err(|error| (Reason::Invalid, error)),
        Ok(Format::Alertmanager) => posted(object).map(Told::from).map_err(|error| (Reason::Invalid, error)),
        Ok(Format::Avro | Format::Unknown) => Err((Reason::UnknownFormat, "unknown_format".to_owned())),
        Err(what) => Err((Reason::UnknownFormat, format!("unknown_format: {what}"))),
    };
    let told = told.map_err(|(reason, message)| (labels, reason, message));
    EventItem {
        format: format.unwrap_or(Format::Unknown),
        told,
    }
}

/// What a JSON object is, by its shape.
fn format_of(object: &Map<String, Value>) -> Result<Format, &'static str> {
    let has = |name: &str| object.contains_key(name);
    if has("kind") {
        return Ok(Format::Event);
    }
    if has("labels") {
        return Ok(Format::Alertmanager);
    }
    if has("alerts") && has("version") {
        return Err("Alertmanager's webhook payload is not supported yet");
    }
    if has("routing_key") && has("event_action") {
        return Err("PagerDuty's Events API is not supported yet");
    }
    if has("resourceLogs") || has("resourceMetrics") || has("resourceSpans") {
        return Err("OTLP is not supported yet");
    }
    if has("specversion") && has("type") {
        return Err("CloudEvents are not supported yet");
    }
    Err(
        "JSON without `labels`: neither our event (`kind` and `labels`) nor an alert of Alertmanager's API v2 (`labels`)",
    )
}

/// The labels that are text, for naming what is refused.
fn readable_labels(object: &Map<String, Value>) -> LabelSet {
    let labels = object.get("labels").and_then(Value::as_object);
    let texts = labels
        .into_iter()
        .flatten()
        .filter_map(|(name, value)| Some((name.clone(), value.as_str()?)));
    texts.collect()
}

fn posted(object: Map<String, Value>) -> Result<PostableAlert, String> {
    let alert = PostableAlert::deserialize(Value::Object(object)).map_err(|error| error.to_string())?;
    alert.against_specification().map_err(|(_, what)| what)?;
    Ok(alert)
}

/// Our event in JSON: the Avro record's fields, times as RFC 3339, `for` as Prometheus writes durations. Fields we do not
/// know are left out of account, so that a sender may add its own.
fn event(object: &Map<String, Value>) -> Result<AlertEvent, String> {
    let text = |name: &str| match object.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            Err(format!("{name} must be a string"))
        }
    };
    let time = |name: &str| {
        let at = text(name)?.map(|text| Timestamp::parse(&text)).transpose();
        at.map(|at| at.filter(|at| !at.is_zero_time()))
            .map_err(|error| format!("{name}: {error}"))
    };
    let kind = match text("kind")?.as_deref() {
        Some("alert") => EventKind::Alert,
        Some("resolve") => EventKind::Resolve,
        Some(other) => {
            return Err(format!(
                "kind {other:?} is not supported, only \"alert\" and \"resolve\" are"
            ));
        }
        None => return Err("kind must be \"alert\" or \"resolve\"".to_owned()),
    };
    let value = match object.get("value") {
        None | Some(Value::Null) => None,
        Some(value) => Some(value.as_f64().ok_or("value must be a number")?),
    };
    let hold = text("for")?.map(|text| text.parse::<PromDuration>()).transpose();
    let hold = hold.map_err(|error| format!("for: {error}"))?;
    let generator_url = text("generatorURL")?.filter(|url| !url.is_empty());
    if generator_url.as_deref().is_some_and(|url| !is_request_uri(url)) {
        return Err("generatorURL must be a URI".to_owned());
    }
    if !object.contains_key("labels") {
        return Err("labels are missing".to_owned());
    }
    Ok(AlertEvent {
        id: text("id")?,
        source: text("source")?,
        kind,
        labels: texts(object, "labels")?,
        annotations: texts(object, "annotations")?,
        starts_at: time("startsAt")?,
        ends_at: time("endsAt")?,
        generator_url,
        expr: text("expr")?,
        value,
        for_ms: hold.map(|hold| i64::try_from(hold.millis()).unwrap_or(i64::MAX)),
    })
}

fn texts(object: &Map<String, Value>, name: &str) -> Result<std::collections::BTreeMap<String, String>, String> {
    let wrong = || format!("{name} must be an object of strings");
    match object.get(name) {
        None | Some(Value::Null) => Ok(std::collections::BTreeMap::new()),
        Some(Value::Object(pairs)) => pairs
            .iter()
            .map(|(key, value)| Ok((key.clone(), value.as_str().ok_or_else(wrong)?.to_owned())))
            .collect(),
        Some(Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => Err(wrong()),
    }
}
