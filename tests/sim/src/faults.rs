//! What goes wrong, and what users do to indices that are followed.

use std::time::Duration;

use oplog::Fault;

use crate::convergence::Phase;
use crate::copies::{CopyId, FollowState, NodeId, Snapshot, Work};
use crate::disk::micros;
use crate::happening::Happening;
use crate::network::Link;
use crate::tally::FaultKind;
use crate::truth::History;
use crate::world::{MILLI, SECOND, World};

/// The end of a fault.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Repair {
    Line(NodeId, NodeId),
    Disk(NodeId),
    OpenIndex(CopyId),
    Permit(NodeId),
    Resume(CopyId),
}

impl World {
    pub(crate) fn fault(&mut self) {
        if self.phase != Phase::Chaos {
            return;
        }
        let pause = self.random.below(2 * micros(self.plan.fault_pause)) + 1;
        self.after(pause, Happening::Fault);
        let kinds: Vec<FaultKind> = self.plan.faults.iter().copied().collect();
        let Some(kind) = self.random.pick(&kinds).copied() else {
            return;
        };
        if self.inflict(kind) {
            self.note("fault", [kind as u64, 0, 0]);
            self.tally.fault(kind);
        }
    }

    /// False when there is nothing that it could happen to.
    fn inflict(&mut self, kind: FaultKind) -> bool {
        match kind {
            FaultKind::OneWayPartition => self.cut(false),
            FaultKind::Partition => self.cut(true),
            FaultKind::BadLine => self.spoil_line(false),
            FaultKind::SlowLine => self.spoil_line(true),
            FaultKind::PowerLoss => self.end_process(true),
            FaultKind::Kill => self.end_process(false),
            FaultKind::DiskFault => self.spoil_disk(),
            FaultKind::DiskFull => self.fill_disk(),
            FaultKind::ClockJump => self.jump(),
            FaultKind::LeaderClosed => self.close_leader(),
            FaultKind::PrivilegeRevoked => self.revoke(),
            FaultKind::Pause => self.pause_for_a_while(false),
            FaultKind::LongPause => self.pause_for_a_while(true),
            FaultKind::LeaderDeleted => self.replace_leader(Self::delete_index),
            FaultKind::LeaderRecreated => self.replace_leader(|world, copy| {
                world.delete_index(copy);
                world.create_leader_index(copy);
            }),
            FaultKind::LeaderRestored => self.replace_leader(Self::restore),
            FaultKind::FollowedAnew => self.follow_anew(),
        }
    }

    fn any_node(&mut self) -> NodeId {
        NodeId(self.random.below(self.nodes.len() as u64) as usize)
    }

    fn any_copy(&mut self, wanted: impl Fn(&Self, CopyId) -> bool) -> Option<CopyId> {
        let copies: Vec<CopyId> = (0..self.copies.len())
            .map(CopyId)
            .filter(|copy| wanted(self, *copy))
            .collect();
        self.random.pick(&copies).copied()
    }

    fn any_leader(&mut self) -> Option<CopyId> {
        self.any_copy(|world, copy| {
            let state = &world.copies[copy.0];
            state.following.is_none() && state.exists && state.open
        })
    }

    /// As long as most faults last: mostly short, sometimes longer than a lease lives.
    fn a_while(&mut self) -> u64 {
        let period = micros(self.plan.lease_period);
        self.random.spread(20 * MILLI..(2 * period).max(2 * SECOND))
    }

    // ---- lines ----------------------------------------------------------------------------------------------

    fn any_line(&mut self) -> (NodeId, NodeId) {
        let from = self.any_node();
        let others = self.nodes.len() as u64 - 1;
        let to = (from.0 + 1 + self.random.below(others) as usize) % self.nodes.len();
        (from, NodeId(to))
    }

    fn cut(&mut self, both: bool) -> bool {
        let (from, to) = self.any_line();
        let until = self.now + self.a_while();
        self.network.link(from, to).cut_until = until;
        if both {
            self.network.link(to, from).cut_until = until;
        }
        true
    }

    fn spoil_line(&mut self, slow: bool) -> bool {
        let (from, to) = self.any_line();
        let longest = self.random.spread(5 * MILLI..800 * MILLI);
        let (loss, duplication) = (
            self.random.below(30) as f64 / 100.0,
            self.random.below(40) as f64 / 100.0,
        );
        let bandwidth = self.random.spread(5_000..1_000_000);
        let link = self.network.link(from, to);
        if slow {
            link.bandwidth = Some(bandwidth);
        } else {
            (link.loss, link.duplication) = (loss, duplication);
            link.delay = (200, longest);
        }
        let lasts = self.a_while();
        self.after(lasts, Happening::Repair(Repair::Line(from, to)));
        true
    }

    // ---- nodes ----------------------------------------------------------------------------------------------

    fn end_process(&mut self, power: bool) -> bool {
        let node = self.any_node();
        let was_up = self.nodes[node.0].up;
        self.crash(node, power);
        was_up
    }

    fn spoil_disk(&mut self) -> bool {
        let node = self.any_node();
        let kinds = [Fault::Fail, Fault::Tear, Fault::LoseSync, Fault::PowerCut];
        let Some(kind) = self.random.pick(&kinds).copied() else {
            return false;
        };
        let storage = &self.nodes[node.0].storage;
        storage.inject(storage.changes() + self.random.below(40), kind);
        true
    }

    fn fill_disk(&mut self) -> bool {
        let node = self.any_node();
        let storage = &self.nodes[node.0].storage;
        let spare = self.random.below(5_000);
        storage.set_capacity(Some(storage.used() + spare));
        let lasts = self.a_while();
        self.after(lasts, Happening::Repair(Repair::Disk(node)));
        true
    }

    fn jump(&mut self) -> bool {
        let node = self.any_node();
        let period = self.plan.lease_period.as_millis() as u64;
        let millis = self.random.spread(1..2 * period.max(10)) as i64;
        let back = self.random.chance(0.5);
        self.nodes[node.0].clock.jump(if back { -millis } else { millis });
        true
    }

    fn revoke(&mut self) -> bool {
        let node = self.any_node();
        self.nodes[node.0].refuses = true;
        let lasts = self.a_while();
        self.after(lasts, Happening::Repair(Repair::Permit(node)));
        true
    }

    // ---- indices --------------------------------------------------------------------------------------------

    fn close_leader(&mut self) -> bool {
        let Some(copy) = self.any_leader() else {
            return false;
        };
        if !self.nodes[self.copies[copy.0].node.0].up {
            return false;
        }
        self.close_log(copy);
        self.copies[copy.0].open = false;
        let lasts = self.a_while();
        self.after(lasts, Happening::Repair(Repair::OpenIndex(copy)));
        true
    }

    /// Rare: afterwards there is little left to go wrong.
    fn replace_leader(&mut self, replace: impl FnOnce(&mut Self, CopyId)) -> bool {
        let Some(copy) = self.any_leader() else {
            return false;
        };
        let is_up = self.nodes[self.copies[copy.0].node.0].up;
        if !is_up || !self.random.chance(0.2) {
            return false;
        }
        replace(self, copy);
        true
    }

    fn delete_index(&mut self, copy: CopyId) {
        self.close_log(copy);
        let state = &mut self.copies[copy.0];
        (state.exists, state.open) = (false, false);
        self.note("deleted", [copy.0 as u64, 0, 0]);
    }

    /// Keeps the leader's files as they are now, to be restored one day.
    pub(crate) fn take_snapshot(&mut self, copy: CopyId) {
        let wanted = self.plan.faults.contains(&FaultKind::LeaderRestored);
        if !wanted || self.copies[copy.0].following.is_some() || !self.random.chance(0.1) {
            return;
        }
        let Some(log) = &self.copies[copy.0].log else {
            return;
        };
        let Ok(pinned) = log.pin_files() else { return };
        let read = |file: &oplog::PinnedFile| {
            let content = pinned.read_at(&file.name, 0, usize::try_from(file.length).ok()?);
            Some((file.name.clone(), content.ok()?.to_vec()))
        };
        let files: Option<Vec<_>> = pinned.files().iter().map(read).collect();
        let checkpoint = pinned.checkpoint();
        self.copies[copy.0].snapshot = files.map(|files| Snapshot { files, checkpoint });
    }

    /// The index becomes what it was at the snapshot, with a new history.
    fn restore(&mut self, copy: CopyId) {
        let Some(snapshot) = self.copies[copy.0].snapshot.clone() else {
            return;
        };
        self.close_log(copy);
        let number = self.number();
        let history: oplog::HistoryUuid = crate::bootstrap::id(&format!("restored-{number}"));
        if self.install(copy, &snapshot, history.clone()).is_ok() {
            let count = crate::copies::end_of(snapshot.checkpoint);
            let old = self.truth.of(self.copies[copy.0].truth);
            let frames = old.frames[..usize::try_from(count).unwrap_or(0)].to_vec();
            let truth = self.truth.add(History {
                frames,
                durable: count,
                acknowledged: count,
            });
            let state = &mut self.copies[copy.0];
            (state.truth, state.history) = (truth, history);
            (state.durable_end, state.checked_end, state.min_retained) = (0, 0, 0);
            state.leases.clear();
            self.note("restored", [copy.0 as u64, count, 0]);
        }
        self.open_log(copy);
    }

    // ---- followers ------------------------------------------------------------------------------------------

    fn pause_for_a_while(&mut self, long: bool) -> bool {
        let Some(copy) = self.any_copy(|world, copy| {
            let following = world.copies[copy.0].following.as_ref();
            following.is_some_and(|following| matches!(following.work, Some(Work::Task(_))))
        }) else {
            return false;
        };
        self.pause(copy);
        let lasts = if long {
            micros(self.plan.lease_period) + micros(Duration::from_secs(3))
        } else {
            self.random.spread(MILLI..3 * SECOND)
        };
        self.after(lasts, Happening::Repair(Repair::Resume(copy)));
        true
    }

    /// After a fatal failure someone follows into the same name again.
    fn follow_anew(&mut self) -> bool {
        let Some(copy) = self.any_copy(|world, copy| {
            let up = world.nodes[world.copies[copy.0].node.0].up;
            up && world.fatal(copy).is_some()
        }) else {
            return false;
        };
        let leader = self.copies[copy.0]
            .following
            .as_ref()
            .map(|following| following.leader);
        if let Some(leader) = leader {
            self.follow(copy, leader);
        }
        true
    }

    // ---- ends -----------------------------------------------------------------------------------------------

    pub(crate) fn repair(&mut self, repair: Repair) {
        match repair {
            Repair::Line(from, to) => {
                let cut_until = self.network.link(from, to).cut_until;
                *self.network.link(from, to) = Link {
                    cut_until,
                    ..Link::sound()
                };
            }
            Repair::Disk(node) => self.nodes[node.0].storage.set_capacity(None),
            Repair::OpenIndex(copy) => {
                if self.copies[copy.0].exists && self.copies[copy.0].following.is_none() {
                    self.copies[copy.0].open = true;
                    if self.nodes[self.copies[copy.0].node.0].up {
                        self.open_log(copy);
                    }
                }
            }
            Repair::Permit(node) => self.nodes[node.0].refuses = false,
            Repair::Resume(copy) => self.resume(copy),
        }
    }

    pub(crate) fn resume(&mut self, copy: CopyId) {
        let is_up = self.nodes[self.copies[copy.0].node.0].up;
        let Some(following) = &mut self.copies[copy.0].following else {
            return;
        };
        if following.state != FollowState::Paused {
            return;
        }
        following.state = FollowState::Active;
        if is_up {
            self.start_task(copy);
        }
    }

    pub(crate) fn repair_everything(&mut self) {
        self.network.heal();
        for node in (0..self.nodes.len()).map(NodeId) {
            let state = &mut self.nodes[node.0];
            state.storage.inject(u64::MAX, Fault::Fail);
            state.storage.set_capacity(None);
            state.refuses = false;
            if state.storage.is_dead() {
                self.crash(node, true);
            }
            let boot = self.nodes[node.0].boot;
            self.start(node, boot);
        }
        for copy in (0..self.copies.len()).map(CopyId) {
            self.repair(Repair::OpenIndex(copy));
            self.resume(copy);
        }
    }
}
