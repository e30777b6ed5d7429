//! The stage.

use std::cell::Cell;

use alert::{GroupId, PromDuration};
use processor::{Attention, Context, Poison, Processor, Record, Store, TableChange, Timer};
use schemas::{Avro, GenerationRaised, NotificationRequest, OutcomeKind, topics};

use crate::attempt::{Attempt, AttemptDone, AttemptResult, NotStarted};
use crate::next::delivered;
use crate::run::{RUN, Run, is_void, poison, under_way};
use crate::tables::Tables;

/// What this stage has to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotifySettings {
    /// Where people find us: in bodies and links.
    pub external_url: String,
    /// How far the clocks of two owners of a partition may differ: an attempt that was in flight at a restore may still be
    /// running until its deadline and this. None where the log's lock proves that the earlier owner is gone: then it is
    /// sent again at once.
    pub clock_tolerance: Option<PromDuration>,
}

/// The notify stage.
#[derive(Debug)]
pub struct Notify {
    pub(crate) settings: NotifySettings,
    pub(crate) tables: Tables,
    /// How many requests were taken for void since the start.
    pub(crate) voids: Cell<u64>,
}

impl Notify {
    /// A stage that has seen no table yet.
    pub fn new(settings: NotifySettings) -> Self {
        Self {
            settings,
            tables: Tables::default(),
            voids: Cell::new(0),
        }
    }

    /// A request is not wanted any more.
    pub(crate) fn void(&self, run: &mut Run, why: String, cx: &Context<'_, Attempt>) {
        self.voids.set(self.voids.get() + 1);
        run.void(why, cx);
    }

    /// One part of a request. At most one request of a group is under way for each receiver, integration and index.
    fn request(
        &self,
        group_id: &str,
        request: NotificationRequest,
        cx: &mut Context<'_, Attempt>,
    ) -> Result<(), Poison> {
        if request.part < 0 || request.part >= request.parts {
            return Err(Poison::Malformed(format!("part {} of {}", request.part, request.parts)));
        }
        let pending = Run::find(group_id, &request.receiver, &request.integration, request.index, cx)?;
        if request.part > 0 {
            return self.further_part(pending, request, cx);
        }
        if let Some(pending) = pending {
            let (old, new) = (pending.state.request.sequence, request.sequence);
            if new < old {
                let mut late = Run::begin(group_id, request, cx)?;
                self.void(&mut late, format!("request {old} is already under way"), cx);
                late.state.progress.parts = late.state.request.parts;
                return self.advance(&mut late, cx);
            }
            if new == old && pending.whole() {
                return Ok(());
            }
            if new > old {
                supersede(&pending, new, cx)?;
            }
        }
        let mut run = Run::begin(group_id, request, cx)?;
        self.advance(&mut run, cx)
    }

    /// Any part but the first: joins the request it belongs to. One that was answered at its first part is passed over.
    fn further_part(
        &self,
        pending: Option<Run>,
        request: NotificationRequest,
        cx: &mut Context<'_, Attempt>,
    ) -> Result<(), Poison> {
        match pending {
            Some(mut run)
                if run.state.request.sequence == request.sequence && run.state.progress.parts == request.part =>
            {
                run.append(request.alerts, cx)?;
                self.advance(&mut run, cx)
            }
            Some(run) if run.whole() || run.state.request.sequence > request.sequence => Ok(()),
            Some(_) | None => Err(Poison::Malformed(format!(
                "part {} of request {} without those before it",
                request.part, request.sequence
            ))),
        }
    }

    /// What waits under an older generation is void.
    fn raised(&self, group_id: &str, raised: &GenerationRaised, cx: &mut Context<'_, Attempt>) -> Result<(), Poison> {
        for key in under_way(Some(GroupId(group_id.to_owned()).hash()), cx) {
            let Some(mut run) = Run::load(&key, cx)? else { continue };
            let older = run
                .state
                .request
                .generation
                .is_some_and(|generation| generation < raised.generation);
            if raised.everything || (older && run.state.request.incident_id == raised.incident_id) {
                let why = format!("generation {} of the incident: {}", raised.generation, raised.reason);
                self.void(&mut run, why, cx);
                self.advance(&mut run, cx)?;
            }
        }
        Ok(())
    }
}

/// Ends a run whose place a newer request takes. Route never asks for that; if it did, both would have their outcome.
fn supersede(pending: &Run, by: i64, cx: &mut Context<'_, Attempt>) -> Result<(), Poison> {
    let delivered = delivered(&pending.state.request, &pending.state.progress);
    let kind = if delivered {
        OutcomeKind::Delivered
    } else {
        OutcomeKind::Void
    };
    pending.finish(kind, &format!("request {by} took its place"), cx)
}

impl Processor for Notify {
    type Effect = Attempt;
    type Completion = AttemptDone;

    const NAME: &'static str = "notify";
    const INBOX: &'static str = topics::NOTIFICATIONS;
    const CHANGELOG: Option<&'static str> = Some(topics::NOTIFY_CHANGELOG);
    const TABLES: &'static [&'static str] = &[topics::CONFIG, topics::SILENCES];

    fn config_version(&self) -> u64 {
        self.tables.config_version()
    }

    fn table(&mut self, change: &TableChange) -> Result<Attention, Poison> {
        // Tables are asked just before each attempt, so nothing in state depends on them.
        self.tables.change(change).map(|()| Attention::None)
    }

    fn record(&mut self, record: &Record, cx: &mut Context<'_, Attempt>) -> Result<(), Poison> {
        let Some(bytes) = &record.value else { return Ok(()) };
        let group_id = std::str::from_utf8(&record.key).map_err(|error| Poison::Malformed(error.to_string()))?;
        match schemas::schema_of(bytes) {
            Some(GenerationRaised::NAME) => {
                self.raised(group_id, &schemas::decode(bytes).map_err(|error| poison(&error))?, cx)
            }
            // What is neither is named by the error of decoding it.
            Some(_) | None => self.request(group_id, schemas::decode(bytes).map_err(|error| poison(&error))?, cx),
        }
    }

    fn timer(&mut self, timer: &Timer, cx: &mut Context<'_, Attempt>) -> Result<(), Poison> {
        if timer.key.kind() != Some(RUN) {
            // The only other timer is the end of a doubt.
            cx.delete(&timer.key);
            return Ok(());
        }
        let Some(mut run) = Run::load(&timer.key, cx)? else {
            return Ok(());
        };
        run.give_up_lost(cx.now());
        self.advance(&mut run, cx)
    }

    fn completion(&mut self, done: &AttemptDone, cx: &mut Context<'_, Attempt>) -> Result<(), Poison> {
        self.take_result(done, cx)
    }

    fn release(&self, attempt: Attempt, state: &Store) -> Result<Attempt, AttemptDone> {
        if self.voids.get() > attempt.voids && is_void(&attempt.id, state) {
            let result = AttemptResult::NotStarted {
                reason: NotStarted::NoLongerWanted,
            };
            return Err(AttemptDone { id: attempt.id, result });
        }
        Ok(attempt)
    }

    /// What an earlier owner had in flight is sent again once that owner can no longer be sending.
    fn restored(&mut self, cx: &mut Context<'_, Attempt>) -> Result<(), Poison> {
        let now = cx.now();
        for key in under_way(None, cx) {
            // One that cannot be read is refused by itself when its timer fires; here it must not hold up the others.
            let mut run = match Run::load(&key, cx) {
                Ok(Some(run)) => run,
                Ok(None) | Err(Poison::Malformed(_)) => continue,
                Err(newer @ Poison::UnknownSchema(_)) => return Err(newer),
            };
            let resend = |deadline| Some(self.settings.clock_tolerance.map_or(now, |by| now.max(deadline + by)));
            if run.unsettle(resend) {
                self.advance(&mut run, cx)?;
            }
        }
        Ok(())
    }
}
