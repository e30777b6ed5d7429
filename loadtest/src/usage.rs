//! What processes take of this machine, as `/proc` tells.

use std::path::Path;
use std::time::Duration;

use rustix::param::clock_ticks_per_second;
use serde::{Deserialize, Serialize};

/// What a process has taken so far. Of several processes: together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Usage {
    /// CPU time, user and system, in microseconds; the kernel counts in hundredths of a second.
    pub cpu: u64,
    /// Resident memory now, in bytes.
    pub resident: u64,
    /// Bytes that went to the disk, in all, as the kernel accounts them: whole pages, and where it keeps pages in larger
    /// units whole ones of those. Small writes that are synced one by one count many times over (measured at 200 alerts a
    /// second: 13 times what the disk was given); in bulk it is what it says.
    pub written: u64,
}

impl Usage {
    /// Of one process; none where it is gone, or not ours to look at.
    pub fn of(process: u32) -> Option<Self> {
        let place = Path::new("/proc").join(process.to_string());
        let read = |name: &str| std::fs::read_to_string(place.join(name)).ok();
        Some(Self {
            cpu: cpu(&read("stat")?)?,
            resident: number(&read("status")?, "VmRSS:")?.saturating_mul(1024),
            // Of another user's process it is not told.
            written: read("io").and_then(|io| number(&io, "write_bytes:")).unwrap_or(0),
        })
    }

    /// Of several, together; those that are gone do not count.
    pub fn all(processes: impl IntoIterator<Item = u32>) -> Self {
        processes
            .into_iter()
            .filter_map(Self::of)
            .fold(Self::default(), |sum, one| Self {
                cpu: sum.cpu + one.cpu,
                resident: sum.resident + one.resident,
                written: sum.written + one.written,
            })
    }

    /// The CPU time since an earlier look.
    pub fn cpu_since(&self, earlier: &Self) -> Duration {
        Duration::from_micros(self.cpu.saturating_sub(earlier.cpu))
    }
}

/// `utime` and `stime` of `/proc/PID/stat`; the name before them may hold anything.
fn cpu(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let (user, system): (u64, u64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    (user + system)
        .saturating_mul(1_000_000)
        .checked_div(clock_ticks_per_second())
}

fn number(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Processors of this machine.
pub fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// What the machine is called and has, for a report: processor, processors, memory.
pub fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let model = read("/proc/cpuinfo")
        .lines()
        .find_map(|line| Some(line.strip_prefix("model name")?.split_once(':')?.1.trim().to_owned()));
    let memory = number(&read("/proc/meminfo"), "MemTotal:").unwrap_or(0) >> 20;
    format!(
        "{} × {}, {memory} GiB",
        processors(),
        model.unwrap_or_else(|| "unknown processor".to_owned())
    )
}

#[cfg(test)]
mod tests {
    use super::{Usage, cpu};

    #[test]
    fn this_process_takes_something() {
        let usage = Usage::of(std::process::id()).unwrap();
        assert!(usage.resident > 1 << 20, "{usage:?}");
        assert_eq!(Usage::of(u32::MAX), None);
        assert!(Usage::all([std::process::id(), u32::MAX]).resident > 1 << 20);
    }

    #[test]
    fn a_name_with_spaces_and_brackets() {
        let stat = "12 (a b) c) S 1 12 12 0 -1 4194560 1 0 0 0 250 150 0 0 20 0 1 0";
        assert_eq!(cpu(stat), Some(4_000_000), "400 ticks");
    }
}
