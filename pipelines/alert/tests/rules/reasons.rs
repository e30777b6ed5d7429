//! The texts of reasons.

use alert::{Fingerprint, MuteReason, NotifyReason};

#[test]
fn reasons_print_as_in_payloads_and_read_back() {
    let texts = [
        "none",
        "first notification",
        "new alerts added",
        "some alerts resolved",
        "all alerts resolved",
        "repeat interval elapsed",
        "escalation step",
        "last resort",
        "acknowledged, still firing",
        "unknown",
    ];
    assert_eq!(NotifyReason::ALL.map(NotifyReason::as_str), texts);
    for reason in NotifyReason::ALL {
        let json = serde_json::to_string(&reason).unwrap();
        assert_eq!(serde_json::from_str::<NotifyReason>(&json).unwrap(), reason);
        assert_eq!(reason.notifies(), reason != NotifyReason::None);
    }
    assert!("because".parse::<NotifyReason>().is_err());
}

#[test]
fn mute_reasons_say_by_what() {
    let rows = [
        (MuteReason::Silenced(vec!["a".into(), "b".into()]), "silenced by a, b"),
        (
            MuteReason::Inhibited(Fingerprint::new(255)),
            "inhibited by 00000000000000ff",
        ),
        (
            MuteReason::MuteTimeInterval("nights".into()),
            "in mute time interval nights",
        ),
        (
            MuteReason::ActiveTimeInterval(vec!["days".into()]),
            "outside of active time intervals days",
        ),
        (MuteReason::Acknowledged("ann".into()), "acknowledged by ann"),
        (MuteReason::Snoozed("ann".into()), "snoozed by ann"),
        (MuteReason::NotChanged, "nothing new since the last notification"),
        (
            MuteReason::ResolvedNotSent,
            "the integration does not send resolved alerts",
        ),
    ];
    for (reason, text) in rows {
        assert_eq!(reason.to_string(), text);
        let json = serde_json::to_string(&reason).unwrap();
        assert_eq!(serde_json::from_str::<MuteReason>(&json).unwrap(), reason);
    }
    let json = serde_json::to_string(&MuteReason::MuteTimeInterval("n".into())).unwrap();
    assert_eq!(json, r#"{"kind":"mute_time_interval","by":"n"}"#);
}
