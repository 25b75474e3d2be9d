//! What a follower holds in memory whose disk takes nothing, while its leader has far more for it: many followed indices, large documents.

use super::figures::Figures;
use super::process::{PeakMemory, resident_mib};
use crate::clock::{now, wait_until};
use crate::pair::{Connection, Pair, REMOTE};
use crate::rest::Rest;
use anyhow::{Context, Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// Indices of one shard each, all of them followed.
const INDICES: u64 = 500;
/// Bytes of the only document of each.
const DOCUMENT_BYTES: usize = 5 << 20;
/// Clients at the same time.
const CONNECTIONS: u64 = 4;
/// For so long the disk takes nothing, once all documents are on the leader.
const STUCK_FOR: Duration = Duration::from_secs(30);
const WITHIN: Duration = Duration::from_secs(600);
/// `ccr.max_inflight_bytes`, which is at its default.
const BUDGET_MIB: f64 = 256.0;
const BUDGET: &str = "budget: ccr.max_inflight_bytes";

/// Measures every figure once.
pub(super) async fn measure(binary: &Path, home: &Path, figures: &mut Figures) -> Result<()> {
    let mut pair = Pair::start(binary, &home.join("stuck"), Connection::Direct).await?;
    let create = json!({ "settings": { "number_of_replicas": 0 }, "mappings": { "dynamic": false } });
    each(
        pair.leader.rest(),
        Method::PUT,
        "large",
        "",
        create.to_string().into_bytes().into(),
    )
    .await?;
    let follow = |number: u64| {
        let body = json!({ "remote_cluster": REMOTE, "leader_index": format!("large-{number}") });
        body.to_string().into_bytes()
    };
    let path = "/_ccr/follow?wait_for_active_shards=1";
    for_each(pair.follower.rest(), Method::PUT, "copy", path, follow).await?;

    let pid = pair.follower.pid().context("the follower does not run")?;
    let at_rest = resident_mib(pid)?;
    set_flood_stage(&pair, Value::from("0.0001")).await?;
    wait_until("the follower's disk to take nothing", WITHIN, || async {
        let answer = pair.follower.rest().json(Method::PUT, "/own", &json!({})).await?;
        if answer.status != 429 {
            pair.follower.rest().send(Method::DELETE, "/own", None).await?;
            return Ok(Err(answer.body.to_string()));
        }
        Ok(Ok(()))
    })
    .await?;
    let peak = PeakMemory::watch(vec![pid]);
    each(pair.leader.rest(), Method::PUT, "large", "/_doc/1", document()).await?;
    tokio::time::sleep(STUCK_FOR).await;
    let peak = peak.finish().await?[0];
    let behind = lagging(&pair).await?;
    ensure!(behind == INDICES, "{behind} of {INDICES} are behind");
    figures.add(BUDGET, "MiB", BUDGET_MIB);
    figures.add(
        "what the leader has for followers on a stuck disk",
        "MiB",
        INDICES as f64 * DOCUMENT_BYTES as f64 / f64::from(1 << 20),
    );
    figures.add_beside(
        "memory of the follower above its rest",
        "MiB",
        peak - at_rest,
        Some(BUDGET),
    );

    let start = now();
    set_flood_stage(&pair, Value::Null).await?;
    wait_until("all followers to be in sync", WITHIN, || async {
        let behind = lagging(&pair).await?;
        Ok(if behind == 0 {
            Ok(())
        } else {
            Err(format!("{behind} are behind"))
        })
    })
    .await?;
    figures.add(
        "catching up, once there is room",
        "s",
        start.elapsed().as_secs_f64(),
    );
    pair.leader.terminate().await?;
    pair.follower.terminate().await?;
    pair.check_logs()
}

/// Sets the watermarks of the follower's disk, or with null the defaults, by which it is not watched here.
async fn set_flood_stage(pair: &Pair, value: Value) -> Result<()> {
    let is_watched = if value.is_null() { Value::Null } else { true.into() };
    let disk = json!({
        "threshold_enabled": is_watched,
        "watermark": { "low": value, "high": value, "flood_stage": value },
    });
    let body = json!({ "persistent": { "cluster": { "routing": { "allocation": { "disk": disk } } } } });
    pair.follower.rest().put("/_cluster/settings", &body).await?;
    Ok(())
}

/// How many followers lack operations.
async fn lagging(pair: &Pair) -> Result<u64> {
    let stats = pair.follower.rest().get("/_all/_ccr/stats").await?;
    let indices = stats["indices"].as_array().context("no indices")?;
    let is_behind = |index: &&Value| {
        let shard = &index["shards"][0];
        shard["follower_to_leader_lagging_ops_count"] != 0 || shard["leader_global_checkpoint"] == -1
    };
    Ok(indices.iter().filter(is_behind).count() as u64)
}

/// One document that does not compress.
fn document() -> Arc<[u8]> {
    let mut body = Vec::with_capacity(DOCUMENT_BYTES);
    body.extend_from_slice(b"{\"text\":\"");
    let mut state = 7_u64;
    while body.len() < DOCUMENT_BYTES - 2 {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        body.push(b'a' + ((state >> 33) % 26) as u8);
    }
    body.extend_from_slice(b"\"}");
    body.into()
}

/// Sends one request with the same body for each index.
async fn each(rest: &Rest, method: Method, prefix: &str, path: &str, body: Arc<[u8]>) -> Result<()> {
    for_each(rest, method, prefix, path, move |_| body.to_vec()).await
}

/// Sends one request for each index, which must succeed.
async fn for_each(
    rest: &Rest,
    method: Method,
    prefix: &str,
    path: &str,
    body: impl Fn(u64) -> Vec<u8> + Clone + Send + 'static,
) -> Result<()> {
    let mut clients = JoinSet::new();
    for client in 0..CONNECTIONS {
        let (rest, method, body) = (rest.clone(), method.clone(), body.clone());
        let (prefix, path) = (prefix.to_owned(), path.to_owned());
        clients.spawn(async move {
            for number in (client..INDICES).step_by(CONNECTIONS as usize) {
                let path = format!("/{prefix}-{number}{path}");
                let sent = Some(("application/json", body(number)));
                let answer = rest.send(method.clone(), &path, sent).await?.success();
                answer.with_context(|| format!("{method} {path}"))?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(ended) = clients.join_next().await {
        ended??;
    }
    Ok(())
}
