//! Reads of a shard by a follower that lacks operations which are gone here: what is still held, and what is live.

use std::sync::Arc;
use std::time::Duration;

use es_exception::{Exception, ExceptionKind};
use oplog::{ByteCount, ReadLimits};
use transport::{HeldOperationsRequest, HeldOperationsResponse, LiveSetRequest, LiveSetResponse};

use super::LeaderSide;
use super::changes::{check_history, index_of};
use crate::blocking::blocking;

/// A commit of the log takes milliseconds; whoever asks meets a disk that hardly moves, and asks again.
const CHECKPOINT_TIMEOUT: Duration = Duration::from_secs(5);

/// Answers the operations from the one asked for up to the global checkpoint that the shard holds.
///
/// # Errors
/// Shard not found or closed (retryable), another history UUID (illegal state), an operation that is damaged.
pub(super) async fn read_held(
    side: &LeaderSide,
    request: HeldOperationsRequest,
) -> Result<HeldOperationsResponse, Exception> {
    let shard = side.shard(&request.shard)?;
    check_history(&shard, &request.shard, &request.expected_history_uuid)?;
    let checkpoint = shard.log().durable_checkpoint();
    let to = checkpoint.map(|checkpoint| request.to.map_or(checkpoint, |to| to.min(checkpoint)));
    let (mut frames, mut next) = match to.filter(|to| *to >= request.from) {
        Some(to) => {
            let (shard, from) = (Arc::clone(&shard), request.from);
            let limits = ReadLimits {
                operations: request.max_operation_count as usize,
                bytes: request.max_batch_size.min(request.max_response_size),
            };
            blocking(move || Ok(shard.read_held(from, to, limits)?)).await?
        }
        None => (Vec::new(), request.from),
    };
    let mut next_operation_size = None;
    if let Some(cut) = oplog::cut_to_size(&mut frames, request.max_response_size) {
        next = cut.seq_no();
        next_operation_size = frames.is_empty().then(|| ByteCount::new(cut.estimated_size()));
    }
    // The versions are taken after the operations, so that they are at least what those need (FT-3).
    let metadata = index_of(side, &request.shard)?;
    assert!(
        frames.last().is_none_or(|last| Some(last.seq_no()) <= checkpoint),
        "TR-1: an operation above the global checkpoint must not leave the leader"
    );
    Ok(HeldOperationsResponse {
        frames,
        next,
        next_operation_size,
        global_checkpoint: checkpoint,
        mapping_version: metadata.mapping_version.max(shard.mapping_version()),
        settings_version: metadata.settings_version,
        aliases_version: metadata.aliases_version,
        leader_now: side.clock.now(),
    })
}

/// Answers what is live, once the last operation that this takes into account is at or below the global checkpoint (TR-1).
///
/// # Errors
/// Shard not found or closed, or its checkpoint does not get there (retryable); another history UUID (illegal state).
pub(super) async fn read_live_set(
    side: &LeaderSide,
    request: LiveSetRequest,
) -> Result<LiveSetResponse, Exception> {
    let shard = side.shard(&request.shard)?;
    check_history(&shard, &request.shard, &request.expected_history_uuid)?;
    let of = Arc::clone(&shard);
    let snapshot = blocking(move || Ok(of.live_snapshot()?)).await?;
    let unavailable = |what: String| {
        let reason = format!("shard {}: {what}", request.shard);
        Exception::new(ExceptionKind::UnavailableShards, reason)
    };
    let snapshot = snapshot.ok_or_else(|| unavailable("this copy holds no operation".to_owned()))?;
    let reached = shard.log().wait_durable(snapshot.max_seq_no);
    match tokio::time::timeout(CHECKPOINT_TIMEOUT, reached).await {
        Ok(Ok(_)) => {}
        Ok(Err(closed)) => {
            let exception = unavailable(format!("it stopped serving: {closed}"));
            shard.report(closed);
            return Err(exception);
        }
        Err(_elapsed) => {
            let what = format!("operation {} is not durable in time", snapshot.max_seq_no);
            return Err(unavailable(what));
        }
    }
    check_history(&shard, &request.shard, &request.expected_history_uuid)?;
    let metadata = index_of(side, &request.shard)?;
    Ok(LiveSetResponse {
        snapshot,
        mapping_version: metadata.mapping_version.max(shard.mapping_version()),
        settings_version: metadata.settings_version,
        aliases_version: metadata.aliases_version,
        leader_now: side.clock.now(),
    })
}
