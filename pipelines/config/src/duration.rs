//! Go's duration texts, which Alertmanager's notifier timeouts use.

use std::time::Duration;

/// Reads a Go duration (`1.5s`, `1h30m`, `300ms`) as `time.ParseDuration` does; negative ones are refused as no timeout
/// can be. The error is Go's text.
pub(crate) fn parse_go(text: &str) -> Result<Duration, String> {
    let invalid = || format!("time: invalid duration {text:?}");
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    if rest.starts_with('-') {
        return Err(format!("time: negative duration {text:?}"));
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut nanos = 0.0_f64;
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(rest.len());
        let (number, tail) = rest.split_at_checked(digits).ok_or_else(invalid)?;
        let number: f64 = number.parse().map_err(|_| invalid())?;
        let letters = tail
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(tail.len());
        let (unit, next) = tail.split_at_checked(letters).ok_or_else(invalid)?;
        nanos += number * nanos_in(unit).ok_or_else(|| unit_error(text, unit))?;
        rest = next;
    }
    Duration::try_from_secs_f64(nanos / 1e9).map_err(|_| invalid())
}

fn unit_error(text: &str, unit: &str) -> String {
    if unit.is_empty() {
        format!("time: missing unit in duration {text:?}")
    } else {
        format!("time: unknown unit {unit:?} in duration {text:?}")
    }
}

fn nanos_in(unit: &str) -> Option<f64> {
    Some(match unit {
        "ns" => 1.0,
        "us" | "µs" | "μs" => 1e3,
        "ms" => 1e6,
        "s" => 1e9,
        "m" => 6e10,
        "h" => 3.6e12,
        _ => return None,
    })
}

/// The text Go prints: `1h2m3.5s`, `300ms`, `0s`.
pub(crate) fn go_text(duration: Duration) -> String {
    let fraction = |value: u128, unit: u128, name: &str| {
        let digits = format!("{:0width$}", value % unit, width = unit.ilog10() as usize);
        let digits = digits.trim_end_matches('0');
        let point = if digits.is_empty() || unit == 1 {
            String::new()
        } else {
            format!(".{digits}")
        };
        format!("{}{point}{name}", value / unit)
    };
    let nanos = duration.as_nanos();
    match nanos {
        0 => "0s".to_owned(),
        1..1_000 => format!("{nanos}ns"),
        1_000..1_000_000 => fraction(nanos, 1_000, "µs"),
        1_000_000..1_000_000_000 => fraction(nanos, 1_000_000, "ms"),
        _ => {
            let minutes = nanos / 60_000_000_000;
            let seconds = fraction(nanos % 60_000_000_000, 1_000_000_000, "s");
            match (minutes / 60, minutes % 60) {
                (0, 0) => seconds,
                (0, minutes) => format!("{minutes}m{seconds}"),
                (hours, minutes) => format!("{hours}h{minutes}m{seconds}"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{go_text, parse_go};

    #[test]
    fn go_durations_read_and_print_as_go_does() {
        let rows = [
            ("0", Ok("0s")),
            ("0s", Ok("0s")),
            ("1.5s", Ok("1.5s")),
            ("90s", Ok("1m30s")),
            ("1h", Ok("1h0m0s")),
            ("300ms", Ok("300ms")),
            ("1h2m3.5s", Ok("1h2m3.5s")),
            ("2us", Ok("2µs")),
            ("1d", Err("time: unknown unit \"d\" in duration \"1d\"")),
            ("5", Err("time: missing unit in duration \"5\"")),
            ("", Err("time: invalid duration \"\"")),
            ("s", Err("time: invalid duration \"s\"")),
            ("-1s", Err("time: negative duration \"-1s\"")),
        ];
        for (text, expected) in rows {
            let got = parse_go(text).map(go_text);
            assert_eq!(got, expected.map(str::to_owned).map_err(str::to_owned), "{text}");
        }
    }
}
