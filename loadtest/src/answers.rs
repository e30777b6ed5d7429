//! What the webhook receiver answers, message after message: `503x2,200@500,200x8` is two refusals, one answer after
//! half a second, eight at once, and again from the front. `200; 10s 503; 20s hang; 50s 200` changes with time.

use std::str::FromStr;
use std::time::Duration;

use alert::PromDuration;

/// One answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status; 0 where none is ever sent.
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
#[error("{0:?} is not STATUS[xTIMES][@MILLISECONDS], with a status from 200 to 599, or `hang`, and 1 to 1000000 times")]
pub struct AnswersError(String);

/// The sender never has an answer.
pub const HANG: u16 = 0;

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

impl Answers {
    fn accept_at_once(&self) -> bool {
        self.turns
            .iter()
            .all(|(_, answer)| answer.accepts() && answer.delay.is_zero())
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
    let status = if status == "hang" { HANG } else { status.parse().ok()? };
    let fits = (status == HANG || (200..600).contains(&status)) && (1..=MAX_TIMES).contains(&times);
    fits.then_some((
        times,
        Answer {
            status,
            delay: Duration::from_millis(delay),
        },
    ))
}

/// Answers that change with time.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Behaviour {
    first: Answers,
    /// From when on, in order; and what then.
    later: Vec<(Duration, Answers)>,
}

impl Behaviour {
    /// The answer to the message with this number, from 0, that long after its time began.
    pub fn to(&self, number: u64, elapsed: Duration) -> Answer {
        let now = self.later.iter().rev().find(|(from, _)| *from <= elapsed);
        now.map_or(&self.first, |(_, answers)| answers).to(number)
    }

    /// While it does anything else than accept at once: from when until when; for ever where it stays so.
    pub fn troubles(&self) -> Vec<(Duration, Duration)> {
        let stages =
            std::iter::once((Duration::ZERO, &self.first)).chain(self.later.iter().map(|(at, answers)| (*at, answers)));
        let ends = self.later.iter().map(|(at, _)| *at).chain([Duration::MAX]);
        let troubled = stages.zip(ends).filter(|((_, answers), _)| !answers.accept_at_once());
        troubled.map(|((from, _), until)| (from, until)).collect()
    }
}

impl FromStr for Behaviour {
    type Err = AnswersError;

    fn from_str(text: &str) -> Result<Self, AnswersError> {
        let mut stages = text.split(';').map(str::trim);
        let first = stages.next().unwrap_or_default().parse()?;
        let stage = |text: &str| {
            let wrong = || AnswersError(text.to_owned());
            let (at, answers) = text.split_once(' ').ok_or_else(wrong)?;
            let at: PromDuration = at.parse().map_err(|_| wrong())?;
            Ok((Duration::from_millis(at.millis()), answers.parse()?))
        };
        let mut later: Vec<_> = stages.map(stage).collect::<Result<_, AnswersError>>()?;
        later.sort_by_key(|(at, _)| *at);
        Ok(Self { first, later })
    }
}

#[cfg(test)]
mod tests {
    use super::{Answer, Answers, AnswersError, Behaviour};
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

    #[test]
    fn behaviour_changes_with_time() {
        let behaviour: Behaviour = "200; 20s hang; 10s 503,200@50; 30s 200".parse().unwrap();
        let seconds = Duration::from_secs;
        let statuses: Vec<_> = [0, 9, 10, 19, 20, 30, 99]
            .map(|at| behaviour.to(0, seconds(at)).status)
            .into();
        assert_eq!(statuses, [200, 200, 503, 503, 0, 200, 200]);
        assert!(!behaviour.to(0, seconds(25)).accepts());
        assert_eq!(
            behaviour.troubles(),
            [(seconds(10), seconds(20)), (seconds(20), seconds(30))]
        );
        assert!(Behaviour::default().troubles().is_empty());
        for text in ["200; 503", "200; soon 503", "x"] {
            assert!(text.parse::<Behaviour>().is_err(), "{text}");
        }
    }
}
