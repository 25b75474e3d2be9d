//! A leader and a follower whose logs are compared with the leader's whole history.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use crate::tests::{Fixture, dir, frame, read_held, small_segments};
use crate::{
    ByteCount, CompactionContext, CompactionGoal, Durability, Frame, HealError, HealStage, Log, LogError,
    OperationKind, ReadLimits, RetentionBound, Scrubber, SeqNo, check,
};

/// What happens on the leader while it is asked.
#[derive(Debug, Clone)]
pub(super) enum Meanwhile {
    Write(Vec<(u8, bool)>),
    Compact,
}

/// Everyone has passed everything.
struct Passed;

impl CompactionContext for Passed {
    fn wait_until_passed(&self, _seq_no: SeqNo) -> bool {
        true
    }

    fn throttle(&self, _bytes: ByteCount) -> bool {
        true
    }
}

pub(super) fn compact(log: &Log) -> Result<(), LogError> {
    log.sync().wait()?;
    let end = log.max_seq_no();
    log.advance_min_retained(RetentionBound {
        global_checkpoint: end,
        retention_operations: 0,
        safe_commit: end,
    });
    match log.compact(CompactionGoal::All, &Passed) {
        Err(crate::CompactionError::Log(error)) => Err(error),
        other => other.map(drop).map_err(|error| panic!("{error}")),
    }
}

/// A leader whose every operation is remembered, and a follower.
pub(super) struct Pair {
    pub(super) leader: Arc<Log>,
    pub(super) history: Vec<Frame>,
    pub(super) documents: BTreeMap<u8, u64>,
    pub(super) follower_side: Fixture,
    pub(super) follower: Arc<Log>,
    pub(super) crashes: u64,
    pub(super) heals: u64,
}

impl Pair {
    pub(super) fn new() -> Self {
        let leader_side = Fixture::new(small_segments());
        let follower_side = Fixture::new(small_segments());
        Self {
            leader: leader_side.create(),
            history: Vec::new(),
            documents: BTreeMap::new(),
            follower: follower_side.create(),
            follower_side,
            crashes: 0,
            heals: 0,
        }
    }

    pub(super) fn write(&mut self, operations: &[(u8, bool)]) {
        for (document, delete) in operations {
            let seq_no = self.history.len() as u64;
            let superseded = match delete {
                true => self.documents.remove(document),
                false => self.documents.insert(*document, seq_no),
            };
            let kind = match delete {
                true => OperationKind::Delete,
                false => OperationKind::Index,
            };
            // A term now and then, whose first operation may be gone later.
            let term = 1 + seq_no / 13;
            self.history
                .push(frame(seq_no, kind, &format!("d{document}"), superseded, term));
            let frames = vec![self.history[seq_no as usize].clone()];
            self.leader
                .append(frames, Durability::Request)
                .unwrap()
                .wait()
                .unwrap();
        }
    }

    pub(super) fn next(&self) -> SeqNo {
        SeqNo::new(self.follower.max_seq_no().map_or(0, |max| max.get() + 1))
    }

    /// Appends what the leader has in a row, at most so many operations. False: the next one is gone.
    pub(super) fn follow(&self, most: usize) -> Result<bool, LogError> {
        let Some(max) = self.leader.max_seq_no().filter(|max| *max >= self.next()) else {
            return Ok(true);
        };
        let limits = ReadLimits {
            operations: most.max(1),
            bytes: ByteCount::new(u64::MAX),
        };
        let (frames, _) = self.leader.read_held(self.next(), max, limits).unwrap();
        let gap = frames
            .iter()
            .zip(self.next().get()..)
            .position(|(frame, expected)| frame.seq_no().get() != expected);
        let frames = frames[..gap.unwrap_or(frames.len())].to_vec();
        if frames.is_empty() {
            return Ok(false);
        }
        match self.follower.append(frames, Durability::Request) {
            Err(crate::AppendError::Log(error)) => Err(error),
            other => other.unwrap().wait().map(|_| true),
        }
    }

    /// Fetches at most so many operations into the stage; true at the leader's end.
    pub(super) fn fetch(&self, stage: &mut HealStage, end: SeqNo, most: usize) -> Result<bool, HealError> {
        if stage.next() > end {
            return Ok(true);
        }
        let limits = ReadLimits {
            operations: most,
            bytes: ByteCount::new(u64::MAX),
        };
        let from = stage.next();
        let (frames, next) = self.leader.read_held(from, end, limits).unwrap();
        stage.push(from, &frames, next)?;
        Ok(next > end)
    }

    /// A whole heal, while `meanwhile` happens on the leader.
    pub(super) fn heal(&mut self, most: usize, meanwhile: &[Meanwhile]) -> Result<(), HealError> {
        if self.leader.max_seq_no() <= self.follower.max_seq_no() {
            return Ok(());
        }
        let mut meanwhile = meanwhile.iter();
        let mut stage = self.follower.stage_heal()?;
        // Attempts end: what happens meanwhile does, and then a snapshot lacks nothing.
        for _ in 0..100 {
            while !self.fetch(&mut stage, self.leader.max_seq_no().unwrap(), most)? {
                self.happen(meanwhile.next());
            }
            stage.flush()?;
            let snapshot = self.leader.live_snapshot().unwrap();
            self.happen(meanwhile.next());
            while !self.fetch(&mut stage, snapshot.max_seq_no, most)? {
                self.happen(meanwhile.next());
            }
            match self.follower.install_heal(&mut stage, &snapshot) {
                Err(HealError::Incomplete { .. }) => {}
                other => {
                    self.heals += u64::from(other.is_ok());
                    return other;
                }
            }
        }
        panic!("a heal without an end");
    }

    pub(super) fn happen(&mut self, meanwhile: Option<&Meanwhile>) {
        match meanwhile {
            Some(Meanwhile::Write(operations)) => self.write(operations),
            Some(Meanwhile::Compact) => compact(&self.leader).unwrap(),
            None => {}
        }
    }

    pub(super) fn crash(&mut self) {
        loop {
            self.crashes += 1;
            if self.crashes.is_multiple_of(2) {
                self.follower_side.storage.crash(self.crashes);
            }
            match self.follower_side.open() {
                Ok(log) => {
                    drop(std::mem::replace(&mut self.follower, log));
                    return;
                }
                Err(error @ LogError::Io { .. }) => {
                    assert!(self.crashes < 1000, "{error}");
                    self.follower_side.storage.crash(self.crashes);
                }
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// The follower is its leader as of its own end, however it got there.
    pub(super) fn compare(&self) -> Result<(), TestCaseError> {
        let held = read_held(&self.follower).unwrap();
        for (seq_no, frame) in &held {
            prop_assert_eq!(frame, &self.history[*seq_no as usize], "FT-1");
        }
        let end = self.next().get() as usize;
        let mut documents = BTreeMap::new();
        let mut terms: Vec<(u64, u64)> = Vec::new();
        for frame in &self.history[..end] {
            match frame.kind() {
                OperationKind::Index => documents.insert(frame.id().to_owned(), frame.seq_no()),
                _ => documents.remove(frame.id()),
            };
            if terms
                .last()
                .is_none_or(|last| last.0 < frame.primary_term().get())
            {
                terms.push((frame.primary_term().get(), frame.seq_no().get()));
            }
        }
        let mut expected: Vec<SeqNo> = documents.into_values().collect();
        expected.sort_unstable();
        prop_assert_eq!(
            self.follower.live_set().iter().collect::<Vec<_>>(),
            expected.clone()
        );
        prop_assert_eq!(
            self.follower.recompute_live_summary().unwrap(),
            self.follower.live_summary(),
            "OL-5"
        );
        prop_assert!(expected.iter().all(|live| held.contains_key(&live.get())));
        let min_retained = self.follower.min_retained_seq_no().get();
        prop_assert!(
            (min_retained..end as u64).all(|seq_no| held.contains_key(&seq_no)),
            "OL-1"
        );
        let table = self.follower.term_table();
        let table: Vec<_> = table
            .iter()
            .map(|start| (start.term.get(), start.first_seq_no.get()))
            .collect();
        prop_assert_eq!(table, terms);
        Ok(())
    }

    /// What a verification and a scrub say.
    pub(super) fn verify(&self) {
        let report = check(&self.follower_side.storage.fork(), &dir()).unwrap();
        assert!(!report.is_damaged(), "{report:?}");
        if report.max_seq_no == self.follower.max_seq_no() {
            let summary = self.follower.live_summary();
            assert_eq!(
                (report.live_count, report.digest),
                (summary.live_count, summary.digest)
            );
        }
        assert!(
            Scrubber::new()
                .step(&self.follower, ByteCount::new(u64::MAX))
                .unwrap()
                .done
        );
    }
}
