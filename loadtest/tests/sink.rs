//! The webhook receiver: what it keeps, shows and answers.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use loadtest::client::Client;
use loadtest::sink::{Keep, Sink};
use serde_json::json;

#[tokio::test]
async fn messages_are_kept_shown_and_answered_by_schedule() {
    let folder = tempfile::tempdir().unwrap();
    let lines = folder.path().join("lines");
    let file = std::fs::File::create(&lines).unwrap();
    let answers = "503,200".parse().unwrap();
    let sink = Sink::start(
        "127.0.0.1:0".parse().unwrap(),
        answers,
        Keep::Messages(Some(Box::new(file))),
    )
    .unwrap();
    let url = format!("http://{}", sink.address());
    let client = Client::new().unwrap();
    let poster = reqwest::Client::new();
    let mut statuses = Vec::new();
    for number in 0..3 {
        let request = poster
            .post(format!("{url}/hook/{number}"))
            .header("Idempotency-Key", format!("k{number}"));
        let request = request
            .header("X-Alertstream-Reason", "new")
            .header("X-Other", "not ours");
        statuses.push(
            request
                .body(format!("{{\"number\":{number}}}"))
                .send()
                .await
                .unwrap()
                .status()
                .as_u16(),
        );
    }
    let garbage = poster.post(&url).body("not JSON").send().await.unwrap();
    assert_eq!(statuses, [503, 200, 503]);
    assert_eq!(garbage.status(), 200);
    assert_eq!(poster.get(&url).send().await.unwrap().status(), 405);

    let shown = client.json(&format!("{url}/messages?after=1&limit=2")).await.unwrap();
    let mut shown = shown.as_array().unwrap().clone();
    for message in &mut shown {
        assert!(message["received"].as_str().unwrap().ends_with('Z'));
        message["received"] = json!("");
    }
    let headers = |key: &str| json!({"idempotency-key": key, "x-alertstream-reason": "new"});
    let message = |seq, number, answered, headers| {
        json!({"seq": seq, "received": "", "path": format!("/hook/{number}"), "headers": headers, "answered": answered,
            "body": {"number": number}})
    };
    assert_eq!(
        shown,
        [message(2, 1, 200, headers("k1")), message(3, 2, 503, headers("k2"))]
    );

    let all = client.json(&format!("{url}/messages")).await.unwrap();
    assert_eq!(all[3]["body"], "not JSON");
    let written = std::fs::read_to_string(lines).unwrap();
    let written: Vec<serde_json::Value> = written
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(written, *all.as_array().unwrap());
}
