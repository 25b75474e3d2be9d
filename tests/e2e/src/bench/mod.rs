//! What replication costs and how fast it is, what idle shards cost, what a document costs on disk, and what a long line does to it, measured from outside over real processes.
//!
//! Every round measures every figure on fresh folders; the two ways to ingest take turns at being first. A figure is the
//! median over the rounds, printed beside its smallest and largest value.

mod disk;
mod figures;
mod heal;
mod ingest;
mod lag;
mod many_shards;
mod metadata;
mod process;
mod rounds;
mod searches;
mod stuck_disk;
mod wide_link;

use crate::dataset::Dataset;
use crate::node::pinned;
use anyhow::{Result, ensure};
use clap::{Args, ValueEnum};
use figures::Figures;
use std::fs;
use std::path::PathBuf;

/// What can be measured by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Section {
    /// Ingest, catch-up, lag, bootstrap.
    Replication,
    /// Memory, threads and files of idle shards, and how fast they open.
    ManyShards,
    /// Bytes of a document on disk.
    Disk,
    /// A delta heal beside a full copy, of an index of 1 GiB.
    DeltaHeal,
    /// Memory of a follower of 500 indices with documents of 5 MiB, whose disk takes nothing.
    StuckDisk,
    /// How fast metadata arrives, and how long a change of static settings takes.
    Metadata,
    /// Searches on a follower, alone and beside replication at full speed.
    Searches,
    /// Replication over a line of 100 Mbit/s and a round trip of 100 ms.
    WideLink,
}

/// How much to measure.
#[derive(Args)]
pub(crate) struct BenchArgs {
    /// The node's program; a release build, or the figures mean nothing.
    #[arg(long)]
    pub(crate) binary: PathBuf,
    /// Folder for data and logs.
    #[arg(long)]
    pub(crate) work_dir: PathBuf,
    /// The data set, a JSON array of objects.
    #[arg(long)]
    pub(crate) dataset: PathBuf,
    /// Rounds.
    #[arg(long, default_value_t = 3)]
    pub(crate) rounds: u32,
    /// Documents written for each figure.
    #[arg(long, default_value_t = 150_000)]
    pub(crate) documents: u64,
    /// Seconds for which the lag is sampled in each round.
    #[arg(long, default_value_t = 10)]
    pub(crate) lag_seconds: u64,
    /// Indices of one shard each in the section about many shards.
    #[arg(long, default_value_t = 1_000)]
    pub(crate) shards: u64,
    /// Measure only this section.
    #[arg(long)]
    pub(crate) only: Option<Section>,
}

impl BenchArgs {
    fn measures(&self, section: Section) -> bool {
        self.only.is_none_or(|only| only == section)
    }
}

/// Measures and prints one table.
pub(crate) async fn run(args: BenchArgs) -> Result<()> {
    ensure!(args.rounds > 0 && args.documents > 0, "nothing to measure");
    let args = BenchArgs {
        binary: pinned(&args.binary, &args.work_dir)?,
        ..args
    };
    let dataset = Dataset::read(&args.dataset)?;
    let mut figures = Figures::default();
    for round in 0..args.rounds {
        println!("round {} of {}", round + 1, args.rounds);
        let home = args.work_dir.join(format!("round-{round}"));
        if home.exists() {
            fs::remove_dir_all(&home)?;
        }
        if args.measures(Section::Replication) {
            rounds::measure(&args, &dataset, round, &home, &mut figures).await?;
        }
        if args.measures(Section::ManyShards) {
            many_shards::measure(&args.binary, &home, args.shards, &mut figures).await?;
        }
        if args.measures(Section::Disk) {
            disk::measure(&args.binary, &home, &mut figures).await?;
        }
        if args.measures(Section::DeltaHeal) {
            heal::measure(&args.binary, &home, &mut figures).await?;
        }
        if args.measures(Section::StuckDisk) {
            stuck_disk::measure(&args.binary, &home, &mut figures).await?;
        }
        if args.measures(Section::Metadata) {
            metadata::measure(&args.binary, &dataset, &home, &mut figures).await?;
        }
        if args.measures(Section::Searches) {
            searches::measure(&args.binary, &dataset, &home, &mut figures).await?;
        }
        if args.measures(Section::WideLink) {
            wide_link::measure(&args, &dataset, &home, &mut figures).await?;
        }
        fs::remove_dir_all(&home)?;
    }
    println!(
        "\n{} rounds of {} documents and of {} shards, {} cores",
        args.rounds,
        args.documents,
        args.shards,
        cores()
    );
    println!("{}", figures.table());
    Ok(())
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
