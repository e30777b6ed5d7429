//! The config versions this stage has seen: the one it works by, and the last few before it.

use std::collections::BTreeMap;
use std::sync::Arc;

use alert::PromDuration;
use config::{Config, Receiver, Route, Source, Timing};
use processor::{Poison, TableChange};
use schemas::ConfigVersion;

use crate::expiry::GRACE;
use crate::wire;

/// How many versions are kept to walk an alert as it was walked when it came: a group is compared with each version as it
/// appears, so only what was stopped for eight reloads misses one, and then does with less.
const KEPT: usize = 8;

/// Alertmanager's defaults, for a group whose route no config that is left knows.
const DEFAULT_TIMING: Timing = Timing {
    group_wait: PromDuration::from_secs(30),
    group_interval: PromDuration::from_mins(5),
    repeat_interval: PromDuration::from_hours(4),
};

/// The view of the table `config`.
#[derive(Debug, Default)]
pub(crate) struct Versions {
    current: u64,
    kept: BTreeMap<u64, Arc<Config>>,
}

impl Versions {
    /// Takes up one change of the table; says whether there is a new config to compare groups with.
    ///
    /// A version that does not load counts as seen and changes nothing: the one before it stays in force, as after a bad
    /// reload of Alertmanager.
    pub(crate) fn change(&mut self, change: &TableChange) -> Result<bool, Poison> {
        let Some(bytes) = &change.value else { return Ok(false) };
        let version: ConfigVersion = wire::unpack(bytes)?;
        let number = u64::try_from(change.offset.saturating_add(1)).unwrap_or_default();
        if number <= self.current {
            return Ok(false);
        }
        let loaded = load(&version);
        let fresh = loaded.is_some();
        let config = loaded.or_else(|| self.config().cloned());
        self.current = number;
        if let Some(config) = config {
            self.kept.insert(number, config);
        }
        while self.kept.len() > KEPT {
            self.kept.pop_first();
        }
        Ok(fresh)
    }

    /// The newest version seen; 0 before the first.
    pub(crate) fn current(&self) -> u64 {
        self.current
    }

    /// The newest version seen, as records carry it.
    pub(crate) fn stamp(&self) -> i64 {
        i64::try_from(self.current).unwrap_or(i64::MAX)
    }

    /// The config in force.
    pub(crate) fn config(&self) -> Option<&Arc<Config>> {
        self.kept.last_key_value().map(|(_, config)| config)
    }

    /// The config of a version as records carry it, if it is still kept.
    pub(crate) fn at(&self, stamp: i64) -> Option<&Arc<Config>> {
        self.kept.get(&u64::try_from(stamp).ok()?)
    }

    /// A route's intervals: as the newest config that knows the route says.
    pub(crate) fn timing(&self, route: &str) -> Timing {
        self.route(route).map_or(DEFAULT_TIMING, |route| route.timing)
    }

    /// A route's receiver, by the same rule.
    pub(crate) fn receiver(&self, route: &str) -> Option<&str> {
        self.route(route).map(|route| route.receiver.as_str())
    }

    /// How long after a listener's return an alert may still be re-sent.
    pub(crate) fn grace(&self) -> PromDuration {
        self.config()
            .map_or(GRACE, |config| config.global.resolve_timeout.max(GRACE))
    }

    /// Whether a route speaks differently than it did at `stamp`: another receiver, or other intervals. A version that is
    /// no longer kept counts as different.
    pub(crate) fn speaks_differently(&self, route: &str, stamp: i64) -> bool {
        let now = self.config().and_then(|config| voice(config, route));
        let then = self.at(stamp).and_then(|config| voice(config, route));
        now != then
    }

    fn route(&self, route: &str) -> Option<&Route> {
        self.kept.values().rev().find_map(|config| config.route(route))
    }
}

fn voice<'c>(config: &'c Config, route: &str) -> Option<(Option<&'c Receiver>, Timing)> {
    let route = config.route(route)?;
    Some((config.receiver(&route.receiver), route.timing))
}

fn load(version: &ConfigVersion) -> Option<Arc<Config>> {
    let alertmanager = Source {
        name: &version.alertmanager_file,
        text: &version.alertmanager,
    };
    let escalation_file = version.escalation_file.as_deref().unwrap_or("escalation.yml");
    let escalation = version.escalation.as_deref().map(|text| Source {
        name: escalation_file,
        text,
    });
    Config::load(alertmanager, escalation).ok().map(Arc::new)
}
