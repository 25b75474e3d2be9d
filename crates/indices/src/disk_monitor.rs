//! Watches how full the disk is: above the flood stage nothing is written any more, so that there is room left to recover with.
//!
//! Elasticsearch sets `index.blocks.read_only_allow_delete` on the indices of the node. Here the block is derived from what the disk says, so it is
//! never left behind: it shows in what is refused, and ends by itself.

use std::fmt::Debug;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cluster::ClusterService;
use es_exception::Exception;
use oplog::ByteCount;
use parking_lot::Mutex;

use crate::settings::{DiskSettings, IndicesSettings};

/// How large a disk is, and what may still be written to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskUsage {
    /// All of it.
    pub total: ByteCount,
    /// What this process may use of the rest.
    pub available: ByteCount,
}

/// Says how full a disk is.
pub trait DiskSpace: Debug + Send + Sync {
    /// The usage of the file system that holds `path`.
    ///
    /// # Errors
    /// What the operating system says.
    fn usage(&self, path: &Path) -> io::Result<DiskUsage>;
}

/// The file system's own numbers.
#[derive(Debug, Clone, Copy, Default)]
pub struct FsDiskSpace;

impl DiskSpace for FsDiskSpace {
    fn usage(&self, path: &Path) -> io::Result<DiskUsage> {
        let stat = rustix::fs::statvfs(path)?;
        Ok(DiskUsage {
            total: ByteCount::new(stat.f_blocks.saturating_mul(stat.f_frsize)),
            available: ByteCount::new(stat.f_bavail.saturating_mul(stat.f_frsize)),
        })
    }
}

/// A disk that never fills: for a test that is not about disks, so that it passes on a machine whose own disk is nearly full.
#[derive(Debug, Clone, Copy, Default)]
pub struct UnlimitedDiskSpace;

impl DiskSpace for UnlimitedDiskSpace {
    fn usage(&self, _path: &Path) -> io::Result<DiskUsage> {
        let all = ByteCount::new(u64::MAX);
        Ok(DiskUsage {
            total: all,
            available: all,
        })
    }
}

/// Whether the disk counts as too full, as of the last look.
#[derive(Debug)]
pub(crate) struct DiskMonitor {
    cluster: Arc<ClusterService>,
    node_settings: IndicesSettings,
    space: Arc<dyn DiskSpace>,
    data_dir: PathBuf,
    too_full: AtomicBool,
    /// Why the last look failed, if it did.
    failure: Mutex<Option<String>>,
}

impl DiskMonitor {
    pub(crate) fn new(
        cluster: Arc<ClusterService>,
        node_settings: IndicesSettings,
        space: Arc<dyn DiskSpace>,
        data_dir: PathBuf,
    ) -> Self {
        Self {
            cluster,
            node_settings,
            space,
            data_dir,
            too_full: AtomicBool::new(false),
            failure: Mutex::default(),
        }
    }

    /// Looks at the disk. Blocks, for long if the disk is far away and does not answer. While it does not say, the last answer holds.
    pub(crate) fn look(&self) {
        let settings = IndicesSettings::of(&self.cluster.state(), &self.node_settings).disk;
        let usage = self.space.usage(&self.data_dir);
        let mut failure = self.failure.lock();
        let usage = match usage {
            Ok(usage) => {
                *failure = None;
                usage
            }
            Err(error) => {
                let reason = error.to_string();
                if failure.as_ref() != Some(&reason) {
                    tracing::warn!(path = %self.data_dir.display(), reason, "free disk space cannot be found out");
                    *failure = Some(reason);
                }
                return;
            }
        };
        let was_too_full = self.too_full.load(Ordering::Acquire);
        let too_full = is_too_full(was_too_full, usage, &settings);
        self.too_full.store(too_full, Ordering::Release);
        let (path, available, total) = (self.data_dir.display(), usage.available, usage.total);
        match (was_too_full, too_full) {
            (false, true) => {
                tracing::error!(%path, %available, %total, "flood stage disk watermark exceeded, all indices of this node are read-only until there is room");
            }
            (true, false) => {
                tracing::info!(%path, %available, %total, "there is room on the disk, indices are written to again");
            }
            _ => {}
        }
    }

    /// The directory that is watched, and what its disk says now. Blocks as [`look`](Self::look) does.
    pub(crate) fn usage(&self) -> (PathBuf, io::Result<DiskUsage>) {
        (self.data_dir.clone(), self.space.usage(&self.data_dir))
    }

    /// Refuses to write to an index of this node while the disk is too full.
    ///
    /// # Errors
    /// `cluster_block_exception`, 429.
    pub(crate) fn check(&self, index: &str) -> Result<(), Exception> {
        if self.too_full.load(Ordering::Acquire) {
            Err(cluster::disk_full_exception(index))
        } else {
            Ok(())
        }
    }

    /// As [`check`](Self::check), for several indices.
    pub(crate) fn check_all(&self, indices: &[String]) -> Result<(), Exception> {
        indices.iter().try_for_each(|index| self.check(index))
    }
}

/// Above the flood stage a disk is too full, below the high watermark it is not; in between it stays as it was, so that it does not change all the time.
fn is_too_full(was_too_full: bool, usage: DiskUsage, settings: &DiskSettings) -> bool {
    let below = |watermark: crate::settings::Watermark| usage.available >= watermark.least_free(usage.total);
    if !settings.threshold_enabled {
        return false;
    }
    if was_too_full {
        !below(settings.high)
    } else {
        !below(settings.flood_stage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_was_too_full_has_to_fall_below_the_high_watermark() {
        let settings = IndicesSettings::DEFAULTS.disk;
        let off = DiskSettings {
            threshold_enabled: false,
            ..settings
        };
        let cases = [
            (false, 6, settings, false),
            (false, 5, settings, false),
            (false, 4, settings, true),
            (true, 5, settings, true),
            (true, 9, settings, true),
            (true, 10, settings, false),
            (true, 0, off, false),
        ];
        for (was, available, settings, expected) in cases {
            let usage = DiskUsage {
                total: ByteCount::from_mib(100),
                available: ByteCount::from_mib(available),
            };
            assert_eq!(is_too_full(was, usage, &settings), expected, "{was} {available}");
        }
    }

    #[test]
    fn an_unlimited_disk_is_never_too_full() {
        let usage = UnlimitedDiskSpace.usage(Path::new("/")).unwrap();
        for was in [false, true] {
            assert!(!is_too_full(was, usage, &IndicesSettings::DEFAULTS.disk));
        }
    }

    #[test]
    fn the_file_system_answers() {
        let usage = FsDiskSpace.usage(&std::env::temp_dir()).unwrap();
        assert!(
            usage.total > ByteCount::ZERO && usage.available <= usage.total,
            "{usage:?}"
        );
        assert!(FsDiskSpace.usage(Path::new("/no/such/place")).is_err());
    }
}
