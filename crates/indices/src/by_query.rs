//! Writes to every document that a search finds: `_delete_by_query`, `_update_by_query` and `_reindex`.

use std::collections::VecDeque;
use std::time::Duration;

use es_exception::{Exception, ExceptionKind};
use shard::{SearchRequest, SortValue, SourceFilter, TrackTotalHits, WritePrecondition};

use crate::by_query_control::{ByQueryControl, ByQueryStatus};
use crate::request::{
    BulkAction, BulkItem, BulkItemResponse, DocumentResult, RefreshPolicy, ResolveOptions, SearchHit,
    SearchOptions,
};
use crate::search::Partial;
use crate::service::IndicesService;

/// Documents of the first batch, whose sizes are not known yet.
const FIRST_BATCH: usize = 10;
/// Bytes of sources that a batch should hold at most; one document comes through whatever it takes.
const BATCH_BYTES: usize = 16 << 20;
/// Source: default of `index.max_result_window`, which bounds a batch.
const LARGEST_BATCH: usize = 10_000;
/// Pauses before writes that were rejected for load are sent again, and how often that is done. Source: Elasticsearch's 500 ms and 10 attempts.
const RETRY_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_RETRY_PAUSE: Duration = Duration::from_secs(10);
const RETRIES: u32 = 10;

/// What is done with each document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ByQueryAction {
    /// It is removed, unless somebody changed it meanwhile.
    Delete,
    /// It is written again as it is, unless somebody changed it meanwhile: so a changed mapping takes effect.
    Update,
    /// It is written to another index.
    Copy {
        /// Name of the index, of an alias with a write index, or of a data stream.
        index: String,
        /// Whether documents that are there already are left alone, as conflicts.
        create: bool,
        /// Refuse anything but an alias as `index`.
        require_alias: bool,
    },
}

/// Which documents, and what is done with them.
#[derive(Debug, Clone)]
pub struct ByQueryRequest {
    /// What is done.
    pub action: ByQueryAction,
    /// Which documents; `size` and `from` are not looked at.
    pub search: SearchRequest,
    /// Which indices.
    pub options: SearchOptions,
    /// At most so many documents.
    pub max_docs: Option<u64>,
    /// Documents of a batch, at most 10,000.
    pub batch_size: usize,
    /// Whether documents that somebody changed meanwhile are counted and passed over; otherwise the first ends the request.
    pub proceed_on_conflicts: bool,
    /// Whether what was written is searchable before the answer.
    pub refresh: bool,
}

/// What came of it.
#[derive(Debug, Clone, Default)]
pub struct ByQueryResponse {
    /// How long it took.
    pub took: Duration,
    /// What was done.
    pub status: ByQueryStatus,
    /// Whether it was cancelled before its end; what was written stays.
    pub canceled: bool,
    /// What ended the request before its end.
    pub failures: Vec<BulkItemResponse>,
}

impl IndicesService {
    /// Searches the indices that `expression` names as of now, and writes batch by batch. The first batch with a failure is the last, and so is the one
    /// in which the request is cancelled; what was written stays.
    ///
    /// # Errors
    /// As [`search`](Self::search). Failures of writes are in the answer.
    pub async fn by_query(
        &self,
        expression: &str,
        request: ByQueryRequest,
        control: &ByQueryControl,
    ) -> Result<ByQueryResponse, Exception> {
        let now = || self.clock.monotonic();
        let started = now();
        let (targets, _) = self.open_targets(expression, &request.options).await?;
        let most = request.max_docs.unwrap_or(u64::MAX);
        let largest = request.batch_size.clamp(1, LARGEST_BATCH);
        let mut search = SearchRequest {
            from: 0,
            size: FIRST_BATCH.min(largest),
            track_total_hits: TrackTotalHits::Exact,
            seq_no_primary_term: true,
            search_after: None,
            now_millis: Some(self.now_millis()),
            ..request.search.clone()
        };
        if request.action == ByQueryAction::Delete {
            search.source = SourceFilter::none();
        }
        search.break_ties();
        let mut failures = Vec::new();
        let mut handled = 0_u64;
        let (mut batch_started, mut last_batch) = (started, 0);
        while handled < most && failures.is_empty() && !control.is_cancelled() {
            let left = usize::try_from(most - handled).unwrap_or(usize::MAX);
            let page = SearchRequest {
                size: search.size.min(left),
                ..search.clone()
            };
            // A shard that cannot be read would leave its documents out without a word.
            let found = self.search_targets(&targets, page, Partial::from(false)).await?;
            control.update(|status| status.total = found.total.unwrap_or_default().min(most));
            let Some(last) = found.hits.last() else { break };
            search.search_after = Some(last.hit.sort.iter().map(SortValue::to_search_after).collect());
            search.size = next_size(&found.hits, largest);
            control.wait_turn(batch_started, last_batch, now).await;
            if control.is_cancelled() {
                break;
            }
            (batch_started, last_batch) = (now(), found.hits.len());
            handled += found.hits.len() as u64;
            let items = found.hits.iter().map(|hit| item(&request.action, hit)).collect();
            self.write_batch(items, request.proceed_on_conflicts, control, &mut failures)
                .await?;
        }
        if request.refresh {
            let written = match &request.action {
                ByQueryAction::Copy { index, .. } => index,
                ByQueryAction::Delete | ByQueryAction::Update => expression,
            };
            self.refresh(written, &ResolveOptions::OPEN).await?;
        }
        Ok(ByQueryResponse {
            took: now().saturating_sub(started),
            status: control.status(),
            canceled: control.is_cancelled(),
            failures,
        })
    }

    async fn write_batch(
        &self,
        items: Vec<BulkItem>,
        proceed_on_conflicts: bool,
        control: &ByQueryControl,
        failures: &mut Vec<BulkItemResponse>,
    ) -> Result<(), Exception> {
        control.update(|status| status.batches += 1);
        let mut pause = RETRY_PAUSE;
        let mut waiting = items;
        for attempt in 0..=RETRIES {
            let written = self.bulk(waiting.clone(), RefreshPolicy::None).await?;
            let mut rejected = VecDeque::new();
            for (item, answer) in waiting.into_iter().zip(written.items) {
                let is_rejected = |failed: &Exception| failed.kind() == ExceptionKind::EsRejectedExecution;
                match &answer.result {
                    Err(failed) if is_rejected(failed) && attempt < RETRIES => rejected.push_back(item),
                    _ => {
                        control.update(|status| count(status, &answer));
                        if is_failure(&answer, proceed_on_conflicts) {
                            failures.push(answer);
                        }
                    }
                }
            }
            if rejected.is_empty() || control.is_cancelled() {
                break;
            }
            control.update(|status| status.bulk_retries += rejected.len() as u64);
            waiting = rejected.into();
            control.sleep(pause).await;
            pause = (2 * pause).min(LONGEST_RETRY_PAUSE);
        }
        Ok(())
    }
}

fn count(status: &mut ByQueryStatus, answer: &BulkItemResponse) {
    match &answer.result {
        Ok(written) => match written.result {
            DocumentResult::Created => status.created += 1,
            DocumentResult::Updated => status.updated += 1,
            DocumentResult::Deleted => status.deleted += 1,
            DocumentResult::NotFound | DocumentResult::Noop => status.noops += 1,
        },
        Err(failed) if failed.kind() == ExceptionKind::VersionConflict => status.version_conflicts += 1,
        Err(_) => {}
    }
}

fn is_failure(answer: &BulkItemResponse, proceed_on_conflicts: bool) -> bool {
    match &answer.result {
        Ok(_) => false,
        Err(failed) => !(proceed_on_conflicts && failed.kind() == ExceptionKind::VersionConflict),
    }
}

/// As many documents as fit, if they are as large as these.
fn next_size(hits: &[SearchHit], largest: usize) -> usize {
    let bytes: usize = hits
        .iter()
        .filter_map(|hit| hit.document.source.as_ref())
        .map(bytes::Bytes::len)
        .sum();
    let mean = bytes.div_ceil(hits.len().max(1)).max(1);
    (BATCH_BYTES / mean).clamp(1, largest)
}

fn item(action: &ByQueryAction, hit: &SearchHit) -> BulkItem {
    let document = &hit.document;
    let precondition = WritePrecondition::SeqNo {
        seq_no: document.seq_no,
        primary_term: document.primary_term,
    };
    let source = document.source.clone().unwrap_or_default();
    let mut item = BulkItem {
        index: hit.index.clone(),
        id: Some(document.id.clone()),
        routing: document.routing.clone(),
        require_alias: false,
        require_data_stream: false,
        action: BulkAction::Delete { precondition },
    };
    match action {
        ByQueryAction::Delete => {}
        ByQueryAction::Update => item.action = BulkAction::Index { source, precondition },
        ByQueryAction::Copy {
            index,
            create,
            require_alias,
        } => {
            item.index.clone_from(index);
            item.require_alias = *require_alias;
            item.action = match create {
                true => BulkAction::Create { source },
                false => BulkAction::Index {
                    source,
                    precondition: WritePrecondition::None,
                },
            };
        }
    }
    item
}
