//! Servers, followers and a TCP forwarder, on free ports.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use oplog::{ByteCount, SeqNo, SystemClock};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use transport::{
    ClusterAlias, LeaderServices, LocalIdentity, RemoteCluster, RemoteClusterInfo, RemoteClusterSettings,
    RemoteClusters, ShardChangesRequest, TransportConfig, TransportError, TransportServer,
};

use crate::leader::{history, shard};

/// Nothing here should take as long.
pub(crate) const DEADLINE: Duration = Duration::from_secs(10);

/// Quick to notice and to try again.
pub(crate) fn config() -> TransportConfig {
    TransportConfig {
        connect_timeout: Duration::from_secs(2),
        call_margin: Duration::from_secs(5),
        keepalive_interval: Duration::from_millis(200),
        // A machine with more work than cores may keep a test waiting.
        keepalive_timeout: Duration::from_secs(2),
        backoff_initial: Duration::from_millis(10),
        backoff_max: Duration::from_millis(50),
        shutdown_grace: Duration::from_millis(500),
        proxy_calls_per_socket: 2,
        ..TransportConfig::DEFAULTS
    }
}

/// A running server.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    stop: CancellationToken,
    serving: JoinSet<Result<(), TransportError>>,
}

impl Running {
    pub(crate) async fn start(leader: Arc<dyn LeaderServices>) -> Self {
        Self::start_on("127.0.0.1:0".parse().unwrap(), leader).await
    }

    pub(crate) async fn start_on(address: SocketAddr, leader: Arc<dyn LeaderServices>) -> Self {
        let bound = async {
            loop {
                match TransportServer::bind(address, Arc::clone(&leader), config()).await {
                    Ok(server) => return server,
                    // A port that was given up may be another test's for a moment.
                    Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
                }
            }
        };
        let server = tokio::time::timeout(DEADLINE, bound)
            .await
            .expect("a free address");
        let (address, stop) = (server.local_addr(), CancellationToken::new());
        let mut serving = JoinSet::new();
        serving.spawn(server.serve(stop.clone()));
        Self {
            address,
            stop,
            serving,
        }
    }

    pub(crate) fn begin_stop(&self) {
        self.stop.cancel();
    }

    pub(crate) async fn stop(mut self) {
        self.stop.cancel();
        let served = tokio::time::timeout(DEADLINE, self.serving.join_next()).await;
        served.expect("the server must stop").unwrap().unwrap().unwrap();
    }
}

pub(crate) fn alias() -> ClusterAlias {
    "lisbon".parse().unwrap()
}

pub(crate) fn sniff(addresses: &[SocketAddr]) -> RemoteClusterSettings {
    RemoteClusterSettings::sniff(addresses.iter().map(ToString::to_string).collect())
}

/// A follower cluster with one remote.
pub(crate) fn follower(settings: RemoteClusterSettings) -> (RemoteClusters, Arc<RemoteCluster>) {
    follower_with(settings, config())
}

pub(crate) fn follower_with(
    settings: RemoteClusterSettings,
    config: TransportConfig,
) -> (RemoteClusters, Arc<RemoteCluster>) {
    let local = LocalIdentity {
        cluster_name: "follower".to_owned(),
        cluster_uuid: "follower-uuid".to_owned(),
        node_id: "follower-node".to_owned(),
        node_name: "f0".to_owned(),
        version: "0.1.0".to_owned(),
    };
    let clusters = RemoteClusters::with_config(local, Arc::new(SystemClock), config);
    clusters.apply(BTreeMap::from([(alias(), settings)]));
    let cluster = clusters.get(&alias()).unwrap();
    (clusters, cluster)
}

pub(crate) fn read_from(from: u64) -> ShardChangesRequest {
    ShardChangesRequest {
        shard: shard(),
        expected_history_uuid: history(),
        from: SeqNo::new(from),
        max_operation_count: 5120,
        max_batch_size: ByteCount::from_mib(32),
        max_response_size: ByteCount::from_mib(32),
        poll_timeout: Duration::from_secs(60),
        known_metadata: None,
        may_stay_open: false,
    }
}

/// Waits for the info to be as wanted.
pub(crate) async fn until_info(
    cluster: &RemoteCluster,
    is_wanted: impl Fn(&RemoteClusterInfo) -> bool,
) -> RemoteClusterInfo {
    let looked = tokio::time::timeout(DEADLINE, async {
        loop {
            let info = cluster.info();
            if is_wanted(&info) {
                return info;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    looked
        .await
        .unwrap_or_else(|_| panic!("still {:?}", cluster.info()))
}

/// Passes connections on, until it is told to let their bytes vanish.
pub(crate) struct Forwarder {
    pub(crate) address: SocketAddr,
    accepted: Arc<AtomicUsize>,
    carried: Arc<Carried>,
    vanish: CancellationToken,
    _tasks: JoinSet<()>,
}

/// Bytes that a forwarder passed on.
#[derive(Default)]
struct Carried {
    there: AtomicUsize,
    back: AtomicUsize,
}

async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, carried: &AtomicUsize, pause: Duration) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        carried.fetch_add(length, Ordering::SeqCst);
        tokio::time::sleep(pause).await;
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}

impl Forwarder {
    pub(crate) async fn start(target: SocketAddr) -> Self {
        Self::start_slow(target, Duration::ZERO).await
    }

    /// One that pauses after every 64 KiB on the way back.
    pub(crate) async fn start_slow(target: SocketAddr, pause: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (accepted, vanish) = (Arc::new(AtomicUsize::new(0)), CancellationToken::new());
        let mut tasks = JoinSet::new();
        let carried = Arc::new(Carried::default());
        let (count, token, bytes) = (Arc::clone(&accepted), vanish.clone(), Arc::clone(&carried));
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((near, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                let (token, bytes) = (token.clone(), Arc::clone(&bytes));
                connections.spawn(async move {
                    let Ok(far) = TcpStream::connect(target).await else {
                        return;
                    };
                    let (from_near, to_near) = near.into_split();
                    let (from_far, to_far) = far.into_split();
                    let both = async {
                        tokio::join!(
                            carry(from_near, to_far, &bytes.there, Duration::ZERO),
                            carry(from_far, to_near, &bytes.back, pause)
                        )
                    };
                    tokio::select! {
                        _ = both => {}
                        // The sockets stay open and silent, as after a cut cable.
                        () = token.cancelled() => std::future::pending().await,
                    }
                });
            }
        });
        Self {
            address,
            accepted,
            carried,
            vanish,
            _tasks: tasks,
        }
    }

    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    /// Bytes that the follower sent and that it received.
    pub(crate) fn carried(&self) -> (usize, usize) {
        let of = |bytes: &AtomicUsize| bytes.load(Ordering::SeqCst);
        (of(&self.carried.there), of(&self.carried.back))
    }

    pub(crate) fn vanish(&self) {
        self.vanish.cancel();
    }
}
