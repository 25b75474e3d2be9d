//! What a line looks for, part by part, for those that show it in texts.

use serde_json::{Value, json};

use super::super::full_text::parse_fields;
use super::super::pattern::Fuzziness;
use super::expression::{Expression, Occurs, What};
use super::simple_syntax::{self, Features};
use super::syntax;

/// A part of a line as the query that it stands for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct WrittenPart {
    /// Names and patterns; `None`: the fields of queries that name none.
    pub(crate) fields: Option<Vec<String>>,
    /// The name of the query.
    pub(crate) query: &'static str,
    /// What it says of each field.
    pub(crate) options: Value,
}

/// The parts of a `query_string` or `simple_query_string` that must or may match; none of one that is malformed.
pub(crate) fn written_parts(name: &str, body: &Value) -> Vec<WrittenPart> {
    let Some(line) = body.get("query").and_then(Value::as_str) else {
        return Vec::new();
    };
    let expression = if name == "query_string" {
        syntax::parse(line, false).ok()
    } else {
        let features = body
            .get("flags")
            .and_then(|flags| Features::from_json(flags).ok());
        Some(simple_syntax::parse(
            line,
            false,
            features.unwrap_or(Features::ALL),
        ))
    };
    let named = match (
        body.get("default_field").and_then(Value::as_str),
        body.get("fields"),
    ) {
        (Some(field), _) => Some(vec![field.to_owned()]),
        (None, Some(fields)) => parse_fields(fields)
            .ok()
            .map(|fields| fields.into_iter().map(|(name, _)| name).collect()),
        (None, None) => None,
    };
    let mut parts = Vec::new();
    if let Some(expression) = expression {
        collect(expression, body, named.as_ref(), &mut parts);
    }
    parts
}

// The parsers bound how deep groups are.
fn collect(expression: Expression, body: &Value, named: Option<&Vec<String>>, parts: &mut Vec<WrittenPart>) {
    match expression {
        Expression::Group { parts: inner, .. } => {
            for (occurs, part) in inner {
                if occurs != Occurs::MustNot {
                    collect(part, body, named, parts);
                }
            }
        }
        Expression::Found { field, what, .. } => {
            if let Some((query, options)) = query_of(what, body) {
                parts.push(WrittenPart {
                    fields: field.map(|field| vec![field]).or_else(|| named.cloned()),
                    query,
                    options,
                });
            }
        }
    }
}

/// The query of a part; `None` if a text cannot show it.
fn query_of(what: What, body: &Value) -> Option<(&'static str, Value)> {
    let analyzer = body.get("analyzer").cloned().unwrap_or_default();
    let phrase = |text: String, slop: Option<u32>| {
        let slop = slop.map_or_else(
            || body.get("phrase_slop").cloned().unwrap_or_default(),
            Value::from,
        );
        let quoted = body.get("quote_analyzer").unwrap_or(&analyzer);
        (
            "match_phrase",
            json!({"query": text, "slop": slop, "analyzer": quoted}),
        )
    };
    // Written words take the case of the field's words.
    let pattern = |pattern: String| json!({"value": pattern, "case_insensitive": true});
    Some(match what {
        What::Word(text) if body.get("type").is_some_and(|kind| kind == "phrase") => phrase(text, None),
        What::Word(text) => ("match", json!({"query": text, "analyzer": analyzer})),
        What::Phrase(text, slop) => phrase(text, slop),
        What::Prefix(prefix) => ("prefix", pattern(prefix)),
        What::Wildcard(text) => ("wildcard", pattern(text)),
        What::Regexp(text) => ("regexp", pattern(text)),
        What::Fuzzy(word, fuzziness) => {
            let fuzziness = match fuzziness {
                Some(Fuzziness::Edits(edits)) => edits.into(),
                Some(Fuzziness::Auto { low, high }) => format!("AUTO:{low},{high}").into(),
                None => body.get("fuzziness").cloned().unwrap_or_else(|| "AUTO".into()),
            };
            let prefix_length = body.get("fuzzy_prefix_length").cloned().unwrap_or_default();
            (
                "match",
                json!({"query": word, "fuzziness": fuzziness, "prefix_length": prefix_length, "analyzer": analyzer}),
            )
        }
        What::Range { .. } | What::Anything => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_that_must_not_match_are_left_out() {
        let read = |name: &str, body: Value| {
            let parts = written_parts(name, &body).into_iter();
            parts
                .map(|part| (part.fields.map(|fields| fields.join(",")), part.query))
                .collect::<Vec<_>>()
        };
        let line = r#"quick AND title:"red fox"~2 -slow br*n +(dog~1 OR n:[1 TO 2])"#;
        assert_eq!(
            read("query_string", json!({"query": line, "fields": ["a^2", "b"]})),
            [
                (Some("a,b".to_owned()), "match"),
                (Some("title".to_owned()), "match_phrase"),
                (Some("a,b".to_owned()), "wildcard"),
                (Some("a,b".to_owned()), "match"),
            ]
        );
        let simple = read(
            "simple_query_string",
            json!({"query": "quick -slow + \"red fox\" | pre*"}),
        );
        assert_eq!(
            simple,
            [(None, "match"), (None, "match_phrase"), (None, "prefix")]
        );
        assert!(read("query_string", json!({"query": "(open"})).is_empty());
    }
}
