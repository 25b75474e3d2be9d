//! Runs scenarios one after the other, each in a folder of its own with a deadline, and keeps what a failed one left behind.

use crate::clock::now;
use crate::context::{Clients, Context, Tools};
use crate::dataset::Dataset;
use crate::node::pinned;
use crate::pair::log_tails;
use crate::scenarios::{ALL, Needs, Scenario};
use anyhow::{Result, anyhow, bail};
use clap::Args;
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// No scenario takes longer, also on a slow machine that has other work.
const SCENARIO_WITHIN: Duration = Duration::from_secs(600);

/// Lines of each log in the report of a failure.
const LOG_LINES: usize = 40;

/// What to run and where.
#[derive(Args)]
pub(crate) struct RunArgs {
    /// The node's program.
    #[arg(long)]
    binary: PathBuf,
    /// Folder for data and logs; each scenario gets a folder below it.
    #[arg(long)]
    work_dir: PathBuf,
    /// The data set, a JSON array of objects.
    #[arg(long)]
    dataset: PathBuf,
    /// Run only this scenario; may be given more than once.
    #[arg(long)]
    scenario: Vec<String>,
    /// Seed of all random loads; a random one when not given.
    #[arg(long)]
    seed: Option<u64>,
    /// A Python interpreter with the official client.
    #[arg(long, requires_all = ["node_modules", "client_scripts", "yaml_tests", "api_definitions"])]
    python: Option<PathBuf>,
    /// A `node_modules` folder with the official client.
    #[arg(long)]
    node_modules: Option<PathBuf>,
    /// The program `elasticdump`.
    #[arg(long, requires_all = ["curator", "esrally", "schemathesis", "client_scripts"])]
    elasticdump: Option<PathBuf>,
    /// The program `curator`.
    #[arg(long)]
    curator: Option<PathBuf>,
    /// The program `esrally`.
    #[arg(long)]
    esrally: Option<PathBuf>,
    /// The program `schemathesis`.
    #[arg(long)]
    schemathesis: Option<PathBuf>,
    /// The folder of the scripts for the official clients and, below it, for the tools.
    #[arg(long)]
    client_scripts: Option<PathBuf>,
    /// The archive of Elasticsearch's YAML tests.
    #[arg(long)]
    yaml_tests: Option<PathBuf>,
    /// The archive of the API definitions that the YAML tests' requests are built from.
    #[arg(long)]
    api_definitions: Option<PathBuf>,
    /// Keep the folders of passed scenarios too.
    #[arg(long)]
    keep: bool,
    /// Write how many passed, failed and were skipped to this file, as JSON.
    #[arg(long)]
    counts: Option<PathBuf>,
}

impl RunArgs {
    fn clients(&self) -> Option<Clients> {
        Some(Clients {
            python: self.python.clone()?,
            node_modules: self.node_modules.clone()?,
            scripts: self.client_scripts.clone()?,
            yaml_tests: self.yaml_tests.clone()?,
            api_definitions: self.api_definitions.clone()?,
        })
    }

    fn tools(&self) -> Option<Tools> {
        Some(Tools {
            elasticdump: self.elasticdump.clone()?,
            curator: self.curator.clone()?,
            esrally: self.esrally.clone()?,
            schemathesis: self.schemathesis.clone()?,
            scripts: self.client_scripts.as_ref()?.join("tools"),
        })
    }
}

/// Runs what was asked for; false when a scenario failed.
pub(crate) async fn run(args: &RunArgs) -> Result<bool> {
    let chosen = choose(&args.scenario)?;
    let dataset = Dataset::read(&args.dataset)?;
    let (clients, tools) = (args.clients(), args.tools());
    let binary = pinned(&args.binary, &args.work_dir)?;
    let seed = args.seed.unwrap_or_else(rand::random);
    println!("seed {seed}");
    let (mut passed, mut failed, mut skipped) = (0, Vec::new(), 0);
    for scenario in chosen {
        let installed = match scenario.needs {
            Needs::Nothing => true,
            Needs::Clients => clients.is_some(),
            Needs::Tools => tools.is_some(),
        };
        if !installed {
            println!("{} ... skipped: run with --clients", scenario.name);
            skipped += 1;
            continue;
        }
        let home = args.work_dir.join(scenario.name);
        let context = Context {
            binary: &binary,
            home,
            seed,
            dataset: &dataset,
            clients: clients.as_ref(),
            tools: tools.as_ref(),
        };
        match run_one(scenario, &context, args.keep).await {
            Ok(()) => passed += 1,
            Err(error) => {
                report_failure(scenario, &context.home, seed, &error);
                failed.push(scenario.name);
            }
        }
    }
    let counts = json!({ "passed": passed, "failed": failed.len(), "skipped": skipped });
    if let Some(file) = &args.counts {
        fs::write(file, counts.to_string())?;
    }
    for name in &failed {
        println!("failed: {name}");
    }
    println!("e2e: {passed} passed, {} failed, {skipped} skipped", failed.len());
    Ok(failed.is_empty())
}

fn choose(names: &[String]) -> Result<Vec<&'static Scenario>> {
    if names.is_empty() {
        return Ok(ALL.iter().collect());
    }
    let find = |name: &String| match ALL.iter().find(|scenario| scenario.name == *name) {
        Some(scenario) => Ok(scenario),
        None => bail!("there is no scenario {name:?}; `cargo xtask e2e --list` names them"),
    };
    names.iter().map(find).collect()
}

async fn run_one(scenario: &Scenario, context: &Context<'_>, keep: bool) -> Result<()> {
    println!("{} ...", scenario.name);
    if context.home.exists() {
        fs::remove_dir_all(&context.home)?;
    }
    fs::create_dir_all(&context.home)?;
    let start = now();
    let outcome = tokio::time::timeout(SCENARIO_WITHIN, (scenario.run)(context)).await;
    outcome.unwrap_or_else(|_| Err(anyhow!("took longer than {SCENARIO_WITHIN:?}")))?;
    println!(
        "{} ... ok ({:.1} s)",
        scenario.name,
        start.elapsed().as_secs_f64()
    );
    if !keep {
        fs::remove_dir_all(&context.home)?;
    }
    Ok(())
}

fn report_failure(scenario: &Scenario, home: &Path, seed: u64, error: &anyhow::Error) {
    println!("{}", log_tails(home, LOG_LINES));
    println!("{} ... FAILED: {error:#}", scenario.name);
    println!("  data and logs: {}", home.display());
    println!(
        "  again: cargo xtask e2e --scenario {} --seed {seed}",
        scenario.name
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn scenarios_have_different_names_and_are_found_by_them() {
        let names: BTreeSet<&str> = ALL.iter().map(|scenario| scenario.name).collect();
        assert_eq!(names.len(), ALL.len());
        assert_eq!(choose(&[]).unwrap().len(), ALL.len());
        assert_eq!(choose(&["bootstrap".to_owned()]).unwrap()[0].name, "bootstrap");
        assert!(choose(&["no-such".to_owned()]).is_err());
    }
}
