//! `fuzz`: every fuzz target of `fuzz/` for a while, where cargo-fuzz and a nightly toolchain are installed.

use anyhow::{Context, Result, bail};
use clap::Args;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::{cargo, workspace};

/// How long `verify` runs each target.
pub(crate) const VERIFY_SECONDS: u64 = 20;
/// Valid files, from which the fuzzer starts.
const FIXTURES: &str = "crates/oplog/tests/fixtures";
const TOOLCHAIN: &str = "nightly";

#[derive(Args)]
pub(crate) struct FuzzArgs {
    /// Only this target.
    #[arg(long)]
    target: Option<String>,
    /// How long to run each target.
    #[arg(long, default_value_t = VERIFY_SECONDS)]
    seconds: u64,
}

/// Runs the targets that were asked for; fails when cargo-fuzz is absent.
pub(crate) fn run(root: &Path, args: &FuzzArgs) -> Result<()> {
    if !is_installed() {
        bail!("cargo-fuzz is not installed for the {TOOLCHAIN} toolchain: `cargo install cargo-fuzz`");
    }
    let mut targets = targets(root)?;
    if let Some(wanted) = &args.target {
        targets.retain(|target| target == wanted);
        if targets.is_empty() {
            bail!("there is no fuzz target `{wanted}`");
        }
    }
    run_targets(root, &targets, args.seconds)
}

/// Runs every target for [`VERIFY_SECONDS`], or says in a line that it cannot.
pub(crate) fn run_if_installed(root: &Path) -> Result<()> {
    if !is_installed() {
        println!(
            "fuzz: cargo-fuzz is absent; the tests ran the same entry points on mutated and arbitrary bytes"
        );
        return Ok(());
    }
    run_targets(root, &targets(root)?, VERIFY_SECONDS)
}

fn is_installed() -> bool {
    let mut probe = cargo_fuzz();
    probe.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    probe.status().is_ok_and(|status| status.success())
}

/// The toolchain file pins a stable one, so the other is named.
fn cargo_fuzz() -> Command {
    let mut command = Command::new("rustup");
    command.args(["run", TOOLCHAIN, "cargo", "fuzz"]);
    command
}

/// The names of the targets, sorted.
fn targets(root: &Path) -> Result<Vec<String>> {
    let folder = root.join("fuzz/fuzz_targets");
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "rs")
            && let Some(name) = path.file_stem().and_then(|name| name.to_str())
        {
            names.push(name.to_owned());
        }
    }
    names.sort();
    Ok(names)
}

fn run_targets(root: &Path, targets: &[String], seconds: u64) -> Result<()> {
    let target_dir = workspace::target(root).join("fuzz");
    let fixtures: Vec<_> = fs::read_dir(root.join(FIXTURES))?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    for target in targets {
        // The first folder takes what the fuzzer finds; the work tree stays as it is.
        let corpus = target_dir.join("corpus").join(target);
        fs::create_dir_all(&corpus)?;
        let mut command = cargo_fuzz();
        command
            .current_dir(root)
            .args(["run", target, "--target-dir"])
            .arg(&target_dir)
            .arg(&corpus)
            .args(&fixtures)
            .arg("--")
            .arg(format!("-max_total_time={seconds}"))
            .arg(format!("-artifact_prefix={}/", target_dir.display()));
        cargo::run(command).with_context(|| format!("fuzz target `{target}` failed"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_is_a_binary_of_the_package() {
        let root = workspace::root();
        let manifest = fs::read_to_string(root.join("fuzz/Cargo.toml")).unwrap();
        let targets = targets(&root).unwrap();
        let binaries = manifest.matches("[[bin]]").count();
        assert_eq!(binaries, targets.len());
        for target in &targets {
            let path = format!("path = \"fuzz_targets/{target}.rs\"");
            assert!(manifest.contains(&path), "{target}");
        }
        assert!(
            targets.iter().any(|target| target == "block_segment"),
            "{targets:?}"
        );
    }
}
