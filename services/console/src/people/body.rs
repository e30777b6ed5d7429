//! What a person says with a command.

use axum::http::header::HeaderMap;
use serde::Deserialize;

use crate::json::Refusal;
use crate::uuid;

/// Who gives a command, where the body does not say: what an authenticating proxy puts in front of us.
const USER_HEADER: &str = "x-forwarded-user";
/// Who gives it where nobody says.
const NOBODY: &str = "api";
/// The longest name and id: they stand in the incident's state.
const MAX_NAME_BYTES: usize = 256;
/// The longest comment: it stands in the journal.
const MAX_COMMENT_BYTES: usize = 4 * 1024;

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Posted {
    by: Option<String>,
    comment: Option<String>,
    id: Option<String>,
    generation: Option<i64>,
}

/// A command as it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Given {
    /// Who gives it.
    pub(super) by: String,
    /// Why; may be empty.
    pub(super) comment: String,
    /// Repeating it gets the first answer; a new one where the person gave none.
    pub(super) id: String,
    /// The generation the person saw; none = whatever is current.
    pub(super) generation: Option<i64>,
}

/// Who an authenticating proxy says it is.
pub(crate) fn proxied_user(headers: &HeaderMap) -> Option<String> {
    let user = headers.get(USER_HEADER)?.to_str().ok()?;
    (!user.is_empty()).then(|| user.to_owned())
}

/// Reads a body; none at all means all defaults.
pub(super) fn read(headers: &HeaderMap, body: &[u8]) -> Result<Given, Refusal> {
    let posted: Posted = if body.is_empty() {
        Posted::default()
    } else {
        serde_json::from_slice(body).map_err(|error| Refusal::bad(format!("the body is no command: {error}")))?
    };
    let given = |text: &String| !text.is_empty();
    let id = match posted.id.filter(given) {
        Some(id) => id,
        None => uuid::v4().map_err(Refusal::internal)?,
    };
    let by = posted
        .by
        .filter(given)
        .or_else(|| proxied_user(headers))
        .unwrap_or_else(|| NOBODY.to_owned());
    let comment = posted.comment.unwrap_or_default();
    for (name, text, limit) in [
        ("by", &by, MAX_NAME_BYTES),
        ("id", &id, MAX_NAME_BYTES),
        ("comment", &comment, MAX_COMMENT_BYTES),
    ] {
        if text.len() > limit {
            return Err(Refusal::bad(format!("{name} is longer than {limit} bytes")));
        }
    }
    Ok(Given {
        by,
        comment,
        id,
        generation: posted.generation,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_has_a_default() {
        let proxied = HeaderMap::from_iter([(USER_HEADER.parse().unwrap(), "ada".parse().unwrap())]);
        let rows = [
            (HeaderMap::new(), "", "api", None),
            (HeaderMap::new(), "{}", "api", None),
            (proxied.clone(), "", "ada", None),
            (proxied.clone(), r#"{"by":"bob","generation":3}"#, "bob", Some(3)),
            (proxied, r#"{"by":""}"#, "ada", None),
        ];
        for (headers, body, by, generation) in rows {
            let given = read(&headers, body.as_bytes()).unwrap();
            assert_eq!((given.by.as_str(), given.generation), (by, generation), "{body}");
            assert!(uuid::is_uuid(&given.id), "{body}: {}", given.id);
        }
        assert_eq!(read(&HeaderMap::new(), br#"{"id":"x"}"#).unwrap().id, "x");
    }

    #[test]
    fn what_is_no_command_is_refused() {
        let long = format!(r#"{{"by":"{}"}}"#, "x".repeat(MAX_NAME_BYTES + 1));
        for body in ["[", "3", r#"{"generation":"x"}"#, r#"{"reason":"x"}"#, &long] {
            assert!(
                matches!(read(&HeaderMap::new(), body.as_bytes()), Err(Refusal::Said(..))),
                "{body}"
            );
        }
    }
}
