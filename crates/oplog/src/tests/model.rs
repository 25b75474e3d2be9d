//! Random histories with faults and crashes, compared with a naive model (invariants OL-1 to OL-5).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::{Fixture, frame, read_all, small_segments};
use crate::{
    AppendError, Clock as _, Digest, Durability, Fault, Frame, LeaseError, LeaseId, Log, LogError,
    OperationKind, SeqNo,
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
}

fn durability() -> impl Strategy<Value = Durability> {
    prop_oneof![Just(Durability::Request), Just(Durability::Async)]
}

fn action() -> impl Strategy<Value = Action> {
    let operations = || prop::collection::vec((0..5_u8, prop::bool::weighted(0.25)), 1..6);
    prop_oneof![
        8 => (operations(), durability(), any::<bool>())
            .prop_map(|(operations, durability, wait)| Action::Append { operations, durability, wait }),
        1 => Just(Action::NewTerm),
        2 => Just(Action::Work),
        1 => Just(Action::Sync),
        1 => Just(Action::Flush),
        1 => (0..4000_u64).prop_map(Action::Advance),
        1 => Just(Action::CloseAndOpen),
        1 => Just(Action::DropAndOpen),
        2 => any::<u64>().prop_map(Action::Crash),
        2 => (0..12_u64, prop_oneof![Just(Fault::Fail), Just(Fault::Tear), Just(Fault::PowerCut)])
            .prop_map(|(after, fault)| Action::Inject { after, fault }),
        1 => (0..3_u8, prop::option::of(0..40_u64)).prop_map(|(id, seq_no)| Action::AddLease(id, seq_no)),
        1 => (0..3_u8, prop::option::of(0..40_u64)).prop_map(|(id, seq_no)| Action::RenewLease(id, seq_no)),
        1 => (0..3_u8).prop_map(Action::RemoveLease),
        1 => (0..4000_u64).prop_map(Action::ExpireLeases),
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
        prop_assert_eq!(&read_all(log).unwrap(), &self.operations);
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
        prop_assert_eq!(log.max_seq_no_of_updates_or_deletes(), updates);
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
    crashes: u64,
}

/// The storage failed under a call: the log has to be opened again.
struct Failed;

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
            crashes: 0,
        }
    }

    fn reached(&mut self, log_error: Result<(), LogError>, durable: usize) -> Result<(), Failed> {
        log_error.map_err(|_| Failed)?;
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
            Err(AppendError::Log(_)) => return Err(Failed),
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
                return Err(Failed);
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
                let expected = leases.0.insert(*id, (seq_no.unwrap_or(0), now)).is_none();
                let result = self
                    .log
                    .add_retention_lease(lease_id(*id), seq_no.map(SeqNo::new), "ccr");
                self.change_leases(leases, true, expected, result)?;
            }
            Action::RenewLease(id, seq_no) => {
                let held = leases.0.get(id).map(|lease| lease.0);
                let value = seq_no.or(held).unwrap_or(0);
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
        }
        let durable = self
            .log
            .durable_checkpoint()
            .map_or(0, |seq_no| seq_no.get() as usize + 1);
        assert!(durable >= self.model.durable);
        self.model.durable = durable;
        Ok(())
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
        let leases = leases_of(&self.log);
        assert!(self.model.possible_leases.contains(&leases), "{leases:?}");
        self.model.possible_leases = vec![leases.clone()];
        self.model.leases = leases;
    }

    fn step(&mut self, action: &Action) -> Result<(), TestCaseError> {
        if self.apply(action).is_err() {
            // A failed log takes nothing more; what it holds stays readable.
            let (frames, _) = self.model.next_frames(&[(0, false)]);
            let refused = self.log.append(frames, Durability::Async);
            prop_assert!(
                matches!(refused, Err(AppendError::Log(LogError::Poisoned { .. }))),
                "{:?}",
                refused
            );
            self.crashes += 1;
            self.crash(self.crashes);
        }
        self.model.compare(&self.log)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, max_shrink_iters: 2000, ..ProptestConfig::default() })]

    #[test]
    fn the_log_behaves_like_its_model(actions in prop::collection::vec(action(), 1..40)) {
        let mut run = Run::new();
        for action in &actions {
            run.step(action)?;
        }
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
        Action::CloseAndOpen,
        append(Durability::Request, 2),
    ];
    for fault in [Fault::Fail, Fault::Tear, Fault::PowerCut] {
        for after in 0..200 {
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
