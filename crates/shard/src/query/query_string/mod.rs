//! Queries that people write in one line: `query_string`, `simple_query_string`, and the parameter `q`.

mod expression;
mod simple_syntax;
mod syntax;
mod written;

pub(crate) use written::written_parts;

use es_exception::Exception;
use serde_json::Value;

use super::Query;
use super::full_text::{Fields, parse_fields, parse_operator};
use super::minimum_should_match::MinimumShouldMatch;
use super::parse::{flag, malformed, number, object, plain_text, text, unsigned};
use super::pattern::Fuzziness;
use expression::Options;
use simple_syntax::Features;

/// Deepest nesting of parentheses.
const MAX_DEPTH: usize = 30;
/// Most parts of one query. Source: default of `indices.query.bool.max_clause_count` in Lucene.
const MAX_CLAUSES: usize = 1_024;

/// `query_string`
pub(super) fn parse_query_string(body: &Value) -> Result<Query, Exception> {
    const NAME: &str = "query_string";
    let mut query = Query::match_all();
    let mut options = Options::new(Fields::best(None));
    let (mut searched, mut names, mut default_field) = (None, None, None);
    for (key, value) in object(NAME, body)? {
        match key.as_str() {
            "query" => searched = Some(plain_text(NAME, value)?),
            "default_field" => default_field = Some(text(key, value)?.to_owned()),
            "fields" => names = Some(parse_fields(value)?),
            "type" => match text(key, value)? {
                "best_fields" => {}
                "most_fields" => options.fields.sums = true,
                "phrase" => options.words_are_phrases = true,
                other => {
                    return Err(malformed(format!("[{NAME}] type [{other}] is not supported")));
                }
            },
            "phrase_slop" => options.slop = unsigned(key, value)?,
            "fuzziness" => options.fuzziness = Fuzziness::from_json(value)?,
            "fuzzy_prefix_length" => options.prefix_length = unsigned(key, value)? as usize,
            "allow_leading_wildcard" => options.allow_leading_wildcard = flag(key, value)?,
            "time_zone" => options.time_zone = Some(text(key, value)?.to_owned()),
            "quote_analyzer" => options.quote_analyzer = Some(text(key, value)?.to_owned()),
            // Relevance is a 32-bit number.
            "tie_breaker" => options.fields.tie_breaker = number(key, value)? as f32,
            // Hints on how to run a query that is run in another way here.
            "fuzzy_max_expansions"
            | "fuzzy_transpositions"
            | "fuzzy_rewrite"
            | "rewrite"
            | "max_determinized_states"
            | "enable_position_increments"
            | "escape" => {}
            _ if options.parse_common(NAME, key, value)? => {}
            _ => query.parse_common(NAME, key, value)?,
        }
    }
    options.fields.names = match (names, default_field) {
        (Some(_), Some(_)) => {
            return Err(malformed(format!(
                "[{NAME}] cannot have both [fields] and [default_field]"
            )));
        }
        (None, Some(field)) => Some(vec![(field, 1.0)]),
        (names, None) => names,
    };
    let searched = searched.ok_or_else(|| malformed(format!("[{NAME}] must be provided with a [query]")))?;
    let parsed = syntax::parse(&searched, options.all)
        .map_err(|problem| malformed(format!("Failed to parse query [{searched}]: {problem}")))?;
    query.node = options.query(parsed)?.node;
    Ok(query)
}

/// `simple_query_string`: as written by people who do not know of any syntax. There is nothing that cannot be read.
pub(super) fn parse_simple_query_string(body: &Value) -> Result<Query, Exception> {
    const NAME: &str = "simple_query_string";
    let mut query = Query::match_all();
    let mut options = Options::new(Fields {
        sums: true,
        ..Fields::best(None)
    });
    let (mut searched, mut features) = (None, Features::ALL);
    for (key, value) in object(NAME, body)? {
        match key.as_str() {
            "query" => searched = Some(plain_text(NAME, value)?),
            "fields" => options.fields.names = Some(parse_fields(value)?),
            "flags" => features = Features::from_json(value)?,
            "fuzzy_prefix_length" => options.prefix_length = unsigned(key, value)? as usize,
            "quote_field_suffix" => {
                return Err(malformed(format!("[{NAME}] query does not support [{key}]")));
            }
            "fuzzy_max_expansions" | "fuzzy_transpositions" => {}
            _ if options.parse_common(NAME, key, value)? => {}
            _ => query.parse_common(NAME, key, value)?,
        }
    }
    let searched = searched.ok_or_else(|| malformed(format!("[{NAME}] query text missing")))?;
    let parsed = simple_syntax::parse(&searched, options.all, features);
    query.node = options.query(parsed)?.node;
    Ok(query)
}

impl Options {
    /// Whether the parameter was one that both queries have.
    fn parse_common(&mut self, name: &str, key: &str, value: &Value) -> Result<bool, Exception> {
        match key {
            "default_operator" => self.all = parse_operator(name, key, value)?,
            "analyzer" => self.analyzer = Some(text(key, value)?.to_owned()),
            "lenient" => self.fields.lenient = flag(key, value)?,
            "minimum_should_match" => self.minimum_should_match = Some(MinimumShouldMatch::from_json(value)?),
            "analyze_wildcard" => drop(flag(key, value)?),
            "auto_generate_synonyms_phrase_query" => drop(flag(key, value)?),
            _ => return Ok(false),
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_both_queries_refuse() {
        for bad in [
            json!({"query_string": {}}),
            json!({"query_string": {"query": "a", "fields": ["b"], "default_field": "c"}}),
            json!({"query_string": {"query": "a", "type": "cross_fields"}}),
            json!({"query_string": {"query": "*a", "allow_leading_wildcard": false}}),
            json!({"query_string": {"query": "a", "default_operator": "xor"}}),
            json!({"simple_query_string": {"query": "a", "flags": "NOPE"}}),
            json!({"simple_query_string": {"query": "a", "slop": 1}}),
        ] {
            assert!(Query::from_json(&bad).is_err(), "{bad}");
        }
    }
}
