//! `_field_caps`: which fields indices have, and what can be done with them.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU64;

use es_exception::{Exception, ExceptionKind};
use index_meta::{FieldMapping, FieldType, Mapping};
use indices::{ResolveOptions, SearchOptions};
use serde_json::{Map, Value, json};
use shard::{Counting, Query};

use super::targets;
use crate::call::Call;
use crate::json_body::{refuse_rest, take_object, take_strings};
use crate::reply::Reply;
use crate::wildcard::matches;

/// `GET|POST /_field_caps` and `/{index}/_field_caps`.
pub(crate) async fn field_caps(call: Call) -> Result<Reply, Exception> {
    let mut body = call.object()?.unwrap_or_default();
    let in_body = take_strings(&mut body, "fields")?;
    let filter = body.remove("index_filter").filter(|filter| !filter.is_null());
    if take_object(&mut body, "runtime_mappings")?.is_some_and(|fields| !fields.is_empty()) {
        return Err(Exception::new(
            ExceptionKind::Unsupported,
            "[runtime_mappings] is not supported here",
        ));
    }
    refuse_rest(&body, "field_caps")?;
    let in_params = call
        .params
        .list("fields")
        .into_iter()
        .map(str::to_owned)
        .collect();
    let fields: Vec<String> = in_body.unwrap_or(in_params);
    if fields.is_empty() {
        return Err(Exception::new(
            ExceptionKind::ActionRequestValidation,
            "Validation Failed: 1: no fields specified;",
        ));
    }
    // Source: whether a field has values is not looked at by default; here it cannot be.
    if !call.params.flag("include_empty_fields", true)? {
        return Err(Exception::new(
            ExceptionKind::Unsupported,
            "[include_empty_fields] cannot be false here: mappings do not say which fields have values",
        ));
    }
    let wanted = Wanted {
        fields,
        filters: Filters::parse(&call.params.list("filters"))?,
        types: call.params.list("types").into_iter().map(str::to_owned).collect(),
        include_unmapped: call.params.flag("include_unmapped", false)?,
    };
    let resolve = targets::options(&call, ResolveOptions::OPEN)?;
    let mut indices = call.state.indices().resolve(call.index(), &resolve)?;
    indices.sort_by(|left, right| left.name.cmp(&right.name));
    if let Some(filter) = filter {
        let query = Query::from_json(&filter)?;
        let mut matching = Vec::new();
        for index in indices {
            if has_match(&call, &index.name, query.clone()).await? {
                matching.push(index);
            }
        }
        indices = matching;
    }
    let mappings: Vec<(&str, &Mapping)> = indices
        .iter()
        .map(|index| (index.name.as_str(), &*index.mapping))
        .collect();
    Reply::ok(&capabilities(&mappings, &wanted))
}

async fn has_match(call: &Call, index: &str, query: Query) -> Result<bool, Exception> {
    let one = Counting {
        terminate_after: NonZeroU64::new(1),
        ..Counting::of(query)
    };
    let indices = call.state.indices();
    let found = indices.count(index, one, &SearchOptions::default()).await?;
    Ok(found.count > 0)
}

/// What a request asks for.
#[derive(Debug, Default)]
struct Wanted {
    fields: Vec<String>,
    filters: Filters,
    /// All if empty.
    types: BTreeSet<String>,
    include_unmapped: bool,
}

/// `filters`: what is left out.
#[derive(Debug, Default)]
struct Filters {
    metadata: bool,
    everything_else: bool,
    parents: bool,
    nested: bool,
    multi_fields: bool,
}

impl Filters {
    fn parse(names: &[&str]) -> Result<Self, Exception> {
        let mut filters = Self::default();
        for name in names {
            match *name {
                "-metadata" => filters.metadata = true,
                "+metadata" => filters.everything_else = true,
                "-parent" => filters.parents = true,
                "-nested" => filters.nested = true,
                "-multifield" => filters.multi_fields = true,
                other => {
                    return Err(Exception::illegal_argument(format!(
                        "Unknown field caps filter [{other}], must be [+metadata], [-metadata], [-parent], [-nested] or [-multifield]"
                    )));
                }
            }
        }
        Ok(filters)
    }
}

/// What can be done with a field of an index.
#[derive(Debug, Clone)]
struct Capability {
    kind: &'static str,
    is_metadata: bool,
    is_searchable: bool,
    is_aggregatable: bool,
    meta: Map<String, Value>,
}

/// Metadata fields: name, whether they can be searched, and sorted by.
const METADATA: [(&str, bool, bool); 6] = [
    ("_id", true, false),
    ("_index", false, false),
    ("_routing", true, false),
    ("_seq_no", true, true),
    ("_source", false, false),
    ("_version", false, false),
];

/// The fields of one index that are wanted.
fn of_index(mapping: &Mapping, wanted: &Wanted) -> BTreeMap<String, Capability> {
    let is_named = |path: &str| wanted.fields.iter().any(|pattern| matches(pattern, path));
    let is_kind = |kind: &str| wanted.types.is_empty() || wanted.types.contains(kind);
    let objects: BTreeMap<&str, bool> = mapping.objects().into_iter().collect();
    let mut found = BTreeMap::new();
    for (name, is_searchable, is_aggregatable) in METADATA {
        if !wanted.filters.metadata && is_named(name) && is_kind(name) {
            let capability = Capability {
                kind: name,
                is_metadata: true,
                is_searchable,
                is_aggregatable,
                meta: Map::new(),
            };
            found.insert(name.to_owned(), capability);
        }
    }
    if wanted.filters.everything_else {
        return found;
    }
    for field in mapping.fields() {
        let parents: Vec<&str> = field
            .path()
            .match_indices('.')
            .map(|(dot, _)| &field.path()[..dot])
            .collect();
        let is_multi_field = parents.last().is_some_and(|parent| !objects.contains_key(parent));
        let is_nested = parents.iter().any(|parent| objects.get(parent) == Some(&true));
        if !is_named(field.path())
            || (wanted.filters.multi_fields && is_multi_field)
            || (wanted.filters.nested && is_nested)
        {
            continue;
        }
        if is_kind(field.field_type().name()) {
            found.insert(field.path().to_owned(), of_field(field));
        }
        if wanted.filters.parents {
            continue;
        }
        // Source: the objects above a field that is wanted are shown with it.
        for parent in parents {
            let Some(is_nested) = objects.get(parent) else {
                continue;
            };
            let kind = if *is_nested { "nested" } else { "object" };
            if is_kind(kind) {
                found.insert(
                    parent.to_owned(),
                    Capability {
                        kind,
                        is_metadata: false,
                        is_searchable: false,
                        is_aggregatable: false,
                        meta: Map::new(),
                    },
                );
            }
        }
    }
    found
}

fn of_field(field: &FieldMapping) -> Capability {
    let meta = field.parameter("meta").and_then(Value::as_object);
    Capability {
        kind: field.field_type().name(),
        is_metadata: false,
        is_searchable: field.is_indexed() || field.has_doc_values(),
        is_aggregatable: field.field_type() != FieldType::Text && field.has_doc_values(),
        meta: meta.cloned().unwrap_or_default(),
    }
}

/// The indices that have a field so, by type.
type Types<'a> = BTreeMap<&'static str, Vec<(&'a str, Capability)>>;

/// The answer for indices in order of their names.
fn capabilities(indices: &[(&str, &Mapping)], wanted: &Wanted) -> Value {
    let mut fields: BTreeMap<String, Types<'_>> = BTreeMap::new();
    for (name, mapping) in indices {
        for (path, capability) in of_index(mapping, wanted) {
            let types = fields.entry(path).or_default();
            types.entry(capability.kind).or_default().push((name, capability));
        }
    }
    let names: Vec<&str> = indices.iter().map(|(name, _)| *name).collect();
    let shown: Map<String, Value> = fields
        .into_iter()
        .map(|(path, types)| (path, types_of(&names, &types, wanted.include_unmapped)))
        .collect();
    json!({"indices": names, "fields": shown})
}

fn types_of(names: &[&str], types: &Types<'_>, include_unmapped: bool) -> Value {
    let having: BTreeSet<&str> = types.values().flatten().map(|(name, _)| *name).collect();
    let without: Vec<&str> = names
        .iter()
        .copied()
        .filter(|name| !having.contains(name))
        .collect();
    let shows_unmapped = include_unmapped && !without.is_empty();
    let lists_indices = types.len() > 1 || shows_unmapped;
    let mut shown = Map::new();
    for (kind, indices) in types {
        let lacking = |has: fn(&Capability) -> bool| -> Vec<&str> {
            let lacking = indices.iter().filter(|(_, capability)| !has(capability));
            lacking.map(|(name, _)| *name).collect()
        };
        let not_searchable = lacking(|capability| capability.is_searchable);
        let not_aggregatable = lacking(|capability| capability.is_aggregatable);
        let mut entry = json!({
            "type": kind,
            "metadata_field": indices.iter().any(|(_, capability)| capability.is_metadata),
            "searchable": not_searchable.is_empty(),
            "aggregatable": not_aggregatable.is_empty(),
        });
        if lists_indices {
            entry["indices"] = indices.iter().map(|(name, _)| *name).collect();
        }
        // Source: those that differ from the others; none if all are alike.
        for (key, lacking) in [
            ("non_searchable_indices", not_searchable),
            ("non_aggregatable_indices", not_aggregatable),
        ] {
            if !lacking.is_empty() && lacking.len() < indices.len() {
                entry[key] = lacking.into();
            }
        }
        let meta = merged_meta(indices);
        if !meta.is_empty() {
            entry["meta"] = meta.into();
        }
        shown.insert((*kind).to_owned(), entry);
    }
    if shows_unmapped {
        let entry = json!({
            "type": "unmapped", "metadata_field": false, "searchable": false, "aggregatable": false, "indices": without
        });
        shown.insert("unmapped".to_owned(), entry);
    }
    Value::Object(shown)
}

/// The values of each key in all indices.
fn merged_meta(indices: &[(&str, Capability)]) -> Map<String, Value> {
    let mut merged: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (key, value) in indices.iter().flat_map(|(_, capability)| &capability.meta) {
        merged.entry(key).or_default().extend(value.as_str());
    }
    merged
        .into_iter()
        .map(|(key, values)| (key.to_owned(), values.into_iter().collect()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caps(fields: &[&str], filters: &[&str], types: &[&str], include_unmapped: bool) -> Value {
        let first = json!({"properties": {
            "rating": {"type": "long"}, "title": {"type": "text", "fields": {"raw": {"type": "keyword"}}},
            "user": {"properties": {"name": {"type": "keyword"}}}, "tags": {"type": "nested", "properties": {"k": {"type": "keyword"}}},
            "plain": {"type": "keyword", "doc_values": false}
        }});
        let second = json!({"properties": {
            "rating": {"type": "keyword"}, "title": {"type": "text"}, "plain": {"type": "keyword", "index": false}
        }});
        let read = |mapping: &Value| Mapping::from_json(mapping).expect("a mapping");
        let (first, second) = (read(&first), read(&second));
        let wanted = Wanted {
            fields: fields.iter().map(|field| (*field).to_owned()).collect(),
            filters: Filters::parse(filters).expect("filters"),
            types: types.iter().map(|kind| (*kind).to_owned()).collect(),
            include_unmapped,
        };
        capabilities(&[("a", &first), ("b", &second)], &wanted)
    }

    fn names(answer: &Value) -> Vec<&str> {
        answer["fields"]
            .as_object()
            .expect("fields")
            .keys()
            .map(String::as_str)
            .collect()
    }

    #[test]
    fn types_and_indices_that_differ_are_told_apart() {
        let answer = caps(&["rating", "title", "plain", "nowhere"], &[], &[], false);
        let expected = json!({
            "plain": {"keyword": {
                "type": "keyword", "metadata_field": false, "searchable": true, "aggregatable": false, "non_aggregatable_indices": ["a"]
            }},
            "rating": {
                "keyword": {"type": "keyword", "metadata_field": false, "searchable": true, "aggregatable": true, "indices": ["b"]},
                "long": {"type": "long", "metadata_field": false, "searchable": true, "aggregatable": true, "indices": ["a"]}
            },
            "title": {"text": {"type": "text", "metadata_field": false, "searchable": true, "aggregatable": false}}
        });
        assert_eq!(answer, json!({"indices": ["a", "b"], "fields": expected}));
        let answer = caps(&["user.name"], &[], &[], true);
        assert_eq!(names(&answer), ["user", "user.name"]);
        assert_eq!(answer["fields"]["user.name"]["unmapped"]["indices"], json!(["b"]));
        assert_eq!(answer["fields"]["user.name"]["keyword"]["indices"], json!(["a"]));
        assert_eq!(answer["fields"]["user"]["object"]["searchable"], false);
    }

    #[test]
    fn filters_leave_fields_out() {
        let all = [
            "plain",
            "rating",
            "tags",
            "tags.k",
            "title",
            "title.raw",
            "user",
            "user.name",
        ];
        for (filters, types, expected) in [
            (&["-metadata"][..], &[][..], &all[..]),
            (
                &["-metadata", "-parent"],
                &[],
                &["plain", "rating", "tags.k", "title", "title.raw", "user.name"],
            ),
            (
                &["-metadata", "-nested", "-multifield"],
                &[],
                &["plain", "rating", "title", "user", "user.name"],
            ),
            (&["-metadata"], &["long", "nested"], &["rating", "tags"]),
            (
                &["+metadata"],
                &[],
                &["_id", "_index", "_routing", "_seq_no", "_source", "_version"],
            ),
        ] {
            assert_eq!(
                names(&caps(&["*"], filters, types, false)),
                expected,
                "{filters:?} {types:?}"
            );
        }
        assert!(Filters::parse(&["nested"]).is_err());
    }
}
