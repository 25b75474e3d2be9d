//! What a released version wrote opens, with everything that was in it; what a later one wrote is refused by name.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use oplog::{Frame, FsStorage, GroupCommitter, Log, LogError, ManualClock, ReadLimits, SeqNo, SystemClock};
use tempfile::TempDir;
use twox_hash::XxHash3_64;

use crate::scenario::{self, ROWS};

/// The versions that were ever released: each has a fixture, and each opens.
const VERSIONS: &[&str] = &["v1"];

/// The operations that compaction removed.
const GONE: &[u64] = &[0, 3, 4, 5, 6];
const LIVE: &[u64] = &[2, 10, 12, 13, 14, 15, 17, 18, 19];

pub(crate) fn fixture(version: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(version)
}

/// A copy that may be changed.
fn copy(version: &str) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(fixture(version)).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, dir.path().join(path.file_name().unwrap())).unwrap();
    }
    dir
}

fn open(dir: &Path) -> Result<Arc<Log>, LogError> {
    let committer = GroupCommitter::manual(Arc::new(ManualClock::new(scenario::STARTED_AT)));
    let options = scenario::options();
    Log::open(
        Arc::new(FsStorage),
        dir.to_owned(),
        options,
        committer,
        Arc::new(SystemClock),
    )
}

fn numbers(seq_nos: impl IntoIterator<Item = SeqNo>) -> Vec<u64> {
    seq_nos.into_iter().map(SeqNo::get).collect()
}

/// Every operation of the history that the log holds.
fn held(log: &Log) -> Vec<Frame> {
    ROWS.iter()
        .filter_map(|row| log.get(SeqNo::new(row.0)).unwrap())
        .collect()
}

fn check_content(log: &Log) {
    let expected: Vec<Frame> = ROWS
        .iter()
        .filter(|row| !GONE.contains(&row.0))
        .map(scenario::frame)
        .collect();
    assert_eq!(held(log), expected);
    let rest = log.read(SeqNo::new(7), SeqNo::new(19), ReadLimits::NONE).unwrap();
    assert_eq!(rest, expected[2..]);
    assert_eq!(log.max_seq_no(), Some(SeqNo::new(19)));
    assert_eq!(log.durable_checkpoint(), Some(SeqNo::new(19)));
    assert_eq!(numbers(log.live_set().iter()), LIVE);
    let summary = log.live_summary();
    assert_eq!(summary.live_count, LIVE.len() as u64);
    assert_eq!(summary.digest.to_string(), DIGEST);
    assert_eq!(log.recompute_live_summary().unwrap(), summary);
    assert_eq!(log.max_seq_no_of_updates_or_deletes(), Some(SeqNo::new(18)));
    assert_eq!(log.min_retained_seq_no(), SeqNo::new(8));
    assert_eq!(log.primary_term().get(), 2);
    assert_eq!(log.history_uuid().as_str(), scenario::HISTORY_UUID);
    let terms: Vec<(u64, u64)> = log
        .term_table()
        .iter()
        .map(|start| (start.term.get(), start.first_seq_no.get()))
        .collect();
    assert_eq!(terms, [(1, 0), (2, 12)]);
    let leases = log.retention_leases();
    assert_eq!((leases.primary_term.get(), leases.version), (2, 3));
    let leases: Vec<(&str, u64, u64, &str)> = leases
        .leases
        .iter()
        .map(|lease| {
            let (id, retaining) = (lease.id.as_str(), lease.retaining_seq_no.get());
            (id, retaining, lease.timestamp.get(), lease.source.as_str())
        })
        .collect();
    let at = scenario::STARTED_AT.get();
    assert_eq!(
        leases,
        [("follower-1", 12, at, "ccr"), ("follower-2", 9, at, "ccr")]
    );
}

/// The sum of `xxh3_128(seq_no, frame checksum)` over the live operations; [`crate::bytes`] computes it from the documentation.
pub(crate) const DIGEST: &str = "34594e13cb5ee8453cce8bb1f681591f";

#[test]
fn what_every_released_version_wrote_opens_with_all_that_was_in_it() {
    for version in VERSIONS {
        let dir = copy(version);
        let log = open(dir.path()).unwrap();
        check_content(&log);
        log.close().unwrap();
        drop(log);
        // And again after this version has written its own checkpoint and live set over it.
        check_content(&open(dir.path()).unwrap());
    }
}

fn names_ending(dir: &Path, end: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> = entries
        .filter(|path| path.to_str().unwrap().ends_with(end))
        .collect();
    found.sort();
    found
}

/// Sets the version, and the checksum of `..end` at `end`.
fn set_version(path: &Path, version: u16, end: usize) {
    let mut bytes = fs::read(path).unwrap();
    assert_eq!(bytes[8..10], 1_u16.to_le_bytes());
    bytes[8..10].copy_from_slice(&version.to_le_bytes());
    let checksum = XxHash3_64::oneshot(&bytes[..end]);
    bytes[end..end + 8].copy_from_slice(&checksum.to_le_bytes());
    fs::write(path, bytes).unwrap();
}

fn check_refused(dir: &Path, path: &Path, newest: u16) {
    let error = open(dir).unwrap_err();
    let newer = newest + 1;
    let expected = format!(
        "file [{}] has format version {newer}, this version reads up to {newest}",
        path.display()
    );
    assert_eq!(error.to_string(), expected);
    let is_unsupported = matches!(
        error,
        LogError::UnsupportedFormat { version, supported, .. } if (version, supported) == (newer, newest)
    );
    assert!(is_unsupported, "{error:?}");
}

#[test]
fn a_newer_version_of_any_file_is_refused_by_name_and_left_alone() {
    let segments = names_ending(&fixture("v1"), ".log");
    assert_eq!(segments.len(), 3);
    let files = segments
        .iter()
        .map(|path| path.file_name().unwrap().to_str().unwrap());
    for name in files.chain(["checkpoint", "live"]) {
        let dir = copy("v1");
        let path = dir.path().join(name);
        let length = fs::read(&path).unwrap().len();
        let end = if name.ends_with(".log") { 32 } else { length - 8 };
        let newest = if name == "checkpoint" { 2 } else { 1 };
        set_version(&path, newest + 1, end);
        let written = fs::read(&path).unwrap();
        check_refused(dir.path(), &path, newest);
        assert_eq!(fs::read(&path).unwrap(), written, "{name}");
    }
    let dir = copy("v1");
    let path = dir.path().join("leases");
    let text = fs::read_to_string(&path).unwrap();
    let newer = text.replace("\"format_version\":1", "\"format_version\":2");
    assert_ne!(newer, text);
    fs::write(&path, newer).unwrap();
    check_refused(dir.path(), &path, 1);
}

/// The released version of a log that was healed.
const HEALED: &str = "v2-healed";

fn check_healed(log: &Log) {
    let summary = log.live_summary();
    assert_eq!(numbers(log.live_set().iter()), LIVE);
    assert_eq!(summary.digest.to_string(), DIGEST);
    assert_eq!(log.recompute_live_summary().unwrap(), summary);
    let healed = log.healed().unwrap();
    assert_eq!(
        (healed.through(), numbers(healed.dead())),
        (SeqNo::new(19), vec![0])
    );
    let expected = ROWS
        .iter()
        .filter(|row| !(3..7).contains(&row.0))
        .map(scenario::frame);
    assert_eq!(held(log), expected.collect::<Vec<_>>());
    assert_eq!(log.min_retained_seq_no(), SeqNo::new(7));
}

#[test]
fn a_healed_log_opens_with_and_without_what_is_derived() {
    let dir = copy(HEALED);
    let log = open(dir.path()).unwrap();
    check_healed(&log);
    log.close().unwrap();
    drop(log);
    fs::remove_file(dir.path().join("live")).unwrap();
    check_healed(&open(dir.path()).unwrap());
}

/// The released version of a log whose heal was decided, and not carried out.
const HEALING: &str = "v2-healing";

#[test]
fn a_heal_that_a_released_version_decided_is_carried_out() {
    let dir = copy(HEALING);
    let log = open(dir.path()).unwrap();
    check_healed(&log);
    assert!(!dir.path().join("heal").exists());
    log.close().unwrap();
    drop(log);
    check_healed(&open(dir.path()).unwrap());
}

#[test]
fn a_heal_decided_today_is_what_the_fixture_is() {
    let (leader, dir) = (copy("v1"), tempfile::tempdir().unwrap());
    let dir = dir.path().join("oplog");
    scenario::write_healing(&dir, leader.path()).unwrap();
    let names = |dir: &Path| -> Vec<PathBuf> {
        let paths = names_ending(dir, "");
        paths
            .iter()
            .map(|path| path.file_name().unwrap().into())
            .collect()
    };
    assert_eq!(names(&dir), names(&fixture(HEALING)));
    let journal = |dir: &Path| fs::read(dir.join("heal")).unwrap();
    assert_eq!(journal(&dir), journal(&fixture(HEALING)));
    check_healed(&open(&dir).unwrap());
}

#[test]
fn a_log_healed_today_holds_what_the_fixture_does() {
    let (leader, dir) = (copy("v1"), tempfile::tempdir().unwrap());
    let dir = dir.path().join("oplog");
    scenario::write_healed(&dir, leader.path()).unwrap();
    check_healed(&open(&dir).unwrap());
}

#[test]
fn a_newer_version_of_a_file_of_a_heal_is_refused_by_name() {
    for (version, name) in [(HEALED, "healed"), (HEALING, "heal")] {
        let dir = copy(version);
        let path = dir.path().join(name);
        let end = fs::read(&path).unwrap().len() - 8;
        set_version(&path, 2, end);
        check_refused(dir.path(), &path, 1);
    }
}

#[test]
fn every_byte_of_the_files_of_a_heal_is_where_the_documentation_says() {
    let dir = fixture(HEALED);
    let checkpoint = fs::read(dir.join("checkpoint")).unwrap();
    assert_eq!(checkpoint[..10], *b"CCRCHECK\x02\0");
    let healed = fs::read(dir.join("healed")).unwrap();
    assert_eq!(healed[..16], *b"CCRHEALD\x01\0\0\0\0\0\0\0");
    let number = |at: usize| u64::from_le_bytes(healed[at..at + 8].try_into().unwrap());
    let end = healed.len() - 8;
    assert_eq!((number(16), number(24)), (19, end as u64 - 32));
    assert_eq!(number(end), XxHash3_64::oneshot(&healed[..end]));
    // One bitmap for the upper 32 bits, then a 32-bit Roaring bitmap of one array container with the value 0.
    assert_eq!(number(32), 1);
    assert_eq!(healed[end - 2..end], [0, 0]);
}

#[test]
fn an_index_of_a_newer_version_is_built_again_from_its_segment() {
    let dir = copy("v1");
    let indexes = names_ending(dir.path(), ".idx");
    assert_eq!(indexes.len(), 1);
    let before = fs::read(&indexes[0]).unwrap();
    set_version(&indexes[0], 2, 56);
    assert_ne!(fs::read(&indexes[0]).unwrap(), before);
    check_content(&open(dir.path()).unwrap());
    assert_eq!(fs::read(&indexes[0]).unwrap(), before);
}
