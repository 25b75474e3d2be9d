//! A leader with real documents, then a follower from nothing.

use crate::checker::check_equal;
use crate::cities;
use crate::context::Context;
use crate::pair::Connection;
use anyhow::{Result, ensure};
use serde_json::json;
use std::time::Duration;

const DOCUMENTS: u64 = 50_000;

/// See the module.
pub(crate) async fn run(context: &Context<'_>) -> Result<()> {
    let pair = context.pair(Connection::Direct).await?;
    let leader = pair.leader.rest();
    cities::create(leader, "cities", 3).await?;
    cities::index(leader, "cities", context.dataset, 0, DOCUMENTS).await?;
    leader
        .put(
            "/cities/_mapping",
            &json!({ "properties": { "note": { "type": "keyword" } } }),
        )
        .await?;

    pair.follow("cities", "cities-copy", json!({})).await?;
    let contents = check_equal(&pair, "cities", "cities-copy", Duration::from_secs(60)).await?;
    ensure!(
        contents.len() as u64 == DOCUMENTS,
        "{} documents arrived",
        contents.len()
    );

    let (here, there) = (
        leader.get("/cities/_mapping").await?,
        pair.follower.rest().get("/cities-copy/_mapping").await?,
    );
    ensure!(
        here["cities"] == there["cities-copy"],
        "the mappings differ: {here} {there}"
    );
    let settings = pair.follower.rest().get("/cities-copy/_settings").await?;
    let settings = &settings["cities-copy"]["settings"]["index"];
    ensure!(settings["number_of_shards"] == "3", "{settings}");
    ensure!(
        settings["xpack"]["ccr"]["following_index"] == "true",
        "{settings}"
    );

    // Both sides find the same: the search index was copied or built, not only the log.
    let query = json!({ "query": { "bool": { "must": [{ "match": { "name": "san" } }], "filter": [{ "term": { "country": "AR" } }] } }, "track_total_hits": true });
    let (here, there) = (
        leader.post("/cities/_search", &query).await?,
        pair.follower.rest().post("/cities-copy/_search", &query).await?,
    );
    ensure!(
        here["hits"]["total"] == there["hits"]["total"],
        "the totals differ: {} {}",
        here["hits"]["total"],
        there["hits"]["total"]
    );
    ensure!(
        here["hits"]["total"]["value"]
            .as_u64()
            .is_some_and(|found| found > 0),
        "the query found nothing: {here}"
    );

    // What comes later comes too.
    cities::index(leader, "cities", context.dataset, DOCUMENTS, DOCUMENTS + 1_000).await?;
    let contents = check_equal(&pair, "cities", "cities-copy", Duration::from_secs(30)).await?;
    ensure!(
        contents.len() as u64 == DOCUMENTS + 1_000,
        "{} documents arrived",
        contents.len()
    );
    pair.check_logs()
}
