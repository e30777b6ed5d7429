//! Go's `strconv.Quote` and `strconv.Unquote`: group keys, matchers and many error texts are printed with `%q`, and a
//! key that prints otherwise is another key.

use std::fmt::Write;
use std::sync::LazyLock;

use regex::Regex;

/// What Go's `strconv.IsPrint` lets through beyond ASCII: letters, marks, numbers, punctuation and symbols, as of the Unicode
/// version of Go 1.21 to 1.26, so that a character assigned since prints as Alertmanager prints it. A static pattern; were it
/// ever wrong, everything beyond ASCII would be escaped.
static PRINTABLE: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"^[[\pL\pM\pN\pP\pS]&&\p{Age=15.0}]$").ok());

/// `text` in double quotes, with Go's escapes (`%q`).
pub fn go_quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    push_quoted(&mut quoted, text);
    quoted
}

/// Appends what [`go_quote`] gives.
pub(crate) fn push_quoted(out: &mut String, text: &str) {
    out.push('"');
    // Nearly every text is written as it is.
    if text
        .bytes()
        .all(|b| matches!(b, b' '..=b'~') && b != b'"' && b != b'\\')
    {
        out.push_str(text);
    } else {
        text.chars().for_each(|c| push_escaped(out, c));
    }
    out.push('"');
}

/// Appends one character as Go writes it between double quotes.
fn push_escaped(out: &mut String, c: char) {
    let code = u32::from(c);
    match c {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        ' '..='~' => out.push(c),
        '\x07' => out.push_str("\\a"),
        '\x08' => out.push_str("\\b"),
        '\x0c' => out.push_str("\\f"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\x0b' => out.push_str("\\v"),
        _ if is_printable(c) => out.push(c),
        // Writing to a String cannot fail, so the results below carry nothing.
        _ if code < 0x80 => write!(out, "\\x{code:02x}").unwrap_or_default(),
        _ if code < 0x1_0000 => write!(out, "\\u{code:04x}").unwrap_or_default(),
        _ => write!(out, "\\U{code:08x}").unwrap_or_default(),
    }
}

/// Whether Go prints a character beyond ASCII as it is.
fn is_printable(c: char) -> bool {
    let mut buffer = [0; 4];
    !c.is_control()
        && PRINTABLE
            .as_ref()
            .is_some_and(|printable| printable.is_match(c.encode_utf8(&mut buffer)))
}

/// The text that a double-quoted Go literal stands for. `None` if it is none: no quotes around it, a bare quote or line
/// feed inside, an escape Go does not know, or bytes that are no UTF-8.
pub fn go_unquote(literal: &str) -> Option<String> {
    let inner = literal.strip_prefix('"')?.strip_suffix('"')?;
    if literal.len() < 2 {
        return None;
    }
    let mut bytes = Vec::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' | '\n' => return None,
            '\\' => unescape(&mut chars, &mut bytes)?,
            _ => push_char(&mut bytes, c),
        }
    }
    String::from_utf8(bytes).ok()
}

/// Reads what follows a backslash.
fn unescape(chars: &mut std::str::Chars<'_>, bytes: &mut Vec<u8>) -> Option<()> {
    let simple = match chars.next()? {
        'a' => 0x07,
        'b' => 0x08,
        'f' => 0x0c,
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        'v' => 0x0b,
        '\\' => b'\\',
        '"' => b'"',
        'x' => u8::try_from(digits(chars, 0, 2, 16)?).ok()?,
        'u' => return push_code(bytes, digits(chars, 0, 4, 16)?),
        'U' => return push_code(bytes, digits(chars, 0, 8, 16)?),
        c => u8::try_from(digits(chars, c.to_digit(8)?, 2, 8)?).ok()?,
    };
    bytes.push(simple);
    Some(())
}

/// Reads exactly `count` digits of `radix` onto `start`.
fn digits(chars: &mut std::str::Chars<'_>, start: u32, count: usize, radix: u32) -> Option<u32> {
    let mut value = start;
    for _ in 0..count {
        value = value.checked_mul(radix)?.checked_add(chars.next()?.to_digit(radix)?)?;
    }
    Some(value)
}

fn push_code(bytes: &mut Vec<u8>, code: u32) -> Option<()> {
    push_char(bytes, char::from_u32(code)?);
    Some(())
}

fn push_char(bytes: &mut Vec<u8>, c: char) {
    bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}
