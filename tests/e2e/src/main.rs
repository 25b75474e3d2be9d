//! End-to-end scenarios and benchmarks over real `ccr-node` processes on loopback. `cargo xtask e2e` and `cargo xtask bench`
//! build the node, fetch what is needed and call this program.
#![forbid(unsafe_code)]

mod bench;
mod checker;
mod cities;
mod clock;
mod contents;
mod context;
mod dataset;
mod link;
mod load;
mod node;
mod pair;
mod rest;
mod runner;
mod scenarios;
mod script;

use anyhow::Result;
use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// End-to-end scenarios and benchmarks.
#[derive(Parser)]
#[command(
    about = "End-to-end scenarios and benchmarks over real ccr-node processes; `cargo xtask e2e` calls it"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List the scenarios.
    List,
    /// Run scenarios.
    Run(Box<runner::RunArgs>),
    /// Measure.
    Bench(bench::BenchArgs),
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<bool> {
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        tokio::select! {
            outcome = perform(command) => outcome,
            // Returning drops every node, which kills it.
            _ = tokio::signal::ctrl_c() => anyhow::bail!("interrupted"),
        }
    })
}

async fn perform(command: Command) -> Result<bool> {
    match command {
        Command::List => {
            scenarios::ALL
                .iter()
                .for_each(|scenario| println!("{:20} {}", scenario.name, scenario.about));
            Ok(true)
        }
        Command::Run(args) => runner::run(&args).await,
        Command::Bench(args) => bench::run(args).await.map(|()| true),
    }
}
