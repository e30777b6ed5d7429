//! Label sets, fingerprints and Go's quoting.

use std::cmp::Ordering;

use alert::{Fingerprint, LabelSet, go_quote, go_unquote, validate_classic_name, validate_name};

use crate::Seeded;

/// `a=x b=y` as a label set.
pub(crate) fn labels(text: &str) -> LabelSet {
    text.split_whitespace()
        .map(|pair| pair.split_once('=').unwrap())
        .collect()
}

#[test]
fn a_fingerprint_is_prometheus_own() {
    let rows = [
        ("", "cbf29ce484222325"),
        ("severity=warning job=foo", "9266ef3da838ad95"),
        ("job=foo severity=critical", "3b15fd163d36582e"),
    ];
    for (text, printed) in rows {
        let fingerprint = labels(text).fingerprint();
        assert_eq!(fingerprint.to_string(), printed, "{text}");
        assert_eq!(printed.parse(), Ok(fingerprint), "{text}");
        assert_eq!(serde_json::to_string(&fingerprint).unwrap(), format!("\"{printed}\""));
    }
}

#[test]
fn a_fingerprint_is_read_strictly() {
    assert_eq!("ff".parse(), Ok(Fingerprint::new(255)));
    assert_eq!(Fingerprint::new(255).to_string(), "00000000000000ff");
    for text in ["", "+1", "-1", "0x1", "g", "cbf29ce4842223250", " 1"] {
        assert!(text.parse::<Fingerprint>().is_err(), "{text}");
    }
}

#[test]
fn a_label_set_prints_as_alertmanager_prints_group_labels() {
    let rows = [
        (LabelSet::new(), "{}"),
        (LabelSet::from([("b", "y"), ("a", "x")]), r#"{a="x", b="y"}"#),
        (LabelSet::from([("a", "a \"q\" \\ \n")]), r#"{a="a \"q\" \\ \n"}"#),
        (LabelSet::from([("a", "")]), r#"{a=""}"#),
        (LabelSet::from([("größe", "ü✓")]), r#"{größe="ü✓"}"#),
    ];
    for (labels, printed) in rows {
        assert_eq!(labels.to_string(), printed);
    }
}

#[test]
fn go_quoting_escapes_what_does_not_print() {
    let rows = [
        ("", r#""""#),
        ("\x07\x08\x0c\n\r\t\x0b", r#""\a\b\f\n\r\t\v""#),
        ("\0\x1b\x7f", r#""\x00\x1b\x7f""#),
        ("'`", r#""'`""#),
        ("日本 🙂 é", r#""日本 🙂 é""#),
        ("e\u{301}", "\"e\u{301}\""),
        ("a\u{a0}b\u{ad}c", r#""a\u00a0b\u00adc""#),
        (
            "\u{80}\u{200b}\u{2028}\u{feff}\u{fffd}",
            "\"\\u0080\\u200b\\u2028\\ufeff\u{fffd}\"",
        ),
        ("\u{e000}\u{10ffff}", r#""\ue000\U0010ffff""#),
        // Assigned in Unicode 16: Go 1.26 does not know it yet.
        ("\u{1c89}", r#""\u1c89""#),
    ];
    for (text, quoted) in rows {
        assert_eq!(go_quote(text), quoted, "{text:?}");
        assert_eq!(go_unquote(quoted).as_deref(), Some(text), "{quoted}");
    }
}

#[test]
fn go_unquoting_takes_what_go_takes() {
    let rows = [
        (r#""\x41\101\u0041\U00000041""#, Some("AAAA")),
        (r#""\xc3\xbc""#, Some("ü")),
        (r#""\xff""#, None),
        (r#""\ud800""#, None),
        (r#""\400""#, None),
        (r#""\w""#, None),
        (r#""\'""#, None),
        (r#""\""#, None),
        ("\"a\nb\"", None),
        ("\"", None),
        ("", None),
        ("\"a\"b\"", None),
        (r#""\x4""#, None),
    ];
    for (literal, text) in rows {
        assert_eq!(go_unquote(literal).as_deref(), text, "{literal}");
    }
}

#[test]
fn label_names_are_any_text_or_classic() {
    let rows = [
        ("", false, false),
        ("a", true, true),
        ("_a1", true, true),
        ("1a", true, false),
        ("a:b", true, false),
        ("a b", true, false),
        ("größe", true, false),
        ("🙂", true, false),
    ];
    for (name, utf8, classic) in rows {
        assert_eq!(
            (validate_name(name).is_ok(), validate_classic_name(name).is_ok()),
            (utf8, classic),
            "{name}"
        );
    }
    assert_eq!(
        validate_classic_name("a\"b").unwrap_err().to_string(),
        r#"invalid name "a\"b""#
    );
    assert_eq!(validate_name("").unwrap_err().to_string(), r#"invalid name """#);
}

#[test]
fn before_counts_labels_then_names_then_values() {
    let rows = [
        ("", "", Ordering::Equal),
        ("", "a=1", Ordering::Less),
        ("z=9", "a=1 b=1", Ordering::Less),
        ("a=1", "a=2", Ordering::Less),
        ("b=1", "a=1", Ordering::Less),
        ("a=1 c=1", "a=1 b=1", Ordering::Less),
        ("a=2 c=1", "a=1 b=1", Ordering::Greater),
        ("a=10", "a=9", Ordering::Less),
    ];
    for (left, right, order) in rows {
        assert_eq!(labels(left).before(&labels(right)), order, "{left} | {right}");
        assert_eq!(labels(right).before(&labels(left)), order.reverse(), "{right} | {left}");
    }
}

/// Prometheus' own words for it: over the sorted names of both, the set without the name comes first.
fn before_by_union(left: &LabelSet, right: &LabelSet) -> Ordering {
    let names: std::collections::BTreeSet<_> = left.iter().chain(right.iter()).map(|(name, _)| name).collect();
    let by_name = names
        .into_iter()
        .map(|name| left.get(name).cmp(&right.get(name)))
        .find(|order| order.is_ne());
    left.len().cmp(&right.len()).then(by_name.unwrap_or(Ordering::Equal))
}

#[test]
fn before_agrees_with_its_definition() {
    let mut seeded = Seeded(3);
    let mut set = || -> LabelSet {
        (0..seeded.below(4))
            .map(|_| (format!("n{}", seeded.below(4)), format!("v{}", seeded.below(2))))
            .collect()
    };
    for _ in 0..5_000 {
        let (left, right) = (set(), set());
        assert_eq!(left.before(&right), before_by_union(&left, &right), "{left} | {right}");
    }
}

#[test]
fn an_empty_value_is_an_absent_label() {
    let set = LabelSet::from([("a", ""), ("b", "x")]);
    assert_eq!(
        (set.get("a"), set.value("a"), set.get("c"), set.value("c")),
        (Some(""), "", None, "")
    );
    assert_eq!(set.clone().without_empty_values(), labels("b=x"));
    assert_eq!(set.only(["b", "c"]), labels("b=x"));
    assert_eq!(serde_json::to_string(&set).unwrap(), r#"{"a":"","b":"x"}"#);
    assert_eq!(serde_json::from_str::<LabelSet>(r#"{"a":"","b":"x"}"#).unwrap(), set);
}
