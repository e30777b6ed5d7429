//! What the shell is asked to send, and what it reports back.

use std::borrow::Cow;

use alert::Timestamp;
use http::HeaderName;

/// Which attempt of which request: enough to find its state again.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AttemptId {
    /// The partition whose state asked for it.
    pub partition: u32,
    /// The group.
    pub group_id: String,
    /// The request's receiver.
    pub receiver: String,
    /// The request's integration.
    pub integration: String,
    /// Its place among the receiver's integrations of that kind.
    pub index: i32,
    /// The request's sequence number.
    pub sequence: i64,
    /// Tells apart two runs of one sequence number.
    pub run: i64,
    /// Which of the run's legs, from 0.
    pub leg: usize,
    /// Counts the leg's attempts, from 1.
    pub attempt: i32,
}

/// One send, to be started after the commit and before its deadline, by this owner only. Pure data: where it goes is
/// looked up by link, integration and index in the files of the service that sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Which attempt it is.
    pub id: AttemptId,
    /// The receiver it goes to: the request's own, or a link of its chain.
    pub link: String,
    /// The kind of the integration it goes to.
    pub integration: String,
    /// Its place among the link's integrations of that kind.
    pub index: i32,
    /// The same for every attempt of this request at this integration.
    pub idempotency_key: String,
    /// By the log's clock: it is not started after this, and no longer running.
    pub deadline: Timestamp,
    /// Whether a redirect is followed.
    pub follow_redirects: bool,
    /// The headers; the values are ASCII.
    pub headers: Vec<(HeaderName, Cow<'static, str>)>,
    /// The body.
    pub body: Vec<u8>,
    /// How many requests the stage had taken for void when it asked for this. Where no more have become so, this one has not.
    pub voids: u64,
}

/// What became of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptDone {
    /// Which attempt.
    pub id: AttemptId,
    /// What became of it.
    pub result: AttemptResult,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttemptResult {
    /// The receiver took it: a 2xx.
    Accepted {
        /// The status code.
        status: u16,
        /// From the start of the attempt to its end, in milliseconds.
        duration_ms: u64,
    },
    /// The receiver refused it, or nobody knows.
    Failed {
        /// The status code, where an answer came.
        status: Option<u16>,
        /// Where no answer came: whether it may be tried again.
        retryable: bool,
        /// How long the receiver asked to be left alone, in milliseconds.
        retry_after_ms: Option<u64>,
        /// In words; at most 512 bytes count.
        error: String,
        /// From the start of the attempt to its end, in milliseconds.
        duration_ms: u64,
        /// Whether some of the request may have reached the receiver.
        request_written: bool,
    },
    /// Nothing was sent.
    NotStarted {
        /// Why.
        reason: NotStarted,
    },
}

/// Why an attempt was not started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotStarted {
    /// This service's own files hold no usable address for it; in words.
    NoDestination(String),
    /// Its deadline passed while it waited for its turn.
    DeadlinePassed,
    /// The process is going down.
    ShuttingDown,
    /// What made it unwanted was read in the transaction that asked for it.
    NoLongerWanted,
}

impl std::fmt::Display for NotStarted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoDestination(why) => f.write_str(why),
            Self::DeadlinePassed => f.write_str("its deadline passed before its turn came"),
            Self::NoLongerWanted => f.write_str("it was no longer wanted when its turn came"),
            Self::ShuttingDown => f.write_str("the process is shutting down"),
        }
    }
}
