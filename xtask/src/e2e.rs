//! Builds the node and the end-to-end runner, fetches what the scenarios need, and runs scenarios or benchmarks.

use crate::cache;
use crate::cargo::{self, TestCounts};
use crate::workspace;
use anyhow::{Result, bail};
use clap::Args;
use std::path::Path;
use std::process::Command;

/// What to run of the end-to-end scenarios.
#[derive(Args, Default)]
pub(crate) struct E2eArgs {
    /// Run only this scenario; may be given more than once.
    #[arg(long)]
    scenario: Vec<String>,
    /// List the scenarios and run none.
    #[arg(long)]
    list: bool,
    /// Install the official clients and the third-party tools, fetch the YAML tests, and run their scenarios too.
    #[arg(long)]
    clients: bool,
    /// Seed of the random loads; a random one, printed, when not given.
    #[arg(long)]
    seed: Option<u64>,
    /// Keep the data folders and logs of passed scenarios too.
    #[arg(long)]
    keep: bool,
}

impl E2eArgs {
    /// All scenarios, with the official clients and the third-party tools.
    pub(crate) fn everything() -> E2eArgs {
        E2eArgs {
            clients: true,
            ..E2eArgs::default()
        }
    }
}

/// How long and over how much to measure.
#[derive(Args)]
pub(crate) struct BenchArgs {
    /// Rounds; every figure is the median over them.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Documents written for each figure.
    #[arg(long, default_value_t = 150_000)]
    documents: u64,
    /// Seconds for which the lag is sampled in each round.
    #[arg(long, default_value_t = 10)]
    lag_seconds: u64,
    /// Indices of one shard each in the section about many shards.
    #[arg(long, default_value_t = 1_000)]
    shards: u64,
    /// Measure only this section: `replication`, `many-shards`, `disk`, `delta-heal`, `stuck-disk`, `metadata`, `searches` or `wide-link`.
    #[arg(long)]
    only: Option<String>,
}

/// Builds in the dev profile and runs the scenarios; the runner's exit status decides.
pub(crate) fn run(root: &Path, args: &E2eArgs) -> Result<TestCounts> {
    let target = workspace::target(root);
    cargo::run(cargo::command(
        root,
        &["build", "--locked", "--package", "ccr-node", "--package", "e2e"],
    ))?;
    let mut runner = Command::new(target.join("debug/e2e"));
    if args.list {
        runner.arg("list");
        cargo::run(runner)?;
        return Ok(TestCounts::default());
    }
    runner
        .arg("run")
        .arg("--binary")
        .arg(target.join("debug/ccr-node"));
    runner.arg("--work-dir").arg(target.join("e2e"));
    runner.arg("--dataset").arg(cache::dataset(root)?);
    let counts_file = target.join("e2e/counts.json");
    runner.arg("--counts").arg(&counts_file);
    runner.arg("--client-scripts").arg(root.join("tests/e2e/clients"));
    let with_clients = |name: &String| name == "official-clients" || name == "yaml-tests";
    if args.clients || args.scenario.iter().any(with_clients) {
        let clients = cache::clients(root)?;
        runner.arg("--python").arg(clients.python);
        runner.arg("--node-modules").arg(clients.node_modules);
        runner.arg("--yaml-tests").arg(clients.yaml_tests);
        runner.arg("--api-definitions").arg(clients.api_definitions);
    }
    if args.clients || args.scenario.iter().any(|name| name.starts_with("tool-")) {
        let tools = cache::tools(root)?;
        runner.arg("--elasticdump").arg(tools.elasticdump);
        runner.arg("--curator").arg(tools.curator);
        runner.arg("--esrally").arg(tools.esrally);
        runner.arg("--schemathesis").arg(tools.schemathesis);
    }
    for scenario in &args.scenario {
        runner.arg("--scenario").arg(scenario);
    }
    if let Some(seed) = args.seed {
        runner.arg("--seed").arg(seed.to_string());
    }
    if args.keep {
        runner.arg("--keep");
    }
    cargo::run(runner)?;
    read_counts(&counts_file)
}

fn read_counts(file: &Path) -> Result<TestCounts> {
    let counts: serde_json::Value = serde_json::from_slice(&std::fs::read(file)?)?;
    let count = |name: &str| counts[name].as_u64().unwrap_or(0);
    let counts = TestCounts {
        passed: count("passed"),
        failed: count("failed"),
        skipped: count("skipped"),
    };
    if counts.passed == 0 {
        bail!("no scenario ran");
    }
    Ok(counts)
}

/// Builds in the release profile and measures.
pub(crate) fn bench(root: &Path, args: &BenchArgs) -> Result<()> {
    let target = workspace::target(root);
    cargo::run(cargo::command(
        root,
        &[
            "build",
            "--locked",
            "--release",
            "--package",
            "ccr-node",
            "--package",
            "e2e",
        ],
    ))?;
    let mut runner = Command::new(target.join("release/e2e"));
    runner
        .arg("bench")
        .arg("--binary")
        .arg(target.join("release/ccr-node"));
    runner.arg("--work-dir").arg(target.join("bench"));
    runner.arg("--dataset").arg(cache::dataset(root)?);
    runner.args(["--rounds", &args.rounds.to_string()]);
    runner.args(["--documents", &args.documents.to_string()]);
    runner.args(["--lag-seconds", &args.lag_seconds.to_string()]);
    runner.args(["--shards", &args.shards.to_string()]);
    if let Some(section) = &args.only {
        runner.args(["--only", section]);
    }
    cargo::run(runner)
}
