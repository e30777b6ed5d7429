//! Numbered alerts, each in a group of its own, and what must have been heard of them: every acknowledged one, under one
//! idempotency key, and each repeat explained in the journal.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver as Told, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::json;

use crate::http;
use crate::program::{Program, alert, alertmanager_yml};
use crate::receiver::{Heard, Receiver};
use crate::waiting::{eventually, secs};

/// A group for each alert, told at once and once.
pub(crate) fn one_group_each(receiver: &Receiver) -> String {
    let route = "receiver: chat, group_by: [alertname], group_wait: 0s, group_interval: 1s, repeat_interval: 1h";
    alertmanager_yml(route, &[("chat", receiver.url("chat"))])
}

#[derive(Default)]
struct Shared {
    target: Mutex<Option<SocketAddr>>,
    acknowledged: Mutex<Vec<String>>,
    more: Condvar,
}

/// Posts numbered alerts, one after the other, for as long as it lives.
pub(crate) struct Poster {
    shared: Arc<Shared>,
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Poster {
    fn drop(&mut self) {
        self.stop.take();
        drop(self.thread.take().map(JoinHandle::join));
    }
}

impl Poster {
    /// With so long between two alerts; to nobody yet.
    pub(crate) fn start(pace: Duration) -> Self {
        let shared = Arc::new(Shared::default());
        let (stop, stopped) = channel();
        let posting = Arc::clone(&shared);
        let thread = std::thread::spawn(move || post(&posting, pace, &stopped));
        Self {
            shared,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// Posts there from now on; the alert in hand may still go where it went before.
    pub(crate) fn target(&self, address: Option<SocketAddr>) {
        *self.shared.target.lock().unwrap() = address;
    }

    /// How many were acknowledged.
    pub(crate) fn count(&self) -> usize {
        self.shared.acknowledged.lock().unwrap().len()
    }

    /// Waits until so many more are acknowledged.
    #[track_caller]
    pub(crate) fn more(&self, count: usize) {
        let acknowledged = self.shared.acknowledged.lock().unwrap();
        let enough = acknowledged.len() + count;
        let waited = self
            .shared
            .more
            .wait_timeout_while(acknowledged, secs(30), |all| all.len() < enough)
            .unwrap();
        assert!(
            !waited.1.timed_out(),
            "{enough} acknowledged; there are {}",
            waited.0.len()
        );
    }

    /// The names of those that were acknowledged.
    pub(crate) fn acknowledged(&self) -> Vec<String> {
        self.shared.acknowledged.lock().unwrap().clone()
    }
}

fn post(shared: &Shared, pace: Duration, stopped: &Told<()>) {
    let mut number = 0_u32;
    while stopped.recv_timeout(pace) == Err(RecvTimeoutError::Timeout) {
        let Some(target) = *shared.target.lock().unwrap() else {
            continue;
        };
        let name = format!("Number{number:05}");
        number += 1;
        let body = json!([alert(&[("alertname", &name)])]).to_string();
        let answer = http::try_send(
            target,
            "POST",
            "/api/v2/alerts",
            "Content-Type: application/json\r\n",
            body.as_bytes(),
        );
        if answer.is_some_and(|answer| answer.status == 200) {
            shared.acknowledged.lock().unwrap().push(name);
            shared.more.notify_all();
        }
    }
}

/// Waits until every acknowledged alert was heard of; then nobody was told twice but under the same key, with a record.
#[track_caller]
pub(crate) fn settle(receiver: &Receiver, console: &Program, acknowledged: &[String], at_most: Duration) {
    all_heard(receiver, acknowledged, at_most);
    let heard = receiver.heard();
    let mut keys: BTreeMap<String, BTreeMap<&str, usize>> = BTreeMap::new();
    for message in heard.iter().filter(|message| message.status() == "firing") {
        for name in message.labels("alertname") {
            *keys.entry(name).or_default().entry(message.key()).or_default() += 1;
        }
    }
    for (name, keys) in &keys {
        assert_eq!(keys.len(), 1, "{name} was told under several keys: {keys:?}");
    }
    for (key, times) in keys.values().flatten().filter(|(_, times)| **times > 1) {
        let message = heard.iter().find(|message| message.key() == *key).unwrap();
        has_records(console, message, times - 1);
    }
    let resolved = heard.iter().filter(|message| message.status() == "resolved").count();
    assert_eq!(resolved, 0, "nothing is over");
}

/// Waits until every one of these was heard of as firing.
#[track_caller]
pub(crate) fn all_heard(receiver: &Receiver, names: &[String], at_most: Duration) {
    let missing = |heard: &[Heard]| -> BTreeSet<String> {
        let told: BTreeSet<String> = heard.iter().flat_map(|message| message.labels("alertname")).collect();
        names.iter().filter(|name| !told.contains(*name)).cloned().collect()
    };
    // Counted first: looking through all of it at each new message is slow.
    receiver.wait(
        at_most,
        &format!("all of {} acknowledged alerts", names.len()),
        |heard| (heard.len() >= names.len() && missing(heard).is_empty()).then_some(()),
    );
}

/// Waits until the journal has so many records that this message was possibly sent twice.
#[track_caller]
pub(crate) fn has_records(console: &Program, message: &Heard, records: usize) {
    let group = message.body["groupKey"].as_str().unwrap();
    let query: Vec<String> = group.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let query = query.concat();
    eventually(
        secs(10),
        &format!("{records} records of a possible duplicate in {group}"),
        || {
            let entries = console.journal("notification.possible_duplicate", &format!("group={query}"));
            let of_key = entries
                .iter()
                .filter(|entry| entry["fields"]["idempotency_key"] == message.key())
                .count();
            (of_key >= records).then_some(())
        },
    );
}
