//! Many writers and readers at once, and how many syncs they cost.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use parking_lot::Mutex;

use super::{Fixture, block_on, dir, new_document, read_all};
use crate::{
    Durability, GroupCommitter, HistoryUuid, Log, LogOptions, MemStorage, NewLog, PrimaryTerm, ReadLimits,
    SeqNo, Storage, StorageFile, SystemClock,
};

#[test]
fn one_sync_serves_every_append_that_waits_for_it() {
    let fixture = Fixture::new(LogOptions::default());
    let log = fixture.create();
    let before = fixture.committer.syncs();
    let tickets: Vec<_> = (0..64)
        .map(|seq_no| {
            log.append(vec![new_document(seq_no)], Durability::Request)
                .unwrap()
        })
        .collect();
    assert_eq!(log.durable_checkpoint(), None);
    assert_eq!(log.max_seq_no(), Some(SeqNo::new(63)));
    for ticket in tickets {
        ticket.wait().unwrap();
    }
    assert_eq!(fixture.committer.syncs() - before, 1);
}

#[test]
fn an_idle_log_keeps_no_buffer() {
    let fixture = Fixture::new(LogOptions::default());
    let log = fixture.create();
    let frames = (0..1_000).map(new_document).collect();
    log.append(frames, Durability::Request).unwrap().wait().unwrap();
    assert_eq!(log.shared.writer.lock().kept_bytes(), 0);
}

/// Storage whose segment syncs wait while the gate is locked.
#[derive(Debug)]
struct Gated {
    storage: MemStorage,
    gate: Arc<Mutex<()>>,
}

#[derive(Debug)]
struct GatedFile {
    file: Arc<dyn StorageFile>,
    gate: Arc<Mutex<()>>,
}

impl StorageFile for GatedFile {
    fn read_at(&self, offset: u64, length: usize) -> io::Result<bytes::Bytes> {
        self.file.read_at(offset, length)
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.file.write_at(offset, data)
    }

    fn sync_data(&self) -> io::Result<()> {
        let _open = self.gate.lock();
        self.file.sync_data()
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.file.truncate(length)
    }

    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }
}

impl Storage for Gated {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn StorageFile>> {
        Ok(Arc::new(GatedFile {
            file: self.storage.create(path)?,
            gate: self.gate.clone(),
        }))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn StorageFile>> {
        Ok(Arc::new(GatedFile {
            file: self.storage.open(path)?,
            gate: self.gate.clone(),
        }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.storage.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.storage.remove(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.storage.list(dir)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        self.storage.exists(path)
    }

    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        self.storage.create_dir_all(dir)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.storage.sync_dir(dir)
    }
}

#[test]
fn sixty_four_waiting_threads_share_a_few_syncs() {
    let gate = Arc::new(Mutex::new(()));
    let storage = Gated {
        storage: MemStorage::new(),
        gate: gate.clone(),
    };
    let committer = GroupCommitter::start(2);
    let new = NewLog {
        history_uuid: HistoryUuid::generate(),
        primary_term: PrimaryTerm::FIRST,
    };
    let options = LogOptions::default();
    let log = Log::create(
        Arc::new(storage),
        dir(),
        new,
        options,
        committer.clone(),
        Arc::new(SystemClock),
    )
    .unwrap();
    let next = Mutex::new(0);
    let before = committer.syncs();
    thread::scope(|scope| {
        let closed = gate.lock();
        for number in 0..64 {
            let (log, next) = (&log, &next);
            scope.spawn(move || {
                let ticket = {
                    let mut next = next.lock();
                    let ticket = log
                        .append(vec![new_document(*next)], Durability::Request)
                        .unwrap();
                    *next += 1;
                    ticket
                };
                let last = ticket.last();
                if number % 2 == 0 {
                    ticket.wait().unwrap()
                } else {
                    block_on(ticket.durable()).unwrap()
                }
                assert!(log.durable_checkpoint() >= Some(last));
            });
        }
        while log.max_seq_no() < Some(SeqNo::new(63)) {
            thread::yield_now();
        }
        drop(closed);
    });
    let syncs = committer.syncs() - before;
    assert!((1..=2).contains(&syncs), "{syncs} syncs");
    assert_eq!(log.durable_checkpoint(), Some(SeqNo::new(63)));
}

#[test]
fn readers_see_every_operation_in_order_while_it_is_written_synced_and_sealed() {
    let committer = GroupCommitter::start(2);
    let new = NewLog {
        history_uuid: HistoryUuid::generate(),
        primary_term: PrimaryTerm::FIRST,
    };
    let options = super::small_segments();
    let storage = Arc::new(MemStorage::new());
    let log = Log::create(
        storage.clone(),
        dir(),
        new,
        options.clone(),
        committer.clone(),
        Arc::new(SystemClock),
    )
    .unwrap();
    const COUNT: u64 = 1500;
    thread::scope(|scope| {
        scope.spawn(|| {
            for seq_no in 0..COUNT {
                let durability = if seq_no % 10 == 0 {
                    Durability::Request
                } else {
                    Durability::Async
                };
                let ticket = log.append(vec![new_document(seq_no)], durability).unwrap();
                if seq_no % 50 == 0 {
                    ticket.wait().unwrap();
                }
            }
            log.sync().wait().unwrap();
        });
        for _ in 0..2 {
            scope.spawn(|| {
                let mut next = 0;
                while next < COUNT {
                    let Some(max) = log.max_seq_no().filter(|max| max.get() >= next) else {
                        // Fails when the writer does.
                        block_on(log.wait_durable(SeqNo::new(next))).unwrap();
                        continue;
                    };
                    for frame in log.read(SeqNo::new(next), max, ReadLimits::NONE).unwrap() {
                        assert_eq!(frame, new_document(next));
                        next += 1;
                    }
                }
            });
        }
        scope.spawn(|| {
            assert!(block_on(log.wait_durable(SeqNo::new(COUNT - 1))).unwrap() >= SeqNo::new(COUNT - 1))
        });
    });
    log.close().unwrap();
    drop(log);
    let log = Log::open(storage, dir(), options, committer, Arc::new(SystemClock)).unwrap();
    assert_eq!(read_all(&log).unwrap().len() as u64, COUNT);
}
