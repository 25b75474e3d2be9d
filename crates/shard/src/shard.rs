//! The shard copy itself: opening, metadata, refresh, statistics, closing.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use index_meta::{IndexSettings, Mapping, TranslogDurability};
use oplog::{
    Clock, Durability, Frame, HealStage, HistoryUuid, Log, LogError, LogOptions, NewLog, PrimaryTerm,
    ReadLimits, SeqNo, ShardId,
};
use parking_lot::{Mutex, RwLock};

use crate::failure::{Health, check_marker};
use crate::relevance::StatisticsCache;
use crate::scrub::ScrubPass;
use crate::tail::{Tail, TailOperation};
use crate::view::{
    Lane, Metadata, RefreshTicket, STEP_LIMITS, ViewCore, ViewParts, ViewPool, next_of, read_held,
};
use crate::{ShardConfig, ShardError, ShardFailure, ShardRole, ShardServices, ShardStats};

/// Operations read at a time while opening and scanning.
const SCAN_OPERATIONS: usize = 4_096;
/// Memory of one operation in the tail while opening, for an id of common length.
const TAIL_OPERATION_BYTES: usize = 160;
/// One wait of an appender for room in the tail, and how many of them are too many.
const ROOM_WAIT: Duration = Duration::from_millis(200);
const ROOM_WAITS: usize = 300;

/// Counts since the shard was opened.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) indexed: AtomicU64,
    pub(crate) deleted: AtomicU64,
    pub(crate) queries: AtomicU64,
    pub(crate) gets: AtomicU64,
    pub(crate) merges_current: AtomicU64,
    pub(crate) merges_total: AtomicU64,
    pub(crate) flushes: AtomicU64,
}

/// One shard copy. All calls block; see the crate documentation.
pub struct Shard {
    pub(crate) id: ShardId,
    pub(crate) index_name: String,
    pub(crate) dir: PathBuf,
    pub(crate) log: Arc<Log>,
    pub(crate) tail: Arc<Tail>,
    pub(crate) view: Arc<ViewCore>,
    pub(crate) metadata: Arc<Metadata>,
    health: Arc<Health>,
    pub(crate) clock: Arc<dyn Clock>,
    role: RwLock<ShardRole>,
    /// The one writer: whoever appends to the log holds it, so that the log, the tail and version planning agree.
    pub(crate) writer: Mutex<()>,
    pub(crate) counters: Counters,
    /// What relevance counted in the segments of the view.
    pub(crate) statistics: Arc<StatisticsCache>,
    /// The pass over the copy's files that is under way.
    pub(crate) scrub: Mutex<Option<ScrubPass>>,
    /// The operations that a delta heal under way has fetched.
    pub(crate) heal: Mutex<Option<HealStage>>,
    closed: AtomicBool,
    /// Kept so that the threads outlive their shards.
    _pool: Arc<ViewPool>,
}

impl std::fmt::Debug for Shard {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Shard")
            .field("id", &self.id)
            .field("index", &self.index_name)
            .finish_non_exhaustive()
    }
}

pub(crate) fn log_dir(dir: &Path) -> PathBuf {
    dir.join("oplog")
}

pub(crate) fn view_dir(dir: &Path) -> PathBuf {
    dir.join("index")
}

/// A follower's operations become durable in the background. Its lease, and what is read again after a crash, trail by at most this.
const FOLLOWER_SYNC_INTERVAL: Duration = Duration::from_secs(1);

fn lane(role: ShardRole) -> Lane {
    match role {
        ShardRole::Primary => Lane::Usual,
        ShardRole::Follower => Lane::Yielding,
    }
}

fn sync_interval(settings: &IndexSettings, role: ShardRole) -> Duration {
    let interval = settings.translog_sync_interval();
    match role {
        ShardRole::Primary => interval,
        ShardRole::Follower => interval.min(FOLLOWER_SYNC_INTERVAL),
    }
}

fn log_options(node: &LogOptions, settings: &IndexSettings, role: ShardRole) -> LogOptions {
    LogOptions {
        sync_interval: sync_interval(settings, role),
        ..node.clone()
    }
}

impl Shard {
    /// Creates an empty copy in `config.dir`.
    ///
    /// # Errors
    /// [`ShardError::Log`] when a log is there already or cannot be written.
    pub fn create(
        config: ShardConfig,
        history_uuid: HistoryUuid,
        services: ShardServices,
    ) -> Result<Arc<Self>, ShardError> {
        let log = Log::create(
            Arc::clone(&services.storage),
            log_dir(&config.dir),
            NewLog {
                history_uuid,
                primary_term: config.primary_term,
            },
            log_options(&services.log, &config.settings, config.role),
            Arc::clone(&services.committer),
            Arc::clone(&services.clock),
        )?;
        Self::start(config, log, services)
    }

    /// Opens the copy in `config.dir`. Returns once the tail fits its limit again: after the loss of the view that means once most of the log is
    /// indexed.
    ///
    /// # Errors
    /// [`ShardError::Failed`] when damage was found in this copy before, [`ShardError::Log`] when the log is missing or damaged,
    /// [`ShardError::View`] when no view can be made.
    pub fn open(config: ShardConfig, services: ShardServices) -> Result<Arc<Self>, ShardError> {
        check_marker(&config.dir)?;
        let log = Log::open(
            Arc::clone(&services.storage),
            log_dir(&config.dir),
            log_options(&services.log, &config.settings, config.role),
            Arc::clone(&services.committer),
            Arc::clone(&services.clock),
        )?;
        if config.role == ShardRole::Primary && config.primary_term > log.primary_term() {
            // The operations of a leader may carry higher terms than the index had while it followed: what this copy writes from now on must be told
            // apart from them (CL-1).
            let past = log
                .term_table()
                .last()
                .and_then(|start| start.term.checked_next());
            log.set_primary_term(past.map_or(config.primary_term, |past| past.max(config.primary_term)))?;
        }
        Self::start(config, log, services)
    }

    /// Opens a copy whose files came from a leader's [`ShardSnapshot`](crate::ShardSnapshot): the log becomes this copy's own, under a new history
    /// UUID, cut after `checkpoint`.
    ///
    /// Every operation and every file of the view is read and checked first: what is wrong with a copy is found while there is an original.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn install(
        config: ShardConfig,
        history_uuid: HistoryUuid,
        checkpoint: Option<SeqNo>,
        services: ShardServices,
    ) -> Result<Arc<Self>, ShardError> {
        Log::adopt(
            services.storage.as_ref(),
            &log_dir(&config.dir),
            history_uuid,
            config.primary_term,
            checkpoint,
        )?;
        let shard = Self::open(config, services)?;
        shard.verify_log()?;
        Ok(shard)
    }

    fn start(config: ShardConfig, log: Arc<Log>, services: ShardServices) -> Result<Arc<Self>, ShardError> {
        let tail_bytes = services.view_pool.config().tail_bytes;
        let tail = Arc::new(Tail::new(tail_bytes));
        let metadata = Arc::new(Metadata::new(
            config.mapping,
            config.mapping_version,
            config.settings,
        ));
        let label = format!("{}{}", config.index_name, config.shard_id);
        let health = Health::new(&config.dir, label.clone());
        let view = ViewCore::open(ViewParts {
            label,
            health: Arc::clone(&health),
            dir: &view_dir(&config.dir),
            log: Arc::clone(&log),
            tail: Arc::clone(&tail),
            metadata: Arc::clone(&metadata),
            clock: Arc::clone(&services.clock),
            pool: Arc::clone(services.view_pool.shared()),
            lane: lane(config.role),
        })?;
        let shard = Self {
            id: config.shard_id,
            index_name: config.index_name,
            dir: config.dir,
            log,
            tail,
            view,
            metadata,
            health,
            clock: services.clock,
            role: RwLock::new(config.role),
            writer: Mutex::new(()),
            counters: Counters::default(),
            statistics: Arc::default(),
            scrub: Mutex::new(None),
            heal: Mutex::new(None),
            closed: AtomicBool::new(false),
            _pool: services.view_pool,
        };
        if config.role == ShardRole::Primary {
            shard.abandon_heal();
        }
        shard.recover_tail(tail_bytes / 2 / TAIL_OPERATION_BYTES)?;
        Ok(Arc::new(shard))
    }

    /// Brings the view so near to the log that the rest fits the tail, then fills the tail with the rest.
    fn recover_tail(&self, capacity: usize) -> Result<(), ShardError> {
        let capacity = u64::try_from(capacity.max(1)).unwrap_or(u64::MAX);
        let log_next = next_of(self.log.max_seq_no());
        self.pass_heal()?;
        loop {
            let next = self.view.published().next;
            if log_next - next.min(log_next) <= capacity {
                break;
            }
            self.view.refresh_to((next + capacity).min(log_next)).wait()?;
        }
        let mut next = self.view.published().next;
        while next < log_next {
            let limits = ReadLimits {
                operations: SCAN_OPERATIONS,
                ..ReadLimits::NONE
            };
            let (frames, after) = self.note(read_held(&self.log, next, log_next - 1, limits))?;
            self.tail.insert(frames.iter().map(TailOperation::of).collect());
            next = after;
        }
        self.view.appended();
        Ok(())
    }

    /// The shard's identity.
    #[must_use]
    pub fn shard_id(&self) -> &ShardId {
        &self.id
    }

    /// The name of the shard's index.
    #[must_use]
    pub fn index_name(&self) -> &str {
        &self.index_name
    }

    /// The directory of this copy.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The operation log, for leases, terms, durability and reading changes.
    #[must_use]
    pub fn log(&self) -> &Arc<Log> {
        &self.log
    }

    /// Who gives out sequence numbers.
    #[must_use]
    pub fn role(&self) -> ShardRole {
        *self.role.read()
    }

    /// Changes who gives out sequence numbers, after the batch in progress.
    pub fn set_role(&self, role: ShardRole) {
        if role == ShardRole::Primary {
            self.abandon_heal();
        }
        let _writer = self.writer.lock();
        self.view.set_lane(lane(role));
        *self.role.write() = role;
        self.log.set_sync_interval(sync_interval(&self.settings(), role));
    }

    /// The primary term of new operations.
    #[must_use]
    pub fn primary_term(&self) -> PrimaryTerm {
        self.log.primary_term()
    }

    /// The mapping in force.
    #[must_use]
    pub fn mapping(&self) -> Arc<Mapping> {
        self.metadata.mapping()
    }

    /// Version of the mapping in force.
    #[must_use]
    pub fn mapping_version(&self) -> u64 {
        self.metadata.mapping_version()
    }

    /// Puts a mapping in force, unless a newer one is.
    pub fn update_mapping(&self, mapping: Arc<Mapping>, version: u64) {
        self.metadata.update_mapping(mapping, version);
    }

    /// The settings in force.
    #[must_use]
    pub fn settings(&self) -> Arc<IndexSettings> {
        self.metadata.settings()
    }

    /// Puts settings in force.
    pub fn update_settings(&self, settings: Arc<IndexSettings>) {
        self.log.set_sync_interval(sync_interval(&settings, self.role()));
        self.metadata.update_settings(settings);
        self.view.appended();
    }

    pub(crate) fn durability(&self) -> Durability {
        match self.metadata.settings().translog_durability() {
            TranslogDurability::Request => Durability::Request,
            TranslogDurability::Async => Durability::Async,
        }
    }

    /// Waits until the tail has room.
    pub(crate) fn wait_for_room(&self) -> Result<(), ShardError> {
        let failures = self.view.failures();
        for _ in 0..ROOM_WAITS {
            self.check_open()?;
            if self.tail.wait_for_room(ROOM_WAIT) {
                return Ok(());
            }
            if self.view.failures() != failures {
                return Err(ShardError::View {
                    reason: self.view.last_failure(),
                });
            }
            self.view.appended();
        }
        Err(ShardError::TailFull {
            operations: self.tail.len(),
        })
    }

    pub(crate) fn check_open(&self) -> Result<(), ShardError> {
        if self.closed.load(Ordering::Acquire) {
            Err(ShardError::Closed)
        } else {
            self.health.check()
        }
    }

    /// Passes `result` on; an error that ends the copy's service does so.
    pub(crate) fn note<T, E: Into<ShardError>>(&self, result: Result<T, E>) -> Result<T, ShardError> {
        self.health.note(result.map_err(Into::into))
    }

    /// Ends the copy's service if `error`, which a call on its log gave, says that the log needs to be opened again. For calls on [`log`](Self::log)
    /// itself.
    pub fn report(&self, error: LogError) {
        if let Some(failure) = ShardError::from(error).failure() {
            self.health.fail(failure);
        }
    }

    /// Why the copy stopped serving, if it did. It only goes on when it is closed and opened again, if that helps.
    #[must_use]
    pub fn failure(&self) -> Option<Arc<ShardFailure>> {
        self.health.failure()
    }

    /// Has `listener` called once, when the copy stops serving, or now if it did already. It must not block, nor call the copy.
    pub fn on_failure(&self, listener: impl Fn(&ShardFailure) + Send + Sync + 'static) {
        self.health.listen(Arc::new(listener));
    }

    /// Reads every operation of the log and checks it.
    ///
    /// # Errors
    /// [`ShardError::Failed`] when one is damaged: the copy serves nothing any more.
    pub fn verify_log(&self) -> Result<(), ShardError> {
        self.verify_operations(0, next_of(self.log.max_seq_no()))
    }

    fn verify_operations(&self, mut next: u64, end: u64) -> Result<(), ShardError> {
        while next < end {
            self.check_open()?;
            let (_, following) = self.note(read_held(&self.log, next, end - 1, STEP_LIMITS))?;
            next = following;
        }
        Ok(())
    }

    /// Reads every file of the search view's last commit and checks it.
    ///
    /// # Errors
    /// [`ShardError::View`] names the damaged file. The copy goes on serving: see [`rebuild_view`](Self::rebuild_view).
    pub fn verify_view(&self) -> Result<(), ShardError> {
        self.check_open()?;
        self.view.verify()
    }

    /// Throws the search view away. The copy serves nothing until it is opened again, which indexes the log anew: versions and gets by id need
    /// the view as much as searches do.
    pub fn rebuild_view(&self, reason: &str) {
        self.view.discard(reason.to_owned());
    }

    /// Makes every operation appended until now searchable.
    pub fn refresh(&self) -> RefreshTicket {
        self.view.refresh_to(next_of(self.log.max_seq_no()))
    }

    /// Waits for `seq_no` to become searchable in turn, as `refresh=wait_for` does: by the refresh interval, or at once when there is none.
    pub fn refresh_pending(&self, seq_no: SeqNo) -> RefreshTicket {
        self.view.refresh_in_turn(seq_no.get() + 1)
    }

    /// The highest operation that a search sees.
    #[must_use]
    pub fn refreshed_seq_no(&self) -> Option<SeqNo> {
        self.view.published().next.checked_sub(1).map(SeqNo::new)
    }

    /// Operations `from..=to`, for followers. Bounding by the global checkpoint is the caller's job.
    ///
    /// # Errors
    /// [`ShardError::Read`] for operations that are not there, [`ShardError::Failed`] for damaged ones.
    pub fn read_changes(&self, from: SeqNo, to: SeqNo, limits: ReadLimits) -> Result<Vec<Frame>, ShardError> {
        self.check_open()?;
        self.note(self.log.read(from, to, limits))
    }

    /// Live documents in seq_no order, after `after`, at most `limit` of them.
    ///
    /// # Errors
    /// [`ShardError::Failed`].
    pub fn scan(&self, after: Option<SeqNo>, limit: usize) -> Result<Vec<Frame>, ShardError> {
        self.check_open()?;
        let end = next_of(self.log.max_seq_no());
        let mut next = next_of(after);
        let mut live = Vec::new();
        while next < end && live.len() < limit {
            let limits = ReadLimits {
                operations: SCAN_OPERATIONS,
                ..ReadLimits::NONE
            };
            let (frames, following) = self.note(read_held(&self.log, next, end - 1, limits))?;
            live.extend(
                frames
                    .into_iter()
                    .filter(|frame| self.log.is_live(frame.seq_no()))
                    .take(limit - live.len()),
            );
            next = following;
        }
        Ok(live)
    }

    /// Makes log and view durable: after it, opening replays nothing.
    ///
    /// # Errors
    /// [`ShardError::Log`], [`ShardError::View`].
    pub fn flush(&self) -> Result<(), ShardError> {
        self.check_open()?;
        self.refresh().wait()?;
        self.note(self.log.flush())?;
        self.counters.flushes.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Flushes the log and closes the copy. Waits of other calls end; no thread works for it afterwards. Closing again does nothing.
    ///
    /// The view is not committed here, so closing is fast; it catches up from its last commit.
    ///
    /// # Errors
    /// [`ShardError::Log`] when the log cannot be flushed.
    pub fn close(&self) -> Result<(), ShardError> {
        if self.closed.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        self.health.close();
        self.view.close();
        // No append is in progress any more once the writer lock was free.
        drop(self.writer.lock());
        let flushed = self.log.flush();
        let closed = self.log.close();
        match flushed.and(closed) {
            Ok(()) | Err(LogError::Closed) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Closes without flushing anything, as a crash would, apart from joining threads.
    #[cfg(test)]
    pub(crate) fn crash(&self) {
        if !self.closed.swap(true, Ordering::AcqRel) {
            self.health.close();
            self.view.close();
        }
    }

    /// Numbers about the copy.
    #[must_use]
    pub fn stats(&self) -> ShardStats {
        let published = self.view.published();
        let summary = self.log.live_summary();
        let view = self.view.summary();
        let log_bytes = self.log.size_in_bytes();
        let checkpoint = self.log.durable_checkpoint();
        ShardStats {
            docs: view.docs,
            deleted_docs: view.deleted_docs,
            store_bytes: log_bytes + view.bytes,
            log_bytes,
            segments: view.segments,
            max_seq_no: self.log.max_seq_no(),
            local_checkpoint: checkpoint,
            global_checkpoint: checkpoint,
            refreshed_seq_no: published.next.checked_sub(1).map(SeqNo::new),
            live_count: summary.live_count,
            digest: summary.digest,
            max_seq_no_of_updates_or_deletes: self.log.max_seq_no_of_updates_or_deletes(),
            primary_term: self.log.primary_term(),
            history_uuid: self.log.history_uuid(),
            retention_leases: self.log.retention_leases(),
            tail_operations: self.tail.len(),
            tail_bytes: self.tail.bytes(),
            refresh_total: self.view.refreshes(),
            merges_current: self.counters.merges_current.load(Ordering::Relaxed),
            merges_total: self.counters.merges_total.load(Ordering::Relaxed),
            query_total: self.counters.queries.load(Ordering::Relaxed),
            index_total: self.counters.indexed.load(Ordering::Relaxed),
            delete_total: self.counters.deleted.load(Ordering::Relaxed),
            get_total: self.counters.gets.load(Ordering::Relaxed),
            flush_total: self.counters.flushes.load(Ordering::Relaxed),
        }
    }
}

impl Drop for Shard {
    fn drop(&mut self) {
        if let Err(error) = self.close() {
            tracing::error!(shard = %self.id, %error, "closing a dropped shard failed");
        }
    }
}
