//! What ends a copy's service, whoever meets it, and what opening the copy again mends.

use std::fs;

use oplog::{Fault, MemStorage, ReadLimits};
use parking_lot::Mutex;
use serde_json::json;

use super::*;
use crate::{ShardError, ShardFailureKind, WriteError};

/// The document whose operation is damaged, in a sealed segment, and its operation.
const VICTIM: &str = "victim";
const VICTIM_SEQ_NO: u64 = 5;

fn filled() -> Fixture {
    let fixture = Fixture::primary();
    let long = "x".repeat(1_000);
    let writes = (0..30).map(|number| {
        let id = if number == VICTIM_SEQ_NO { VICTIM.to_owned() } else { number.to_string() };
        index(&id, &json!({"n": number, "tag": if number == VICTIM_SEQ_NO { "needle" } else { "hay" }, "title": long}))
    });
    write(&fixture.shard, writes.collect());
    fixture
}

/// Flips one byte of the document `tag: needle` in the log. Answers the name of the file.
fn damage_log(dir: &Path) -> String {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir.join("oplog")).unwrap().flatten() {
        let path = entry.path();
        let mut bytes = fs::read(&path).unwrap();
        let needle = b"\"needle\"";
        let place = bytes.windows(needle.len()).position(|window| window == needle);
        if let (Some(place), Some("log")) = (place, path.extension().and_then(|kind| kind.to_str())) {
            bytes[place + 2] ^= 1;
            // In place, as damage happens: whoever has the file open must see it.
            use std::os::unix::fs::FileExt;
            let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
            file.write_all_at(&bytes, 0).unwrap();
            found.push(entry.file_name().into_string().unwrap());
        }
    }
    assert_eq!(found.len(), 1);
    found.remove(0)
}

fn assert_corrupt(error: &ShardError, file: &str) {
    let ShardError::Failed(failure) = error else {
        panic!("{error:?}");
    };
    assert_eq!(failure.kind, ShardFailureKind::Corruption);
    for part in [file, "offset", &format!("seq_no {VICTIM_SEQ_NO}")] {
        assert!(failure.reason.contains(part), "{part}: {failure}");
    }
}

type Read = fn(&Shard) -> Result<(), ShardError>;

fn read_snapshot(shard: &Shard) -> Result<(), ShardError> {
    let snapshot = shard.pin_snapshot()?;
    for file in snapshot.files() {
        snapshot.read_at(&file.name, 0, 1)?;
    }
    Ok(())
}

fn read_changes(shard: &Shard) -> Result<(), ShardError> {
    let all = |limit| shard.read_changes(SeqNo::ZERO, SeqNo::new(limit), ReadLimits::NONE);
    all(VICTIM_SEQ_NO - 1)?;
    all(VICTIM_SEQ_NO).map(|_| ())
}

fn write_over(shard: &Shard) -> Result<(), ShardError> {
    // Whose document it is must be told apart by its primary term, which only the operation knows.
    let batch = shard.write(vec![create(VICTIM, &json!({}))])?;
    assert!(matches!(batch.items[0], Err(WriteError::DocumentExists { .. })));
    Ok(())
}

fn fetch(shard: &Shard) -> Result<(), ShardError> {
    let request = SearchRequest::from_json(&json!({"query": {"term": {"tag": "needle"}}})).unwrap();
    let hits = shard.search(&request).unwrap().hits;
    assert_eq!(hits.len(), 1);
    let refused = match shard.fetch(&hits, &request) {
        Ok(_) => return Ok(()),
        Err(refused) => refused,
    };
    assert_eq!(refused.kind().type_name(), "no_shard_available_action_exception");
    assert_eq!(
        refused.caused_by().map(|cause| cause.kind().type_name()),
        Some("corrupt_index_exception")
    );
    shard.check_open()
}

#[test]
fn whoever_reads_a_damaged_operation_ends_the_service_for_good() {
    let reads: [(&str, Read); 8] = [
        ("get", |shard| shard.get(VICTIM).map(|_| ())),
        ("get_refreshed", |shard| shard.get_refreshed(VICTIM).map(|_| ())),
        ("fetch", fetch),
        ("read_changes", read_changes),
        ("scan", |shard| shard.scan(None, 100).map(|_| ())),
        ("snapshot", read_snapshot),
        ("write", write_over),
        ("verify_log", Shard::verify_log),
    ];
    for (what, read) in reads {
        let fixture = filled();
        fixture.shard.refresh().wait().unwrap();
        read(&fixture.shard).unwrap();
        let told: Arc<Mutex<Vec<String>>> = Arc::default();
        let ear = Arc::clone(&told);
        fixture
            .shard
            .on_failure(move |failure| ear.lock().push(failure.reason.clone()));
        let file = damage_log(fixture.dir.path());

        assert_corrupt(&read(&fixture.shard).expect_err(what), &file);
        let reason = fixture.shard.failure().expect(what).reason.clone();
        assert_eq!(*told.lock(), std::slice::from_ref(&reason), "{what}");
        // Nothing is served any more, intact or not.
        assert_corrupt(&fixture.shard.get("1").expect_err(what), &file);
        assert_corrupt(
            &fixture.shard.write(vec![index("1", &json!({}))]).expect_err(what),
            &file,
        );
        let changes = fixture
            .shard
            .read_changes(SeqNo::ZERO, SeqNo::ZERO, ReadLimits::NONE);
        assert_corrupt(&changes.expect_err(what), &file);
        assert!(fixture.shard.search(&SearchRequest::default()).is_err(), "{what}");
        assert!(fixture.shard.pin_snapshot().is_err(), "{what}");

        // Opening scans no sealed segment: the copy would serve, if it had not been remembered.
        fixture.shard.close().unwrap();
        let again = Shard::open(
            config(fixture.dir.path(), ShardRole::Primary),
            fixture.services.clone(),
        );
        let again = again.expect_err(what);
        assert_corrupt(&again, &file);
        assert!(again.to_string().contains(&reason), "{what}: {again}");
    }
}

#[test]
fn the_view_s_own_reading_ends_the_service_and_the_waits() {
    let fixture = filled();
    // Written, and not indexed yet.
    let file = damage_log(fixture.dir.path());
    assert_corrupt(&fixture.shard.refresh().wait().unwrap_err(), &file);
    assert_corrupt(&fixture.shard.get("1").unwrap_err(), &file);
}

#[test]
fn a_damaged_copy_is_not_installed() {
    let fixture = filled();
    let snapshot = fixture.shard.pin_snapshot().unwrap();
    let dir = tempfile::tempdir().unwrap();
    for file in snapshot.files() {
        let path = dir.path().join(&file.name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let length = usize::try_from(file.length).unwrap();
        fs::write(path, snapshot.read_at(&file.name, 0, length).unwrap()).unwrap();
    }
    let file = damage_log(dir.path());
    let installed = Shard::install(
        config(dir.path(), ShardRole::Follower),
        HistoryUuid::generate(),
        snapshot.checkpoint(),
        fixture.services.clone(),
    );
    assert_corrupt(&installed.unwrap_err(), &file);
}

#[test]
fn a_log_that_cannot_be_written_ends_the_service_until_it_is_opened_again() {
    let storage = MemStorage::new();
    let dir = tempfile::tempdir().unwrap();
    let services = ShardServices {
        storage: Arc::new(storage.clone()),
        ..services(small_pool())
    };
    let shard = Shard::create(
        config(dir.path(), ShardRole::Primary),
        HistoryUuid::generate(),
        services.clone(),
    )
    .unwrap();
    write_one(&shard, index("a", &json!({})));
    storage.inject(storage.changes() + 1, Fault::Fail);
    let ticket = shard.write(vec![index("b", &json!({}))]).unwrap().ticket.unwrap();
    ticket.wait().unwrap_err();
    let refused = shard.write(vec![index("c", &json!({}))]).unwrap_err();
    assert!(
        matches!(&refused, ShardError::Failed(failure) if failure.kind == ShardFailureKind::Storage),
        "{refused:?}"
    );
    assert!(refused.is_retryable());
    let _ = shard.close();
    let shard = Shard::open(config(dir.path(), ShardRole::Primary), services).unwrap();
    assert!(shard.get("a").unwrap().is_some());
}

#[test]
fn damage_to_a_view_in_use_is_found_and_mended_by_opening_again() {
    let mut fixture = filled();
    fixture.shard.refresh().wait().unwrap();
    fixture.shard.verify_view().unwrap();
    let view = fixture.dir.path().join("index");
    let is_terms = |path: &PathBuf| path.extension().is_some_and(|kind| kind == "term");
    let entries = fs::read_dir(&view).unwrap().flatten().map(|entry| entry.path());
    let path = entries.into_iter().find(is_terms).unwrap();
    use std::os::unix::fs::FileExt;
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.write_all_at(b"damaged", 3).unwrap();

    let found = fixture.shard.verify_view().unwrap_err().to_string();
    assert!(
        found.contains(path.file_name().unwrap().to_str().unwrap()),
        "{found}"
    );
    fixture.shard.rebuild_view(&found);
    let failure = fixture.shard.failure().unwrap();
    assert_eq!(failure.kind, ShardFailureKind::View);
    assert!(fixture.shard.get("1").is_err() && fixture.shard.search(&SearchRequest::default()).is_err());
    fixture.reopen();
    fixture.shard.verify_view().unwrap();
    assert_eq!(
        ids(&fixture.shard, &json!({"query": {"term": {"tag": "needle"}}})),
        [VICTIM]
    );
}

#[test]
fn a_panic_of_the_search_library_ends_one_search_and_has_the_view_rebuilt_once() {
    let mut fixture = filled();
    fixture.shard.refresh().wait().unwrap();
    let search_panics = |shard: &Shard| -> ShardError {
        shard
            .view
            .read(|| -> tantivy::Result<()> { panic!("index out of bounds") })
            .unwrap_err()
    };
    let first = search_panics(&fixture.shard);
    assert!(
        matches!(&first, ShardError::Failed(failure) if failure.kind == ShardFailureKind::View
            && failure.reason.contains("index out of bounds")),
        "{first:?}"
    );
    assert!(!fixture.dir.path().join("index/meta.json").exists());
    fixture.reopen();
    assert_eq!(search(&fixture.shard, &json!({})).total, Some(30));
    // An intact view that was rebuilt already is not to blame.
    assert!(matches!(search_panics(&fixture.shard), ShardError::View { .. }));
    assert_eq!(search(&fixture.shard, &json!({})).total, Some(30));
}

#[test]
fn a_search_that_fails_on_a_damaged_file_has_the_view_rebuilt_and_a_bad_request_does_not() {
    let mut fixture = filled();
    fixture.shard.refresh().wait().unwrap();
    let bad = fixture
        .shard
        .view
        .read(|| -> tantivy::Result<()> { Err(tantivy::TantivyError::InvalidArgument("bad".into())) });
    assert!(matches!(bad, Err(ShardError::View { .. })));
    let io = || std::io::Error::other("medium error");
    let intact = fixture
        .shard
        .view
        .read(|| -> tantivy::Result<()> { Err(io().into()) });
    assert!(
        matches!(intact, Err(ShardError::View { .. })),
        "nothing is damaged"
    );
    for entry in fs::read_dir(fixture.dir.path().join("index")).unwrap().flatten() {
        if entry
            .path()
            .extension()
            .is_some_and(|kind| kind == "store" || kind == "fast")
        {
            fs::remove_file(entry.path()).unwrap();
        }
    }
    let damaged = fixture
        .shard
        .view
        .read(|| -> tantivy::Result<()> { Err(io().into()) });
    assert!(matches!(damaged, Err(ShardError::Failed(_))), "{damaged:?}");
    fixture.reopen();
    assert_eq!(search(&fixture.shard, &json!({})).total, Some(30));
}
