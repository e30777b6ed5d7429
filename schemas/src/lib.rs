//! What flows: every record of every topic, its Avro schema, and the topics themselves.
//!
//! A record is Avro in single-object encoding: two marker bytes, the fingerprint of the writer's schema, the datum. Each
//! released schema is compiled in, so any release reads what an older one wrote, and says which release it needs for
//! what a newer one wrote. This crate decides how a record looks on the wire, never what it means.

mod alerts;
mod codec;
#[cfg(test)]
mod codec_tests;
mod correlate_state;
mod datum;
mod dead_letters;
mod events;
mod heads;
mod incidents;
mod journal;
mod notifications;
mod notify_state;
mod parts;
mod reader;
mod registry;
mod route_state;
mod tables;
pub mod topics;

pub use alerts::{AlertBody, AlertUpdate, FlushSettled, Look, bits};
pub use codec::{Avro, Codec, DecodeError, EncodeError, Fingerprint64, decode, encode, schema_of};
pub use correlate_state::*;
pub use dead_letters::DeadLetter;
pub use events::{AlertEvent, EventKind};
pub use heads::{IncidentHead, JournalHead, KnownHead, UpdateHead};
pub use incidents::{
    Command, CommandAction, Flush, FlushAlert, GroupFiring, GroupMoved, GroupQuiet, Outcome, OutcomeKind,
};
pub use journal::{JournalEntry, JournalLine};
pub use notifications::{GenerationRaised, Link, NotificationRequest, RequestKind, slot_name};
pub use notify_state::*;
pub use parts::{MAX_RECORD_BYTES, alert_body_size, alert_size, body_size, into_parts};
pub use registry::{RECORDS, Registered};
pub use route_state::*;
pub use tables::{ConfigVersion, Instance, LaneStanding, SilenceRecord};
