//! The routing tree, with everything inherited filled in.

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use alert::{Matcher, Matchers, PromDuration};

/// Names one node of the tree: its route key, then `#ordinal` among the nodes with the same key where that is not 0.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouteId(String);

impl RouteId {
    /// The id of the node with route key `key` that is number `ordinal` among those with that key, depth first.
    pub fn new(key: &str, ordinal: u32) -> Self {
        Self(if ordinal == 0 {
            key.to_owned()
        } else {
            format!("{key}#{ordinal}")
        })
    }

    /// The id's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RouteId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Borrow<str> for RouteId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// One node of the routing tree.
#[derive(Debug, Clone, PartialEq)]
pub struct Route {
    /// Unique in the tree.
    pub id: RouteId,
    /// Alertmanager's route key, byte for byte: `{}/{team="db"}`.
    pub key: String,
    /// Number among the nodes with the same key, depth first, from 0.
    pub ordinal: u32,
    /// The receiver's name, inherited where the node names none.
    pub receiver: String,
    /// Inherited where the node says nothing.
    pub group_by: GroupBy,
    /// All of `match`, `match_re` and `matchers`, sorted; they AND together.
    pub matchers: Matchers,
    /// `continue`: whether the siblings after this node are tried although it matched.
    pub continues: bool,
    /// Inherited where the node says nothing.
    pub timing: Timing,
    /// The children, in file order.
    pub routes: Vec<Route>,
    /// What the file says of this node, for writing it again.
    pub(crate) written: Written,
}

impl Route {
    /// This node and all below it, depth first.
    pub fn walk(&self) -> impl Iterator<Item = &Self> {
        let mut waiting = vec![self];
        std::iter::from_fn(move || {
            let next = waiting.pop()?;
            waiting.extend(next.routes.iter().rev());
            Some(next)
        })
    }
}

/// Which labels make a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupBy {
    /// `['...']`: every label; each alert is its own group.
    All,
    /// These labels; none = one group for the route.
    Labels(BTreeSet<String>),
}

/// When a group speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// From a group's first alert to its first flush; may be zero. 30 s.
    pub group_wait: PromDuration,
    /// From flush to flush; never zero. 5 min.
    pub group_interval: PromDuration,
    /// Until what is still firing is said again; never zero. 4 h.
    pub repeat_interval: PromDuration,
}

/// A node as the file has it: nothing inherited, matchers by the key they were written under.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Written {
    pub(crate) receiver: Option<String>,
    pub(crate) group_by: Option<Vec<String>>,
    pub(crate) equal: BTreeMap<String, String>,
    pub(crate) regex: BTreeMap<String, String>,
    pub(crate) matchers: Vec<Matcher>,
    pub(crate) group_wait: Option<PromDuration>,
    pub(crate) group_interval: Option<PromDuration>,
    pub(crate) repeat_interval: Option<PromDuration>,
}
