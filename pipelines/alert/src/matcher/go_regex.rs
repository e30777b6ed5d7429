//! Go's regular expressions (RE2 with Perl classes) in the regex crate's words.
//!
//! The two are close, but not the same: in Go `\d \w \s \b` are ASCII and `\s` is without the vertical tab, `[a&&b]` and
//! `[[]` are plain characters, `{` may stand for itself, `\Q…\E` quotes, `\<` is a `<`, `a**` and `(?x)` are errors.
//! What Go refuses is refused with Go's text where this reader finds it; the rest is left to the regex crate. Known to be
//! more lenient: names of Unicode classes may be written loosely, and the product of nested counts is bounded only by the
//! program's size.

mod class;

use std::iter::Peekable;
use std::str::Chars;

/// The largest count in `{n,m}`, as in Go.
const MAX_REPEAT: u32 = 1_000;

/// Writes a whole Go expression in the regex crate's syntax. Groups no longer capture: only matching is asked for.
///
/// Fails with the reason as Go words it, without the `error parsing regexp: ` in front.
pub(super) fn translate(pattern: &str) -> Result<String, String> {
    let mut translator = Translator {
        pattern,
        rest: pattern,
        out: String::new(),
        depth: 0,
        repeatable: false,
        pending: String::new(),
    };
    while let Some(c) = translator.next() {
        translator.item(c)?;
    }
    if translator.depth > 0 {
        return Err(format!("missing closing ): `{pattern}`"));
    }
    Ok(translator.out)
}

/// The state of one translation.
struct Translator<'a> {
    pattern: &'a str,
    rest: &'a str,
    out: String,
    /// Open groups.
    depth: usize,
    /// Whether there is something before this point that a `*` could repeat.
    repeatable: bool,
    /// Flags for what follows, not written yet: in Go a `*` behind them repeats what stands before them.
    pending: String,
}

impl Translator<'_> {
    fn next(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let c = chars.next()?;
        self.rest = chars.as_str();
        Some(c)
    }

    fn take(&mut self, text: &str) -> bool {
        let found = self.rest.strip_prefix(text);
        self.rest = found.unwrap_or(self.rest);
        found.is_some()
    }

    fn item(&mut self, c: char) -> Result<(), String> {
        let counted = c == '{' && count(self.rest).is_some();
        if !counted && !matches!(c, '*' | '+' | '?' | '(') {
            self.write_pending();
        }
        match c {
            '(' => return self.open_group(),
            ')' => self.close_group()?,
            '|' => {
                self.out.push('|');
                self.repeatable = false;
                return Ok(());
            }
            '*' | '+' | '?' => return self.repeat(&c.to_string()),
            '{' => match count(self.rest) {
                Some((text, rest)) => {
                    self.rest = rest;
                    return self.repeat(&text?);
                }
                None => self.literal('{'),
            },
            '[' => self.class()?,
            '^' | '$' | '.' => self.out.push(c),
            '\\' => self.escape()?,
            _ => self.literal(c),
        }
        self.repeatable = true;
        Ok(())
    }

    fn write_pending(&mut self) {
        self.out.push_str(&std::mem::take(&mut self.pending));
    }

    fn literal(&mut self, c: char) {
        self.out.push_str(&regex::escape(c.encode_utf8(&mut [0; 4])));
    }

    fn repeat(&mut self, operator: &str) -> Result<(), String> {
        let operator = format!("{operator}{}", self.lazy());
        if !self.repeatable {
            return Err(format!("missing argument to repetition operator: `{operator}`"));
        }
        if !self.pending.is_empty() && self.out.ends_with(['*', '+', '?', '}']) {
            // Side by side the two operators would mean something else. Go takes this; nobody writes it.
            return Err(format!("repetition behind flags is not supported: `{operator}`"));
        }
        self.out.push_str(&operator);
        let next = match self.rest.chars().next() {
            Some(c @ ('*' | '+' | '?')) => {
                self.next();
                c.to_string()
            }
            Some('{') => match self.rest.strip_prefix('{').and_then(count) {
                Some((text, rest)) => {
                    self.rest = rest;
                    text?
                }
                None => return Ok(()),
            },
            _ => return Ok(()),
        };
        let next = format!("{next}{}", self.lazy());
        Err(format!("invalid nested repetition operator: `{operator}{next}`"))
    }

    fn lazy(&mut self) -> &'static str {
        if self.take("?") { "?" } else { "" }
    }

    fn close_group(&mut self) -> Result<(), String> {
        self.depth = self
            .depth
            .checked_sub(1)
            .ok_or_else(|| format!("unexpected ): `{}`", self.pattern))?;
        self.out.push(')');
        Ok(())
    }

    fn open_group(&mut self) -> Result<(), String> {
        if !self.take("?") {
            self.write_pending();
            self.out.push_str("(?:");
        } else if self.take("P<") || self.take("<") {
            self.group_name()?;
            self.write_pending();
            self.out.push_str("(?:");
        } else if !self.flags()? {
            // Flags for the rest of the enclosing group: nothing was opened.
            return Ok(());
        }
        self.depth += 1;
        self.repeatable = false;
        Ok(())
    }

    fn group_name(&mut self) -> Result<(), String> {
        let (name, rest) = self
            .rest
            .split_once('>')
            .ok_or_else(|| format!("invalid named capture: `(?<{}`", self.rest))?;
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Err(format!("invalid named capture: `(?<{name}>`"));
        }
        self.rest = rest;
        Ok(())
    }

    /// Reads `i-s:` or `i-s)` after `(?`, and writes it. Returns whether it opened a group.
    fn flags(&mut self) -> Result<bool, String> {
        let start = self.rest;
        let mut flags: Vec<(char, bool)> = Vec::new();
        let (mut on, mut sign_needs_flag) = (true, false);
        loop {
            match self.next() {
                Some(flag @ ('i' | 'm' | 's' | 'U')) => {
                    // The last word counts, and the regex crate refuses a flag that is said twice.
                    flags.retain(|(known, _)| *known != flag);
                    flags.push((flag, on));
                    sign_needs_flag = false;
                }
                Some('-') if on => (on, sign_needs_flag) = (false, true),
                Some(end @ (':' | ')')) if !sign_needs_flag => {
                    self.write_flags(&flags, end);
                    return Ok(end == ':');
                }
                _ => {
                    let read = start.strip_suffix(self.rest).unwrap_or(start);
                    return Err(format!("invalid or unsupported Perl syntax: `(?{read}`"));
                }
            }
        }
    }

    fn write_flags(&mut self, flags: &[(char, bool)], end: char) {
        if flags.is_empty() && end == ')' {
            return;
        }
        let of = |wanted| flags.iter().filter(move |(_, on)| *on == wanted).map(|(flag, _)| flag);
        let mut text = String::from("(?");
        text.extend(of(true));
        if of(false).next().is_some() {
            text.push('-');
            text.extend(of(false));
        }
        text.push(end);
        self.pending.push_str(&text);
        if end == ':' {
            self.write_pending();
        }
    }

    /// Reads what follows a backslash outside of a class.
    fn escape(&mut self) -> Result<(), String> {
        match self.rest.chars().next() {
            Some(c @ ('A' | 'z')) => {
                self.next();
                self.out.push('\\');
                self.out.push(c);
            }
            Some(c @ ('b' | 'B')) => {
                self.next();
                self.out.push_str(if c == 'b' { r"(?-u:\b)" } else { r"(?-u:\B)" });
            }
            Some('Q') => {
                self.next();
                let (quoted, rest) = self.rest.split_once("\\E").unwrap_or((self.rest, ""));
                self.out.push_str(&regex::escape(quoted));
                self.rest = rest;
            }
            _ => {
                if let Some(class) = self.class_escape()? {
                    self.out.extend(["[", &class, "]"]);
                } else {
                    let c = self.escaped_char()?;
                    self.literal(c);
                }
            }
        }
        Ok(())
    }

    /// Reads `\d`, `\pL` and their like after the backslash and returns the class in words that may stand between
    /// brackets; `None` if something else follows.
    fn class_escape(&mut self) -> Result<Option<String>, String> {
        let Some(c) = self.rest.chars().next() else {
            return Ok(None);
        };
        let class = match c {
            'd' => "0-9",
            'D' => "[^0-9]",
            's' => r"\t\n\f\r\x20",
            'S' => r"[^\t\n\f\r\x20]",
            'w' => "0-9A-Za-z_",
            'W' => "[^0-9A-Za-z_]",
            'p' | 'P' => {
                self.next();
                return self.unicode_class(c == 'P').map(Some);
            }
            _ => return Ok(None),
        };
        self.next();
        Ok(Some(class.to_owned()))
    }

    /// Reads the name of a Unicode class: `L`, `{Greek}`, `{^Greek}`.
    fn unicode_class(&mut self, negated: bool) -> Result<String, String> {
        let refused = |name: &str| format!("invalid character class range: `\\p{name}`");
        let mut negated = negated;
        let name = if self.take("{") {
            let (name, rest) = self
                .rest
                .split_once('}')
                .ok_or_else(|| refused(&format!("{{{}", self.rest)))?;
            self.rest = rest;
            negated ^= name.starts_with('^');
            name.strip_prefix('^').unwrap_or(name).to_owned()
        } else {
            self.next().map(String::from).unwrap_or_default()
        };
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphabetic() || c == '_') {
            return Err(refused(&format!("{{{name}}}")));
        }
        Ok(format!("\\{}{{{name}}}", if negated { 'P' } else { 'p' }))
    }

    /// Reads an escape that stands for one character, after its backslash.
    fn escaped_char(&mut self) -> Result<char, String> {
        let start = self.rest;
        let Some(c) = self.next() else {
            return Err("trailing backslash at end of expression: ``".to_owned());
        };
        let mut chars = self.rest.chars().peekable();
        let read = match c {
            // A single digit from 1 to 7 would be a back reference.
            '0' => octal(&mut chars, 0),
            '1'..='7' if chars.peek().is_some_and(|c| c.is_digit(8)) => octal(&mut chars, c.to_digit(8).unwrap_or(0)),
            'x' => hexadecimal(&mut chars),
            'a' => Some('\x07'),
            'f' => Some('\x0c'),
            'n' => Some('\n'),
            'r' => Some('\r'),
            't' => Some('\t'),
            'v' => Some('\x0b'),
            _ if c.is_ascii() && !c.is_ascii_alphanumeric() => Some(c),
            _ => None,
        };
        let left: usize = chars.map(char::len_utf8).sum();
        let consumed = self.rest.len().saturating_sub(left);
        self.rest = self.rest.get(consumed..).unwrap_or_default();
        read.ok_or_else(|| {
            format!(
                "invalid escape sequence: `\\{}`",
                start.strip_suffix(self.rest).unwrap_or(start)
            )
        })
    }
}

/// Up to two more octal digits behind `start`.
fn octal(chars: &mut Peekable<Chars<'_>>, start: u32) -> Option<char> {
    let mut code = start;
    for _ in 0..2 {
        let Some(digit) = chars.peek().and_then(|c| c.to_digit(8)) else {
            break;
        };
        code = code * 8 + digit;
        chars.next();
    }
    char::from_u32(code)
}

/// Two hexadecimal digits, or any number of them in braces.
fn hexadecimal(chars: &mut Peekable<Chars<'_>>) -> Option<char> {
    let mut code = 0_u32;
    if chars.next_if_eq(&'{').is_none() {
        for _ in 0..2 {
            code = code * 16 + chars.next()?.to_digit(16)?;
        }
        return char::from_u32(code);
    }
    let mut digits = 0;
    while chars.next_if_eq(&'}').is_none() {
        code = code.checked_mul(16)?.checked_add(chars.next()?.to_digit(16)?)?;
        digits += 1;
    }
    if digits == 0 { None } else { char::from_u32(code) }
}

/// Reads `n}`, `n,}` or `n,m}` after an opening brace: the operator, or why it is refused, and the text behind it.
/// `None` if the brace stands for itself, as it does before anything else.
fn count(rest: &str) -> Option<(Result<String, String>, &str)> {
    let (inside, behind) = rest.split_once('}')?;
    let (low, high) = inside
        .split_once(',')
        .map_or((inside, None), |(low, high)| (low, Some(high)));
    let is_number = |digits: &str| {
        !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'))
    };
    if !is_number(low) || !high.is_none_or(|high| high.is_empty() || is_number(high)) {
        return None;
    }
    let number = |digits: &str| digits.parse::<u32>().ok().filter(|n| *n <= MAX_REPEAT);
    let valid = match (number(low), high) {
        (Some(_), None | Some("")) => true,
        (Some(low), Some(high)) => number(high).is_some_and(|high| low <= high),
        (None, _) => false,
    };
    let operator = format!("{{{inside}}}");
    Some((
        if valid {
            Ok(operator)
        } else {
            Err(format!("invalid repeat count: `{operator}`"))
        },
        behind,
    ))
}
