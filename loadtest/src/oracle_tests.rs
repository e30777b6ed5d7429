use super::*;

const BOUND: u64 = 1_000;

/// Posts as `number[r]@posted/acknowledged` (`-` for never), messages as `number[r]@heard:key` (`-` for no key), records as
/// keys, outages as `from-until`; each list separated by blanks.
fn evidence(posts: &str, messages: &str, records: &str, outages: &str) -> Evidence {
    let mut evidence = Evidence::default();
    for post in posts.split_whitespace() {
        let (name, times) = post.split_once('@').unwrap();
        let (at, acknowledged) = times.split_once('/').unwrap();
        let posted = Posted {
            at: at.parse().unwrap(),
            acknowledged: acknowledged.parse().ok(),
            bound: BOUND,
        };
        evidence.posted.insert(word(name), posted);
    }
    for message in messages.split_whitespace() {
        let (name, rest) = message.split_once('@').unwrap();
        let (at, key) = rest.split_once(':').unwrap();
        let key = (key != "-").then(|| key.to_owned());
        evidence.heard.push(Heard {
            word: word(name),
            at: at.parse().unwrap(),
            key,
            group: String::new(),
        });
    }
    for key in records.split_whitespace() {
        *evidence.possible_duplicates.entry(key.to_owned()).or_default() += 1;
    }
    for outage in outages.split_whitespace() {
        let (from, until) = outage.split_once('-').unwrap();
        evidence.outages.push(Outage {
            from: from.parse().unwrap(),
            until: until.parse().unwrap(),
        });
    }
    evidence
}

fn word(name: &str) -> Word {
    match name.strip_suffix('r') {
        Some(number) => (number.parse().unwrap(), Status::Resolved),
        None => (name.parse().unwrap(), Status::Firing),
    }
}

/// The first words of each violation, in order.
fn kinds(verdict: &Verdict) -> String {
    let texts = verdict.violations.iter().map(ToString::to_string);
    let kinds: Vec<_> = texts.map(|text| text.split_once(" (").unwrap().0.to_owned()).collect();
    kinds.join("; ")
}

#[test]
fn verdicts() {
    for (posts, messages, records, outages, expected) in [
        // All is well.
        ("", "", "", "", ""),
        ("1@0/5 2@10/15", "1@7:a 2@18:b", "", "", ""),
        ("1@0/5 1r@50/55", "1@7:a 1r@60:b", "", "", ""),
        // What was not acknowledged may be heard or not.
        ("1@0/- 2@0/-", "1@7:a", "", "", ""),
        // Lost, though its neighbour was heard, and though it was heard as resolved.
        ("1@0/5 2@0/5", "2@9:b", "", "", "LOST: alert 1"),
        ("1@0/5 1r@50/55", "1r@60:b", "", "", "LOST: alert 1"),
        // Late by a millisecond; in time, when an outage overlaps the wait; the next outage counts when it begins in time.
        ("1@0/5", "1@1005:a", "", "", ""),
        ("1@0/5", "1@1006:a", "", "", "LATE: alert 1"),
        ("1@0/5", "1@1700:a", "", "400-700", ""),
        ("1@0/5", "1@1701:a", "", "400-700", "LATE: alert 1"),
        ("1@0/5", "1@2900:a", "", "400-700 1700-1900", ""),
        ("1@0/5", "1@2900:a", "", "400-700 1701-1900", "LATE: alert 1"),
        ("1@0/800", "1@1801:a", "", "400-700", "LATE: alert 1"),
        // Repeats.
        ("1@0/5", "1@7:a 1@90:a", "a", "", ""),
        ("1@0/5", "1@7:a 1@90:a", "", "", "UNEXPLAINED REPEAT: alert 1"),
        ("1@0/5", "1@7:a 1@90:a", "b", "", "UNEXPLAINED REPEAT: alert 1"),
        ("1@0/5", "1@7:a 1@90:a 1@95:a", "a", "", "UNEXPLAINED REPEAT: alert 1"),
        ("1@0/5", "1@7:a 1@90:a 1@95:a", "a a", "", ""),
        ("1@0/5", "1@7:a 1@90:b", "a b", "", "SAID TWICE: alert 1"),
        ("1@0/5", "1@7:-", "", "", "NO KEY: a message with alert 1"),
        ("1@0/5", "1@7:a 1@90:-", "a", "", "NO KEY: a message with alert 1"),
        // A record without a repeat: the first send did not arrive.
        ("1@0/5", "1@7:a", "a", "", ""),
        // A key is of one word.
        (
            "1@0/5 2@0/5",
            "1@7:a 2@7:a",
            "",
            "",
            "KEY SHARED: a was used for alert 1",
        ),
        (
            "1@0/5 1r@50/55",
            "1@7:a 1r@60:a",
            "",
            "",
            "KEY SHARED: a was used for alert 1",
        ),
        // What nobody said.
        ("1@0/5", "1@7:a 1r@60:b", "", "", "NEVER POSTED: alert 1"),
        ("1@0/5", "1@7:a 2@60:b", "", "", "NEVER POSTED: alert 2"),
    ] {
        let verdict = judge(&evidence(posts, messages, records, outages));
        assert_eq!(
            kinds(&verdict),
            expected,
            "posted {posts}, heard {messages}, records {records}, outages {outages}"
        );
    }
}

#[test]
fn counts() {
    let verdict = judge(&evidence(
        "1@0/5 2@10/15 3@20/- 4@20/30",
        "1@7:a 2@30:b 2@40:b",
        "b",
        "",
    ));
    assert_eq!((verdict.posted, verdict.acknowledged, verdict.notified), (4, 3, 2));
    assert_eq!(verdict.repeats_explained, 1);
    assert_eq!(verdict.latencies, BTreeMap::from([(Status::Firing, vec![7, 20])]));
    assert_eq!(
        verdict.violations,
        [Violation::Lost {
            word: (4, Status::Firing),
            acknowledged: 30
        }]
    );
}
