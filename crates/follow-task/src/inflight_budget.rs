//! The node-wide byte budget that all follow tasks share, on top of their own limits.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use oplog::ByteCount;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::LOWEST_READ_SIZE;

/// Bytes that all follow tasks of a node may hold together, in flight, buffered and being written (`ccr.max_inflight_bytes`).
///
/// A task sets memory aside for an answer before it asks for it, so the sum never exceeds the limit, whatever the peers send (FT-2). One
/// exception has to be: an operation that is larger than three quarters of the limit comes through alone, when no other task holds anything but
/// what polls may.
///
/// A quarter of the limit belongs to polls, which are answered at once. The rest goes to reads of operations that are known to be there. Freed
/// bytes go to the waiting task that holds the least, and among equals to the one that waits longest; nobody is passed over, and a quarter of that
/// rest is for tasks that hold nothing yet. A task that has waited for long for what it needs next gives back what it cannot use without; so
/// every grant is given back in time, and nobody starves.
#[derive(Debug)]
pub struct InflightBudget {
    state: Mutex<State>,
}

/// What a task asks the budget for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BudgetRequest {
    /// For a read of operations that are known to be there.
    Range {
        /// Less is of no use; 0 when no size is known, and then a read is not made too small.
        needed: ByteCount,
        /// More is of no use.
        wanted: ByteCount,
    },
    /// For a read that may bring nothing. It is granted at once, what can be spared: perhaps nothing.
    Poll {
        /// More is of no use.
        wanted: ByteCount,
    },
}

#[derive(Debug)]
struct State {
    limit: u64,
    /// Bytes that all members hold.
    held: u64,
    /// Those of them that were granted to polls.
    polled: u64,
    next: u64,
    members: BTreeMap<u64, Member>,
    /// Members with waiters, in the order of their turn: (bytes held but for polls, longest waiting ticket, member).
    turns: BTreeSet<(u64, u64, u64)>,
}

#[derive(Debug, Default)]
struct Member {
    held: u64,
    polled: u64,
    waiting: VecDeque<Waiter>,
}

#[derive(Debug)]
struct Waiter {
    ticket: u64,
    needed: u64,
    wanted: u64,
    granted: oneshot::Sender<u64>,
}

/// Default of `ccr.max_inflight_bytes`.
pub const DEFAULT_MAX_INFLIGHT_BYTES: ByteCount = ByteCount::new(256 << 20);

impl InflightBudget {
    /// A budget of `limit` bytes.
    #[must_use]
    pub fn new(limit: ByteCount) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                limit: limit.get(),
                held: 0,
                polled: 0,
                next: 0,
                members: BTreeMap::new(),
                turns: BTreeSet::new(),
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

    /// Bytes held by all members together.
    #[must_use]
    pub fn in_use(&self) -> ByteCount {
        ByteCount::new(self.state.lock().held)
    }
}

/// One task's part in an [`InflightBudget`]. Dropping it gives back all it holds and forgets what it waits for.
#[derive(Debug)]
pub struct BudgetMember {
    budget: Arc<InflightBudget>,
    id: u64,
}

impl BudgetMember {
    /// Waits for what is asked for; gives the bytes granted, which only for a poll may be 0.
    ///
    /// The place in the queue is taken at the call. Cancel safe: when the future is dropped, the place is given up, and a grant that is already on its
    /// way goes back.
    pub fn acquire(&self, request: BudgetRequest) -> BoxFuture<'static, ByteCount> {
        let (granted, receiver) = oneshot::channel();
        let mut state = self.budget.state.lock();
        match request {
            BudgetRequest::Poll { wanted } => {
                let bytes = state.grant_poll(self.id, wanted.get());
                // The receiver is here.
                granted.send(bytes).ok();
            }
            BudgetRequest::Range { needed, wanted } => {
                let needed = needed.get().max(state.least_read(wanted.get()));
                let waiter = Waiter {
                    ticket: state.next_number(),
                    needed,
                    wanted: wanted.get().max(needed),
                    granted,
                };
                state.change(self.id, |member| member.waiting.push_back(waiter));
                state.grant();
            }
        }
        let grant = PendingGrant {
            budget: Arc::clone(&self.budget),
            member: self.id,
            receiver,
        };
        Box::pin(grant)
    }

    /// Gives back `bytes` of what was granted.
    pub fn release(&self, bytes: ByteCount) {
        self.budget.state.lock().release(self.id, bytes.get());
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
            state.held -= member.held;
            state.polled -= member.polled;
        }
        state.grant();
    }
}

/// A wish that is waited for.
struct PendingGrant {
    budget: Arc<InflightBudget>,
    member: u64,
    receiver: oneshot::Receiver<u64>,
}

impl Future for PendingGrant {
    type Output = ByteCount;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<ByteCount> {
        // The sender goes away without a grant only with the member, and then nobody is left to use it.
        Pin::new(&mut self.receiver)
            .poll(context)
            .map(|granted| ByteCount::new(granted.unwrap_or(0)))
    }
}

impl Drop for PendingGrant {
    fn drop(&mut self) {
        let mut state = self.budget.state.lock();
        // Under the lock, so that no grant is on its way afterwards. One that was taken before is not there any more.
        self.receiver.close();
        if let Ok(bytes) = self.receiver.try_recv() {
            state.release(self.member, bytes);
        } else {
            state.grant();
        }
    }
}

impl State {
    fn release(&mut self, id: u64, bytes: u64) {
        let (mut freed, mut polled) = (0, 0);
        self.change(id, |member| {
            freed = bytes.min(member.held);
            polled = freed.min(member.polled);
            member.held -= freed;
            member.polled -= polled;
        });
        self.held -= freed;
        self.polled -= polled;
        self.grant();
    }

    fn next_number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// What polls may hold together.
    fn poll_limit(&self) -> u64 {
        self.limit / 4
    }

    /// What all other reads may hold together.
    fn range_limit(&self) -> u64 {
        self.limit - self.poll_limit()
    }

    /// The smallest grant that is worth a read of `wanted` bytes.
    fn least_read(&self, wanted: u64) -> u64 {
        wanted
            .min(LOWEST_READ_SIZE.get())
            .min(self.range_limit() / 4)
            .max(1)
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

    /// A share of what polls may hold, as far as it is there.
    fn grant_poll(&mut self, id: u64, wanted: u64) -> u64 {
        let share = self.poll_limit() / (self.members.len() as u64).max(1);
        let bytes = wanted
            .min(share)
            .min(self.poll_limit() - self.polled)
            .min(self.limit.saturating_sub(self.held));
        self.change(id, |member| {
            member.held += bytes;
            member.polled += bytes;
        });
        self.held += bytes;
        self.polled += bytes;
        bytes
    }

    /// What a waiter gets whose member holds `own` bytes, if there is enough. No more than half of what there is, unless it needs more: some is left
    /// for the next.
    fn grantable(&self, own: u64, needed: u64, wanted: u64) -> Option<u64> {
        let used = self.held - self.polled;
        if needed > self.range_limit() {
            return (used == 0).then_some(needed);
        }
        let reserved = if own == 0 { 0 } else { self.range_limit() / 4 };
        let room = self.range_limit().saturating_sub(used).saturating_sub(reserved);
        (room >= needed).then(|| wanted.min(needed.max(room / 2)))
    }

    /// Grants in turn as long as the next grant fits. A later, smaller one never overtakes: that would starve the large one.
    fn grant(&mut self) {
        while let Some(&(own, _, id)) = self.turns.first() {
            let front = self
                .members
                .get(&id)
                .and_then(|member| member.waiting.front())
                .map(|waiter| (waiter.granted.is_closed(), waiter.needed, waiter.wanted));
            let Some((is_closed, needed, wanted)) = front else {
                return;
            };
            let bytes = if is_closed {
                0
            } else if let Some(bytes) = self.grantable(own, needed, wanted) {
                bytes
            } else {
                return;
            };
            let mut given = 0;
            self.change(id, |member| {
                let waiter = member.waiting.pop_front();
                if waiter.is_some_and(|waiter| waiter.granted.send(bytes).is_ok()) {
                    given = bytes;
                    member.held += bytes;
                }
            });
            self.held += given;
        }
    }
}

impl Member {
    fn turn(&self, id: u64) -> Option<(u64, u64, u64)> {
        self.waiting
            .front()
            .map(|waiter| (self.held - self.polled, waiter.ticket, id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;
    use proptest::prelude::*;

    fn bytes(count: u64) -> ByteCount {
        ByteCount::new(count)
    }

    fn exactly(count: u64) -> BudgetRequest {
        BudgetRequest::Range {
            needed: bytes(count),
            wanted: bytes(count),
        }
    }

    fn range(needed: u64, wanted: u64) -> BudgetRequest {
        BudgetRequest::Range {
            needed: bytes(needed),
            wanted: bytes(wanted),
        }
    }

    fn poll(wanted: u64) -> BudgetRequest {
        BudgetRequest::Poll {
            wanted: bytes(wanted),
        }
    }

    fn at_once(member: &BudgetMember, request: BudgetRequest) -> Option<u64> {
        member.acquire(request).now_or_never().map(ByteCount::get)
    }

    #[test]
    fn what_fits_is_granted_at_once_and_the_rest_waits() {
        let budget = InflightBudget::new(bytes(100));
        let member = budget.join();
        assert_eq!(at_once(&member, exactly(50)), Some(50));
        let mut second = member.acquire(exactly(50));
        assert_eq!((&mut second).now_or_never(), None);
        member.release(bytes(50));
        assert_eq!(second.now_or_never(), Some(bytes(50)));
        assert_eq!((member.held(), budget.in_use()), (bytes(50), bytes(50)));
    }

    #[test]
    fn half_of_what_is_there_is_left_for_others_unless_more_is_needed() {
        // Without the quarter of polls there are 300.
        // (held by another member, needed, wanted, granted)
        let cases = [
            (0, 0, 40, Some(40)),
            (0, 0, 400, Some(150)),
            (200, 0, 400, Some(75)),
            (200, 80, 400, Some(80)),
            (200, 100, 400, Some(100)),
            (200, 101, 400, None),
            (260, 0, 400, None),
            (260, 0, 40, Some(40)),
        ];
        for (held, needed, wanted, granted) in cases {
            let budget = InflightBudget::new(bytes(400));
            let (first, second) = (budget.join(), budget.join());
            assert_eq!(at_once(&first, exactly(held.max(1))), Some(held.max(1)));
            first.release(bytes(u64::from(held == 0)));
            assert_eq!(
                at_once(&second, range(needed, wanted)),
                granted,
                "{held} {needed} {wanted}"
            );
        }
    }

    #[test]
    fn an_operation_larger_than_the_budget_comes_through_alone() {
        let budget = InflightBudget::new(bytes(100));
        let (first, second) = (budget.join(), budget.join());
        assert_eq!(at_once(&first, exactly(10)), Some(10));
        let mut large = second.acquire(exactly(1000));
        assert_eq!((&mut large).now_or_never(), None);
        assert_eq!(at_once(&first, poll(10)), Some(10), "polls go on");
        first.release(bytes(10));
        first.release(bytes(10));
        assert_eq!(large.now_or_never(), Some(bytes(1000)));
        let mut more = first.acquire(exactly(10));
        assert_eq!((&mut more).now_or_never(), None);
        assert_eq!(at_once(&first, poll(10)), Some(0));
        second.release(bytes(1000));
        assert_eq!(more.now_or_never(), Some(bytes(10)));
    }

    #[test]
    fn who_holds_least_comes_first_and_large_requests_are_not_overtaken() {
        let budget = InflightBudget::new(bytes(400));
        let (rich, poor) = (budget.join(), budget.join());
        assert_eq!(at_once(&rich, exactly(200)), Some(200));
        assert_eq!(at_once(&poor, exactly(50)), Some(50));
        let mut rich_again = rich.acquire(exactly(10));
        let mut large = poor.acquire(exactly(100));
        rich.release(bytes(60));
        assert_eq!((&mut large).now_or_never(), None);
        assert_eq!(
            (&mut rich_again).now_or_never(),
            None,
            "overtook the poorer member"
        );
        rich.release(bytes(65));
        assert_eq!(large.now_or_never(), Some(bytes(100)));
        assert_eq!((&mut rich_again).now_or_never(), None);
        poor.release(bytes(150));
        assert_eq!(rich_again.now_or_never(), Some(bytes(10)));
    }

    #[test]
    fn a_quarter_is_for_those_who_hold_nothing() {
        let budget = InflightBudget::new(bytes(400));
        let (first, second) = (budget.join(), budget.join());
        assert_eq!(
            at_once(&first, exactly(225)),
            Some(225),
            "the first grant may take all"
        );
        assert_eq!(at_once(&second, exactly(25)), Some(25));
        let mut waits = second.acquire(exactly(25));
        assert_eq!((&mut waits).now_or_never(), None);
        assert_eq!(at_once(&budget.join(), exactly(50)), Some(50));
    }

    #[test]
    fn polls_share_a_quarter_and_never_wait() {
        let budget = InflightBudget::new(bytes(400));
        let members: Vec<_> = (0..4).map(|_| budget.join()).collect();
        let taken: Vec<_> = members.iter().map(|member| at_once(member, poll(20))).collect();
        assert_eq!(taken, [Some(20); 4]);
        assert_eq!(at_once(&members[0], poll(1000)), Some(20), "20 of 100 were left");
        assert_eq!(at_once(&members[1], poll(1000)), Some(0));
        members[1].release(bytes(20));
        assert_eq!(at_once(&members[2], poll(1000)), Some(20));
        assert_eq!(
            at_once(&members[2], exactly(300)),
            Some(300),
            "reads have their own"
        );
    }

    #[test]
    fn members_and_requests_that_go_away_leave_nothing_behind() {
        let budget = InflightBudget::new(bytes(100));
        let (first, second, third) = (budget.join(), budget.join(), budget.join());
        assert_eq!(at_once(&first, exactly(75)), Some(75));
        assert_eq!(at_once(&first, poll(5)), Some(5));
        drop(second.acquire(exactly(70)));
        let _gone = third.acquire(exactly(60));
        drop(third);
        let mut waiting = second.acquire(exactly(30));
        assert_eq!((&mut waiting).now_or_never(), None);
        drop(first);
        assert_eq!(waiting.now_or_never(), Some(bytes(30)));
        assert_eq!(budget.in_use(), bytes(30));
        drop(second.acquire(exactly(10)));
        drop(second.acquire(poll(10)));
        assert_eq!(budget.in_use(), bytes(30), "granted, and never looked at");
        let (third, next) = (budget.join(), budget.join());
        let mut large = third.acquire(exactly(75));
        assert_eq!((&mut large).now_or_never(), None);
        let small = next.acquire(exactly(10));
        drop(large);
        assert_eq!(small.now_or_never(), Some(bytes(10)), "who waits behind goes on");
    }

    proptest! {
        /// Whatever is asked for and given back in whatever order: the limit holds but for one large operation, and when all is given back nobody
        /// waits.
        #[test]
        fn the_limit_holds_and_everybody_is_served(
            limit in 1_u64..1000,
            steps in prop::collection::vec((0_usize..5, 0_u64..1500, 0_u64..1500, any::<bool>()), 1..60),
        ) {
            let budget = InflightBudget::new(bytes(limit));
            let members: Vec<_> = (0..5).map(|_| budget.join()).collect();
            let mut waiting: Vec<(usize, BoxFuture<'static, ByteCount>)> = Vec::new();
            let mut largest = 0;
            for (who, needed, wanted, give_back) in steps {
                if give_back {
                    members[who].release(bytes(wanted));
                } else if wanted % 3 == 0 {
                    at_once(&members[who], poll(wanted)).expect("a poll never waits");
                } else {
                    waiting.push((who, members[who].acquire(range(needed, wanted))));
                    largest = largest.max(needed);
                }
                waiting.retain_mut(|(_, grant)| grant.now_or_never().is_none());
                let in_use = budget.in_use().get();
                prop_assert_eq!(in_use, members.iter().map(|member| member.held().get()).sum::<u64>());
                prop_assert!(in_use <= limit.max(limit / 4 + largest), "{} of {}", in_use, limit);
            }
            for _ in 0..=waiting.len() {
                members.iter().for_each(|member| member.release(bytes(u64::MAX)));
                waiting.retain_mut(|(_, grant)| grant.now_or_never().is_none());
            }
            prop_assert!(waiting.is_empty(), "{} wait for ever", waiting.len());
        }
    }
}
