//! What the journal admits: which keys were possibly sent twice.

use std::collections::BTreeMap;

use reqwest::Url;
use serde_json::Value;

use crate::client::Client;
use crate::error::Error;

/// The records that explain a repeat.
pub const POSSIBLE_DUPLICATE: &str = "notification.possible_duplicate";
/// The most that console answers at once; a group of one alert has a few dozen.
const LIMIT: &str = "1000";

/// How many such records each idempotency key of a group has, as the console tells.
///
/// # Errors
/// It does not tell.
pub async fn possible_duplicates(
    client: &Client,
    console: &str,
    group_key: &str,
) -> Result<BTreeMap<String, usize>, Error> {
    let path = format!("{}/api/v1/journal", console.trim_end_matches('/'));
    let url = Url::parse_with_params(&path, [("group", group_key), ("limit", LIMIT)]);
    let url = url.map_err(|error| Error::of(path, error))?;
    Ok(count(&client.json(url.as_str()).await?))
}

/// Counts them in a list of journal entries, or in an object that holds one.
pub fn count(answer: &Value) -> BTreeMap<String, usize> {
    let mut keys = BTreeMap::new();
    let list = answer
        .as_array()
        .or_else(|| answer.as_object()?.values().find_map(Value::as_array));
    for entry in list.into_iter().flatten() {
        let is_one = entry.get("kind").and_then(Value::as_str) == Some(POSSIBLE_DUPLICATE);
        let key = entry
            .get("fields")
            .and_then(|fields| fields.get("idempotency_key"))
            .and_then(Value::as_str);
        if let (true, Some(key)) = (is_one, key) {
            *keys.entry(key.to_owned()).or_default() += 1;
        }
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::count;
    use serde_json::json;
    use std::collections::BTreeMap;

    #[test]
    fn records_are_counted_by_key() {
        let entry = |kind: &str, key: &str| json!({"kind": kind, "fields": {"idempotency_key": key}});
        let list = json!([
            entry("notification.possible_duplicate", "a"),
            entry("notification.delivered", "a"),
            entry("notification.possible_duplicate", "b"),
            entry("notification.possible_duplicate", "a"),
            {"kind": "notification.possible_duplicate"},
        ]);
        let expected = BTreeMap::from([("a".to_owned(), 2), ("b".to_owned(), 1)]);
        assert_eq!(count(&list), expected);
        assert_eq!(count(&json!({"complete": true, "entries": list})), expected);
        assert_eq!(count(&json!("nothing")), BTreeMap::new());
    }
}
