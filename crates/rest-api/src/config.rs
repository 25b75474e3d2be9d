//! What the REST layer is told at start.

use std::time::Duration;

use http::Method;
use http::header::{
    ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, USER_AGENT,
};
use oplog::ByteCount;

/// Settings of the REST layer that stay as they are while the node runs.
#[derive(Debug, Clone)]
pub struct RestConfig {
    /// The version that `GET /` announces. Some clients refuse servers by it.
    pub version_number: String,
    /// What the build calls itself in `GET /`: a commit, or `unknown`.
    pub build_hash: String,
    /// When the build was made, in ISO 8601.
    pub build_date: String,
    /// The largest body a request may have (`http.max_content_length`). A node may hold this much per connection at worst.
    pub max_content_length: ByteCount,
    /// Whether answers are compressed for clients that take it (`http.compression`).
    pub compression: bool,
    /// What pages from elsewhere may do; `None`: nothing (`http.cors.enabled`).
    pub cors: Option<CorsConfig>,
    /// How long requests under way may go on after the server was told to stop.
    pub shutdown_deadline: Duration,
}

impl Default for RestConfig {
    fn default() -> Self {
        Self {
            version_number: "9.1.1".to_owned(),
            build_hash: "unknown".to_owned(),
            build_date: "1970-01-01T00:00:00.000Z".to_owned(),
            max_content_length: ByteCount::new(100 * 1024 * 1024),
            compression: true,
            cors: None,
            shutdown_deadline: Duration::from_secs(30),
        }
    }
}

/// What pages from other origins may do with this server. Source: Elasticsearch's `http.cors.*` settings and their defaults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CorsConfig {
    /// The origins, or `*` for any (`http.cors.allow-origin`).
    pub allow_origin: Vec<HeaderValue>,
    /// Methods that are allowed (`http.cors.allow-methods`).
    pub allow_methods: Vec<Method>,
    /// Request headers that are allowed (`http.cors.allow-headers`).
    pub allow_headers: Vec<HeaderName>,
    /// Whether credentials may be sent (`http.cors.allow-credentials`). Not together with any origin.
    pub allow_credentials: bool,
    /// How long a browser may remember an answer to its question (`http.cors.max-age`).
    pub max_age: Duration,
}

impl Default for CorsConfig {
    fn default() -> Self {
        Self {
            allow_origin: Vec::new(),
            allow_methods: vec![
                Method::OPTIONS,
                Method::HEAD,
                Method::GET,
                Method::POST,
                Method::PUT,
                Method::DELETE,
            ],
            allow_headers: vec![
                HeaderName::from_static("x-requested-with"),
                CONTENT_TYPE,
                CONTENT_LENGTH,
                AUTHORIZATION,
                ACCEPT,
                USER_AGENT,
                HeaderName::from_static("x-elastic-client-meta"),
            ],
            allow_credentials: false,
            max_age: Duration::from_secs(1_728_000),
        }
    }
}
