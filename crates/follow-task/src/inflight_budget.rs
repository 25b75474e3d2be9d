//! The node-wide byte budget that all follow tasks share, on top of their own limits.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use futures::future::BoxFuture;
use oplog::ByteCount;
use parking_lot::Mutex;
use tokio::sync::oneshot;

/// Bytes that all follow tasks of a node may hold together, in flight, buffered and being written (`ccr.max_inflight_bytes`).
///
/// Fair: freed bytes go to the waiting task that holds the least, and among equals to the one that waits longest; nobody is passed over, so nobody
/// starves. Tasks make progress without a grant, since the read that fills a task's lowest gap never waits for one
/// (it is small instead, see [`crate::LOWEST_READ_SIZE`]); so every grant is given back in time.
#[derive(Debug)]
pub struct InflightBudget {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    limit: u64,
    free: u64,
    next: u64,
    members: BTreeMap<u64, Member>,
    /// Members with waiters, in the order of their turn: (bytes held, longest waiting ticket, member).
    turns: BTreeSet<(u64, u64, u64)>,
}

#[derive(Debug, Default)]
struct Member {
    held: u64,
    waiting: VecDeque<Waiter>,
}

#[derive(Debug)]
struct Waiter {
    ticket: u64,
    bytes: u64,
    granted: oneshot::Sender<u64>,
}

/// Default of `ccr.max_inflight_bytes`.
pub const DEFAULT_MAX_INFLIGHT_BYTES: ByteCount = ByteCount::new(256 << 20);

impl InflightBudget {
    /// A budget of `limit` bytes.
    #[must_use]
    pub fn new(limit: ByteCount) -> Arc<Self> {
        let limit = limit.get();
        let (members, turns) = (BTreeMap::new(), BTreeSet::new());
        Arc::new(Self {
            state: Mutex::new(State {
                limit,
                free: limit,
                next: 0,
                members,
                turns,
            }),
        })
    }

    /// Takes part in the budget until the member is dropped.
    #[must_use]
    pub fn join(self: &Arc<Self>) -> BudgetMember {
        let mut state = self.state.lock();
        let id = state.next_number();
        state.members.insert(id, Member::default());
        BudgetMember {
            budget: Arc::clone(self),
            id,
        }
    }

    /// Bytes held by all members together; never more than the limit.
    #[must_use]
    pub fn in_use(&self) -> ByteCount {
        let state = self.state.lock();
        ByteCount::new(state.limit - state.free)
    }
}

/// One task's part in an [`InflightBudget`]. Dropping it gives back all it holds and forgets what it waits for.
#[derive(Debug)]
pub struct BudgetMember {
    budget: Arc<InflightBudget>,
    id: u64,
}

impl BudgetMember {
    /// Waits for `bytes`, or for the whole budget if that is smaller; gives the bytes granted.
    ///
    /// The place in the queue is taken at the call. When the future is dropped, the place is given up; a grant that is
    /// already on its way stays with the member until it is dropped.
    pub fn acquire(&self, bytes: ByteCount) -> BoxFuture<'static, ByteCount> {
        let (granted, receiver) = oneshot::channel();
        let mut state = self.budget.state.lock();
        let ticket = state.next_number();
        let bytes = bytes.get().min(state.limit);
        state.change(self.id, |member| {
            member.waiting.push_back(Waiter {
                ticket,
                bytes,
                granted,
            })
        });
        state.grant();
        // The sender goes away without a grant only with the member, and then nobody is left to use it.
        Box::pin(async move { ByteCount::new(receiver.await.unwrap_or(0)) })
    }

    /// Gives back `bytes` of what was granted.
    pub fn release(&self, bytes: ByteCount) {
        let mut state = self.budget.state.lock();
        let mut freed = 0;
        state.change(self.id, |member| {
            freed = bytes.get().min(member.held);
            member.held -= freed;
        });
        state.free += freed;
        state.grant();
    }

    /// Bytes that this member holds.
    #[must_use]
    pub fn held(&self) -> ByteCount {
        ByteCount::new(
            self.budget
                .state
                .lock()
                .members
                .get(&self.id)
                .map_or(0, |member| member.held),
        )
    }
}

impl Drop for BudgetMember {
    fn drop(&mut self) {
        let mut state = self.budget.state.lock();
        state.change(self.id, |member| member.waiting.clear());
        if let Some(member) = state.members.remove(&self.id) {
            state.free += member.held;
        }
        state.grant();
    }
}

impl State {
    fn next_number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Changes a member and keeps its turn right.
    fn change(&mut self, id: u64, change: impl FnOnce(&mut Member)) {
        let Some(member) = self.members.get_mut(&id) else {
            return;
        };
        if let Some(turn) = member.turn(id) {
            self.turns.remove(&turn);
        }
        change(member);
        if let Some(turn) = member.turn(id) {
            self.turns.insert(turn);
        }
    }

    /// Grants in turn as long as the next grant fits. A later, smaller one never overtakes: that would starve the large one.
    fn grant(&mut self) {
        while let Some(&(_, _, id)) = self.turns.first() {
            let free = self.free;
            let mut used = None;
            self.change(id, |member| {
                let Some(waiter) = member.waiting.front() else {
                    return;
                };
                if waiter.granted.is_closed() {
                    member.waiting.pop_front();
                    used = Some(0);
                } else if waiter.bytes <= free {
                    let bytes = waiter.bytes;
                    let given = member
                        .waiting
                        .pop_front()
                        .is_some_and(|waiter| waiter.granted.send(bytes).is_ok());
                    let bytes = if given { bytes } else { 0 };
                    member.held += bytes;
                    used = Some(bytes);
                }
            });
            match used {
                Some(bytes) => self.free -= bytes,
                None => return,
            }
        }
    }
}

impl Member {
    fn turn(&self, id: u64) -> Option<(u64, u64, u64)> {
        self.waiting.front().map(|waiter| (self.held, waiter.ticket, id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    fn bytes(count: u64) -> ByteCount {
        ByteCount::new(count)
    }

    #[test]
    fn what_fits_is_granted_at_once_and_the_rest_waits() {
        let budget = InflightBudget::new(bytes(100));
        let member = budget.join();
        assert_eq!(member.acquire(bytes(60)).now_or_never(), Some(bytes(60)));
        let mut second = member.acquire(bytes(60));
        assert_eq!((&mut second).now_or_never(), None);
        member.release(bytes(60));
        assert_eq!(second.now_or_never(), Some(bytes(60)));
        assert_eq!((member.held(), budget.in_use()), (bytes(60), bytes(60)));
    }

    #[test]
    fn more_than_the_whole_budget_is_cut_to_it() {
        let budget = InflightBudget::new(bytes(100));
        assert_eq!(
            budget.join().acquire(bytes(1000)).now_or_never(),
            Some(bytes(100))
        );
        assert_eq!(budget.in_use(), bytes(0));
    }

    #[test]
    fn who_holds_least_comes_first_and_large_requests_are_not_overtaken() {
        let budget = InflightBudget::new(bytes(100));
        let (rich, poor) = (budget.join(), budget.join());
        assert_eq!(rich.acquire(bytes(100)).now_or_never(), Some(bytes(100)));
        let mut rich_again = rich.acquire(bytes(10));
        let mut large = poor.acquire(bytes(50));
        rich.release(bytes(40));
        assert_eq!((&mut large).now_or_never(), None);
        assert_eq!(
            (&mut rich_again).now_or_never(),
            None,
            "overtook the poorer member"
        );
        rich.release(bytes(10));
        assert_eq!(large.now_or_never(), Some(bytes(50)));
        assert_eq!((&mut rich_again).now_or_never(), None);
        poor.release(bytes(50));
        assert_eq!(rich_again.now_or_never(), Some(bytes(10)));
    }

    #[test]
    fn members_and_requests_that_go_away_leave_nothing_behind() {
        let budget = InflightBudget::new(bytes(100));
        let (first, second, third) = (budget.join(), budget.join(), budget.join());
        assert_eq!(first.acquire(bytes(100)).now_or_never(), Some(bytes(100)));
        drop(second.acquire(bytes(70)));
        let _gone = third.acquire(bytes(80));
        drop(third);
        let mut waiting = second.acquire(bytes(30));
        assert_eq!((&mut waiting).now_or_never(), None);
        drop(first);
        assert_eq!(waiting.now_or_never(), Some(bytes(30)));
        assert_eq!(budget.in_use(), bytes(30));
    }
}
