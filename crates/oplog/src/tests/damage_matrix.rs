//! Every kind of damage to every file of a log that was compacted: what comes out is right, or an error, and `check` tells.

use std::collections::BTreeMap;

use super::{AllPassed, Fixture, dir, frame, read_held, small_segments};
use crate::segment::{MARKER_LENGTH, MARKER_MAGIC};
use crate::{
    ByteCount, CompactionGoal, Durability, Frame, LiveSummary, LogOptions, MemStorage, OperationKind,
    Problem, RetentionBound, Scrubber, SeqNo, Storage as _, check,
};

/// Block segments with holes and without, plain ones with their indices, an open one, a lease; cleanly closed.
fn compacted_log(fixture: &Fixture) {
    let log = fixture.create();
    let write = |range: std::ops::Range<u64>| {
        for seq_no in range {
            let kind = if seq_no % 9 == 8 {
                OperationKind::Delete
            } else {
                OperationKind::Index
            };
            // Every third document is new and stays, the others replace each other.
            let id = if seq_no % 3 == 0 {
                format!("new-{seq_no}")
            } else {
                format!("d{}", seq_no % 4)
            };
            let superseded = log
                .live_set()
                .iter()
                .find(|live| log.get(*live).unwrap().is_some_and(|frame| frame.id() == id));
            let frame = frame(seq_no, kind, &id, superseded.map(SeqNo::get), 1 + seq_no / 20);
            log.append(vec![frame], Durability::Request)
                .unwrap()
                .wait()
                .unwrap();
        }
    };
    write(0..40);
    log.add_retention_lease("lease".parse().unwrap(), Some(SeqNo::new(25)), "ccr")
        .unwrap();
    let min_retained = log.advance_min_retained(RetentionBound {
        global_checkpoint: log.max_seq_no(),
        retention_operations: 0,
        safe_commit: log.max_seq_no(),
    });
    assert_eq!(min_retained, SeqNo::new(25), "the lease holds it");
    let report = log.compact(CompactionGoal::All, &AllPassed).unwrap();
    assert!(
        report.removed_operations > 5 && report.segments_after > 1,
        "{report:?}"
    );
    write(40..65);
    log.close().unwrap();
}

/// All that a reader can ask for, verified in every way the log offers.
type Content = (BTreeMap<u64, Frame>, LiveSummary, usize);

fn content(fixture: &Fixture, storage: &MemStorage, what: &str) -> Result<Content, String> {
    let log = fixture.open_in(storage).map_err(|error| error.to_string())?;
    let held = read_held(&log).map_err(|error| error.to_string())?;
    let summary = log.live_summary();
    assert_eq!(log.recompute_live_summary().unwrap(), summary, "OL-5: {what}");
    let mut scrubber = Scrubber::new();
    while !scrubber.step(&log, ByteCount::new(700)).unwrap().done {}
    Ok((held, summary, log.retention_leases().leases.len()))
}

/// Places in a file that nothing reads after recovery, or whose content is not under any checksum because it does not matter.
fn is_unused(name: &str, content: &[u8], byte: usize) -> bool {
    let markers = content.windows(MARKER_MAGIC.len()).enumerate();
    let in_marker = markers
        .filter(|(_, bytes)| bytes == MARKER_MAGIC)
        .any(|(place, _)| (place..place + MARKER_LENGTH).contains(&byte));
    name == "leases" || in_marker
}

struct Matrix {
    fixture: Fixture,
    names: Vec<String>,
    expected: Content,
    refused: usize,
    repaired: usize,
}

impl Matrix {
    fn new(options: LogOptions) -> Self {
        let fixture = Fixture::new(options);
        compacted_log(&fixture);
        let expected = content(&fixture, &fixture.storage.fork(), "undamaged").unwrap();
        let report = check(&fixture.storage, &dir()).unwrap();
        assert!(
            report.files.iter().all(|file| file.problems.is_empty()),
            "{report:?}"
        );
        assert_eq!(report.digest, expected.1.digest);
        assert_eq!(report.operations, expected.0.len() as u64);
        Self {
            names: fixture.storage.list(&dir()).unwrap(),
            fixture,
            expected,
            refused: 0,
            repaired: 0,
        }
    }

    fn read(&self, name: &str) -> Vec<u8> {
        self.fixture.storage.content(&dir().join(name)).unwrap()
    }

    /// Whether `change`, made to a copy, is noticed or harmless, and told by `check`. Damage that `unnoticed` allows may only be seen by `check`.
    fn try_damage(&mut self, what: &str, change: impl Fn(&MemStorage)) {
        let storage = self.fixture.storage.fork();
        change(&storage);
        let report = check(&storage, &dir()).map_err(|error| error.to_string());
        let damaged = report.as_ref().map_or(true, crate::CheckReport::is_damaged);
        match content(&self.fixture, &storage, what) {
            Ok(content) => {
                assert_eq!(content.0, self.expected.0, "{what}: other operations came out");
                assert_eq!(content.1, self.expected.1, "{what}");
                self.repaired += 1;
                let report = report.unwrap();
                let noted = report.files.iter().any(|file| !file.problems.is_empty());
                let leases = report.retention_leases.map_or(0, |leases| leases.leases.len());
                // A log without leases has no file of them, so the loss of the file cannot be told.
                let lost_leases = what == "leases removed";
                assert!(noted || lost_leases || leases == self.expected.2, "{what}");
            }
            Err(error) => {
                self.refused += 1;
                assert!(damaged, "{what}: check found nothing, but: {error}");
                let named =
                    self.names.iter().any(|name| error.contains(name.as_str())) || error.contains("oplog");
                assert!(named, "{what}: the error names no file: {error}");
            }
        }
    }
}

#[test]
fn flipped_bytes() {
    let mut matrix = Matrix::new(small_segments());
    for name in matrix.names.clone() {
        let original = matrix.read(&name);
        for byte in
            (0..original.len()).filter(|byte| *byte < 160 || byte % 37 == 0 || *byte + 100 > original.len())
        {
            let mut content = original.clone();
            content[byte] ^= 0x20;
            let path = dir().join(&name);
            let unused = is_unused(&name, &original, byte);
            let refused = matrix.refused;
            matrix.try_damage(&format!("{name} byte {byte}"), |storage| {
                storage.damage(&path, content.clone())
            });
            let derived = name == "live" || name.ends_with(".idx");
            let header = original.get(10) == Some(&1);
            assert!(
                matrix.refused > refused || derived || unused || header,
                "{name} byte {byte} went unnoticed"
            );
        }
    }
    assert!(matrix.refused > 500 && matrix.repaired > 100);
}

#[test]
fn truncated_files() {
    let mut matrix = Matrix::new(small_segments());
    for name in matrix.names.clone() {
        let original = matrix.read(&name);
        for length in (0..original.len()).filter(|length| *length < 200 || length % 41 == 0) {
            let path = dir().join(&name);
            let content = original[..length].to_vec();
            matrix.try_damage(&format!("{name} cut to {length}"), |storage| {
                storage.damage(&path, content.clone());
            });
        }
    }
    assert!(matrix.refused > 100 && matrix.repaired > 100);
}

#[test]
fn zeroed_and_repeated_ranges() {
    let mut matrix = Matrix::new(small_segments());
    for name in matrix.names.clone() {
        let original = matrix.read(&name);
        let path = dir().join(&name);
        for start in (0..original.len()).step_by(71) {
            let end = (start + 64).min(original.len());
            let mut zeroed = original.clone();
            zeroed[start..end].fill(0);
            matrix.try_damage(&format!("{name} zeroed from {start}"), |storage| {
                storage.damage(&path, zeroed.clone());
            });
            let mut repeated = original.clone();
            repeated.splice(end..end, original[start..end].to_vec());
            matrix.try_damage(&format!("{name} repeated from {start}"), |storage| {
                storage.damage(&path, repeated.clone());
            });
        }
    }
    assert!(matrix.refused > 100 && matrix.repaired > 100);
}

#[test]
fn swapped_duplicated_and_missing_files() {
    let mut matrix = Matrix::new(small_segments());
    let names = matrix.names.clone();
    for left in &names {
        let left_path = dir().join(left);
        matrix.try_damage(&format!("{left} removed"), |storage| {
            storage.remove(&left_path).unwrap()
        });
        for right in names.iter().filter(|right| *right != left) {
            let right_path = dir().join(right);
            let (left_content, right_content) = (matrix.read(left), matrix.read(right));
            matrix.try_damage(&format!("{left} over {right}"), |storage| {
                storage.damage(&right_path, left_content.clone());
            });
            matrix.try_damage(&format!("{left} swapped with {right}"), |storage| {
                storage.damage(&left_path, right_content.clone());
                storage.damage(&right_path, left_content.clone());
            });
        }
    }
    assert!(matrix.refused > 50 && matrix.repaired > 10);
}

#[test]
fn check_tells_a_torn_tail_from_damage_and_names_what_is_rebuilt() {
    let matrix = Matrix::new(small_segments());
    let open = matrix.names.iter().rfind(|name| name.ends_with(".log")).unwrap();
    let path = dir().join(open);
    let mut content = matrix.read(open);
    let length = content.len() as u64;
    content.extend_from_slice(&[7; 50]);
    matrix.fixture.storage.damage(&path, content);
    let index = matrix.names.iter().find(|name| name.ends_with(".idx")).unwrap();
    matrix.fixture.storage.remove(&dir().join(index)).unwrap();
    let report = check(&matrix.fixture.storage, &dir()).unwrap();
    assert!(!report.is_damaged());
    let of = |name: &String| {
        report
            .files
            .iter()
            .find(|file| file.name == *name)
            .unwrap()
            .problems
            .clone()
    };
    assert_eq!(
        of(open),
        [Problem::TornTail {
            offset: length,
            bytes: 50
        }]
    );
    assert!(
        matches!(of(index)[..], [Problem::Rebuilt { .. }]),
        "{:?}",
        of(index)
    );
}
