//! The `filter_path` parameter: which parts of an answer the client wants.
//!
//! A filter is a dotted path whose segments may hold `*`; `**` stands for any number of segments, `\.` for a dot inside a
//! name, and a leading `-` turns the filter into an exclusion. Arrays are looked through. A part that lies on the way to a match
//! but holds none is left out.

use serde_json::{Map, Value};

use crate::wildcard::matches;

/// The parsed `filter_path` of a request.
#[derive(Debug, Default)]
pub(crate) struct FilterPath {
    includes: Vec<Vec<String>>,
    excludes: Vec<Vec<String>>,
}

/// What the filters say about one value.
enum Verdict<'a> {
    /// Some filter ends here: take or drop the value whole.
    Whole,
    /// These remainders of filters may match further down.
    Partly(Vec<&'a [String]>),
}

impl FilterPath {
    /// Parses a comma-separated list of filters.
    pub(crate) fn parse(text: &str) -> Self {
        let mut filter = Self::default();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            match part.strip_prefix('-') {
                Some(excluded) => filter.excludes.push(segments(excluded)),
                None => filter.includes.push(segments(part)),
            }
        }
        filter
    }

    /// The parts of `value` that pass; an empty object when none does.
    pub(crate) fn apply(&self, value: Value) -> Value {
        let empty = || Value::Object(Map::new());
        let mut value = value;
        if !self.includes.is_empty() {
            let filters = self.includes.iter().map(Vec::as_slice).collect();
            value = include(value, filters).unwrap_or_else(empty);
        }
        if !self.excludes.is_empty() {
            let filters = self.excludes.iter().map(Vec::as_slice).collect();
            value = exclude(value, filters).unwrap_or_else(empty);
        }
        value
    }
}

fn segments(path: &str) -> Vec<String> {
    let mut segments = vec![String::new()];
    let mut characters = path.chars().peekable();
    while let Some(character) = characters.next() {
        match (character, segments.last_mut()) {
            ('\\', Some(last)) if characters.peek() == Some(&'.') => {
                characters.next();
                last.push('.');
            }
            ('.', _) => segments.push(String::new()),
            (other, Some(last)) => last.push(other),
            (_, None) => {}
        }
    }
    segments
}

/// What remains of `filters` below the member `name`.
fn descend<'a>(filters: &[&'a [String]], name: &str) -> Verdict<'a> {
    let mut rest = Vec::new();
    let mut queue: Vec<&'a [String]> = filters.to_vec();
    while let Some(filter) = queue.pop() {
        match filter {
            [] => {}
            [any, tail @ ..] if any == "**" => {
                if tail.is_empty() {
                    return Verdict::Whole;
                }
                rest.push(filter);
                queue.push(tail);
            }
            [first, tail @ ..] if matches(first, name) => {
                if tail.is_empty() {
                    return Verdict::Whole;
                }
                rest.push(tail);
            }
            _ => {}
        }
    }
    Verdict::Partly(rest)
}

fn include(value: Value, filters: Vec<&[String]>) -> Option<Value> {
    match value {
        Value::Object(members) => {
            let mut kept = Map::new();
            for (name, member) in members {
                let member = match descend(&filters, &name) {
                    Verdict::Whole => Some(member),
                    Verdict::Partly(rest) if rest.is_empty() => None,
                    Verdict::Partly(rest) => include(member, rest),
                };
                if let Some(member) = member {
                    kept.insert(name, member);
                }
            }
            (!kept.is_empty()).then_some(Value::Object(kept))
        }
        Value::Array(elements) => {
            let kept: Vec<Value> = elements
                .into_iter()
                .filter_map(|element| include(element, filters.clone()))
                .collect();
            (!kept.is_empty()).then_some(Value::Array(kept))
        }
        _ => None,
    }
}

fn exclude(value: Value, filters: Vec<&[String]>) -> Option<Value> {
    match value {
        Value::Object(members) if !members.is_empty() => {
            let mut kept = Map::new();
            for (name, member) in members {
                let member = match descend(&filters, &name) {
                    Verdict::Whole => None,
                    Verdict::Partly(rest) if rest.is_empty() => Some(member),
                    Verdict::Partly(rest) => exclude(member, rest),
                };
                if let Some(member) = member {
                    kept.insert(name, member);
                }
            }
            (!kept.is_empty()).then_some(Value::Object(kept))
        }
        Value::Array(elements) if !elements.is_empty() => {
            let kept: Vec<Value> = elements
                .into_iter()
                .filter_map(|element| exclude(element, filters.clone()))
                .collect();
            (!kept.is_empty()).then_some(Value::Array(kept))
        }
        other => Some(other),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn filters_choose_parts_of_an_answer() {
        let answer = json!({
            "took": 1, "errors": false, "a.b": 7,
            "items": [{"index": {"_id": "1", "status": 201}}, {"index": {"_id": "2", "status": 400, "error": {"type": "x"}}}],
            "follow_stats": {"indices": [{"index": "f", "shards": [{"shard_id": 0, "lag": 3}]}]}
        });
        let cases = [
            ("took", json!({"took": 1})),
            ("took,errors", json!({"took": 1, "errors": false})),
            (
                "items.*.error",
                json!({"items": [{"index": {"error": {"type": "x"}}}]}),
            ),
            (
                "items.index.status",
                json!({"items": [{"index": {"status": 201}}, {"index": {"status": 400}}]}),
            ),
            (
                "**.lag",
                json!({"follow_stats": {"indices": [{"shards": [{"lag": 3}]}]}}),
            ),
            (
                "follow_stats.**",
                json!({"follow_stats": {"indices": [{"index": "f", "shards": [{"shard_id": 0, "lag": 3}]}]}}),
            ),
            ("nothing", json!({})),
            ("took.deeper", json!({})),
            ("t*k", json!({"took": 1})),
            (r"a\.b", json!({"a.b": 7})),
            ("-items,-follow_stats,-a\\.b", json!({"took": 1, "errors": false})),
            (
                "items,-items.*.error,-**._id",
                json!({"items": [{"index": {"status": 201}}, {"index": {"status": 400}}]}),
            ),
            (
                "follow_stats,-**.shards",
                json!({"follow_stats": {"indices": [{"index": "f"}]}}),
            ),
        ];
        for (filter, expected) in cases {
            assert_eq!(
                FilterPath::parse(filter).apply(answer.clone()),
                expected,
                "{filter}"
            );
        }
    }

    #[test]
    fn an_excluded_only_member_takes_its_parent_with_it_and_empty_parts_elsewhere_stay() {
        let answer = json!({"a": {"b": 1}, "indices": []});
        assert_eq!(
            FilterPath::parse("-a.b").apply(answer.clone()),
            json!({"indices": []})
        );
        assert_eq!(FilterPath::parse("indices").apply(answer), json!({"indices": []}));
    }
}
