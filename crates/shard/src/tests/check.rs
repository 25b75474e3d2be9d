//! Verifying the files of a closed copy.

use std::collections::BTreeMap;

use serde_json::json;

use super::small_segments::{flip, small_segments, updates_and_deletes};
use super::*;
use crate::{ForceMergeRequest, ShardCheck, ShardError, Unthrottled, check_dir};

/// Name and content of every file below `dir`.
fn contents(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.append(&mut contents(&path));
        } else {
            files.insert(path.clone(), std::fs::read(&path).unwrap());
        }
    }
    files
}

/// Verifies, and makes sure that nothing was touched.
fn check(fixture: &Fixture) -> ShardCheck {
    let before = contents(fixture.dir.path());
    let check = check_dir(fixture.dir.path()).unwrap();
    assert_eq!(contents(fixture.dir.path()), before, "nothing changes");
    check
}

fn view_dir(fixture: &Fixture) -> PathBuf {
    fixture.dir.path().join("index")
}

#[test]
fn a_good_copy_is_told_as_it_is() {
    let fixture = updates_and_deletes();
    let docs = fixture.shard.stats().docs;
    let summary = fixture.shard.log().live_summary();
    let last = fixture.shard.log().max_seq_no();
    fixture.shard.close().unwrap();
    let found = check(&fixture);
    assert!(!found.is_damaged() && !found.view.is_damaged(), "{found:?}");
    assert_eq!(
        (found.log.live_count, found.log.digest, found.max_seq_no()),
        (summary.live_count, summary.digest, last)
    );
    assert_eq!(found.view.docs, Some(docs));
    assert_eq!(found.view.next_seq_no, last.map(|last| last.get() + 1));
    let bytes: usize = contents(fixture.dir.path()).values().map(Vec::len).sum();
    assert_eq!(found.size_in_bytes(), bytes as u64);
}

#[test]
fn a_view_that_is_behind_or_gone_is_no_damage() {
    let fixture = updates_and_deletes();
    let next = fixture.shard.refreshed_seq_no().map(|last| last.get() + 1);
    write(
        &fixture.shard,
        vec![index("later", &json!({"n": 1})), delete("1")],
    );
    fixture.shard.close().unwrap();
    let found = check(&fixture);
    assert!(!found.is_damaged() && !found.view.is_damaged(), "{found:?}");
    assert_eq!(found.view.next_seq_no, next);
    std::fs::remove_dir_all(view_dir(&fixture)).unwrap();
    let found = check(&fixture);
    assert!(!found.is_damaged() && !found.view.is_damaged(), "{found:?}");
    assert_eq!((found.view.next_seq_no, found.view.docs), (None, None));
}

/// The last operations are dead and gone; the log still ends behind them, and so may the view.
#[test]
fn operations_at_the_end_that_were_compacted_away_are_not_missed() {
    let mut fixture = updates_and_deletes();
    fixture
        .shard
        .update_settings(settings(&json!({"index.soft_deletes.retention.operations": 0})));
    let doomed = |number: u64| format!("doomed-{number}");
    write(
        &fixture.shard,
        (0..80)
            .map(|number| index(&doomed(number), &json!({"n": number})))
            .collect(),
    );
    write(
        &fixture.shard,
        (0..80).map(|number| delete(&doomed(number))).collect(),
    );
    small_segments(&mut fixture);
    // As a crash right after the last segment was sealed leaves it: the next one is there and empty.
    let last = fixture.shard.log().max_seq_no().unwrap();
    fixture.shard.close().unwrap();
    let next = format!("oplog/{:020}.log", last.get() + 1);
    std::fs::write(fixture.dir.path().join(next), b"").unwrap();
    fixture.open();
    fixture
        .shard
        .update_settings(settings(&json!({"index.soft_deletes.retention.operations": 0})));
    let report = fixture
        .shard
        .force_merge(ForceMergeRequest::default(), &Unthrottled)
        .unwrap();
    assert!(report.removed_operations > 0, "{report:?}");
    assert_eq!(fixture.shard.log().max_seq_no(), Some(last));
    fixture.shard.close().unwrap();
    let found = check(&fixture);
    assert!(!found.is_damaged() && !found.view.is_damaged(), "{found:?}");
    assert!(
        found.log.max_seq_no < Some(last),
        "the last ones are gone: {found:?}"
    );
    assert_eq!(found.max_seq_no(), Some(last));
}

/// Every file of the last commit, flipped, cut short and removed.
#[test]
fn damage_to_the_view_is_found_in_every_file_and_is_no_loss() {
    let fixture = updates_and_deletes();
    fixture.shard.close().unwrap();
    let view = view_dir(&fixture);
    type Damage<'a> = (&'a str, &'a dyn Fn(&Path));
    let damage: [Damage<'_>; 3] = [
        ("flipped", &|path| flip(path, 0)),
        ("cut short", &|path| std::fs::write(path, b"cut").unwrap()),
        ("removed", &|path| std::fs::remove_file(path).unwrap()),
    ];
    let mut kinds = std::collections::BTreeSet::new();
    for (path, content) in contents(&view) {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let extension = path
            .extension()
            .map(|extension| extension.to_str().unwrap().to_owned());
        if name.starts_with('.') {
            continue;
        }
        for (how, damage) in &damage {
            damage(&path);
            let found = check(&fixture);
            assert!(found.view.is_damaged(), "{name} {how}");
            assert!(!found.is_damaged(), "{name} {how}: {found:?}");
            if name != "meta.json" {
                let file = found.view.files.iter().find(|file| file.name == name);
                assert!(file.unwrap().problem.is_some(), "{name} {how}: {found:?}");
            }
            std::fs::write(&path, &content).unwrap();
        }
        kinds.extend(extension);
    }
    for kind in ["json", "term", "idx", "pos", "fast", "fieldnorm", "del"] {
        assert!(kinds.contains(kind), "{kind} is not among {kinds:?}");
    }
    assert!(!check(&fixture).view.is_damaged(), "put back");
}

#[test]
fn a_view_of_other_documents_is_found() {
    let (one, other) = (Fixture::primary(), Fixture::primary());
    load(&one.shard, &[json!({}), json!({}), json!({})]);
    write(
        &other.shard,
        vec![index("a", &json!({})), index("b", &json!({})), delete("a")],
    );
    one.shard.close().unwrap();
    other.shard.close().unwrap();
    std::fs::remove_dir_all(view_dir(&other)).unwrap();
    std::fs::rename(view_dir(&one), view_dir(&other)).unwrap();
    let found = check(&other);
    assert!(!found.is_damaged());
    assert_eq!(
        found.view.problems,
        ["it holds 3 documents, but the log has 1 live operations"]
    );
}

/// A disk that loses what it called durable leaves a log that looks whole. The view knows better.
#[test]
fn a_log_that_ends_before_its_view_has_lost_operations() {
    let mut fixture = Fixture::primary();
    load(&fixture.shard, &[json!({}), json!({})]);
    fixture.shard.close().unwrap();
    let log = fixture.dir.path().join("oplog");
    let earlier = contents(&log);
    fixture.open();
    load(&fixture.shard, &[json!({}), json!({}), json!({})]);
    fixture.shard.close().unwrap();
    for (path, content) in earlier {
        std::fs::write(path, content).unwrap();
    }
    let found = check(&fixture);
    assert!(
        !found.log.is_damaged(),
        "the log by itself looks whole: {found:?}"
    );
    let lost = found.lost.map(|lost| (lost.first().get(), lost.last().get()));
    assert_eq!(lost, Some((2, 4)));
    assert!(found.is_damaged() && found.view.is_damaged());
}

#[test]
fn without_a_log_there_is_nothing_to_verify() {
    let dir = tempfile::tempdir().unwrap();
    let missing = check_dir(dir.path()).unwrap_err();
    assert!(
        matches!(missing, ShardError::Log(oplog::LogError::NotFound { .. })),
        "{missing:?}"
    );
}
