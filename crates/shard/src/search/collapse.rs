//! `collapse`: of the hits with the same value of a field, only the first is returned.

use std::collections::HashSet;

use es_exception::{Exception, ExceptionKind};
use index_meta::{FieldMapping, FieldType, Mapping};
use serde_json::{Map, Value, json};

use crate::Query;
use crate::search::hits::{ShardHit, SortValue};
use crate::search::inner::inner_search;
use crate::search::request::SearchRequest;

/// See the module.
#[derive(Debug, Clone, PartialEq)]
pub struct Collapse {
    /// A keyword or a number.
    pub field: String,
    /// What is returned of the other hits of each group.
    pub inner_hits: Vec<InnerHitsRequest>,
}

/// Hits of a group.
#[derive(Debug, Clone, PartialEq)]
pub struct InnerHitsRequest {
    /// Under which they are returned.
    pub name: String,
    /// The search for them, in all groups.
    pub request: Box<SearchRequest>,
}

/// Most entries of `inner_hits`.
const MAX_INNER_HITS: usize = 10;
impl Collapse {
    /// From the `collapse` of a search with this body.
    pub(super) fn from_json(value: &Value, body: &Map<String, Value>) -> Result<Self, Exception> {
        let object = value
            .as_object()
            .ok_or_else(|| malformed(format!("[collapse] must be an object, got [{value}]")))?;
        let (mut field, mut inner) = (None, Vec::new());
        for (key, value) in object {
            match (key.as_str(), value) {
                ("field", Value::String(name)) => field = Some(name.clone()),
                // A hint on how to search for the hits of groups.
                ("max_concurrent_group_searches", Value::Number(_)) => {}
                ("inner_hits", Value::Array(items)) if items.len() > MAX_INNER_HITS => {
                    return Err(Exception::illegal_argument(format!(
                        "[inner_hits] has more than [{MAX_INNER_HITS}] entries"
                    )));
                }
                ("inner_hits", Value::Array(items)) => inner = items.iter().collect(),
                ("inner_hits", item) => inner = vec![item],
                _ => return Err(malformed(format!("[collapse] unknown field [{key}]"))),
            }
        }
        let field = field.ok_or_else(|| malformed("[collapse] requires a [field]".to_owned()))?;
        let inner_hits = inner
            .into_iter()
            .map(|item| InnerHitsRequest::from_json(item, &field, body))
            .collect::<Result<Vec<_>, _>>()?;
        let mut names = HashSet::new();
        match inner_hits.iter().find(|inner| !names.insert(&inner.name)) {
            Some(twice) => Err(Exception::illegal_argument(format!(
                "[inner_hits] already contains an entry for key [{}]",
                twice.name
            ))),
            None => Ok(Self { field, inner_hits }),
        }
    }

    /// The documents of one group.
    ///
    /// # Errors
    /// None for a value that a search has found.
    pub fn group_query(&self, group: &SortValue) -> Result<Query, Exception> {
        let field = &self.field;
        Query::from_json(&match group {
            SortValue::Null => json!({"bool": {"must_not": {"exists": {"field": field}}}}),
            value => json!({"term": {field: value.to_json()}}),
        })
    }

    /// Source: what Elasticsearch does not combine.
    pub(super) fn check(&self, request: &SearchRequest) -> Result<(), Exception> {
        let is_same = request.sort.len() == 1 && request.sort[0].field == self.field;
        if request.search_after.is_some() && !is_same {
            return Err(Exception::illegal_argument(
                "Cannot use [collapse] in conjunction with [search_after] unless the search is sorted on the same field. Secondary sorts are \
                 not allowed.",
            ));
        }
        Ok(())
    }

    /// The field, if hits can be grouped by it.
    ///
    /// # Errors
    /// `illegal_argument_exception`.
    pub(super) fn resolve<'m>(&self, mapping: &'m Mapping) -> Result<&'m FieldMapping, Exception> {
        let field = mapping.field(&self.field).ok_or_else(|| {
            Exception::illegal_argument(format!(
                "no mapping found for `{}` in order to collapse on",
                self.field
            ))
        })?;
        if field.field_type() != FieldType::Keyword && !field.field_type().is_numeric() {
            return Err(Exception::illegal_argument(format!(
                "collapse is not supported for the field [{}] of the type [{}]",
                self.field,
                field.field_type().name()
            )));
        }
        if !field.has_doc_values() {
            return Err(Exception::illegal_argument(format!(
                "cannot collapse on field `{}` without `doc_values`",
                self.field
            )));
        }
        Ok(field)
    }
}

impl InnerHitsRequest {
    fn from_json(value: &Value, field: &str, body: &Map<String, Value>) -> Result<Self, Exception> {
        let object = value
            .as_object()
            .ok_or_else(|| malformed(format!("[inner_hits] must be an object, got [{value}]")))?;
        let mut options = object.clone();
        options.remove("ignore_unmapped");
        let name = match options.remove("name") {
            Some(Value::String(name)) => name,
            Some(other) => {
                return Err(malformed(format!(
                    "[inner_hits] the [name] must be a string, got [{other}]"
                )));
            }
            None => field.to_owned(),
        };
        let request = inner_search(
            "inner_hits",
            options,
            body,
            &["query", "post_filter", "min_score"],
        )?;
        Ok(Self {
            name,
            request: Box::new(request),
        })
    }
}

fn malformed(reason: String) -> Exception {
    Exception::new(ExceptionKind::Parsing, reason)
}

/// Leaves the first hit of each group. Hits without a value are one group.
pub(super) fn first_of_each(hits: &mut Vec<ShardHit>) {
    firsts(hits, |hit| hit);
}

/// The same for hits within something else.
pub(super) fn firsts<T>(items: &mut Vec<T>, hit: impl Fn(&T) -> &ShardHit) {
    let mut seen = HashSet::new();
    items.retain(|item| match &hit(item).group {
        Some(group) => seen.insert(group.to_json().to_string()),
        None => true,
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_go_with_groups_is_refused() {
        for (body, expected) in [
            (json!({"collapse": {"field": "k"}}), true),
            (
                json!({"collapse": {"field": "k"}, "sort": ["k"], "search_after": ["a"]}),
                true,
            ),
            (
                json!({"collapse": {"field": "k"}, "sort": ["n"], "search_after": [1]}),
                false,
            ),
            (
                json!({"collapse": {"field": "k"}, "sort": ["k", "n"], "search_after": ["a", 1]}),
                false,
            ),
            (
                json!({"collapse": {"field": "k", "inner_hits": {"name": "x", "size": 2, "sort": ["n"]}}}),
                true,
            ),
            (json!({"collapse": {"field": "k", "inner_hits": [{}, {}]}}), false),
            (
                json!({"collapse": {"field": "k", "inner_hits": {"aggs": {}}}}),
                false,
            ),
            (
                json!({"collapse": {"field": "k", "inner_hits": {"collapse": {"field": "n"}}}}),
                false,
            ),
            (json!({"collapse": {}}), false),
            (json!({"collapse": "k"}), false),
        ] {
            assert_eq!(SearchRequest::from_json(&body).is_ok(), expected, "{body}");
        }
        let mapping = json!({"properties": {
            "k": {"type": "keyword"}, "n": {"type": "long"}, "t": {"type": "text"}, "x": {"type": "keyword", "doc_values": false}
        }});
        let mapping = Mapping::from_json(&mapping).unwrap();
        let resolves = |field: &str| {
            Collapse {
                field: field.to_owned(),
                inner_hits: Vec::new(),
            }
            .resolve(&mapping)
            .is_ok()
        };
        assert_eq!(
            ["k", "n", "t", "x", "nope"].map(resolves),
            [true, true, false, false, false]
        );
    }
}
