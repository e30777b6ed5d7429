//! Traffic that somebody had: which alert fired and was over when, from a file of events, a log, or Prometheus's own
//! record of its alerts.
//!
//! A recording's file has a JSON object a line: `at` (RFC 3339), `kind` (`alert`, `resolve`), `labels`, `annotations`. So a
//! list of canonical events with times is one, too.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use alert::{LabelSet, Timestamp};
use schemas::EventKind;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::bgl;
use crate::error::Error;
use crate::population::Recorded;

/// Labels of the series `ALERTS` that are no labels of its alert.
const NOT_OF_THE_ALERT: [&str; 2] = ["__name__", "alertstate"];
/// What stays as it is when labels are made anonymous: by these, configs route.
const KEPT_NAMES: [&str; 2] = ["alertname", "severity"];

/// One line of a recording's file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// When.
    #[serde(with = "rfc3339")]
    pub at: Timestamp,
    /// What was said.
    pub kind: EventKind,
    /// Of which alert.
    pub labels: BTreeMap<String, String>,
    /// Text for people.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
}

mod rfc3339 {
    use alert::Timestamp;
    use serde::{Deserialize, Deserializer, Serializer};

    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
    pub(super) fn serialize<S: Serializer>(at: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(at)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A recording, ready to be sent again.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Recording {
    /// Its alerts.
    pub alerts: Vec<Recorded>,
    /// When, from the first, which alert, and whether it fires; in order of time.
    pub events: Vec<(Duration, u32, bool)>,
}

impl Recording {
    /// Of lines in any order.
    pub fn new(mut lines: Vec<Line>) -> Self {
        lines.sort_by_key(|line| line.at);
        let first = lines.first().map(|line| line.at);
        let mut recording = Self::default();
        let mut numbers: HashMap<LabelSet, u32> = HashMap::new();
        for line in lines {
            let behind = first
                .map(|first| line.at.saturating_since(first).millis())
                .unwrap_or_default();
            let labels = LabelSet::from(line.labels);
            let number = *numbers.entry(labels.clone()).or_insert_with(|| {
                let annotations = LabelSet::from(line.annotations);
                recording.alerts.push(Recorded { labels, annotations });
                u32::try_from(recording.alerts.len() - 1).unwrap_or(u32::MAX)
            });
            recording
                .events
                .push((Duration::from_millis(behind), number, line.kind == EventKind::Alert));
        }
        recording
    }

    /// The same, so many times as fast.
    #[must_use]
    pub fn faster(mut self, times: f64) -> Self {
        for (at, ..) in &mut self.events {
            *at = at.div_f64(times.max(1e-6));
        }
        self
    }

    /// Of a recording's file.
    ///
    /// # Errors
    /// The number of a line that is none, and why.
    pub fn from_lines(text: &str) -> Result<Self, Error> {
        let lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
        let read =
            |(number, line)| serde_json::from_str(line).map_err(|error| Error::of(format!("line {number}"), error));
        lines.map(read).collect::<Result<_, _>>().map(Self::new)
    }

    /// Of the labelled lines of a Blue Gene/L log: each is an alert.
    ///
    /// # Errors
    /// The number of a line that is none of such a log.
    pub fn from_bgl(text: &str, source: &str) -> Result<Self, Error> {
        let mut lines = Vec::new();
        for (number, text) in (1..).zip(text.lines()) {
            let line = bgl::parse(text).map_err(|error| Error::of(format!("line {number}"), error))?;
            let Some(event) = bgl::event(&line, number, source) else {
                continue;
            };
            let part = |name: &str| event.get(name).cloned().unwrap_or_default();
            let texts = |value| serde_json::from_value(value).unwrap_or_default();
            lines.push(Line {
                at: line.at,
                kind: EventKind::Alert,
                labels: texts(part("labels")),
                annotations: texts(part("annotations")),
            });
        }
        Ok(Self::new(lines))
    }

    /// Of Prometheus's answer to `/api/v1/query_range?query=ALERTS{alertstate="firing"}`: an alert fires from a series' first
    /// value, and is over where a value lacks after `step`.
    ///
    /// # Errors
    /// It is no such answer.
    pub fn from_query(answer: &Value, step: Duration) -> Result<Self, Error> {
        let series = answer.pointer("/data/result").and_then(Value::as_array);
        let series = series.ok_or_else(|| Error::new("no answer of a range query: no data.result"))?;
        let mut lines = Vec::new();
        for one in series {
            let labels: BTreeMap<String, String> = one
                .get("metric")
                .cloned()
                .and_then(|metric| serde_json::from_value(metric).ok())
                .ok_or_else(|| Error::new("a series without labels"))?;
            if labels.get("alertstate").is_some_and(|state| state != "firing") {
                continue;
            }
            let times = one
                .get("values")
                .and_then(Value::as_array)
                .map(Vec::as_slice)
                .unwrap_or_default();
            let times: Vec<f64> = times.iter().filter_map(|value| value.get(0)?.as_f64()).collect();
            let mut line = |at: f64, kind| {
                let mut labels = labels.clone();
                labels.retain(|name, _| !NOT_OF_THE_ALERT.contains(&name.as_str()));
                let at = Timestamp::ZERO + alert::PromDuration::from_millis(millis(at));
                lines.push(Line {
                    at,
                    kind,
                    labels,
                    annotations: BTreeMap::new(),
                });
            };
            for firing in times.chunk_by(|a, b| b - a <= step.as_secs_f64() * 1.5) {
                if let [first, ..] = firing
                    && let [.., last] = firing
                {
                    line(*first, EventKind::Alert);
                    line(last + step.as_secs_f64(), EventKind::Resolve);
                }
            }
        }
        Ok(Self::new(lines))
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates")]
fn millis(seconds: f64) -> u64 {
    (seconds * 1_000.0).round() as u64
}

/// Replaces what labels and annotations say by what only tells values apart. The same salt gives the same texts; without it
/// nobody finds a value by trying.
pub fn anonymise(line: &mut Line, salt: u64) {
    for (name, value) in &mut line.labels {
        if !KEPT_NAMES.contains(&name.as_str()) && !value.is_empty() {
            let mut hasher = DefaultHasher::new();
            (salt, &name, &value).hash(&mut hasher);
            *value = format!("{name}-{:010x}", hasher.finish() & 0xff_ffff_ffff);
        }
    }
    line.annotations.clear();
}

#[cfg(test)]
mod tests {
    use super::{Line, Recording, anonymise};
    use serde_json::json;
    use std::time::Duration;

    const LINES: &str = r#"{"at":"2026-01-01T00:00:10Z","kind":"resolve","labels":{"alertname":"A","host":"db-1"}}
{"at":"2026-01-01T00:00:00Z","kind":"alert","labels":{"alertname":"A","host":"db-1"},"annotations":{"summary":"s"}}

{"at":"2026-01-01T00:00:04Z","kind":"alert","labels":{"alertname":"B"}}
"#;

    fn events(recording: &Recording) -> Vec<(u128, u32, bool)> {
        recording
            .events
            .iter()
            .map(|(at, alert, firing)| (at.as_millis(), *alert, *firing))
            .collect()
    }

    #[test]
    fn lines_become_alerts_and_their_changes() {
        let recording = Recording::from_lines(LINES).unwrap();
        assert_eq!(events(&recording), [(0, 0, true), (4_000, 1, true), (10_000, 0, false)]);
        assert_eq!(recording.alerts[0].annotations.value("summary"), "s");
        assert_eq!(events(&recording.faster(4.0))[1].0, 1_000);
        let error = Recording::from_lines("\n{\"at\": \"soon\"}").unwrap_err();
        assert!(error.to_string().starts_with("line 2"), "{error}");
    }

    #[test]
    fn a_line_is_written_as_it_is_read() {
        let line = LINES.lines().next().unwrap();
        let read: Line = serde_json::from_str(line).unwrap();
        let again: Line = serde_json::from_str(&serde_json::to_string(&read).unwrap()).unwrap();
        assert_eq!(read, again);
    }

    #[test]
    fn a_log_becomes_alerts() {
        let line = |label: &str, second| {
            format!("{label} {second} 2005.06.03 R02 2005-06-03-15.42.50.6 R02 RAS KERNEL INFO text\n")
        };
        let text = line("-", 1_117_838_570) + &line("KERNDTLB", 1_117_838_571) + &line("APPREAD", 1_117_838_573);
        let recording = Recording::from_bgl(&text, "a.log").unwrap();
        assert_eq!(events(&recording), [(0, 0, true), (2_000, 1, true)]);
        assert_eq!(recording.alerts[1].labels.value("alertname"), "APPREAD");
        assert!(Recording::from_bgl("garbage", "a.log").is_err());
    }

    #[test]
    fn a_series_becomes_firings_and_their_ends() {
        let answer = json!({"status": "success", "data": {"resultType": "matrix", "result": [
            {"metric": {"__name__": "ALERTS", "alertstate": "firing", "alertname": "A"},
             "values": [[1000, "1"], [1015, "1"], [1060, "1"]]},
            {"metric": {"__name__": "ALERTS", "alertstate": "pending", "alertname": "B"}, "values": [[1000, "1"]]},
        ]}});
        let recording = Recording::from_query(&answer, Duration::from_secs(15)).unwrap();
        let expected = [(0, 0, true), (30_000, 0, false), (60_000, 0, true), (75_000, 0, false)];
        assert_eq!(events(&recording), expected);
        assert_eq!(recording.alerts[0].labels.to_string(), "{alertname=\"A\"}");
        assert!(Recording::from_query(&json!({"status": "error"}), Duration::from_secs(15)).is_err());
    }

    #[test]
    fn anonymous_labels_still_tell_alerts_apart() {
        let line = |host: &str, salt| {
            let labels = [("alertname", "A"), ("host", host)].map(|(name, value)| (name.to_owned(), value.to_owned()));
            let mut line: Line = serde_json::from_str(LINES.lines().nth(1).unwrap()).unwrap();
            line.labels = labels.into();
            anonymise(&mut line, salt);
            line
        };
        assert_eq!(line("db-1", 1), line("db-1", 1));
        assert_ne!(line("db-1", 1).labels, line("db-2", 1).labels);
        assert_ne!(line("db-1", 1).labels, line("db-1", 2).labels);
        let text = serde_json::to_string(&line("db-1", 1)).unwrap();
        assert!(
            !text.contains("db-1") && !text.contains("summary") && text.contains("\"alertname\":\"A\""),
            "{text}"
        );
    }
}
