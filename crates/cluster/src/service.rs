//! The one place where cluster state changes: compare, commit durably, publish.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use es_exception::{Exception, ExceptionKind};
use tokio::sync::{Mutex, OwnedMutexGuard, watch};
use tokio_util::task::TaskTracker;

use crate::node::{LocalNode, NodeId, NodeMetadata, random_id};
use crate::patience::Patience;
use crate::pending::{PendingTask, PendingTasks};
use crate::record::{self, HEADER_KEY, RecordError};
use crate::state::ClusterState;
use crate::store::{Compare, Revision, StateStore, StoreError, TransactionOutcome, Write};

/// How often a change is computed anew since another node committed in between.
const MAX_CONFLICTS: usize = 32;

/// Why the cluster state cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store holds something that this version does not read.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// Other nodes kept changing the state while this one joined.
    #[error("this node could not join: the cluster state changed {MAX_CONFLICTS} times meanwhile; try again")]
    Contended,
}

/// Version of each record as this node saw it last.
type RecordVersions = BTreeMap<String, Revision>;

/// The committed cluster state, and the way to change it.
///
/// Invariant: a state is visible to [`state`](Self::state) and [`watch`](Self::watch) only after it is durable, and states become visible in order
/// of their versions.
#[derive(Debug)]
pub struct ClusterService {
    shared: Arc<Shared>,
    local_node_id: NodeId,
    commits: TaskTracker,
    pending: Arc<PendingTasks>,
}

#[derive(Debug)]
struct Shared {
    store: Arc<dyn StateStore>,
    state: ArcSwap<ClusterState>,
    published: watch::Sender<Arc<ClusterState>>,
    /// Held from the computation of a change until its publication.
    versions: Arc<Mutex<RecordVersions>>,
}

impl ClusterService {
    /// Reads the state from `store`, or starts a new cluster in it, and makes `local_node` its (only) node and master.
    ///
    /// Opening an embedded store is a full restart of its cluster: transient settings are gone.
    ///
    /// # Errors
    /// When the store fails or holds what this version does not read.
    pub async fn open(store: Arc<dyn StateStore>, local_node: LocalNode) -> Result<Arc<Self>, OpenError> {
        for _ in 0..MAX_CONFLICTS {
            let (committed, mut versions) = load(store.as_ref()).await?;
            let is_new = committed.is_none();
            let base = committed.unwrap_or_else(|| ClusterState::new(&local_node.cluster_name, random_id()));
            let mut joined = base.clone();
            let local_node_id = join(&mut joined, &local_node);
            let state = match joined.succeeding(&base) {
                None => base,
                Some(next) => {
                    let writes = record::writes((!is_new).then_some(&base), &next);
                    if commit(store.as_ref(), &mut versions, writes).await? == Committed::Conflict {
                        continue;
                    }
                    next
                }
            };
            let state = Arc::new(state);
            let shared = Shared {
                store,
                state: ArcSwap::new(Arc::clone(&state)),
                published: watch::Sender::new(state),
                versions: Arc::new(Mutex::new(versions)),
            };
            return Ok(Arc::new(Self {
                shared: Arc::new(shared),
                local_node_id,
                commits: TaskTracker::new(),
                pending: Arc::default(),
            }));
        }
        Err(OpenError::Contended)
    }

    /// The newest committed state.
    #[must_use]
    pub fn state(&self) -> Arc<ClusterState> {
        self.shared.state.load_full()
    }

    /// Shows every newest committed state; intermediate ones may be skipped.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Arc<ClusterState>> {
        self.shared.published.subscribe()
    }

    /// The id of this node.
    #[must_use]
    pub fn local_node_id(&self) -> &NodeId {
        &self.local_node_id
    }

    /// What the cluster knows of this node.
    #[must_use]
    pub fn local_node(&self) -> NodeMetadata {
        self.state()
            .nodes
            .get(&self.local_node_id)
            .cloned()
            .unwrap_or_else(|| NodeMetadata {
                id: self.local_node_id.clone(),
                name: self.local_node_id.to_string(),
                transport_address: None,
                http_address: None,
            })
    }

    /// Waits until a committed state satisfies `condition` and answers it. Bound it with a timeout. Cancel safe.
    pub async fn wait_until(&self, mut condition: impl FnMut(&ClusterState) -> bool) -> Arc<ClusterState> {
        let mut receiver = self.watch();
        match receiver.wait_for(|state| condition(state)).await {
            Ok(state) => Arc::clone(&state),
            Err(_) => unreachable!("the sender lives as long as this service, which the caller borrows"),
        }
    }

    /// Commits the state that `change` makes of the newest one, and publishes it. `source` says who wants it, for logs.
    ///
    /// `change` is a pure function; it runs again on a newer state when another node committed first. Versions are set by the commit, which does
    /// nothing when nothing differs. Once this returns, the change is durable and visible. Dropping the future does not undo a commit that has
    /// begun: it is finished and published in the background.
    ///
    /// # Errors
    /// What `change` refuses; `process_cluster_event_timeout_exception` when other nodes keep committing first, or when its turn does not come for as
    /// long as the request that it belongs to waits ([`Patience`]), in which case nothing was changed;
    /// `failed_to_commit_cluster_state_exception` when the store fails, in which case the change may or may not show up later.
    pub async fn update<T: Send>(
        &self,
        source: &str,
        mut change: impl FnMut(&ClusterState) -> Result<(ClusterState, T), Exception> + Send,
    ) -> Result<T, Exception> {
        let pending = self.pending.enter(source);
        for _ in 0..MAX_CONFLICTS {
            pending.set_executing(false);
            let versions = self.turn(source).await?;
            pending.set_executing(true);
            let committed = self.state();
            let (next, answer) = change(&committed)?;
            let Some(next) = next.succeeding(&committed) else {
                return Ok(answer);
            };
            Patience::begin();
            tracing::debug!(source, version = next.version, "commits cluster state");
            let shared = Arc::clone(&self.shared);
            let task = self
                .commits
                .spawn(async move { shared.commit_and_publish(versions, &committed, next).await });
            let outcome = task.await.map_err(|error| {
                Exception::new(
                    ExceptionKind::FailedToCommitClusterState,
                    format!("the commit of cluster state [{source}] broke off: {error}"),
                )
            })?;
            match outcome {
                Ok(Committed::Done) => return Ok(answer),
                Ok(Committed::Conflict) => {}
                Err(error) => {
                    tracing::error!(source, %error, "cluster state cannot be committed");
                    let reason = format!(
                        "failed to commit the cluster state for [{source}]: {}",
                        describe(&error)
                    );
                    return Err(Exception::new(ExceptionKind::FailedToCommitClusterState, reason));
                }
            }
        }
        let reason = format!(
            "failed to process cluster event ({source}): the cluster state changed {MAX_CONFLICTS} times meanwhile"
        );
        Err(Exception::new(ExceptionKind::ProcessClusterEventTimeout, reason))
    }

    /// Waits until no other change is computed or committed.
    async fn turn(&self, source: &str) -> Result<OwnedMutexGuard<RecordVersions>, Exception> {
        let turn = Arc::clone(&self.shared.versions).lock_owned();
        let Some(timeout) = Patience::turn_timeout() else {
            return Ok(turn.await);
        };
        tokio::time::timeout(timeout, turn).await.map_err(|_| {
            let reason = format!("failed to process cluster event ({source}) within {timeout:?}");
            Exception::new(ExceptionKind::ProcessClusterEventTimeout, reason)
        })
    }

    /// The changes of this node that are not committed yet, in the order in which they were asked for.
    #[must_use]
    pub fn pending_tasks(&self) -> Vec<PendingTask> {
        self.pending.list()
    }

    /// Makes the addresses of this node known, once they are bound.
    ///
    /// # Errors
    /// As [`update`](Self::update).
    pub async fn set_local_addresses(
        &self,
        transport_address: Option<String>,
        http_address: Option<String>,
    ) -> Result<(), Exception> {
        let local_node = self.local_node();
        self.update("node-addresses", |state| {
            let mut next = state.clone();
            let node = next
                .nodes
                .entry(self.local_node_id.clone())
                .or_insert_with(|| local_node.clone());
            node.transport_address.clone_from(&transport_address);
            node.http_address.clone_from(&http_address);
            Ok((next, ()))
        })
        .await
    }

    /// Waits for commits that go on after their callers left. Updates that come later still work.
    pub async fn shutdown(&self) {
        self.commits.close();
        self.commits.wait().await;
    }
}

impl Shared {
    async fn commit_and_publish(
        &self,
        mut versions: OwnedMutexGuard<RecordVersions>,
        committed: &ClusterState,
        next: ClusterState,
    ) -> Result<Committed, OpenError> {
        let writes = record::writes(Some(committed), &next);
        match commit(self.store.as_ref(), &mut versions, writes).await {
            Ok(Committed::Done) => {
                self.publish(next);
                Ok(Committed::Done)
            }
            Ok(Committed::Conflict) => {
                self.reload(&mut versions).await?;
                Ok(Committed::Conflict)
            }
            Err(error) => {
                // Whether the writes took place is unknown. What the store holds decides; if it cannot tell either, the next commit
                // finds a conflict and asks again.
                if let Err(error) = self.reload(&mut versions).await {
                    tracing::warn!(%error, "cluster state cannot be read again after a failed commit");
                }
                Err(error.into())
            }
        }
    }

    async fn reload(&self, versions: &mut RecordVersions) -> Result<(), OpenError> {
        let (state, loaded) = load(self.store.as_ref()).await?;
        *versions = loaded;
        if let Some(state) = state
            && state.version > self.state.load().version
        {
            self.publish(state);
        }
        Ok(())
    }

    fn publish(&self, state: ClusterState) {
        let state = Arc::new(state);
        self.state.store(Arc::clone(&state));
        self.published.send_replace(state);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Committed {
    Done,
    Conflict,
}

async fn load(store: &dyn StateStore) -> Result<(Option<ClusterState>, RecordVersions), OpenError> {
    let listing = store.list("").await?;
    let state = record::read(&listing.records)?;
    let versions = listing
        .records
        .into_iter()
        .map(|(key, record)| (key, record.version))
        .collect();
    Ok((state, versions))
}

async fn commit(
    store: &dyn StateStore,
    versions: &mut RecordVersions,
    writes: Vec<Write>,
) -> Result<Committed, StoreError> {
    debug_assert!(
        writes.iter().any(|write| key_of(write) == HEADER_KEY),
        "every commit writes the header"
    );
    let compare = |write: &Write| {
        let key = key_of(write);
        Compare {
            key: key.to_owned(),
            version: versions.get(key).copied(),
        }
    };
    match store
        .transaction(writes.iter().map(compare).collect(), writes.clone())
        .await?
    {
        TransactionOutcome::Conflict => Ok(Committed::Conflict),
        TransactionOutcome::Committed(revision) => {
            for write in writes {
                match write {
                    Write::Put { key, .. } => versions.insert(key, revision),
                    Write::Delete { key } => versions.remove(&key),
                };
            }
            Ok(Committed::Done)
        }
    }
}

fn key_of(write: &Write) -> &str {
    match write {
        Write::Put { key, .. } | Write::Delete { key } => key,
    }
}

/// Puts the local node into `state` as its only node, and answers its id.
fn join(state: &mut ClusterState, local: &LocalNode) -> NodeId {
    let kept = state.nodes.keys().next().cloned();
    let id = local.id.clone().or(kept).unwrap_or_else(NodeId::generate);
    let node = NodeMetadata {
        id: id.clone(),
        name: local.name.clone(),
        transport_address: None,
        http_address: None,
    };
    if state.cluster_name != local.cluster_name {
        tracing::warn!(stored = %state.cluster_name, configured = %local.cluster_name, "the cluster is renamed");
        state.cluster_name.clone_from(&local.cluster_name);
    }
    state.nodes = BTreeMap::from([(id.clone(), node)]);
    state.master_node_id = Some(id.clone());
    state.transient_settings = index_meta::Settings::default();
    id
}

fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
