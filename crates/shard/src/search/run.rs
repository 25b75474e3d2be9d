//! Searching one shard copy.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use es_exception::{Exception, ExceptionKind};
use index_meta::{IndexSettings, Mapping};
use tantivy::collector::{Collector, Count};
use tantivy::query::Query as TantivyQuery;
use tantivy::{Searcher, TantivyError};

use super::collector::TopHits;
use super::hits::{FetchedHit, SearchSnapshot, ShardHit, ShardHits, TotalRelation};
use super::merge::compare_hits;
use super::request::{SearchRequest, TrackTotalHits};
use crate::aggregation::{AtLeast, collect, refused};
use crate::query::BuildContext;
use crate::{Query, Shard, ShardError};

impl Shard {
    /// The best hits of this copy.
    ///
    /// Sees every operation up to some refresh and nothing after it. A shard that nobody searched for `index.search.idle.after` catches up first.
    ///
    /// # Errors
    /// What is wrong with the request for this shard's mapping and settings; failures of the shard.
    pub fn search(&self, request: &SearchRequest) -> Result<ShardHits, Exception> {
        self.search_at(&self.snapshot()?, request)
    }

    /// What a search of now sees, for searches of later: as long as it is held, they see the same. It costs the files and the operations that are kept
    /// meanwhile.
    ///
    /// # Errors
    /// Failures of the shard.
    pub fn open_snapshot(&self) -> Result<SearchSnapshot, Exception> {
        let snapshot = self.snapshot()?;
        if let Some(published) = snapshot.published() {
            self.view.hold(published);
        }
        Ok(snapshot)
    }

    fn snapshot(&self) -> Result<SearchSnapshot, Exception> {
        self.check_open()?;
        let published = self.view.searcher_for_search()?;
        let searcher = self
            .view
            .read_state(&published, |searcher| Ok(searcher.clone()))
            .map_err(|error| self.failed(&error))?;
        Ok(SearchSnapshot::new(published, searcher))
    }

    /// The best hits of this copy as of `snapshot`, which must be one of this shard.
    ///
    /// # Errors
    /// As [`search`](Self::search).
    pub fn search_at(
        &self,
        snapshot: &SearchSnapshot,
        request: &SearchRequest,
    ) -> Result<ShardHits, Exception> {
        request.check()?;
        self.check_window(request)?;
        let (mapping, now_millis) = self.start_search()?;
        let now_millis = request.now_millis.unwrap_or(now_millis);
        let searcher = snapshot
            .searcher()
            .ok_or_else(|| Exception::new(ExceptionKind::IllegalState, "a search of nothing"))?;
        let settings = self.metadata.settings();
        let context = self.build_context(&mapping, &settings, now_millis);
        let query = self.whole_query(request).build(&context)?;
        let hits = TopHits::new(request, &mapping, self.view.schema(), now_millis)?;
        let plan = request
            .aggregations
            .as_ref()
            .map(|aggregations| aggregations.plan(&context))
            .transpose()?;
        let (mut found, aggregations) = match plan {
            None => (self.collect(searcher, &*query, &hits)?, None),
            Some(plan) => {
                for segment in searcher.segment_readers() {
                    plan.check_memory(segment.max_doc())?;
                }
                let aggregations = AtLeast {
                    min_score: request.min_score,
                    inner: collect(&plan),
                };
                let (found, aggregated) = match request.post_filter {
                    None => self.collect(searcher, &*query, &(hits, aggregations))?,
                    Some(_) => {
                        let all = request.query.build(&context)?;
                        let found = self.collect(searcher, &*query, &hits)?;
                        (found, self.collect(searcher, &*all, &aggregations)?)
                    }
                };
                (found, Some(plan.found(aggregated)))
            }
        };
        found.hits.sort_by(|left, right| {
            compare_hits(&request.sort, left, right).then(left.seq_no.cmp(&right.seq_no))
        });
        found.hits.truncate(request.from.saturating_add(request.size));
        let (total, total_relation) = match request.track_total_hits {
            TrackTotalHits::No => (None, TotalRelation::GreaterOrEqual),
            TrackTotalHits::UpTo(limit) if found.count > limit => {
                (Some(limit), TotalRelation::GreaterOrEqual)
            }
            TrackTotalHits::UpTo(_) | TrackTotalHits::Exact => (Some(found.count), TotalRelation::Equal),
        };
        Ok(ShardHits {
            total,
            total_relation,
            max_score: found.max_score,
            hits: found.hits,
            aggregations,
            snapshot: snapshot.clone(),
        })
    }

    /// Runs a query. What it is refused for says nothing about the view.
    fn collect<C: Collector>(
        &self,
        searcher: &Searcher,
        query: &dyn TantivyQuery,
        collector: &C,
    ) -> Result<C::Fruit, Exception> {
        let found = self.view.read(|| match searcher.search(query, collector) {
            Err(TantivyError::AggregationError(error)) => Ok(Err(refused(&error))),
            Err(TantivyError::InvalidArgument(problem)) => Ok(Err(Exception::illegal_argument(problem))),
            other => other.map(Ok),
        });
        found.map_err(|error| self.failed(&error))?
    }

    /// How many live documents match.
    ///
    /// # Errors
    /// As [`search`](Self::search).
    pub fn count(&self, query: &Query) -> Result<u64, Exception> {
        let (mapping, now_millis) = self.start_search()?;
        let published = self.view.searcher_for_search()?;
        let settings = self.metadata.settings();
        let query = query.build(&self.build_context(&mapping, &settings, now_millis))?;
        let count = self
            .view
            .read_state(&published, |searcher| searcher.search(&*query, &Count))
            .map_err(|error| self.failed(&error))?;
        Ok(count as u64)
    }

    /// The documents of hits, in their order.
    ///
    /// # Errors
    /// When an operation cannot be read from the log, or its source is not JSON although it must be filtered.
    pub fn fetch(&self, hits: &[ShardHit], request: &SearchRequest) -> Result<Vec<FetchedHit>, Exception> {
        self.check_open()?;
        hits.iter().map(|hit| self.fetch_one(hit, request)).collect()
    }

    fn fetch_one(&self, hit: &ShardHit, request: &SearchRequest) -> Result<FetchedHit, Exception> {
        let frame = self.note(self.log.get(hit.seq_no))?;
        let frame = frame.ok_or_else(|| {
            let reason = format!(
                "operation [{}] of shard {} is not in the log any more",
                hit.seq_no, self.id
            );
            Exception::new(ExceptionKind::ResourceNotFound, reason).with_index(&*self.index_name)
        })?;
        Ok(FetchedHit {
            id: frame.id().to_owned(),
            routing: frame.routing().map(str::to_owned),
            version: frame.version(),
            seq_no: frame.seq_no(),
            primary_term: frame.primary_term(),
            source: request.source.apply(&frame.source_bytes())?,
        })
    }

    fn start_search(&self) -> Result<(Arc<Mapping>, i64), Exception> {
        self.check_open()?;
        self.counters.queries.fetch_add(1, Ordering::Relaxed);
        let now_millis = i64::try_from(self.clock.now().get()).unwrap_or(i64::MAX);
        Ok((self.metadata.mapping(), now_millis))
    }

    fn build_context<'a>(
        &'a self,
        mapping: &'a Mapping,
        settings: &'a IndexSettings,
        now_millis: i64,
    ) -> BuildContext<'a> {
        BuildContext {
            mapping,
            schema: self.view.schema(),
            statistics: &self.statistics,
            analyzers: self.view.analyzers(),
            now_millis,
            max_terms_count: settings.max_terms_count(),
            max_regex_length: settings.max_regex_length(),
            default_fields: settings.default_fields(),
        }
    }

    fn whole_query(&self, request: &SearchRequest) -> Query {
        match &request.post_filter {
            Some(filter) => request.query.clone().filtered_by(filter.clone()),
            None => request.query.clone(),
        }
    }

    fn check_window(&self, request: &SearchRequest) -> Result<(), Exception> {
        let limit = self.metadata.settings().max_result_window();
        let window = request.from.saturating_add(request.size);
        if window as u64 > limit {
            return Err(Exception::illegal_argument(format!(
                "Result window is too large, from + size must be less than or equal to: [{limit}] but was [{window}]. See the scroll api for a more efficient way to request large data sets. This limit can be set by changing the [index.max_result_window] index level setting."
            )));
        }
        Ok(())
    }

    fn failed(&self, error: &ShardError) -> Exception {
        if matches!(error, ShardError::Failed(_)) {
            return Exception::from(error).with_index(&*self.index_name);
        }
        let reason = format!("search on shard {} failed: {error}", self.id);
        Exception::new(ExceptionKind::Engine, reason).with_index(&*self.index_name)
    }
}
