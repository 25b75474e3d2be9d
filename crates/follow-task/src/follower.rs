//! What is known about the follower's copy, and when to ask it.

use std::time::Duration;

use es_exception::{Exception, ExceptionKind};
use oplog::{HistoryUuid, SeqNo};

use crate::cursor::after;
use crate::event::Action;
use crate::ids::{IdSource, StateId};
use crate::ports::FollowerState;
use crate::time::Timestamp;

/// How often an idle follower is asked whether what it holds is durable by now: the lease and the stats wait for that.
const CHECKPOINT_POLL_INTERVAL: Duration = Duration::from_secs(1);

/// The follower's copy, as far as it has told.
#[derive(Debug, Default)]
pub(crate) struct Follower {
    history_uuid: Option<HistoryUuid>,
    pub(crate) global_checkpoint: Option<SeqNo>,
    pub(crate) max_seq_no: Option<SeqNo>,
    question: Option<Question>,
    not_before: Timestamp,
    poll_at: Option<Timestamp>,
    failures: u32,
    last_failure: Option<Exception>,
}

/// Why the follower is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To begin.
    Start,
    /// To learn what it has of the batches that failed; none is under way meanwhile.
    Recovery,
    /// To learn what is durable.
    Checkpoint,
}

#[derive(Debug, Clone, Copy)]
struct Question {
    id: StateId,
    purpose: Purpose,
    /// What the follower had acknowledged when it was asked; later acknowledgements may overtake the answer.
    applied: SeqNo,
}

/// What became of an answer.
#[derive(Debug)]
pub(crate) enum StateAnswer {
    /// The task does not wait for it.
    Unknown,
    /// It was taken over, unless operations are `lost`: then the follower holds less than it had acknowledged.
    Known {
        purpose: Purpose,
        state: FollowerState,
        lost: bool,
    },
    /// The follower could not answer, and may be asked again.
    Failed,
    /// The follower can never answer, or is another one.
    Fatal(Exception),
}

impl Follower {
    /// The next operation that the follower lacks.
    pub(crate) fn applied(&self) -> SeqNo {
        after(self.max_seq_no)
    }

    /// Whether it has ever answered.
    pub(crate) fn is_known(&self) -> bool {
        self.history_uuid.is_some()
    }

    /// Whether a question is open.
    pub(crate) fn is_asked(&self) -> bool {
        self.question.is_some()
    }

    /// Why the last question failed, if it did.
    pub(crate) fn last_failure(&self) -> Option<&Exception> {
        self.last_failure.as_ref()
    }

    /// Raises what is known; an older answer changes nothing.
    pub(crate) fn advance_to(&mut self, global_checkpoint: Option<SeqNo>, max_seq_no: Option<SeqNo>) {
        self.max_seq_no = self.max_seq_no.max(max_seq_no);
        self.global_checkpoint = self.global_checkpoint.max(global_checkpoint).min(self.max_seq_no);
    }

    /// Takes over the state after a heal, which is ahead of what is known.
    ///
    /// # Errors
    /// Illegal state for another history.
    pub(crate) fn healed(&mut self, state: &FollowerState) -> Result<(), Exception> {
        match &self.history_uuid {
            Some(expected) if *expected != state.history_uuid => {
                Err(other_history(expected, &state.history_uuid))
            }
            _ => {
                self.advance_to(state.global_checkpoint, state.max_seq_no);
                Ok(())
            }
        }
    }

    /// Takes over a state that lies behind what is known, after the follower lost operations.
    pub(crate) fn fall_back_to(&mut self, state: &FollowerState) {
        self.max_seq_no = state.max_seq_no;
        let durable = state.global_checkpoint.min(state.max_seq_no);
        self.global_checkpoint = self.global_checkpoint.min(durable);
    }

    /// Asks for the follower's state, unless it is being asked or has just failed to answer.
    pub(crate) fn ask(
        &mut self,
        now: Timestamp,
        purpose: Purpose,
        ids: &mut IdSource,
        actions: &mut Vec<Action>,
    ) {
        if self.question.is_none() && self.not_before <= now {
            let id = ids.next();
            self.question = Some(Question {
                id,
                purpose,
                applied: self.applied(),
            });
            actions.push(Action::QueryFollowerState { id });
        }
    }

    /// Asks an idle follower from time to time, as long as something is not durable.
    pub(crate) fn poll_checkpoint(
        &mut self,
        now: Timestamp,
        idle: bool,
        ids: &mut IdSource,
        actions: &mut Vec<Action>,
    ) {
        if !idle || self.global_checkpoint >= self.max_seq_no || self.question.is_some() {
            self.poll_at = None;
            return;
        }
        let poll_at = *self
            .poll_at
            .get_or_insert(now.after(CHECKPOINT_POLL_INTERVAL).max(self.not_before));
        if poll_at <= now {
            self.poll_at = None;
            self.ask(now, Purpose::Checkpoint, ids, actions);
        }
    }

    /// Takes an answer; `pause` is the time before the next question after `failures` ones in a row.
    pub(crate) fn answered(
        &mut self,
        now: Timestamp,
        id: StateId,
        result: Result<FollowerState, Exception>,
        pause: impl FnOnce(Purpose, u32) -> Duration,
    ) -> StateAnswer {
        let Some(Question { purpose, applied, .. }) = self.question.take_if(|question| question.id == id)
        else {
            return StateAnswer::Unknown;
        };
        match result {
            Ok(state) => match &self.history_uuid {
                Some(expected) if *expected != state.history_uuid => {
                    StateAnswer::Fatal(other_history(expected, &state.history_uuid))
                }
                _ => {
                    self.failures = 0;
                    self.last_failure = None;
                    self.history_uuid = Some(state.history_uuid.clone());
                    let lost = after(state.max_seq_no) < applied;
                    if !lost {
                        self.advance_to(state.global_checkpoint, state.max_seq_no);
                    }
                    StateAnswer::Known { purpose, state, lost }
                }
            },
            Err(exception) if exception.is_retryable() => {
                self.failures = self.failures.saturating_add(1);
                self.not_before = now.after(pause(purpose, self.failures));
                self.last_failure = Some(exception);
                StateAnswer::Failed
            }
            Err(exception) => StateAnswer::Fatal(exception),
        }
    }

    /// When a question is useful that cannot be asked now; `wanted` tells that there is one to ask.
    pub(crate) fn next_wake(&self, wanted: Option<Timestamp>) -> Option<Timestamp> {
        if self.question.is_some() {
            return None;
        }
        let wanted = wanted.map(|time| time.max(self.not_before));
        wanted
            .into_iter()
            .chain(self.poll_at.map(|time| time.max(self.not_before)))
            .min()
    }

    /// The chain of what is durable and what is there.
    pub(crate) fn check_invariants(&self) {
        assert!(
            self.global_checkpoint <= self.max_seq_no,
            "FT-1: durable past the end of the follower's log"
        );
    }
}

/// Source: Elasticsearch's `TransportBulkShardOperationsAction`, which refuses writes to another history for the same reason.
fn other_history(expected: &HistoryUuid, actual: &HistoryUuid) -> Exception {
    let reason = format!(
        "unexpected history uuid, expected [{expected}], actual [{actual}], shard is likely restored from snapshot or force allocated"
    );
    Exception::new(ExceptionKind::IllegalState, reason)
}
