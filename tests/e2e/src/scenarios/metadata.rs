//! Mapping and settings of a leader arrive at its follower, with the documents that need them; what is the follower's own stays.

use crate::checker::check_equal;
use crate::clock::wait_until;
use crate::context::Context;
use crate::pair::{Connection, Pair, REMOTE};
use crate::rest::Rest;
use anyhow::{Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;

/// Nothing here waits for a poll timeout, which is a minute.
const WITHIN: Duration = Duration::from_secs(20);

/// See the module.
pub(crate) async fn run(context: &Context<'_>) -> Result<()> {
    let pair = context.pair(Connection::Direct).await?;
    growing_mapping(&pair).await?;
    dynamic_settings(&pair).await?;
    static_settings(&pair).await?;
    changes_by_hand(&pair).await?;
    refused_overrides(&pair).await?;
    pair.check_logs()
}

/// Waits until a value of the follower's is as expected.
async fn arrives(follower: &Rest, path: &str, pointer: &str, expected: &Value) -> Result<()> {
    let what = format!("{pointer} of {path} to be {expected}");
    wait_until(&what, WITHIN, || async {
        let answer = follower.get(path).await?;
        let found = answer.pointer(pointer).unwrap_or(&Value::Null);
        Ok(if found == expected {
            Ok(())
        } else {
            Err(answer.to_string())
        })
    })
    .await
}

async fn write(rest: &Rest, index: &str, documents: impl Iterator<Item = (String, Value)>) -> Result<()> {
    let lines: String = documents
        .map(|(id, source)| format!("{}\n{source}\n", json!({"index": {"_id": id}})))
        .collect();
    let answer = rest.bulk(index, lines).await?;
    ensure!(
        answer.is_success() && answer.body["errors"] == false,
        "{answer:?}"
    );
    Ok(())
}

/// The mapping begins with nothing and grows by four writers at once, in objects and nested fields too.
async fn growing_mapping(pair: &Pair) -> Result<()> {
    let (leader, follower) = (pair.leader.rest(), pair.follower.rest());
    let settings = json!({"settings": {"number_of_shards": 2, "number_of_replicas": 0}});
    leader.put("/growing", &settings).await?;
    pair.follow("growing", "growing-copy", json!({})).await?;
    let writer = |writer: u64| async move {
        for round in 0..20_u64 {
            let document = |number: u64| {
                let field = format!("field-{writer}-{round}");
                let source = json!({&field: number, "inner": {&field: "text"}, "list": [{"n": number}]});
                (format!("{writer}-{round}-{number}"), source)
            };
            write(leader, "growing", (0..10).map(document)).await?;
        }
        anyhow::Ok(())
    };
    tokio::try_join!(writer(0), writer(1), writer(2), writer(3))?;
    let nested =
        json!({"properties": {"parts": {"type": "nested", "properties": {"name": {"type": "keyword"}}}}});
    leader.put("/growing/_mapping", &nested).await?;
    let parts = json!({"parts": [{"name": "a"}, {"name": "b"}]});
    write(leader, "growing", std::iter::once(("parts".to_owned(), parts))).await?;
    let contents = check_equal(pair, "growing", "growing-copy", WITHIN).await?;
    ensure!(contents.len() == 801, "{} documents", contents.len());
    let (here, there) = (
        leader.get("/growing/_mapping").await?,
        follower.get("/growing-copy/_mapping").await?,
    );
    ensure!(
        here["growing"] == there["growing-copy"],
        "the mappings differ: {here} {there}"
    );
    let query = json!({"query": {"range": {"field-2-7": {"gte": 5}}}});
    follower.post_empty("/growing-copy/_refresh").await?;
    let found = follower.post("/growing-copy/_search", &query).await?;
    ensure!(found["hits"]["total"]["value"] == 5, "{found}");
    Ok(())
}

/// A dynamic setting is copied, also its removal, and no shard is closed for it; the number of replicas is each side's own.
async fn dynamic_settings(pair: &Pair) -> Result<()> {
    let (leader, follower) = (pair.leader.rest(), pair.follower.rest());
    leader
        .put("/dynamic", &json!({"settings": {"number_of_replicas": 0}}))
        .await?;
    pair.follow("dynamic", "dynamic-copy", json!({})).await?;
    let (settings, stats) = ("/dynamic-copy/_settings", "/dynamic-copy/_ccr/stats");
    let version = "/indices/0/shards/0/follower_settings_version";
    arrives(follower, stats, version, &json!(1)).await?;
    leader
        .put("/dynamic/_settings", &json!({"index.max_ngram_diff": 5}))
        .await?;
    arrives(follower, stats, version, &json!(2)).await?;
    let ngram = "/dynamic-copy/settings/index/max_ngram_diff";
    arrives(follower, settings, ngram, &json!("5")).await?;
    leader
        .put("/dynamic/_settings", &json!({"index.number_of_replicas": 3}))
        .await?;
    arrives(follower, stats, version, &json!(3)).await?;
    let replicas = "/dynamic-copy/settings/index/number_of_replicas";
    arrives(follower, settings, replicas, &json!("0")).await?;
    leader
        .put("/dynamic/_settings", &json!({"index.max_ngram_diff": null}))
        .await?;
    arrives(follower, stats, version, &json!(4)).await?;
    arrives(follower, settings, ngram, &Value::Null).await?;
    // No task was stopped and begun anew for any of it.
    let shard = follower.get(stats).await?["indices"][0]["shards"][0].clone();
    ensure!(
        shard["failed_write_requests"] == 0 && shard["read_exceptions"] == json!([]),
        "{shard}"
    );
    Ok(())
}

/// A static setting takes leader and follower through closed; then come the mapping that uses it and the documents.
async fn static_settings(pair: &Pair) -> Result<()> {
    let (leader, follower) = (pair.leader.rest(), pair.follower.rest());
    leader
        .put("/analyzed", &json!({"settings": {"number_of_replicas": 0}}))
        .await?;
    write(
        leader,
        "analyzed",
        (0..100).map(|id| (format!("{id}"), json!({"n": id}))),
    )
    .await?;
    pair.follow("analyzed", "analyzed-copy", json!({})).await?;
    check_equal(pair, "analyzed", "analyzed-copy", WITHIN).await?;
    leader.post_empty("/analyzed/_close").await?;
    let analyzer = json!({"analysis": {"analyzer": {"plain": {"type": "standard"}}}});
    leader.put("/analyzed/_settings", &analyzer).await?;
    leader.post_empty("/analyzed/_open").await?;
    let text = json!({"properties": {"text": {"type": "text", "analyzer": "standard"}}});
    leader.put("/analyzed/_mapping", &text).await?;
    write(
        leader,
        "analyzed",
        (100..200).map(|id| (format!("{id}"), json!({"text": "some words"}))),
    )
    .await?;
    let contents = check_equal(pair, "analyzed", "analyzed-copy", WITHIN).await?;
    ensure!(contents.len() == 200, "{} documents", contents.len());
    let plain = "/analyzed-copy/settings/index/analysis/analyzer/plain/type";
    arrives(follower, "/analyzed-copy/_settings", plain, &json!("standard")).await?;
    // Closing, changing and opening the leader count.
    let stats = follower.get("/analyzed-copy/_ccr/stats").await?;
    let shard = &stats["indices"][0]["shards"][0];
    ensure!(shard["follower_settings_version"] == 4, "{shard}");
    ensure!(shard.get("fatal_exception").is_none(), "{shard}");
    follower.post_empty("/analyzed-copy/_refresh").await?;
    let found = follower
        .post(
            "/analyzed-copy/_search",
            &json!({"query": {"match": {"text": "words"}}}),
        )
        .await?;
    ensure!(found["hits"]["total"]["value"] == 100, "{found}");
    Ok(())
}

/// What replication brings cannot be changed by hand, until the follower is an index of its own.
async fn changes_by_hand(pair: &Pair) -> Result<()> {
    let follower = pair.follower.rest();
    let mapping = json!({"properties": {"mine": {"type": "long"}}});
    let alias = json!({"actions": [{"add": {"index": "dynamic-copy", "alias": "mine"}}]});
    let document = json!({"mine": 1});
    let limit = json!({"index.mapping.total_fields.limit": 77});
    let changes = [
        (Method::PUT, "/dynamic-copy/_settings", &limit),
        (Method::PUT, "/dynamic-copy/_mapping", &mapping),
        (Method::POST, "/_aliases", &alias),
        (Method::PUT, "/dynamic-copy/_doc/1", &document),
    ];
    for (method, path, body) in &changes {
        let refused = follower.json(method.clone(), path, body).await?;
        ensure!(refused.status == 403, "{method} {path}: {refused:?}");
    }
    for flag in [json!(false), Value::Null] {
        let by_hand = json!({"index.xpack.ccr.following_index": flag});
        let refused = follower
            .json(Method::PUT, "/dynamic-copy/_settings", &by_hand)
            .await?;
        ensure!(refused.status == 400, "{by_hand}: {refused:?}");
    }
    follower
        .put("/dynamic-copy/_settings", &json!({"*": null}))
        .await?;
    let own = json!({"index.refresh_interval": "7s"});
    follower.put("/dynamic-copy/_settings", &own).await?;
    follower.post_empty("/dynamic-copy/_ccr/pause_follow").await?;
    follower.post_empty("/dynamic-copy/_ccr/resume_follow").await?;

    follower.post_empty("/dynamic-copy/_ccr/pause_follow").await?;
    follower.post_empty("/dynamic-copy/_close").await?;
    follower.post_empty("/dynamic-copy/_ccr/unfollow").await?;
    follower.post_empty("/dynamic-copy/_open").await?;
    for (method, path, body) in changes {
        let taken = follower.json(method.clone(), path, body).await?;
        ensure!(taken.is_success(), "{method} {path}: {taken:?}");
    }
    Ok(())
}

/// A follow request can set what is the follower's own, and nothing else.
async fn refused_overrides(pair: &Pair) -> Result<()> {
    let follower = pair.follower.rest();
    let follow =
        |settings: Value| json!({"remote_cluster": REMOTE, "leader_index": "growing", "settings": settings});
    for (settings, named) in [
        (
            json!({"index.number_of_shards": 5}),
            r#"{\"index.number_of_shards\":\"5\"}"#,
        ),
        (json!({"index.no_such_setting": 5}), "index.no_such_setting"),
    ] {
        let refused = follower
            .json(Method::PUT, "/overridden/_ccr/follow", &follow(settings))
            .await?;
        ensure!(
            refused.status == 400 && refused.body.to_string().contains(named),
            "{refused:?} does not name {named}"
        );
    }
    let own = follow(json!({"index.number_of_replicas": 4}));
    follower
        .put("/overridden/_ccr/follow?wait_for_active_shards=1", &own)
        .await?;
    let replicas = "/overridden/settings/index/number_of_replicas";
    arrives(follower, "/overridden/_settings", replicas, &json!("4")).await
}
