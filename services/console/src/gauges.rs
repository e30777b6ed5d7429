//! What Alertmanager's metrics say of alerts and silences, counted anew from time to time.

use std::sync::Arc;
use std::time::Duration;

use alert::{PromDuration, SilenceState};
use runtime::names;
use schemas::AlertPhase;
use tokio::time::interval;

use crate::app::App;

/// How often: counting reads every alert, so not at each scrape.
const COUNT_EVERY: Duration = Duration::from_secs(30);
/// An instance that has not written for this long does not live: three of its five-second beats.
pub(crate) const ALIVE: PromDuration = PromDuration::from_secs(15);

/// Counts for ever, from when the view is complete.
pub(crate) async fn count_for_ever(app: Arc<App>) {
    app.view.caught_up().await;
    let mut ticks = interval(COUNT_EVERY);
    loop {
        ticks.tick().await;
        if let Err(error) = app.blocking(count).await {
            tracing::warn!(?error, "not counted");
        }
    }
}

/// Counts once.
fn count(app: &App) {
    let (silences, now) = (app.view.silences(), app.now());
    let in_state = |state| silences.iter().filter(|silence| silence.state(now) == state).count();
    for state in [SilenceState::Active, SilenceState::Pending, SilenceState::Expired] {
        metrics::gauge!(names::SILENCES, "state" => state.as_str()).set(whole(in_state(state)));
    }
    let (groups, firing) = app.view.count();
    let mut suppressed = 0;
    if in_state(SilenceState::Active) > 0 {
        app.view.each_group(|held| {
            for (_, alert) in held.alerts().filter(|(_, alert)| alert.phase == AlertPhase::Firing) {
                let muted_by = silences.muted_by(&alert.body.labels, now);
                suppressed += usize::from(!muted_by.is_empty());
            }
        });
    }
    let active = firing.saturating_sub(suppressed);
    for (state, count) in [("active", active), ("suppressed", suppressed), ("unprocessed", 0)] {
        metrics::gauge!(names::ALERTS, "state" => state).set(whole(count));
    }
    metrics::gauge!(names::AGGREGATION_GROUPS).set(whole(groups));
    let alive = app.view.with_tables(|tables| {
        tables
            .instances
            .values()
            .filter(|instance| now.saturating_since(instance.at) <= ALIVE)
            .count()
    });
    metrics::gauge!(names::CLUSTER_MEMBERS).set(whole(alive));
}

/// A count as a gauge takes it.
#[expect(clippy::cast_precision_loss, reason = "no count of ours comes near 2^53")]
pub(crate) fn whole(count: usize) -> f64 {
    count as f64
}
