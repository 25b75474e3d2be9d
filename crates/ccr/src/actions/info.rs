//! `GET /{index}/_ccr/info`: which indices follow whom.

use es_exception::Exception;
use follow_task::RawFollowParameters;
use indices::ResolveOptions;

use crate::follower::origin::{FollowerOrigin, stored_parameters};
use crate::follower::tasks::follow_task_ids;
use crate::service::CcrService;

/// Followers are shown open or closed, hidden or not; a name that does not exist is an error.
const FOLLOWERS: ResolveOptions = ResolveOptions {
    expand_hidden: true,
    ..ResolveOptions::METADATA
};

/// One follower index.
#[derive(Debug, Clone, PartialEq)]
pub struct FollowerInfo {
    /// Name of the follower index.
    pub follower_index: String,
    /// Alias of the leader's cluster.
    pub remote_cluster: String,
    /// Name of the leader index.
    pub leader_index: String,
    /// The follow parameters while follow tasks exist, also ones that failed; `None` when paused.
    pub active_parameters: Option<RawFollowParameters>,
}

/// The followers among the indices that `expression` names, by name. Other indices are skipped.
pub(crate) fn follow_info(service: &CcrService, expression: &str) -> Result<Vec<FollowerInfo>, Exception> {
    let state = service.cluster.state();
    let mut followers = Vec::new();
    for index in service.indices.resolve(expression, &FOLLOWERS)? {
        let Some(origin) = FollowerOrigin::read(&index)? else {
            continue;
        };
        let active = !follow_task_ids(&state, &index.uuid).is_empty();
        followers.push(FollowerInfo {
            follower_index: index.name.clone(),
            remote_cluster: origin.remote_cluster.to_string(),
            leader_index: origin.leader_index,
            active_parameters: active.then(|| stored_parameters(&index)),
        });
    }
    followers.sort_by(|left, right| left.follower_index.cmp(&right.follower_index));
    Ok(followers)
}
