//! People's commands: each is answered in the journal, a repeated one with its first answer.

use std::collections::BTreeMap;

use alert::GroupId;
use processor::{Poison, Timers};
use schemas::{Command, CommandAction, RouteCommand, route_keys};

use crate::group::Group;
use crate::journal::Entry;
use crate::slot::repeat_due;
use crate::state::{command_key, load, save};
use crate::view::{Cx, View};

/// Commands remembered for one incident: far more than people give, so that a client that runs wild cannot fill the
/// state. A later one is obeyed like any other, but a repeat of it is taken for a new one.
const REMEMBERED_COMMANDS: usize = 256;

const ACCEPTED: &str = "command.accepted";
const REFUSED: &str = "command.refused";

/// Obeys a command, or says why not.
pub(crate) fn take(view: &View, cx: &mut Cx<'_>, id: &str, command: &Command) -> Result<(), Poison> {
    let key = command_key(GroupId(id.to_owned()).hash(), &command.id);
    let first =
        load::<RouteCommand>(cx, &key)?.filter(|first| first.fields.get("incident") == Some(&command.incident_id));
    if let Some(first) = first {
        let entry = Entry::new(first.kind, first.reason).fields(first.fields);
        return entry.about(id, cx);
    }
    let here = Group::open(view, cx, id)?.filter(|group| group.incident.incident_id == command.incident_id);
    let Some(mut group) = here else {
        let reason = format!("not found: there is no incident {}", command.incident_id);
        return Entry::new(REFUSED, reason).fields(fields(command)).about(id, cx);
    };
    let answer = match decide(&group, command) {
        Ok(Obey::Already) => (ACCEPTED, "it is so already".to_owned()),
        Ok(Obey::Acknowledge) => {
            acknowledge(&mut group, command)?;
            (ACCEPTED, format!("acknowledged by {}", command.by))
        }
        Ok(Obey::Unacknowledge) => {
            unacknowledge(&mut group, command)?;
            (ACCEPTED, format!("unacknowledged by {}", command.by))
        }
        Err(refusal) => (REFUSED, refusal),
    };
    respond(&mut group, command, answer)?;
    group.finish()
}

enum Obey {
    Already,
    Acknowledge,
    Unacknowledge,
}

fn decide(group: &Group<'_, '_>, command: &Command) -> Result<Obey, String> {
    let incident = &group.incident;
    if command.generation != incident.generation {
        let (current, given) = (incident.generation, command.generation);
        return Err(format!(
            "conflict: the incident is at generation {current}, the command was given for {given}"
        ));
    }
    if !group.is_live() {
        return Err("conflict: the incident is over or was moved".to_owned());
    }
    Ok(match (command.action, incident.acknowledged_at.is_some()) {
        (CommandAction::Acknowledge, false) => Obey::Acknowledge,
        (CommandAction::Unacknowledge, true) => Obey::Unacknowledge,
        (CommandAction::Acknowledge, true) | (CommandAction::Unacknowledge, false) => Obey::Already,
    })
}

fn acknowledge(group: &mut Group<'_, '_>, command: &Command) -> Result<(), Poison> {
    group.incident.acknowledged_by = Some(command.by.clone());
    group.incident.acknowledged_at = Some(group.now());
    group.raise("acknowledged", false)?;
    // The one word that is left to say has its time now, which may be the first reason to look at all.
    if let Some(due) = repeat_due(group).filter(|due| group.incident.again_at.is_none_or(|again| again > *due)) {
        group.look(due);
    }
    let entry = Entry::new("incident.acknowledged", command.comment.as_str()).field("by", &command.by);
    group.note(entry)
}

fn unacknowledge(group: &mut Group<'_, '_>, command: &Command) -> Result<(), Poison> {
    (group.incident.acknowledged_by, group.incident.acknowledged_at) = (None, None);
    group.raise("unacknowledged", false)?;
    group.look(group.now());
    let entry = Entry::new("incident.unacknowledged", command.comment.as_str()).field("by", &command.by);
    group.note(entry)
}

fn respond(group: &mut Group<'_, '_>, command: &Command, answer: (&str, String)) -> Result<(), Poison> {
    group.refresh_status();
    let mut fields = fields(command);
    fields.insert("generation".to_owned(), group.incident.generation.to_string());
    fields.insert("status".to_owned(), status(group).to_owned());
    let (kind, reason) = answer;
    let kept = RouteCommand {
        id: command.id.clone(),
        kind: kind.to_owned(),
        reason,
        fields,
    };
    let prefix = processor::StateKey::new(group.hash, route_keys::COMMAND);
    if group.cx.range(prefix).count() < REMEMBERED_COMMANDS {
        save(group.cx, command_key(group.hash, &command.id), &Timers::none(), &kept)?;
    }
    let entry = Entry::new(kept.kind, kept.reason).fields(kept.fields);
    group.note(entry)
}

fn status(group: &Group<'_, '_>) -> &'static str {
    use schemas::IncidentStatus::{Acknowledged, Firing, Moved, Quiet, Resolved};
    match group.incident.status {
        Firing => "firing",
        Acknowledged => "acknowledged",
        Quiet => "quiet",
        Resolved => "resolved",
        Moved => "moved",
    }
}

fn fields(command: &Command) -> BTreeMap<String, String> {
    let action = match command.action {
        CommandAction::Acknowledge => "acknowledge",
        CommandAction::Unacknowledge => "unacknowledge",
    };
    [
        ("id", command.id.as_str()),
        ("incident", &command.incident_id),
        ("action", action),
        ("by", &command.by),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}
