//! The body of `POST /api/v2/alerts`, read as Alertmanager's server reads it, down to the error bodies.

use std::collections::BTreeMap;
use std::fmt;

use alert::{LabelSet, Timestamp, go_quote};
use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::limits::{MAX_ALERTS, MAX_BODY_BYTES};
use crate::uri::is_request_uri;

/// An alert as it is posted. Nothing is checked yet.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PostableAlert {
    /// None where there are none at all, or `null`.
    pub labels: Option<LabelSet>,
    /// Empty where there are none.
    pub annotations: LabelSet,
    /// None where not given.
    pub starts_at: Option<Timestamp>,
    /// None where not given.
    pub ends_at: Option<Timestamp>,
    /// Empty where not given.
    pub generator_url: String,
}

impl PostableAlert {
    /// What the specification says of one alert: the first rule that is broken, as (code, `what of it is wrong`).
    pub(crate) fn against_specification(&self) -> Result<(), (u16, String)> {
        if !self.generator_url.is_empty() && !is_request_uri(&self.generator_url) {
            let text = go_quote(&self.generator_url);
            return Err((
                INVALID_TYPE,
                format!("generatorURL in body must be of type uri: {text}"),
            ));
        }
        if self.labels.is_none() {
            return Err((REQUIRED, "labels in body is required".to_owned()));
        }
        Ok(())
    }
}

/// go-openapi's code for a value of a wrong format.
const INVALID_TYPE: u16 = 601;
/// go-openapi's code for something that is missing.
const REQUIRED: u16 = 602;

/// Why a request is refused whole: the status and the body `{"code":…,"message":…}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostRefused {
    /// The HTTP status.
    pub status: u16,
    /// The code in the body; not always the status.
    pub code: u16,
    /// The message in the body.
    pub message: String,
    /// In one word, for the metric.
    pub reason: &'static str,
}

impl PostRefused {
    fn new(status: u16, reason: &'static str, message: String) -> Self {
        Self {
            status,
            code: status,
            message,
            reason,
        }
    }

    /// The body is larger than [`MAX_BODY_BYTES`].
    pub fn too_large() -> Self {
        Self::new(
            413,
            "too_large",
            format!("the request body is larger than {MAX_BODY_BYTES} bytes"),
        )
    }
}

/// Reads the alerts of a request. `content_type` is the header's text, if there is one.
///
/// # Errors
/// The request is refused whole, with what go-openapi answers: 415 for another media type, 400 for what is no JSON of the
/// right shape, 422 for an alert that the specification does not allow. Ours: 413 beyond the limits.
pub fn post_alerts(content_type: Option<&str>, body: &[u8]) -> Result<Vec<PostableAlert>, PostRefused> {
    let required = || PostRefused {
        status: 422,
        code: REQUIRED,
        message: "alerts in body is required".to_owned(),
        reason: "specification",
    };
    if body.is_empty() {
        return Err(required());
    }
    media_type(content_type)?;
    if body.len() > MAX_BODY_BYTES {
        return Err(PostRefused::too_large());
    }
    // Go replaces what is not UTF-8, and reads no further than the first value.
    let text = String::from_utf8_lossy(body);
    if text.trim_ascii().is_empty() {
        return Err(required());
    }
    let mut reader = serde_json::Deserializer::from_str(&text);
    let Alerts { items, dropped } = Option::deserialize(&mut reader)
        .map_err(|error| {
            PostRefused::new(
                400,
                "json",
                format!("parsing alerts body from \"\" failed, because {error}"),
            )
        })?
        .unwrap_or_default();
    if dropped > 0 {
        let count = items.len() + dropped;
        return Err(PostRefused::new(
            413,
            "too_many",
            format!("{count} alerts in one request, at most {MAX_ALERTS} are taken"),
        ));
    }
    for (index, alert) in items.iter().enumerate() {
        let checked = alert.against_specification();
        checked.map_err(|(code, what)| PostRefused {
            status: 422,
            code,
            message: format!("{index}.{what}"),
            reason: "specification",
        })?;
    }
    Ok(items)
}

fn media_type(header: Option<&str>) -> Result<(), PostRefused> {
    let header = header
        .filter(|text| !text.is_empty())
        .unwrap_or("application/octet-stream");
    let media = header.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if media == "application/json" {
        return Ok(());
    }
    let message = format!(
        "unsupported media type {}, only [application/json] are allowed",
        go_quote(&media)
    );
    Err(PostRefused::new(415, "media_type", message))
}

/// The alerts of a body; beyond `MAX_ALERTS` they are only counted.
#[derive(Debug, Default)]
struct Alerts {
    items: Vec<PostableAlert>,
    dropped: usize,
}

impl<'de> Deserialize<'de> for Alerts {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Visit;
        impl<'de> Visitor<'de> for Visit {
            type Value = Alerts;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of alerts")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Alerts, A::Error> {
                let mut alerts = Alerts::default();
                while alerts.items.len() < MAX_ALERTS {
                    let Some(alert) = seq.next_element::<Option<PostableAlert>>()? else {
                        return Ok(alerts);
                    };
                    // Alertmanager crashes at a `null`; to us it is an alert without labels.
                    alerts.items.push(alert.unwrap_or_default());
                }
                while seq.next_element::<IgnoredAny>()?.is_some() {
                    alerts.dropped += 1;
                }
                Ok(alerts)
            }
        }
        from.deserialize_seq(Visit)
    }
}

impl<'de> Deserialize<'de> for PostableAlert {
    /// As Go's `encoding/json`: names of fields in any case, the last of several wins, `null` is "not given", unknown
    /// fields are ignored.
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Visit;
        impl<'de> Visitor<'de> for Visit {
            type Value = PostableAlert;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an alert")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<PostableAlert, A::Error> {
                let mut alert = PostableAlert::default();
                while let Some(name) = map.next_key::<String>()? {
                    match name.to_ascii_lowercase().as_str() {
                        "labels" => alert.labels = texts(map.next_value()?),
                        "annotations" => alert.annotations = texts(map.next_value()?).unwrap_or_default(),
                        "startsat" => alert.starts_at = time(map.next_value::<Option<String>>()?.as_deref())?,
                        "endsat" => alert.ends_at = time(map.next_value::<Option<String>>()?.as_deref())?,
                        "generatorurl" => alert.generator_url = map.next_value::<Option<_>>()?.unwrap_or_default(),
                        _ => drop(map.next_value::<IgnoredAny>()?),
                    }
                }
                Ok(alert)
            }
        }
        from.deserialize_map(Visit)
    }
}

type Texts = Option<BTreeMap<String, Option<String>>>;

/// A `null` value is the empty text.
fn texts(texts: Texts) -> Option<LabelSet> {
    Some(
        texts?
            .into_iter()
            .map(|(name, value)| (name, value.unwrap_or_default()))
            .collect(),
    )
}

/// go-openapi takes the empty text for the epoch, and Go's zero time means "not given".
fn time<E: Error>(text: Option<&str>) -> Result<Option<Timestamp>, E> {
    match text {
        None => Ok(None),
        Some("") => Ok(Some(Timestamp::ZERO)),
        Some(text) => Timestamp::parse(text)
            .map(|at| Some(at).filter(|at| !at.is_zero_time()))
            .map_err(E::custom),
    }
}
