//! The connections to one remote cluster under one version of its settings.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use es_exception::{Exception, ExceptionKind};
use oplog::{Clock, UnixMillis};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::connection::{Call, Connection};
use super::{
    ClusterAlias, LocalIdentity, RemoteClusterInfo, RemoteClusterSettings, RemoteConnectionInfo,
    RemoteConnectionMode, attempt, backoff,
};
use crate::{Connector, HandshakeResponse, RemoteNode, TransportConfig};

/// A pool with fewer connections than it may have looks for more nodes this often, when it is used.
const GROWTH_PAUSE: Duration = Duration::from_secs(30);

/// What all connections of a pool have in common.
#[derive(Debug)]
pub(super) struct PoolContext {
    pub(super) local: Arc<LocalIdentity>,
    pub(super) config: Arc<TransportConfig>,
    pub(super) connector: Arc<dyn Connector>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) tracker: TaskTracker,
    pub(super) keepalive_interval: Duration,
}

/// Connects on demand, one attempt at a time, and fails at once between attempts.
#[derive(Debug)]
pub(super) struct Pool {
    pub(super) alias: ClusterAlias,
    pub(super) settings: RemoteClusterSettings,
    pub(super) context: PoolContext,
    /// Ends everything of this pool.
    pub(super) end: CancellationToken,
    state: Mutex<State>,
    /// Changes when a caller that waits for a connection should look again.
    progress: watch::Sender<()>,
}

#[derive(Debug)]
struct State {
    connections: Vec<Arc<Connection>>,
    attempting: bool,
    /// Attempts without a connection and connections without endurance, in a row.
    failures: u32,
    /// No attempt before this time of the monotonic clock.
    not_before: Duration,
    last_error: Option<Exception>,
    address_errors: BTreeMap<String, String>,
    /// Since when there is, or is not, a connection.
    since: UnixMillis,
    /// Whom the first handshake met. Another cluster at one of the addresses is an error from then on.
    cluster: Option<ClusterIdentity>,
    nodes: Vec<RemoteNode>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct ClusterIdentity {
    name: String,
    uuid: String,
}

/// What a caller finds.
enum Look {
    Connected(Call),
    Attempting,
    Down(Exception),
}

impl Pool {
    /// A pool that begins to connect.
    pub(super) fn start(
        alias: ClusterAlias,
        settings: RemoteClusterSettings,
        context: PoolContext,
    ) -> Arc<Self> {
        let state = State {
            connections: Vec::new(),
            attempting: false,
            failures: 0,
            not_before: Duration::ZERO,
            last_error: None,
            address_errors: BTreeMap::new(),
            since: context.clock.now(),
            cluster: None,
            nodes: Vec::new(),
        };
        let (progress, _) = watch::channel(());
        let end = CancellationToken::new();
        let pool = Arc::new(Self {
            alias,
            settings,
            context,
            end,
            state: Mutex::new(state),
            progress,
        });
        pool.begin_attempt(&mut pool.state.lock());
        pool
    }

    /// A connection for one call.
    ///
    /// # Errors
    ///
    /// `no_seed_node_left_exception` when there is none and none can be made: at once between attempts, else when the attempt failed
    /// or took longer than `initial_connect_timeout`.
    pub(super) async fn call(self: &Arc<Self>) -> Result<Call, Exception> {
        let mut progress = self.progress.subscribe();
        let until_connected = async {
            loop {
                match self.look() {
                    Look::Connected(call) => return Ok(call),
                    Look::Down(exception) => return Err(exception),
                    // The sender lives in `self`: this does not fail.
                    Look::Attempting => drop(progress.changed().await),
                }
            }
        };
        let waited = tokio::time::timeout(self.settings.initial_connect_timeout, until_connected).await;
        waited.unwrap_or_else(|_| Err(self.down(&self.state.lock())))
    }

    fn look(self: &Arc<Self>) -> Look {
        let state = &mut *self.state.lock();
        let open = state.connections.iter().filter(|connection| connection.is_open());
        let Some(least_busy) = open.min_by_key(|connection| connection.calls()).cloned() else {
            if state.attempting || self.may_attempt(state) {
                self.begin_attempt(state);
                return Look::Attempting;
            }
            return Look::Down(self.down(state));
        };
        if self.wants_more(state, &least_busy) && self.may_attempt(state) {
            self.begin_attempt(state);
        }
        Look::Connected(Call::on(least_busy))
    }

    fn may_attempt(&self, state: &State) -> bool {
        !self.end.is_cancelled() && self.context.clock.monotonic() >= state.not_before
    }

    /// Whether one more connection would help.
    fn wants_more(&self, state: &State, least_busy: &Connection) -> bool {
        match &self.settings.mode {
            RemoteConnectionMode::Sniff { node_connections, .. } => {
                state.connections.len() < usize::try_from(*node_connections).unwrap_or(usize::MAX)
            }
            RemoteConnectionMode::Proxy {
                proxy_socket_connections,
                ..
            } => {
                state.connections.len() < usize::try_from(*proxy_socket_connections).unwrap_or(usize::MAX)
                    && least_busy.calls() >= self.context.config.proxy_calls_per_socket
            }
        }
    }

    fn begin_attempt(self: &Arc<Self>, state: &mut State) {
        if state.attempting || self.end.is_cancelled() {
            return;
        }
        state.attempting = true;
        let pool = Arc::clone(self);
        self.context.tracker.spawn(async move {
            tokio::select! {
                () = pool.end.cancelled() => {}
                outcome = attempt::run(&pool) => pool.end_attempt(outcome),
            }
        });
    }

    /// Notes how an attempt ended: with a connection at least, or with the failure that tells most.
    fn end_attempt(&self, outcome: Result<(), Exception>) {
        let state = &mut *self.state.lock();
        let now = self.context.clock.monotonic();
        state.attempting = false;
        let is_connected = state.connections.iter().any(|connection| connection.is_open());
        if is_connected {
            let pause = match self.settings.mode {
                RemoteConnectionMode::Sniff { .. } => GROWTH_PAUSE,
                RemoteConnectionMode::Proxy { .. } => self.context.config.backoff_initial,
            };
            state.not_before = now.saturating_add(pause);
        } else {
            state.failures = state.failures.saturating_add(1);
            let pause = backoff::pause(&self.context.config, state.failures, rand::random());
            state.not_before = now.saturating_add(pause);
        }
        match outcome {
            Ok(()) => state.last_error = None,
            Err(exception) => {
                // The first failure is worth a line; the rest are in the info.
                if !is_connected && state.failures == 1 {
                    tracing::warn!(remote_cluster = %self.alias, %exception, "cannot connect to the remote cluster");
                }
                state.last_error = Some(exception);
            }
        }
        self.progress.send_replace(());
    }

    /// Opens a connection to `address`, checks that it leads to the same cluster as those before, and keeps it if it is wanted.
    pub(super) async fn connect(self: &Arc<Self>, address: &str) -> Result<HandshakeResponse, Exception> {
        let connected = self.connect_unnoted(address).await;
        let errors = &mut self.state.lock().address_errors;
        match &connected {
            Ok(_) => errors.remove(address),
            Err(exception) => errors.insert(address.to_owned(), exception.to_string()),
        };
        connected
    }

    async fn connect_unnoted(self: &Arc<Self>, address: &str) -> Result<HandshakeResponse, Exception> {
        let (connection, answer) = Connection::open(address, &self.context, self.end.clone()).await?;
        self.check_cluster(address, &answer)?;
        let connection = Arc::new(connection);
        if !self.keep(&connection) {
            return Ok(answer);
        }
        let pool = Arc::clone(self);
        self.context.tracker.spawn(async move {
            tokio::select! {
                () = pool.end.cancelled() => {}
                () = async {
                    connection.closed().await;
                    pool.replace_lost(&connection).await;
                } => {}
            }
        });
        Ok(answer)
    }

    /// Takes the connection up, unless it is one to a node that has one already.
    fn keep(&self, connection: &Arc<Connection>) -> bool {
        let state = &mut *self.state.lock();
        let is_sniffing = matches!(self.settings.mode, RemoteConnectionMode::Sniff { .. });
        let is_same_node = |other: &Arc<Connection>| other.is_open() && other.node_id == connection.node_id;
        if is_sniffing && state.connections.iter().any(is_same_node) {
            return false;
        }
        if state.connections.is_empty() {
            state.since = self.context.clock.now();
            tracing::info!(remote_cluster = %self.alias, address = connection.address, "connected to the remote cluster");
        }
        state.connections.push(Arc::clone(connection));
        self.progress.send_replace(());
        true
    }

    /// Forgets a connection that ended, and tries once to replace it; further attempts are made when a call needs one.
    async fn replace_lost(self: &Arc<Self>, connection: &Arc<Connection>) {
        let pause = self.forget(connection);
        tokio::time::sleep(pause).await;
        let state = &mut *self.state.lock();
        if self.may_attempt(state) {
            self.begin_attempt(state);
        }
    }

    /// The pause before a lost connection may be replaced: a peer that takes connections only to drop them is down too.
    fn forget(&self, connection: &Arc<Connection>) -> Duration {
        let state = &mut *self.state.lock();
        let now = self.context.clock.monotonic();
        state.connections.retain(|other| !Arc::ptr_eq(other, connection));
        let reason = format!("[{}][{}] the connection was lost", self.alias, connection.address);
        state
            .address_errors
            .insert(connection.address.clone(), reason.clone());
        if state.connections.is_empty() {
            tracing::warn!(remote_cluster = %self.alias, address = connection.address, "lost the remote cluster");
            state.since = self.context.clock.now();
            state.last_error = Some(Exception::new(ExceptionKind::ConnectTransport, reason));
        }
        let has_lasted = now.saturating_sub(connection.opened) >= self.context.config.backoff_max;
        state.failures = if has_lasted {
            1
        } else {
            state.failures.saturating_add(1)
        };
        let pause = backoff::pause(&self.context.config, state.failures, rand::random());
        state.not_before = now.saturating_add(pause);
        pause
    }

    /// Another cluster at one of the addresses would make followers mix two histories.
    pub(super) fn check_cluster(&self, address: &str, answer: &HandshakeResponse) -> Result<(), Exception> {
        let state = &mut *self.state.lock();
        let met = ClusterIdentity {
            name: answer.cluster_name.clone(),
            uuid: answer.cluster_uuid.clone(),
        };
        let expected = state.cluster.get_or_insert_with(|| met.clone());
        if *expected == met {
            return Ok(());
        }
        let reason = format!(
            "[{address}] handshake failed: remote cluster name [{}] with uuid [{}] does not match expected remote cluster name [{}] with uuid [{}]",
            met.name, met.uuid, expected.name, expected.uuid
        );
        Err(Exception::new(ExceptionKind::IllegalState, reason))
    }

    /// Remembers the nodes that a handshake named.
    pub(super) fn set_nodes(&self, nodes: Vec<RemoteNode>) {
        let state = &mut *self.state.lock();
        let seeds = match &self.settings.mode {
            RemoteConnectionMode::Sniff { seeds, .. } => seeds.as_slice(),
            RemoteConnectionMode::Proxy { .. } => &[],
        };
        let is_known = |address: &String| {
            seeds.contains(address) || nodes.iter().any(|node| node.transport_address == *address)
        };
        state.address_errors.retain(|address, _| is_known(address));
        state.nodes = nodes;
    }

    /// The nodes that the last handshake named.
    pub(super) fn nodes(&self) -> Vec<RemoteNode> {
        self.state.lock().nodes.clone()
    }

    /// The open connections.
    pub(super) fn open_connections(&self) -> Vec<Arc<Connection>> {
        self.state
            .lock()
            .connections
            .iter()
            .filter(|connection| connection.is_open())
            .cloned()
            .collect()
    }

    /// Why there is no connection.
    fn down(&self, state: &State) -> Exception {
        let now = self.context.clock.now();
        let for_how_long = Duration::from_millis(now.get().saturating_sub(state.since.get()));
        let what = match &self.settings.mode {
            RemoteConnectionMode::Sniff { .. } => format!("no seed node left for cluster: [{}]", self.alias),
            RemoteConnectionMode::Proxy { proxy_address, .. } => format!(
                "Unable to open any proxy connections to cluster [{}] at address [{proxy_address}]",
                self.alias
            ),
        };
        let reason = match &state.last_error {
            Some(error) => format!(
                "{what}, not connected for {for_how_long:?}, last error: {}",
                error.reason()
            ),
            None => format!("{what}, not connected for {for_how_long:?}"),
        };
        let exception = Exception::new(ExceptionKind::NoSeedNodeLeft, reason)
            .with_metadata("es.not_connected_since_millis", vec![state.since.to_string()]);
        match &state.last_error {
            Some(error) => exception.with_cause(error.clone()),
            None => exception,
        }
    }

    pub(super) fn info(&self) -> RemoteClusterInfo {
        let state = &*self.state.lock();
        let open = state
            .connections
            .iter()
            .filter(|connection| connection.is_open())
            .count();
        let connection = match &self.settings.mode {
            RemoteConnectionMode::Sniff {
                seeds,
                node_connections,
            } => RemoteConnectionInfo::Sniff {
                seeds: seeds.clone(),
                num_nodes_connected: open,
                max_connections_per_cluster: *node_connections,
            },
            RemoteConnectionMode::Proxy {
                proxy_address,
                proxy_socket_connections,
                server_name,
            } => RemoteConnectionInfo::Proxy {
                proxy_address: proxy_address.clone(),
                server_name: server_name.clone(),
                num_proxy_sockets_connected: open,
                max_proxy_socket_connections: *proxy_socket_connections,
            },
        };
        RemoteClusterInfo {
            alias: self.alias.clone(),
            connected: open > 0,
            connection,
            initial_connect_timeout: self.settings.initial_connect_timeout,
            skip_unavailable: self.settings.skip_unavailable,
            cluster_name: state.cluster.as_ref().map(|cluster| cluster.name.clone()),
            cluster_uuid: state.cluster.as_ref().map(|cluster| cluster.uuid.clone()),
            last_error: state.last_error.clone(),
            since: state.since,
            address_errors: state.address_errors.clone(),
        }
    }
}
