//! One shard's search view: what it has reached, when it works next, and the steps of that work.
//!
//! The work of a view is done by one pool thread at a time, in steps that are bounded, so that a shard with much to catch up does not starve
//! the others. Positions are kept as "the first operation that is not yet in": 0 is an empty view.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use event_listener::{Event, EventListener};
use oplog::{ByteCount, Clock, Frame, Healed, Log, ReadLimits, SeqNo};
use parking_lot::Mutex;
use tantivy::{FutureResult, Index, Searcher, SegmentMeta};

use super::doubt::guarded;
use super::generations::Generations;
use super::metadata::Metadata;
use super::open::open_index;
use super::pool::{Lane, PoolShared, Step};
use super::published::{Published, ViewSummary, open_searcher};
use super::schema::ViewSchema;
use super::sealed_directory::META_FILE;
use super::ticket::RefreshTicket;
use super::verification::{ViewVerification, ViewVerificationStep, verify_index};
use super::writer::{CommitPayload, LastOperation, ViewWriter};
use crate::analysis::Analyzers;
use crate::error::describe;
use crate::failure::Health;
use crate::tail::Tail;
use crate::{ShardError, ShardFailure, ShardFailureKind};

/// One step reads at most so many operations, and about so many bytes.
pub(crate) const STEP_LIMITS: ReadLimits = ReadLimits {
    operations: 4_096,
    bytes: ByteCount::new(4 << 20),
};
/// Wait after a failure before the view is tried again.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Refresh interval that stands in where none is set and somebody waits.
const DEFAULT_INTERVAL: Duration = Duration::from_secs(1);

/// What only the thread that works on the view touches.
#[derive(Debug)]
struct Work {
    writer: Option<ViewWriter>,
    /// The first operation that was not given to the writer.
    indexed: u64,
    /// The last one that was, since the writer opened.
    last: Option<LastOperation>,
    /// Where the present round ends: commit there.
    goal: Option<u64>,
    last_used: Duration,
    retry_at: Option<Duration>,
    /// Failures since the last commit.
    failed_in_a_row: u32,
    /// A forced merge is under way: the writer starts no merge by itself.
    merges_paused: bool,
}

/// See the module.
pub(crate) struct ViewCore {
    label: String,
    dir: PathBuf,
    health: Arc<Health>,
    log: Arc<Log>,
    tail: Arc<Tail>,
    metadata: Arc<Metadata>,
    clock: Arc<dyn Clock>,
    pool: Arc<PoolShared>,
    schema: Arc<ViewSchema>,
    /// Those of the settings that the shard was opened with: they change on a closed index only.
    analyzers: Arc<Analyzers>,
    index: Index,
    published: ArcSwap<Published>,
    generations: Generations,
    work: Mutex<Work>,
    /// Held by a forced merge: another one would take its segments.
    pub(super) forced_merge: Mutex<()>,
    /// Whether the pool has the view in its hands; owned by the pool.
    pub(super) phase: Mutex<super::pool::Phase>,
    /// Millis of the earliest timer set for the view; owned by the pool.
    pub(super) armed: AtomicU64,
    /// Whether its threads yield to others.
    pub(super) yields: AtomicBool,
    /// Refresh at once up to here.
    demanded: AtomicU64,
    /// Refresh at the next turn of the interval up to here.
    awaited: AtomicU64,
    last_refresh: AtomicU64,
    last_append: AtomicU64,
    /// When the searcher was last asked for.
    last_read: AtomicU64,
    /// Time of the last search plus one; 0: none yet.
    last_search: AtomicU64,
    refreshes: AtomicU64,
    failures: AtomicU64,
    failure: Mutex<String>,
    changed: Event,
    closed: AtomicBool,
}

impl std::fmt::Debug for ViewCore {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("ViewCore")
            .field("shard", &self.label)
            .field("next", &self.published.load().next)
            .finish_non_exhaustive()
    }
}

/// What a view is made from.
pub(crate) struct ViewParts<'a> {
    pub(crate) label: String,
    pub(crate) dir: &'a Path,
    pub(crate) health: Arc<Health>,
    pub(crate) log: Arc<Log>,
    pub(crate) tail: Arc<Tail>,
    pub(crate) metadata: Arc<Metadata>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) pool: Arc<PoolShared>,
    pub(crate) lane: Lane,
}

/// The position after `seq_no`.
pub(crate) fn next_of(seq_no: Option<SeqNo>) -> u64 {
    seq_no.map_or(0, |seq_no| seq_no.get() + 1)
}

impl ViewCore {
    /// Opens the view, or starts it anew.
    pub(crate) fn open(parts: ViewParts<'_>) -> Result<Arc<Self>, ShardError> {
        let schema = ViewSchema::shared();
        let analyzers = Analyzers::of(parts.metadata.settings().analysis(), &parts.label);
        let (index, next, summary) = open_index(parts.dir, &schema, &analyzers, &parts.log)?;
        // Most of the shards that a node opens at start are not read for a while.
        let published = Arc::new(Published::closed(next, Some(summary)));
        let generations = Generations::default();
        generations.publish(&published);
        let now = parts.pool.now();
        let work = Work {
            writer: None,
            indexed: next,
            last: None,
            goal: None,
            last_used: now,
            retry_at: None,
            failed_in_a_row: 0,
            merges_paused: false,
        };
        Ok(Arc::new(Self {
            label: parts.label,
            dir: parts.dir.to_owned(),
            health: parts.health,
            log: parts.log,
            tail: parts.tail,
            metadata: parts.metadata,
            clock: parts.clock,
            pool: parts.pool,
            schema,
            analyzers,
            index,
            published: ArcSwap::new(published),
            generations,
            work: Mutex::new(work),
            forced_merge: Mutex::default(),
            phase: Mutex::new(super::pool::Phase::Idle),
            armed: AtomicU64::new(u64::MAX),
            yields: AtomicBool::new(parts.lane == Lane::Yielding),
            demanded: AtomicU64::new(0),
            awaited: AtomicU64::new(0),
            last_refresh: AtomicU64::new(millis(now)),
            last_append: AtomicU64::new(millis(now)),
            last_read: AtomicU64::new(millis(now)),
            last_search: AtomicU64::new(0),
            refreshes: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            failure: Mutex::new(String::new()),
            changed: Event::new(),
            closed: AtomicBool::new(false),
        }))
    }

    pub(crate) fn schema(&self) -> &Arc<ViewSchema> {
        &self.schema
    }

    pub(crate) fn index(&self) -> &Index {
        &self.index
    }

    pub(crate) fn analyzers(&self) -> &Analyzers {
        &self.analyzers
    }

    pub(crate) fn published(&self) -> Arc<Published> {
        self.published.load_full()
    }

    /// The searcher of a state. Once open, it stays so while it is asked for.
    pub(super) fn searcher(self: &Arc<Self>, published: &Published) -> tantivy::Result<Searcher> {
        let now = self.pool.now();
        self.last_read.store(millis(now), Ordering::Release);
        let (searcher, was_closed) = published.searcher(&self.index)?;
        if was_closed {
            self.pool.arm(self, now + self.searcher_idle());
        }
        Ok(searcher)
    }

    fn searcher_idle(&self) -> Duration {
        Duration::from_millis(self.pool.config().searcher_idle_millis)
    }

    /// Closes a searcher that nobody asks for. Says when to look again, if it stays open.
    fn rest_searcher(&self, now: Duration) -> Option<Duration> {
        let published = self.published.load();
        if !published.is_open() {
            return None;
        }
        let due = Duration::from_millis(self.last_read.load(Ordering::Acquire)) + self.searcher_idle();
        if now < due {
            return Some(due);
        }
        published.close();
        None
    }

    /// What searches see, in numbers; nothing if it cannot be opened.
    pub(crate) fn summary(self: &Arc<Self>) -> ViewSummary {
        let published = self.published();
        let opened = || Some(ViewSummary::of(&self.searcher(&published).ok()?));
        published.summary().or_else(opened).unwrap_or_default()
    }

    /// Whether a searcher is open for those who read next.
    #[cfg(test)]
    pub(crate) fn is_searcher_open(&self) -> bool {
        self.published.load().is_open()
    }

    pub(crate) fn refreshes(&self) -> u64 {
        self.refreshes.load(Ordering::Relaxed)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    pub(crate) fn health(&self) -> &Health {
        &self.health
    }

    /// Failures since the view was opened.
    pub(crate) fn failures(&self) -> u64 {
        self.failures.load(Ordering::Acquire)
    }

    pub(crate) fn last_failure(&self) -> String {
        self.failure.lock().clone()
    }

    /// Wakes at every change of what is published, at failures and at close.
    pub(super) fn listen(&self) -> EventListener {
        self.changed.listen()
    }

    /// Makes every operation below `next` searchable as soon as possible.
    pub(crate) fn refresh_to(self: &Arc<Self>, next: u64) -> RefreshTicket {
        let ticket = RefreshTicket::new(Arc::clone(self), next);
        if !ticket.is_done() {
            self.demanded.fetch_max(next, Ordering::AcqRel);
            self.pool.enqueue(self);
        }
        ticket
    }

    /// Makes every operation below `next` searchable when the refresh interval comes round.
    pub(crate) fn refresh_in_turn(self: &Arc<Self>, next: u64) -> RefreshTicket {
        let settings = self.metadata.settings();
        let Some(interval) = settings.refresh_interval() else {
            return self.refresh_to(next);
        };
        let ticket = RefreshTicket::new(Arc::clone(self), next);
        if !ticket.is_done() {
            self.awaited.fetch_max(next, Ordering::AcqRel);
            self.pool.arm(self, self.due_after(interval));
        }
        ticket
    }

    /// The searcher for a search, which keeps the view from going idle; an idle view catches up first.
    ///
    /// Source: a search on a search-idle shard triggers a refresh and waits for it.
    pub(crate) fn searcher_for_search(self: &Arc<Self>) -> Result<Arc<Published>, ShardError> {
        let settings = self.metadata.settings();
        let was_idle = self.is_search_idle(settings.search_idle_after());
        self.last_search
            .store(millis(self.pool.now()) + 1, Ordering::Release);
        if was_idle && !settings.refresh_interval_is_explicit() {
            self.refresh_to(next_of(self.log.max_seq_no())).wait()?;
        }
        Ok(self.published())
    }

    fn is_search_idle(&self, after: Duration) -> bool {
        match self.last_search.load(Ordering::Acquire).checked_sub(1) {
            None => true,
            Some(last) => millis(self.pool.now()).saturating_sub(last) >= millis(after),
        }
    }

    /// Called after operations were appended: decides whether and when the view must work.
    pub(crate) fn appended(self: &Arc<Self>) {
        self.last_append.store(millis(self.pool.now()), Ordering::Release);
        if self.tail.is_half_full() {
            self.pool.enqueue(self);
            return;
        }
        let scheduled = self.scheduled_interval().map(|interval| self.due_after(interval));
        if let Some(due) = scheduled.into_iter().chain(self.inactive_at()).min() {
            self.pool.arm(self, due);
        }
    }

    /// When a view that nobody asks for catches up all the same, to free the memory of its tail; `None` if that is little.
    ///
    /// Source: Elasticsearch flushes shards that nobody writes to any more.
    fn inactive_at(&self) -> Option<Duration> {
        let config = self.pool.config();
        (self.tail.bytes() > config.inactive_tail_bytes)
            .then(|| Duration::from_millis(self.last_append.load(Ordering::Acquire) + config.inactive_millis))
    }

    /// The interval of scheduled refreshes, if there are any at present.
    fn scheduled_interval(&self) -> Option<Duration> {
        let settings = self.metadata.settings();
        let idle =
            !settings.refresh_interval_is_explicit() && self.is_search_idle(settings.search_idle_after());
        if idle { None } else { settings.refresh_interval() }
    }

    fn due_after(&self, interval: Duration) -> Duration {
        (Duration::from_millis(self.last_refresh.load(Ordering::Acquire)) + interval).max(self.pool.now())
    }

    /// Ends all waits and all work; the writer's threads are gone afterwards.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.changed.notify(usize::MAX);
        self.tail.wake();
        let writer = self.work.lock().writer.take();
        if let Some(writer) = writer {
            writer.close();
            self.pool.writer_closed();
        }
    }

    /// One bounded piece of work. Called by the pool, on one thread at a time.
    pub(super) fn step(self: &Arc<Self>) -> Step {
        let mut work = self.work.lock();
        if self.is_closed() || self.health.failure().is_some() {
            self.changed.notify(usize::MAX);
            return Step::Sleep(None);
        }
        let now = self.pool.now();
        if let Some(retry_at) = work.retry_at {
            if now < retry_at {
                return Step::Sleep(Some(retry_at));
            }
            work.retry_at = None;
        }
        match self.try_step(&mut work, now) {
            Ok(step) => step,
            Err(error) => self.fail(&mut work, now, &error),
        }
    }

    /// Starts over from the last commit after a step panicked.
    pub(super) fn recover_from_panic(&self) -> Step {
        let error = ShardError::View {
            reason: "indexing panicked".into(),
        };
        self.fail(&mut self.work.lock(), self.pool.now(), &error)
    }

    fn try_step(self: &Arc<Self>, work: &mut Work, now: Duration) -> Result<Step, ShardError> {
        let published = self.published.load().next;
        if work.goal.is_none_or(|goal| goal <= published) {
            work.goal = self
                .next_goal(published, now)
                .map(|goal| self.past_heal(published, goal));
        }
        let Some(goal) = work.goal else {
            return Ok(self.rest(work, published, now));
        };
        self.open_writer(work)?;
        self.pool.touch_writer(self);
        if work.indexed < goal {
            self.index_some(work, goal)?;
        }
        if work.indexed >= goal {
            self.commit(work)?;
            work.goal = None;
            work.failed_in_a_row = 0;
        }
        Ok(Step::Again)
    }

    /// The heal whose operations the view has yet to take in, wholly or in part.
    fn heal_ahead(&self, published: u64) -> Option<Arc<Healed>> {
        let healed = self.log.healed()?;
        (published < next_of(Some(healed.through()))).then_some(healed)
    }

    /// A round never ends within a heal: what lies between is a state that the leader never had.
    fn past_heal(&self, published: u64, goal: u64) -> u64 {
        let heal = self.heal_ahead(published);
        heal.map_or(goal, |heal| goal.max(next_of(Some(heal.through()))))
    }

    /// Where the next round ends, if there is reason for one.
    fn next_goal(&self, published: u64, now: Duration) -> Option<u64> {
        let log_next = next_of(self.log.max_seq_no());
        if published >= log_next {
            return None;
        }
        let demanded = self.demanded.load(Ordering::Acquire).min(log_next);
        if demanded > published {
            // A round for several tickets costs as much as one.
            return Some(demanded);
        }
        if self.tail.is_half_full() {
            return Some(log_next);
        }
        let last_refresh = Duration::from_millis(self.last_refresh.load(Ordering::Acquire));
        if self.awaited.load(Ordering::Acquire) > published {
            let interval = self
                .metadata
                .settings()
                .refresh_interval()
                .unwrap_or(DEFAULT_INTERVAL);
            if now >= last_refresh + interval {
                return Some(log_next);
            }
        }
        let scheduled = self.scheduled_interval().map(|interval| last_refresh + interval);
        let mut reasons = scheduled.into_iter().chain(self.inactive_at());
        reasons.any(|due| now >= due).then_some(log_next)
    }

    /// Nothing to do now: closes an unused writer, says when to look again.
    fn rest(&self, work: &mut Work, published: u64, now: Duration) -> Step {
        let mut wake = self.rest_searcher(now);
        if work.writer.is_some() {
            let idle_at = work.last_used + Duration::from_millis(self.pool.config().writer_idle_millis);
            if now >= idle_at {
                self.close_writer(work);
            } else {
                wake = wake.into_iter().chain([idle_at]).min();
            }
        }
        if published < next_of(self.log.max_seq_no()) {
            let awaited = self.awaited.load(Ordering::Acquire) > published;
            let interval = if awaited {
                self.metadata.settings().refresh_interval()
            } else {
                self.scheduled_interval()
            };
            let due = interval.map(|interval| self.due_after(interval));
            wake = [wake, due, self.inactive_at()].into_iter().flatten().min();
        }
        Step::Sleep(wake)
    }

    /// Closes the writer after its merges, without a commit, and gives up the memory that the work left behind: a shard that is not written to any more is
    /// left alone from now on, whoever took the writer away.
    fn close_writer(&self, work: &mut Work) {
        if let Some(writer) = work.writer.take() {
            writer.close();
            self.pool.writer_closed();
            self.tail.shrink();
        }
    }

    /// Gives up the writer for another shard's sake, committing what it holds. `None` if the view is at work, else whether a
    /// writer was closed.
    pub(crate) fn try_release_writer(&self) -> Option<bool> {
        let mut work = self.work.try_lock()?;
        if work.writer.is_none() {
            return Some(false);
        }
        let published = self.published.load().next;
        if self.past_heal(published, work.indexed) > work.indexed && work.indexed > published {
            return None;
        }
        if work.indexed > published
            && let Err(error) = self.commit(&mut work)
        {
            self.fail(&mut work, self.pool.now(), &error);
            return Some(true);
        }
        self.close_writer(&mut work);
        Some(true)
    }

    fn index_some(&self, work: &mut Work, goal: u64) -> Result<(), ShardError> {
        let Some(writer) = &mut work.writer else {
            return Ok(());
        };
        let (frames, next) = read_held(&self.log, work.indexed, goal - 1, STEP_LIMITS)?;
        let mapping = self.metadata.mapping();
        let rules = self.metadata.settings().document_rules();
        for frame in &frames {
            writer.apply(&self.schema, &mapping, rules, frame)?;
        }
        work.indexed = next;
        if let Some(frame) = frames.last() {
            work.last = Some(LastOperation {
                seq_no: frame.seq_no().get(),
                checksum: frame.checksum(),
            });
        }
        Ok(())
    }

    /// Gives the operations before `goal` to the writer, and leaves it at that, as between two steps.
    #[cfg(test)]
    pub(crate) fn index_up_to(&self, goal: u64) -> Result<(), ShardError> {
        let mut work = self.work.lock();
        self.open_writer(&mut work)?;
        self.index_some(&mut work, goal)
    }

    fn commit(&self, work: &mut Work) -> Result<(), ShardError> {
        let next = work.indexed;
        // What a view holds, its log must never lose.
        self.log.sync().wait()?;
        let Some(writer) = &mut work.writer else {
            return Ok(());
        };
        if let Some(heal) = self.heal_ahead(self.published.load().next) {
            writer.bury(&self.schema, &heal);
        }
        let mapping_version = self.metadata.mapping_version();
        writer.commit(&CommitPayload {
            format: CommitPayload::FORMAT,
            next_seq_no: next,
            mapping_version,
            last: work.last,
            analysis: self.analyzers.fingerprints(&self.metadata.mapping()),
        })?;
        let searcher = open_searcher(&self.index);
        // First the searcher, then the tail: a reader that finds nothing in the tail takes the searcher afterwards.
        // What is committed is published whether it can be opened now or not, or the writer would be given it once more.
        let opened = self.publish(next, searcher);
        if let Some(last) = next.checked_sub(1) {
            self.tail.evict(SeqNo::new(last), self.clock.now().get());
        }
        self.last_refresh
            .store(millis(self.pool.now()), Ordering::Release);
        self.refreshes.fetch_add(1, Ordering::Relaxed);
        self.changed.notify(usize::MAX);
        opened
    }

    /// Shows the last commit, which holds what is below `next`, and answers whether there is a searcher over it.
    fn publish(&self, next: u64, searcher: tantivy::Result<Searcher>) -> Result<(), ShardError> {
        let (published, opened) = match searcher {
            Ok(searcher) => (Published::open(next, searcher), Ok(())),
            Err(error) => (Published::closed(next, None), Err(error.into())),
        };
        let published = Arc::new(published);
        self.last_read.store(millis(self.pool.now()), Ordering::Release);
        self.generations.publish(&published);
        self.published.store(published);
        opened
    }

    /// Notes that somebody holds the state for longer than one request.
    pub(crate) fn hold(&self, published: &Arc<Published>) {
        self.generations.hold(published);
    }

    /// Whether a state that is held for long does not have the operation `seq_no`.
    pub(crate) fn is_held_before(&self, seq_no: u64) -> bool {
        self.generations.is_held_before(seq_no)
    }

    /// The first operation that some reader in action may not have seen.
    pub(crate) fn oldest_next_in_use(&self) -> u64 {
        // Between taking a state and holding it there is no gap: whoever takes the present one holds it, or a newer one.
        self.generations
            .oldest_next()
            .unwrap_or_else(|| self.published.load().next)
    }

    /// Lets the writer start merges by itself, or not; those under way go on.
    pub(super) fn pause_merges(&self, paused: bool) {
        let mut work = self.work.lock();
        work.merges_paused = paused;
        if let Some(writer) = &work.writer {
            writer.pause_merges(paused);
        }
    }

    /// Makes one segment of each group that `choose` picks from the segments that there are now. They begin when the merges under way have
    /// ended. Searches see the result after [`show_merged`](Self::show_merged).
    ///
    /// The view goes on as soon as the merges are queued, unless `stands_still` wants it to wait for them: then no commit takes a segment away.
    pub(super) fn merge_groups(
        &self,
        stands_still: impl Fn(&[Vec<SegmentMeta>]) -> bool,
        choose: impl Fn(Vec<SegmentMeta>) -> Vec<Vec<SegmentMeta>>,
    ) -> Result<(), ShardError> {
        let mut work = self.work.lock();
        let groups = choose(self.index.searchable_segment_metas()?);
        if groups.is_empty() {
            return Ok(());
        }
        self.open_writer(&mut work)?;
        let Some(writer) = &mut work.writer else {
            return Err(ShardError::Closed);
        };
        let ids = groups
            .iter()
            .map(|group| group.iter().map(SegmentMeta::id).collect::<Vec<_>>());
        let merges: Vec<_> = ids.map(|group| writer.merge(&group)).collect();
        let held = stands_still(&groups).then_some(work);
        // Every one is waited for, whatever becomes of the others: one that goes on would take the segments of the next attempt.
        let ended: Vec<_> = merges.into_iter().map(FutureResult::wait).collect();
        drop(held);
        Ok(ended.into_iter().try_for_each(|end| end.map(drop))?)
    }

    /// Shows searches the segments that there are now, whoever merged them.
    pub(super) fn show_merged(&self) -> Result<(), ShardError> {
        let work = self.work.lock();
        if self.is_closed() {
            return Err(ShardError::Closed);
        }
        let searcher = open_searcher(&self.index);
        let opened = self.publish(self.published.load().next, searcher);
        drop(work);
        opened
    }

    /// Opens the writer, unless it is open.
    fn open_writer(&self, work: &mut Work) -> Result<(), ShardError> {
        if self.is_closed() {
            return Err(ShardError::Closed);
        }
        if work.writer.is_none() {
            self.pool.reserve_writer();
            work.writer = match ViewWriter::open(&self.index, &self.analyzers, self.pool.config()) {
                Ok(writer) => {
                    writer.pause_merges(work.merges_paused);
                    Some(writer)
                }
                Err(error) => {
                    self.pool.writer_closed();
                    return Err(error);
                }
            };
            work.indexed = self.published.load().next;
            work.last = None;
        }
        work.last_used = self.pool.now();
        Ok(())
    }

    fn fail(&self, work: &mut Work, now: Duration, error: &ShardError) -> Step {
        let reason = describe(error);
        self.close_writer(work);
        work.indexed = self.published.load().next;
        work.goal = None;
        work.retry_at = None;
        work.failed_in_a_row = work.failed_in_a_row.saturating_add(1);
        let ended = match error.failure() {
            Some(failure) => {
                self.health.fail(failure);
                true
            }
            // Reading the whole view takes a while, so not after each failure.
            None => work.failed_in_a_row.is_power_of_two() && self.discard_if_damaged(work, &reason),
        };
        if !ended {
            tracing::error!(shard = %self.label, %reason, "search view failed, trying again from its last commit");
            work.retry_at = Some(now + RETRY_AFTER);
        }
        *self.failure.lock() = reason;
        self.failures.fetch_add(1, Ordering::AcqRel);
        self.changed.notify(usize::MAX);
        self.tail.wake();
        Step::Sleep(work.retry_at)
    }

    /// Reads and checks every file of the last commit.
    pub(crate) fn verify(&self) -> Result<(), ShardError> {
        guarded(|| verify_index(&self.dir, &self.index))
            .unwrap_or_else(|panic| Err(ShardError::View { reason: panic }))
    }

    /// Reads and checks at most about `budget` bytes more of them.
    pub(crate) fn verify_step(
        &self,
        pass: &mut ViewVerification,
        budget: u64,
    ) -> Result<ViewVerificationStep, ShardError> {
        guarded(|| pass.step(&self.dir, &self.index, budget))
            .unwrap_or_else(|panic| Err(ShardError::View { reason: panic }))
    }

    /// Ends the copy's service if a file of the view is damaged; the view starts anew when the copy is opened again. A view that cannot be read for
    /// want of file handles or memory is not damaged.
    fn discard_if_damaged(&self, work: &mut Work, context: &str) -> bool {
        match self.verify() {
            Ok(()) | Err(ShardError::Io(_)) => false,
            Err(damage) => {
                self.discard_locked(work, format!("{context}; {}", describe(&damage)));
                true
            }
        }
    }

    /// As [`discard_if_damaged`](Self::discard_if_damaged), damaged or not.
    pub(crate) fn discard(&self, reason: String) {
        self.discard_locked(&mut self.work.lock(), reason);
    }

    /// Checks a view that a read put in doubt. Damaged, it is thrown away; intact, only if `blame_once` says so and the first time in the life of the
    /// process, since what upset the read would upset the next one too.
    pub(super) fn doubt(&self, reason: &str, blame_once: bool) {
        let mut work = self.work.lock();
        if !self.discard_if_damaged(&mut work, reason) && blame_once && self.pool.doubt_first(&self.dir) {
            self.discard_locked(&mut work, reason.to_owned());
        }
    }

    fn discard_locked(&self, work: &mut Work, reason: String) {
        // `close` takes the lock after it said so: a closed copy's directory may be another one's.
        if self.is_closed() {
            return;
        }
        // A merge that is under way would go on writing to a directory which is about to be removed.
        self.close_writer(work);
        // Without its list of segments a directory is no view.
        if let Err(error) = std::fs::remove_file(self.dir.join(META_FILE))
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(shard = %self.label, %error, "a damaged search view cannot be removed; it is checked again when it is opened");
        }
        self.health
            .fail(ShardFailure::new(ShardFailureKind::View, reason));
        self.changed.notify(usize::MAX);
        self.tail.wake();
    }
}

/// Frames from `from` to `last` within the limits, and the position after them. Operations that are gone are dead and skipped.
pub(crate) fn read_held(
    log: &Log,
    from: u64,
    last: u64,
    limits: ReadLimits,
) -> Result<(Vec<Frame>, u64), ShardError> {
    let (frames, next) = log.read_held(SeqNo::new(from), SeqNo::new(last), limits)?;
    Ok((frames, next.get()))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
