//! A scenario: which alerts, sent how, to a system with which config, in which phases.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use clap::ValueEnum;

use crate::answers::Behaviour;
use crate::body::Form;
use crate::population::Population;
use crate::timetable::Timetable;
use crate::topic::Encoding;
use crate::traffic::Traffic;

/// What a run does.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    /// Its name.
    pub name: String,
    /// The alerts it may send.
    pub population: Population,
    /// The system's config.
    pub routing: Routing,
    /// What is done, in order.
    pub phases: Vec<Phase>,
    /// Alerts in one request, at most.
    pub batch: u32,
    /// Connections that requests go over.
    pub connections: usize,
    /// How requests get to the system.
    pub entry: Entry,
    /// Decides what is left to chance.
    pub seed: u64,
    /// What the receiver answers.
    pub answers: Behaviour,
    /// What is done to the system in the phase that counts.
    pub faults: Faults,
    /// How long a word may take beyond what the config says, until it is called late.
    pub slack: Duration,
    /// How long to listen at the end for what must not come.
    pub linger: Duration,
    /// A target that does not come to rest within this is measured as it is.
    pub rest: Duration,
    /// How long the record of a repeat may take until a journal shows it.
    pub record_shown: Duration,
}

/// How requests get to the system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Entry {
    /// Posted to API v2, as Prometheus does.
    #[default]
    Http,
    /// Published as lists of our JSON events.
    KafkaJson,
    /// Published as lists of Alertmanager's JSON.
    KafkaV2,
    /// Published as Avro events.
    KafkaAvro,
}

impl Entry {
    /// What alerts are written as.
    pub const fn form(self) -> Form {
        match self {
            Self::Http | Self::KafkaV2 => Form::V2,
            Self::KafkaJson | Self::KafkaAvro => Form::Event,
        }
    }

    /// What records are written as; none where there are none.
    pub const fn encoding(self) -> Option<Encoding> {
        match self {
            Self::Http => None,
            Self::KafkaJson | Self::KafkaV2 => Some(Encoding::Json),
            Self::KafkaAvro => Some(Encoding::Avro),
        }
    }
}

/// What is done to the system.
#[derive(Debug, Clone, PartialEq)]
pub enum Faults {
    /// What a person wrote down; nothing, if that is empty.
    Timetable(Timetable),
    /// Whatever the seed says, until the phase is over.
    Random {
        /// After this long the others take a service for dead: it is frozen for longer.
        session_timeout: Duration,
    },
}

/// One part of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Phase {
    /// Its name.
    pub name: &'static str,
    /// What is done.
    pub step: Step,
    /// Whether it is what the scenario is about.
    pub is_counted: bool,
    /// How long it may take beyond its traffic's own time.
    pub patience: Duration,
}

/// What a phase does.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Sends.
    Send {
        /// What.
        traffic: Traffic,
        /// Alerts in one request, where not the scenario's.
        batch: Option<u32>,
        /// Connections, where not the scenario's.
        connections: Option<usize>,
        /// When it is over.
        until: Until,
    },
    /// Says of one alert that it fires, in a group that waits, ends the target's processes at once, starts them again, and
    /// waits until that timer has fired.
    Restart {
        /// The alert.
        probe: u32,
    },
}

/// When a phase is over. The target has come to rest in any case, or had its time for that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// Every request is acknowledged.
    Acknowledged,
    /// Every word is heard, too.
    Heard,
}

/// The system's `alertmanager.yml`, in what scenarios differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Routing {
    /// `group_by`, as the file writes it.
    pub group_by: &'static str,
    /// `group_wait`.
    pub group_wait: Duration,
    /// `group_interval`.
    pub group_interval: Duration,
    /// `repeat_interval`.
    pub repeat_interval: Duration,
    /// Routes before the one that takes the alerts: none of them matches.
    pub routes: u32,
}

impl Default for Routing {
    /// Says everything at once, and nothing twice within a run.
    fn default() -> Self {
        Self {
            group_by: "[alertname, run, service]",
            group_wait: Duration::ZERO,
            group_interval: Duration::from_mins(5),
            repeat_interval: Duration::from_hours(24),
            routes: 0,
        }
    }
}

/// How long the group of a restart's probe waits: longer than it takes to end the processes.
pub const PROBE_WAIT: Duration = Duration::from_secs(1);
/// The label that sends an alert to the group that waits.
pub const PROBE: &str = "probe";

impl Routing {
    /// The file, with webhooks to `sink`; Alertmanager takes it as well as Alertstream.
    pub fn yaml(&self, sink: SocketAddr) -> String {
        let elsewhere =
            |route| format!("    - matchers: ['service=\"elsewhere-{route}\"', 'severity=~\"page|critical\"']\n");
        format!(
            "route:\n  receiver: sink\n  group_by: {}\n  group_wait: {}ms\n  group_interval: {}ms\n  \
             repeat_interval: {}ms\n  routes:\n    - matchers: ['{PROBE}=\"yes\"']\n      group_wait: {}ms\n{}\
             receivers:\n  - name: sink\n    webhook_configs:\n      - url: http://{sink}/sink\n        send_resolved: true\n",
            self.group_by,
            self.group_wait.as_millis(),
            self.group_interval.as_millis(),
            self.repeat_interval.as_millis(),
            PROBE_WAIT.as_millis(),
            (0..self.routes).map(elsewhere).collect::<String>(),
        )
    }
}

impl Scenario {
    /// Its settings, for a report.
    pub fn settings(&self) -> BTreeMap<String, String> {
        let routing = &self.routing;
        let of_new = self.phases.iter().find_map(|phase| match phase.step {
            Step::Send { batch, .. } => batch,
            Step::Restart { .. } => None,
        });
        let pairs = [
            ("alerts", self.population.len().to_string()),
            ("batch", self.batch.to_string()),
            ("connections", self.connections.to_string()),
            ("entry", format!("{:?}", self.entry)),
            ("seed", self.seed.to_string()),
            ("group_wait", format!("{:?}", routing.group_wait)),
            ("group_interval", format!("{:?}", routing.group_interval)),
            ("routes", routing.routes.to_string()),
        ];
        pairs
            .into_iter()
            .chain(of_new.map(|batch| ("new_batch", batch.to_string())))
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Routing;
    use config::{Config, Source};
    use std::net::SocketAddr;
    use std::time::Duration;

    #[test]
    fn the_config_is_one_that_the_system_takes() {
        for (wait, routes) in [(0, 0), (1_000, 5_000)] {
            let routing = Routing {
                group_wait: Duration::from_millis(wait),
                routes,
                ..Routing::default()
            };
            let text = routing.yaml(SocketAddr::from(([127, 0, 0, 1], 9999)));
            let name = "alertmanager.yml";
            let config = Config::load(Source { name, text: &text }, None).unwrap();
            assert_eq!(config.route.timing.group_wait.millis(), wait);
            assert_eq!(config.route.routes.len(), 1 + routes as usize);
            assert!(config.warnings.is_empty(), "{:?}", config.warnings);
        }
    }
}
