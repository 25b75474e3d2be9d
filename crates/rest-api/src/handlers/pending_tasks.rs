//! `GET /_cluster/pending_tasks`: changes of cluster state that are not committed yet.

use es_exception::Exception;
use serde_json::{Value, json};

use super::recovery::millis;
use crate::call::Call;
use crate::reply::Reply;
use crate::units::human_millis;

/// The priority of every change: they have their turn in the order in which they were asked for.
pub(crate) const PRIORITY: &str = "NORMAL";

/// Source: elasticsearch-specification, `cluster/pending_tasks/types.ts`.
pub(crate) async fn pending_tasks(call: Call) -> Result<Reply, Exception> {
    call.params.flag("local", false)?;
    let tasks = call.state.cluster().pending_tasks();
    let tasks = tasks.iter().map(|task| {
        let waited = millis(task.time_in_queue);
        json!({
            "insert_order": task.insert_order,
            "priority": PRIORITY,
            "source": task.source,
            "executing": task.executing,
            "time_in_queue_millis": waited,
            "time_in_queue": human_millis(waited),
        })
    });
    Reply::ok(&json!({"tasks": tasks.collect::<Value>()}))
}
