//! The limits of what one sender may ask of us. Alertmanager has none; here an alert passes through a log whose records
//! are bounded, and one sender must not take the memory of all. Each refusal says which limit it was and is counted.

/// The largest request body, in bytes. Prometheus sends 256 alerts at most in one request, well below 1 MiB.
pub const MAX_BODY_BYTES: usize = 10 * 1024 * 1024;

/// The most alerts of one request or record: 40 of Prometheus' batches, and what one append can carry.
pub const MAX_ALERTS: usize = 10_000;

/// The most labels of an alert; a usual one has ten, Mimir allows 30.
pub const MAX_LABELS: usize = 128;

/// The most annotations of an alert.
pub const MAX_ANNOTATIONS: usize = 256;

/// The longest label or annotation name, in bytes: Mimir's limit.
pub const MAX_NAME_BYTES: usize = 1024;

/// The longest label value, in bytes: label values become group ids, which are keys of records and of state.
pub const MAX_LABEL_VALUE_BYTES: usize = 4 * 1024;

/// The largest alert, everything in it together, in bytes: less than a third of what a record may hold
/// (`schemas::MAX_RECORD_BYTES`), so that each later record that repeats the alert and its labels fits too.
pub const MAX_ALERT_BYTES: usize = 256 * 1024;

/// The most refused alerts of one request or record that are journaled; the last entry says how many more there were.
pub const MAX_REFUSED_JOURNALED: usize = 100;

/// The most labels of a refused alert that its journal entry shows.
pub const MAX_LABELS_JOURNALED: usize = 32;

/// The longest text of a refused alert's label that its journal entry shows, in bytes.
pub const MAX_TEXT_JOURNALED: usize = 256;
