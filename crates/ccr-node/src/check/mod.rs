//! `ccr-node check`: what the files of a stopped node are worth.
//!
//! The crates that own the files verify them; here they are found, and what was found is told.

mod advice;
mod plan;
mod report;

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Context;
use cluster::{ClusterState, OpenError, StoreError};
use oplog::LogError;
use shard::{ShardError, check_dir};

use crate::cli::CheckArgs;
use crate::data_dir::StoppedDataDir;
use plan::{Task, Work};
use report::{ClusterStateReport, Report, ShardReport, Status};

/// Status of a process that could not tell, as of one whose arguments make no sense.
const CANNOT_TELL: u8 = 2;

/// Verifies and prints. Answers the status of the process.
pub(crate) fn run(args: &CheckArgs) -> ExitCode {
    match check(args, &mut io::stdout().lock()) {
        Ok(Status::Ok | Status::Skipped) => ExitCode::SUCCESS,
        Ok(Status::Damaged) => ExitCode::from(1),
        Ok(Status::NotChecked) => ExitCode::from(CANNOT_TELL),
        Err(error) => {
            eprintln!("ccr-node: {error:#}");
            ExitCode::from(CANNOT_TELL)
        }
    }
}

fn check(args: &CheckArgs, out: &mut impl Write) -> anyhow::Result<Status> {
    let data_dir = StoppedDataDir::hold(&args.data_dir)?;
    let (cluster_state, state) = check_cluster_state(&data_dir)?;
    let work = plan::work(&data_dir.indices(), state.as_ref())
        .with_context(|| format!("cannot list [{}]", data_dir.indices().display()))?;
    let mut report = Report::new(data_dir.path(), cluster_state);
    if !args.json {
        report.cluster_state.print(out)?;
    }
    for task in work {
        let shard = check_shard(task, args.files);
        if !args.json {
            // Each as soon as it is known: a large directory takes its time.
            shard.print(out)?;
        }
        report.shards.push(shard);
    }
    report.conclude();
    if args.json {
        serde_json::to_writer_pretty(&mut *out, &report)?;
        writeln!(out)?;
    } else {
        report.print_summary(out)?;
    }
    out.flush()?;
    Ok(report.status)
}

/// Without cluster state the shards can still be verified, only nobody knows their names or which ones are missing.
fn check_cluster_state(
    data_dir: &StoppedDataDir,
) -> anyhow::Result<(ClusterStateReport, Option<ClusterState>)> {
    let file = data_dir.cluster_store();
    if !file.exists() {
        // A node that was stopped before it wrote anything leaves nothing of both.
        let report = if data_dir.indices().exists() {
            ClusterStateReport::new(&file, Status::Damaged, Some("it is missing".to_owned()))
        } else {
            ClusterStateReport::new(&file, Status::Ok, None)
        };
        return Ok((report, None));
    }
    let scratch = tempfile::tempdir().context("cannot create a temporary directory")?;
    let checked = cluster::check_store(&file, &scratch.path().join("cluster.redb"));
    Ok(match checked {
        Ok(state) => (ClusterStateReport::new(&file, Status::Ok, None), state),
        Err(error) => {
            let status = match &error {
                OpenError::Store(StoreError::Corrupt { .. }) => Status::Damaged,
                _ => Status::NotChecked,
            };
            let reason = format!("{:#}", anyhow::Error::from(error));
            (ClusterStateReport::new(&file, status, Some(reason)), None)
        }
    })
}

fn check_shard(task: Task, all_files: bool) -> ShardReport {
    let mut report = ShardReport::new(&task);
    match &task.work {
        Work::Skip(reason) => report.skip(Status::Skipped, (*reason).to_owned()),
        Work::Missing => report.missing("", "the shard's directory is missing"),
        Work::Verify => match check_dir(&task.dir) {
            Ok(check) => report.fill(&check, all_files),
            Err(ShardError::Log(LogError::NotFound { .. })) => {
                report.missing("oplog", "there is no operation log");
            }
            Err(error) => report.skip(Status::NotChecked, format!("{:#}", anyhow::Error::from(error))),
        },
    }
    report
}
