//! The alias APIs.

use cluster::change::AliasChange;
use cluster::{IndexMetadata, Origin};
use es_exception::{Exception, ExceptionKind};
use http::StatusCode;
use index_meta::AliasMetadata;
use indices::ResolveOptions;
use serde_json::{Map, Value, json};

use super::index_metadata::aliases;
use super::targets;
use crate::call::Call;
use crate::date_math_names::resolve_names;
use crate::json_body::{kind_of, refuse_rest, take_bool, take_object, take_text, wrong};
use crate::params::split_list;
use crate::reply::Reply;
use crate::wildcard::matches;

/// `GET /_alias`, `GET /_alias/{name}`, `GET /{index}/_alias`, `GET /{index}/_alias/{name}`.
///
/// Source: names that no index has are reported with status 404 beside those that were found.
pub(crate) async fn get_alias(call: Call) -> Result<Reply, Exception> {
    let indices = targets::any_state(&call)?;
    let names = split_list(call.segment("name").unwrap_or("_all"));
    let mut answer = Map::new();
    for index in &indices {
        let found = aliases(index, |alias| is_wanted(&names, alias));
        let named = call.segment("name").is_some();
        if !named || found.as_object().is_some_and(|found| !found.is_empty()) {
            answer.insert(index.name.clone(), json!({"aliases": found}));
        }
    }
    let missing = missing_names(&indices, &names);
    if missing.is_empty() {
        return Reply::ok(&answer);
    }
    let plural = if missing.len() == 1 { "alias" } else { "aliases" };
    answer.insert(
        "error".to_owned(),
        format!("{plural} [{}] missing", missing.join(",")).into(),
    );
    answer.insert("status".to_owned(), 404.into());
    Reply::json(StatusCode::NOT_FOUND, &answer)
}

/// `HEAD` on the same paths: whether every name is an alias.
pub(crate) async fn alias_exists(call: Call) -> Result<Reply, Exception> {
    let indices = match targets::any_state(&call) {
        Ok(indices) => indices,
        Err(missing) if missing.status() == 404 => return Ok(Reply::exists(false)),
        Err(other) => return Err(other),
    };
    let names = split_list(call.segment("name").unwrap_or("_all"));
    let any = indices
        .iter()
        .any(|index| index.aliases.keys().any(|alias| is_wanted(&names, alias)));
    Ok(Reply::exists(any && missing_names(&indices, &names).is_empty()))
}

/// `PUT /{index}/_alias/{name}`: adds one alias to the indices.
pub(crate) async fn put_alias(call: Call) -> Result<Reply, Exception> {
    let mut body = call.object()?.unwrap_or_default();
    let metadata = take_metadata(&mut body)?;
    refuse_rest(&body, "alias")?;
    let name = call.segment("name").unwrap_or_default();
    let changes = add(&call, call.index(), &[name], &metadata)?;
    apply(&call, changes).await
}

/// `DELETE /{index}/_alias/{name}`: removes aliases, which may be patterns.
pub(crate) async fn delete_alias(call: Call) -> Result<Reply, Exception> {
    let names = split_list(call.segment("name").unwrap_or_default());
    let changes = remove(&call, call.index(), &names, true)?;
    apply(&call, changes).await
}

/// `POST /_aliases`: several changes that take effect together.
pub(crate) async fn update_aliases(call: Call) -> Result<Reply, Exception> {
    let mut body = call.required_object()?;
    let actions = match body.remove("actions") {
        Some(Value::Array(actions)) if !actions.is_empty() => actions,
        Some(Value::Array(_)) | None => {
            let reason = "Validation Failed: 1: must specify at least one alias action;";
            return Err(Exception::new(ExceptionKind::ActionRequestValidation, reason));
        }
        Some(other) => {
            return Err(wrong(format!(
                "field [actions] must be an array, but is {}",
                kind_of(&other)
            )));
        }
    };
    refuse_rest(&body, "aliases")?;
    let mut changes = Vec::new();
    for action in actions {
        changes.extend(action_changes(&call, action)?);
    }
    apply(&call, changes).await
}

async fn apply(call: &Call, changes: Vec<AliasChange>) -> Result<Reply, Exception> {
    call.state.indices().update_aliases(changes, Origin::User).await?;
    call.acknowledged()
}

fn action_changes(call: &Call, action: Value) -> Result<Vec<AliasChange>, Exception> {
    let Value::Object(action) = action else {
        return Err(wrong("an alias action must be an object".to_owned()));
    };
    let mut entries = action.into_iter();
    let (Some((verb, Value::Object(mut fields))), None) = (entries.next(), entries.next()) else {
        return Err(wrong(
            "an alias action must be one of [add], [remove], [remove_index] with an object".to_owned(),
        ));
    };
    let indices = take_names(&mut fields, "index", "indices")?;
    if indices.is_empty() {
        return Err(Exception::illegal_argument(format!(
            "the alias action [{verb}] needs [index] or [indices]"
        )));
    }
    let expression = resolve_names(&call.state, indices.join(","))?;
    if verb == "remove_index" {
        refuse_rest(&fields, "remove_index")?;
        let indices = call
            .state
            .indices()
            .resolve(&expression, &ResolveOptions::METADATA)?;
        return Ok(indices
            .iter()
            .map(|index| AliasChange::RemoveIndex {
                index: index.name.clone(),
            })
            .collect());
    }
    let names = take_names(&mut fields, "alias", "aliases")?;
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    if names.is_empty() {
        return Err(Exception::illegal_argument(format!(
            "the alias action [{verb}] needs [alias] or [aliases]"
        )));
    }
    let must_exist = take_bool(&mut fields, "must_exist")?;
    let changes = match verb.as_str() {
        "add" => {
            let metadata = take_metadata(&mut fields)?;
            add(call, &expression, &names, &metadata)?
        }
        "remove" => remove(call, &expression, &names, must_exist.unwrap_or(true))?,
        other => return Err(wrong(format!("unknown alias action [{other}]"))),
    };
    refuse_rest(&fields, &verb)?;
    Ok(changes)
}

fn add(
    call: &Call,
    expression: &str,
    names: &[&str],
    metadata: &AliasMetadata,
) -> Result<Vec<AliasChange>, Exception> {
    let indices = call
        .state
        .indices()
        .resolve(expression, &ResolveOptions::METADATA)?;
    let each = indices.iter().flat_map(|index| {
        names.iter().map(|alias| AliasChange::Add {
            index: index.name.clone(),
            alias: (*alias).to_owned(),
            metadata: metadata.clone(),
        })
    });
    Ok(each.collect())
}

fn remove(
    call: &Call,
    expression: &str,
    names: &[&str],
    must_exist: bool,
) -> Result<Vec<AliasChange>, Exception> {
    let indices = call
        .state
        .indices()
        .resolve(expression, &ResolveOptions::METADATA)?;
    let mut changes = Vec::new();
    for index in &indices {
        for alias in index.aliases.keys().filter(|alias| is_wanted(names, alias)) {
            changes.push(AliasChange::Remove {
                index: index.name.clone(),
                alias: alias.clone(),
                must_exist: false,
            });
        }
    }
    let missing = missing_names(&indices, names);
    let all_patterns_failed = changes.is_empty() && !names.is_empty();
    if must_exist && (!missing.is_empty() || all_patterns_failed) {
        let named = if missing.is_empty() {
            names.join(",")
        } else {
            missing.join(",")
        };
        return Err(Exception::new(
            ExceptionKind::AliasesNotFound,
            format!("aliases [{named}] missing"),
        ));
    }
    Ok(changes)
}

fn is_wanted(names: &[&str], alias: &str) -> bool {
    let mut wanted = false;
    for name in names {
        match name.strip_prefix('-') {
            Some(excluded) if matches(excluded, alias) => wanted = false,
            _ if *name == "_all" || matches(name, alias) => wanted = true,
            _ => {}
        }
    }
    wanted
}

/// The names that are an alias of none of the indices, in order; patterns need not match anything.
fn missing_names<'a, I: AsRef<IndexMetadata>>(indices: &[I], names: &[&'a str]) -> Vec<&'a str> {
    let is_alias = |name: &&str| {
        indices
            .iter()
            .any(|index| index.as_ref().aliases.contains_key(*name))
    };
    let mut missing: Vec<&str> = asked_for(names).filter(|name| !is_alias(name)).collect();
    missing.sort_unstable();
    missing.dedup();
    missing
}

/// The names that stand for themselves, and that no exclusion takes away again.
///
/// Source: a minus excludes only behind the first pattern. Before that it begins a name, which no alias can have.
fn asked_for<'n, 'a>(names: &'n [&'a str]) -> impl Iterator<Item = &'a str> + 'n {
    let first_pattern = names.iter().position(|name| name.contains('*'));
    let first_pattern = first_pattern.unwrap_or(names.len());
    let excluded = move |place: usize, name: &str| {
        let behind = names.iter().skip(first_pattern.max(place + 1));
        let mut patterns = behind.filter_map(|other| other.strip_prefix('-'));
        patterns.any(|pattern| pattern == "_all" || matches(pattern, name))
    };
    let each = names.iter().copied().enumerate();
    each.filter(move |(place, name)| {
        let excludes = *place > first_pattern && name.starts_with('-');
        !(name.contains('*') || *name == "_all" || excludes || excluded(*place, name))
    })
    .map(|(_, name)| name)
}

fn take_names(fields: &mut Map<String, Value>, one: &str, many: &str) -> Result<Vec<String>, Exception> {
    let mut names = Vec::new();
    for field in [one, many] {
        match fields.remove(field) {
            None | Some(Value::Null) => {}
            Some(Value::String(text)) => names.extend(split_list(&text).into_iter().map(str::to_owned)),
            Some(Value::Array(values)) => {
                for value in values {
                    let Value::String(text) = value else {
                        return Err(wrong(format!(
                            "field [{field}] must hold strings, but holds {}",
                            kind_of(&value)
                        )));
                    };
                    names.push(text);
                }
            }
            Some(other) => {
                return Err(wrong(format!(
                    "field [{field}] must be a string or an array, but is {}",
                    kind_of(&other)
                )));
            }
        }
    }
    Ok(names)
}

/// The metadata of an alias in a body; `routing` stands for both kinds of routing.
pub(crate) fn take_metadata(fields: &mut Map<String, Value>) -> Result<AliasMetadata, Exception> {
    let routing = take_text(fields, "routing")?;
    Ok(AliasMetadata {
        filter: take_object(fields, "filter")?.map(Value::Object),
        index_routing: take_text(fields, "index_routing")?.or_else(|| routing.clone()),
        search_routing: take_text(fields, "search_routing")?.or(routing),
        is_write_index: take_bool(fields, "is_write_index")?,
        is_hidden: take_bool(fields, "is_hidden")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_may_be_patterns_and_exclusions() {
        let cases = [
            (vec!["a"], "a", true),
            (vec!["a*"], "ab", true),
            (vec!["_all"], "x", true),
            (vec!["*", "-b*"], "bc", false),
            (vec!["*", "-b*"], "c", true),
            (vec!["a"], "b", false),
        ];
        for (names, alias, expected) in cases {
            assert_eq!(is_wanted(&names, alias), expected, "{names:?} {alias}");
        }
    }

    #[test]
    fn names_are_asked_for_unless_they_are_patterns_or_excluded() {
        for (names, expected) in [
            (&["b", "a"][..], &["b", "a"][..]),
            (&["_all", "a*", "b"], &["b"]),
            (&["-a", "a*", "-b"], &["-a"]),
            (&["-a", "-x", "a*", "-b"], &["-a", "-x"]),
            (&["-x", "-x*", "-y"], &["-x"]),
            (&["a", "b", "-a*", "-b"], &[]),
            (&["a", "-_all", "b*"], &["a", "-_all"]),
            (&["a", "b*", "-_all"], &[]),
        ] {
            assert_eq!(asked_for(names).collect::<Vec<_>>(), expected, "{names:?}");
        }
    }

    #[test]
    fn routing_stands_for_both_kinds() {
        let Value::Object(mut fields) = json!({"routing": 7, "search_routing": "s", "is_write_index": true})
        else {
            panic!("an object")
        };
        let metadata = take_metadata(&mut fields).expect("well-formed");
        assert_eq!(
            (
                metadata.index_routing.as_deref(),
                metadata.search_routing.as_deref()
            ),
            (Some("7"), Some("s"))
        );
        assert_eq!(metadata.is_write_index, Some(true));
        assert!(fields.is_empty());
    }
}
