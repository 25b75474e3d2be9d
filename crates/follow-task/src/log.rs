//! What a running task tells the log: its start, its stop, a fatal failure, and failures that come and go.

use std::fmt;
use std::time::Duration;

use es_exception::Exception;

use crate::status::{FollowTaskIdentity, FollowTaskPhase};
use crate::task::FollowTask;
use crate::time::Timestamp;

/// Warnings of one task come no closer than this: with thousands of shards, failures that come and go must not fill the log.
const WARNING_INTERVAL: Duration = Duration::from_secs(30);

/// Work of a task that may be tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    /// Asking the follower where it stands.
    FollowerState,
    /// Bringing metadata up to date.
    MetadataSync,
    /// Reading from the leader.
    Read,
    /// A delta heal.
    Heal,
    /// Writing to the follower.
    Write,
    /// Keeping the retention lease.
    RetentionLease,
}

impl fmt::Display for Work {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::FollowerState => "follower state",
            Self::MetadataSync => "metadata sync",
            Self::Read => "read",
            Self::Heal => "delta heal",
            Self::Write => "write",
            Self::RetentionLease => "retention lease renewal",
        })
    }
}

/// Decides which changes of a task are worth a line. At most two lines, a warning and its end, come within [`WARNING_INTERVAL`]; the
/// others come once.
#[derive(Debug)]
pub(crate) struct TaskLog {
    identity: FollowTaskIdentity,
    /// What the last warning told, while it lasts.
    warned: Option<(Work, Exception)>,
    /// No warning before this.
    not_before: Timestamp,
    healing: bool,
    failed: bool,
}

/// One line of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Line {
    /// The task runs from now on.
    Started,
    /// Something fails, or fails for another reason than before, and is tried again.
    Retrying(Work, Exception),
    /// Nothing fails any more.
    Recovered,
    /// The leader has removed operations that the follower lacks, and a delta heal has begun.
    Healing,
    /// The delta heal is done.
    Healed,
    /// The task has failed for good.
    Failed(Exception),
    /// The task has ended.
    Stopped,
}

impl TaskLog {
    pub(crate) fn new(identity: FollowTaskIdentity) -> Self {
        Self {
            identity,
            warned: None,
            not_before: Timestamp::default(),
            healing: false,
            failed: false,
        }
    }

    /// The line that the state of the task is worth at `now`.
    pub(crate) fn observe(&mut self, now: Timestamp, task: &FollowTask) -> Option<Line> {
        match (task.phase(), task.fatal_exception()) {
            (FollowTaskPhase::Cancelled, _) => None,
            (_, Some(fatal)) => {
                let is_new = !std::mem::replace(&mut self.failed, true);
                is_new.then(|| Line::Failed(fatal.clone()))
            }
            (phase, None) => {
                let healing = phase == FollowTaskPhase::Healing;
                match (std::mem::replace(&mut self.healing, healing), healing) {
                    (false, true) => Some(Line::Healing),
                    (true, false) => Some(Line::Healed),
                    _ => self.observe_failure(now, task.retried()),
                }
            }
        }
    }

    fn observe_failure(&mut self, now: Timestamp, failure: Option<(Work, &Exception)>) -> Option<Line> {
        let Some((work, exception)) = failure else {
            return self.warned.take().map(|_| Line::Recovered);
        };
        let told = self.warned.as_ref();
        let is_told = told.is_some_and(|(told, reason)| *told == work && reason == exception);
        if is_told || now < self.not_before {
            return None;
        }
        self.warned = Some((work, exception.clone()));
        self.not_before = now.after(WARNING_INTERVAL);
        Some(Line::Retrying(work, exception.clone()))
    }

    /// Writes a line.
    pub(crate) fn tell(&self, line: &Line) {
        let FollowTaskIdentity {
            leader_index,
            follower_index,
            shard_id: shard,
            ..
        } = &self.identity;
        match line {
            Line::Started => {
                tracing::info!(%leader_index, %follower_index, %shard, "shard follow task started");
            }
            Line::Retrying(work, exception) => {
                tracing::warn!(%leader_index, %follower_index, %shard, %exception,
                    "{work} of a shard follow task failed, retrying");
            }
            Line::Recovered => {
                tracing::info!(%leader_index, %follower_index, %shard, "shard follow task recovered from failures");
            }
            Line::Healing => {
                tracing::warn!(%leader_index, %follower_index, %shard,
                    "the leader has removed operations that the follower lacks, a delta heal gets over them");
            }
            Line::Healed => {
                tracing::info!(%leader_index, %follower_index, %shard, "shard follow task goes on after a delta heal");
            }
            Line::Failed(exception) => {
                tracing::error!(%leader_index, %follower_index, %shard, %exception,
                    "shard follow task failed and follows no more until it is paused and resumed");
            }
            Line::Stopped => {
                tracing::info!(%leader_index, %follower_index, %shard, "shard follow task stopped");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Action, Event};
    use crate::parameters::FollowParameters;
    use crate::task::FollowTaskConfig;
    use es_exception::ExceptionKind;
    use oplog::ShardNumber;

    fn identity() -> FollowTaskIdentity {
        FollowTaskIdentity {
            remote_cluster: "leader".into(),
            leader_index: "orders".into(),
            follower_index: "orders-copy".into(),
            shard_id: ShardNumber::new(0),
        }
    }

    #[test]
    fn a_fatal_failure_is_told_once_and_not_when_it_comes_after_a_cancellation() {
        let gone = Exception::index_not_found("orders-copy");
        for (cancelled, lines) in [
            (false, [Some(Line::Failed(gone.clone())), None]),
            (true, [None, None]),
        ] {
            let mut task = FollowTask::new(FollowTaskConfig {
                identity: identity(),
                parameters: FollowParameters::default(),
                seed: 1,
                retention_lease_renew_interval: Duration::from_secs(30),
                auto_heal: true,
            });
            let (now, mut actions) = (Timestamp::default(), Vec::new());
            task.step(now, Event::Wake, &mut actions);
            let Some(Action::QueryFollowerState { id }) = actions.pop() else {
                panic!("no question")
            };
            if cancelled {
                task.step(now, Event::Cancel, &mut actions);
            }
            let result = Err(gone.clone());
            task.step(now, Event::FollowerState { id, result }, &mut actions);
            let mut log = TaskLog::new(identity());
            assert_eq!([log.observe(now, &task), log.observe(now, &task)], lines);
        }
    }

    #[test]
    fn a_failure_is_told_once_and_again_when_its_reason_changes_but_not_too_often() {
        let busy = Exception::new(ExceptionKind::EsRejectedExecution, "busy");
        let gone = Exception::new(ExceptionKind::ConnectTransport, "gone");
        let retrying = |work, exception: &Exception| Some(Line::Retrying(work, exception.clone()));
        // (seconds, what fails, line)
        let cases = [
            (0, None, None),
            (1, Some((Work::Read, &busy)), retrying(Work::Read, &busy)),
            (2, Some((Work::Read, &busy)), None),
            (900, Some((Work::Read, &busy)), None),
            (901, Some((Work::Read, &gone)), retrying(Work::Read, &gone)),
            (902, Some((Work::Write, &gone)), None),
            (930, Some((Work::Write, &gone)), None),
            (931, Some((Work::Write, &gone)), retrying(Work::Write, &gone)),
            (932, None, Some(Line::Recovered)),
            (933, None, None),
            // Comes and goes: silent until the last warning is old enough.
            (934, Some((Work::Write, &gone)), None),
            (935, None, None),
            (960, Some((Work::Write, &gone)), None),
            (961, Some((Work::Write, &gone)), retrying(Work::Write, &gone)),
            (962, None, Some(Line::Recovered)),
        ];
        let mut log = TaskLog::new(identity());
        for (seconds, failure, line) in cases {
            let now = Timestamp::new(Duration::from_secs(seconds));
            assert_eq!(log.observe_failure(now, failure), line, "at {seconds} s");
        }
    }
}
