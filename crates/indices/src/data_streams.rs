//! Data streams: creating, naming, deleting and promoting them.

use std::sync::Arc;

use cluster::ClusterState;
use cluster::change::{self, NewBackingIndex};
use es_exception::{Exception, ExceptionKind};
use index_meta::{DataStream, matches_wildcard};
use oplog::IndexUuid;

use crate::new_index::check_auto_create;
use crate::request::{ResolveOptions, ShardsAcknowledged};
use crate::service::IndicesService;

/// A data stream with its name.
#[derive(Debug, Clone, PartialEq)]
pub struct DataStreamInfo {
    /// Its name.
    pub name: String,
    /// The stream.
    pub stream: Arc<DataStream>,
}

impl IndicesService {
    /// Creates a data stream and its first backing index, and waits for the index's shards. The index template that matches the stream's name says what it is.
    ///
    /// # Errors
    /// As [`change::create_data_stream`]; also for a full disk.
    pub async fn create_data_stream(&self, name: &str) -> Result<ShardsAcknowledged, Exception> {
        self.create_data_stream_if(name, |_| Ok(())).await
    }

    /// As [`create_data_stream`](Self::create_data_stream), for a document that is written to it, if that is allowed. Somebody else may create it first.
    pub(crate) async fn auto_create_data_stream(&self, name: &str) -> Result<(), Exception> {
        match self
            .create_data_stream_if(name, |state| check_auto_create(state, name))
            .await
        {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == ExceptionKind::ResourceAlreadyExists => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn create_data_stream_if(
        &self,
        name: &str,
        mut allowed: impl FnMut(&ClusterState) -> Result<(), Exception> + Send,
    ) -> Result<ShardsAcknowledged, Exception> {
        let new = NewBackingIndex {
            uuid: IndexUuid::generate(),
            created_at: self.clock.now(),
        };
        // As it would be created now: what templates say is checked again when it is, but for what takes long.
        let (next, index) = change::create_data_stream(&self.state(), name, &new)?;
        let index = next.require_index(&index)?;
        self.check_new_analysis(&index.settings, &index.mapping).await?;
        self.disk.check(&index.name)?;
        let index = self
            .cluster
            .update(&format!("create-data-stream [{name}]"), |state| {
                allowed(state)?;
                change::create_data_stream(state, name, &new)
            })
            .await?;
        self.acknowledge(&index, &new.uuid).await
    }

    /// The data streams that `names` name, in order of their names: names and wildcards. Of `options` only matters whether wildcards match hidden ones.
    ///
    /// # Errors
    /// `index_not_found_exception` for a name that no data stream has.
    pub fn data_streams(
        &self,
        names: &[&str],
        options: &ResolveOptions,
    ) -> Result<Vec<DataStreamInfo>, Exception> {
        named(&self.state(), names, options)
    }

    /// Deletes the data streams that `names` name, with their backing indices.
    ///
    /// # Errors
    /// As [`data_streams`](Self::data_streams); `cluster_block_exception`.
    pub async fn delete_data_streams(
        &self,
        names: &[&str],
        options: &ResolveOptions,
    ) -> Result<(), Exception> {
        let now = self.clock.now();
        let deleted = self
            .cluster
            .update(&format!("delete-data-stream [{}]", names.join(",")), |state| {
                let found = named(state, names, options)?;
                let names: Vec<String> = found.iter().map(|found| found.name.clone()).collect();
                let indices = found.iter().flat_map(|found| found.stream.indices());
                let uuids: Vec<IndexUuid> = indices
                    .filter_map(|index| state.index(index))
                    .map(|index| index.uuid.clone())
                    .collect();
                Ok((change::delete_data_streams(state, &names, now)?, uuids))
            })
            .await?;
        self.wait_applied(self.state().version).await;
        for uuid in deleted {
            self.wait_closed(&uuid).await;
        }
        Ok(())
    }

    /// Makes a replicated data stream one of this cluster's own. Answers whether a template says what its next backing index is.
    ///
    /// # Errors
    /// `resource_not_found_exception`.
    pub async fn promote_data_stream(&self, name: &str) -> Result<bool, Exception> {
        self.cluster
            .update(&format!("promote-data-stream [{name}]"), |state| {
                let has_template = state.templates.compose_backing_index(name).is_ok();
                Ok((change::promote_data_stream(state, name)?, has_template))
            })
            .await
    }
}

fn named(
    state: &ClusterState,
    names: &[&str],
    options: &ResolveOptions,
) -> Result<Vec<DataStreamInfo>, Exception> {
    let is_pattern = |name: &str| name.contains('*') || name == "_all";
    if let Some(missing) = names
        .iter()
        .find(|name| !is_pattern(name) && !state.data_streams.contains_key(**name))
    {
        return Err(Exception::index_not_found(missing));
    }
    let is_named = |name: &str, stream: &DataStream| {
        names.iter().any(|wanted| match is_pattern(wanted) {
            false => *wanted == name,
            true => {
                let visible = !stream.hidden
                    || options.expand_hidden
                    || (wanted.starts_with('.') && name.starts_with('.'));
                visible && (*wanted == "_all" || matches_wildcard(wanted, name))
            }
        })
    };
    let found = state
        .data_streams
        .iter()
        .filter(|(name, stream)| is_named(name, stream));
    Ok(found
        .map(|(name, stream)| DataStreamInfo {
            name: name.clone(),
            stream: Arc::clone(stream),
        })
        .collect())
}

#[cfg(test)]
pub(crate) mod tests {
    use cluster::change::put_index_template;
    use index_meta::IndexTemplate;
    use oplog::UnixMillis;
    use serde_json::json;

    use super::*;

    /// `state` with data streams of these names, and whether each is hidden.
    pub(crate) fn with_streams(state: &ClusterState, streams: &[(&str, bool)]) -> ClusterState {
        streams.iter().fold(state.clone(), |state, (name, hidden)| {
            let json = json!({"index_patterns": [name], "data_stream": {"hidden": hidden}});
            let template = IndexTemplate::from_json(&json).unwrap();
            let state = put_index_template(&state, name, &template, true).unwrap();
            let new = NewBackingIndex {
                uuid: IndexUuid::generate(),
                created_at: UnixMillis::new(0),
            };
            change::create_data_stream(&state, name, &new).unwrap().0
        })
    }

    #[test]
    fn streams_are_named_by_names_and_wildcards() {
        let state = with_streams(
            &ClusterState::new("c", "u"),
            &[("app", false), ("api", false), ("shy", true), (".dot", true)],
        );
        let found = |names: &[&str], hidden: bool| {
            let options = ResolveOptions {
                expand_hidden: hidden,
                ..ResolveOptions::OPEN
            };
            named(&state, names, &options)
                .map(|found| found.into_iter().map(|found| found.name).collect::<Vec<_>>())
                .map_err(|refused| refused.kind())
        };
        for (names, hidden, expected) in [
            (&["*"][..], false, vec!["api", "app"]),
            (&["_all"], true, vec![".dot", "api", "app", "shy"]),
            (&["shy", "api"], false, vec!["api", "shy"]),
            (&[".d*"], false, vec![".dot"]),
            (&["x*"], false, vec![]),
        ] {
            let expected = expected.into_iter().map(str::to_owned).collect();
            assert_eq!(found(names, hidden), Ok(expected), "{names:?}");
        }
        assert_eq!(found(&["app", "x"], false), Err(ExceptionKind::IndexNotFound));
        assert_eq!(
            found(&[".ds-app-1970.01.01-000001"], false),
            Err(ExceptionKind::IndexNotFound)
        );
    }
}
