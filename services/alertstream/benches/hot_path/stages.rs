//! What a new alert costs each stage that takes part in one word about it: every input of the life of an alert, in order,
//! as each stage applies it, with its state put and read.

use std::time::Instant;

use alert::{GroupId, Timestamp};
use correlate_pipeline::Correlate;
use notify_pipeline::{Attempt, AttemptDone, AttemptResult, Notify, NotifySettings};
use processor::{Driver, Processor, Said};
use route_pipeline::Route;
use schemas::{ConfigVersion, encode, topics};

/// Each group of one alert, without `group_wait`, told to a webhook.
pub(crate) const CONFIG: &str = "route: {receiver: r, group_by: [pod], group_wait: 0s}\n\
                      receivers: [{name: r, webhook_configs: [{url: 'http://127.0.0.1:1/'}]}]\n";

/// Nanoseconds of each input so far, the best of the rounds, in the order of an alert's life.
#[derive(Debug, Default)]
pub(crate) struct Costs(Vec<(&'static str, u128)>);

impl Costs {
    fn take(&mut self, what: &'static str, inputs: usize, run: impl FnOnce()) {
        let began = Instant::now();
        run();
        let nanos = began.elapsed().as_nanos() / u128::try_from(inputs.max(1)).unwrap_or(1);
        match self.0.iter_mut().find(|(known, _)| *known == what) {
            Some((_, best)) => *best = nanos.min(*best),
            None => self.0.push((what, nanos)),
        }
    }

    /// Each input's cost, then all of them together.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (&'static str, u128)> {
        let all = self.0.iter().map(|(_, nanos)| nanos).sum();
        self.0
            .iter()
            .copied()
            .chain([("all of it, but log, lane and HTTP", all)])
    }
}

type Records = Vec<(String, Vec<u8>)>;

/// What was sent to a topic, by key; everything else that was said is forgotten.
fn sent<P: Processor>(driver: &mut Driver<P>, topic: &str) -> Records {
    let said = driver.sent(topic).into_iter();
    let records = said.map(|(_, output)| {
        let key = String::from_utf8(output.key).expect("a group id");
        (key, output.value.expect("no tombstone"))
    });
    let records = records.collect();
    driver.said();
    records
}

fn deliver<P: Processor>(driver: &mut Driver<P>, records: Records) {
    for (key, value) in records {
        driver.record(&key, value);
    }
}

/// Takes records of `alerts` through the stages until nothing is left to do.
pub(crate) fn round(updates: &[(GroupId, Vec<u8>)], now: Timestamp, costs: &mut Costs) {
    let config = ConfigVersion {
        alertmanager: CONFIG.to_owned(),
        alertmanager_file: "alertmanager.yml".to_owned(),
        escalation: None,
        escalation_file: None,
        published_by: "bench".to_owned(),
        at: now,
    };
    let config = encode(&config).expect("ours");
    let mut correlate = Driver::new(Correlate::new(), now);
    let mut route = Driver::new(Route::new(), now);
    let settings = NotifySettings {
        external_url: "http://127.0.0.1:9093".to_owned(),
        clock_tolerance: None,
    };
    let mut notify = Driver::new(Notify::new(settings), now);
    correlate.table(topics::CONFIG, "", Some(config.clone()));
    route.table(topics::CONFIG, "", Some(config.clone()));
    notify.table(topics::CONFIG, "", Some(config));
    let count = updates.len();
    let updates: Records = updates
        .iter()
        .map(|(id, bytes)| (id.0.clone(), bytes.clone()))
        .collect();

    costs.take("correlate: an update that opens a group", count, || {
        deliver(&mut correlate, updates);
    });
    costs.take("correlate: its tick, which flushes", count, || {
        correlate.advance_to(now);
    });
    let flushes = sent(&mut correlate, topics::INCIDENTS);
    costs.take("route: the flush, which asks for a notification", count, || {
        deliver(&mut route, flushes);
    });
    let requests = sent(&mut route, topics::NOTIFICATIONS);
    costs.take("notify: the request, which starts an attempt", count, || {
        deliver(&mut notify, requests);
    });
    let attempts: Vec<Attempt> = notify.said().into_iter().filter_map(effect).collect();
    assert_eq!(attempts.len(), count, "one word about each alert");
    costs.take("notify: the attempt's result", count, || {
        for Attempt { id, .. } in attempts {
            let result = AttemptResult::Accepted {
                status: 200,
                duration_ms: 1,
            };
            notify.complete(&AttemptDone { id, result });
        }
    });
    let outcomes = sent(&mut notify, topics::INCIDENTS);
    costs.take("route: the outcome", count, || deliver(&mut route, outcomes));
    let answers = sent(&mut route, topics::ALERTS);
    assert!(answers.is_empty(), "correlate has nothing to let go of");
}

fn effect(said: Said<Attempt>) -> Option<Attempt> {
    match said {
        Said::Effect(_, attempt) => Some(attempt),
        Said::Sent(..) | Said::Refused(..) => None,
    }
}
