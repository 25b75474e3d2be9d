//! The simulated world: nodes, copies, lines and the queue of what happens next.

use std::sync::Arc;

use es_exception::{Exception, ExceptionKind};
use follow_task::InflightBudget;
use oplog::{GroupCommitter, MemStorage};

use crate::checkers::Violation;
use crate::clock::{NodeClock, SimTime};
use crate::convergence::Phase;
use crate::copies::{Call, CopyId, Node, NodeId, Purpose, ShardCopy};
use crate::happening::{Happening, Queue};
use crate::network::Network;
use crate::plan::{Plan, Topology};
use crate::random::Random;
use crate::tally::Tally;
use crate::trace::Trace;
use crate::truth::Truth;
use crate::wire::{Answer, Envelope, Request, size_of};

pub(crate) const MILLI: u64 = 1_000;
pub(crate) const SECOND: u64 = 1_000_000;

pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) time: SimTime,
    /// Microseconds since the start.
    pub(crate) now: u64,
    pub(crate) queue: Queue,
    pub(crate) random: Random,
    pub(crate) network: Network,
    pub(crate) nodes: Vec<Node>,
    pub(crate) copies: Vec<ShardCopy>,
    pub(crate) truth: Truth,
    pub(crate) trace: Trace,
    pub(crate) tally: Tally,
    pub(crate) violation: Option<Violation>,
    pub(crate) phase: Phase,
    /// Estimated size of the largest operation so far.
    pub(crate) largest_operation: u64,
    numbers: u64,
}

impl World {
    pub(crate) fn new(plan: Plan) -> Self {
        let time = SimTime::default();
        let count = match plan.topology {
            Topology::Pair | Topology::TwoWay => 2,
            Topology::FanOut | Topology::Chain => 3,
        };
        let nodes = (0..count).map(|_| new_node(&plan, &time)).collect();
        let mut world = Self {
            random: Random::new(plan.seed),
            time,
            now: 0,
            queue: Queue::default(),
            network: Network::new(count),
            nodes,
            copies: Vec::new(),
            truth: Truth::default(),
            trace: Trace::default(),
            tally: Tally::default(),
            violation: None,
            phase: Phase::Chaos,
            largest_operation: 0,
            numbers: 0,
            plan,
        };
        world.populate();
        world
    }

    fn populate(&mut self) {
        // (node, whom it follows)
        let copies: &[(usize, Option<usize>)] = match self.plan.topology {
            Topology::Pair => &[(0, None), (1, Some(0))],
            Topology::FanOut => &[(0, None), (1, Some(0)), (2, Some(0))],
            Topology::Chain => &[(0, None), (1, Some(0)), (2, Some(1))],
            Topology::TwoWay => &[(0, None), (1, Some(0)), (1, None), (0, Some(2))],
        };
        for (node, leader) in copies {
            let copy = self.add_copy(NodeId(*node));
            match leader {
                None => self.create_leader_index(copy),
                Some(leader) => self.follow(copy, CopyId(*leader)),
            }
        }
        for node in 0..self.nodes.len() {
            let at = self.random.below(SECOND);
            self.queue.plan(at, Happening::Maintain { node: NodeId(node) });
        }
        let first_fault = self.random.below(3 * SECOND);
        self.queue.plan(first_fault, Happening::Fault);
        self.queue
            .plan(self.plan.chaos.as_micros() as u64, Happening::Heal);
    }

    /// A number that nothing else of the run has.
    pub(crate) fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    pub(crate) fn note(&mut self, what: &'static str, numbers: [u64; 3]) {
        self.trace.note(self.now, what, numbers);
    }

    /// Notes a broken invariant; the first one counts.
    pub(crate) fn violate(&mut self, invariant: &'static str, what: String) {
        self.violation.get_or_insert(Violation { invariant, what });
    }

    pub(crate) fn after(&mut self, micros: u64, happening: Happening) {
        self.queue.plan(self.now + micros, happening);
    }

    pub(crate) fn is_done(&self) -> bool {
        self.violation.is_some() || self.phase == Phase::Done
    }

    /// Lets the next thing happen, and looks whether everything still holds.
    pub(crate) fn advance(&mut self) {
        let Some((at, happening)) = self.queue.take() else {
            self.violate("simulation", "nothing happens any more".to_owned());
            return;
        };
        self.now = at;
        self.time.set(at);
        self.tally.events += 1;
        self.happen(happening);
        self.deliver_grants();
        self.check_after_event();
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Wake { copy, epoch } => self.on_wake(copy, epoch),
            Happening::Ended { copy, epoch, event } => self.on_ended(copy, epoch, event),
            Happening::AppendNext { copy, epoch } => self.append_next(copy, epoch),
            Happening::DeltaHeal {
                copy,
                epoch,
                id,
                work,
            } => self.heal_shard(copy, epoch, id, work),
            Happening::EndCycle { copy, boot } => self.end_cycle(copy, boot),
            Happening::RenewWhileCopying { copy, epoch } => self.renew_while_copying(copy, epoch),
            Happening::Request { to, envelope } => self.on_request(to, envelope),
            Happening::Answer {
                to,
                boot,
                rpc,
                place,
                answer,
            } => self.on_answer(to, boot, rpc, place, answer),
            Happening::CallTimeout { node, boot, rpc } => self.on_call_timeout(node, boot, rpc),
            Happening::ReadStage { boot, envelope } => self.read_stage(boot, envelope),
            Happening::AnswerStage {
                boot,
                envelope,
                frames,
                facts,
            } => self.answer_stage(boot, &envelope, frames, facts),
            Happening::PollTimeout { copy, waiter } => self.poll_timeout(copy, waiter),
            Happening::Commit { node, boot } => self.commit(node, boot),
            Happening::Maintain { node } => self.maintain(node),
            Happening::Write { copy } => self.write(copy),
            Happening::Start { node, boot } => self.start(node, boot),
            Happening::Reopen { copy, boot } => self.reopen(copy, boot),
            Happening::Fault => self.fault(),
            Happening::Repair(repair) => self.repair(repair),
            Happening::Heal => self.heal(),
            Happening::Look => self.look(),
        }
    }

    // ---- calls between nodes --------------------------------------------------------------------------------

    /// Asks the leader of `copy`.
    pub(crate) fn call(&mut self, copy: CopyId, purpose: Purpose, request: Request, timeout_micros: u64) {
        let Some(following) = &self.copies[copy.0].following else {
            return;
        };
        let (leader, index, epoch) = (following.leader, following.leader_uuid.clone(), following.epoch);
        let (from, to) = (self.copies[copy.0].node, self.copies[leader.0].node);
        let rpc = self.number();
        let boot = self.nodes[from.0].boot;
        self.note(request.name(), [copy.0 as u64, rpc, 0]);
        let call = Call {
            copy,
            epoch,
            to,
            purpose,
            answered: 0,
        };
        self.nodes[from.0].calls.insert(rpc, call);
        self.after(
            timeout_micros,
            Happening::CallTimeout {
                node: from,
                boot,
                rpc,
            },
        );
        let envelope = Envelope {
            from,
            boot,
            rpc,
            copy: leader,
            index,
            request,
            answered: 0,
            open_until: 0,
        };
        let arrivals = self.network.send(self.now, (from, to), 200, &mut self.random);
        for at in arrivals.into_iter().flatten() {
            let envelope = envelope.clone();
            self.queue.plan(at, Happening::Request { to, envelope });
        }
    }

    /// Sends an answer from where the copy is that was asked.
    pub(crate) fn answer(&mut self, envelope: &Envelope, answer: Answer) {
        let from = self.copies[envelope.copy.0].node;
        let (to, boot, rpc) = (envelope.from, envelope.boot, envelope.rpc);
        let size = size_of(&answer);
        let arrivals = self.network.send(self.now, (from, to), size, &mut self.random);
        for at in arrivals.into_iter().flatten() {
            let answer = answer.clone();
            self.queue.plan(
                at,
                Happening::Answer {
                    to,
                    boot,
                    rpc,
                    place: Some(envelope.answered),
                    answer,
                },
            );
        }
    }

    fn on_call_timeout(&mut self, node: NodeId, boot: u64, rpc: u64) {
        if self.nodes[node.0].boot != boot || !self.nodes[node.0].calls.contains_key(&rpc) {
            return;
        }
        let late = Exception::new(ExceptionKind::ReceiveTimeoutTransport, "no answer in time");
        self.on_answer(node, boot, rpc, None, Err(late));
        self.nodes[node.0].calls.remove(&rpc);
    }

    /// Calls to a node whose process ended: most callers notice, the others wait for their timeout.
    pub(crate) fn reset_calls_to(&mut self, node: NodeId) {
        let mut lost = Vec::new();
        for (number, asker) in self.nodes.iter().enumerate() {
            let calls = asker.calls.iter().filter(|(_, call)| call.to == node);
            lost.extend(calls.map(|(rpc, _)| (NodeId(number), asker.boot, *rpc)));
        }
        for (to, boot, rpc) in lost {
            let cut = self.network.link(node, to).cut_until > self.now;
            if !cut && self.random.chance(0.7) {
                let answer = Err(Exception::new(
                    ExceptionKind::ConnectTransport,
                    "connection reset",
                ));
                let way = self.random.below(20 * MILLI);
                self.after(
                    way,
                    Happening::Answer {
                        to,
                        boot,
                        rpc,
                        place: None,
                        answer,
                    },
                );
            }
        }
    }
}

pub(crate) fn new_node(plan: &Plan, time: &SimTime) -> Node {
    let clock = Arc::new(NodeClock::new(time.clone()));
    Node {
        storage: MemStorage::new(),
        committer: GroupCommitter::manual(clock.clone()),
        clock,
        budget: InflightBudget::new(plan.budget),
        up: true,
        boot: 0,
        calls: Default::default(),
        appends: Vec::new(),
        commit_at: None,
        refuses: false,
    }
}
