//! Matchers: meaning, print, order, and the three grammars.

use alert::{
    LabelSet, MatchOp, Matcher, MatcherMode, Matchers, parse_matcher, parse_matcher_in, parse_matchers,
    parse_matchers_in,
};

use crate::Seeded;
use crate::labels::labels;

use MatchOp::{Equal, NotEqual, NotRegex, Regex};

fn matcher(op: MatchOp, name: &str, value: &str) -> Matcher {
    Matcher::new(op, name, value).unwrap()
}

#[test]
fn a_missing_label_is_the_empty_text() {
    let rows = [
        (Equal, "", "", true),
        (Equal, "bar", "", false),
        (NotEqual, "bar", "", true),
        (NotEqual, "", "", false),
        (Regex, "", "", true),
        (Regex, ".*", "", true),
        (Regex, ".+", "", false),
        (Regex, "b", "foo=bar", false),
        (Regex, "b.*", "foo=bar", true),
        (NotRegex, "b.*", "foo=bar", false),
        (NotRegex, ".+", "", true),
        (Equal, "bar", "foo=bar other=x", true),
        (NotEqual, "bar", "foo=bar", false),
    ];
    for (op, value, set, expected) in rows {
        assert_eq!(
            matcher(op, "foo", value).matches(&labels(set)),
            expected,
            "{op:?} {value} on {set}"
        );
    }
    assert!(Matchers::default().matches(&LabelSet::new()));
    let both = Matchers(vec![matcher(Equal, "a", "1"), matcher(NotEqual, "b", "2")]);
    assert!(both.matches(&labels("a=1")) && !both.matches(&labels("a=1 b=2")));
}

#[test]
fn a_matcher_prints_as_alertmanager_prints_it() {
    let rows = [
        (Equal, "foo", "bar", r#"foo="bar""#),
        (NotEqual, "foo", "", r#"foo!="""#),
        (Regex, "foo", "a|b", r#"foo=~"a|b""#),
        (NotRegex, "foo", "\\d\"\n\t", "foo!~\"\\\\d\\\"\\n\t\""),
        (Equal, "größe🙂", "ü", r#"größe🙂="ü""#),
        (Equal, "a b", "x\t", r#""a b"="x\t""#),
        (Equal, "a\"b", "\u{200b}", r#""a\"b"="\u200b""#),
        (Equal, "a`b", "x", r#""a`b"="x""#),
    ];
    for (op, name, value, printed) in rows {
        assert_eq!(matcher(op, name, value).to_string(), printed);
    }
}

#[test]
fn matchers_sort_by_name_value_and_operator() {
    let mut matchers = Matchers(vec![
        matcher(Equal, "b", "1"),
        matcher(NotRegex, "a", "1"),
        matcher(Equal, "a", "2"),
        matcher(Equal, "a", "1"),
        matcher(Regex, "a", "1"),
        matcher(NotEqual, "a", "1"),
    ]);
    matchers.sort();
    assert_eq!(matchers.to_string(), r#"{a="1",a!="1",a=~"1",a!~"1",a="2",b="1"}"#);
}

#[test]
fn a_matcher_travels_as_the_api_writes_it() {
    let json = r#"{"name":"a","value":"b|c","isRegex":true,"isEqual":false}"#;
    let read: Matcher = serde_json::from_str(json).unwrap();
    assert_eq!(read, matcher(NotRegex, "a", "b|c"));
    assert_eq!(serde_json::to_string(&read).unwrap(), json);
    assert!(serde_json::from_str::<Matcher>(r#"{"name":"a","value":"(","isRegex":true}"#).is_err());
}

/// What a mode makes of an input: the print of its matchers, or the error.
fn read(mode: MatcherMode, input: &str) -> String {
    parse_matchers_in(mode, input).map_or_else(|error| error.to_string(), |parsed| parsed.matchers.to_string())
}

#[test]
fn the_utf8_grammar_reads() {
    let rows = [
        ("", "{}"),
        ("{}", "{}"),
        (" { } ", "{}"),
        ("foo=bar", r#"{foo="bar"}"#),
        ("{foo=bar}", r#"{foo="bar"}"#),
        (" foo = bar ", r#"{foo="bar"}"#),
        ("{foo!=bar,}", r#"{foo!="bar"}"#),
        ("foo=bar,", r#"{foo="bar"}"#),
        (r#"foo=~"a.*",b!~c"#, r#"{foo=~"a.*",b!~"c"}"#),
        (r#"{"foo"="bar","a b"="c,}"}"#, r#"{foo="bar","a b"="c,}"}"#),
        (r#"foo="\u00fc\x41\"""#, r#"{foo="üA\""}"#),
        ("foo🙂=bär", r#"{foo🙂="bär"}"#),
        ("1:a=x/y.z*", r#"{1:a="x/y.z*"}"#),
        (r#"foo="""#, r#"{foo=""}"#),
    ];
    for (input, printed) in rows {
        assert_eq!(read(MatcherMode::Utf8Strict, input), printed, "{input}");
    }
}

#[test]
fn the_utf8_grammar_says_where_it_stumbles() {
    let rows = [
        ("{", "0:1: end of input: expected close brace"),
        ("}", "0:1: }: expected opening brace"),
        ("{foo=bar", "0:8: end of input: expected close brace"),
        ("foo=bar}", "0:8: }: expected opening brace"),
        (
            "foo",
            "end of input: expected an operator such as '=', '!=', '=~' or '!~'",
        ),
        ("foo=", "end of input: expected label value"),
        ("{foo=}", "5:6: unexpected }: expected label value"),
        ("=bar", "0:1: unexpected =: expected label name"),
        (",", "0:1: unexpected ,: expected label name"),
        ("{,}", "1:2: unexpected ,: expected label name"),
        (
            "foo bar",
            "4:7: unexpected bar: expected an operator such as '=', '!=', '=~' or '!~'",
        ),
        ("foo==bar", "4:5: unexpected =: expected label value"),
        (
            r#"{foo=:"bar"}"#,
            r#"6:11: unexpected "bar": expected a comma or close brace"#,
        ),
        (
            "foo=bar,,",
            "8:9: unexpected ,: expected a matcher or close brace after comma",
        ),
        (
            "foo!",
            "3:4: unexpected end of input, expected one of '=~': expected an operator such as '=', '!=', '=~' or '!~'",
        ),
        (
            "foo!x",
            "3:4: !: expected one of '=~': expected an operator such as '=', '!=', '=~' or '!~'",
        ),
        ("~", "0:1: ~: invalid input"),
        (
            r"{foo=bar\n}",
            r"8:9: \: invalid input: expected a comma or close brace",
        ),
        (r#"{foo="bar\w"}"#, r#"5:12: "bar\w": invalid input"#),
        (r#"foo="bär"#, "4:8: \"bär: missing end \": expected label value"),
        ("{foo=bar} x", "10:11: x: expected end of input"),
        ("{foo=bar}}", "9:10: }: expected end of input"),
        (
            "🙂 🙂",
            "2:3: unexpected 🙂: expected an operator such as '=', '!=', '=~' or '!~'",
        ),
        (
            "foo=~(",
            "failed to create matcher: error parsing regexp: missing closing ): `^(?:()$`",
        ),
    ];
    for (input, error) in rows {
        assert_eq!(read(MatcherMode::Utf8Strict, input), error, "{input}");
    }
}

#[test]
fn the_classic_grammar_reads() {
    let rows = [
        ("", "{}"),
        ("{}", "{}"),
        ("foo=", r#"{foo=""}"#),
        ("{foo=bar", r#"{foo="bar"}"#),
        ("foo=bar}", r#"{foo="bar"}"#),
        (" foo =~ a b ,", r#"{foo=~"a b"}"#),
        (r#"foo="a,b",c="d""#, r#"{foo="a,b",c="d"}"#),
        (r#"foo="a\"b\n\\c\d""#, "{foo=\"a\\\"b\\n\\\\c\\\\d\"}"),
        ("foo=[a-z]{2}x", r#"{foo="[a-z]{2}x"}"#),
        // The last brace is taken for the outer one, as in Alertmanager.
        ("foo=[a-z]{2}", r#"{foo="[a-z]{2"}"#),
        ("a:b==x", r#"{a:b="=x"}"#),
        (r"foo=\", r#"{foo="\\"}"#),
        ("foo=a\nb", "{foo=\"a\\nb\"}"),
        ("1a=b", "bad matcher format: 1a=b"),
        ("foo", "bad matcher format: foo"),
        ("foo=a,,b=c", "bad matcher format: "),
        ("größe=b", "bad matcher format: größe=b"),
        (r#""foo"=b"#, r#"bad matcher format: "foo"=b"#),
        (r#"foo="a"#, r#"matcher value contains unescaped double quote: "a"#),
        (r#"foo=a""#, r#"matcher value contains unescaped double quote: a""#),
        (
            r#"foo="a"b""#,
            r#"matcher value contains unescaped double quote: "a"b""#,
        ),
        (r#"foo="a\""#, r#"matcher value contains unescaped double quote: "a\""#),
        ("foo=~[", "error parsing regexp: missing closing ]: `[)$`"),
    ];
    for (input, printed) in rows {
        assert_eq!(read(MatcherMode::Classic, input), printed, "{input}");
    }
}

#[test]
fn by_default_both_grammars_are_asked() {
    // Input, outcome, and what the warning says, if there is one.
    let rows = [
        ("foo=bar", r#"{foo="bar"}"#, None),
        ("{}", "{}", None),
        ("größe=bar", r#"{größe="bar"}"#, None),
        (
            "foo=",
            r#"{foo=""}"#,
            Some(r#"input="foo=" err="end of input: expected label value" suggestion="foo=\"\"""#),
        ),
        ("{foo=bar", r#"{foo="bar"}"#, Some(r#"suggestion="foo=\"bar\"""#)),
        (
            r#"foo="\xf0\x9f\x99\x82""#,
            r#"{foo="\\xf0\\x9f\\x99\\x82"}"#,
            Some("Matchers input has disagreement input="),
        ),
        ("größe", "bad matcher format: größe", None),
        ("foo", "bad matcher format: foo", None),
    ];
    for (input, printed, warning) in rows {
        assert_eq!(read(MatcherMode::Fallback, input), printed, "{input}");
        let said = parse_matchers(input).ok().and_then(|parsed| parsed.warning);
        match (said, warning) {
            (None, None) => {}
            (Some(said), Some(part)) => assert!(said.contains(part), "{input}: {said}"),
            (said, _) => panic!("{input}: {said:?}"),
        }
    }
}

#[test]
fn a_single_matcher_has_no_braces() {
    assert_eq!(parse_matcher("foo=bar").unwrap().matcher, matcher(Equal, "foo", "bar"));
    for input in ["{foo=bar", "foo=bar}", "{foo=bar}"] {
        assert_eq!(
            parse_matcher(input).unwrap_err().to_string(),
            format!("unexpected open or close brace: {input}")
        );
    }
    let rows = [("", "no matchers"), ("a=b,c=d", "expected 1 matcher, found 2")];
    for (input, error) in rows {
        assert_eq!(
            parse_matcher_in(MatcherMode::Utf8Strict, input)
                .unwrap_err()
                .to_string(),
            error
        );
    }
    assert_eq!(parse_matcher("").unwrap_err().to_string(), "bad matcher format: ");
    assert_eq!(parse_matcher("a=b,c=d").unwrap().matcher, matcher(Equal, "a", "b,c=d"));
}

#[test]
fn what_is_printed_reads_back() {
    const PIECES: [&str; 14] = ["a", "ü", " ", "\"", "\\", "\n", "{", "}", ",", "=", "~", "!", "🙂", "n"];
    let mut seeded = Seeded(4);
    for _ in 0..3_000 {
        let mut text = |least| -> String {
            let length = least + seeded.below(4);
            (0..length)
                .map(|_| PIECES[usize::try_from(seeded.below(14)).unwrap()])
                .collect()
        };
        let matchers = Matchers(vec![
            matcher(Equal, &text(1), &text(0)),
            matcher(NotEqual, &text(1), &text(0)),
        ]);
        assert_eq!(
            read(MatcherMode::Utf8Strict, &matchers.to_string()),
            matchers.to_string()
        );
    }
}

#[test]
fn no_input_upsets_a_parser() {
    const PIECES: [&str; 12] = ["a", "=", "~", "!", "\"", "\\", "{", "}", ",", "(", "[", "é"];
    let mut seeded = Seeded(5);
    for _ in 0..20_000 {
        let length = seeded.below(12);
        let input: String = (0..length)
            .map(|_| PIECES[usize::try_from(seeded.below(12)).unwrap()])
            .collect();
        for mode in [MatcherMode::Fallback, MatcherMode::Classic, MatcherMode::Utf8Strict] {
            assert!(!read(mode, &input).is_empty());
        }
    }
}
