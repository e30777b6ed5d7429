//! Regular expressions mean what they mean in Go.

use alert::{MatchOp, Matcher};

fn compile(pattern: &str) -> Result<Matcher, String> {
    Matcher::new(MatchOp::Regex, "l", pattern).map_err(|error| error.to_string())
}

/// Expression, values that match (divided by `¦`), values that do not; checked against Go 1.26.
const MATCHES: &[(&str, &str, &str)] = &[
    ("b", "b", "bar¦ab¦b\n"),
    ("a|b", "a¦b", "ab¦ax¦xb"),
    ("", "", "a"),
    (".*", "¦a¦ü", "a\nb"),
    ("(?s).*", "a\nb", ""),
    ("(?i)ab", "AB¦ab", "abc"),
    ("(?i:a)b", "Ab", "AB"),
    ("(?i-i)a", "a", "A"),
    ("(?ii)a", "A", "b"),
    ("()a(?:)b(?)", "ab", ""),
    ("a(?i)*b", "aaB¦b", "A"),
    ("a(?i)(?s)*B", "aab", "AB"),
    ("(a(?i))b(?s){2}", "abb", "abB"),
    (r"\d+", "09", "\u{661}¦a"),
    (r"\D", "\u{661}¦a", "1"),
    (r"\w+", "aZ_9", "ü¦-"),
    (r"\W", "ü¦-", "a¦_"),
    (r"\s", " ¦\t¦\n¦\r¦\x0c", "\x0b¦\u{a0}"),
    (r"\S", "\x0b¦\u{a0}", " "),
    (r"a\b.", "a-¦aü", "ab"),
    (r"a\B.", "ab", "a-¦aü"),
    (r"[\d\-x]+", "1-x", "\u{661}"),
    (r"[^\d]", "\u{661}¦a", "5"),
    (r"[\D]", "\u{661}¦a", "5"),
    (r"[\W_]", "ü¦_", "a"),
    (r"[\s\v]", " ¦\x0b", "x"),
    ("[a&&b]+", "a&b", "c"),
    ("[a-c--b]", "a¦b¦c¦-", "d"),
    ("[a~~b]", "a¦~", "c"),
    ("[[]", "[", "]"),
    ("[]a]", "]¦a", "["),
    ("[^]a]", "b", "]¦a"),
    ("[a[b]", "a¦[¦b", "c"),
    ("[[:alpha:]_]+", "aB_", "ü¦1"),
    ("[[:^digit:]]", "a", "1"),
    ("[[:space:]]", "\x0b", "a"),
    ("[a-]", "a¦-", "b"),
    ("[-a]", "a¦-", "b"),
    (r"[\]\\]", "]¦\\", "a"),
    (r"[\x41-\x{43}]", "A¦B¦C", "D"),
    (r"[^\x00-\x{10FFFF}]", "", "a"),
    (r"\pL\p{Greek}\PL\p{^Greek}", "aα1a", "1α1a¦aα1α"),
    (r"[\p{Lu}\P{L}]", "A¦1", "a"),
    (r"\Qa.b*\E+", "a.b*¦a.b**", "axb"),
    (r"\Q\E", "", "a"),
    (r"\x41\x{1F642}\101\07", "A🙂A\x07", "A"),
    (r"\a\f\n\r\t\v", "\x07\x0c\n\r\t\x0b", ""),
    (r"\<a\>\-\_\ \/", "<a>-_ /", "a"),
    (r"\Aa\z", "a", "b"),
    ("^a$", "a", "b"),
    ("^*a$+", "a", "b"),
    ("a{2}", "aa", "a¦aaa"),
    ("a{2,}", "aa¦aaa", "a"),
    ("a{1,2}?", "a¦aa", "aaa"),
    ("a{,2}", "a{,2}", "a¦aa"),
    ("{a}{1x}{", "{a}{1x}{", "a"),
    ("a{01}", "a{01}", "a"),
    ("x{}", "x{}", "x"),
    ("a*?b+?c??", "b¦aabbc", "a"),
    ("(?P<n>a)(?<m>b)", "ab", "a"),
    ("(?U)a+", "aaa", "b"),
    ("(?m)^a$", "a", "b\na"),
    ("#a b", "#a b", "ab"),
    ("a&&b~~c--d", "a&&b~~c--d", ""),
    ("a)|(?:b", "a¦ax¦b¦xb", "x"),
];

#[test]
fn expressions_match_as_in_go() {
    for (pattern, yes, no) in MATCHES {
        let matcher = compile(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}"));
        for value in yes
            .split('¦')
            .filter(|value| !value.is_empty() || yes.starts_with(['¦']) || pattern.is_empty())
        {
            assert!(matcher.matches_value(value), "{pattern} should match {value:?}");
        }
        for value in no.split('¦').filter(|value| !value.is_empty()) {
            assert!(!matcher.matches_value(value), "{pattern} should not match {value:?}");
        }
    }
}

#[test]
fn what_go_refuses_is_refused_with_its_words() {
    let rows = [
        ("(", "missing closing ): `^(?:()$`"),
        ("a)", "unexpected ): `^(?:a))$`"),
        ("[a", "missing closing ]: `[a)$`"),
        ("[]", "missing closing ]: `[])$`"),
        ("[z-a]", "invalid character class range: `z-a`"),
        (r"[a-\d]", r"invalid escape sequence: `\d`"),
        (r"[\b]", r"invalid escape sequence: `\b`"),
        ("[[:foo:]]", "invalid character class range: `[:foo:]`"),
        ("*", "missing argument to repetition operator: `*`"),
        ("a|+", "missing argument to repetition operator: `+`"),
        ("(?i:*)", "missing argument to repetition operator: `*`"),
        ("{2}", "missing argument to repetition operator: `{2}`"),
        ("a**", "invalid nested repetition operator: `**`"),
        ("a+?+", "invalid nested repetition operator: `+?+`"),
        ("??", "missing argument to repetition operator: `??`"),
        ("a{2}{3}", "invalid nested repetition operator: `{2}{3}`"),
        ("a{1001}", "invalid repeat count: `{1001}`"),
        ("a{3,2}", "invalid repeat count: `{3,2}`"),
        ("a{99999999999}", "invalid repeat count: `{99999999999}`"),
        ("(?x)a b", "invalid or unsupported Perl syntax: `(?x`"),
        ("(?=a)", "invalid or unsupported Perl syntax: `(?=`"),
        ("(?!a)", "invalid or unsupported Perl syntax: `(?!`"),
        ("(?<!a)b", "invalid named capture"),
        ("(?i-)a", "invalid or unsupported Perl syntax: `(?i-)`"),
        ("(?R)a", "invalid or unsupported Perl syntax: `(?R`"),
        ("(?P<a", "invalid named capture"),
        (r"\1", r"invalid escape sequence: `\1`"),
        (r"\8", r"invalid escape sequence: `\8`"),
        (r"\C", r"invalid escape sequence: `\C`"),
        (r"\Z", r"invalid escape sequence: `\Z`"),
        (r"\x{110000}", "invalid escape sequence"),
        (r"\x4", "invalid escape sequence"),
        (r"\p{Nope}", ""),
        (r"\p{L", r"invalid character class range: `\p{L)$`"),
        (r"(?u)a", "invalid or unsupported Perl syntax: `(?u`"),
        (r"a\", r"missing closing ): `^(?:a\)$`"),
    ];
    for (pattern, reason) in rows {
        let error = compile(pattern).unwrap_err();
        assert!(
            error.starts_with(&format!("error parsing regexp: {reason}")),
            "{pattern}: {error}"
        );
    }
}

#[test]
fn an_expression_cannot_grow_without_bound() {
    for pattern in [
        "a".repeat(40_000),
        r"(?:\pL{100}){100}".to_owned(),
        "(".repeat(5_000) + &")".repeat(5_000),
    ] {
        assert!(compile(&pattern).is_err(), "{} bytes", pattern.len());
    }
    assert!(compile(&"abc|".repeat(5_000)).is_ok());
}

/// Plain words are compared and not compiled; in a group the same expression is compiled.
#[test]
fn words_with_bars_between_match_as_their_expression_does() {
    let parts = [
        "", "a", "A", "page", "|", "||", " ", "-", "_", "/", "ä", "\n", "#", "&", "page|",
    ];
    let texts = || parts.iter().flat_map(|a| parts.iter().map(move |b| format!("{a}{b}")));
    for pattern in texts() {
        let words = compile(&pattern).unwrap();
        let compiled = compile(&format!("(?:{pattern})")).unwrap();
        for value in texts() {
            assert_eq!(
                words.matches_value(&value),
                compiled.matches_value(&value),
                "{pattern:?} on {value:?}"
            );
        }
    }
    let [mut large, mut larger] = [30_000, 33_000].map(|len| "a|".repeat(len / 2));
    large.push('b');
    larger.push('b');
    assert!(compile(&large).unwrap().matches_value("b"));
    assert!(compile(&larger).unwrap_err().contains("too large"));
}
