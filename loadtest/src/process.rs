//! One process of the system: started, signalled, and ended with this one.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::client::Client;
use crate::error::Error;

/// How long between two looks at a process.
const LOOK: Duration = Duration::from_millis(50);

/// How to start a process, every time alike.
#[derive(Debug, Clone)]
pub(crate) struct Spec {
    /// Its name in the report.
    pub(crate) name: String,
    /// The program.
    pub(crate) program: PathBuf,
    /// Its arguments.
    pub(crate) args: Vec<String>,
    /// Where it runs.
    pub(crate) folder: PathBuf,
    /// Where its output goes.
    pub(crate) log: PathBuf,
    /// Where it serves HTTP.
    pub(crate) url: String,
}

/// A running process. It is killed when this is dropped, also while it stands still.
#[derive(Debug)]
pub(crate) struct Process {
    spec: Spec,
    child: Child,
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Err(error) = self.kill() {
            eprintln!("{error}");
        }
    }
}

impl Process {
    pub(crate) fn start(spec: &Spec) -> Result<Self, Error> {
        let output = || {
            let file = File::options().create(true).append(true).open(&spec.log);
            file.map_err(|error| Error::of(spec.log.display(), error))
        };
        let child = Command::new(&spec.program)
            .args(&spec.args)
            .current_dir(&spec.folder)
            .stdin(Stdio::null())
            .stdout(output()?)
            .stderr(output()?)
            .spawn()
            .map_err(|error| Error::of(format!("starting {}", spec.program.display()), error))?;
        Ok(Self {
            spec: spec.clone(),
            child,
        })
    }

    pub(crate) fn spec(&self) -> &Spec {
        &self.spec
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its state at its end; none while it runs.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>, Error> {
        self.child.try_wait().map_err(|error| Error::of(&self.spec.name, error))
    }

    fn signal(&mut self, signal: Signal) -> Result<(), Error> {
        // The id of a process that was waited for may be another's by now.
        if let Some(status) = self.ended()? {
            return Err(Error::of(
                &self.spec.name,
                format!("ended by itself: {status}{}", self.last_words()),
            ));
        }
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| Error::of(&self.spec.name, "no process id"))?;
        kill_process(pid, signal).map_err(|error| Error::of(format!("signalling {}", self.spec.name), error))
    }

    /// SIGSTOP.
    pub(crate) fn freeze(&mut self) -> Result<(), Error> {
        self.signal(Signal::STOP)
    }

    /// SIGCONT.
    pub(crate) fn thaw(&mut self) -> Result<(), Error> {
        self.signal(Signal::CONT)
    }

    /// SIGKILL; returns when it is gone.
    pub(crate) fn kill(&mut self) -> Result<(), Error> {
        if self.ended()?.is_some() {
            return Ok(());
        }
        let killed = self.child.kill().and_then(|()| self.child.wait());
        killed
            .map(drop)
            .map_err(|error| Error::of(format!("killing {}", self.spec.name), error))
    }

    /// SIGTERM, and waits for its end, at most so long; none if it still ran then and was killed.
    pub(crate) async fn stop(&mut self, at_most: Duration) -> Result<Option<ExitStatus>, Error> {
        self.signal(Signal::TERM)?;
        let deadline = Instant::now() + at_most;
        loop {
            if let Some(status) = self.ended()? {
                return Ok(Some(status));
            }
            if Instant::now() >= deadline {
                self.kill()?;
                return Ok(None);
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits until it says that it is ready, at most so long.
    ///
    /// # Errors
    /// It ended instead, or had its time.
    pub(crate) async fn ready(&mut self, client: &Client, at_most: Duration) -> Result<(), Error> {
        let deadline = Instant::now() + at_most;
        while !client.is_ready(&self.spec.url).await {
            if let Some(status) = self.ended()? {
                return Err(Error::of(
                    &self.spec.name,
                    format!("ended while starting: {status}{}", self.last_words()),
                ));
            }
            if Instant::now() >= deadline {
                let words = self.last_words();
                return Err(Error::of(
                    &self.spec.name,
                    format!("not ready after {} s{words}", at_most.as_secs()),
                ));
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    /// The end of its output.
    pub(crate) fn last_words(&self) -> String {
        const LINES: usize = 5;
        let text = std::fs::read(&self.spec.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        let lines: Vec<&str> = text.lines().collect();
        let mut words = String::new();
        for line in lines.iter().skip(lines.len().saturating_sub(LINES)) {
            words.push_str("\n      ");
            words.push_str(line);
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use super::{Process, Spec};
    use std::path::PathBuf;
    use std::time::Duration;

    /// A process that runs for ever unless something ends it.
    fn endless(folder: &tempfile::TempDir) -> Process {
        let spec = Spec {
            name: "endless".to_owned(),
            program: PathBuf::from("/bin/sh"),
            args: vec!["-c".to_owned(), "echo begun; exec tail -f /dev/null".to_owned()],
            folder: folder.path().to_owned(),
            log: folder.path().join("log"),
            url: String::new(),
        };
        Process::start(&spec).unwrap()
    }

    #[tokio::test]
    async fn a_process_is_frozen_thawed_told_to_end_and_killed() {
        let folder = tempfile::tempdir().unwrap();
        let mut told = endless(&folder);
        told.freeze().unwrap();
        assert_eq!(told.ended().unwrap(), None);
        told.thaw().unwrap();
        let status = told.stop(Duration::from_secs(30)).await.unwrap();
        assert!(status.is_some(), "it ends on SIGTERM once it runs again");
        assert!(
            told.freeze().unwrap_err().to_string().contains("ended by itself"),
            "its id is nobody's now"
        );

        let mut deaf = endless(&folder);
        deaf.freeze().unwrap();
        assert_eq!(
            deaf.stop(Duration::ZERO).await.unwrap(),
            None,
            "SIGTERM waits in a frozen process"
        );
        assert!(deaf.ended().unwrap().is_some(), "so it is killed");
    }

    #[test]
    fn dropping_kills_what_is_frozen() {
        let folder = tempfile::tempdir().unwrap();
        let mut process = endless(&folder);
        process.freeze().unwrap();
        let place = format!("/proc/{}", process.child.id());
        assert!(std::path::Path::new(&place).exists());
        drop(process);
        assert!(!std::path::Path::new(&place).exists());
    }
}
