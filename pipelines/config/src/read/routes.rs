//! The routing tree.

use std::collections::{BTreeMap, BTreeSet};

use alert::{MatchOp, Matcher, Matchers, PromDuration, go_quote, parse_matchers, route_key};

use super::{Block, Fields, fields, values};
use crate::diagnostic::Position;
use crate::report::Report;
use crate::route::{GroupBy, Route, RouteId, Timing, Written};
use crate::suggest::did_you_mean;
use crate::yaml::{Node, Value};

/// Alertmanager's defaults for the root.
const DEFAULT_TIMING: Timing = Timing {
    group_wait: PromDuration::from_secs(30),
    group_interval: PromDuration::from_mins(5),
    repeat_interval: PromDuration::from_hours(4),
};

/// How long Alertmanager keeps its notification log by default, and so do we: what repeats more rarely is forgotten first.
const RETENTION: PromDuration = PromDuration::from_hours(120);

/// `group_by: ['...']`.
const ALL_LABELS: &str = "...";

const ROUTE: Block = Block {
    type_name: "config.plain",
    known: &[
        "receiver",
        "group_by",
        "match",
        "match_re",
        "matchers",
        "continue",
        "routes",
        "group_wait",
        "group_interval",
        "repeat_interval",
    ],
    later: &["mute_time_intervals", "active_time_intervals", "labels"],
};

/// What a node takes from its parent.
#[derive(Clone, Copy)]
struct Inherited<'a> {
    /// Empty for the root, which has no parent.
    key: &'a str,
    receiver: &'a str,
    group_by: &'a GroupBy,
    timing: Timing,
}

/// What reading the whole tree needs.
struct Reader<'a> {
    report: &'a mut Report,
    receivers: &'a [&'a str],
    /// How many nodes had this route key so far.
    seen: BTreeMap<String, u32>,
}

/// The tree below `node`; errors are reported, and what could be read is returned so that more of them are found.
pub(super) fn read(report: &mut Report, node: &Node, receivers: &[&str]) -> Option<Route> {
    let no_labels = GroupBy::Labels(BTreeSet::new());
    let root = Inherited {
        key: "",
        receiver: "",
        group_by: &no_labels,
        timing: DEFAULT_TIMING,
    };
    Reader {
        report,
        receivers,
        seen: BTreeMap::new(),
    }
    .node(node, root)
}

impl Reader<'_> {
    fn node(&mut self, node: &Node, parent: Inherited<'_>) -> Option<Route> {
        if matches!(node.value, Value::Null) {
            self.report
                .error(node.at, "missing route", Some("remove the empty entry".to_owned()));
            return None;
        }
        let block = fields(self.report, node, &ROUTE)?;
        let mut written = Written::default();
        let mut all = Vec::new();
        self.receiver(&block, &mut written, parent.key.is_empty());
        self.equal(&block, &mut written, &mut all);
        self.regex(&block, &mut written, &mut all);
        self.matchers(&block, &mut written, &mut all);
        let continues = self.continues(&block);
        if parent.key.is_empty() {
            self.root_rules(&block, !all.is_empty(), continues);
        }
        let group_by = self
            .group_by(&block, &mut written)
            .unwrap_or_else(|| parent.group_by.clone());
        let timing = self.timing(&block, &mut written, parent.timing);

        let mut matchers = Matchers(all);
        matchers.sort();
        let key = route_key(parent.key, &matchers);
        let seen = self.seen.entry(key.clone()).or_insert(0);
        let ordinal = *seen;
        *seen = seen.saturating_add(1);
        let receiver = written.receiver.clone().unwrap_or_else(|| parent.receiver.to_owned());

        let inherited = Inherited {
            key: &key,
            receiver: &receiver,
            group_by: &group_by,
            timing,
        };
        let children = match block.get("routes") {
            Some(list) => values::list(self.report, list, "[]*config.Route").unwrap_or_default(),
            None => &[],
        };
        let routes = children
            .iter()
            .filter_map(|child| self.node(child, inherited))
            .collect();
        let id = RouteId::new(&key, ordinal);
        Some(Route {
            id,
            key,
            ordinal,
            receiver,
            group_by,
            matchers,
            continues,
            timing,
            routes,
            written,
        })
    }

    fn receiver(&mut self, block: &Fields<'_>, written: &mut Written, is_root: bool) {
        let name = match block.get("receiver") {
            Some(node) => values::string(self.report, node).unwrap_or_default(),
            None => String::new(),
        };
        if name.is_empty() {
            if is_root {
                let hint = Some("add `receiver: NAME` to the first route".to_owned());
                self.report
                    .error(block.at("receiver"), "root route must specify a default receiver", hint);
            }
            return;
        }
        if !self.receivers.contains(&name.as_str()) {
            let message = format!("undefined receiver {} used in route", go_quote(&name));
            let hint = did_you_mean(&name, "defined receivers", self.receivers.iter().copied());
            self.report.error(block.at("receiver"), message, hint);
        }
        written.receiver = Some(name);
    }

    fn equal(&mut self, block: &Fields<'_>, written: &mut Written, all: &mut Vec<Matcher>) {
        let Some(node) = block.some("match") else {
            return;
        };
        for entry in values::string_map(self.report, node).unwrap_or_default() {
            if self.classic_name(&entry.key, entry.at) {
                self.matcher(MatchOp::Equal, &entry.key, &entry.value, entry.value_at, all);
                written.equal.insert(entry.key, entry.value);
            }
        }
    }

    fn regex(&mut self, block: &Fields<'_>, written: &mut Written, all: &mut Vec<Matcher>) {
        let Some(node) = block.some("match_re") else {
            return;
        };
        for entry in values::string_map(self.report, node).unwrap_or_default() {
            if !self.classic_name(&entry.key, entry.at) {
                continue;
            }
            if entry.is_null {
                let message = format!("invalid regexp value for {}", go_quote(&entry.key));
                self.report.error(
                    entry.value_at,
                    message,
                    Some("write the expression after the colon".to_owned()),
                );
                continue;
            }
            // Alertmanager anchors the text when it reads it, and once more as every matcher; the key shows the first.
            let anchored = format!("^(?:{})$", entry.value);
            self.matcher(MatchOp::Regex, &entry.key, &anchored, entry.value_at, all);
            written.regex.insert(entry.key, entry.value);
        }
    }

    fn matchers(&mut self, block: &Fields<'_>, written: &mut Written, all: &mut Vec<Matcher>) {
        let Some(node) = block.some("matchers") else {
            return;
        };
        for (text, at) in values::strings(self.report, node).unwrap_or_default() {
            match parse_matchers(&text) {
                Ok(parsed) => {
                    if let Some(warning) = parsed.warning {
                        self.report.warn(at, warning, None);
                    }
                    written.matchers.extend(parsed.matchers.iter().cloned());
                    all.extend(parsed.matchers);
                }
                Err(error) => {
                    let hint = Some("write it like team=\"db\" or severity=~\"critical|warning\"".to_owned());
                    self.report.error(at, error.to_string(), hint);
                }
            }
        }
    }

    /// The old `match` keys allow no UTF-8 names, whatever the mode.
    fn classic_name(&mut self, name: &str, at: Position) -> bool {
        let valid = alert::validate_classic_name(name).is_ok();
        if !valid {
            let hint = Some("names here are letters, digits and _; `matchers` takes any name".to_owned());
            self.report
                .error(at, format!("invalid label name {}", go_quote(name)), hint);
        }
        valid
    }

    fn matcher(&mut self, op: MatchOp, name: &str, value: &str, at: Position, all: &mut Vec<Matcher>) {
        match Matcher::new(op, name, value) {
            Ok(matcher) => all.push(matcher),
            Err(error) => self.report.error(at, error.to_string(), None),
        }
    }

    fn continues(&mut self, block: &Fields<'_>) -> bool {
        block
            .get("continue")
            .and_then(|node| values::boolean(self.report, node))
            .unwrap_or(false)
    }

    fn root_rules(&mut self, block: &Fields<'_>, has_matchers: bool, continues: bool) {
        if has_matchers {
            let key = ["match", "match_re", "matchers"]
                .into_iter()
                .find(|key| block.some(key).is_some());
            let hint = Some("the root takes every alert: move the matchers to a route under `routes`".to_owned());
            let at = key.map_or(block.at, |key| block.key_at(key));
            self.report.error(at, "root route must not have any matchers", hint);
        }
        if continues {
            let hint = Some("remove it: the root has no siblings".to_owned());
            self.report
                .error(block.key_at("continue"), "cannot have continue in root route", hint);
        }
    }

    /// `None` where the node says nothing, so that the parent's holds.
    fn group_by(&mut self, block: &Fields<'_>, written: &mut Written) -> Option<GroupBy> {
        let names = values::strings(self.report, block.some("group_by")?)?;
        let mut labels = BTreeSet::new();
        let mut all = false;
        for (name, at) in &names {
            if name == ALL_LABELS {
                all = true;
            } else if alert::validate_name(name).is_err() {
                let message = format!("invalid label name {} in group_by list", go_quote(name));
                self.report.error(*at, message, Some("remove it".to_owned()));
            } else if !labels.insert(name.clone()) {
                let message = format!("duplicated label {} in group_by", go_quote(name));
                self.report
                    .error(*at, message, Some("remove one of the two".to_owned()));
            }
        }
        if all && names.len() > 1 {
            let message = "cannot have wildcard group_by (`...`) and other labels at the same time";
            self.report.error(
                block.at("group_by"),
                message,
                Some("`['...']` already is every label".to_owned()),
            );
        }
        written.group_by = Some(names.into_iter().map(|(name, _)| name).collect());
        Some(if all { GroupBy::All } else { GroupBy::Labels(labels) })
    }

    fn timing(&mut self, block: &Fields<'_>, written: &mut Written, parent: Timing) -> Timing {
        written.group_wait = self.duration(block, "group_wait");
        written.group_interval = self.duration(block, "group_interval");
        written.repeat_interval = self.duration(block, "repeat_interval");
        for (key, value) in [
            ("group_interval", written.group_interval),
            ("repeat_interval", written.repeat_interval),
        ] {
            if value.is_some_and(PromDuration::is_zero) {
                let hint = Some("leave it out to inherit".to_owned());
                self.report.error(block.at(key), format!("{key} cannot be zero"), hint);
            }
        }
        let timing = Timing {
            group_wait: written.group_wait.unwrap_or(parent.group_wait),
            group_interval: written.group_interval.unwrap_or(parent.group_interval),
            repeat_interval: written.repeat_interval.unwrap_or(parent.repeat_interval),
        };
        if timing != parent {
            self.timing_warnings(block, timing);
        }
        timing
    }

    /// Alertmanager's warnings, at the place that brought them about.
    fn timing_warnings(&mut self, block: &Fields<'_>, timing: Timing) {
        let key = if block.some("repeat_interval").is_some() {
            "repeat_interval"
        } else {
            "group_interval"
        };
        if timing.repeat_interval < timing.group_interval {
            let message = "repeat_interval is less than group_interval. \
                           Notifications will not repeat until the next group_interval.";
            self.report.warn(block.at(key), message, None);
        }
        if timing.repeat_interval > RETENTION {
            let message = "repeat_interval is greater than the data retention period. \
                           It can lead to notifications being repeated more often than expected.";
            self.report.warn(block.at(key), message, None);
        }
    }

    fn duration(&mut self, block: &Fields<'_>, key: &str) -> Option<PromDuration> {
        values::prom_duration(self.report, block.some(key)?)
    }
}
