//! Config: published when it differs, and read again on request.

use schemas::{ConfigVersion, topics};
use streams::Log;

use crate::world::{CONFIG, World};

fn versions(world: &World) -> Vec<ConfigVersion> {
    let records = world.log.committed_records(topics::CONFIG);
    records
        .iter()
        .map(|record| schemas::decode(record.bytes()).unwrap())
        .collect()
}

#[tokio::test]
async fn a_reload_publishes_only_what_differs() {
    let world = World::new().start().await;
    let texts = [
        (CONFIG.to_owned(), 1),
        (format!("# a comment\n{CONFIG}"), 1),
        (CONFIG.replace("group_by: [alertname]", "group_by: [team]"), 2),
        (CONFIG.to_owned(), 3),
    ];
    for (text, version) in texts {
        *world.file.lock().unwrap() = Ok(text);
        let answer = world.post("/-/reload", "").await;
        assert_eq!((answer.status, answer.body.as_str()), (200, ""));
        assert_eq!(world.get("/api/v2/status").await.json()["configVersion"], version);
        assert_eq!(i64::try_from(versions(&world).len()), Ok(version));
    }
    assert_eq!(world.service().reloader().reload().await, Ok(3), "as by SIGHUP");
    assert!(
        versions(&world)
            .iter()
            .all(|version| !version.alertmanager.contains("example.com")),
        "secrets stay behind"
    );
    assert_eq!(versions(&world)[0].published_by, "one");
}

#[tokio::test]
async fn a_bad_file_leaves_the_old_config_running_and_says_so() {
    let world = World::new().start().await;
    *world.file.lock().unwrap() = Ok("receivers: []".to_owned());
    let answer = world.post("/-/reload", "").await;
    assert_eq!(answer.status, 500);
    assert!(answer.body.starts_with("failed to reload config: "), "{}", answer.body);
    let status = world.get("/api/v2/status").await.json();
    assert_eq!(status["configVersion"], 1);
    assert!(
        status["configReloadError"].as_str().unwrap().contains("route"),
        "{status}"
    );
    *world.file.lock().unwrap() = Err("open alertmanager.yml: no such file".to_owned());
    let answer = world.post("/-/reload", "").await;
    assert_eq!(
        answer.body,
        "failed to reload config: open alertmanager.yml: no such file\n"
    );
    *world.file.lock().unwrap() = Ok(CONFIG.to_owned());
    assert_eq!(world.post("/-/reload", "").await.status, 200);
    assert!(
        world
            .get("/api/v2/status")
            .await
            .json()
            .get("configReloadError")
            .is_none(),
        "told no more"
    );
    assert_eq!(world.log.watermarks(topics::CONFIG, 0).unwrap().high, 1);
}
