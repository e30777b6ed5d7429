//! What is wrong with a file, where, and what to do about it.

use std::fmt;

/// A place in a file; both numbers count from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Position {
    pub(crate) line: u32,
    pub(crate) column: u32,
}

/// One error or warning. `Display` prints
///
/// ```text
/// alertmanager.yml:4:13: undefined receiver "pagerdty" used in route
///   4 |   receiver: pagerdty
///     |             ^
///   hint: did you mean "pagerduty"?
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// The file's name as given in [`crate::Source`].
    pub file: String,
    /// From 1; 0 when the error is about the file as a whole.
    pub line: u32,
    /// From 1, in characters; 0 when the error is about the file as a whole.
    pub column: u32,
    /// What is wrong; Alertmanager's own words where it has any.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
    /// The line as written, cut before any secret on it.
    pub excerpt: Option<String>,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            file,
            line,
            column,
            message,
            hint,
            excerpt,
        } = self;
        if *line == 0 {
            write!(f, "{file}: {message}")?;
        } else {
            write!(f, "{file}:{line}:{column}: {message}")?;
        }
        if let Some(text) = excerpt {
            let gutter = line.to_string();
            let blank = " ".repeat(gutter.len());
            write!(f, "\n  {gutter} | {text}")?;
            let before = usize::try_from(column.saturating_sub(1)).unwrap_or(usize::MAX);
            if before < text.chars().count() {
                write!(f, "\n  {blank} | {}^", " ".repeat(before))?;
            }
        }
        if let Some(hint) = hint {
            write!(f, "\n  hint: {hint}")?;
        }
        Ok(())
    }
}

/// Every error found in one load, in file order. Never empty. `Display` prints them one below the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<Diagnostic>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, error) in self.0.iter().enumerate() {
            if n > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}
