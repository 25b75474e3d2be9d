//! `GET /_cat/tasks`.

use es_exception::Exception;

use super::health::time_of_day;
use super::table::{Cell, Column, answer};
use crate::call::Call;
use crate::handlers::recovery::{host, millis};
use crate::handlers::tasks::{Selection, listed, settled};
use crate::reply::Reply;

/// Parameters that choose tasks.
pub(crate) const TASKS: &[&str] = &["actions", "detailed", "nodes", "node_id", "parent_task_id"];

macro_rules! columns {
    ($description:expr) => {
        &[
            Column::text("id", &[], "number of the task on its node").hidden(),
            Column::text("action", &["ac"], "task action"),
            Column::text("task_id", &["ti"], "unique task id"),
            Column::text("parent_task_id", &["pti"], "parent task id"),
            Column::text("type", &["ty"], "task type"),
            Column::number("start_time", &["start"], "start time in ms"),
            Column::text("timestamp", &["ts", "hms", "hhmmss"], "start time in HH:MM:SS"),
            Column::number("running_time_ns", &["time_ns"], "running time ns").hidden(),
            Column::number("running_time", &["time"], "running time"),
            Column::text("node_id", &["ni"], "unique node id").hidden(),
            Column::text("ip", &["i"], "ip address"),
            Column::text("node", &["n"], "node name"),
            Column::text("x_opaque_id", &["x"], "X-Opaque-ID header").hidden(),
            $description,
        ]
    };
}

const COLUMNS: &[Column] = columns!(Column::text("description", &["desc"], "task description").hidden());
const DETAILED: &[Column] = columns!(Column::text("description", &["desc"], "task description"));

/// One row per task.
pub(crate) async fn tasks(call: Call) -> Result<Reply, Exception> {
    let selection = Selection::of(&call)?;
    // Those that did not end in time are listed as they are.
    let (tasks, _) = settled(&call, listed(&call, &selection)?).await?;
    let node = call.state.cluster().local_node();
    let columns = match call.params.flag("detailed", false)? {
        true => DETAILED,
        false => COLUMNS,
    };
    answer(&call, columns, || {
        let rows = tasks.iter().map(|task| {
            let request = task.request.as_ref();
            let started = request.map(|request| request.started_at.get());
            let running = task.running;
            let opaque_id = request.and_then(|request| request.opaque_id.as_deref());
            vec![
                task.id.number.into(),
                task.action.into(),
                task.id.to_string().into(),
                "-".into(),
                task.kind().into(),
                started.map_or(Cell::Empty, Cell::from),
                started.map_or(Cell::Empty, |started| time_of_day(started / 1000).into()),
                running.map_or(Cell::Empty, |running| {
                    Cell::Number(i128::try_from(running.as_nanos()).unwrap_or(i128::MAX))
                }),
                running.map_or(Cell::Empty, |running| Cell::Time(millis(running))),
                node.id.as_str().into(),
                host(&node).map_or(Cell::Empty, Cell::from),
                node.name.as_str().into(),
                opaque_id.map_or(Cell::Empty, Cell::from),
                task.description.as_str().into(),
            ]
        });
        Ok(rows.collect())
    })
}
