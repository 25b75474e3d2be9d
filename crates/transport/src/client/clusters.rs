//! All remote clusters that are configured.

use std::collections::BTreeMap;
use std::sync::Arc;

use es_exception::{Exception, ExceptionKind};
use oplog::Clock;
use parking_lot::RwLock;
use tokio_util::task::TaskTracker;

use super::cluster::Common;
use super::{ClusterAlias, RemoteCluster, RemoteClusterInfo, RemoteClusterSettings};
use crate::network::TcpConnector;
use crate::{Connector, TransportConfig};

/// Who this node is, as it tells others in the handshake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalIdentity {
    /// Name of this cluster.
    pub cluster_name: String,
    /// UUID of this cluster.
    pub cluster_uuid: String,
    /// Id of this node.
    pub node_id: String,
    /// Name of this node.
    pub node_name: String,
    /// Release of this software, for people.
    pub version: String,
}

/// The remote clusters that are configured, by alias.
///
/// Must be made and used inside a tokio runtime.
#[derive(Debug)]
pub struct RemoteClusters {
    local: Arc<LocalIdentity>,
    config: Arc<TransportConfig>,
    connector: Arc<dyn Connector>,
    clock: Arc<dyn Clock>,
    /// Counts the tasks and sockets of all connections, also of those that were replaced.
    tracker: TaskTracker,
    clusters: RwLock<BTreeMap<ClusterAlias, Arc<RemoteCluster>>>,
}

impl RemoteClusters {
    /// No remote cluster yet, with the default [`TransportConfig`].
    #[must_use]
    pub fn new(local: LocalIdentity, clock: Arc<dyn Clock>) -> Self {
        Self::with_config(local, clock, TransportConfig::DEFAULTS)
    }

    /// No remote cluster yet.
    #[must_use]
    pub fn with_config(local: LocalIdentity, clock: Arc<dyn Clock>, config: TransportConfig) -> Self {
        Self::with_connector(local, clock, config, Arc::new(TcpConnector))
    }

    /// No remote cluster yet, and another network than TCP of the operating system.
    #[must_use]
    pub fn with_connector(
        local: LocalIdentity,
        clock: Arc<dyn Clock>,
        config: TransportConfig,
        connector: Arc<dyn Connector>,
    ) -> Self {
        Self {
            local: Arc::new(local),
            config: Arc::new(config),
            connector,
            clock,
            tracker: TaskTracker::new(),
            clusters: RwLock::default(),
        }
    }

    /// Makes the configured remote clusters be `settings`: starts new ones, ends those that are gone, and rebuilds the
    /// connections of those whose settings differ. An [`Arc<RemoteCluster>`] held by a caller follows its alias through changes.
    ///
    /// Calls under way on a rebuilt or ended remote cluster fail with a retryable exception. After a shutdown this does nothing.
    pub fn apply(&self, settings: BTreeMap<ClusterAlias, RemoteClusterSettings>) {
        let mut clusters = self.clusters.write();
        if self.tracker.is_closed() {
            return;
        }
        clusters.retain(|alias, cluster| {
            let stays = settings.contains_key(alias);
            if !stays {
                cluster.close();
            }
            stays
        });
        for (alias, settings) in settings {
            match clusters.get(&alias) {
                Some(cluster) => cluster.apply(settings),
                None => {
                    let common = Common {
                        local: Arc::clone(&self.local),
                        config: Arc::clone(&self.config),
                        connector: Arc::clone(&self.connector),
                        clock: Arc::clone(&self.clock),
                        tracker: self.tracker.clone(),
                    };
                    let cluster = RemoteCluster::start(alias.clone(), settings, common);
                    clusters.insert(alias, Arc::new(cluster));
                }
            }
        }
    }

    /// The remote cluster of this alias.
    ///
    /// # Errors
    ///
    /// `no_such_remote_cluster_exception` when the alias is not configured.
    pub fn get(&self, alias: &ClusterAlias) -> Result<Arc<RemoteCluster>, Exception> {
        self.clusters
            .read()
            .get(alias)
            .cloned()
            .ok_or_else(|| no_such_remote_cluster(alias))
    }

    /// The state of all remote clusters, by alias. Connects nothing.
    #[must_use]
    pub fn info(&self) -> Vec<RemoteClusterInfo> {
        self.clusters
            .read()
            .values()
            .map(|cluster| cluster.info())
            .collect()
    }

    /// Ends all connections and waits until nothing of them runs any more. No remote cluster is configured then.
    ///
    /// Cancel safe: connections end even when this is not awaited to its end.
    pub async fn shutdown(&self) {
        let ended = {
            let mut clusters = self.clusters.write();
            // Closed before the lock is given back: nothing may begin after this that nobody would end.
            self.tracker.close();
            std::mem::take(&mut *clusters)
        };
        for cluster in ended.values() {
            cluster.close();
        }
        self.tracker.wait().await;
    }
}

pub(super) fn no_such_remote_cluster(alias: &ClusterAlias) -> Exception {
    Exception::new(
        ExceptionKind::NoSuchRemoteCluster,
        format!("no such remote cluster: [{alias}]"),
    )
}
