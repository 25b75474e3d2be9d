//! The ratios of what was measured: the log beside the machine.

use std::path::PathBuf;

/// Groups in the order in which they are printed, and the ratio that is aimed at.
const GROUPS: [(&str, Option<f64>); 10] = [
    ("append", Some(0.5)),
    ("append and sync", None),
    ("read plain segments", Some(0.5)),
    ("read plain segments, cold", Some(0.5)),
    ("read compressed segments", None),
    ("read compressed segments, cold", None),
    ("get, plain", None),
    ("get, compressed", None),
    ("compact", None),
    ("open", None),
];

/// Whether no part was asked for by name.
pub(crate) fn is_whole_run() -> bool {
    std::env::args().skip(1).all(|argument| argument.starts_with('-'))
}

fn criterion_dir() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    let target = target.unwrap_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(".."));
    target.join("criterion")
}

/// The median time of one iteration in seconds, and the bytes or elements of it.
fn median(group: &str, function: &str) -> Option<(f64, serde_json::Value)> {
    let dir = criterion_dir()
        .join(group.replace(',', "_"))
        .join(function)
        .join("new");
    let dir = if dir.is_dir() {
        dir
    } else {
        criterion_dir().join(group).join(function).join("new")
    };
    let read = |name: &str| -> Option<serde_json::Value> {
        serde_json::from_slice(&std::fs::read(dir.join(name)).ok()?).ok()
    };
    let nanos = read("estimates.json")?["median"]["point_estimate"].as_f64()?;
    Some((nanos / 1e9, read("benchmark.json")?["throughput"].clone()))
}

fn rate(group: &str, seconds: f64, throughput: &serde_json::Value) -> String {
    match (throughput["Bytes"].as_f64(), throughput["Elements"].as_f64()) {
        (Some(bytes), _) if group == "open" => {
            format!("{:>7.1} ms/GiB", 1000.0 * seconds / (bytes / f64::from(1 << 30)))
        }
        (Some(bytes), _) => format!("{:>9.0} MiB/s", bytes / seconds / f64::from(1 << 20)),
        (None, Some(elements)) => format!("{:>9.0} ops/s", elements / seconds),
        (None, None) => format!("{:>9.3} s", seconds),
    }
}

/// Prints what is there, also of earlier runs of other parts.
pub(crate) fn print() {
    println!("\n{:<32} {:>15} {:>15}  ratio", "", "machine", "log");
    for (group, target) in GROUPS {
        let (Some((machine, throughput)), Some((log, _))) = (median(group, "machine"), median(group, "log"))
        else {
            continue;
        };
        let target = target.map_or(String::new(), |target| format!(" (at least {target:.2})"));
        println!(
            "{group:<32} {:>15} {:>15}  {:.2}{target}",
            rate(group, machine, &throughput),
            rate(group, log, &throughput),
            machine / log
        );
    }
}
