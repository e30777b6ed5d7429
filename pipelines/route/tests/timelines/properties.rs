//! Random histories: what never breaks, whatever happens in which order. A failing seed is printed.

use std::collections::BTreeMap;

use alert::PromDuration;
use schemas::{CommandAction, LadderPhase, NotificationRequest, OutcomeKind, RequestKind};

use crate::bench::{Bench, Reply};

/// A small generator (xorshift64*), so that a seed is a history.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % sides
    }
}

const CONFIG: &str = "
route: {receiver: chat, group_by: [alertname], group_wait: 0s, group_interval: 5m, repeat_interval: 30m}
receivers:
- {name: chat, webhook_configs: [{url: 'http://a.test/'}, {url: 'http://b.test/', send_resolved: false}]}
- {name: pager, webhook_configs: [{url: 'http://c.test/'}]}
- {name: noc, webhook_configs: [{url: 'http://d.test/'}]}
";

const POLICY: &str = "
version: 1
policies:
  p:
    steps:
    - {notify: [{receiver: pager}], escalate_after: 4m}
    - {notify: [{receiver: chat}], escalate_after: 7m}
    repeat: {times: 1}
    last_resort: [{receiver: noc}]
receivers: {chat: {policy: p, fallback: [{receiver: noc}]}}
";

const NAMES: [&str; 3] = ["a", "b", "c"];

fn history(seed: u64) -> Bench {
    let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let mut bench = Bench::new(CONFIG, Some(POLICY));
    for round in 0..60 {
        let name = NAMES[usize::try_from(dice.roll(3)).unwrap()];
        match dice.roll(12) {
            0..=2 => bench.fire(&[name]),
            3..=4 => bench.resolve(&[name]),
            5 => drop(bench.command(CommandAction::Acknowledge)),
            6 => drop(bench.command(CommandAction::Unacknowledge)),
            7 => {
                let until = bench.second() + i64::try_from(dice.roll(900)).unwrap();
                bench.silence(name, name, until);
            }
            8 => bench.unsilence(name),
            9 => {
                let reply = [Reply::Delivered, Reply::Hold, Reply::Failed][usize::try_from(dice.roll(3)).unwrap()];
                let receiver = ["chat", "pager", "noc"][usize::try_from(dice.roll(3)).unwrap()];
                bench.replies.insert(receiver.to_owned(), reply);
            }
            10 if !bench.held.is_empty() => {
                let kind = [OutcomeKind::Delivered, OutcomeKind::Failed, OutcomeKind::Void];
                bench.answer(kind[usize::try_from(dice.roll(3)).unwrap()]);
            }
            _ => bench.driver.restart(),
        }
        bench.pump();
        // Each time would read the whole changelog each time.
        assert!(round % 20 != 0 || bench.driver.restores_equal(), "A5, seed {seed}");
        let until = bench.second() + i64::try_from(dice.roll(240)).unwrap();
        bench.run_to(until);
    }
    // The end: everybody answers, and a ladder that nobody holds has time to end.
    bench.replies.clear();
    while !bench.held.is_empty() {
        bench.answer(OutcomeKind::Delivered);
    }
    bench.run_to(bench.second() + 3_600);
    assert!(bench.driver.restores_equal(), "A5, seed {seed}");
    bench
}

fn seats(bench: &Bench) -> BTreeMap<String, Vec<&(alert::Timestamp, NotificationRequest)>> {
    let mut seats: BTreeMap<String, Vec<_>> = BTreeMap::new();
    for one in &bench.requests {
        let request = &one.1;
        let name = format!("{}/{}/{}", request.receiver, request.integration, request.index);
        seats.entry(name).or_default().push(one);
    }
    seats
}

/// A2 and A4, from what was asked and what became of it.
fn check_requests(bench: &Bench, seed: u64) {
    for (seat, requests) in seats(bench) {
        let mut told: Option<(alert::Timestamp, Vec<u64>)> = None;
        let mut heard: Vec<String> = Vec::new();
        for (at, request) in requests {
            let firing: Vec<u64> = request
                .alerts
                .iter()
                .filter(|a| !a.resolved)
                .map(|a| a.fingerprint.0)
                .collect();
            let exempt = matches!(
                request.kind,
                RequestKind::Step | RequestKind::LastResort | RequestKind::Reminder
            );
            if told
                .as_ref()
                .is_some_and(|(since, _)| emptied(bench, &seat, *since, *at))
            {
                told = None;
            }
            if let Some((since, before)) = &told
                && !exempt
                && request.alerts.iter().all(|alert| !alert.resolved)
                && firing.iter().all(|fingerprint| before.contains(fingerprint))
            {
                let repeat = PromDuration::from_mins(30);
                assert!(
                    at.saturating_since(*since) > repeat,
                    "A2, seed {seed}: {seat} {at} {request:?}"
                );
            }
            if request.kind == RequestKind::Resolve {
                assert!(!request.only.is_empty(), "A4, seed {seed}: {seat} at {at}");
                assert!(
                    request.only.iter().all(|link| heard.contains(link)),
                    "A4, seed {seed}: {seat} {request:?}"
                );
            }
            let Some((when, by)) = bench.delivered.get(&(seat.clone(), request.sequence, request.flush)) else {
                continue;
            };
            if firing.is_empty() {
                (told, heard) = (None, Vec::new());
            } else {
                told = Some((*when, firing));
                heard.extend(by.iter().cloned());
            }
        }
    }
}

/// Whether the log entry was emptied without a word, as `send_resolved: false` asks for.
fn emptied(bench: &Bench, seat: &str, since: alert::Timestamp, until: alert::Timestamp) -> bool {
    bench.journal.iter().any(|entry| {
        let about = || {
            format!(
                "{}/webhook/{}",
                entry.receiver.as_deref().unwrap_or_default(),
                entry.fields.value("index")
            )
        };
        entry.reason.starts_with("only resolved alerts") && since <= entry.at && entry.at <= until && about() == seat
    })
}

#[test]
fn random_histories_keep_the_invariants() {
    for seed in 0..150 {
        let bench = history(seed);
        // Nothing goes round in circles: each history has a few dozen reasons to look.
        assert!(
            bench.settled.len() < 100,
            "seed {seed}: {} flushes",
            bench.settled.len()
        );
        check_requests(&bench, seed);
        check_end(&bench, seed);
    }
}

/// A8: the ladder of what fires, is not acknowledged and not muted has ended with its last resort tried.
fn check_end(bench: &Bench, seed: u64) {
    let Some(incident) = bench.incident() else { return };
    let waits = incident.acknowledged_at.is_some() || incident.quiet || incident.firing == 0 || incident.muted;
    match incident.ladder.as_ref().map(|ladder| ladder.phase) {
        None | Some(LadderPhase::Exhausted) => {}
        Some(LadderPhase::Held | LadderPhase::LastResort) => assert!(waits, "A8, seed {seed}: {incident:?}"),
        // A mute that ended late may leave it climbing, but never past its time.
        Some(LadderPhase::Climbing) => {
            let due = incident.ladder.as_ref().and_then(|ladder| ladder.due).unwrap();
            assert!(due > bench.now(), "A8, seed {seed}");
        }
    }
    if !waits && incident.ladder.is_some() {
        let escalated = bench
            .journal
            .iter()
            .any(|entry| entry.kind.starts_with("escalation.last_resort"));
        let resumed = bench
            .journal
            .iter()
            .rev()
            .find(|entry| matches!(entry.kind.as_str(), "escalation.started" | "escalation.resumed"));
        let recent = resumed.is_some_and(|entry| bench.now().saturating_since(entry.at) < PromDuration::from_mins(22));
        assert!(escalated || recent, "A8, seed {seed}: {incident:?}");
    }
}
