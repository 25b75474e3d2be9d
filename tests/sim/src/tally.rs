//! What a run, or many, went through.

use std::collections::BTreeMap;
use std::fmt;

/// A kind of fault, or of change that following must live with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FaultKind {
    /// One direction of a line passes nothing for a while.
    OneWayPartition,
    /// Neither direction of a line passes anything for a while.
    Partition,
    /// A line is slow, loses, repeats and reorders messages for a while.
    BadLine,
    /// A line passes few bytes a second for a while.
    SlowLine,
    /// A node loses power, and what was not synced.
    PowerLoss,
    /// A node's process ends and starts again.
    Kill,
    /// A write or sync fails.
    DiskFault,
    /// A disk is full for a while.
    DiskFull,
    /// A wall clock jumps.
    ClockJump,
    /// The leader index is closed for a while.
    LeaderClosed,
    /// The followers' privilege is revoked for a while.
    PrivilegeRevoked,
    /// Following is paused for a while.
    Pause,
    /// Following is paused for longer than leases live.
    LongPause,
    /// The leader index is deleted.
    LeaderDeleted,
    /// The leader index is deleted and created anew under its name.
    LeaderRecreated,
    /// The leader index is restored to an older state.
    LeaderRestored,
    /// A follower is copied anew after a fatal failure.
    FollowedAnew,
}

impl FaultKind {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        Self::OneWayPartition,
        Self::Partition,
        Self::BadLine,
        Self::SlowLine,
        Self::PowerLoss,
        Self::Kill,
        Self::DiskFault,
        Self::DiskFull,
        Self::ClockJump,
        Self::LeaderClosed,
        Self::PrivilegeRevoked,
        Self::Pause,
        Self::LongPause,
        Self::LeaderDeleted,
        Self::LeaderRecreated,
        Self::LeaderRestored,
        Self::FollowedAnew,
    ];
}

/// Sums over runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Runs.
    pub runs: u64,
    /// Events of all runs.
    pub events: u64,
    /// Simulated time in microseconds.
    pub simulated_micros: u64,
    /// Operations that leaders acknowledged.
    pub operations_acknowledged: u64,
    /// Operations of followers that were compared with those of their leader.
    pub operations_checked: u64,
    /// Operations that compaction removed.
    pub operations_removed: u64,
    /// Copies of files that were finished.
    pub bootstraps: u64,
    /// Delta heals that were finished.
    pub heals: u64,
    /// Followers that ended in sync.
    pub in_sync: u64,
    /// Followers that ended in a fatal state, by its reason.
    pub fatal: BTreeMap<&'static str, u64>,
    /// Faults by kind.
    pub faults: BTreeMap<FaultKind, u64>,
}

impl Tally {
    /// Adds another run's.
    pub fn add(&mut self, other: &Tally) {
        self.runs += other.runs;
        self.events += other.events;
        self.simulated_micros += other.simulated_micros;
        self.operations_acknowledged += other.operations_acknowledged;
        self.operations_checked += other.operations_checked;
        self.operations_removed += other.operations_removed;
        self.bootstraps += other.bootstraps;
        self.heals += other.heals;
        self.in_sync += other.in_sync;
        for (reason, count) in &other.fatal {
            *self.fatal.entry(reason).or_default() += count;
        }
        for (kind, count) in &other.faults {
            *self.faults.entry(*kind).or_default() += count;
        }
    }

    pub(crate) fn fault(&mut self, kind: FaultKind) {
        *self.faults.entry(kind).or_default() += 1;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            formatter,
            "{} seeds, {:.1} simulated hours, {} events",
            self.runs,
            self.simulated_micros as f64 / 3.6e9,
            self.events
        )?;
        writeln!(
            formatter,
            "{} operations acknowledged, {} checked on followers, {} removed by compaction, {} copies of files, {} delta heals",
            self.operations_acknowledged,
            self.operations_checked,
            self.operations_removed,
            self.bootstraps,
            self.heals
        )?;
        write!(formatter, "followers: {} in sync", self.in_sync)?;
        for (reason, count) in &self.fatal {
            write!(formatter, ", {count} {reason}")?;
        }
        write!(formatter, "\nfaults:")?;
        for (kind, count) in &self.faults {
            write!(formatter, " {kind:?} {count}")?;
        }
        Ok(())
    }
}
