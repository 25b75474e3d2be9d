//! What a shard copy is made from: its own configuration and the services of the node it lives on.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use index_meta::{IndexSettings, Mapping};
use oplog::{Clock, GroupCommitter, LogOptions, PrimaryTerm, ShardId, Storage};

use crate::ViewPool;

/// The parts of a node that all of its shard copies share.
#[derive(Clone)]
pub struct ShardServices {
    /// Where the log's files are.
    pub storage: Arc<dyn Storage>,
    /// The threads that make logs durable.
    pub committer: Arc<GroupCommitter>,
    /// The threads that keep search views up to date.
    pub view_pool: Arc<ViewPool>,
    /// Wall time for operation timestamps, monotonic time for refresh and search idle.
    pub clock: Arc<dyn Clock>,
    /// How logs are tuned; settings of an index override what they are about.
    pub log: LogOptions,
}

impl fmt::Debug for ShardServices {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ShardServices").finish_non_exhaustive()
    }
}

/// Who gives out sequence numbers for this copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShardRole {
    /// This copy: it plans versions and accepts [`write`](crate::Shard::write).
    Primary,
    /// A leader elsewhere: this copy only accepts [`append_frames`](crate::Shard::append_frames).
    Follower,
}

/// One shard copy's identity, place and metadata at the time it is opened.
#[derive(Debug, Clone)]
pub struct ShardConfig {
    /// Index and number of the shard.
    pub shard_id: ShardId,
    /// Name of the index, for messages and `_index` in failures.
    pub index_name: String,
    /// The directory of this copy; `oplog/` and `index/` are below it.
    pub dir: PathBuf,
    /// Who gives out sequence numbers.
    pub role: ShardRole,
    /// The primary term of new operations.
    pub primary_term: PrimaryTerm,
    /// Validated settings of the index.
    pub settings: Arc<IndexSettings>,
    /// The mapping, at least as new as any operation in the log needs.
    pub mapping: Arc<Mapping>,
    /// Version of `mapping`.
    pub mapping_version: u64,
}

/// Sizes of the node-wide [`ViewPool`].
///
/// Worst-case memory: the tail of every shard that is written to, `inactive_tail_bytes` of every other, plus `max_open_writers` times
/// `writer_heap_bytes` and `inflight_bytes`.
#[derive(Debug, Clone)]
pub struct ViewPoolConfig {
    /// Indexing threads of primaries, and as many more of followers, which yield to all others. Default: the number of cores.
    pub threads: usize,
    /// Heap of one open index writer, in bytes; at least 15 MB. Default 15 MB.
    pub writer_heap_bytes: usize,
    /// Index writers that may be open at once. Default: twice the threads, at least 4.
    pub max_open_writers: usize,
    /// Parsed documents waiting in one index writer, in bytes of source. Default 4 MiB.
    pub inflight_bytes: usize,
    /// Bytes of one shard's tail, the operations that are in no committed view yet. Default 16 MiB.
    pub tail_bytes: usize,
    /// Milliseconds without work after which an index writer is closed. Default 5 s.
    pub writer_idle_millis: u64,
    /// Milliseconds after which a searcher that nobody reads with is closed. Default 30 s. The next read opens it again, which takes about a
    /// millisecond; until then the view has neither memory mappings nor readers of its segments.
    pub searcher_idle_millis: u64,
    /// Milliseconds without an append after which the view catches up, though nobody searches it, to give up a tail of more than
    /// `inactive_tail_bytes`. Default 60 s. Sooner frees memory sooner, and indexes in more and smaller pieces.
    pub inactive_millis: u64,
    /// Bytes of a tail that a shard may keep for good. Default 32 KiB: so much a node has for each of its shards, used or not.
    pub inactive_tail_bytes: usize,
}

impl Default for ViewPoolConfig {
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(2, usize::from);
        Self {
            threads,
            writer_heap_bytes: 15_000_000,
            max_open_writers: (2 * threads).max(4),
            inflight_bytes: 4 << 20,
            tail_bytes: 16 << 20,
            writer_idle_millis: 5_000,
            searcher_idle_millis: 30_000,
            inactive_millis: 60_000,
            inactive_tail_bytes: 32 << 10,
        }
    }
}
