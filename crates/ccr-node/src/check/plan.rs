//! Which shards there are to verify: those on disk, and those that cluster state says must be there.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use cluster::{ClusterState, IndexMetadata};
use oplog::IndexUuid;

/// What there is to do for a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Work {
    Verify,
    /// It should be there and is not.
    Missing,
    /// Nothing in it counts, for this reason.
    Skip(&'static str),
}

/// A shard and what there is to do for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Task {
    /// The index's name; its uuid if nobody knows the name.
    pub(super) index: String,
    pub(super) uuid: IndexUuid,
    pub(super) shard: u32,
    pub(super) dir: PathBuf,
    pub(super) is_follower: bool,
    pub(super) work: Work,
}

const RECOVERING: &str = "it is still being copied from its leader";
const NEVER_STARTED: &str = "it was never started, and is created anew";
const DELETED: &str = "its index is deleted, the directory is removed when the node starts";

/// All shards, by index and number.
///
/// # Errors
/// When a directory cannot be listed.
pub(super) fn work(indices: &Path, state: Option<&ClusterState>) -> io::Result<Vec<Task>> {
    let mut found: BTreeSet<(IndexUuid, u32)> = BTreeSet::new();
    for uuid in names::<IndexUuid>(indices)? {
        for shard in names::<u32>(&indices.join(uuid.as_str()))? {
            found.insert((uuid.clone(), shard));
        }
    }
    let expected = state.iter().flat_map(|state| state.indices.values());
    let expected: BTreeSet<_> = expected
        .filter(|index| !index.recovering)
        .flat_map(|index| {
            index
                .in_sync_shards
                .iter()
                .map(|shard| (index.uuid.clone(), *shard))
        })
        .collect();
    let mut tasks: Vec<Task> = found
        .union(&expected)
        .map(|(uuid, shard)| {
            let index = state.and_then(|state| state.index_by_uuid(uuid));
            let work = if found.contains(&(uuid.clone(), *shard)) {
                what_to_do(state, index.map(AsRef::as_ref), uuid, *shard)
            } else {
                Work::Missing
            };
            Task {
                index: index.map_or_else(|| uuid.to_string(), |index| index.name.clone()),
                uuid: uuid.clone(),
                shard: *shard,
                dir: indices.join(uuid.as_str()).join(shard.to_string()),
                is_follower: index.is_some_and(|index| index.is_follower()),
                work,
            }
        })
        .collect();
    tasks.sort_by(|left, right| (&left.index, left.shard).cmp(&(&right.index, right.shard)));
    Ok(tasks)
}

/// What a node would do with the directory when it starts.
fn what_to_do(
    state: Option<&ClusterState>,
    index: Option<&IndexMetadata>,
    uuid: &IndexUuid,
    shard: u32,
) -> Work {
    let is_deleted = |state: &ClusterState| {
        state
            .index_graveyard
            .iter()
            .any(|tombstone| tombstone.uuid == *uuid)
    };
    match index {
        Some(index) if index.recovering => Work::Skip(RECOVERING),
        Some(index) if !index.in_sync_shards.contains(&shard) => Work::Skip(NEVER_STARTED),
        None if state.is_some_and(is_deleted) => Work::Skip(DELETED),
        // Also what cluster state does not know: it may be the only copy of something.
        _ => Work::Verify,
    }
}

/// Names of the directories in `dir` that a node would give to a `T`; none if there is no such directory.
fn names<T: FromStr + Display>(dir: &Path) -> io::Result<Vec<T>> {
    let entries = match std::fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let parsed = name.to_str().and_then(|name| name.parse::<T>().ok());
        // A number can be written in many ways, a node writes it in one.
        if let Some(parsed) = parsed.filter(|parsed| name.to_str() == Some(&parsed.to_string()))
            && entry.file_type()?.is_dir()
        {
            names.push(parsed);
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::Arc;

    use cluster::change::{self, CreateIndexChange};
    use index_meta::{Mapping, Settings};
    use oplog::UnixMillis;

    use super::*;

    /// An index of two shards, the first of which has been started.
    fn with_index(state: &ClusterState, name: &str, recovering: bool) -> (ClusterState, IndexUuid) {
        let uuid = IndexUuid::generate();
        let mut settings = Settings::default();
        settings.insert("index.number_of_shards", "2");
        let create = CreateIndexChange {
            name: name.into(),
            uuid: uuid.clone(),
            settings,
            mapping: Arc::new(Mapping::empty()),
            aliases: Default::default(),
            creation_date: UnixMillis::new(1),
            number_of_routing_shards: None,
            custom: Default::default(),
            recovering,
        };
        let created = change::create_index(state, &create).expect("created");
        let started = change::mark_shards_in_sync(&created, &uuid, &[0]).expect("started");
        (started, uuid)
    }

    #[test]
    fn every_shard_gets_what_a_node_would_do_with_it() {
        let state = ClusterState::new("test", "uuid");
        let (state, orders) = with_index(&state, "orders", false);
        let (state, lost) = with_index(&state, "lost", false);
        let (state, copied) = with_index(&state, "copied", true);
        let (state, deleted) = with_index(&state, "deleted", false);
        let state =
            change::delete_indices(&state, &["deleted".to_owned()], UnixMillis::new(2)).expect("deleted");
        let unknown = IndexUuid::generate();

        let dir = tempfile::tempdir().expect("a temporary directory");
        for (uuid, shard) in [
            (&orders, "0"),
            (&orders, "1"),
            (&orders, "01"),
            (&orders, "scratch"),
            (&copied, "0"),
            (&deleted, "0"),
            (&unknown, "0"),
        ] {
            fs::create_dir_all(dir.path().join(uuid.as_str()).join(shard)).expect("a directory");
        }
        fs::create_dir(dir.path().join("lost+found")).expect("a directory");

        let find = |state: Option<&ClusterState>| {
            let tasks = work(dir.path(), state).expect("listed");
            let short = |task: Task| (task.uuid, task.shard, task.work);
            tasks.into_iter().map(short).collect::<BTreeSet<_>>()
        };
        let expected = [
            (orders.clone(), 0, Work::Verify),
            (orders.clone(), 1, Work::Skip(NEVER_STARTED)),
            (lost, 0, Work::Missing),
            (copied.clone(), 0, Work::Skip(RECOVERING)),
            (deleted.clone(), 0, Work::Skip(DELETED)),
            (unknown.clone(), 0, Work::Verify),
        ];
        assert_eq!(find(Some(&state)), BTreeSet::from(expected));
        let on_disk = [
            (orders.clone(), 0),
            (orders, 1),
            (copied, 0),
            (deleted, 0),
            (unknown, 0),
        ];
        let expected = on_disk.map(|(uuid, shard)| (uuid, shard, Work::Verify));
        assert_eq!(find(None), BTreeSet::from(expected));
    }

    #[test]
    fn a_node_that_never_stored_anything_has_no_shards() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        assert_eq!(work(&dir.path().join("indices"), None).expect("listed"), []);
    }
}
