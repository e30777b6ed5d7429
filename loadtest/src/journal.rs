//! What the journal admits: which keys were possibly sent twice.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use reqwest::Url;
use serde_json::Value;
use tokio::time::sleep;

use crate::client::{Client, Endpoints};
use crate::error::Error;
use crate::ledger::hash;
use crate::oracle::{Evidence, group_keys};

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

/// How long between two looks at the journal.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Asks the journal about every key that was heard more than once, until it explains that or all had this time.
///
/// # Errors
/// It does not tell.
pub async fn read_records(
    client: &Client,
    consoles: &Endpoints,
    evidence: &mut Evidence<'_>,
    within: Duration,
) -> Result<(), Error> {
    let mut messages: BTreeMap<u64, (u32, BTreeSet<u32>)> = BTreeMap::new();
    for heard in evidence.heard.iter().filter(|heard| heard.key != 0) {
        let (_, times) = messages.entry(heard.key).or_insert((heard.alert, BTreeSet::new()));
        times.insert(heard.message);
    }
    let deadline = Instant::now() + within;
    for (key, (alert, times)) in messages.into_iter().filter(|(_, (_, times))| times.len() > 1) {
        let groups = group_keys(evidence.config, &evidence.population.labels(alert));
        loop {
            let console = consoles.next().ok_or_else(|| Error::new("no console to ask"))?;
            let mut records = 0;
            for group in &groups {
                let known = possible_duplicates(client, &console, group.as_str()).await;
                let late = Instant::now() >= deadline;
                match known {
                    Ok(known) => {
                        records += known
                            .iter()
                            .filter(|(text, _)| hash(text.as_bytes()) == key)
                            .map(|(_, n)| n)
                            .sum::<usize>();
                    }
                    Err(error) if late => return Err(error),
                    Err(_) => {}
                }
            }
            if records + 1 >= times.len() || Instant::now() >= deadline {
                evidence.records.insert(key, records);
                break;
            }
            sleep(LOOK_AGAIN).await;
        }
    }
    Ok(())
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
