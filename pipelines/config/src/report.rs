//! One file being read: its lines for excerpts, and what was found wrong with it so far.

use crate::diagnostic::{Diagnostic, Position};
use crate::yaml::{Node, Value};

/// Keys whose values never appear in an excerpt, by how their name ends: every secret of Alertmanager's config, and
/// free-form blocks that people put tokens in.
const SECRET_ENDINGS: [&str; 11] = [
    "url",
    "password",
    "secret",
    "token",
    "token_id",
    "key",
    "credentials",
    "headers",
    "header",
    "payload",
    "secrets",
];

/// Collects diagnostics for one file.
pub(crate) struct Report {
    file: String,
    lines: Vec<String>,
    secrets: Vec<Position>,
    errors: Vec<Diagnostic>,
    warnings: Vec<Diagnostic>,
}

impl Report {
    pub(crate) fn new(file: &str, text: &str) -> Self {
        Self {
            file: file.to_owned(),
            lines: text.lines().map(str::to_owned).collect(),
            secrets: Vec::new(),
            errors: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// Learns which places of the tree no excerpt may show.
    pub(crate) fn hide_secrets(&mut self, node: &Node, secret: bool) {
        match &node.value {
            Value::Scalar(_) if secret => self.secrets.push(node.at),
            Value::Null | Value::Scalar(_) => {}
            Value::Seq(items) => items.iter().for_each(|item| self.hide_secrets(item, secret)),
            Value::Map(entries) => {
                for (key, value) in entries {
                    self.hide_secrets(value, secret || is_secret_name(&key.text));
                }
            }
        }
    }

    /// Notes an error; a load with one fails.
    pub(crate) fn error(&mut self, at: Position, message: impl Into<String>, hint: Option<String>) {
        let diagnostic = self.diagnostic(at, message.into(), hint);
        self.errors.push(diagnostic);
    }

    /// Notes something legal that is probably not meant.
    pub(crate) fn warn(&mut self, at: Position, message: impl Into<String>, hint: Option<String>) {
        let diagnostic = self.diagnostic(at, message.into(), hint);
        self.warnings.push(diagnostic);
    }

    /// Notes that Alertmanager knows `what` and we do not build it yet.
    pub(crate) fn not_yet(&mut self, at: Position, what: &str) {
        self.error(
            at,
            format!("{what} is not supported yet"),
            Some("remove it, or keep Alertmanager for now".to_owned()),
        );
    }

    /// Errors and warnings, each in file order.
    pub(crate) fn finish(self) -> (Vec<Diagnostic>, Vec<Diagnostic>) {
        let in_order = |mut found: Vec<Diagnostic>| {
            found.sort_by_key(|diagnostic| (diagnostic.line, diagnostic.column));
            found.dedup();
            found
        };
        (in_order(self.errors), in_order(self.warnings))
    }

    fn diagnostic(&self, at: Position, message: String, hint: Option<String>) -> Diagnostic {
        let Position { line, column } = at;
        Diagnostic {
            file: self.file.clone(),
            line,
            column,
            message,
            hint,
            excerpt: self.excerpt(line),
        }
    }

    /// The line as written, up to the first secret on it.
    fn excerpt(&self, line: u32) -> Option<String> {
        let index = usize::try_from(line).ok()?.checked_sub(1)?;
        let text = self.lines.get(index)?.trim_end();
        let secret = self
            .secrets
            .iter()
            .filter(|at| at.line == line)
            .map(|at| at.column)
            .min();
        if let Some(column) = secret {
            let keep = usize::try_from(column.saturating_sub(1)).unwrap_or(0);
            let shown: String = text.chars().take(keep).collect();
            return Some(format!("{shown}<secret>"));
        }
        // A text that is no tree was never searched for secrets, and a comment may hold an old one.
        let suspicious = text.contains("://") || text.split([':', ' ', '{', ',', '#']).any(is_secret_name);
        let bare = text.trim_end().ends_with(':');
        (bare || !suspicious).then(|| text.to_owned())
    }
}

fn is_secret_name(name: &str) -> bool {
    SECRET_ENDINGS.iter().any(|ending| name.ends_with(ending))
}
