//! Repository automation. Everything that a person or the continuous integration does to this workspace is a subcommand here,
//! so that both do the same.
#![forbid(unsafe_code)]

mod cache;
mod cargo;
mod e2e;
mod fuzz;
mod mutants;
mod report;
mod sim;
mod sweep;
mod tidy;
mod verify;
mod workspace;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};
use std::process::ExitCode;

/// Repository automation.
#[derive(Parser)]
#[command(
    name = "cargo xtask",
    about = "Repository automation: verify, test, tidy, fix, sweep, sim, mutants, fuzz, e2e, bench"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Check everything: format, tidy, clippy, docs, tests, end-to-end scenarios. Changes no file of the work tree.
    Verify(VerifyArgs),
    /// Run the unit, integration and documentation tests of the workspace.
    Test,
    /// Check the rules that no other tool checks: layers, module docs, lints, paths and tests in the docs, words.
    Tidy,
    /// Format all code and apply the suggestions of clippy that it can apply by itself.
    Fix,
    /// Try crash schedules of the operation log with fresh seeds for some minutes.
    Sweep(sweep::SweepArgs),
    /// Simulate following with fresh seeds: leaders, followers, network and disks, with faults.
    Sim(sim::SimArgs),
    /// Break one rule at a time, in the simulation and in the product, and list what notices.
    Mutants(mutants::MutantsArgs),
    /// Run the fuzz targets; needs cargo-fuzz.
    Fuzz(fuzz::FuzzArgs),
    /// Run the end-to-end scenarios over real processes.
    E2e(e2e::E2eArgs),
    /// Build the release binary, measure it and print one table.
    Bench(e2e::BenchArgs),
}

#[derive(Args)]
struct VerifyArgs {
    /// Leave out the end-to-end scenarios.
    #[arg(long)]
    skip_e2e: bool,
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<()> {
    let root = workspace::root();
    match command {
        Command::Verify(args) => verify::verify(&root, args.skip_e2e),
        Command::Test => {
            let counts = cargo::test(&root)?;
            println!("{counts}");
            Ok(())
        }
        Command::Tidy => tidy::run(&root),
        Command::Fix => verify::fix(&root),
        Command::Sweep(args) => sweep::run(&root, &args),
        Command::Sim(args) => sim::sweep(&root, &args),
        Command::Mutants(args) => mutants::run(&root, &args),
        Command::Fuzz(args) => fuzz::run(&root, &args),
        Command::E2e(args) => e2e::run(&root, &args).map(|_| ()),
        Command::Bench(args) => e2e::bench(&root, &args),
    }
}
