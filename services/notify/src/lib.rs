//! The service that sends: carries out the attempts that the notify stage asked for, and reports what became of each.
//!
//! It decides nothing about a notification: whether, what, when and to whom is `notify-pipeline`'s. It alone knows
//! addresses, read from this service's own files, and it alone opens connections to receivers.

mod client;
mod counters;
mod destinations;
mod lanes;
mod retry_after;
mod sender;

pub use destinations::{Destinations, NoAddress};
pub use lanes::{LaneSends, start};
pub use sender::{Clock, Sender, SenderError};
