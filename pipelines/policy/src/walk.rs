//! The routing walk: which routes an alert lands on, and which group of each.

use alert::{GroupId, GroupKey, LabelSet, group_key};
use config::{Config, GroupBy, Route, RouteId};

/// One group that an alert belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    /// The route it landed on: [`Config::route`] gives the node.
    pub route_id: RouteId,
    /// That route's receiver.
    pub receiver: String,
    /// Alertmanager's key of the group, for payloads and answers. Not unique.
    pub group_key: GroupKey,
    /// The group's identity, and the key of every partitioned topic.
    pub group_id: GroupId,
    /// The labels that all alerts of the group share by `group_by`; a label the alert lacks is absent.
    pub group_labels: LabelSet,
}

/// Every group that an alert with `labels` belongs to, in Alertmanager's order: depth first, the deepest match of each
/// branch, further siblings only after a match with `continue`. Never empty: the root takes what nobody else does.
pub fn walk(config: &Config, labels: &LabelSet) -> Vec<Placement> {
    let mut landed = Vec::new();
    descend(&config.route, labels, &mut landed);
    landed.into_iter().map(|route| place(route, labels)).collect()
}

/// The labels that name an alert's group on `route`.
pub fn group_labels(route: &Route, labels: &LabelSet) -> LabelSet {
    match &route.group_by {
        GroupBy::All => labels.clone(),
        GroupBy::Labels(names) => labels.only(names.iter().map(String::as_str)),
    }
}

/// Adds the routes that an alert lands on at or below `route`, which matched already.
fn descend<'c>(route: &'c Route, labels: &LabelSet, landed: &mut Vec<&'c Route>) {
    let before = landed.len();
    for child in &route.routes {
        if child.matchers.matches(labels) {
            descend(child, labels, landed);
            if !child.continues {
                break;
            }
        }
    }
    if landed.len() == before {
        landed.push(route);
    }
}

fn place(route: &Route, labels: &LabelSet) -> Placement {
    let group_labels = group_labels(route, labels);
    let group_key = group_key(&route.key, &group_labels);
    Placement {
        route_id: route.id.clone(),
        receiver: route.receiver.clone(),
        group_id: GroupId::new(group_key.clone(), route.ordinal),
        group_key,
        group_labels,
    }
}
