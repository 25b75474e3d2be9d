//! What the indices of a node are configured with.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::disk_monitor::{DiskSpace, FsDiskSpace};
use crate::settings::IndicesSettings;

/// Where the indices are, and how much work is taken on at once.
#[derive(Debug, Clone)]
pub struct IndicesConfig {
    /// The node's data directory; shards lie in `indices/<index uuid>/<shard>/` below it.
    pub data_dir: PathBuf,
    /// Shards that are opened or created at once. More is faster after a restart, and takes more memory. Default: twice the cores.
    pub concurrent_shard_opens: usize,
    /// Blocking writes, and apart from them reads, that run at once. Default: four times the cores, at least 8.
    pub concurrent_shard_operations: usize,
    /// Bytes of documents in writes that are under way; beyond it writes are refused with 429. Default 64 MiB.
    pub indexing_pressure_bytes: u64,
    /// Pause before a shard that failed is opened again; it doubles with each failure in a row. Corrupt shards are not opened again. Default 1 s.
    pub shard_retry_first_pause: Duration,
    /// Longest such pause. A shard that served this long has made good for its failures. Default 60 s.
    pub shard_retry_longest_pause: Duration,
    /// How long a call waits for shards to start, or for changes to reach them. Default 30 s.
    pub ack_timeout: Duration,
    /// How often the node goes round its shards and compacts what is due. Default 5 s.
    pub maintenance_interval: Duration,
    /// How often the node looks how full its disk is. Default 5 s.
    pub disk_check_interval: Duration,
    /// Who says how full the disk is. Default: the file system of `data_dir`.
    pub disk_space: Arc<dyn DiskSpace>,
    /// What dynamic settings are when the cluster settings do not say. Default [`IndicesSettings::DEFAULTS`].
    pub settings: IndicesSettings,
}

impl IndicesConfig {
    /// The defaults, over `data_dir`.
    #[must_use]
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        Self {
            data_dir: data_dir.into(),
            concurrent_shard_opens: 2 * cores,
            concurrent_shard_operations: (4 * cores).max(8),
            indexing_pressure_bytes: 64 << 20,
            shard_retry_first_pause: Duration::from_secs(1),
            shard_retry_longest_pause: Duration::from_secs(60),
            ack_timeout: Duration::from_secs(30),
            maintenance_interval: Duration::from_secs(5),
            disk_check_interval: Duration::from_secs(5),
            disk_space: Arc::new(FsDiskSpace),
            settings: IndicesSettings::DEFAULTS,
        }
    }

    /// The same on another disk.
    #[must_use]
    pub fn with_disk_space(self, disk_space: Arc<dyn DiskSpace>) -> Self {
        Self { disk_space, ..self }
    }
}
