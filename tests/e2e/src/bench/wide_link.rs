//! Following over a long and wide line: how much of it a catch-up and a bootstrap use, whether a follower keeps up with a leader that is
//! written to as fast as it takes it, and how long documents are on their way.

use super::figures::{Figures, percentile};
use super::{BenchArgs, ingest, lag};
use crate::checker::{check_equal, wait_until_applied};
use crate::cities;
use crate::clock::{now, wait_for};
use crate::dataset::Dataset;
use crate::link::Link;
use crate::pair::{Connection, Pair};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Shards of the measured index.
const SHARDS: u32 = 2;
/// Half a round trip.
const ONE_WAY: Duration = Duration::from_millis(50);
/// 100 Mbit/s.
const BYTES_PER_SECOND: u64 = 12_500_000;
/// The name of the figure that others are compared with.
const PLAIN: &str = "plain transfer, share of the line";
/// For so long a plain connection is tried.
const PLAIN_SECONDS: u64 = 5;
/// Documents written, in multiples of what other sections write: a bootstrap should take some seconds.
const TIMES: u64 = 4;
/// Nothing that is measured takes longer.
const WITHIN: Duration = Duration::from_secs(600);

/// Measures every figure once.
pub(super) async fn measure(
    args: &BenchArgs,
    dataset: &Dataset,
    home: &Path,
    figures: &mut Figures,
) -> Result<()> {
    let home = home.join("wide-link");
    std::fs::create_dir_all(&home)?;
    let pair = Pair::start(&args.binary, &home, Connection::ThroughLink).await?;
    let documents = TIMES * args.documents;
    cities::create(pair.leader.rest(), "cities", SHARDS).await?;
    ingest::write(pair.leader.rest(), "cities", dataset, 0, documents).await?;
    pair.leader.rest().post_empty("/cities/_flush").await?;
    plain_transfer(figures).await?;
    make_long(pair.link()?);
    bootstrap(&pair, figures).await?;
    check_equal(&pair, "cities", "copy", WITHIN).await?;
    catch_up(&pair, dataset, documents, figures).await?;
    // From here on the line is long only: a leader at full speed writes more than fits through it.
    pair.link()?.set_rate(None);
    keep_up(&pair, dataset, args.documents, figures).await?;
    delay(&pair, dataset, args.lag_seconds, figures).await?;
    check_equal(&pair, "cities", "copy", WITHIN).await?;
    pair.check_logs()
}

fn make_long(link: &Link) {
    link.set_delay(ONE_WAY);
    link.set_rate(Some(BYTES_PER_SECOND));
}

/// What one plain connection gets of such a line: what is missing of it, the machine was too busy to carry.
async fn plain_transfer(figures: &mut Figures) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let link = Link::open(&listener.local_addr()?.to_string()).await?;
    make_long(&link);
    let bytes = vec![7; usize::try_from(PLAIN_SECONDS * BYTES_PER_SECOND)?];
    let mut heard = vec![0; bytes.len()];
    let send = async {
        let (mut stream, _) = listener.accept().await?;
        stream.write_all(&bytes).await
    };
    let start = now();
    let mut stream = TcpStream::connect(link.address()).await?;
    let (sent, got) = tokio::join!(send, stream.read_exact(&mut heard));
    let took = start.elapsed();
    sent.and(got)?;
    figures.add(PLAIN, "%", share(bytes.len() as u64, took));
    Ok(())
}

async fn bootstrap(pair: &Pair, figures: &mut Figures) -> Result<()> {
    let (start, before) = (now(), pair.link()?.carried());
    pair.follow("cities", "copy", json!({})).await?;
    let took = start.elapsed();
    let carried = pair.link()?.carried() - before;
    figures.add("bootstrap, bytes", "MiB", mebibytes(carried));
    figures.add_beside(
        "bootstrap, share of the line",
        "%",
        share(carried, took),
        Some(PLAIN),
    );
    Ok(())
}

/// The line is needed until the last operation was read; what the follower takes from then on to apply it is its own.
async fn catch_up(pair: &Pair, dataset: &Dataset, documents: u64, figures: &mut Figures) -> Result<()> {
    let follower = pair.follower.rest();
    follower.post_empty("/copy/_ccr/pause_follow").await?;
    let leader = pair.leader.rest();
    ingest::write(leader, "cities", dataset, documents, 2 * documents).await?;
    leader.post_empty("/cities/_refresh").await?;
    let (start, before) = (now(), pair.link()?.carried());
    follower.post_empty("/copy/_ccr/resume_follow").await?;
    wait_for("all operations to be read", WITHIN, || async {
        let stats = follower.get("/copy/_ccr/stats").await?;
        Ok((operations_read(&stats)? >= documents).then_some(()))
    })
    .await?;
    let took = start.elapsed();
    let carried = pair.link()?.carried() - before;
    wait_until_applied(pair, "cities", "copy", WITHIN).await?;
    figures.add("catch-up, bytes", "MiB", mebibytes(carried));
    figures.add_beside(
        "catch-up, share of the line until all was read",
        "%",
        share(carried, took),
        Some(PLAIN),
    );
    figures.add_beside(
        "catch-up, share of the line until all was applied",
        "%",
        share(carried, start.elapsed()),
        Some(PLAIN),
    );
    Ok(())
}

/// How far a follower is behind when a leader that was written to at full speed has acknowledged the last document.
async fn keep_up(pair: &Pair, dataset: &Dataset, documents: u64, figures: &mut Figures) -> Result<()> {
    let took = ingest::write(pair.leader.rest(), "cities", dataset, 0, documents).await?;
    let start = now();
    wait_until_applied(pair, "cities", "copy", WITHIN).await?;
    let behind = start.elapsed();
    figures.add(
        "ingest at full speed",
        "docs/s",
        documents as f64 / took.as_secs_f64(),
    );
    figures.add("behind at its end", "ms", behind.as_secs_f64() * 1_000.0);
    Ok(())
}

async fn delay(pair: &Pair, dataset: &Dataset, seconds: u64, figures: &mut Figures) -> Result<()> {
    let loaded = lag::sample(pair, "cities", "copy", Some(dataset), seconds).await?;
    for (name, percent) in [
        ("lag p50 at 2,000 docs/s over 100 ms", 50),
        ("lag p99 at 2,000 docs/s over 100 ms", 99),
        ("longest lag at 2,000 docs/s over 100 ms", 100),
    ] {
        figures.add(name, "ms", percentile(&loaded, percent));
    }
    let idle = lag::sample(pair, "cities", "copy", None, seconds).await?;
    for (name, percent) in [
        ("lag p50 of single documents over 100 ms", 50),
        ("lag p99 of single documents over 100 ms", 99),
        ("longest lag of single documents over 100 ms", 100),
    ] {
        figures.add(name, "ms", percentile(&idle, percent));
    }
    Ok(())
}

/// Percent of what the line could have carried meanwhile.
fn share(bytes: u64, took: Duration) -> f64 {
    100.0 * bytes as f64 / (took.as_secs_f64() * BYTES_PER_SECOND as f64)
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / 1_048_576.0
}

/// Operations that the tasks of a follower have read since they were started.
fn operations_read(stats: &Value) -> Result<u64> {
    let shards = stats["indices"][0]["shards"].as_array().context("no shards")?;
    let read = shards.iter().map(|shard| {
        shard["operations_read"]
            .as_u64()
            .with_context(|| shard.to_string())
    });
    read.sum()
}
