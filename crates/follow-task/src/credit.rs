//! The task's side of the node-wide byte budget.

use std::time::Duration;

use oplog::ByteCount;

use crate::event::Action;
use crate::ids::{BudgetId, IdSource};
use crate::inflight_budget::BudgetRequest;
use crate::time::Timestamp;

/// How long the read that a task needs next waits for memory before the task gives back what it cannot use without that read.
pub(crate) const PATIENCE: Duration = Duration::from_secs(1);

/// What was granted to the task. Every byte in use was granted before (FT-2).
///
/// A grant is for the read that it was asked for: what is not used at the end of a step is given back, also when an answer turns out smaller than
/// the memory set aside for it. So nobody hoards, and the budget decides who is next.
#[derive(Debug, Default)]
pub(crate) struct Credit {
    granted: u64,
    range: Option<RangeWish>,
    poll: Option<BudgetId>,
    /// What the grant of this step is for.
    fresh: Option<Fresh>,
}

#[derive(Debug)]
struct RangeWish {
    id: BudgetId,
    since: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fresh {
    Range(u64),
    Poll(u64),
}

impl Credit {
    /// Memory for a read of `wanted` bytes, of which fewer than `needed` are of no use: up to `wanted`, or more if more is needed. Without a
    /// grant that suffices one is asked for.
    pub(crate) fn for_range(
        &mut self,
        now: Timestamp,
        needed: u64,
        wanted: u64,
        ids: &mut IdSource,
        actions: &mut Vec<Action>,
    ) -> Option<u64> {
        if let Some(Fresh::Range(bytes)) = self.fresh.take_if(|fresh| matches!(fresh, Fresh::Range(_)))
            && bytes >= needed
        {
            return Some(bytes.min(wanted.max(needed)));
        }
        if self.range.is_none() {
            let id = ids.next();
            self.range = Some(RangeWish { id, since: now });
            let (needed, wanted) = (ByteCount::new(needed), ByteCount::new(wanted));
            let request = BudgetRequest::Range { needed, wanted };
            actions.push(Action::RequestBudget { id, request });
        }
        None
    }

    /// Memory for a poll: up to `wanted` bytes, perhaps none. Without a grant one is asked for, which comes at once.
    pub(crate) fn for_poll(
        &mut self,
        wanted: u64,
        ids: &mut IdSource,
        actions: &mut Vec<Action>,
    ) -> Option<u64> {
        if let Some(Fresh::Poll(bytes)) = self.fresh.take_if(|fresh| matches!(fresh, Fresh::Poll(_))) {
            return Some(bytes.min(wanted));
        }
        if self.poll.is_none() {
            let id = ids.next();
            self.poll = Some(id);
            let wanted = ByteCount::new(wanted);
            let request = BudgetRequest::Poll { wanted };
            actions.push(Action::RequestBudget { id, request });
        }
        None
    }

    /// Takes a grant; `false` for one that was not wished for, which must be given back.
    pub(crate) fn grant(&mut self, id: BudgetId, bytes: ByteCount) -> bool {
        let bytes = bytes.get();
        if self.range.take_if(|wish| wish.id == id).is_some() {
            self.fresh = Some(Fresh::Range(bytes));
        } else if self.poll.take_if(|wish| *wish == id).is_some() {
            self.fresh = Some(Fresh::Poll(bytes));
        } else {
            return false;
        }
        self.granted = self.granted.saturating_add(bytes);
        true
    }

    /// Whether the open wish has been waiting for too long.
    pub(crate) fn is_starving(&self, now: Timestamp) -> bool {
        self.range
            .as_ref()
            .is_some_and(|wish| wish.since.after(PATIENCE) <= now)
    }

    /// Whether a grant is waited for.
    pub(crate) fn is_waiting(&self) -> bool {
        self.range.is_some() || self.poll.is_some()
    }

    /// When a wish will have been waiting for too long.
    pub(crate) fn next_wake(&self, now: Timestamp) -> Option<Timestamp> {
        self.range
            .as_ref()
            .map(|wish| wish.since.after(PATIENCE))
            .filter(|until| *until > now)
    }

    /// Gives back what is not in use.
    pub(crate) fn settle(&mut self, used: u64, actions: &mut Vec<Action>) {
        self.fresh = None;
        let unused = self.granted.saturating_sub(used);
        if unused > 0 {
            self.granted -= unused;
            actions.push(Action::ReleaseBudget {
                bytes: ByteCount::new(unused),
            });
        }
    }

    /// Gives back everything that is not in use and forgets the wishes.
    pub(crate) fn stop(&mut self, used: u64, actions: &mut Vec<Action>) {
        self.range = None;
        self.poll = None;
        self.settle(used, actions);
    }

    /// The predicate behind FT-2 for the task as a whole.
    pub(crate) fn check_invariants(&self, used: u64) {
        assert!(
            used <= self.granted,
            "FT-2: {used} bytes are in use, {} were granted",
            self.granted
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Rig {
        credit: Credit,
        ids: IdSource,
        actions: Vec<Action>,
    }

    impl Rig {
        fn new() -> Self {
            Self {
                credit: Credit::default(),
                ids: IdSource::default(),
                actions: Vec::new(),
            }
        }

        fn range(&mut self, needed: u64, wanted: u64) -> Option<u64> {
            let now = Timestamp::default();
            self.credit
                .for_range(now, needed, wanted, &mut self.ids, &mut self.actions)
        }

        fn poll(&mut self, wanted: u64) -> Option<u64> {
            self.credit.for_poll(wanted, &mut self.ids, &mut self.actions)
        }

        fn requested(&mut self) -> (BudgetId, BudgetRequest) {
            match self.actions.pop() {
                Some(Action::RequestBudget { id, request }) => (id, request),
                other => panic!("no request: {other:?}"),
            }
        }

        fn grant(&mut self, id: BudgetId, bytes: u64) -> bool {
            self.credit.grant(id, ByteCount::new(bytes))
        }

        fn settled(&mut self, used: u64) -> Option<u64> {
            self.credit.settle(used, &mut self.actions);
            match self.actions.pop() {
                Some(Action::ReleaseBudget { bytes }) => Some(bytes.get()),
                None => None,
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn a_read_waits_for_its_grant_and_the_rest_of_it_goes_back() {
        let mut rig = Rig::new();
        assert_eq!(rig.range(10, 100), None);
        let (id, request) = rig.requested();
        let (needed, wanted) = (ByteCount::new(10), ByteCount::new(100));
        assert_eq!(request, BudgetRequest::Range { needed, wanted });
        assert_eq!(rig.range(10, 100), None);
        assert!(rig.actions.is_empty(), "one wish at a time");
        assert!(rig.grant(id, 70));
        assert!(!rig.grant(id, 70), "a second grant is nobody's");
        assert_eq!(rig.range(10, 60), Some(60));
        assert_eq!(rig.settled(60), Some(10));
        assert_eq!(rig.settled(60), None);
        assert_eq!(rig.range(0, 1), None, "what was given back is gone");
    }

    #[test]
    fn a_grant_that_is_too_small_by_now_goes_back_and_another_is_asked_for() {
        let mut rig = Rig::new();
        rig.range(0, 10);
        let (id, _) = rig.requested();
        assert!(rig.grant(id, 10));
        assert_eq!(rig.range(11, 10), None);
        let (id, _) = rig.requested();
        assert_eq!(rig.settled(0), Some(10));
        assert!(rig.grant(id, 11));
        assert_eq!(rig.range(11, 10), Some(11));
    }

    #[test]
    fn a_poll_goes_with_what_it_gets_beside_a_wish_for_a_range() {
        let mut rig = Rig::new();
        rig.range(0, 10);
        let (range, _) = rig.requested();
        assert_eq!(rig.poll(10), None);
        let (poll, request) = rig.requested();
        assert!(matches!(request, BudgetRequest::Poll { .. }), "{request:?}");
        assert!(rig.grant(poll, 0));
        assert_eq!(rig.range(0, 10), None);
        assert_eq!(rig.poll(10), Some(0));
        assert!(rig.grant(range, 10));
        assert_eq!(rig.range(0, 10), Some(10));
    }

    #[test]
    fn patience_ends() {
        let mut rig = Rig::new();
        assert!(!rig.credit.is_waiting());
        rig.range(0, 10);
        let start = Timestamp::default();
        let end = start.after(PATIENCE);
        assert!(rig.credit.is_waiting());
        assert!(!rig.credit.is_starving(start));
        assert_eq!(rig.credit.next_wake(start), Some(end));
        assert!(rig.credit.is_starving(end));
        assert_eq!(rig.credit.next_wake(end), None);
        rig.credit.stop(0, &mut rig.actions);
        assert!(!rig.credit.is_waiting() && !rig.credit.is_starving(end));
    }
}
