//! What librdkafka's errors mean to a lane.

use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

use crate::log::LogError;

/// Where in a transaction an error came up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Init,
    Begin,
    Offsets,
    Commit,
    Abort,
}

/// What librdkafka says of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Flags {
    fatal: bool,
    abortable: bool,
    retriable: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Abort,
    Unknown,
    Busy,
    Refused,
    Fatal,
}

/// Codes that say another producer has this transactional id, or that the broker no longer knows ours. librdkafka calls
/// some of them abortable; they never are.
pub(super) fn is_fenced(code: Code) -> bool {
    matches!(
        code,
        Code::ProducerFenced
            | Code::Fenced
            | Code::FencedInstanceId
            | Code::InvalidProducerEpoch
            | Code::InvalidProducerIdMapping
            | Code::InvalidTransactionalState
            | Code::TransactionCoordinatorFenced
    )
}

/// Codes that stay until a person acts.
fn needs_a_person(code: Code) -> bool {
    matches!(
        code,
        Code::TopicAuthorizationFailed
            | Code::GroupAuthorizationFailed
            | Code::ClusterAuthorizationFailed
            | Code::TransactionalIdAuthorizationFailed
            | Code::SaslAuthenticationFailed
            | Code::Authentication
            | Code::InvalidTransactionTimeout
            | Code::InvalidSessionTimeout
            | Code::InvalidReplicationFactor
            | Code::InvalidConfig
            | Code::InvalidTopic
            | Code::PolicyViolation
            | Code::UnknownTopicOrPartition
            | Code::UnknownTopic
            | Code::UnknownPartition
            | Code::MessageSizeTooLarge
            | Code::MessageBatchTooLarge
            | Code::InvalidMessageSize
            | Code::InvalidRecord
            | Code::OffsetOutOfRange
            | Code::AutoOffsetReset
            | Code::LogTruncation
    )
}

/// Codes that say the client's view of who leads a partition is old; a leader whose name is gone from the network is one
/// that librdkafka would go on asking.
pub(super) fn is_stale(code: Code) -> bool {
    matches!(
        code,
        Code::FencedLeaderEpoch
            | Code::UnknownLeaderEpoch
            | Code::NotLeaderForPartition
            | Code::LeaderNotAvailable
            | Code::Resolve
    )
}

/// Codes of a group that moves partitions: the offsets of a transaction that began before that are refused.
fn is_rebalance(code: Code) -> bool {
    matches!(
        code,
        Code::IllegalGeneration | Code::UnknownMemberId | Code::RebalanceInProgress
    )
}

/// Codes that no retry and no person at this cluster changes.
fn is_final(code: Code) -> bool {
    matches!(
        code,
        Code::UnsupportedFeature | Code::UnsupportedVersion | Code::UnsupportedForMessageFormat
    )
}

fn verdict(step: Step, code: Code, flags: Flags) -> Verdict {
    let opening = matches!(step, Step::Init | Step::Begin);
    if is_final(code) {
        Verdict::Fatal
    } else if step == Step::Init {
        if needs_a_person(code) {
            Verdict::Refused
        } else {
            Verdict::Busy
        }
    } else if is_fenced(code) || flags.fatal {
        Verdict::Unknown
    } else if flags.abortable {
        Verdict::Abort
    } else if opening && flags.retriable {
        Verdict::Busy
    } else {
        // A request without an answer may still arrive and act on the next transaction: only a new epoch stops it.
        Verdict::Unknown
    }
}

/// What a transactional call's error means.
pub(super) fn transaction(step: Step, error: &KafkaError) -> LogError {
    let code = error.rdkafka_error_code().unwrap_or(Code::Unknown);
    let flags = if let KafkaError::Transaction(native) = error {
        let (fatal, abortable, retriable) = (native.is_fatal(), native.txn_requires_abort(), native.is_retriable());
        Flags {
            fatal,
            abortable,
            retriable,
        }
    } else {
        Flags::default()
    };
    let reason = format!("{step:?}: {error} ({code:?})");
    match verdict(step, code, flags) {
        Verdict::Abort => {
            if !is_rebalance(code) {
                tracing::warn!(reason, "a transaction must be aborted");
            }
            LogError::Abort(reason)
        }
        Verdict::Unknown => LogError::Unknown(reason),
        Verdict::Busy => LogError::Busy(reason),
        Verdict::Refused => LogError::Refused(reason),
        Verdict::Fatal => LogError::Fatal(reason),
    }
}

/// Whether the same call may be made again to go on waiting.
pub(super) fn may_resume(error: &KafkaError) -> bool {
    if let KafkaError::Transaction(native) = error {
        return native.is_retriable() && !native.is_fatal() && !native.txn_requires_abort();
    }
    matches!(error, KafkaError::Flush(_))
}

/// What the error of a question, of reading or of making topics means.
pub(super) fn request(what: &str, error: &KafkaError) -> LogError {
    match error.rdkafka_error_code() {
        Some(code) => from_code(what, code),
        None => LogError::Refused(format!("{what}: {error}")),
    }
}

/// As [`request`], for a bare code.
pub(super) fn from_code(what: &str, code: Code) -> LogError {
    let reason = format!("{what}: {code} ({code:?})");
    if is_final(code) {
        LogError::Fatal(reason)
    } else if needs_a_person(code) {
        LogError::Refused(reason)
    } else {
        LogError::Busy(reason)
    }
}

/// What became of a record that was not acknowledged: a record that timed out may have been written.
pub(super) fn delivery(code: Code) -> LogError {
    let reason = format!("append: {code} ({code:?})");
    if needs_a_person(code) {
        LogError::Refused(reason)
    } else if code == Code::QueueFull {
        LogError::Busy(reason)
    } else {
        LogError::Unknown(reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Flags = Flags {
        fatal: false,
        abortable: false,
        retriable: false,
    };
    const FATAL: Flags = Flags { fatal: true, ..NONE };
    const ABORTABLE: Flags = Flags {
        abortable: true,
        ..NONE
    };
    const RETRIABLE: Flags = Flags {
        retriable: true,
        ..NONE
    };

    #[test]
    fn each_error_has_one_answer() {
        let rows = [
            (Step::Offsets, Code::IllegalGeneration, ABORTABLE, Verdict::Abort),
            (Step::Offsets, Code::UnknownMemberId, ABORTABLE, Verdict::Abort),
            (Step::Commit, Code::ProducerFenced, ABORTABLE, Verdict::Unknown),
            (
                Step::Commit,
                Code::InvalidProducerIdMapping,
                ABORTABLE,
                Verdict::Unknown,
            ),
            (Step::Commit, Code::InvalidProducerEpoch, FATAL, Verdict::Unknown),
            (Step::Commit, Code::MessageTimedOut, ABORTABLE, Verdict::Abort),
            (Step::Commit, Code::OperationTimedOut, RETRIABLE, Verdict::Unknown),
            (Step::Offsets, Code::OperationTimedOut, RETRIABLE, Verdict::Unknown),
            (Step::Abort, Code::OperationTimedOut, RETRIABLE, Verdict::Unknown),
            (Step::Commit, Code::State, NONE, Verdict::Unknown),
            (Step::Begin, Code::OperationTimedOut, RETRIABLE, Verdict::Busy),
            (Step::Begin, Code::ProducerFenced, FATAL, Verdict::Unknown),
            (Step::Init, Code::OperationTimedOut, RETRIABLE, Verdict::Busy),
            (Step::Init, Code::ProducerFenced, FATAL, Verdict::Busy),
            (
                Step::Init,
                Code::TransactionalIdAuthorizationFailed,
                FATAL,
                Verdict::Refused,
            ),
            (Step::Init, Code::UnsupportedFeature, FATAL, Verdict::Fatal),
        ];
        for (step, code, flags, expected) in rows {
            assert_eq!(verdict(step, code, flags), expected, "{step:?} {code:?}");
        }
    }

    #[test]
    fn an_unacknowledged_record_may_have_been_written() {
        assert!(matches!(delivery(Code::MessageTimedOut), LogError::Unknown(_)));
        assert!(matches!(delivery(Code::MessageSizeTooLarge), LogError::Refused(_)));
        assert!(matches!(delivery(Code::QueueFull), LogError::Busy(_)));
    }
}
