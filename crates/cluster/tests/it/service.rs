//! Commits, publication, restarts, and who may open a data directory.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cluster::change::{self, CreateIndexChange, NewPersistentTask};
use cluster::{
    ClusterService, Compare, LocalNode, OpenError, Origin, RedbStore, StateStore, StoreError, Write,
};
use es_exception::Exception;
use index_meta::{AliasMetadata, Mapping, Settings};
use oplog::{IndexUuid, UnixMillis};
use serde_json::json;

pub(crate) fn local_node() -> LocalNode {
    LocalNode {
        id: None,
        name: "node-1".into(),
        cluster_name: "leader".into(),
    }
}

pub(crate) async fn open(directory: &Path) -> Arc<ClusterService> {
    let store = RedbStore::open(directory.join("state.redb")).unwrap();
    ClusterService::open(Arc::new(store), local_node()).await.unwrap()
}

pub(crate) fn index(name: &str) -> CreateIndexChange {
    CreateIndexChange {
        name: name.into(),
        uuid: IndexUuid::generate(),
        settings: Settings::default(),
        mapping: Arc::new(Mapping::empty()),
        aliases: [("all".to_owned(), AliasMetadata::default())].into(),
        creation_date: UnixMillis::new(1),
        number_of_routing_shards: None,
        custom: [(
            "ccr".to_owned(),
            [("leader_index_name".to_owned(), "x".to_owned())].into(),
        )]
        .into(),
        recovering: false,
    }
}

fn task(id: &str) -> NewPersistentTask {
    NewPersistentTask {
        id: id.into(),
        task_name: "follow".into(),
        params: json!({"shard": 3}),
    }
}

#[tokio::test]
async fn a_restart_finds_everything_but_transient_settings() {
    let directory = tempfile::tempdir().unwrap();
    let cluster = open(directory.path()).await;
    let create = index("orders");
    cluster
        .update("create", |state| Ok((change::create_index(state, &create)?, ())))
        .await
        .unwrap();
    let names = ["orders".to_owned()];
    let mapping = json!({"properties": {"age": {"type": "long"}}});
    cluster
        .update("map", |state| {
            Ok((change::put_mapping(state, &names, &mapping, Origin::User)?, ()))
        })
        .await
        .unwrap();
    cluster
        .update("task", |state| {
            Ok((change::put_persistent_task(state, task("t"))?, ()))
        })
        .await
        .unwrap();
    let settings = |value: &str| Settings::from_json(&json!({"action.auto_create_index": value})).unwrap();
    cluster
        .update("settings", |state| {
            Ok((
                change::update_cluster_settings(state, &settings("kept"), &settings("gone"))?,
                (),
            ))
        })
        .await
        .unwrap();
    cluster
        .update("in sync", |state| {
            Ok((change::mark_shards_in_sync(state, &create.uuid, &[0])?, ()))
        })
        .await
        .unwrap();
    let before = cluster.state();
    let node = cluster.local_node_id().clone();
    cluster.shutdown().await;
    drop(cluster);

    let cluster = open(directory.path()).await;
    let after = cluster.state();
    assert_eq!(
        (&after.cluster_uuid, cluster.local_node_id()),
        (&before.cluster_uuid, &node)
    );
    assert!(after.version > before.version, "the transient settings went away");
    let (held, found) = (before.index("orders").unwrap(), after.index("orders").unwrap());
    assert!(held.same_content(found));
    assert_eq!((found.version, found.mapping_version), (held.version, 2));
    assert_eq!(after.persistent_tasks, before.persistent_tasks);
    assert_eq!(
        (
            after.setting("action.auto_create_index"),
            before.setting("action.auto_create_index")
        ),
        (Some("kept"), Some("gone"))
    );
}

#[tokio::test]
async fn nothing_is_committed_when_nothing_changes() {
    let directory = tempfile::tempdir().unwrap();
    let cluster = open(directory.path()).await;
    let before = cluster.state();
    let answer = cluster
        .update("nothing", |state| Ok((state.clone(), 7)))
        .await
        .unwrap();
    assert_eq!((answer, cluster.state().version), (7, before.version));
    let refused = cluster
        .update("refused", |_| {
            Err::<(_, ()), _>(Exception::illegal_argument("no"))
        })
        .await;
    assert!(refused.is_err());
    assert_eq!(cluster.state().version, before.version);
    cluster
        .set_local_addresses(Some("h:1".into()), None)
        .await
        .unwrap();
    let after = cluster.state();
    assert_eq!(
        (after.version, after.metadata_version),
        (before.version + 1, before.metadata_version)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_changes_do_not_lose_each_other_and_are_published_in_order() {
    let directory = tempfile::tempdir().unwrap();
    let cluster = open(directory.path()).await;
    let mut versions = cluster.watch();
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..4 {
        let cluster = Arc::clone(&cluster);
        writers.spawn(async move {
            for number in 0..10 {
                let task = task(&format!("{writer}-{number}"));
                cluster
                    .update("task", |state| {
                        Ok((change::put_persistent_task(state, task.clone())?, ()))
                    })
                    .await
                    .unwrap();
            }
        });
    }
    let mut last = 0;
    while cluster.state().persistent_tasks.len() < 40 {
        versions.changed().await.unwrap();
        let version = versions.borrow_and_update().version;
        assert!(version > last);
        last = version;
    }
    while let Some(writer) = writers.join_next().await {
        writer.unwrap();
    }
    let state = cluster
        .wait_until(|state| state.persistent_tasks.len() == 40)
        .await;
    assert_eq!(state.last_allocation_id, 40);
}

#[tokio::test]
async fn an_update_that_is_dropped_midway_is_finished() {
    let directory = tempfile::tempdir().unwrap();
    let cluster = open(directory.path()).await;
    let update = cluster.update("task", |state| {
        Ok((change::put_persistent_task(state, task("t"))?, ()))
    });
    // Polled once the commit is under way on its own; then nobody waits for it any more.
    let _ = tokio::time::timeout(Duration::ZERO, update).await;
    let changed = cluster.wait_until(|state| state.persistent_tasks.contains_key("t"));
    tokio::time::timeout(Duration::from_secs(10), changed)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_change_by_another_node_is_not_overwritten() {
    let directory = tempfile::tempdir().unwrap();
    let store = Arc::new(RedbStore::open(directory.path().join("state.redb")).unwrap());
    let here = ClusterService::open(Arc::clone(&store) as Arc<dyn StateStore>, local_node())
        .await
        .unwrap();
    let there = ClusterService::open(Arc::clone(&store) as Arc<dyn StateStore>, local_node())
        .await
        .unwrap();
    there
        .update("task", |state| {
            Ok((change::put_persistent_task(state, task("theirs"))?, ()))
        })
        .await
        .unwrap();
    assert!(here.state().persistent_tasks.is_empty());
    here.update("task", |state| {
        Ok((change::put_persistent_task(state, task("ours"))?, ()))
    })
    .await
    .unwrap();
    let state = here.state();
    assert_eq!(
        state.persistent_tasks.keys().collect::<Vec<_>>(),
        ["ours", "theirs"]
    );
    assert_eq!(state.persistent_tasks["ours"].allocation_id, 2);
}

#[tokio::test]
async fn a_state_of_a_newer_format_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    drop(open(directory.path()).await);
    let store = Arc::new(RedbStore::open(directory.path().join("state.redb")).unwrap());
    let header = store.get("cluster").await.unwrap().unwrap();
    let newer =
        String::from_utf8(header.value)
            .unwrap()
            .replacen("\"format\":1", "\"format\":2,\"more\":0", 1);
    let compare = Compare {
        key: "cluster".into(),
        version: Some(header.version),
    };
    let write = Write::Put {
        key: "cluster".into(),
        value: newer.into_bytes(),
    };
    store.transaction(vec![compare], vec![write]).await.unwrap();
    let refused = ClusterService::open(store, local_node()).await.unwrap_err();
    assert!(matches!(refused, OpenError::Record(_)), "{refused:?}");
    assert!(refused.to_string().contains("format 2"), "{refused}");
}

const CHILD: &str = "CLUSTER_TEST_OPEN_DIRECTORY";

/// Runs in a process of its own, see below.
#[test]
fn child_that_opens_a_directory() {
    let Ok(directory) = std::env::var(CHILD) else {
        return;
    };
    match RedbStore::open(Path::new(&directory).join("state.redb")) {
        Err(error @ StoreError::InUse { .. }) => println!("REFUSED {error}"),
        other => println!("OPENED {other:?}"),
    }
}

#[test]
fn another_process_is_refused_with_one_clear_sentence() {
    let directory = tempfile::tempdir().unwrap();
    let store = RedbStore::open(directory.path().join("state.redb")).unwrap();
    let run = || {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        child
            .args(["--exact", "service::child_that_opens_a_directory", "--nocapture"])
            .env(CHILD, directory.path());
        String::from_utf8(child.output().unwrap().stdout).unwrap()
    };
    let output = run();
    assert!(
        output.contains("REFUSED the data directory is in use by another process"),
        "{output}"
    );
    drop(store);
    let output = run();
    assert!(output.contains("OPENED Ok"), "{output}");
}
