//! Searching one shard copy.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use es_exception::{Exception, ExceptionKind};
use index_meta::{IndexSettings, Mapping};
use tantivy::collector::Collector;
use tantivy::query::{EnableScoring, Query as TantivyQuery};
use tantivy::{Searcher, TantivyError};

use super::collapse::first_of_each;
use super::collector::{TopHits, UpTo, Within};
use super::hits::{SearchSnapshot, ShardHits, TotalRelation};
use super::limit::{SearchCancellation, SearchLimit};
use super::merge::compare_hits;
use super::request::{Counting, SearchRequest, TrackTotalHits};
use super::sort::SortClause;
use crate::aggregation::{AtLeast, collect, refused};
use crate::query::{BuildContext, Counted};
use crate::{Query, Shard, ShardError};

impl Shard {
    /// The best hits of this copy.
    ///
    /// Sees every operation up to some refresh and nothing after it. A shard that nobody searched for `index.search.idle.after` catches up first.
    ///
    /// # Errors
    /// What is wrong with the request for this shard's mapping and settings; failures of the shard.
    pub fn search(&self, request: &SearchRequest) -> Result<ShardHits, Exception> {
        self.search_unless(&SearchCancellation::default(), None, request)
    }

    /// The best hits of this copy, as of `snapshot` if there is one, which must be of this shard, and as of now otherwise.
    ///
    /// # Errors
    /// As [`search`](Self::search); `task_cancelled_exception` once it is cancelled.
    pub fn search_unless(
        &self,
        cancelled: &SearchCancellation,
        snapshot: Option<&SearchSnapshot>,
        request: &SearchRequest,
    ) -> Result<ShardHits, Exception> {
        // It may have waited for its turn for longer than anybody waited for it.
        cancelled.check()?;
        let limit = SearchLimit::new(cancelled, request.timeout, &self.clock);
        match snapshot {
            Some(snapshot) => self.search_at(snapshot, request, &Arc::new(limit)),
            None => self.search_at(&self.snapshot()?, request, &Arc::new(limit)),
        }
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

    fn search_at(
        &self,
        snapshot: &SearchSnapshot,
        request: &SearchRequest,
        limit: &Arc<SearchLimit>,
    ) -> Result<ShardHits, Exception> {
        request.check()?;
        self.check_window(request)?;
        let (mapping, now_millis) = self.start_search()?;
        let now_millis = request.now_millis.unwrap_or(now_millis);
        let searcher = snapshot
            .searcher()
            .ok_or_else(|| Exception::new(ExceptionKind::IllegalState, "a search of nothing"))?;
        let settings = self.metadata.settings();
        let context = self.build_context(&mapping, &settings, now_millis, limit);
        // First, since it bounds what a plan to highlight it costs.
        let query = self.whole_query(request).build(&context)?;
        // What cannot be fetched is refused by every shard, and not by those alone that have a hit.
        self.fetch_plan(&mapping, &settings, request)?;
        let hits = TopHits::new(request, &mapping, self.view.schema(), now_millis)?;
        let plan = request
            .aggregations
            .as_ref()
            .map(|aggregations| aggregations.plan(&context))
            .transpose()?;
        let ((mut found, terminated_early), aggregations) = match plan {
            None => (self.collect(searcher, &*query, &hits, request, limit)?, None),
            Some(plan) => {
                for segment in searcher.segment_readers() {
                    plan.check_memory(segment.max_doc())?;
                }
                let aggregations = AtLeast {
                    min_score: request.min_score,
                    inner: collect(&plan),
                };
                let (found, aggregated) = match request.post_filter {
                    None => {
                        let ((found, aggregated), terminated) =
                            self.collect(searcher, &*query, &(hits, aggregations), request, limit)?;
                        ((found, terminated), aggregated)
                    }
                    Some(_) => {
                        let all = request.query.build(&context)?;
                        let found = self.collect(searcher, &*query, &hits, request, limit)?;
                        let aggregated = self.collect(searcher, &*all, &aggregations, request, limit)?;
                        (found, aggregated.0)
                    }
                };
                (found, Some(plan.found(aggregated)?))
            }
        };
        let timed_out = limit.timed_out()?;
        found.hits.sort_by(|left, right| {
            compare_hits(&request.sort, left, right).then(left.seq_no.cmp(&right.seq_no))
        });
        if found.has_several_groups {
            let field = request.collapse.as_ref().map_or("", |collapse| &collapse.field);
            return Err(Exception::new(
                ExceptionKind::IllegalState,
                format!(
                    "failed to collapse on field [{field}]: a document has several values, and the field must be single valued"
                ),
            ));
        }
        first_of_each(&mut found.hits);
        found.hits.truncate(request.from.saturating_add(request.size));
        let (total, total_relation) = match request.track_total_hits {
            TrackTotalHits::No => (None, TotalRelation::GreaterOrEqual),
            TrackTotalHits::UpTo(limit) if found.count > limit => {
                (Some(limit), TotalRelation::GreaterOrEqual)
            }
            TrackTotalHits::UpTo(_) | TrackTotalHits::Exact if timed_out => {
                (Some(found.count), TotalRelation::GreaterOrEqual)
            }
            TrackTotalHits::UpTo(_) | TrackTotalHits::Exact => (Some(found.count), TotalRelation::Equal),
        };
        Ok(ShardHits {
            total,
            total_relation,
            max_score: found.max_score,
            terminated_early,
            timed_out,
            hits: found.hits,
            aggregations,
            snapshot: snapshot.clone(),
        })
    }

    /// Runs a query, up to `terminate_after` matches; whether there were more if that is given. What it is refused for says nothing about the view.
    fn collect<C: Collector>(
        &self,
        searcher: &Searcher,
        query: &dyn TantivyQuery,
        collector: &C,
        request: &SearchRequest,
        limit: &SearchLimit,
    ) -> Result<(C::Fruit, Option<bool>), Exception> {
        let search = || match request.terminate_after {
            None => {
                let within = Within {
                    inner: collector,
                    limit,
                };
                let found = searcher.search(query, &within)?;
                Ok((found, None))
            }
            Some(most) => {
                let up_to = UpTo::new(collector, most.get(), request.min_score, limit);
                let (found, is_over) = searcher.search(query, &up_to)?;
                Ok((found, Some(is_over)))
            }
        };
        let found = self.view.read(|| match search() {
            Err(TantivyError::AggregationError(error)) => Ok(Err(refused(&error))),
            Err(TantivyError::InvalidArgument(problem)) => Ok(Err(Exception::illegal_argument(problem))),
            other => other.map(Ok),
        });
        found.map_err(|error| self.failed(&error))?
    }

    /// How this copy would run the query, for people.
    ///
    /// # Errors
    /// What is wrong with the query for this shard's mapping and settings.
    pub fn explain_query(&self, query: &Query) -> Result<String, Exception> {
        let (mapping, now_millis) = self.start_search()?;
        let settings = self.metadata.settings();
        let limit = Arc::new(SearchLimit::new(
            &SearchCancellation::default(),
            None,
            &self.clock,
        ));
        let built = query.build(&self.build_context(&mapping, &settings, now_millis, &limit))?;
        Ok(format!("{built:?}"))
    }

    /// How many live documents match, and whether there are more than were to be counted.
    ///
    /// # Errors
    /// As [`search_unless`](Self::search_unless).
    pub fn count(&self, cancelled: &SearchCancellation, wanted: &Counting) -> Result<(u64, bool), Exception> {
        cancelled.check()?;
        if wanted.min_score.is_none() && wanted.terminate_after.is_none() {
            return Ok((self.count_all(cancelled, &wanted.query)?, false));
        }
        let request = SearchRequest {
            query: wanted.query.clone(),
            size: 0,
            sort: vec![SortClause::by("_doc")],
            track_total_hits: TrackTotalHits::Exact,
            min_score: wanted.min_score,
            terminate_after: wanted.terminate_after,
            ..SearchRequest::default()
        };
        let found = self.search_unless(cancelled, None, &request)?;
        Ok((
            found.total.unwrap_or_default(),
            found.terminated_early == Some(true),
        ))
    }

    fn count_all(&self, cancelled: &SearchCancellation, query: &Query) -> Result<u64, Exception> {
        let (mapping, now_millis) = self.start_search()?;
        let published = self.view.searcher_for_search()?;
        let settings = self.metadata.settings();
        let limit = Arc::new(SearchLimit::new(cancelled, None, &self.clock));
        let query = query.build(&self.build_context(&mapping, &settings, now_millis, &limit))?;
        let count = |searcher: &Searcher| {
            let weight = query.weight(EnableScoring::disabled_from_searcher(searcher))?;
            let mut count = 0;
            for segment in searcher.segment_readers() {
                if limit.is_reached() {
                    break;
                }
                count += u64::from(weight.count(segment)?);
            }
            Ok(count)
        };
        let count = self
            .view
            .read_state(&published, count)
            .map_err(|error| self.failed(&error))?;
        limit.timed_out()?;
        Ok(count)
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
        limit: &'a Arc<SearchLimit>,
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
            counted: Counted::default(),
            limit,
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
