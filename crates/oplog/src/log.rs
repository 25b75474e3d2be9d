//! The log of one shard copy.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::{
    AppendError, Clock, Durability, Frame, GroupCommitter, HistoryUuid, LeaseError, LeaseId, LiveSet, LiveSummary,
    LogError, LogOptions, NewLog, PrimaryTerm, ReadError, ReadLimits, RetentionLease, RetentionLeases, SeqNo, Storage,
    UnixMillis,
};

/// Where a primary term begins in the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct TermStart {
    /// The term.
    pub term: PrimaryTerm,
    /// The first operation of the term.
    pub first_seq_no: SeqNo,
}

/// The log of one shard copy.
#[derive(Debug)]
pub struct Log {}
/// x
#[derive(Debug)]
#[must_use]
pub struct AppendTicket {}
impl AppendTicket {
    /// x
    pub fn first(&self) -> SeqNo { unimplemented!() }
    /// x
    pub fn last(&self) -> SeqNo { unimplemented!() }
    /// x
    pub fn wait(self) -> Result<(), LogError> { unimplemented!() }
    /// x
    pub async fn durable(self) -> Result<(), LogError> { unimplemented!() }
}
/// x
#[derive(Debug)]
#[must_use]
pub struct SyncTicket {}
impl SyncTicket {
    /// x
    pub fn wait(self) -> Result<Option<SeqNo>, LogError> { unimplemented!() }
    /// x
    pub async fn durable(self) -> Result<Option<SeqNo>, LogError> { unimplemented!() }
}
/// x
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinnedFile {
    /// x
    pub name: String,
    /// x
    pub length: u64,
}
/// x
#[derive(Debug)]
pub struct PinnedFiles {}
impl PinnedFiles {
    /// x
    pub fn checkpoint(&self) -> Option<SeqNo> { unimplemented!() }
    /// x
    pub fn files(&self) -> &[PinnedFile] { unimplemented!() }
    /// x
    pub fn read_at(&self, _name: &str, _offset: u64, _length: usize) -> Result<Bytes, LogError> { unimplemented!() }
}
#[allow(unused_variables)]
impl Log {
    /// x
    pub fn create(storage: Arc<dyn Storage>, dir: PathBuf, new: NewLog, options: LogOptions, committer: Arc<GroupCommitter>, clock: Arc<dyn Clock>) -> Result<Arc<Self>, LogError> { unimplemented!() }
    /// x
    pub fn open(storage: Arc<dyn Storage>, dir: PathBuf, options: LogOptions, committer: Arc<GroupCommitter>, clock: Arc<dyn Clock>) -> Result<Arc<Self>, LogError> { unimplemented!() }
    /// x
    pub fn adopt(storage: &dyn Storage, dir: &Path, history_uuid: HistoryUuid, up_to: Option<SeqNo>) -> Result<(), LogError> { unimplemented!() }
    /// x
    pub fn append(&self, frames: Vec<Frame>, durability: Durability) -> Result<AppendTicket, AppendError> { unimplemented!() }
    /// x
    pub fn max_seq_no(&self) -> Option<SeqNo> { unimplemented!() }
    /// x
    pub fn durable_checkpoint(&self) -> Option<SeqNo> { unimplemented!() }
    /// x
    pub fn wait_durable(&self, at_least: SeqNo) -> impl Future<Output = Result<SeqNo, LogError>> + Send + use<> { async { unimplemented!() } }
    /// x
    pub fn sync(&self) -> SyncTicket { unimplemented!() }
    /// x
    pub fn read(&self, from: SeqNo, to: SeqNo, limits: ReadLimits) -> Result<Vec<Frame>, ReadError> { unimplemented!() }
    /// x
    pub fn get(&self, seq_no: SeqNo) -> Result<Option<Frame>, ReadError> { unimplemented!() }
    /// x
    pub fn history_uuid(&self) -> HistoryUuid { unimplemented!() }
    /// x
    pub fn primary_term(&self) -> PrimaryTerm { unimplemented!() }
    /// x
    pub fn set_primary_term(&self, term: PrimaryTerm) -> Result<(), LogError> { unimplemented!() }
    /// x
    pub fn set_sync_interval(&self, interval: Duration) { unimplemented!() }
    /// x
    pub fn term_table(&self) -> Vec<TermStart> { unimplemented!() }
    /// x
    pub fn min_retained_seq_no(&self) -> SeqNo { unimplemented!() }
    /// x
    pub fn is_live(&self, seq_no: SeqNo) -> bool { unimplemented!() }
    /// x
    pub fn live_set(&self) -> LiveSet { unimplemented!() }
    /// x
    pub fn live_summary(&self) -> LiveSummary { unimplemented!() }
    /// x
    pub fn recompute_live_summary(&self) -> Result<LiveSummary, ReadError> { unimplemented!() }
    /// x
    pub fn max_seq_no_of_updates_or_deletes(&self) -> Option<SeqNo> { unimplemented!() }
    /// x
    pub fn add_retention_lease(&self, id: LeaseId, retaining: Option<SeqNo>, source: &str) -> Result<RetentionLease, LeaseError> { unimplemented!() }
    /// x
    pub fn renew_retention_lease(&self, id: LeaseId, retaining: Option<SeqNo>, source: &str) -> Result<RetentionLease, LeaseError> { unimplemented!() }
    /// x
    pub fn remove_retention_lease(&self, id: &LeaseId) -> Result<(), LeaseError> { unimplemented!() }
    /// x
    pub fn retention_leases(&self) -> RetentionLeases { unimplemented!() }
    /// x
    pub fn expire_retention_leases(&self, now: UnixMillis, period: Duration) -> Result<Vec<RetentionLease>, LeaseError> { unimplemented!() }
    /// x
    pub fn flush(&self) -> Result<(), LogError> { unimplemented!() }
    /// x
    pub fn pin_files(&self) -> Result<PinnedFiles, LogError> { unimplemented!() }
    /// x
    pub fn close(&self) -> Result<(), LogError> { unimplemented!() }
    /// x
    pub fn size_in_bytes(&self) -> u64 { unimplemented!() }
    /// x
    pub fn segment_count(&self) -> usize { unimplemented!() }
}
