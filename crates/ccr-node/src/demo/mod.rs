//! `ccr-node demo`: two clusters in one process, one index replicated between them.

mod orders;
mod screen;
mod traffic;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use ccr::{FollowRequest, WaitForActiveShards};
use index_meta::Settings;
use indices::{CreateIndex, ResolveOptions};
use serde_json::json;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::cli::{DemoArgs, ServeArgs};
use crate::config::Config;
use crate::node::Node;
use crate::signals::asked_to_stop;
use orders::Orders;
use traffic::Traffic;

/// The index that is followed.
pub(crate) const LEADER_INDEX: &str = "orders";
/// The index that follows.
pub(crate) const FOLLOWER_INDEX: &str = "orders-copy";
const REMOTE_ALIAS: &str = "leader";
/// Pause between two looks at a running copy.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(50);

/// Runs the demo until Ctrl-C, or for `--stop-after` seconds.
pub(crate) async fn run(args: DemoArgs) -> anyhow::Result<()> {
    let directory = tempfile::Builder::new()
        .prefix("ccr-demo-")
        .disable_cleanup(args.keep)
        .tempdir()
        .context("cannot create a temporary directory")?;
    let leader = start("leader", directory.path()).await?;
    let follower = start("follower", directory.path()).await?;
    screen::clusters(&leader, &follower, directory.path());

    let stop = CancellationToken::new();
    let mut signals = JoinSet::new();
    let stopped = stop.clone();
    signals.spawn(async move {
        let asked = asked_to_stop().await;
        stopped.cancel();
        asked
    });
    let shown = stop
        .run_until_cancelled(show(&args, &leader, &follower, &stop))
        .await
        .unwrap_or(Ok(()));
    signals.abort_all();

    screen::stopping(args.keep.then(|| directory.path()));
    follower.shutdown().await;
    leader.shutdown().await;
    shown
}

async fn start(name: &str, directory: &Path) -> anyhow::Result<Node> {
    let any_port = || "127.0.0.1:0".parse().context("an address");
    let mut config = Config::load(&ServeArgs {
        cluster_name: Some(name.to_owned()),
        node_name: Some(format!("{name}-1")),
        data_dir: Some(directory.join(name)),
        http: Some(any_port()?),
        transport: Some(any_port()?),
        config: None,
    })?;
    // What is shown takes little room and is deleted at the end: a disk that is nearly full is no reason to show nothing.
    config.disk_threshold_enabled = false;
    Node::start(&config)
        .await
        .with_context(|| format!("the {name} cluster cannot start"))
}

async fn show(
    args: &DemoArgs,
    leader: &Node,
    follower: &Node,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let mut orders = Orders::new(args.seed);
    create_orders(args, leader).await?;
    let traffic = Traffic::new(Arc::clone(&leader.indices));
    let bar = screen::bar("orders written to the leader", args.docs);
    while orders.placed() < args.docs {
        let batch = traffic::BATCH.min(args.docs - orders.placed());
        traffic.place(&mut orders, batch).await?;
        bar.set_position(orders.placed());
    }
    bar.finish();

    connect(follower, leader).await?;
    follow(follower).await?;
    screen::try_it(leader, follower);
    let live = traffic.run(orders, leader, follower);
    match args.stop_after {
        Some(seconds) => {
            let limit = Duration::from_secs(seconds);
            match stop.run_until_cancelled(tokio::time::timeout(limit, live)).await {
                Some(Ok(ended)) => ended,
                _ => Ok(()),
            }
        }
        None => live.await,
    }
}

async fn create_orders(args: &DemoArgs, leader: &Node) -> anyhow::Result<()> {
    let index = CreateIndex {
        name: LEADER_INDEX.to_owned(),
        settings: json!({ "index": { "number_of_shards": args.shards, "number_of_replicas": 0 } }),
        mappings: Some(json!({ "properties": {
            "order_date": { "type": "date" },
            "status": { "type": "keyword" },
            "taxful_total_price": { "type": "double" },
        }})),
        ..CreateIndex::default()
    };
    leader
        .indices
        .create_index(index)
        .await
        .map(|_| ())
        .map_err(|error| anyhow!("the index cannot be created: {error}"))
}

/// What an operator does with `PUT /_cluster/settings`.
async fn connect(follower: &Node, leader: &Node) -> anyhow::Result<()> {
    let settings =
        json!({ "cluster": { "remote": { REMOTE_ALIAS: { "seeds": [leader.transport.to_string()] } } } });
    let settings = Settings::from_json(&settings).map_err(|error| anyhow!("{error}"))?;
    let updated = follower.cluster.update("demo", |state| {
        let next = cluster::change::update_cluster_settings(state, &settings, &Settings::default())?;
        ccr::check_cluster_settings(&next)?;
        Ok((next, ()))
    });
    updated
        .await
        .map_err(|error| anyhow!("the remote cluster cannot be configured: {error}"))
}

/// What an operator does with `PUT /orders-copy/_ccr/follow?wait_for_active_shards=1`, with a bar for the copy.
async fn follow(follower: &Node) -> anyhow::Result<()> {
    let request = FollowRequest {
        follower_index: FOLLOWER_INDEX.to_owned(),
        remote_cluster: Some(REMOTE_ALIAS.to_owned()),
        leader_index: Some(LEADER_INDEX.to_owned()),
        wait_for_active_shards: WaitForActiveShards::Count(1),
        ..FollowRequest::default()
    };
    let bar = screen::byte_bar("copied to the follower");
    let following = follower.ccr.follow(request);
    tokio::pin!(following);
    let response = loop {
        tokio::select! {
            response = &mut following => break response,
            () = tokio::time::sleep(PROGRESS_INTERVAL) => {
                // Until the follower index exists there is nothing to show.
                let shards = follower.ccr.recoveries(FOLLOWER_INDEX, &ResolveOptions::METADATA).unwrap_or_default();
                bar.set_length(shards.iter().map(|shard| shard.bytes_total).sum());
                bar.set_position(shards.iter().map(|shard| shard.bytes_recovered).sum());
            }
        }
    };
    let shards = follower
        .ccr
        .recoveries(FOLLOWER_INDEX, &ResolveOptions::METADATA)
        .unwrap_or_default();
    bar.set_length(shards.iter().map(|shard| shard.bytes_total).sum());
    bar.set_position(shards.iter().map(|shard| shard.bytes_recovered).sum());
    bar.finish();
    let response = response.map_err(|error| anyhow!("the follower cannot be created: {error}"))?;
    if !response.index_following_started {
        let failures: Vec<_> = shards
            .into_iter()
            .filter_map(|shard| shard.failure)
            .map(|failure| failure.to_string())
            .collect();
        bail!("the copy failed: {}", failures.join("; "));
    }
    Ok(())
}
