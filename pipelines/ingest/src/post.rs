//! The body of `POST /api/v2/alerts`, read as Alertmanager's server reads it, down to the error bodies.
//!
//! Alert by alert: each is decided as it is read, so that of a request only one alert is in memory at a time, beside its
//! body and what it came to.

use std::fmt;

use alert::go_quote;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, SeqAccess, Visitor};

use crate::batch::Batch;
use crate::limits::{MAX_ALERTS, MAX_BODY_BYTES};
use crate::postable::{NotPostable, PostableAlert, REQUIRED};

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

    /// The specification does not allow it.
    fn unspecified(code: u16, message: String) -> Self {
        Self {
            status: 422,
            code,
            message,
            reason: "specification",
        }
    }
}

/// Reads the alerts of a request into a batch. `content_type` is the header's text, if there is one.
///
/// # Errors
/// The request is refused whole, and what the batch holds is void. With what go-openapi answers: 415 for another media
/// type, 400 for what is no JSON of the right shape, 422 for an alert that the specification does not allow. Ours: 413
/// beyond the limits.
pub fn post_alerts(content_type: Option<&str>, body: &[u8], batch: &mut Batch<'_>) -> Result<(), PostRefused> {
    let required = || PostRefused::unspecified(REQUIRED, "alerts in body is required".to_owned());
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
    let read = Alerts { batch }.deserialize(&mut reader).map_err(|error| {
        PostRefused::new(
            400,
            "json",
            format!("parsing alerts body from \"\" failed, because {error}"),
        )
    })?;
    if read.count > MAX_ALERTS {
        return Err(PostRefused::new(
            413,
            "too_many",
            format!("{} alerts in one request, at most {MAX_ALERTS} are taken", read.count),
        ));
    }
    match read.broken {
        None => Ok(()),
        Some((index, NotPostable { code, what })) => Err(PostRefused::unspecified(code, format!("{index}.{what}"))),
    }
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

/// The list of a body on its way into a batch.
struct Alerts<'a, 'c> {
    batch: &'a mut Batch<'c>,
}

/// What was read of a list.
#[derive(Debug, Default)]
struct Read {
    /// How many items it has; those beyond `MAX_ALERTS` were only counted.
    count: usize,
    /// The first that breaks the specification, and its place. Nothing after it was decided, only read.
    broken: Option<(usize, NotPostable)>,
}

impl<'de> DeserializeSeed<'de> for Alerts<'_, '_> {
    type Value = Read;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Read, D::Error> {
        from.deserialize_option(self)
    }
}

impl<'de> Visitor<'de> for Alerts<'_, '_> {
    type Value = Read;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of alerts")
    }

    fn visit_none<E>(self) -> Result<Read, E> {
        Ok(Read::default())
    }

    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<Read, D::Error> {
        from.deserialize_seq(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Read, A::Error> {
        let mut read = Read::default();
        while read.count < MAX_ALERTS {
            let Some(alert) = seq.next_element::<Option<PostableAlert>>()? else {
                return Ok(read);
            };
            // Alertmanager crashes at a `null`; to us it is an alert without labels.
            let alert = alert.unwrap_or_default();
            match alert.against_specification() {
                Ok(()) if read.broken.is_none() => self.batch.add(read.count, alert.into()),
                Ok(()) => {}
                Err(why) => read.broken = read.broken.or(Some((read.count, why))),
            }
            read.count += 1;
        }
        while seq.next_element::<IgnoredAny>()?.is_some() {
            read.count += 1;
        }
        Ok(read)
    }
}
