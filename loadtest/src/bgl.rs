//! Lines of a Blue Gene/L log (Loghub's BGL), and the alert event of a labelled one.
//!
//! A line is: label, epoch seconds, date, node, time, node again, type, component, level, message. The label is `-` for
//! an ordinary line, otherwise the category of the alert that the operators gave it.

use alert::Timestamp;
use schemas::topics;
use serde_json::{Value, json};

/// The topic that events go to where nobody names another.
pub const TOPIC: &str = topics::ALERT_EVENTS;
/// The label that names the line, beside `log` for the file, by which it is found again in a notification.
pub const LINE: &str = "line";

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line<'a> {
    /// The operators' category; none for an ordinary line.
    pub category: Option<&'a str>,
    /// When, to the second.
    pub at: Timestamp,
    /// The part of the machine.
    pub node: &'a str,
    /// Which subsystem wrote it.
    pub component: &'a str,
    /// Its severity.
    pub level: &'a str,
    /// The rest of the line; may be empty.
    pub message: &'a str,
}

/// Why a line is none of such a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// Fewer than nine fields.
    #[error("fewer than nine fields before the message")]
    TooShort,
    /// The second field is no number of seconds.
    #[error("the second field is no time in seconds")]
    Time,
}

/// Reads a line; its line end may be there or not.
///
/// # Errors
/// It has too few fields, or its time is no number.
pub fn parse(line: &str) -> Result<Line<'_>, LineError> {
    let line = line.trim_end_matches(['\r', '\n']);
    let mut fields = line.splitn(10, ' ');
    let mut field = || {
        fields
            .next()
            .filter(|field| !field.is_empty())
            .ok_or(LineError::TooShort)
    };
    let (category, seconds, _date, node) = (field()?, field()?, field()?, field()?);
    let (_time, _node, _kind, component, level) = (field()?, field()?, field()?, field()?, field()?);
    Ok(Line {
        category: (category != "-").then_some(category),
        at: Timestamp::from_secs(seconds.parse().map_err(|_| LineError::Time)?),
        node,
        component,
        level,
        message: fields.next().unwrap_or_default().trim(),
    })
}

/// The canonical alert event of a labelled line, as JSON; none of an ordinary line. `number` counts lines from 1.
///
/// It has no end: the system closes it after its own `resolve_timeout`.
pub fn event(line: &Line<'_>, number: usize, source: &str) -> Option<Value> {
    let category = line.category?;
    Some(json!({
        "id": format!("{source}:{number}"),
        "source": source,
        "kind": "alert",
        "labels": {
            "alertname": category,
            "node": line.node,
            "component": line.component,
            "level": line.level,
            "log": source,
            LINE: number.to_string(),
        },
        "annotations": {"summary": line.message},
        "startsAt": line.at.to_string(),
    }))
}

#[cfg(test)]
mod tests {
    use super::{Line, LineError, event, parse};
    use alert::Timestamp;
    use serde_json::json;

    const ALERT: &str = "APPREAD 1117869872 2005.06.04 R04-M1-N4-I:J18-U11 2005-06-04-00.24.32.432192 R04-M1-N4-I:J18-U11 RAS APP FATAL ciod: failed to read  message\r\n";

    #[test]
    fn lines() {
        let ordinary = "- 1117838570 2005.06.03 R02-M1 2005-06-03-15.42.50.675872 R02-M1 RAS KERNEL INFO";
        for (text, expected) in [
            (
                ALERT,
                Ok(Line {
                    category: Some("APPREAD"),
                    at: Timestamp::from_secs(1_117_869_872),
                    node: "R04-M1-N4-I:J18-U11",
                    component: "APP",
                    level: "FATAL",
                    message: "ciod: failed to read  message",
                }),
            ),
            (
                ordinary,
                Ok(Line {
                    category: None,
                    at: Timestamp::from_secs(1_117_838_570),
                    node: "R02-M1",
                    component: "KERNEL",
                    level: "INFO",
                    message: "",
                }),
            ),
            ("", Err(LineError::TooShort)),
            ("- 1117838570 2005.06.03 R02-M1", Err(LineError::TooShort)),
            (
                "- soon 2005.06.03 n 2005-06-03-15.42.50 n RAS KERNEL INFO x",
                Err(LineError::Time),
            ),
        ] {
            assert_eq!(parse(text), expected, "{text}");
        }
    }

    #[test]
    fn an_event_of_a_labelled_line_only() {
        let line = parse(ALERT).unwrap();
        assert_eq!(
            event(&line, 9, "bgl"),
            Some(json!({
                "id": "bgl:9",
                "source": "bgl",
                "kind": "alert",
                "labels": {"alertname": "APPREAD", "node": "R04-M1-N4-I:J18-U11", "component": "APP", "level": "FATAL", "log": "bgl", "line": "9"},
                "annotations": {"summary": "ciod: failed to read  message"},
                "startsAt": "2005-06-04T07:24:32.000Z",
            }))
        );
        assert_eq!(event(&Line { category: None, ..line }, 9, "bgl"), None);
    }
}
