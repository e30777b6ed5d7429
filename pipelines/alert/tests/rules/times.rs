//! Timestamps and durations.

use alert::{DurationError, PromDuration, Timestamp};

use crate::Seeded;

/// Text, milliseconds, how it prints, and how Go's `RFC3339Nano` prints it.
const TIMES: &[(&str, i64, &str, &str)] = &[
    (
        "1970-01-01T00:00:00Z",
        0,
        "1970-01-01T00:00:00.000Z",
        "1970-01-01T00:00:00Z",
    ),
    (
        "2026-01-02T03:04:05.678Z",
        1_767_323_045_678,
        "2026-01-02T03:04:05.678Z",
        "2026-01-02T03:04:05.678Z",
    ),
    (
        "2026-01-02t03:04:05.6z",
        1_767_323_045_600,
        "2026-01-02T03:04:05.600Z",
        "2026-01-02T03:04:05.6Z",
    ),
    (
        "2026-01-02 03:04:05.67899999+00:00",
        1_767_323_045_678,
        "2026-01-02T03:04:05.678Z",
        "2026-01-02T03:04:05.678Z",
    ),
    (
        "2026-01-02T03:04:05.050",
        1_767_323_045_050,
        "2026-01-02T03:04:05.050Z",
        "2026-01-02T03:04:05.05Z",
    ),
    (
        "2026-01-02T08:34:05+05:30",
        1_767_323_045_000,
        "2026-01-02T03:04:05.000Z",
        "2026-01-02T03:04:05Z",
    ),
    (
        "2026-01-01T22:04:05-05:00",
        1_767_323_045_000,
        "2026-01-02T03:04:05.000Z",
        "2026-01-02T03:04:05Z",
    ),
    (
        "2026-01-02",
        1_767_312_000_000,
        "2026-01-02T00:00:00.000Z",
        "2026-01-02T00:00:00Z",
    ),
    (
        "2024-02-29T12:00:00Z",
        1_709_208_000_000,
        "2024-02-29T12:00:00.000Z",
        "2024-02-29T12:00:00Z",
    ),
    (
        "1969-12-31T23:59:59.999Z",
        -1,
        "1969-12-31T23:59:59.999Z",
        "1969-12-31T23:59:59.999Z",
    ),
    (
        "0001-01-01T00:00:00Z",
        -62_135_596_800_000,
        "0001-01-01T00:00:00.000Z",
        "0001-01-01T00:00:00Z",
    ),
    (
        "9999-12-31T23:59:59.999Z",
        253_402_300_799_999,
        "9999-12-31T23:59:59.999Z",
        "9999-12-31T23:59:59.999Z",
    ),
];

#[test]
fn a_timestamp_reads_every_form_of_rfc_3339() {
    for (text, ms, printed, nano) in TIMES {
        let time = Timestamp::parse(text).unwrap();
        assert_eq!(
            (time.millis(), &*time.to_string(), &*time.rfc3339_nano()),
            (*ms, *printed, *nano),
            "{text}"
        );
    }
}

#[test]
fn a_timestamp_says_what_is_wrong_with_a_text() {
    let rows = [
        ("", "the year must be"),
        ("x", "the year must be"),
        ("0000-01-01", "the year must be"),
        ("20260-01-01", "no '-' after the year"),
        ("2026-13-01", "the month must be"),
        ("2026-02-29", "no such day"),
        ("1900-02-29", "no such day"),
        ("2026-04-31T00:00:00Z", "no such day"),
        ("2026-01-02T", "the hour must be"),
        ("2026-01-02T24:00:00Z", "the hour must be"),
        ("2026-01-02T03:60:00Z", "the minute must be"),
        ("2026-01-02T03:04:60Z", "the second must be"),
        ("2026-01-02T03:04Z", "no ':' after the minute"),
        ("2026-01-02T03:04:05.Z", "no digits after"),
        ("2026-01-02T03:04:05Zx", "text after the zone"),
        ("2026-01-02T03:04:05+0100", "the zone must be"),
        ("2026-01-02T03:04:05+24:00", "the zone must be"),
        ("2026-01-02T03:04:05 CET", "the zone must be"),
        ("0001-01-01T00:00:00+00:01", "outside of the years"),
        ("9999-12-31T23:59:59-00:01", "outside of the years"),
        ("20\u{661}6-01-01", "the year must be"),
    ];
    for (text, reason) in rows {
        let error = Timestamp::parse(text).unwrap_err().to_string();
        assert!(
            error.starts_with("invalid time \"") && error.contains(reason),
            "{text}: {error}"
        );
    }
}

#[test]
fn every_instant_prints_and_reads_back() {
    let mut seeded = Seeded(1);
    let span = Timestamp::parse("9999-12-31T23:59:59.999Z").unwrap().millis() - Timestamp::ZERO_TIME.millis();
    for _ in 0..20_000 {
        let offset = i64::try_from(seeded.below(span.unsigned_abs())).unwrap();
        let time = Timestamp::from_millis(Timestamp::ZERO_TIME.millis() + offset);
        assert_eq!(Timestamp::parse(&time.to_string()), Ok(time));
        assert_eq!(Timestamp::parse(&time.rfc3339_nano()), Ok(time));
    }
}

#[test]
fn time_arithmetic_saturates() {
    let forever = PromDuration::from_millis(u64::MAX);
    assert_eq!(Timestamp::MAX + PromDuration::from_secs(1), Timestamp::MAX);
    assert_eq!(Timestamp::ZERO - forever, Timestamp::from_millis(i64::MIN));
    assert_eq!(Timestamp::ZERO_TIME + forever, Timestamp::MAX);
    assert_eq!(
        Timestamp::MAX.saturating_since(Timestamp::from_millis(i64::MIN)),
        forever
    );
    assert_eq!(Timestamp::ZERO.saturating_since(Timestamp::MAX), PromDuration::ZERO);
    assert_eq!(
        Timestamp::from_millis(1_500) - PromDuration::from_secs(1),
        Timestamp::from_millis(500)
    );
    assert_eq!(Timestamp::MAX.to_string(), "9999-12-31T23:59:59.999Z");
    assert_eq!(Timestamp::from_millis(i64::MIN).to_string(), "0001-01-01T00:00:00.000Z");
}

#[test]
fn a_duration_reads_and_prints_as_prometheus_does() {
    let rows = [
        ("0", 0, "0s"),
        ("0s", 0, "0s"),
        ("324ms", 324, "324ms"),
        ("3s", 3_000, "3s"),
        ("5m", 300_000, "5m"),
        ("1h", 3_600_000, "1h"),
        ("90m", 5_400_000, "1h30m"),
        ("4d", 4 * 86_400_000, "4d"),
        ("36h", 129_600_000, "1d12h"),
        ("4d1h", 349_200_000, "4d1h"),
        ("14d", 1_209_600_000, "2w"),
        ("90d", 90 * 86_400_000, "90d"),
        ("3w", 1_814_400_000, "3w"),
        ("3w2d1h", 1_990_800_000, "23d1h"),
        ("10y", 315_360_000_000, "10y"),
        ("1y1w1d1h1m1s1ms", 32_230_861_001, "373d1h1m1s1ms"),
        ("292y", 9_208_512_000_000, "292y"),
        ("9223372036854ms", 9_223_372_036_854, "106751d23h47m16s854ms"),
    ];
    for (text, ms, printed) in rows {
        let duration: PromDuration = text.parse().unwrap();
        assert_eq!((duration.millis(), &*duration.to_string()), (ms, printed), "{text}");
    }
}

#[test]
fn a_duration_refuses_in_prometheus_words() {
    assert_eq!("".parse::<PromDuration>(), Err(DurationError::Empty));
    assert_eq!(DurationError::Empty.to_string(), "empty duration string");
    for text in [
        "1",
        "00",
        "1y1m1d",
        "-1w",
        "1.5d",
        "d",
        "1m1m",
        "1s1m",
        "1ms1s",
        " 1s",
        "1s ",
        "1S",
        "1sx",
        "5\u{661}s",
    ] {
        let error = text.parse::<PromDuration>().unwrap_err();
        assert_eq!(error.to_string(), format!("not a valid duration string: \"{text}\""));
    }
    assert_eq!(
        "a\"b".parse::<PromDuration>().unwrap_err().to_string(),
        r#"not a valid duration string: "a\"b""#
    );
    for text in [
        "293y",
        "9223372036855ms",
        "584542046091y",
        "99999999999999999999999999d",
        "292y52w",
    ] {
        assert_eq!(
            text.parse::<PromDuration>().unwrap_err().to_string(),
            "duration out of range",
            "{text}"
        );
    }
}

#[test]
fn every_duration_prints_and_reads_back() {
    let mut seeded = Seeded(2);
    for bits in 1..=43 {
        for _ in 0..200 {
            let duration = PromDuration::from_millis(seeded.below(1 << bits));
            assert_eq!(duration.to_string().parse(), Ok(duration));
        }
    }
}

#[test]
fn times_and_durations_travel_as_numbers_and_texts() {
    let pair = (Timestamp::from_millis(-5), PromDuration::from_mins(90));
    let json = serde_json::to_string(&pair).unwrap();
    assert_eq!(json, r#"[-5,"1h30m"]"#);
    assert_eq!(serde_json::from_str::<(Timestamp, PromDuration)>(&json).unwrap(), pair);
    assert!(serde_json::from_str::<PromDuration>("\"1.5h\"").is_err());
}
