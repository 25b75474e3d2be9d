//! What a shard holds while nobody uses it: no writer, no searcher, no memory mapping, no room for operations that are gone.

use std::time::Duration;

use serde_json::json;

use super::*;
use crate::ShardError;

fn until(what: &str, mut reached: impl FnMut() -> bool) {
    for _ in 0..400 {
        if reached() {
            return;
        }
        std::thread::sleep(Duration::from_millis(25));
    }
    panic!("{what} did not happen");
}

/// A pool whose views rest soon.
fn restless() -> ViewPoolConfig {
    ViewPoolConfig {
        writer_idle_millis: 50,
        searcher_idle_millis: 50,
        ..small_pool()
    }
}

fn until_at_rest(fixture: &Fixture) {
    until("rest", || {
        !fixture.shard.view.is_searcher_open() && fixture.services.view_pool.open_writers() == 0
    });
}

/// How many memory mappings of files below `dir` the process has, and how many of them are open.
#[cfg(target_os = "linux")]
fn mapped_and_open(dir: &Path) -> (usize, usize) {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let name = dir.to_str().unwrap();
    let mapped = maps.lines().filter(|line| line.contains(name)).count();
    let open = std::fs::read_dir("/proc/self/fd")
        .unwrap()
        .filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok())
        .filter(|path| path.starts_with(dir));
    (mapped, open.count())
}

#[test]
fn a_searcher_that_nobody_reads_with_is_closed_and_opened_again() {
    let fixture = Fixture::with(ShardRole::Primary, restless());
    load(
        &fixture.shard,
        &[json!({"n": 0}), json!({"n": 1}), json!({"n": 2})],
    );
    write_one(&fixture.shard, delete("2"));
    fixture.shard.refresh().wait().unwrap();
    until_at_rest(&fixture);
    let stats = fixture.shard.stats();
    assert_eq!((stats.docs, stats.deleted_docs > 0), (2, true));
    assert!(stats.segments > 0 && stats.store_bytes > stats.log_bytes);
    assert!(!fixture.shard.view.is_searcher_open(), "numbers open nothing");
    until("a search opens one, which is closed soon after", || {
        assert_eq!(search(&fixture.shard, &json!({})).total, Some(2));
        fixture.shard.view.is_searcher_open()
    });
    until_at_rest(&fixture);
    assert!(fixture.shard.get("1").unwrap().is_some());
    until_at_rest(&fixture);
    // The version of what is replaced is in the view only.
    let replaced = write_one(&fixture.shard, index("1", &json!({"n": 3})));
    assert_eq!(replaced.version, DocumentVersion::new(2));
    fixture.shard.refresh().wait().unwrap();
    assert_eq!(search(&fixture.shard, &json!({})).total, Some(2));
}

#[test]
fn a_shard_is_opened_without_a_searcher() {
    let mut fixture = Fixture::primary();
    load(&fixture.shard, &[json!({"n": 0}), json!({"n": 1})]);
    let before = fixture.shard.stats();
    fixture.reopen();
    assert_eq!(fixture.shard.stats().docs, 2);
    assert_eq!(fixture.shard.stats().segments, before.segments);
    assert!(!fixture.shard.view.is_searcher_open());
    assert_eq!(search(&fixture.shard, &json!({})).total, Some(2));
}

#[cfg(target_os = "linux")]
#[test]
fn a_shard_at_rest_has_one_open_file_and_no_memory_mapping() {
    let fixture = Fixture::with(ShardRole::Primary, restless());
    for number in 0..3 {
        load(&fixture.shard, &[json!({"n": number})]);
    }
    until("a search maps files, but not for long", || {
        assert_eq!(search(&fixture.shard, &json!({})).total, Some(1));
        mapped_and_open(fixture.dir.path()).0 > 0
    });
    until_at_rest(&fixture);
    assert_eq!(
        mapped_and_open(fixture.dir.path()),
        (0, 1),
        "the open segment of the log"
    );
}

#[test]
fn a_shard_whose_writer_was_taken_away_keeps_no_room_for_what_is_gone() {
    let services = services(ViewPoolConfig {
        threads: 1,
        max_open_writers: 1,
        ..ViewPoolConfig::default()
    });
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let [first, second] = dirs.each_ref().map(|dir| {
        let config = config(dir.path(), ShardRole::Primary);
        Shard::create(config, HistoryUuid::generate(), services.clone()).unwrap()
    });
    load(&first, &[json!({"n": 0}), json!({"n": 1})]);
    assert!(first.tail.capacity() > 0, "it is in use");
    load(&second, &[json!({"n": 0})]);
    assert_eq!(services.view_pool.open_writers(), 1);
    assert_eq!(first.tail.capacity(), 0);
}

#[test]
fn what_was_committed_is_not_indexed_again_when_its_searcher_cannot_be_opened() {
    let fixture = Fixture::primary();
    load(&fixture.shard, &[json!({"n": 0})]);
    // Tantivy opens segments under this lock. A commit goes without it.
    let lock = fixture.dir.path().join("index/.tantivy-meta.lock");
    let _ = std::fs::remove_file(&lock);
    std::fs::create_dir(&lock).unwrap();
    write_one(&fixture.shard, index("a", &json!({"n": 1})));
    let failures = fixture.shard.view.failures();
    let refreshed = fixture.shard.refresh().wait();
    assert!(
        matches!(refreshed, Ok(()) | Err(ShardError::View { .. })),
        "{refreshed:?}"
    );
    until("the failure", || fixture.shard.view.failures() > failures);
    std::fs::remove_dir(&lock).unwrap();
    write_one(&fixture.shard, index("b", &json!({"n": 2})));
    until("the next commit", || fixture.shard.refresh().wait().is_ok());
    assert_eq!(search(&fixture.shard, &json!({})).total, Some(3));
}
