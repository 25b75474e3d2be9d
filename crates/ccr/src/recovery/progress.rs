//! How far the recovery of a shard is, for the people who wait for it.

use std::time::Duration;

use es_exception::Exception;
use oplog::{ShardNumber, UnixMillis};
use parking_lot::Mutex;

/// Where a shard's recovery stands. Source: the stage names of Elasticsearch's recovery API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RecoveryStage {
    /// Nothing was copied yet: the lease and the session are being opened.
    Init,
    /// Files are being copied.
    Index,
    /// The copied files are being opened.
    Finalize,
    /// The shard serves.
    Done,
}

impl RecoveryStage {
    /// The name that the recovery API prints.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Init => "INIT",
            Self::Index => "INDEX",
            Self::Finalize => "FINALIZE",
            Self::Done => "DONE",
        }
    }
}

/// A picture of one shard's recovery at one moment.
#[derive(Debug, Clone)]
pub struct ShardRecoveryStatus {
    /// Name of the follower index.
    pub index: String,
    /// Number of the shard.
    pub shard: ShardNumber,
    /// Alias of the leader's cluster.
    pub remote_cluster: String,
    /// Name of the leader index.
    pub leader_index: String,
    /// Where the recovery stands.
    pub stage: RecoveryStage,
    /// When the first attempt began.
    pub started: UnixMillis,
    /// When the shard began to serve.
    pub stopped: Option<UnixMillis>,
    /// Attempts so far, the running one included.
    pub attempts: u32,
    /// Files to copy.
    pub files_total: usize,
    /// Files copied whole.
    pub files_recovered: usize,
    /// Bytes to copy.
    pub bytes_total: u64,
    /// Files of which nothing had to be copied, since an earlier attempt had done so.
    pub files_reused: usize,
    /// Bytes copied by this attempt.
    pub bytes_recovered: u64,
    /// Bytes that earlier attempts had copied.
    pub bytes_reused: u64,
    /// When the running attempt, or the last one, began to copy.
    pub copying_since: Option<UnixMillis>,
    /// Time for which this side held back to keep the rate.
    pub target_throttle_time: Duration,
    /// Why the last attempt failed, until the shard serves.
    pub failure: Option<Exception>,
}

impl ShardRecoveryStatus {
    /// How long the recovery has taken until `now`, all attempts together.
    #[must_use]
    pub fn total_time(&self, now: UnixMillis) -> Duration {
        since(self.started, self.stopped.unwrap_or(now))
    }

    /// Bytes that the present attempt copies in a second, on average; `None` before it began to.
    #[must_use]
    pub fn bytes_per_sec(&self, now: UnixMillis) -> Option<u64> {
        let took = since(self.copying_since?, self.stopped.unwrap_or(now));
        let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX).max(1);
        Some(self.bytes_recovered.saturating_mul(1000) / millis)
    }

    /// The share of all bytes that is here, from 0 to 100.
    #[must_use]
    pub fn bytes_percent(&self) -> f64 {
        percent(
            self.bytes_recovered + self.bytes_reused,
            self.bytes_total,
            self.stage,
        )
    }

    /// The share of all files that is here, from 0 to 100.
    #[must_use]
    pub fn files_percent(&self) -> f64 {
        let here = self.files_recovered + self.files_reused;
        percent(here as u64, self.files_total as u64, self.stage)
    }
}

fn since(begin: UnixMillis, end: UnixMillis) -> Duration {
    Duration::from_millis(end.get().saturating_sub(begin.get()))
}

/// Nothing of nothing is all of it once it was told how much there is.
fn percent(here: u64, total: u64, stage: RecoveryStage) -> f64 {
    match total {
        0 if stage > RecoveryStage::Init => 100.0,
        0 => 0.0,
        total => 100.0 * here.min(total) as f64 / total as f64,
    }
}

/// A shard recovery's progress, written by the recovery and read by whoever asks.
#[derive(Debug)]
pub(crate) struct Progress {
    status: Mutex<ShardRecoveryStatus>,
}

impl Progress {
    pub(crate) fn new(status: ShardRecoveryStatus) -> Self {
        Self {
            status: Mutex::new(status),
        }
    }

    pub(crate) fn status(&self) -> ShardRecoveryStatus {
        self.status.lock().clone()
    }

    /// A new attempt counts anew.
    pub(crate) fn begin_attempt(&self) {
        let mut status = self.status.lock();
        status.attempts += 1;
        status.stage = RecoveryStage::Init;
        (status.files_total, status.files_recovered) = (0, 0);
        (status.bytes_total, status.bytes_recovered) = (0, 0);
        (status.files_reused, status.bytes_reused) = (0, 0);
    }

    pub(crate) fn begin_copy(&self, files: usize, bytes: u64, now: UnixMillis) {
        let mut status = self.status.lock();
        status.copying_since = Some(now);
        status.stage = RecoveryStage::Index;
        (status.files_total, status.bytes_total) = (files, bytes);
    }

    pub(crate) fn copied_bytes(&self, bytes: u64, throttled: Duration) {
        let mut status = self.status.lock();
        status.bytes_recovered += bytes;
        status.target_throttle_time += throttled;
    }

    /// Of a file of `length` bytes, `there` need not be copied. An empty file is copied anew.
    pub(crate) fn reused_bytes(&self, there: u64, length: u64) {
        let mut status = self.status.lock();
        status.bytes_reused += there;
        status.files_reused += usize::from(there == length && length > 0);
    }

    pub(crate) fn copied_file(&self) {
        self.status.lock().files_recovered += 1;
    }

    pub(crate) fn finalizing(&self) {
        self.status.lock().stage = RecoveryStage::Finalize;
    }

    pub(crate) fn failed(&self, why: &Exception) {
        self.status.lock().failure = Some(why.clone());
    }

    pub(crate) fn done(&self, now: UnixMillis) {
        let mut status = self.status.lock();
        status.stage = RecoveryStage::Done;
        status.stopped = Some(now);
        status.failure = None;
    }
}
