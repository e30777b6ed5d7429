//! Log lines on stderr, in the two formats Alertmanager writes: logfmt and JSON.

use std::fmt::{self, Write};
use std::str::FromStr;
use std::time::SystemTime;

use alert::Timestamp;
use serde_json::{Map, Value, json};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// `--log.format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// `time=… level=INFO msg=… key=value`.
    #[default]
    Logfmt,
    /// One object a line.
    Json,
}

/// `--log.level`: only this severe, or more, is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogLevel {
    /// Everything.
    Debug,
    /// What happens.
    #[default]
    Info,
    /// What somebody should look at.
    Warn,
    /// What is broken.
    Error,
}

/// Why the flag's text is refused, in Alertmanager's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LogFlagError {
    /// For `--log.level`.
    #[error("unrecognized log level {0}")]
    Level(String),
    /// For `--log.format`.
    #[error("unrecognized log format {0}")]
    Format(String),
}

impl FromStr for LogFormat {
    type Err = LogFlagError;

    fn from_str(text: &str) -> Result<Self, LogFlagError> {
        match text {
            "logfmt" => Ok(Self::Logfmt),
            "json" => Ok(Self::Json),
            other => Err(LogFlagError::Format(other.to_owned())),
        }
    }
}

impl FromStr for LogLevel {
    type Err = LogFlagError;

    fn from_str(text: &str) -> Result<Self, LogFlagError> {
        match text {
            "debug" => Ok(Self::Debug),
            "info" => Ok(Self::Info),
            "warn" => Ok(Self::Warn),
            "error" => Ok(Self::Error),
            other => Err(LogFlagError::Level(other.to_owned())),
        }
    }
}

impl From<LogLevel> for LevelFilter {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Debug => Self::DEBUG,
            LogLevel::Info => Self::INFO,
            LogLevel::Warn => Self::WARN,
            LogLevel::Error => Self::ERROR,
        }
    }
}

/// Sends the process's log lines to stderr from now on. Only the first call has an effect; later ones return false.
pub fn install(level: LogLevel, format: LogFormat) -> bool {
    tracing_subscriber::fmt()
        .with_max_level(LevelFilter::from(level))
        .with_writer(std::io::stderr)
        .event_format(Lines(format))
        .try_init()
        .is_ok()
}

/// Writes an event as one line.
#[derive(Debug)]
struct Lines(LogFormat);

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut to: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        to.write_str(&line(self.0, now(), *event.metadata().level(), &fields))
    }
}

fn now() -> Timestamp {
    let since_epoch = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
}

fn line(format: LogFormat, at: Timestamp, level: Level, fields: &Fields) -> String {
    let level = if level == Level::TRACE { Level::DEBUG } else { level };
    match format {
        LogFormat::Logfmt => {
            let mut line = format!("time={at} level={level} msg={}", quoted(&fields.message));
            for (name, value) in &fields.others {
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                // Writing to a String cannot fail.
                let _written = write!(line, " {name}={}", quoted(&text));
            }
            line.push('\n');
            line
        }
        LogFormat::Json => {
            let mut object = Map::new();
            object.extend(
                fields
                    .others
                    .iter()
                    .map(|(name, value)| ((*name).to_owned(), value.clone())),
            );
            object.insert("time".to_owned(), json!(at.to_string()));
            object.insert("level".to_owned(), json!(level.to_string()));
            object.insert("msg".to_owned(), json!(fields.message));
            format!("{}\n", Value::Object(object))
        }
    }
}

/// A value as logfmt has it: bare where that is unambiguous.
fn quoted(text: &str) -> String {
    let bare = !text.is_empty()
        && text
            .chars()
            .all(|c| !matches!(c, '=' | '"' | '\\') && !c.is_whitespace() && !c.is_control());
    if bare { text.to_owned() } else { alert::go_quote(text) }
}

/// The fields of an event, in the order they were given.
#[derive(Debug, Default)]
struct Fields {
    message: String,
    others: Vec<(&'static str, Value)>,
}

impl Fields {
    fn add(&mut self, field: &Field, value: Value) {
        if field.name() == "message" {
            self.message = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        } else {
            self.others.push((field.name(), value));
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, json!(format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, json!(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, json!(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, json!(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, json!(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, json!(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_reads_as_alertmanagers_do() {
        let fields = Fields {
            message: "config loaded".to_owned(),
            others: vec![
                ("file", json!("alertmanager.yml")),
                ("version", json!(3)),
                ("error", json!("a \"b\"")),
            ],
        };
        let rows = [
            (
                LogFormat::Logfmt,
                Level::INFO,
                "time=1970-01-01T00:00:01.000Z level=INFO msg=\"config loaded\" file=alertmanager.yml version=3 error=\"a \\\"b\\\"\"\n",
            ),
            (
                LogFormat::Json,
                Level::TRACE,
                "{\"error\":\"a \\\"b\\\"\",\"file\":\"alertmanager.yml\",\"level\":\"DEBUG\",\"msg\":\"config loaded\",\"time\":\"1970-01-01T00:00:01.000Z\",\"version\":3}\n",
            ),
        ];
        for (format, level, want) in rows {
            assert_eq!(line(format, Timestamp::from_secs(1), level, &fields), want);
        }
    }

    #[test]
    fn flags_are_alertmanagers() {
        for (text, want) in [
            ("debug", Ok(LogLevel::Debug)),
            ("warn", Ok(LogLevel::Warn)),
            ("error", Ok(LogLevel::Error)),
        ] {
            assert_eq!(text.parse(), want);
        }
        assert_eq!(
            "loud".parse::<LogLevel>().unwrap_err().to_string(),
            "unrecognized log level loud"
        );
        assert_eq!(
            "xml".parse::<LogFormat>().unwrap_err().to_string(),
            "unrecognized log format xml"
        );
        assert_eq!("json".parse(), Ok(LogFormat::Json));
    }
}
