//! Checks that several calls make.

use std::sync::Arc;

use cluster::{ClusterState, IndexMetadata};
use es_exception::{Exception, ExceptionKind};
use transport::{ClusterAlias, IndexMetadataRequest, RemoteClusters, RemoteIndexMetadata};

use crate::settings::CcrSettings;

/// One exception for everything that is wrong with a request. Source: Elasticsearch numbers all the problems in one reason.
pub(super) fn validation_failed(problems: &[String]) -> Result<(), Exception> {
    if problems.is_empty() {
        return Ok(());
    }
    let numbered: Vec<String> = problems
        .iter()
        .zip(1..)
        .map(|(problem, number)| format!("{number}: {problem};"))
        .collect();
    Err(Exception::new(
        ExceptionKind::ActionRequestValidation,
        format!("Validation Failed: {}", numbered.concat()),
    ))
}

/// The concrete index called `name`.
pub(super) fn concrete_index(state: &ClusterState, name: &str) -> Result<Arc<IndexMetadata>, Exception> {
    state
        .indices
        .get(name)
        .cloned()
        .ok_or_else(|| Exception::index_not_found(name))
}

/// Fetches the leader's metadata, and refuses a leader that cannot be followed.
///
/// # Errors
/// No such remote cluster; a status exception with its cause if the remote does not answer; index not found; index closed;
/// illegal argument for an alias or a data stream, or without soft deletes.
pub(crate) async fn leader_to_follow(
    remotes: &RemoteClusters,
    alias: &ClusterAlias,
    leader_index: &str,
    settings: &CcrSettings,
) -> Result<RemoteIndexMetadata, Exception> {
    let remote = remotes.get(alias)?;
    let request = IndexMetadataRequest {
        index: leader_index.to_owned(),
        min_mapping_version: None,
        min_settings_version: None,
        min_aliases_version: None,
        timeout: settings.wait_for_metadata_timeout,
    };
    let leader = remote
        .index_metadata(request)
        .await
        .map_err(|error| unreachable_remote(alias, error))?;
    if !leader.open {
        return Err(Exception::new(
            ExceptionKind::IndexClosed,
            format!("the leader index [{leader_index}] is closed; open it first"),
        )
        .with_index(leader_index));
    }
    let flat: serde_json::Value = serde_json::from_str(&leader.settings).unwrap_or_default();
    if flat
        .get("index.soft_deletes.enabled")
        .is_some_and(|value| value == "false" || value == false)
    {
        return Err(Exception::illegal_argument(format!(
            "leader index [{leader_index}] does not have soft deletes enabled, so its history cannot be followed"
        )));
    }
    Ok(leader)
}

/// A remote that does not answer is told apart from a remote that refuses.
pub(super) fn unreachable_remote(alias: &ClusterAlias, error: Exception) -> Exception {
    let gone = matches!(
        error.kind(),
        ExceptionKind::ConnectTransport
            | ExceptionKind::NoSeedNodeLeft
            | ExceptionKind::ReceiveTimeoutTransport
            | ExceptionKind::NodeClosed
    );
    if !gone {
        return error;
    }
    Exception::new(
        ExceptionKind::Status,
        format!("the remote cluster [{alias}] cannot be reached; see GET /_remote/info, then try again"),
    )
    .with_cause(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_problems_are_numbered_in_one_reason() {
        assert_eq!(validation_failed(&[]), Ok(()));
        let refusal =
            validation_failed(&["a is missing".into(), "b is missing".into()]).expect_err("two problems");
        assert_eq!(
            refusal.reason(),
            "Validation Failed: 1: a is missing;2: b is missing;"
        );
        assert_eq!(refusal.status(), 400);
    }

    #[test]
    fn a_remote_that_is_gone_is_told_apart_from_one_that_refuses() {
        let alias: ClusterAlias = "lisbon".parse().expect("an alias");
        let gone = unreachable_remote(&alias, Exception::new(ExceptionKind::ConnectTransport, "refused"));
        assert_eq!((gone.kind(), gone.status()), (ExceptionKind::Status, 400));
        assert_eq!(
            gone.caused_by().map(Exception::kind),
            Some(ExceptionKind::ConnectTransport)
        );
        let missing = unreachable_remote(&alias, Exception::index_not_found("orders"));
        assert_eq!(missing.kind(), ExceptionKind::IndexNotFound);
    }
}
