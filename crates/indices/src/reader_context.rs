//! Points in time and scrolls: searches over several requests that see one state.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use es_exception::{Exception, ExceptionKind};
use parking_lot::Mutex;
use serde_json::Value;
use shard::{SearchRequest, TrackTotalHits};

use crate::request::{SearchOptions, SearchResponse, ShardSummary};
use crate::search::{Partial, Target};
use crate::service::IndicesService;

/// Scrolls and points in time, each, that may be open at a time. Source: defaults of Elasticsearch's `search.max_open_scroll_context` and
/// `search.max_open_pit_context`.
const MAX_OPEN: [usize; 2] = [500, 300];
/// Source: default of `search.max_keep_alive`.
const MAX_KEEP_ALIVE: Duration = Duration::from_secs(24 * 60 * 60);

/// What is open for searches to come.
#[derive(Debug, Default)]
pub(crate) struct ReaderContexts {
    open: Mutex<BTreeMap<String, Arc<ReaderContext>>>,
}

/// The shards of a search as they were when it was opened. While it is there, their files and operations are kept.
#[derive(Debug)]
struct ReaderContext {
    targets: Vec<Target>,
    allow_partial_search_results: bool,
    life: Mutex<Life>,
    scroll: Option<Scroll>,
}

#[derive(Debug, Clone, Copy)]
struct Life {
    /// For so long after the last use.
    keep_alive: Duration,
    /// Its end on the monotonic clock.
    until: Duration,
}

impl Life {
    fn new(keep_alive: Duration, now: Duration) -> Self {
        let until = now.saturating_add(keep_alive);
        Self { keep_alive, until }
    }
}

impl ReaderContext {
    /// Whether it may be used. One that is in use is not over, whatever the time.
    fn is_alive(&self, now: Duration) -> bool {
        self.life.lock().until > now
    }

    /// Notes that it was used, at the end of the use.
    fn was_used(&self, now: Duration) {
        let mut life = self.life.lock();
        life.until = life.until.max(now.saturating_add(life.keep_alive));
    }
}

#[derive(Debug)]
struct Scroll {
    request: SearchRequest,
    /// Sort values that are shown of a hit: as many as were asked for.
    shown_sort_values: usize,
    /// Sort values of the last hit that was given.
    after: Mutex<Option<Vec<Value>>>,
}

/// The hits of a search that goes on.
#[derive(Debug, Clone)]
pub struct ContinuedSearch {
    /// Names what the next request asks for.
    pub id: String,
    /// Whether the hits of a scroll carry their version, as its first request asked.
    pub version: bool,
    /// Whether they carry sequence number and primary term.
    pub seq_no_primary_term: bool,
    /// The hits of this request.
    pub response: SearchResponse,
}

impl ReaderContexts {
    fn add(&self, context: ReaderContext, now: Duration) -> Result<String, Exception> {
        let mut open = self.open.lock();
        open.retain(|_, context| context.is_alive(now));
        let is_scroll = context.scroll.is_some();
        let most = MAX_OPEN[usize::from(!is_scroll)];
        let alike = open.values().filter(|other| other.scroll.is_some() == is_scroll);
        if alike.count() >= most {
            let (what, setting) = match is_scroll {
                true => ("scroll", "search.max_open_scroll_context"),
                false => ("pit", "search.max_open_pit_context"),
            };
            return Err(Exception::new(
                ExceptionKind::TooManyScrollContexts,
                format!(
                    "Trying to create too many {what} contexts. Must be less than or equal to: [{most}], the default of [{setting}]. Close those that \
                     are not needed any more, or keep them alive for a shorter time"
                ),
            ));
        }
        let id = random_id();
        open.insert(id.clone(), Arc::new(context));
        Ok(id)
    }

    /// The context with this id, which is kept alive for `keep_alive` after each use from now on, if that is given.
    fn get(
        &self,
        id: &str,
        keep_alive: Option<Duration>,
        now: Duration,
    ) -> Result<Arc<ReaderContext>, Exception> {
        let open = self.open.lock();
        let context = open.get(id).filter(|context| context.is_alive(now));
        let context = context.cloned().ok_or_else(|| missing(id))?;
        if let Some(keep_alive) = keep_alive {
            context.life.lock().keep_alive = keep_alive;
        }
        context.was_used(now);
        Ok(context)
    }

    /// Closes those that are `wanted`; answers how many there were.
    fn close(&self, wanted: impl Fn(&str, bool) -> bool) -> usize {
        let mut open = self.open.lock();
        let before = open.len();
        open.retain(|id, context| !wanted(id, context.scroll.is_some()));
        before - open.len()
    }

    /// Closes what nobody has asked for in time, and what has lost a shard.
    pub(crate) fn expire(&self, now: Duration) {
        let is_whole = |context: &ReaderContext| !context.targets.iter().any(Target::is_gone);
        self.open
            .lock()
            .retain(|_, context| context.is_alive(now) && is_whole(context));
    }
}

fn random_id() -> String {
    let mut random = [0_u8; 24];
    getrandom::fill(&mut random).expect("the operating system has a source of random bytes");
    URL_SAFE_NO_PAD.encode(random)
}

/// Source: Elasticsearch fails the search of every shard for the same reason.
fn missing(id: &str) -> Exception {
    let reason = format!("No search context found for id [{id}]");
    Exception::new(ExceptionKind::SearchPhaseExecution, "all shards failed")
        .with_status(404)
        .with_cause(Exception::new(ExceptionKind::SearchContextMissing, reason))
}

fn check_keep_alive(keep_alive: Duration) -> Result<(), Exception> {
    if keep_alive <= MAX_KEEP_ALIVE {
        return Ok(());
    }
    Err(Exception::illegal_argument(format!(
        "Keep alive for request ({}s) is too large. It must be less than (1d), the default of [search.max_keep_alive]",
        keep_alive.as_secs()
    )))
}

impl IndicesService {
    /// Opens a point in time of the indices that `expression` names, for `keep_alive` from now on.
    ///
    /// # Errors
    /// As [`search`](Self::search); `illegal_argument_exception` for more than a day; `too_many_scroll_contexts_exception`.
    pub async fn open_point_in_time(
        &self,
        expression: &str,
        keep_alive: Duration,
        options: &SearchOptions,
    ) -> Result<(String, ShardSummary), Exception> {
        check_keep_alive(keep_alive)?;
        let (targets, summary) = self.open_targets(expression, options).await?;
        let now = self.clock.monotonic();
        let context = ReaderContext {
            targets,
            allow_partial_search_results: options.allow_partial_search_results,
            life: Mutex::new(Life::new(keep_alive, now)),
            scroll: None,
        };
        Ok((self.contexts.add(context, now)?, summary))
    }

    /// Searches a point in time, which lives for at least `keep_alive` more. The request is best one of [`SearchRequest::from_json_at_point_in_time`].
    ///
    /// # Errors
    /// As [`search`](Self::search); `search_phase_execution_exception` (404) if it is over.
    pub async fn search_point_in_time(
        &self,
        id: &str,
        keep_alive: Option<Duration>,
        request: SearchRequest,
        allow_partial_search_results: bool,
    ) -> Result<ContinuedSearch, Exception> {
        keep_alive.map_or(Ok(()), check_keep_alive)?;
        let context = self.contexts.get(id, keep_alive, self.clock.monotonic())?;
        let partial = Partial {
            failures: allow_partial_search_results && context.allow_partial_search_results,
            time: allow_partial_search_results,
        };
        let response = self.search_targets(&context.targets, request, partial).await?;
        context.was_used(self.clock.monotonic());
        Ok(ContinuedSearch {
            id: id.to_owned(),
            version: false,
            seq_no_primary_term: false,
            response,
        })
    }

    /// Begins to give all hits of a search, `request.size` at a time: these are the first.
    ///
    /// # Errors
    /// As [`search`](Self::search); `illegal_argument_exception` for more than a day, or for what does not go with a scroll;
    /// `too_many_scroll_contexts_exception`.
    pub async fn open_scroll(
        &self,
        expression: &str,
        keep_alive: Duration,
        mut request: SearchRequest,
        options: &SearchOptions,
    ) -> Result<ContinuedSearch, Exception> {
        check_keep_alive(keep_alive)?;
        check_scroll(&request)?;
        let shown_sort_values = request.sort.len();
        request.track_total_hits = TrackTotalHits::Exact;
        request.now_millis = Some(self.now_millis());
        // A page that was cut short would leave out hits for good. Source: Elasticsearch's scrolls take no time limit either.
        request.timeout = None;
        request.break_ties();
        let (targets, opened) = self.open_targets(expression, options).await?;
        let now = self.clock.monotonic();
        let context = ReaderContext {
            targets,
            allow_partial_search_results: options.allow_partial_search_results,
            life: Mutex::new(Life::new(keep_alive, now)),
            scroll: Some(Scroll {
                request,
                shown_sort_values,
                after: Mutex::new(None),
            }),
        };
        let id = self.contexts.add(context, now)?;
        let mut first = match self.scroll(&id, None).await {
            Ok(first) => first,
            Err(failed) => {
                self.contexts.close(|other, _| other == id);
                return Err(failed);
            }
        };
        // Shards that could not be opened are not among those that were searched.
        first.response.shards.total = opened.total;
        first.response.shards.failures.extend(opened.failures);
        Ok(first)
    }

    /// The next hits of a scroll, which lives for at least `keep_alive` more.
    ///
    /// # Errors
    /// As [`search`](Self::search); `search_phase_execution_exception` (404) if it is over, or is a point in time.
    pub async fn scroll(&self, id: &str, keep_alive: Option<Duration>) -> Result<ContinuedSearch, Exception> {
        keep_alive.map_or(Ok(()), check_keep_alive)?;
        let context = self.contexts.get(id, keep_alive, self.clock.monotonic())?;
        let scroll = context.scroll.as_ref().ok_or_else(|| missing(id))?;
        let mut request = scroll.request.clone();
        request.search_after = scroll.after.lock().clone();
        if request.search_after.is_some() {
            // Aggregations are over all hits, and are given with the first of them.
            request.aggregations = None;
        }
        let partial = Partial::from(context.allow_partial_search_results);
        let (version, seq_no_primary_term) = (request.version, request.seq_no_primary_term);
        let mut response = self.search_targets(&context.targets, request, partial).await?;
        context.was_used(self.clock.monotonic());
        if let Some(last) = response.hits.last() {
            let after = last
                .hit
                .sort
                .iter()
                .map(shard::SortValue::to_search_after)
                .collect();
            *scroll.after.lock() = Some(after);
        }
        for hit in &mut response.hits {
            hit.hit.sort.truncate(scroll.shown_sort_values);
        }
        Ok(ContinuedSearch {
            id: id.to_owned(),
            version,
            seq_no_primary_term,
            response,
        })
    }

    /// Closes scrolls, all of them if no ids are given; answers how many there were.
    pub fn close_scrolls(&self, ids: Option<&[&str]>) -> usize {
        self.contexts
            .close(|id, is_scroll| is_scroll && ids.is_none_or(|ids| ids.contains(&id)))
    }

    /// Closes a point in time; answers whether there was one.
    pub fn close_point_in_time(&self, id: &str) -> bool {
        self.contexts.close(|other, is_scroll| !is_scroll && other == id) > 0
    }
}

/// Source: Elasticsearch's validation of searches with a scroll.
fn check_scroll(request: &SearchRequest) -> Result<(), Exception> {
    let problems = [
        (
            request.from > 0,
            "using [from] is not allowed in a scroll context",
        ),
        (
            request.collapse.is_some(),
            "cannot use `collapse` in a scroll context",
        ),
        (request.size == 0, "[size] cannot be [0] in a scroll context"),
        (
            request.search_after.is_some(),
            "`search_after` cannot be used in a scroll context",
        ),
        (
            request.track_total_hits == TrackTotalHits::No,
            "disabling [track_total_hits] is not allowed in a scroll context",
        ),
    ];
    match problems.iter().find(|(is_so, _)| *is_so) {
        Some((_, problem)) => Err(Exception::new(
            ExceptionKind::ActionRequestValidation,
            format!("Validation Failed: 1: {problem};"),
        )),
        None => Ok(()),
    }
}
