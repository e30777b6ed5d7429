//! What is done to a system while it runs, and what keeps it running.

use std::time::{Duration, Instant};

use alert::Matchers;

use super::{READY, System};
use crate::error::Error;
use crate::ledger::micros;
use crate::oracle::{Muted, Outage};
use crate::outcome::Mark;
use crate::process::Process;
use crate::schedule::{Action, Due, Fault};

/// How long a process that was told to end may take: what orchestrators give it.
const STOP: Duration = Duration::from_secs(30);
/// How often processes are looked after between two faults.
const LOOK: Duration = Duration::from_millis(100);

/// The times of a suffering.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    /// When the run began: the log counts from there.
    pub(crate) began: Instant,
    /// When the faults' own time begins.
    pub(crate) start: Instant,
    /// How long it lasts.
    pub(crate) lasting: Duration,
}

impl System {
    /// Kills every process and starts it again: when that was, and how long until all were ready.
    pub(crate) async fn restart(&mut self) -> Result<(Instant, Duration), Error> {
        for process in self.services.iter_mut().flat_map(|service| &mut service.running) {
            process.kill()?;
        }
        let began = Instant::now();
        for process in self.services.iter_mut().flat_map(|service| &mut service.running) {
            *process = Process::start(process.spec())?;
        }
        self.publish();
        for service in 0..self.services.len() {
            self.ready(service).await?;
        }
        Ok((began, began.elapsed()))
    }

    /// Does what the schedule says until the time is over, and starts again what ends by itself.
    pub(crate) async fn suffer(&mut self, faults: impl Iterator<Item = Fault>, times: Times) {
        for fault in faults {
            let due = match fault.due {
                Due::After(pause) => Instant::now() + pause,
                Due::At(at) => times.start + at,
            };
            if due >= times.start + times.lasting {
                break;
            }
            let done = async {
                self.look_after(times.began, due).await?;
                self.apply(fault, times.began).await
            };
            if let Err(error) = done.await {
                self.faults.log().failures.push(error.to_string());
                return;
            }
        }
        if let Err(error) = self.look_after(times.began, times.start + times.lasting).await {
            self.faults.log().failures.push(error.to_string());
        }
    }

    async fn apply(&mut self, fault: Fault, began: Instant) -> Result<(), Error> {
        let from = micros(began.elapsed());
        let name = match fault.action {
            Action::RestartBroker => "kafka",
            Action::Silence { .. } => "silence",
            Action::Kill { .. }
            | Action::Freeze { .. }
            | Action::Scale { .. }
            | Action::ScaleTo(_)
            | Action::Restart => self.service(fault.service)?.command,
        };
        let text = format!("{name}: {}", fault.action);
        let done = match fault.action {
            Action::Kill { away } => self.kill(fault.service, away).await,
            Action::Freeze { still } => self.freeze(fault.service, still).await,
            Action::Scale { three, left } => self.scale(fault.service, three, left).await,
            Action::ScaleTo(count) => self.scale_to(fault.service, count).await,
            Action::Restart => self.restart_service(fault.service).await,
            Action::RestartBroker => self.restart_broker().await,
            Action::Silence { matchers, lasts } => return self.silence(matchers, lasts, began).await,
        };
        let until = micros(began.elapsed());
        self.faults.log().happened(Outage { from, until }, text);
        done
    }

    /// Somebody silences what matches, from now on for so long.
    async fn silence(&mut self, matchers: Matchers, lasts: Duration, began: Instant) -> Result<(), Error> {
        let url = self
            .endpoints
            .next()
            .ok_or_else(|| Error::new("nowhere to post a silence"))?;
        let until = micros(began.elapsed() + lasts);
        self.client.post_silence(&url, &matchers, lasts).await?;
        let from = micros(began.elapsed());
        let seconds = |micros| Duration::from_micros(micros).as_secs_f64();
        let mut log = self.faults.log();
        log.marks.push(Mark {
            at: seconds(from),
            until: Some(seconds(until)),
            text: format!("silence: {matchers}"),
        });
        log.silences.push(Muted { matchers, from, until });
        Ok(())
    }

    async fn restart_service(&mut self, service: usize) -> Result<(), Error> {
        let client = self.client.clone();
        for process in &mut self.service(service)?.running {
            process.stop(STOP).await?;
            *process = Process::start(process.spec())?;
            process.ready(&client, READY).await?;
        }
        self.publish();
        Ok(())
    }

    async fn scale_to(&mut self, service: usize, count: usize) -> Result<(), Error> {
        while self.service(service)?.running.len() < count {
            self.add(service)?;
        }
        self.ready(service).await?;
        let running = &mut self.service(service)?.running;
        let going = running.split_off(count.min(running.len()));
        self.publish();
        self.end_all(going).await
    }

    /// Tells processes to end, and waits until they have.
    async fn end_all(&self, going: Vec<Process>) -> Result<(), Error> {
        for mut process in going {
            if process.stop(STOP).await?.is_none() {
                let (name, seconds) = (&process.spec().name, STOP.as_secs());
                let text = format!("{name} did not end within {seconds} s of SIGTERM and was killed");
                self.faults.log().failures.push(text);
            }
        }
        Ok(())
    }

    async fn kill(&mut self, service: usize, away: Duration) -> Result<(), Error> {
        let client = self.client.clone();
        let process = self
            .service(service)?
            .running
            .first_mut()
            .ok_or_else(|| Error::new("nothing to kill"))?;
        process.kill()?;
        tokio::time::sleep(away).await;
        *process = Process::start(process.spec())?;
        process.ready(&client, READY).await?;
        self.publish();
        Ok(())
    }

    async fn freeze(&mut self, service: usize, still: Duration) -> Result<(), Error> {
        let process = self
            .service(service)?
            .running
            .first_mut()
            .ok_or_else(|| Error::new("nothing to freeze"))?;
        process.freeze()?;
        tokio::time::sleep(still).await;
        process.thaw()
    }

    async fn scale(&mut self, service: usize, three: Duration, left: usize) -> Result<(), Error> {
        self.add(service)?;
        self.add(service)?;
        self.ready(service).await?;
        self.publish();
        tokio::time::sleep(three).await;
        let all = &mut self.service(service)?.running;
        let stays = all.remove(left.min(all.len().saturating_sub(1)));
        let going = std::mem::replace(all, vec![stays]);
        self.publish();
        self.end_all(going).await
    }

    async fn restart_broker(&mut self) -> Result<(), Error> {
        let kafka = self.kafka.clone().ok_or_else(|| Error::new("no broker of ours"))?;
        let restarted = tokio::task::spawn_blocking(move || kafka.restart()).await;
        restarted.map_err(|error| Error::of("restarting the broker", error))?
    }

    /// Starts again what ended by itself, as a supervisor does, until `until`.
    async fn look_after(&mut self, began: Instant, until: Instant) -> Result<(), Error> {
        while Instant::now() < until {
            self.look_once(began).await?;
            tokio::time::sleep(LOOK.min(until.saturating_duration_since(Instant::now()))).await;
        }
        Ok(())
    }

    async fn look_once(&mut self, began: Instant) -> Result<(), Error> {
        let client = self.client.clone();
        let mut ended = false;
        for process in self.services.iter_mut().flat_map(|service| &mut service.running) {
            let Some(status) = process.ended()? else { continue };
            let from = micros(began.elapsed());
            let text = format!(
                "{} ended by itself: {status}{}",
                process.spec().name,
                process.last_words()
            );
            *process = Process::start(process.spec())?;
            process.ready(&client, READY).await?;
            let until = micros(began.elapsed());
            self.faults.log().happened(Outage { from, until }, text);
            ended = true;
        }
        if ended {
            self.publish();
        }
        Ok(())
    }
}
