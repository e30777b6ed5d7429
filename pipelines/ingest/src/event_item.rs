//! One item of JSON where senders may choose the format: read without knowing yet what it is, then told by its shape.
//!
//! A field of a wrong type is no reason to refuse the neighbours: it is read as what it is, and refused with its item.

use std::collections::BTreeMap;
use std::fmt;

use alert::{LabelSet, PromDuration, Timestamp};
use schemas::{AlertEvent, EventKind};
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::batch::Told;
use crate::events::Format;
use crate::pairs::Pairs;
use crate::postable::{Field, PostableAlert, time};
use crate::refused::Reason;
use crate::uri::is_request_uri;

/// The fields that make an alert, of ours and of API v2.
const FIELDS: [&str; 11] = [
    "kind",
    "labels",
    "annotations",
    "startsAt",
    "endsAt",
    "generatorURL",
    "id",
    "source",
    "expr",
    "value",
    "for",
];
/// The fields by which other formats are known.
const SIGNS: [&str; 9] = [
    "alerts",
    "version",
    "routing_key",
    "event_action",
    "resourceLogs",
    "resourceMetrics",
    "resourceSpans",
    "specversion",
    "type",
];

/// An item: the fields of it that mean something here.
#[derive(Debug, Default)]
pub(crate) struct Item {
    /// None where it is no object.
    fields: Option<BTreeMap<&'static str, Json>>,
    /// Fields whose names differ in case: API v2 takes them.
    other_case: BTreeMap<&'static str, Json>,
}

/// Why an item is refused.
#[derive(Debug)]
pub(crate) struct NotTold {
    /// Its labels that are text, as far as they were held.
    pub(crate) labels: LabelSet,
    /// How many it has.
    pub(crate) count: usize,
    pub(crate) reason: Reason,
    pub(crate) message: String,
}

impl Item {
    /// Reads an object.
    fn read<'de, A: MapAccess<'de>>(mut map: A) -> Result<Self, A::Error> {
        let mut fields = BTreeMap::new();
        let mut other_case = BTreeMap::new();
        while let Some(name) = map.next_key::<String>()? {
            if let Some(field) = FIELDS.into_iter().find(|field| *field == name) {
                fields.insert(field, map.next_value()?);
            } else if let Some(field) = Field::of(&name) {
                other_case.insert(field.name(), map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
                let sign = SIGNS.into_iter().find(|sign| *sign == name);
                fields.extend(sign.map(|sign| (sign, Json::Other)));
            }
        }
        Ok(Self {
            fields: Some(fields),
            other_case,
        })
    }

    fn has(&self, name: &str) -> bool {
        self.fields.as_ref().is_some_and(|fields| fields.contains_key(name))
    }

    /// What the item is, by its shape; where it is nothing that is taken, what it looks like.
    fn shape(&self) -> Result<Format, &'static str> {
        if self.fields.is_none() {
            return Err("an alert is a JSON object");
        }
        if self.has("kind") {
            return Ok(Format::Event);
        }
        if self.has("labels") {
            return Ok(Format::Alertmanager);
        }
        if self.has("alerts") && self.has("version") {
            return Err("Alertmanager's webhook payload is not supported yet");
        }
        if self.has("routing_key") && self.has("event_action") {
            return Err("PagerDuty's Events API is not supported yet");
        }
        if self.has("resourceLogs") || self.has("resourceMetrics") || self.has("resourceSpans") {
            return Err("OTLP is not supported yet");
        }
        if self.has("specversion") && self.has("type") {
            return Err("CloudEvents are not supported yet");
        }
        Err(
            "JSON without `labels`: neither our event (`kind` and `labels`) nor an alert of Alertmanager's API v2 (`labels`)",
        )
    }

    /// What the item was written as.
    pub(crate) fn format(&self) -> Format {
        self.shape().unwrap_or(Format::Unknown)
    }

    /// The alert it tells of.
    pub(crate) fn told(self) -> Result<Told, NotTold> {
        let shape = self.shape();
        let texts = match self.fields.as_ref().and_then(|fields| fields.get("labels")) {
            Some(Json::Object(texts)) => texts.pairs.clone(),
            _ => Pairs::default(),
        };
        let told = match shape {
            Ok(Format::Event) => self.event().map_err(|why| (Reason::Invalid, why)),
            Ok(Format::Alertmanager) => self.posted().map_err(|why| (Reason::Invalid, why)),
            Ok(Format::Avro | Format::Unknown) => Err((Reason::UnknownFormat, "unknown_format".to_owned())),
            Err(what) => Err((Reason::UnknownFormat, format!("unknown_format: {what}"))),
        };
        told.map_err(|(reason, message)| NotTold {
            count: texts.len(),
            labels: texts.held(),
            reason,
            message,
        })
    }

    fn posted(self) -> Result<Told, String> {
        let (mut fields, mut other_case) = (self.fields.unwrap_or_default(), self.other_case);
        let mut take = |field: Field| {
            let name = field.name();
            let value = fields.remove(name).or_else(|| other_case.remove(name));
            (name, value.unwrap_or_default())
        };
        let at = |(name, value)| time(text((name, value))?.as_deref()).map_err(|error| error.to_string());
        let alert = PostableAlert {
            labels: texts(take(Field::Labels), true)?,
            annotations: texts(take(Field::Annotations), true)?.unwrap_or_default(),
            starts_at: at(take(Field::StartsAt))?,
            ends_at: at(take(Field::EndsAt))?,
            generator_url: text(take(Field::GeneratorUrl))?.unwrap_or_default(),
        };
        alert.against_specification().map_err(|not| not.what)?;
        Ok(alert.into())
    }

    /// Our event in JSON: the Avro record's fields, times as RFC 3339, `for` as Prometheus writes durations. Fields we do
    /// not know are left out of account, so that a sender may add its own.
    fn event(self) -> Result<Told, String> {
        let mut fields = self.fields.unwrap_or_default();
        let has_labels = fields.contains_key("labels");
        let mut take = |name: &'static str| (name, fields.remove(name).unwrap_or_default());
        let kind = kind(take("kind"))?;
        let value = match take("value").1 {
            Json::Null => None,
            Json::Number(value) => Some(value),
            Json::Text(_) | Json::Object(_) | Json::Other => return Err("value must be a number".to_owned()),
        };
        let hold = text(take("for"))?.map(|text| text.parse::<PromDuration>()).transpose();
        let hold = hold.map_err(|error| format!("for: {error}"))?;
        let generator_url = text(take("generatorURL"))?.filter(|url| !url.is_empty());
        if generator_url.as_deref().is_some_and(|url| !is_request_uri(url)) {
            return Err("generatorURL must be a URI".to_owned());
        }
        if !has_labels {
            return Err("labels are missing".to_owned());
        }
        let labels = texts(take("labels"), false)?.unwrap_or_default();
        let annotations = texts(take("annotations"), false)?.unwrap_or_default();
        let event = AlertEvent {
            id: text(take("id"))?,
            source: text(take("source"))?,
            kind,
            labels: LabelSet::new(),
            annotations: LabelSet::new(),
            starts_at: event_time(take("startsAt"))?,
            ends_at: event_time(take("endsAt"))?,
            generator_url,
            expr: text(take("expr"))?,
            value,
            for_ms: hold.map(|hold| i64::try_from(hold.millis()).unwrap_or(i64::MAX)),
        };
        Ok(Told::by_event(event, labels, annotations))
    }
}

fn kind(field: (&str, Json)) -> Result<EventKind, String> {
    match text(field)?.as_deref() {
        Some("alert") => Ok(EventKind::Alert),
        Some("resolve") => Ok(EventKind::Resolve),
        Some(other) => Err(format!(
            "kind {other:?} is not supported, only \"alert\" and \"resolve\" are"
        )),
        None => Err("kind must be \"alert\" or \"resolve\"".to_owned()),
    }
}

fn event_time(field: (&str, Json)) -> Result<Option<Timestamp>, String> {
    let name = field.0;
    let at = text(field)?.map(|text| Timestamp::parse(&text)).transpose();
    at.map(|at| at.filter(|at| !at.is_zero_time()))
        .map_err(|error| format!("{name}: {error}"))
}

fn text((name, value): (&str, Json)) -> Result<Option<String>, String> {
    match value {
        Json::Null => Ok(None),
        Json::Text(text) => Ok(Some(text)),
        Json::Number(_) | Json::Object(_) | Json::Other => Err(format!("{name} must be a string")),
    }
}

/// The texts of an object; none for `null`. `nulls` says whether a `null` in it is the empty text.
fn texts((name, value): (&str, Json), nulls: bool) -> Result<Option<Pairs>, String> {
    match value {
        Json::Null => Ok(None),
        Json::Object(texts) if !texts.others && (nulls || !texts.nulls) => Ok(Some(texts.pairs)),
        Json::Object(_) | Json::Text(_) | Json::Number(_) | Json::Other => {
            Err(format!("{name} must be an object of strings"))
        }
    }
}

/// A JSON value as far as a field of an alert can be one.
#[derive(Debug, Default)]
enum Json {
    #[default]
    Null,
    Text(String),
    Number(f64),
    Object(Texts),
    /// None of these.
    Other,
}

/// The texts of an object.
#[derive(Debug, Default)]
struct Texts {
    /// With an empty text for each `null`.
    pairs: Pairs,
    nulls: bool,
    /// Something in it is neither a text nor `null`.
    others: bool,
}

/// What is neither object nor text nor number, for a visitor that only notes that.
macro_rules! visit_others {
    ($other:expr) => {
        fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
            Ok($other)
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
            while seq.next_element::<IgnoredAny>()?.is_some() {}
            Ok($other)
        }
    };
}

impl<'de> Deserialize<'de> for Item {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Visit;
        impl<'de> Visitor<'de> for Visit {
            type Value = Item;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an item")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Item, A::Error> {
                Item::read(map)
            }

            fn visit_unit<E>(self) -> Result<Item, E> {
                Ok(Item::default())
            }

            fn visit_i64<E>(self, _: i64) -> Result<Item, E> {
                Ok(Item::default())
            }

            fn visit_u64<E>(self, _: u64) -> Result<Item, E> {
                Ok(Item::default())
            }

            fn visit_f64<E>(self, _: f64) -> Result<Item, E> {
                Ok(Item::default())
            }

            fn visit_str<E>(self, _: &str) -> Result<Item, E> {
                Ok(Item::default())
            }

            visit_others!(Item::default());
        }
        from.deserialize_any(Visit)
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Visit;
        impl<'de> Visitor<'de> for Visit {
            type Value = Json;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
                let mut texts = Texts::default();
                while let Some((name, value)) = map.next_entry::<String, Json>()? {
                    match value {
                        Json::Text(text) => texts.pairs.insert(name, text),
                        Json::Null => {
                            texts.nulls = true;
                            texts.pairs.insert(name, String::new());
                        }
                        Json::Number(_) | Json::Object(_) | Json::Other => texts.others = true,
                    }
                }
                Ok(Json::Object(texts))
            }

            fn visit_unit<E>(self) -> Result<Json, E> {
                Ok(Json::Null)
            }

            #[expect(clippy::cast_precision_loss, reason = "the value of an alert is a double")]
            fn visit_i64<E: Error>(self, number: i64) -> Result<Json, E> {
                self.visit_f64(number as f64)
            }

            #[expect(clippy::cast_precision_loss, reason = "the value of an alert is a double")]
            fn visit_u64<E: Error>(self, number: u64) -> Result<Json, E> {
                self.visit_f64(number as f64)
            }

            fn visit_f64<E>(self, number: f64) -> Result<Json, E> {
                Ok(Json::Number(number))
            }

            fn visit_str<E>(self, text: &str) -> Result<Json, E> {
                Ok(Json::Text(text.to_owned()))
            }

            visit_others!(Json::Other);
        }
        from.deserialize_any(Visit)
    }
}
