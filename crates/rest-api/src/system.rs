//! What the operating system says of this process and of its machine. What it does not say is left out: on other systems than Linux that is
//! most of it.

use std::fs;
use std::num::NonZero;

use serde_json::{Map, Value, json};

/// Clock ticks in a second, in which `/proc` counts time. Source: proc(5); 100 on every architecture that this runs on.
const TICKS_PER_SECOND: u64 = 100;

/// Processors that this process may use.
pub(crate) fn processors() -> Option<usize> {
    std::thread::available_parallelism().ok().map(NonZero::get)
}

/// The release of the kernel.
pub(crate) fn os_version() -> Option<String> {
    read("/proc/sys/kernel/osrelease").map(|text| text.trim().to_owned())
}

/// Load and memory of the machine, as `_nodes/stats` shows them.
pub(crate) fn os() -> Map<String, Value> {
    let mut os = Map::new();
    if let Some([one, five, fifteen]) = read("/proc/loadavg").as_deref().and_then(load_average) {
        let load = json!({"load_average": {"1m": one, "5m": five, "15m": fifteen}});
        os.insert("cpu".to_owned(), load);
    }
    let Some(text) = read("/proc/meminfo") else {
        return os;
    };
    if let Some(memory) = memory(kib_of(&text, "MemTotal"), kib_of(&text, "MemAvailable")) {
        os.insert("mem".to_owned(), memory);
    }
    if let Some(swap) = memory(kib_of(&text, "SwapTotal"), kib_of(&text, "SwapFree")) {
        os.insert("swap".to_owned(), swap);
    }
    os
}

/// Files, processor time and memory of this process, as `_nodes/stats` shows them.
pub(crate) fn process() -> Map<String, Value> {
    let mut process = Map::new();
    let mut put = |key: &str, value: Option<u64>| {
        if let Some(value) = value {
            process.insert(key.to_owned(), value.into());
        }
    };
    put("open_file_descriptors", open_files());
    put(
        "max_file_descriptors",
        read("/proc/self/limits").as_deref().and_then(max_files),
    );
    if let Some(millis) = read("/proc/self/stat").as_deref().and_then(cpu_millis) {
        process.insert("cpu".to_owned(), json!({"total_in_millis": millis}));
    }
    if let Some(text) = read("/proc/self/status") {
        let mut memory = Map::new();
        for (key, field) in [
            ("total_virtual_in_bytes", "VmSize"),
            ("resident_in_bytes", "VmRSS"),
        ] {
            if let Some(bytes) = kib_of(&text, field) {
                memory.insert(key.to_owned(), bytes.into());
            }
        }
        process.insert("mem".to_owned(), Value::Object(memory));
    }
    process
}

/// Files and sockets that this process has open.
pub(crate) fn open_files() -> Option<u64> {
    fs::read_dir("/proc/self/fd")
        .ok()
        .map(|files| files.count() as u64)
}

fn read(path: &str) -> Option<String> {
    fs::read_to_string(path).ok()
}

fn load_average(text: &str) -> Option<[f64; 3]> {
    let mut numbers = text.split_ascii_whitespace().map(|part| part.parse().ok());
    Some([numbers.next()??, numbers.next()??, numbers.next()??])
}

/// The soft limit of open files; `None` when there is none.
fn max_files(limits: &str) -> Option<u64> {
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

/// Time in user mode and in the kernel. The name of the process, which comes before, may hold anything but ends at the last parenthesis.
fn cpu_millis(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace().skip(11);
    let (user, system): (u64, u64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some((user + system) * 1000 / TICKS_PER_SECOND)
}

/// The bytes of a line such as `MemTotal:  16316412 kB`.
fn kib_of(text: &str, field: &str) -> Option<u64> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

fn memory(total: Option<u64>, free: Option<u64>) -> Option<Value> {
    let (total, free) = (total?, free?);
    let used = total.saturating_sub(free);
    let percent = |part: u64| (part * 100).checked_div(total).unwrap_or(0);
    Some(json!({
        "total_in_bytes": total,
        "free_in_bytes": free,
        "used_in_bytes": used,
        "free_percent": percent(free),
        "used_percent": percent(used),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_writes_is_read() {
        assert_eq!(load_average("0.52 1.00 2.5 1/100 42\n"), Some([0.52, 1.0, 2.5]));
        assert_eq!(load_average("0.52"), None);
        let limits =
            "Limit   Soft Limit   Hard Limit   Units\nMax open files            1024    524288    files\n";
        assert_eq!(max_files(limits), Some(1024));
        assert_eq!(max_files("Max open files  unlimited unlimited files"), None);
        let stat = "7 (a ) b) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20 0";
        assert_eq!(cpu_millis(stat), Some(2000));
        let memory_of = |text: &str| memory(kib_of(text, "MemTotal"), kib_of(text, "MemAvailable"));
        let memory = memory_of("MemTotal:       4 kB\nMemFree: 0 kB\nMemAvailable:   1 kB\n");
        assert_eq!(
            memory,
            Some(
                json!({"total_in_bytes": 4096, "free_in_bytes": 1024, "used_in_bytes": 3072, "free_percent": 25, "used_percent": 75})
            )
        );
        assert_eq!(memory_of("MemTotal: 4 kB"), None);
    }
}
