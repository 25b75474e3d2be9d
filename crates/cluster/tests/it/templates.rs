//! Templates in the store: what a restart finds, racing changes, and directories from before there were templates.

use std::sync::Arc;

use cluster::change::{self, NewIndexChange};
use cluster::{ClusterService, OpenError, RedbStore, StateStore, Write};
use index_meta::{ComponentTemplate, IndexTemplate, LegacyTemplate, Mapping, Settings};
use oplog::{IndexUuid, UnixMillis};
use serde_json::{Value, json};

use crate::service::{local_node, open};

fn component() -> ComponentTemplate {
    let json = json!({
        "template": {"settings": {"number_of_shards": 2, "refresh_interval": null}, "aliases": {"all": {"routing": "r"}}},
        "version": 3, "_meta": {"by": "me"}
    });
    ComponentTemplate::from_json(&json).unwrap()
}

fn template(patterns: &[&str]) -> IndexTemplate {
    let json = json!({
        "index_patterns": patterns,
        "template": {"mappings": {"properties": {"a.b": {"type": "long"}}}},
        "composed_of": ["shards", "perhaps"], "ignore_missing_component_templates": ["perhaps"],
        "priority": 5, "version": 7, "_meta": {}, "allow_auto_create": false
    });
    IndexTemplate::from_json(&json).unwrap()
}

fn legacy() -> LegacyTemplate {
    let json = json!({"index_patterns": ["old-*"], "order": -2, "settings": {"number_of_shards": 2}, "aliases": {"{index}-all": {}}});
    LegacyTemplate::from_json(&json).unwrap()
}

async fn put(cluster: &ClusterService) {
    cluster
        .update("component", |state| {
            Ok((
                change::put_component_template(state, "shards", &component(), true)?,
                (),
            ))
        })
        .await
        .unwrap();
    cluster
        .update("template", |state| {
            Ok((
                change::put_index_template(state, "logs", &template(&["logs-*"]), true)?,
                (),
            ))
        })
        .await
        .unwrap();
    cluster
        .update("legacy", |state| {
            Ok((change::put_legacy_template(state, "old", &legacy(), true)?, ()))
        })
        .await
        .unwrap();
}

#[tokio::test]
async fn a_restart_finds_templates_and_what_was_removed_stays_away() {
    let directory = tempfile::tempdir().unwrap();
    let cluster = open(directory.path()).await;
    let before = cluster.state();
    put(&cluster).await;
    let after = cluster.state();
    assert_eq!(after.metadata_version, before.metadata_version + 3);
    put_again(&cluster).await;
    assert_eq!(cluster.state().version, after.version, "nothing changed");
    cluster.shutdown().await;
    drop(cluster);

    let cluster = open(directory.path()).await;
    let found = cluster.state();
    assert_eq!(found.templates, after.templates);
    assert_eq!(*found.templates.component_templates()["shards"], component());
    assert_eq!(*found.templates.index_templates()["logs"], template(&["logs-*"]));
    assert_eq!(*found.templates.legacy_templates()["old"], legacy());
    cluster
        .update("remove", |state| {
            Ok((change::remove_index_templates(state, &["*"])?, ()))
        })
        .await
        .unwrap();
    cluster
        .update("remove", |state| {
            Ok((change::remove_legacy_templates(state, "o*")?, ()))
        })
        .await
        .unwrap();
    cluster.shutdown().await;
    drop(cluster);
    let cluster = open(directory.path()).await;
    let templates = &cluster.state().templates;
    assert_eq!(
        (
            templates.index_templates().len(),
            templates.legacy_templates().len(),
            templates.component_templates().len()
        ),
        (0, 0, 1)
    );
}

async fn put_again(cluster: &ClusterService) {
    cluster
        .update("template", |state| {
            Ok((
                change::put_index_template(state, "logs", &template(&["logs-*"]), false)?,
                (),
            ))
        })
        .await
        .unwrap();
}

/// Each change is made of the state that it replaces: an index that is created while its template changes has all of the one or of the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_index_is_made_of_the_templates_of_the_state_that_it_enters() {
    let directory = tempfile::tempdir().unwrap();
    let store = Arc::new(RedbStore::open(directory.path().join("state.redb")).unwrap());
    let open = || ClusterService::open(Arc::clone(&store) as Arc<dyn StateStore>, local_node());
    let (here, there) = (open().await.unwrap(), open().await.unwrap());
    put(&there).await;
    assert!(
        here.state().templates.index_templates().is_empty(),
        "it has not seen them yet"
    );
    let new = NewIndexChange {
        name: "logs-1".into(),
        uuid: IndexUuid::generate(),
        settings: Settings::default(),
        mappings: None,
        mapping: Arc::new(Mapping::empty()),
        aliases: [].into(),
        creation_date: UnixMillis::new(1),
    };
    here.update("create", |state| {
        Ok((change::create_index_by_templates(state, &new)?, ()))
    })
    .await
    .unwrap();
    let state = here.state();
    let index = state.index("logs-1").unwrap();
    assert_eq!(index.number_of_shards, 2);
    assert!(index.aliases.contains_key("all"));
}

/// The records of a cluster as programs wrote them before there were templates.
const BEFORE_TEMPLATES: &[(&str, &str)] = &[
    (
        "cluster",
        r#"{"format":1,"cluster_uuid":"dqNLGRxPRWmhOpl2gpN7vA","cluster_name":"leader","version":5,"metadata_version":4,"master_node_id":"Vj0QbPcGT6uWRdbCbnbcCg","last_allocation_id":1}"#,
    ),
    (
        "graveyard",
        r#"[{"name":"gone","uuid":"8hZ0P2iNQ8W4n0XqM1bL4g","deleted_at":1700000000000}]"#,
    ),
    (
        "index/orders",
        r#"{"uuid":"Q1rWmPpqTO2hXb3v8m0H1w","state":"open","version":3,"mapping_version":2,"settings_version":1,"aliases_version":1,"settings":{"index.creation_date":"1","index.number_of_replicas":"1","index.number_of_shards":"1","index.provided_name":"orders","index.uuid":"Q1rWmPpqTO2hXb3v8m0H1w","index.version.created":"8512000"},"mapping":{"properties":{"age":{"type":"long"}}},"aliases":{"all":{}},"creation_date":1,"number_of_shards":1,"number_of_routing_shards":1024,"custom":{"ccr":{"leader_index_name":"x"}},"primary_terms":[1],"in_sync_shards":[0],"recovering":false}"#,
    ),
    (
        "node/Vj0QbPcGT6uWRdbCbnbcCg",
        r#"{"name":"node-1","transport_address":null,"http_address":null}"#,
    ),
    ("settings/persistent", r#"{"a.b":"kept"}"#),
    ("settings/transient", "{}"),
    (
        "task/t",
        r#"{"task_name":"follow","params":{"shard":3},"allocation_id":1}"#,
    ),
];

async fn store_with(records: &[(&str, &str)]) -> (tempfile::TempDir, Arc<RedbStore>) {
    let directory = tempfile::tempdir().unwrap();
    let store = Arc::new(RedbStore::open(directory.path().join("state.redb")).unwrap());
    let writes = records.iter().map(|(key, value)| Write::Put {
        key: (*key).to_owned(),
        value: value.as_bytes().to_vec(),
    });
    store.transaction(vec![], writes.collect()).await.unwrap();
    (directory, store)
}

#[tokio::test]
async fn a_directory_from_before_templates_opens_unchanged() {
    let (_directory, store) = store_with(BEFORE_TEMPLATES).await;
    let before = store.list("").await.unwrap();
    let cluster = ClusterService::open(Arc::clone(&store) as Arc<dyn StateStore>, local_node())
        .await
        .unwrap();
    let state = cluster.state();
    assert_eq!(*state.templates, index_meta::Templates::default());
    assert_eq!(state.index("orders").unwrap().mapping_version, 2);
    assert_eq!(
        (
            state.index_graveyard.len(),
            state.persistent_tasks.len(),
            state.version
        ),
        (1, 1, 5)
    );
    assert_eq!(
        store.list("").await.unwrap(),
        before,
        "opening writes nothing, so the program of before can go on with it"
    );
    put(&cluster).await;
    let header = store.get("cluster").await.unwrap().unwrap();
    let header: Value = serde_json::from_slice(&header.value).unwrap();
    assert_eq!(header["format"], 1, "templates are records of their own");
}

#[tokio::test]
async fn a_template_that_does_not_read_is_named() {
    for (key, value) in [
        (
            "index_template/logs",
            r#"{"index_patterns":["a"],"composed_of":[],"more":1}"#,
        ),
        ("component_template/shards", r#"{"version":1}"#),
    ] {
        let mut records = BEFORE_TEMPLATES.to_vec();
        records.push((key, value));
        let (_directory, store) = store_with(&records).await;
        let refused = ClusterService::open(store, local_node()).await.unwrap_err();
        assert!(matches!(refused, OpenError::Record(_)), "{refused:?}");
        assert!(refused.to_string().contains(key), "{refused}");
    }
}
