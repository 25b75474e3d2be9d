//! Changes settings that need a closed index, which is closed for as long as that takes.

use cluster::change::{
    SettingsChange, change_closed_settings, close_indices, close_to_change_settings, parse_index_settings,
    reopen_with_settings, update_index_settings,
};
use cluster::{ClusterState, IndexMetadata, Origin};
use es_exception::{Exception, ExceptionKind};
use index_meta::{SettingValue, Settings};
use serde_json::Value;

use crate::life_cycle::{is_about_analysis, names};
use crate::request::ResolveOptions;
use crate::resolve::resolve;
use crate::service::IndicesService;

impl IndicesService {
    /// As [`update_settings`](Self::update_settings) by a user, also for settings that need a closed index: an index that is open is closed for those,
    /// and opened again. What would be refused is refused before anything is closed.
    ///
    /// # Errors
    /// As `update_settings`; retryable if somebody opens an index in the very moment.
    pub async fn update_settings_and_reopen(
        &self,
        expression: &str,
        settings: Value,
        preserve_existing: bool,
    ) -> Result<(), Exception> {
        let options = ResolveOptions {
            allow_no_indices: false,
            ..ResolveOptions::METADATA
        };
        let change = SettingsChange {
            settings: parse_index_settings(&settings)?,
            preserve_existing,
            origin: Origin::User,
        };
        let state = self.state();
        let named = names(&resolve(&state, expression, options)?);
        self.disk.check_all(&named)?;
        let changed = update_index_settings(&close_indices(&state, &named)?, &named, &change)?;
        if change.settings.iter().any(|(key, _)| is_about_analysis(key)) {
            for name in &named {
                let index = changed.require_index(name)?;
                self.check_new_analysis(&index.settings, &index.mapping)
                    .await
                    .map_err(|error| error.with_index(name))?;
            }
        }
        for name in &named {
            if is_open_enough(&state, &changed, name, &change)? {
                self.update_settings(name, settings.clone(), preserve_existing, Origin::User)
                    .await?;
            } else {
                self.close_change_reopen(state.require_index(name)?, &change)
                    .await?;
            }
        }
        Ok(())
    }

    /// Applies `change` to the index, which is closed for that and opened again, unless a user has closed it. Ends as soon as the shards of an opened
    /// index serve, or take long.
    ///
    /// # Errors
    /// Retryable, and to be repeated, when a commit fails or somebody opens the index meanwhile: until then the index may stay closed, but marked. What is
    /// wrong with the settings; the index is open again then, with its former ones.
    pub async fn close_change_reopen(
        &self,
        index: &IndexMetadata,
        change: &SettingsChange,
    ) -> Result<(), Exception> {
        let name = &index.name;
        let close = |state: &ClusterState| close_to_change_settings(state, name);
        if !self.cluster.update("close-to-change-settings", close).await? {
            let apply = |state: &ClusterState| Ok((change_closed_settings(state, name, change)?, ()));
            return self.cluster.update("change-closed-settings", apply).await;
        }
        let reopen = async |change: &SettingsChange| {
            self.cluster
                .update("reopen-with-settings", |state| {
                    Ok((reopen_with_settings(state, name, change)?, ()))
                })
                .await
        };
        let as_it_was = SettingsChange {
            settings: Settings::new(),
            ..change.clone()
        };
        if !self.wait_closed(&index.uuid).await {
            // Replication tries again, a user may not.
            if change.origin == Origin::User {
                reopen(&as_it_was).await?;
            }
            return Err(Exception::new(
                ExceptionKind::UnavailableShards,
                format!(
                    "the settings of the index [{name}] could not be changed: its shards are still being closed"
                ),
            ));
        }
        match reopen(change).await {
            Err(error) if !error.is_retryable() => {
                reopen(&as_it_was).await?;
                Err(error)
            }
            reopened => {
                reopened?;
                self.wait_shards_active(&index.uuid, self.ack_timeout()).await;
                Ok(())
            }
        }
    }
}

/// Whether `change` does on the index as it is what it would on a closed one, of which `changed` is the outcome.
fn is_open_enough(
    state: &ClusterState,
    changed: &ClusterState,
    name: &str,
    change: &SettingsChange,
) -> Result<bool, Exception> {
    let outcome = |state: &ClusterState| -> Result<Vec<(String, SettingValue)>, Exception> {
        let mut settings = state.require_index(name)?.settings.clone();
        settings.remove("index.verified_before_close");
        Ok(settings
            .iter()
            .map(|(key, value)| (key.to_owned(), value.clone()))
            .collect())
    };
    match update_index_settings(state, &[name.to_owned()], change) {
        Ok(open) => Ok(outcome(&open)? == outcome(changed)?),
        Err(_) => Ok(false),
    }
}
