//! What is known of indices: `GET /{index}`, `_mapping`, `_settings`.

use cluster::IndexMetadata;
use es_exception::Exception;
use index_meta::{AliasMetadata, DocumentRules, IndexSettings, Settings};
use serde_json::{Map, Value, json};

use super::targets;
use crate::call::Call;
use crate::params::split_list;
use crate::reply::Reply;
use crate::units::iso_millis;
use crate::wildcard::matches;

/// `GET /{index}`: aliases, mappings and settings.
pub(crate) async fn get_index(call: Call) -> Result<Reply, Exception> {
    let flat = call.params.flag("flat_settings", false)?;
    let with_defaults = call.params.flag("include_defaults", false)?;
    let features = call.params.list("features");
    let wants = |name: &str| {
        features.is_empty()
            || features
                .iter()
                .any(|feature| feature.trim_end_matches('s') == name)
    };
    let state = call.state.cluster().state();
    let streams = state.data_streams_by_index();
    let mut answer = Map::new();
    for index in targets::any_state(&call)? {
        let mut object = Map::new();
        if wants("aliase") || wants("alias") {
            object.insert("aliases".to_owned(), aliases(&index, |_| true));
        }
        if wants("mapping") {
            object.insert("mappings".to_owned(), index.mapping.to_json());
        }
        if wants("setting") {
            let settings = shown_settings(&call, &index)?;
            object.insert("settings".to_owned(), print_settings(&settings, flat));
            if with_defaults {
                object.insert(
                    "defaults".to_owned(),
                    print_settings(&defaults(&index, |_| true), flat),
                );
            }
        }
        if let Some(stream) = streams.get(index.name.as_str()) {
            object.insert("data_stream".to_owned(), (*stream).into());
        }
        answer.insert(index.name.clone(), Value::Object(object));
    }
    Reply::ok(&answer)
}

/// `HEAD /{index}`: whether all of the indices exist.
pub(crate) async fn index_exists(call: Call) -> Result<Reply, Exception> {
    match targets::any_state(&call) {
        Ok(indices) => Ok(Reply::exists(!indices.is_empty() || call.index().contains('*'))),
        Err(missing) if missing.status() == 404 => Ok(Reply::exists(false)),
        Err(other) => Err(other),
    }
}

/// `GET /{index}/_mapping`.
pub(crate) async fn get_mapping(call: Call) -> Result<Reply, Exception> {
    let indices = targets::any_state(&call)?;
    let answer: Map<String, Value> = indices
        .iter()
        .map(|index| (index.name.clone(), json!({"mappings": index.mapping.to_json()})))
        .collect();
    Reply::ok(&answer)
}

/// `GET /{index}/_mapping/field/{fields}`: of each index the fields whose path one of the patterns matches.
pub(crate) async fn get_field_mapping(call: Call) -> Result<Reply, Exception> {
    let with_defaults = call.params.flag("include_defaults", false)?;
    let patterns = split_list(call.segment("fields").unwrap_or("*"));
    let mut answer = Map::new();
    for index in targets::any_state(&call)? {
        let fields = index.mapping.fields();
        let rules = IndexSettings::from_settings(&index.settings)
            .map_or(DocumentRules::DEFAULT, |settings| settings.document_rules());
        let wanted = fields
            .into_iter()
            .filter(|field| patterns.iter().any(|pattern| matches(pattern, field.path())));
        let mut shown = Map::new();
        for field in wanted {
            let leaf = field.path().rsplit('.').next().unwrap_or_default();
            let definition = if with_defaults {
                field.to_json_with_defaults(rules)
            } else {
                field.to_json()
            };
            let entry = json!({"full_name": field.path(), "mapping": {leaf: definition}});
            shown.insert(field.path().to_owned(), entry);
        }
        answer.insert(index.name.clone(), json!({"mappings": shown}));
    }
    Reply::ok(&answer)
}

/// `GET /{index}/_settings` and `GET /{index}/_settings/{name}`.
pub(crate) async fn get_settings(call: Call) -> Result<Reply, Exception> {
    let flat = call.params.flag("flat_settings", false)?;
    let names = split_list(call.segment("name").unwrap_or("_all"));
    let wanted = |key: &str| names.iter().any(|name| *name == "_all" || matches(name, key));
    let mut answer = Map::new();
    for index in targets::any_state(&call)? {
        let mut settings = Settings::new();
        for (key, value) in shown_settings(&call, &index)?
            .iter()
            .filter(|(key, _)| wanted(key))
        {
            settings.insert_value(key, value.clone());
        }
        if settings.is_empty() {
            continue;
        }
        let mut object = json!({"settings": print_settings(&settings, flat)});
        if call.params.flag("include_defaults", false)? {
            object["defaults"] = print_settings(&defaults(&index, wanted), flat);
        }
        answer.insert(index.name.clone(), object);
    }
    Reply::ok(&answer)
}

/// The settings of an index with those that follow from its other metadata.
pub(crate) fn all_settings(index: &IndexMetadata) -> Settings {
    let mut settings = index.settings.clone();
    let derived = [
        ("index.uuid", index.uuid.to_string()),
        ("index.provided_name", index.name.clone()),
        ("index.creation_date", index.creation_date.get().to_string()),
        ("index.number_of_shards", index.number_of_shards.to_string()),
        ("index.number_of_replicas", "1".to_owned()),
    ];
    for (key, value) in derived {
        if settings.get(key).is_none() {
            settings.insert(key, value);
        }
    }
    settings
}

/// The settings of an index, with those that are for people when the request asks for them.
fn shown_settings(call: &Call, index: &IndexMetadata) -> Result<Settings, Exception> {
    let mut settings = all_settings(index);
    if call.human()? {
        settings.insert("index.creation_date_string", iso_millis(index.creation_date));
        if let Some(created) = settings.get_str("index.version.created").map(str::to_owned) {
            // Source: the number stands for itself where no release has it.
            settings.insert("index.version.created_string", created);
        }
    }
    Ok(settings)
}

/// What holds for the settings that the index does not have. Those without a default are left out, lists are empty then.
fn defaults(index: &IndexMetadata, wanted: impl Fn(&str) -> bool) -> Settings {
    let shown = all_settings(index);
    let mut defaults = Settings::new();
    for definition in index_meta::setting_definitions() {
        if definition.is_group() || !wanted(definition.key) || shown.get(definition.key).is_some() {
            continue;
        }
        if let Some(default) = definition.kind.default_value(definition.default) {
            defaults.insert_value(definition.key, default);
        }
    }
    defaults
}

fn print_settings(settings: &Settings, flat: bool) -> Value {
    if flat {
        settings.to_flat_json()
    } else {
        settings.to_nested_json()
    }
}

/// The aliases of an index that `wanted` names.
pub(crate) fn aliases(index: &IndexMetadata, wanted: impl Fn(&str) -> bool) -> Value {
    let chosen = index.aliases.iter().filter(|(name, _)| wanted(name));
    Value::Object(
        chosen
            .map(|(name, alias)| (name.clone(), print_alias(alias)))
            .collect(),
    )
}

pub(crate) fn print_alias(alias: &AliasMetadata) -> Value {
    let mut object = Map::new();
    let fields = [
        ("filter", alias.filter.clone()),
        ("index_routing", alias.index_routing.clone().map(Value::from)),
        ("search_routing", alias.search_routing.clone().map(Value::from)),
        ("is_write_index", alias.is_write_index.map(Value::from)),
        ("is_hidden", alias.is_hidden.map(Value::from)),
    ];
    for (name, value) in fields {
        if let Some(value) = value {
            object.insert(name.to_owned(), value);
        }
    }
    Value::Object(object)
}
