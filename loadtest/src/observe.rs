//! One run: post and listen while something is done to the system, then judge.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::{sleep_until, timeout};

use crate::client::{Client, Endpoints};
use crate::error::Error;
use crate::journal::possible_duplicates;
use crate::oracle::{Evidence, Heard, Outage, Posted, Status, Verdict, Word, judge};
use crate::poster::{Numbering, Poster, Posting, millis};
use crate::sink::Sink;

/// How many messages are looked at at a time.
const PAGE: usize = 1_000;
/// How long between two looks at the journal.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// What a run does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// New alerts a second.
    pub rate: u32,
    /// For how long.
    pub lasting: Duration,
    /// How they are posted.
    pub posting: Posting,
    /// How long to listen after the last expected message: for what must not come.
    pub linger: Duration,
    /// How long a repeat's record may take to be shown.
    pub record_shown: Duration,
}

/// The system under test, as a client knows it.
#[derive(Debug, Clone)]
pub struct Tested {
    /// Who asks and posts.
    pub client: Client,
    /// Where alerts are posted, and where the console answers.
    pub endpoints: Endpoints,
}

/// What was done to the system meanwhile.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FaultLog {
    /// When.
    pub outages: Vec<Outage>,
    /// What, for the report.
    pub notes: Vec<String>,
    /// What went wrong with it: the run has failed.
    pub failures: Vec<String>,
}

/// The log, written by those who do it and read at the end of a run. All clones are one log.
#[derive(Debug, Clone, Default)]
pub struct Faults(Arc<Mutex<FaultLog>>);

impl Faults {
    /// To write in, or to read.
    pub fn log(&self) -> MutexGuard<'_, FaultLog> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a run showed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Observed {
    /// Judged.
    pub verdict: Verdict,
    /// What was done to the system.
    pub faults: FaultLog,
    /// Alerts that were refused for good: none must be.
    pub refused: Vec<String>,
    /// Why the journal's records are not known, if they are not.
    pub journal_error: Option<String>,
    /// How many records of possible duplicates there are of what was heard more than once.
    pub records: usize,
    /// How long it took.
    pub took: Duration,
}

impl Observed {
    /// Whether all was as it must be.
    pub fn is_good(&self) -> bool {
        let Self {
            verdict,
            faults,
            refused,
            journal_error,
            ..
        } = self;
        verdict.violations.is_empty() && faults.failures.is_empty() && refused.is_empty() && journal_error.is_none()
    }
}

/// Posts numbered alerts by the plan while `suffering` runs, waits for what is owed, resolves every alert, waits for that,
/// and judges. The system's messages must go to `sink`; times count from `began`; whatever is done to the system is in
/// `faults` at the end.
pub async fn observe(
    plan: &Plan,
    tested: &Tested,
    sink: &Sink,
    began: Instant,
    faults: &Faults,
    suffering: impl Future<Output = ()>,
) -> Observed {
    let poster = Poster::new(
        tested.client.clone(),
        tested.endpoints.clone(),
        plan.posting.clone(),
        began,
    );
    let mut ear = Ear::new(sink, plan.posting.numbering.clone(), began);

    let (stop, stopped) = watch::channel(false);
    let resending = {
        let poster = poster.clone();
        tokio::spawn(async move { poster.resend(stopped).await })
    };
    let give_up = plan.posting.bound;
    let firing = {
        let poster = poster.clone();
        let (rate, lasting) = (plan.rate, plan.lasting);
        tokio::spawn(async move { poster.fire(rate, lasting).await })
    };
    suffering.await;
    sleep_until((began + plan.lasting).into()).await;
    let all_posted = async {
        drop(firing.await);
    };
    drop(timeout(give_up, all_posted).await);
    ear.wait(&poster, Status::Firing, give_up).await;

    stop.send_replace(true);
    drop(resending.await);
    drop(timeout(plan.posting.resolve_bound, poster.resolve_all()).await);
    ear.wait(&poster, Status::Resolved, plan.posting.resolve_bound).await;
    poster.close();
    sleep_until((Instant::now() + plan.linger).into()).await;
    ear.listen();

    let faults = faults.log().clone();
    let mut evidence = Evidence {
        posted: poster.posted(),
        heard: ear.heard,
        outages: faults.outages.clone(),
        ..Evidence::default()
    };
    let journal_error = read_records(tested, &mut evidence, plan.record_shown)
        .await
        .err()
        .map(|error| error.to_string());
    Observed {
        verdict: judge(&evidence),
        faults,
        refused: poster.refused(),
        journal_error,
        records: evidence.possible_duplicates.values().sum(),
        took: began.elapsed(),
    }
}

/// Asks the journal about every key that was heard more than once, until it explains that or had its time.
async fn read_records(tested: &Tested, evidence: &mut Evidence, at_most: Duration) -> Result<(), Error> {
    let mut repeats: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for heard in &evidence.heard {
        let key = heard.key.as_deref().unwrap_or_default();
        *repeats.entry((key, &heard.group)).or_default() += 1;
    }
    repeats.retain(|_, times| *times > 1);
    let deadline = Instant::now() + at_most;
    for ((key, group), times) in repeats {
        loop {
            let url = tested.endpoints.next().ok_or_else(|| Error::new("no console to ask"))?;
            let asked = possible_duplicates(&tested.client, &url, group).await;
            let late = Instant::now() >= deadline;
            match asked.map(|records| records.get(key).copied().unwrap_or_default()) {
                Ok(records) if late || records + 1 >= times => {
                    evidence.possible_duplicates.insert(key.to_owned(), records);
                    break;
                }
                Err(error) if late => return Err(error),
                Ok(_) | Err(_) => sleep_until((Instant::now() + LOOK_AGAIN).into()).await,
            }
        }
    }
    Ok(())
}

/// Listens to the sink for one run's words.
#[derive(Debug)]
pub struct Ear<'a> {
    sink: &'a Sink,
    numbering: Numbering,
    began: Instant,
    seq: u64,
    words: BTreeSet<Word>,
    heard: Vec<Heard>,
}

impl<'a> Ear<'a> {
    /// Hears what the sink gets from now on.
    pub fn new(sink: &'a Sink, numbering: Numbering, began: Instant) -> Self {
        let seq = *sink.arrived().borrow();
        Self {
            sink,
            numbering,
            began,
            seq,
            words: BTreeSet::new(),
            heard: Vec::new(),
        }
    }

    /// What was heard so far.
    pub fn heard(&self) -> &[Heard] {
        &self.heard
    }

    /// Takes in what has come.
    pub fn listen(&mut self) {
        loop {
            let messages = self.sink.after(self.seq, PAGE);
            let Some(last) = messages.last() else { return };
            self.seq = last.seq;
            for message in messages.iter().filter(|message| message.is_accepted()) {
                let at = millis(message.at.saturating_duration_since(self.began));
                let key = message.headers.get("idempotency-key");
                let (group, words) = self.numbering.words(&message.body);
                self.words.extend(&words);
                let heard = |word| Heard {
                    word,
                    at,
                    key: key.cloned(),
                    group: group.clone(),
                };
                self.heard.extend(words.into_iter().map(heard));
            }
        }
    }

    /// Waits until every word of that status which was acknowledged is heard, at most so long.
    pub async fn wait(&mut self, poster: &Poster, status: Status, at_most: Duration) {
        let deadline = Instant::now() + at_most;
        let mut arrived = self.sink.arrived();
        loop {
            arrived.mark_unchanged();
            self.listen();
            let owed = |(word, posted): (&Word, &Posted)| {
                word.1 == status && posted.acknowledged.is_some() && !self.words.contains(word)
            };
            if !poster.posted().iter().any(owed) {
                return;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            drop(timeout(left.min(LOOK_AGAIN), arrived.changed()).await);
        }
    }
}
