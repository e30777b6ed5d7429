//! A process that runs no ingest says that it lives: ingest says so for its own, with since when it has been receiving.

use std::sync::Arc;

use ingest::OtherLanes;
use processor::Meta;
use schemas::{Instance, topics};
use streams::{Log, NewRecord};
use tokio::time::interval;

/// Writes a heartbeat into the table `instances` every five seconds, for ever. One that the log does not take is told and
/// not repeated: the next one says the same.
pub(crate) async fn for_ever(log: Arc<dyn Log>, instance: String, services: Vec<String>, lanes: OtherLanes) {
    let started_at = log.now();
    let mut ticks = interval(ingest::HEARTBEAT_EVERY.as_std());
    loop {
        ticks.tick().await;
        let now = log.now();
        let alive = Instance {
            id: instance.clone(),
            services: services.clone(),
            started_at,
            receiving_since: None,
            at: now,
            lanes: lanes.stand(),
        };
        let value = match schemas::encode(&alive) {
            Ok(value) => value,
            Err(error) => return tracing::error!(%error, "this process cannot say that it lives"),
        };
        let record = NewRecord {
            topic: topics::INSTANCES.into(),
            partition: 0,
            key: instance.clone().into_bytes(),
            value: Some(value),
            meta: Some(Meta {
                now: now.millis(),
                ..Meta::default()
            }),
            headers: Vec::new(),
        };
        let done = |appended: streams::Appended| {
            if let Err(error) = appended {
                tracing::warn!(%error, "heartbeat not acknowledged");
            }
        };
        log.append(vec![record], Box::new(done));
    }
}
