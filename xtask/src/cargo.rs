//! Running cargo, always with the committed lock file, and counting what its tests say.

use anyhow::{Context, Result, bail};
use std::fmt;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

/// How many tests ended how.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TestCounts {
    /// Tests that passed.
    pub(crate) passed: u64,
    /// Tests that failed.
    pub(crate) failed: u64,
    /// Tests that were left out.
    pub(crate) skipped: u64,
}

impl TestCounts {
    /// The sum of both.
    pub(crate) fn plus(self, other: TestCounts) -> TestCounts {
        TestCounts {
            passed: self.passed + other.passed,
            failed: self.failed + other.failed,
            skipped: self.skipped + other.skipped,
        }
    }

    /// The sum of all summary lines in what a test command printed.
    pub(crate) fn of_output(output: &str) -> TestCounts {
        let lines = output.lines().filter_map(TestCounts::from_line);
        lines.fold(TestCounts::default(), TestCounts::plus)
    }

    /// Reads one `test result: ok. 3 passed; 0 failed; 1 ignored; ...` line; other lines count nothing.
    fn from_line(line: &str) -> Option<TestCounts> {
        let summary = line.trim().strip_prefix("test result: ")?;
        let count = |word: &str| -> u64 {
            let before = summary.split(word).next().unwrap_or_default();
            before
                .rsplit([' ', ';', '.'])
                .find(|part| !part.is_empty())
                .and_then(|part| part.parse().ok())
                .unwrap_or(0)
        };
        Some(TestCounts {
            passed: count(" passed"),
            failed: count(" failed"),
            skipped: count(" ignored"),
        })
    }
}

impl fmt::Display for TestCounts {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} passed, {} failed", self.passed, self.failed)?;
        if self.skipped > 0 {
            write!(out, ", {} skipped", self.skipped)?;
        }
        Ok(())
    }
}

/// A cargo command in `root`; the cargo that runs this program, so that the toolchain file decides.
pub(crate) fn command(root: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root).args(arguments);
    command
}

/// Runs a command to its end and fails when it does.
pub(crate) fn run(mut command: Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("cannot run {:?}", command.get_program()))?;
    if !status.success() {
        bail!("{} ended with {status}", describe(&command));
    }
    Ok(())
}

fn describe(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(
        command
            .get_args()
            .map(|argument| argument.to_string_lossy().into_owned()),
    );
    format!("`{}`", words.join(" "))
}

/// Runs all tests of the workspace: by nextest where it is installed, else by cargo itself.
///
/// Property tests take the same cases each time, so that a failure is due to the change at hand. Set `PROPTEST_RNG_SEED` to try others, and
/// `PROPTEST_CASES` to try more.
pub(crate) fn test(root: &Path) -> Result<TestCounts> {
    let seeded = |arguments: &[&str]| {
        let mut command = command(root, arguments);
        if std::env::var_os(PROPTEST_SEED_VARIABLE).is_none() {
            command.env(PROPTEST_SEED_VARIABLE, PROPTEST_SEED);
        }
        command
    };
    if has_nextest(root) {
        run(seeded(&[
            "nextest",
            "run",
            "--workspace",
            "--locked",
            "--no-fail-fast",
        ]))?;
        return counted(command(root, &["test", "--workspace", "--doc", "--locked"]));
    }
    counted(seeded(&["test", "--workspace", "--locked", "--no-fail-fast"]))
}

const PROPTEST_SEED_VARIABLE: &str = "PROPTEST_RNG_SEED";
const PROPTEST_SEED: &str = "1";

fn has_nextest(root: &Path) -> bool {
    let mut probe = command(root, &["nextest", "--version"]);
    probe.stdout(Stdio::null()).stderr(Stdio::null());
    probe.status().is_ok_and(|status| status.success())
}

/// Runs a test command, passes its output on line by line, and adds up its summary lines.
fn counted(mut command: Command) -> Result<TestCounts> {
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run {}", describe(&command)))?;
    let mut counts = TestCounts::default();
    if let Some(output) = child.stdout.take() {
        let mut terminal = std::io::stdout().lock();
        for line in BufReader::new(output).split(b'\n') {
            let line = String::from_utf8_lossy(&line?).into_owned();
            writeln!(terminal, "{line}")?;
            counts = counts.plus(TestCounts::from_line(&line).unwrap_or_default());
        }
    }
    let status = child.wait()?;
    if !status.success() {
        bail!("{} ended with {status}: {counts}", describe(&command));
    }
    Ok(counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summary_lines_are_counted_and_others_are_not() {
        let line = "test result: FAILED. 12 passed; 3 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.02s";
        assert_eq!(
            TestCounts::from_line(line),
            Some(TestCounts {
                passed: 12,
                failed: 3,
                skipped: 1
            })
        );
        let line =
            "test result: ok. 120 passed; 0 failed; 0 ignored; 0 measured; 4 filtered out; finished in 1.20s";
        assert_eq!(
            TestCounts::from_line(line),
            Some(TestCounts {
                passed: 120,
                failed: 0,
                skipped: 0
            })
        );
        assert_eq!(TestCounts::from_line("test shard::passed ... ok"), None);
    }

    #[test]
    fn the_sum_reads_like_a_runner_summary() {
        let sum = TestCounts {
            passed: 2,
            failed: 0,
            skipped: 0,
        }
        .plus(TestCounts {
            passed: 5,
            failed: 1,
            skipped: 0,
        });
        assert_eq!(sum.to_string(), "7 passed, 1 failed");
        assert_eq!(
            TestCounts {
                passed: 1,
                failed: 0,
                skipped: 2
            }
            .to_string(),
            "1 passed, 0 failed, 2 skipped"
        );
    }
}
