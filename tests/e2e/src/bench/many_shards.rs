//! What shards cost that nobody uses: one node, many indices of one shard and one small document.
//!
//! Every cost is taken against the same node without any index, and at rest.

use super::figures::Figures;
use super::process::{Usage, cpu_seconds};
use crate::clock::{now, wait_for};
use crate::node::Node;
use crate::pair::node_spec;
use anyhow::{Context, Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::time::Duration;
use tokio::task::JoinSet;

/// Clients that create, write and refresh at the same time.
const CONNECTIONS: u64 = 8;
/// What an idle shard may cost.
const TARGET_KIB: f64 = 100.0;
const TARGET: &str = "target: memory of an idle shard";
/// Documents of the bulk request that each index gets in the end, and the length of their text.
const BULK_DOCUMENTS: u64 = 500;
const BULK_TEXT: usize = 1_000;
/// A node is at rest when it used no CPU to speak of for so long. Longer than its threads and index writers wait for more work.
const SHORT_REST: Duration = Duration::from_secs(12);
/// Longer than a shard waits for more writes before it gives up memory.
const LONG_REST: Duration = Duration::from_secs(75);
/// CPU time of a node at rest, as a share of one core.
const CPU_AT_REST: f64 = 0.01;
/// Nothing here takes longer.
const WITHIN: Duration = Duration::from_secs(600);

/// A content type and the bytes.
type Body = (&'static str, Vec<u8>);

/// The figures of the node in one condition.
struct Names {
    memory: &'static str,
    anonymous: &'static str,
    threads: &'static str,
    open_files: &'static str,
    mappings: &'static str,
    cpu: &'static str,
}

const NEVER_SEARCHED: Names = Names {
    memory: "memory per shard, never searched",
    anonymous: "of it not pages of files, never searched",
    threads: "more threads, never searched",
    open_files: "open files per shard, never searched",
    mappings: "memory mappings per shard, never searched",
    cpu: "CPU of the idle node, never searched",
};

const REFRESHED: Names = Names {
    memory: "memory per shard, refreshed",
    anonymous: "of it not pages of files, refreshed",
    threads: "more threads, refreshed",
    open_files: "open files per shard, refreshed",
    mappings: "memory mappings per shard, refreshed",
    cpu: "CPU of the idle node, refreshed",
};

const RESTARTED: Names = Names {
    memory: "memory per shard, restarted",
    anonymous: "of it not pages of files, restarted",
    threads: "more threads, restarted",
    open_files: "open files per shard, restarted",
    mappings: "memory mappings per shard, restarted",
    cpu: "CPU of the idle node, restarted",
};

const WRITTEN: Names = Names {
    memory: "memory per shard, after a bulk of 500 KB",
    anonymous: "of it not pages of files, after a bulk of 500 KB",
    threads: "more threads, after a bulk of 500 KB",
    open_files: "open files per shard, after a bulk of 500 KB",
    mappings: "memory mappings per shard, after a bulk of 500 KB",
    cpu: "CPU of the idle node, after a bulk of 500 KB",
};

/// A node with `count` indices of one shard each, and what it cost without them.
struct Shards {
    node: Node,
    count: u64,
    without: Usage,
}

/// Measures every figure once.
pub(super) async fn measure(binary: &Path, home: &Path, count: u64, figures: &mut Figures) -> Result<()> {
    ensure!(count > 0, "no shards to measure");
    fs::create_dir_all(home)?;
    let node = Node::start(node_spec(binary, home, "shards")).await?;
    let (without, _) = at_rest(pid(&node)?, SHORT_REST).await?;
    let mut shards = Shards { node, count, without };
    figures.add(
        "memory of the node without indices",
        "MiB",
        without.resident_kib / 1024.0,
    );
    figures.add(TARGET, "KiB", TARGET_KIB);

    let took = shards
        .each(
            Method::PUT,
            "",
            Some(json_body(&json!({"settings": {"number_of_replicas": 0}}))),
        )
        .await?;
    figures.add(
        "creating indices, 8 connections",
        "indices/s",
        count as f64 / took.as_secs_f64(),
    );
    let took = shards
        .each(
            Method::PUT,
            "/_doc/1",
            Some(json_body(&json!({"city": "Lisbon", "number": 1}))),
        )
        .await?;
    figures.add(
        "a first document each, 8 connections",
        "docs/s",
        count as f64 / took.as_secs_f64(),
    );
    shards.look(&NEVER_SEARCHED, SHORT_REST, figures).await?;
    let took = shards.each(Method::POST, "/_refresh", None).await?;
    figures.add(
        "a first refresh each, 8 connections",
        "refreshes/s",
        count as f64 / took.as_secs_f64(),
    );
    shards.look(&REFRESHED, SHORT_REST, figures).await?;

    shards.node.terminate().await?;
    let start = now();
    shards.node.start_again().await?;
    figures.add("start until the node answers", "s", start.elapsed().as_secs_f64());
    shards.until_active().await?;
    figures.add(
        "start until all shards are active",
        "s",
        start.elapsed().as_secs_f64(),
    );
    shards.look(&RESTARTED, SHORT_REST, figures).await?;
    ensure!(shards.documents().await? == count, "documents are missing");
    shards.each(Method::POST, "/_bulk", Some(bulk_body())).await?;
    shards.look(&WRITTEN, LONG_REST, figures).await?;

    let wildcards = json!({"persistent": {"action.destructive_requires_name": "false"}});
    shards.node.rest().put("/_cluster/settings", &wildcards).await?;
    let start = now();
    let gone = shards.node.rest().send(Method::DELETE, "/shards-*", None).await?;
    gone.success().context("DELETE /shards-*")?;
    figures.add("deleting all in one request", "s", start.elapsed().as_secs_f64());
    shards.node.check_log()
}

impl Shards {
    /// Sends one request for each index and returns the time that all of them took.
    async fn each(&self, method: Method, path: &'static str, body: Option<Body>) -> Result<Duration> {
        let mut clients = JoinSet::new();
        let start = now();
        for client in 0..CONNECTIONS {
            let (rest, method, body) = (self.node.rest().clone(), method.clone(), body.clone());
            let mine = (client..self.count).step_by(CONNECTIONS as usize);
            clients.spawn(async move {
                for number in mine {
                    let path = format!("/shards-{number}{path}");
                    let answer = rest.send(method.clone(), &path, body.clone()).await?.success();
                    let answer = answer.with_context(|| format!("{method} {path}"))?;
                    ensure!(answer["errors"] != true, "{method} {path}: {answer}");
                }
                anyhow::Ok(())
            });
        }
        while let Some(ended) = clients.join_next().await {
            ended??;
        }
        Ok(start.elapsed())
    }

    /// Waits until the node rests and notes what it costs.
    async fn look(&self, names: &Names, rest: Duration, figures: &mut Figures) -> Result<()> {
        let (usage, cpu) = at_rest(pid(&self.node)?, rest).await?;
        let per_shard = |with: f64, without: f64| (with - without) / self.count as f64;
        figures.add_beside(
            names.memory,
            "KiB",
            per_shard(usage.resident_kib, self.without.resident_kib),
            Some(TARGET),
        );
        figures.add(
            names.anonymous,
            "KiB",
            per_shard(usage.anonymous_kib, self.without.anonymous_kib),
        );
        figures.add(names.threads, "", usage.threads - self.without.threads);
        figures.add(
            names.open_files,
            "",
            per_shard(usage.open_files, self.without.open_files),
        );
        figures.add(
            names.mappings,
            "",
            per_shard(usage.mappings, self.without.mappings),
        );
        figures.add(names.cpu, "ms/s", 1000.0 * cpu);
        Ok(())
    }

    async fn until_active(&self) -> Result<()> {
        let path = format!(
            "/_cluster/health?wait_for_active_shards={}&timeout={}s",
            self.count,
            WITHIN.as_secs() / 20
        );
        let health = self.node.rest().get(&path).await?;
        ensure!(
            health["active_primary_shards"] == self.count,
            "not all active: {health}"
        );
        Ok(())
    }

    async fn documents(&self) -> Result<u64> {
        self.node.rest().get("/shards-*/_count").await?["count"]
            .as_u64()
            .context("no count")
    }
}

fn json_body(value: &Value) -> Body {
    ("application/json", value.to_string().into_bytes())
}

fn bulk_body() -> Body {
    let text = "lorem ".repeat(BULK_TEXT / 6);
    let lines = (0..BULK_DOCUMENTS).map(|number| {
        let action = json!({"index": {"_id": number.to_string()}});
        format!("{action}\n{}\n", json!({"number": number, "text": text}))
    });
    ("application/x-ndjson", lines.collect::<String>().into_bytes())
}

fn pid(node: &Node) -> Result<u32> {
    node.pid().context("not running")
}

/// What the process costs at rest, and the CPU time it used per second meanwhile.
async fn at_rest(pid: u32, rest: Duration) -> Result<(Usage, f64)> {
    wait_for("the node to rest", WITHIN, || async move {
        let before = cpu_seconds(pid)?;
        tokio::time::sleep(rest).await;
        let cpu = (cpu_seconds(pid)? - before) / rest.as_secs_f64();
        Ok((cpu <= CPU_AT_REST).then_some((Usage::of(pid)?, cpu)))
    })
    .await
}
