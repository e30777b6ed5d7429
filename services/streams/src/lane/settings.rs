//! What a lane is told at its start.

use std::time::Duration;

use alert::PromDuration;
use processor::Processor;

/// The longest a pass applies, however long the last commit took: a broker that was away is none to go by.
pub(super) const LONGEST_PASS: PromDuration = PromDuration::from_millis(100);

/// The settings of one lane.
#[derive(Debug, Clone)]
pub struct LaneConfig {
    /// The lane's transactional id: unique among all that live.
    pub lane: String,
    /// The inbox, where it is not the stage's own (a topic of the users').
    pub inbox: Option<String>,
    /// The most records of one transaction, and in hand: more does not make a commit cheaper (measured), it only makes
    /// it later.
    pub max_records: usize,
    /// The most timers of one pass, so that a restart after an hour does not hold up the inbox.
    pub max_timers: usize,
    /// The most changelog records one pass takes up, of all partitions that are restored: some tens of milliseconds, so
    /// that polling goes on.
    pub restore_records: usize,
    /// The longest a pass waits for input on a log that cannot wake it for anything else; bounds how late a completion or a
    /// table's change is taken up there.
    pub poll_wait: Duration,
    /// How long one pass may apply before it commits, by the log's clock: this long, or as long as the last commit took, for
    /// then at most half of the time goes into commits.
    pub commit_after: PromDuration,
    /// A rule of this lane that a test switches off, to show that the simulation notices. None in any product.
    pub sabotage: Option<Sabotage>,
}

/// The lane's rules that tests switch off one at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sabotage {
    /// Timers fire though unread input may come before them.
    FireTimersAheadOfInput,
    /// A transaction with nothing but timers commits without the position.
    DropOffsetsFromTimerCommits,
    /// An aborted transaction leaves its changes in memory.
    SkipUndo,
    /// A restore takes the last record for one too many.
    EndRestoreEarly,
    /// Effects are released before the commit.
    ReleaseBeforeCommit,
    /// Effects are released though what caused them may still be undone.
    ReleaseBeforeDurable,
    /// The changelog misses what a transaction deleted.
    ForgetTombstones,
    /// Completions of an aborted transaction are not taken up again.
    LoseCompletionsOnAbort,
    /// Records are applied though their config version is not here yet.
    IgnoreConfigVersion,
    /// What is in hand stays there when a transaction was aborted.
    KeepInHand,
}

impl LaneConfig {
    /// The settings for a lane of that transactional id.
    pub fn new(lane: impl Into<String>) -> Self {
        Self {
            lane: lane.into(),
            inbox: None,
            max_records: 2_000,
            max_timers: 500,
            restore_records: 10_000,
            poll_wait: Duration::from_millis(5),
            commit_after: PromDuration::from_millis(10),
            sabotage: None,
        }
    }

    /// The consumer group: the stage's name, and the inbox where it is not the stage's own.
    pub(crate) fn group<P: Processor>(&self) -> String {
        match &self.inbox {
            Some(inbox) if inbox != P::INBOX => format!("{}-{inbox}", P::NAME),
            Some(_) | None => P::NAME.to_owned(),
        }
    }
}
