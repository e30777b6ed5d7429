//! From trees to the [`Config`]. Each block has a table of the keys it takes; here is what all blocks share.

mod escalation;
mod global;
mod receivers;
mod routes;
mod values;

use crate::config::{self, Config, Source};
use crate::diagnostic::{ConfigErrors, Diagnostic, Position};
use crate::report::Report;
use crate::suggest::did_you_mean;
use crate::yaml::{self, Key, Node, Value};

/// The keys of one kind of block.
struct Block {
    /// As the error for an unknown key names it; for Alertmanager's blocks its Go type.
    type_name: &'static str,
    /// The keys we read.
    known: &'static [&'static str],
    /// The keys that are reserved or that Alertmanager reads: refused by name unless empty.
    later: &'static [&'static str],
}

/// A block's values by key.
struct Fields<'n> {
    at: Position,
    entries: Vec<(&'n Key, &'n Node)>,
}

impl<'n> Fields<'n> {
    /// The value under `key`, null included.
    fn get(&self, key: &str) -> Option<&'n Node> {
        self.entries
            .iter()
            .find(|(have, _)| have.text == key)
            .map(|(_, node)| *node)
    }

    /// The value under `key`, unless it is null.
    fn some(&self, key: &str) -> Option<&'n Node> {
        self.get(key).filter(|node| !matches!(node.value, Value::Null))
    }

    /// Where the value under `key` stands, or else the block.
    fn at(&self, key: &str) -> Position {
        self.some(key).map_or(self.at, |node| node.at)
    }

    /// Where `key` itself stands, or else the block.
    fn key_at(&self, key: &str) -> Position {
        self.entries
            .iter()
            .find(|(have, _)| have.text == key)
            .map_or(self.at, |(key, _)| key.at)
    }
}

/// Whether a value says nothing, so that a key we do not build is harmless.
fn is_empty(node: &Node) -> bool {
    match &node.value {
        Value::Null => true,
        Value::Scalar(_) => false,
        Value::Seq(items) => items.is_empty(),
        Value::Map(entries) => entries.is_empty(),
    }
}

/// Reads a block's keys, refusing what `block` does not take. A null has no keys; what is no map is an error and `None`.
fn fields<'n>(report: &mut Report, node: &'n Node, block: &Block) -> Option<Fields<'n>> {
    let map = match &node.value {
        Value::Null => &[],
        Value::Map(map) => map.as_slice(),
        Value::Scalar(_) | Value::Seq(_) => {
            values::cannot_unmarshal(report, node, block.type_name);
            return None;
        }
    };
    let mut entries: Vec<(&Key, &Node)> = Vec::new();
    for (key, value) in map {
        let name = key.text.as_str();
        if entries.iter().any(|(have, _)| have.text == name) {
            let message = format!("field {name} already set in type {}", block.type_name);
            report.error(key.at, message, Some("remove one of the two".to_owned()));
        } else if block.later.contains(&name) {
            if !is_empty(value) {
                report.not_yet(key.at, name);
            }
        } else if !block.known.contains(&name) {
            let hint = did_you_mean(name, "known here", block.known.iter().copied());
            report.error(
                key.at,
                format!("field {name} not found in type {}", block.type_name),
                hint,
            );
        }
        entries.push((key, value));
    }
    Some(Fields { at: node.at, entries })
}

/// Both files into one config.
pub(crate) fn load(alertmanager: Source<'_>, escalation: Option<Source<'_>>) -> Result<Config, ConfigErrors> {
    let mut report = Report::new(alertmanager.name, alertmanager.text);
    let main = read_alertmanager(&mut report, alertmanager.text);
    let (mut errors, mut warnings) = report.finish();

    // References into a broken alertmanager.yml are checked as far as its receivers could be read.
    let mut extra = None;
    if let Some(source) = escalation {
        let mut report = Report::new(source.name, source.text);
        extra = escalation::read(&mut report, source.text, &main.receivers, errors.is_empty());
        let (more_errors, more_warnings) = report.finish();
        errors.extend(more_errors);
        warnings.extend(more_warnings);
    }
    match (main.route, errors.is_empty()) {
        (Some(route), true) => {
            let paths = config::paths(&route);
            Ok(Config {
                global: main.global,
                route,
                receivers: main.receivers,
                escalation: extra,
                warnings,
                paths,
            })
        }
        (None, true) => Err(ConfigErrors(vec![file_error(
            alertmanager.name,
            "no route provided in config",
        )])),
        (_, false) => Err(ConfigErrors(errors)),
    }
}

fn file_error(file: &str, message: &str) -> Diagnostic {
    Diagnostic {
        file: file.to_owned(),
        line: 0,
        column: 0,
        message: message.to_owned(),
        hint: Some("a config needs at least `route: {receiver: NAME}` and that receiver".to_owned()),
        excerpt: None,
    }
}

/// What could be read of `alertmanager.yml`.
struct Main {
    global: config::Global,
    route: Option<crate::route::Route>,
    receivers: Vec<crate::receiver::Receiver>,
}

const CONFIG: Block = Block {
    type_name: "config.plain",
    known: &["global", "route", "receivers", "templates"],
    later: &[
        "inhibit_rules",
        "templates",
        "time_intervals",
        "mute_time_intervals",
        "tracing",
        "event_recorder",
    ],
};

fn read_alertmanager(report: &mut Report, text: &str) -> Main {
    let mut main = Main {
        global: global::default(),
        route: None,
        receivers: Vec::new(),
    };
    let Some(root) = parse(report, text) else {
        return main;
    };
    let Some(top) = fields(report, &root, &CONFIG) else {
        return main;
    };
    if let Some(node) = top.some("global") {
        main.global = global::read(report, node);
    }
    if let Some(node) = top.some("receivers") {
        main.receivers = receivers::read(report, node, main.global.http);
    }
    match top.some("route") {
        Some(node) => {
            let names: Vec<&str> = main.receivers.iter().map(|receiver| receiver.name.as_str()).collect();
            main.route = routes::read(report, node, &names);
        }
        None => report.error(
            Position::default(),
            "no routes provided",
            Some("a config needs at least `route: {receiver: NAME}` and that receiver".to_owned()),
        ),
    }
    main
}

/// The tree of a file's first document; `None` where there is none, or where it is broken, which is then reported.
fn parse(report: &mut Report, text: &str) -> Option<Node> {
    match yaml::parse(text) {
        Ok(root) => {
            let root = root.filter(|node| !matches!(node.value, Value::Null))?;
            report.hide_secrets(&root, false);
            Some(root)
        }
        Err(broken) => {
            report.error(broken.at, broken.message, None);
            None
        }
    }
}
