//! The driver under tokio's paused time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use es_exception::{Exception, ExceptionKind};
use follow_task::{
    AppendResponse, DEFAULT_MAX_INFLIGHT_BYTES, FollowTask, FollowTaskDriver, FollowTaskHandle,
    FollowTaskPhase, FollowTaskPorts, FollowerShard, FollowerState, HeldReadRequest, HeldReadResponse,
    InflightBudget, LOWEST_READ_SIZE, LeaderShard, LiveSetResponse, MetadataSync, RawFollowParameters,
    ReadRequest, ReadResponse,
};
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt};
use oplog::{ByteCount, Clock, Frame, LiveSnapshot, SeqNo, UnixMillis};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::harness::{config, frames, history, retryable};

/// Moves with tokio's paused time.
#[derive(Debug)]
pub(crate) struct TokioClock(pub(crate) tokio::time::Instant);

impl Clock for TokioClock {
    fn now(&self) -> UnixMillis {
        UnixMillis::new(1_000_000 + self.monotonic().as_millis() as u64)
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }
}

/// Holds a fixed history; every third read fails, if so wished.
struct Leader {
    history: Vec<Frame>,
    flaky: bool,
    reads: AtomicUsize,
    renewals: AtomicUsize,
    retaining: AtomicU64,
    panics: bool,
}

struct LeaderPort(Arc<Leader>);

impl LeaderShard for LeaderPort {
    fn read_changes(&self, request: ReadRequest) -> BoxStream<'static, Result<ReadResponse, Exception>> {
        let leader = Arc::clone(&self.0);
        async move {
            assert!(!leader.panics, "the leader's client has a bug");
            let attempt = leader.reads.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(20)).await;
            if leader.flaky && attempt.is_multiple_of(3) {
                return Err(retryable());
            }
            let from = request.from.get() as usize;
            if from >= leader.history.len() {
                tokio::time::sleep(request.poll_timeout).await;
            }
            let frames = leader
                .history
                .iter()
                .skip(from)
                .take(request.max_operation_count as usize)
                .cloned()
                .collect();
            let checkpoint = (leader.history.len() as u64).checked_sub(1).map(SeqNo::new);
            Ok(ReadResponse {
                frames,
                next_operation_size: None,
                global_checkpoint: checkpoint,
                max_seq_no: checkpoint,
                max_seq_no_of_updates_or_deletes: None,
                mapping_version: 2,
                settings_version: 2,
                aliases_version: 2,
                took: Duration::from_millis(1),
                leader_now: UnixMillis::new(2_000_000),
                stays_open: false,
            })
        }
        .into_stream()
        .boxed()
    }

    fn read_held(
        &self,
        _request: HeldReadRequest,
    ) -> BoxFuture<'static, Result<HeldReadResponse, Exception>> {
        unimplemented!("this leader removes nothing")
    }

    fn read_live_set(&self) -> BoxFuture<'static, Result<LiveSetResponse, Exception>> {
        unimplemented!("this leader removes nothing")
    }

    fn renew_retention_lease(&self, retaining: SeqNo) -> BoxFuture<'static, Result<(), Exception>> {
        self.0.renewals.fetch_add(1, Ordering::SeqCst);
        self.0.retaining.store(retaining.get(), Ordering::SeqCst);
        async { Ok(()) }.boxed()
    }

    fn add_retention_lease(&self, _retaining: SeqNo) -> BoxFuture<'static, Result<(), Exception>> {
        async { Ok(()) }.boxed()
    }
}

#[derive(Default)]
struct Follower {
    log: Mutex<Vec<Frame>>,
    unfinished: AtomicUsize,
}

struct FollowerPort(Arc<Follower>);

impl FollowerShard for FollowerPort {
    fn state(&self) -> BoxFuture<'static, Result<FollowerState, Exception>> {
        let last = (self.0.log.lock().len() as u64).checked_sub(1).map(SeqNo::new);
        async move {
            Ok(FollowerState {
                history_uuid: history(),
                global_checkpoint: last,
                max_seq_no: last,
            })
        }
        .boxed()
    }

    fn append(&self, frames: Vec<Frame>) -> BoxFuture<'static, Result<AppendResponse, Exception>> {
        let mut log = self.0.log.lock();
        assert_eq!(
            frames.first().map(|frame| frame.seq_no().get()),
            Some(log.len() as u64),
            "append out of order"
        );
        log.extend(frames);
        let last = Some(SeqNo::new(log.len() as u64 - 1));
        drop(log);
        self.0.unfinished.fetch_add(1, Ordering::SeqCst);
        let follower = Arc::clone(&self.0);
        async move {
            tokio::time::sleep(Duration::from_millis(50)).await;
            follower.unfinished.fetch_sub(1, Ordering::SeqCst);
            Ok(AppendResponse {
                global_checkpoint: None,
                max_seq_no: last,
            })
        }
        .boxed()
    }

    fn begin_heal(&self) -> BoxFuture<'static, Result<SeqNo, Exception>> {
        unimplemented!("nothing is missing")
    }

    fn stage_heal(&self, _: SeqNo, _: Vec<Frame>, _: SeqNo) -> BoxFuture<'static, Result<SeqNo, Exception>> {
        unimplemented!("nothing is missing")
    }

    fn install_heal(&self, _: LiveSnapshot) -> BoxFuture<'static, Result<FollowerState, Exception>> {
        unimplemented!("nothing is missing")
    }
}

pub(crate) struct Metadata;

impl MetadataSync for Metadata {
    fn sync_mapping(&self, required: u64) -> BoxFuture<'static, Result<u64, Exception>> {
        async move { Ok(required.max(1)) }.boxed()
    }

    fn sync_settings(&self, required: u64) -> BoxFuture<'static, Result<u64, Exception>> {
        self.sync_mapping(required)
    }

    fn sync_aliases(&self, required: u64) -> BoxFuture<'static, Result<u64, Exception>> {
        self.sync_mapping(required)
    }
}

pub(crate) struct Running {
    tracker: TaskTracker,
    pub(crate) handle: FollowTaskHandle,
    leader: Arc<Leader>,
    follower: Arc<Follower>,
    budget: Arc<InflightBudget>,
}

fn leader(operations: u64, flaky: bool, panics: bool) -> Leader {
    Leader {
        history: frames(0..operations),
        flaky,
        panics,
        reads: AtomicUsize::new(0),
        renewals: AtomicUsize::new(0),
        retaining: AtomicU64::new(0),
    }
}

pub(crate) fn start(operations: u64, flaky: bool, panics: bool, budget: ByteCount) -> Running {
    start_polling(operations, flaky, panics, budget, None)
}

/// The same with a poll timeout of one's own.
pub(crate) fn start_polling(
    operations: u64,
    flaky: bool,
    panics: bool,
    budget: ByteCount,
    read_poll_timeout: Option<String>,
) -> Running {
    let leader = Arc::new(leader(operations, flaky, panics));
    let follower = Arc::new(Follower::default());
    let budget = InflightBudget::new(budget);
    let ports = FollowTaskPorts {
        leader: Arc::new(LeaderPort(Arc::clone(&leader))),
        follower: Arc::new(FollowerPort(Arc::clone(&follower))),
        metadata: Arc::new(Metadata),
        clock: Arc::new(TokioClock(tokio::time::Instant::now())),
        budget: Arc::clone(&budget),
    };
    let raw = RawFollowParameters {
        max_read_request_operation_count: Some(50),
        max_write_request_operation_count: Some(20),
        read_poll_timeout,
        ..Default::default()
    };
    let tracker = TaskTracker::new();
    let task = FollowTask::new(config(raw));
    let handle = FollowTaskDriver::spawn(&tracker, task, ports, CancellationToken::new());
    Running {
        tracker,
        handle,
        leader,
        follower,
        budget,
    }
}

#[tokio::test(start_paused = true)]
async fn a_follower_catches_up_and_stops_when_told() {
    for (operations, flaky, budget) in [
        (2000, false, DEFAULT_MAX_INFLIGHT_BYTES),
        (2000, true, DEFAULT_MAX_INFLIGHT_BYTES),
        // Hardly a single operation fits.
        (200, true, ByteCount::new(100)),
    ] {
        let running = start(operations, flaky, false, budget);
        let caught_up = async {
            while running.handle.status().follower_global_checkpoint != Some(SeqNo::new(operations - 1)) {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(600), caught_up)
            .await
            .unwrap();
        assert_eq!(*running.follower.log.lock(), running.leader.history);
        tokio::time::sleep(Duration::from_secs(100)).await;
        let status = running.handle.status();
        assert_eq!(
            (status.phase, status.follower_mapping_version),
            (FollowTaskPhase::Following, 2)
        );
        assert!(flaky || status.follower_to_leader_lag_millis == 0, "{status:?}");
        assert!(
            running.leader.renewals.load(Ordering::SeqCst) >= 3,
            "renewed while idle too"
        );
        assert_eq!(running.leader.retaining.load(Ordering::SeqCst), operations);
        assert!(
            running.budget.in_use() <= LOWEST_READ_SIZE.min(budget),
            "more than a poll has set aside"
        );
        let before = tokio::time::Instant::now();
        running.handle.cancel();
        running.handle.wait().await;
        assert!(
            before.elapsed() < Duration::from_secs(1),
            "a poll under way must not hold up the end"
        );
        assert_eq!(running.handle.stopped().await, FollowTaskPhase::Cancelled);
        assert_eq!(running.budget.in_use(), ByteCount::ZERO);
        running.tracker.close();
        running.tracker.wait().await;
    }
}

/// Keeps every read open. The mapping becomes newer with the first operation, and with the sixth.
struct OpenLeader {
    inner: LeaderPort,
    opened: Arc<AtomicU64>,
    /// Held by every read that is there.
    alive: Arc<()>,
}

impl LeaderShard for OpenLeader {
    fn read_changes(&self, request: ReadRequest) -> BoxStream<'static, Result<ReadResponse, Exception>> {
        self.opened.fetch_add(1, Ordering::SeqCst);
        let alive = Arc::clone(&self.alive);
        let open = futures::stream::unfold((request.from.get(), alive), |(seq_no, alive)| async move {
            tokio::time::sleep(Duration::from_millis(10)).await;
            let answer = ReadResponse {
                mapping_version: if seq_no < 5 { 2 } else { 3 },
                stays_open: true,
                ..crate::harness::answer(seq_no..seq_no + 1, seq_no as i64)
            };
            Some((Ok(answer), (seq_no + 1, alive)))
        });
        open.boxed()
    }

    fn read_held(&self, request: HeldReadRequest) -> BoxFuture<'static, Result<HeldReadResponse, Exception>> {
        self.inner.read_held(request)
    }

    fn read_live_set(&self) -> BoxFuture<'static, Result<LiveSetResponse, Exception>> {
        self.inner.read_live_set()
    }

    fn renew_retention_lease(&self, retaining: SeqNo) -> BoxFuture<'static, Result<(), Exception>> {
        self.inner.renew_retention_lease(retaining)
    }

    fn add_retention_lease(&self, retaining: SeqNo) -> BoxFuture<'static, Result<(), Exception>> {
        self.inner.add_retention_lease(retaining)
    }
}

#[tokio::test(start_paused = true)]
async fn an_open_read_is_dropped_when_the_core_does_not_wait_for_it() {
    let (opened, alive) = (Arc::new(AtomicU64::new(0)), Arc::new(()));
    let follower = Arc::new(Follower::default());
    let ports = FollowTaskPorts {
        leader: Arc::new(OpenLeader {
            inner: LeaderPort(Arc::new(leader(0, false, false))),
            opened: Arc::clone(&opened),
            alive: Arc::clone(&alive),
        }),
        follower: Arc::new(FollowerPort(Arc::clone(&follower))),
        metadata: Arc::new(Metadata),
        clock: Arc::new(TokioClock(tokio::time::Instant::now())),
        budget: InflightBudget::new(DEFAULT_MAX_INFLIGHT_BYTES),
    };
    let task = FollowTask::new(config(RawFollowParameters::default()));
    let (driver, handle) = FollowTaskDriver::new(task, ports, CancellationToken::new());
    let watch = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(
            opened.load(Ordering::SeqCst),
            3,
            "one more whenever an answer waits for its metadata"
        );
        assert_eq!(
            Arc::strong_count(&alive),
            3,
            "of this test, the port and the last read"
        );
        assert!(follower.log.lock().len() > 100);
        handle.cancel();
    };
    tokio::join!(driver.run(), watch);
    assert_eq!(Arc::strong_count(&alive), 1, "the port is gone too");
}

#[tokio::test(start_paused = true)]
async fn appends_under_way_end_before_the_driver_does() {
    let running = start(2000, false, false, DEFAULT_MAX_INFLIGHT_BYTES);
    while running.follower.unfinished.load(Ordering::SeqCst) == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    running.handle.cancel();
    running.handle.wait().await;
    assert_eq!(running.follower.unfinished.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_a_visible_failure_and_the_handle_stays() {
    let running = start(10, false, true, DEFAULT_MAX_INFLIGHT_BYTES);
    assert_eq!(running.handle.stopped().await, FollowTaskPhase::Failed);
    let status = running.handle.status();
    assert_eq!(
        status.fatal_exception.map(|exception| exception.kind()),
        Some(ExceptionKind::Exception)
    );
    assert!(
        tokio::time::timeout(Duration::from_secs(60), running.handle.wait())
            .await
            .is_err(),
        "ended by itself"
    );
    running.handle.cancel();
    running.handle.wait().await;
}

/// Panics in one call, before there is a future.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Broken {
    State,
    Append,
    ReadChanges,
    RenewRetentionLease,
    SyncMapping,
}

struct BrokenPort {
    call: Broken,
    leader: LeaderPort,
    follower: FollowerPort,
}

impl BrokenPort {
    fn check(&self, call: Broken) {
        assert_ne!(self.call, call, "the port has a bug");
    }
}

impl LeaderShard for BrokenPort {
    fn read_changes(&self, request: ReadRequest) -> BoxStream<'static, Result<ReadResponse, Exception>> {
        self.check(Broken::ReadChanges);
        self.leader.read_changes(request)
    }

    fn read_held(&self, request: HeldReadRequest) -> BoxFuture<'static, Result<HeldReadResponse, Exception>> {
        self.leader.read_held(request)
    }

    fn read_live_set(&self) -> BoxFuture<'static, Result<LiveSetResponse, Exception>> {
        self.leader.read_live_set()
    }

    fn renew_retention_lease(&self, retaining: SeqNo) -> BoxFuture<'static, Result<(), Exception>> {
        self.check(Broken::RenewRetentionLease);
        self.leader.renew_retention_lease(retaining)
    }

    fn add_retention_lease(&self, retaining: SeqNo) -> BoxFuture<'static, Result<(), Exception>> {
        self.leader.add_retention_lease(retaining)
    }
}

impl FollowerShard for BrokenPort {
    fn state(&self) -> BoxFuture<'static, Result<FollowerState, Exception>> {
        self.check(Broken::State);
        self.follower.state()
    }

    fn append(&self, frames: Vec<Frame>) -> BoxFuture<'static, Result<AppendResponse, Exception>> {
        self.check(Broken::Append);
        self.follower.append(frames)
    }

    fn begin_heal(&self) -> BoxFuture<'static, Result<SeqNo, Exception>> {
        self.follower.begin_heal()
    }

    fn stage_heal(
        &self,
        from: SeqNo,
        frames: Vec<Frame>,
        next: SeqNo,
    ) -> BoxFuture<'static, Result<SeqNo, Exception>> {
        self.follower.stage_heal(from, frames, next)
    }

    fn install_heal(&self, snapshot: LiveSnapshot) -> BoxFuture<'static, Result<FollowerState, Exception>> {
        self.follower.install_heal(snapshot)
    }
}

impl MetadataSync for BrokenPort {
    fn sync_mapping(&self, required: u64) -> BoxFuture<'static, Result<u64, Exception>> {
        self.check(Broken::SyncMapping);
        Metadata.sync_mapping(required)
    }

    fn sync_settings(&self, required: u64) -> BoxFuture<'static, Result<u64, Exception>> {
        Metadata.sync_settings(required)
    }

    fn sync_aliases(&self, required: u64) -> BoxFuture<'static, Result<u64, Exception>> {
        Metadata.sync_aliases(required)
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_before_a_call_has_a_future_does_not_end_the_driver() {
    let calls = [
        (Broken::State, FollowTaskPhase::Failed),
        (Broken::Append, FollowTaskPhase::Failed),
        (Broken::ReadChanges, FollowTaskPhase::Failed),
        (Broken::SyncMapping, FollowTaskPhase::Failed),
        // A lease that cannot be renewed is shown and tried again.
        (Broken::RenewRetentionLease, FollowTaskPhase::Following),
    ];
    for (call, expected) in calls {
        let leader = Arc::new(Leader {
            history: frames(0..10),
            flaky: false,
            panics: false,
            reads: AtomicUsize::new(0),
            renewals: AtomicUsize::new(0),
            retaining: AtomicU64::new(0),
        });
        let port = Arc::new(BrokenPort {
            call,
            leader: LeaderPort(leader),
            follower: FollowerPort(Arc::new(Follower::default())),
        });
        let ports = FollowTaskPorts {
            leader: Arc::clone(&port) as Arc<dyn LeaderShard>,
            follower: Arc::clone(&port) as Arc<dyn FollowerShard>,
            metadata: port,
            clock: Arc::new(TokioClock(tokio::time::Instant::now())),
            budget: InflightBudget::new(DEFAULT_MAX_INFLIGHT_BYTES),
        };
        let tracker = TaskTracker::new();
        let task = FollowTask::new(config(RawFollowParameters::default()));
        let handle = FollowTaskDriver::spawn(&tracker, task, ports, CancellationToken::new());
        assert!(
            tokio::time::timeout(Duration::from_secs(60), handle.wait())
                .await
                .is_err(),
            "{call:?}: the driver ended by itself"
        );
        let status = handle.status();
        assert_eq!(status.phase, expected, "{call:?}");
        assert_eq!(
            status.fatal_exception.map(|exception| exception.kind()),
            (expected == FollowTaskPhase::Failed).then_some(ExceptionKind::Exception),
            "{call:?}"
        );
        handle.cancel();
        handle.wait().await;
    }
}
