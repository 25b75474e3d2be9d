//! Pause, close, unfollow, open: the follower becomes an ordinary index, and the leader forgets it.

use crate::checker::{check_equal, shard_states};
use crate::cities;
use crate::contents;
use crate::context::Context;
use crate::pair::Connection;
use anyhow::{Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;

/// See the module.
pub(crate) async fn run(context: &Context<'_>) -> Result<()> {
    let mut pair = context.pair(Connection::Direct).await?;
    cities::create(pair.leader.rest(), "cities", 2).await?;
    cities::index(pair.leader.rest(), "cities", context.dataset, 0, 2_000).await?;
    pair.follow("cities", "cities-copy", json!({})).await?;
    let before = check_equal(&pair, "cities", "cities-copy", Duration::from_secs(30)).await?;
    ensure!(
        ccr_leases(
            &pair.leader.rest().get("/cities/_stats?level=shards").await?,
            "cities"
        ) == 2,
        "a lease per shard was expected"
    );

    let follower = pair.follower.rest();
    let refused = follower
        .json(Method::PUT, "/cities-copy/_doc/new", &json!({ "name": "mine" }))
        .await?;
    ensure!(refused.status == 403, "a follower took a write: {refused:?}");
    let early = follower
        .send(Method::POST, "/cities-copy/_ccr/unfollow", None)
        .await?;
    ensure!(early.status == 400, "unfollow of an open follower: {early:?}");

    follower.post_empty("/cities-copy/_ccr/pause_follow").await?;
    follower.post_empty("/cities-copy/_close").await?;
    ensure!(follower.post_empty("/cities-copy/_ccr/unfollow").await? == json!({ "acknowledged": true }));
    follower.post_empty("/cities-copy/_open").await?;
    ensure!(
        contents::read(follower, "cities-copy").await? == before,
        "unfollow changed documents"
    );
    let settings = follower.get("/cities-copy/_settings").await?;
    ensure!(
        settings["cities-copy"]["settings"]["index"]["xpack"]["ccr"]["following_index"].is_null(),
        "{settings}"
    );
    ensure!(
        ccr_leases(
            &pair.leader.rest().get("/cities/_stats?level=shards").await?,
            "cities"
        ) == 0,
        "a lease was left on the leader"
    );

    // An ordinary index now: it takes writes and numbers them on, and the leader's no longer arrive.
    let written = follower
        .put("/cities-copy/_doc/mine", &json!({ "name": "mine" }))
        .await?;
    ensure!(written["result"] == "created", "{written}");
    follower
        .post(
            "/cities-copy/_update/0",
            &json!({ "doc": { "name": "changed here" } }),
        )
        .await?;
    cities::index(pair.leader.rest(), "cities", context.dataset, 2_000, 2_100).await?;
    let resumed = follower
        .send(Method::POST, "/cities-copy/_ccr/resume_follow", None)
        .await?;
    ensure!(
        resumed.status == 400,
        "an ordinary index could be resumed: {resumed:?}"
    );

    pair.follower.restart().await?;
    // A node answers before its shards are open.
    shard_states(pair.follower.rest(), "cities-copy").await?;
    let after = contents::read(pair.follower.rest(), "cities-copy").await?;
    ensure!(after.len() == before.len() + 1, "{} documents", after.len());
    let changed = after.get("0").map(contents::source).transpose()?;
    ensure!(
        changed.is_some_and(|source| source["name"] == "changed here"),
        "the update was lost"
    );
    pair.check_logs()
}

/// Retention leases of followers on an index, over all its shards.
fn ccr_leases(stats: &Value, index: &str) -> usize {
    let shards = stats["indices"][index]["shards"]
        .as_object()
        .into_iter()
        .flatten();
    shards
        .filter_map(|(_, copies)| copies[0]["retention_leases"]["leases"].as_array())
        .flatten()
        .filter(|lease| lease["source"] == "ccr")
        .count()
}
