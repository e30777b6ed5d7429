//! What is done to whom, and when: by a timetable that a person wrote (`timetable`), or by seed.
//!
//! By seed: a deck of every (service, action) pair (for a service that does not scale: one freeze, five kills) is shuffled and dealt;
//! when it is empty, it is shuffled again. So a run that is long enough does each before any comes back, and a failing one
//! is replayed by its seed.

use std::fmt;
use std::time::Duration;

use alert::Matchers;

use crate::rng::Rng;

/// What is done.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// SIGKILL, and started again after this long.
    Kill {
        /// How long it is away.
        away: Duration,
    },
    /// SIGSTOP, and SIGCONT after this long.
    Freeze {
        /// How long it stands still.
        still: Duration,
    },
    /// Two more of it, and after this long one of the three is left.
    Scale {
        /// How long there are three.
        three: Duration,
        /// Which one is left, from 0; the others are told to end (SIGTERM).
        left: usize,
    },
    /// From now on there are so many of it; those that go are told to end (SIGTERM).
    ScaleTo(usize),
    /// SIGTERM, and started again.
    Restart,
    /// The broker is ended at once and started again with its data.
    RestartBroker,
    /// No fault: somebody silences what matches, for so long.
    Silence {
        /// What.
        matchers: Matchers,
        /// For how long.
        lasts: Duration,
    },
}

/// When something happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// So long after what went before was over.
    After(Duration),
    /// At this time of the run, or when what went before is over.
    At(Duration),
}

/// One thing that happens.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// When.
    pub due: Due,
    /// Which service, by its place in the list; of no meaning for the broker and for silences.
    pub service: usize,
    /// What.
    pub action: Action,
}

/// What may happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Possible {
    /// How many services there are.
    pub services: usize,
    /// Whether a service can run several times at once.
    pub scales: bool,
    /// Whether the broker is ours to restart.
    pub broker: bool,
    /// After this long the others take a service for dead: it is frozen for longer.
    pub session_timeout: Duration,
}

/// The shortest and longest pause between two faults: some come while the system still recovers from the last, some when
/// it has.
const PAUSE_MS: (u64, u64) = (500, 6_000);
/// A process that a supervisor starts again is away between nothing and a few seconds.
const AWAY_MS: (u64, u64) = (0, 3_000);
/// How much longer than the session timeout a process is frozen.
const BEYOND_SESSION_MS: (u64, u64) = (1_000, 4_000);
/// How many more times than frozen a process is killed that does not scale.
const MORE_KILLS: usize = 4;
/// How long there are three: from less than a rebalance takes to well after it.
const THREE_MS: (u64, u64) = (1_000, 8_000);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Card {
    Kill(usize),
    Freeze(usize),
    Scale(usize),
    Broker,
}

/// The faults of a seed, without end.
#[derive(Debug, Clone)]
pub struct Schedule {
    possible: Possible,
    rng: Rng,
    deck: Vec<Card>,
}

impl Schedule {
    /// The schedule of this seed.
    pub fn new(seed: u64, possible: Possible) -> Self {
        Self {
            possible,
            rng: Rng::new(seed),
            deck: Vec::new(),
        }
    }

    fn deal(&mut self) -> Option<Card> {
        if self.deck.is_empty() {
            for service in 0..self.possible.services {
                self.deck.extend([Card::Kill(service), Card::Freeze(service)]);
                if self.possible.scales {
                    self.deck.push(Card::Scale(service));
                } else {
                    // A lone process: kills at any moment are what its log has to survive, so most cards are that.
                    self.deck.extend([Card::Kill(service); MORE_KILLS]);
                }
            }
            self.deck.extend(self.possible.broker.then_some(Card::Broker));
            self.rng.shuffle(&mut self.deck);
        }
        self.deck.pop()
    }

    fn time(&mut self, bounds: (u64, u64)) -> Duration {
        Duration::from_millis(self.rng.between(bounds.0, bounds.1))
    }
}

impl Iterator for Schedule {
    type Item = Fault;

    fn next(&mut self) -> Option<Fault> {
        let card = self.deal()?;
        let pause = self.time(PAUSE_MS);
        let (service, action) = match card {
            Card::Kill(service) => (
                service,
                Action::Kill {
                    away: self.time(AWAY_MS),
                },
            ),
            Card::Freeze(service) => {
                let still = self.possible.session_timeout + self.time(BEYOND_SESSION_MS);
                (service, Action::Freeze { still })
            }
            Card::Scale(service) => {
                let left = usize::try_from(self.rng.between(0, 2)).unwrap_or(0);
                (
                    service,
                    Action::Scale {
                        three: self.time(THREE_MS),
                        left,
                    },
                )
            }
            Card::Broker => (0, Action::RestartBroker),
        };
        Some(Fault {
            due: Due::After(pause),
            service,
            action,
        })
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kill { away } => write!(f, "killed, away {:.1} s", away.as_secs_f64()),
            Self::Freeze { still } => write!(f, "frozen {:.1} s", still.as_secs_f64()),
            Self::Scale { three, left } => {
                write!(
                    f,
                    "scaled to 3 for {:.1} s, number {} stays",
                    three.as_secs_f64(),
                    left + 1
                )
            }
            Self::ScaleTo(count) => write!(f, "scaled to {count}"),
            Self::Restart => write!(f, "restarted"),
            Self::RestartBroker => write!(f, "broker restarted"),
            Self::Silence { matchers, lasts } => {
                write!(f, "{matchers} for {:.1} s", lasts.as_secs_f64())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Action, Due, Fault, Possible, Schedule};
    use std::time::Duration;

    fn possible(services: usize, scales: bool, broker: bool) -> Possible {
        Possible {
            services,
            scales,
            broker,
            session_timeout: Duration::from_secs(10),
        }
    }

    fn name(fault: &Fault) -> String {
        match fault.action {
            Action::Kill { .. } => format!("kill {}", fault.service),
            Action::Freeze { .. } => format!("freeze {}", fault.service),
            Action::Scale { .. } => format!("scale {}", fault.service),
            Action::ScaleTo(_) | Action::Restart | Action::RestartBroker | Action::Silence { .. } => {
                "broker".to_owned()
            }
        }
    }

    #[test]
    fn a_deck_holds_each_pair() {
        for (services, scales, broker, expected) in [
            (1, false, false, "freeze 0, kill 0, kill 0, kill 0, kill 0, kill 0"),
            (
                2,
                true,
                true,
                "broker, freeze 0, freeze 1, kill 0, kill 1, scale 0, scale 1",
            ),
        ] {
            for seed in 0..20 {
                let size = expected.split(", ").count();
                let faults: Vec<_> = Schedule::new(seed, possible(services, scales, broker))
                    .take(2 * size)
                    .collect();
                for deck in faults.chunks(size) {
                    let mut names: Vec<_> = deck.iter().map(name).collect();
                    names.sort();
                    assert_eq!(names.join(", "), expected, "seed {seed}");
                }
            }
        }
        assert_eq!(Schedule::new(1, possible(0, true, false)).next(), None);
    }

    #[test]
    fn a_seed_is_one_schedule() {
        let of = |seed| {
            Schedule::new(seed, possible(4, true, true))
                .take(40)
                .collect::<Vec<_>>()
        };
        assert_eq!(of(7), of(7));
        assert_ne!(of(7), of(8));
    }

    #[test]
    fn times_are_within_their_bounds() {
        for fault in Schedule::new(3, possible(4, true, true)).take(500) {
            assert!(matches!(fault.due, Due::After(pause) if (500..=6_000).contains(&pause.as_millis())));
            match fault.action {
                Action::Kill { away } => assert!(away <= Duration::from_secs(3)),
                Action::Freeze { still } => assert!(still > Duration::from_secs(10), "longer than the session timeout"),
                Action::Scale { three, left } => assert!(three >= Duration::from_secs(1) && left < 3),
                Action::RestartBroker => {}
                Action::ScaleTo(_) | Action::Restart | Action::Silence { .. } => panic!("not in a deck"),
            }
        }
    }
}
