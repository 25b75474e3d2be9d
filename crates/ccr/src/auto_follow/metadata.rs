//! Auto-follow patterns in the cluster state, with the leader indices that each has dealt with.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cluster::ClusterState;
use es_exception::{Exception, ExceptionKind};
use follow_task::RawFollowParameters;
use index_meta::Settings;
use oplog::IndexUuid;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use transport::ClusterAlias;

use super::pattern::AutoFollowPattern;

/// Where patterns lie among the custom metadata of the cluster state, before their names.
const PREFIX: &str = "auto_follow_pattern/";
/// Longest name in bytes of UTF-8. Source: Elasticsearch's limit.
const LONGEST_NAME: usize = 255;

/// A pattern and what it has dealt with.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct StoredPattern {
    pub(crate) pattern: AutoFollowPattern,
    /// Leader indices that are followed by this pattern, or never will be.
    pub(crate) followed: BTreeSet<IndexUuid>,
}

/// The record. Its fields are those of the API.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PatternRecord {
    active: bool,
    remote_cluster: String,
    leader_index_patterns: Vec<String>,
    leader_index_exclusion_patterns: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    follow_index_pattern: Option<String>,
    settings: Value,
    parameters: RawFollowParameters,
    follow_existing_indices: bool,
    followed_leader_index_uuids: BTreeSet<IndexUuid>,
}

impl StoredPattern {
    fn to_json(&self) -> Value {
        let Self { pattern, followed } = self;
        let record = PatternRecord {
            active: pattern.active,
            remote_cluster: pattern.remote_cluster.to_string(),
            leader_index_patterns: pattern.leader_index_patterns.clone(),
            leader_index_exclusion_patterns: pattern.leader_index_exclusion_patterns.clone(),
            follow_index_pattern: pattern.follow_index_pattern.clone(),
            settings: pattern.settings.to_flat_json(),
            parameters: pattern.parameters.clone(),
            follow_existing_indices: pattern.follow_existing_indices,
            followed_leader_index_uuids: followed.clone(),
        };
        serde_json::to_value(record).expect("a pattern is plain text and numbers")
    }

    fn from_json(name: &str, value: &Value) -> Result<Self, Exception> {
        let unreadable = |problem: String| {
            let reason = format!("stored auto-follow pattern [{name}] cannot be read: {problem}");
            Exception::new(ExceptionKind::IllegalState, reason)
        };
        let record = PatternRecord::deserialize(value).map_err(|error| unreadable(error.to_string()))?;
        let remote_cluster: ClusterAlias = record
            .remote_cluster
            .parse()
            .map_err(|_| unreadable(format!("remote cluster [{}]", record.remote_cluster)))?;
        let settings =
            Settings::from_json(&record.settings).map_err(|error| unreadable(error.to_string()))?;
        Ok(Self {
            pattern: AutoFollowPattern {
                active: record.active,
                remote_cluster,
                leader_index_patterns: record.leader_index_patterns,
                leader_index_exclusion_patterns: record.leader_index_exclusion_patterns,
                follow_index_pattern: record.follow_index_pattern,
                settings,
                parameters: record.parameters,
                follow_existing_indices: record.follow_existing_indices,
            },
            followed: record.followed_leader_index_uuids,
        })
    }
}

/// All patterns by name. One that cannot be read is told of in the log and left out: it must not stop the others.
pub(crate) fn patterns(state: &ClusterState) -> BTreeMap<String, StoredPattern> {
    let stored = state.customs.iter().filter_map(|(key, value)| {
        let name = key.strip_prefix(PREFIX)?;
        match StoredPattern::from_json(name, value) {
            Ok(pattern) => Some((name.to_owned(), pattern)),
            Err(error) => {
                tracing::error!(%error, "an auto-follow pattern is passed over");
                None
            }
        }
    });
    stored.collect()
}

/// The pattern called `name`.
///
/// # Errors
/// `resource_not_found_exception`; illegal state if it cannot be read.
pub(crate) fn pattern(state: &ClusterState, name: &str) -> Result<StoredPattern, Exception> {
    let stored = state.customs.get(&key(name)).ok_or_else(|| missing(name))?;
    StoredPattern::from_json(name, stored)
}

/// The state with the pattern `name` put there or replaced.
pub(crate) fn with_pattern(state: &ClusterState, name: &str, pattern: &StoredPattern) -> ClusterState {
    let mut next = state.clone();
    Arc::make_mut(&mut next.customs).insert(key(name), pattern.to_json());
    next
}

/// The state without the pattern `name`.
///
/// # Errors
/// `resource_not_found_exception`.
pub(crate) fn without_pattern(state: &ClusterState, name: &str) -> Result<ClusterState, Exception> {
    let mut next = state.clone();
    match Arc::make_mut(&mut next.customs).remove(&key(name)) {
        Some(_) => Ok(next),
        None => Err(missing(name)),
    }
}

/// The state in which the pattern `name` takes new indices or not. Being so already is no failure.
///
/// # Errors
/// `resource_not_found_exception`; illegal state if the pattern cannot be read.
pub(crate) fn with_active(state: &ClusterState, name: &str, active: bool) -> Result<ClusterState, Exception> {
    let mut stored = pattern(state, name)?;
    stored.pattern.active = active;
    Ok(with_pattern(state, name, &stored))
}

/// The state in which the leader indices `followed` are noted with the pattern, and those that are `gone` are forgotten. A pattern that is gone
/// meanwhile stays so.
pub(crate) fn with_followed(
    state: &ClusterState,
    name: &str,
    followed: &BTreeSet<IndexUuid>,
    gone: &BTreeSet<IndexUuid>,
) -> ClusterState {
    let Ok(mut stored) = pattern(state, name) else {
        return state.clone();
    };
    let before = stored.followed.clone();
    stored.followed.extend(followed.iter().cloned());
    stored.followed.retain(|uuid| !gone.contains(uuid));
    if stored.followed == before {
        return state.clone();
    }
    with_pattern(state, name, &stored)
}

/// What is wrong with a name, as validation tells it. Source: Elasticsearch's rules for names of patterns.
pub(crate) fn name_problems(name: &str) -> Vec<String> {
    let mut problems = Vec::new();
    if name.contains(',') {
        problems.push(format!(
            "auto-follow pattern name must not contain a comma [{name}]"
        ));
    }
    if name.starts_with('_') {
        problems.push(format!(
            "auto-follow pattern name must not start with an underscore [{name}]"
        ));
    }
    if name.len() > LONGEST_NAME {
        let length = name.len();
        problems.push(format!(
            "auto-follow pattern name is too long: [{length}] bytes, at most [{LONGEST_NAME}] are allowed"
        ));
    }
    problems
}

fn key(name: &str) -> String {
    format!("{PREFIX}{name}")
}

fn missing(name: &str) -> Exception {
    let reason = format!("auto-follow pattern [{name}] is missing");
    Exception::new(ExceptionKind::ResourceNotFound, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(remote: &str, followed: &[&str]) -> StoredPattern {
        StoredPattern {
            pattern: AutoFollowPattern {
                active: true,
                remote_cluster: remote.parse().unwrap(),
                leader_index_patterns: vec!["*".to_owned()],
                leader_index_exclusion_patterns: Vec::new(),
                follow_index_pattern: Some("{{leader_index}}-copy".to_owned()),
                settings: Settings::from_json(&serde_json::json!({"index.priority": 3})).unwrap(),
                parameters: RawFollowParameters {
                    max_outstanding_read_requests: Some(3),
                    ..RawFollowParameters::default()
                },
                follow_existing_indices: true,
            },
            followed: uuids(followed),
        }
    }

    fn uuids(names: &[&str]) -> BTreeSet<IndexUuid> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    #[test]
    fn what_is_put_is_found_again() {
        let state = ClusterState::new("c", "u");
        let one = stored("lisbon", &["a", "b"]);
        let state = with_pattern(&state, "p", &one);
        assert_eq!(pattern(&state, "p").unwrap(), one);
        let paused = with_active(&state, "p", false).unwrap();
        assert!(!pattern(&paused, "p").unwrap().pattern.active);
        assert!(patterns(&without_pattern(&state, "p").unwrap()).is_empty());
        for missing in [
            pattern(&state, "q").map(|_| ()),
            without_pattern(&state, "q").map(|_| ()),
        ] {
            assert_eq!(missing.unwrap_err().kind(), ExceptionKind::ResourceNotFound);
        }
    }

    #[test]
    fn a_note_of_older_metadata_forgets_nothing_that_came_since() {
        // `b` was noted while the worker looked at metadata in which `a` was gone and `b` not there yet.
        let state = with_pattern(&ClusterState::new("c", "u"), "p", &stored("lisbon", &["a", "b"]));
        let next = with_followed(&state, "p", &uuids(&["c"]), &uuids(&["a"]));
        assert_eq!(pattern(&next, "p").unwrap().followed, uuids(&["b", "c"]));
        let gone = with_followed(
            &without_pattern(&next, "p").unwrap(),
            "p",
            &uuids(&["c"]),
            &uuids(&[]),
        );
        assert!(patterns(&gone).is_empty());
    }
}
