//! One group of ten thousand alerts: flush and request go in parts, the message is whole.

use alert::{LabelSet, PromDuration};

use super::world::{STAGES, START, World};

const ALERTS: usize = 10_000;

#[test]
fn a_group_of_ten_thousand_alerts_is_one_message() {
    let mut world = World::new(11);
    for stage in STAGES {
        world.start(stage);
    }
    world.heartbeat(Some(START));
    for n in 0..ALERTS {
        let (instance, text) = (format!("host-{n:05}"), "x".repeat(200));
        let labels: LabelSet = [
            ("alertname", "Wide"),
            ("instance", instance.as_str()),
            ("severity", "critical"),
            ("text", text.as_str()),
        ]
        .into();
        let ends_at = world.now() + PromDuration::from_secs(240);
        assert!(world.post(&labels, START, ends_at));
    }
    for _ in 0..20 {
        for _ in 0..20 {
            for name in world.lanes.keys().cloned().collect::<Vec<_>>() {
                world.lanes.get_mut(&name).unwrap().step().unwrap();
            }
        }
        world.log.advance(PromDuration::from_secs(1));
        let now = world.now();
        world.receivers.turn(now, &mut streams::simulated::Rng::new(1));
    }
    let parts = world.log.committed_records(schemas::topics::INCIDENTS).len();
    assert!(parts > 2, "the flush was not in parts");
    let sent = world.receivers.lock().sent.clone();
    let sizes: Vec<(&str, usize)> = sent
        .iter()
        .map(|sent| (sent.link.as_str(), sent.firing.len()))
        .collect();
    assert_eq!(sizes, [("chat", ALERTS)]);
}
