//! `GET /{index}/_ccr/stats`: how every follow task is doing.

use std::collections::BTreeMap;
use std::time::Duration;

use cluster::IndexMetadata;
use es_exception::{Exception, ExceptionKind};
use follow_task::ShardFollowTaskStatus;

use crate::service::CcrService;

/// The follow tasks of one index, by shard number.
#[derive(Debug, Clone)]
pub struct IndexFollowStats {
    /// Name of the follower index.
    pub index: String,
    /// One for each shard, in order.
    pub shards: Vec<ShardFollowTaskStatus>,
    /// How long the leader keeps a retention lease without a renewal; `None` as long as its settings are not known.
    pub leader_retention_lease_period: Option<Duration>,
}

/// The tasks of the indices that `expression` names: a comma list of names and patterns.
///
/// # Errors
/// Resource not found if a name or list matches no task. `_all` and `*` match nothing without an error.
pub(crate) fn follow_stats(
    service: &CcrService,
    expression: &str,
) -> Result<Vec<IndexFollowStats>, Exception> {
    let wanted: Vec<&str> = expression
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .collect();
    let everything = wanted.is_empty() || wanted.iter().any(|part| *part == "_all" || *part == "*");
    let mut by_index: BTreeMap<String, Vec<ShardFollowTaskStatus>> = BTreeMap::new();
    for status in service.tasks.status() {
        let name = &status.identity.follower_index;
        if everything || wanted.iter().any(|pattern| matches(pattern, name)) {
            by_index.entry(name.clone()).or_default().push(status);
        }
    }
    if by_index.is_empty() && !everything {
        return Err(Exception::new(
            ExceptionKind::ResourceNotFound,
            format!("no shard follow tasks for follower indices [{expression}]"),
        ));
    }
    let state = service.cluster.state();
    let sorted = by_index.into_iter().map(|(index, mut shards)| {
        shards.sort_by_key(|status| status.identity.shard_id);
        let period = |index: &IndexMetadata| service.tasks.lease_period(&index.uuid);
        IndexFollowStats {
            leader_retention_lease_period: state.index(&index).and_then(|index| period(index)),
            index,
            shards,
        }
    });
    Ok(sorted.collect())
}

/// Whether `name` fits `pattern`, in which `*` stands for any text.
fn matches(pattern: &str, name: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else {
        return pattern == name;
    };
    let Some(mut name) = name.strip_prefix(head) else {
        return false;
    };
    let mut parts = rest.split('*').peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return name.ends_with(part);
        }
        let Some(at) = name.find(part) else { return false };
        name = &name[at + part.len()..];
    }
    true
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns_stand_for_any_text() {
        for (pattern, name, expected) in [
            ("orders", "orders", true),
            ("orders", "orders-2", false),
            ("orders*", "orders", true),
            ("*-copy", "orders-copy", true),
            ("*-copy", "copy", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("*", "", true),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }
}
