//! A request's query, read as go-openapi reads it.

use alert::{MatchOp, Matcher, parse_matcher};
use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;

use crate::json::Refusal;

/// The most parameters of one query, and with them the most filters: each is held against every alert.
const MAX_PARAMS: usize = 200;
/// What go-openapi takes for true; everything else is false, never an error.
const TRUE: [&str; 10] = [
    "true", "1", "yes", "ok", "y", "on", "selected", "checked", "t", "enabled",
];

/// The parameters in the order they were given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Params(pub(crate) Vec<(String, String)>);

impl Params {
    /// The last value of a parameter; none where it is absent or empty.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        let last = self.0.iter().rev().find(|(given, _)| given == name);
        last.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// A flag; `default` where it is absent or empty.
    pub(crate) fn flag(&self, name: &str, default: bool) -> bool {
        self.text(name)
            .map_or(default, |value| TRUE.contains(&value.to_ascii_lowercase().as_str()))
    }

    /// All values of a parameter that may be repeated, as matchers.
    pub(crate) fn matchers(&self, name: &str) -> Result<Vec<Matcher>, Refusal> {
        let given = self
            .0
            .iter()
            .filter(|(given, value)| given == name && !value.is_empty());
        given
            .map(|(_, value)| Ok(parse_matcher(value).map_err(|error| Refusal::bad(error.0))?.matcher))
            .collect()
    }

    /// The parameter `receiver`, an anchored regular expression; none where it is absent or empty.
    pub(crate) fn receiver(&self) -> Result<Option<Matcher>, Refusal> {
        let compiled = self
            .text("receiver")
            .map(|pattern| Matcher::new(MatchOp::Regex, "receiver", pattern));
        compiled
            .transpose()
            .map_err(|error| Refusal::bad(format!("failed to parse receiver param: {error}")))
    }

    /// A number of things to list: `default` where it is absent, `max` at most.
    pub(crate) fn limit(&self, default: usize, max: usize) -> Result<usize, Refusal> {
        let Some(text) = self.text("limit") else {
            return Ok(default);
        };
        let limit: usize = text
            .parse()
            .map_err(|_| Refusal::bad(format!("limit is no number: {text}")))?;
        Ok(limit.clamp(1, max))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Params {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let query = Query::<Vec<(String, String)>>::from_request_parts(parts, state).await;
        let Query(params) = query.map_err(|error: QueryRejection| Refusal::bad(error.body_text()))?;
        if params.len() > MAX_PARAMS {
            return Err(Refusal::bad(format!("more than {MAX_PARAMS} query parameters")));
        }
        Ok(Self(params))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::StatusCode;

    fn params(rows: &[(&str, &str)]) -> Params {
        Params(
            rows.iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
        )
    }

    #[test]
    fn flags_are_never_an_error() {
        let rows = [
            ("true", true),
            ("YES", true),
            ("1", true),
            ("Enabled", true),
            ("false", false),
            ("no", false),
            ("2", false),
        ];
        for (value, expected) in rows {
            assert_eq!(
                params(&[("active", value)]).flag("active", !expected),
                expected,
                "{value}"
            );
        }
        for default in [true, false] {
            assert_eq!(params(&[]).flag("active", default), default);
            assert_eq!(params(&[("active", "")]).flag("active", default), default, "empty");
        }
        assert!(
            !params(&[("active", "true"), ("active", "false")]).flag("active", true),
            "the last one counts"
        );
    }

    #[test]
    fn bad_filters_and_receivers_are_refused_in_alertmanagers_words() {
        let said = |refusal: Refusal| match refusal {
            Refusal::Said(StatusCode::BAD_REQUEST, text) => text,
            other @ (Refusal::Said(..) | Refusal::Coded(..) | Refusal::Empty(_)) => panic!("{other:?}"),
        };
        assert_eq!(
            said(params(&[("filter", "bad")]).matchers("filter").unwrap_err()),
            "bad matcher format: bad"
        );
        let receiver = said(params(&[("receiver", "(")]).receiver().unwrap_err());
        assert!(
            receiver.starts_with("failed to parse receiver param: error parsing regexp: "),
            "{receiver}"
        );
        assert_eq!(
            params(&[("receiver", "")]).receiver(),
            Ok(None),
            "amtool sends an empty one"
        );
    }
}
