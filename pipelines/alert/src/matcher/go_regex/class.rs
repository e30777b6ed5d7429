//! Bracketed classes: `[a-z]`, `[^[:space:]\d]`.

use super::Translator;

/// The names between `[:` and `:]`; both engines mean the same ASCII sets by them.
const POSIX_NAMES: [&str; 14] = [
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space", "upper", "word",
    "xdigit",
];

impl Translator<'_> {
    /// Reads a class after its opening bracket and writes it.
    pub(super) fn class(&mut self) -> Result<(), String> {
        let start = self.rest;
        let unclosed = || format!("missing closing ]: `[{start}`");
        self.out.push('[');
        if self.take("^") {
            self.out.push('^');
        }
        let mut first = true;
        // A bracket that comes first stands for itself.
        while first || !self.rest.starts_with(']') {
            first = false;
            if self.rest.is_empty() {
                return Err(unclosed());
            }
            if !self.posix_class()? && !self.perl_class()? {
                self.range().map_err(|reason| reason.unwrap_or_else(unclosed))?;
            }
        }
        self.take("]");
        self.out.push(']');
        Ok(())
    }

    /// Reads `[:name:]`, if it is next.
    fn posix_class(&mut self) -> Result<bool, String> {
        let Some((name, rest)) = self.rest.strip_prefix("[:").and_then(|rest| rest.split_once(":]")) else {
            return Ok(false);
        };
        if !POSIX_NAMES.contains(&name.strip_prefix('^').unwrap_or(name)) {
            return Err(format!("invalid character class range: `[:{name}:]`"));
        }
        self.out.extend(["[:", name, ":]"]);
        self.rest = rest;
        Ok(true)
    }

    /// Reads `\d`, `\pL` or their like, if it is next.
    fn perl_class(&mut self) -> Result<bool, String> {
        let before = self.rest;
        if self.take("\\") {
            if let Some(class) = self.class_escape()? {
                self.out.push_str(&class);
                return Ok(true);
            }
            self.rest = before;
        }
        Ok(false)
    }

    /// Reads a character or a range. The error is `None` if the expression ended.
    fn range(&mut self) -> Result<(), Option<String>> {
        let start = self.rest;
        let low = self.class_char()?;
        let mut after_dash = self.rest.strip_prefix('-').unwrap_or_default().chars();
        // A dash before the closing bracket stands for itself.
        let high = match after_dash.next() {
            None | Some(']') => low,
            Some(_) => {
                self.take("-");
                self.class_char()?
            }
        };
        if high < low {
            let range = start.strip_suffix(self.rest).unwrap_or(start);
            return Err(Some(format!("invalid character class range: `{range}`")));
        }
        // By their numbers, no character can mean anything to the regex crate.
        let code = |c| format!("\\x{{{:X}}}", u32::from(c));
        self.out.extend([&*code(low), "-", &*code(high)]);
        Ok(())
    }

    fn class_char(&mut self) -> Result<char, Option<String>> {
        match self.next() {
            None => Err(None),
            Some('\\') => self.escaped_char().map_err(Some),
            Some(c) => Ok(c),
        }
    }
}
