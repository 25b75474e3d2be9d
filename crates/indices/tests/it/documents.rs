//! Writing and reading documents.

use std::sync::Arc;

use bytes::Bytes;
use es_exception::ExceptionKind;
use indices::{
    BulkAction, DocumentResult, GetOptions, IndicesConfig, Origin, RefreshPolicy, UpdateRequest, shard_number,
};
use oplog::PrimaryTerm;
use serde_json::json;
use shard::WritePrecondition;

use crate::node::{Node, create, delete, index, item, on_unlimited_disk, three_shards, update};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bulk_creates_its_index_and_answers_item_by_item() {
    let directory = tempfile::tempdir().unwrap();
    let node = Node::start(directory.path()).await;
    let items = vec![
        index("orders", "1", &json!({"n": 1})),
        create("orders", Some("1"), &json!({"n": 2})),
        create("orders", None, &json!({"n": 3})),
        delete("orders", "missing"),
        update("orders", "gone", &json!({"n": 4})),
        index("BAD", "1", &json!({})),
        index("orders", "2", &json!({"n": "no number"})),
    ];
    let answer = node.indices.bulk(items, RefreshPolicy::None).await.unwrap();
    assert!(answer.errors());
    let outcome = |position: usize| match &answer.items[position].result {
        Ok(response) => Ok((response.result.as_str(), response.version.get())),
        Err(error) => Err((error.kind(), error.status())),
    };
    assert_eq!(outcome(0), Ok(("created", 1)));
    assert_eq!(outcome(1), Err((ExceptionKind::VersionConflict, 409)));
    assert_eq!(outcome(2), Ok(("created", 1)));
    assert_eq!(answer.items[2].id.as_ref().unwrap().len(), 20);
    assert_eq!(outcome(3), Ok(("not_found", 1)));
    assert_eq!(outcome(4), Err((ExceptionKind::DocumentMissing, 404)));
    assert_eq!(outcome(5), Err((ExceptionKind::InvalidIndexName, 400)));
    assert_eq!(outcome(6), Err((ExceptionKind::DocumentParsing, 400)));
    assert_eq!(node.source("orders", "1").await, Some(json!({"n": 1})));
    assert_eq!(node.search("orders", json!({})).await.0, 2);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operations_on_one_document_keep_their_order_whatever_they_wait_for() {
    let directory = tempfile::tempdir().unwrap();
    let node = Node::start(directory.path()).await;
    node.create("orders", json!({}), json!({})).await;
    // The first of each document waits for a mapping; what follows must wait behind it.
    let items = vec![
        index("orders", "1", &json!({"a": 1})),
        update("orders", "1", &json!({"b": "x"})),
        update("orders", "1", &json!({"b": "x"})),
        index("orders", "2", &json!({"c": true})),
        delete("orders", "2"),
        create("orders", Some("2"), &json!({"d": 1.5})),
    ];
    let answer = node.indices.bulk(items, RefreshPolicy::Immediate).await.unwrap();
    let results: Vec<_> = answer
        .items
        .iter()
        .map(|item| item.result.as_ref().unwrap().result)
        .collect();
    let expected = [
        DocumentResult::Created,
        DocumentResult::Updated,
        DocumentResult::Noop,
        DocumentResult::Created,
        DocumentResult::Deleted,
        DocumentResult::Created,
    ];
    assert_eq!(results, expected);
    assert_eq!(node.source("orders", "1").await, Some(json!({"a": 1, "b": "x"})));
    assert_eq!(node.source("orders", "2").await, Some(json!({"d": 1.5})));
    assert_eq!(answer.items[5].result.as_ref().unwrap().version.get(), 3);
    assert!(answer.items[5].result.as_ref().unwrap().forced_refresh);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_writers_of_new_fields_agree_on_one_mapping() {
    let directory = tempfile::tempdir().unwrap();
    let node = Arc::new(Node::start(directory.path()).await);
    node.create("logs", three_shards(), json!({})).await;
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..6_u32 {
        let node = Arc::clone(&node);
        writers.spawn(async move {
            let items = (0..20)
                .map(|number| {
                    let own = format!("field_{writer}_{}", number % 3);
                    create(
                        "logs",
                        None,
                        &json!({"shared": number, own: "text", "nested": {"n": writer}}),
                    )
                })
                .collect();
            let answer = node.indices.bulk(items, RefreshPolicy::None).await.unwrap();
            assert!(!answer.errors(), "{answer:?}");
        });
    }
    while let Some(writer) = writers.join_next().await {
        writer.unwrap();
    }
    assert_eq!(node.search("logs", json!({"size": 0})).await.0, 120);
    let state = node.cluster.state();
    let metadata = state.index("logs").unwrap();
    for path in ["shared", "nested.n", "field_0_0", "field_5_2"] {
        assert!(metadata.mapping.field(path).is_some(), "{path}");
    }
    // One version per commit that changed something, at most one per distinct set of fields.
    assert!(
        metadata.mapping_version <= 1 + 18 + 1,
        "{}",
        metadata.mapping_version
    );
    for shard in node.indices.shards_of(metadata) {
        let shard = shard.unwrap();
        let (held, wanted) = (shard.mapping_version(), metadata.mapping_version);
        assert!(held <= wanted);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn updates_merge_upsert_and_try_again() {
    let directory = tempfile::tempdir().unwrap();
    let node = Arc::new(Node::start(directory.path()).await);
    let upsert = UpdateRequest {
        doc: Some(Bytes::from_static(b"{\"n\": 1}")),
        doc_as_upsert: true,
        return_source: true,
        ..UpdateRequest::default()
    };
    let upsert = item("orders", Some("1"), BulkAction::Update(upsert));
    let created = node
        .indices
        .write(upsert.clone(), RefreshPolicy::None)
        .await
        .unwrap();
    assert_eq!(
        (created.result, created.source),
        (DocumentResult::Created, Some(Bytes::from_static(b"{\"n\": 1}")))
    );
    let noop = node.indices.write(upsert, RefreshPolicy::None).await.unwrap();
    assert_eq!(
        (noop.result, noop.seq_no, noop.shards.total),
        (DocumentResult::Noop, created.seq_no, 0)
    );

    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..8 {
        let node = Arc::clone(&node);
        writers.spawn(async move {
            let doc = Some(Bytes::from(json!({format!("w{writer}"): writer}).to_string()));
            let update = UpdateRequest {
                doc,
                retry_on_conflict: 20,
                ..UpdateRequest::default()
            };
            let update = item("orders", Some("1"), BulkAction::Update(update));
            node.indices.write(update, RefreshPolicy::None).await.unwrap();
        });
    }
    while let Some(writer) = writers.join_next().await {
        writer.unwrap();
    }
    assert_eq!(
        node.source("orders", "1")
            .await
            .unwrap()
            .as_object()
            .unwrap()
            .len(),
        9
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn preconditions_hold_or_conflict() {
    let directory = tempfile::tempdir().unwrap();
    let node = Node::start(directory.path()).await;
    let first = node
        .indices
        .write(index("orders", "1", &json!({"n": 1})), RefreshPolicy::None)
        .await
        .unwrap();
    let guarded = |precondition| {
        item(
            "orders",
            Some("1"),
            BulkAction::Index {
                source: Bytes::from_static(b"{\"n\": 2}"),
                precondition,
            },
        )
    };
    let precondition = WritePrecondition::SeqNo {
        seq_no: first.seq_no,
        primary_term: PrimaryTerm::FIRST,
    };
    let second = node
        .indices
        .write(guarded(precondition), RefreshPolicy::None)
        .await
        .unwrap();
    assert_eq!(
        (second.result, second.version.get()),
        (DocumentResult::Updated, 2)
    );
    let refused = node
        .indices
        .write(guarded(precondition), RefreshPolicy::None)
        .await
        .unwrap_err();
    assert_eq!(refused.kind(), ExceptionKind::VersionConflict);
    let wrong_version = GetOptions {
        version: Some(first.version),
        ..GetOptions::default()
    };
    assert_eq!(
        node.indices
            .get("orders", "1", wrong_version)
            .await
            .unwrap_err()
            .status(),
        409
    );
    assert!(
        node.indices
            .get("orders", "2", GetOptions::default())
            .await
            .unwrap()
            .document
            .is_none()
    );
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn documents_lie_where_their_routing_says() {
    let directory = tempfile::tempdir().unwrap();
    let node = Node::start(directory.path()).await;
    node.create("orders", three_shards(), json!({})).await;
    let ids: Vec<String> = (0..30).map(|number| format!("id-{number}")).collect();
    let items = ids
        .iter()
        .map(|id| index("orders", id, &json!({"n": 1})))
        .collect();
    assert!(
        !node
            .indices
            .bulk(items, RefreshPolicy::None)
            .await
            .unwrap()
            .errors()
    );
    let mut routed = index("orders", "routed", &json!({"n": 1}));
    routed.routing = Some("elsewhere".into());
    node.indices.write(routed, RefreshPolicy::None).await.unwrap();
    let state = node.cluster.state();
    let metadata = state.index("orders").unwrap();
    for (number, shard) in (0..).zip(node.indices.shards_of(metadata)) {
        let shard = shard.unwrap();
        for id in &ids {
            assert_eq!(
                shard.get(id).unwrap().is_some(),
                shard_number(metadata, id) == number,
                "{id}"
            );
        }
        assert_eq!(
            shard.get("routed").unwrap().is_some(),
            shard_number(metadata, "elsewhere") == number
        );
    }
    let by_routing = GetOptions {
        routing: Some("elsewhere".into()),
        ..GetOptions::default()
    };
    let found = node
        .indices
        .get("orders", "routed", by_routing)
        .await
        .unwrap()
        .document
        .unwrap();
    assert_eq!(found.routing.as_deref(), Some("elsewhere"));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blocked_and_closed_indices_take_no_writes() {
    let directory = tempfile::tempdir().unwrap();
    let node = Node::start(directory.path()).await;
    node.create("orders", json!({}), json!({})).await;
    let write = || {
        node.indices
            .write(index("orders", "1", &json!({"n": 1})), RefreshPolicy::None)
    };
    node.indices
        .update_settings("orders", json!({"blocks.write": true}), false, Origin::User)
        .await
        .unwrap();
    let blocked = write().await.unwrap_err();
    assert_eq!(
        (blocked.kind(), blocked.status()),
        (ExceptionKind::ClusterBlock, 403)
    );
    node.indices
        .update_settings("orders", json!({"blocks.write": null}), false, Origin::User)
        .await
        .unwrap();
    write().await.unwrap();
    node.indices.close_index("orders").await.unwrap();
    let closed = write().await.unwrap_err();
    assert_eq!(
        (closed.kind(), closed.status()),
        (ExceptionKind::IndexClosed, 400)
    );
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_many_bytes_under_way_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let config = IndicesConfig {
        indexing_pressure_bytes: 1_000,
        ..on_unlimited_disk(directory.path())
    };
    let node = Arc::new(Node::start_with(directory.path(), config).await);
    node.create("orders", json!({}), json!({})).await;
    let large = json!({"text": "x".repeat(900)});
    let first = node
        .indices
        .bulk(vec![index("orders", "1", &large)], RefreshPolicy::None);
    let second = node
        .indices
        .bulk(vec![index("orders", "2", &large)], RefreshPolicy::None);
    // Both are polled before either can end: the first needs a mapping, which takes a commit.
    let (first, second) = tokio::join!(first, second);
    assert!(!first.unwrap().errors());
    let refused = second.unwrap_err();
    assert_eq!(
        (refused.kind(), refused.status()),
        (ExceptionKind::EsRejectedExecution, 429)
    );
    node.indices
        .bulk(vec![index("orders", "2", &large)], RefreshPolicy::None)
        .await
        .unwrap();
}
