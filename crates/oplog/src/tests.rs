//! Tests of the whole log over storage in memory.

mod adopt;
mod consistency;
mod damage;
mod damage_matrix;
mod group_commit;
mod heal;
mod model;
mod open_entries;
mod reopening;
mod rules;
mod segments;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use crate::writer::FORGET_AFTER;
use crate::{
    ByteCount, CompactionContext, DocumentVersion, Durability, Frame, GroupCommitter, HistoryUuid, Log,
    LogError, LogOptions, ManualClock, MemStorage, NewLog, Operation, OperationKind, PrimaryTerm, ReadError,
    ReadLimits, SeqNo, UnixMillis,
};

pub(crate) fn dir() -> PathBuf {
    PathBuf::from("/shard/oplog")
}

pub(crate) fn small_segments() -> LogOptions {
    LogOptions {
        segment_bytes: ByteCount::new(600),
        ..LogOptions::default()
    }
}

/// A log over storage in memory whose writer runs when told to.
pub(crate) struct Fixture {
    pub(crate) storage: MemStorage,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) committer: Arc<GroupCommitter>,
    pub(crate) options: LogOptions,
}

impl Fixture {
    pub(crate) fn new(options: LogOptions) -> Self {
        let clock = Arc::new(ManualClock::default());
        let committer = GroupCommitter::manual(clock.clone());
        Self {
            storage: MemStorage::new(),
            clock,
            committer,
            options,
        }
    }

    pub(crate) fn create(&self) -> Arc<Log> {
        let new = NewLog {
            history_uuid: HistoryUuid::generate(),
            primary_term: PrimaryTerm::FIRST,
        };
        let storage = Arc::new(self.storage.clone());
        Log::create(
            storage,
            dir(),
            new,
            self.options.clone(),
            self.committer.clone(),
            self.clock.clone(),
        )
        .unwrap()
    }

    /// Lets so much time pass that an idle log forgets what it can.
    pub(crate) fn rest(&self) {
        // The first time starts the clock and the second clears the mark of the last use.
        for _ in 0..3 {
            self.clock.advance(FORGET_AFTER);
            self.committer.run_pending();
        }
    }

    pub(crate) fn open(&self) -> Result<Arc<Log>, LogError> {
        self.open_in(&self.storage)
    }

    pub(crate) fn open_in(&self, storage: &MemStorage) -> Result<Arc<Log>, LogError> {
        let storage = Arc::new(storage.clone());
        Log::open(
            storage,
            dir(),
            self.options.clone(),
            self.committer.clone(),
            self.clock.clone(),
        )
    }
}

/// An operation on a document, with a source that tells it from others.
pub(crate) fn frame(seq_no: u64, kind: OperationKind, id: &str, superseded: Option<u64>, term: u64) -> Frame {
    let source = if kind == OperationKind::Index {
        format!("{{\"n\":{seq_no}}}")
    } else {
        String::new()
    };
    let operation = Operation {
        seq_no: SeqNo::new(seq_no),
        superseded: superseded.map(SeqNo::new),
        primary_term: PrimaryTerm::new(term).unwrap(),
        version: DocumentVersion::new(seq_no + 1),
        timestamp: UnixMillis::new(1_700_000_000_000 + seq_no),
        kind,
        id: id.to_owned(),
        routing: None,
        source: source.into(),
    };
    operation.to_frame().unwrap()
}

/// Appends and waits until it is durable.
pub(crate) fn append(log: &Log, frames: Vec<Frame>) {
    log.append(frames, Durability::Request).unwrap().wait().unwrap();
}

/// For compactions that need not wait for anybody.
pub(crate) struct AllPassed;

impl CompactionContext for AllPassed {
    fn wait_until_passed(&self, _seq_no: SeqNo) -> bool {
        true
    }

    fn throttle(&self, _bytes: ByteCount) -> bool {
        true
    }
}

/// A new document.
pub(crate) fn new_document(seq_no: u64) -> Frame {
    frame(seq_no, OperationKind::Index, &format!("doc-{seq_no}"), None, 1)
}

/// Every operation of a log.
pub(crate) fn read_all(log: &Log) -> Result<Vec<Frame>, crate::ReadError> {
    match log.max_seq_no() {
        None => Ok(Vec::new()),
        Some(max) => log.read(SeqNo::ZERO, max, crate::ReadLimits::NONE),
    }
}

/// Every operation that the log holds, through holes; [`ReadError::Missing`] must name each hole exactly.
pub(crate) fn read_held(log: &Log) -> Result<BTreeMap<u64, Frame>, ReadError> {
    let mut held = BTreeMap::new();
    let Some(max) = log.max_seq_no() else {
        return Ok(held);
    };
    let mut next = SeqNo::ZERO;
    while next <= max {
        match log.read(next, max, ReadLimits::NONE) {
            Ok(frames) => {
                held.extend(frames.into_iter().map(|frame| (frame.seq_no().get(), frame)));
                break;
            }
            Err(ReadError::Missing { range, .. }) => {
                if let Some(last) = range.first().checked_prev().filter(|last| *last >= next) {
                    let frames = log.read(next, last, ReadLimits::NONE)?;
                    assert_eq!(frames.len() as u64, last.get() - next.get() + 1);
                    held.extend(frames.into_iter().map(|frame| (frame.seq_no().get(), frame)));
                }
                for seq_no in range.first().get()..=range.last().get() {
                    assert_eq!(log.get(SeqNo::new(seq_no))?, None);
                }
                next = range.last().checked_next().unwrap();
                if next <= max {
                    assert!(log.get(next)?.is_some(), "the hole ends here");
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(held)
}

pub(crate) fn active_segment(storage: &MemStorage) -> PathBuf {
    use crate::Storage as _;
    let names = storage.list(&dir()).unwrap();
    let name = names.iter().rev().find(|name| name.ends_with(".log")).unwrap();
    Path::new(&dir()).join(name)
}

struct ThreadWaker(Thread);

impl Wake for ThreadWaker {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(ThreadWaker(thread::current())));
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        thread::park();
    }
}
