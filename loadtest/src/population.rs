//! The alerts of a run: which there are, and what each says. The same for the same seed and run.

use std::collections::HashMap;

use alert::{Fingerprint, LabelSet};
use serde_json::json;

use crate::rng::Rng;

/// Namespaces that made alerts are spread over.
const NAMESPACES: u32 = 50;

/// Every alert that a run may send, by its number from 0.
#[derive(Debug, Clone, PartialEq)]
pub enum Population {
    /// Made up, as a rule of Prometheus's own mixins writes them.
    Made(Made),
    /// Recorded somewhere.
    Recorded(Vec<Recorded>),
}

/// Alerts that are made up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// The label `run`, which tells them from those of other runs.
    pub run: String,
    /// Decides the names of pods.
    pub seed: u64,
    /// How many there are.
    pub alerts: u32,
    /// How many share the label `service`, by which the configs of this crate group.
    pub per_group: u32,
    /// How many of the first share one all the same.
    pub giant: u32,
}

/// An alert that somebody had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// Its labels.
    pub labels: LabelSet,
    /// Its annotations.
    pub annotations: LabelSet,
}

impl Population {
    /// How many alerts there are.
    pub fn len(&self) -> u32 {
        match self {
            Self::Made(made) => made.alerts,
            Self::Recorded(alerts) => u32::try_from(alerts.len()).unwrap_or(u32::MAX),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The labels of an alert; empty where there is no such alert.
    pub fn labels(&self, number: u32) -> LabelSet {
        match self {
            Self::Made(made) => made.labels(number),
            Self::Recorded(alerts) => alerts
                .get(number as usize)
                .map(|alert| alert.labels.clone())
                .unwrap_or_default(),
        }
    }

    /// Its annotations.
    pub fn annotations(&self, number: u32) -> LabelSet {
        match self {
            Self::Made(_) => {
                let text = format!("Pod checkout-{number:07} (app) is in waiting state (reason: CrashLoopBackOff).");
                let pairs = [("summary", "Pod is crash looping."), ("description", &text)];
                pairs
                    .into_iter()
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .collect()
            }
            Self::Recorded(alerts) => alerts
                .get(number as usize)
                .map(|alert| alert.annotations.clone())
                .unwrap_or_default(),
        }
    }

    /// The alert as API v2 takes it, without its times: an object's text up to its closing brace.
    pub fn open_object(&self, number: u32) -> String {
        let (labels, annotations) = (self.labels(number), self.annotations(number));
        let object = json!({
            "labels": labels,
            "annotations": annotations,
            "generatorURL": "http://prometheus:9090/graph?g0.expr=kube_pod_container_status_waiting_reason&g0.tab=1",
        });
        let mut text = object.to_string();
        text.pop();
        text
    }

    /// The number of each alert by the fingerprint that a webhook names it with.
    pub fn by_fingerprint(&self) -> HashMap<Fingerprint, u32> {
        (0..self.len())
            .map(|number| (self.labels(number).fingerprint(), number))
            .collect()
    }
}

impl Made {
    fn labels(&self, number: u32) -> LabelSet {
        let pod = Rng::new(self.seed ^ u64::from(number)).bits() & 0xf_ffff;
        let service = if number < self.giant {
            0
        } else {
            number / self.per_group.max(1)
        };
        let pairs = [
            ("alertname", "KubePodCrashLooping".to_owned()),
            ("cluster", "eu-west-1".to_owned()),
            ("container", "app".to_owned()),
            ("job", "kube-state-metrics".to_owned()),
            ("namespace", format!("team-{}", service % NAMESPACES)),
            ("pod", format!("checkout-{number:07}-{pod:05x}")),
            ("run", self.run.clone()),
            ("service", format!("checkout-{service:07}")),
            ("severity", "warning".to_owned()),
        ];
        pairs
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{Made, Population};

    fn made(seed: u64) -> Population {
        Population::Made(Made {
            run: "r".to_owned(),
            seed,
            alerts: 200,
            per_group: 10,
            giant: 0,
        })
    }

    #[test]
    fn a_seed_is_one_population_and_no_two_alerts_are_one() {
        let texts = |population: &Population| (0..200).map(|n| population.open_object(n)).collect::<Vec<_>>();
        assert_eq!(texts(&made(1)), texts(&made(1)));
        assert_ne!(texts(&made(1)), texts(&made(2)));
        assert_eq!(made(1).by_fingerprint().len(), 200);
        let groups: std::collections::BTreeSet<_> = (0..200)
            .map(|n| made(1).labels(n).value("service").to_owned())
            .collect();
        assert_eq!(groups.len(), 20);
    }

    #[test]
    fn the_first_may_share_one_giant_group() {
        let giant = Population::Made(Made {
            run: "r".to_owned(),
            seed: 1,
            alerts: 200,
            per_group: 1,
            giant: 150,
        });
        let service = |number| giant.labels(number).value("service").to_owned();
        assert_eq!(service(0), service(149));
        assert_ne!(service(149), service(150));
        assert_ne!(service(150), service(151));
    }

    #[test]
    fn an_open_object_lacks_its_brace_only() {
        let text = made(1).open_object(7) + "}";
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["labels"]["service"], "checkout-0000000");
        assert!(
            value["annotations"]["description"]
                .as_str()
                .unwrap()
                .contains("checkout-0000007")
        );
    }
}
