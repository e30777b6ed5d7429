//! Fallbacks must come to an end.

use std::collections::{BTreeMap, BTreeSet};

use crate::diagnostic::Position;
use crate::report::Report;

/// A receiver's fallbacks, and where each stands, to point at the one that closes a cycle.
pub(super) type Links = Vec<(String, Position)>;

/// Refuses fallbacks that lead back to where they came from, at the link that closes the circle.
pub(super) fn refuse(report: &mut Report, links: &BTreeMap<String, Links>) {
    let mut done = BTreeSet::new();
    for start in links.keys() {
        // Each entry is a receiver on the way from the start and how many of its links were followed.
        let mut path: Vec<(&str, usize)> = vec![(start, 0)];
        while let Some((name, next)) = path.last_mut() {
            let Some((link, at)) = links.get(*name).and_then(|links| links.get(*next)) else {
                done.insert((*name).to_owned());
                path.pop();
                continue;
            };
            *next += 1;
            if let Some(from) = path.iter().position(|(name, _)| name == link) {
                let circle: Vec<&str> = path.iter().skip(from).map(|(name, _)| *name).collect();
                let message = format!("fallback cycle: {} -> {link}", circle.join(" -> "));
                report.error(*at, message, Some("remove one of these links".to_owned()));
            } else if !done.contains(link) {
                path.push((link, 0));
            }
        }
    }
}
