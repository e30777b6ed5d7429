//! Decides how a notification request is carried out: whether it is still wanted just before each attempt, to which
//! integration it goes next, what the message says, when it is tried again, when the next link of the chain starts, and
//! how it ended. Every request ends in exactly one outcome.
//!
//! It deliberately does not decide whether anything is to be said or to whom (that is the route stage), does not know a
//! secret or an address (the service looks those up), and opens no connection: an attempt is a value that the service
//! carries out after the commit, and its result comes back as another.

mod attempt;
mod deliver;
mod headers;
mod journal;
mod json;
mod next;
mod notify;
mod payload;
mod retry;
mod run;
mod tables;

pub use attempt::{Attempt, AttemptDone, AttemptId, AttemptResult, NotStarted};
pub use headers::USER_AGENT;
pub use notify::{Notify, NotifySettings};
pub use payload::{Message, webhook};
