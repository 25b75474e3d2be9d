//! Pause, writes on the leader, resume; and both again over a restart of the follower.

use crate::checker::{check_equal, shard_states};
use crate::cities;
use crate::context::Context;
use crate::pair::Connection;
use anyhow::{Result, ensure};
use reqwest::Method;
use serde_json::json;
use std::time::Duration;

/// See the module.
pub(crate) async fn run(context: &Context<'_>) -> Result<()> {
    let mut pair = context.pair(Connection::Direct).await?;
    cities::create(pair.leader.rest(), "cities", 1).await?;
    cities::index(pair.leader.rest(), "cities", context.dataset, 0, 2_000).await?;
    pair.follow("cities", "cities-copy", json!({})).await?;
    check_equal(&pair, "cities", "cities-copy", Duration::from_secs(30)).await?;

    let follower = pair.follower.rest();
    let acknowledged = json!({ "acknowledged": true });
    ensure!(follower.post_empty("/cities-copy/_ccr/pause_follow").await? == acknowledged);
    let paused = shard_states(follower, "cities-copy").await?;
    let info = follower.get("/cities-copy/_ccr/info").await?;
    ensure!(info["follower_indices"][0]["status"] == "paused", "{info}");
    ensure!(
        info["follower_indices"][0].get("parameters").is_none(),
        "a paused follower shows parameters: {info}"
    );
    let again = follower
        .send(Method::POST, "/cities-copy/_ccr/pause_follow", None)
        .await?;
    ensure!(
        again.status == 400 && again.error_type() == "illegal_argument_exception",
        "a second pause: {again:?}"
    );

    cities::index(pair.leader.rest(), "cities", context.dataset, 1_000, 6_000).await?;
    ensure!(
        shard_states(follower, "cities-copy").await? == paused,
        "a paused follower moved"
    );

    // A restart neither resumes a paused follower nor loses it.
    pair.follower.restart().await?;
    let follower = pair.follower.rest();
    let info = follower.get("/cities-copy/_ccr/info").await?;
    ensure!(
        info["follower_indices"][0]["status"] == "paused",
        "after a restart: {info}"
    );
    ensure!(
        shard_states(follower, "cities-copy").await? == paused,
        "a paused follower moved over a restart"
    );

    ensure!(
        follower
            .post(
                "/cities-copy/_ccr/resume_follow",
                &json!({ "max_read_request_operation_count": 500 })
            )
            .await?
            == acknowledged
    );
    let contents = check_equal(&pair, "cities", "cities-copy", Duration::from_secs(30)).await?;
    ensure!(contents.len() == 6_000, "{} documents", contents.len());
    let info = follower.get("/cities-copy/_ccr/info").await?;
    ensure!(
        info["follower_indices"][0]["parameters"]["max_read_request_operation_count"] == 500,
        "{info}"
    );
    let again = follower
        .send(Method::POST, "/cities-copy/_ccr/resume_follow", None)
        .await?;
    ensure!(
        again.status == 400 && again.error_type() == "resource_already_exists_exception",
        "a second resume: {again:?}"
    );
    pair.check_logs()
}
