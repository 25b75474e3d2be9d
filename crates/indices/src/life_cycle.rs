//! Opening, closing and deleting indices, and changing their metadata.

use std::sync::Arc;

use cluster::change::{self, AliasChange, SettingsChange, parse_index_settings};
use cluster::{ClusterState, IndexMetadata, Origin};
use es_exception::{Exception, ExceptionKind};
use index_meta::{AliasAction, AnalysisDefinitions, Mapping, Settings};
use oplog::IndexUuid;
use serde_json::Value;

use crate::request::{ResolveOptions, ShardsAcknowledged};
use crate::resolve::{resolve, resolve_one};
use crate::search::check_alias_filter;
use crate::service::IndicesService;

impl IndicesService {
    /// Deletes the indices that `expression` names: names and wildcards, no aliases.
    ///
    /// # Errors
    /// `index_not_found_exception`, `illegal_argument_exception` for an alias, `cluster_block_exception`.
    pub async fn delete_index(&self, expression: &str, options: &ResolveOptions) -> Result<(), Exception> {
        let options = ResolveOptions {
            allow_aliases: false,
            forbid_closed: false,
            ..*options
        };
        let now = self.clock.now();
        let deleted = self
            .cluster
            .update(&format!("delete-index [{expression}]"), |state| {
                let indices = resolve(state, expression, options)?;
                Ok((change::delete_indices(state, &names(&indices), now)?, indices))
            })
            .await?;
        self.acknowledge_change(self.state().version).await;
        for index in deleted {
            self.acknowledge_closed(&index.uuid).await;
        }
        Ok(())
    }

    /// Opens the indices that `expression` names and waits for their shards. Answers whether all of them were started in time.
    ///
    /// # Errors
    /// `index_not_found_exception`, `cluster_block_exception`.
    pub async fn open_index(&self, expression: &str) -> Result<bool, Exception> {
        let options = ResolveOptions {
            allow_no_indices: false,
            ..ResolveOptions::METADATA
        };
        let opened = self
            .change_indices("open-indices", expression, options, |state, names| {
                change::open_indices(state, names)
            })
            .await?;
        let mut all = true;
        for index in opened {
            all &= self.wait_shards_active(&index.uuid, self.ack_timeout()).await;
        }
        Ok(all)
    }

    /// Closes the indices that `expression` names, and answers them once everything written is durable and their shards are closed.
    ///
    /// # Errors
    /// `index_not_found_exception`, `cluster_block_exception`, `illegal_argument_exception` for an index that is being restored.
    pub async fn close_index(&self, expression: &str) -> Result<Vec<Arc<IndexMetadata>>, Exception> {
        let options = ResolveOptions {
            allow_no_indices: false,
            ..ResolveOptions::METADATA
        };
        let closed = self
            .change_indices("close-indices", expression, options, |state, names| {
                self.disk.check_all(names)?;
                change::close_indices(state, names)
            })
            .await?;
        for index in &closed {
            self.acknowledge_closed(&index.uuid).await;
        }
        Ok(closed)
    }

    /// Adds fields to the mapping of the indices that `expression` names.
    ///
    /// # Errors
    /// `index_not_found_exception`; 403 for a follower, unless `origin` is replication; what the merge refuses.
    pub async fn put_mapping(
        &self,
        expression: &str,
        mapping: Value,
        origin: Origin,
    ) -> Result<(), Exception> {
        let options = ResolveOptions {
            allow_no_indices: false,
            ..ResolveOptions::METADATA
        };
        let change = |state: &ClusterState, names: &[String]| {
            self.check_metadata_room(names, origin)?;
            change::put_mapping(state, names, &mapping, origin)
        };
        self.change_indices("put-mapping", expression, options, change)
            .await?;
        // FT-3: replication goes on to write operations that need the mapping.
        if origin == Origin::Ccr && !self.wait_applied(self.state().version).await {
            return Err(Exception::new(
                ExceptionKind::ProcessClusterEventTimeout,
                format!("shards of [{expression}] have not taken over the mapping in time"),
            ));
        }
        Ok(())
    }

    /// As [`put_mapping`](Self::put_mapping) by a user, but for an alias only on the index that takes its writes.
    ///
    /// # Errors
    /// As `put_mapping`; `illegal_argument_exception` for an alias without a write index, and for a wildcard that stands for several indices.
    pub async fn put_mapping_to_write_index(
        &self,
        expression: &str,
        mapping: Value,
    ) -> Result<(), Exception> {
        let change = |state: &ClusterState, names: &[String]| {
            self.check_metadata_room(names, Origin::User)?;
            change::put_mapping(state, names, &mapping, Origin::User)
        };
        let what = format!("put-mapping [{expression}]");
        let of = |state: &ClusterState| write_indices(state, expression);
        self.change_named(&what, of, change).await.map(|_| ())
    }

    /// Changes settings of the indices that `expression` names; a null takes a setting back to its default.
    ///
    /// # Errors
    /// `index_not_found_exception`, `illegal_argument_exception`, `settings_exception`, `cluster_block_exception`.
    pub async fn update_settings(
        &self,
        expression: &str,
        settings: Value,
        preserve_existing: bool,
        origin: Origin,
    ) -> Result<(), Exception> {
        let options = ResolveOptions {
            allow_no_indices: false,
            ..ResolveOptions::METADATA
        };
        let settings_change = SettingsChange {
            settings: parse_index_settings(&settings)?,
            preserve_existing,
            origin,
        };
        let only_blocks = settings_change
            .settings
            .iter()
            .all(|(key, _)| key.starts_with("index.blocks."));
        if origin == Origin::User
            && settings_change
                .settings
                .iter()
                .any(|(key, _)| is_about_analysis(key))
        {
            let state = self.state();
            let named = names(&resolve(&state, expression, options)?);
            let changed = change::update_index_settings(&state, &named, &settings_change)?;
            for name in &named {
                let index = changed.require_index(name)?;
                self.check_new_analysis(&index.settings, &index.mapping)
                    .await
                    .map_err(|error| error.with_index(name))?;
            }
        }
        let change = |state: &ClusterState, names: &[String]| {
            if !only_blocks {
                self.check_metadata_room(names, origin)?;
            }
            change::update_index_settings(state, names, &settings_change)
        };
        self.change_indices("update-settings", expression, options, change)
            .await
            .map(|_| ())
    }

    /// Whether an index with these settings can analyze what its mapping asks for.
    pub(crate) async fn check_new_analysis(
        &self,
        settings: &Settings,
        mapping: &Mapping,
    ) -> Result<(), Exception> {
        let definitions = AnalysisDefinitions::from_settings(settings);
        mapping
            .check_analysis(&definitions)
            .map_err(|error| error.to_exception())?;
        // Large lists of synonyms take a while.
        self.blocking
            .read(move || shard::check_analysis(&definitions))
            .await?
    }

    /// Applies all alias changes, or none.
    ///
    /// # Errors
    /// `index_not_found_exception`, `aliases_not_found_exception`, `invalid_alias_name_exception`; 403 for a follower, unless `origin` is replication.
    pub async fn update_aliases(&self, changes: Vec<AliasChange>, origin: Origin) -> Result<(), Exception> {
        let now = self.clock.now();
        for change in &changes {
            if let (AliasChange::Add { alias, metadata, .. }, Origin::User) = (change, origin) {
                check_alias_filter(alias, metadata)?;
            }
            if !matches!(change, AliasChange::RemoveIndex { .. }) {
                self.check_metadata_room(&[change.index().to_owned()], origin)?;
            }
        }
        self.cluster
            .update("index-aliases", |state| {
                Ok((change::update_aliases(state, &changes, origin, now)?, ()))
            })
            .await?;
        self.acknowledge_change(self.state().version).await;
        Ok(())
    }

    /// Applies the steps that bring a follower's aliases in line with its leader's.
    ///
    /// # Errors
    /// As [`update_aliases`](Self::update_aliases).
    pub async fn apply_alias_actions(
        &self,
        index: &str,
        actions: Vec<AliasAction>,
        origin: Origin,
    ) -> Result<(), Exception> {
        let changes = actions
            .into_iter()
            .map(|action| AliasChange::from_action(index, action))
            .collect();
        self.update_aliases(changes, origin).await
    }

    /// Commits a change of the indices that `expression` names, waits until this node's shards work by it, and answers the indices as they were
    /// committed.
    async fn change_indices(
        &self,
        what: &str,
        expression: &str,
        options: ResolveOptions,
        change: impl FnMut(&ClusterState, &[String]) -> Result<ClusterState, Exception> + Send,
    ) -> Result<Vec<Arc<IndexMetadata>>, Exception> {
        let of = |state: &ClusterState| Ok(names(&resolve(state, expression, options)?));
        self.change_named(&format!("{what} [{expression}]"), of, change)
            .await
    }

    /// As [`change_indices`](Self::change_indices), for the indices that `of` names in the state that is changed.
    async fn change_named(
        &self,
        what: &str,
        mut of: impl FnMut(&ClusterState) -> Result<Vec<String>, Exception> + Send,
        mut change: impl FnMut(&ClusterState, &[String]) -> Result<ClusterState, Exception> + Send,
    ) -> Result<Vec<Arc<IndexMetadata>>, Exception> {
        let changed = self
            .cluster
            .update(what, |state| {
                let names = of(state)?;
                Ok((change(state, &names)?, names))
            })
            .await?;
        let state = self.state();
        self.acknowledge_change(state.version).await;
        Ok(changed
            .iter()
            .filter_map(|name| state.index(name).cloned())
            .collect())
    }

    /// Metadata of a full disk's indices changes as little as their documents do. What replication brings is small, and a follower that lacked it could
    /// not go on at once when there is room again.
    fn check_metadata_room(&self, names: &[String], origin: Origin) -> Result<(), Exception> {
        match origin {
            Origin::User => self.disk.check_all(names),
            Origin::Ccr => Ok(()),
        }
    }

    pub(crate) async fn acknowledge(
        &self,
        name: &str,
        uuid: &IndexUuid,
    ) -> Result<ShardsAcknowledged, Exception> {
        self.acknowledge_change(self.state().version).await;
        let shards_acknowledged = self.wait_shards_active(uuid, self.ack_timeout()).await;
        let state = self.state();
        let index = state.index(name).filter(|index| index.uuid == *uuid);
        let index = index.cloned().ok_or_else(|| Exception::index_not_found(name))?;
        Ok(ShardsAcknowledged {
            index,
            shards_acknowledged,
        })
    }
}

/// The indices that take the writes of what `expression` names, each part by itself.
fn write_indices(state: &ClusterState, expression: &str) -> Result<Vec<String>, Exception> {
    let mut names = Vec::new();
    for part in expression
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
    {
        let index = if part.contains('*') || part == "_all" {
            let options = ResolveOptions {
                allow_no_indices: false,
                ..ResolveOptions::METADATA
            };
            let found = resolve(state, part, options)?;
            match <[_; 1]>::try_from(found) {
                Ok([only]) => only,
                Err(_) => {
                    return Err(Exception::illegal_argument(format!(
                        "unable to return a single target as the provided expression [{part}] got resolved to multiple targets"
                    )));
                }
            }
        } else {
            Arc::clone(resolve_one(state, part, true)?)
        };
        names.push(index.name.clone());
    }
    Ok(names)
}

/// Whether a change of the setting can change what analyzers there are.
pub(crate) fn is_about_analysis(key: &str) -> bool {
    const DIFFERENCES: [&str; 2] = ["index.max_ngram_diff", "index.max_shingle_diff"];
    const DEFINITIONS: &str = "index.analysis.";
    match key.strip_suffix('*') {
        Some(prefix) => {
            DEFINITIONS.starts_with(prefix)
                || prefix.starts_with(DEFINITIONS)
                || DIFFERENCES.iter().any(|key| key.starts_with(prefix))
        }
        None => key.starts_with(DEFINITIONS) || DIFFERENCES.contains(&key),
    }
}

pub(crate) fn names(indices: &[Arc<IndexMetadata>]) -> Vec<String> {
    indices.iter().map(|index| index.name.clone()).collect()
}
