//! Matchers as people type them, read by the very parser that reads the config.

use alert::{MatchOp, Matcher, SilenceMatcher, parse_matchers};
use axum::body::Body;
use axum::http::Response;
use serde::{Deserialize, Serialize};

use crate::json;
use crate::params::Params;

/// One condition on one label.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub(super) struct ShownMatcher {
    name: String,
    value: String,
    is_regex: bool,
    is_equal: bool,
}

impl From<&Matcher> for ShownMatcher {
    fn from(matcher: &Matcher) -> Self {
        Self {
            name: matcher.name().to_owned(),
            value: matcher.value().to_owned(),
            is_regex: matches!(matcher.op(), MatchOp::Regex | MatchOp::NotRegex),
            is_equal: matches!(matcher.op(), MatchOp::Equal | MatchOp::Regex),
        }
    }
}

impl From<ShownMatcher> for SilenceMatcher {
    fn from(shown: ShownMatcher) -> Self {
        Self {
            name: shown.name,
            value: shown.value,
            is_regex: shown.is_regex,
            is_equal: shown.is_equal,
        }
    }
}

/// What is wrong with a text.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub(super) struct MatcherError {
    message: String,
    /// Where the matcher that is wrong begins: the character, from 0.
    at: usize,
}

/// A text as matchers.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub(super) struct ParsedMatchers {
    /// Those before the first that is wrong.
    matchers: Vec<ShownMatcher>,
    error: Option<MatcherError>,
}

/// `GET matchers?text=…`.
pub(super) async fn matchers(params: Params) -> Response<Body> {
    json::ok(&read(params.text("text").unwrap_or_default()))
}

fn read(text: &str) -> ParsedMatchers {
    match parse_matchers(text) {
        Ok(parsed) => ParsedMatchers {
            matchers: parsed.matchers.iter().map(ShownMatcher::from).collect(),
            error: None,
        },
        Err(error) => {
            let (matchers, at) = before_the_error(text);
            let message = error.0;
            ParsedMatchers {
                matchers,
                error: Some(MatcherError { message, at }),
            }
        }
    }
}

/// The matchers before the first piece of the text that is none, and where that piece begins.
fn before_the_error(text: &str) -> (Vec<ShownMatcher>, usize) {
    let mut matchers = Vec::new();
    let mut at = 0;
    for piece in pieces(text) {
        let blank = piece.chars().take_while(|c| c.is_whitespace() || *c == '{').count();
        let inner = piece.trim().trim_start_matches('{').trim_end_matches('}').trim();
        match parse_matchers(inner) {
            Ok(parsed) if !inner.is_empty() => matchers.extend(parsed.matchers.iter().map(ShownMatcher::from)),
            Ok(_) | Err(_) => return (matchers, at + blank),
        }
        at += piece.chars().count() + 1;
    }
    (matchers, 0)
}

/// The text between the commas that stand outside of quotes.
fn pieces(text: &str) -> Vec<&str> {
    let (mut quoted, mut escaped, mut from) = (false, false, 0);
    let mut pieces = Vec::new();
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ',' if !quoted => {
                pieces.extend(text.get(from..at));
                from = at + 1;
            }
            _ => {}
        }
    }
    pieces.extend(text.get(from..));
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_the_matcher_that_is_wrong() {
        let rows = [
            (r#"a="b""#, 1, None),
            (r#"{a="b",c=~"d|e"}"#, 2, None),
            ("", 0, None),
            (r#"a="b",nonsense"#, 1, Some(6)),
            (r#"a="b", c=~"(" , d="e""#, 1, Some(7)),
            (r#"{a="x,y", b}"#, 1, Some(10)),
            (r#"ä="ö",ü"#, 1, Some(6)),
            ("b", 0, Some(0)),
        ];
        for (text, matchers, at) in rows {
            let parsed = read(text);
            assert_eq!(parsed.error.as_ref().map(|error| error.at), at, "{text}: {parsed:?}");
            assert_eq!(parsed.matchers.len(), matchers, "{text}: {parsed:?}");
        }
    }
}
