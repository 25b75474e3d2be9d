//! Many tasks that share a budget while the follower's disk takes nothing (FT-2). Every byte of an operation is counted from its allocation to its end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use es_exception::Exception;
use follow_task::{
    AppendResponse, FollowTask, FollowTaskConfig, FollowTaskDriver, FollowTaskHandle, FollowTaskPorts,
    FollowerShard, FollowerState, HeldReadRequest, HeldReadResponse, InflightBudget, LeaderShard,
    LiveSetResponse, ReadRequest, ReadResponse,
};
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt};
use oplog::{ByteCount, Frame, LiveSnapshot, SeqNo, UnixMillis};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::driver::{Metadata, TokioClock};
use crate::harness::{config, frame, history, reads};

const TASKS: u64 = 500;
/// Operations of each leader shard.
const OPERATIONS: u64 = 2;
const OPERATION_SIZE: usize = 5 << 20;
const BUDGET: ByteCount = ByteCount::from_mib(256);

/// What is allocated for operations, now and at most.
#[derive(Default)]
struct Memory {
    now: AtomicU64,
    most: AtomicU64,
}

/// An operation's bytes.
struct Counted {
    bytes: Bytes,
    memory: Arc<Memory>,
}

impl Counted {
    fn frame(seq_no: u64, source: &[u8], memory: &Arc<Memory>) -> Frame {
        let bytes = frame(seq_no, source).bytes().clone();
        let length = bytes.len() as u64;
        let now = memory.now.fetch_add(length, Ordering::SeqCst) + length;
        memory.most.fetch_max(now, Ordering::SeqCst);
        let memory = Arc::clone(memory);
        Frame::verify(Bytes::from_owner(Self { bytes, memory })).unwrap()
    }
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.memory
            .now
            .fetch_sub(self.bytes.len() as u64, Ordering::SeqCst);
    }
}

struct Leader {
    source: Arc<Vec<u8>>,
    /// What the estimated size of each operation is.
    size: u64,
    memory: Arc<Memory>,
}

impl LeaderShard for Leader {
    fn read_changes(&self, request: ReadRequest) -> BoxStream<'static, Result<ReadResponse, Exception>> {
        let (source, size, memory) = (Arc::clone(&self.source), self.size, Arc::clone(&self.memory));
        async move {
            let from = request.from.get();
            if from >= OPERATIONS {
                tokio::time::sleep(request.poll_timeout).await;
            }
            // Time on the line.
            tokio::time::sleep(Duration::from_millis(20)).await;
            let fitting = request.max_response_size.get() / size;
            let last = OPERATIONS.min(from + fitting.min(request.max_operation_count.into()));
            let frames: Vec<Frame> = (from..last)
                .map(|seq_no| Counted::frame(seq_no, &source, &memory))
                .collect();
            let is_too_large = frames.is_empty() && from < OPERATIONS;
            Ok(ReadResponse {
                frames,
                next_operation_size: is_too_large.then_some(ByteCount::new(size)),
                global_checkpoint: Some(SeqNo::new(OPERATIONS - 1)),
                max_seq_no: Some(SeqNo::new(OPERATIONS - 1)),
                max_seq_no_of_updates_or_deletes: None,
                mapping_version: 1,
                settings_version: 1,
                aliases_version: 1,
                took: Duration::ZERO,
                leader_now: UnixMillis::new(2_000_000),
                stays_open: false,
            })
        }
        .into_stream()
        .boxed()
    }

    fn read_held(&self, _: HeldReadRequest) -> BoxFuture<'static, Result<HeldReadResponse, Exception>> {
        unimplemented!("this leader removes nothing")
    }

    fn read_live_set(&self) -> BoxFuture<'static, Result<LiveSetResponse, Exception>> {
        unimplemented!("this leader removes nothing")
    }

    fn renew_retention_lease(&self, _: SeqNo) -> BoxFuture<'static, Result<(), Exception>> {
        async { Ok(()) }.boxed()
    }

    fn add_retention_lease(&self, _: SeqNo) -> BoxFuture<'static, Result<(), Exception>> {
        async { Ok(()) }.boxed()
    }
}

/// A copy on a disk that takes nothing until it is told to.
struct Follower {
    applied: Arc<AtomicU64>,
    disk_works: watch::Receiver<bool>,
}

impl FollowerShard for Follower {
    fn state(&self) -> BoxFuture<'static, Result<FollowerState, Exception>> {
        let last = self.applied.load(Ordering::SeqCst).checked_sub(1).map(SeqNo::new);
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
        let (applied, mut disk_works) = (Arc::clone(&self.applied), self.disk_works.clone());
        async move {
            disk_works.wait_for(|works| *works).await.unwrap();
            let last = frames.last().map(Frame::seq_no);
            applied.fetch_add(frames.len() as u64, Ordering::SeqCst);
            Ok(AppendResponse {
                global_checkpoint: last,
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

#[tokio::test(start_paused = true)]
async fn five_hundred_followers_of_large_documents_on_a_stuck_disk_stay_within_the_budget() {
    let memory = Arc::new(Memory::default());
    let budget = InflightBudget::new(BUDGET);
    let source = Arc::new(vec![b'x'; OPERATION_SIZE]);
    let size = frame(0, &source).estimated_size();
    let (disk, disk_works) = watch::channel(false);
    let (tracker, token) = (TaskTracker::new(), CancellationToken::new());
    let clock = Arc::new(TokioClock(tokio::time::Instant::now()));
    let mut tasks: Vec<(FollowTaskHandle, Arc<AtomicU64>)> = Vec::new();
    for seed in 0..TASKS {
        let applied = Arc::new(AtomicU64::new(0));
        let ports = FollowTaskPorts {
            leader: Arc::new(Leader {
                source: Arc::clone(&source),
                size,
                memory: Arc::clone(&memory),
            }),
            follower: Arc::new(Follower {
                applied: Arc::clone(&applied),
                disk_works: disk_works.clone(),
            }),
            metadata: Arc::new(Metadata),
            clock: Arc::<TokioClock>::clone(&clock),
            budget: Arc::clone(&budget),
        };
        let config = FollowTaskConfig {
            seed,
            ..config(reads(64, 4))
        };
        let handle = FollowTaskDriver::spawn(&tracker, FollowTask::new(config), ports, token.clone());
        tasks.push((handle, applied));
    }
    let within_budget = Arc::new(AtomicBool::new(true));
    let (watched, within, end) = (Arc::clone(&budget), Arc::clone(&within_budget), token.clone());
    tracker.spawn(async move {
        while !end.is_cancelled() {
            if watched.in_use() > BUDGET {
                within.store(false, Ordering::SeqCst);
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });

    tokio::time::sleep(Duration::from_secs(300)).await;
    let stuck = memory.now.load(Ordering::SeqCst);
    assert!(
        stuck > BUDGET.get() / 2,
        "{stuck} bytes: the test must bring the budget to its limit"
    );
    let all_lag = tasks
        .iter()
        .all(|(task, _)| task.status().follower_to_leader_lagging_ops_count == OPERATIONS);
    assert!(
        all_lag,
        "also those that hold nothing know how far they are behind"
    );

    disk.send_replace(true);
    let caught_up = async {
        while !tasks
            .iter()
            .all(|(_, applied)| applied.load(Ordering::SeqCst) == OPERATIONS)
        {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(600), caught_up)
        .await
        .expect("somebody starves");
    let most = memory.most.load(Ordering::SeqCst);
    assert!(most <= BUDGET.get(), "{most} bytes of operations at once");
    assert!(
        within_budget.load(Ordering::SeqCst),
        "more was granted than there is"
    );

    token.cancel();
    tracker.close();
    tracker.wait().await;
    assert_eq!(
        (budget.in_use(), memory.now.load(Ordering::SeqCst)),
        (ByteCount::ZERO, 0),
        "all is given back"
    );
}
