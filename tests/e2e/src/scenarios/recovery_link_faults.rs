//! A new follower is copied over a narrow line that is cut on the way, and later reset: the copy goes on with what it lacks, and says so.

use crate::checker::check_equal;
use crate::cities;
use crate::clock::wait_until;
use crate::context::Context;
use crate::link::Fault;
use crate::pair::{Connection, Pair, REMOTE};
use anyhow::{Context as _, Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;

const DOCUMENTS: u64 = 50_000;
/// So narrow that the line breaks in the middle of files.
const BYTES_PER_SECOND: u64 = 1 << 20;
/// What a break may cost: five chunks of 128 KiB that were under way, and files that may have changed.
const COST_OF_A_BREAK: u64 = 768 << 10;
const WITHIN: Duration = Duration::from_secs(60);

/// See the module.
pub(crate) async fn run(context: &Context<'_>) -> Result<()> {
    let pair = context.pair(Connection::ThroughLink).await?;
    let leader = pair.leader.rest();
    cities::create(leader, "cities", 1).await?;
    cities::index(leader, "cities", context.dataset, 0, DOCUMENTS).await?;
    // The view and the log merge by themselves too, at some moment: what that changes is copied anew, and would count as the cost of a break.
    let merged = leader
        .post_empty("/cities/_forcemerge?max_num_segments=1")
        .await?;
    ensure!(merged["_shards"]["failed"] == 0, "{merged}");

    let chunks = json!({ "persistent": { "ccr.indices.recovery.chunk_size": "128kb" } });
    pair.follower.rest().put("/_cluster/settings", &chunks).await?;
    let link = pair.link()?;
    link.strike(Fault::Throttle(BYTES_PER_SECOND));
    let before = link.carried();
    let body = json!({ "remote_cluster": REMOTE, "leader_index": "cities" });
    let path = "/copy/_ccr/follow?wait_for_active_shards=0";
    pair.follower.rest().put(path, &body).await?;

    let at_cut = await_share(&pair, 30).await?;
    link.strike(Fault::Cut);
    await_failure(&pair, &at_cut).await?;
    link.heal();
    link.strike(Fault::Throttle(BYTES_PER_SECOND));
    let at_reset = await_share(&pair, 60).await?;
    ensure!(
        at_reset.reused + COST_OF_A_BREAK >= at_cut.here(),
        "the cut cost too much: {at_cut:?} before it, {at_reset:?} after it"
    );
    link.strike(Fault::Reset);
    link.heal();

    await_following(&pair).await?;
    check_equal(&pair, "cities", "copy", WITHIN).await?;
    let end = Copied::of(&pair).await?;
    ensure!(
        end.reused + COST_OF_A_BREAK >= at_reset.here(),
        "the reset cost too much: {at_reset:?} before it, {end:?} after it"
    );
    ensure!(end.here() == end.total, "the figures do not add up: {end:?}");
    ensure!(end.attempts >= 3, "the line broke twice: {end:?}");
    let carried = link.carried() - before;
    ensure!(
        carried <= end.total + 2 * COST_OF_A_BREAK,
        "{carried} bytes were carried for {end:?}"
    );
    println!("  {end:?}, {carried} bytes carried");

    cities::index(leader, "cities", context.dataset, DOCUMENTS, DOCUMENTS + 1_000).await?;
    check_equal(&pair, "cities", "copy", WITHIN).await?;
    pair.check_logs()
}

/// What `_recovery` tells of the copy.
#[derive(Debug)]
struct Copied {
    attempts: u64,
    total: u64,
    reused: u64,
    recovered: u64,
    failure: Option<Value>,
}

impl Copied {
    async fn of(pair: &Pair) -> Result<Copied> {
        let recovery = pair.follower.rest().get("/copy/_recovery").await?;
        let shard = &recovery["copy"]["shards"][0];
        let number = |value: &Value| value.as_u64().with_context(|| recovery.to_string());
        let size = &shard["index"]["size"];
        Ok(Copied {
            attempts: number(&shard["attempts"])?,
            total: number(&size["total_in_bytes"])?,
            reused: number(&size["reused_in_bytes"])?,
            recovered: number(&size["recovered_in_bytes"])?,
            failure: shard.get("failure").cloned(),
        })
    }

    /// Bytes that are at the follower.
    fn here(&self) -> u64 {
        self.reused + self.recovered
    }
}

/// Waits until so many percent of the bytes are at the follower.
async fn await_share(pair: &Pair, percent: u64) -> Result<Copied> {
    let what = format!("{percent} % of the copy");
    wait_until(&what, WITHIN, || async {
        let copied = Copied::of(pair).await?;
        let is_there = copied.total > 0 && 100 * copied.here() >= percent * copied.total;
        Ok(if is_there {
            Ok(())
        } else {
            Err(format!("{copied:?}"))
        })
    })
    .await?;
    let copied = Copied::of(pair).await?;
    ensure!(copied.here() < copied.total, "the copy was too fast: {copied:?}");
    Ok(copied)
}

/// Waits until another attempt than the one in `copied` has failed.
async fn await_failure(pair: &Pair, copied: &Copied) -> Result<()> {
    wait_until("an attempt that failed", WITHIN, || async {
        let now = Copied::of(pair).await?;
        let has_failed = now.attempts > copied.attempts && now.failure.is_some();
        Ok(if has_failed {
            Ok(())
        } else {
            Err(format!("{now:?}"))
        })
    })
    .await
}

/// Waits until the copy is complete and follows.
async fn await_following(pair: &Pair) -> Result<()> {
    wait_until("the copy to follow", WITHIN, || async {
        let stats = pair
            .follower
            .rest()
            .send(Method::GET, "/copy/_ccr/stats", None)
            .await?;
        Ok(if stats.is_success() {
            Ok(())
        } else {
            Err(stats.body.to_string())
        })
    })
    .await
}
