//! The history that the fixtures hold: every kind of operation, every kind of file, and files that trail the log.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use oplog::{
    ByteCount, CompactionContext, CompactionGoal, DocumentVersion, Durability, Fault, Frame, FsStorage,
    GroupCommitter, Log, LogOptions, ManualClock, MemStorage, NewLog, Operation, OperationKind, PrimaryTerm,
    ReadLimits, RetentionBound, SeqNo, Storage, UnixMillis,
};

pub(crate) const STARTED_AT: UnixMillis = UnixMillis::new(1_700_000_000_000);
pub(crate) const HISTORY_UUID: &str = "fixture-of-the-formats";

/// One operation: number, superseded number, kind, id, source.
pub(crate) type Row = (u64, Option<u64>, OperationKind, &'static str, &'static str);

use OperationKind::{Delete, Index, NoOp};

/// Every operation that was ever appended. Those from 12 on are of term 2.
pub(crate) const ROWS: &[Row] = &[
    (0, None, Index, "a", r#"{"n":0}"#),
    (1, None, Index, "b", r#"{"n":1}"#),
    (2, None, Index, "dö", r#"{"n":2}"#),
    (3, Some(0), Index, "a", r#"{"n":3}"#),
    (4, None, Delete, "nobody", ""),
    (5, None, NoOp, "", "a primary took over"),
    (6, None, Index, "c", r#"{"n":6}"#),
    (7, Some(3), Index, "a", r#"{"n":7}"#),
    (8, Some(6), Index, "c", r#"{"n":8}"#),
    (9, None, Index, "e", r#"{"n":9}"#),
    (10, None, Index, "f", r#"{"n":10}"#),
    (11, Some(9), Delete, "e", ""),
    (12, None, Index, "g", r#"{"n":12}"#),
    (13, None, Index, "h", r#"{"n":13}"#),
    (14, Some(8), Index, "c", r#"{"n":14}"#),
    (15, None, Index, "i", r#"{"n":15}"#),
    (16, Some(1), Delete, "b", ""),
    (17, None, Index, "j", r#"{"n":17}"#),
    (18, Some(7), Index, "a", r#"{"n":18}"#),
    (19, None, Index, "k", r#"{"n":19}"#),
];

pub(crate) fn frame(row: &Row) -> Frame {
    let (seq_no, superseded, kind, id, source) = *row;
    let operation = Operation {
        seq_no: SeqNo::new(seq_no),
        superseded: superseded.map(SeqNo::new),
        primary_term: PrimaryTerm::new(if seq_no < 12 { 1 } else { 2 }).expect("not 0"),
        version: DocumentVersion::new(1 + superseded.map_or(0, |superseded| seq_no - superseded)),
        timestamp: UnixMillis::new(STARTED_AT.get() + seq_no),
        kind,
        id: id.to_owned(),
        routing: (id == "dö").then(|| "r1".to_owned()),
        source: source.into(),
    };
    operation.to_frame().expect("its parts are short")
}

pub(crate) fn options() -> LogOptions {
    LogOptions {
        segment_bytes: ByteCount::new(640),
        garbage_ratio: 0.0,
        ..LogOptions::default()
    }
}

struct AllPassed;

impl CompactionContext for AllPassed {
    fn wait_until_passed(&self, _seq_no: SeqNo) -> bool {
        true
    }

    fn throttle(&self, _bytes: ByteCount) -> bool {
        true
    }
}

/// Writes the log into a new directory: a block segment with holes, a sealed plain segment with its index, an open segment with sync
/// markers; the files `checkpoint` and `live` trail the last operations, as after a crash.
pub(crate) fn write(dir: &Path) -> Result<(), Box<dyn Error>> {
    let clock = Arc::new(ManualClock::new(STARTED_AT));
    let new = NewLog {
        history_uuid: HISTORY_UUID.parse()?,
        primary_term: PrimaryTerm::FIRST,
    };
    let committer = GroupCommitter::manual(clock.clone());
    let log = Log::create(
        Arc::new(FsStorage),
        dir.to_owned(),
        new,
        options(),
        committer,
        clock,
    )?;
    let append = |rows: &[Row]| -> Result<(), Box<dyn Error>> {
        log.append(rows.iter().map(frame).collect(), Durability::Request)?
            .wait()?;
        Ok(())
    };
    append(&ROWS[..3])?;
    append(&ROWS[3..6])?;
    append(&ROWS[6..10])?;
    log.add_retention_lease("follower-1".parse()?, Some(SeqNo::new(8)), "ccr")?;
    log.add_retention_lease("follower-2".parse()?, Some(SeqNo::new(9)), "ccr")?;
    let max = log.max_seq_no();
    log.advance_min_retained(RetentionBound {
        global_checkpoint: max,
        retention_operations: 0,
        safe_commit: max,
    });
    log.compact(CompactionGoal::Due, &AllPassed)?;
    append(&ROWS[10..12])?;
    log.set_primary_term(PrimaryTerm::new(2).ok_or("a term")?)?;
    append(&ROWS[12..17])?;
    log.renew_retention_lease("follower-1".parse()?, Some(SeqNo::new(12)), "ccr")?;
    log.flush()?;
    append(&ROWS[17..18])?;
    append(&ROWS[18..])?;
    // Dropped, not closed: as when the process dies.
    Ok(())
}

/// Writes a log that was healed into a new directory: it ended with operation 2, and the log of [`write`] in `leader` was its leader. Operation 0 is dead
/// through operation 3, which is gone.
pub(crate) fn write_healed(dir: &Path, leader: &Path) -> Result<(), Box<dyn Error>> {
    heal(Arc::new(FsStorage), dir, leader)?.close()?;
    Ok(())
}

/// As [`write_healed`], but the process died as soon as the heal was decided.
pub(crate) fn write_healing(dir: &Path, leader: &Path) -> Result<(), Box<dyn Error>> {
    let mut change = 0;
    loop {
        let storage = MemStorage::new();
        storage.inject(change, Fault::PowerCut);
        let healed = heal(Arc::new(storage.clone()), dir, leader);
        if storage.content(&dir.join("heal")).is_some() {
            return copy_out(&storage, dir);
        }
        if healed.is_ok() {
            return Err("the heal was never decided".into());
        }
        change += 1;
    }
}

fn copy_out(storage: &MemStorage, dir: &Path) -> Result<(), Box<dyn Error>> {
    std::fs::create_dir_all(dir)?;
    for name in storage.list(dir)? {
        let content = storage.content(&dir.join(&name));
        std::fs::write(dir.join(&name), content.ok_or("it was listed")?)?;
    }
    Ok(())
}

fn heal(storage: Arc<dyn Storage>, dir: &Path, leader: &Path) -> Result<Arc<Log>, Box<dyn Error>> {
    let clock = Arc::new(ManualClock::new(STARTED_AT));
    let committer = GroupCommitter::manual(clock.clone());
    let leader = Log::open(
        Arc::new(FsStorage),
        leader.to_owned(),
        options(),
        committer.clone(),
        clock.clone(),
    )?;
    let new = NewLog {
        history_uuid: HISTORY_UUID.parse()?,
        primary_term: PrimaryTerm::FIRST,
    };
    let log = Log::create(storage, dir.to_owned(), new, options(), committer, clock)?;
    log.append(ROWS[..3].iter().map(frame).collect(), Durability::Request)?
        .wait()?;
    let mut stage = log.stage_heal()?;
    let snapshot = leader.live_snapshot().ok_or("the leader has operations")?;
    let from = stage.next();
    let (frames, next) = leader.read_held(from, snapshot.max_seq_no, ReadLimits::NONE)?;
    stage.push(from, &frames, next)?;
    log.install_heal(&mut stage, &snapshot)?;
    Ok(log)
}
