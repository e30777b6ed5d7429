//! The sender against real sockets.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod server;

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use alert::{PromDuration, Timestamp};
use arc_swap::ArcSwap;
use config::{Config, Source};
use notify::{Destinations, LaneSends, Sender};
use notify_pipeline::{Attempt, AttemptDone, AttemptId, AttemptResult, NotStarted};
use streams::{Completions, Effects};
use tokio::runtime::Handle;

use server::server;

/// The log's time stands still in these tests; deadlines are this and what the attempt may take.
const NOW: Timestamp = Timestamp::from_secs(1_000);
/// Long enough that no test ends by it.
const LONG: PromDuration = PromDuration::from_secs(60);
const PARTITION: u32 = 7;

struct World {
    sends: LaneSends,
    results: std::sync::mpsc::Receiver<(u32, AttemptDone)>,
}

impl World {
    /// Receivers by name, each with one webhook: `url: …` or `url_file: …`.
    fn new(receivers: &[(&str, String)]) -> Self {
        let mut list = String::new();
        for (name, webhook) in receivers {
            writeln!(list, "- name: {name}\n  webhook_configs: [{{{webhook}}}]").unwrap();
        }
        let text = format!("route: {{receiver: {}}}\nreceivers:\n{list}", receivers[0].0);
        let config = Config::load(
            Source {
                name: "alertmanager.yml",
                text: &text,
            },
            None,
        )
        .unwrap();
        let destinations = Arc::new(ArcSwap::from_pointee(Destinations::of(&config)));
        let (completions, results) = std::sync::mpsc::channel();
        let sender = Sender::new(Handle::current(), destinations, Arc::new(|| NOW)).unwrap();
        Self {
            sends: LaneSends::new(sender, Completions::new(completions, None)),
            results,
        }
    }

    fn send(&mut self, link: &str, within: PromDuration) {
        self.sends.release(PARTITION, attempt(link, within));
    }

    /// The next result. Lanes wait for it on a thread of their own, and so does this.
    fn result(&mut self) -> AttemptResult {
        let (partition, done) = tokio::task::block_in_place(|| self.results.recv()).unwrap();
        assert_eq!((partition, &done.id), (PARTITION, &attempt("r", LONG).id));
        done.result
    }
}

fn attempt(link: &str, within: PromDuration) -> Attempt {
    Attempt {
        id: AttemptId {
            partition: 0,
            group_id: "{}:{}".into(),
            receiver: "r".into(),
            integration: "webhook".into(),
            index: 0,
            sequence: 1,
            run: 0,
            leg: 0,
            attempt: 1,
        },
        link: link.into(),
        integration: "webhook".into(),
        index: 0,
        idempotency_key: "key".into(),
        deadline: NOW + within,
        follow_redirects: true,
        headers: vec![
            (hyper::header::USER_AGENT, "Alertmanager/0.34.0".into()),
            (hyper::header::HeaderName::from_static("idempotency-key"), "key".into()),
        ],
        body: b"{\"version\":\"4\"}\n".to_vec(),
        voids: 0,
    }
}

fn url(address: std::net::SocketAddr) -> String {
    format!("url: 'http://{address}/hook?token=secret'")
}

/// Status, whether it may be tried again, Retry-After, error, whether the request was written.
fn failed(result: AttemptResult) -> (Option<u16>, bool, Option<u64>, String, bool) {
    match result {
        AttemptResult::Failed {
            status,
            retryable,
            retry_after_ms,
            error,
            request_written,
            ..
        } => (status, retryable, retry_after_ms, error, request_written),
        AttemptResult::Accepted { .. } | AttemptResult::NotStarted { .. } => panic!("{result:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_arrives_as_it_was_made() {
    let (address, mut requests) = server().await;
    let mut world = World::new(&[("r", url(address))]);
    world.send("r", LONG);
    let asked = requests.recv().await.unwrap();
    assert!(
        asked.head.starts_with("POST /hook?token=secret HTTP/1.1\r\n"),
        "{}",
        asked.head
    );
    let head = asked.head.to_lowercase();
    assert!(head.contains("\r\nuser-agent: alertmanager/0.34.0"), "{head}");
    assert!(head.contains("\r\nidempotency-key: key"), "{head}");
    assert_eq!(asked.body, "{\"version\":\"4\"}\n");
    asked.reply("200 OK", "", "fine");
    assert!(matches!(world.result(), AttemptResult::Accepted { status: 200, .. }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_answer_means() {
    let text = "é".repeat(600);
    let first = format!("unexpected status code 500: {}", "é".repeat(256));
    let lost = "unexpected status code 302: a redirect that was not followed, as it would lose the message";
    for (status, headers, body, expected) in [
        (
            "500 Oops",
            "",
            "no disk",
            (Some(500), true, None, "unexpected status code 500: no disk"),
        ),
        ("500 Oops", "", text.as_str(), (Some(500), true, None, first.as_str())),
        (
            "503 Busy",
            "Retry-After: 7\r\n",
            "",
            (Some(503), true, Some(7_000), "unexpected status code 503"),
        ),
        (
            "429 Slow",
            "Retry-After: Thu, 01 Jan 1970 00:17:00 GMT\r\n",
            "",
            (Some(429), true, Some(20_000), "unexpected status code 429"),
        ),
        (
            "404 Gone",
            "",
            "",
            (Some(404), false, None, "unexpected status code 404"),
        ),
        ("302 Found", "Location: /login\r\n", "", (Some(302), false, None, lost)),
    ] {
        let (address, mut requests) = server().await;
        let mut world = World::new(&[("r", url(address))]);
        world.send("r", LONG);
        requests.recv().await.unwrap().reply(status, headers, body);
        let (code, retryable, retry_after, error, written) = failed(world.result());
        assert_eq!((code, retryable, retry_after, error.as_str()), expected, "{status}");
        assert!(written);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redirect_that_keeps_the_message_is_followed_where_it_may_be() {
    for (follow, status) in [
        (true, "307 Temporary"),
        (true, "308 Permanent"),
        (false, "307 Temporary"),
    ] {
        let (address, mut requests) = server().await;
        let mut world = World::new(&[("r", url(address))]);
        world.sends.release(
            PARTITION,
            Attempt {
                follow_redirects: follow,
                ..attempt("r", LONG)
            },
        );
        requests.recv().await.unwrap().reply(status, "Location: /there\r\n", "");
        if !follow {
            assert_eq!(failed(world.result()).0, Some(307));
            continue;
        }
        let moved = requests.recv().await.unwrap();
        assert!(moved.head.starts_with("POST /there "), "{}", moved.head);
        assert_eq!(moved.body, "{\"version\":\"4\"}\n");
        moved.reply("200 OK", "", "");
        assert!(matches!(world.result(), AttemptResult::Accepted { .. }));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redirect_is_followed_ten_times() {
    let (address, mut requests) = server().await;
    let mut world = World::new(&[("r", url(address))]);
    world.send("r", LONG);
    for _ in 0..11 {
        let asked = requests.recv().await.unwrap();
        asked.reply("308 Permanent", "Location: /hook\r\n", "");
    }
    let (status, retryable, _, error, written) = failed(world.result());
    assert_eq!((status, retryable, written), (None, true, true), "{error}");
    assert!(error.contains("too many redirects"), "{error}");
    assert!(requests.try_recv().is_err(), "no twelfth");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_user_of_a_url_is_told_to_its_own_host_only() {
    let (address, mut requests) = server().await;
    let (other, mut elsewhere) = server().await;
    let mut world = World::new(&[("r", format!("url: 'http://on%20call:p%3Aw@{address}/hook'"))]);
    world.send("r", LONG);
    let asked = requests.recv().await.unwrap();
    let head = asked.head.to_lowercase();
    // base64 of `on call:p:w`
    assert!(asked.head.contains(": Basic b24gY2FsbDpwOnc="), "{head}");
    assert!(
        head.starts_with("post /hook http/1.1") && !head.contains("on%20call"),
        "{head}"
    );
    asked.reply("307 Temporary", "Location: /here\r\n", "");
    let asked = requests.recv().await.unwrap();
    assert!(asked.head.starts_with("POST /here "), "{}", asked.head);
    assert!(asked.head.contains("Basic b24gY2FsbDpwOnc="), "{}", asked.head);
    asked.reply("307 Temporary", &format!("Location: http://{other}/there\r\n"), "");
    let moved = elsewhere.recv().await.unwrap();
    assert!(moved.head.starts_with("POST /there "), "{}", moved.head);
    assert!(!moved.head.to_lowercase().contains("authorization"), "{}", moved.head);
    moved.reply("200 OK", "", "");
    assert!(matches!(world.result(), AttemptResult::Accepted { .. }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_hangs_is_left_at_the_deadline() {
    let (address, mut requests) = server().await;
    let mut world = World::new(&[("r", url(address))]);
    world.send("r", PromDuration::from_millis(200));
    let held = requests.recv().await.unwrap();
    let result = failed(world.result());
    assert_eq!(result, (None, true, None, "no answer within 200 ms".into(), true));
    drop(held);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_breaks_says_whether_anything_was_written() {
    let (address, mut requests) = server().await;
    let mut world = World::new(&[("r", url(address))]);
    world.send("r", LONG);
    drop(requests.recv().await.unwrap());
    let (status, retryable, _, error, written) = failed(world.result());
    assert_eq!(
        (status, retryable, written),
        (None, true, true),
        "closed without an answer: {error}"
    );
    assert!(!error.contains("secret"), "{error}");

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let mut world = World::new(&[("r", url(address))]);
    world.send("r", LONG);
    let (status, retryable, _, error, written) = failed(world.result());
    assert_eq!(
        (status, retryable, written),
        (None, true, false),
        "nobody listens: {error}"
    );
    assert!(error.contains("refused") && !error.contains("secret"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_is_cut_short_counts_by_its_status() {
    let (address, mut requests) = server().await;
    let mut world = World::new(&[("r", url(address))]);
    world.send("r", LONG);
    let asked = requests.recv().await.unwrap();
    let cut_short = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nbeginning";
    asked.answer.send(cut_short.to_vec()).unwrap();
    assert!(matches!(world.result(), AttemptResult::Accepted { status: 200, .. }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn https_to_a_receiver_that_speaks_none_fails_before_anything_is_written() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { while listener.accept().await.is_ok() {} });
    let mut world = World::new(&[("r", format!("url: 'https://{address}/'"))]);
    world.send("r", LONG);
    let (status, retryable, _, error, written) = failed(world.result());
    assert_eq!((status, retryable, written), (None, true, false), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_sent_is_not_started() {
    let (address, mut requests) = server().await;
    let file = std::env::temp_dir().join(format!("notify-no-such-file-{}", std::process::id()));
    let mut world = World::new(&[
        ("r", url(address)),
        ("by-reference", "url: '<secret>'".into()),
        ("no-file", format!("url_file: '{}'", file.display())),
    ]);
    for (link, within, expected) in [
        ("r", PromDuration::ZERO, "its deadline passed before its turn came"),
        (
            "unknown",
            LONG,
            "this service's own config file has no address for webhook[0] of receiver unknown",
        ),
        (
            "by-reference",
            LONG,
            "this service's own config file has no address for webhook[0] of receiver by-reference",
        ),
        ("no-file", LONG, "No such file or directory"),
    ] {
        world.send(link, within);
        let result = world.result();
        let AttemptResult::NotStarted { reason } = result else {
            panic!("{link}: {result:?}")
        };
        assert!(reason.to_string().contains(expected), "{link}: {reason}");
        assert_eq!(reason == NotStarted::DeadlinePassed, within.is_zero(), "{link}");
    }
    assert!(requests.try_recv().is_err(), "nothing was sent");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_file_is_read_anew_for_each_message() {
    let file = std::env::temp_dir().join(format!("notify-url-file-{}", std::process::id()));
    let mut world = World::new(&[("r", format!("url_file: '{}'", file.display()))]);
    for path in ["/one", "/two"] {
        let (address, mut requests) = server().await;
        std::fs::write(&file, format!("http://{address}{path}\n")).unwrap();
        world.send("r", LONG);
        let asked = requests.recv().await.unwrap();
        assert!(asked.head.starts_with(&format!("POST {path} ")), "{}", asked.head);
        asked.reply("200 OK", "", "");
        assert!(matches!(world.result(), AttemptResult::Accepted { .. }));
    }
    std::fs::remove_file(&file).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_receiver_delays_only_itself() {
    let (slow, mut held) = server().await;
    let (quick, mut requests) = server().await;
    let mut world = World::new(&[("slow", url(slow)), ("quick", url(quick))]);
    for _ in 0..70 {
        world.send("slow", LONG);
    }
    let mut out = Vec::new();
    for _ in 0..64 {
        out.push(held.recv().await.unwrap());
    }
    world.send("quick", LONG);
    requests.recv().await.unwrap().reply("200 OK", "", "");
    assert!(matches!(world.result(), AttemptResult::Accepted { .. }));
    assert!(held.try_recv().is_err(), "no more than 64 at once");

    for asked in out {
        asked.reply("200 OK", "", "");
    }
    for _ in 0..6 {
        held.recv().await.unwrap().reply("200 OK", "", "");
    }
    for _ in 0..70 {
        assert!(matches!(world.result(), AttemptResult::Accepted { .. }));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_a_partition_is_given_up_nothing_starts_and_what_runs_is_awaited() {
    let (address, mut requests) = server().await;
    let mut world = World::new(&[("r", url(address))]);
    for _ in 0..65 {
        world.send("r", LONG);
    }
    let mut out = Vec::new();
    for _ in 0..64 {
        out.push(requests.recv().await.unwrap());
    }
    // The budget ends before they do: what waits for its turn is not started, what runs goes on.
    tokio::task::block_in_place(|| world.sends.revoke(&[PARTITION], Duration::ZERO));
    assert_eq!(
        world.result(),
        AttemptResult::NotStarted {
            reason: NotStarted::ShuttingDown
        }
    );
    for asked in out {
        asked.reply("200 OK", "", "");
    }
    for _ in 0..64 {
        assert!(matches!(world.result(), AttemptResult::Accepted { .. }));
    }
    assert!(requests.try_recv().is_err(), "nothing more was sent");

    // The partition comes back; its results are there when it has been given up again.
    world.send("r", LONG);
    let asked = requests.recv().await.unwrap();
    world.sends.revoke(&[PARTITION + 1], LONG.as_std());
    let answered = std::thread::spawn(move || asked.reply("200 OK", "", ""));
    tokio::task::block_in_place(|| world.sends.revoke(&[PARTITION], LONG.as_std()));
    assert!(matches!(
        world.results.try_recv().unwrap().1.result,
        AttemptResult::Accepted { .. }
    ));
    answered.join().unwrap();
}
