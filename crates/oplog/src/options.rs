//! How a log is created and tuned.

use std::time::Duration;

use crate::{ByteCount, HistoryUuid, LogError, PrimaryTerm};

/// What a new log starts with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewLog {
    /// The history that the log begins or continues.
    pub history_uuid: HistoryUuid,
    /// The term of the shard copy.
    pub primary_term: PrimaryTerm,
}

/// Tuning of one log; [`LogOptions::default`] is right for production.
#[derive(Debug, Clone, PartialEq)]
pub struct LogOptions {
    /// A segment is sealed before it grows beyond this (one larger frame has a segment of its own). Default 64 MiB, at most 1 GiB.
    /// Larger segments make fewer files; the open segment's index costs 16 bytes of memory per operation until nobody needed it for 30 s,
    /// and opening a log reads its last segment.
    pub segment_bytes: ByteCount,
    /// Appended bytes that may wait for their write; more make [`crate::Log::append`] wait. Default 64 MiB.
    /// Worst case in memory: this and one append.
    pub max_pending_bytes: ByteCount,
    /// The longest time that asynchronously appended operations stay without an fsync. Default 5 s.
    pub sync_interval: Duration,
    /// Written bytes that start an fsync before the interval is over. Default 8 MiB.
    pub async_sync_bytes: ByteCount,
    /// The shortest time between two writes of the checkpoint file outside of seal and flush. Default 1 s.
    pub checkpoint_interval: Duration,
    /// A sealed segment is rewritten in the background when at least this share of its operations may go, from 0 to 1. Default 0.3:
    /// the log is at most about 1.4 times as long as it must be. Less costs more rewriting: each byte is rewritten about 1 / ratio times.
    pub garbage_ratio: f64,
    /// Level of zstd for sealed segments, -7 to 19. Default 1.
    pub compression_level: i32,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self {
            segment_bytes: ByteCount::from_mib(64),
            max_pending_bytes: ByteCount::from_mib(64),
            sync_interval: Duration::from_secs(5),
            async_sync_bytes: ByteCount::from_mib(8),
            checkpoint_interval: Duration::from_secs(1),
            garbage_ratio: 0.3,
            compression_level: 1,
        }
    }
}

impl LogOptions {
    pub(crate) fn check(&self) -> Result<(), LogError> {
        if self.segment_bytes > ByteCount::from_mib(1024) {
            let reason = format!("segment_bytes must be at most 1gb but was {}", self.segment_bytes);
            return Err(LogError::Invalid { reason });
        }
        if !(0.0..=1.0).contains(&self.garbage_ratio) {
            let reason = format!("garbage_ratio must be from 0 to 1 but was {}", self.garbage_ratio);
            return Err(LogError::Invalid { reason });
        }
        if !(-7..=19).contains(&self.compression_level) {
            let reason = format!(
                "compression_level must be from -7 to 19 but was {}",
                self.compression_level
            );
            return Err(LogError::Invalid { reason });
        }
        Ok(())
    }
}

/// When an append counts as done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Durability {
    /// After an fsync.
    Request,
    /// After the write to the file; the fsync follows within [`LogOptions::sync_interval`].
    Async,
}

/// Bounds of one read; at least one operation is read whatever they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadLimits {
    /// The most operations.
    pub operations: usize,
    /// The read stops after the operation that makes the sum of [`crate::Frame::estimated_size`] exceed this.
    pub bytes: ByteCount,
}

impl ReadLimits {
    /// No limits; for ranges that are known to be small.
    pub const NONE: Self = Self {
        operations: usize::MAX,
        bytes: ByteCount::new(u64::MAX),
    };
}
