//! Indices appear on the leader while patterns are paused and resumed, processes die and the line is cut: in the end each has its follower, and the same
//! documents.

use crate::checker::check_equal;
use crate::clock::wait_until;
use crate::context::Context;
use crate::link::Line;
use crate::pair::{Connection, Pair, REMOTE};
use anyhow::{Result, ensure};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use std::time::Duration;

const WITHIN: Duration = Duration::from_secs(60);
/// Kinds of indices, each with a pattern of its own.
const KINDS: [&str; 3] = ["logs", "metrics", "traces"];
/// Indices of each kind.
const INDICES: usize = 12;

/// See the module.
pub(crate) async fn run(context: &Context<'_>) -> Result<()> {
    let mut pair = context.pair(Connection::ThroughLink).await?;
    let mut random = SmallRng::seed_from_u64(context.seed);
    create(&pair, "logs-before").await?;
    for kind in KINDS {
        let pattern = json!({
            "remote_cluster": REMOTE, "leader_index_patterns": [format!("{kind}-*")],
            "leader_index_exclusion_patterns": ["*-excluded"], "follow_index_pattern": "{{leader_index}}-copy",
        });
        pair.follower
            .rest()
            .put(&format!("/_ccr/auto_follow/{kind}"), &pattern)
            .await?;
    }
    for number in 0..INDICES {
        for kind in KINDS {
            create(&pair, &format!("{kind}-{number}")).await?;
            let action = ["pause", "resume"][random.random_range(0..2)];
            let kind = KINDS[random.random_range(0..KINDS.len())];
            pair.follower
                .rest()
                .post_empty(&format!("/_ccr/auto_follow/{kind}/{action}"))
                .await?;
        }
        match number {
            3 => pair.link()?.set(Line::Cut),
            5 => pair.link()?.set(Line::Open),
            7 => {
                pair.follower.kill_9()?;
                pair.follower.start_again().await?;
            }
            9 => {
                pair.leader.kill_9()?;
                pair.leader.start_again().await?;
            }
            _ => tokio::time::sleep(Duration::from_millis(random.random_range(0..200))).await,
        }
    }
    create(&pair, "logs-excluded").await?;
    for kind in KINDS {
        pair.follower
            .rest()
            .post_empty(&format!("/_ccr/auto_follow/{kind}/resume"))
            .await?;
    }
    for kind in KINDS {
        for number in 0..INDICES {
            let leader = format!("{kind}-{number}");
            let follower = format!("{leader}-copy");
            until_followed(&pair, &follower).await?;
            check_equal(&pair, &leader, &follower, WITHIN).await?;
        }
    }
    let others = pair.follower.rest().get("/_all/_ccr/info").await?;
    let followers = others["follower_indices"].as_array().map_or(0, Vec::len);
    ensure!(
        followers == KINDS.len() * INDICES,
        "neither what was before the pattern nor what is excluded is followed: {others}"
    );
    no_errors(&pair).await?;
    pair.check_logs()
}

async fn create(pair: &Pair, index: &str) -> Result<()> {
    let leader = pair.leader.rest();
    leader
        .put(
            &format!("/{index}"),
            &json!({"settings": {"number_of_replicas": 0}}),
        )
        .await?;
    for id in 0..5 {
        leader
            .put(
                &format!("/{index}/_doc/{id}"),
                &json!({ "index": index, "id": id }),
            )
            .await?;
    }
    Ok(())
}

async fn until_followed(pair: &Pair, follower: &str) -> Result<()> {
    wait_until(&format!("[{follower}] to be there"), WITHIN, || async {
        let info = pair.follower.rest().get("/_all/_ccr/info").await?;
        let followers = info["follower_indices"].as_array().cloned().unwrap_or_default();
        let is_it = |index: &Value| index["follower_index"] == follower && index["status"] == "active";
        Ok(if followers.iter().any(is_it) {
            Ok(())
        } else {
            let stats = pair
                .follower
                .rest()
                .get("/_ccr/stats?filter_path=auto_follow_stats")
                .await?;
            Err(stats.to_string())
        })
    })
    .await
}

/// Whatever went wrong has been made up for.
async fn no_errors(pair: &Pair) -> Result<()> {
    wait_until("all errors to be over", WITHIN, || async {
        let stats = pair.follower.rest().get("/_ccr/stats").await?;
        let errors = &stats["auto_follow_stats"]["recent_auto_follow_errors"];
        Ok(if *errors == json!([]) {
            Ok(())
        } else {
            Err(errors.to_string())
        })
    })
    .await
}
