//! A follower shard as its follow task sees it: the local copy, fed in order by one worker.

use std::sync::Arc;

use es_exception::{Exception, ExceptionKind};
use follow_task::{AppendResponse, FollowerShard, FollowerState};
use futures::future::BoxFuture;
use indices::IndicesService;
use oplog::{AppendTicket, Frame, LiveSnapshot, SeqNo, ShardId};
use shard::{Shard, ShardError};
use tokio::sync::{mpsc, oneshot};
use tokio_util::task::TaskTracker;

use crate::blocking::blocking;

/// The local copy of a followed shard.
///
/// Batches are appended by one worker in the order of the calls, so that the log stays gapless; waiting for one batch to be
/// written overlaps with appending the next. The worker ends when this value is dropped.
#[derive(Debug)]
pub(crate) struct LocalFollowerShard {
    indices: Arc<IndicesService>,
    shard: ShardId,
    /// Unbounded in type only: the follow task has at most `max_outstanding_write_requests` batches under way.
    batches: mpsc::UnboundedSender<Batch>,
}

#[derive(Debug)]
struct Batch {
    frames: Vec<Frame>,
    reply: oneshot::Sender<Result<AppendResponse, Exception>>,
}

impl LocalFollowerShard {
    /// A shard whose worker runs on `tasks`.
    pub(crate) fn new(indices: Arc<IndicesService>, shard: ShardId, tasks: &TaskTracker) -> Self {
        let (batches, queue) = mpsc::unbounded_channel();
        tasks.spawn(work(Arc::clone(&indices), shard.clone(), queue, tasks.clone()));
        Self {
            indices,
            shard,
            batches,
        }
    }

    /// Does a piece of work of a delta heal on a thread that may block.
    fn heal<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Shard) -> Result<T, ShardError> + Send + 'static,
    ) -> BoxFuture<'static, Result<T, Exception>> {
        let (indices, id) = (Arc::clone(&self.indices), self.shard.clone());
        Box::pin(async move {
            let shard = indices.shard(&id).map_err(told_apart)?;
            indices.check_room(&id, shard.index_name())?;
            blocking(move || work(&shard).map_err(|error| Exception::from(&error)))
                .await
                .map_err(told_apart)
        })
    }
}

fn state_of(shard: &Shard) -> FollowerState {
    FollowerState {
        history_uuid: shard.log().history_uuid(),
        global_checkpoint: shard.log().durable_checkpoint(),
        max_seq_no: shard.log().max_seq_no(),
    }
}

impl FollowerShard for LocalFollowerShard {
    fn state(&self) -> BoxFuture<'static, Result<FollowerState, Exception>> {
        let shard = self.indices.shard(&self.shard);
        Box::pin(async move {
            let shard = shard.map_err(told_apart)?;
            Ok(state_of(&shard))
        })
    }

    fn append(&self, frames: Vec<Frame>) -> BoxFuture<'static, Result<AppendResponse, Exception>> {
        let (reply, answer) = oneshot::channel();
        // A worker that is gone drops `reply`, which the future below reports.
        let _ = self.batches.send(Batch { frames, reply });
        Box::pin(async move { answer.await.unwrap_or_else(|_| Err(worker_gone())) })
    }

    fn begin_heal(&self) -> BoxFuture<'static, Result<SeqNo, Exception>> {
        self.heal(|shard| shard.begin_heal())
    }

    fn stage_heal(
        &self,
        from: SeqNo,
        frames: Vec<Frame>,
        next: SeqNo,
    ) -> BoxFuture<'static, Result<SeqNo, Exception>> {
        self.heal(move |shard| shard.stage_heal(from, &frames, next))
    }

    fn install_heal(&self, snapshot: LiveSnapshot) -> BoxFuture<'static, Result<FollowerState, Exception>> {
        self.heal(move |shard| {
            shard.install_heal(&snapshot)?;
            Ok(state_of(shard))
        })
    }
}

async fn work(
    indices: Arc<IndicesService>,
    id: ShardId,
    mut queue: mpsc::UnboundedReceiver<Batch>,
    tasks: TaskTracker,
) {
    while let Some(Batch { frames, reply }) = queue.recv().await {
        match append(&indices, &id, frames).await {
            Ok((shard, ticket)) => {
                let (indices, id) = (Arc::clone(&indices), id.clone());
                tasks.spawn(async move {
                    // The follow task may have been stopped meanwhile; then nobody waits for the answer.
                    let _ = reply.send(written(&indices, &id, &shard, ticket).await);
                });
            }
            Err(error) => {
                let _ = reply.send(Err(error));
            }
        }
    }
}

/// Appends on a thread that may block, since a full tail or a full log buffer makes writers wait.
async fn append(
    indices: &Arc<IndicesService>,
    id: &ShardId,
    frames: Vec<Frame>,
) -> Result<(Arc<Shard>, Option<AppendTicket>), Exception> {
    let shard = indices.shard(id).map_err(told_apart)?;
    indices.check_room(id, shard.index_name())?;
    let appending = tokio::task::spawn_blocking(move || {
        let ticket = shard
            .append_frames(frames)
            .map_err(|error| Exception::from(&error))?;
        Ok((shard, ticket))
    });
    let appended = appending.await.unwrap_or_else(|_| Err(worker_gone()));
    appended.map_err(told_apart)
}

/// A copy whose operations are damaged takes nothing more: that ends the task, visibly, until a new one follows into the copy that takes its place.
/// Whatever else a shard failed from, it is opened again, and the task goes on.
fn told_apart(error: Exception) -> Exception {
    match error.caused_by() {
        Some(cause) if cause.kind() == ExceptionKind::CorruptIndex => cause.clone(),
        _ => error,
    }
}

async fn written(
    indices: &IndicesService,
    id: &ShardId,
    shard: &Shard,
    ticket: Option<AppendTicket>,
) -> Result<AppendResponse, Exception> {
    if let Some(ticket) = ticket {
        let durable = ticket.durable().await;
        durable.map_err(|error| broken(indices, id, &format!("operations could not be written: {error}")))?;
    }
    Ok(AppendResponse {
        global_checkpoint: shard.log().durable_checkpoint(),
        max_seq_no: shard.log().max_seq_no(),
    })
}

/// A log that failed takes nothing more until it is opened again. Then the follow task asks where the copy stands and goes on from there.
fn broken(indices: &IndicesService, id: &ShardId, reason: &str) -> Exception {
    indices.report_broken(id, reason);
    Exception::new(
        ExceptionKind::NoShardAvailable,
        format!("follower shard {id} failed and is opened again: {reason}"),
    )
}

fn worker_gone() -> Exception {
    Exception::new(
        ExceptionKind::AlreadyClosed,
        "the follower shard stopped taking operations; trying again",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_corrupt_copy_ends_the_task_and_one_that_failed_otherwise_does_not() {
        let failed = Exception::new(ExceptionKind::NoShardAvailable, "shard failed");
        assert!(told_apart(failed.clone()).is_retryable());
        let corrupt = failed.with_cause(Exception::new(ExceptionKind::CorruptIndex, "seq_no 3"));
        let fatal = told_apart(corrupt);
        assert_eq!(
            (fatal.kind(), fatal.reason(), fatal.is_retryable()),
            (ExceptionKind::CorruptIndex, "seq_no 3", false)
        );
    }
}
