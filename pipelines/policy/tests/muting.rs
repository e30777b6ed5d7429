//! What mutes an alert, and until when. Times are seconds.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use alert::{LabelSet, Silence, SilenceMatcher, Timestamp};
use policy::SilenceIndex;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_secs(seconds)
}

/// Right after the last millisecond of `seconds`' instant: a silence's end is inclusive.
fn after(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds * 1_000 + 1)
}

fn labels(text: &str) -> LabelSet {
    let mut labels = LabelSet::default();
    for (name, value) in text.split_whitespace().filter_map(|pair| pair.split_once('=')) {
        labels.insert(name, value);
    }
    labels
}

/// `matchers` as the API has them: (name, value, isRegex, isEqual).
fn silence(id: &str, matchers: &[(&str, &str, bool, bool)], from: i64, to: i64) -> Silence {
    let matcher = |(name, value, is_regex, is_equal): &(&str, &str, bool, bool)| SilenceMatcher {
        name: (*name).to_owned(),
        value: (*value).to_owned(),
        is_regex: *is_regex,
        is_equal: *is_equal,
    };
    let matchers = matchers.iter().map(matcher).collect();
    Silence {
        id: id.to_owned(),
        matchers,
        starts_at: at(from),
        ends_at: at(to),
        ..Silence::default()
    }
}

fn index() -> SilenceIndex {
    let mut index = SilenceIndex::new();
    let silences = [
        silence("db", &[("team", "db", false, true)], 10, 20),
        silence(
            "db-prod",
            &[("env", "prod|stage", true, true), ("team", "db", false, true)],
            15,
            40,
        ),
        silence(
            "not-web",
            &[("team", "web", false, false), ("env", "", false, true)],
            30,
            50,
        ),
        silence("page", &[("severity", "p.*", true, true)], 0, 5),
    ];
    for silence in silences {
        assert_eq!(index.insert(silence).unwrap(), None);
    }
    index
}

#[test]
fn active_silences_that_match_mute() {
    let index = index();
    // labels, time, muted by, applying
    let rows: [(&str, i64, &[&str], &[&str]); 9] = [
        ("team=db", 9, &[], &["db", "not-web"]),
        ("team=db", 10, &["db"], &["db", "not-web"]),
        ("team=db", 20, &["db"], &["db", "not-web"]),
        ("team=db", 21, &[], &["not-web"]),
        ("team=db env=prod", 17, &["db", "db-prod"], &["db", "db-prod"]),
        ("team=db env=dev", 17, &["db"], &["db"]),
        ("team=web", 35, &[], &[]),
        ("x=y", 35, &["not-web"], &["not-web"]),
        ("severity=page team=web", 5, &["page"], &["page"]),
    ];
    for (text, seconds, muted_by, applying) in rows {
        assert_eq!(
            index.muted_by(&labels(text), at(seconds)),
            muted_by,
            "{text} at {seconds}"
        );
        let found: Vec<_> = index
            .applying(&labels(text), at(seconds))
            .iter()
            .map(|silence| silence.id.as_str())
            .collect();
        assert_eq!(found, applying, "{text} at {seconds}");
    }
}

#[test]
fn a_mute_ends_where_no_silence_takes_over() {
    let index = index();
    let rows = [
        ("team=db", 9, None),
        ("team=db", 10, Some(after(20))),
        ("team=db env=prod", 10, Some(after(40))),
        ("team=db", 21, None),
        ("x=y", 30, Some(after(50))),
    ];
    for (text, seconds, expected) in rows {
        assert_eq!(
            index.muted_until(&labels(text), at(seconds)),
            expected,
            "{text} at {seconds}"
        );
    }
}

#[test]
fn edges_are_starts_and_ends() {
    let mut index = index();
    let rows = [
        (at(-1), Some(at(0))),
        (at(0), Some(after(5))),
        (at(5), Some(after(5))),
        (after(5), Some(at(10))),
        (at(30), Some(after(40))),
        (after(50), None),
    ];
    for (now, expected) in rows {
        assert_eq!(index.next_edge(now), expected, "after {now}");
    }
    assert_eq!(index.changed_between(at(5), at(15)), ["db", "db-prod", "page"]);
    assert_eq!(index.changed_between(at(15), at(20)), Vec::<String>::new());
    for id in ["db", "db-prod", "not-web", "page"] {
        assert_eq!(index.remove(id).unwrap().id, id);
    }
    assert_eq!(
        (index.next_edge(at(-9)), index.is_empty(), index.remove("db")),
        (None, true, None)
    );
    assert!(index.muted_by(&labels("team=db"), at(15)).is_empty());
}

#[test]
fn a_silence_is_replaced_whole_or_not_at_all() {
    let mut index = index();
    let moved = silence("db", &[("team", "web", false, true)], 100, 200);
    assert_eq!(index.insert(moved.clone()).unwrap().unwrap().ends_at, at(20));
    assert!(index.muted_by(&labels("team=db"), at(12)).is_empty());
    assert_eq!(index.muted_by(&labels("team=web"), at(150)), ["db"]);
    assert_eq!(index.len(), 4);

    let broken = silence("db", &[("team", "(", true, true)], 0, 500);
    assert!(index.insert(broken).is_err());
    assert!(index.insert(silence("db", &[], 0, 500)).is_err());
    assert_eq!(index.get("db"), Some(&moved));
    assert_eq!(index.iter().count(), 4);
}
