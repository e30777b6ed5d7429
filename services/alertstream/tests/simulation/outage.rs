//! Our own outage: stopped for longer than `endsAt` under steady re-sends, nobody hears resolved and nobody is told twice.

use alert::{LabelSet, PromDuration, Timestamp};

use super::setting;
use super::world::{STAGES, START, World};

struct Outage {
    world: World,
    alert: LabelSet,
    receiving_since: Option<Timestamp>,
}

impl Outage {
    fn new() -> Self {
        let mut world = World::new(7);
        for stage in STAGES {
            world.start(stage);
        }
        let alert = setting::alerts().remove(0);
        Self {
            world,
            alert,
            receiving_since: Some(START),
        }
    }

    /// Minutes under way; ingest re-sends each minute and beats each five seconds while it is up.
    fn minutes(&mut self, minutes: u64, ingest_up: bool) {
        for second in 0..minutes * 60 {
            if second % 60 == 0 && ingest_up {
                let now = self.world.now();
                self.world
                    .post(&self.alert.clone(), START, now + PromDuration::from_secs(240));
            }
            if second % 5 == 0 && ingest_up {
                self.world.heartbeat(self.receiving_since);
            }
            self.world.log.advance(PromDuration::from_secs(1));
            self.run();
        }
    }

    fn run(&mut self) {
        for _ in 0..6 {
            for name in self.world.lanes.keys().cloned().collect::<Vec<_>>() {
                self.world.lanes.get_mut(&name).unwrap().step().unwrap();
            }
            let now = self.world.now();
            self.world.receivers.turn(now, &mut streams::simulated::Rng::new(1));
        }
    }

    fn stop(&mut self, stages: &[&str]) {
        let names: Vec<String> = self.world.lanes.keys().cloned().collect();
        for name in names
            .into_iter()
            .filter(|name| stages.contains(&name.split('-').next().unwrap()))
        {
            self.world.bury(&name);
            self.world.log.expire(&name);
        }
    }

    fn heard(&self) -> Vec<(String, bool)> {
        self.world
            .receivers
            .lock()
            .sent
            .iter()
            .map(|sent| (sent.link.clone(), sent.resolved))
            .collect()
    }
}

#[test]
fn correlate_alone_is_down_for_six_minutes() {
    let mut outage = Outage::new();
    outage.minutes(1, true);
    assert_eq!(outage.heard(), [("chat".to_owned(), false)]);
    outage.stop(&["correlate"]);
    outage.minutes(6, true);
    outage.world.start("correlate");
    outage.minutes(2, true);
    assert_eq!(
        outage.heard(),
        [("chat".to_owned(), false)],
        "nobody hears resolved, nobody is told twice"
    );
}

#[test]
fn the_whole_system_is_down_for_six_minutes() {
    let mut outage = Outage::new();
    outage.minutes(1, true);
    outage.stop(&STAGES);
    outage.minutes(6, false);
    outage.receiving_since = Some(outage.world.now());
    for stage in STAGES {
        outage.world.start(stage);
    }
    // Prometheus comes back to a listener half a minute later: the alert's end is long past by then.
    outage.world.heartbeat(outage.receiving_since);
    outage.run();
    for _ in 0..6 {
        outage.world.log.advance(PromDuration::from_secs(5));
        outage.world.heartbeat(outage.receiving_since);
        outage.run();
    }
    outage.minutes(2, true);
    assert_eq!(
        outage.heard(),
        [("chat".to_owned(), false)],
        "nobody hears resolved, nobody is told twice"
    );
}

#[test]
fn what_really_ended_is_still_said_after_the_grace() {
    let mut outage = Outage::new();
    outage.minutes(1, true);
    // The source is gone for good; we listen all the time.
    for _ in 0..(8 * 60) {
        if outage.world.now().millis() % 5_000 == 0 {
            outage.world.heartbeat(outage.receiving_since);
        }
        outage.world.log.advance(PromDuration::from_secs(1));
        outage.run();
    }
    assert_eq!(outage.heard(), [("chat".to_owned(), false), ("chat".to_owned(), true)]);
}
