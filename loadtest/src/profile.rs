//! The named scenarios: what each shows, and the question it answers.

use std::time::Duration;

use clap::ValueEnum;

use crate::answers::Behaviour;
use crate::error::Error;
use crate::population::{Made, Population};
use crate::recording::Recording;
use crate::scenario::{Entry, Faults, Phase, Routing, Scenario, Step, Until};
use crate::timetable::Timetable;
use crate::traffic::{Resend, Traffic};

/// How long a phase may take beyond its traffic's own time.
const PATIENCE: Duration = Duration::from_mins(5);
/// Prometheus sends its alerts again this often.
const RESEND: Duration = Duration::from_mins(1);
/// What comes before measuring, so that connections, pools and caches are there, in seconds.
const WARM_UP: f64 = 5.0;

/// Alerts that one evaluation of a Prometheus server's rules begins, where a large shop has a busy minute: they go in one
/// request, and are all due when it is.
const EVALUATION: u32 = 10;
/// An answer that takes no longer than this, in seconds, keeps no alert of a steady rate waiting for a connection.
const ANSWER: f64 = 0.05;

/// What a word may take beyond what the config says, while the system does what it is made for.
const SLACK: Duration = Duration::from_secs(15);
/// The same where everything comes at once: an acknowledgement says nothing of the work before it.
const BUSY_SLACK: Duration = Duration::from_mins(2);
/// A million at once, which no system of ours takes in that time: it is about what comes after.
const FILL_SLACK: Duration = Duration::from_mins(10);
/// And where the receiver hangs: an attempt's 30 s, and up to 90 s between two attempts.
const SLOW_SLACK: Duration = Duration::from_mins(3);
/// The services' session timeout.
const SESSION_TIMEOUT: Duration = Duration::from_secs(10);
/// In a chaos alerts are sent again this often, so that an outage is longer than they live.
const CHAOS_RESEND: Duration = Duration::from_secs(5);
/// Changes of a flapping alert.
const FLAPS: u32 = 6;
/// No longer than this is listened for what must not come.
const LINGER_AT_MOST: Duration = Duration::from_secs(7);
/// What others' alerts are grouped by: each by itself.
const BY_ALERT: &str = "['...']";
/// A target that does not come to rest by then is measured as it is.
const REST_AT_MOST: Duration = Duration::from_secs(10);
/// The console reads the journal behind the stages.
const RECORD_SHOWN: Duration = Duration::from_secs(10);
/// What can be scaled.
const STAGES: [&str; 3] = ["correlate", "route", "notify"];

/// A named scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Profile {
    /// Accepts and notifies 10,000 alerts, each a group, as fast as it can: how long does a burst take to reach people?
    Cold,
    /// Accepts 50,000 alerts, each a group, as fast as it can: how fast does it take in what it never saw?
    Accept,
    /// 50,000 active alerts sent again, as fast as taken: what do Prometheus servers cost all day long?
    Resend,
    /// Accepts 50,000 alerts of which 100 share a group: what does a group cost beside its alerts?
    Grouped,
    /// 200 new alerts a second beside 50,000 active ones: how long from alert to webhook?
    Latency,
    /// The same, with a `group_interval` of 1 s: do groups with nothing to say cost anything?
    Flushes,
    /// 100,000 active alerts, each a group: how much memory, how much disk does one take?
    Memory,
    /// 1,000,000 active alerts, each a group, then every process killed: how much memory, how long until the first timer?
    #[value(name = "active-1m")]
    Active1m,
    /// 1,000 new alerts a second, ten to a request, beside 50,000 active ones: does a large shop's busy minute reach people in
    /// time?
    #[value(name = "active-50k")]
    Active50k,
    /// 10,000 alerts a second for 10 minutes, the re-sends of 100,000 active ones, one in a hundred a change: does it keep up?
    #[value(name = "10k")]
    TenThousand,
    /// 10,000 alerts an hour, a shop's usual load, for a minute: what does it take of a machine?
    Headline,
    /// New alerts at a steady rate, 200 a second for 30 s where nothing else is said: how long from alert to webhook?
    Steady,
    /// 10,000 new alerts at once on a system that is warm: does an outage of everything reach people?
    Storm,
    /// New alerts while the receiver is slow, fails, refuses and hangs in turn: is anything lost or said twice?
    SlowReceiver,
    /// New alerts while processes are killed, frozen and scaled by the seed: is anything lost, late or said twice?
    Chaos,
    /// 500 new alerts a second while every stage goes from 1 consumer to 4 to 2: does scaling help, does it hurt?
    ScaleOut,
    /// New alerts and their re-sends for an hour: does anything grow that must not?
    Soak,
    /// 1,000 alerts that fire and resolve in turn: what does flapping cost?
    Flap,
    /// New alerts at a rate that swings between a fifth and nine fifths: does a backlog of the peak vanish?
    Diurnal,
    /// 10,000 alerts in one group and 90,000 in their own: does a giant group hold up the others?
    Cardinality,
    /// Recorded traffic, at its pace or faster: what would last week have cost, what would this config have said?
    Replay,
}

/// What of a scenario can be said on the command line; what is not, the profile knows.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Active alerts: those that are there before measuring begins, or are what is measured.
    pub alerts: Option<u32>,
    /// New alerts a second.
    pub rate: Option<f64>,
    /// How long new alerts come.
    pub seconds: Option<f64>,
    /// Alerts that share a group.
    pub per_group: Option<u32>,
    /// Alerts in one request.
    pub batch: u32,
    /// New alerts in one request, where they come at a steady rate.
    pub new_batch: Option<u32>,
    /// Connections.
    pub connections: usize,
    /// How requests get to the system.
    pub entry: Entry,
    /// Recorded traffic, for the replay.
    pub recording: Option<Recording>,
    /// The seed.
    pub seed: u64,
    /// The label `run`.
    pub run: String,
    /// `group_wait`.
    pub group_wait: Option<Duration>,
    /// `group_interval`.
    pub group_interval: Option<Duration>,
    /// Routes that match nothing.
    pub routes: u32,
    /// What the receiver answers; where not said, the scenario knows.
    pub answers: Option<Behaviour>,
    /// What is done to the system; where not said, the scenario knows.
    pub faults: Option<Timetable>,
    /// How long a word may take beyond what the config says.
    pub slack: Option<Duration>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            alerts: None,
            rate: None,
            seconds: None,
            per_group: None,
            batch: 64,
            new_batch: None,
            connections: 4,
            entry: Entry::Http,
            recording: None,
            seed: 1,
            run: "run".to_owned(),
            group_wait: None,
            group_interval: None,
            routes: 0,
            answers: None,
            faults: None,
            slack: None,
        }
    }
}

impl Profile {
    /// Its name on the command line.
    pub fn name(self) -> String {
        self.to_possible_value()
            .map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// The scenario, with these settings.
    ///
    /// # Errors
    /// A schedule of this file is none: never.
    pub fn scenario(self, settings: &Settings) -> Result<Scenario, Error> {
        let (phases, alerts) = self.phases(settings);
        let routing = self.routing(settings);
        // What must not come shows at the next tick, where that is not too far.
        let linger = routing.group_interval.min(LINGER_AT_MOST);
        Ok(Scenario {
            name: self.name(),
            population: self.population(settings, alerts),
            routing,
            phases,
            batch: settings.batch,
            connections: settings.connections,
            entry: settings.entry,
            seed: settings.seed,
            answers: self.answers(settings)?,
            faults: self.faults(settings)?,
            slack: settings.slack.unwrap_or(self.slack()),
            linger,
            rest: REST_AT_MOST,
            record_shown: RECORD_SHOWN,
        })
    }

    fn population(self, settings: &Settings, alerts: u32) -> Population {
        if let Some(recording) = settings.recording.as_ref().filter(|_| self == Self::Replay) {
            return Population::Recorded(recording.alerts.clone());
        }
        Population::Made(Made {
            run: settings.run.clone(),
            seed: settings.seed,
            alerts,
            per_group: settings
                .per_group
                .unwrap_or(if self == Self::Grouped { 100 } else { 1 }),
            giant: if self == Self::Cardinality { alerts / 10 } else { 0 },
        })
    }

    /// What is done, and how many alerts that takes in all.
    fn phases(self, settings: &Settings) -> (Vec<Phase>, u32) {
        let Defaults { alerts, rate, seconds } = self.defaults();
        let alerts = settings.alerts.unwrap_or(alerts);
        let (rate, seconds) = (settings.rate.unwrap_or(rate), settings.seconds.unwrap_or(seconds));
        let (warm, new) = (count(rate * WARM_UP.min(seconds)), count(rate * seconds));
        let fill = |until, is_counted| storm("fill", 0, alerts, until, is_counted);
        let batch = settings.new_batch.unwrap_or(self.new_batch());
        let news = |name, alerts, is_counted| {
            let traffic = Traffic::Steady { alerts, rate };
            in_batches(phase(name, traffic, Until::Heard, is_counted), batch, rate)
        };
        let warm_up = |first| news("warm-up", first..first + warm, false);
        let steady = |first| news("steady", first + warm..first + warm + new, true);
        let last = Duration::from_secs_f64(seconds);
        match self {
            Self::Cold => (vec![storm("cold", 0, alerts, Until::Heard, true)], alerts),
            Self::Accept | Self::Grouped => (vec![storm("accept", 0, alerts, Until::Acknowledged, true)], alerts),
            Self::Memory | Self::Cardinality => (vec![fill(Until::Heard, true)], alerts),
            Self::Active1m => (vec![fill(Until::Heard, true), restart()], alerts),
            Self::Resend => (vec![fill(Until::Heard, false), resend_at_once(alerts)], alerts),
            Self::TenThousand => (
                vec![fill(Until::Heard, false), resend_at(alerts, rate, seconds)],
                alerts,
            ),
            Self::Latency | Self::Flushes | Self::Active50k => {
                let phases = vec![fill(Until::Heard, false), warm_up(alerts), steady(alerts)];
                (phases, alerts + warm + new)
            }
            Self::Steady | Self::Headline | Self::ScaleOut | Self::SlowReceiver => {
                (vec![warm_up(0), steady(0)], warm + new)
            }
            Self::Storm => {
                let storm = storm("storm", warm, warm + alerts, Until::Heard, true);
                (vec![warm_up(0), storm], warm + alerts)
            }
            Self::Replay => {
                let recording = settings.recording.clone().unwrap_or_default();
                let alerts = u32::try_from(recording.alerts.len()).unwrap_or(u32::MAX);
                let traffic = Traffic::Replay {
                    events: recording.events,
                };
                (vec![phase("replay", traffic, Until::Heard, true)], alerts)
            }
            Self::Chaos => (live(new, rate, CHAOS_RESEND), new),
            Self::Soak => (live(new, rate, RESEND), new),
            Self::Flap => {
                let traffic = Traffic::Flap {
                    alerts: 0..alerts,
                    every: last / FLAPS,
                    changes: FLAPS,
                };
                (vec![phase("flap", traffic, Until::Heard, true)], alerts)
            }
            Self::Diurnal => {
                let traffic = Traffic::Diurnal {
                    alerts: 0..new,
                    rates: (rate / 5.0, rate * 9.0 / 5.0),
                    day: last / 2,
                };
                let phase = phase("diurnal", traffic, Until::Heard, true);
                (vec![in_batches(phase, batch, 2.0 * rate)], new)
            }
        }
    }

    /// New alerts in one request: one, so that what is measured is not the wait for a batch, unless it is about many.
    const fn new_batch(self) -> u32 {
        if matches!(self, Self::Active50k) { EVALUATION } else { 1 }
    }

    const fn defaults(self) -> Defaults {
        let (alerts, rate, seconds) = match self {
            Self::Cold | Self::Storm => (10_000, 200.0, 5.0),
            Self::Accept | Self::Resend | Self::Grouped | Self::Latency | Self::Flushes => (50_000, 200.0, 30.0),
            Self::Active50k => (50_000, 1_000.0, 30.0),
            Self::TenThousand => (100_000, 10_000.0, 600.0),
            Self::Memory | Self::Cardinality => (100_000, 0.0, 0.0),
            Self::Active1m => (1_000_000, 0.0, 0.0),
            Self::Headline => (0, 10_000.0 / 3_600.0, 60.0),
            Self::Steady => (0, 200.0, 30.0),
            Self::SlowReceiver => (0, 20.0, 60.0),
            Self::Chaos => (0, 10.0, 120.0),
            Self::ScaleOut => (0, 500.0, 90.0),
            Self::Soak => (0, 10.0, 3_600.0),
            Self::Flap => (1_000, 0.0, 60.0),
            Self::Diurnal => (0, 100.0, 120.0),
            Self::Replay => (0, 0.0, 0.0),
        };
        Defaults { alerts, rate, seconds }
    }

    fn routing(self, settings: &Settings) -> Routing {
        let usual = Routing::default();
        let ticks = matches!(
            self,
            Self::Chaos | Self::SlowReceiver | Self::Soak | Self::Flap | Self::Cardinality | Self::Replay
        );
        let interval = if self == Self::Flushes {
            Duration::from_secs(1)
        } else if ticks {
            Duration::from_secs(5)
        } else {
            usual.group_interval
        };
        Routing {
            group_by: if self == Self::Replay { BY_ALERT } else { usual.group_by },
            group_wait: settings.group_wait.unwrap_or(usual.group_wait),
            group_interval: settings.group_interval.unwrap_or(interval),
            routes: settings.routes,
            ..usual
        }
    }

    /// Slow, failing, refusing and hanging, a sixth of the time each, where the scenario is about that.
    fn answers(self, settings: &Settings) -> Result<Behaviour, Error> {
        if self != Self::SlowReceiver || settings.answers.is_some() {
            return Ok(settings.answers.clone().unwrap_or_default());
        }
        let seconds = settings.seconds.unwrap_or(self.defaults().seconds);
        let at = |number: f64| count(1_000.0 * seconds / 6.0 * number);
        let text = format!(
            "200; {}ms 200@1000; {}ms 503; {}ms 429; {}ms hang; {}ms 200",
            at(1.0),
            at(2.0),
            at(3.0),
            at(4.0),
            at(5.0)
        );
        text.parse()
            .map_err(|error| Error::of("the receiver's behaviour", error))
    }

    fn faults(self, settings: &Settings) -> Result<Faults, Error> {
        if let Some(table) = &settings.faults {
            return Ok(Faults::Timetable(table.clone()));
        }
        if self == Self::Chaos {
            return Ok(Faults::Random {
                session_timeout: SESSION_TIMEOUT,
            });
        }
        if self != Self::ScaleOut {
            return Ok(Faults::Timetable(Timetable::default()));
        }
        let third = settings.seconds.unwrap_or(self.defaults().seconds) * 1_000.0 / 3.0;
        let scale = |at: u32, to: u32| STAGES.map(|stage| format!("{at}ms scale {stage} {to};")).concat();
        let text = scale(count(third), 4) + &scale(count(2.0 * third), 2);
        let table = text.parse().map_err(|error| Error::of("the timetable", error));
        table.map(Faults::Timetable)
    }

    const fn slack(self) -> Duration {
        if matches!(self, Self::Active1m) {
            FILL_SLACK
        } else if matches!(self, Self::SlowReceiver) {
            SLOW_SLACK
        } else if matches!(self, Self::Chaos | Self::Steady | Self::Headline) {
            SLACK
        } else {
            BUSY_SLACK
        }
    }

    /// What is driven where nobody says otherwise: Alertmanager too, where the question makes sense to it.
    pub const fn is_beside_alertmanager(self) -> bool {
        !matches!(
            self,
            Self::Active1m | Self::Chaos | Self::ScaleOut | Self::Soak | Self::TenThousand
        )
    }

    /// Whether it is about several processes.
    pub const fn is_of_services(self) -> bool {
        matches!(self, Self::ScaleOut)
    }
}

/// What a scenario has where nobody says otherwise: alerts, new alerts a second, and for how many seconds.
struct Defaults {
    alerts: u32,
    rate: f64,
    seconds: f64,
}

fn phase(name: &'static str, traffic: Traffic, until: Until, is_counted: bool) -> Phase {
    Phase {
        name,
        step: Step::Send {
            traffic,
            batch: None,
            connections: None,
            until,
        },
        is_counted,
        patience: PATIENCE,
    }
}

/// The active set again, as fast as it is taken: long enough for a rate, short beside the five minutes after which a flush
/// of everything is due.
fn resend_at_once(alerts: u32) -> Phase {
    let resend = Resend {
        alerts: 0..alerts,
        every: RESEND,
        rounds: 4,
        servers: 1,
        one_in: 0,
        at_once: true,
    };
    phase("resend", Traffic::Resend(resend), Until::Acknowledged, true)
}

/// The active set again and again, so many alerts a second, one in a hundred a change.
fn resend_at(alerts: u32, rate: f64, seconds: f64) -> Phase {
    let resend = Resend {
        alerts: 0..alerts,
        every: Duration::from_secs_f64(f64::from(alerts) / rate.max(1e-6)),
        rounds: count(rate * seconds / f64::from(alerts.max(1))).max(1),
        servers: 1,
        one_in: 100,
        at_once: false,
    };
    phase("resend", Traffic::Resend(resend), Until::Acknowledged, true)
}

/// New alerts that are sent again, then the end of all of them.
fn live(alerts: u32, rate: f64, every: Duration) -> Vec<Phase> {
    let traffic = Traffic::Live {
        alerts: 0..alerts,
        rate,
        every,
    };
    let mut lives = phase("live", traffic, Until::Heard, true);
    if let Step::Send { connections, .. } = &mut lives.step {
        *connections = Some(8);
    }
    let over = Traffic::Resolve { alerts: 0..alerts };
    vec![lives, phase("resolve", over, Until::Heard, false)]
}

fn restart() -> Phase {
    Phase {
        name: "restart",
        step: Step::Restart { probe: 0 },
        is_counted: true,
        patience: PATIENCE,
    }
}

fn storm(name: &'static str, first: u32, end: u32, until: Until, is_counted: bool) -> Phase {
    phase(name, Traffic::Storm { alerts: first..end }, until, is_counted)
}

/// New alerts at a rate, so many in a request, over as many connections as that takes.
fn in_batches(mut phase: Phase, size: u32, rate: f64) -> Phase {
    if let Step::Send { batch, connections, .. } = &mut phase.step {
        let requests = rate / f64::from(size.max(1));
        *batch = Some(size);
        *connections = Some(usize::try_from(count(requests * ANSWER)).unwrap_or(0).clamp(4, 64));
    }
    phase
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`as` saturates, and none is negative"
)]
fn count(alerts: f64) -> u32 {
    alerts.round() as u32
}
