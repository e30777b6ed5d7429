//! People's commands: what is written, and what is answered. Route is played by hand.

use std::time::Duration;

use schemas::{Command, CommandAction, IncidentStatus, topics};
use serde_json::json;

use crate::world::{Group, World};

fn group() -> Group {
    Group::new("{}", &[("alertname", "Down")], "id-1")
}

/// The commands in the log, once there are so many.
async fn commands(world: &World, count: usize) -> Vec<Command> {
    loop {
        let records = world.log.committed_records(topics::INCIDENTS);
        if records.len() >= count {
            return records
                .iter()
                .map(|record| schemas::decode(record.bytes()).unwrap())
                .collect();
        }
        tokio::task::yield_now().await;
    }
}

fn answer(world: &World, group: &Group, command: &Command, kind: &str, reason: &str) {
    let fields = [
        ("id", command.id.as_str()),
        ("incident", &command.incident_id),
        ("generation", "2"),
        ("status", "acknowledged"),
    ];
    world.journal(group, kind, reason, &fields);
}

#[tokio::test]
async fn a_command_is_written_and_routes_answer_is_the_answer() {
    let rows = [
        ("command.accepted", "acknowledged by ada", 200, true),
        (
            "command.refused",
            "conflict: the incident is at generation 2, the command was given for 1",
            409,
            false,
        ),
        ("command.refused", "not found: there is no incident id-1", 404, false),
    ];
    for (kind, reason, status, accepted) in rows {
        let world = World::new();
        world.incident(&group(), |_| {});
        let world = world.start().await;
        let body = r#"{"by":"ada","comment":"on it","id":"c-1"}"#;
        let (told, ()) = tokio::join!(world.post("/api/v1/incidents/id-1/acknowledge", body), async {
            let command = commands(&world, 1).await.remove(0);
            let wanted = (CommandAction::Acknowledge, "ada", "on it", "c-1", 1);
            let Command {
                action,
                by,
                comment,
                id,
                generation,
                ..
            } = &command;
            assert_eq!(
                (*action, by.as_str(), comment.as_str(), id.as_str(), *generation),
                wanted
            );
            answer(&world, &group(), &command, kind, reason);
        });
        assert_eq!(told.status, status, "{reason}");
        let expected = json!({"command": "c-1", "incident": "id-1", "accepted": accepted, "reason": reason,
            "generation": 2, "state": "acknowledged"});
        assert_eq!(told.json(), expected);
        let again = world.post("/api/v1/incidents/id-1/acknowledge", body).await;
        assert_eq!(
            (again.status, again.json()),
            (status, expected),
            "a repeated id gets the first answer"
        );
        assert_eq!(
            world.log.committed_records(topics::INCIDENTS).len(),
            1,
            "and is not written again"
        );
    }
}

#[tokio::test]
async fn without_an_answer_the_command_is_named() {
    let world = World::new().with(|settings| settings.write_wait = Duration::from_millis(20));
    world.incident(&group(), |_| {});
    let world = world.start().await;
    let told = world
        .request(
            "POST",
            "/api/v1/incidents/id-1/unacknowledge",
            &[("x-forwarded-user", "bob")],
            "",
        )
        .await;
    let command = commands(&world, 1).await.remove(0);
    assert_eq!(
        (told.status, told.json()["command"].as_str()),
        (504, Some(command.id.as_str()))
    );
    assert_eq!(
        (command.by.as_str(), command.action),
        ("bob", CommandAction::Unacknowledge)
    );
}

#[tokio::test]
async fn what_is_unknown_is_not_written() {
    let world = World::new();
    world.incident(&group(), |_| {});
    let world = world.start().await;
    let rows = [
        ("/api/v1/incidents/none/acknowledge", "", 404),
        ("/api/v1/incidents/id-1/acknowledge", "{", 400),
        ("/api/v1/alerts/0123456789abcdef/acknowledge", "", 404),
        ("/api/v1/alerts/nope/acknowledge", "", 400),
    ];
    for (path, body, status) in rows {
        assert_eq!(world.post(path, body).await.status, status, "{path}");
    }
    assert_eq!(world.log.committed_records(topics::INCIDENTS), []);
}

#[tokio::test]
async fn an_alert_is_acknowledged_in_every_open_incident_it_is_in() {
    let world = World::new();
    let groups = ["id-1", "id-2", "id-3"].map(|id| Group::new("{}", &[("g", id)], id));
    let mut print = None;
    for group in &groups {
        print = Some(world.firing(group, &[("alertname", "Down")]).fingerprint());
        world.incident(group, |incident| {
            if group.incident == "id-3" {
                incident.status = IncidentStatus::Resolved;
            }
        });
    }
    let world = world.start().await;
    let path = format!("/api/v1/alerts/{}/acknowledge", print.unwrap());
    let (told, ()) = tokio::join!(world.post(&path, r#"{"id":"c"}"#), async {
        let commands = commands(&world, 2).await;
        assert_eq!(commands.len(), 2);
        for command in commands {
            let group = groups
                .iter()
                .find(|group| group.incident == command.incident_id)
                .unwrap();
            let (kind, reason) = if command.incident_id == "id-1" {
                ("command.accepted", "x")
            } else {
                ("command.refused", "conflict: y")
            };
            answer(&world, group, &command, kind, reason);
        }
    });
    assert_eq!(told.status, 409, "the worst of all answers");
    let told = told.json();
    let answers: Vec<_> = told["answers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["incident"].as_str(), one["accepted"].as_bool()))
        .collect();
    assert_eq!(answers, [(Some("id-1"), Some(true)), (Some("id-2"), Some(false))]);
}
