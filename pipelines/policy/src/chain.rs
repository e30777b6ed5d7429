//! Fallback chains: who is tried when a receiver fails.

use std::collections::BTreeSet;

use alert::PromDuration;
use config::{Binding, Config};

/// One receiver of a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Its name.
    pub receiver: String,
    /// How long it is tried before the next link is, unless it fails for good sooner.
    pub try_for: PromDuration,
}

/// The receivers that are tried for a message to `receiver`, in order: itself, then each of its fallbacks, a fallback's own
/// fallbacks before the next. No receiver comes twice. Never empty.
pub fn chain(config: &Config, receiver: &str) -> Vec<Link> {
    let mut links = Vec::new();
    let mut seen = BTreeSet::new();
    let mut waiting = vec![receiver];
    while let Some(name) = waiting.pop() {
        if !seen.insert(name) {
            continue;
        }
        let binding = config.binding(name);
        let try_for = binding.map_or(Binding::TRY_FOR, |binding| binding.try_for);
        links.push(Link {
            receiver: name.to_owned(),
            try_for,
        });
        let fallback = binding.map_or(&[][..], |binding| &binding.fallback);
        waiting.extend(fallback.iter().rev().map(String::as_str));
    }
    links
}
