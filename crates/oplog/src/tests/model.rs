//! Random histories with faults and crashes, compared with a naive model (invariants OL-1 to OL-5).

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::{Fixture, dir, frame, read_held, small_segments};
use crate::{
    AppendError, ByteCount, CheckReport, Clock as _, CompactionContext, CompactionError, CompactionGoal,
    Digest, Durability, Fault, Frame, LeaseError, LeaseId, Log, LogError, OperationKind, RetentionBound,
    Scrubber, SeqNo, check,
};

#[derive(Debug, Clone)]
enum Action {
    /// (document, delete instead of index)
    Append {
        operations: Vec<(u8, bool)>,
        durability: Durability,
        wait: bool,
    },
    NewTerm,
    Work,
    Sync,
    Flush,
    Advance(u64),
    /// Nobody needs anything for a while.
    Rest,
    CloseAndOpen,
    DropAndOpen,
    Crash(u64),
    Inject {
        after: u64,
        fault: Fault,
    },
    AddLease(u8, Option<u64>),
    RenewLease(u8, Option<u64>),
    RemoveLease(u8),
    ExpireLeases(u64),
    /// Raises the minimum retained seq_no: so many operations are kept, and the safe commit lags by so many.
    AdvanceRetention {
        operations: u64,
        lag: u64,
    },
    Compact {
        goal: CompactionGoal,
        /// Whether all readers pass what is asked for.
        passed: bool,
        /// Stops after so many pieces of work.
        pieces: u32,
    },
    /// A step of a pass that goes on through all that happens in between.
    Scrub(u64),
    /// Verifies a copy of the files as they are.
    Check,
}

fn durability() -> impl Strategy<Value = Durability> {
    prop_oneof![Just(Durability::Request), Just(Durability::Async)]
}

fn action() -> impl Strategy<Value = Action> {
    // A few documents change all the time, the others stay for long: so segments have little garbage, and much.
    let document = || prop_oneof![3 => 0..4_u8, 2 => 4..100_u8];
    let operations = move || prop::collection::vec((document(), prop::bool::weighted(0.25)), 1..6);
    prop_oneof![
        8 => (operations(), durability(), any::<bool>())
            .prop_map(|(operations, durability, wait)| Action::Append { operations, durability, wait }),
        1 => Just(Action::NewTerm),
        2 => Just(Action::Work),
        1 => Just(Action::Sync),
        1 => Just(Action::Flush),
        1 => (0..4000_u64).prop_map(Action::Advance),
        1 => Just(Action::Rest),
        1 => Just(Action::CloseAndOpen),
        1 => Just(Action::DropAndOpen),
        2 => any::<u64>().prop_map(Action::Crash),
        2 => (0..12_u64, prop_oneof![Just(Fault::Fail), Just(Fault::Tear), Just(Fault::LoseSync), Just(Fault::PowerCut)])
            .prop_map(|(after, fault)| Action::Inject { after, fault }),
        1 => (0..3_u8, prop::option::of(0..40_u64)).prop_map(|(id, seq_no)| Action::AddLease(id, seq_no)),
        1 => (0..3_u8, prop::option::of(0..40_u64)).prop_map(|(id, seq_no)| Action::RenewLease(id, seq_no)),
        1 => (0..3_u8).prop_map(Action::RemoveLease),
        1 => (0..4000_u64).prop_map(Action::ExpireLeases),
        2 => (0..6_u64, 0..6_u64).prop_map(|(operations, lag)| Action::AdvanceRetention { operations, lag }),
        3 => (
            prop_oneof![Just(CompactionGoal::Due), Just(CompactionGoal::All)],
            prop::bool::weighted(0.8),
            prop_oneof![1 => 0..6_u32, 3 => Just(u32::MAX)],
        )
            .prop_map(|(goal, passed, pieces)| Action::Compact { goal, passed, pieces }),
        2 => (0..2000_u64).prop_map(Action::Scrub),
        1 => Just(Action::Check),
    ]
}

/// (id to (retaining, timestamp), version)
type ModelLeases = (BTreeMap<u8, (u64, u64)>, u64);

#[derive(Default)]
struct Model {
    operations: Vec<Frame>,
    documents: BTreeMap<u8, u64>,
    term: u64,
    /// So many operations survive any crash.
    durable: usize,
    leases: ModelLeases,
    /// What the leases may be after a crash.
    possible_leases: Vec<ModelLeases>,
    /// The minimum retained seq_no, and what it is at least after a crash.
    min_retained: u64,
    /// Operations may be gone.
    compacted: bool,
}

impl Model {
    fn next_frames(&self, operations: &[(u8, bool)]) -> (Vec<Frame>, BTreeMap<u8, u64>) {
        let mut documents = self.documents.clone();
        let mut frames = Vec::new();
        for (document, delete) in operations {
            let seq_no = (self.operations.len() + frames.len()) as u64;
            let kind = if *delete {
                OperationKind::Delete
            } else {
                OperationKind::Index
            };
            frames.push(frame(
                seq_no,
                kind,
                &format!("d{document}"),
                documents.get(document).copied(),
                self.term,
            ));
            if *delete {
                documents.remove(document);
            } else {
                documents.insert(*document, seq_no);
            }
        }
        (frames, documents)
    }

    /// After a crash the log holds the first `length` operations.
    fn truncate(&mut self, length: usize) {
        self.operations.truncate(length);
        self.documents.clear();
        for frame in &self.operations {
            let document = frame.id()[1..].parse().unwrap();
            match frame.kind() {
                OperationKind::Index => self.documents.insert(document, frame.seq_no().get()),
                _ => self.documents.remove(&document),
            };
        }
        self.durable = length;
    }

    fn compare(&self, log: &Log) -> Result<(), TestCaseError> {
        prop_assert_eq!(log.max_seq_no(), self.operations.last().map(Frame::seq_no));
        let min_retained = log.min_retained_seq_no().get();
        prop_assert!(min_retained >= self.min_retained, "OL-4");
        let held = read_held(log).unwrap();
        for (place, frame) in self.operations.iter().enumerate() {
            let seq_no = place as u64;
            let live = self.documents.values().any(|live| *live == seq_no);
            match held.get(&seq_no) {
                Some(found) => prop_assert_eq!(found, frame),
                None => prop_assert!(
                    self.compacted && !live && seq_no < min_retained,
                    "OL-1: {} is gone",
                    seq_no
                ),
            }
            let superseded = frame
                .superseded()
                .filter(|superseded| held.contains_key(&superseded.get()));
            if let Some(superseded) = superseded {
                prop_assert!(
                    held.contains_key(&seq_no),
                    "OL-6: {} is gone before {}",
                    seq_no,
                    superseded
                );
            }
        }
        prop_assert_eq!(
            held.keys().next_back().copied() >= Some(self.operations.len() as u64),
            false
        );
        let live: Vec<u64> = log.live_set().iter().map(SeqNo::get).collect();
        let mut expected: Vec<u64> = self.documents.values().copied().collect();
        expected.sort_unstable();
        prop_assert_eq!(&live, &expected);
        let digest = expected.iter().fold(Digest::EMPTY, |digest, seq_no| {
            digest.with(SeqNo::new(*seq_no), self.operations[*seq_no as usize].checksum())
        });
        prop_assert_eq!(log.live_summary().digest, digest);
        prop_assert_eq!(log.recompute_live_summary().unwrap(), log.live_summary());
        let updates = |frame: &&Frame| frame.superseded().is_some() || frame.kind() == OperationKind::Delete;
        let updates = self.operations.iter().rev().find(updates).map(Frame::seq_no);
        if self.compacted {
            prop_assert!(log.max_seq_no_of_updates_or_deletes() >= updates);
        } else {
            prop_assert_eq!(log.max_seq_no_of_updates_or_deletes(), updates);
        }
        let mut terms: Vec<(u64, u64)> = Vec::new();
        for frame in &self.operations {
            if terms
                .last()
                .is_none_or(|last| last.0 < frame.primary_term().get())
            {
                terms.push((frame.primary_term().get(), frame.seq_no().get()));
            }
        }
        let table: Vec<_> = log
            .term_table()
            .iter()
            .map(|start| (start.term.get(), start.first_seq_no.get()))
            .collect();
        prop_assert_eq!(table, terms);
        Ok(())
    }
}

/// Who compacts, and what the readers have passed.
struct Compactor<'a> {
    log: &'a Log,
    passed: bool,
    pieces: Cell<u32>,
}

impl CompactionContext for Compactor<'_> {
    fn wait_until_passed(&self, seq_no: SeqNo) -> bool {
        self.passed && self.log.sync().wait().is_ok() && self.log.durable_checkpoint() >= Some(seq_no)
    }

    fn throttle(&self, _bytes: ByteCount) -> bool {
        let left = self.pieces.get();
        self.pieces.set(left.saturating_sub(1));
        left > 0
    }
}

fn lease_id(id: u8) -> LeaseId {
    format!("lease-{id}").parse().unwrap()
}

fn leases_of(log: &Log) -> ModelLeases {
    let collection = log.retention_leases();
    let id = |lease: &crate::RetentionLease| lease.id.as_str()[6..].parse().unwrap();
    let leases = collection.leases.iter();
    (
        leases
            .map(|lease| (id(lease), (lease.retaining_seq_no.get(), lease.timestamp.get())))
            .collect(),
        collection.version,
    )
}

struct Run {
    fixture: Fixture,
    log: Arc<Log>,
    model: Model,
    scrubber: Scrubber,
    crashes: u64,
}

/// The log has to be opened again.
#[derive(Debug, PartialEq, Eq)]
enum Failed {
    /// The storage failed under a call of the log.
    Poisoned,
    /// The storage fails under everything; the log need not know yet.
    PowerCut,
}

impl Run {
    fn new() -> Self {
        let fixture = Fixture::new(small_segments());
        let log = fixture.create();
        let model = Model {
            term: 1,
            possible_leases: vec![ModelLeases::default()],
            ..Model::default()
        };
        Self {
            fixture,
            log,
            model,
            scrubber: Scrubber::new(),
            crashes: 0,
        }
    }

    fn reached(&mut self, log_error: Result<(), LogError>, durable: usize) -> Result<(), Failed> {
        log_error.map_err(|_| Failed::Poisoned)?;
        self.model.durable = self.model.durable.max(durable);
        Ok(())
    }

    fn append(
        &mut self,
        operations: &[(u8, bool)],
        durability: Durability,
        wait: bool,
    ) -> Result<(), Failed> {
        let (frames, documents) = self.model.next_frames(operations);
        let ticket = match self.log.append(frames.clone(), durability) {
            Ok(ticket) => ticket,
            Err(AppendError::Log(_)) => return Err(Failed::Poisoned),
            Err(error) => panic!("{error}"),
        };
        self.model.operations.extend(frames);
        self.model.documents = documents;
        let length = self.model.operations.len();
        if wait {
            let durable = if durability == Durability::Request {
                length
            } else {
                0
            };
            self.reached(ticket.wait(), durable)?;
        }
        Ok(())
    }

    /// `Ok(None)`: refused by the rules, as the model expects.
    fn change_leases<T>(
        &mut self,
        after: ModelLeases,
        durable: bool,
        expected: bool,
        result: Result<T, LeaseError>,
    ) -> Result<(), Failed> {
        match result {
            Ok(_) => {
                assert!(expected, "the change should have been refused");
                self.model.leases = after.clone();
                if durable {
                    self.model.possible_leases.clear();
                }
                self.model.possible_leases.push(after);
            }
            Err(LeaseError::Storage(_)) => {
                self.model.possible_leases.push(after);
                return Err(Failed::Poisoned);
            }
            Err(error) => assert!(!expected, "{error}"),
        }
        Ok(())
    }

    fn apply(&mut self, action: &Action) -> Result<(), Failed> {
        let now = self.fixture.clock.now().get();
        let mut leases = self.model.leases.clone();
        leases.1 += 1;
        let length = self.model.operations.len();
        match action {
            Action::Append {
                operations,
                durability,
                wait,
            } => self.append(operations, *durability, *wait)?,
            Action::NewTerm => self.model.term += 1,
            Action::Work => self.fixture.committer.run_pending(),
            Action::Sync => {
                let synced = self.log.sync().wait();
                self.reached(synced, length)?;
            }
            Action::Flush => {
                let flushed = self.log.flush();
                self.reached(flushed, length)?;
                self.model.possible_leases = vec![self.model.leases.clone()];
            }
            Action::Advance(millis) => {
                self.fixture.clock.advance(Duration::from_millis(*millis));
                self.fixture.committer.run_pending();
            }
            Action::Rest => self.fixture.rest(),
            Action::CloseAndOpen => {
                let closed = self.log.close();
                self.reached(closed, length)?;
                self.reopen();
            }
            Action::DropAndOpen => self.reopen(),
            Action::Crash(seed) => self.crash(*seed),
            Action::Inject { after, fault } => {
                self.fixture
                    .storage
                    .inject(self.fixture.storage.changes() + after, *fault);
            }
            Action::AddLease(id, seq_no) => {
                let retained = seq_no.unwrap_or(self.log.min_retained_seq_no().get());
                let expected = leases.0.insert(*id, (retained, now)).is_none();
                let result = self
                    .log
                    .add_retention_lease(lease_id(*id), seq_no.map(SeqNo::new), "ccr");
                self.change_leases(leases, true, expected, result)?;
            }
            Action::RenewLease(id, seq_no) => {
                let held = leases.0.get(id).map(|lease| lease.0);
                let min_retained = self.log.min_retained_seq_no().get();
                let value = seq_no.or(held.map(|held| held.max(min_retained))).unwrap_or(0);
                let expected = held.is_some_and(|held| held <= value);
                leases.0.insert(*id, (value, now));
                let result = self
                    .log
                    .renew_retention_lease(lease_id(*id), seq_no.map(SeqNo::new), "ccr");
                self.change_leases(leases, false, expected, result)?;
            }
            Action::RemoveLease(id) => {
                let expected = leases.0.remove(id).is_some();
                let result = self.log.remove_retention_lease(&lease_id(*id));
                self.change_leases(leases, true, expected, result)?;
            }
            Action::ExpireLeases(period) => {
                let before = leases.0.len();
                leases.0.retain(|_, lease| now - lease.1 <= *period);
                let after = if leases.0.len() == before {
                    self.model.leases.clone()
                } else {
                    leases
                };
                let result = self
                    .log
                    .expire_retention_leases(self.fixture.clock.now(), Duration::from_millis(*period));
                self.change_leases(after, true, true, result)?;
            }
            Action::AdvanceRetention { operations, lag } => self.advance_retention(*operations, *lag),
            Action::Compact { goal, passed, pieces } => self.compact(*goal, *passed, *pieces)?,
            Action::Scrub(budget) => {
                let step = self.scrubber.step(&self.log, ByteCount::new(*budget));
                step.expect("nothing is damaged");
            }
            Action::Check => self.check_files(),
        }
        let durable = self
            .log
            .durable_checkpoint()
            .map_or(0, |seq_no| seq_no.get() as usize + 1);
        assert!(durable >= self.model.durable);
        self.model.durable = durable;
        Ok(())
    }

    /// `safe_commit` and the rest say what may go; the log itself respects leases and durability.
    fn advance_retention(&mut self, operations: u64, lag: u64) {
        let length = self.model.operations.len() as u64;
        let bound = RetentionBound {
            global_checkpoint: self.log.max_seq_no(),
            retention_operations: operations,
            safe_commit: length.saturating_sub(lag).checked_sub(1).map(SeqNo::new),
        };
        let durable = self
            .log
            .durable_checkpoint()
            .map_or(0, |durable| durable.get() + 1);
        let leased = self
            .model
            .leases
            .0
            .values()
            .map(|lease| lease.0)
            .min()
            .unwrap_or(u64::MAX);
        let wanted = length
            .saturating_sub(operations)
            .min(length.saturating_sub(lag))
            .min(durable)
            .min(leased);
        let before = self.log.min_retained_seq_no().get();
        let after = self.log.advance_min_retained(bound).get();
        assert_eq!(after, before.max(wanted), "OL-4");
        assert_eq!(self.log.min_retained_seq_no().get(), after);
        self.model.min_retained = after;
    }

    fn compact(&mut self, goal: CompactionGoal, passed: bool, pieces: u32) -> Result<(), Failed> {
        let context = Compactor {
            log: &self.log,
            passed,
            pieces: Cell::new(pieces),
        };
        match self.log.compact(goal, &context) {
            Ok(report) => {
                self.model.compacted |= passed;
                assert!(passed || report.removed_operations == 0);
                if goal == CompactionGoal::All && passed && pieces == u32::MAX && !report.postponed {
                    self.check_complete();
                }
                Ok(())
            }
            Err(error @ CompactionError::Read(_)) => panic!("{error}"),
            Err(CompactionError::Log(error)) => {
                self.model.compacted |= passed;
                // A compaction that fails leaves the log usable, unless the log itself failed under it.
                match error {
                    LogError::Poisoned { .. } | LogError::Closed => Err(Failed::Poisoned),
                    _ if self.fixture.storage.is_dead() => Err(Failed::PowerCut),
                    _ => self.log.sync().wait().map_err(|_| Failed::Poisoned),
                }
            }
        }
    }

    /// After a whole forced compaction nothing is left in sealed segments that could go.
    fn check_complete(&self) {
        let bound = self
            .log
            .min_retained_seq_no()
            .get()
            .min(self.log.open_segment_first().get());
        let live: Vec<u64> = self.model.documents.values().copied().collect();
        for seq_no in (0..bound).filter(|seq_no| !live.contains(seq_no)) {
            assert_eq!(
                self.log.get(SeqNo::new(seq_no)).unwrap(),
                None,
                "{seq_no} should be gone"
            );
        }
    }

    /// What a verification says of the files now, and once more as a crash would leave them.
    fn check_files(&self) {
        let written = self.log.written_checkpoint().map_or(0, |seq_no| seq_no.get() + 1);
        let report = check(&self.fixture.storage.fork(), &dir()).unwrap();
        assert!(!report.is_damaged(), "{report:?}");
        // A write that failed may have left whole frames behind those that count as written.
        let found = end_of(&report);
        assert!(found >= written && found <= self.model.operations.len() as u64);
        if found == self.model.operations.len() as u64 {
            let summary = self.log.live_summary();
            assert_eq!(
                (report.live_count, report.digest),
                (summary.live_count, summary.digest),
                "OL-5"
            );
        }
        let crashed = self.fixture.storage.fork();
        crashed.crash(written);
        let report = check(&crashed, &dir()).unwrap();
        assert!(!report.is_damaged(), "{report:?}");
        assert!(end_of(&report) >= self.model.durable as u64, "OL-3");
    }

    fn crash(&mut self, seed: u64) {
        self.fixture.storage.crash(seed);
        self.reopen();
    }

    /// Opens again, through crashes if a fault was waiting for the recovery itself.
    fn reopen(&mut self) {
        let log = loop {
            // The old log is gone before the new one opens, as a process would be.
            match self.fixture.open() {
                Ok(log) => break log,
                Err(error @ LogError::Io { .. }) => {
                    assert!(self.crashes < 1000, "{error}");
                    self.crashes += 1;
                    self.fixture.storage.crash(self.crashes);
                }
                Err(error) => panic!("{error}"),
            }
        };
        drop(std::mem::replace(&mut self.log, log));
        self.scrubber = Scrubber::new();
        let recovered = self
            .log
            .max_seq_no()
            .map_or(0, |seq_no| seq_no.get() as usize + 1);
        assert!(
            recovered >= self.model.durable,
            "{recovered} of {} durable operations",
            self.model.durable
        );
        assert!(recovered <= self.model.operations.len());
        assert_eq!(self.log.durable_checkpoint(), self.log.max_seq_no());
        self.model.truncate(recovered);
        // Raising it is durable with the next flush or compaction; what was not removed need not be.
        self.model.min_retained = self.log.min_retained_seq_no().get();
        let leases = leases_of(&self.log);
        assert!(self.model.possible_leases.contains(&leases), "{leases:?}");
        self.model.possible_leases = vec![leases.clone()];
        self.model.leases = leases;
    }

    fn step(&mut self, action: &Action) -> Result<(), TestCaseError> {
        if let Err(failed) = self.apply(action) {
            if failed == Failed::Poisoned {
                // A failed log takes nothing more; what it holds stays readable.
                let (frames, _) = self.model.next_frames(&[(0, false)]);
                let refused = self.log.append(frames, Durability::Async).map(drop);
                let is_poisoned = matches!(refused, Err(AppendError::Log(LogError::Poisoned { .. })));
                prop_assert!(is_poisoned, "{:?}", refused);
            }
            self.crashes += 1;
            if self.crashes.is_multiple_of(2) {
                // The process goes on, and with it what the operating system believes to be on the disk.
                self.reopen();
            } else {
                self.crash(self.crashes);
            }
        }
        self.model.compare(&self.log)
    }
}

/// How many schedules one run of the tests tries, and whether it says in a line what it tried. `cargo xtask sweep` sets both.
const SCHEDULES: &str = "OPLOG_SCHEDULES";
const SUMMARY: &str = "OPLOG_SUMMARY";
const DEFAULT_SCHEDULES: u32 = 10_000;

fn schedules() -> ProptestConfig {
    let asked = std::env::var(SCHEDULES).ok().and_then(|count| count.parse().ok());
    ProptestConfig {
        cases: asked.unwrap_or(DEFAULT_SCHEDULES),
        max_shrink_iters: 4000,
        // Where a failing case is remembered: in `proptest-regressions` of this crate.
        source_file: Some(file!()),
        test_name: Some(concat!(module_path!(), "::the_log_behaves_like_its_model")),
        ..ProptestConfig::default()
    }
}

#[test]
fn the_log_behaves_like_its_model() {
    let (tried, faults) = (Cell::new(0_u64), Cell::new(0_u64));
    let actions = prop::collection::vec(action(), 1..60);
    let mut runner = TestRunner::new(schedules());
    let outcome = runner.run(&actions, |actions| {
        let mut run = Run::new();
        for action in &actions {
            run.step(action)?;
        }
        // However it ended, a last restart loses nothing that was acknowledged.
        run.crash(actions.len() as u64);
        run.model.compare(&run.log)?;
        tried.set(tried.get() + 1);
        faults.set(faults.get() + run.fixture.storage.faults());
        Ok(())
    });
    if std::env::var_os(SUMMARY).is_some() {
        println!("model summary: schedules={} faults={}", tried.get(), faults.get());
    }
    if let Err(failure) = outcome {
        panic!("{failure}\n{runner}");
    }
}

/// The same history with a fault at every single change.
#[test]
fn nothing_acknowledged_is_lost_at_any_fault_point() {
    let append = |durability, count| Action::Append {
        operations: (0..count).map(|number| (number % 4, number == 3)).collect(),
        durability,
        wait: true,
    };
    let history = [
        append(Durability::Request, 5),
        Action::AddLease(1, Some(2)),
        append(Durability::Async, 5),
        Action::Sync,
        Action::RenewLease(1, Some(4)),
        append(Durability::Request, 5),
        Action::Advance(1500),
        Action::Flush,
        append(Durability::Request, 5),
        Action::RemoveLease(1),
        Action::AdvanceRetention {
            operations: 0,
            lag: 0,
        },
        Action::Compact {
            goal: CompactionGoal::All,
            passed: true,
            pieces: u32::MAX,
        },
        append(Durability::Request, 5),
        Action::Flush,
        Action::AdvanceRetention {
            operations: 0,
            lag: 0,
        },
        append(Durability::Request, 5),
        Action::Compact {
            goal: CompactionGoal::Due,
            passed: true,
            pieces: u32::MAX,
        },
        Action::CloseAndOpen,
        append(Durability::Request, 2),
        Action::Crash(7),
    ];
    for fault in [Fault::Fail, Fault::Tear, Fault::LoseSync, Fault::PowerCut] {
        for after in 0..400 {
            let mut run = Run::new();
            run.crashes = after;
            let at = run.fixture.storage.changes() + after;
            run.fixture.storage.inject(at, fault);
            for action in &history {
                run.step(action).unwrap();
            }
            if run.fixture.storage.changes() < at {
                break;
            }
        }
    }
}

/// The end of the operations that were there. The last ones may be compacted away; then the checkpoint covers them.
fn end_of(report: &CheckReport) -> u64 {
    let durable = report
        .checkpoint
        .as_ref()
        .and_then(|checkpoint| checkpoint.durable);
    report.max_seq_no.max(durable).map_or(0, |max| max.get() + 1)
}
