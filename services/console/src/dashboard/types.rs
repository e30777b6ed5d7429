//! `ui/src/api/types.ts` is made of the types that the answers are made of: a test holds the two to each other.

use std::path::Path;

use ts_rs::{Config, TS};

use super::boot::Boot;
use super::columns::Columns;
use super::entry::Entry;
use super::facets::{Facet, FacetValue, Facets};
use super::history::History;
use super::incident::{AlertShown, AlertState, Delivery, DeliveryLeg, IncidentDetail, LegState};
use super::live::{Changes, Delta, Snapshot};
use super::matchers::{MatcherError, ParsedMatchers, ShownMatcher};
use super::pipeline::{ConfigShown, DeadLetterShown, InstanceShown, LaneShown, PartitionShown, Pipeline, StageShown};
use super::plan::{Plan, PlanReceiver, PlanRung};
use super::pulse::{Heartbeat, StageLag, TeamCount, Totals};
use super::routing::{Placement, RouteNode, Routing, WhereTo};
use super::row::{Ladder, LadderPhase, Row, State};
use super::silences::{PreviewAlert, SilencePreview, TeamHit};

const HEAD: &str = "// What the console answers under `api/ui/v1`. Made of the Rust types by `UPDATE=1 cargo test -p console types`; do not edit.
// Times are milliseconds since 1970 by the log's clock; spans are milliseconds.
";

/// One type with its documentation.
fn declared<T: TS>(config: &Config) -> String {
    let docs = T::docs().unwrap_or_default();
    format!("\n{docs}export {}\n", T::decl(config))
}

macro_rules! all {
    ($config:expr; $($type:ty),+ $(,)?) => { [$(declared::<$type>($config)),+].concat() };
}

#[test]
fn types_are_those_of_the_answers() {
    let config = Config::new().with_large_int("number");
    let types = all!(&config;
        State, LadderPhase, Ladder, Row, Columns, TeamCount, Totals, StageLag, Heartbeat, Snapshot, Delta, Changes,
        FacetValue, Facet, Facets, ShownMatcher, MatcherError, ParsedMatchers, AlertState, AlertShown, PlanReceiver, PlanRung, Plan,
        LegState, DeliveryLeg, Delivery, Entry, IncidentDetail, History, TeamHit, PreviewAlert, SilencePreview, RouteNode,
        Routing, Placement, WhereTo, LaneShown, InstanceShown, PartitionShown, StageShown, DeadLetterShown, ConfigShown, Pipeline, Boot,
    );
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("ui/src/api/types.ts");
    let text = format!("{HEAD}{types}");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap();
    assert!(
        written == text,
        "{} is not what the Rust types say: run `UPDATE=1 cargo test -p console types`",
        path.display()
    );
}
