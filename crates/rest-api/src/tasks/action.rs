//! Which requests are tasks, and under which of Elasticsearch's names.

use crate::call::Call;
use crate::route::Verb;

/// Bytes of a request's body that its task shows.
const SHOWN_BODY: usize = 1024;

/// How a task ends before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cancellation {
    /// Not at all.
    Never,
    /// Its request is answered at once with `task_cancelled_exception`.
    AtOnce,
    /// It ends by itself between two batches, and answers what it did.
    BetweenBatches,
}

/// What the task of a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Action {
    /// Elasticsearch's name of the action.
    pub(crate) name: &'static str,
    pub(crate) cancellation: Cancellation,
}

/// The action of a request that lists tasks. It lists itself, too, but does not wait for itself.
pub(crate) const LIST_TASKS: &str = "cluster:monitor/tasks/lists";

/// The action of the requests of a route; `None` for those that do not last.
pub(crate) fn of(path: &str, verb: Verb) -> Option<Action> {
    use Cancellation::{AtOnce, BetweenBatches, Never};
    let path = path.strip_prefix("/{index}").unwrap_or(path);
    let (name, cancellation) = match (path, verb) {
        ("/_search" | "/_count", _) => ("indices:data/read/search", AtOnce),
        ("/_msearch", _) => ("indices:data/read/msearch", AtOnce),
        ("/_search/scroll" | "/_search/scroll/{scroll_id}", Verb::Get | Verb::Post) => {
            ("indices:data/read/scroll", AtOnce)
        }
        ("/_bulk", _) => ("indices:data/write/bulk", Never),
        ("/_delete_by_query", _) => ("indices:data/write/delete/byquery", BetweenBatches),
        ("/_update_by_query", _) => ("indices:data/write/update/byquery", BetweenBatches),
        ("/_reindex", _) => ("indices:data/write/reindex", BetweenBatches),
        ("/_forcemerge", _) => ("indices:admin/forcemerge", Never),
        ("/_refresh", _) => ("indices:admin/refresh", Never),
        ("/_flush", _) => ("indices:admin/flush", Never),
        ("/_tasks" | "/_cat/tasks", _) => (LIST_TASKS, Never),
        _ => return None,
    };
    Some(Action { name, cancellation })
}

/// What a request is about, for people. By-query requests say it themselves.
pub(crate) fn describe(action: Action, call: &Call) -> String {
    let index = call.index();
    match action.name {
        "indices:data/write/bulk" => {
            format!("requests of [{}] bytes, indices[{index}]", call.body.len())
        }
        name if name.starts_with("indices:admin/") => format!("indices[{index}]"),
        LIST_TASKS => String::new(),
        _ => {
            let shown = &call.body[..call.body.len().min(SHOWN_BODY)];
            let shown = String::from_utf8_lossy(shown);
            let more = if call.body.len() > SHOWN_BODY { "..." } else { "" };
            format!("indices[{index}], source[{shown}{more}]")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_that_last_are_tasks() {
        let name = |path, verb| of(path, verb).map(|action| action.name);
        assert_eq!(name("/_search", Verb::Get), Some("indices:data/read/search"));
        assert_eq!(
            name("/{index}/_search", Verb::Post),
            Some("indices:data/read/search")
        );
        assert_eq!(name("/{index}/_bulk", Verb::Put), Some("indices:data/write/bulk"));
        assert_eq!(name("/_search/scroll", Verb::Delete), None);
        assert_eq!(name("/{index}", Verb::Put), None);
        assert_eq!(name("/_tasks", Verb::Get), Some(LIST_TASKS));
        assert_eq!(name("/_tasks/_cancel", Verb::Post), None);
    }
}
