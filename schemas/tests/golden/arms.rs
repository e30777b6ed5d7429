//! What the samples do not show: every arm of every enum, what is absent, and how large a body is.

use std::fmt::Debug;

use alert::Alert;
use schemas::{
    AlertBody, AlertEvent, AlertPhase, AlertUpdate, Avro, Command, CommandAction, ConfigVersion, CorrelateAlert,
    CorrelateGroup, DeadLetter, EventKind, Flush, FlushAlert, FlushSettled, GroupPhase, IncidentStatus, Instance,
    JournalEntry, LadderPhase, LaneStanding, NotificationRequest, NotifyLeg, NotifyLegState, NotifyProgress, Outcome,
    OutcomeKind, RECORDS, RequestKind, RouteIncident, RouteSlot, alert_body_size, alert_size, body_size, decode,
    encode,
};

use crate::{samples, state_samples};

fn round_trip<T: Avro + Debug + PartialEq>(record: &T) {
    let bytes = encode(record).expect("its schema fits");
    assert_eq!(decode::<T>(&bytes).as_ref(), Ok(record));
}

/// Round-trips a record for each arm, and holds the arms to be all that the enum's schema has.
fn arms<A: Copy, T: Avro + Debug + PartialEq>(name: &str, arms: &[A], record: impl Fn(A) -> T) {
    for arm in arms {
        round_trip(&record(*arm));
    }
    let row = RECORDS
        .iter()
        .find(|row| row.name == T::NAME)
        .expect("it is registered");
    let (_, text) = row.schemas.last().expect("it is released");
    let (_, rest) = text
        .split_once(&format!("\"name\": \"{name}\", \"symbols\": ["))
        .expect("the enum is inline");
    let (symbols, _) = rest.split_once(']').expect("the list ends");
    assert_eq!(
        symbols.split(',').count(),
        arms.len(),
        "{name}: arms in the test, symbols in the schema"
    );
}

#[test]
fn every_arm_of_every_flowing_enum_goes_there_and_back() {
    use RequestKind as R;
    arms("EventKind", &[EventKind::Alert, EventKind::Resolve], |kind| {
        AlertEvent {
            kind,
            ..samples::alert_event()
        }
    });
    let kinds = [
        R::First,
        R::Joined,
        R::Resolve,
        R::Repeat,
        R::Reminder,
        R::Step,
        R::LastResort,
    ];
    arms("RequestKind", &kinds, |kind| NotificationRequest {
        kind,
        ..samples::notification_request()
    });
    arms("RequestKind", &kinds, |kind| {
        let pending = state_samples::route_slot()
            .pending
            .map(|pending| schemas::SlotRequest { kind, ..pending });
        RouteSlot {
            pending,
            ..state_samples::route_slot()
        }
    });
    let kinds = [OutcomeKind::Delivered, OutcomeKind::Failed, OutcomeKind::Void];
    arms("OutcomeKind", &kinds, |kind| Outcome {
        kind,
        ..samples::outcome()
    });
    let actions = [CommandAction::Acknowledge, CommandAction::Unacknowledge];
    arms("CommandAction", &actions, |action| Command {
        action,
        ..samples::command()
    });
}

#[test]
fn every_arm_of_every_states_enum_goes_there_and_back() {
    use AlertPhase as A;
    use GroupPhase as G;
    use IncidentStatus as I;
    use LadderPhase as L;
    use NotifyLegState as N;
    arms("AlertPhase", &[A::Firing, A::Resolved, A::Settled], |phase| {
        CorrelateAlert {
            phase,
            ..state_samples::correlate_alert()
        }
    });
    arms("GroupPhase", &[G::Firing, G::Quiet, G::Moved], |phase| CorrelateGroup {
        phase,
        ..state_samples::correlate_group()
    });
    arms(
        "IncidentStatus",
        &[I::Firing, I::Acknowledged, I::Quiet, I::Resolved, I::Moved],
        |status| RouteIncident {
            status,
            ..state_samples::route_incident()
        },
    );
    arms(
        "LadderPhase",
        &[L::Climbing, L::Held, L::LastResort, L::Exhausted],
        |phase| {
            let ladder = state_samples::route_incident()
                .ladder
                .map(|ladder| schemas::LadderPosition { phase, ..ladder });
            RouteIncident {
                ladder,
                ..state_samples::route_incident()
            }
        },
    );
    arms(
        "NotifyLegState",
        &[N::Waiting, N::InFlight, N::Accepted, N::Failed],
        |state| {
            let legs = state_samples::notify_progress()
                .legs
                .into_iter()
                .map(|leg| NotifyLeg { state, ..leg })
                .collect();
            NotifyProgress {
                legs,
                ..state_samples::notify_progress()
            }
        },
    );
}

#[test]
fn what_is_absent_or_empty_goes_there_and_back() {
    let none = AlertBody::default;
    round_trip(&AlertUpdate {
        moved_from: None,
        body: none(),
        ..samples::alert_update()
    });
    round_trip(&FlushSettled {
        again_at: None,
        ..samples::flush_settled()
    });
    round_trip(&FlushAlert {
        body: none(),
        ..samples::flush_alert()
    });
    round_trip(&Flush {
        alerts: vec![],
        group_labels: alert::LabelSet::new(),
        ..samples::flush()
    });
    round_trip(&JournalEntry::default());
    round_trip(&DeadLetter::default());
    round_trip(&Outcome {
        heard: vec![],
        tables: [].into(),
        ..samples::outcome()
    });
    round_trip(&ConfigVersion {
        escalation: None,
        escalation_file: None,
        ..samples::config_version()
    });
    round_trip(&Instance {
        services: vec![],
        receiving_since: None,
        lanes: vec![LaneStanding {
            not_ready: None,
            ..samples::instance().lanes.remove(0)
        }],
        ..samples::instance()
    });
    round_trip(&AlertEvent {
        id: None,
        source: None,
        starts_at: None,
        ends_at: None,
        generator_url: None,
        expr: None,
        value: None,
        for_ms: None,
        ..samples::alert_event()
    });
    round_trip(&NotificationRequest {
        generation: None,
        policy: None,
        step: None,
        round: None,
        chain: vec![],
        only: vec![],
        acknowledged_by: None,
        acknowledged_at: None,
        alerts: vec![],
        ..samples::notification_request()
    });
}

#[test]
fn what_is_absent_from_a_state_goes_there_and_back() {
    round_trip(&CorrelateGroup {
        origin: None,
        ..state_samples::correlate_group()
    });
    round_trip(&RouteSlot {
        entry: None,
        pending: None,
        failed: None,
        queued: None,
        void_tables: None,
        recheck_at: None,
        ..state_samples::route_slot()
    });
    round_trip(&NotifyProgress {
        legs: vec![],
        void: None,
        ..state_samples::notify_progress()
    });
}

#[test]
fn sizes_are_never_estimated_too_small() {
    let long = |length: usize| "x".repeat(length);
    let rows = [
        AlertBody::default(),
        samples::body(),
        AlertBody {
            for_ms: Some(i64::MIN),
            value: Some(f64::MAX),
            ..AlertBody::default()
        },
        AlertBody {
            labels: samples::texts(&[("a", &long(70_000)), ("b", ""), ("", &long(127))]),
            ..samples::body()
        },
        AlertBody {
            annotations: (0..300).map(|n| (n.to_string(), long(n))).collect(),
            ..samples::body()
        },
        AlertBody {
            expr: Some(long(1 << 20)),
            source: Some(long(200)),
            ..AlertBody::default()
        },
    ];
    let encoded = |body: &AlertBody| {
        let alert = FlushAlert {
            body: body.clone(),
            ..samples::flush_alert()
        };
        (encode(&alert).expect("its schema fits").len(), alert)
    };
    // three empty counts and four absent values, a byte each
    let (bare, _) = encoded(&AlertBody::default());
    let head = bare - 7;
    for body in rows {
        let (size, alert) = encoded(&body);
        let least = size - head;
        let estimate = body_size(&body);
        let same = Alert {
            labels: body.labels.clone(),
            annotations: body.annotations.clone(),
            generator_url: body.generator_url.clone(),
            expr: body.expr.clone(),
            source: body.source.clone(),
            ..Alert::default()
        };
        assert_eq!(alert_body_size(&same), estimate);
        let most = least * 2 + 100 + 20 * (body.labels.len() + body.annotations.len());
        assert!(
            (least..=most).contains(&estimate),
            "{least} bytes, {estimate} estimated"
        );
        assert!(
            alert_size(&alert) >= size - 10,
            "{size} bytes, {} estimated",
            alert_size(&alert)
        );
    }
}
