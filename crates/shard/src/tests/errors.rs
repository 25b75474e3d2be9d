//! Which failures of a copy are tried again.

use es_exception::{Exception, ExceptionKind};
use oplog::{AppendError, LogError, ReadError, ReadLimits};
use serde_json::json;

use super::follower::frames;
use super::*;
use crate::ShardError;

#[test]
fn a_closed_copy_and_a_failed_view_are_tried_again() {
    let view = ShardError::View {
        reason: "a merge failed".into(),
    };
    for (error, kind) in [
        (ShardError::Closed, ExceptionKind::IndexShardClosed),
        (ShardError::Log(LogError::Closed), ExceptionKind::IndexShardClosed),
        (
            ShardError::Append(AppendError::Log(LogError::Closed)),
            ExceptionKind::IndexShardClosed,
        ),
        (
            ShardError::Read(ReadError::Closed),
            ExceptionKind::IndexShardClosed,
        ),
        (view, ExceptionKind::EsRejectedExecution),
    ] {
        assert_eq!(
            (Exception::from(&error).kind(), error.is_retryable()),
            (kind, true),
            "{error:?}"
        );
    }
}

/// A shard closes its log while other calls are already past the check that the shard is open.
#[test]
fn calls_that_find_the_log_closed_are_tried_again() {
    let (leader, follower) = (Fixture::primary(), Fixture::new(ShardRole::Follower));
    write(&leader.shard, vec![index("a", &json!({"n": 1}))]);
    let all = frames(&leader.shard, 0);
    leader.shard.log().close().unwrap();
    follower.shard.log().close().unwrap();
    let read = leader
        .shard
        .read_changes(SeqNo::ZERO, SeqNo::ZERO, ReadLimits::NONE)
        .unwrap_err();
    let append = follower.shard.append_frames(all).unwrap_err();
    for error in [read, append] {
        assert_eq!(
            Exception::from(&error).kind(),
            ExceptionKind::IndexShardClosed,
            "{error:?}"
        );
    }
}
