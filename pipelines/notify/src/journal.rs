//! What this stage writes into the journal.

use std::borrow::Cow;
use std::fmt::Write;

use alert::GroupHash;
use processor::{Context, Poison, StateKey, Timers};
use schemas::{JournalLine, NotifyLeg, NotifyTally, OutcomeKind, notify_keys, topics};

use crate::attempt::{Attempt, AttemptId, AttemptResult};
use crate::run::{Run, bytes, read};

/// How much of an error is kept: a receiver may answer with a page.
const ERROR_BYTES: usize = 512;

type Fields = Vec<(&'static str, String)>;

/// The beginning of a text, at most 512 bytes, whole characters.
pub(crate) fn first_bytes(text: &str) -> &str {
    let end = (0..=ERROR_BYTES.min(text.len()))
        .rev()
        .find(|end| text.is_char_boundary(*end))
        .unwrap_or(0);
    text.get(..end).unwrap_or_default()
}

/// An attempt's result.
pub(crate) fn attempted(
    run: &Run,
    leg: &NotifyLeg,
    id: &AttemptId,
    result: &AttemptResult,
    cx: &mut Context<'_, Attempt>,
) -> Result<(), Poison> {
    let mut fields = leg_fields(leg);
    fields.push(("attempt", id.attempt.to_string()));
    let reason = match result {
        AttemptResult::Accepted { status, duration_ms } => {
            fields.push(("status", status.to_string()));
            fields.push(("duration_ms", duration_ms.to_string()));
            "accepted"
        }
        AttemptResult::Failed {
            status,
            error,
            duration_ms,
            ..
        } => {
            fields.extend(status.map(|status| ("status", status.to_string())));
            fields.push(("duration_ms", duration_ms.to_string()));
            fields.push(("error", first_bytes(error).to_owned()));
            "failed"
        }
        AttemptResult::NotStarted { reason } => {
            fields.push(("error", first_bytes(&reason.to_string()).to_owned()));
            "not started"
        }
    };
    write(run, "notification.attempted", reason, &fields, cx)
}

/// A leg that takes no resolved messages counts as having accepted one.
pub(crate) fn resolved_not_sent(run: &Run, leg: &NotifyLeg, cx: &mut Context<'_, Attempt>) -> Result<(), Poison> {
    let reason = "resolved, and this integration is not told of that (send_resolved: false)";
    write(run, "notification.attempted", reason, &leg_fields(leg), cx)
}

/// The next attempt of this leg may be a second delivery. It is counted in state, in this same transaction.
pub(crate) fn possible_duplicate(run: &Run, leg: &NotifyLeg, cx: &mut Context<'_, Attempt>) -> Result<(), Poison> {
    let mut fields = leg_fields(leg);
    fields.push(("attempt", leg.attempts.to_string()));
    let mut tally: NotifyTally = read(&tally_key(), cx)?.unwrap_or_default();
    tally.possible_duplicates = tally.possible_duplicates.saturating_add(1);
    cx.put(tally_key(), &Timers::none(), &bytes(&tally)?);
    let reason = "sent again while nobody knows whether an earlier attempt arrived";
    write(run, "notification.possible_duplicate", reason, &fields, cx)
}

/// Where the partition's tally is kept.
fn tally_key() -> StateKey {
    StateKey::new(GroupHash(notify_keys::TALLY_OF), notify_keys::TALLY)
}

/// A link is not tried any more.
pub(crate) fn link_exhausted(run: &Run, link: &str, reason: &str, cx: &mut Context<'_, Attempt>) -> Result<(), Poison> {
    write(
        run,
        "link.exhausted",
        first_bytes(reason),
        &[("link", link.to_owned())],
        cx,
    )
}

/// The request ended.
pub(crate) fn finished(
    run: &Run,
    kind: OutcomeKind,
    reason: &str,
    heard: &[String],
    cx: &mut Context<'_, Attempt>,
) -> Result<(), Poison> {
    let kind = match kind {
        OutcomeKind::Delivered => "notification.delivered",
        OutcomeKind::Failed => "notification.failed",
        OutcomeKind::Void => "notification.void",
    };
    write(run, kind, reason, &[("heard", heard.join(", "))], cx)
}

fn leg_fields(leg: &NotifyLeg) -> Fields {
    vec![
        ("link", leg.receiver.clone()),
        ("link_integration", leg.integration.clone()),
        ("link_index", leg.index.to_string()),
    ]
}

fn write(
    run: &Run,
    kind: &str,
    reason: &str,
    fields: &[(&str, String)],
    cx: &mut Context<'_, Attempt>,
) -> Result<(), Poison> {
    let request = &run.state.request;
    let mut tables = String::new();
    for (table, version) in cx.tables() {
        let space = if tables.is_empty() { "" } else { " " };
        // Writing to a String cannot fail.
        write!(tables, "{space}{table}={version}").unwrap_or_default();
    }
    let (index, sequence, flush) = (
        request.index.to_string(),
        request.sequence.to_string(),
        request.flush.to_string(),
    );
    let step = request.policy.as_ref().map(|policy| {
        let (step, round) = (request.step.unwrap_or_default(), request.round.unwrap_or_default());
        format!("{policy}/{step}/{round}")
    });
    let own = [
        ("integration", request.integration.as_str()),
        ("index", &index),
        ("sequence", &sequence),
        ("idempotency_key", &request.idempotency_key),
        ("notification_reason", &request.reason),
        ("flush", &flush),
        ("tables", &tables),
    ];
    let fields = fields.iter().map(|(name, value)| (*name, value.as_str()));
    let step = step.as_deref().map(|step| ("step", step));
    let mut fields: Vec<_> = fields.chain(own).chain(step).collect();
    // In their order they are packed as they are.
    fields.sort_unstable_by_key(|(name, _)| *name);
    let entry = JournalLine {
        kind,
        at: cx.now(),
        group_key: &request.group_key,
        incident_id: Some(&request.incident_id),
        fingerprint: None,
        receiver: Some(&request.receiver),
        reason,
        labels: Cow::Borrowed(&request.group_labels),
        fields: fields.into_iter().collect(),
    };
    let entry = entry.encode().map_err(|error| Poison::Malformed(error.to_string()))?;
    cx.send(topics::JOURNAL, run.state.progress.group_id.as_bytes(), entry);
    Ok(())
}
