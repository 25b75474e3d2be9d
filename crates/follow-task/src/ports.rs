//! What a follow task needs from the world. A higher layer implements these; this crate knows no transport and no shard.

use std::fmt;
use std::time::Duration;

use es_exception::Exception;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use oplog::{ByteCount, Frame, HistoryUuid, LiveSnapshot, SeqNo, UnixMillis};

/// The leader's copy of the shard, in another cluster or in this one.
///
/// Futures may be dropped at any time when the task is cancelled. Failures say by their kind whether they are worth another try.
pub trait LeaderShard: Send + Sync + 'static {
    /// Reads operations in seq_no order from `request.from` on, waiting up to `request.poll_timeout` for the first one.
    ///
    /// Gives at least one answer; each with [`ReadResponse::stays_open`] is followed by another, and nothing follows an error. The next answer is asked for
    /// when the task has room for it, and a stream that is dropped ends the read.
    ///
    /// The implementor pins the leader's history UUID: another history is [`es_exception::ExceptionKind::IllegalState`], which is fatal.
    fn read_changes(&self, request: ReadRequest) -> BoxStream<'static, Result<ReadResponse, Exception>>;

    /// Reads, for a delta heal, the operations that this copy still holds: those that are gone are skipped. Never waits for an operation.
    ///
    /// The implementor pins the history as in [`read_changes`](Self::read_changes). A leader that knows no heal is
    /// [`es_exception::ExceptionKind::Unsupported`].
    fn read_held(&self, request: HeldReadRequest) -> BoxFuture<'static, Result<HeldReadResponse, Exception>>;

    /// Reads, for a delta heal, which operations are live on this copy, as of an operation that the global checkpoint has reached. History and
    /// unknown calls as in [`read_held`](Self::read_held).
    fn read_live_set(&self) -> BoxFuture<'static, Result<LiveSetResponse, Exception>>;

    /// Renews the follower's retention lease so that the leader keeps `retaining` and everything after it.
    fn renew_retention_lease(&self, retaining: SeqNo) -> BoxFuture<'static, Result<(), Exception>>;

    /// Adds the follower's retention lease, after a renewal found none.
    fn add_retention_lease(&self, retaining: SeqNo) -> BoxFuture<'static, Result<(), Exception>>;
}

/// The follower's own copy of the shard.
pub trait FollowerShard: Send + Sync + 'static {
    /// Where the copy stands.
    fn state(&self) -> BoxFuture<'static, Result<FollowerState, Exception>>;

    /// Appends `frames`, which are contiguous and in seq_no order.
    ///
    /// The append takes its place in the order of appends **at the call**, before the first poll. Operations that the copy
    /// holds already are skipped; operations that would leave a gap are refused with a retryable exception. The future is always
    /// polled to its end, also when the task is cancelled.
    fn append(&self, frames: Vec<Frame>) -> BoxFuture<'static, Result<AppendResponse, Exception>>;

    /// Begins a delta heal, or goes on with one that was cut off; gives the operation from which on the leader's are to be staged.
    ///
    /// This and the other calls of a heal are made one after the other, and never beside [`append`](Self::append). Their futures are always
    /// polled to the end. A retryable failure of any of them has the heal begun again.
    fn begin_heal(&self) -> BoxFuture<'static, Result<SeqNo, Exception>>;

    /// Stages what the leader holds from `from` on and before `next`, beside the copy, which serves as before; gives the operation that is to be
    /// staged next.
    fn stage_heal(
        &self,
        from: SeqNo,
        frames: Vec<Frame>,
        next: SeqNo,
    ) -> BoxFuture<'static, Result<SeqNo, Exception>>;

    /// Makes the copy, with what was staged, equal to the leader as of `snapshot`, in one step; gives where the copy stands then.
    fn install_heal(&self, snapshot: LiveSnapshot) -> BoxFuture<'static, Result<FollowerState, Exception>>;
}

/// Brings the follower index's metadata up to the leader's. The futures are always polled to their end.
pub trait MetadataSync: Send + Sync + 'static {
    /// Applies the leader's mapping, of version `required` or newer; gives the version applied.
    fn sync_mapping(&self, required: u64) -> BoxFuture<'static, Result<u64, Exception>>;

    /// Applies the leader's replicated settings, of version `required` or newer; gives the version applied.
    fn sync_settings(&self, required: u64) -> BoxFuture<'static, Result<u64, Exception>>;

    /// Applies the leader's aliases, of version `required` or newer; gives the version applied.
    fn sync_aliases(&self, required: u64) -> BoxFuture<'static, Result<u64, Exception>>;
}

/// Which operations to read from the leader, and how long to wait for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadRequest {
    /// The first operation wanted.
    pub from: SeqNo,
    /// At most this many operations.
    pub max_operation_count: u32,
    /// Reading stops after the operation that makes the estimated size exceed this.
    pub max_batch_size: ByteCount,
    /// The estimated size of the operations is never more than this. If already the first does not fit, the answer tells its size instead.
    pub max_response_size: ByteCount,
    /// How long the leader may hold back an empty answer.
    pub poll_timeout: Duration,
    /// What is known of the leader's metadata: an answer that tells of anything newer is not held back.
    pub known_metadata: MetadataVersions,
    /// Whether the leader may go on after an answer that reached its global checkpoint, with what is left of the poll timeout and the response size: so
    /// operations that are written meanwhile need not wait for the next question to arrive.
    pub may_stay_open: bool,
}

/// Operations of the leader, and where it stands.
#[derive(Clone, PartialEq)]
pub struct ReadResponse {
    /// Contiguous operations; the first is the one asked for. Empty when nothing came within the poll timeout, or nothing fitted.
    pub frames: Vec<Frame>,
    /// The estimated size of the operation asked for, when it is there and larger than the answer may be.
    pub next_operation_size: Option<ByteCount>,
    /// The copy's global checkpoint, read after the operations. No operation above it is ever in `frames`.
    pub global_checkpoint: Option<SeqNo>,
    /// The copy's highest seq_no.
    pub max_seq_no: Option<SeqNo>,
    /// The highest seq_no of an operation that was not a plain append.
    pub max_seq_no_of_updates_or_deletes: Option<SeqNo>,
    /// Version of the mapping under which the operations were written, or a newer one.
    pub mapping_version: u64,
    /// Version of the leader's settings.
    pub settings_version: u64,
    /// Version of the leader's aliases.
    pub aliases_version: u64,
    /// Time the leader spent on the request, waiting for operations included.
    pub took: Duration,
    /// The leader's wall clock when it answered.
    pub leader_now: UnixMillis,
    /// Whether the read stays open, and another answer follows.
    pub stays_open: bool,
}

impl fmt::Debug for ReadResponse {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ReadResponse")
            .field("first", &self.frames.first().map(Frame::seq_no))
            .field("last", &self.frames.last().map(Frame::seq_no))
            .field("next_operation_size", &self.next_operation_size)
            .field("global_checkpoint", &self.global_checkpoint)
            .field("max_seq_no", &self.max_seq_no)
            .field("mapping_version", &self.mapping_version)
            .field("settings_version", &self.settings_version)
            .field("aliases_version", &self.aliases_version)
            .field("stays_open", &self.stays_open)
            .finish_non_exhaustive()
    }
}

/// Versions of the leader's metadata. Each is at least the one under which the operations beside it were written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MetadataVersions {
    /// Version of the mapping.
    pub mapping: u64,
    /// Version of the replicated settings.
    pub settings: u64,
    /// Version of the aliases.
    pub aliases: u64,
}

impl MetadataVersions {
    /// The newer of each.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        Self {
            mapping: self.mapping.max(other.mapping),
            settings: self.settings.max(other.settings),
            aliases: self.aliases.max(other.aliases),
        }
    }
}

impl ReadResponse {
    /// The versions that the answer carries.
    #[must_use]
    pub fn metadata_versions(&self) -> MetadataVersions {
        MetadataVersions {
            mapping: self.mapping_version,
            settings: self.settings_version,
            aliases: self.aliases_version,
        }
    }
}

/// Which operations a heal wants to read from the leader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldReadRequest {
    /// The first operation wanted.
    pub from: SeqNo,
    /// The last operation wanted; without one, all up to the global checkpoint.
    pub to: Option<SeqNo>,
    /// At most this many operations.
    pub max_operation_count: u32,
    /// Reading stops after the operation that makes the estimated size exceed this.
    pub max_batch_size: ByteCount,
    /// The estimated size of the operations is never more than this. If already the first does not fit, the answer tells its size instead.
    pub max_response_size: ByteCount,
}

/// Operations that the leader holds, with holes where it removed some.
#[derive(Clone, PartialEq)]
pub struct HeldReadResponse {
    /// Operations in seq_no order, none before the one asked for.
    pub frames: Vec<Frame>,
    /// Whatever lies before this and was not given is gone. At most the operation after the global checkpoint.
    pub next: SeqNo,
    /// The estimated size of the operation `next`, when there are no operations because it is larger than the answer may be.
    pub next_operation_size: Option<ByteCount>,
    /// The copy's global checkpoint.
    pub global_checkpoint: Option<SeqNo>,
    /// Versions that cover the operations.
    pub versions: MetadataVersions,
    /// The leader's wall clock when it answered.
    pub leader_now: UnixMillis,
}

impl fmt::Debug for HeldReadResponse {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("HeldReadResponse")
            .field("operations", &self.frames.len())
            .field("next", &self.next)
            .field("next_operation_size", &self.next_operation_size)
            .field("global_checkpoint", &self.global_checkpoint)
            .field("versions", &self.versions)
            .finish_non_exhaustive()
    }
}

/// What is live on the leader.
#[derive(Clone, PartialEq)]
pub struct LiveSetResponse {
    /// The live operations as of one that the global checkpoint has reached. Its memory is a bit for every operation at most.
    pub snapshot: LiveSnapshot,
    /// Versions that cover the operations up to there.
    pub versions: MetadataVersions,
    /// The leader's wall clock when it answered.
    pub leader_now: UnixMillis,
}

impl fmt::Debug for LiveSetResponse {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("LiveSetResponse")
            .field("max_seq_no", &self.snapshot.max_seq_no)
            .field("live", &self.snapshot.live.len())
            .field("versions", &self.versions)
            .finish_non_exhaustive()
    }
}

/// Where the follower's copy stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FollowerState {
    /// The copy's own history. A change while the task runs is fatal.
    pub history_uuid: HistoryUuid,
    /// Everything up to here is on disk on every in-sync copy.
    pub global_checkpoint: Option<SeqNo>,
    /// The last operation of the copy's log. The log has no gaps, so all before it are there as well.
    pub max_seq_no: Option<SeqNo>,
}

/// Where the follower's copy stands after an append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AppendResponse {
    /// Everything up to here is on disk on every in-sync copy; it may trail the append.
    pub global_checkpoint: Option<SeqNo>,
    /// The last operation of the copy's log; at least the last operation of the append.
    pub max_seq_no: Option<SeqNo>,
}
