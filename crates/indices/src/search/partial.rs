//! What becomes of a search that not all shards answered, or not in time.

use es_exception::{Exception, ExceptionKind};
use shard::ShardHits;

use crate::request::ShardSummary;

/// Which answers that are not whole are wanted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Partial {
    /// Those without shards that failed.
    pub(crate) failures: bool,
    /// Those with what was found until the time was over.
    pub(crate) time: bool,
}

impl Partial {
    /// Of a search within a search: a failure fails the whole, which decides on what was cut short.
    pub(crate) const WITHIN: Self = Self {
        failures: false,
        time: true,
    };
}

/// All or none of them, by `allow_partial_search_results`.
impl From<bool> for Partial {
    fn from(allow_partial_search_results: bool) -> Self {
        Self {
            failures: allow_partial_search_results,
            time: allow_partial_search_results,
        }
    }
}

/// # Errors
/// `search_timeout_exception` for what was found until the time was over, if only all of it is wanted.
pub(super) fn check_time(hits: &ShardHits, partial: Partial) -> Result<(), Exception> {
    match hits.timed_out && !partial.time {
        true => Err(time_exceeded()),
        false => Ok(()),
    }
}

pub(super) fn time_exceeded() -> Exception {
    Exception::new(
        ExceptionKind::SearchTimeout,
        "Time exceeded before all was found: give the search more [timeout], or set [allow_partial_search_results] to take what was found by then",
    )
}

/// Fails the request as a whole if nothing succeeded, or less than all and that is not wanted.
pub(super) fn check_failures(summary: &mut ShardSummary, allow_partial: bool) -> Result<(), Exception> {
    summary
        .failures
        .sort_by(|left, right| (&left.index, left.shard).cmp(&(&right.index, right.shard)));
    if summary.failures.is_empty() || allow_partial && summary.successful > 0 {
        return Ok(());
    }
    Err(phase_failure(summary))
}

/// The failure of a search as a whole, of whose failures the first is told as the cause.
pub(super) fn phase_failure(summary: &ShardSummary) -> Exception {
    // Source: the status of a failed search is that of its worst failure; requests at fault only if all failures say so.
    let status = summary
        .failures
        .iter()
        .map(|failure| failure.reason.status())
        .max()
        .unwrap_or(503);
    let reason = if summary.successful == 0 {
        "all shards failed"
    } else {
        "Partial shards failure"
    };
    let failed = Exception::new(ExceptionKind::SearchPhaseExecution, reason).with_status(status);
    match summary.failures.first() {
        Some(first) => failed.with_cause(first.reason.clone()),
        None => failed,
    }
}
