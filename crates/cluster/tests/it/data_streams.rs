//! Data streams in the store: what a restart finds.

use std::collections::BTreeMap;
use std::sync::Arc;

use cluster::change::{self, CreateIndexChange, NewBackingIndex, ReplicatedStream};
use index_meta::{IndexTemplate, Settings};
use oplog::{IndexUuid, UnixMillis};
use serde_json::json;

use crate::service::open;

fn new() -> NewBackingIndex {
    NewBackingIndex {
        uuid: IndexUuid::generate(),
        created_at: UnixMillis::new(0),
    }
}

fn follower(name: &str) -> CreateIndexChange {
    CreateIndexChange {
        name: name.into(),
        uuid: IndexUuid::generate(),
        settings: Settings::default(),
        mapping: Arc::default(),
        aliases: BTreeMap::new(),
        creation_date: UnixMillis::new(0),
        number_of_routing_shards: None,
        custom: BTreeMap::new(),
        recovering: true,
    }
}

#[tokio::test]
async fn a_restart_finds_data_streams_and_what_was_deleted_stays_away() {
    let directory = tempfile::tempdir().unwrap();
    let cluster = open(directory.path()).await;
    let template = json!({"index_patterns": ["*"], "data_stream": {"allow_custom_routing": true}, "_meta": {"by": "me"}});
    let template = IndexTemplate::from_json(&template).unwrap();
    cluster
        .update("template", |state| {
            Ok((change::put_index_template(state, "t", &template, true)?, ()))
        })
        .await
        .unwrap();
    for name in ["logs", "metrics", "gone"] {
        cluster
            .update("create", |state| change::create_data_stream(state, name, &new()))
            .await
            .unwrap();
    }
    let copied = ".ds-copied-1970.01.01-000005";
    let leader = ReplicatedStream {
        name: "copied".into(),
        generation: 5,
        hidden: true,
        allow_custom_routing: false,
        metadata: None,
    };
    cluster
        .update("follow", |state| {
            let state = change::create_index(state, &follower(copied))?;
            Ok((change::join_replicated_stream(&state, copied, &leader)?, ()))
        })
        .await
        .unwrap();
    cluster
        .update("delete", |state| {
            Ok((
                change::delete_data_streams(state, &["gone".into()], UnixMillis::new(1))?,
                (),
            ))
        })
        .await
        .unwrap();
    let before = cluster.state();
    assert_eq!(
        before.data_streams.keys().collect::<Vec<_>>(),
        ["copied", "logs", "metrics"]
    );
    drop(cluster);
    let after = open(directory.path()).await.state();
    assert_eq!(after.data_streams, before.data_streams);
    let logs = &after.data_streams["logs"];
    assert!(logs.allow_custom_routing && logs.metadata == Some(json!({"by": "me"})));
    assert!(after.index(&logs.write_index).is_some());
    let copied = &after.data_streams["copied"];
    assert!(copied.replicated && copied.hidden && copied.generation == 5);
    assert_eq!(after.metadata_version, before.metadata_version);
}
