//! What the kernel tells of a process: CPU time and resident memory.

use anyhow::{Context, Result};
use std::fs;
use std::process::Command;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Between two looks at the memory of a process.
const SAMPLE_EVERY: Duration = Duration::from_millis(50);

/// CPU time that a process has used so far, user and system, in seconds.
pub(crate) fn cpu_seconds(pid: u32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let ticks = cpu_ticks(&stat).with_context(|| format!("cannot read {stat:?}"))?;
    let output = Command::new("getconf")
        .arg("CLK_TCK")
        .output()
        .context("cannot run getconf")?;
    let per_second: f64 = String::from_utf8_lossy(&output.stdout)
        .trim()
        .parse()
        .context("getconf CLK_TCK")?;
    Ok(ticks as f64 / per_second)
}

/// Fields 14 and 15, counted behind the program's name, which may hold spaces.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    Some(fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?)
}

/// Resident memory of a process in MiB.
pub(crate) fn resident_mib(pid: u32) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    status_field(&status, "VmRSS:")
        .map(|kib| kib as f64 / 1024.0)
        .context("no VmRSS")
}

/// The first number of a line of `/proc/PID/status`.
fn status_field(status: &str, name: &str) -> Option<u64> {
    status
        .lines()
        .find_map(|line| line.strip_prefix(name))?
        .split_whitespace()
        .next()?
        .parse()
        .ok()
}

/// What a process holds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    /// Resident memory in KiB.
    pub(crate) resident_kib: f64,
    /// Of it what is no page of a file, in KiB: the rest the kernel takes back when it needs memory.
    pub(crate) anonymous_kib: f64,
    /// Threads.
    pub(crate) threads: f64,
    /// Open file descriptors.
    pub(crate) open_files: f64,
    /// Memory mappings, which the kernel limits per process (`vm.max_map_count`).
    pub(crate) mappings: f64,
}

impl Usage {
    /// What the process holds now.
    pub(crate) fn of(pid: u32) -> Result<Usage> {
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let field = |name| {
            status_field(&status, name)
                .map(|value| value as f64)
                .with_context(|| format!("no {name}"))
        };
        Ok(Usage {
            resident_kib: field("VmRSS:")?,
            anonymous_kib: field("RssAnon:")?,
            threads: field("Threads:")?,
            open_files: fs::read_dir(format!("/proc/{pid}/fd"))?.count() as f64,
            mappings: fs::read_to_string(format!("/proc/{pid}/maps"))?.lines().count() as f64,
        })
    }
}

/// Watches the memory of processes and keeps the largest value of each.
#[derive(Debug)]
pub(crate) struct PeakMemory {
    stop: CancellationToken,
    watcher: JoinSet<Vec<f64>>,
}

impl PeakMemory {
    /// Begins to watch.
    pub(crate) fn watch(pids: Vec<u32>) -> PeakMemory {
        let (stop, mut watcher) = (CancellationToken::new(), JoinSet::new());
        let stopped = stop.clone();
        watcher.spawn(async move {
            let mut peaks = vec![0.0; pids.len()];
            while !stopped.is_cancelled() {
                for (peak, pid) in peaks.iter_mut().zip(&pids) {
                    *peak = f64::max(*peak, resident_mib(*pid).unwrap_or(0.0));
                }
                tokio::time::sleep(SAMPLE_EVERY).await;
            }
            peaks
        });
        PeakMemory { stop, watcher }
    }

    /// Ends watching and returns the largest values in MiB, in the order of the processes.
    pub(crate) async fn finish(mut self) -> Result<Vec<f64>> {
        self.stop.cancel();
        Ok(self.watcher.join_next().await.context("nobody watched")??)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_of_the_kernel_are_read() {
        let stat = "42 (a (strange) name) S 1 42 42 0 -1 4194560 500 0 0 0 123 77 0 0 20 0 9 0 100 1 2";
        assert_eq!(cpu_ticks(stat), Some(200));
        assert_eq!(cpu_ticks("garbage"), None);
        let status = "Name:\tx\nVmRSS:\t   2048 kB\nThreads:\t7\n";
        assert_eq!(status_field(status, "VmRSS:"), Some(2048));
        assert_eq!(status_field(status, "Threads:"), Some(7));
        assert_eq!(status_field(status, "VmSwap:"), None);
    }

    #[test]
    fn this_very_process_has_memory_and_used_time() {
        let pid = std::process::id();
        assert!(resident_mib(pid).unwrap() > 0.1);
        assert!(cpu_seconds(pid).unwrap() >= 0.0);
        let usage = Usage::of(pid).unwrap();
        assert!(usage.resident_kib > usage.anonymous_kib && usage.anonymous_kib > 100.0);
        assert!(usage.threads >= 1.0);
        assert!(usage.open_files >= 3.0 && usage.mappings > 3.0);
    }
}
