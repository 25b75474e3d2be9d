//! The answer of a search.

use std::borrow::Cow;
use std::collections::BTreeMap;

use indices::{ContinuedSearch, InnerHits, SearchAggregations, SearchHit, SearchResponse, ShardSummary};
use serde::ser::{Error as _, SerializeMap};
use serde::{Serialize, Serializer};
use serde_json::{Value, json};
use shard::SearchRequest;

use crate::error_body::error_object;
use crate::handlers::document::Raw;

/// The `_shards` object of a search or broadcast.
pub(crate) fn shards(summary: &ShardSummary, with_skipped: bool) -> Value {
    let mut object = json!({"total": summary.total, "successful": summary.successful});
    if with_skipped {
        object["skipped"] = 0.into();
    }
    object["failed"] = summary.failures.len().into();
    if !summary.failures.is_empty() {
        let failures = summary.failures.iter().map(|failure| {
            json!({
                "shard": failure.shard, "index": failure.index, "status": failure.reason.status(),
                "reason": error_object(&failure.reason),
            })
        });
        object["failures"] = failures.collect();
    }
    object
}

/// What a search asks to be shown of its hits.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Shown {
    version: bool,
    seq_no: bool,
    as_int: bool,
}

impl Shown {
    /// Of the pages of a scroll, as its first request asked.
    pub(super) fn of_scroll(search: &ContinuedSearch, rest_total_hits_as_int: bool) -> Self {
        Self {
            version: search.version,
            seq_no: search.seq_no_primary_term,
            as_int: rest_total_hits_as_int,
        }
    }

    pub(super) fn by(request: &SearchRequest, rest_total_hits_as_int: bool) -> Self {
        Self {
            version: request.version,
            seq_no: request.seq_no_primary_term,
            as_int: rest_total_hits_as_int,
        }
    }
}

/// The answer of a search, and the id of what it goes on with.
pub(super) struct SearchAnswer<'a> {
    pub(super) response: &'a SearchResponse,
    pub(super) shows: Shown,
    /// Field and value: `_scroll_id` or `pit_id`.
    pub(super) continued: Option<(&'static str, &'a str)>,
    /// Shown in the answers of `_msearch`.
    pub(super) status: Option<u16>,
}

impl Serialize for SearchAnswer<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if let Some((field, id)) = self.continued {
            map.serialize_entry(field, id)?;
        }
        map.serialize_entry(
            "took",
            &u64::try_from(self.response.took.as_millis()).unwrap_or(u64::MAX),
        )?;
        map.serialize_entry("timed_out", &self.response.timed_out)?;
        if let Some(early) = self.response.terminated_early {
            map.serialize_entry("terminated_early", &early)?;
        }
        map.serialize_entry("_shards", &shards(&self.response.shards, true))?;
        let hits = Hits {
            response: self.response,
            shows: self.shows,
        };
        map.serialize_entry("hits", &hits)?;
        if let Some(aggregations) = &self.response.aggregations {
            let printed = print_aggregations(aggregations, self.shows).map_err(S::Error::custom)?;
            map.serialize_entry("aggregations", &printed)?;
        }
        if let Some(status) = self.status {
            map.serialize_entry("status", &status)?;
        }
        map.end()
    }
}

/// Results of aggregations with the hits of their buckets in them.
fn print_aggregations(aggregations: &SearchAggregations, shows: Shown) -> serde_json::Result<Cow<'_, Value>> {
    let mut printed = Cow::Borrowed(&aggregations.results);
    for bucket in &aggregations.top_hits {
        let shows = Shown {
            version: bucket.version,
            seq_no: bucket.seq_no_primary_term,
            as_int: shows.as_int,
        };
        let hits = serde_json::to_value(Hits {
            response: &bucket.response,
            shows,
        })?;
        if let Some(Value::Object(place)) = printed.to_mut().pointer_mut(&bucket.pointer) {
            place.insert("hits".to_owned(), hits);
        }
    }
    Ok(printed)
}

struct Hits<'a> {
    response: &'a SearchResponse,
    shows: Shown,
}

impl Serialize for Hits<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { response, shows } = *self;
        let mut map = serializer.serialize_map(None)?;
        match (response.total, shows.as_int) {
            (None, false) => {}
            (total, true) => map.serialize_entry(
                "total",
                &total.map_or(-1, |total| i64::try_from(total).unwrap_or(i64::MAX)),
            )?,
            (Some(total), false) => {
                map.serialize_entry(
                    "total",
                    &json!({"value": total, "relation": response.total_relation.as_str()}),
                )?;
            }
        }
        map.serialize_entry("max_score", &response.max_score)?;
        let hits: Vec<Hit<'_>> = response.hits.iter().map(|hit| Hit { hit, shows }).collect();
        map.serialize_entry("hits", &hits)?;
        map.end()
    }
}

struct Hit<'a> {
    hit: &'a SearchHit,
    shows: Shown,
}

impl Serialize for Hit<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let SearchHit {
            index,
            hit,
            document,
            inner_hits,
        } = self.hit;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("_index", index)?;
        if document.shows_id {
            map.serialize_entry("_id", &document.id)?;
        }
        if self.shows.version {
            map.serialize_entry("_version", &document.version.get())?;
        }
        if self.shows.seq_no {
            map.serialize_entry("_seq_no", &document.seq_no.get())?;
            map.serialize_entry("_primary_term", &document.primary_term.get())?;
        }
        map.serialize_entry("_score", &hit.score)?;
        if let (Some(routing), true) = (&document.routing, document.shows_id) {
            map.serialize_entry("_routing", routing)?;
        }
        if let Some(source) = &document.source {
            map.serialize_entry("_source", &Raw(source))?;
        }
        if !document.fields.is_empty() {
            map.serialize_entry("fields", &document.fields)?;
        }
        if !document.highlight.is_empty() {
            map.serialize_entry("highlight", &document.highlight)?;
        }
        if !hit.sort.is_empty() {
            map.serialize_entry(
                "sort",
                &hit.sort.iter().map(shard::SortValue::to_json).collect::<Vec<_>>(),
            )?;
        }
        if !inner_hits.is_empty() {
            map.serialize_entry(
                "inner_hits",
                &InnerGroups {
                    groups: inner_hits,
                    as_int: self.shows.as_int,
                },
            )?;
        }
        map.end()
    }
}

/// The hits of a hit's group, by name.
struct InnerGroups<'a> {
    groups: &'a [InnerHits],
    as_int: bool,
}

impl Serialize for InnerGroups<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.groups.len()))?;
        for group in self.groups {
            let shows = Shown {
                version: group.version,
                seq_no: group.seq_no_primary_term,
                as_int: self.as_int,
            };
            let hits = Hits {
                response: &group.response,
                shows,
            };
            map.serialize_entry(&group.name, &BTreeMap::from([("hits", hits)]))?;
        }
        map.end()
    }
}
