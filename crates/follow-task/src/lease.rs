//! Keeps the leader from removing operations that the follower has yet to read.

use std::time::Duration;

use es_exception::{Exception, ExceptionKind};
use oplog::SeqNo;

use crate::event::Action;
use crate::ids::{IdSource, LeaseRequestId};
use crate::time::Timestamp;

/// Renews the retention lease at a fixed pause, the first time at once: after a long pause of the task the lease may be about to expire.
#[derive(Debug)]
pub(crate) struct LeaseRenewal {
    interval: Duration,
    due: Timestamp,
    current: Option<Current>,
    last_failure: Option<Exception>,
    renewed_at: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy)]
struct Current {
    id: LeaseRequestId,
    sent_at: Timestamp,
    retaining: SeqNo,
    adding: bool,
}

impl LeaseRenewal {
    pub(crate) fn new(interval: Duration) -> Self {
        Self {
            interval,
            due: Timestamp::default(),
            current: None,
            last_failure: None,
            renewed_at: None,
        }
    }

    /// When the last renewal or addition that succeeded was sent: the leader noted a time that is not earlier.
    pub(crate) fn renewed_at(&self) -> Option<Timestamp> {
        self.renewed_at
    }

    /// Why the last renewal failed, if it did.
    pub(crate) fn last_failure(&self) -> Option<&Exception> {
        self.last_failure.as_ref()
    }

    /// Has the lease renewed, or added, as soon as may be.
    pub(crate) fn hurry(&mut self, now: Timestamp) {
        self.due = self.due.min(now);
    }

    /// Renews if it is time to.
    pub(crate) fn advance(
        &mut self,
        now: Timestamp,
        retaining: SeqNo,
        ids: &mut IdSource,
        actions: &mut Vec<Action>,
    ) {
        if self.current.is_none() && self.due <= now {
            let id = ids.next();
            self.current = Some(Current {
                id,
                sent_at: now,
                retaining,
                adding: false,
            });
            actions.push(Action::RenewRetentionLease { id, retaining });
        }
    }

    /// Takes note of the end of a renewal or addition; `false` for one that is not waited for. A lease that is gone is added at once if `may_add`.
    pub(crate) fn finish(
        &mut self,
        now: Timestamp,
        id: LeaseRequestId,
        result: Result<(), Exception>,
        may_add: bool,
        ids: &mut IdSource,
        actions: &mut Vec<Action>,
    ) -> bool {
        let Some(current) = self.current.take_if(|current| current.id == id) else {
            return false;
        };
        self.due = now.after(self.interval);
        let Err(exception) = result else {
            self.last_failure = None;
            self.renewed_at = Some(current.sent_at);
            return true;
        };
        match exception.kind() {
            ExceptionKind::RetentionLeaseNotFound if !current.adding && may_add => {
                let id = ids.next();
                self.current = Some(Current {
                    id,
                    sent_at: now,
                    adding: true,
                    ..current
                });
                actions.push(Action::AddRetentionLease {
                    id,
                    retaining: current.retaining,
                });
            }
            // Both mean that the leader holds a lease which keeps enough; its age is what it was.
            ExceptionKind::RetentionLeaseInvalidRetainingSeqNo
            | ExceptionKind::RetentionLeaseAlreadyExists => self.last_failure = None,
            _ => self.last_failure = Some(exception),
        }
        true
    }

    /// When to renew next; `None` while a renewal is under way.
    pub(crate) fn next_wake(&self) -> Option<Timestamp> {
        self.current.is_none().then_some(self.due)
    }
}
