//! Every record there is, each with its released schemas: one line for each record.
//!
//! What Avro asks of a struct: `i64` for a `long`, `i32` for an `int`, `f64` for a `double`, `String`, `bool`, `Option<T>`
//! for `["null", T]` with the default `null`, `BTreeMap<String, T>` for a `map` (`LabelSet` for one of texts), `Vec<T>` for an
//! `array`, `Vec<u8>` with `#[serde(with = "serde_bytes")]` for `bytes`, unit variants for an `enum`, in the order of its
//! symbols. Fields stand in the order of the schema, and none is left out: `datum` writes and `reader` reads by the struct
//! alone, and what does not fit is an error wherever debug assertions are on. No `u64`, no `u32`, no newtype without
//! `#[serde(transparent)]` but `LabelSet`, which those two know, no enum with data.

use std::sync::LazyLock;

use apache_avro::Schema;

use crate::codec::{Avro, Codec, parse};
use crate::correlate_state::{CorrelateAlert, CorrelateGroup};
use crate::notify_state::{NotifyAlerts, NotifyDoubt, NotifyProgress, NotifyRun, NotifyTally};
use crate::route_state::{RouteCommand, RouteIncident, RouteLadder, RouteMute, RouteSlot};
use crate::{
    AlertEvent, AlertUpdate, Command, ConfigVersion, DeadLetter, Flush, FlushAlert, FlushSettled, GenerationRaised,
    GroupFiring, GroupMoved, GroupQuiet, Instance, JournalEntry, Look, NotificationRequest, Outcome, SilenceRecord,
};

/// One record of the registry.
#[derive(Debug, Clone, Copy)]
pub struct Registered {
    /// Its name: [`Avro::NAME`].
    pub name: &'static str,
    /// The directory of its schemas, under `avro/`.
    pub directory: &'static str,
    /// Its released schemas as they were written, with their versions, oldest first.
    pub schemas: &'static [(u32, &'static str)],
    /// Its codec.
    pub codec: fn() -> &'static Codec,
}

/// A line is the struct, the directory under `avro/`, and the versions of its schemas, oldest first.
macro_rules! records {
    ($($record:ident $directory:literal $($version:literal)+;)+) => {
        $(
            impl Avro for $record {
                const NAME: &'static str = stringify!($record);

                fn codec() -> &'static Codec {
                    static SCHEMAS: LazyLock<Vec<Result<Schema, String>>> =
                        LazyLock::new(|| parse(&[$(avsc!($directory, $version)),+]));
                    static CODEC: LazyLock<Codec> = LazyLock::new(|| Codec::new(stringify!($record), SCHEMAS.as_slice()));
                    &CODEC
                }
            }
        )+

        /// Every record there is.
        pub static RECORDS: &[Registered] = &[$(Registered {
            name: stringify!($record),
            directory: $directory,
            schemas: &[$(($version, avsc!($directory, $version))),+],
            codec: <$record as Avro>::codec,
        }),+];
    };
}

/// The text of one schema.
macro_rules! avsc {
    ($directory:literal, $version:literal) => {
        include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/avro/",
            $directory,
            "/v",
            $version,
            ".avsc"
        ))
    };
}

records! {
    // the topic `alerts`
    AlertUpdate "alert_update" 1;
    FlushSettled "flush_settled" 1;
    Look "look" 1;
    // the topic `incidents`
    Flush "flush" 1;
    GroupQuiet "group_quiet" 1;
    GroupFiring "group_firing" 1;
    GroupMoved "group_moved" 1;
    Outcome "outcome" 1;
    Command "command" 1;
    // the topic `notifications`
    NotificationRequest "notification_request" 1;
    GenerationRaised "generation_raised" 1;
    // the users' own topic
    AlertEvent "alert_event" 1;
    // what is read by people and tools
    JournalEntry "journal_entry" 1;
    DeadLetter "dead_letter" 1;
    // tables
    ConfigVersion "config_version" 1;
    SilenceRecord "silence_record" 1;
    Instance "instance" 1 2;
    // states: one alert, correlate's, route's, notify's
    FlushAlert "flush_alert" 1;
    CorrelateAlert "correlate_alert" 1;
    CorrelateGroup "correlate_group" 1 2;
    RouteIncident "route_incident" 1 2 3;
    RouteLadder "route_ladder" 1;
    RouteSlot "route_slot" 1;
    RouteCommand "route_command" 1;
    RouteMute "route_mute" 1;
    NotifyRun "notify_run" 1;
    NotifyProgress "notify_progress" 1;
    NotifyAlerts "notify_alerts" 1;
    NotifyDoubt "notify_doubt" 1;
    NotifyTally "notify_tally" 1;
}
