//! What stands between a leader and its followers: it notes lease calls, holds calls back, and changes answers.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use ccr::LeaderSide;
use es_exception::{Exception, ExceptionKind};
use oplog::{Frame, IndexUuid, LeaseId, RetentionLease, SeqNo, ShardId};
use parking_lot::Mutex;
use tokio::sync::watch;
use transport::{
    CloseRecoverySessionRequest, ClusterMetadata, ClusterMetadataRequest, FileChunks, HandshakeRequest,
    HandshakeResponse, HeldOperationsRequest, HeldOperationsResponse, IndexMetadataRequest, LeaderServices,
    LiveSetRequest, LiveSetResponse, OpenRecoverySessionRequest, ReadFileRequest, RecoverySession,
    RemoteIndexMetadata, RemoveRetentionLeaseRequest, RetentionLeaseRequest, ShardChangesRequest,
    ShardChangesResponse,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LeaseAction {
    Add,
    Renew,
    Remove,
}

/// One call on a lease that was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LeaseCall {
    pub(crate) action: LeaseAction,
    pub(crate) shard: ShardId,
    pub(crate) id: LeaseId,
    /// `None` asks for everything that the leader still has.
    pub(crate) retaining: Option<SeqNo>,
    pub(crate) answer: Result<(), ExceptionKind>,
}

/// A range of a file that was asked for and answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileRead {
    pub(crate) session_id: String,
    pub(crate) file: String,
    pub(crate) offset: u64,
    pub(crate) length: u64,
}

/// Holds calls back while it is closed.
#[derive(Debug)]
pub(crate) struct Gate {
    closed: watch::Sender<bool>,
    waiting: AtomicUsize,
}

/// Counts a call as waiting for as long as it does, also when its caller leaves.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Gate {
    fn new() -> Self {
        Self {
            closed: watch::Sender::new(false),
            waiting: AtomicUsize::new(0),
        }
    }

    pub(crate) fn close(&self) {
        self.closed.send_replace(true);
    }

    pub(crate) fn open(&self) {
        self.closed.send_replace(false);
    }

    /// How many calls are held back.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::SeqCst)
    }

    async fn pass(&self) {
        let mut closed = self.closed.subscribe();
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let _waiting = Waiting(&self.waiting);
        closed.wait_for(|closed| !closed).await.unwrap();
    }
}

/// The leader side of a node, as its followers see it.
pub(crate) struct LeaderTap {
    inner: Arc<LeaderSide>,
    calls: Mutex<Vec<LeaseCall>>,
    /// The lease calls on a shard before a copy of it began, one element for each copy.
    before_copies: Mutex<Vec<Vec<LeaseCall>>>,
    /// Calls that are answered with a failure in place of reaching the leader: the next of that action.
    scripted: Mutex<VecDeque<(LeaseAction, Exception)>>,
    failing_reads: Mutex<Option<(IndexUuid, Exception)>>,
    fetched: Mutex<BTreeMap<ShardId, Vec<SeqNo>>>,
    /// Answers to reads claim a mapping that the leader's metadata never shows.
    pub(crate) hides_newer_mapping: AtomicBool,
    metadata_calls: AtomicUsize,
    pub(crate) renewals: Gate,
    /// Copies of every shard with number 1.
    pub(crate) second_shard_copies: Gate,
    file_reads: Mutex<Vec<FileRead>>,
    /// So many reads of files are answered; those after them fail.
    pub(crate) file_reads_until_cut: AtomicUsize,
    /// Metadata that a follow task or a copy waits for, as opposed to what a request asks for.
    pub(crate) metadata_waits: Gate,
    /// Reads of what is live, by a heal.
    pub(crate) live_sets: Gate,
    held_reads: AtomicUsize,
}

impl LeaderTap {
    pub(crate) fn new(inner: Arc<LeaderSide>) -> Arc<Self> {
        Arc::new(Self {
            inner,
            calls: Mutex::default(),
            before_copies: Mutex::default(),
            scripted: Mutex::default(),
            failing_reads: Mutex::default(),
            fetched: Mutex::default(),
            hides_newer_mapping: AtomicBool::new(false),
            metadata_calls: AtomicUsize::new(0),
            renewals: Gate::new(),
            second_shard_copies: Gate::new(),
            metadata_waits: Gate::new(),
            live_sets: Gate::new(),
            held_reads: AtomicUsize::new(0),
            file_reads: Mutex::default(),
            file_reads_until_cut: AtomicUsize::new(usize::MAX),
        })
    }

    /// The reads of files that were answered, oldest first.
    pub(crate) fn file_reads(&self) -> Vec<FileRead> {
        self.file_reads.lock().clone()
    }

    /// The lease calls of one follower index, oldest first.
    pub(crate) fn lease_calls(&self, follower_index: &str) -> Vec<LeaseCall> {
        let part = format!("/{follower_index}/");
        let calls = self.calls.lock();
        calls
            .iter()
            .filter(|call| call.id.as_str().contains(&part))
            .cloned()
            .collect()
    }

    /// The lease calls on a shard before a copy of it began, one element for each copy.
    pub(crate) fn lease_calls_before_copies(&self) -> Vec<Vec<LeaseCall>> {
        self.before_copies.lock().clone()
    }

    pub(crate) fn forget_calls(&self) {
        self.calls.lock().clear();
        self.before_copies.lock().clear();
    }

    /// How many renewals of a follower index succeeded, over all of its shards.
    pub(crate) fn renewed(&self, follower_index: &str) -> usize {
        let calls = self.lease_calls(follower_index);
        let renewed = |call: &&LeaseCall| call.action == LeaseAction::Renew && call.answer.is_ok();
        calls.iter().filter(renewed).count()
    }

    pub(crate) fn answer_next(&self, action: LeaseAction, kind: ExceptionKind) {
        let exception = Exception::new(kind, "as the test wants it");
        self.scripted.lock().push_back((action, exception));
    }

    pub(crate) fn fail_reads(&self, index: IndexUuid, exception: Exception) {
        *self.failing_reads.lock() = Some((index, exception));
    }

    pub(crate) fn let_reads_pass(&self) {
        *self.failing_reads.lock() = None;
    }

    /// How often a heal read operations.
    pub(crate) fn held_reads(&self) -> usize {
        self.held_reads.load(Ordering::SeqCst)
    }

    /// The operations that reads of a shard were answered with, in order of the answers.
    pub(crate) fn fetched(&self, shard: &ShardId) -> Vec<SeqNo> {
        self.fetched.lock().get(shard).cloned().unwrap_or_default()
    }

    /// How often the metadata of an index was answered.
    pub(crate) fn metadata_calls(&self) -> usize {
        self.metadata_calls.load(Ordering::SeqCst)
    }

    fn script(&self, action: LeaseAction) -> Result<(), Exception> {
        let next = self.scripted.lock().pop_front_if(|(wanted, _)| *wanted == action);
        next.map_or(Ok(()), |(_, exception)| Err(exception))
    }

    fn note<T>(
        &self,
        action: LeaseAction,
        request: &RetentionLeaseRequest,
        answer: Result<T, Exception>,
    ) -> Result<T, Exception> {
        self.calls.lock().push(LeaseCall {
            action,
            shard: request.shard.clone(),
            id: request.id.clone(),
            retaining: request.retaining,
            answer: answer.as_ref().map(|_| ()).map_err(Exception::kind),
        });
        answer
    }
}

#[async_trait]
impl LeaderServices for LeaderTap {
    async fn handshake(&self, request: HandshakeRequest) -> Result<HandshakeResponse, Exception> {
        self.inner.handshake(request).await
    }

    async fn read_changes(&self, request: ShardChangesRequest) -> Result<ShardChangesResponse, Exception> {
        let failing = self.failing_reads.lock().clone();
        if let Some((_, exception)) = failing.filter(|(index, _)| *index == request.shard.index) {
            return Err(exception);
        }
        let shard = request.shard.clone();
        let mut response = self.inner.read_changes(request).await?;
        if self.hides_newer_mapping.load(Ordering::SeqCst) {
            response.mapping_version += 1000;
        }
        let mut fetched = self.fetched.lock();
        fetched
            .entry(shard)
            .or_default()
            .extend(response.frames.iter().map(Frame::seq_no));
        Ok(response)
    }

    async fn read_held_operations(
        &self,
        request: HeldOperationsRequest,
    ) -> Result<HeldOperationsResponse, Exception> {
        self.held_reads.fetch_add(1, Ordering::SeqCst);
        self.inner.read_held_operations(request).await
    }

    async fn read_live_set(&self, request: LiveSetRequest) -> Result<LiveSetResponse, Exception> {
        self.live_sets.pass().await;
        self.inner.read_live_set(request).await
    }

    async fn add_retention_lease(&self, request: RetentionLeaseRequest) -> Result<RetentionLease, Exception> {
        let answer = match self.script(LeaseAction::Add) {
            Ok(()) => self.inner.add_retention_lease(request.clone()).await,
            Err(exception) => Err(exception),
        };
        self.note(LeaseAction::Add, &request, answer)
    }

    async fn renew_retention_lease(
        &self,
        request: RetentionLeaseRequest,
    ) -> Result<RetentionLease, Exception> {
        self.renewals.pass().await;
        let answer = match self.script(LeaseAction::Renew) {
            Ok(()) => self.inner.renew_retention_lease(request.clone()).await,
            Err(exception) => Err(exception),
        };
        self.note(LeaseAction::Renew, &request, answer)
    }

    async fn remove_retention_lease(&self, request: RemoveRetentionLeaseRequest) -> Result<(), Exception> {
        let noted = RetentionLeaseRequest {
            shard: request.shard.clone(),
            id: request.id.clone(),
            retaining: None,
            source: String::new(),
        };
        let answer = self.inner.remove_retention_lease(request).await;
        self.note(LeaseAction::Remove, &noted, answer)
    }

    async fn open_recovery_session(
        &self,
        request: OpenRecoverySessionRequest,
    ) -> Result<RecoverySession, Exception> {
        let calls = self.calls.lock().clone();
        let of_shard = calls.into_iter().filter(|call| call.shard == request.shard);
        self.before_copies.lock().push(of_shard.collect());
        if request.shard.shard.get() == 1 {
            self.second_shard_copies.pass().await;
        }
        self.inner.open_recovery_session(request).await
    }

    async fn read_file(&self, request: ReadFileRequest) -> Result<FileChunks, Exception> {
        let left = self
            .file_reads_until_cut
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if left.is_err() {
            return Err(Exception::new(ExceptionKind::ConnectTransport, "the line is cut"));
        }
        let read = FileRead {
            session_id: request.session_id.clone(),
            file: request.file.clone(),
            offset: request.offset,
            length: request.length,
        };
        let answer = self.inner.read_file(request).await?;
        self.file_reads.lock().push(read);
        Ok(answer)
    }

    async fn close_recovery_session(&self, request: CloseRecoverySessionRequest) -> Result<(), Exception> {
        self.inner.close_recovery_session(request).await
    }

    async fn index_metadata(
        &self,
        mut request: IndexMetadataRequest,
    ) -> Result<RemoteIndexMetadata, Exception> {
        let waits = request.min_mapping_version.is_some()
            || request.min_settings_version.is_some()
            || request.min_aliases_version.is_some();
        if waits {
            self.metadata_waits.pass().await;
        }
        if self.hides_newer_mapping.load(Ordering::SeqCst) {
            request.min_mapping_version = None;
        }
        let answer = self.inner.index_metadata(request).await;
        self.metadata_calls.fetch_add(1, Ordering::SeqCst);
        answer
    }

    async fn cluster_metadata(&self, request: ClusterMetadataRequest) -> Result<ClusterMetadata, Exception> {
        self.inner.cluster_metadata(request).await
    }
}
