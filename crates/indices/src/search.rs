//! Searching and counting over the shards of indices.

mod given_up;
mod one_shard;
mod partial;

pub(crate) use partial::Partial;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};
use std::time::Duration;

use cluster::{BlockLevel, IndexMetadata, check_block};
use es_exception::{Exception, ExceptionKind};
use futures::stream::{self, StreamExt as _};
use index_meta::AliasMetadata;
use oplog::{ShardId, ShardNumber};
use shard::{
    Counting, MergedHit, MergedHits, PrintedAggregations, Query, SearchRequest, SearchSnapshot, Shard,
    ShardAggregations, ShardHit, ShardHits, merge_top_hits,
};

use crate::get::check_restored;
use crate::request::{CountResponse, SearchHit, SearchOptions, SearchResponse, ShardFailure, ShardSummary};
use crate::resolve::{NamedBy, resolve_names};
use crate::routing::shard_number;
use crate::service::IndicesService;
use crate::validate::SearchedShard;
use given_up::GivenUp;
use partial::{check_failures, check_time, time_exceeded};

/// Shards of one search that are asked at the same time. Source: `max_concurrent_shard_requests`, 5 per node by default.
const CONCURRENT_SHARDS: usize = 5;
/// Source: default of `index.max_result_window`.
const DEFAULT_MAX_RESULT_WINDOW: u64 = 10_000;

/// A shard to be searched.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    index: Arc<IndexMetadata>,
    shard_id: ShardId,
    filter: Option<Query>,
    /// The filter as its aliases have it.
    filter_json: Option<serde_json::Value>,
    /// What it is searched as of; as of now without one.
    as_of: Option<AsOf>,
}

/// A state of a shard as it was open at a time.
#[derive(Debug, Clone)]
struct AsOf {
    snapshot: SearchSnapshot,
    shard: Weak<Shard>,
}

impl Target {
    pub(crate) fn index(&self) -> &IndexMetadata {
        &self.index
    }

    pub(crate) fn number(&self) -> u32 {
        self.shard_id.shard.get()
    }

    /// As it is told to clients, with the aliases by which its index was named.
    pub(crate) fn searched(&self, aliases: Vec<String>) -> SearchedShard {
        SearchedShard {
            index: Arc::clone(&self.index),
            shard: self.number(),
            filter: self.filter_json.clone(),
            aliases,
        }
    }

    /// The same as a search saw it.
    fn as_of(&self, snapshot: &SearchSnapshot, shard: &Weak<Shard>) -> Self {
        Self {
            as_of: Some(AsOf {
                snapshot: snapshot.clone(),
                shard: Weak::clone(shard),
            }),
            ..self.clone()
        }
    }

    /// Whether the shard that was opened is gone: its index was closed or deleted, or its copy made anew.
    pub(crate) fn is_gone(&self) -> bool {
        self.as_of
            .as_ref()
            .is_some_and(|as_of| as_of.shard.strong_count() == 0)
    }
}

/// The page of a search, and what searches within it need.
struct Page {
    /// Without the hits.
    merged: MergedHits,
    hits: Vec<SearchHit>,
    aggregations: Option<PrintedAggregations>,
    /// The shards that answered, as the search saw them: what was found must stay in the log until it is fetched, and searches within this one see the
    /// same.
    as_of: Vec<Target>,
}

impl IndicesService {
    /// Searches the indices that `expression` names.
    ///
    /// # Errors
    /// What resolving refuses; `illegal_argument_exception` for a page beyond `index.max_result_window`;
    /// `search_phase_execution_exception` if every shard failed, or any did and partial results are not wanted.
    pub async fn search(
        &self,
        expression: &str,
        request: SearchRequest,
        options: &SearchOptions,
    ) -> Result<SearchResponse, Exception> {
        let targets = self.targets(expression, options)?;
        self.search_targets(&targets, request, options.allow_partial_search_results.into())
            .await
    }

    /// What is left until a moment of the monotonic time.
    pub(crate) fn left_until(&self, ends: Option<Duration>) -> Option<Duration> {
        ends.map(|ends| ends.saturating_sub(self.clock.monotonic()))
    }

    /// What `now` is in the dates of a search that begins.
    pub(crate) fn now_millis(&self) -> i64 {
        i64::try_from(self.clock.now().get()).unwrap_or(i64::MAX)
    }

    /// Searches these shards. Errors as in [`search`](Self::search).
    pub(crate) async fn search_targets(
        &self,
        targets: &[Target],
        mut request: SearchRequest,
        partial: Partial,
    ) -> Result<SearchResponse, Exception> {
        let started = self.clock.monotonic();
        request.now_millis.get_or_insert(self.now_millis());
        request.check()?;
        check_window(&request, targets)?;
        let request = Arc::new(request);
        let mut summary = ShardSummary {
            total: len(targets),
            ..ShardSummary::default()
        };
        let page = match targets {
            [target] => {
                let found = self.query_and_fetch(target, &request, &mut summary, partial);
                found.await?
            }
            _ => {
                let found = self.query_then_fetch(targets, &request, &mut summary, partial);
                found.await?
            }
        };
        let Page {
            merged,
            hits,
            aggregations,
            as_of,
        } = page;
        // Searches within this one have what is left of its time.
        let ends = request.timeout.map(|timeout| started.saturating_add(timeout));
        let hits = self.with_inner_hits(&as_of, &request, hits, ends).await?;
        let aggregations = match aggregations {
            Some(printed) => Some(self.with_top_hits(&as_of, &request, printed, ends).await?),
            None => None,
        };
        drop(as_of);
        check_failures(&mut summary, partial.failures)?;
        let within = hits
            .iter()
            .flat_map(|hit| &hit.inner_hits)
            .map(|inner| &inner.response);
        let of_buckets = aggregations
            .iter()
            .flat_map(|found| &found.top_hits)
            .map(|bucket| &bucket.response);
        let timed_out = merged.timed_out || within.chain(of_buckets).any(|response| response.timed_out);
        if timed_out && !partial.time {
            let failed = Exception::new(ExceptionKind::SearchPhaseExecution, "Partial shards failure");
            return Err(failed
                .with_status(time_exceeded().status())
                .with_cause(time_exceeded()));
        }
        Ok(SearchResponse {
            took: self.clock.monotonic().saturating_sub(started),
            shards: summary,
            total: merged.total,
            total_relation: merged.total_relation,
            max_score: merged.max_score,
            terminated_early: merged.terminated_early,
            timed_out,
            hits,
            aggregations,
        })
    }

    /// Asks every shard for its best hits, and then those that have one of the page for its documents.
    async fn query_then_fetch(
        &self,
        targets: &[Target],
        request: &Arc<SearchRequest>,
        summary: &mut ShardSummary,
        partial: Partial,
    ) -> Result<Page, Exception> {
        let asked = self.query(targets, request, summary, partial).await;
        check_failures(summary, partial.failures)?;
        let as_of: Vec<Target> = asked
            .iter()
            .filter_map(|(position, hits, shard)| Some(targets.get(*position)?.as_of(&hits.snapshot, shard)))
            .collect();
        let (answered, mut hits): (Vec<_>, Vec<_>) = asked
            .into_iter()
            .map(|(position, hits, _)| (position, hits))
            .unzip();
        let aggregations = match request.aggregations {
            None => None,
            Some(_) => {
                let found = take_aggregations(&mut hits);
                let request = Arc::clone(request);
                let finished = self.blocking.read(move || finish_aggregations(&request, found));
                finished.await??
            }
        };
        let mut merged = merge_top_hits(request, hits);
        let page = std::mem::take(&mut merged.hits);
        let hits = self.fetch(targets, &answered, page, request, summary).await?;
        Ok(Page {
            merged,
            hits,
            aggregations,
            as_of,
        })
    }

    /// Counts documents in the indices that `expression` names.
    ///
    /// # Errors
    /// As [`search`](Self::search).
    pub async fn count(
        &self,
        expression: &str,
        wanted: Counting,
        options: &SearchOptions,
    ) -> Result<CountResponse, Exception> {
        let targets = self.targets(expression, options)?;
        let mut summary = ShardSummary {
            total: len(&targets),
            ..ShardSummary::default()
        };
        let given_up = GivenUp::default();
        let counts = targets.iter().map(|target| {
            let mut wanted = wanted.clone();
            if let Some(filter) = &target.filter {
                wanted.query = wanted.query.filtered_by(filter.clone());
            }
            let cancelled = given_up.cancelled();
            let count = move |shard: &Shard| shard.count(&cancelled, &wanted);
            async move { (target, self.on_shard(target, count).await) }
        });
        let mut counts = stream::iter(counts.collect::<Vec<_>>()).buffered(CONCURRENT_SHARDS);
        let (mut count, mut is_over) = (0, false);
        while let Some((target, counted)) = counts.next().await {
            match counted {
                Ok((matching, terminated)) => {
                    count += matching;
                    is_over |= terminated;
                    summary.successful += 1;
                }
                Err(reason) => summary.failures.push(failure(target, reason)),
            }
        }
        drop(counts);
        check_failures(&mut summary, options.allow_partial_search_results)?;
        Ok(CountResponse {
            count,
            terminated_early: wanted.terminate_after.map(|_| is_over),
            shards: summary,
        })
    }

    /// The shards that `expression` names, each with what a search of now sees of it. Errors as in [`search`](Self::search).
    pub(crate) async fn open_targets(
        &self,
        expression: &str,
        options: &SearchOptions,
    ) -> Result<(Vec<Target>, ShardSummary), Exception> {
        let mut targets = self.targets(expression, options)?;
        let mut summary = ShardSummary {
            total: len(&targets),
            ..ShardSummary::default()
        };
        let opening = targets.iter().map(|target| async move {
            check_restored(&target.index, target.shard_id.shard.get())?;
            let shard = self.shard(&target.shard_id)?;
            let of = Arc::downgrade(&shard);
            let snapshot = self.blocking.read(move || shard.open_snapshot()).await??;
            Ok(AsOf { snapshot, shard: of })
        });
        let opened: Vec<_> = stream::iter(opening.collect::<Vec<_>>())
            .buffered(CONCURRENT_SHARDS)
            .collect()
            .await;
        for (target, as_of) in targets.iter_mut().zip(opened) {
            match as_of {
                Ok(as_of) => {
                    target.as_of = Some(as_of);
                    summary.successful += 1;
                }
                Err(reason) => summary.failures.push(failure(target, reason)),
            }
        }
        check_failures(&mut summary, options.allow_partial_search_results)?;
        targets.retain(|target| target.as_of.is_some());
        Ok((targets, summary))
    }

    pub(crate) fn targets(
        &self,
        expression: &str,
        options: &SearchOptions,
    ) -> Result<Vec<Target>, Exception> {
        let state = self.state();
        let mut targets = Vec::new();
        for (name, named_by) in resolve_names(&state, expression, options.resolve)? {
            let index = state.require_index(&name)?;
            check_block(index, BlockLevel::Read)?;
            let filter_json = alias_filter(index, &named_by);
            let filter = filter_json.as_ref().map(Query::from_json).transpose()?;
            for number in shard_numbers(index, &named_by, options.routing.as_deref()) {
                let shard_id = ShardId::new(index.uuid.clone(), ShardNumber::new(number));
                targets.push(Target {
                    index: Arc::clone(index),
                    shard_id,
                    filter: filter.clone(),
                    filter_json: filter_json.clone(),
                    as_of: None,
                });
            }
        }
        Ok(targets)
    }

    /// Asks every shard for its best hits. Answers those that could tell, by position of the target, in order, with the
    /// shard that was asked.
    async fn query(
        &self,
        targets: &[Target],
        request: &Arc<SearchRequest>,
        summary: &mut ShardSummary,
        partial: Partial,
    ) -> Vec<(usize, ShardHits, Weak<Shard>)> {
        let given_up = GivenUp::default();
        let searches = targets.iter().enumerate().map(|(position, target)| {
            let request = request_of(target, position, request);
            let (as_of, cancelled) = (target.as_of.clone(), given_up.cancelled());
            let search = move |shard: &Shard| {
                let snapshot = as_of.as_ref().map(|as_of| &as_of.snapshot);
                let hits = shard.search_unless(&cancelled, snapshot, &request)?;
                check_time(&hits, partial)?;
                Ok(hits)
            };
            async move { (position, self.on_known_shard(target, search).await) }
        });
        let mut searches = stream::iter(searches.collect::<Vec<_>>()).buffered(CONCURRENT_SHARDS);
        let mut answers = Vec::new();
        while let Some((position, answer)) = searches.next().await {
            match answer {
                Ok((hits, shard)) => {
                    summary.successful += 1;
                    answers.push((position, hits, shard));
                }
                Err(reason) => summary
                    .failures
                    .extend(targets.get(position).map(|target| failure(target, reason))),
            }
        }
        answers
    }

    /// Reads the documents of the page, shard by shard, and puts them back into the order of the page.
    async fn fetch(
        &self,
        targets: &[Target],
        answered: &[usize],
        page: Vec<MergedHit>,
        request: &Arc<SearchRequest>,
        summary: &mut ShardSummary,
    ) -> Result<Vec<SearchHit>, Exception> {
        let mut by_target: BTreeMap<usize, Vec<(usize, ShardHit)>> = BTreeMap::new();
        for (place, merged) in page.into_iter().enumerate() {
            if let Some(target) = answered.get(merged.shard) {
                by_target.entry(*target).or_default().push((place, merged.hit));
            }
        }
        let fetches = by_target.into_iter().filter_map(|(position, hits)| {
            let target = targets.get(position)?;
            let (places, hits): (Vec<_>, Vec<_>) = hits.into_iter().unzip();
            let (wanted, request) = (hits.clone(), Arc::clone(request));
            Some(async move {
                let fetched = self
                    .on_shard(target, move |shard| shard.fetch(&wanted, &request))
                    .await;
                (target, places, hits, fetched)
            })
        });
        let mut fetches = stream::iter(fetches.collect::<Vec<_>>()).buffered(CONCURRENT_SHARDS);
        let mut found = Vec::new();
        while let Some((target, places, hits, fetched)) = fetches.next().await {
            match fetched {
                Ok(documents) => {
                    for ((place, hit), document) in places.into_iter().zip(hits).zip(documents) {
                        found.push((
                            place,
                            SearchHit {
                                index: target.index.name.clone(),
                                hit,
                                document,
                                inner_hits: Vec::new(),
                            },
                        ));
                    }
                }
                Err(reason) => {
                    summary.successful = summary.successful.saturating_sub(1);
                    summary.failures.push(failure(target, reason));
                }
            }
        }
        found.sort_by_key(|(place, _)| *place);
        Ok(found.into_iter().map(|(_, hit)| hit).collect())
    }

    pub(crate) async fn on_shard<T: Send + 'static>(
        &self,
        target: &Target,
        work: impl FnOnce(&Shard) -> Result<T, Exception> + Send + 'static,
    ) -> Result<T, Exception> {
        Ok(self.on_known_shard(target, work).await?.0)
    }

    /// The same, and which shard it was.
    async fn on_known_shard<T: Send + 'static>(
        &self,
        target: &Target,
        work: impl FnOnce(&Shard) -> Result<T, Exception> + Send + 'static,
    ) -> Result<(T, Weak<Shard>), Exception> {
        check_restored(&target.index, target.shard_id.shard.get())?;
        let shard = self.shard(&target.shard_id)?;
        if let Some(as_of) = &target.as_of
            && !std::ptr::eq(as_of.shard.as_ptr(), Arc::as_ptr(&shard))
        {
            let reason = format!(
                "shard {} was closed or made anew since this search was opened",
                target.shard_id
            );
            return Err(Exception::new(ExceptionKind::SearchContextMissing, reason));
        }
        let known = Arc::downgrade(&shard);
        let found = self.blocking.read(move || work(&shard)).await??;
        Ok((found, known))
    }
}

fn take_aggregations(shards: &mut [ShardHits]) -> Vec<ShardAggregations> {
    let found = shards.iter_mut().map(|hits| hits.aggregations.take());
    found.flatten().collect()
}

/// Merges what the aggregations found in the shards.
fn finish_aggregations(
    request: &SearchRequest,
    found: Vec<ShardAggregations>,
) -> Result<Option<PrintedAggregations>, Exception> {
    let Some(aggregations) = &request.aggregations else {
        return Ok(None);
    };
    aggregations.finish(found, request.typed_keys).map_err(|reason| {
        let status = reason.status();
        Exception::new(ExceptionKind::SearchPhaseExecution, "")
            .with_status(status)
            .with_cause(reason)
    })
}

/// The request as it is for the shard at this position.
fn request_of(target: &Target, position: usize, request: &Arc<SearchRequest>) -> Arc<SearchRequest> {
    if target.filter.is_none() && !request.sorts_by_shard_doc() {
        return Arc::clone(request);
    }
    let mut own = SearchRequest::clone(request);
    own.shard_position = u32::try_from(position).unwrap_or(u32::MAX);
    if let Some(filter) = &target.filter {
        own.add_filter(filter.clone());
    }
    Arc::new(own)
}

/// Documents must match any of the filters of the aliases by which the index was named. An index that was named by itself or by an alias without
/// filter is not narrowed.
fn alias_filter(index: &IndexMetadata, named_by: &NamedBy) -> Option<serde_json::Value> {
    if named_by.itself {
        return None;
    }
    let mut filters = Vec::new();
    for alias in named_by
        .aliases
        .iter()
        .filter_map(|alias| index.aliases.get(alias))
    {
        match &alias.filter {
            Some(filter) => filters.push(filter.clone()),
            None => return None,
        }
    }
    match filters.as_slice() {
        [] => None,
        [only] => Some(only.clone()),
        many => Some(serde_json::json!({"bool": {"should": many}})),
    }
}

/// Refuses an alias whose filter is no query, which every search through it would fail on.
///
/// # Errors
/// `illegal_argument_exception`.
pub(crate) fn check_alias_filter(alias: &str, metadata: &AliasMetadata) -> Result<(), Exception> {
    match metadata.filter.as_ref().map(Query::from_json) {
        Some(Err(problem)) => Err(Exception::illegal_argument(format!(
            "failed to parse filter for alias [{alias}]"
        ))
        .with_cause(problem)),
        Some(Ok(_)) | None => Ok(()),
    }
}

/// The shards of the given routing, else of the aliases' routing, else all.
fn shard_numbers(index: &IndexMetadata, named_by: &NamedBy, routing: Option<&str>) -> BTreeSet<u32> {
    let shards_of = |routing: &str| {
        routing
            .split(',')
            .map(|value| shard_number(index, value))
            .collect::<BTreeSet<_>>()
    };
    let all = || (0..index.number_of_shards).collect::<BTreeSet<_>>();
    let given = routing.map(shards_of);
    let by_alias = if named_by.itself {
        None
    } else {
        let aliases = named_by
            .aliases
            .iter()
            .filter_map(|alias| index.aliases.get(alias));
        let routings: Option<Vec<_>> = aliases
            .map(|alias| alias.search_routing.as_deref().map(shards_of))
            .collect();
        routings.map(|routings| routings.into_iter().flatten().collect::<BTreeSet<_>>())
    };
    match (given, by_alias) {
        (Some(given), Some(by_alias)) => given.intersection(&by_alias).copied().collect(),
        (Some(shards), None) | (None, Some(shards)) => shards,
        (None, None) => all(),
    }
}

fn check_window(request: &SearchRequest, targets: &[Target]) -> Result<(), Exception> {
    let end = request.from.saturating_add(request.size);
    for target in targets {
        let setting = target.index.settings.get_str("index.max_result_window");
        let window = setting
            .and_then(|text| text.parse().ok())
            .unwrap_or(DEFAULT_MAX_RESULT_WINDOW);
        if end as u64 > window {
            return Err(Exception::illegal_argument(format!(
                "Result window is too large, from + size must be less than or equal to: [{window}] but was [{end}]. See the scroll api \
                 for a more efficient way to request large data sets. This limit can be set by changing the [index.max_result_window] \
                 index level setting."
            ))
            .with_index(&target.index.name));
        }
    }
    Ok(())
}

fn failure(target: &Target, reason: Exception) -> ShardFailure {
    ShardFailure {
        index: target.index.name.clone(),
        shard: target.shard_id.shard.get(),
        reason,
    }
}

fn len(targets: &[Target]) -> u32 {
    u32::try_from(targets.len()).unwrap_or(u32::MAX)
}
