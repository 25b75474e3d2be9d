//! The aliases of a leader and of its follower are the same, but that nobody writes through the follower's.

use crate::clock::wait_until;
use crate::context::Context;
use crate::pair::{Connection, Pair};
use anyhow::{Result, ensure};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use std::time::Duration;

const WITHIN: Duration = Duration::from_secs(20);

/// See the module.
pub(crate) async fn run(context: &Context<'_>) -> Result<()> {
    let pair = context.pair(Connection::Direct).await?;
    let leader = pair.leader.rest();
    let index = json!({
        "settings": {"number_of_replicas": 0}, "aliases": {"first": {"is_write_index": true}}
    });
    leader.put("/orders", &index).await?;
    pair.follow("orders", "orders-copy", json!({})).await?;
    equal(&pair, "an alias from before").await?;

    act(
        &pair,
        vec![json!({"add": {"index": "orders", "alias": "second"}})],
    )
    .await?;
    equal(&pair, "one more").await?;
    let many = (0..20).map(|number| json!({"add": {"index": "orders", "alias": format!("many-{number}")}}));
    act(&pair, many.collect()).await?;
    equal(&pair, "many at once").await?;
    for number in 0..20 {
        act(
            &pair,
            vec![json!({"add": {"index": "orders", "alias": format!("single-{number}")}})],
        )
        .await?;
    }
    equal(&pair, "many, one by one").await?;
    let routed = json!({"add": {
        "index": "orders", "alias": "second", "routing": "a", "search_routing": "a,b",
        "filter": {"term": {"country": "AR"}}, "is_write_index": true
    }});
    act(&pair, vec![routed]).await?;
    equal(&pair, "filter and routing").await?;
    let other = json!({"add": {"index": "orders", "alias": "second", "filter": {"term": {"country": "PT"}}}});
    act(&pair, vec![other]).await?;
    equal(&pair, "another filter, no routing").await?;
    act(
        &pair,
        vec![json!({"remove": {"index": "orders", "alias": "first"}})],
    )
    .await?;
    equal(&pair, "one less").await?;

    let (one, two) = (random_changes(&pair, 1), random_changes(&pair, 2));
    tokio::try_join!(one, two)?;
    equal(&pair, "random changes at once").await?;
    pair.check_logs()
}

async fn act(pair: &Pair, actions: Vec<Value>) -> Result<()> {
    let answer = pair
        .leader
        .rest()
        .post("/_aliases", &json!({ "actions": actions }))
        .await?;
    ensure!(answer["acknowledged"] == true, "{answer}");
    Ok(())
}

/// Adds and changes aliases of its own, and removes them again.
async fn random_changes(pair: &Pair, seed: u64) -> Result<()> {
    let mut random = SmallRng::seed_from_u64(seed);
    for _ in 0..60 {
        let alias = format!("random-{seed}-{}", random.random_range(0..5));
        let action = if random.random_bool(0.3) {
            json!({"remove": {"index": "orders", "alias": alias, "must_exist": false}})
        } else {
            let mut add = json!({"index": "orders", "alias": alias});
            if random.random_bool(0.5) {
                add["routing"] = format!("r{}", random.random_range(0..3)).into();
            }
            if random.random_bool(0.5) {
                add["filter"] = json!({"term": {"n": random.random_range(0..3)}});
            }
            if random.random_bool(0.5) {
                add["is_write_index"] = random.random_bool(0.5).into();
            }
            json!({ "add": add })
        };
        act(pair, vec![action]).await?;
    }
    Ok(())
}

/// Waits until the follower's aliases are the leader's, each with `is_write_index: false` in place of what the leader says.
async fn equal(pair: &Pair, when: &str) -> Result<()> {
    let (leader, follower) = (pair.leader.rest(), pair.follower.rest());
    wait_until(&format!("equal aliases: {when}"), WITHIN, || async {
        let mut expected = leader.get("/orders/_alias").await?["orders"]["aliases"].clone();
        for alias in expected
            .as_object_mut()
            .into_iter()
            .flat_map(|all| all.values_mut())
        {
            alias["is_write_index"] = false.into();
        }
        let found = follower.get("/orders-copy/_alias").await?["orders-copy"]["aliases"].clone();
        Ok(if found == expected {
            Ok(())
        } else {
            Err(format!("expected {expected}, found {found}"))
        })
    })
    .await
}
