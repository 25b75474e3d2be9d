//! `sim`, and the simulated part of `mutants`: the deterministic simulation of following (`tests/sim`), in a fast build that keeps its assertions.

use anyhow::Result;
use clap::Args;
use std::path::Path;
use std::process::Command;

use crate::cargo;
use crate::sweep::seed_of_the_clock;

#[derive(Args)]
pub(crate) struct SimArgs {
    /// How many seeds; each is one run.
    #[arg(long, default_value_t = 1_000_000)]
    seeds: u64,
    /// The longest time to go on; 0 for as long as there are seeds.
    #[arg(long, default_value_t = 10)]
    minutes: u64,
    /// The first seed; each next run takes the next number. Without it, the clock decides.
    #[arg(long)]
    seed: Option<u64>,
}

/// Runs seeds until one fails, they are through, or the time is over.
pub(crate) fn sweep(root: &Path, args: &SimArgs) -> Result<()> {
    let seed = args.seed.unwrap_or_else(seed_of_the_clock);
    println!("from seed {seed} on");
    cargo::run(simulation(root, &sweep_arguments(args, seed)))
}

/// Breaks one rule after the other, trying so many seeds for each; fails when one goes unnoticed.
pub(crate) fn mutants(root: &Path, seeds: u64) -> Result<()> {
    let arguments = ["mutants".to_owned(), "--seeds".to_owned(), seeds.to_string()];
    cargo::run(simulation(root, &arguments))
}

fn sweep_arguments(args: &SimArgs, seed: u64) -> Vec<String> {
    let options = [
        ("--seed", seed),
        ("--seeds", args.seeds),
        ("--minutes", args.minutes),
    ];
    let mut arguments = vec!["sweep".to_owned()];
    for (name, value) in options {
        arguments.extend([name.to_owned(), value.to_string()]);
    }
    arguments
}

fn simulation(root: &Path, arguments: &[String]) -> Command {
    let run = ["run", "--locked", "--profile", "sim", "--package", "sim", "--"];
    let mut command = cargo::command(root, &run);
    command.args(arguments);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sweep_is_told_where_to_begin_and_when_to_end() {
        let args = SimArgs {
            seeds: 5,
            minutes: 2,
            seed: None,
        };
        let expected = ["sweep", "--seed", "7", "--seeds", "5", "--minutes", "2"];
        assert_eq!(sweep_arguments(&args, 7), expected);
    }
}
