//! Verdicts over histories that a row tells.

use super::*;
use crate::population::Made;
use config::Source;

const SLACK: u64 = 1_000;
/// In microseconds.
const GROUP_INTERVAL: u64 = 1_000;

fn population(per_group: u32) -> Population {
    Population::Made(Made {
        run: "r".to_owned(),
        seed: 1,
        alerts: 10,
        per_group,
        giant: 0,
    })
}

fn config() -> Config {
    let text = "route: {receiver: sink, group_by: [service], group_wait: 0s, group_interval: 1ms}\n\
                receivers: [{name: sink, webhook_configs: [{url: 'http://h/sink', send_resolved: true}]}]";
    let name = "alertmanager.yml";
    Config::load(Source { name, text }, None).unwrap()
}

fn word(name: &str) -> (u32, Status) {
    match name.strip_suffix('r') {
        Some(number) => (number.parse().unwrap(), Status::Resolved),
        None => (name.parse().unwrap(), Status::Firing),
    }
}

/// One history: words as `number[r]@due/acknowledged` (`-` for never), messages as `number[r],…@at:key` (key 0 for none),
/// records as keys, outages and the silence of everything as `from-until`; each list separated by blanks.
#[derive(Debug, Default, Clone, Copy)]
struct History {
    words: &'static str,
    messages: &'static str,
    records: &'static str,
    outages: &'static str,
    silence: &'static str,
    per_group: u32,
}

impl History {
    fn judge(self) -> Verdict {
        let (config, population) = (config(), population(self.per_group.max(1)));
        let span = |text: &str| {
            let (from, until) = text.split_once('-').unwrap();
            (from.parse().unwrap(), until.parse().unwrap())
        };
        let words = self.words.split_whitespace().map(|text| {
            let (name, times) = text.split_once('@').unwrap();
            let (due, acknowledged) = times.split_once('/').unwrap();
            let (alert, status) = word(name);
            Word {
                alert,
                status,
                due: due.parse().unwrap(),
                acknowledged: acknowledged.parse().ok(),
            }
        });
        let messages = (0..).zip(self.messages.split_whitespace()).flat_map(|(message, text)| {
            let (names, rest) = text.split_once('@').unwrap();
            let (at, key) = rest.split_once(':').unwrap();
            let heard = move |name| {
                let (alert, status) = word(name);
                Heard {
                    at: at.parse().unwrap(),
                    alert,
                    status,
                    due: None,
                    receiver: 0,
                    key: key.parse().unwrap(),
                    message,
                }
            };
            names.split(',').map(heard)
        });
        let mut records = HashMap::new();
        for key in self.records.split_whitespace() {
            *records.entry(key.parse().unwrap()).or_default() += 1;
        }
        let outage = |(from, until)| Outage { from, until };
        let everything = |(from, until)| Muted {
            matchers: Matchers(Vec::new()),
            from,
            until,
        };
        judge(&Evidence {
            config: &config,
            population: &population,
            words: words.collect(),
            heard: messages.collect(),
            receivers: vec!["/sink".to_owned()],
            silences: self.silence.split_whitespace().map(span).map(everything).collect(),
            outages: self.outages.split_whitespace().map(span).map(outage).collect(),
            records,
            has_keys: true,
            slack: SLACK,
            end: 1 << 40,
        })
    }
}

/// The kind and alert of each violation, in order.
fn kinds(verdict: &Verdict) -> String {
    let texts = verdict.violations.iter().map(ToString::to_string);
    let kinds: Vec<_> = texts.map(|text| text.split_once(" (").unwrap().0.to_owned()).collect();
    kinds.join("; ")
}

fn check(history: History, expected: &str) {
    assert_eq!(kinds(&history.judge()), expected, "{history:?}");
}

#[test]
fn arrivals() {
    for (words, messages, outages, expected) in [
        // All is well.
        ("", "", "", ""),
        ("1@0/5 2@10/15", "1@7:1 2@18:2", "", ""),
        ("1@0/5 1r@50/55", "1@7:1 1r@60:2", "", ""),
        // What was not acknowledged may be heard or not.
        ("1@0/- 2@0/-", "1@7:1", "", ""),
        // Lost, though its neighbour was heard; lost, and yet its end was heard.
        ("1@0/5 2@0/5", "2@9:2", "", "LOST: alert 1"),
        (
            "1@0/5 1r@50000/50005",
            "1r@50060:2",
            "",
            "LOST: alert 1; RESOLVED BEFORE FIRING: alert 1",
        ),
        ("1@0/5 1r@50/55", "1@7:1", "", "LOST: alert 1"),
        // Nobody heard it fire, so nobody need hear that it is over; it was over in time.
        ("1@0/5 1r@50/55", "", "", ""),
        // Late by a microsecond; in time, when an outage overlaps the wait; the next outage counts when it begins in time.
        ("1@0/5", "1@1005:1", "", ""),
        ("1@0/5", "1@1006:1", "", "LATE: alert 1"),
        ("1@0/5", "1@1700:1", "400-700", ""),
        ("1@0/5", "1@1701:1", "400-700", "LATE: alert 1"),
        ("1@0/5", "1@2900:1", "400-700 1700-1900", ""),
        ("1@0/5", "1@2900:1", "400-700 1701-1900", "LATE: alert 1"),
        ("1@0/800", "1@1801:1", "400-700", "LATE: alert 1"),
        // An end waits for its group's tick.
        ("1@0/5 1r@50/55", "1@7:1 1r@2055:2", "", ""),
        ("1@0/5 1r@50/55", "1@7:1 1r@2056:2", "", "LATE: alert 1"),
        // It was over and fired again between two ticks: who heard it fire need not hear it again. One that was over for
        // longer was to be told of that.
        ("1@0/5 1r@50/55 1@65/66", "1@7:1", "", ""),
        ("1@0/5 1r@50/55 1@65/66 1r@5000/5001", "1@7:1 1r@5100:2", "", ""),
        ("1@0/5 1r@50/55 1@5000/5001", "1@7:1", "", "LOST: alert 1"),
        ("1@0/5 1r@50/55 1@65/66", "", "", "LOST: alert 1"),
        ("1@0/5 1r@50/55 1@5000/5001", "1@7:1 1r@60:2", "", "LOST: alert 1"),
        // What nobody said.
        ("1@0/5", "1@7:1 1r@60:2", "", "NEVER SAID: alert 1"),
        ("1@0/5", "1@7:1 2@60:2", "", "NEVER SAID: alert 2"),
        (
            "1@50/55",
            "1@40:1 1@60:1",
            "",
            "NEVER SAID: alert 1; UNEXPLAINED REPEAT: alert 1",
        ),
        // Out of order: it is over, and that was heard.
        ("1@0/5 1r@50/55", "1@7:1 1r@60:2 1@70:3", "", "OUT OF ORDER: alert 1"),
        ("1@0/5 1r@50/55 1@65/66", "1@7:1 1r@60:2 1@70:3", "", ""),
        // Each in its turn, though the newest was said already: that is only late, if at all.
        (
            "1@0/5 1r@10/11 1@20/21 1r@30/31",
            "1@40:1 1r@50:2 1@60:3 1r@70:4",
            "",
            "",
        ),
    ] {
        let history = History {
            words,
            messages,
            outages,
            ..History::default()
        };
        check(history, expected);
    }
}

#[test]
fn repeats() {
    for (words, messages, records, expected) in [
        ("1@0/5", "1@7:1 1@90:1", "1", ""),
        ("1@0/5", "1@7:1 1@90:1", "", "UNEXPLAINED REPEAT: alert 1"),
        ("1@0/5", "1@7:1 1@90:1", "2", "UNEXPLAINED REPEAT: alert 1"),
        ("1@0/5", "1@7:1 1@90:1 1@95:1", "1", "UNEXPLAINED REPEAT: alert 1"),
        ("1@0/5", "1@7:1 1@90:1 1@95:1", "1 1", ""),
        ("1@0/5", "1@7:1 1@90:2", "1 2", "SAID TWICE: alert 1"),
        ("1@0/5", "1@7:0", "", "NO KEY: alert 1"),
        ("1@0/5", "1@7:1 1@90:0", "1", "NO KEY: alert 1; SAID TWICE: alert 1"),
        // A record without a repeat: the first send did not arrive.
        ("1@0/5", "1@7:1", "1", ""),
        // A key is of one content.
        ("1@0/5 2@0/5", "1@7:1 2@7:1", "1", "KEY SHARED: alert 2"),
    ] {
        let history = History {
            words,
            messages,
            records,
            ..History::default()
        };
        check(history, expected);
    }
}

#[test]
fn a_group_is_said_whole_when_one_joins_it() {
    let history = History {
        words: "1@0/5 2@0/5 3@50/55",
        messages: "1,2@7:1 1,2,3@90:2",
        per_group: 10,
        ..History::default()
    };
    check(history, "");
    let nothing_new = History {
        messages: "1,2@7:1 1,2@90:2 1,2,3@95:3",
        ..history
    };
    check(nothing_new, "SAID TWICE: alert 1");
    let interval = 5 + SLACK + GROUP_INTERVAL;
    assert_eq!(
        (
            interval,
            kinds(
                &History {
                    messages: "1,2@2005:1 3@2055:2",
                    ..history
                }
                .judge()
            )
        ),
        (2_005, String::new())
    );
}

#[test]
fn what_is_muted_is_said_when_its_silence_ends() {
    let history = History {
        words: "1@3000000/3000005",
        silence: "0-9000000",
        ..History::default()
    };
    check(history, "LOST: alert 1");
    let sent = History {
        messages: "1@3000010:1",
        ..history
    };
    check(sent, "MUTED, BUT SENT: alert 1");
    let after = History {
        messages: "1@9002000:1",
        ..history
    };
    check(after, "");
    let too_late = History {
        messages: "1@9002001:1",
        ..history
    };
    check(too_late, "LATE: alert 1");
    let just_made = History {
        words: "1@0/5",
        messages: "1@10:1",
        ..history
    };
    check(just_made, "");
}

#[test]
fn counts() {
    let history = History {
        words: "1@0/5 2@10/15 3@20/- 4@20/30",
        messages: "1@7:1 2@30:2 2@40:2",
        records: "2",
        ..History::default()
    };
    let verdict = history.judge();
    assert_eq!((verdict.words, verdict.acknowledged, verdict.notified), (4, 3, 2));
    assert_eq!(
        (verdict.repeats_explained, verdict.excused, verdict.undecided),
        (1, 0, 0)
    );
    assert_eq!(kinds(&verdict), "LOST: alert 4");
}
