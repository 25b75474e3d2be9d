//! Every byte of a small log, damaged or cut off.

use std::path::Path;

use super::{Fixture, active_segment, dir, frame, new_document, read_all, small_segments};
use crate::segment::{HEADER_LENGTH, MARKER_LENGTH, MARKER_MAGIC};
use crate::{Durability, Frame, LogError, LogOptions, MemStorage, OperationKind, SeqNo, Storage as _};

/// What a reader gets from damaged storage: everything it can ask for, or an error.
fn outcome(fixture: &Fixture, storage: &MemStorage) -> Result<(Vec<Frame>, crate::LiveSummary), String> {
    let log = fixture.open_in(storage).map_err(|error| error.to_string())?;
    let frames = read_all(&log).map_err(|error| error.to_string())?;
    let summary = log.live_summary();
    assert_eq!(log.recompute_live_summary().unwrap(), summary, "OL-5");
    log.retention_leases();
    Ok((frames, summary))
}

/// Three batches, each synced, so that two markers lie between them; the checkpoint file knows of none.
fn three_synced_batches(fixture: &Fixture) -> Vec<Frame> {
    let log = fixture.create();
    let frames: Vec<Frame> = (0..6).map(new_document).collect();
    for batch in frames.chunks(2) {
        log.append(batch.to_vec(), Durability::Request)
            .unwrap()
            .wait()
            .unwrap();
    }
    frames
}

#[test]
fn a_flipped_byte_is_an_error_when_a_later_marker_proves_that_it_was_durable() {
    let fixture = Fixture::new(LogOptions::default());
    let frames = three_synced_batches(&fixture);
    let path = active_segment(&fixture.storage);
    let content = fixture.storage.content(&path).unwrap();
    let is_marker = |place: &usize| content[*place..].starts_with(MARKER_MAGIC);
    let markers: Vec<usize> = (0..content.len()).filter(is_marker).collect();
    assert_eq!(markers.len(), 2);
    let last_marker = markers[1];
    for byte in 0..content.len() {
        let storage = fixture.storage.fork();
        let mut damaged = content.clone();
        damaged[byte] ^= 0x10;
        storage.damage(&path, damaged);
        let opened = fixture.open_in(&storage);
        if byte < last_marker {
            let Err(LogError::Corrupt {
                file, offset, seq_no, ..
            }) = opened
            else {
                panic!("byte {byte} was accepted")
            };
            assert_eq!(file, path);
            assert!(offset as usize <= byte && byte < offset as usize + frames[0].len().max(HEADER_LENGTH));
            assert!(seq_no.is_some());
        } else {
            // Nothing in the files tells this from a write that was never synced.
            let kept = if byte < last_marker + MARKER_LENGTH + frames[4].len() {
                4
            } else {
                5
            };
            assert_eq!(read_all(&opened.unwrap()).unwrap(), frames[..kept], "byte {byte}");
        }
    }
}

#[test]
fn a_flipped_byte_is_an_error_when_the_checkpoint_covers_it() {
    let fixture = Fixture::new(LogOptions::default());
    three_synced_batches(&fixture);
    fixture.open().unwrap().close().unwrap();
    let path = active_segment(&fixture.storage);
    let content = fixture.storage.content(&path).unwrap();
    for byte in 0..content.len() {
        let storage = fixture.storage.fork();
        let mut damaged = content.clone();
        damaged[byte] ^= 0x10;
        storage.damage(&path, damaged);
        assert!(
            matches!(fixture.open_in(&storage), Err(LogError::Corrupt { .. })),
            "byte {byte}"
        );
        let storage = fixture.storage.fork();
        storage.damage(&path, content[..byte].to_vec());
        assert!(
            matches!(fixture.open_in(&storage), Err(LogError::Corrupt { .. })),
            "cut at {byte}"
        );
    }
}

#[test]
fn a_file_cut_anywhere_past_the_checkpoint_keeps_the_operations_before_the_cut() {
    let fixture = Fixture::new(LogOptions::default());
    let frames = three_synced_batches(&fixture);
    let path = active_segment(&fixture.storage);
    let content = fixture.storage.content(&path).unwrap();
    let end_of = |frame: &Frame| {
        let bytes = frame.bytes();
        content
            .windows(bytes.len())
            .position(|window| window == bytes)
            .unwrap()
            + bytes.len()
    };
    for length in HEADER_LENGTH..content.len() {
        let storage = fixture.storage.fork();
        storage.damage(&path, content[..length].to_vec());
        let expected: Vec<_> = frames
            .iter()
            .filter(|frame| end_of(frame) <= length)
            .cloned()
            .collect();
        let log = fixture.open_in(&storage).unwrap();
        assert_eq!(read_all(&log).unwrap(), expected, "cut at {length}");
        // What was cut can be written again, and survives.
        let next = new_document(expected.len() as u64);
        log.append(vec![next], Durability::Request)
            .unwrap()
            .wait()
            .unwrap();
        drop(log);
        assert_eq!(
            read_all(&fixture.open_in(&storage).unwrap()).unwrap().len(),
            expected.len() + 1
        );
    }
}

/// Several segments, updates and deletes, a lease, cleanly closed.
fn closed_log(fixture: &Fixture) {
    let log = fixture.create();
    for seq_no in 0..20 {
        let superseded = (seq_no >= 10).then(|| seq_no - 10);
        let kind = if seq_no % 7 == 6 {
            OperationKind::Delete
        } else {
            OperationKind::Index
        };
        let superseded = superseded.filter(|old| log.is_live(SeqNo::new(*old)));
        log.append(
            vec![frame(seq_no, kind, &format!("d{}", seq_no % 10), superseded, 1)],
            Durability::Request,
        )
        .unwrap()
        .wait()
        .unwrap();
    }
    log.add_retention_lease("lease".parse().unwrap(), Some(SeqNo::new(3)), "ccr")
        .unwrap();
    assert!(log.segment_count() > 3);
    log.close().unwrap();
}

#[test]
fn damage_to_any_byte_of_any_file_is_an_error_or_changes_nothing() {
    let fixture = Fixture::new(small_segments());
    closed_log(&fixture);
    let expected = outcome(&fixture, &fixture.storage.fork()).unwrap();
    let mut harmless = 0;
    for name in fixture.storage.list(&dir()).unwrap() {
        let path = dir().join(&name);
        let content = fixture.storage.content(&path).unwrap();
        // Index blocks are mostly padding: a sample of it is enough.
        let places =
            (0..content.len()).filter(|byte| !name.ends_with(".idx") || *byte < 200 || byte % 61 == 0);
        for byte in places.chain(name.ends_with(".idx").then_some(content.len() - 1)) {
            let storage = fixture.storage.fork();
            let mut damaged = content.clone();
            damaged[byte] ^= 0x10;
            storage.damage(&path, damaged);
            if let Ok(got) = outcome(&fixture, &storage) {
                assert_eq!(got, expected, "{name} byte {byte}");
                harmless += 1;
                let derived = name.ends_with(".idx") || name == "live" || name == "leases";
                // Markers serve recovery alone, and sealed segments are not recovered.
                let markers = content
                    .windows(MARKER_MAGIC.len())
                    .enumerate()
                    .filter(|(_, bytes)| bytes == MARKER_MAGIC);
                let mut places = markers.map(|(place, _)| place..place + MARKER_LENGTH);
                let unused_marker = places.any(|place| place.contains(&byte));
                assert!(derived || unused_marker, "{name} byte {byte} went unnoticed");
            } else {
                let repaired = name.ends_with(".idx") || name == "live";
                assert!(!repaired, "{name} byte {byte}: derived files are repaired");
            }
        }
    }
    assert!(harmless > 0, "damage to derived files is repaired");
}

#[test]
fn a_missing_index_is_built_again_and_a_missing_segment_is_an_error() {
    let fixture = Fixture::new(small_segments());
    closed_log(&fixture);
    let expected = outcome(&fixture, &fixture.storage.fork()).unwrap();
    for name in fixture.storage.list(&dir()).unwrap() {
        let storage = fixture.storage.fork();
        storage.remove(&dir().join(&name)).unwrap();
        match outcome(&fixture, &storage) {
            Ok(got) => {
                assert_eq!(got, expected);
                assert!(
                    name.ends_with(".idx") || name == "live" || name == "leases",
                    "{name}"
                );
            }
            Err(_) => assert!(name.ends_with(".log") || name == "checkpoint", "{name}"),
        }
        if name.ends_with(".idx") {
            assert!(
                storage.exists(Path::new(&dir().join(&name))).unwrap(),
                "the index is stored again"
            );
        }
    }
}

/// Compaction leaves a segment that stands for what it removed, so a missing first one never passes for compacted.
#[test]
fn a_log_without_its_first_segment_is_corrupt_whatever_may_be_gone() {
    let fixture = Fixture::new(small_segments());
    closed_log(&fixture);
    let log = fixture.open().unwrap();
    log.remove_retention_lease(&"lease".parse().unwrap()).unwrap();
    let all = log.max_seq_no();
    let min_retained = log.advance_min_retained(crate::RetentionBound {
        global_checkpoint: all,
        retention_operations: 0,
        safe_commit: all,
    });
    log.close().unwrap();
    assert_eq!(min_retained, SeqNo::new(20));
    let storage = fixture.storage.fork();
    storage.remove(&dir().join("00000000000000000000.log")).unwrap();
    let Err(LogError::Corrupt { file, .. }) = fixture.open_in(&storage) else {
        panic!("the log opened without its beginning")
    };
    assert!(file.ends_with("00000000000000000000.log"), "{file:?}");
}
