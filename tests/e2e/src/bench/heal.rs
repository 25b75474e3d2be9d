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
    let mut pair = Pair::start(binary, &home.join("heal"), Connection::ThroughLink).await?;
    // Both copies go as fast as they can.
    let unlimited = json!({ "persistent": { "ccr.indices.recovery.max_bytes_per_sec": "0b" } });
    for side in [&pair.leader, &pair.follower] {
        side.rest().put("/_cluster/settings", &unlimited).await?;
    }
    let settings = json!({ "number_of_shards": 1, "number_of_replicas": 0 });
    let leader = pair.leader.rest();
    leader.put("/large", &json!({ "settings": settings })).await?;
    write(&pair, 0, 1).await?;
    merge(&pair).await?;
    for (round, line) in LINES.iter().enumerate() {
        pair.link()?.set_rate(line.bytes_per_second);
        copy_and_heal(&pair, line, round, figures).await?;
    }
    pair.leader.terminate().await?;
    pair.follower.terminate().await?;
    pair.check_logs()
}

/// What lies between leader and follower, and the names of the figures over it: time and bytes of each.
struct Line {
    bytes_per_second: Option<u64>,
    full_copy: [&'static str; 2],
    delta_heal: [&'static str; 2],
}

/// The loopback interface carries a full copy faster than any line between data centres would.
const LINES: [Line; 2] = [
    Line {
        bytes_per_second: None,
        full_copy: [
            "full copy of 1 GiB of JSON: time",
            "full copy of 1 GiB of JSON: bytes on the line",
        ],
        delta_heal: [
            "delta heal of 1 % changed: time",
            "delta heal of 1 % changed: bytes on the line",
        ],
    },
    Line {
        bytes_per_second: Some(12_500_000),
        full_copy: [
            "full copy over 100 Mbit/s: time",
            "full copy over 100 Mbit/s: bytes on the line",
        ],
        delta_heal: [
            "delta heal over 100 Mbit/s: time",
            "delta heal over 100 Mbit/s: bytes on the line",
        ],
    },
];

async fn copy_and_heal(pair: &Pair, line: &Line, round: usize, figures: &mut Figures) -> Result<()> {
    let (leader, follower) = (pair.leader.rest(), pair.follower.rest());
    let copy = format!("copy-{round}");
    let (start, carried) = (now(), pair.link()?.carried());
    pair.follow("large", &copy, json!({})).await?;
    in_sync(pair, &copy, |_| true).await?;
    let (took, bytes) = (start.elapsed(), pair.link()?.carried() - carried);
    figures.add(line.full_copy[0], "s", took.as_secs_f64());
    figures.add(line.full_copy[1], "MB", bytes as f64 / 1e6);

    follower.post_empty(&format!("/{copy}/_ccr/pause_follow")).await?;
    let settings = follower
        .get(&format!("/{copy}/_settings?flat_settings=true"))
        .await?;
    let forget = json!({
        "follower_cluster": "follower-cluster", "follower_index": copy, "leader_remote_cluster": crate::pair::REMOTE,
        "follower_index_uuid": settings[&copy]["settings"]["index.uuid"],
    });
    let forgotten = leader.post("/large/_ccr/forget_follower", &forget).await?;
    ensure!(forgotten["_shards"]["successful"] == 1, "{forgotten}");
    // Twice, so that operations are gone that the follower lacks.
    for change in [1, 2] {
        write(pair, 2 * round as u64 + change, 100).await?;
    }
    merge(pair).await?;
    let (start, carried) = (now(), pair.link()?.carried());
    follower
        .post_empty(&format!("/{copy}/_ccr/resume_follow"))
        .await?;
    in_sync(pair, &copy, |shard| shard["successful_heals"] == 1).await?;
    let (took, bytes) = (start.elapsed(), pair.link()?.carried() - carried);
    let [full_time, full_bytes] = line.full_copy.map(Some);
    figures.add_beside(line.delta_heal[0], "s", took.as_secs_f64(), full_time);
    figures.add_beside(line.delta_heal[1], "MB", bytes as f64 / 1e6, full_bytes);
    // Its lease would keep the history that the next copy is to lack.
    for end in ["_ccr/pause_follow", "_close", "_ccr/unfollow"] {
        follower.post_empty(&format!("/{copy}/{end}")).await?;
    }
    Ok(())
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
async fn in_sync(pair: &Pair, copy: &str, wanted: impl Fn(&Value) -> bool) -> Result<()> {
    let target = crate::checker::shard_states(pair.leader.rest(), "large").await?;
    wait_until("the copy to be in sync", WITHIN, || async {
        let stats = pair.follower.rest().get(&format!("/{copy}/_ccr/stats")).await?;
        let shard = &stats["indices"][0]["shards"][0];
        let states = crate::checker::shard_states(pair.follower.rest(), copy).await;
        let equal = states.is_ok_and(|states| states == target);
        Ok(if equal && wanted(shard) {
            Ok(())
        } else {
            Err(shard.to_string())
        })
    })
    .await
}
