//! One task as the APIs show it: a request of this node, or a shard follow task.

use std::sync::Arc;
use std::time::Duration;

use es_exception::Exception;
use indices::ByQueryControl;
use serde_json::{Map, Value, json};

use crate::call::Call;
use crate::handlers::by_query::printed_status;
use crate::handlers::ccr::shard_stats;
use crate::handlers::recovery::millis;
use crate::state::RestState;
use crate::tasks::{Cancellation, Task, TaskId};
use crate::units::human_millis;
use crate::wildcard::matches;

/// Elasticsearch's name of a shard follow task, with the suffix of persistent ones.
const FOLLOW: &str = "xpack/ccr/shard_follow_task[c]";

/// A task with what is known of it.
pub(crate) struct Listed {
    pub(crate) id: TaskId,
    pub(crate) action: &'static str,
    pub(crate) description: String,
    pub(crate) status: Option<Value>,
    /// The request, unless the task is a shard follow task.
    pub(crate) request: Option<Arc<Task>>,
    /// How long a request runs.
    pub(crate) running: Option<Duration>,
}

impl Listed {
    /// A request of this node.
    pub(crate) fn request(state: &RestState, task: Arc<Task>) -> Self {
        let now = state.clock().monotonic();
        let status = |control: &Arc<ByQueryControl>| {
            let mut status = printed_status(&control.status(), control.requests_per_second(), now);
            if let Some(reason) = task.cancel_reason() {
                status.insert("canceled".to_owned(), reason.into());
            }
            Value::Object(status)
        };
        Self {
            id: TaskId {
                node: state.cluster().local_node_id().to_string(),
                number: task.number,
            },
            action: task.action,
            description: task.description().to_owned(),
            status: task.by_query().map(status),
            running: Some(now.saturating_sub(task.started)),
            request: Some(task),
        }
    }

    /// `transport`, or `persistent` for what goes on after a restart.
    pub(crate) fn kind(&self) -> &'static str {
        match self.request {
            Some(_) => "transport",
            None => "persistent",
        }
    }

    /// Source: elasticsearch-specification, `tasks/_types/TaskListResponseBase.ts` (`TaskInfo`).
    pub(crate) fn to_json(&self, detailed: bool, human: bool) -> Value {
        let mut object = json!({
            "node": self.id.node,
            "id": self.id.number,
            "type": self.kind(),
            "action": self.action,
        });
        // How far replication has come is what its tasks are looked at for.
        if let Some(status) = self
            .status
            .as_ref()
            .filter(|_| detailed || self.request.is_none())
        {
            object["status"] = status.clone();
        }
        if detailed {
            object["description"] = self.description.as_str().into();
        }
        let mut headers = Map::new();
        let mut cancellable = false;
        if let (Some(task), Some(running)) = (&self.request, self.running) {
            object["start_time_in_millis"] = task.started_at.get().into();
            if human {
                object["running_time"] = human_millis(millis(running)).into();
            }
            object["running_time_in_nanos"] = u64::try_from(running.as_nanos()).unwrap_or(u64::MAX).into();
            cancellable = task.cancellation != Cancellation::Never;
            if let Some(id) = &task.opaque_id {
                headers.insert("X-Opaque-Id".to_owned(), id.as_str().into());
            }
            if cancellable {
                object["cancelled"] = task.cancel_reason().is_some().into();
            }
        }
        object["cancellable"] = cancellable.into();
        object["headers"] = Value::Object(headers);
        object
    }
}

/// Which tasks a request wants.
pub(crate) struct Selection<'a> {
    /// Names and patterns of actions; all when empty.
    pub(crate) actions: Vec<&'a str>,
    /// Whether the node is one of those that were asked for.
    pub(crate) here: bool,
    /// Whether only children of another task are wanted. No task here has a parent.
    pub(crate) children_only: bool,
}

impl<'a> Selection<'a> {
    /// Reads `actions`, `nodes` and `parent_task_id`.
    ///
    /// # Errors
    /// `illegal_argument_exception` for a malformed task id.
    pub(crate) fn of(call: &'a Call) -> Result<Self, Exception> {
        let params = &call.params;
        let parent = match params.text("parent_task_id") {
            None | Some("-1") => None,
            Some(text) => Some(text.parse::<TaskId>()?),
        };
        let mut nodes = params.list("nodes");
        nodes.extend(params.list("node_id"));
        let (state, local) = (call.state.cluster().state(), call.state.cluster().local_node());
        let selected = crate::handlers::node_filter::selected(&state, &local, &nodes);
        Ok(Self {
            actions: params.list("actions"),
            here: selected.iter().any(|node| node.id == local.id),
            children_only: parent.is_some(),
        })
    }

    fn wants(&self, action: &str) -> bool {
        let named = |pattern: &&str| *pattern == "_all" || matches(pattern, action);
        self.here && !self.children_only && (self.actions.is_empty() || self.actions.iter().any(named))
    }
}

/// The tasks of this node that `selection` wants, in order of their numbers.
///
/// # Errors
/// What follow stats cannot tell.
pub(crate) fn listed(call: &Call, selection: &Selection<'_>) -> Result<Vec<Listed>, Exception> {
    let state = &call.state;
    let mut tasks = Vec::new();
    if selection.wants(FOLLOW) {
        tasks.extend(follow_tasks(state, call.human()?)?);
    }
    let running = state.tasks().running().into_iter();
    let wanted = running.filter(|task| selection.wants(task.action));
    tasks.extend(wanted.map(|task| Listed::request(state, task)));
    tasks.sort_by_key(|task| task.id.number);
    Ok(tasks)
}

/// The shard follow tasks of this node. They are stopped by pausing their index, not by cancelling them.
///
/// # Errors
/// What follow stats cannot tell.
pub(crate) fn follow_tasks(state: &RestState, human: bool) -> Result<Vec<Listed>, Exception> {
    let cluster = state.cluster().state();
    let node = state.cluster().local_node_id().to_string();
    let mut described = Vec::new();
    for index in state.ccr().follow_stats("_all")? {
        let uuid = cluster
            .index(&index.index)
            .map(|index| index.uuid.to_string())
            .unwrap_or_default();
        for status in &index.shards {
            let stats = shard_stats(status, index.leader_retention_lease_period, human);
            described.push((format!("id={uuid}-{}", status.identity.shard_id), stats));
        }
    }
    let names: Vec<String> = described.iter().map(|(name, _)| name.clone()).collect();
    let numbers = state.tasks().numbers(&names);
    let tasks = described.into_iter().zip(numbers);
    Ok(tasks
        .map(|((description, stats), number)| Listed {
            id: TaskId {
                node: node.clone(),
                number,
            },
            action: FOLLOW,
            description,
            status: Some(stats),
            request: None,
            running: None,
        })
        .collect())
}
