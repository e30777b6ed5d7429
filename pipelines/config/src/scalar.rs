//! How YAML 1.1, as Alertmanager's parser has it, reads a plain scalar.

/// Whether a plain scalar is null.
pub(crate) fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

/// A boolean, `yes` and `off` included.
pub(crate) fn boolean(text: &str) -> Option<bool> {
    match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Some(true),
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Some(false),
        _ => None,
    }
}

/// An integer: decimal, `0x`, `0b`, `0o` or a leading zero for octal, underscores allowed.
pub(crate) fn integer(text: &str) -> Option<i128> {
    let plain = text.replace('_', "");
    let (sign, digits) = match plain.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, plain.strip_prefix('+').unwrap_or(&plain)),
    };
    let bases = [("0x", 16), ("0X", 16), ("0b", 2), ("0o", 8)];
    let (digits, base) = bases
        .iter()
        .find_map(|(prefix, base)| digits.strip_prefix(prefix).map(|rest| (rest, *base)))
        .or_else(|| {
            digits
                .strip_prefix('0')
                .filter(|rest| !rest.is_empty())
                .map(|rest| (rest, 8))
        })
        .unwrap_or((digits, 10));
    if digits.starts_with(['+', '-']) {
        return None;
    }
    i128::from_str_radix(digits, base).ok().map(|number| sign * number)
}

/// A number with a point or an exponent, infinity or not-a-number.
pub(crate) fn is_float(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF" | ".nan" | ".NaN" | ".NAN") {
        return true;
    }
    let numeric = |c: char| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+' | '-' | '_');
    unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && unsigned.chars().all(numeric)
        && unsigned.replace('_', "").parse::<f64>().is_ok()
}

/// The YAML tag of a scalar, as type errors name it.
pub(crate) fn tag(text: &str, plain: bool) -> &'static str {
    match () {
        () if !plain => "!!str",
        () if boolean(text).is_some() => "!!bool",
        () if integer(text).is_some() => "!!int",
        () if is_float(text) => "!!float",
        () => "!!str",
    }
}
