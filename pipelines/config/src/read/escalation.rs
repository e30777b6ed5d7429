//! `escalation.yml`.

mod cycles;

use std::collections::{BTreeMap, BTreeSet};

use alert::{PromDuration, go_quote};

use self::cycles::Links;
use super::{Block, Fields, fields, is_empty, values};
use crate::diagnostic::Position;
use crate::escalation::{Binding, Escalation, Policy, Severity, Step, Target, Team};
use crate::receiver::Receiver;
use crate::report::Report;
use crate::suggest::did_you_mean;
use crate::yaml::{Node, Value};

/// The version of the file that this release reads.
const VERSION: &str = "1";

/// Extra rounds of a ladder. Nobody who ignored a hundred pages reads the next, and a ladder must have an end.
const MAX_REPEATS: u64 = 100;

const FILE: Block = Block {
    type_name: "escalation.plain",
    known: &["version", "team_label", "severity", "teams", "policies", "receivers"],
    later: &[
        "people",
        "schedules",
        "correlate",
        "suspend",
        "flapping",
        "maintenance",
        "heartbeats",
        "slos",
    ],
};
const SEVERITY: Block = Block {
    type_name: "escalation.Severity",
    known: &["label", "order"],
    later: &[],
};
const TEAM: Block = Block {
    type_name: "escalation.Team",
    known: &["title"],
    later: &["members", "schedule", "channel"],
};
const POLICY: Block = Block {
    type_name: "escalation.Policy",
    known: &["steps", "repeat", "last_resort"],
    later: &[],
};
const STEP: Block = Block {
    type_name: "escalation.Step",
    known: &["notify", "escalate_after"],
    later: &[],
};
const REPEAT: Block = Block {
    type_name: "escalation.Repeat",
    known: &["times"],
    later: &[],
};
const TARGET: Block = Block {
    type_name: "escalation.Target",
    known: &["receiver"],
    later: &["person", "schedule", "team", "policy"],
};
const BINDING: Block = Block {
    type_name: "escalation.Receiver",
    known: &["team", "policy", "fallback", "try_for"],
    later: &["owed_resolves"],
};

/// The file's content; `None` for an empty file, or where an error was reported. `complete` says that all of
/// `alertmanager.yml` could be read, so that a receiver without integrations really has none.
pub(super) fn read(report: &mut Report, text: &str, receivers: &[Receiver], complete: bool) -> Option<Escalation> {
    let root = super::parse(report, text)?;
    let top = fields(report, &root, &FILE)?;
    Some(
        Reader {
            report,
            receivers,
            complete,
        }
        .file(&top),
    )
}

struct Reader<'a> {
    report: &'a mut Report,
    receivers: &'a [Receiver],
    complete: bool,
}

/// What the bindings may name.
struct Names<'a> {
    teams: Vec<&'a str>,
    policies: Vec<&'a str>,
}

impl Reader<'_> {
    fn file(&mut self, top: &Fields<'_>) -> Escalation {
        self.version(top);
        let team_label = top
            .some("team_label")
            .and_then(|node| values::string(self.report, node));
        let severity = top
            .some("severity")
            .map_or_else(Severity::default, |node| self.severity(node));
        let teams: BTreeMap<String, Team> = self
            .map(top, "teams")
            .into_iter()
            .map(|(name, _, node)| (name.to_owned(), self.team(name, node)))
            .collect();
        let mut policies = BTreeMap::new();
        let policy_nodes = self.map(top, "policies");
        for (name, _, node) in &policy_nodes {
            policies.extend(self.policy(name, node).map(|policy| ((*name).to_owned(), policy)));
        }
        let names = Names {
            teams: teams.keys().map(String::as_str).collect(),
            policies: policy_nodes.iter().map(|(name, _, _)| *name).collect(),
        };
        let mut receivers = BTreeMap::new();
        let mut links: BTreeMap<String, Links> = BTreeMap::new();
        for (name, at, node) in self.map(top, "receivers") {
            self.defined_receiver(name, at, "escalation");
            if let Some((binding, fallback)) = self.binding(name, node, &names) {
                receivers.insert(name.to_owned(), binding);
                links.insert(name.to_owned(), fallback);
            }
        }
        cycles::refuse(self.report, &links);
        for (name, at, _) in policy_nodes {
            if !receivers
                .values()
                .any(|binding| binding.policy.as_deref() == Some(name))
            {
                let hint = Some("name it under `receivers`, or remove it".to_owned());
                self.report
                    .warn(at, format!("policy {} is used by no receiver", go_quote(name)), hint);
            }
        }
        Escalation {
            team_label,
            severity,
            teams,
            policies,
            receivers,
        }
    }

    fn version(&mut self, top: &Fields<'_>) {
        let hint = Some(format!("write `version: {VERSION}`"));
        match top.some("version") {
            None => self.report.error(top.at, "missing version", hint),
            Some(node) => {
                if let Some(version) = values::string(self.report, node)
                    && version != VERSION
                {
                    self.report.error(
                        node.at,
                        format!("version {} is not supported", go_quote(&version)),
                        hint,
                    );
                }
            }
        }
    }

    fn severity(&mut self, node: &Node) -> Severity {
        let mut severity = Severity::default();
        let Some(block) = fields(self.report, node, &SEVERITY) else {
            return severity;
        };
        if let Some(label) = block.some("label") {
            severity.label = values::string(self.report, label).unwrap_or_default();
            if severity.label.is_empty() {
                self.report.error(
                    label.at,
                    "invalid label name \"\" in severity",
                    Some("name a label".to_owned()),
                );
            }
        }
        if let Some(order) = block.some("order") {
            severity.order.clear();
            for (value, at) in values::strings(self.report, order).unwrap_or_default() {
                if severity.order.contains(&value) {
                    let message = format!("duplicated value {} in severity order", go_quote(&value));
                    self.report.error(at, message, Some("remove one of the two".to_owned()));
                }
                severity.order.push(value);
            }
        }
        severity
    }

    fn team(&mut self, name: &str, node: &Node) -> Team {
        let block = fields(self.report, node, &TEAM);
        let title = block.and_then(|block| values::string(self.report, block.some("title")?));
        Team {
            title: title
                .filter(|title| !title.is_empty())
                .unwrap_or_else(|| name.to_owned()),
        }
    }

    fn policy(&mut self, name: &str, node: &Node) -> Option<Policy> {
        let block = fields(self.report, node, &POLICY)?;
        let user = format!("policy {}", go_quote(name));
        let nodes = block
            .some("steps")
            .and_then(|steps| values::list(self.report, steps, "[]escalation.Step"));
        let nodes = nodes.unwrap_or_default();
        if nodes.is_empty() {
            let hint = Some("add `steps: [{notify: [{receiver: NAME}], escalate_after: 5m}]`".to_owned());
            self.report
                .error(block.at("steps"), format!("{user} has no steps"), hint);
        }
        let steps = nodes.iter().filter_map(|step| self.step(step, &user)).collect();
        let repeat_times = block.some("repeat").map_or(0, |repeat| self.repeat(repeat));
        let last_resort = block
            .some("last_resort")
            .map(|list| self.targets(list, &user))
            .unwrap_or_default();
        if block.get("last_resort").is_none_or(is_empty) {
            let hint = Some("add `last_resort: [{receiver: NAME}]`: who hears of it when nobody answered".to_owned());
            self.report
                .error(block.at("last_resort"), format!("{user} has no last_resort"), hint);
        }
        Some(Policy {
            name: name.to_owned(),
            steps,
            repeat_times,
            last_resort,
        })
    }

    fn step(&mut self, node: &Node, user: &str) -> Option<Step> {
        let block = fields(self.report, node, &STEP)?;
        if block.get("notify").is_none_or(is_empty) {
            let hint = Some("add `notify: [{receiver: NAME}]`".to_owned());
            self.report
                .error(block.at("notify"), format!("a step of {user} notifies nobody"), hint);
        }
        let notify = block
            .some("notify")
            .map(|list| self.targets(list, user))
            .unwrap_or_default();
        let Some(after) = block.some("escalate_after") else {
            let hint = Some("add `escalate_after: 5m`: from this step's start to the next".to_owned());
            self.report
                .error(block.at, format!("a step of {user} has no escalate_after"), hint);
            return None;
        };
        let escalate_after = self.positive(after, "escalate_after")?;
        Some(Step { notify, escalate_after })
    }

    fn repeat(&mut self, node: &Node) -> u32 {
        let Some(block) = fields(self.report, node, &REPEAT) else {
            return 0;
        };
        let Some(times) = block.some("times") else {
            return 0;
        };
        let type_name = format!("a number from 0 to {MAX_REPEATS}");
        let read = values::unsigned(self.report, times, MAX_REPEATS, &type_name);
        read.and_then(|times| u32::try_from(times).ok()).unwrap_or(0)
    }

    /// A list of targets; `user` names whose it is.
    fn targets(&mut self, node: &Node, user: &str) -> Vec<Target> {
        let nodes = values::list(self.report, node, "[]escalation.Target").unwrap_or_default();
        let receivers = nodes.iter().filter_map(|target| self.target(target, user));
        receivers.map(|(name, _)| Target::Receiver(name)).collect()
    }

    /// A target's receiver, which must be able to say something, and where it is named.
    fn target(&mut self, node: &Node, user: &str) -> Option<(String, Position)> {
        if let Value::Scalar(scalar) = &node.value {
            let hint = Some(format!("write `{{receiver: {}}}`", scalar.text));
            self.report.error(node.at, "a target is a map".to_owned(), hint);
            return None;
        }
        let block = fields(self.report, node, &TARGET)?;
        let Some(receiver) = block.some("receiver") else {
            if TARGET.later.iter().all(|later| block.some(later).is_none()) {
                let hint = Some("write `{receiver: NAME}`".to_owned());
                self.report
                    .error(block.at, format!("a target of {user} names nobody"), hint);
            }
            return None;
        };
        let name = values::string(self.report, receiver)?;
        let is_mute = self.defined_receiver(&name, receiver.at, user)?.integrations.is_empty();
        if is_mute && self.complete {
            let message = format!("receiver {} used in {user} has no integrations", go_quote(&name));
            let hint = Some("give it webhook_configs in alertmanager.yml, or name another receiver".to_owned());
            self.report.error(receiver.at, message, hint);
            return None;
        }
        Some((name, receiver.at))
    }

    fn binding(&mut self, name: &str, node: &Node, names: &Names<'_>) -> Option<(Binding, Links)> {
        let block = fields(self.report, node, &BINDING)?;
        let user = format!("receiver {}", go_quote(name));
        let team = self.one_of(&block, "team", &names.teams, &user);
        let policy = self.one_of(&block, "policy", &names.policies, &user);
        let fallback: Links = match block.some("fallback") {
            Some(list) => {
                let nodes = values::list(self.report, list, "[]escalation.Target").unwrap_or_default();
                nodes.iter().filter_map(|target| self.target(target, &user)).collect()
            }
            None => Vec::new(),
        };
        let mut seen = BTreeSet::new();
        for (link, at) in &fallback {
            if !seen.insert(link) {
                let message = format!("duplicated receiver {} in the fallback of {user}", go_quote(link));
                self.report
                    .error(*at, message, Some("remove one of the two".to_owned()));
            }
        }
        let try_for = block
            .some("try_for")
            .and_then(|node| self.positive(node, "try_for"))
            .unwrap_or(Binding::TRY_FOR);
        let names = fallback.iter().map(|(link, _)| link.clone()).collect();
        Some((
            Binding {
                team,
                policy,
                fallback: names,
                try_for,
            },
            fallback,
        ))
    }

    /// A duration that is not zero.
    fn positive(&mut self, node: &Node, key: &str) -> Option<PromDuration> {
        let duration = values::prom_duration(self.report, node)?;
        if duration.is_zero() {
            self.report.error(
                node.at,
                format!("{key} cannot be zero"),
                Some("write it like 30s or 5m".to_owned()),
            );
            return None;
        }
        Some(duration)
    }

    /// The name under `key`, which must be one of `names`.
    fn one_of(&mut self, block: &Fields<'_>, key: &str, names: &[&str], user: &str) -> Option<String> {
        let node = block.some(key)?;
        let name = values::string(self.report, node)?;
        if !names.contains(&name.as_str()) {
            let message = format!("undefined {key} {} used in {user}", go_quote(&name));
            let hint = did_you_mean(&name, "defined", names.iter().copied());
            self.report.error(node.at, message, hint);
        }
        Some(name)
    }

    fn defined_receiver(&mut self, name: &str, at: Position, user: &str) -> Option<&Receiver> {
        let found = self.receivers.iter().find(|receiver| receiver.name == name);
        if found.is_none() {
            let names = self.receivers.iter().map(|receiver| receiver.name.as_str());
            let hint = did_you_mean(name, "receivers of alertmanager.yml", names);
            self.report.error(
                at,
                format!("undefined receiver {} used in {user}", go_quote(name)),
                hint,
            );
        }
        found
    }

    /// The entries of the map under `key`: name, its place, value. A name written twice is an error.
    fn map<'n>(&mut self, top: &Fields<'n>, key: &str) -> Vec<(&'n str, Position, &'n Node)> {
        let Some(node) = top.some(key) else {
            return Vec::new();
        };
        let Value::Map(map) = &node.value else {
            values::cannot_unmarshal(self.report, node, "a map of names");
            return Vec::new();
        };
        let mut entries: Vec<(&str, Position, &Node)> = Vec::new();
        for (key, value) in map {
            if entries.iter().any(|(name, _, _)| *name == key.text) {
                let hint = Some("remove one of the two".to_owned());
                self.report
                    .error(key.at, format!("key {} already set in map", go_quote(&key.text)), hint);
            } else if key.text.is_empty() {
                self.report.error(key.at, "a name cannot be empty", None);
            } else {
                entries.push((&key.text, key.at, value));
            }
        }
        entries
    }
}
