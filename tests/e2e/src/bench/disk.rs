//! What a document costs on disk on leader and follower, after everything was compacted, beside its JSON and that JSON under zstd.

use super::figures::Figures;
use crate::cities::bulk_all;
use crate::clock::{now, wait_for};
use crate::node::Node;
use crate::pair::{Connection, Pair};
use anyhow::{Result, ensure};
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

/// Documents of each kind.
const DOCUMENTS: u64 = 100_000;
/// Documents of one bulk request.
const BATCH: usize = 1_000;
/// Words of a text document.
const WORDS: usize = 120;
/// Level of zstd that the log is compared with, over all documents at once.
const ZSTD_LEVEL: i32 = 3;
const WITHIN: Duration = Duration::from_secs(300);

/// A kind of documents, and the names of its figures.
struct Kind {
    index: &'static str,
    json: &'static str,
    zstd: &'static str,
    leader_log: &'static str,
    leader: &'static str,
    follower: &'static str,
    updated: &'static str,
}

const LOG_LINES: Kind = Kind {
    index: "log-lines",
    json: "log lines: JSON",
    zstd: "log lines: JSON under zstd",
    leader_log: "log lines: operation log of the leader",
    leader: "log lines: leader, with the search view",
    follower: "log lines: follower, with the search view",
    updated: "log lines: leader, each written twice",
};

const TEXTS: Kind = Kind {
    index: "texts",
    json: "texts: JSON",
    zstd: "texts: JSON under zstd",
    leader_log: "texts: operation log of the leader",
    leader: "texts: leader, with the search view",
    follower: "texts: follower, with the search view",
    updated: "texts: leader, each written twice",
};

/// Measures every figure once.
pub(super) async fn measure(binary: &Path, home: &Path, figures: &mut Figures) -> Result<()> {
    let mut random = SmallRng::seed_from_u64(7);
    let lines: Vec<Value> = (0..DOCUMENTS)
        .map(|number| log_line(number, &mut random))
        .collect();
    measure_kind(binary, &home.join("log-lines"), &LOG_LINES, &lines, figures).await?;
    let chain = Chain::of_documentation()?;
    let texts: Vec<Value> = (0..DOCUMENTS)
        .map(|number| json!({"title": chain.words(6, &mut random), "number": number, "body": chain.words(WORDS, &mut random)}))
        .collect();
    measure_kind(binary, &home.join("texts"), &TEXTS, &texts, figures).await
}

async fn measure_kind(
    binary: &Path,
    home: &Path,
    kind: &Kind,
    documents: &[Value],
    figures: &mut Figures,
) -> Result<()> {
    let per_document = |bytes: u64| bytes as f64 / documents.len() as f64;
    let json: Vec<u8> = documents
        .iter()
        .flat_map(|document| format!("{document}\n").into_bytes())
        .collect();
    figures.add(kind.json, "bytes/doc", per_document(json.len() as u64));
    let compressed = zstd::bulk::compress(&json, ZSTD_LEVEL)?;
    figures.add(kind.zstd, "bytes/doc", per_document(compressed.len() as u64));

    let mut pair = Pair::start(binary, home, Connection::Direct).await?;
    let index = format!("/{}", kind.index);
    pair.leader
        .rest()
        .put(&index, &json!({"settings": {"number_of_replicas": 0}}))
        .await?;
    write(&pair, kind, documents).await?;
    pair.follow(kind.index, kind.index, json!({})).await?;
    compact(&pair, kind).await?;
    let disk = |node: &Node| bytes_in(&node.spec().data_dir.join("indices"));
    let leader = disk(&pair.leader)?;
    figures.add(kind.leader_log, "bytes/doc", per_document(leader.log));
    figures.add(kind.leader, "bytes/doc", per_document(leader.all()));
    figures.add(
        kind.follower,
        "bytes/doc",
        per_document(disk(&pair.follower)?.all()),
    );

    write(&pair, kind, documents).await?;
    // The lease of the follower moves on with its next renewal.
    let start = now();
    loop {
        compact(&pair, kind).await?;
        let updated = disk(&pair.leader)?.all();
        if updated < 3 * leader.all() / 2 || start.elapsed() > WITHIN {
            figures.add(kind.updated, "bytes/doc", per_document(updated));
            break;
        }
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
    pair.leader.terminate().await?;
    pair.follower.terminate().await?;
    pair.check_logs()
}

async fn write(pair: &Pair, kind: &Kind, documents: &[Value]) -> Result<()> {
    for (batch, documents) in documents.chunks(BATCH).enumerate() {
        let mut lines = String::new();
        for (place, document) in documents.iter().enumerate() {
            let id = batch * BATCH + place;
            lines.push_str(&format!("{{\"index\":{{\"_id\":\"{id}\"}}}}\n{document}\n"));
        }
        bulk_all(pair.leader.rest(), kind.index, lines).await?;
    }
    Ok(())
}

async fn compact(pair: &Pair, kind: &Kind) -> Result<()> {
    wait_for("the follower has caught up", WITHIN, || caught_up(pair, kind)).await?;
    for node in [&pair.leader, &pair.follower] {
        let path = format!("/{}/_forcemerge?max_num_segments=1", kind.index);
        let answer = node.rest().post_empty(&path).await?;
        ensure!(answer["_shards"]["failed"] == 0, "{answer}");
    }
    Ok(())
}

/// Both copies hold the same operations.
async fn caught_up(pair: &Pair, kind: &Kind) -> Result<Option<()>> {
    let path = format!("/{}/_stats?level=shards", kind.index);
    let of =
        |stats: &Value| stats["indices"][kind.index]["shards"]["0"][0]["seq_no"]["local_checkpoint"].clone();
    let leader = of(&pair.leader.rest().get(&path).await?);
    let follower = of(&pair.follower.rest().get(&path).await?);
    Ok((leader.is_u64() && leader == follower).then_some(()))
}

/// Bytes of files below the indices directory of a node.
#[derive(Debug, Default, Clone, Copy)]
struct Disk {
    log: u64,
    rest: u64,
}

impl Disk {
    const fn all(self) -> u64 {
        self.log + self.rest
    }
}

fn bytes_in(dir: &Path) -> Result<Disk> {
    let mut disk = Disk::default();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        if metadata.is_dir() {
            let below = bytes_in(&entry.path())?;
            disk.log += below.log;
            disk.rest += below.rest;
        } else if dir.ends_with("oplog") {
            disk.log += metadata.len();
        } else {
            disk.rest += metadata.len();
        }
    }
    Ok(disk)
}

/// A line of a web server's log.
fn log_line(number: u64, random: &mut SmallRng) -> Value {
    let paths = [
        "/",
        "/search",
        "/cart",
        "/checkout",
        "/images/logo.png",
        "/api/v1/orders",
        "/api/v1/items",
    ];
    let agents = [
        "Mozilla/5.0 (X11; Linux x86_64; rv:141.0) Gecko/20100101 Firefox/141.0",
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0 Safari/537.36",
        "curl/8.14.1",
    ];
    let path = paths.choose(random).copied().unwrap_or("/");
    let status = [200, 200, 200, 200, 304, 404, 500].choose(random).copied();
    json!({
        "@timestamp": 1_790_000_000_000 + number * 137 + random.random_range(0..137),
        "clientip": format!("10.{}.{}.{}", random.random_range(0..4), random.random_range(0..256), random.random_range(0..256)),
        "method": if random.random_bool(0.9) { "GET" } else { "POST" },
        "path": format!("{path}?id={}", random.random_range(0..100_000)),
        "status": status,
        "bytes": random.random_range(100..50_000),
        "took_millis": random.random_range(1..900),
        "agent": agents.choose(random),
    })
}

/// Which words follow which in the project's own documentation; texts made from it repeat themselves about as much as prose does.
struct Chain {
    follow: BTreeMap<String, Vec<String>>,
    starts: Vec<String>,
}

impl Chain {
    fn of_documentation() -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let mut words: Vec<String> = Vec::new();
        for name in [
            "README.md",
            "docs/architecture.md",
            "docs/configuration.md",
            "docs/testing.md",
            "docs/robustness-log.md",
        ] {
            words.extend(
                fs::read_to_string(root.join(name))?
                    .split_whitespace()
                    .map(str::to_owned),
            );
        }
        let mut follow: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for pair in words.windows(2) {
            follow.entry(pair[0].clone()).or_default().push(pair[1].clone());
        }
        Ok(Self {
            follow,
            starts: words,
        })
    }

    fn words(&self, count: usize, random: &mut SmallRng) -> String {
        let mut text = String::new();
        let mut word = self.starts.choose(random);
        for _ in 0..count {
            let Some(present) = word else { break };
            text.push_str(present);
            text.push(' ');
            word = self
                .follow
                .get(present)
                .and_then(|following| following.choose(random))
                .or_else(|| self.starts.choose(random));
        }
        text
    }
}
