//! One round: every figure once, on fresh folders.

use super::figures::{Figures, percentile};
use super::process::{PeakMemory, cpu_seconds, resident_mib};
use super::{BenchArgs, ingest, lag};
use crate::checker::{check_equal, wait_until_applied, wait_until_in_sync};
use crate::cities;
use crate::clock::now;
use crate::dataset::Dataset;
use crate::node::Node;
use crate::pair::{Connection, Pair, node_spec};
use anyhow::{Context, Result};
use serde_json::json;
use std::fs::{self, File};
use std::path::Path;
use std::time::Duration;

/// Shards of the measured index.
const SHARDS: u32 = 2;

/// Nothing that is measured takes longer.
const WITHIN: Duration = Duration::from_secs(600);

/// What writing documents took.
struct Ingest {
    documents_per_second: f64,
    cpu_per_million: f64,
}

/// Measures every figure once.
pub(crate) async fn measure(
    args: &BenchArgs,
    dataset: &Dataset,
    round: u32,
    home: &Path,
    figures: &mut Figures,
) -> Result<()> {
    fs::create_dir_all(home)?;
    let pair = Pair::start(&args.binary, home, Connection::Direct).await?;
    cities::create(pair.leader.rest(), "cities", SHARDS).await?;
    pair.follow("cities", "copy", json!({})).await?;
    for (name, node) in [
        ("leader RSS, idle", &pair.leader),
        ("follower RSS, idle", &pair.follower),
    ] {
        figures.add(name, "MiB", resident_mib(node.pid().context("not running")?)?);
    }
    // The first to run on a machine that just rested has it better: they take turns.
    let (alone, followed) = if round.is_multiple_of(2) {
        let alone = ingest_alone(args, dataset, home).await?;
        (alone, ingest_followed(args, dataset, &pair).await?)
    } else {
        let followed = ingest_followed(args, dataset, &pair).await?;
        (ingest_alone(args, dataset, home).await?, followed)
    };
    figures.add("ingest, no follower", "docs/s", alone.documents_per_second);
    figures.add_beside(
        "ingest, one follower",
        "docs/s",
        followed.documents_per_second,
        Some("ingest, no follower"),
    );
    figures.add("leader CPU, no follower", "s / 1 M ops", alone.cpu_per_million);
    figures.add_beside(
        "leader CPU, one follower",
        "s / 1 M ops",
        followed.cpu_per_million,
        Some("leader CPU, no follower"),
    );
    catch_up(args, dataset, &pair, figures).await?;
    let times = lag::sample(&pair, "cities", "copy", Some(dataset), args.lag_seconds).await?;
    figures.add("lag p50 at 2,000 docs/s", "ms", percentile(&times, 50));
    figures.add("lag p99 at 2,000 docs/s", "ms", percentile(&times, 99));
    figures.add("longest lag at 2,000 docs/s", "ms", percentile(&times, 100));
    let times = lag::sample(&pair, "cities", "copy", None, args.lag_seconds).await?;
    figures.add("lag p50 of single documents", "ms", percentile(&times, 50));
    figures.add("lag p99 of single documents", "ms", percentile(&times, 99));
    figures.add("longest lag of single documents", "ms", percentile(&times, 100));
    bootstrap(&pair, home, figures).await?;
    check_equal(&pair, "cities", "copy", WITHIN).await?;
    pair.check_logs()
}

const _: () = assert!(lag::RATE == 2_000, "the names of the lag figures tell the rate");

async fn ingest_alone(args: &BenchArgs, dataset: &Dataset, home: &Path) -> Result<Ingest> {
    let node = Node::start(node_spec(&args.binary, home, "alone")).await?;
    cities::create(node.rest(), "cities", SHARDS).await?;
    measured_ingest(args, dataset, &node).await
}

/// The leader's CPU time includes what the follower reads until it has everything.
async fn ingest_followed(args: &BenchArgs, dataset: &Dataset, pair: &Pair) -> Result<Ingest> {
    let pid = pair.leader.pid().context("not running")?;
    let before = cpu_seconds(pid)?;
    let mut ingest = measured_ingest(args, dataset, &pair.leader).await?;
    wait_until_in_sync(pair, "cities", "copy", WITHIN).await?;
    ingest.cpu_per_million = (cpu_seconds(pid)? - before) / args.documents as f64 * 1e6;
    Ok(ingest)
}

async fn measured_ingest(args: &BenchArgs, dataset: &Dataset, node: &Node) -> Result<Ingest> {
    let pid = node.pid().context("not running")?;
    let before = cpu_seconds(pid)?;
    let took = ingest::write(node.rest(), "cities", dataset, 0, args.documents).await?;
    // The search index catches up behind the acknowledgements: its work belongs to the cost of an operation.
    node.rest().post_empty("/cities/_refresh").await?;
    let cpu = cpu_seconds(pid)? - before;
    Ok(Ingest {
        documents_per_second: args.documents as f64 / took.as_secs_f64(),
        cpu_per_million: cpu / args.documents as f64 * 1e6,
    })
}

async fn catch_up(args: &BenchArgs, dataset: &Dataset, pair: &Pair, figures: &mut Figures) -> Result<()> {
    let follower = pair.follower.rest();
    follower.post_empty("/copy/_ccr/pause_follow").await?;
    ingest::write(
        pair.leader.rest(),
        "cities",
        dataset,
        args.documents,
        2 * args.documents,
    )
    .await?;
    pair.leader.rest().post_empty("/cities/_refresh").await?;
    let pids = [&pair.leader, &pair.follower].map(|node| node.pid().context("not running"));
    let pids = pids.into_iter().collect::<Result<Vec<_>>>()?;
    let memory = PeakMemory::watch(pids.clone());
    let cpu = || {
        pids.iter()
            .map(|pid| cpu_seconds(*pid))
            .collect::<Result<Vec<_>>>()
    };
    let cpu_before = cpu()?;
    let start = now();
    follower.post_empty("/copy/_ccr/resume_follow").await?;
    wait_until_applied(pair, "cities", "copy", WITHIN).await?;
    let took = start.elapsed();
    let peaks = memory.finish().await?;
    // What was applied is yet to be made searchable: that belongs to the cost of an operation too.
    follower.post_empty("/copy/_refresh").await?;
    let names = ["leader CPU, catching up", "follower CPU, catching up"];
    for ((name, before), after) in names.into_iter().zip(cpu_before).zip(cpu()?) {
        figures.add(
            name,
            "s / 1 M ops",
            (after - before) / args.documents as f64 * 1e6,
        );
    }
    figures.add_beside(
        "catch-up after a pause",
        "docs/s",
        args.documents as f64 / took.as_secs_f64(),
        Some("ingest, no follower"),
    );
    for (name, idle, peak) in [
        (
            "leader RSS, peak while catching up",
            "leader RSS, idle",
            peaks.first(),
        ),
        (
            "follower RSS, peak while catching up",
            "follower RSS, idle",
            peaks.get(1),
        ),
    ] {
        figures.add_beside(name, "MiB", *peak.context("no sample")?, Some(idle));
    }
    Ok(())
}

/// A second follower from nothing, and beside it a plain copy of what it got.
async fn bootstrap(pair: &Pair, home: &Path, figures: &mut Figures) -> Result<()> {
    pair.leader.rest().post_empty("/cities/_flush").await?;
    // By default a copy keeps to 40 MiB a second; here it shows what it can do.
    for node in [&pair.leader, &pair.follower] {
        let no_limit = json!({"persistent": {"ccr.indices.recovery.max_bytes_per_sec": "0b"}});
        node.rest().put("/_cluster/settings", &no_limit).await?;
    }
    let start = now();
    pair.follow("cities", "second", json!({})).await?;
    let took = start.elapsed();
    let stats = pair.leader.rest().get("/cities/_stats").await?;
    let bytes = stats["_all"]["primaries"]["store"]["size_in_bytes"]
        .as_u64()
        .context("no store size")?;
    let mib = bytes as f64 / 1_048_576.0;
    // The leader's folder holds little besides that index; the rate is taken over what was really copied.
    let start = now();
    let copied = copy_folder(&pair.leader.spec().data_dir, &home.join("plain-copy"))?;
    let plain = copied as f64 / 1_048_576.0 / start.elapsed().as_secs_f64();
    figures.add("plain copy of the files, synced", "MiB/s", plain);
    figures.add_beside(
        "bootstrap, no rate limit",
        "MiB/s",
        mib / took.as_secs_f64(),
        Some("plain copy of the files, synced"),
    );
    Ok(())
}

/// Copies a folder, syncs every file, and returns the bytes copied.
fn copy_folder(from: &Path, to: &Path) -> Result<u64> {
    fs::create_dir_all(to)?;
    let mut bytes = 0;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            bytes += copy_folder(&entry.path(), &target)?;
        } else {
            bytes += fs::copy(entry.path(), &target)?;
            File::open(&target)?.sync_data()?;
        }
    }
    Ok(bytes)
}
