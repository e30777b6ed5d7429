//! A timetable of what is done to a system, as a person writes it:
//! `10s kill notify 2s; 20s freeze correlate 12s; 30s restart route; 40s scale route 4; 50s broker;
//! 60s silence namespace="team-7" 20s`.

use std::str::FromStr;
use std::time::Duration;

use alert::{PromDuration, parse_matchers};

use crate::schedule::{Action, Due, Fault};

/// One entry, before the system is known: its services are meant by name.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    at: Duration,
    service: Option<String>,
    action: Action,
}

/// What happens, in order of time.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Timetable(pub Vec<Entry>);

/// Why a text is no timetable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is none of `TIME kill SERVICE AWAY`, `TIME freeze SERVICE FOR`, `TIME restart SERVICE`, `TIME scale SERVICE \
     COUNT`, `TIME broker`, `TIME silence MATCHER FOR`"
)]
pub struct TimetableError(String);

impl FromStr for Timetable {
    type Err = TimetableError;

    fn from_str(text: &str) -> Result<Self, TimetableError> {
        let items = text.split(';').map(str::trim).filter(|item| !item.is_empty());
        let entries = items.map(|item| entry(item).ok_or_else(|| TimetableError(item.to_owned())));
        let mut entries: Vec<Entry> = entries.collect::<Result<_, _>>()?;
        entries.sort_by_key(|entry| entry.at);
        Ok(Self(entries))
    }
}

fn entry(item: &str) -> Option<Entry> {
    let words: Vec<&str> = item.split_whitespace().collect();
    let (at, verb, rest) = match words.as_slice() {
        [at, verb, rest @ ..] => (duration(at)?, *verb, rest),
        _ => return None,
    };
    let (service, action) = match (verb, rest) {
        ("kill", [service, away]) => (Some(*service), Action::Kill { away: duration(away)? }),
        ("freeze", [service, still]) => (
            Some(*service),
            Action::Freeze {
                still: duration(still)?,
            },
        ),
        ("restart", [service]) => (Some(*service), Action::Restart),
        ("scale", [service, count]) => (
            Some(*service),
            Action::ScaleTo(count.parse().ok().filter(|count| *count > 0)?),
        ),
        ("broker", []) => (None, Action::RestartBroker),
        ("silence", [matchers @ .., lasts]) if !matchers.is_empty() => {
            let matchers = parse_matchers(&matchers.join(" ")).ok()?.matchers;
            let lasts = duration(lasts)?;
            (None, Action::Silence { matchers, lasts })
        }
        _ => return None,
    };
    let service = service.map(ToOwned::to_owned);
    Some(Entry { at, service, action })
}

fn duration(text: &str) -> Option<Duration> {
    text.parse::<PromDuration>()
        .ok()
        .map(|duration| Duration::from_millis(duration.millis()))
}

impl Timetable {
    /// The faults, for a system with these services: `ingest` means `ingest,console` too.
    ///
    /// # Errors
    /// The entry whose service the system does not have.
    pub fn faults(&self, services: &[&str]) -> Result<Vec<Fault>, String> {
        let fault = |entry: &Entry| {
            let place = |name: &String| {
                let has = |service: &&str| service.split(',').any(|part| part == name);
                services
                    .iter()
                    .position(has)
                    .ok_or_else(|| format!("there is no service {name} in {services:?}"))
            };
            Ok(Fault {
                due: Due::At(entry.at),
                service: entry.service.as_ref().map_or(Ok(0), place)?,
                action: entry.action.clone(),
            })
        };
        self.0.iter().map(fault).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Timetable;
    use crate::schedule::Due;
    use std::time::Duration;

    const SERVICES: [&str; 2] = ["ingest,console", "route"];

    #[test]
    fn entries() {
        let text = "20s freeze ingest 12s; 1m30s broker;10s kill route 500ms; 30s scale route 4; 40s restart console; \
                    5s silence namespace=\"team-7\" 20s";
        let table: Timetable = text.parse().unwrap();
        let faults = table.faults(&SERVICES).unwrap();
        let shown: Vec<_> = faults
            .iter()
            .map(|fault| format!("{} {}", fault.service, fault.action))
            .collect();
        assert_eq!(
            shown,
            [
                "0 {namespace=\"team-7\"} for 20.0 s",
                "1 killed, away 0.5 s",
                "0 frozen 12.0 s",
                "1 scaled to 4",
                "0 restarted",
                "0 broker restarted",
            ]
        );
        assert_eq!(faults[0].due, Due::At(Duration::from_secs(5)));
        assert_eq!("".parse(), Ok(Timetable::default()));
    }

    #[test]
    fn refused() {
        for text in [
            "kill route 1s",
            "10s kill route",
            "10s scale route 0",
            "10s silence 20s",
            "soon broker",
            "1s jump",
        ] {
            assert!(text.parse::<Timetable>().is_err(), "{text}");
        }
        let table: Timetable = "1s kill notify 1s".parse().unwrap();
        assert!(table.faults(&SERVICES).unwrap_err().contains("notify"));
    }
}
