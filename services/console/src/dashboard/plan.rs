//! Who would be told, and when: a receiver's chain and a policy's ladder, by the code that goes by them.

use config::{Config, Policy, Target};
use policy::{Ladder, Rung, chain};
use serde::Serialize;

/// Somebody whom a rung tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub(super) struct PlanReceiver {
    receiver: String,
    integrations: Vec<String>,
    /// Who is told where this one fails, in order.
    fallback: Vec<String>,
}

/// A rung of the ladder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub(super) struct PlanRung {
    /// From 0.
    round: u32,
    /// From 0.
    step: u32,
    last_resort: bool,
    /// From the ladder's start, while nobody acknowledges.
    after_ms: u64,
    receivers: Vec<PlanReceiver>,
}

/// A policy's ladder, rung by rung.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub(super) struct Plan {
    policy: String,
    rungs: Vec<PlanRung>,
}

impl Plan {
    pub(super) fn of(config: &Config, policy: &Policy) -> Self {
        let ladder = Ladder::of(policy);
        let rung = |(after, rung): (alert::PromDuration, Rung)| {
            let (round, step, last_resort) = match rung {
                Rung::Step { round, step } => (round, step, false),
                Rung::LastResort => (0, 0, true),
            };
            PlanRung {
                round,
                step,
                last_resort,
                after_ms: after.millis(),
                receivers: ladder.targets(rung).iter().map(|target| told(config, target)).collect(),
            }
        };
        Self {
            policy: policy.name.clone(),
            rungs: ladder.schedule().into_iter().map(rung).collect(),
        }
    }

    /// The ladder of the policy with that name.
    pub(super) fn named(config: &Config, name: &str) -> Option<Self> {
        let policy = config.escalation.as_ref()?.policies.get(name)?;
        Some(Self::of(config, policy))
    }
}

fn told(config: &Config, target: &Target) -> PlanReceiver {
    let Target::Receiver(name) = target;
    PlanReceiver {
        receiver: name.clone(),
        integrations: integrations(config, name),
        fallback: fallback(config, name),
    }
}

/// What a receiver sends by.
pub(super) fn integrations(config: &Config, receiver: &str) -> Vec<String> {
    let receiver = config.receiver(receiver);
    let integrations = receiver.into_iter().flat_map(|receiver| &receiver.integrations);
    integrations
        .map(|integration| integration.kind.name().to_owned())
        .collect()
}

/// Whom else is tried for a receiver, in order.
pub(super) fn fallback(config: &Config, receiver: &str) -> Vec<String> {
    chain(config, receiver)
        .into_iter()
        .skip(1)
        .map(|link| link.receiver)
        .collect()
}
