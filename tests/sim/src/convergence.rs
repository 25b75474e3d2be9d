//! The phase without faults: every follower must catch up or say why it cannot.

use es_exception::ExceptionKind;
use follow_task::{FollowTaskPhase, Timestamp};

use crate::copies::{CopyId, Work};
use crate::disk::micros;
use crate::happening::Happening;
use crate::world::{MILLI, SECOND, World};

/// Where a run stands. Times are the latest end of a phase, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Faults happen and users write.
    Chaos,
    /// Faults are over: followers catch up.
    CatchUp {
        until: u64,
    },
    /// Nobody writes for longer than leases live without being renewed.
    Silence {
        until: u64,
    },
    /// Users wrote again: followers catch up again.
    Again {
        until: u64,
    },
    Done,
}

const LOOK_INTERVAL: u64 = 200 * MILLI;
/// Time to catch up: some retries, timeouts and polls of the slowest parameters, and a round trip for each operation.
const PATIENCE: u64 = 90 * SECOND;
const PATIENCE_PER_OPERATION: u64 = 40 * MILLI;

impl World {
    pub(crate) fn heal(&mut self) {
        self.note("healed", [0, 0, 0]);
        self.repair_everything();
        self.phase = Phase::CatchUp {
            until: self.now + self.patience(),
        };
        self.after(LOOK_INTERVAL, Happening::Look);
    }

    fn patience(&self) -> u64 {
        let operations: u64 = self.copies.iter().map(|copy| copy.durable_end).sum();
        PATIENCE + operations * PATIENCE_PER_OPERATION
    }

    pub(crate) fn look(&mut self) {
        self.after(LOOK_INTERVAL, Happening::Look);
        match self.phase {
            Phase::Chaos | Phase::Done => {}
            Phase::CatchUp { until } => {
                if self.has_settled(until) {
                    let silence = 2 * micros(self.plan.lease_period) + 3 * SECOND;
                    self.phase = Phase::Silence {
                        until: self.now + silence,
                    };
                }
            }
            Phase::Silence { until } => {
                if self.now >= until {
                    self.check_leases_alive();
                    for leader in self.leaders() {
                        for _ in 0..3 {
                            self.write_batch(leader);
                        }
                    }
                    self.phase = Phase::Again {
                        until: self.now + self.patience(),
                    };
                }
            }
            Phase::Again { until } => {
                if self.has_settled(until) {
                    self.check_end();
                    self.phase = Phase::Done;
                }
            }
        }
    }

    fn leaders(&self) -> Vec<CopyId> {
        let all = (0..self.copies.len()).map(CopyId);
        all.filter(|copy| self.copies[copy.0].following.is_none())
            .collect()
    }

    fn followers(&self) -> Vec<CopyId> {
        let all = (0..self.copies.len()).map(CopyId);
        all.filter(|copy| self.copies[copy.0].following.is_some())
            .collect()
    }

    /// Whether all followers are where they should be; a violation when they are not by `until` (FT-4).
    fn has_settled(&mut self, until: u64) -> bool {
        for copy in self.followers() {
            if let Err(why) = self.settled(copy) {
                if self.now >= until {
                    self.violate("FT-4", format!("copy {} does not recover: {why}", copy.0));
                }
                return false;
            }
        }
        true
    }

    fn settled(&self, copy: CopyId) -> Result<(), String> {
        let Some(following) = &self.copies[copy.0].following else {
            return Ok(());
        };
        let leader = &self.copies[following.leader.0];
        if let Some(fatal) = self.fatal(copy) {
            return if self.is_justified(copy, fatal) {
                Ok(())
            } else {
                Err(format!("nothing justifies {fatal}"))
            };
        }
        if following.work.is_none() && !self.can_be_copied(following.leader) {
            return Ok(());
        }
        if !self.leader_is_there(copy) {
            return Err("its leader index is gone, and it does not say so".to_owned());
        }
        if leader.history != following.leader_history {
            return Err("its leader has another history, and it does not say so".to_owned());
        }
        self.in_sync(copy)
    }

    /// A leader without a shard that serves, and without hope for one.
    fn can_be_copied(&self, leader: CopyId) -> bool {
        let state = &self.copies[leader.0];
        let has_failed = self.fatal(leader).is_some() && state.log.is_none();
        let waits = state
            .following
            .as_ref()
            .is_some_and(|following| following.work.is_none() && !self.can_be_copied(following.leader));
        state.exists && !has_failed && !waits
    }

    fn in_sync(&self, copy: CopyId) -> Result<(), String> {
        let state = &self.copies[copy.0];
        let Some(following) = &state.following else {
            return Ok(());
        };
        let leader = &self.copies[following.leader.0];
        let Some(Work::Task(run)) = &following.work else {
            return Err("it has no task".to_owned());
        };
        let now = Timestamp::new(std::time::Duration::from_micros(self.now));
        let status = run.task.status(now);
        let (Some(log), Some(leaders)) = (&state.log, &leader.log) else {
            return Err(format!("a shard does not serve; {status:?}"));
        };
        let (mine, theirs) = (log.live_summary(), leaders.live_summary());
        let content =
            |meta: &crate::copies::Meta| [meta.aliases.content, meta.settings.content, meta.mapping.content];
        let is_equal = mine == theirs
            && log.durable_checkpoint() == mine.max_seq_no
            && leaders.durable_checkpoint() == theirs.max_seq_no
            && content(&state.meta) == content(&leader.meta);
        let is_quiet = status.phase == FollowTaskPhase::Following
            && status.read_exceptions.is_empty()
            && status.follower_to_leader_lagging_ops_count == 0
            && status.follower_to_leader_lag_millis == 0
            && status.estimated_catch_up == Some(std::time::Duration::ZERO)
            && status.write_buffer_operation_count == 0;
        if is_equal && is_quiet {
            return Ok(());
        }
        Err(format!(
            "{mine:?} here, {theirs:?} there; metadata {:?} and {:?}; {status:?}",
            state.meta, leader.meta
        ))
    }

    /// Leases were renewed through the silence.
    fn check_leases_alive(&mut self) {
        for copy in self.followers() {
            if self.fatal(copy).is_some() {
                continue;
            }
            let Some(following) = &self.copies[copy.0].following else {
                continue;
            };
            let leader = &self.copies[following.leader.0];
            let serves = following.work.is_some() && leader.log.is_some();
            if serves && !leader.leases.contains_key(&following.lease) {
                let what = format!("copy {} follows undisturbed and its lease has expired", copy.0);
                self.violate("FT-4", what);
            }
        }
    }

    /// Everything once more, from the files (OL-5), and what came of each follower.
    fn check_end(&mut self) {
        for copy in (0..self.copies.len()).map(CopyId) {
            let Some(log) = self.copies[copy.0].log.clone() else {
                continue;
            };
            self.check_whole(copy, &log);
            match log.recompute_live_summary() {
                Ok(summary) if summary == log.live_summary() => {}
                other => self.violate("OL-5", format!("copy {}: {other:?}", copy.0)),
            }
        }
        for copy in self.followers() {
            let outcome = self.fatal(copy).map(|fatal| match fatal.kind() {
                ExceptionKind::IndexNotFound => "leader index gone",
                ExceptionKind::IllegalState => "history changed",
                ExceptionKind::ResourceNotFound => "fell behind",
                _ => "other",
            });
            match outcome {
                Some(reason) => *self.tally.fatal.entry(reason).or_default() += 1,
                None if self.in_sync(copy).is_ok() => self.tally.in_sync += 1,
                None => *self.tally.fatal.entry("nothing to copy").or_default() += 1,
            }
        }
    }
}
