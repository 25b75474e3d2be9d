//! The auto-follow pattern APIs.

use std::collections::BTreeSet;

use cluster::ClusterState;
use es_exception::Exception;
use follow_task::{FollowParameters, RawFollowParameters};
use index_meta::{Settings, check_follow_overrides};
use transport::{ClusterAlias, ClusterMetadata, ClusterMetadataRequest, IndexSummary};

use super::validation::{unreachable_remote, validation_failed};
use crate::actions::follow::no_such_remote;
use crate::auto_follow::metadata::{
    StoredPattern, name_problems, pattern, patterns, with_active, with_pattern, without_pattern,
};
use crate::auto_follow::pattern::AutoFollowPattern;
use crate::auto_follow::verdict::{Followers, SkipReason, Verdict, judge};
use crate::service::CcrService;

/// The definition of an auto-follow pattern as it is asked for.
#[derive(Debug, Clone, Default)]
pub struct PutAutoFollowPatternRequest {
    /// Alias of the remote cluster. Required.
    pub remote_cluster: Option<String>,
    /// Names of leader indices, with `*`. Required, not empty.
    pub leader_index_patterns: Option<Vec<String>>,
    /// Names that are not followed, with `*`.
    pub leader_index_exclusion_patterns: Vec<String>,
    /// Names the followers, with `{{leader_index}}` for the name of the leader; absent means the same name.
    pub follow_index_pattern: Option<String>,
    /// Settings laid over the leader's; only ones that are not replicated.
    pub settings: Settings,
    /// The follow parameters as the user wrote them.
    pub parameters: RawFollowParameters,
    /// Whether indices are followed too that exist already (our addition).
    pub follow_existing_indices: bool,
}

/// What a pattern would do with an index of the remote cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreviewedIndex {
    /// The index of the remote cluster.
    pub leader_index: String,
    /// The name of its follower; `None` if it would not be followed.
    pub follower_index: Option<String>,
    /// Why it would not be followed; `None` if it would be.
    pub reason: Option<String>,
}

/// Puts the pattern `name`, or replaces it.
///
/// Source for the order of checks and for which existing indices are never followed: Elasticsearch.
pub(crate) async fn put(
    service: &CcrService,
    name: &str,
    request: PutAutoFollowPatternRequest,
) -> Result<(), Exception> {
    let pattern = validated(request, name_problems(name))?;
    let metadata = remote_metadata(service, &pattern.remote_cluster).await?;
    service
        .cluster
        .update("put auto-follow pattern", |state| {
            let stored = replacing(state, name, pattern.clone(), &metadata.indices);
            Ok((with_pattern(state, name, &stored), ()))
        })
        .await
}

/// Removes the pattern; its followers stay.
pub(crate) async fn delete(service: &CcrService, name: &str) -> Result<(), Exception> {
    service
        .cluster
        .update("delete auto-follow pattern", |state| {
            Ok((without_pattern(state, name)?, ()))
        })
        .await
}

/// Pauses the pattern or takes it up again.
pub(crate) async fn set_active(service: &CcrService, name: &str, active: bool) -> Result<(), Exception> {
    service
        .cluster
        .update("pause or resume auto-follow pattern", |state| {
            Ok((with_active(state, name, active)?, ()))
        })
        .await
}

/// The pattern `name`, or all by name.
pub(crate) fn get(
    service: &CcrService,
    name: Option<&str>,
) -> Result<Vec<(String, AutoFollowPattern)>, Exception> {
    let state = service.cluster.state();
    match name {
        Some(name) => Ok(vec![(name.to_owned(), pattern(&state, name)?.pattern)]),
        None => Ok(patterns(&state)
            .into_iter()
            .map(|(name, stored)| (name, stored.pattern))
            .collect()),
    }
}

/// What the pattern `name` does with the indices of its remote cluster that its pattern strings name.
pub(crate) async fn preview_stored(
    service: &CcrService,
    name: &str,
) -> Result<Vec<PreviewedIndex>, Exception> {
    let stored = pattern(&service.cluster.state(), name)?;
    let metadata = remote_metadata(service, &stored.pattern.remote_cluster).await?;
    Ok(preview_of(
        &service.cluster.state(),
        name,
        &stored,
        &metadata.indices,
    ))
}

/// The same for a pattern that is not put, under a name of its own.
pub(crate) async fn preview(
    service: &CcrService,
    request: PutAutoFollowPatternRequest,
) -> Result<Vec<PreviewedIndex>, Exception> {
    let pattern = validated(request, Vec::new())?;
    let metadata = remote_metadata(service, &pattern.remote_cluster).await?;
    let stored = StoredPattern {
        pattern,
        followed: BTreeSet::new(),
    };
    // A name that no pattern can have.
    Ok(preview_of(
        &service.cluster.state(),
        "_preview",
        &stored,
        &metadata.indices,
    ))
}

fn preview_of(
    state: &ClusterState,
    name: &str,
    stored: &StoredPattern,
    indices: &[IndexSummary],
) -> Vec<PreviewedIndex> {
    let (all, followers) = (patterns(state), Followers::of(state));
    let is_new = !all.contains_key(name);
    let of_index = |index: &IndexSummary| {
        let verdict = judge((name, stored), &all, index, &followers)?;
        let (follower_index, reason) = match verdict {
            Verdict::Follow(_) if is_new && !stored.pattern.follow_existing_indices => {
                (None, Some(SkipReason::Existing.to_string()))
            }
            Verdict::Follow(follower) => (Some(follower), None),
            Verdict::IsFollowed(follower) => (None, Some(format!("[{follower}] follows it already"))),
            Verdict::Skip(reason) => (None, Some(reason.to_string())),
            Verdict::Fail(exception) => (None, Some(exception.reason().to_owned())),
        };
        Some(PreviewedIndex {
            leader_index: index.name.clone(),
            follower_index,
            reason,
        })
    };
    indices.iter().filter_map(of_index).collect()
}

fn validated(
    request: PutAutoFollowPatternRequest,
    mut problems: Vec<String>,
) -> Result<AutoFollowPattern, Exception> {
    if request.remote_cluster.is_none() {
        problems.push("[remote_cluster] is missing".to_owned());
    }
    let leader_index_patterns = request.leader_index_patterns.unwrap_or_default();
    if leader_index_patterns.is_empty() {
        problems.push("[leader_index_patterns] is missing or empty".to_owned());
    }
    if let Err(out_of_range) = FollowParameters::try_from(request.parameters.clone()) {
        problems.extend(out_of_range);
    }
    validation_failed(&problems)?;
    check_follow_overrides(&request.settings).map_err(|error| {
        let reason = "can not put auto-follow pattern that could override leader settings";
        Exception::illegal_argument(format!("{reason}: {}", error.to_exception().reason()))
    })?;
    let alias = request.remote_cluster.unwrap_or_default();
    let remote_cluster: ClusterAlias = alias.parse().map_err(|_| no_such_remote(&alias))?;
    Ok(AutoFollowPattern {
        active: true,
        remote_cluster,
        leader_index_patterns,
        leader_index_exclusion_patterns: request.leader_index_exclusion_patterns,
        follow_index_pattern: request.follow_index_pattern,
        settings: request.settings,
        parameters: request.parameters,
        follow_existing_indices: request.follow_existing_indices,
    })
}

async fn remote_metadata(service: &CcrService, alias: &ClusterAlias) -> Result<ClusterMetadata, Exception> {
    let request = ClusterMetadataRequest {
        wait_for_version: None,
        timeout: service.settings.current().wait_for_metadata_timeout,
    };
    let remote = service.remotes.get(alias)?;
    let metadata = remote.cluster_metadata(request).await;
    metadata.map_err(|error| unreachable_remote(alias, error))
}

/// The pattern in place of the one that has the name now. What matches a pattern string that is new, and exists, is never followed; with
/// `follow_existing_indices` everything is that nobody here follows.
fn replacing(
    state: &ClusterState,
    name: &str,
    new: AutoFollowPattern,
    existing: &[IndexSummary],
) -> StoredPattern {
    let former = pattern(state, name).ok();
    let mut followed = former
        .as_ref()
        .map(|former| former.followed.clone())
        .unwrap_or_default();
    if new.follow_existing_indices {
        let followers = Followers::of(state);
        followed.retain(|leader| followers.is_followed(leader));
    } else {
        let known = former
            .map(|former| former.pattern.leader_index_patterns)
            .unwrap_or_default();
        let of_new_strings = AutoFollowPattern {
            leader_index_patterns: new
                .leader_index_patterns
                .iter()
                .filter(|pattern| !known.contains(pattern))
                .cloned()
                .collect(),
            ..new.clone()
        };
        let there = existing
            .iter()
            .filter(|index| of_new_strings.matching(index).is_some());
        followed.extend(there.map(|index| index.uuid.clone()));
    }
    StoredPattern {
        pattern: new,
        followed,
    }
}

#[cfg(test)]
mod tests {
    use es_exception::ExceptionKind;

    use super::*;

    fn request(patterns: &[&str], follow_existing_indices: bool) -> AutoFollowPattern {
        let request = PutAutoFollowPatternRequest {
            remote_cluster: Some("lisbon".to_owned()),
            leader_index_patterns: Some(patterns.iter().map(|name| (*name).to_owned()).collect()),
            leader_index_exclusion_patterns: vec!["*-debug".to_owned()],
            follow_existing_indices,
            ..PutAutoFollowPatternRequest::default()
        };
        validated(request, Vec::new()).unwrap()
    }

    fn index(name: &str) -> IndexSummary {
        IndexSummary {
            name: name.to_owned(),
            uuid: name.parse().unwrap(),
            open: true,
            all_primaries_active: true,
            hidden: false,
            system: false,
            data_stream: None,
            leader_index_uuid: None,
        }
    }

    #[test]
    fn what_exists_is_noted_for_the_pattern_strings_that_are_new() {
        let existing = ["logs-1", "logs-debug", "metrics-1"].map(index);
        let mut state = ClusterState::new("c", "u");
        let mut put = |patterns: &[&str], follow_existing: bool, existing: &[IndexSummary]| {
            let stored = replacing(&state, "p", request(patterns, follow_existing), existing);
            state = with_pattern(&state, "p", &stored);
            let noted: Vec<String> = stored.followed.iter().map(ToString::to_string).collect();
            noted.join(" ")
        };
        assert_eq!(put(&["logs-*"], false, &existing), "logs-1");
        // One that came later is not noted when the pattern is put again as it was, but when a new string matches it.
        let later = ["logs-1", "logs-2", "metrics-1"].map(index);
        assert_eq!(put(&["logs-*"], false, &later), "logs-1");
        assert_eq!(put(&["logs-*", "metrics-*"], false, &later), "logs-1 metrics-1");
        assert_eq!(put(&["l*"], false, &later), "logs-1 logs-2 metrics-1");
        // Nobody here follows any of them.
        assert_eq!(put(&["l*"], true, &later), "");
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        let request = PutAutoFollowPatternRequest {
            parameters: RawFollowParameters {
                max_outstanding_read_requests: Some(0),
                ..RawFollowParameters::default()
            },
            ..PutAutoFollowPatternRequest::default()
        };
        let long = "n".repeat(300);
        let exception = validated(request, name_problems(&format!("_a,{long}"))).unwrap_err();
        assert_eq!(exception.kind(), ExceptionKind::ActionRequestValidation);
        for text in [
            "comma",
            "underscore",
            "[303] bytes",
            "[remote_cluster]",
            "[leader_index_patterns]",
            "6: ",
        ] {
            assert!(exception.reason().contains(text), "{text}: {exception}");
        }
        let settings = Settings::from_json(&serde_json::json!({"index.number_of_shards": 3})).unwrap();
        let request = PutAutoFollowPatternRequest {
            remote_cluster: Some("lisbon".to_owned()),
            leader_index_patterns: Some(vec!["*".to_owned()]),
            settings,
            ..PutAutoFollowPatternRequest::default()
        };
        let refused = validated(request, Vec::new()).unwrap_err();
        assert!(
            refused.reason().contains("could override leader settings"),
            "{refused}"
        );
        assert!(refused.reason().contains("number_of_shards"), "{refused}");
    }
}
