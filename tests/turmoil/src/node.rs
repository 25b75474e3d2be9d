//! A node without REST, as the product puts it together, on the simulated network.

use std::any::Any;
use std::path::Path;
use std::sync::{Arc, Weak};
use std::time::Duration;

use ccr::{CcrDependencies, CcrService, FollowRequest, WaitForActiveShards};
use cluster::{ClusterService, LocalNode, RedbStore};
use es_exception::Exception;
use follow_task::{InflightBudget, RawFollowParameters, ShardFollowTaskStatus};
use index_meta::SettingValue;
use indices::{
    BulkItem, CreateIndex, IndicesConfig, IndicesService, RefreshPolicy, ResolveOptions, UnlimitedDiskSpace,
};
use oplog::{ByteCount, Clock, GroupCommitter, LogOptions};
use serde_json::{Value, json};
use shard::{ForceMergeRequest, Shard, ShardServices, ViewPool, ViewPoolConfig};
use transport::{LocalIdentity, RemoteClusters, TransportConfig};

use crate::clock::SimClock;
use crate::disk::{Breath, MortalStorage, MortalStore};
use crate::line::{Line, SimConnector};

/// Where every node listens.
pub(crate) const PORT: u16 = 9300;
/// Between two renewals of a retention lease, in simulated time.
pub const RENEW_INTERVAL: Duration = Duration::from_secs(2);
/// Threads beside the simulation go by real time, of which there is less.
const MAINTENANCE_INTERVAL: Duration = Duration::from_millis(100);
/// Small, so that a short history has several segments, of which some can be compacted.
const SEGMENT: ByteCount = ByteCount::new(64 << 10);

/// What a node is made on.
pub(crate) struct Ground<'a> {
    pub(crate) host: &'a str,
    pub(crate) dir: &'a Path,
    pub(crate) breath: Arc<Breath>,
    pub(crate) clock: Arc<SimClock>,
    pub(crate) line: Arc<Line>,
    pub(crate) config: TransportConfig,
}

/// A running node.
pub struct Node {
    /// Cluster state.
    pub cluster: Arc<ClusterService>,
    /// Its indices.
    pub indices: Arc<IndicesService>,
    /// Replication.
    pub ccr: Arc<CcrService>,
    /// Connections to other clusters.
    pub remotes: Arc<RemoteClusters>,
    /// What is gone once nothing of the node runs any more.
    remains: Vec<Weak<dyn Any + Send + Sync>>,
}

impl Node {
    pub(crate) async fn start(ground: Ground<'_>) -> Arc<Self> {
        let Ground { host, dir, .. } = ground;
        let clock: Arc<dyn Clock> = ground.clock;
        let store = Arc::new(RedbStore::open(dir.join("state.redb")).expect("the cluster state opens"));
        let local = LocalNode {
            id: None,
            name: format!("{host}-1"),
            cluster_name: host.to_owned(),
        };
        let mut remains: Vec<Weak<dyn Any + Send + Sync>> = vec![weak(&store)];
        let store = MortalStore {
            inner: store,
            breath: Arc::clone(&ground.breath),
        };
        let cluster = ClusterService::open(Arc::new(store), local)
            .await
            .expect("the cluster state is read");
        let address = Some(format!("{host}:{PORT}"));
        let told = cluster.set_local_addresses(address, None).await;
        told.expect("the node's address is stored");
        let committer = GroupCommitter::start(1);
        let view_pool = ViewPool::start(ViewPoolConfig {
            threads: 1,
            ..ViewPoolConfig::default()
        });
        remains.extend([weak(&committer), weak(&view_pool)]);
        let services = ShardServices {
            storage: Arc::new(MortalStorage {
                breath: ground.breath,
            }),
            committer,
            log: LogOptions {
                segment_bytes: SEGMENT,
                ..LogOptions::default()
            },
            view_pool,
            clock: Arc::clone(&clock),
        };
        let config = IndicesConfig {
            maintenance_interval: MAINTENANCE_INTERVAL,
            ..IndicesConfig::new(dir).with_disk_space(Arc::new(UnlimitedDiskSpace))
        };
        let indices = IndicesService::start(config, Arc::clone(&cluster), services, Arc::clone(&clock));
        let indices = indices.expect("the threads of the indices start");
        remains.push(weak(&indices));
        let identity = LocalIdentity {
            cluster_name: host.to_owned(),
            cluster_uuid: cluster.state().cluster_uuid.clone(),
            node_id: cluster.local_node_id().to_string(),
            node_name: format!("{host}-1"),
            version: "0.1.0".to_owned(),
        };
        let connector = Arc::new(SimConnector { line: ground.line });
        let remotes = RemoteClusters::with_connector(identity, Arc::clone(&clock), ground.config, connector);
        let remotes = Arc::new(remotes);
        let ccr = CcrService::start(CcrDependencies {
            cluster: Arc::clone(&cluster),
            indices: Arc::clone(&indices),
            remotes: Arc::clone(&remotes),
            clock,
            inflight_budget: InflightBudget::new(ByteCount::from_mib(64)),
            retention_lease_renew_interval: RENEW_INTERVAL,
        });
        Arc::new(Self {
            cluster,
            indices,
            ccr,
            remotes,
            remains,
        })
    }

    /// Stops in order, as the product does once it serves no more.
    pub(crate) async fn shutdown(&self) {
        tokio::join!(self.ccr.shutdown(), self.remotes.shutdown());
        self.indices.shutdown().await;
        self.cluster.shutdown().await;
    }

    pub(crate) fn remains(&self) -> Vec<Weak<dyn Any + Send + Sync>> {
        self.remains.clone()
    }

    /// Creates an index without replicas.
    pub async fn create_index(&self, name: &str, shards: u32, mut settings: Value) {
        settings["number_of_shards"] = json!(shards);
        settings["number_of_replicas"] = json!(0);
        let request = CreateIndex {
            name: name.to_owned(),
            settings,
            ..CreateIndex::default()
        };
        let created = self
            .indices
            .create_index(request)
            .await
            .expect("the index is created");
        assert!(created.shards_acknowledged, "the shards of a new index start");
    }

    /// Sets a cluster setting.
    pub async fn set(&self, key: &str, value: SettingValue) {
        let set = self.cluster.update("settings", |state| {
            let mut next = state.clone();
            next.persistent_settings.insert_value(key, value.clone());
            Ok((next, ()))
        });
        set.await.expect("a setting is stored");
    }

    /// Connects to the cluster on another host, whose alias is the host's name.
    pub async fn connect(&self, host: &str) {
        let seeds = SettingValue::List(vec![format!("{host}:{PORT}")]);
        self.set(&format!("cluster.remote.{host}.seeds"), seeds).await;
        let alias = host.parse().expect("the name of a host can be an alias");
        while self.remotes.get(&alias).is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Begins to follow, trying again while the leader cannot be reached. The bootstrap goes on in the background.
    pub async fn follow(
        &self,
        host: &str,
        leader_index: &str,
        follower_index: &str,
        parameters: &RawFollowParameters,
    ) {
        loop {
            let request = FollowRequest {
                follower_index: follower_index.to_owned(),
                remote_cluster: Some(host.to_owned()),
                leader_index: Some(leader_index.to_owned()),
                parameters: parameters.clone(),
                wait_for_active_shards: WaitForActiveShards::None,
                ..FollowRequest::default()
            };
            match self.ccr.follow(request).await {
                Ok(_) => return,
                // An attempt whose answer was lost has created it.
                Err(_) if self.cluster.state().require_index(follower_index).is_ok() => return,
                Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
            }
        }
    }

    /// Writes all of it, and fails unless all was written.
    pub async fn write(&self, items: Vec<BulkItem>) {
        let written = self
            .indices
            .bulk(items, RefreshPolicy::None)
            .await
            .expect("a bulk request is taken");
        assert!(!written.errors(), "{written:?}");
    }

    /// Lets all leases on an index go and removes the operations that nobody needs any more, as after a long silence; as far as it is open.
    pub async fn forget_history(&self, index: &str) {
        for shard in self.shards(index) {
            let leases = shard.log().retention_leases().leases;
            for lease in leases {
                // Somebody may have removed it meanwhile.
                let _ = shard.log().remove_retention_lease(&lease.id);
            }
        }
        // The index may be closed meanwhile, or the host about to die.
        let _ = self.try_merge(index).await;
    }

    /// Removes the operations of an index that nobody needs any more.
    pub async fn merge(&self, index: &str) {
        let merged = self.try_merge(index).await;
        merged.expect("a merge of a healthy index succeeds");
    }

    async fn try_merge(&self, index: &str) -> Result<(), Exception> {
        let request = ForceMergeRequest {
            max_num_segments: Some(1),
            ..ForceMergeRequest::default()
        };
        let options = ResolveOptions::OPEN;
        let merged = self.indices.force_merge(index, &options, request, true).await;
        merged.map(drop)
    }

    /// The shards of an index that serve, in order.
    pub fn shards(&self, index: &str) -> Vec<Arc<Shard>> {
        let state = self.cluster.state();
        let Ok(index) = state.require_index(index) else {
            return Vec::new();
        };
        let mut shards = self.indices.started_shards(&index.uuid);
        shards.sort_by_key(|shard| shard.shard_id().shard);
        shards
    }

    /// The follow tasks of an index, in order of shards; none when it is not followed.
    pub fn tasks(&self, index: &str) -> Vec<ShardFollowTaskStatus> {
        let stats = self.ccr.follow_stats(index).unwrap_or_default();
        let mut tasks: Vec<_> = stats.into_iter().flat_map(|index| index.shards).collect();
        tasks.sort_by_key(|task| task.identity.shard_id);
        tasks
    }
}

fn weak<T: Any + Send + Sync>(value: &Arc<T>) -> Weak<dyn Any + Send + Sync> {
    let value: Arc<dyn Any + Send + Sync> = Arc::<T>::clone(value);
    Arc::downgrade(&value)
}
