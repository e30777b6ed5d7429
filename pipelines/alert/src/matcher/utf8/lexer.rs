//! The tokens of the UTF-8 grammar, with their columns (counted in characters, from 0).

use crate::matcher::{MatchOp, is_reserved};

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    OpenBrace,
    CloseBrace,
    Comma,
    Operator(MatchOp),
    Quoted,
    Unquoted,
}

/// One token, as it stands in the input.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind,
    pub(super) text: &'a str,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// Cuts the input into tokens.
#[derive(Debug, Clone)]
pub(super) struct Lexer<'a> {
    rest: &'a str,
    /// The column behind the last token.
    column: usize,
}

impl<'a> Lexer<'a> {
    pub(super) const fn new(input: &'a str) -> Self {
        Self { rest: input, column: 0 }
    }

    /// The column behind the last token that was taken.
    pub(super) const fn column(&self) -> usize {
        self.column
    }

    /// The next token without taking it; `None` at the end of the input.
    pub(super) fn peek(&self) -> Result<Option<Token<'a>>, String> {
        self.clone().scan()
    }

    /// Takes the next token; `None` at the end of the input. Fails if none begins here.
    pub(super) fn scan(&mut self) -> Result<Option<Token<'a>>, String> {
        let text = self.rest.trim_start();
        let spaces = self.rest.chars().count().saturating_sub(text.chars().count());
        let start = self.column + spaces;
        let Some(first) = text.chars().next() else {
            return Ok(None);
        };
        let (kind, length) = match first {
            '{' => (Kind::OpenBrace, 1),
            '}' => (Kind::CloseBrace, 1),
            ',' => (Kind::Comma, 1),
            '=' if text.starts_with("=~") => (Kind::Operator(MatchOp::Regex), 2),
            '=' => (Kind::Operator(MatchOp::Equal), 1),
            '!' if text.starts_with("!=") => (Kind::Operator(MatchOp::NotEqual), 2),
            '!' if text.starts_with("!~") => (Kind::Operator(MatchOp::NotRegex), 2),
            '!' => return Err(half_operator(text, start)),
            '"' => (
                Kind::Quoted,
                quoted_length(text).ok_or_else(|| unterminated(text, start))?,
            ),
            _ if is_reserved(first) => {
                return Err(format!("{start}:{}: {first}: invalid input", start + 1));
            }
            _ => (Kind::Unquoted, text.find(is_reserved).unwrap_or(text.len())),
        };
        let (token, rest) = text.split_at_checked(length).unwrap_or((text, ""));
        let end = start + token.chars().count();
        self.rest = rest;
        self.column = end;
        Ok(Some(Token {
            kind,
            text: token,
            start,
            end,
        }))
    }
}

/// How many bytes a quoted text at the front takes, its quotes included.
fn quoted_length(text: &str) -> Option<usize> {
    let mut escaped = false;
    let end = text.char_indices().skip(1).find(|(_, c)| {
        let closes = *c == '"' && !escaped;
        escaped = *c == '\\' && !escaped;
        closes
    });
    end.map(|(index, _)| index + 1)
}

fn unterminated(text: &str, start: usize) -> String {
    format!("{start}:{}: {text}: missing end \"", start + text.chars().count())
}

/// A `!` that neither `=` nor `~` follows.
fn half_operator(text: &str, start: usize) -> String {
    let end = start + 1;
    if text.len() == 1 {
        format!("{start}:{end}: unexpected end of input, expected one of '=~'")
    } else {
        format!("{start}:{end}: !: expected one of '=~'")
    }
}
