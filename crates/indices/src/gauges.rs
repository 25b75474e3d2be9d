//! How busy the node is, and how full its disk.

use std::path::PathBuf;
use std::sync::Arc;

use es_exception::{Exception, ExceptionKind};

use crate::disk_monitor::DiskUsage;
use crate::pressure::{IndexingPressureStats, WorkPool};
use crate::service::IndicesService;

impl IndicesService {
    /// The kinds of work on shards that are bounded, and how much of each runs.
    #[must_use]
    pub fn work_pools(&self) -> [WorkPool; 3] {
        self.blocking.pools()
    }

    /// Writes in flight and those before, and how many bytes of them there may be (`indexing_pressure.memory.limit`).
    #[must_use]
    pub fn indexing_pressure(&self) -> IndexingPressureStats {
        self.pressure.stats()
    }

    /// The data directory, and how full its disk is now.
    ///
    /// # Errors
    /// `exception` when the disk does not say; `node_closed_exception` when the node stops.
    pub async fn disk_usage(&self) -> Result<(PathBuf, DiskUsage), Exception> {
        let disk = Arc::clone(&self.disk);
        let (path, usage) = self.blocking.read(move || disk.usage()).await?;
        match usage {
            Ok(usage) => Ok((path, usage)),
            Err(error) => {
                let reason = format!(
                    "free disk space of [{}] cannot be found out: {error}",
                    path.display()
                );
                Err(Exception::new(ExceptionKind::Exception, reason))
            }
        }
    }
}
