//! Requests that go on with nobody waiting for them.

use std::sync::Arc;

use es_exception::{Exception, ExceptionKind};
use serde_json::{Value, json};

use super::Listed;
use crate::call::Call;
use crate::error_body::error_object;
use crate::reply::Reply;
use crate::state::RestState;
use crate::tasks::{Cancellation, Finished, Task, TaskId};

/// Has `work`, which is the request of `call`, go on, and answers the id of its task. What it answers is kept for those who ask.
///
/// # Errors
/// `es_rejected_execution_exception` when too many such tasks run.
pub(crate) fn in_background(
    call: &Call,
    work: impl Future<Output = Result<Value, Exception>> + Send + 'static,
) -> Result<Reply, Exception> {
    let Some(handle) = call.task.clone() else {
        let reason = "a request without a task cannot go on with nobody waiting for it";
        return Err(Exception::new(ExceptionKind::IllegalState, reason));
    };
    let place = call.state.tasks().background_place()?;
    let id = TaskId {
        node: call.state.cluster().local_node_id().to_string(),
        number: handle.task.number,
    };
    let state = call.state.clone();
    call.state.work().spawn(async move {
        let outcome = until_stopped(&state, &handle.task, work).await;
        if let Err(error) = &outcome {
            tracing::warn!(task = handle.task.number, action = handle.task.action, %error, "task failed");
        }
        let outcome = outcome.map_err(|error| error_object(&error));
        let task = Listed::request(&state, Arc::clone(&handle.task)).to_json(true, false);
        handle.finish(Finished { task, outcome });
        drop(place);
    });
    Reply::ok(&json!({"task": id.to_string()}))
}

/// Carries out `work`; when the node is told to stop, its task is cancelled, and it ends as soon as it can.
pub(crate) async fn until_stopped<T>(state: &RestState, task: &Task, work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    tokio::select! {
        outcome = &mut work => outcome,
        () = state.tasks().stopped() => {
            if task.cancellation != Cancellation::Never
                && let Err(error) = task.cancel("the node is shutting down")
            {
                tracing::warn!(%error, "a task goes on while the node stops");
            }
            work.await
        }
    }
}
