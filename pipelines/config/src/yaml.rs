//! YAML text into a tree that remembers where everything stood and how it was written.

use std::borrow::Cow;
use std::collections::BTreeMap;

use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span, Tag};

use crate::diagnostic::Position;
use crate::scalar;

/// Nodes in one file with aliases written out, so that a few nested aliases cannot fill the memory.
const MAX_NODES: usize = 500_000;
/// Nesting with aliases written out: the readers recurse. Alertmanager's deepest legal block but routes is below 10.
const MAX_DEPTH: usize = 100;

/// A value and where it starts.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) at: Position,
    pub(crate) value: Value,
}

/// What a node holds.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    /// Nothing, `null` or `~`.
    Null,
    Scalar(Scalar),
    Seq(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

/// A scalar as written: `5` stays text until somebody asks for a number.
#[derive(Debug, Clone)]
pub(crate) struct Scalar {
    pub(crate) text: String,
    /// Neither quoted nor tagged as a string: its text decides its type.
    pub(crate) plain: bool,
}

/// A map's key.
#[derive(Debug, Clone)]
pub(crate) struct Key {
    pub(crate) text: String,
    pub(crate) at: Position,
    plain: bool,
}

/// Why a text is no tree.
#[derive(Debug)]
pub(crate) struct Broken {
    pub(crate) at: Position,
    pub(crate) message: String,
}

/// The first document of `text`, or `None` where there is none (an empty file, or only comments).
pub(crate) fn parse(text: &str) -> Result<Option<Node>, Broken> {
    let mut builder = Builder::default();
    for next in Parser::new_from_str(text) {
        let (event, span) = next.map_err(|error| broken(&error))?;
        if builder.take(event, &span)? {
            break;
        }
    }
    Ok(builder.root)
}

fn broken(error: &ScanError) -> Broken {
    let mark = error.marker();
    Broken {
        at: position(mark.line(), mark.col()),
        message: format!("yaml: {}", error.info()),
    }
}

fn position(line: usize, column_from_0: usize) -> Position {
    Position {
        line: u32::try_from(line).unwrap_or(u32::MAX),
        column: u32::try_from(column_from_0.saturating_add(1)).unwrap_or(u32::MAX),
    }
}

/// A collection that is not closed yet.
enum Open {
    Seq(Vec<Node>),
    Map(Vec<(Key, Node)>, Option<Key>),
}

struct Frame {
    at: Position,
    anchor: usize,
    height: usize,
    open: Open,
}

/// An anchored node, its size and its height, for the limits.
struct Anchored {
    node: Node,
    size: usize,
    height: usize,
}

#[derive(Default)]
struct Builder {
    stack: Vec<Frame>,
    anchors: BTreeMap<usize, Anchored>,
    nodes: usize,
    root: Option<Node>,
}

impl Builder {
    /// Takes one event; true at the end of the first document.
    fn take(&mut self, event: Event<'_>, span: &Span) -> Result<bool, Broken> {
        let at = position(span.start.line(), span.start.col());
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let node = Node {
                    at,
                    value: scalar_value(text, style, tag),
                };
                self.add(node, anchor, 1)?;
            }
            Event::SequenceStart(_, anchor, _) => self.push(at, anchor, Open::Seq(Vec::new()))?,
            Event::MappingStart(_, anchor, _) => {
                self.push(at, anchor, Open::Map(Vec::new(), None))?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.close()?,
            Event::Alias(id) => self.alias(id, at)?,
            Event::DocumentEnd => return Ok(true),
            Event::UnresolvedAlias(name) => {
                return Err(Broken {
                    at,
                    message: format!("yaml: unknown anchor '{name}' referenced"),
                });
            }
            // None of these carries a value; comments and anchors' names are switched off anyway.
            Event::StreamStart | Event::StreamEnd | Event::DocumentStart(..) | Event::Anchor(..) | _ => {}
        }
        Ok(false)
    }

    fn push(&mut self, at: Position, anchor: usize, open: Open) -> Result<(), Broken> {
        if self.stack.len() >= MAX_DEPTH {
            return Err(too_deep(at));
        }
        self.stack.push(Frame {
            at,
            anchor,
            height: 1,
            open,
        });
        Ok(())
    }

    fn close(&mut self) -> Result<(), Broken> {
        let Some(Frame {
            at,
            anchor,
            height,
            open,
        }) = self.stack.pop()
        else {
            return Ok(());
        };
        let value = match open {
            Open::Seq(items) => Value::Seq(items),
            Open::Map(entries, _) => Value::Map(merged(entries)?),
        };
        self.add(Node { at, value }, anchor, height)
    }

    fn alias(&mut self, id: usize, at: Position) -> Result<(), Broken> {
        let Some(Anchored { node, size, height }) = self.anchors.get(&id) else {
            return Err(Broken {
                at,
                message: "yaml: anchor value contains itself".to_owned(),
            });
        };
        if self.stack.len().saturating_add(*height) > MAX_DEPTH {
            return Err(too_deep(at));
        }
        self.nodes = self.nodes.saturating_add(*size);
        let (node, height) = (node.clone(), *height);
        self.add(node, 0, height)
    }

    /// Puts a finished node where it belongs.
    fn add(&mut self, node: Node, anchor: usize, height: usize) -> Result<(), Broken> {
        self.nodes = self.nodes.saturating_add(1);
        if self.nodes > MAX_NODES {
            let message = format!("yaml: document has more than {MAX_NODES} nodes");
            return Err(Broken { at: node.at, message });
        }
        if anchor != 0 {
            let size = size(&node);
            self.anchors.insert(
                anchor,
                Anchored {
                    node: node.clone(),
                    size,
                    height,
                },
            );
        }
        let Some(frame) = self.stack.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        frame.height = frame.height.max(height.saturating_add(1));
        match &mut frame.open {
            Open::Seq(items) => items.push(node),
            Open::Map(entries, key) => match key.take() {
                Some(key) => entries.push((key, node)),
                None => *key = Some(as_key(node)?),
            },
        }
        Ok(())
    }
}

fn too_deep(at: Position) -> Broken {
    Broken {
        at,
        message: format!("yaml: nested deeper than {MAX_DEPTH}"),
    }
}

fn scalar_value(text: Cow<'_, str>, style: ScalarStyle, tag: Option<Cow<'_, Tag>>) -> Value {
    let string_tag = tag.is_some_and(|tag| tag.is_yaml_core_schema_tag("str"));
    let plain = style == ScalarStyle::Plain && !string_tag;
    if plain && scalar::is_null(&text) {
        return Value::Null;
    }
    Value::Scalar(Scalar {
        text: text.into_owned(),
        plain,
    })
}

fn as_key(node: Node) -> Result<Key, Broken> {
    let at = node.at;
    match node.value {
        Value::Scalar(Scalar { text, plain }) => Ok(Key { text, at, plain }),
        Value::Null => Ok(Key {
            text: String::new(),
            at,
            plain: false,
        }),
        Value::Seq(_) | Value::Map(_) => Err(Broken {
            at,
            message: "yaml: a map's key must be a single word".to_owned(),
        }),
    }
}

/// Carries out `<<: *defaults`: keys that the map does not set itself.
fn merged(entries: Vec<(Key, Node)>) -> Result<Vec<(Key, Node)>, Broken> {
    let is_merge = |key: &Key| key.plain && key.text == "<<";
    if !entries.iter().any(|(key, _)| is_merge(key)) {
        return Ok(entries);
    }
    let (merges, mut own): (Vec<_>, Vec<_>) = entries.into_iter().partition(|(key, _)| is_merge(key));
    for (_, node) in merges {
        let at = node.at;
        let sources = match node.value {
            Value::Map(map) => vec![map],
            Value::Seq(nodes) => nodes.into_iter().map(merge_source).collect::<Result<_, _>>()?,
            Value::Null | Value::Scalar(_) => return Err(bad_merge(at)),
        };
        for (key, value) in sources.into_iter().flatten() {
            if !own.iter().any(|(have, _)| have.text == key.text) {
                own.push((key, value));
            }
        }
    }
    Ok(own)
}

fn merge_source(node: Node) -> Result<Vec<(Key, Node)>, Broken> {
    let at = node.at;
    if let Value::Map(map) = node.value {
        Ok(map)
    } else {
        Err(bad_merge(at))
    }
}

fn bad_merge(at: Position) -> Broken {
    Broken {
        at,
        message: "yaml: map merge requires map or sequence of maps as the value".to_owned(),
    }
}

fn size(node: &Node) -> usize {
    match &node.value {
        Value::Null | Value::Scalar(_) => 1,
        Value::Seq(items) => items.iter().map(size).sum::<usize>().saturating_add(1),
        Value::Map(entries) => entries
            .iter()
            .map(|(_, node)| size(node))
            .sum::<usize>()
            .saturating_add(1),
    }
}
