//! The search request of one shard copy, parsed once for all shards.

use std::num::NonZeroU64;
use std::time::Duration;

use es_exception::{Exception, ExceptionKind};
use index_meta::parse_time_millis;
use serde_json::Value;

use crate::Query;
use crate::aggregation::AggregationRequest;
use crate::search::collapse::Collapse;
use crate::search::fetch::{FieldSelector, StoredFields, parse_selectors};
use crate::search::highlight::HighlightRequest;
use crate::search::sort::{SHARD_DOC, SortClause, parse_sort};
use crate::search::source_filter::SourceFilter;

/// How exactly the matching documents are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrackTotalHits {
    /// All of them.
    Exact,
    /// Up to this number; beyond it the total is a lower bound.
    UpTo(u64),
    /// Not at all.
    No,
}

/// A search over one or more shard copies.
///
/// Source: the body of Elasticsearch's search API. Keys that are not supported are refused, never ignored.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchRequest {
    /// What to find.
    pub query: Query,
    /// What is computed over all matches of the query.
    pub aggregations: Option<AggregationRequest>,
    /// Whether the names of aggregations have their types before them in the answer.
    pub typed_keys: bool,
    /// Narrows the hits after the query, and not what is aggregated.
    pub post_filter: Option<Query>,
    /// Order of the hits; empty: by relevance.
    pub sort: Vec<SortClause>,
    /// Hits to skip.
    pub from: usize,
    /// Hits to return.
    pub size: usize,
    /// Sort values after which the hits start; one per sort clause.
    pub search_after: Option<Vec<Value>>,
    /// Which parts of the source are returned.
    pub source: SourceFilter,
    /// Fields whose values are returned, as the source has them.
    pub fields: Vec<FieldSelector>,
    /// Fields whose values are returned, as they are sorted by.
    pub docvalue_fields: Vec<FieldSelector>,
    /// What is highlighted in the hits' texts.
    pub highlight: Option<HighlightRequest>,
    /// Whether anything that is stored is returned at all.
    pub stored_fields: Option<StoredFields>,
    /// Whether hits carry `_version`.
    pub version: bool,
    /// Whether hits carry `_seq_no` and `_primary_term`.
    pub seq_no_primary_term: bool,
    /// Whether scores are computed although the hits are sorted by something else.
    pub track_scores: bool,
    /// How exactly matches are counted.
    pub track_total_hits: TrackTotalHits,
    /// Hits below this relevance do not count.
    pub min_score: Option<f32>,
    /// Whether only the first hit of each group is returned.
    pub collapse: Option<Collapse>,
    /// Matching documents after which each shard ends its search.
    pub terminate_after: Option<NonZeroU64>,
    /// How long each shard searches; what it has found by then is the answer. `None`: as long as it takes.
    pub timeout: Option<Duration>,
    /// The shard's place among those of the search: the upper part of its values of `_shard_doc`.
    pub shard_position: u32,
    /// What `now` is in dates, in milliseconds since the epoch, the same for all shards and pages; `None`: when each shard is searched.
    pub now_millis: Option<i64>,
}

impl Default for SearchRequest {
    fn default() -> Self {
        Self {
            query: Query::match_all(),
            aggregations: None,
            typed_keys: false,
            post_filter: None,
            sort: Vec::new(),
            from: 0,
            size: 10,
            search_after: None,
            source: SourceFilter::all(),
            fields: Vec::new(),
            docvalue_fields: Vec::new(),
            stored_fields: None,
            highlight: None,
            version: false,
            seq_no_primary_term: false,
            track_scores: false,
            track_total_hits: TrackTotalHits::UpTo(10_000),
            min_score: None,
            collapse: None,
            terminate_after: None,
            timeout: None,
            shard_position: 0,
            now_millis: None,
        }
    }
}

/// Which documents are counted.
#[derive(Debug, Clone, PartialEq)]
pub struct Counting {
    /// What they match.
    pub query: Query,
    /// Least relevance.
    pub min_score: Option<f32>,
    /// How many are counted at most in each shard.
    pub terminate_after: Option<NonZeroU64>,
}

impl Counting {
    /// Every document that matches.
    #[must_use]
    pub const fn of(query: Query) -> Self {
        Self {
            query,
            min_score: None,
            terminate_after: None,
        }
    }
}

impl SearchRequest {
    /// Parses a search body.
    ///
    /// # Errors
    /// A `parsing_exception` for unknown keys and malformed values, `illegal_argument_exception` for values out of range.
    pub fn from_json(body: &Value) -> Result<Self, Exception> {
        let request = Self::parse(body)?;
        request.check()?;
        Ok(request)
    }

    /// The same for a search at a point in time: hits that are sorted are sorted by `_shard_doc` last, unless `search_after` has no value for it. So a page
    /// begins exactly behind the one before.
    ///
    /// # Errors
    /// As [`from_json`](Self::from_json).
    pub fn from_json_at_point_in_time(body: &Value) -> Result<Self, Exception> {
        let mut request = Self::parse(body)?;
        let after = request.search_after.as_ref().map(Vec::len);
        // A page of groups begins behind a value of their field alone.
        if request.collapse.is_none() && !request.sort.is_empty() && after != Some(request.sort.len()) {
            request.break_ties();
        }
        request.check()?;
        Ok(request)
    }

    fn parse(body: &Value) -> Result<Self, Exception> {
        let mut request = Self::default();
        let object = match body {
            Value::Null => return Ok(request),
            Value::Object(object) => object,
            other => return Err(malformed(format!("Expected [START_OBJECT] but found [{other}]"))),
        };
        for (key, value) in object {
            request.parse_key(key, value)?;
        }
        if let Some(collapse) = object.get("collapse") {
            request.collapse = Some(Collapse::from_json(collapse, object)?);
        }
        if let Some(value) = object.get("aggs").or_else(|| object.get("aggregations")) {
            let aggregations = AggregationRequest::from_json(value, object)?;
            request.aggregations = Some(aggregations).filter(|aggregations| !aggregations.is_empty());
        }
        if let Some(highlight) = object.get("highlight") {
            request.highlight = Some(HighlightRequest::from_json(highlight, object.get("query"))?);
        }
        // Source: who asks for stored fields and does not say `_source`, does not want it.
        if !object.contains_key("_source")
            && !matches!(
                request.stored_fields,
                None | Some(StoredFields::Named { source: true })
            )
        {
            request.source = SourceFilter::none();
        }
        Ok(request)
    }

    fn parse_key(&mut self, key: &str, value: &Value) -> Result<(), Exception> {
        match key {
            "query" => self.query = Query::from_json(value)?,
            "post_filter" => self.post_filter = Some(Query::from_json(value)?),
            "sort" => self.sort = parse_sort(value)?,
            "from" => self.from = count("from", value)?,
            "size" => self.size = count("size", value)?,
            "search_after" => self.search_after = Some(parse_search_after(value)?),
            "_source" => self.source = SourceFilter::from_json(value)?,
            "fields" => self.fields = parse_selectors(key, value)?,
            "docvalue_fields" => self.docvalue_fields = parse_selectors(key, value)?,
            "stored_fields" => self.stored_fields = Some(StoredFields::from_json(value)?),
            "version" => self.version = flag("version", value)?,
            "seq_no_primary_term" => self.seq_no_primary_term = flag("seq_no_primary_term", value)?,
            "track_scores" => self.track_scores = flag("track_scores", value)?,
            "track_total_hits" => self.track_total_hits = parse_track_total_hits(value)?,
            "min_score" => self.min_score = Some(parse_min_score(value)?),
            // They are read when all is, for they go with the query.
            "highlight" | "collapse" | "aggs" | "aggregations" => {}
            "terminate_after" => self.terminate_after = NonZeroU64::new(count(key, value)? as u64),
            "timeout" => self.timeout = parse_timeout(value)?,
            "stats" | "profile" | "explain" => parse_ignored(key, value)?,
            _ => {
                return Err(malformed(format!(
                    "Unknown key for a {} in [{key}].",
                    token_name(value)
                )));
            }
        }
        Ok(())
    }

    /// What must hold across keys.
    ///
    /// # Errors
    /// `illegal_argument_exception`.
    pub fn check(&self) -> Result<(), Exception> {
        if self.stored_fields == Some(StoredFields::None) {
            let problem = if !self.source.is_disabled() {
                Some("[stored_fields] cannot be disabled if [_source] is requested")
            } else if !self.fields.is_empty() {
                Some("[stored_fields] cannot be disabled when using the [fields] option")
            } else {
                None
            };
            if let Some(problem) = problem {
                return Err(Exception::illegal_argument(problem));
            }
        }
        if let Some(collapse) = &self.collapse {
            collapse.check(self)?;
        }
        if self.terminate_after.is_some()
            && self
                .aggregations
                .as_ref()
                .is_some_and(AggregationRequest::wants_hits)
        {
            return Err(Exception::new(
                ExceptionKind::Unsupported,
                "[top_hits] of a search with [terminate_after] is not supported here",
            ));
        }
        if let Some(after) = &self.search_after {
            if self.sort.is_empty() {
                return Err(Exception::illegal_argument(
                    "Sort must contain at least one field when using [search_after]",
                ));
            }
            if after.len() != self.sort.len() {
                return Err(Exception::illegal_argument(format!(
                    "search_after has {} value(s) but sort has {}.",
                    after.len(),
                    self.sort.len()
                )));
            }
            if self.from != 0 {
                return Err(Exception::illegal_argument(
                    "`from` parameter must be set to 0 when `search_after` is used",
                ));
            }
        }
        Ok(())
    }

    /// Whether the hits are sorted by their place in the shards, which differs for any two of them.
    #[must_use]
    pub fn sorts_by_shard_doc(&self) -> bool {
        self.sort.iter().any(|by| by.field == SHARD_DOC)
    }

    /// Sorts hits that are equal otherwise by their place in the shards, so that a page begins exactly behind the one before.
    pub fn break_ties(&mut self) {
        if self.sort.is_empty() {
            self.sort.push(SortClause::by("_score"));
        }
        if !self.sorts_by_shard_doc() {
            self.sort.push(SortClause::by(SHARD_DOC));
        }
    }

    /// Narrows the search by `filter` without changing scores, for instance by an alias.
    pub fn add_filter(&mut self, filter: Query) {
        let query = std::mem::replace(&mut self.query, Query::match_all());
        self.query = query.filtered_by(filter);
    }

    /// Whether relevance must be computed: it is shown with the hits, or documents are left out by it.
    #[must_use]
    pub fn needs_scores(&self) -> bool {
        self.min_score.is_some() || (self.size > 0 && self.returns_scores())
    }

    /// Whether hits carry their relevance. Source: hits that are not sorted by relevance have `_score: null`.
    #[must_use]
    pub fn returns_scores(&self) -> bool {
        self.sort.is_empty() || self.track_scores || self.sort.iter().any(|by| by.field == "_score")
    }
}

/// Source: -1 is no limit.
fn parse_timeout(value: &Value) -> Result<Option<Duration>, Exception> {
    // Source: the unit of minutes is a small letter, and that of others either.
    let text = value.as_str().filter(|text| !text.ends_with('M'));
    let text = text.map(str::to_ascii_lowercase);
    let millis = text.as_deref().and_then(parse_time_millis).ok_or_else(|| {
        Exception::illegal_argument(format!(
            "failed to parse setting [timeout] with value [{value}] as a time value: it must be a number with a unit, for instance [10s]"
        ))
    })?;
    Ok(u64::try_from(millis).ok().map(Duration::from_millis))
}

fn parse_ignored(key: &str, value: &Value) -> Result<(), Exception> {
    match (key, value) {
        ("explain" | "profile", Value::Bool(true)) => Err(Exception::new(
            ExceptionKind::Unsupported,
            format!("[{key}] is not supported here"),
        )),
        _ => Ok(()),
    }
}

fn parse_search_after(value: &Value) -> Result<Vec<Value>, Exception> {
    match value {
        Value::Array(values) if !values.is_empty() => {
            match values.iter().find(|value| value.is_array() || value.is_object()) {
                Some(bad) => Err(malformed(format!(
                    "Expected a simple value in [search_after] but got [{bad}]"
                ))),
                None => Ok(values.clone()),
            }
        }
        Value::Array(_) => Err(Exception::illegal_argument(
            "Values must contains at least one value.",
        )),
        other => Err(malformed(format!(
            "Unknown key for a {} in [search_after].",
            token_name(other)
        ))),
    }
}

fn parse_track_total_hits(value: &Value) -> Result<TrackTotalHits, Exception> {
    match value {
        Value::Bool(true) => Ok(TrackTotalHits::Exact),
        Value::Bool(false) => Ok(TrackTotalHits::No),
        other => match other.as_i64() {
            Some(-1) => Ok(TrackTotalHits::No),
            Some(limit) if limit >= 0 => Ok(TrackTotalHits::UpTo(limit.unsigned_abs())),
            _ => Err(Exception::illegal_argument(format!(
                "[track_total_hits] parameter must be positive or equals to -1, got {other}"
            ))),
        },
    }
}

fn parse_min_score(value: &Value) -> Result<f32, Exception> {
    // A score is a 32-bit number in Lucene and in tantivy alike.
    value
        .as_f64()
        .map(|score| score as f32)
        .ok_or_else(|| malformed(format!("[min_score] must be a number, got [{value}]")))
}

fn count(key: &str, value: &Value) -> Result<usize, Exception> {
    let number = value
        .as_i64()
        .or_else(|| value.as_str().and_then(|text| text.parse().ok()));
    match number {
        Some(number) => usize::try_from(number).map_err(|_| {
            Exception::illegal_argument(format!("[{key}] parameter cannot be negative, found [{number}]"))
        }),
        None => Err(malformed(format!("[{key}] must be an integer, got [{value}]"))),
    }
}

fn flag(key: &str, value: &Value) -> Result<bool, Exception> {
    match value {
        Value::Bool(flag) => Ok(*flag),
        Value::String(text) if text == "true" || text == "false" => Ok(text == "true"),
        other => Err(malformed(format!(
            "Failed to parse value [{other}] of [{key}] as only [true] or [false] are allowed."
        ))),
    }
}

fn token_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "VALUE_NULL",
        Value::Bool(_) => "VALUE_BOOLEAN",
        Value::Number(_) => "VALUE_NUMBER",
        Value::String(_) => "VALUE_STRING",
        Value::Array(_) => "START_ARRAY",
        Value::Object(_) => "START_OBJECT",
    }
}

fn malformed(reason: String) -> Exception {
    Exception::new(ExceptionKind::Parsing, reason)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn defaults_are_those_of_elasticsearch() {
        let request = SearchRequest::from_json(&json!({})).unwrap();
        assert_eq!(
            (request.from, request.size, request.track_total_hits),
            (0, 10, TrackTotalHits::UpTo(10_000))
        );
        assert!(request.needs_scores());
    }

    #[test]
    fn what_is_not_supported_is_refused_not_ignored() {
        for (body, kind) in [
            (json!({"aggs": {"a": {"nope": {}}}}), ExceptionKind::Parsing),
            (json!({"highlight": {"nope": 1}}), ExceptionKind::Parsing),
            (json!({"query": {"percolate": {}}}), ExceptionKind::Parsing),
            (json!({"from": -1}), ExceptionKind::IllegalArgument),
            (json!({"search_after": [1]}), ExceptionKind::IllegalArgument),
            (
                json!({"sort": ["a", "b"], "search_after": [1]}),
                ExceptionKind::IllegalArgument,
            ),
            (json!({"explain": true}), ExceptionKind::Unsupported),
            (json!([]), ExceptionKind::Parsing),
        ] {
            assert_eq!(
                SearchRequest::from_json(&body).unwrap_err().kind(),
                kind,
                "{body}"
            );
        }
    }
}
