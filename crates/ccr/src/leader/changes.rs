//! Reads of a shard's operations by a follower: a long poll on the checkpoint, then a sequential read of the log.

use std::sync::Arc;

use cluster::{ClusterState, IndexMetadata};
use es_exception::{Exception, ExceptionKind};
use oplog::{
    ByteCount, Frame, HistoryUuid, ReadError, ReadLimits, RetentionLease, SeqNo, SeqNoRange, ShardId,
};
use shard::{Shard, ShardError};
use transport::{ShardChangesRequest, ShardChangesResponse};

use super::LeaderSide;
use crate::blocking::blocking;

/// Answers `request` with operations, or with none when the poll timeout passes first.
///
/// Never answers an operation above the global checkpoint (TR-1).
///
/// # Errors
/// Shard not found or closed (retryable), another history UUID (illegal state), operations that are gone (resource not found
/// with `es.requested_operations_missing`).
pub(super) async fn read(
    side: &LeaderSide,
    request: ShardChangesRequest,
) -> Result<ShardChangesResponse, Exception> {
    let started = side.clock.monotonic();
    let shard = side.shard(&request.shard)?;
    check_history(&shard, &request.shard, &request.expected_history_uuid)?;
    let reached = wait_for_news(side, &shard, &request).await?;
    check_history(&shard, &request.shard, &request.expected_history_uuid)?;

    let checkpoint = shard.log().durable_checkpoint();
    let mut frames = match checkpoint {
        Some(checkpoint) if reached && checkpoint >= request.from => {
            read_frames(Arc::clone(&shard), &request, checkpoint).await?
        }
        _ => Vec::new(),
    };
    let cut = oplog::cut_to_size(&mut frames, request.max_response_size);
    let next_operation_size = cut
        .filter(|_| frames.is_empty())
        .map(|frame| ByteCount::new(frame.estimated_size()));
    // The versions are taken after the operations, so that they are at least what those operations need (FT-3).
    let metadata = index_of(side, &request.shard)?;
    assert!(
        frames.last().is_none_or(|last| Some(last.seq_no()) <= checkpoint),
        "TR-1: an operation above the global checkpoint must not leave the leader"
    );
    Ok(ShardChangesResponse {
        frames,
        next_operation_size,
        global_checkpoint: checkpoint,
        max_seq_no: shard.log().max_seq_no(),
        max_seq_no_of_updates_or_deletes: shard.log().max_seq_no_of_updates_or_deletes(),
        mapping_version: metadata.mapping_version.max(shard.mapping_version()),
        settings_version: metadata.settings_version,
        aliases_version: metadata.aliases_version,
        took: side.clock.monotonic().saturating_sub(started),
        leader_now: side.clock.now(),
        stays_open: false,
    })
}

/// Waits until the checkpoint reaches what is asked for, or the metadata becomes newer than what the follower knows. False when that is all, or the poll
/// timeout passed first, which is no failure.
async fn wait_for_news(
    side: &LeaderSide,
    shard: &Shard,
    request: &ShardChangesRequest,
) -> Result<bool, Exception> {
    let log = shard.log();
    if log.durable_checkpoint() >= Some(request.from) {
        return Ok(true);
    }
    let reached = async {
        tokio::select! {
            biased;
            reached = log.wait_durable(request.from) => reached.map(|_| true),
            () = metadata_news(side, request) => Ok(false),
        }
    };
    match tokio::time::timeout(request.poll_timeout, reached).await {
        Ok(Ok(reached)) => Ok(reached),
        Ok(Err(closed)) => {
            let reason = format!(
                "shard {} stopped serving while a read waited for its next operation: {closed}",
                request.shard
            );
            shard.report(closed);
            Err(Exception::new(ExceptionKind::IndexShardClosed, reason))
        }
        Err(_elapsed) => Ok(false),
    }
}

/// Ends when the index has newer metadata than the follower knows; never for a follower that does not say what it knows. (Elasticsearch's polls wait for
/// operations alone, so that a change of metadata may take a poll timeout to arrive.)
async fn metadata_news(side: &LeaderSide, request: &ShardChangesRequest) {
    let Some(known) = request.known_metadata else {
        return std::future::pending().await;
    };
    let is_newer = |state: &Arc<ClusterState>| {
        state.index_by_uuid(&request.shard.index).is_some_and(|index| {
            index.mapping_version > known.mapping
                || index.settings_version > known.settings
                || index.aliases_version > known.aliases
        })
    };
    // It fails when the node stops, which closes the shard too.
    if side.cluster.watch().wait_for(is_newer).await.is_err() {
        std::future::pending().await
    }
}

async fn read_frames(
    shard: Arc<Shard>,
    request: &ShardChangesRequest,
    checkpoint: SeqNo,
) -> Result<Vec<Frame>, Exception> {
    let from = request.from;
    let last_wanted = SeqNo::new(
        from.get()
            .saturating_add(u64::from(request.max_operation_count).saturating_sub(1)),
    );
    let to = checkpoint.min(last_wanted);
    let limits = ReadLimits {
        operations: request.max_operation_count as usize,
        // At most one operation is read that does not fit.
        bytes: request.max_batch_size.min(request.max_response_size),
    };
    blocking(move || {
        shard.read_changes(from, to, limits).map_err(|error| match error {
            ShardError::Read(ReadError::Missing { range, .. }) => operations_missing(&shard, from, to, range),
            error => Exception::from(&error),
        })
    })
    .await
}

/// What a follower gets to know that fell behind what is still there. It is fatal, and kept until an operator looks: so it says what there was to
/// prevent it.
///
/// Source: Elasticsearch's `ResourceNotFoundException` with the metadata `es.requested_operations_missing`.
fn operations_missing(shard: &Shard, from: SeqNo, to: SeqNo, missing: SeqNoRange) -> Exception {
    let describe = |lease: &RetentionLease| {
        format!(
            "[{}] retains operations from [{}] on",
            lease.id, lease.retaining_seq_no
        )
    };
    let leases: Vec<_> = shard
        .log()
        .retention_leases()
        .leases
        .iter()
        .map(describe)
        .collect();
    let reason = format!(
        "operations [{}] to [{}] of leader shard {} of [{}], asked for as part of [{from}] to [{to}], are no longer available: all are kept from \
         [{}] on. Retention leases: {}. To follow again, set [ccr.auto_heal] to true where it is followed and resume, or close the follower \
         and follow anew. To keep operations for longer while nobody renews \
         their lease, raise the setting [index.soft_deletes.retention_lease.period] of the leader index",
        missing.first(),
        missing.last(),
        shard.shard_id(),
        shard.index_name(),
        shard.log().min_retained_seq_no(),
        if leases.is_empty() {
            "none".to_owned()
        } else {
            leases.join(", ")
        },
    );
    Exception::new(ExceptionKind::ResourceNotFound, reason)
        .with_index(shard.index_name())
        .with_metadata(
            "es.requested_operations_missing",
            vec![from.to_string(), to.to_string()],
        )
}

/// Refuses a shard that has another history than the one that a follower follows.
pub(super) fn check_history(shard: &Shard, id: &ShardId, expected: &HistoryUuid) -> Result<(), Exception> {
    let actual = shard.log().history_uuid();
    if actual == *expected {
        return Ok(());
    }
    Err(Exception::new(
        ExceptionKind::IllegalState,
        format!(
            "unexpected history uuid of leader shard {id}: expected [{expected}], actual [{actual}]; the leader was restored or \
             replaced, close the follower and follow again"
        ),
    ))
}

/// The metadata of a shard's index.
pub(super) fn index_of(side: &LeaderSide, shard: &ShardId) -> Result<Arc<IndexMetadata>, Exception> {
    side.cluster
        .state()
        .index_by_uuid(&shard.index)
        .cloned()
        .ok_or_else(|| Exception::index_not_found(&shard.index.to_string()))
}
