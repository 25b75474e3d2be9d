//! The loop around the core: waits, steps, does what the core asks for. It decides nothing.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use es_exception::{Exception, ExceptionKind};
use futures::future::{self, BoxFuture};
use futures::stream::{self, BoxStream};
use futures::{FutureExt, StreamExt, TryFutureExt};
use oplog::Clock;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::event::{Action, Event, HealOutcome, HealWork, MetadataKind};
use crate::handle::FollowTaskHandle;
use crate::ids::{HealId, ReadId};
use crate::inflight_budget::{BudgetMember, InflightBudget};
use crate::log::{Line, TaskLog};
use crate::ports::{FollowerShard, LeaderShard, MetadataSync, ReadResponse};
use crate::status::FollowTaskPhase;
use crate::task::FollowTask;
use crate::time::Timestamp;

/// Everything outside of the core that a task works with.
#[derive(Clone)]
pub struct FollowTaskPorts {
    /// The shard that is followed.
    pub leader: Arc<dyn LeaderShard>,
    /// The shard that follows.
    pub follower: Arc<dyn FollowerShard>,
    /// Brings the follower index's metadata up to date.
    pub metadata: Arc<dyn MetadataSync>,
    /// Moves the core's time; must advance together with tokio's timers.
    pub clock: Arc<dyn Clock>,
    /// The bytes shared by all tasks of the node.
    pub budget: Arc<InflightBudget>,
}

/// A piece of work that ended.
struct Done {
    event: Event,
    /// What is to come of a read that its leader keeps open.
    rest: Option<(ReadId, ReadAnswers)>,
}

impl From<Event> for Done {
    fn from(event: Event) -> Self {
        Self { event, rest: None }
    }
}

type ReadAnswers = BoxStream<'static, Result<ReadResponse, Exception>>;

/// Runs one [`FollowTask`]: one loop that waits for a completion, for time to pass or for cancellation, steps the core, and
/// performs its actions in their order. Work in flight belongs to the driver and ends with it.
pub struct FollowTaskDriver {
    core: Arc<Mutex<FollowTask>>,
    ports: FollowTaskPorts,
    budget: BudgetMember,
    token: CancellationToken,
    /// Cuts off reads and lease renewals: when `token` is cancelled, and when the task has failed and wants no answer any more.
    droppable: CancellationToken,
    phase: watch::Sender<FollowTaskPhase>,
    work: JoinSet<Option<Done>>,
    log: TaskLog,
    /// Tells the handle that the driver is gone, however it went.
    _ended: DropGuard,
}

impl FollowTaskDriver {
    /// A driver that is yet to [`run`](Self::run), and the handle to watch and stop it. Cancelling `token` stops it too.
    #[must_use]
    pub fn new(
        core: FollowTask,
        ports: FollowTaskPorts,
        token: CancellationToken,
    ) -> (Self, FollowTaskHandle) {
        let (phase, watched) = watch::channel(core.phase());
        let log = TaskLog::new(core.identity().clone());
        let core = Arc::new(Mutex::new(core));
        let ended = CancellationToken::new();
        let handle = FollowTaskHandle::new(
            Arc::clone(&core),
            Arc::clone(&ports.clock),
            token.clone(),
            ended.clone(),
            watched,
        );
        let budget = ports.budget.join();
        let work = JoinSet::new();
        (
            Self {
                core,
                ports,
                budget,
                droppable: token.child_token(),
                token,
                phase,
                work,
                log,
                _ended: ended.drop_guard(),
            },
            handle,
        )
    }

    /// Runs a new driver as a task of `tracker`, which the caller awaits before its runtime ends.
    pub fn spawn(
        tracker: &TaskTracker,
        core: FollowTask,
        ports: FollowTaskPorts,
        token: CancellationToken,
    ) -> FollowTaskHandle {
        let (driver, handle) = Self::new(core, ports, token);
        tracker.spawn(driver.run());
        handle
    }

    /// Runs until the token is cancelled and all appends and metadata syncs under way have ended. Reads and lease renewals are dropped then.
    ///
    /// A task with a fatal failure keeps its driver, so that its state stays visible until someone cancels it.
    pub async fn run(mut self) {
        self.log.tell(&Line::Started);
        self.step(Event::Wake);
        let mut cancelled = false;
        while !(cancelled && self.work.is_empty()) {
            let wake = self.core.lock().next_wake();
            let done = tokio::select! {
                biased;
                () = self.token.cancelled(), if !cancelled => {
                    cancelled = true;
                    Some(Event::Cancel.into())
                }
                // A panic of the work itself was turned into an answer, so a failed join has nothing to tell.
                Some(joined) = self.work.join_next() => joined.ok().flatten(),
                () = sleep_until(wake, &*self.ports.clock), if wake.is_some() => Some(Event::Wake.into()),
            };
            let Some(Done { event, rest }) = done else {
                continue;
            };
            self.step(event);
            if let Some((id, answers)) = rest
                && self.core.lock().is_open(id)
            {
                self.next_answer(id, answers);
            }
        }
        self.log.tell(&Line::Stopped);
    }

    fn step(&mut self, event: Event) {
        let mut actions = Vec::new();
        let now = Timestamp::new(self.ports.clock.monotonic());
        let (phase, line) = {
            let mut core = self.core.lock();
            core.step(now, event, &mut actions);
            (core.phase(), self.log.observe(now, &core))
        };
        for action in actions {
            self.perform(action);
        }
        if let Some(line) = line {
            self.log.tell(&line);
        }
        if phase == FollowTaskPhase::Failed {
            self.droppable.cancel();
        }
        self.phase
            .send_if_modified(|shown| std::mem::replace(shown, phase) != phase);
    }

    fn perform(&mut self, action: Action) {
        let FollowTaskPorts {
            leader,
            follower,
            metadata,
            ..
        } = &self.ports;
        match action {
            Action::QueryFollowerState { id } => {
                let answer = start(|| follower.state());
                self.work_droppable(answer, move |result| Event::FollowerState { id, result });
            }
            Action::Read { id, request } => {
                let answers = catch(|| leader.read_changes(request));
                let answers =
                    answers.unwrap_or_else(|exception| stream::once(future::ready(Err(exception))).boxed());
                self.next_answer(id, answers);
            }
            Action::Append { id, frames } => {
                // Called here and not in the spawned task: the call takes the append's place in the order.
                let answer = start(|| follower.append(frames));
                self.work_to_the_end(answer, move |result| Event::AppendFinished { id, result });
            }
            Action::SyncMetadata { id, kind, required } => {
                let answer = start(|| match kind {
                    MetadataKind::Aliases => metadata.sync_aliases(required),
                    MetadataKind::Settings => metadata.sync_settings(required),
                    MetadataKind::Mapping => metadata.sync_mapping(required),
                });
                // To the end, since a settings sync may close the index for a while and must open it again.
                self.work_to_the_end(answer, move |result| Event::MetadataSynced { id, result });
            }
            Action::RenewRetentionLease { id, retaining } => {
                let answer = start(|| leader.renew_retention_lease(retaining));
                self.work_droppable(answer, move |result| Event::LeaseFinished { id, result });
            }
            Action::AddRetentionLease { id, retaining } => {
                // To the end: an addition cut off midway could put the lease back after an unfollow removed it.
                let answer = start(|| leader.add_retention_lease(retaining));
                self.work_to_the_end(answer, move |result| Event::LeaseFinished { id, result });
            }
            Action::Heal { id, work } => self.heal(id, work),
            Action::RequestBudget { id, request } => {
                let grant = self.budget.acquire(request);
                let token = self.droppable.clone();
                self.work.spawn(async move {
                    let bytes = token.run_until_cancelled_owned(grant).await?;
                    Some(Event::BudgetGranted { id, bytes }.into())
                });
            }
            Action::ReleaseBudget { bytes } => self.budget.release(bytes),
        }
    }

    fn heal(&mut self, id: HealId, work: HealWork) {
        let FollowTaskPorts { leader, follower, .. } = &self.ports;
        let event = move |result| Event::HealFinished { id, result };
        match work {
            HealWork::ReadHeld(request) => {
                let answer = start(|| leader.read_held(request)).map_ok(HealOutcome::Held);
                self.work_droppable(answer, event);
            }
            HealWork::ReadLiveSet => {
                let answer = start(|| leader.read_live_set());
                let answer = answer.map_ok(|response| HealOutcome::LiveSet(Box::new(response)));
                self.work_droppable(answer, event);
            }
            // Those of the follower to the end, so that two of them never run at once.
            HealWork::Begin => {
                let answer = start(|| follower.begin_heal()).map_ok(HealOutcome::Begun);
                self.work_to_the_end(answer, event);
            }
            HealWork::Stage { from, frames, next } => {
                let answer = start(|| follower.stage_heal(from, frames, next)).map_ok(HealOutcome::Staged);
                self.work_to_the_end(answer, event);
            }
            HealWork::Install(snapshot) => {
                let answer = start(|| follower.install_heal(*snapshot)).map_ok(HealOutcome::Installed);
                self.work_to_the_end(answer, event);
            }
        }
    }

    /// Waits for the next answer to a read. The one after it is not asked for before the core has taken note of this one.
    fn next_answer(&mut self, id: ReadId, mut answers: ReadAnswers) {
        let token = self.droppable.clone();
        self.work.spawn(async move {
            let answer = guarded(async { answers.next().await.unwrap_or_else(|| Err(no_answer())) });
            let result = token.run_until_cancelled_owned(answer).await?;
            let stays_open = result.as_ref().is_ok_and(|response| response.stays_open);
            Some(Done {
                event: Event::ReadAnswered { id, result },
                rest: stays_open.then_some((id, answers)),
            })
        });
    }

    /// Work that cancellation may cut off.
    fn work_droppable<T: Send + 'static>(
        &mut self,
        answer: impl Future<Output = Result<T, Exception>> + Send + 'static,
        event: impl FnOnce(Result<T, Exception>) -> Event + Send + 'static,
    ) {
        let token = self.droppable.clone();
        self.work.spawn(async move {
            let result = token.run_until_cancelled_owned(guarded(answer)).await?;
            Some(event(result).into())
        });
    }

    /// Work that is waited for even when the task is cancelled.
    fn work_to_the_end<T: Send + 'static>(
        &mut self,
        answer: impl Future<Output = Result<T, Exception>> + Send + 'static,
        event: impl FnOnce(Result<T, Exception>) -> Event + Send + 'static,
    ) {
        self.work
            .spawn(async move { Some(event(guarded(answer).await).into()) });
    }
}

/// Calls a port. A panic in the call itself, before there is a future, becomes that future's failure: on the driver's own stack it would end the
/// driver, and its task would look as if it still followed.
fn start<T: Send + 'static>(
    call: impl FnOnce() -> BoxFuture<'static, Result<T, Exception>>,
) -> BoxFuture<'static, Result<T, Exception>> {
    catch(call).unwrap_or_else(|exception| future::ready(Err(exception)).boxed())
}

fn catch<T>(call: impl FnOnce() -> T) -> Result<T, Exception> {
    std::panic::catch_unwind(AssertUnwindSafe(call)).map_err(|_| panicked())
}

/// Turns a panic into a failure of its own: a completion that never comes would leave the task waiting without a word.
async fn guarded<T>(answer: impl Future<Output = Result<T, Exception>>) -> Result<T, Exception> {
    AssertUnwindSafe(answer)
        .catch_unwind()
        .await
        .unwrap_or_else(|_| Err(panicked()))
}

/// A read that ends without the answer it announced: the line broke.
fn no_answer() -> Exception {
    Exception::new(
        ExceptionKind::ConnectTransport,
        "the read ended without an answer",
    )
}

fn panicked() -> Exception {
    Exception::new(
        ExceptionKind::Exception,
        "a panic ended the work of a shard follow task",
    )
}

async fn sleep_until(wake: Option<Timestamp>, clock: &dyn Clock) {
    if let Some(wake) = wake {
        tokio::time::sleep(wake.since(Timestamp::new(clock.monotonic()))).await;
    }
}
