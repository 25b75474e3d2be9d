//! What a delta heal costs beside a full copy: an index of 1 GiB of JSON, of which one document in a hundred was changed while the follower's lease
//! was gone.

use super::figures::Figures;
use crate::cities::bulk_all;
use crate::clock::{now, wait_until};
use crate::pair::{Connection, Pair};
use anyhow::{Result, ensure};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;

/// Documents, and bytes of the JSON of each.
const DOCUMENTS: u64 = 1 << 20;
const DOCUMENT_BYTES: usize = 1 << 10;
const BATCH: u64 = 4_000;
const WITHIN: Duration = Duration::from_secs(600);

/// Measures every figure once.
pub(super) async fn measure(binary: &Path, home: &Path, figures: &mut Figures) -> Result<()> {
    let pair = Pair::start(binary, &home.join("heal"), Connection::ThroughLink).await?;
    let (leader, follower) = (pair.leader.rest(), pair.follower.rest());
    // Both copies go as fast as they can.
    let unlimited = json!({ "persistent": { "ccr.indices.recovery.max_bytes_per_sec": "0b" } });
    leader.put("/_cluster/settings", &unlimited).await?;
    follower.put("/_cluster/settings", &unlimited).await?;
    let settings = json!({ "number_of_shards": 1, "number_of_replicas": 0 });
    leader.put("/large", &json!({ "settings": settings })).await?;
    write(&pair, 0, 1).await?;
    merge(&pair).await?;

    let (start, carried) = (now(), pair.link()?.carried());
    pair.follow("large", "copy", json!({})).await?;
    in_sync(&pair, |_| true).await?;
    let (copied_in, copied) = (start.elapsed(), pair.link()?.carried() - carried);
    figures.add("full copy of 1 GiB of JSON: time", "s", copied_in.as_secs_f64());
    figures.add(
        "full copy of 1 GiB of JSON: bytes on the line",
        "MB",
        copied as f64 / 1e6,
    );

    follower.post_empty("/copy/_ccr/pause_follow").await?;
    let settings = follower.get("/copy/_settings?flat_settings=true").await?;
    let forget = json!({
        "follower_cluster": "follower-cluster", "follower_index": "copy", "leader_remote_cluster": crate::pair::REMOTE,
        "follower_index_uuid": settings["copy"]["settings"]["index.uuid"],
    });
    let forgotten = leader.post("/large/_ccr/forget_follower", &forget).await?;
    ensure!(forgotten["_shards"]["successful"] == 1, "{forgotten}");
    // Twice, so that operations are gone that the follower lacks.
    write(&pair, 1, 100).await?;
    write(&pair, 2, 100).await?;
    merge(&pair).await?;
    let (start, carried) = (now(), pair.link()?.carried());
    follower.post_empty("/copy/_ccr/resume_follow").await?;
    in_sync(&pair, |shard| shard["successful_heals"] == 1).await?;
    let (healed_in, healed) = (start.elapsed(), pair.link()?.carried() - carried);
    figures.add_beside(
        "delta heal of 1 % changed: time",
        "s",
        healed_in.as_secs_f64(),
        Some("full copy of 1 GiB of JSON: time"),
    );
    figures.add_beside(
        "delta heal of 1 % changed: bytes on the line",
        "MB",
        healed as f64 / 1e6,
        Some("full copy of 1 GiB of JSON: bytes on the line"),
    );
    let mut pair = pair;
    pair.leader.terminate().await?;
    pair.follower.terminate().await?;
    pair.check_logs()
}

/// Writes every `step`-th document.
async fn write(pair: &Pair, round: u64, step: usize) -> Result<()> {
    let mut state = 7 + round;
    let mut lines = String::new();
    let numbers: Vec<u64> = (0..DOCUMENTS).step_by(step).collect();
    for batch in numbers.chunks(BATCH as usize) {
        lines.clear();
        for number in batch {
            let head = format!(
                "{{\"index\":{{\"_id\":\"{number}\"}}}}\n{{\"number\":{number},\"round\":{round},\"text\":\""
            );
            let end = lines.len() + DOCUMENT_BYTES + head.find('\n').unwrap_or(0);
            lines.push_str(&head);
            while lines.len() < end {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                lines.push_str(WORDS[(state >> 60) as usize]);
                lines.push(' ');
            }
            lines.push_str("\"}\n");
        }
        bulk_all(pair.leader.rest(), "large", std::mem::take(&mut lines)).await?;
    }
    Ok(())
}

const WORDS: [&str; 16] = [
    "segment",
    "follower",
    "checkpoint",
    "of",
    "the",
    "retention",
    "lease",
    "and",
    "operation",
    "a",
    "leader",
    "history",
    "is",
    "replicated",
    "durable",
    "to",
];

async fn merge(pair: &Pair) -> Result<()> {
    let merged = pair
        .leader
        .rest()
        .post_empty("/large/_forcemerge?max_num_segments=1")
        .await?;
    ensure!(merged["_shards"]["failed"] == 0, "{merged}");
    Ok(())
}

/// Waits until the follower has all that the leader has, and its task is as wanted.
async fn in_sync(pair: &Pair, wanted: impl Fn(&Value) -> bool) -> Result<()> {
    let target = crate::checker::shard_states(pair.leader.rest(), "large").await?;
    wait_until("the copy to be in sync", WITHIN, || async {
        let stats = pair.follower.rest().get("/copy/_ccr/stats").await?;
        let shard = &stats["indices"][0]["shards"][0];
        let states = crate::checker::shard_states(pair.follower.rest(), "copy").await;
        let equal = states.is_ok_and(|states| states == target);
        Ok(if equal && wanted(shard) {
            Ok(())
        } else {
            Err(shard.to_string())
        })
    })
    .await
}
