//! What the REST layer is told at start.

use std::time::Duration;

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
            shutdown_deadline: Duration::from_secs(30),
        }
    }
}
