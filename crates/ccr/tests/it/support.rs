//! A node without REST, and a leader with a follower of it.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ccr::{CcrDependencies, CcrService, FollowRequest, FollowResponse, WaitForActiveShards};
use cluster::{ClusterService, LocalNode, RedbStore, StateStore};
use es_exception::Exception;
use follow_task::{FollowTaskPhase, InflightBudget, RawFollowParameters, ShardFollowTaskStatus};
use index_meta::SettingValue;
use indices::{
    BulkAction, BulkItem, CreateIndex, IndicesConfig, IndicesService, Origin, RefreshPolicy,
    UnlimitedDiskSpace,
};
use oplog::{
    ByteCount, Clock, GroupCommitter, IndexUuid, LeaseId, LogOptions, RetentionLease, SeqNo, Storage,
    SystemClock,
};
use serde_json::{Value, json};
use shard::{Shard, ShardServices, ViewPool, ViewPoolConfig, WritePrecondition};
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use transport::{LocalIdentity, RemoteClusters, TransportConfig, TransportError, TransportServer};

use crate::faults::FaultyStorage;
use crate::leader_tap::LeaderTap;

/// Alias of the leader's cluster on the follower's.
pub(crate) const ALIAS: &str = "lisbon";
/// Name of the follower's cluster.
pub(crate) const FOLLOWER_CLUSTER: &str = "paris";
/// Documents that [`Pair::start`] writes.
pub(crate) const FIRST_DOCS: Range<u64> = 0..20;

/// Far below the 30 s of a real node, so that tests see many renewals.
const RENEW_INTERVAL: Duration = Duration::from_millis(20);

/// What outlives a node.
pub(crate) struct Disk {
    pub(crate) dir: TempDir,
    pub(crate) store: Arc<RedbStore>,
    pub(crate) storage: Arc<FaultyStorage>,
    pub(crate) log: LogOptions,
    /// `ccr.max_inflight_bytes` of the nodes on it.
    pub(crate) max_inflight_bytes: ByteCount,
}

impl Disk {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Arc::new(RedbStore::open(dir.path().join("state.redb")).unwrap());
        Self {
            dir,
            store,
            storage: Arc::default(),
            log: LogOptions::default(),
            max_inflight_bytes: ByteCount::from_mib(64),
        }
    }
}

/// A node that other clusters reach through a [`LeaderTap`].
pub(crate) struct Node {
    pub(crate) cluster: Arc<ClusterService>,
    pub(crate) indices: Arc<IndicesService>,
    pub(crate) ccr: Arc<CcrService>,
    pub(crate) tap: Arc<LeaderTap>,
    address: String,
    remotes: Arc<RemoteClusters>,
    server: JoinSet<Result<(), TransportError>>,
    stop: CancellationToken,
}

impl Node {
    pub(crate) async fn start(cluster_name: &str, disk: &Disk) -> Self {
        Self::start_on(cluster_name, disk, Arc::<RedbStore>::clone(&disk.store)).await
    }

    /// A node whose cluster state is in `store` in place of the disk's own.
    pub(crate) async fn start_on(cluster_name: &str, disk: &Disk, store: Arc<dyn StateStore>) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let local = LocalNode {
            id: None,
            name: "node-1".to_owned(),
            cluster_name: cluster_name.to_owned(),
        };
        let cluster = ClusterService::open(store, local).await.unwrap();
        let services = ShardServices {
            storage: Arc::<FaultyStorage>::clone(&disk.storage) as Arc<dyn Storage>,
            committer: GroupCommitter::start(1),
            log: disk.log.clone(),
            view_pool: ViewPool::start(ViewPoolConfig {
                threads: 1,
                ..ViewPoolConfig::default()
            }),
            clock: Arc::clone(&clock),
        };
        let config = IndicesConfig::new(disk.dir.path()).with_disk_space(Arc::new(UnlimitedDiskSpace));
        let indices =
            IndicesService::start(config, Arc::clone(&cluster), services, Arc::clone(&clock)).unwrap();
        let identity = LocalIdentity {
            cluster_name: cluster_name.to_owned(),
            cluster_uuid: cluster.state().cluster_uuid.clone(),
            node_id: cluster.local_node_id().to_string(),
            node_name: "node-1".to_owned(),
            version: "0.1.0".to_owned(),
        };
        let remotes = Arc::new(RemoteClusters::new(identity, Arc::clone(&clock)));
        let ccr = CcrService::start(CcrDependencies {
            cluster: Arc::clone(&cluster),
            indices: Arc::clone(&indices),
            remotes: Arc::clone(&remotes),
            clock,
            inflight_budget: InflightBudget::new(disk.max_inflight_bytes),
            retention_lease_renew_interval: RENEW_INTERVAL,
        });
        let tap = LeaderTap::new(ccr.leader_side());
        let transport = TransportServer::bind(
            "127.0.0.1:0".parse().unwrap(),
            Arc::<LeaderTap>::clone(&tap),
            TransportConfig::DEFAULTS,
        )
        .await
        .unwrap();
        let address = transport.local_addr().to_string();
        let stop = CancellationToken::new();
        let mut server = JoinSet::new();
        server.spawn(transport.serve(stop.clone()));
        Self {
            cluster,
            indices,
            ccr,
            tap,
            address,
            remotes,
            server,
            stop,
        }
    }

    /// Other clusters cannot reach this node from now on.
    pub(crate) async fn stop_serving(&mut self) {
        self.stop.cancel();
        while let Some(served) = self.server.join_next().await {
            served.unwrap().unwrap();
        }
    }

    pub(crate) async fn shutdown(mut self) {
        in_time("a shutdown", async {
            self.stop_serving().await;
            tokio::join!(self.ccr.shutdown(), self.remotes.shutdown());
            self.indices.shutdown().await;
            self.cluster.shutdown().await;
        })
        .await;
    }

    pub(crate) async fn set(&self, key: &str, value: SettingValue) {
        let set = self.cluster.update("settings", |state| {
            let mut next = state.clone();
            next.persistent_settings.insert_value(key, value.clone());
            Ok((next, ()))
        });
        set.await.unwrap();
    }

    pub(crate) async fn connect(&self, leader: &Node) {
        let seeds = SettingValue::List(vec![leader.address.clone()]);
        self.set(&format!("cluster.remote.{ALIAS}.seeds"), seeds).await;
        self.ccr.wait_until_applied().await;
        assert!(self.remotes.get(&ALIAS.parse().unwrap()).is_ok());
    }

    pub(crate) async fn create_index(&self, name: &str, shards: u32) {
        let request = CreateIndex {
            name: name.to_owned(),
            settings: json!({"number_of_shards": shards, "number_of_replicas": 0}),
            ..CreateIndex::default()
        };
        let created = self.indices.create_index(request).await.unwrap();
        assert!(created.shards_acknowledged);
    }

    pub(crate) async fn write(&self, index: &str, ids: Range<u64>) {
        let items = ids.map(|id| document(index, id, &json!({"n": id}))).collect();
        self.write_all(items).await;
    }

    pub(crate) async fn write_all(&self, items: Vec<BulkItem>) {
        let written = self.indices.bulk(items, RefreshPolicy::None).await.unwrap();
        assert!(!written.errors());
    }

    pub(crate) fn uuid(&self, index: &str) -> IndexUuid {
        self.cluster.state().require_index(index).unwrap().uuid.clone()
    }

    /// The shards of an index that serve, in order.
    pub(crate) fn shards(&self, index: &str) -> Vec<Arc<Shard>> {
        let mut shards = self.indices.started_shards(&self.uuid(index));
        shards.sort_by_key(|shard| shard.shard_id().shard);
        shards
    }

    /// The leases on every shard of an index, in order.
    pub(crate) fn leases(&self, index: &str) -> Vec<Vec<RetentionLease>> {
        let shards = self.shards(index);
        let leases = shards.iter().map(|shard| shard.log().retention_leases().leases);
        leases.collect()
    }

    /// Follows with polls that only news end, and waits until the task runs.
    pub(crate) async fn follow_without_poll_timeout(&self, leader_index: &str, follower_index: &str) {
        let mut request = request(leader_index, follower_index, WaitForActiveShards::Count(1));
        request.parameters =
            serde_json::from_value(json!({"read_poll_timeout": "1h", "max_retry_delay": "50ms"})).unwrap();
        self.ccr.follow(request).await.unwrap();
        until("the task runs", || self.following(follower_index) == 1).await;
    }

    /// Changes settings of an index, closed for that if `static_ones` are among them.
    pub(crate) async fn change_settings(&self, index: &str, changes: Value, static_ones: bool) {
        if static_ones {
            self.indices.close_index(index).await.unwrap();
        }
        let indices = &self.indices;
        indices
            .update_settings(index, changes, false, Origin::User)
            .await
            .unwrap();
        if static_ones {
            assert!(self.indices.open_index(index).await.unwrap());
        }
    }

    /// A setting of an index.
    pub(crate) fn setting(&self, index: &str, key: &str) -> Option<String> {
        let state = self.cluster.state();
        let settings = &state.require_index(index).unwrap().settings;
        settings.get_str(key).map(str::to_owned)
    }

    /// Starts following without waiting for anything.
    pub(crate) async fn begin_follow(
        &self,
        leader_index: &str,
        follower_index: &str,
    ) -> Result<FollowResponse, Exception> {
        self.ccr
            .follow(request(leader_index, follower_index, WaitForActiveShards::None))
            .await
    }

    /// Follows, and waits until the tasks run.
    pub(crate) async fn follow(&self, leader_index: &str, follower_index: &str) {
        let request = request(leader_index, follower_index, WaitForActiveShards::Count(1));
        let response = self.ccr.follow(request).await.unwrap();
        assert!(response.index_following_started && response.follow_index_shards_acked);
        let shards = self.shards(follower_index).len();
        until("the tasks run", || self.following(follower_index) == shards).await;
    }

    /// The follow tasks of an index; none when it is not followed.
    pub(crate) fn tasks(&self, index: &str) -> Vec<ShardFollowTaskStatus> {
        let stats = self.ccr.follow_stats(index).unwrap_or_default();
        stats.into_iter().flat_map(|index| index.shards).collect()
    }

    /// How many follow tasks of an index read and write.
    pub(crate) fn following(&self, index: &str) -> usize {
        let tasks = self.tasks(index);
        let following = |task: &&ShardFollowTaskStatus| task.phase == FollowTaskPhase::Following;
        tasks.iter().filter(following).count()
    }

    pub(crate) async fn resume(&self, index: &str) {
        self.ccr
            .resume_follow(index, RawFollowParameters::default())
            .await
            .unwrap();
    }

    pub(crate) async fn pause_and_close(&self, index: &str) {
        in_time("a pause", self.ccr.pause_follow(index)).await.unwrap();
        self.indices.close_index(index).await.unwrap();
    }
}

pub(crate) fn request(leader_index: &str, follower_index: &str, wait: WaitForActiveShards) -> FollowRequest {
    let parameters = json!({"read_poll_timeout": "100ms", "max_retry_delay": "50ms"});
    FollowRequest {
        follower_index: follower_index.to_owned(),
        remote_cluster: Some(ALIAS.to_owned()),
        leader_index: Some(leader_index.to_owned()),
        parameters: serde_json::from_value(parameters).unwrap(),
        wait_for_active_shards: wait,
        ..FollowRequest::default()
    }
}

pub(crate) fn document(index: &str, id: u64, source: &Value) -> BulkItem {
    BulkItem {
        index: index.to_owned(),
        id: Some(id.to_string()),
        routing: None,
        require_alias: false,
        require_data_stream: false,
        action: BulkAction::Index {
            source: Bytes::from(source.to_string()),
            precondition: WritePrecondition::None,
        },
    }
}

/// A leader with the index `orders`, and a connected follower.
pub(crate) struct Pair {
    pub(crate) leader: Node,
    pub(crate) follower: Node,
    pub(crate) follower_disk: Disk,
    _leader_disk: Disk,
}

impl Pair {
    pub(crate) async fn start(shards: u32) -> Self {
        Self::start_on(shards, Disk::new()).await
    }

    async fn start_on(shards: u32, follower_disk: Disk) -> Self {
        let leader_disk = Disk::new();
        let leader = Node::start("lisbon-cluster", &leader_disk).await;
        let follower = Node::start(FOLLOWER_CLUSTER, &follower_disk).await;
        leader.create_index("orders", shards).await;
        leader.write("orders", FIRST_DOCS).await;
        follower.connect(&leader).await;
        Self {
            leader,
            follower,
            follower_disk,
            _leader_disk: leader_disk,
        }
    }

    /// A pair whose follower index `copy` has everything of `orders`.
    pub(crate) async fn following(shards: u32) -> Self {
        Self::following_on(shards, Disk::new()).await
    }

    /// The same with a follower's disk of one's own.
    pub(crate) async fn following_on(shards: u32, follower_disk: Disk) -> Self {
        let pair = Self::start_on(shards, follower_disk).await;
        pair.follower.follow("orders", "copy").await;
        pair.caught_up().await;
        pair
    }

    /// Waits until `copy` has everything of `orders`.
    pub(crate) async fn caught_up(&self) {
        caught_up(&self.leader, &self.follower, "orders", "copy").await;
    }

    /// The id of the lease that `copy` holds.
    pub(crate) fn lease_id(&self) -> LeaseId {
        let (copy, orders) = (self.follower.uuid("copy"), self.leader.uuid("orders"));
        let id = format!("{FOLLOWER_CLUSTER}/copy/{copy}-following-{ALIAS}/orders/{orders}");
        id.parse().unwrap()
    }

    /// Starts a second follower that goes on when `copy` stands still: by its renewals tests tell that time has passed.
    pub(crate) async fn start_witness(&self) {
        self.leader.create_index("other", 1).await;
        self.follower.follow("other", "witness").await;
    }

    /// Waits for a time in which every lease that is renewed at all is renewed several times.
    pub(crate) async fn several_renewals(&self) {
        self.renewals_of("witness", 5).await;
    }

    pub(crate) async fn renewals_of(&self, follower_index: &str, count: usize) {
        let tap = &self.leader.tap;
        let wanted = tap.renewed(follower_index) + count;
        until("renewals", || tap.renewed(follower_index) >= wanted).await;
    }
}

/// Waits until a follower index has everything of its leader: the same operations, and the same of them live.
pub(crate) async fn caught_up(leader: &Node, follower: &Node, leader_index: &str, follower_index: &str) {
    let summary = |shard: &Arc<Shard>| {
        let stats = shard.stats();
        (
            stats.max_seq_no,
            stats.local_checkpoint,
            stats.live_count,
            stats.digest,
        )
    };
    until("the follower catches up", || {
        let (leader, follower) = (leader.shards(leader_index), follower.shards(follower_index));
        leader.len() == follower.len() && leader.iter().map(summary).eq(follower.iter().map(summary))
    })
    .await;
}

pub(crate) fn checkpoints(shards: &[Arc<Shard>]) -> Vec<Option<SeqNo>> {
    shards
        .iter()
        .map(|shard| shard.log().durable_checkpoint())
        .collect()
}

/// Waits until `condition` holds.
pub(crate) async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let attempts = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    in_time(what, attempts).await;
}

/// Bounds what must come to an end by itself.
pub(crate) async fn in_time<T>(what: &str, work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), work)
        .await
        .unwrap_or_else(|_| panic!("{what}: not within 20 s"))
}
