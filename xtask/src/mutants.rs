//! `mutants`: rules broken on purpose, in the simulation and in the product, and what notices each.

use crate::cargo::{self, TestCounts};
use crate::sim;
use anyhow::{Context, Result, bail};
use clap::Args;
use std::path::Path;
use std::process::Command;

#[derive(Args)]
pub(crate) struct MutantsArgs {
    /// Seeds to try for each broken rule of the simulation.
    #[arg(long, default_value_t = 400)]
    seeds: u64,
}

/// A bug of another system that `crates/ccr/src/mutant.rs` can switch on, because the simulation does not reach where it would be.
struct KnownBug {
    mutant: &'static str,
    source: &'static str,
    test: &'static str,
}

const KNOWN_BUGS: &[KnownBug] = &[
    KnownBug {
        mutant: "CleansLiveTasks",
        source: "cross-cluster-replication#1725",
        test: "known_bugs::only_tasks_of_deleted_indices_are_cleaned_away",
    },
    KnownBug {
        mutant: "TakesTheWriteIndex",
        source: "cross-cluster-replication#1625",
        test: "known_bugs::an_alias_that_both_clusters_write_through_keeps_its_write_index_on_each",
    },
    KnownBug {
        mutant: "TakesTheReplicaCount",
        source: "cross-cluster-replication#1661",
        test: "known_bugs::leader_and_follower_each_have_their_own_number_of_replicas",
    },
];

/// Fails when a broken rule goes unnoticed.
pub(crate) fn run(root: &Path, args: &MutantsArgs) -> Result<()> {
    println!("noticed in the simulation (`every_mutant_is_caught_by_its_check` in tests/sim):");
    let simulated = sim::mutants(root, args.seeds);
    println!("\nnoticed by a test of crates/ccr:");
    cargo::run(test_command(root, &["--no-run"]))?;
    let mut missed = Vec::new();
    for bug in KNOWN_BUGS {
        let verdict = judge(run_test(root, bug, false)?, run_test(root, bug, true)?);
        let shown = verdict.map_or_else(|why| format!("MISSED: {why}"), |()| bug.test.to_owned());
        println!("{:<38} {:<40} {shown}", bug.mutant, bug.source);
        if verdict.is_err() {
            missed.push(bug.mutant);
        }
    }
    simulated?;
    if !missed.is_empty() {
        bail!("nothing noticed {}", missed.join(", "));
    }
    Ok(())
}

fn test_command(root: &Path, arguments: &[&str]) -> Command {
    let test = [
        "test",
        "--locked",
        "--package",
        "ccr",
        "--features",
        "mutants",
        "--test",
        "it",
    ];
    let mut command = cargo::command(root, &test);
    command.args(arguments);
    command
}

/// How the bug's test ends with or without it.
fn run_test(root: &Path, bug: &KnownBug, with_bug: bool) -> Result<TestCounts> {
    let mut command = test_command(root, &["--quiet", "--", "--exact", bug.test]);
    command.env_remove(SWITCH);
    if with_bug {
        command.env(SWITCH, bug.mutant);
    }
    let output = command
        .output()
        .with_context(|| format!("cannot run {}", bug.test))?;
    Ok(TestCounts::of_output(&String::from_utf8_lossy(&output.stdout)))
}

const SWITCH: &str = "CCR_MUTANT";

/// A bug is caught by a test that passes without it and fails with it.
fn judge(without: TestCounts, with: TestCounts) -> Result<(), &'static str> {
    match (without.passed, without.failed, with.passed, with.failed) {
        (1, 0, 0, 1) => Ok(()),
        (1, 0, 1, 0) => Err("the test passes with it"),
        (0, 1, _, _) => Err("the test fails without it"),
        _ => Err("the test did not run once"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_test_that_the_bug_makes_fail_catches_it() {
        let ran = |passed, failed| TestCounts {
            passed,
            failed,
            skipped: 0,
        };
        assert_eq!(judge(ran(1, 0), ran(0, 1)), Ok(()));
        assert_eq!(judge(ran(1, 0), ran(1, 0)), Err("the test passes with it"));
        assert_eq!(judge(ran(0, 1), ran(0, 1)), Err("the test fails without it"));
        for (without, with) in [
            (ran(0, 0), ran(0, 0)),
            (ran(1, 0), ran(0, 0)),
            (ran(0, 0), ran(0, 1)),
        ] {
            assert_eq!(judge(without, with), Err("the test did not run once"));
        }
    }
}
