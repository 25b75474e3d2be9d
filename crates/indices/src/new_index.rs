//! Creating indices for users: at a request, or for a document that is written.

use std::sync::Arc;

use cluster::ClusterState;
use cluster::change::{NewIndexChange, create_index_by_templates};
use es_exception::{Exception, ExceptionKind};
use index_meta::{Mapping, Settings, matches_wildcard, normalize_index_prefix, validate_for_create};
use oplog::IndexUuid;
use serde_json::Value;

use crate::request::{CreateIndex, ShardsAcknowledged};
use crate::search::check_alias_filter;
use crate::service::IndicesService;

impl IndicesService {
    /// Creates an index and waits for its shards. The index template that matches its name applies; what the request says wins.
    ///
    /// # Errors
    /// `invalid_index_name_exception`, `resource_already_exists_exception`, and what is wrong with settings, mapping or aliases.
    pub async fn create_index(&self, request: CreateIndex) -> Result<ShardsAcknowledged, Exception> {
        self.create_index_if(&request, |_| Ok(())).await
    }

    /// Creates the index if `allowed` says so of the state that it enters.
    async fn create_index_if(
        &self,
        request: &CreateIndex,
        mut allowed: impl FnMut(&ClusterState) -> Result<(), Exception> + Send,
    ) -> Result<ShardsAcknowledged, Exception> {
        let change = self.new_index(request)?;
        // As it would be created now: what templates say is checked again when it is, but for what takes long.
        let state = create_index_by_templates(&self.state(), &change)?;
        let index = state.require_index(&request.name)?;
        for (alias, metadata) in &index.aliases {
            check_alias_filter(alias, metadata)?;
        }
        self.check_new_analysis(&index.settings, &index.mapping)
            .await
            .map_err(|error| error.with_index(&request.name))?;
        self.disk.check(&request.name)?;
        let source = format!("create-index [{}]", request.name);
        self.cluster
            .update(&source, |state| {
                allowed(state)?;
                Ok((create_index_by_templates(state, &change)?, ()))
            })
            .await?;
        self.acknowledge(&request.name, &change.uuid).await
    }

    /// Whether a document that is written to `name`, which does not exist, begins a data stream.
    pub(crate) fn begins_data_stream(state: &ClusterState, name: &str) -> bool {
        let template = state.templates.find(name, false);
        template.is_some_and(|(_, template)| template.data_stream.is_some())
    }

    /// The change that `request` comes to, whatever templates will say.
    pub(crate) fn new_index(&self, request: &CreateIndex) -> Result<NewIndexChange, Exception> {
        let mappings = request.mappings.clone().filter(|mapping| !mapping.is_null());
        let mapping = match &mappings {
            Some(mapping) => {
                Mapping::from_json(mapping).map_err(|error| error.to_exception().with_index(&request.name))?
            }
            None => Mapping::empty(),
        };
        Ok(NewIndexChange {
            name: request.name.clone(),
            uuid: IndexUuid::generate(),
            settings: requested_settings(&request.settings)?,
            mappings,
            mapping: Arc::new(mapping),
            aliases: request.aliases.clone(),
            creation_date: self.clock.now(),
        })
    }

    /// Creates the index or data stream `name` for a document that is written to it, if that is allowed. Somebody else may create it first.
    pub(crate) async fn auto_create(&self, name: &str) -> Result<(), Exception> {
        if Self::begins_data_stream(&self.state(), name) {
            return self.auto_create_data_stream(name).await;
        }
        let request = CreateIndex {
            name: name.to_owned(),
            ..CreateIndex::default()
        };
        match self
            .create_index_if(&request, |state| check_auto_create(state, name))
            .await
        {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == ExceptionKind::ResourceAlreadyExists => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// Source: the template that matches decides if it says anything (`allow_auto_create`); else `action.auto_create_index`: true, false, or a list of
/// patterns with `+` or `-` in front.
pub(crate) fn check_auto_create(state: &ClusterState, name: &str) -> Result<(), Exception> {
    const KEY: &str = "action.auto_create_index";
    let refuse = |why: String| {
        Err(Exception::new(
            ExceptionKind::IndexNotFound,
            format!("no such index [{name}] and {why}"),
        )
        .with_index(name))
    };
    if let Some((_, template)) = state.templates.find(name, false) {
        match template.allow_auto_create {
            Some(true) => return Ok(()),
            Some(false) => {
                return refuse(format!(
                    "composable template [{}] forbids index auto creation",
                    template.index_patterns.join(", ")
                ));
            }
            None => {}
        }
    }
    let setting = state.setting(KEY).unwrap_or("true");
    match setting {
        "true" => return Ok(()),
        "false" => return refuse(format!("[{KEY}] is [false]")),
        _ => {}
    }
    for pattern in setting.split(',').map(str::trim) {
        let (allow, pattern) = match pattern.strip_prefix('-') {
            Some(pattern) => (false, pattern),
            None => (true, pattern.strip_prefix('+').unwrap_or(pattern)),
        };
        if matches_wildcard(pattern, name) {
            if allow {
                return Ok(());
            }
            return refuse(format!(
                "[{KEY}] contains [-{pattern}] which forbids automatic creation of the index"
            ));
        }
    }
    refuse(format!("[{KEY}] ([{setting}]) doesn't match"))
}

/// The settings of a request, nulls included: they take back what a template says.
fn requested_settings(body: &Value) -> Result<Settings, Exception> {
    if body.is_null() {
        return Ok(Settings::default());
    }
    let settings = Settings::from_json(body).map_err(|error| error.to_exception())?;
    let settings = normalize_index_prefix(&settings);
    validate_for_create(&Settings::default().apply(&settings)).map_err(|error| error.to_exception())?;
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use cluster::change::{put_index_template, update_cluster_settings};
    use index_meta::IndexTemplate;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_template_decides_before_the_setting() {
        let allowed = |setting: &str, template: Option<bool>| {
            let state = ClusterState::new("c", "u");
            let settings = Settings::from_json(&json!({"action.auto_create_index": setting})).unwrap();
            let state = update_cluster_settings(&state, &settings, &Settings::default()).unwrap();
            let json = json!({"index_patterns": ["logs-*"], "allow_auto_create": template});
            let template = IndexTemplate::from_json(&json).unwrap();
            let state = put_index_template(&state, "t", &template, true).unwrap();
            check_auto_create(&state, "logs-1")
                .map_err(|refused| (refused.kind(), refused.reason().to_owned()))
        };
        let refused = |why: &str| {
            Err((
                ExceptionKind::IndexNotFound,
                format!("no such index [logs-1] and {why}"),
            ))
        };
        assert_eq!(allowed("true", None), Ok(()));
        assert_eq!(allowed("false", Some(true)), Ok(()));
        assert_eq!(allowed("-logs-*,*", Some(true)), Ok(()));
        assert_eq!(
            allowed("false", None),
            refused("[action.auto_create_index] is [false]")
        );
        assert_eq!(
            allowed("true", Some(false)),
            refused("composable template [logs-*] forbids index auto creation")
        );
        assert!(allowed("-logs-*,*", None).is_err() && allowed("+logs-1", None).is_ok());
    }
}
