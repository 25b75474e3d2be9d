//! `verify`, the one command that says whether the workspace is sound, and `fix`, which repairs what a machine can.

use crate::cargo::{self, TestCounts};
use crate::e2e::{self, E2eArgs};
use crate::fuzz;
use crate::report::Report;
use crate::tidy;
use anyhow::{Context, Result, bail};
use std::path::Path;
use std::process::Command;

/// Runs every check in turn, cheap ones first, and stops at the first that fails. Changes no file of the work tree.
pub(crate) fn verify(root: &Path, skip_e2e: bool) -> Result<()> {
    let mut report = Report::default();
    let outcome = steps(root, skip_e2e, &mut report);
    println!("\n{}", report.table());
    let counts = outcome?;
    println!("\nverify: {counts}");
    Ok(())
}

fn steps(root: &Path, skip_e2e: bool, report: &mut Report) -> Result<TestCounts> {
    let before = tree_state(root);
    report.step("format", || {
        cargo::run(cargo::command(root, &["fmt", "--all", "--check"]))
    })?;
    report.step("tidy", || tidy::run(root))?;
    report.step("clippy", || {
        cargo::run(clippy(root, &["--locked"], &["-D", "warnings"]))
    })?;
    report.step("docs", || cargo::run(docs(root)))?;
    let mut counts = report.step("tests", || cargo::test(root))?;
    report.step("fuzz", || fuzz::run_if_installed(root))?;
    if !skip_e2e {
        let scenarios = report.step("e2e", || e2e::run(root, &E2eArgs::everything()))?;
        counts = counts.plus(scenarios);
    }
    // People edit while they verify; a continuous integration machine does not.
    if std::env::var_os("CI").is_some() {
        report.step("work tree unchanged", || {
            unchanged(before.as_deref(), tree_state(root).as_deref())
        })?;
    }
    Ok(counts)
}

fn clippy(root: &Path, options: &[&str], lints: &[&str]) -> Command {
    let mut command = cargo::command(root, &["clippy", "--workspace", "--all-targets"]);
    command.args(options).arg("--").args(lints);
    command
}

fn docs(root: &Path) -> Command {
    let mut command = cargo::command(root, &["doc", "--workspace", "--no-deps", "--locked"]);
    command.env("RUSTDOCFLAGS", "-D warnings");
    command
}

/// What git says of the work tree, or nothing outside a git checkout.
fn tree_state(root: &Path) -> Option<String> {
    let output = Command::new("git")
        .current_dir(root)
        .args(["status", "--porcelain"])
        .output()
        .ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

fn unchanged(before: Option<&str>, after: Option<&str>) -> Result<()> {
    if before != after {
        bail!(
            "verify changed the work tree; git status before:\n{}after:\n{}",
            before.unwrap_or(""),
            after.unwrap_or("")
        );
    }
    Ok(())
}

/// Formats the code and lets clippy apply its own suggestions.
pub(crate) fn fix(root: &Path) -> Result<()> {
    cargo::run(clippy(root, &["--fix", "--allow-dirty", "--allow-staged"], &[]))
        .context("clippy could not fix everything")?;
    cargo::run(cargo::command(root, &["fmt", "--all"]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_work_tree_is_reported_with_both_states() {
        assert!(unchanged(Some(""), Some("")).is_ok());
        assert!(unchanged(None, None).is_ok());
        let error = unchanged(Some(""), Some(" M Cargo.lock\n")).unwrap_err();
        assert!(error.to_string().contains("Cargo.lock"), "{error}");
    }
}
