//! A data stream grows and is rolled over on the leader while processes die and the line is cut: the follower gets every backing index by itself, under the
//! name of its own stream, and takes the stream over once it is promoted.

use crate::checker::check_equal;
use crate::clock::wait_until;
use crate::context::Context;
use crate::link::Line;
use crate::pair::{Connection, Pair, REMOTE};
use crate::rest::Rest;
use anyhow::{Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;

const WITHIN: Duration = Duration::from_secs(60);
const STREAM: &str = "logs-shop";
const COPY: &str = "logs-shop-copy";
/// Backing indices of the stream.
const GENERATIONS: usize = 6;
/// Documents of each.
const DOCUMENTS: usize = 200;

/// See the module.
pub(crate) async fn run(context: &Context<'_>) -> Result<()> {
    let mut pair = context.pair(Connection::ThroughLink).await?;
    put_template(pair.leader.rest(), "logs-*").await?;
    let pattern = json!({
        "remote_cluster": REMOTE, "leader_index_patterns": ["logs-*"], "follow_index_pattern": "{{leader_index}}-copy",
    });
    pair.follower
        .rest()
        .put("/_ccr/auto_follow/logs", &pattern)
        .await?;
    for generation in 0..GENERATIONS {
        if generation > 0 {
            pair.leader
                .rest()
                .post_empty(&format!("/{STREAM}/_rollover"))
                .await?;
        }
        write(pair.leader.rest(), STREAM, generation).await?;
        match generation {
            1 => pair.link()?.set(Line::Cut),
            2 => pair.link()?.set(Line::Open),
            3 => {
                pair.follower.kill_9()?;
                pair.follower.start_again().await?;
            }
            4 => {
                pair.leader.kill_9()?;
                pair.leader.start_again().await?;
            }
            _ => {}
        }
    }
    let leaders = backing(pair.leader.rest(), STREAM).await?;
    ensure!(leaders.len() == GENERATIONS, "{leaders:?}");
    let copies: Vec<String> = leaders.iter().map(|index| index.replace(STREAM, COPY)).collect();
    until_replicated(&pair, &copies).await?;
    for (leader, copy) in leaders.iter().zip(&copies) {
        check_equal(&pair, leader, copy, WITHIN).await?;
    }

    pair.follower.restart().await?;
    until_replicated(&pair, &copies).await?;
    let follower = pair.follower.rest();
    until_found(follower, GENERATIONS * DOCUMENTS).await?;
    let document = json!({"@timestamp": "2031-04-09T00:00:00Z"});
    for (path, status) in [
        (format!("/{COPY}/_doc"), 403),
        (format!("/{COPY}/_rollover"), 400),
    ] {
        let body = if path.ends_with("_doc") {
            &document
        } else {
            &json!({})
        };
        let refused = follower.json(Method::POST, &path, body).await?;
        ensure!(refused.status == status, "{path}: {refused:?}");
    }

    // Promoted and rolled over, the stream is this cluster's own.
    follower
        .send(Method::DELETE, "/_ccr/auto_follow/logs", None)
        .await?;
    put_template(follower, "logs-*").await?;
    follower
        .post_empty(&format!("/_data_stream/_promote/{COPY}"))
        .await?;
    follower.post_empty(&format!("/{COPY}/_rollover")).await?;
    write(follower, COPY, GENERATIONS).await?;
    for copy in &copies {
        for step in ["_ccr/pause_follow", "_close", "_ccr/unfollow", "_open"] {
            follower.post_empty(&format!("/{copy}/{step}")).await?;
        }
    }
    pair.follower.restart().await?;
    let follower = pair.follower.rest();
    until_found(follower, (GENERATIONS + 1) * DOCUMENTS).await?;
    let shown = follower.get(&format!("/_data_stream/{COPY}")).await?;
    let stream = &shown["data_streams"][0];
    ensure!(
        stream["replicated"] == false && stream["generation"] == GENERATIONS + 1,
        "{shown}"
    );
    pair.check_logs()
}

async fn put_template(rest: &Rest, pattern: &str) -> Result<()> {
    let template = json!({
        "index_patterns": [pattern], "data_stream": {},
        "template": {
            "settings": {"number_of_shards": 2, "number_of_replicas": 0},
            "mappings": {"properties": {"generation": {"type": "integer"}}}
        }
    });
    rest.put("/_index_template/logs", &template).await?;
    Ok(())
}

/// Creates documents in one backing index.
async fn write(rest: &Rest, stream: &str, generation: usize) -> Result<()> {
    for number in 0..DOCUMENTS {
        let document = json!({
            "@timestamp": 1_933_500_000_000_u64 + (generation * DOCUMENTS + number) as u64, "generation": generation,
        });
        rest.put(&format!("/{stream}/_create/{generation}-{number}"), &document)
            .await?;
    }
    Ok(())
}

async fn backing(rest: &Rest, stream: &str) -> Result<Vec<String>> {
    let shown = rest.get(&format!("/_data_stream/{stream}")).await?;
    let indices = shown["data_streams"][0]["indices"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    Ok(indices
        .iter()
        .filter_map(|index| index["index_name"].as_str().map(str::to_owned))
        .collect())
}

/// A node that was started answers before all of its shards are open.
async fn until_found(rest: &Rest, documents: usize) -> Result<()> {
    wait_until("all documents to be found after a restart", WITHIN, || async {
        let found = count(rest).await?;
        Ok(if found == documents {
            Ok(())
        } else {
            Err(found.to_string())
        })
    })
    .await
}

async fn count(rest: &Rest) -> Result<usize> {
    rest.post_empty(&format!("/{COPY}/_refresh")).await?;
    let counted = rest.get(&format!("/{COPY}/_count")).await?;
    Ok(counted["count"].as_u64().unwrap_or_default() as usize)
}

/// Waits until the follower's stream has these backing indices, in this order.
async fn until_replicated(pair: &Pair, indices: &[String]) -> Result<()> {
    wait_until(&format!("[{COPY}] to be there"), WITHIN, || async {
        let rest = pair.follower.rest();
        let all = rest.get("/_data_stream").await?;
        let streams = all["data_streams"].as_array().cloned().unwrap_or_default();
        let is_it = |stream: &Value| {
            let names: Vec<&str> = stream["indices"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|index| index["index_name"].as_str())
                .collect();
            stream["name"] == COPY && stream["replicated"] == true && names == *indices
        };
        Ok(if streams.iter().any(is_it) {
            Ok(())
        } else {
            let stats = rest.get("/_ccr/stats?filter_path=auto_follow_stats").await?;
            Err(format!("{all} {stats}"))
        })
    })
    .await
}
