//! Decides what the config says of an alert: where it goes ([`walk`]), what mutes it ([`SilenceIndex`]), when a ladder's
//! next rung is due ([`Ladder`]), who is tried when a receiver fails ([`chain`]), and whose alert it is ([`team_of`],
//! [`severity_rank`]). Every stage and the console ask here, so that none can disagree.
//!
//! It deliberately keeps no state of its own, does not decide whether anything is *said* (that is the route stage), and
//! reads no clock: time is an argument.

mod chain;
mod ladder;
mod muting;
mod owner;
mod walk;

pub use chain::{Link, chain};
pub use ladder::{Ladder, Rung};
pub use muting::SilenceIndex;
pub use owner::{Team, severity_rank, team_of};
pub use walk::{Placement, group_labels, walk};
