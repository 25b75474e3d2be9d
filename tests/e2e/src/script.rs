//! Scripts of `tests/e2e/clients`: clients and tools as their users drive them, against the two clusters of a pair.

use crate::pair::Pair;
use anyhow::{Context as _, Result, ensure};
use std::path::Path;
use std::process::Command;

/// What every script says at its end, so that one that ended early is noticed.
const PASSED: &str = "all samples passed";

/// The command of one script; it finds the addresses of the pair in its environment.
pub(crate) fn command(interpreter: &Path, script: &Path, pair: &Pair) -> Command {
    let mut command = Command::new(interpreter);
    command
        .arg(script)
        // Nothing is written beside the scripts.
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("LEADER", pair.leader.rest().base())
        .env("FOLLOWER", pair.follower.rest().base())
        .env("LEADER_TRANSPORT", &pair.leader.addresses().transport);
    command
}

/// Runs a script to its end, which must be a success; what it said is part of the error.
pub(crate) async fn run(name: &str, command: Command) -> Result<()> {
    run_until(name, command, PASSED).await
}

/// Runs a program to its end, which must be a success, and in which it must have said `last`.
pub(crate) async fn run_until(name: &str, mut command: Command, last: &str) -> Result<()> {
    let output = tokio::task::spawn_blocking(move || command.output())
        .await?
        .with_context(|| format!("cannot run {name}"))?;
    let said = [output.stdout, output.stderr]
        .map(|text| String::from_utf8_lossy(&text).into_owned())
        .concat();
    ensure!(output.status.success(), "{name}: {}\n{said}", output.status);
    ensure!(said.contains(last), "{name} ended early:\n{said}");
    Ok(())
}
