//! The node under test and its client.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ccr::{CcrDependencies, CcrService};
use cluster::{ClusterService, LocalNode, RedbStore};
use follow_task::{DEFAULT_RETENTION_LEASE_RENEW_INTERVAL, InflightBudget};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use indices::{IndicesConfig, IndicesService, ResolveOptions, UnlimitedDiskSpace};
use oplog::{ByteCount, Clock, FsStorage, GroupCommitter, LogOptions, SystemClock};
use rest_api::{RestConfig, RestState, serve};
use serde_json::Value;
use shard::{Shard, ShardServices, ViewPool, ViewPoolConfig};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use transport::{LocalIdentity, RemoteClusters, TransportConfig, TransportServer};

/// A node that serves REST and, for other clusters, gRPC.
pub(crate) struct Node {
    pub(crate) address: std::net::SocketAddr,
    pub(crate) transport_address: std::net::SocketAddr,
    pub(crate) cluster: Arc<ClusterService>,
    pub(crate) indices: Arc<IndicesService>,
    pub(crate) stop: CancellationToken,
    pub(crate) server: JoinHandle<std::io::Result<()>>,
    data: TempDir,
}

/// An answer, its body read.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map(|value| value.to_str().unwrap())
            .unwrap_or_default()
    }

    /// The body, after checking the status.
    #[track_caller]
    pub(crate) fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        if self.body.is_empty() {
            Value::Null
        } else {
            self.json()
        }
    }

    /// Checks status and type of an error, and answers its reason.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16, kind: &str) -> String {
        let body = self.expect(status);
        assert_eq!(body["error"]["type"], kind, "{body}");
        assert_eq!(body["status"], status, "{body}");
        assert!(body["error"]["root_cause"][0]["type"].is_string(), "{body}");
        body["error"]["reason"].as_str().unwrap().to_owned()
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the test owns the handle for the life of the node"
)]
fn spawn<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
    tokio::spawn(work)
}

impl Node {
    pub(crate) async fn start() -> Self {
        Self::start_with("leader", RestConfig::default()).await
    }

    pub(crate) async fn start_with(cluster_name: &str, config: RestConfig) -> Self {
        Self::start_tuned(cluster_name, config, |_, _| {}).await
    }

    /// A node whose parts `tune` may change before they start.
    pub(crate) async fn start_tuned(
        cluster_name: &str,
        config: RestConfig,
        tune: impl FnOnce(&mut ShardServices, &mut IndicesConfig),
    ) -> Self {
        let data = tempfile::tempdir().unwrap();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let store = Arc::new(RedbStore::open(data.path().join("state.redb")).unwrap());
        let local = LocalNode {
            id: None,
            name: "node-1".to_owned(),
            cluster_name: cluster_name.to_owned(),
        };
        let cluster = ClusterService::open(store, local).await.unwrap();
        let mut services = ShardServices {
            storage: Arc::new(FsStorage),
            committer: GroupCommitter::start(1),
            view_pool: ViewPool::start(ViewPoolConfig {
                threads: 1,
                ..ViewPoolConfig::default()
            }),
            clock: Arc::clone(&clock),
            log: LogOptions::default(),
        };
        let mut indices_config =
            IndicesConfig::new(data.path()).with_disk_space(Arc::new(UnlimitedDiskSpace));
        tune(&mut services, &mut indices_config);
        let indices =
            IndicesService::start(indices_config, Arc::clone(&cluster), services, Arc::clone(&clock))
                .unwrap();
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
            remotes,
            clock: Arc::clone(&clock),
            inflight_budget: InflightBudget::new(ByteCount::new(64 << 20)),
            retention_lease_renew_interval: DEFAULT_RETENTION_LEASE_RENEW_INTERVAL,
        });
        let transport = TransportServer::bind(
            "127.0.0.1:0".parse().unwrap(),
            ccr.leader_side(),
            TransportConfig::DEFAULTS,
        )
        .await
        .unwrap();
        let transport_address = transport.local_addr();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        cluster
            .set_local_addresses(Some(transport_address.to_string()), Some(address.to_string()))
            .await
            .unwrap();
        let stop = CancellationToken::new();
        drop(spawn(transport.serve(stop.clone())));
        let state = RestState::new(Arc::clone(&cluster), Arc::clone(&indices), ccr, clock, config);
        let server = spawn(serve(listener, state, stop.clone()));
        Self {
            address,
            transport_address,
            cluster,
            indices,
            stop,
            server,
            data,
        }
    }

    /// Where the shards of an index lie.
    pub(crate) async fn index_dir(&self, index: &str) -> std::path::PathBuf {
        let settings = self
            .get(&format!("/{index}/_settings?flat_settings"))
            .await
            .expect(200);
        let uuid = settings[index]["settings"]["index.uuid"].as_str().unwrap();
        self.data.path().join("indices").join(uuid)
    }

    /// The first shard of an index.
    pub(crate) fn shard(&self, index: &str) -> Arc<Shard> {
        let indices = self.indices.resolve(index, &ResolveOptions::OPEN).unwrap();
        self.indices.shards_of(&indices[0]).swap_remove(0).unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, "").await
    }

    pub(crate) async fn head(&self, path: &str) -> u16 {
        let answer = self.call(Method::HEAD, path, "").await;
        assert!(answer.body.is_empty());
        answer.status.as_u16()
    }

    pub(crate) async fn put(&self, path: &str, body: &str) -> Answer {
        self.call(Method::PUT, path, body).await
    }

    pub(crate) async fn post(&self, path: &str, body: &str) -> Answer {
        self.call(Method::POST, path, body).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.call(Method::DELETE, path, "").await
    }

    pub(crate) async fn call(&self, method: Method, path: &str, body: &str) -> Answer {
        self.call_with(method, path, &[("content-type", "application/json")], body)
            .await
    }

    pub(crate) async fn call_with(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl AsRef<[u8]>,
    ) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "localhost");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request
            .body(Full::new(Bytes::copy_from_slice(body.as_ref())))
            .unwrap();
        let stream = TcpStream::connect(self.address).await.unwrap();
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        let connection = spawn(connection);
        let response = sender.send_request(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        connection.abort();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body,
        }
    }

    /// Sends requests (method, path, content type, body) one after the other on one connection, and answers the statuses. A request without a content
    /// type has no body.
    pub(crate) async fn on_one_connection(&self, requests: &[(&str, &str, &str, &str)]) -> Vec<u16> {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        let connection = spawn(connection);
        let mut statuses = Vec::new();
        for (method, path, kind, body) in requests {
            let request = Request::builder()
                .method(*method)
                .uri(*path)
                .header("host", "localhost");
            let (request, body) = match *kind {
                "" => (request, ""),
                kind => (request.header("content-type", kind), *body),
            };
            let request = request
                .body(Full::new(Bytes::copy_from_slice(body.as_bytes())))
                .unwrap();
            sender.ready().await.unwrap();
            let response = sender.send_request(request).await.unwrap();
            statuses.push(response.status().as_u16());
            response.into_body().collect().await.unwrap();
        }
        connection.abort();
        statuses
    }

    /// Tries until `done` says so.
    pub(crate) async fn until(&self, path: &str, done: impl Fn(&Value) -> bool) -> Value {
        let attempts = async {
            loop {
                let answer = self.get(path).await;
                let body = if answer.body.is_empty() {
                    Value::Null
                } else {
                    answer.json()
                };
                if answer.status == StatusCode::OK && done(&body) {
                    return body;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(15), attempts)
            .await
            .unwrap_or_else(|_| panic!("{path} never got there"))
    }
}
