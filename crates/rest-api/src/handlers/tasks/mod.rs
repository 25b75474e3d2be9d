//! The task management APIs: what runs on this node, how far it is, and ending it.

mod background;
mod listed;
mod rethrottle;

use std::time::Duration;

use es_exception::{Exception, ExceptionKind};
use serde_json::{Map, Value, json};

pub(crate) use background::{in_background, until_stopped};
pub(crate) use listed::{Listed, Selection, listed};
pub(crate) use rethrottle::{requests_per_second, rethrottle};

use super::node_filter::ROLES;
use super::recovery::host;
use crate::call::Call;
use crate::error_body::error_object;
use crate::reply::Reply;
use crate::tasks::{LIST_TASKS, TaskId};

/// The reason that Elasticsearch gives for a cancellation by this API.
const BY_USER: &str = "by user request";

/// `GET /_tasks`.
pub(crate) async fn list(call: Call) -> Result<Reply, Exception> {
    let selection = Selection::of(&call)?;
    let (tasks, failures) = settled(&call, listed(&call, &selection)?).await?;
    answer(&call, &tasks, &failures)
}

/// The tasks as they are when they have ended or `timeout` has passed, if that is waited for; and whether some have not ended.
pub(crate) async fn settled(
    call: &Call,
    tasks: Vec<Listed>,
) -> Result<(Vec<Listed>, Vec<Exception>), Exception> {
    let timeout = call.params.timeout("timeout")?.duration();
    if !call.params.flag("wait_for_completion", false)? {
        return Ok((tasks, Vec::new()));
    }
    let late = wait_for(&tasks, timeout).await.err();
    let tasks = tasks.into_iter().map(|task| again(call, task)).collect();
    Ok((tasks, late.into_iter().collect()))
}

/// `POST /_tasks/_cancel` and `/_tasks/{task_id}/_cancel`. Tasks that cannot be cancelled are passed over unless they are named by their id.
pub(crate) async fn cancel(call: Call) -> Result<Reply, Exception> {
    let timeout = call.params.timeout("timeout")?.duration();
    let waits = call.params.flag("wait_for_completion", false)?;
    let selection = Selection::of(&call)?;
    let tasks = match call.segment("task_id") {
        None => listed(&call, &selection)?,
        Some(id) => match find(&call, &id.parse()?)? {
            Ok(task) => vec![task],
            Err(missing) => return answer(&call, &[], &[missing]),
        },
    };
    let mut cancelled = Vec::new();
    let mut failures = Vec::new();
    for task in tasks {
        let outcome = match &task.request {
            Some(request) => request.cancel(BY_USER),
            None => Err(Exception::illegal_argument(format!(
                "task [{}] doesn't support cancellation: pause its follower index with [_ccr/pause_follow]",
                task.id
            ))),
        };
        match outcome {
            Ok(()) => cancelled.push(task),
            Err(refused) if call.segment("task_id").is_some() => failures.push(refused),
            Err(_) => {}
        }
    }
    if waits && let Err(late) = wait_for(&cancelled, timeout).await {
        failures.push(late);
    }
    let cancelled: Vec<Listed> = cancelled.into_iter().map(|task| again(&call, task)).collect();
    answer(&call, &cancelled, &failures)
}

/// `GET /_tasks/{task_id}`: a task that runs, or the result of one that nobody waited for.
pub(crate) async fn get(call: Call) -> Result<Reply, Exception> {
    let timeout = call.params.timeout("timeout")?.duration();
    let id: TaskId = call.segment("task_id").unwrap_or_default().parse()?;
    let human = call.human()?;
    if id.node != call.state.cluster().local_node_id().as_str() {
        let reason = format!(
            "task [{id}] belongs to the node [{}] which isn't part of the cluster and there is no record of the task",
            id.node
        );
        return Err(Exception::new(ExceptionKind::ResourceNotFound, reason));
    }
    let mut completed = false;
    let running = match find(&call, &id)? {
        Err(_) => None,
        Ok(task) if call.params.flag("wait_for_completion", false)? => {
            let tasks = [task];
            wait_for(&tasks, timeout).await?;
            completed = true;
            let [task] = tasks;
            Some(again(&call, task))
        }
        Ok(task) => Some(task),
    };
    if let Some(finished) = call.state.tasks().finished(id.number) {
        let mut object = json!({"completed": true, "task": finished.task});
        match &finished.outcome {
            Ok(response) => object["response"] = response.clone(),
            Err(error) => object["error"] = error.clone(),
        }
        return Reply::ok(&object);
    }
    match running {
        Some(task) => Reply::ok(&json!({"completed": completed, "task": task.to_json(true, human)})),
        None => Err(Exception::new(
            ExceptionKind::ResourceNotFound,
            format!("task [{id}] isn't running and hasn't stored its results"),
        )),
    }
}

/// The task of an id; inside, why there is none.
fn find(call: &Call, id: &TaskId) -> Result<Result<Listed, Exception>, Exception> {
    let node = call.state.cluster().local_node_id();
    if id.node != node.as_str() {
        let reason = format!("no such node [{}]", id.node);
        return Ok(Err(Exception::new(ExceptionKind::NoSuchNode, reason)));
    }
    if let Some(task) = call.state.tasks().get(id.number) {
        return Ok(Ok(Listed::request(&call.state, task)));
    }
    let followers = listed::follow_tasks(&call.state, call.human()?)?;
    let found = followers.into_iter().find(|task| task.id.number == id.number);
    Ok(found.ok_or_else(|| {
        let reason = format!("task [{id}] is not found");
        Exception::new(ExceptionKind::ResourceNotFound, reason)
    }))
}

/// The task as it is now.
fn again(call: &Call, task: Listed) -> Listed {
    match task.request {
        Some(request) => Listed::request(&call.state, request),
        None => task,
    }
}

/// Waits until all of the tasks have ended. Follow tasks never do, and requests that list tasks are not waited for: they might wait for each other.
async fn wait_for(tasks: &[Listed], timeout: Duration) -> Result<(), Exception> {
    let all = async {
        for task in tasks.iter().filter(|task| task.action != LIST_TASKS) {
            match &task.request {
                Some(request) => request.ended().await,
                None => std::future::pending().await,
            }
        }
    };
    tokio::time::timeout(timeout, all).await.map_err(|_| {
        let waiting = tasks.iter().map(|task| task.id.to_string());
        let waiting = waiting.collect::<Vec<_>>().join(", ");
        let reason = format!("timed out waiting for completion of tasks [{waiting}]");
        Exception::new(ExceptionKind::Timeout, reason)
    })
}

/// Source: elasticsearch-specification, `tasks/_types/TaskListResponseBase.ts`.
fn answer(call: &Call, tasks: &[Listed], failures: &[Exception]) -> Result<Reply, Exception> {
    let detailed = call.params.flag("detailed", false)?;
    let human = call.human()?;
    let node = call.state.cluster().local_node();
    let mut object = Map::new();
    if !failures.is_empty() {
        let failed = failures.iter().map(|failure| {
            json!({
                "type": "failed_node_exception",
                "reason": format!("Failed node [{}]", node.id),
                "node_id": node.id,
                "caused_by": error_object(failure),
            })
        });
        object.insert("node_failures".to_owned(), failed.collect());
    }
    let shown = tasks
        .iter()
        .map(|task| (task.id.to_string(), task.to_json(detailed, human)));
    match call.params.text("group_by").unwrap_or("nodes") {
        "nodes" => {
            let mut nodes = Map::new();
            if !tasks.is_empty() {
                let mut object = json!({"name": node.name, "roles": ROLES});
                if let (Some(address), Some(host)) = (&node.transport_address, host(&node)) {
                    object["transport_address"] = address.as_str().into();
                    object["host"] = host.into();
                    object["ip"] = address.as_str().into();
                }
                object["tasks"] = Value::Object(shown.collect());
                nodes.insert(node.id.to_string(), object);
            }
            object.insert("nodes".to_owned(), Value::Object(nodes));
        }
        // No task has a parent.
        "parents" => {
            object.insert("tasks".to_owned(), Value::Object(shown.collect()));
        }
        "none" => {
            object.insert("tasks".to_owned(), shown.map(|(_, task)| task).collect());
        }
        other => {
            let reason = format!("[group_by] must be one of nodes, parents, none, but was [{other}]");
            return Err(Exception::illegal_argument(reason));
        }
    }
    Reply::ok(&Value::Object(object))
}
