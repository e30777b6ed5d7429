//! The classic grammar of matchers, from before UTF-8 label names. Lenient: quotes and values are optional.

use super::{MatchOp, Matcher, MatcherError};

/// Go's `\s`: the spaces of ASCII but the vertical tab.
const SPACES: [char; 5] = [' ', '\t', '\n', '\x0c', '\r'];

/// Reads any number of matchers, separated by commas outside of quotes; braces and a last comma are optional.
pub(super) fn parse_matchers(input: &str) -> Result<Vec<Matcher>, MatcherError> {
    let input = input.strip_prefix('{').unwrap_or(input);
    let input = input.strip_suffix('}').unwrap_or(input);
    split(input).iter().map(|part| parse_matcher(part)).collect()
}

/// Splits at commas outside of quotes. What follows the last comma counts only if it is not blank.
fn split(input: &str) -> Vec<String> {
    let (mut inside_quotes, mut escaped) = (false, false);
    let mut parts = Vec::new();
    let mut part = String::new();
    for c in input.chars() {
        match c {
            ',' if !inside_quotes => {
                parts.push(std::mem::take(&mut part));
                continue;
            }
            // Within quotes a comma leaves a pending escape as it is, as Alertmanager does.
            ',' => {}
            '"' if escaped => escaped = false,
            '"' => inside_quotes = !inside_quotes,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
        part.push(c);
    }
    let last = part.trim();
    if !last.is_empty() {
        parts.push(last.to_owned());
    }
    parts
}

/// Reads one matcher: a name of ASCII letters, digits, `_` and `:`, an operator, and a value that may be quoted or absent.
pub(super) fn parse_matcher(input: &str) -> Result<Matcher, MatcherError> {
    let (name, op, value) = parts_of(input).ok_or_else(|| MatcherError(format!("bad matcher format: {input}")))?;
    Matcher::new(op, name, unescape(value)?)
}

/// The name, operator and raw value.
fn parts_of(input: &str) -> Option<(&str, MatchOp, &str)> {
    let input = input.trim_start_matches(SPACES);
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let after_name = input.trim_start_matches(is_name);
    let name = input.strip_suffix(after_name)?;
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let operator_on = after_name.trim_start_matches(SPACES);
    // `=~` before `=`, or the tilde would become part of the value.
    let (op, raw) = ["=~", "=", "!=", "!~"]
        .iter()
        .find_map(|op| Some((MatchOp::parse(op)?, operator_on.strip_prefix(op)?)))?;
    Some((name, op, raw.trim_matches(SPACES)))
}

/// Takes the quotes and `OpenMetrics` escapes (`\"`, `\n`, `\\`) off a value. Any other backslash stands for itself.
fn unescape(raw: &str) -> Result<String, MatcherError> {
    let stray_quote = || MatcherError(format!("matcher value contains unescaped double quote: {raw}"));
    let (body, mut open) = raw.strip_prefix('"').map_or((raw, false), |body| (body, true));
    let mut value = String::with_capacity(body.len());
    let mut chars = body.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('n') => value.push('\n'),
                Some(escaped @ ('"' | '\\')) => value.push(escaped),
                other => {
                    value.push('\\');
                    value.extend(other);
                }
            },
            '"' if open && chars.as_str().is_empty() => open = false,
            '"' => return Err(stray_quote()),
            _ => value.push(c),
        }
    }
    if open { Err(stray_quote()) } else { Ok(value) }
}
