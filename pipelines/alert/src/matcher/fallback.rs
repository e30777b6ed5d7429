//! Which of the two grammars reads a text: Alertmanager's modes.

use super::{Matcher, MatcherError, Matchers, classic, utf8};
use crate::quote::go_quote;

/// Alertmanager's words for a text that only the classic grammar takes.
const INCOMPATIBLE: &str = "Alertmanager is moving to a new parser for labels and matchers, and this input is \
    incompatible. Alertmanager has instead parsed the input using the classic matchers parser as a fallback. To make \
    this input compatible with the UTF-8 matchers parser please make sure all regular expressions and values are \
    double-quoted and backslashes are escaped. If you are still seeing this message please open an issue.";

/// Alertmanager's words for a text that the two grammars read differently.
const DISAGREEMENT: &str = "Matchers input has disagreement";

/// Which grammar is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum MatcherMode {
    /// Both: UTF-8 if it can, classic where it alone can or where they disagree. The default.
    #[default]
    Fallback,
    /// Classic alone (`--enable-feature=classic-mode`).
    Classic,
    /// UTF-8 alone (`--enable-feature=utf8-strict-mode`).
    Utf8Strict,
}

/// Matchers that were read, and what the operator should be told about how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParsedMatchers {
    /// The matchers, in the order of the text.
    pub matchers: Matchers,
    /// What to log, if the text should be changed.
    pub warning: Option<String>,
}

/// One matcher that was read, and what the operator should be told about how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParsedMatcher {
    /// The matcher.
    pub matcher: Matcher,
    /// What to log, if the text should be changed.
    pub warning: Option<String>,
}

/// Reads any number of matchers (`{a="x",b=~"y"}`, braces optional) in the default mode.
pub fn parse_matchers(input: &str) -> Result<ParsedMatchers, MatcherError> {
    parse_matchers_in(MatcherMode::Fallback, input)
}

/// Reads any number of matchers in the given mode. Fails with the classic grammar's text, unless UTF-8 is strict.
pub fn parse_matchers_in(mode: MatcherMode, input: &str) -> Result<ParsedMatchers, MatcherError> {
    let without_braces =
        |matchers: &Vec<Matcher>| matchers.iter().map(Matcher::to_string).collect::<Vec<_>>().join(",");
    let (matchers, warning) = parse_in(
        mode,
        input,
        utf8::parse_matchers,
        classic::parse_matchers,
        without_braces,
    )?;
    Ok(ParsedMatchers {
        matchers: Matchers(matchers),
        warning,
    })
}

/// Reads exactly one matcher without braces (API filters, `amtool`) in the default mode.
pub fn parse_matcher(input: &str) -> Result<ParsedMatcher, MatcherError> {
    parse_matcher_in(MatcherMode::Fallback, input)
}

/// Reads exactly one matcher in the given mode.
pub fn parse_matcher_in(mode: MatcherMode, input: &str) -> Result<ParsedMatcher, MatcherError> {
    if mode != MatcherMode::Classic && (input.starts_with('{') || input.ends_with('}')) {
        return Err(MatcherError(format!("unexpected open or close brace: {input}")));
    }
    let (matcher, warning) = parse_in(
        mode,
        input,
        utf8::parse_matcher,
        classic::parse_matcher,
        Matcher::to_string,
    )?;
    Ok(ParsedMatcher { matcher, warning })
}

/// Reads `input` with one grammar or both, as the mode says.
fn parse_in<T: PartialEq>(
    mode: MatcherMode,
    input: &str,
    utf8: impl Fn(&str) -> Result<T, MatcherError>,
    classic: impl Fn(&str) -> Result<T, MatcherError>,
    print: impl Fn(&T) -> String,
) -> Result<(T, Option<String>), MatcherError> {
    match mode {
        MatcherMode::Classic => return Ok((classic(input)?, None)),
        MatcherMode::Utf8Strict => return Ok((utf8(input)?, None)),
        MatcherMode::Fallback => {}
    }
    match (utf8(input), classic(input)) {
        (Err(_), Err(error)) => Err(error),
        (Ok(matchers), Err(_)) => Ok((matchers, None)),
        (Ok(new), Ok(old)) if new == old => Ok((new, None)),
        (Ok(_), Ok(old)) => Ok((old, Some(format!("{DISAGREEMENT} input={}", go_quote(input))))),
        (Err(error), Ok(old)) => {
            let (input, error, suggestion) = (go_quote(input), go_quote(&error.0), go_quote(&print(&old)));
            Ok((
                old,
                Some(format!(
                    "{INCOMPATIBLE} input={input} err={error} suggestion={suggestion}"
                )),
            ))
        }
    }
}
