//! Carries a request on: starts links, makes attempts, takes up their results.

use alert::{PromDuration, Timestamp};
use config::{Integration, IntegrationKind};
use processor::{Context, Poison};
use schemas::{FlushAlert, NotifyLegState};
use xxhash_rust::xxh3::xxh3_128;

use crate::attempt::{Attempt, AttemptDone, AttemptResult};
use crate::headers::headers;
use crate::journal;
use crate::next::{Next, exhausted, link_of, links, next};
use crate::notify::Notify;
use crate::payload::{Message, webhook};
use crate::retry::{Verdict, verdict};
use crate::run::Run;

/// How long an attempt may take where the integration sets no timeout.
const ATTEMPT_TIMEOUT: PromDuration = PromDuration::from_secs(30);

impl Notify {
    /// Does whatever is due, until the run ends or waits.
    pub(crate) fn advance(&self, run: &mut Run, cx: &mut Context<'_, Attempt>) -> Result<(), Poison> {
        if !run.whole() {
            return run.save(None, cx);
        }
        loop {
            match next(&run.state.request, &run.state.progress, cx.now()) {
                Next::OpenLink(link, why) => self.open_link(run, link, why, cx)?,
                Next::Attempt(leg) => self.attempt(run, leg, cx)?,
                Next::Finish(kind, reason) => return run.finish(kind, &reason, cx),
                Next::Wait(until) => return run.save(Some(until), cx),
            }
        }
    }

    /// Takes up the result of an attempt. One of a run that is over changes nothing; a late acceptance counts though the
    /// leg has been tried again since.
    pub(crate) fn take_result(&self, done: &AttemptDone, cx: &mut Context<'_, Attempt>) -> Result<(), Poison> {
        let id = &done.id;
        let Some(mut run) = Run::find(&id.group_id, &id.receiver, &id.integration, id.index, cx)? else {
            return Ok(());
        };
        if run.state.progress.run != id.run {
            return Ok(());
        }
        let Some(leg) = run.state.progress.legs.get(id.leg).cloned() else {
            return Ok(());
        };
        journal::attempted(&run, &leg, id, &done.result, cx)?;
        match &done.result {
            AttemptResult::Accepted { .. } => set(&mut run, id.leg, NotifyLegState::Accepted, cx.now()),
            result if leg.attempts == id.attempt && leg.state != NotifyLegState::Accepted => {
                let key = leg_key(&run, id.leg);
                match verdict(result, &key, id.attempt, cx.now(), run.state.request.give_up_at) {
                    Verdict::Retry(at) => set(&mut run, id.leg, NotifyLegState::Waiting, at),
                    Verdict::ForGood => fail_leg(&mut run, id.leg, &words(result), cx)?,
                }
                if let Some(leg) = run.state.progress.legs.get_mut(id.leg) {
                    leg.doubt |= unknown_fate(result);
                }
            }
            AttemptResult::Failed { .. } | AttemptResult::NotStarted { .. } => {}
        }
        self.advance(&mut run, cx)
    }

    /// Starts a link: of the request's own receiver only the request's own integration, of any other all of them.
    fn open_link(
        &self,
        run: &mut Run,
        link: usize,
        why: Option<String>,
        cx: &mut Context<'_, Attempt>,
    ) -> Result<(), Poison> {
        let names: Vec<String> = links(&run.state.request).into_iter().map(str::to_owned).collect();
        let Some(name) = names.get(link) else { return Ok(()) };
        if let (Some(why), Some(before)) = (why, link.checked_sub(1).and_then(|before| names.get(before))) {
            journal::link_exhausted(run, before, &why, cx)?;
        }
        run.state.progress.links += 1;
        run.state.progress.link_started = cx.now();
        if *name == run.state.request.receiver {
            let (integration, index) = (run.state.request.integration.clone(), run.state.request.index);
            return run.add_leg(link, name, &integration, index, cx);
        }
        let version = run.state.request.config_version;
        for integration in self.tables.integrations(version, name) {
            let index = i32::try_from(integration.index).unwrap_or(i32::MAX);
            run.add_leg(link, name, integration.kind.name(), index, cx)?;
        }
        if exhausted(&run.state.progress, link) {
            let why = format!("config version {version} has no integration for receiver {name}");
            journal::link_exhausted(run, name, &why, cx)?;
        }
        Ok(())
    }

    /// Makes an attempt, if it is still wanted: marks it in flight and asks for the send.
    fn attempt(&self, run: &mut Run, place: usize, cx: &mut Context<'_, Attempt>) -> Result<(), Poison> {
        let alerts = run.alerts(cx)?;
        if let Some(why) = self.tables.muted(alerts.iter(), cx.now()) {
            self.void(run, why, cx);
            return Ok(());
        }
        let Some(leg) = run.state.progress.legs.get(place).cloned() else {
            return Ok(());
        };
        let version = run.state.request.config_version;
        let Some(integration) = self
            .tables
            .integration(version, &leg.receiver, &leg.integration, leg.index)
        else {
            let (kind, index) = (&leg.integration, leg.index);
            let why = format!("config version {version} has no {kind}[{index}] of this receiver");
            return fail_leg(run, place, &why, cx);
        };
        let Some(shown) = shown(integration, &alerts) else {
            journal::resolved_not_sent(run, &leg, cx)?;
            set(run, place, NotifyLegState::Accepted, cx.now());
            return Ok(());
        };
        let attempt = self.render(run, place, integration, &shown, cx);
        if let Some(leg) = run.state.progress.legs.get_mut(place) {
            leg.attempts = attempt.id.attempt;
            leg.state = NotifyLegState::InFlight;
            leg.at = attempt.deadline;
        }
        if leg.doubt
            && let Some(leg) = run.state.progress.legs.get(place)
        {
            journal::possible_duplicate(run, leg, cx)?;
        }
        cx.effect(attempt);
        Ok(())
    }

    fn render(
        &self,
        run: &Run,
        place: usize,
        integration: &Integration,
        shown: &[&FlushAlert],
        cx: &Context<'_, Attempt>,
    ) -> Attempt {
        let IntegrationKind::Webhook(settings) = &integration.kind;
        let (request, leg) = (&run.state.request, run.state.progress.legs.get(place));
        let link = leg.map_or(request.receiver.as_str(), |leg| leg.receiver.as_str());
        let body = webhook(&Message {
            receiver: link,
            reason: &request.reason,
            group_key: &request.group_key,
            group_labels: &request.group_labels,
            external_url: &self.settings.external_url,
            alerts: shown,
            max_alerts: settings.max_alerts,
        });
        let number = leg.map_or(0, |leg| leg.attempts) + 1;
        let key = leg_key(run, place);
        Attempt {
            id: run.attempt_id(place, number, cx.partition()),
            link: link.to_owned(),
            integration: integration.kind.name().to_owned(),
            index: i32::try_from(integration.index).unwrap_or(i32::MAX),
            headers: headers(request, &self.settings.external_url, &key, number),
            idempotency_key: key,
            deadline: cx.now() + timeout(settings.timeout),
            follow_redirects: settings.http.follow_redirects,
            body,
            voids: self.voids.get(),
        }
    }
}

/// The alerts an integration is told: without `send_resolved`, only those that fire, and nothing when none does.
fn shown<'a>(integration: &Integration, alerts: &'a [FlushAlert]) -> Option<Vec<&'a FlushAlert>> {
    let shown: Vec<_> = alerts
        .iter()
        .filter(|alert| integration.send_resolved || !alert.resolved)
        .collect();
    (integration.send_resolved || !shown.is_empty()).then_some(shown)
}

fn timeout(own: std::time::Duration) -> PromDuration {
    let ms = u64::try_from(own.as_millis()).unwrap_or(u64::MAX);
    if own.is_zero() {
        ATTEMPT_TIMEOUT
    } else {
        PromDuration::from_millis(ms.max(1))
    }
}

/// The idempotency key of a leg: the request's at its own integration, and one of its own at any other, so that a gateway
/// that serves two links does not take the second for a repeat of the first.
fn leg_key(run: &Run, place: usize) -> String {
    let request = &run.state.request;
    match run.state.progress.legs.get(place) {
        Some(leg) if leg.receiver != request.receiver => {
            let (receiver, integration, index) = (&leg.receiver, &leg.integration, leg.index);
            let text = format!("{}\n{receiver}\n{integration}\n{index}", request.idempotency_key);
            format!("{:032x}", xxh3_128(text.as_bytes()))
        }
        Some(_) | None => request.idempotency_key.clone(),
    }
}

fn set(run: &mut Run, place: usize, state: NotifyLegState, at: Timestamp) {
    if let Some(leg) = run.state.progress.legs.get_mut(place) {
        (leg.state, leg.at) = (state, at);
    }
}

/// The leg is not tried again; the journal says so where that was its link's last.
fn fail_leg(run: &mut Run, place: usize, why: &str, cx: &mut Context<'_, Attempt>) -> Result<(), Poison> {
    set(run, place, NotifyLegState::Failed, cx.now());
    let Some(leg) = run.state.progress.legs.get(place) else {
        return Ok(());
    };
    if exhausted(&run.state.progress, link_of(leg)) {
        let link = leg.receiver.clone();
        journal::link_exhausted(run, &link, why, cx)?;
    }
    Ok(())
}

/// Whether the receiver may have taken it though we do not know.
fn unknown_fate(result: &AttemptResult) -> bool {
    matches!(
        result,
        AttemptResult::Failed {
            status: None,
            request_written: true,
            ..
        }
    )
}

fn words(result: &AttemptResult) -> String {
    match result {
        AttemptResult::Accepted { .. } => String::new(),
        AttemptResult::Failed { error, .. } => error.clone(),
        AttemptResult::NotStarted { reason } => reason.to_string(),
    }
}
