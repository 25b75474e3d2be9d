//! What goes wrong, and how it is put right again.

use std::time::Duration;

use crate::World;
use crate::checks::Following;
use crate::line::Cut;
use crate::random::Random;

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// Nothing passes between two hosts, and nobody is told.
    Partition,
    /// Nothing passes in one direction.
    PartitionOneWay,
    /// What is sent arrives late, all at once.
    Hold,
    /// Messages take up to half a second.
    Slow,
    /// Messages get lost; since nothing is sent again, each loss ends a connection sooner or later.
    Loss,
    /// A connection is reset in the middle of what arrives on it.
    Reset,
    /// A connection falls silent in the middle of what arrives on it: half open.
    Silent,
    /// A host is killed, and starts again on its disk.
    Crash,
    /// The same, just before the cluster state is to change.
    CrashAtChange,
    /// A host is stopped in order, and starts again.
    Restart,
    /// The leader lets all leases go and removes what nobody needs any more.
    ForgottenHistory,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Partition,
        Self::PartitionOneWay,
        Self::Hold,
        Self::Slow,
        Self::Loss,
        Self::Reset,
        Self::Silent,
        Self::Crash,
        Self::CrashAtChange,
        Self::Restart,
        Self::ForgottenHistory,
    ];
}

/// What ends a fault.
#[derive(Debug, Clone, Copy)]
enum Repair {
    Line(&'static str, &'static str),
    Host(&'static str),
}

/// Faults under way, each with the simulated time at which it ends.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<(Duration, Repair)>);

const QUICK: Duration = Duration::from_millis(5);

impl Faults {
    /// Does something bad for a while; false if something else that is under way stands against it.
    pub(crate) fn inflict(
        &mut self,
        world: &mut World,
        random: &mut Random,
        fault: Fault,
        on: &Following,
    ) -> bool {
        let (leader, follower) = (on.leader, on.follower);
        let millis = random.spread(50..4000);
        let until = world.elapsed() + Duration::from_millis(millis);
        // One fault at a time for each line and host: one would end the other.
        let is_taken = |repair: &Repair| match *repair {
            Repair::Line(one, other) => (one, other) == (leader, follower),
            Repair::Host(host) => [leader, follower].contains(&host),
        };
        if self.0.iter().any(|(_, repair)| is_taken(repair)) {
            return false;
        }
        let repair = Repair::Line(leader, follower);
        let what = format!("{fault:?} between {leader} and {follower} for {millis} ms");
        let network = world.network();
        match fault {
            Fault::Partition => network.partition(leader, follower),
            Fault::PartitionOneWay if random.chance(0.5) => network.partition_oneway(leader, follower),
            Fault::PartitionOneWay => network.partition_oneway(follower, leader),
            Fault::Hold => network.hold(leader, follower),
            Fault::Slow => {
                let longest = Duration::from_millis(random.spread(20..500));
                network.set_link_max_message_latency(leader, follower, longest);
            }
            Fault::Loss => {
                let rate = random.spread(1..50) as f64 / 1000.0;
                network.set_link_fail_rate(leader, follower, rate);
            }
            Fault::Reset | Fault::Silent => {
                let how = if fault == Fault::Reset {
                    Cut::Reset
                } else {
                    Cut::Silent
                };
                world.line(follower).cut_after(random.spread(1..200_000), how);
            }
            Fault::Crash | Fault::CrashAtChange | Fault::Restart => {
                let host = if random.chance(0.5) { leader } else { follower };
                let has_begun = match fault {
                    Fault::Crash => world.crash(host),
                    Fault::CrashAtChange => {
                        world.die_after_changes(host, random.between(0..10));
                        true
                    }
                    _ => world.begin_stop(host),
                };
                if has_begun {
                    self.0.push((until, Repair::Host(host)));
                }
                return has_begun;
            }
            Fault::ForgottenHistory => {
                world.note(format!("{leader} forgets its history"));
                let index = on.leader_index;
                world.start(leader, move |node| async move {
                    // Followers cannot be merged away; a leader that has just started has nothing yet.
                    if !node.shards(index).is_empty() {
                        node.forget_history(index).await;
                    }
                });
                return true;
            }
        }
        world.note(what);
        self.0.push((until, repair));
        true
    }

    /// Ends what is due.
    pub(crate) fn repair_due(&mut self, world: &mut World) {
        let now = world.elapsed();
        let (due, later): (Vec<_>, Vec<_>) = self.0.drain(..).partition(|(until, _)| *until <= now);
        self.0 = later;
        for (_, repair) in due {
            repair.carry_out(world);
        }
    }

    /// Ends all of it.
    pub(crate) fn repair_all(&mut self, world: &mut World) {
        world.note("all is repaired");
        for (_, repair) in std::mem::take(&mut self.0) {
            repair.carry_out(world);
        }
    }
}

impl Repair {
    fn carry_out(self, world: &mut World) {
        match self {
            Self::Host(host) => {
                // One that was to die at a change may have made none.
                world.crash(host);
                world.bounce(host);
            }
            Self::Line(one, other) => {
                world.line(other).leave_whole();
                let network = world.network();
                network.set_link_fail_rate(one, other, 0.0);
                network.set_link_max_message_latency(one, other, QUICK);
                network.release(one, other);
                network.repair(one, other);
                world.note(format!("the line between {one} and {other} is whole again"));
            }
        }
    }
}
