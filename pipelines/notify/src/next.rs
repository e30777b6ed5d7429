//! What a request does next: facts in, one decision out. Nothing here changes anything.

use alert::{PromDuration, Timestamp};
use schemas::{NotificationRequest, NotifyLeg, NotifyLegState, NotifyProgress, OutcomeKind};

/// An attempt whose result did not come this long after its deadline is taken as lost: the shell reports every attempt
/// it was given, so this only bounds what a fault of the shell can cost.
pub(crate) const LOST_AFTER: PromDuration = PromDuration::from_secs(30);

/// What a request does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Next {
    /// The link at this place starts; why the one before it is done, if it was not already out of legs.
    OpenLink(usize, Option<String>),
    /// The leg at this place is tried now.
    Attempt(usize),
    /// It ended like this, for this reason.
    Finish(OutcomeKind, String),
    /// Nothing before this time, unless a result comes.
    Wait(Timestamp),
}

/// Whom a request goes to, in order: for a resolve, exactly who heard; otherwise the chain, one link after the other.
pub(crate) fn links(request: &NotificationRequest) -> Vec<&str> {
    if !request.only.is_empty() {
        return request.only.iter().map(String::as_str).collect();
    }
    if request.chain.is_empty() {
        return vec![&request.receiver];
    }
    request.chain.iter().map(|link| link.receiver.as_str()).collect()
}

/// Whether every link gets it, whatever the others say.
pub(crate) fn to_all(request: &NotificationRequest) -> bool {
    !request.only.is_empty()
}

/// Whether one of the link's integrations took it.
pub(crate) fn accepted(progress: &NotifyProgress, link: usize) -> bool {
    legs(progress, link).any(|leg| leg.state == NotifyLegState::Accepted)
}

/// Whether the link was started and none of its integrations will be tried again.
pub(crate) fn exhausted(progress: &NotifyProgress, link: usize) -> bool {
    link < started(progress) && legs(progress, link).all(|leg| leg.state == NotifyLegState::Failed)
}

/// Whether a leg of this link may still be tried: its link is the newest, or all get it, and nobody of it accepted.
pub(crate) fn open(request: &NotificationRequest, progress: &NotifyProgress, link: usize) -> bool {
    (to_all(request) || link + 1 == started(progress)) && !accepted(progress, link)
}

/// Whether it reached whom it had to: all who heard, for a resolve; anybody of the chain otherwise.
pub(crate) fn delivered(request: &NotificationRequest, progress: &NotifyProgress) -> bool {
    let links = links(request).len();
    let took = (0..links).filter(|link| accepted(progress, *link)).count();
    if to_all(request) { took == links } else { took > 0 }
}

/// Decides. What is in flight is always waited for: its result is part of the outcome.
pub(crate) fn next(request: &NotificationRequest, progress: &NotifyProgress, now: Timestamp) -> Next {
    let links = links(request).len();
    let delivered = delivered(request, progress);
    let over = now >= request.give_up_at;
    let wanted = !delivered && !over && progress.void.is_none();
    if wanted && let Some(step) = go_on(request, progress, links, now) {
        return step;
    }
    let waiting = progress
        .legs
        .iter()
        .filter(|leg| wanted && leg.state == NotifyLegState::Waiting && open(request, progress, link_of(leg)));
    let flying = progress.legs.iter().filter(|leg| leg.state == NotifyLegState::InFlight);
    let wakes = waiting
        .map(|leg| leg.at)
        .chain(flying.map(|leg| leg.at + LOST_AFTER))
        .min();
    if let Some(wake) = wakes {
        let wake = if wanted { wake.min(request.give_up_at) } else { wake };
        let ends = link_ends(request, progress).filter(|_| wanted);
        return Next::Wait(ends.map_or(wake, |ends| wake.min(ends)));
    }
    if delivered {
        Next::Finish(OutcomeKind::Delivered, "accepted".to_owned())
    } else if let Some(why) = &progress.void {
        Next::Finish(OutcomeKind::Void, why.clone())
    } else if over {
        Next::Finish(OutcomeKind::Failed, format!("given up at {}", request.give_up_at))
    } else {
        let why = if to_all(request) {
            "not accepted by all who heard"
        } else {
            "every link failed"
        };
        Next::Finish(OutcomeKind::Failed, why.to_owned())
    }
}

/// The next link or attempt that is due, if any.
fn go_on(request: &NotificationRequest, progress: &NotifyProgress, links: usize, now: Timestamp) -> Option<Next> {
    let started = started(progress);
    if to_all(request) || started == 0 {
        if started < links {
            return Some(Next::OpenLink(started, None));
        }
    } else if started < links {
        if exhausted(progress, started - 1) {
            return Some(Next::OpenLink(started, None));
        }
        if let Some(ends) = link_ends(request, progress).filter(|ends| *ends <= now) {
            return Some(Next::OpenLink(started, Some(format!("not accepted until {ends}"))));
        }
    }
    let due = |leg: &NotifyLeg| {
        leg.state == NotifyLegState::Waiting && leg.at <= now && open(request, progress, link_of(leg))
    };
    progress.legs.iter().position(due).map(Next::Attempt)
}

/// When the newest link's time is over; none for the last, which is tried until the request is given up.
fn link_ends(request: &NotificationRequest, progress: &NotifyProgress) -> Option<Timestamp> {
    let started = started(progress);
    if to_all(request) || started == 0 || started >= request.chain.len() {
        return None;
    }
    let link = request.chain.get(started - 1)?;
    Some(progress.link_started + PromDuration::from_millis(u64::try_from(link.try_for_ms).unwrap_or_default()))
}

/// How many links have been started.
pub(crate) fn started(progress: &NotifyProgress) -> usize {
    usize::try_from(progress.links).unwrap_or_default()
}

/// The link a leg belongs to.
pub(crate) fn link_of(leg: &NotifyLeg) -> usize {
    usize::try_from(leg.link).unwrap_or_default()
}

fn legs(progress: &NotifyProgress, link: usize) -> impl Iterator<Item = &NotifyLeg> {
    progress.legs.iter().filter(move |leg| link_of(leg) == link)
}

#[cfg(test)]
#[path = "next_tests.rs"]
mod tests;
