//! The UTF-8 grammar of matchers: names and values in any script, quoted where they hold a reserved character.

mod lexer;

use super::{MatchOp, Matcher, MatcherError};
use crate::quote::go_unquote;
use lexer::{Kind, Lexer, Token};

/// What stands in an error where the input is over.
const END_OF_INPUT: &str = "end of input";

/// Reads any number of matchers, separated by commas; braces are optional but must pair, one last comma is allowed.
pub(super) fn parse_matchers(input: &str) -> Result<Vec<Matcher>, MatcherError> {
    Parser {
        lexer: Lexer::new(input),
        has_open_brace: false,
    }
    .parse()
    .map_err(MatcherError)
}

/// Reads exactly one matcher.
pub(super) fn parse_matcher(input: &str) -> Result<Matcher, MatcherError> {
    let mut matchers = parse_matchers(input)?;
    match (matchers.pop(), matchers.len()) {
        (Some(matcher), 0) => Ok(matcher),
        (None, _) => Err(MatcherError("no matchers".to_owned())),
        (Some(_), others) => Err(MatcherError(format!("expected 1 matcher, found {}", others + 1))),
    }
}

/// Walks over the tokens. Errors are Alertmanager's texts.
struct Parser<'a> {
    lexer: Lexer<'a>,
    has_open_brace: bool,
}

impl<'a> Parser<'a> {
    fn parse(mut self) -> Result<Vec<Matcher>, String> {
        let mut matchers = Vec::new();
        match self.lexer.peek()? {
            None => return Ok(matchers),
            Some(token) if token.kind == Kind::OpenBrace => {
                self.lexer.scan()?;
                self.has_open_brace = true;
            }
            Some(_) => {}
        }
        let mut more = self.lexer.peek()?.is_some_and(|token| token.kind != Kind::CloseBrace);
        while more {
            matchers.push(self.matcher()?);
            more = self.comma()?;
        }
        self.close_brace()?;
        self.end()?;
        Ok(matchers)
    }

    fn matcher(&mut self) -> Result<Matcher, String> {
        let is_text = |kind| matches!(kind, Kind::Quoted | Kind::Unquoted);
        let name = unquote(&self.expect(is_text, "expected label name")?)?;
        let operator = self.expect(
            |kind| matches!(kind, Kind::Operator(_)),
            "expected an operator such as '=', '!=', '=~' or '!~'",
        )?;
        let value = unquote(&self.expect(is_text, "expected label value")?)?;
        let op = match operator.kind {
            Kind::Operator(op) => op,
            Kind::OpenBrace | Kind::CloseBrace | Kind::Comma | Kind::Quoted | Kind::Unquoted => MatchOp::Equal,
        };
        Matcher::new(op, name, value).map_err(|error| format!("failed to create matcher: {error}"))
    }

    /// Reads what may follow a matcher; returns whether another one does.
    fn comma(&mut self) -> Result<bool, String> {
        const AFTER_MATCHER: &str = "expected a comma or close brace";
        const AFTER_COMMA: &str = "expected a matcher or close brace after comma";
        if !self.next_is(&[Kind::Comma, Kind::CloseBrace], Kind::Comma, AFTER_MATCHER)? {
            return Ok(false);
        }
        self.lexer.scan()?;
        let end = self.next_is(
            &[Kind::CloseBrace, Kind::Quoted, Kind::Unquoted],
            Kind::CloseBrace,
            AFTER_COMMA,
        )?;
        Ok(!end && self.lexer.peek()?.is_some())
    }

    /// Whether the next token is the `wanted` one. At the end of the input nothing is; a token that is none of `allowed`
    /// is an error.
    fn next_is(&mut self, allowed: &[Kind], wanted: Kind, what: &str) -> Result<bool, String> {
        match self.lexer.peek().map_err(|error| format!("{error}: {what}"))? {
            None => Ok(false),
            Some(token) if allowed.contains(&token.kind) => Ok(token.kind == wanted),
            Some(token) => Err(unexpected(&token, what)),
        }
    }

    fn close_brace(&mut self) -> Result<(), String> {
        let next = self.lexer.peek()?;
        match (self.has_open_brace, next) {
            (true, Some(token)) if token.kind == Kind::CloseBrace => self.lexer.scan().map(drop),
            (true, None) => Err(format!(
                "0:{}: {END_OF_INPUT}: expected close brace",
                self.lexer.column()
            )),
            (true, Some(token)) => Err(format!(
                "0:{}: {}",
                self.lexer.column(),
                unexpected(&token, "expected close brace")
            )),
            (false, Some(token)) if token.kind == Kind::CloseBrace => {
                self.lexer.scan()?;
                Err(format!("0:{}: }}: expected opening brace", self.lexer.column()))
            }
            (false, _) => Ok(()),
        }
    }

    fn end(&mut self) -> Result<(), String> {
        const EXPECTED_END: &str = "expected end of input";
        match self.lexer.scan().map_err(|error| format!("{error}: {EXPECTED_END}"))? {
            None => Ok(()),
            Some(Token { start, end, text, .. }) => Err(format!("{start}:{end}: {text}: {EXPECTED_END}")),
        }
    }

    /// Takes the next token, which must be of the right kind.
    fn expect(&mut self, right: impl Fn(Kind) -> bool, what: &str) -> Result<Token<'a>, String> {
        match self.lexer.peek().map_err(|error| format!("{error}: {what}"))? {
            Some(token) if right(token.kind) => {
                self.lexer.scan()?;
                Ok(token)
            }
            Some(token) => Err(unexpected(&token, what)),
            None => Err(format!("{END_OF_INPUT}: {what}")),
        }
    }
}

fn unexpected(token: &Token<'_>, what: &str) -> String {
    format!("{}:{}: unexpected {}: {what}", token.start, token.end, token.text)
}

/// The text that a name or value stands for.
fn unquote(token: &Token<'_>) -> Result<String, String> {
    if token.kind != Kind::Quoted {
        return Ok(token.text.to_owned());
    }
    go_unquote(token.text).ok_or_else(|| format!("{}:{}: {}: invalid input", token.start, token.end, token.text))
}
