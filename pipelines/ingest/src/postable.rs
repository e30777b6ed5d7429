//! An alert as Alertmanager's API v2 takes it.

use std::fmt;

use alert::{Timestamp, go_quote};
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, Visitor};

use crate::pairs::Pairs;
use crate::uri::is_request_uri;

/// An alert as it is posted. Nothing is checked yet.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct PostableAlert {
    /// None where there are none at all, or `null`.
    pub(crate) labels: Option<Pairs>,
    /// Empty where there are none.
    pub(crate) annotations: Pairs,
    /// None where not given.
    pub(crate) starts_at: Option<Timestamp>,
    /// None where not given.
    pub(crate) ends_at: Option<Timestamp>,
    /// Empty where not given.
    pub(crate) generator_url: String,
}

/// What the specification does not allow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NotPostable {
    /// go-openapi's code.
    pub(crate) code: u16,
    /// What of the alert is wrong.
    pub(crate) what: String,
}

/// go-openapi's code for a value of a wrong format.
const INVALID_TYPE: u16 = 601;
/// go-openapi's code for something that is missing.
pub(crate) const REQUIRED: u16 = 602;

impl PostableAlert {
    /// The first rule of the specification that is broken.
    pub(crate) fn against_specification(&self) -> Result<(), NotPostable> {
        if !self.generator_url.is_empty() && !is_request_uri(&self.generator_url) {
            let text = go_quote(&self.generator_url);
            return Err(NotPostable {
                code: INVALID_TYPE,
                what: format!("generatorURL in body must be of type uri: {text}"),
            });
        }
        if self.labels.is_none() {
            return Err(NotPostable {
                code: REQUIRED,
                what: "labels in body is required".to_owned(),
            });
        }
        Ok(())
    }
}

/// A field of an alert, by its name in any case, as Go's `encoding/json` finds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field {
    Labels,
    Annotations,
    StartsAt,
    EndsAt,
    GeneratorUrl,
}

impl Field {
    const ALL: [(&'static str, Self); 5] = [
        ("labels", Self::Labels),
        ("annotations", Self::Annotations),
        ("startsAt", Self::StartsAt),
        ("endsAt", Self::EndsAt),
        ("generatorURL", Self::GeneratorUrl),
    ];

    /// Its name as it is written.
    pub(crate) fn name(self) -> &'static str {
        let mut all = Self::ALL.into_iter();
        all.find(|(_, field)| *field == self).map_or("", |(name, _)| name)
    }

    /// The field of that name; none for one that is not known.
    pub(crate) fn of(name: &str) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, field)| field)
    }
}

/// The name of a field, read without being kept.
struct Name(Option<Field>);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Visit;
        impl Visitor<'_> for Visit {
            type Value = Name;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a field's name")
            }

            fn visit_str<E>(self, name: &str) -> Result<Name, E> {
                Ok(Name(Field::of(name)))
            }
        }
        from.deserialize_str(Visit)
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
                while let Some(Name(field)) = map.next_key()? {
                    match field {
                        Some(Field::Labels) => alert.labels = map.next_value()?,
                        Some(Field::Annotations) => {
                            alert.annotations = map.next_value::<Option<_>>()?.unwrap_or_default();
                        }
                        Some(Field::StartsAt) => alert.starts_at = map.next_value::<Time>()?.0,
                        Some(Field::EndsAt) => alert.ends_at = map.next_value::<Time>()?.0,
                        Some(Field::GeneratorUrl) => {
                            alert.generator_url = map.next_value::<Option<_>>()?.unwrap_or_default();
                        }
                        None => drop(map.next_value::<IgnoredAny>()?),
                    }
                }
                Ok(alert)
            }
        }
        from.deserialize_map(Visit)
    }
}

/// A time as it is posted.
struct Time(Option<Timestamp>);

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = Option::<String>::deserialize(from)?;
        time(text.as_deref()).map(Self).map_err(D::Error::custom)
    }
}

/// go-openapi takes the empty text for the epoch, and Go's zero time means "not given".
pub(crate) fn time(text: Option<&str>) -> Result<Option<Timestamp>, alert::TimestampError> {
    match text {
        None => Ok(None),
        Some("") => Ok(Some(Timestamp::ZERO)),
        Some(text) => Ok(Some(Timestamp::parse(text)?).filter(|at| !at.is_zero_time())),
    }
}
