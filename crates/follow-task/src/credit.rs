//! The task's side of the node-wide byte budget.

use std::time::Duration;

use oplog::ByteCount;

use crate::event::Action;
use crate::ids::{BudgetId, IdSource};
use crate::time::Timestamp;

/// How long the read of the lowest gap waits for a grant before it goes ahead without one, and small. A free budget grants at once.
const PATIENCE: Duration = Duration::from_millis(10);

/// What was granted to the task. Bytes in use are granted ones as long as there are any; the small reads that need no grant may bring the
/// use above that.
#[derive(Debug, Default)]
pub(crate) struct Credit {
    granted: u64,
    wish: Option<Wish>,
    /// The whole budget is smaller than a wish was: ask for no more.
    cap: Option<u64>,
}

#[derive(Debug)]
struct Wish {
    id: BudgetId,
    bytes: u64,
    patient_until: Timestamp,
}

impl Credit {
    /// Bytes granted and not in use.
    pub(crate) fn unused(&self, used: u64) -> u64 {
        self.granted.saturating_sub(used)
    }

    /// The size of the next read, given what it would like to have and what is in use: that much, or at least half of it, or nothing yet.
    pub(crate) fn size(&self, wanted: u64, used: u64) -> Option<u64> {
        let wanted = self.cap.map_or(wanted, |cap| wanted.min(cap));
        let size = wanted.min(self.unused(used));
        (size > 0 && size >= wanted / 2).then_some(size)
    }

    /// Asks for the bytes of a read of `wanted` bytes, unless it was asked for already.
    pub(crate) fn wish(
        &mut self,
        now: Timestamp,
        wanted: u64,
        used: u64,
        ids: &mut IdSource,
        actions: &mut Vec<Action>,
    ) {
        // What is unused by then was given back; what is used without a grant comes on top.
        let bytes = wanted.saturating_add(used.saturating_sub(self.granted));
        if self.wish.is_none() {
            let id = ids.next();
            self.wish = Some(Wish {
                id,
                bytes,
                patient_until: now.after(PATIENCE),
            });
            actions.push(Action::RequestBudget {
                id,
                bytes: ByteCount::new(bytes),
            });
        }
    }

    /// Until when the read of the lowest gap waits for the open wish; `None` without one.
    pub(crate) fn patient_until(&self) -> Option<Timestamp> {
        self.wish.as_ref().map(|wish| wish.patient_until)
    }

    /// Takes a grant; `false` for one that was not wished for, which must be given back.
    pub(crate) fn grant(&mut self, id: BudgetId, bytes: ByteCount) -> bool {
        let Some(wish) = self.wish.take_if(|wish| wish.id == id) else {
            return false;
        };
        if bytes.get() < wish.bytes {
            self.cap = Some(bytes.get());
        }
        self.granted = self.granted.saturating_add(bytes.get());
        true
    }

    /// Gives back what is not in use. Nothing is hoarded while a wish is open: a budget held by those who wait would never be granted.
    pub(crate) fn settle(&mut self, used: u64, actions: &mut Vec<Action>) {
        let unused = self.unused(used);
        if unused > 0 {
            self.granted -= unused;
            actions.push(Action::ReleaseBudget {
                bytes: ByteCount::new(unused),
            });
        }
    }

    /// Gives back everything that is not in use and forgets the wish.
    pub(crate) fn stop(&mut self, used: u64, actions: &mut Vec<Action>) {
        self.wish = None;
        self.settle(used, actions);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requested(actions: &mut Vec<Action>) -> Option<(BudgetId, u64)> {
        match actions.pop() {
            Some(Action::RequestBudget { id, bytes }) => Some((id, bytes.get())),
            _ => None,
        }
    }

    #[test]
    fn a_read_needs_at_least_half_of_what_it_wants() {
        let (mut credit, mut ids, mut actions) = (Credit::default(), IdSource::default(), Vec::new());
        assert_eq!(credit.size(100, 0), None);
        credit.wish(Timestamp::default(), 100, 30, &mut ids, &mut actions);
        let (id, bytes) = requested(&mut actions).unwrap();
        assert_eq!(bytes, 130, "the debt of reads without a grant comes on top");
        credit.wish(Timestamp::default(), 100, 30, &mut ids, &mut actions);
        assert!(actions.is_empty(), "one wish at a time");
        assert!(credit.grant(id, ByteCount::new(130)));
        assert!(!credit.grant(id, ByteCount::new(130)));
        assert_eq!(credit.size(100, 30), Some(100));
        assert_eq!(credit.size(100, 80), Some(50));
        assert_eq!(credit.size(100, 81), None);
        credit.settle(100, &mut actions);
        assert_eq!(
            actions,
            [Action::ReleaseBudget {
                bytes: ByteCount::new(30)
            }]
        );
        assert_eq!(credit.unused(0), 100);
    }

    #[test]
    fn a_budget_smaller_than_a_read_makes_the_read_smaller() {
        let (mut credit, mut ids, mut actions) = (Credit::default(), IdSource::default(), Vec::new());
        credit.wish(Timestamp::default(), 100, 0, &mut ids, &mut actions);
        let (id, _) = requested(&mut actions).unwrap();
        assert!(credit.grant(id, ByteCount::new(10)));
        assert_eq!(credit.size(100, 0), Some(10));
    }
}
