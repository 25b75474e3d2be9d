//! How fast one shard catches up over the real transport, beside the rate at which the same frames can be appended and indexed here.
//!
//! `cargo bench -p ccr` prints both and their ratio. Leader and follower are nodes of this process, connected over the loopback interface. Files are in
//! `CCR_BENCH_DIR`, or in the target directory, because the temporary directory is often memory; `CCR_BENCH_DOCUMENTS` sets the number of documents.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ccr::{CcrDependencies, CcrService, FollowRequest, WaitForActiveShards};
use cluster::{ClusterService, LocalNode, RedbStore};
use follow_task::{
    DEFAULT_MAX_INFLIGHT_BYTES, DEFAULT_RETENTION_LEASE_RENEW_INTERVAL, InflightBudget, RawFollowParameters,
};
use index_meta::SettingValue;
use indices::{
    BulkAction, BulkItem, CreateIndex, IndicesConfig, IndicesService, RefreshPolicy, UnlimitedDiskSpace,
};
use oplog::{Clock, Frame, FsStorage, GroupCommitter, LogOptions, ReadLimits, SeqNo, SystemClock};
use serde_json::json;
use shard::{Shard, ShardServices, ViewPool, ViewPoolConfig, WritePrecondition};
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use transport::{LocalIdentity, RemoteClusters, TransportConfig, TransportError, TransportServer};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const DOCUMENTS: u64 = 300_000;
const BATCH: u64 = 5_000;
const ROUNDS: usize = 5;
/// Operations handed to the shard at once, as a follow task does by default.
const WRITE: usize = 5_120;
/// Nothing here takes longer.
const WITHIN: Duration = Duration::from_secs(300);
const CITIES: [&str; 8] = [
    "Lisbon", "Porto", "Paris", "Lyon", "Oslo", "Bergen", "Rome", "Milan",
];

fn main() -> Outcome<()> {
    // Cargo hands over arguments of its own.
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(measure())
}

async fn measure() -> Outcome<()> {
    let documents = match std::env::var("CCR_BENCH_DOCUMENTS") {
        Ok(text) => text.parse()?,
        Err(_) => DOCUMENTS,
    };
    let base = std::env::var_os("CCR_BENCH_DIR").map_or_else(
        || Path::new(env!("CARGO_TARGET_TMPDIR")).to_owned(),
        PathBuf::from,
    );
    let (mut plain, mut caught_up, mut bytes) = (Vec::new(), Vec::new(), 0);
    for round in 1..=ROUNDS {
        let home = TempDir::new_in(&base)?;
        let one = Round::begin(home.path(), documents).await?;
        // Each comes first in turn.
        if round % 2 == 0 {
            plain.push(one.append_and_index().await?);
            caught_up.push(one.catch_up().await?);
        } else {
            caught_up.push(one.catch_up().await?);
            plain.push(one.append_and_index().await?);
        }
        bytes = one.frames.iter().map(Frame::len).sum::<usize>();
        one.end().await;
        println!(
            "round {round} of {ROUNDS}: appended and indexed in {:.2?}, caught up in {:.2?}",
            plain[round - 1],
            caught_up[round - 1]
        );
    }
    let (plain, caught_up) = (median(plain), median(caught_up));
    let rate = |took: Duration| {
        format!(
            "{:.0} documents/s, {:.1} MB/s",
            documents as f64 / took.as_secs_f64(),
            bytes as f64 / 1e6 / took.as_secs_f64()
        )
    };
    println!("append and index, median: {}", rate(plain));
    println!("catch-up, median:         {}", rate(caught_up));
    println!(
        "catch-up is {:.2} of append and index (target: at least 0.85)",
        plain.as_secs_f64() / caught_up.as_secs_f64()
    );
    Ok(())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// A leader with all documents, and two followers that have none of them yet.
struct Round {
    leader: Node,
    follower: Node,
    frames: Vec<Frame>,
}

impl Round {
    async fn begin(home: &Path, documents: u64) -> Outcome<Self> {
        let leader = Node::start("leader", &home.join("leader")).await?;
        let follower = Node::start("follower", &home.join("follower")).await?;
        let fields = json!({"n": {"type": "long"}, "city": {"type": "keyword"}, "text": {"type": "text"}});
        let create = CreateIndex {
            name: "orders".to_owned(),
            settings: json!({"number_of_shards": 1, "number_of_replicas": 0}),
            mappings: Some(json!({ "properties": fields })),
            ..CreateIndex::default()
        };
        leader.indices.create_index(create).await?;
        follower.connect(&leader).await?;
        for copy in ["followed", "plain"] {
            let request = FollowRequest {
                follower_index: copy.to_owned(),
                remote_cluster: Some("leader".to_owned()),
                leader_index: Some("orders".to_owned()),
                wait_for_active_shards: WaitForActiveShards::Count(1),
                ..FollowRequest::default()
            };
            follower.ccr.follow(request).await?;
            follower.ccr.pause_follow(copy).await?;
        }
        for first in (0..documents).step_by(BATCH as usize) {
            let items = (first..documents.min(first + BATCH)).map(document).collect();
            let written = leader.indices.bulk(items, RefreshPolicy::None).await?;
            if written.errors() {
                return Err("a document was refused".into());
            }
        }
        let shard = leader.shard("orders")?;
        shard.refresh().wait()?;
        let frames = shard
            .log()
            .read(SeqNo::ZERO, SeqNo::new(documents - 1), ReadLimits::NONE)?;
        Ok(Self {
            leader,
            follower,
            frames,
        })
    }

    /// Until everything is durable and can be found.
    async fn append_and_index(&self) -> Outcome<Duration> {
        let shard = self.follower.shard("plain")?;
        let start = SystemClock.monotonic();
        for frames in self.frames.chunks(WRITE) {
            shard.append_frames(frames.to_vec())?;
        }
        self.finish(&shard).await?;
        Ok(SystemClock.monotonic().saturating_sub(start))
    }

    /// The same, through the follow task.
    async fn catch_up(&self) -> Outcome<Duration> {
        let shard = self.follower.shard("followed")?;
        let start = SystemClock.monotonic();
        let resumed = self
            .follower
            .ccr
            .resume_follow("followed", RawFollowParameters::default());
        resumed.await?;
        // A refresh covers what is there when it is asked for.
        self.durable(&shard).await?;
        self.finish(&shard).await?;
        Ok(SystemClock.monotonic().saturating_sub(start))
    }

    async fn finish(&self, shard: &Shard) -> Outcome<()> {
        shard.refresh().wait()?;
        self.durable(shard).await
    }

    async fn durable(&self, shard: &Shard) -> Outcome<()> {
        let last = SeqNo::new(self.frames.len() as u64 - 1);
        tokio::time::timeout(WITHIN, shard.log().wait_durable(last)).await??;
        Ok(())
    }

    async fn end(self) {
        self.follower.end().await;
        self.leader.end().await;
    }
}

fn document(number: u64) -> BulkItem {
    let city = CITIES[(number % 8) as usize];
    let source = json!({
        "n": number, "city": city,
        "text": format!("order {number} of a customer in {city}, to be delivered on day {} of the year", number % 365),
    });
    BulkItem {
        index: "orders".to_owned(),
        id: Some(number.to_string()),
        routing: None,
        require_alias: false,
        require_data_stream: false,
        action: BulkAction::Index {
            source: Bytes::from(source.to_string()),
            precondition: WritePrecondition::None,
        },
    }
}

struct Node {
    cluster: Arc<ClusterService>,
    indices: Arc<IndicesService>,
    ccr: Arc<CcrService>,
    remotes: Arc<RemoteClusters>,
    address: String,
    stop: CancellationToken,
    server: JoinSet<Result<(), TransportError>>,
}

impl Node {
    async fn start(name: &str, home: &Path) -> Outcome<Self> {
        std::fs::create_dir_all(home)?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let local = LocalNode {
            id: None,
            name: "node-1".to_owned(),
            cluster_name: name.to_owned(),
        };
        let store = RedbStore::open(home.join("state.redb"))?;
        let cluster = ClusterService::open(Arc::new(store), local).await?;
        let services = ShardServices {
            storage: Arc::new(FsStorage),
            committer: GroupCommitter::start(1),
            log: LogOptions::default(),
            view_pool: ViewPool::start(ViewPoolConfig::default()),
            clock: Arc::clone(&clock),
        };
        let config = IndicesConfig::new(home).with_disk_space(Arc::new(UnlimitedDiskSpace));
        let indices = IndicesService::start(config, Arc::clone(&cluster), services, Arc::clone(&clock))?;
        let identity = LocalIdentity {
            cluster_name: name.to_owned(),
            cluster_uuid: cluster.state().cluster_uuid.clone(),
            node_id: cluster.local_node_id().to_string(),
            node_name: "node-1".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        let remotes = Arc::new(RemoteClusters::new(identity, Arc::clone(&clock)));
        let ccr = CcrService::start(CcrDependencies {
            cluster: Arc::clone(&cluster),
            indices: Arc::clone(&indices),
            remotes: Arc::clone(&remotes),
            clock,
            inflight_budget: InflightBudget::new(DEFAULT_MAX_INFLIGHT_BYTES),
            retention_lease_renew_interval: DEFAULT_RETENTION_LEASE_RENEW_INTERVAL,
        });
        let any = "127.0.0.1:0".parse()?;
        let transport = TransportServer::bind(any, ccr.leader_side(), TransportConfig::DEFAULTS).await?;
        let address = transport.local_addr().to_string();
        let stop = CancellationToken::new();
        let mut server = JoinSet::new();
        server.spawn(transport.serve(stop.clone()));
        Ok(Self {
            cluster,
            indices,
            ccr,
            remotes,
            address,
            stop,
            server,
        })
    }

    async fn connect(&self, leader: &Node) -> Outcome<()> {
        let seeds = SettingValue::List(vec![leader.address.clone()]);
        self.cluster
            .update("settings", |state| {
                let mut next = state.clone();
                next.persistent_settings
                    .insert_value("cluster.remote.leader.seeds", seeds.clone());
                Ok((next, ()))
            })
            .await?;
        let alias = "leader".parse()?;
        let known = async {
            while self.remotes.get(&alias).is_err() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        Ok(tokio::time::timeout(WITHIN, known).await?)
    }

    fn shard(&self, index: &str) -> Outcome<Arc<Shard>> {
        let uuid = self.cluster.state().require_index(index)?.uuid.clone();
        let started = self.indices.started_shards(&uuid).into_iter().next();
        started.ok_or_else(|| format!("no shard of [{index}] serves").into())
    }

    async fn end(mut self) {
        self.stop.cancel();
        while self.server.join_next().await.is_some() {}
        tokio::join!(self.ccr.shutdown(), self.remotes.shutdown());
        self.indices.shutdown().await;
        self.cluster.shutdown().await;
    }
}
