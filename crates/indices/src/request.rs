//! What callers ask for, and what they get.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cluster::IndexMetadata;
use cluster::change::ReplicatedStream;
use es_exception::Exception;
use index_meta::{AliasMetadata, Settings};
use oplog::{DocumentVersion, PrimaryTerm, SeqNo, ShardId};
use serde_json::{Map, Value};
use shard::{FetchedHit, ShardHit, ShardStats, TotalRelation, WritePrecondition};

/// An index to be created by a user.
#[derive(Debug, Clone, Default)]
pub struct CreateIndex {
    /// The index's name.
    pub name: String,
    /// Settings, nested or dotted, `index.` prefix optional; null for none, and a null value takes back what a template says.
    pub settings: Value,
    /// The mapping.
    pub mappings: Option<Value>,
    /// Aliases by name.
    pub aliases: BTreeMap<String, AliasMetadata>,
}

/// A follower index to be created, or restored anew.
#[derive(Debug, Clone)]
pub struct NewFollowerIndex {
    /// The follower's name.
    pub name: String,
    /// Number of shards of the leader.
    pub number_of_shards: u32,
    /// Number of routing shards of the leader.
    pub number_of_routing_shards: u32,
    /// All settings of the follower, with the following-index flag; identity settings are replaced by its own.
    pub settings: Settings,
    /// The leader's mapping.
    pub mapping: Value,
    /// Metadata of replication.
    pub custom: BTreeMap<String, BTreeMap<String, String>>,
    /// The data stream that it joins, or begins.
    pub data_stream: Option<ReplicatedStream>,
}

/// What came of creating or opening an index.
#[derive(Debug, Clone)]
pub struct ShardsAcknowledged {
    /// The index.
    pub index: Arc<IndexMetadata>,
    /// Whether all of its shards were started in time.
    pub shards_acknowledged: bool,
}

/// When a write becomes visible to searches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RefreshPolicy {
    /// At the next refresh, whenever that is.
    #[default]
    None,
    /// At once: the shards written to are refreshed before the answer.
    Immediate,
    /// The answer waits for the next refresh.
    WaitFor,
}

/// One item of a bulk request.
#[derive(Debug, Clone)]
pub struct BulkItem {
    /// Name of an index, of an alias with a write index, or of a data stream.
    pub index: String,
    /// The document's id; `None` generates one, for index and create.
    pub id: Option<String>,
    /// Custom routing.
    pub routing: Option<String>,
    /// Refuse anything but an alias as `index`.
    pub require_alias: bool,
    /// Refuse anything but a data stream as `index`.
    pub require_data_stream: bool,
    /// What to do.
    pub action: BulkAction,
}

/// What a bulk item does.
#[derive(Debug, Clone)]
pub enum BulkAction {
    /// Stores the document, whether or not there is one.
    Index {
        /// The document, a JSON object.
        source: Bytes,
        /// What must hold of the current document.
        precondition: WritePrecondition,
    },
    /// Stores the document if there is none.
    Create {
        /// The document, a JSON object.
        source: Bytes,
    },
    /// Removes the document.
    Delete {
        /// What must hold of the current document.
        precondition: WritePrecondition,
    },
    /// Changes a part of the document.
    Update(UpdateRequest),
}

impl BulkAction {
    /// `index`, `create`, `delete` or `update`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Index { .. } => "index",
            Self::Create { .. } => "create",
            Self::Delete { .. } => "delete",
            Self::Update(_) => "update",
        }
    }

    pub(crate) fn source_len(&self) -> usize {
        match self {
            Self::Index { source, .. } | Self::Create { source } => source.len(),
            Self::Delete { .. } => 0,
            Self::Update(update) => {
                update.doc.as_ref().map_or(0, Bytes::len) + update.upsert.as_ref().map_or(0, Bytes::len)
            }
        }
    }
}

/// A partial change of a document.
///
/// Source: Elasticsearch's update API without scripts.
#[derive(Debug, Clone)]
pub struct UpdateRequest {
    /// The part to be merged into the document, a JSON object.
    pub doc: Option<Bytes>,
    /// The document to be created if there is none.
    pub upsert: Option<Bytes>,
    /// Create the document from `doc` if there is none.
    pub doc_as_upsert: bool,
    /// Write nothing if the merge changes nothing. Elasticsearch's default is `true`.
    pub detect_noop: bool,
    /// How often to start over when somebody else wrote the document meanwhile.
    pub retry_on_conflict: u32,
    /// The operation that must have written the current document.
    pub if_seq_no: Option<(SeqNo, PrimaryTerm)>,
    /// Answer the new source.
    pub return_source: bool,
}

impl Default for UpdateRequest {
    fn default() -> Self {
        Self {
            doc: None,
            upsert: None,
            doc_as_upsert: false,
            detect_noop: true,
            retry_on_conflict: 0,
            if_seq_no: None,
            return_source: false,
        }
    }
}

/// What happened to a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DocumentResult {
    /// There was no such document before.
    Created,
    /// The document was replaced or changed.
    Updated,
    /// The document was removed.
    Deleted,
    /// A delete found no document.
    NotFound,
    /// An update changed nothing.
    Noop,
}

impl DocumentResult {
    /// The `result` that clients see.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Deleted => "deleted",
            Self::NotFound => "not_found",
            Self::Noop => "noop",
        }
    }

    /// The HTTP status that goes with it.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::Created => 201,
            Self::NotFound => 404,
            _ => 200,
        }
    }
}

/// The answer to a write of one document.
#[derive(Debug, Clone, PartialEq)]
pub struct DocumentResponse {
    /// The concrete index.
    pub index: String,
    /// The document's id.
    pub id: String,
    /// The document's version, or that of its deletion.
    pub version: DocumentVersion,
    /// What happened.
    pub result: DocumentResult,
    /// Sequence number of the operation; for a noop that of the document.
    pub seq_no: SeqNo,
    /// Primary term of the operation; for a noop that of the document.
    pub primary_term: PrimaryTerm,
    /// Whether the shard was refreshed for this write.
    pub forced_refresh: bool,
    /// Copies that should hold the operation, and that do; 0 of both for a noop.
    pub shards: ShardCounts,
    /// The new source, if an update asked for it.
    pub source: Option<Bytes>,
    /// The document's routing, if it has one of its own.
    pub routing: Option<String>,
}

impl DocumentResponse {
    /// Whether nothing was written.
    #[must_use]
    pub fn is_noop(&self) -> bool {
        self.result == DocumentResult::Noop
    }
}

/// How many shards took part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ShardCounts {
    /// Shards that should have taken part.
    pub total: u32,
    /// Shards that did.
    pub successful: u32,
    /// Shards that failed.
    pub failed: u32,
}

/// The answer to one bulk item, in the order of the request.
#[derive(Debug, Clone, PartialEq)]
pub struct BulkItemResponse {
    /// `index`, `create`, `delete` or `update`.
    pub action: &'static str,
    /// The concrete index, or the name as given if it could not be resolved.
    pub index: String,
    /// The document's id, if there is one yet.
    pub id: Option<String>,
    /// What happened.
    pub result: Result<DocumentResponse, Exception>,
}

/// The answer to a bulk request.
#[derive(Debug, Clone, PartialEq)]
pub struct BulkResponse {
    /// How long it took.
    pub took: Duration,
    /// One answer per item, in order.
    pub items: Vec<BulkItemResponse>,
}

impl BulkResponse {
    /// Whether any item failed.
    #[must_use]
    pub fn errors(&self) -> bool {
        self.items.iter().any(|item| item.result.is_err())
    }
}

/// How to read a document.
#[derive(Debug, Clone)]
pub struct GetOptions {
    /// Custom routing.
    pub routing: Option<String>,
    /// See writes that no refresh has made searchable yet.
    pub realtime: bool,
    /// Refresh the shard first.
    pub refresh: bool,
    /// The version that the document must have.
    pub version: Option<DocumentVersion>,
    /// Names of stored fields to return.
    pub stored_fields: Arc<[String]>,
}

impl Default for GetOptions {
    fn default() -> Self {
        Self {
            routing: None,
            realtime: true,
            refresh: false,
            version: None,
            stored_fields: Arc::default(),
        }
    }
}

/// The answer to a get.
#[derive(Debug, Clone, PartialEq)]
pub struct GetResponse {
    /// The concrete index.
    pub index: String,
    /// The id that was asked for.
    pub id: String,
    /// The document; `None` if there is none.
    pub document: Option<Document>,
}

/// A document as stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// Sequence number of its last operation.
    pub seq_no: SeqNo,
    /// Primary term of its last operation.
    pub primary_term: PrimaryTerm,
    /// Its version.
    pub version: DocumentVersion,
    /// Its custom routing.
    pub routing: Option<String>,
    /// Its source.
    pub source: Bytes,
    /// Those of the stored fields asked for that it has, as lists of values.
    pub fields: Map<String, Value>,
}

/// One item of a multi-get.
#[derive(Debug, Clone)]
pub struct MultiGetItem {
    /// Name of an index, or of an alias of one index.
    pub index: String,
    /// The document's id.
    pub id: String,
    /// How to read it.
    pub options: GetOptions,
}

/// Which indices an expression may name, and how it treats those that it cannot have.
///
/// Source: Elasticsearch's `IndicesOptions`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResolveOptions {
    /// Whether an expression may come to nothing.
    pub allow_no_indices: bool,
    /// Whether names that do not exist, or are closed where that is forbidden, are skipped.
    pub ignore_unavailable: bool,
    /// Whether wildcards match open indices.
    pub expand_open: bool,
    /// Whether wildcards match closed indices.
    pub expand_closed: bool,
    /// Whether wildcards match hidden indices.
    pub expand_hidden: bool,
    /// Whether a closed index that is named fails with `index_closed_exception`.
    pub forbid_closed: bool,
    /// Whether names may be those of aliases and data streams.
    pub allow_aliases: bool,
}

impl ResolveOptions {
    /// [`OPEN`](Self::OPEN) as a function.
    #[must_use]
    pub const fn open() -> Self {
        Self::OPEN
    }

    /// [`METADATA`](Self::METADATA) as a function.
    #[must_use]
    pub const fn open_and_closed() -> Self {
        Self::METADATA
    }

    /// For searches, refresh, flush, stats and the like: wildcards match open indices, a closed one by name is refused.
    pub const OPEN: Self = Self {
        allow_no_indices: true,
        ignore_unavailable: false,
        expand_open: true,
        expand_closed: false,
        expand_hidden: false,
        forbid_closed: true,
        allow_aliases: true,
    };

    /// For metadata such as mappings, settings and aliases: wildcards match open and closed indices.
    pub const METADATA: Self = Self {
        expand_closed: true,
        forbid_closed: false,
        ..Self::OPEN
    };

    /// For deletion: as metadata, but aliases and data streams are refused.
    pub const DELETE: Self = Self {
        allow_aliases: false,
        ..Self::METADATA
    };
}

/// How to search.
#[derive(Debug, Clone)]
pub struct SearchOptions {
    /// Which indices.
    pub resolve: ResolveOptions,
    /// Search only the shards of these routing values, comma-separated.
    pub routing: Option<String>,
    /// Whether failures of some shards leave the others' hits.
    pub allow_partial_search_results: bool,
}

impl Default for SearchOptions {
    fn default() -> Self {
        Self {
            resolve: ResolveOptions::OPEN,
            routing: None,
            allow_partial_search_results: true,
        }
    }
}

/// A shard that could not do its part.
#[derive(Debug, Clone, PartialEq)]
pub struct ShardFailure {
    /// The index's name.
    pub index: String,
    /// The shard.
    pub shard: u32,
    /// Why.
    pub reason: Exception,
}

/// How the shards of a search or broadcast fared.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ShardSummary {
    /// How many there are.
    pub total: u32,
    /// How many did their part.
    pub successful: u32,
    /// Those that did not.
    pub failures: Vec<ShardFailure>,
}

/// A hit with its document.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchHit {
    /// The concrete index.
    pub index: String,
    /// Relevance and sort values.
    pub hit: ShardHit,
    /// The document.
    pub document: FetchedHit,
    /// Hits of its group.
    pub inner_hits: Vec<InnerHits>,
}

/// Hits of a group.
#[derive(Debug, Clone, PartialEq)]
pub struct InnerHits {
    /// Under which they are returned.
    pub name: String,
    /// Whether they carry their version.
    pub version: bool,
    /// Whether they carry sequence number and primary term.
    pub seq_no_primary_term: bool,
    /// The hits.
    pub response: SearchResponse,
}

/// The answer to a search.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchResponse {
    /// How long it took.
    pub took: Duration,
    /// How the shards fared.
    pub shards: ShardSummary,
    /// Matching documents; `None` when not tracked.
    pub total: Option<u64>,
    /// Whether `total` is exact.
    pub total_relation: TotalRelation,
    /// Highest relevance.
    pub max_score: Option<f32>,
    /// Whether a shard ended its search before it had seen all matches; `None` if none was told to.
    pub terminated_early: Option<bool>,
    /// Whether the search's time was over before a shard had seen all matches: this is what was found by then.
    pub timed_out: bool,
    /// The page of hits.
    pub hits: Vec<SearchHit>,
    /// The results of the aggregations, if there are any.
    pub aggregations: Option<SearchAggregations>,
}

impl SearchResponse {
    /// Of a search that is not made, since nothing can be found.
    pub(crate) fn nothing() -> Self {
        Self {
            took: Duration::ZERO,
            shards: ShardSummary::default(),
            total: Some(0),
            total_relation: TotalRelation::Equal,
            max_score: None,
            terminated_early: None,
            timed_out: false,
            hits: Vec::new(),
            aggregations: None,
        }
    }
}

/// The results of aggregations.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchAggregations {
    /// By name, as they are shown, but for hits.
    pub results: serde_json::Value,
    /// The hits of buckets.
    pub top_hits: Vec<BucketHits>,
}

/// Hits of a bucket.
#[derive(Debug, Clone, PartialEq)]
pub struct BucketHits {
    /// A JSON pointer to the object in the results that has them.
    pub pointer: String,
    /// Whether they carry their version.
    pub version: bool,
    /// Whether they carry sequence number and primary term.
    pub seq_no_primary_term: bool,
    /// The hits.
    pub response: SearchResponse,
}

/// The answer to a count.
#[derive(Debug, Clone, PartialEq)]
pub struct CountResponse {
    /// Matching documents.
    pub count: u64,
    /// Whether a shard ended its count early; `None` if none was told to.
    pub terminated_early: Option<bool>,
    /// How the shards fared.
    pub shards: ShardSummary,
}

/// Whether a shard serves on this node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShardState {
    /// It is being created, opened, or restored.
    Initializing,
    /// It serves.
    Started,
    /// It could not be opened, or failed later.
    Failed {
        /// Why, for people.
        reason: String,
    },
    /// Its index is closed.
    Closed,
}

/// Numbers about one shard.
#[derive(Debug, Clone)]
pub struct ShardStatus {
    /// The shard.
    pub shard_id: ShardId,
    /// Whether it serves.
    pub state: ShardState,
    /// Its numbers, if it serves.
    pub stats: Option<ShardStats>,
}

/// Numbers about one index.
#[derive(Debug, Clone)]
pub struct IndexStats {
    /// The index.
    pub index: Arc<IndexMetadata>,
    /// Its shards in order.
    pub shards: Vec<ShardStatus>,
}
