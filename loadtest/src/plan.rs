//! `plan`: what a deployment of a given size needs, computed from what was measured on this machine.
//!
//! Only costs are measured: CPU, memory and bytes for an alert. All else is arithmetic on them, and says so; what a cluster
//! does that one machine does not (networks, other tenants, skewed keys) is not in it.

use std::fmt;
use std::time::Duration;

use crate::cli::PlanArgs;
use crate::compare::read;
use crate::error::Error;
use crate::outcome::{Outcome, PhaseOutcome};
use crate::target::Target;

/// How busy a consumer may be in the mean: the rest is for peaks, and for the share of one that is away.
const BUSY: f64 = 0.5;
/// What a lane restores of its changelog in a second, as measured on one thread.
const RESTORED_A_SECOND: f64 = 400_000.0;
/// Until the others take a consumer for dead.
const SESSION_TIMEOUT: Duration = Duration::from_secs(10);
/// What a broker writes in a second and still answers at once: an assumption, a tenth of what its disk does.
const BROKER_BYTES_A_SECOND: f64 = 50e6;
/// Copies of each record.
const REPLICATION: f64 = 3.0;
/// What a re-send, and what a notification is on the wire, with its headers: as this program sends and receives them.
const WIRE_BYTES: f64 = 700.0;
const NOTIFICATION_BYTES: f64 = 1_500.0;
/// What a process takes that holds nothing, in bytes.
const EMPTY_PROCESS: f64 = 50e6;
/// The fewest partitions worth making, which cannot be changed later: as many as the program makes where nobody says.
const FEWEST_PARTITIONS: f64 = 8.0;

/// What an alert costs.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Costs {
    /// Whether CPU and memory are those of services on Kafka, which take several times what one process on its own log does.
    pub on_kafka: bool,
    /// CPU of a re-send, in microseconds.
    pub resend_cpu: f64,
    /// Bytes written for a re-send.
    pub resend_written: f64,
    /// CPU of a new alert and its notification, in microseconds.
    pub new_cpu: f64,
    /// Bytes written for a new alert.
    pub new_written: f64,
    /// Bytes of memory for an active alert, its own group, in all stages and the console.
    pub resident: f64,
}

impl Costs {
    /// Of runs of `resend`, and of `cold` or `memory`, or of `10k`, which has both; the last target of each counts. CPU and
    /// memory are those of services on Kafka where such a run is among them; bytes are those of a process that writes its
    /// log itself.
    ///
    /// # Errors
    /// What lacks.
    pub fn of(outcomes: &[Outcome]) -> Result<Self, Error> {
        let services = Target::Services(None).name();
        let targets = || outcomes.iter().filter_map(|outcome| outcome.targets.last());
        let on_kafka = targets().any(|target| target.name == services);
        let phases = |names: &'static [&str], all: bool| {
            targets()
                .filter(|target| all || !on_kafka || target.name == services)
                .flat_map(|target| &target.phases)
                .filter(|phase| names.contains(&phase.name.as_str()) && phase.cpu.is_some())
                .collect::<Vec<&PhaseOutcome>>()
        };
        let last = |names, from: &str| {
            let lack = || Error::new(format!("none of the files has {from}, with the processes' CPU"));
            phases(names, false).last().copied().ok_or_else(lack)
        };
        let written = |names| {
            let bytes = phases(names, true).into_iter().map(PhaseOutcome::written_per_alert);
            bytes.fold(0.0, f64::max)
        };
        let cpu = |phase: &PhaseOutcome| phase.cpu_per_alert().unwrap_or_default();
        let resend = last(RESENDS, "a phase `resend` (loadtest run resend --json)")?;
        let new = last(NEWS, "a phase `cold` or `fill` (loadtest run memory --json)")?;
        Ok(Self {
            on_kafka,
            resend_cpu: cpu(resend),
            resend_written: written(RESENDS),
            new_cpu: cpu(new),
            new_written: written(NEWS),
            resident: new.resident_per_alert(),
        })
    }
}

/// The phases in which alerts are sent again, and those in which they are new.
const RESENDS: &[&str] = &["resend"];
const NEWS: &[&str] = &["cold", "fill"];

/// What a deployment has to do.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Load {
    /// Alerts received a second, re-sends among them.
    pub rate: f64,
    /// Of those, new ones a second.
    pub new: f64,
    /// Active alerts.
    pub active: f64,
    /// Receivers that each alert goes to.
    pub receivers: f64,
}

/// What it needs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Need {
    /// Processors at work in the mean.
    pub processors: f64,
    /// Consumers of each stage, of one lane each.
    pub consumers: f64,
    /// Partitions of each inbox.
    pub partitions: f64,
    /// Memory of all processes, in bytes.
    pub memory: f64,
    /// What all brokers write a second, copies included, in bytes.
    pub written: f64,
    /// Brokers.
    pub brokers: f64,
    /// What goes in and out, in bytes a second.
    pub network: f64,
    /// From a consumer's death until its partitions' timers run again.
    pub takeover: Duration,
}

impl Load {
    /// What this load needs at these costs.
    pub fn need(&self, costs: &Costs) -> Need {
        let copies = self.receivers.max(1.0);
        let cpu = (self.rate - self.new).max(0.0) * costs.resend_cpu + self.new * costs.new_cpu * copies;
        let processors = cpu / 1e6;
        let consumers = (processors / BUSY).ceil().max(1.0);
        // Room to double, and a power of two so that consumers share evenly.
        let partitions = (consumers * 2.0).log2().ceil().exp2().max(FEWEST_PARTITIONS);
        let written = (self.rate - self.new).max(0.0) * costs.resend_written + self.new * costs.new_written * copies;
        let restored = self.active * copies / consumers / RESTORED_A_SECOND;
        Need {
            processors,
            consumers,
            partitions,
            memory: self.active * copies * costs.resident + consumers * EMPTY_PROCESS,
            written: written * REPLICATION,
            brokers: (written * REPLICATION / BROKER_BYTES_A_SECOND).ceil().max(3.0),
            network: self.rate * WIRE_BYTES + self.new * copies * NOTIFICATION_BYTES,
            takeover: SESSION_TIMEOUT + Duration::from_secs_f64(restored),
        }
    }
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mib, gib) = (1_048_576.0, 1_073_741_824.0);
        writeln!(f, "  processors at work, in the mean   {:.1}", self.processors)?;
        writeln!(
            f,
            "  consumers of each stage           {:.0}, each at most half busy",
            self.consumers
        )?;
        writeln!(f, "  partitions                        {:.0}", self.partitions)?;
        writeln!(f, "  memory of all processes           {:.1} GiB", self.memory / gib)?;
        writeln!(
            f,
            "  written by brokers, 3 copies      {:.0} MiB/s, if as much as the embedded log",
            self.written / mib
        )?;
        writeln!(
            f,
            "  brokers                           {:.0}, at 50 MB/s each (assumed)",
            self.brokers
        )?;
        writeln!(f, "  network, in and out               {:.0} MiB/s", self.network / mib)?;
        write!(
            f,
            "  takeover after a death            {:.0} s",
            self.takeover.as_secs_f64()
        )
    }
}

/// Prints the costs that were measured and what the load needs.
///
/// # Errors
/// A file cannot be read, or lacks what is needed.
pub fn run(args: &PlanArgs) -> Result<bool, Error> {
    let outcomes = args
        .measured
        .iter()
        .map(|file| read(file))
        .collect::<Result<Vec<_>, _>>()?;
    let costs = Costs::of(&outcomes)?;
    let load = Load {
        rate: args.rate,
        new: args.new,
        active: args.active,
        receivers: args.receivers,
    };
    println!(
        "Measured, on {}, with {}:",
        outcomes
            .first()
            .map(|outcome| outcome.machine.as_str())
            .unwrap_or_default(),
        if costs.on_kafka {
            "four services on Kafka"
        } else {
            "one process on its own log (on Kafka expect two to four times the CPU: `run 10k --target services`)"
        }
    );
    println!(
        "  a re-send                         {:.1} µs CPU, {:.0} bytes written",
        costs.resend_cpu, costs.resend_written
    );
    println!(
        "  a new alert and its notification  {:.1} µs CPU, {:.0} bytes written",
        costs.new_cpu, costs.new_written
    );
    println!(
        "  an active alert                   {:.0} bytes of memory",
        costs.resident
    );
    println!(
        "Computed from that for {} alerts a second, {} of them new, {} active, {} receivers each; beyond one machine nothing \
         of it was measured:\n{}",
        load.rate,
        load.new,
        load.active,
        load.receivers,
        load.need(&costs)
    );
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::{Costs, Load, Need};
    use crate::outcome::{Counts, Outcome};
    use crate::usage::Usage;

    const COSTS: Costs = Costs {
        on_kafka: false,
        resend_cpu: 10.0,
        resend_written: 100.0,
        new_cpu: 100.0,
        new_written: 5_000.0,
        resident: 2_000.0,
    };

    fn load(rate: f64, new: f64, active: f64) -> Load {
        Load {
            rate,
            new,
            active,
            receivers: 1.0,
        }
    }

    #[test]
    fn what_is_needed_grows_with_the_load() {
        let text = |load: Load| load.need(&COSTS).to_string();
        let small = load(1_000.0, 10.0, 10_000.0).need(&COSTS);
        assert!((small.processors - 0.0109).abs() < 1e-9, "{small:?}");
        let whole = |need: &Need| [need.consumers, need.partitions, need.brokers].map(|number| number.to_string());
        assert_eq!(whole(&small), ["1", "8", "3"]);
        let large = load(1_700_000.0, 10_000.0, 100e6).need(&COSTS);
        assert!((large.processors - 17.9).abs() < 1e-6, "{large:?}");
        assert_eq!(whole(&large)[..2], ["36", "128"]);
        assert!(large.memory > 200e9 && large.takeover.as_secs() == 16, "{large:?}");
        assert!(text(load(1_000.0, 10.0, 10_000.0)).contains("takeover after a death            10 s"));
        let two = Load {
            receivers: 2.0,
            ..load(1_000.0, 10.0, 10_000.0)
        };
        assert!(two.need(&COSTS).processors > small.processors);
    }

    /// A run of one target with these phases: name, microseconds of CPU, bytes held and bytes written for each alert.
    fn measured(target: &str, phases: &[(&str, u64, u64, u64)]) -> Outcome {
        const ALERTS: u64 = 1_000;
        let phase = |(name, cpu, resident, written): &(&str, u64, u64, u64)| {
            serde_json::json!({
                "name": name, "is_counted": true, "alerts": ALERTS, "acknowledged": ALERTS, "requests": 1,
                "failed_tries": 0, "words": 0, "heard": 0, "messages": 0, "accept_seconds": 1.0, "notify_seconds": null,
                "cpu": cpu * ALERTS, "cpu_accepting": null, "before": Usage::default(),
                "after": Usage { resident: resident * ALERTS, written: written * ALERTS, ..Usage::default() },
                "lateness": null, "accept": null, "notify": null, "generator_cpu": 0, "receiver_cpu": 0, "figures": {},
            })
        };
        let phases: Vec<_> = phases.iter().map(phase).collect();
        serde_json::from_value(serde_json::json!({
            "version": 1, "scenario": "", "began": "", "machine": "", "release": true, "settings": {},
            "targets": [{
                "name": target, "phases": phases, "series": [], "marks": [], "errors": {}, "strange_messages": 0,
                "verdict": Counts::default(), "findings": [],
            }],
        }))
        .unwrap()
    }

    #[test]
    fn costs_come_from_runs_or_are_missed_by_name() {
        let resend = measured("alertstream up", &[("resend", 10, 0, 100)]);
        let memory = measured("alertstream up", &[("fill", 100, 2_000, 5_000)]);
        let services = measured("alertstream services", &[("fill", 400, 3_000, 1), ("resend", 40, 0, 1)]);
        let lacks = |outcomes: &[Outcome], what: &str| {
            let error = Costs::of(outcomes).unwrap_err().to_string();
            assert!(error.contains(what), "{error}");
        };
        lacks(&[], "resend");
        lacks(std::slice::from_ref(&resend), "fill");
        assert_eq!(Costs::of(&[resend.clone(), memory.clone()]).unwrap(), COSTS);
        // CPU and memory of the services, bytes of who writes its log itself.
        let all = Costs {
            on_kafka: true,
            resend_cpu: 40.0,
            new_cpu: 400.0,
            resident: 3_000.0,
            ..COSTS
        };
        assert_eq!(Costs::of(&[services, resend, memory]).unwrap(), all);
    }
}
