//! What a query looks for, as far as it can be seen in a text.
//!
//! It is read from the JSON form of the query, which has been parsed as a query before: what is malformed cannot come here, and what is not known
//! here is not highlighted.

use serde_json::{Map, Value};

use super::clauses::{Clause, Target};
use crate::query::written_parts;

/// See the module.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Words {
    pub(super) clauses: Vec<Clause>,
}

impl Words {
    pub(super) fn of(query: &Value) -> Self {
        let mut words = Self::default();
        words.query(query);
        words
    }

    // The depth is that of the query, which the parser of queries bounds.
    fn query(&mut self, query: &Value) {
        let Some(object) = query.as_object() else {
            return;
        };
        for (name, body) in object {
            match (name.as_str(), body) {
                ("bool", Value::Object(body)) => self.inner(body, &["must", "should", "filter"]),
                ("constant_score", Value::Object(body)) => self.inner(body, &["filter"]),
                ("dis_max", Value::Object(body)) => self.inner(body, &["queries"]),
                ("boosting", Value::Object(body)) => self.inner(body, &["positive"]),
                ("function_score" | "nested" | "script_score", Value::Object(body)) => {
                    self.inner(body, &["query"])
                }
                ("multi_match" | "combined_fields", Value::Object(body)) => {
                    self.clauses.extend(Clause::of_multi_match(body));
                }
                ("query_string" | "simple_query_string", body) => self.line(name, body),
                (name, Value::Object(body)) => self.leaf(name, body),
                _ => {}
            }
        }
    }

    fn inner(&mut self, body: &Map<String, Value>, keys: &[&str]) {
        for key in keys {
            match body.get(*key) {
                Some(Value::Array(queries)) => queries.iter().for_each(|query| self.query(query)),
                Some(query) => self.query(query),
                None => {}
            }
        }
    }

    /// A query that is written in one line.
    fn line(&mut self, name: &str, body: &Value) {
        for part in written_parts(name, body) {
            let targets = match part.fields {
                Some(fields) => fields.into_iter().map(Target::Pattern).collect(),
                None => vec![Target::Defaults],
            };
            let clauses = targets
                .into_iter()
                .filter_map(|target| Clause::of_leaf(part.query, target, &part.options));
            self.clauses.extend(clauses);
        }
    }

    /// A query on one field.
    fn leaf(&mut self, name: &str, body: &Map<String, Value>) {
        for (field, options) in body {
            if matches!(field.as_str(), "boost" | "_name") {
                continue;
            }
            let target = Target::Field(field.clone());
            self.clauses.extend(Clause::of_leaf(name, target, options));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn words_come_from_what_must_or_may_match() {
        for (query, count) in [
            (json!({"match_all": {}}), 0),
            (json!({"match": {"a": "x y"}}), 1),
            (
                json!({"bool": {"must": {"match": {"a": "x"}}, "must_not": [{"match": {"a": "y"}}]}}),
                1,
            ),
            (
                json!({"bool": {"should": [{"term": {"a": "x"}}], "filter": [{"prefix": {"a": {"value": "y"}}}]}}),
                2,
            ),
            (
                json!({"constant_score": {"filter": {"terms": {"a": ["x"], "boost": 2}}}}),
                1,
            ),
            (
                json!({"dis_max": {"queries": [{"fuzzy": {"a": "x"}}, {"wildcard": {"a": "x*"}}]}}),
                2,
            ),
            (
                json!({"multi_match": {"query": "x", "fields": ["a^2", "b.*"]}}),
                2,
            ),
            (json!({"multi_match": {"query": "x"}}), 1),
            (
                json!({"query_string": {"query": "a:x AND y -z", "fields": ["b", "c*"]}}),
                3,
            ),
            (json!({"simple_query_string": {"query": "x \"y z\""}}), 2),
            (
                json!({"terms_set": {"a": {"terms": ["x"], "minimum_should_match": 1}}}),
                1,
            ),
            (
                json!({"boosting": {"positive": {"term": {"a": "x"}}, "negative": {"term": {"a": "y"}}, "negative_boost": 0.5}}),
                1,
            ),
            (json!({"range": {"a": {"gt": 1}}}), 0),
            (json!({"exists": {"field": "a"}}), 0),
            (json!({"ids": {"values": ["a"]}}), 0),
        ] {
            assert_eq!(Words::of(&query).clauses.len(), count, "{query}");
        }
    }
}
