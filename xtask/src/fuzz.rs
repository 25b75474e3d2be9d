//! `fuzz`: every fuzz target of `fuzz/` for a while, where cargo-fuzz is installed.

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
/// The ways to run cargo-fuzz, the best one first.
const FUZZERS: [Fuzzer; 2] = [
    Fuzzer {
        toolchain: Some("nightly"),
        sanitizer: "address",
    },
    // A stable compiler counts coverage, but takes no sanitizer. The log itself has no unsafe code, so little is lost.
    Fuzzer {
        toolchain: None,
        sanitizer: "none",
    },
];

#[derive(Args)]
pub(crate) struct FuzzArgs {
    /// Only this target.
    #[arg(long)]
    target: Option<String>,
    /// How long to run each target.
    #[arg(long, default_value_t = VERIFY_SECONDS)]
    seconds: u64,
}

/// A way to run cargo-fuzz.
#[derive(Debug, Clone, Copy)]
struct Fuzzer {
    /// `None` is the one of the toolchain file.
    toolchain: Option<&'static str>,
    sanitizer: &'static str,
}

impl Fuzzer {
    /// The best one that is installed.
    fn find() -> Option<Self> {
        FUZZERS.into_iter().find(|fuzzer| fuzzer.is_installed())
    }

    fn is_installed(self) -> bool {
        let mut probe = self.command();
        probe.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
        probe.status().is_ok_and(|status| status.success())
    }

    fn command(self) -> Command {
        let Some(toolchain) = self.toolchain else {
            let mut command = Command::new("cargo");
            command.arg("fuzz");
            return command;
        };
        let mut command = Command::new("rustup");
        command.args(["run", toolchain, "cargo", "fuzz"]);
        command
    }
}

/// Runs the targets that were asked for; fails when cargo-fuzz is absent.
pub(crate) fn run(root: &Path, args: &FuzzArgs) -> Result<()> {
    let Some(fuzzer) = Fuzzer::find() else {
        bail!("cargo-fuzz is not installed: `cargo install cargo-fuzz`");
    };
    let mut targets = targets(root)?;
    if let Some(wanted) = &args.target {
        targets.retain(|target| target == wanted);
        if targets.is_empty() {
            bail!("there is no fuzz target `{wanted}`");
        }
    }
    run_targets(root, fuzzer, &targets, args.seconds)
}

/// Runs every target for [`VERIFY_SECONDS`], or says in a line that it cannot.
pub(crate) fn run_if_installed(root: &Path) -> Result<()> {
    let Some(fuzzer) = Fuzzer::find() else {
        println!(
            "fuzz: cargo-fuzz is absent; the tests ran the same entry points on mutated and arbitrary bytes"
        );
        return Ok(());
    };
    run_targets(root, fuzzer, &targets(root)?, VERIFY_SECONDS)
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

fn run_targets(root: &Path, fuzzer: Fuzzer, targets: &[String], seconds: u64) -> Result<()> {
    let target_dir = workspace::target(root).join("fuzz");
    let fixtures: Vec<_> = fs::read_dir(root.join(FIXTURES))?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    for target in targets {
        // The first folder takes what the fuzzer finds; the work tree stays as it is.
        let corpus = target_dir.join("corpus").join(target);
        fs::create_dir_all(&corpus)?;
        let mut command = fuzzer.command();
        command
            .current_dir(root)
            .args(["run", target, "--sanitizer", fuzzer.sanitizer, "--target-dir"])
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
