//! `sweep`: the crash schedules of the log, again and again with fresh seeds, for as long as one likes.

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use crate::cargo;

/// The test, as its binary names it.
const TEST: &str = "tests::model::the_log_behaves_like_its_model";
const SUMMARY: &str = "model summary:";

#[derive(Args)]
pub(crate) struct SweepArgs {
    /// How long to go on; the round that is running then is finished.
    #[arg(long, default_value_t = 10)]
    minutes: u64,
    /// The seed of the first round; each next one takes the next number. Without it, the clock decides.
    #[arg(long)]
    seed: Option<u64>,
    /// Schedules of one round.
    #[arg(long, default_value_t = 20_000)]
    schedules: u64,
}

/// What rounds tried.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Tried {
    schedules: u64,
    faults: u64,
}

impl Tried {
    /// Reads `model summary: schedules=N faults=N`, which may stand behind other text in its line.
    fn from_output(output: &str) -> Option<Self> {
        let (_, numbers) = output.split_once(SUMMARY)?;
        let line = numbers.lines().next()?;
        let number = |name: &str| {
            let found = line.split_whitespace().find_map(|word| word.strip_prefix(name))?;
            found.parse().ok()
        };
        Some(Self {
            schedules: number("schedules=")?,
            faults: number("faults=")?,
        })
    }

    fn plus(self, other: Self) -> Self {
        Self {
            schedules: self.schedules + other.schedules,
            faults: self.faults + other.faults,
        }
    }
}

/// Runs rounds until the time is over or one fails.
pub(crate) fn run(root: &Path, args: &SweepArgs) -> Result<()> {
    let binary = test_binary(root)?;
    let mut seed = args.seed.unwrap_or_else(seed_of_the_clock);
    let end = Duration::from_secs(args.minutes.saturating_mul(60));
    let start = now();
    let (mut total, mut rounds) = (Tried::default(), 0_u64);
    loop {
        let round_start = now();
        let tried = round(root, &binary, seed, args.schedules)?;
        total = total.plus(tried);
        rounds += 1;
        println!(
            "seed {seed}: {} schedules, {} faults, {}/s",
            tried.schedules,
            tried.faults,
            per_second(tried.schedules, round_start.elapsed())
        );
        if start.elapsed() >= end {
            break;
        }
        seed = seed.wrapping_add(1);
    }
    println!(
        "sweep: {rounds} rounds, {} schedules, {} faults, none lost anything; {}/s",
        total.schedules,
        total.faults,
        per_second(total.schedules, start.elapsed())
    );
    Ok(())
}

/// One run of the test; an error names the command that repeats it.
fn round(root: &Path, binary: &Path, seed: u64, schedules: u64) -> Result<Tried> {
    let output = Command::new(binary)
        // As cargo does; failing cases are remembered below it.
        .current_dir(root.join("crates/oplog"))
        .args([TEST, "--exact", "--nocapture"])
        .env("PROPTEST_RNG_SEED", seed.to_string())
        .env("OPLOG_SCHEDULES", schedules.to_string())
        .env("OPLOG_SUMMARY", "1")
        .output()
        .with_context(|| format!("cannot run {}", binary.display()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        println!("{text}\n{}", String::from_utf8_lossy(&output.stderr));
        bail!(
            "seed {seed} failed; to repeat it:\n{}",
            repeat_command(seed, schedules)
        );
    }
    Tried::from_output(&text).with_context(|| format!("{TEST} did not say what it tried:\n{text}"))
}

fn repeat_command(seed: u64, schedules: u64) -> String {
    format!(
        "PROPTEST_RNG_SEED={seed} OPLOG_SCHEDULES={schedules} cargo test --workspace --lib --locked -- --exact {TEST}"
    )
}

/// Builds the unit tests as the repeat command does, and answers the binary of those of `oplog`.
fn test_binary(root: &Path) -> Result<PathBuf> {
    let arguments = [
        "test",
        "--workspace",
        "--lib",
        "--locked",
        "--no-run",
        "--message-format",
        "json",
    ];
    let output = cargo::command(root, &arguments)
        .stderr(Stdio::inherit())
        .output()
        .context("cannot build the tests")?;
    if !output.status.success() {
        bail!("building the tests ended with {}", output.status);
    }
    let text = String::from_utf8_lossy(&output.stdout);
    executable(&text).context("cargo named no test binary of oplog")
}

/// The test binary of the library `oplog` in cargo's messages.
fn executable(messages: &str) -> Option<PathBuf> {
    let messages = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    messages
        .filter(|message| message["target"]["name"] == "oplog" && message["profile"]["test"] == true)
        .find_map(|message| Some(PathBuf::from(message["executable"].as_str()?)))
}

fn per_second(count: u64, took: Duration) -> u64 {
    (count as f64 / took.as_secs_f64().max(0.001)) as u64
}

#[expect(
    clippy::disallowed_methods,
    reason = "a sweep runs for a time and says how fast it was"
)]
fn now() -> Instant {
    Instant::now()
}

#[expect(
    clippy::disallowed_methods,
    reason = "a sweep is to try what no run tried before; it prints the seed"
)]
pub(crate) fn seed_of_the_clock() -> u64 {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_is_found_behind_the_name_of_the_test() {
        let output = "running 1 test\ntest tests::model::x ... model summary: schedules=20 faults=7\nok\n";
        let expected = Tried {
            schedules: 20,
            faults: 7,
        };
        assert_eq!(Tried::from_output(output), Some(expected));
        assert_eq!(
            expected.plus(expected),
            Tried {
                schedules: 40,
                faults: 14
            }
        );
        assert_eq!(Tried::from_output("test tests::model::x ... ok"), None);
        assert_eq!(Tried::from_output("model summary: schedules=20"), None);
    }

    #[test]
    fn the_test_binary_is_told_from_the_library_and_from_other_crates() {
        let messages = concat!(
            r#"{"target":{"name":"oplog"},"profile":{"test":false},"executable":null}"#,
            "\n",
            r#"{"target":{"name":"shard"},"profile":{"test":true},"executable":"/t/shard-1"}"#,
            "\n",
            r#"{"target":{"name":"oplog"},"profile":{"test":true},"executable":"/t/oplog-2"}"#,
            "\n",
            "not json\n"
        );
        assert_eq!(executable(messages), Some(PathBuf::from("/t/oplog-2")));
        assert_eq!(executable(""), None);
    }

    #[test]
    fn the_repeat_command_names_seed_and_count() {
        let command = repeat_command(7, 500);
        assert!(
            command.starts_with("PROPTEST_RNG_SEED=7 OPLOG_SCHEDULES=500 cargo test --workspace"),
            "{command}"
        );
    }
}
