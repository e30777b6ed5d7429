//! What a silence may be, and how it lives.

use alert::{Silence, SilenceMatcher, SilenceState, Timestamp};

use crate::labels::labels;

fn at(secs: i64) -> Timestamp {
    Timestamp::from_secs(secs)
}

fn matcher(name: &str, op: &str, value: &str) -> SilenceMatcher {
    SilenceMatcher {
        name: name.to_owned(),
        value: value.to_owned(),
        is_regex: op.contains('~'),
        is_equal: op.starts_with('='),
    }
}

/// Matchers as name, operator, value.
type Written<'a> = &'a [(&'a str, &'a str, &'a str)];

fn silence(starts: i64, ends: i64, matchers: Written<'_>) -> Silence {
    Silence {
        starts_at: at(starts),
        ends_at: at(ends),
        matchers: matchers
            .iter()
            .map(|(name, op, value)| matcher(name, op, value))
            .collect(),
        ..Silence::default()
    }
}

#[test]
fn a_silence_is_refused_in_alertmanagers_words() {
    const EMPTY: &str = "matcher set 0: at least one matcher must not match the empty string";
    let rows: [(Written, &str); 11] = [
        (&[("a", "=", "b")], ""),
        (&[("a", "=", ""), ("b", "=~", ".+")], ""),
        (&[("a", "!=", "")], ""),
        (&[("a", "!~", "x")], ""),
        (&[], "matcher set 0 is empty"),
        (&[("a", "=", "")], EMPTY),
        (&[("a", "=~", ".*"), ("b", "=", "")], EMPTY),
        (&[("a", "=~", "b|")], EMPTY),
        (
            &[("", "=", "b")],
            r#"invalid label matcher 0 in set 0: invalid label name """#,
        ),
        (
            &[("a", "=", "b"), ("c", "=~", "(")],
            r#"invalid label matcher 1 in set 0: invalid regular expression "(": error parsing regexp: missing closing ): `^(?:()$`"#,
        ),
        (&[("größe", "=", "b")], ""),
    ];
    for (matchers, text) in rows {
        let told = silence(1, 2, matchers)
            .validate()
            .map_or_else(|error| error.to_string(), |()| String::new());
        assert_eq!(told, text, "{matchers:?}");
    }
}

#[test]
fn a_silence_needs_its_times_in_order() {
    let good = silence(10, 20, &[("a", "=", "b")]);
    let rows = [
        (
            Silence {
                starts_at: Timestamp::ZERO_TIME,
                ..good.clone()
            },
            "invalid zero start timestamp",
        ),
        (
            Silence {
                ends_at: Timestamp::ZERO_TIME,
                ..good.clone()
            },
            "invalid zero end timestamp",
        ),
        (
            Silence {
                ends_at: at(9),
                ..good.clone()
            },
            "end time must not be before start time",
        ),
    ];
    for (silence, text) in rows {
        assert_eq!(silence.validate().unwrap_err().to_string(), text);
    }
    assert_eq!(
        Silence {
            ends_at: at(10),
            ..good
        }
        .validate(),
        Ok(())
    );
}

#[test]
fn the_clock_gives_the_state() {
    let silence = silence(10, 20, &[]);
    let states = [9, 10, 20, 21].map(|t| silence.state(at(t)));
    assert_eq!(
        states,
        [
            SilenceState::Pending,
            SilenceState::Active,
            SilenceState::Active,
            SilenceState::Expired
        ]
    );
    assert_eq!(
        states.map(SilenceState::as_str),
        ["pending", "active", "active", "expired"]
    );
}

#[test]
fn an_update_keeps_the_id_or_not() {
    const A: Written<'_> = &[("a", "=", "1"), ("b", "=", "2")];
    const SWAPPED: Written<'_> = &[("b", "=", "2"), ("a", "=", "1")];
    let rows = [
        // Active.
        (silence(10, 30, A), 15, true),
        (silence(10, 15, A), 15, true),
        (silence(10, 14, A), 15, false),
        (silence(11, 30, A), 15, false),
        (silence(10, 30, SWAPPED), 15, false),
        (silence(10, 30, &[("a", "!=", "1"), ("b", "=", "2")]), 15, false),
        // Pending.
        (silence(5, 30, A), 5, true),
        (silence(4, 30, A), 5, false),
        // Expired.
        (silence(10, 30, A), 21, false),
    ];
    for (new, now, expected) in rows {
        assert_eq!(
            Silence::can_update(&silence(10, 20, A), &new, at(now)),
            expected,
            "{new:?} at {now}"
        );
    }
    let within_the_second = Silence {
        starts_at: Timestamp::from_millis(10_999),
        ..silence(10, 30, A)
    };
    assert!(Silence::can_update(&silence(10, 20, A), &within_the_second, at(15)));
}

#[test]
fn expiring_ends_it_now() {
    let rows = [(5, true, 5, 5), (15, true, 10, 15), (21, false, 10, 20)];
    for (now, changed, starts, ends) in rows {
        let mut silence = silence(10, 20, &[]);
        assert_eq!(silence.expire(at(now)), changed, "at {now}");
        assert_eq!((silence.starts_at, silence.ends_at), (at(starts), at(ends)), "at {now}");
        assert_eq!(
            silence.state(at(now) + alert::PromDuration::from_millis(1)),
            SilenceState::Expired
        );
    }
}

#[test]
fn a_silence_reads_the_apis_matchers() {
    let json = r#"{"matchers":[{"name":"a","value":"b"},{"name":"c","value":"d|e","isRegex":true,"isEqual":false}],
        "startsAt":1,"endsAt":2,"createdBy":"ann","comment":"why"}"#;
    let silence: Silence = serde_json::from_str(json).unwrap();
    assert_eq!(silence.matchers, [matcher("a", "=", "b"), matcher("c", "!~", "d|e")]);
    assert_eq!(silence.created_by, "ann");
    let matchers = silence.compile().unwrap();
    assert_eq!(matchers.to_string(), r#"{a="b",c!~"d|e"}"#);
    assert!(matchers.matches(&labels("a=b")) && !matchers.matches(&labels("a=b c=d")));
}
