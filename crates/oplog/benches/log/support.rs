//! Logs on disk with documents that compress as documents do.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use oplog::{
    ByteCount, CompactionContext, CompactionGoal, DocumentVersion, Durability, Frame, FsStorage,
    GroupCommitter, HistoryUuid, Log, LogOptions, NewLog, Operation, OperationKind, PrimaryTerm,
    RetentionBound, SeqNo, Storage, StorageFile, SystemClock, UnixMillis,
};
use tempfile::TempDir;

/// Length of every frame.
pub(crate) const DOCUMENT_BYTES: usize = 1024;

/// A small generator of numbers.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// Everybody has passed everything, and nothing is slowed down.
pub(crate) struct AllPassed;

impl CompactionContext for AllPassed {
    fn wait_until_passed(&self, _seq_no: SeqNo) -> bool {
        true
    }

    fn throttle(&self, _bytes: ByteCount) -> bool {
        true
    }
}

/// A directory on a real disk and the threads of a node.
pub(crate) struct Bench {
    dir: TempDir,
    committer: Arc<GroupCommitter>,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let base = std::env::var_os("OPLOG_BENCH_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from);
        Self {
            dir: tempfile::tempdir_in(base).expect("the directory can be written"),
            committer: GroupCommitter::start(2),
        }
    }

    fn log_dir(&self) -> PathBuf {
        self.dir.path().join("oplog")
    }

    pub(crate) fn committer(&self) -> &GroupCommitter {
        &self.committer
    }

    /// No fsync while a benchmark runs.
    pub(crate) fn without_sync(&self) -> LogOptions {
        LogOptions {
            sync_interval: Duration::from_secs(3600),
            async_sync_bytes: ByteCount::new(u64::MAX),
            checkpoint_interval: Duration::from_secs(3600),
            ..LogOptions::default()
        }
    }

    pub(crate) fn new_file(&self, name: &str) -> Arc<dyn StorageFile> {
        FsStorage
            .create(&self.dir.path().join(name))
            .expect("the directory can be written")
    }

    /// Documents like lines of a web server's log.
    pub(crate) fn frames(&self, count: u64) -> Vec<Frame> {
        let mut random = Random(42);
        (0..count)
            .map(|seq_no| document(seq_no, None, &mut random))
            .collect()
    }

    pub(crate) fn new_log(&self, options: LogOptions) -> Arc<Log> {
        let _ = std::fs::remove_dir_all(self.log_dir());
        let new = NewLog {
            history_uuid: HistoryUuid::generate(),
            primary_term: PrimaryTerm::FIRST,
        };
        let clock = Arc::new(SystemClock);
        Log::create(
            Arc::new(FsStorage),
            self.log_dir(),
            new,
            options,
            self.committer.clone(),
            clock,
        )
        .expect("the directory can be written")
    }

    pub(crate) fn open_log(&self) -> Arc<Log> {
        let options = LogOptions::default();
        Log::open(
            Arc::new(FsStorage),
            self.log_dir(),
            options,
            self.committer.clone(),
            Arc::new(SystemClock),
        )
        .expect("the log is good")
    }

    /// A log of so many live operations in segments of 8 MiB, durable.
    pub(crate) fn filled_log(&self, count: u64, compressed: bool) -> Arc<Log> {
        let log = self.new_log(self.small_segments());
        append_all(&log, self.frames(count));
        if compressed {
            log.compact(CompactionGoal::All, &AllPassed)
                .expect("the disk works");
        }
        log
    }

    fn small_segments(&self) -> LogOptions {
        LogOptions {
            segment_bytes: ByteCount::from_mib(8),
            ..self.without_sync()
        }
    }

    /// A log whose every document was written twice.
    pub(crate) fn half_dead_log(&self, count: u64) -> Arc<Log> {
        let log = self.new_log(self.small_segments());
        let mut random = Random(42);
        let half = count / 2;
        let first = (0..half)
            .map(|seq_no| document(seq_no, None, &mut random))
            .collect();
        append_all(&log, first);
        let second = (half..count)
            .map(|seq_no| document(seq_no, Some(seq_no - half), &mut random))
            .collect();
        append_all(&log, second);
        log.advance_min_retained(RetentionBound {
            global_checkpoint: log.max_seq_no(),
            retention_operations: 0,
            safe_commit: log.max_seq_no(),
        });
        log
    }

    /// The segments, in order.
    pub(crate) fn segment_files(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.log_dir()).expect("there is a log");
        let mut files: Vec<_> = entries
            .map(|entry| entry.expect("the directory can be read").path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
            .collect();
        files.sort();
        files
    }

    /// The frames alone, one after another.
    pub(crate) fn plain_copy(&self, count: u64) -> Arc<dyn StorageFile> {
        let file = self.new_file("plain");
        let content: Vec<u8> = self
            .frames(count)
            .iter()
            .flat_map(|frame| frame.bytes().to_vec())
            .collect();
        file.write_at(0, &content).expect("the disk has room");
        file
    }
}

fn append_all(log: &Log, frames: Vec<Frame>) {
    for request in frames.chunks(512) {
        let _written_in_turn = log
            .append(request.to_vec(), Durability::Async)
            .expect("the log takes it");
    }
    log.sync().wait().expect("the disk syncs");
}

fn document(seq_no: u64, superseded: Option<u64>, random: &mut Random) -> Frame {
    let mut source = format!(
        r#"{{"@timestamp":"2026-01-{:02}T{:02}:{:02}:{:02}Z","clientip":"10.{}.{}.{}","request":"GET /articles/{} HTTP/1.1","status":{},"size":{},"agent":""#,
        1 + random.below(28),
        random.below(24),
        random.below(60),
        random.below(60),
        random.below(256),
        random.below(256),
        random.below(256),
        random.below(100_000),
        [200, 200, 200, 304, 404, 500][random.below(6) as usize],
        random.below(1 << 20),
    );
    let id = format!("{seq_no:016x}");
    let words = [
        "Mozilla/5.0",
        "(X11;",
        "Linux",
        "x86_64)",
        "AppleWebKit",
        "Gecko",
        "Firefox/",
        "Chrome/",
        "Safari/",
    ];
    let wanted = DOCUMENT_BYTES - oplog::FRAME_HEADER_LENGTH - id.len() - 2;
    while source.len() < wanted {
        source.push_str(words[random.below(words.len() as u64) as usize]);
        source.push_str(&format!(" {:x} ", random.below(1 << 24)));
    }
    source.truncate(wanted);
    source.push_str("\"}");
    let operation = Operation {
        seq_no: SeqNo::new(seq_no),
        superseded: superseded.map(SeqNo::new),
        primary_term: PrimaryTerm::FIRST,
        version: DocumentVersion::new(1),
        timestamp: UnixMillis::new(1_700_000_000_000 + seq_no),
        kind: OperationKind::Index,
        id,
        routing: None,
        source: source.into(),
    };
    let frame = operation.to_frame().expect("the document is small");
    assert_eq!(frame.len(), DOCUMENT_BYTES);
    frame
}

pub(crate) fn length(path: &PathBuf) -> u64 {
    std::fs::metadata(path).expect("the file is there").len()
}

/// Reads a file as fast as it goes, in pieces as large as those that the log is asked for.
pub(crate) fn read_all(path: &Path) {
    use std::io::Read as _;
    let mut file = File::open(path).expect("the file is there");
    let mut buffer = vec![0; 4 << 20];
    while file.read(&mut buffer).expect("the disk works") > 0 {
        std::hint::black_box(&buffer);
    }
}

/// Asks the operating system to forget the files, so that the next read comes from the disk.
pub(crate) fn drop_from_cache(files: &[PathBuf], cold: bool) {
    for path in files.iter().filter(|_| cold) {
        let file = File::open(path).expect("the file is there");
        file.sync_all().expect("the disk syncs");
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).expect("the system takes advice");
    }
}

/// Reads every file, compresses the second half of each in blocks of 32 KiB, and writes and syncs that.
pub(crate) fn compress_half(files: &[PathBuf], out: &dyn StorageFile) {
    let mut compressor = zstd::bulk::Compressor::new(1).expect("level 1 exists");
    let mut offset = 0;
    for path in files {
        let content = std::fs::read(path).expect("the file is there");
        for block in content[content.len() / 2..].chunks(32 << 10) {
            let compressed = compressor.compress(block).expect("memory is enough");
            out.write_at(offset, &compressed).expect("the disk has room");
            offset += compressed.len() as u64;
        }
    }
    out.sync_data().expect("the disk syncs");
}
