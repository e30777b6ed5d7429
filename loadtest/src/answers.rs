//! What the webhook receiver answers, message after message: `503x2,200@500,200x8` is two refusals, one answer after
//! half a second, eight at once, and again from the front.

use std::str::FromStr;
use std::time::Duration;

/// One answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// How long the sender waits for it.
    pub delay: Duration,
}

impl Answer {
    /// Whether the sender may take the message as delivered.
    pub const fn accepts(self) -> bool {
        self.status >= 200 && self.status < 300
    }
}

/// Answers in turn, for ever.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answers {
    turns: Vec<(u64, Answer)>,
    round: u64,
}

/// Why a text is no schedule of answers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not STATUS[xTIMES][@MILLISECONDS], with a status from 200 to 599 and 1 to 1000000 times")]
pub struct AnswersError(String);

/// A round of answers is counted, and a person writes it.
const MAX_TIMES: u64 = 1_000_000;

impl Default for Answers {
    /// 200, at once.
    fn default() -> Self {
        Self {
            turns: vec![(
                1,
                Answer {
                    status: 200,
                    delay: Duration::ZERO,
                },
            )],
            round: 1,
        }
    }
}

impl Answers {
    /// The answer to the message with this number, from 0.
    pub fn to(&self, number: u64) -> Answer {
        let mut place = number % self.round;
        for (times, answer) in &self.turns {
            match place.checked_sub(*times) {
                Some(rest) => place = rest,
                None => return *answer,
            }
        }
        Answer {
            status: 200,
            delay: Duration::ZERO,
        }
    }
}

impl FromStr for Answers {
    type Err = AnswersError;

    fn from_str(text: &str) -> Result<Self, AnswersError> {
        let turns = text
            .split(',')
            .map(|item| turn(item.trim()).ok_or_else(|| AnswersError(item.to_owned())));
        let turns: Vec<_> = turns.collect::<Result<_, _>>()?;
        let round = turns.iter().map(|(times, _)| times).sum();
        Ok(Self { turns, round })
    }
}

fn turn(item: &str) -> Option<(u64, Answer)> {
    let (rest, delay) = match item.split_once('@') {
        Some((rest, delay)) => (rest, delay.trim_end_matches("ms").parse().ok()?),
        None => (item, 0),
    };
    let (status, times) = match rest.split_once('x') {
        Some((status, times)) => (status, times.parse().ok()?),
        None => (rest, 1),
    };
    let status = status.parse().ok()?;
    let fits = (200..600).contains(&status) && (1..=MAX_TIMES).contains(&times);
    fits.then_some((
        times,
        Answer {
            status,
            delay: Duration::from_millis(delay),
        },
    ))
}

#[cfg(test)]
mod tests {
    use super::{Answer, Answers, AnswersError};
    use std::time::Duration;

    #[test]
    fn schedules() {
        for (text, expected) in [
            ("200", "200 200 200"),
            ("503x2,200", "503 503 200 503 503 200 503"),
            ("200@500, 429x2@10ms", "200@500 429@10 429@10 200@500"),
        ] {
            let answers: Answers = text.parse().unwrap();
            for (number, word) in expected.split(' ').enumerate() {
                let (status, delay) = word.split_once('@').unwrap_or((word, "0"));
                let delay = Duration::from_millis(delay.parse().unwrap());
                let answer = Answer {
                    status: status.parse().unwrap(),
                    delay,
                };
                assert_eq!(answers.to(number as u64), answer, "{text} at {number}");
            }
        }
    }

    #[test]
    fn refused() {
        for (text, part) in [
            ("", ""),
            ("200,", ""),
            ("OK", "OK"),
            ("199", "199"),
            ("200x0", "200x0"),
            ("200@soon", "200@soon"),
        ] {
            assert_eq!(text.parse::<Answers>(), Err(AnswersError(part.to_owned())), "{text}");
        }
    }
}
