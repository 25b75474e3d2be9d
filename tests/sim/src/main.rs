//! Runs seeds in a row, and says what they went through. `cargo xtask sim` and `cargo xtask mutants` build and call it.
#![forbid(unsafe_code)]

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::{Args, Parser, Subcommand};
use sim::{Mutant, Plan, Tally, run};

/// Deterministic simulation of following.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run seeds in a row; the first that fails ends it.
    Sweep(Sweep),
    /// Break one rule at a time, and list which check noticed.
    Mutants {
        /// Seeds to try for each.
        #[arg(long, default_value_t = 400)]
        seeds: u64,
    },
}

#[derive(Args)]
struct Sweep {
    /// How many seeds.
    #[arg(long)]
    seeds: u64,
    /// The first one.
    #[arg(long)]
    seed: u64,
    /// Stop after so many minutes, if the seeds are not through by then; 0 for never.
    #[arg(long, default_value_t = 0)]
    minutes: u64,
    /// Every how many seed it takes; two processes share a sweep by taking every second one.
    #[arg(long, default_value_t = 1)]
    step: u64,
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Sweep(args) => sweep(&args),
        Command::Mutants { seeds } => mutants(seeds),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn sweep(args: &Sweep) -> Result<()> {
    let start = now();
    let limit = Duration::from_secs(args.minutes.saturating_mul(60));
    let mut total = Tally::default();
    for number in 0..args.seeds {
        let seed = args.seed.wrapping_add(number.wrapping_mul(args.step));
        match run(&Plan::of(seed)) {
            Ok(report) => total.add(&report.tally),
            Err(failure) => {
                println!("{failure}\n\nbefore it:\n{total}");
                bail!("seed {seed} failed");
            }
        }
        if limit > Duration::ZERO && start.elapsed() >= limit {
            break;
        }
    }
    let seconds = start.elapsed().as_secs_f64().max(0.001);
    println!(
        "{total}\n{:.0} seeds/s, {:.0} times real time",
        total.runs as f64 / seconds,
        total.simulated_micros as f64 / 1e6 / seconds
    );
    Ok(())
}

fn mutants(seeds: u64) -> Result<()> {
    // Some mutants are noticed by an assertion of the code under test: what it says is in the table.
    std::panic::set_hook(Box::new(|_| {}));
    let mut missed = Vec::new();
    for mutant in Mutant::ALL {
        let name = format!("{mutant:?}");
        let caught = (0..seeds).find_map(|seed| run(&Plan::of(seed).with_mutant(*mutant)).err());
        let source = mutant.known_bug().unwrap_or("");
        match caught {
            Some(failure) => println!(
                "{name:<38} {source:<40} {} by seed {}",
                failure.violation.invariant, failure.plan.seed
            ),
            None => {
                println!("{name:<38} {source:<40} MISSED");
                missed.push(name);
            }
        }
    }
    if !missed.is_empty() {
        bail!("nothing noticed {}", missed.join(", "));
    }
    Ok(())
}

#[expect(
    clippy::disallowed_methods,
    reason = "a sweep runs for a time and says how fast it was; no run sees this clock"
)]
fn now() -> Instant {
    Instant::now()
}
