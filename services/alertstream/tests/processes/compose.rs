//! `docker-compose.yml`, read: its services' commands, and the files it holds.

use std::path::Path;

use granit_parser::{Event, Parser};

use crate::program::Program;
use crate::waiting::{eventually, secs};

/// YAML, as far as that file needs it; an alias is nothing.
#[derive(Debug, Clone)]
pub(crate) enum Node {
    Text(String),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

impl Node {
    /// The value of a key; fails where it is absent.
    #[track_caller]
    pub(crate) fn get(&self, key: &str) -> &Self {
        let found = self.entries().iter().find(|(given, _)| given == key);
        &found.unwrap_or_else(|| panic!("no {key}")).1
    }

    #[track_caller]
    pub(crate) fn entries(&self) -> &[(String, Self)] {
        let Self::Map(entries) = self else {
            panic!("no map: {self:?}")
        };
        entries
    }

    #[track_caller]
    pub(crate) fn text(&self) -> &str {
        let Self::Text(text) = self else {
            panic!("no text: {self:?}")
        };
        text
    }

    /// A list of texts.
    #[track_caller]
    pub(crate) fn texts(&self) -> Vec<String> {
        let Self::List(items) = self else {
            panic!("no list: {self:?}")
        };
        items.iter().map(|item| item.text().to_owned()).collect()
    }
}

type Events<'a> = dyn Iterator<Item = Event<'a>> + 'a;

fn node(first: Event<'_>, events: &mut Events<'_>) -> Option<Node> {
    Some(match first {
        Event::Scalar(text, ..) => Node::Text(text.into_owned()),
        Event::Alias(_) => Node::Text(String::new()),
        Event::SequenceStart(..) => {
            let mut items = Vec::new();
            while let Some(item) = events.next().and_then(|event| node(event, events)) {
                items.push(item);
            }
            Node::List(items)
        }
        Event::MappingStart(..) => {
            let mut entries = Vec::new();
            while let Some(key) = events.next().and_then(|event| node(event, events)) {
                let value = events.next().and_then(|event| node(event, events)).unwrap();
                entries.push((key.text().to_owned(), value));
            }
            Node::Map(entries)
        }
        Event::SequenceEnd | Event::MappingEnd => return None,
        other @ (Event::StreamStart
        | Event::StreamEnd
        | Event::DocumentStart(..)
        | Event::DocumentEnd
        | Event::Anchor(..)
        | Event::UnresolvedAlias(_)
        | _) => panic!("not expected in a compose file: {other:?}"),
    })
}

/// The file.
pub(crate) fn compose() -> Node {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docker-compose.yml");
    let text = std::fs::read_to_string(path).unwrap();
    let mut events = Parser::new_from_str(&text).map(|next| next.unwrap().0);
    let first = events.find(|event| matches!(event, Event::MappingStart(..))).unwrap();
    node(first, &mut events).unwrap()
}

/// The arguments of a service.
pub(crate) fn command(service: &str) -> Vec<String> {
    compose().get("services").get(service).get("command").texts()
}

/// A file that it holds; `$$` is how it writes `$`.
fn content(name: &str) -> String {
    compose()
        .get("configs")
        .get(name)
        .get("content")
        .text()
        .replace("$$", "$")
}

#[test]
fn its_files_are_valid() {
    let folder = tempfile::tempdir().unwrap();
    for (name, file) in [("alertmanager", "alertmanager.yml"), ("escalation", "escalation.yml")] {
        std::fs::write(folder.path().join(file), content(name)).unwrap();
    }
    let checked = std::process::Command::new(env!("CARGO_BIN_EXE_alertstream"))
        .arg("check-config")
        .current_dir(folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&checked.stdout);
    assert!(
        checked.status.success() && said.contains("SUCCESS, 4 receivers"),
        "{said} {checked:?}"
    );
}

#[test]
fn its_rules_ask_for_metrics_that_there_are() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::start(folder.path(), &[]);
    let rules = content("rules");
    let is_name = |word: &&str| word.contains('_') && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let exprs = rules.lines().filter_map(|line| line.trim().strip_prefix("expr: "));
    let names: Vec<&str> = exprs
        .flat_map(|expr| expr.split(|c: char| !c.is_ascii_alphanumeric() && c != '_'))
        .filter(is_name)
        .collect();
    assert!(!names.is_empty(), "{rules}");
    for name in names {
        eventually(secs(10), &format!("the metric {name}"), || program.metric(name, ""));
    }
    program.end();
}
