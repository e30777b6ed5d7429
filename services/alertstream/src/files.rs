//! The config files: which ones are in use, what they say, and the built-in ones where there are none.

use std::path::{Path, PathBuf};

use config::{Config, ConfigErrors, Source};

use crate::cli::Cli;
use crate::demo;

/// Read where nobody names another.
const CONFIG_FILE: &str = "alertmanager.yml";
const ESCALATION_FILE: &str = "escalation.yml";

/// Which files are used; fixed at the start, read again at each reload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Files {
    alertmanager: Option<PathBuf>,
    escalation: Option<PathBuf>,
    /// The URL of the built-in inbox.
    inbox: String,
    /// The built-in ones are those of the demo.
    demo: bool,
}

/// Both files' texts and what they mean.
#[derive(Debug, Clone)]
pub(crate) struct Loaded {
    /// What they mean, secrets included.
    pub config: Config,
    /// The first file's name, for messages.
    pub alertmanager_file: String,
    /// The second file's name.
    pub escalation_file: Option<String>,
}

/// Why the files cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FilesError {
    /// A file cannot be read.
    #[error("{file}: {error}: {way_out}")]
    Unreadable {
        /// Its name.
        file: String,
        /// What the system says.
        error: std::io::Error,
        /// What to do.
        way_out: &'static str,
    },
    /// What is in them is wrong.
    #[error("{0}")]
    Wrong(#[from] ConfigErrors),
}

impl Files {
    /// The named files, or those that are in `folder`, or the built-in ones, which send to `inbox`.
    pub(crate) fn choose(cli: &Cli, folder: &Path, inbox: String) -> Self {
        let here = |name: &str| Some(folder.join(name)).filter(|path| path.is_file());
        let alertmanager = cli
            .config_file
            .clone()
            .or_else(|| here(CONFIG_FILE))
            .filter(|_| !cli.demo);
        // A policy names receivers of its own alertmanager.yml, so the built-in one comes with its own.
        let named = cli.escalation_file.clone();
        let escalation = named.or_else(|| alertmanager.is_some().then(|| here(ESCALATION_FILE)).flatten());
        Self {
            alertmanager,
            escalation,
            inbox,
            demo: cli.demo,
        }
    }

    /// Whether the built-in config is in use.
    pub(crate) fn is_built_in(&self) -> bool {
        self.alertmanager.is_none()
    }

    /// The files in use, for people.
    pub(crate) fn describe(&self) -> String {
        let name = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
        if self.demo {
            return "the demo's".to_owned();
        }
        match (name(&self.alertmanager), name(&self.escalation)) {
            (None, _) => format!("built-in (no {CONFIG_FILE} here)"),
            (Some(alertmanager), None) => format!("{alertmanager} (no {ESCALATION_FILE})"),
            (Some(alertmanager), Some(escalation)) => format!("{alertmanager} and {escalation}"),
        }
    }

    /// Reads and validates them.
    ///
    /// # Errors
    /// A file that cannot be read, or every mistake in them with its place.
    pub(crate) fn load(&self) -> Result<Loaded, FilesError> {
        let Some(path) = &self.alertmanager else {
            return self.load_built_in();
        };
        let alertmanager = (path.display().to_string(), read(path, "--config.file")?);
        let escalation = match &self.escalation {
            Some(path) => Some((path.display().to_string(), read(path, "--escalation.file")?)),
            None => None,
        };
        loaded(&alertmanager, escalation.as_ref())
    }

    fn load_built_in(&self) -> Result<Loaded, FilesError> {
        let (texts, whose) = if self.demo {
            let config = demo::CONFIG.replace(demo::INBOX, &self.inbox);
            ((config, demo::ESCALATION), "the demo's")
        } else {
            ((built_in(&self.inbox), BUILT_IN_ESCALATION), "built-in")
        };
        let alertmanager = (format!("{whose} alertmanager.yml"), texts.0);
        let escalation = (format!("{whose} escalation.yml"), texts.1.to_owned());
        loaded(&alertmanager, Some(&escalation))
    }
}

/// A file's name and its text.
type Named = (String, String);

fn loaded(alertmanager: &Named, escalation: Option<&Named>) -> Result<Loaded, FilesError> {
    fn source((name, text): &Named) -> Source<'_> {
        Source { name, text }
    }
    let config = Config::load(source(alertmanager), escalation.map(source))?;
    Ok(Loaded {
        config,
        alertmanager_file: alertmanager.0.clone(),
        escalation_file: escalation.map(|(name, _)| name.clone()),
    })
}

fn read(path: &Path, flag: &'static str) -> Result<String, FilesError> {
    std::fs::read_to_string(path).map_err(|error| FilesError::Unreadable {
        file: path.display().to_string(),
        error,
        way_out: match flag {
            "--config.file" => "name the file with --config.file, or leave the flag out to use the built-in config",
            _ => "name the file with --escalation.file, or leave the flag out to run without escalation",
        },
    })
}

fn built_in(url: &str) -> String {
    format!(
        "route:\n  receiver: inbox\n  group_by: [alertname]\n  group_wait: 5s\n  group_interval: 1m\n  repeat_interval: 4h\n\
         receivers:\n  - name: inbox\n    webhook_configs: [{{url: '{url}'}}]\n  - name: first-responder\n    \
         webhook_configs: [{{url: '{url}'}}]\n  - name: second-responder\n    webhook_configs: [{{url: '{url}'}}]\n  - name: \
         last-resort\n    webhook_configs: [{{url: '{url}'}}]\n"
    )
}

/// Two steps, twenty seconds apart: short enough to watch.
const BUILT_IN_ESCALATION: &str = "version: 1
policies:
  built-in:
    steps:
      - notify: [{receiver: first-responder}]
        escalate_after: 20s
      - notify: [{receiver: second-responder}]
        escalate_after: 20s
    last_resort: [{receiver: last-resort}]
receivers:
  inbox: {policy: built-in}
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_files_are_valid() {
        let files = Files {
            alertmanager: None,
            escalation: None,
            inbox: "http://[::1]:9093/am/inbox".to_owned(),
            demo: false,
        };
        let loaded = files.load().unwrap();
        assert_eq!(loaded.config.route.timing.group_wait.to_string(), "5s");
        assert!(loaded.config.escalation.is_some());
        assert!(files.describe().starts_with("built-in"));
    }

    #[test]
    fn a_named_file_that_is_missing_is_refused_with_the_way_out() {
        let path = Some(PathBuf::from("/no/such/file.yml"));
        let files = Files {
            alertmanager: path,
            escalation: None,
            inbox: String::new(),
            demo: false,
        };
        let error = files.load().unwrap_err().to_string();
        assert!(
            error.starts_with("/no/such/file.yml: ") && error.contains("--config.file"),
            "{error}"
        );
    }
}
