//! The node binary: configuration, wiring and the demo. It decides nothing that a library could decide.
#![forbid(unsafe_code)]

mod check;
mod cli;
mod config;
mod data_dir;
mod demo;
mod limits;
mod logging;
mod node;
mod signals;

use std::process::ExitCode;

use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match run(cli::Cli::parse()) {
        Ok(status) => status,
        Err(error) => {
            // One sentence for people: what failed, with its causes.
            eprintln!("ccr-node: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: cli::Cli) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("ccr-async")
        .build()?;
    let result = match cli.command {
        cli::Command::Serve(args) => {
            let config = config::Config::load(&args)?;
            logging::init(config.log_format)?;
            limits::raise_and_check();
            runtime.block_on(node::serve(config))
        }
        cli::Command::Demo(args) => {
            logging::init_quiet()?;
            runtime.block_on(demo::run(args))
        }
        cli::Command::Check(args) => return Ok(check::run(&args)),
    };
    runtime.shutdown_timeout(std::time::Duration::from_secs(5));
    result.map(|()| ExitCode::SUCCESS)
}
