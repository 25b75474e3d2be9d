//! What each step of a long command took, printed at its end.

use anyhow::{Context, Result};
use std::time::{Duration, Instant};

/// Names of steps with the time each took.
#[derive(Debug, Default)]
pub(crate) struct Report {
    steps: Vec<(String, Duration, bool)>,
}

impl Report {
    /// Runs a step, prints its name before and remembers its time; an error says in which step it happened.
    pub(crate) fn step<T>(&mut self, name: &str, run: impl FnOnce() -> Result<T>) -> Result<T> {
        println!("--- {name}");
        let start = now();
        let outcome = run();
        self.steps
            .push((name.to_owned(), start.elapsed(), outcome.is_ok()));
        outcome.with_context(|| format!("step `{name}` failed"))
    }

    /// The table of steps and times.
    pub(crate) fn table(&self) -> String {
        let width = self.steps.iter().map(|(name, ..)| name.len()).max().unwrap_or(0);
        let mut lines: Vec<String> = self
            .steps
            .iter()
            .map(|(name, took, passed)| {
                let outcome = if *passed { "ok" } else { "FAILED" };
                format!("{name:width$}  {:>7.1} s  {outcome}", took.as_secs_f64())
            })
            .collect();
        let total: Duration = self.steps.iter().map(|(_, took, _)| *took).sum();
        lines.push(format!("{:width$}  {:>7.1} s", "all", total.as_secs_f64()));
        lines.join("\n")
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "measuring how long a command takes is what this program is for"
)]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::bail;

    #[test]
    fn a_failed_step_is_named_in_the_error_and_in_the_table() {
        let mut report = Report::default();
        report.step("first", || Ok(())).unwrap();
        let error = report
            .step("second", || -> Result<()> { bail!("broken") })
            .unwrap_err();
        assert_eq!(format!("{error:#}"), "step `second` failed: broken");
        let table = report.table();
        assert!(table.lines().nth(1).unwrap().ends_with("FAILED"), "{table}");
        assert_eq!(table.lines().count(), 3);
    }
}
