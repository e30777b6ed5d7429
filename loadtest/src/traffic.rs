//! What is sent when: every kind of traffic becomes a list of requests with their times, before anything is sent.
//!
//! Loops are open: a request is due when it is due, whatever became of the ones before it, and what it waits beyond that
//! counts as its latency. Where all is due at once, the system's own pace is what is measured.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use crate::body::{Body, Form};
use crate::population::Population;
use crate::rng::Rng;

/// How long an alert lives beyond its last send where nothing sends it again: longer than any run.
const LONG: Duration = Duration::from_hours(6);
/// An alert that is sent again ends this many intervals after a send: Prometheus's own rule.
const LIFETIMES: u32 = 4;

/// What is sent again within seconds to save time ends no sooner than this, so that nothing is over while a run is judged.
const SHORTEST: Duration = Duration::from_mins(1);
/// So long after its end an alert that is sent again goes on being so, unless the generator is told to end.
const TAIL: Duration = Duration::from_mins(3);

/// A kind of traffic. Alerts are meant by their numbers in the population.
#[derive(Debug, Clone, PartialEq)]
pub enum Traffic {
    /// New alerts, all due at once: a cold burst.
    Storm {
        /// Which.
        alerts: Range<u32>,
    },
    /// New alerts at a steady rate.
    Steady {
        /// Which.
        alerts: Range<u32>,
        /// How many a second.
        rate: f64,
    },
    /// The whole active set again and again, as Prometheus servers do all day.
    Resend(Resend),
    /// New alerts at a steady rate, one by one, each sent again until the end: Prometheus beside a system that suffers.
    Live {
        /// Which.
        alerts: Range<u32>,
        /// How many a second.
        rate: f64,
        /// From one send of an alert to its next.
        every: Duration,
    },
    /// Alerts that fire and resolve in turn.
    Flap {
        /// Which.
        alerts: Range<u32>,
        /// From one change of an alert to its next.
        every: Duration,
        /// Changes of each.
        changes: u32,
    },
    /// New alerts at a rate that swings between two, as days do.
    Diurnal {
        /// Which.
        alerts: Range<u32>,
        /// The lowest and the highest rate, a second.
        rates: (f64, f64),
        /// From one peak to the next.
        day: Duration,
    },
    /// Recorded changes: when, which alert, whether it fires; in order of time.
    Replay {
        /// They.
        events: Vec<(Duration, u32, bool)>,
    },
    /// All of these are over, all due at once.
    Resolve {
        /// Which.
        alerts: Range<u32>,
    },
}

/// How the active set is sent again.
#[derive(Debug, Clone, PartialEq)]
pub struct Resend {
    /// Which alerts.
    pub alerts: Range<u32>,
    /// From one send of an alert to its next by the same server.
    pub every: Duration,
    /// Sends of each alert by each server.
    pub rounds: u32,
    /// Servers that send the same: 2 for a pair.
    pub servers: u32,
    /// In a round one alert in so many changes (fires no more, or again); 0: none does.
    pub one_in: u32,
    /// Whether rounds follow each other as fast as they are taken. Ends then move by a whole interval a round all the
    /// same, as if it had passed: that is what makes a system write.
    pub at_once: bool,
}

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// When, from the beginning of its traffic.
    pub due: Duration,
    /// Which of the plan's bodies.
    pub body: u32,
    /// Over which connection, as far as there are so many. What is said of an alert goes over one, so that it is said in
    /// order.
    pub connection: u32,
    /// The places of those in the body that do not fire.
    pub resolved: Vec<u16>,
    /// How far after the send the firing ones end.
    pub lifetime: Duration,
    /// Whether it says something new, and so is tried until it is acknowledged.
    pub is_news: bool,
    /// Whether it only keeps alive what fires while its end is waited for.
    pub is_tail: bool,
}

/// Requests in order of their times, with what they say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// What alerts are written as.
    pub form: Form,
    /// The bodies, built.
    pub bodies: Vec<Body>,
    /// The requests.
    pub requests: Vec<Request>,
}

impl Plan {
    /// How many alerts all requests carry together.
    pub fn alerts(&self) -> u64 {
        let size = |request: &Request| {
            self.bodies
                .get(request.body as usize)
                .map_or(0, |body| body.alerts.len() as u64)
        };
        self.requests.iter().map(size).sum()
    }

    /// The first alert of a request.
    pub fn first(&self, request: &Request) -> u32 {
        let body = self.bodies.get(request.body as usize);
        body.and_then(|body| body.alerts.first()).copied().unwrap_or(0)
    }

    /// When the last request is due, but for those that only keep alive.
    pub fn lasts(&self) -> Duration {
        self.requests
            .iter()
            .filter(|request| !request.is_tail)
            .map(|request| request.due)
            .max()
            .unwrap_or_default()
    }

    fn add(&mut self, population: &Population, alerts: Vec<u32>, due: Duration, resolved: bool, lifetime: Duration) {
        let places = u16::try_from(alerts.len()).unwrap_or(u16::MAX);
        let resolved = if resolved { (0..places).collect() } else { Vec::new() };
        let body = self.build(population, alerts);
        self.requests.push(Request {
            due,
            body,
            connection: body,
            resolved,
            lifetime,
            is_news: true,
            is_tail: false,
        });
    }

    fn build(&mut self, population: &Population, alerts: Vec<u32>) -> u32 {
        self.bodies.push(Body::new(population, self.form, alerts));
        u32::try_from(self.bodies.len() - 1).unwrap_or(u32::MAX)
    }
}

impl Traffic {
    /// The requests of this traffic, with at most `batch` alerts in each (65,535 at most).
    pub fn plan(&self, population: &Population, form: Form, batch: u32, seed: u64) -> Plan {
        let batch = batch.clamp(1, u32::from(u16::MAX));
        let mut plan = Plan {
            form,
            ..Plan::default()
        };
        match self {
            Self::Storm { alerts } | Self::Resolve { alerts } => {
                let over = matches!(self, Self::Resolve { .. });
                for chunk in chunks(alerts, batch) {
                    plan.add(population, chunk.collect(), Duration::ZERO, over, LONG);
                }
            }
            Self::Steady { alerts, rate } => {
                for chunk in chunks(alerts, batch) {
                    let due = Duration::from_secs_f64(f64::from(chunk.start - alerts.start) / rate.max(1e-6));
                    plan.add(population, chunk.collect(), due, false, LONG);
                }
            }
            Self::Resend(resend) => resend.plan(population, batch, seed, &mut plan),
            Self::Live { alerts, rate, every } => live(population, alerts, *rate, *every, batch, &mut plan),
            Self::Flap { alerts, every, changes } => {
                for change in 0..*changes {
                    for chunk in chunks(alerts, batch) {
                        let within = every.mul_f64(part(chunk.start, alerts));
                        plan.add(
                            population,
                            chunk.collect(),
                            *every * change + within,
                            change % 2 == 1,
                            LONG,
                        );
                    }
                }
            }
            Self::Diurnal { alerts, rates, day } => {
                let mut due = 0.0;
                for chunk in chunks(alerts, batch) {
                    let count = f64::from(chunk.end - chunk.start);
                    plan.add(population, chunk.collect(), Duration::from_secs_f64(due), false, LONG);
                    due += count / diurnal_rate(*rates, due / day.as_secs_f64().max(1e-6)).max(1e-6);
                }
            }
            Self::Replay { events } => replay(population, events, batch, &mut plan),
        }
        plan.requests.sort_by_key(|request| request.due);
        plan
    }
}

impl Resend {
    fn plan(&self, population: &Population, batch: u32, seed: u64, plan: &mut Plan) {
        let bodies: Vec<(u32, Range<u32>)> = chunks(&self.alerts, batch)
            .map(|chunk| (plan.build(population, chunk.clone().collect()), chunk))
            .collect();
        let turns = |alert: u32, round: u32| {
            let draw = Rng::new(seed ^ (u64::from(round) << 32) ^ u64::from(alert)).bits();
            self.one_in > 0 && round > 0 && draw.is_multiple_of(u64::from(self.one_in))
        };
        let mut over = vec![false; self.alerts.len()];
        for round in 0..self.rounds {
            let lead = self.every * if self.at_once { round } else { 0 };
            for (body, chunk) in &bodies {
                let (mut resolved, mut is_news) = (Vec::new(), false);
                for (place, alert) in (0..).zip(chunk.clone()) {
                    let Some(over) = over.get_mut((alert - self.alerts.start) as usize) else {
                        continue;
                    };
                    let changed = turns(alert, round);
                    *over ^= changed;
                    is_news |= changed;
                    resolved.extend(over.then_some(place));
                }
                for server in 0..self.servers.max(1) {
                    // Each server goes through its rules within the interval, in its own time.
                    let offset = part(chunk.start, &self.alerts) + f64::from(server) / f64::from(self.servers.max(1));
                    let due = if self.at_once {
                        Duration::ZERO
                    } else {
                        self.every * round + self.every.mul_f64(offset.fract())
                    };
                    plan.requests.push(Request {
                        due,
                        body: *body,
                        connection: *body,
                        resolved: resolved.clone(),
                        lifetime: (self.every * LIFETIMES).max(SHORTEST) + lead,
                        is_news,
                        is_tail: false,
                    });
                }
            }
        }
    }
}

/// New alerts go over every other connection, one by one; what fires goes again over the ones between, so that neither
/// waits for the other.
fn live(population: &Population, alerts: &Range<u32>, rate: f64, every: Duration, batch: u32, plan: &mut Plan) {
    let due = |alert: u32| Duration::from_secs_f64(f64::from(alert - alerts.start) / rate.max(1e-6));
    let request = |body: u32, due: Duration, is_news: bool, is_tail: bool| Request {
        due,
        body,
        connection: 2 * body + u32::from(!is_news),
        resolved: Vec::new(),
        lifetime: every * LIFETIMES,
        is_news,
        is_tail,
    };
    for alert in alerts.clone() {
        let body = plan.build(population, vec![alert]);
        plan.requests.push(request(body, due(alert), true, false));
    }
    let end = due(alerts.end);
    let mut at = every;
    let mut known: BTreeMap<(u32, u32), u32> = BTreeMap::new();
    while at < end + TAIL {
        // One that is only just due is left to its own request.
        let firing = alerts.clone().take_while(|alert| due(*alert) + every / 2 < at).count();
        let firing = alerts.start..alerts.start + u32::try_from(firing).unwrap_or(u32::MAX);
        for chunk in chunks(&firing, batch) {
            let build = || plan.build(population, chunk.clone().collect());
            let body = *known.entry((chunk.start, chunk.end)).or_insert_with(build);
            plan.requests.push(request(body, at, false, at >= end));
        }
        at += every;
    }
}

/// Recorded changes of one moment go together, as Prometheus sends what one evaluation found.
fn replay(population: &Population, events: &[(Duration, u32, bool)], batch: u32, plan: &mut Plan) {
    for moment in events.chunk_by(|a, b| (a.0, a.2) == (b.0, b.2)) {
        for chunk in moment.chunks(batch as usize) {
            let Some((due, _, firing)) = chunk.first().copied() else {
                continue;
            };
            let alerts = chunk.iter().map(|(_, alert, _)| *alert).collect();
            plan.add(population, alerts, due, !firing, LONG);
        }
    }
}

fn chunks(alerts: &Range<u32>, batch: u32) -> impl Iterator<Item = Range<u32>> + use<> {
    let end = alerts.end;
    (alerts.start..end)
        .step_by(batch as usize)
        .map(move |start| start..end.min(start + batch))
}

/// How far into the range, from 0 to 1.
fn part(alert: u32, alerts: &Range<u32>) -> f64 {
    f64::from(alert - alerts.start) / f64::from((alerts.end - alerts.start).max(1))
}

/// Lowest at the beginning of a day, highest in its middle.
fn diurnal_rate((low, high): (f64, f64), days: f64) -> f64 {
    low + (high - low) * (1.0 - (days * std::f64::consts::TAU).cos()) / 2.0
}

#[cfg(test)]
#[path = "traffic_tests.rs"]
mod tests;
