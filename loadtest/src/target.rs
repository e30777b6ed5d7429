//! What is driven: named on the command line, and started where it is not running yet.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::usage::Usage;

/// Debian's name for Alertmanager's program; upstream's is tried where there is none.
const ALERTMANAGER: [&str; 2] = ["prometheus-alertmanager", "alertmanager"];

/// A system to drive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Alertstream in one process on an embedded log, in a scratch folder: `up`, or `up=PROGRAM`.
    Up(Option<PathBuf>),
    /// Alertstream as four processes on a Kafka: `services`, or `services=PROGRAM`.
    Services(Option<PathBuf>),
    /// Alertmanager in a scratch folder: `alertmanager`, or `alertmanager=PROGRAM`.
    Alertmanager(Option<PathBuf>),
    /// Something that runs, or that a command starts: `URL`, `URL,pid=N+N`, `URL,command=SHELL COMMAND`.
    Running {
        /// Where it takes API v2.
        url: String,
        /// Whose CPU and memory are its.
        pids: Vec<u32>,
        /// What starts it.
        command: Option<String>,
    },
}

/// Why a text names no target.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is none of up, services, alertmanager (each also as NAME=PROGRAM) and http://HOST:PORT[,pid=N+N][,command=…]"
)]
pub struct TargetError(String);

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        if text.starts_with("http://") {
            return running(text).ok_or_else(|| TargetError(text.to_owned()));
        }
        let (name, program) = match text.split_once('=') {
            Some((name, program)) => (name, Some(PathBuf::from(program))),
            None => (text, None),
        };
        match name {
            "up" => Ok(Self::Up(program)),
            "services" => Ok(Self::Services(program)),
            "alertmanager" => Ok(Self::Alertmanager(program)),
            _ => Err(TargetError(text.to_owned())),
        }
    }
}

fn running(text: &str) -> Option<Target> {
    // A command may hold commas, so it is last.
    let (rest, command) = match text.split_once(",command=") {
        Some((rest, command)) => (rest, Some(command.to_owned())),
        None => (text, None),
    };
    let (url, pids) = match rest.split_once(",pid=") {
        Some((url, pids)) => (url, pids.split('+').map(str::parse).collect::<Result<_, _>>().ok()?),
        None => (rest, Vec::new()),
    };
    let url = url.trim_end_matches('/').to_owned();
    (!url.contains(',')).then_some(Target::Running { url, pids, command })
}

impl Target {
    /// Its name in reports.
    pub fn name(&self) -> String {
        match self {
            Self::Up(_) => "alertstream up".to_owned(),
            Self::Services(_) => "alertstream services".to_owned(),
            Self::Alertmanager(_) => "alertmanager".to_owned(),
            Self::Running { url, .. } => url.clone(),
        }
    }

    /// Alertmanager's program, where this machine has one.
    pub fn alertmanager_program() -> Option<PathBuf> {
        let path = std::env::var_os("PATH")?;
        let place = |name: &&str| {
            std::env::split_paths(&path)
                .map(|folder| folder.join(name))
                .find(|file| file.is_file())
        };
        ALERTMANAGER.iter().find_map(place)
    }

    /// What a takeover adds to a word's time after something was done to it: on Kafka a session timeout, a restore, and the
    /// 30 s during which an attempt of a dead owner may still arrive.
    pub const fn takeover(&self) -> Duration {
        match self {
            Self::Services(_) => Duration::from_mins(1),
            Self::Up(_) | Self::Alertmanager(_) | Self::Running { .. } => Duration::ZERO,
        }
    }

    /// Whether it says more of itself than API v2 and metrics: idempotency keys and a journal.
    pub const fn is_ours(&self) -> bool {
        matches!(self, Self::Up(_) | Self::Services(_))
    }
}

/// The processes of a target: changed as they are started and end, read by who measures. All clones are one list.
#[derive(Debug, Clone, Default)]
pub struct Processes(Arc<Mutex<Vec<(String, u32)>>>);

impl Processes {
    /// From now on these.
    pub fn set(&self, processes: Vec<(String, u32)>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = processes;
    }

    /// Their names and ids.
    pub fn list(&self) -> Vec<(String, u32)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What all of them have taken; none where there is none to look at.
    pub fn usage(&self) -> Option<Usage> {
        let list = self.list();
        (!list.is_empty()).then(|| Usage::all(list.into_iter().map(|(_, pid)| pid)))
    }
}

#[cfg(test)]
mod tests {
    use super::Target;

    #[test]
    fn targets_are_named() {
        let running = |pids: &[u32], command: Option<&str>| Target::Running {
            url: "http://h:1".to_owned(),
            pids: pids.to_vec(),
            command: command.map(ToOwned::to_owned),
        };
        for (text, expected) in [
            ("up", Some(Target::Up(None))),
            ("up=/bin/a", Some(Target::Up(Some("/bin/a".into())))),
            ("services", Some(Target::Services(None))),
            ("alertmanager=x", Some(Target::Alertmanager(Some("x".into())))),
            ("http://h:1/", Some(running(&[], None))),
            ("http://h:1,pid=7+8", Some(running(&[7, 8], None))),
            ("http://h:1,pid=7,command=a b, c", Some(running(&[7], Some("a b, c")))),
            ("http://h:1,pid=x", None),
            ("http://h:1,color=red", None),
            ("https://h", None),
            ("down", None),
        ] {
            assert_eq!(text.parse().ok(), expected, "{text}");
        }
    }
}
