//! Wires the parts into a node.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use ccr::{CcrDependencies, CcrService};
use cluster::{ClusterService, LocalNode, RedbStore};
use follow_task::{DEFAULT_RETENTION_LEASE_RENEW_INTERVAL, InflightBudget};
use indices::{DiskSettings, IndicesConfig, IndicesService, IndicesSettings};
use oplog::{Clock, FsStorage, GroupCommitter, LogOptions, SystemClock};
use rest_api::{RestConfig, RestState};
use shard::{ShardServices, ViewPool, ViewPoolConfig};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use transport::{LocalIdentity, RemoteClusters, TransportConfig, TransportServer};

use crate::config::Config;
use crate::data_dir::DataDir;
use crate::signals::asked_to_stop;

/// Threads that make logs durable. Two keep one slow sync from holding up every other shard.
const COMMITTER_THREADS: usize = 2;

/// A node that runs.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) indices: Arc<IndicesService>,
    pub(crate) ccr: Arc<CcrService>,
    pub(crate) cluster: Arc<ClusterService>,
    pub(crate) http: SocketAddr,
    pub(crate) transport: SocketAddr,
    remotes: Arc<RemoteClusters>,
    servers: JoinSet<anyhow::Result<()>>,
    stop: CancellationToken,
    /// Held until everything else has ended.
    _data_dir: DataDir,
}

/// Runs a node until the process is asked to stop.
pub(crate) async fn serve(config: Config) -> anyhow::Result<()> {
    let mut node = Node::start(&config).await?;
    tracing::info!(cluster = %config.cluster_name, node = %config.node_name, http = %node.http, transport = %node.transport, "node started");
    let failure = tokio::select! {
        stopped = asked_to_stop() => stopped.err(),
        failure = node.server_failure() => Some(failure),
    };
    tracing::info!("node stops");
    node.shutdown().await;
    failure.map_or(Ok(()), Err)
}

impl Node {
    /// Starts a node; it serves when this returns.
    pub(crate) async fn start(config: &Config) -> anyhow::Result<Self> {
        let data_dir = DataDir::take(&config.data_dir)?;
        // Addresses are bound first: a port that is taken must not cost a start of everything else.
        let http_listener = TcpListener::bind(config.http)
            .await
            .with_context(|| format!("cannot listen on the REST address [{}]", config.http))?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let cluster = open_cluster(config, &data_dir).await?;
        let committer = GroupCommitter::start(COMMITTER_THREADS);
        let services = ShardServices {
            storage: Arc::new(FsStorage),
            committer,
            view_pool: ViewPool::start(ViewPoolConfig::default()),
            clock: Arc::clone(&clock),
            log: LogOptions {
                segment_bytes: config.log_segment_size,
                ..LogOptions::default()
            },
        };
        let indices_config = IndicesConfig {
            settings: IndicesSettings {
                compaction_max_bytes_per_sec: config.compaction_max_bytes_per_sec,
                disk: DiskSettings {
                    threshold_enabled: config.disk_threshold_enabled,
                    ..IndicesSettings::DEFAULTS.disk
                },
                ..IndicesSettings::DEFAULTS
            },
            ..IndicesConfig::new(data_dir.path())
        };
        let indices =
            IndicesService::start(indices_config, Arc::clone(&cluster), services, Arc::clone(&clock))?;
        let remotes = Arc::new(RemoteClusters::new(local_identity(&cluster), Arc::clone(&clock)));
        let ccr = CcrService::start(CcrDependencies {
            cluster: Arc::clone(&cluster),
            indices: Arc::clone(&indices),
            remotes: Arc::clone(&remotes),
            clock: Arc::clone(&clock),
            inflight_budget: InflightBudget::new(config.max_inflight_bytes),
            retention_lease_renew_interval: DEFAULT_RETENTION_LEASE_RENEW_INTERVAL,
        });
        let transport_server =
            TransportServer::bind(config.transport, ccr.leader_side(), TransportConfig::DEFAULTS).await?;
        let (http, transport) = (http_listener.local_addr()?, transport_server.local_addr());
        cluster
            .set_local_addresses(Some(transport.to_string()), Some(http.to_string()))
            .await
            .map_err(|error| anyhow!("the node's addresses cannot be published: {error}"))?;
        let rest_config = RestConfig {
            max_content_length: config.max_content_length,
            compression: config.compression,
            cors: config.cors.clone(),
            ..RestConfig::default()
        };
        let rest = RestState::new(
            Arc::clone(&cluster),
            Arc::clone(&indices),
            Arc::clone(&ccr),
            clock,
            rest_config,
        );
        let stop = CancellationToken::new();
        let mut servers = JoinSet::new();
        let rest_stop = stop.clone();
        servers.spawn(async move {
            rest_api::serve(http_listener, rest, rest_stop)
                .await
                .context("the REST server stopped")
        });
        let transport_stop = stop.clone();
        servers.spawn(async move {
            transport_server
                .serve(transport_stop)
                .await
                .context("the transport server stopped")
        });
        data_dir.write_addresses(http, transport)?;
        Ok(Self {
            indices,
            ccr,
            cluster,
            http,
            transport,
            remotes,
            servers,
            stop,
            _data_dir: data_dir,
        })
    }

    /// Ends only when a server ends by itself, which is a failure.
    async fn server_failure(&mut self) -> anyhow::Error {
        match self.servers.join_next().await {
            Some(Ok(Err(failure))) => failure,
            Some(Err(failure)) => anyhow!("a server ended: {failure}"),
            Some(Ok(Ok(()))) | None => anyhow!("a server ended by itself"),
        }
    }

    /// Stops serving, then replicating, then storing, and waits for each.
    pub(crate) async fn shutdown(mut self) {
        self.stop.cancel();
        while let Some(ended) = self.servers.join_next().await {
            if let Ok(Err(error)) = ended {
                tracing::warn!(%error, "a server did not end well");
            }
        }
        // Ending the connections ends the calls that replication waits for.
        tokio::join!(self.ccr.shutdown(), self.remotes.shutdown());
        self.indices.shutdown().await;
        self.cluster.shutdown().await;
    }
}

async fn open_cluster(config: &Config, data_dir: &DataDir) -> anyhow::Result<Arc<ClusterService>> {
    let store = RedbStore::open(data_dir.cluster_store())?;
    let node = LocalNode {
        id: None,
        name: config.node_name.clone(),
        cluster_name: config.cluster_name.clone(),
    };
    Ok(ClusterService::open(Arc::new(store), node).await?)
}

fn local_identity(cluster: &ClusterService) -> LocalIdentity {
    let state = cluster.state();
    let node = cluster.local_node();
    LocalIdentity {
        cluster_name: state.cluster_name.clone(),
        cluster_uuid: state.cluster_uuid.clone(),
        node_id: node.id.to_string(),
        node_name: node.name,
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}
