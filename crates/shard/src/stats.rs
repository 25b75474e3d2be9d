//! Numbers about one shard copy.

use oplog::{Digest, HistoryUuid, PrimaryTerm, RetentionLeases, SeqNo};

/// What `_stats` and `_cat` show of a shard copy.
#[derive(Debug, Clone)]
pub struct ShardStats {
    /// Documents that a search sees.
    pub docs: u64,
    /// Dead documents still in segments.
    pub deleted_docs: u64,
    /// Bytes on disk, log and search view.
    pub store_bytes: u64,
    /// Bytes of the log alone.
    pub log_bytes: u64,
    /// Segments of the search view.
    pub segments: usize,
    /// Highest operation held.
    pub max_seq_no: Option<SeqNo>,
    /// Highest durable operation.
    pub local_checkpoint: Option<SeqNo>,
    /// Highest operation durable on every in-sync copy.
    pub global_checkpoint: Option<SeqNo>,
    /// Highest operation that a search sees.
    pub refreshed_seq_no: Option<SeqNo>,
    /// Live documents, by the log.
    pub live_count: u64,
    /// Digest over the live documents.
    pub digest: Digest,
    /// Highest operation that was an update or a delete.
    pub max_seq_no_of_updates_or_deletes: Option<SeqNo>,
    /// Current primary term.
    pub primary_term: PrimaryTerm,
    /// Identity of the history.
    pub history_uuid: HistoryUuid,
    /// Retention leases.
    pub retention_leases: RetentionLeases,
    /// Operations that are in no committed view yet.
    pub tail_operations: usize,
    /// Memory that they take, in bytes.
    pub tail_bytes: usize,
    /// Times the view became searchable.
    pub refresh_total: u64,
    /// Forced merges under way.
    pub merges_current: u64,
    /// Forced merges since the shard was opened, those under way left out. What the view merges by itself is not counted.
    pub merges_total: u64,
    /// Searches run.
    pub query_total: u64,
    /// Documents indexed since the shard was opened.
    pub index_total: u64,
    /// Documents deleted since the shard was opened.
    pub delete_total: u64,
    /// Realtime and other gets since the shard was opened.
    pub get_total: u64,
    /// Flushes that were asked for since the shard was opened.
    pub flush_total: u64,
}
