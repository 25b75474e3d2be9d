//! Cluster health, settings, state and nodes.

use serde_json::{Value, json};

use crate::node::Node;

#[tokio::test]
async fn health_is_told_and_waited_for() {
    let node = Node::start().await;
    assert_eq!(node.get("/_cluster/health").await.expect(200)["status"], "green");
    node.put("/green", r#"{"settings": {"number_of_replicas": 0}}"#)
        .await
        .expect(200);
    node.put(
        "/yellow",
        r#"{"settings": {"number_of_shards": 2, "number_of_replicas": 1}}"#,
    )
    .await
    .expect(200);
    let health = node.get("/_cluster/health?level=shards").await.expect(200);
    let numbers = (
        &health["status"],
        &health["active_primary_shards"],
        &health["unassigned_shards"],
        &health["timed_out"],
    );
    assert_eq!(numbers, (&json!("yellow"), &json!(3), &json!(2), &json!(false)));
    assert_eq!(health["indices"]["yellow"]["shards"]["1"]["status"], "yellow");
    assert_eq!(
        node.get("/_cluster/health/green?wait_for_status=green&timeout=5s")
            .await
            .expect(200)["status"],
        "green"
    );
    let late = node
        .get("/_cluster/health/yellow?wait_for_status=green&timeout=50ms")
        .await
        .expect(408);
    assert_eq!(
        (&late["status"], &late["timed_out"]),
        (&json!("yellow"), &json!(true))
    );
    assert_eq!(
        node.get("/_cluster/health/none?timeout=50ms").await.expect(408)["status"],
        "red"
    );
    node.get("/_cluster/health?wait_for_status=blue")
        .await
        .refused(400, "illegal_argument_exception");
    node.get("/_cluster/health?wait_for_nodes=%3E%3D1")
        .await
        .expect(200);
}

#[tokio::test]
async fn health_waits_for_what_it_is_asked_for() {
    let node = Node::start().await;
    node.put(
        "/i",
        r#"{"settings": {"number_of_shards": 2, "number_of_replicas": 1}}"#,
    )
    .await
    .expect(200);
    node.until("/_cluster/health?wait_for_status=yellow", |_| true)
        .await;
    for (query, status) in [
        ("wait_for_status=red", 200),
        ("wait_for_status=YELLOW", 200),
        ("wait_for_status=green", 408),
        ("wait_for_nodes=1", 200),
        ("wait_for_nodes=ge(1)", 200),
        ("wait_for_nodes=%3E1", 408),
        ("wait_for_nodes=2", 408),
        ("wait_for_active_shards=2", 200),
        ("wait_for_active_shards=3", 408),
        ("wait_for_active_shards=all", 408),
        ("wait_for_no_initializing_shards", 200),
        ("wait_for_no_relocating_shards=true", 200),
        ("wait_for_events=languid", 200),
        ("wait_for_status=green&level=indices", 408),
    ] {
        for timeout in ["20ms", "0"] {
            let answer = node
                .get(&format!("/_cluster/health?{query}&timeout={timeout}"))
                .await;
            let answer = answer.expect(status);
            assert_eq!(answer["timed_out"], status == 408, "{query}");
            assert_eq!(
                answer.get("indices").is_some(),
                query.contains("level"),
                "{query}"
            );
        }
    }
    for query in [
        "wait_for_status=blue",
        "wait_for_nodes=many",
        "wait_for_active_shards=-1",
        "wait_for_no_initializing_shards=maybe",
        "wait_for_events=soon",
        "level=universe",
        "timeout=5",
    ] {
        node.get(&format!("/_cluster/health?{query}"))
            .await
            .refused(400, "illegal_argument_exception");
    }
    let late = async {
        node.put("/late", r#"{"settings": {"number_of_replicas": 0}}"#)
            .await
            .expect(200)
    };
    let (green, _) = tokio::join!(
        node.get("/_cluster/health/late?wait_for_status=green&timeout=20s"),
        late
    );
    assert_eq!(green.expect(200)["status"], "green");
}

#[tokio::test]
async fn cluster_settings_are_set_shown_and_removed() {
    let node = Node::start().await;
    let nested = r#"{"persistent": {"cluster": {"remote": {"lisbon": {"seeds": ["127.0.0.1:1"], "skip_unavailable": false}}}}}"#;
    let set = node
        .put("/_cluster/settings?flat_settings=true", nested)
        .await
        .expect(200);
    assert_eq!(
        set["persistent"]["cluster.remote.lisbon.seeds"],
        json!(["127.0.0.1:1"])
    );
    assert_eq!(
        (&set["acknowledged"], &set["transient"]),
        (&json!(true), &json!({}))
    );
    let shown = node.get("/_cluster/settings").await.expect(200);
    assert_eq!(
        shown["persistent"]["cluster"]["remote"]["lisbon"]["skip_unavailable"],
        "false"
    );
    let info = node.get("/_remote/info").await.expect(200);
    assert_eq!(
        (&info["lisbon"]["connected"], &info["lisbon"]["mode"]),
        (&json!(false), &json!("sniff"))
    );
    assert_eq!(info["lisbon"]["seeds"], json!(["127.0.0.1:1"]));

    let alone = r#"{"persistent": {"cluster.remote.oslo.skip_unavailable": true}}"#;
    node.put("/_cluster/settings", alone)
        .await
        .refused(400, "illegal_argument_exception");
    node.put("/_cluster/settings", r#"{"persistent": {"no.such.setting": 1}}"#)
        .await
        .refused(400, "illegal_argument_exception");
    node.put("/_cluster/settings", "{}")
        .await
        .refused(400, "action_request_validation_exception");
    node.put("/_cluster/settings", "")
        .await
        .refused(400, "parse_exception");
    assert_eq!(
        node.get("/_cluster/settings").await.json(),
        shown,
        "refused changes change nothing"
    );

    let removal = r#"{"persistent": {"cluster.remote.lisbon.seeds": null, "cluster.remote.lisbon.skip_unavailable": null}}"#;
    node.put("/_cluster/settings", removal).await.expect(200);
    assert_eq!(
        node.get("/_cluster/settings").await.expect(200),
        json!({"persistent": {}, "transient": {}})
    );
    assert_eq!(node.get("/_remote/info").await.expect(200), json!({}));

    let chunks = r#"{"persistent": {"ccr.indices.recovery.chunk_size": "2mb"}}"#;
    node.put("/_cluster/settings", chunks).await.expect(200);
    let shown = node
        .get("/_cluster/settings?include_defaults&flat_settings")
        .await
        .expect(200);
    assert_eq!(
        (
            shown["defaults"].get("ccr.indices.recovery.chunk_size"),
            &shown["defaults"]["ccr.indices.recovery.max_bytes_per_sec"],
            &shown["defaults"]["action.destructive_requires_name"],
        ),
        (None, &json!("40mb"), &json!("true"))
    );
    let reason = node
        .put(
            "/_cluster/settings",
            r#"{"persistent": {"action.auto_create_indx": true}}"#,
        )
        .await
        .refused(400, "illegal_argument_exception");
    assert!(
        reason.contains("did you mean [action.auto_create_index]"),
        "{reason}"
    );
}

#[tokio::test]
async fn state_and_nodes_are_shown() {
    let node = Node::start().await;
    node.put("/i", "").await.expect(200);
    let state = node.get("/_cluster/state").await.expect(200);
    assert_eq!(state["metadata"]["indices"]["i"]["state"], "open");
    assert_eq!(state["metadata"]["indices"]["i"]["mapping_version"], 1);
    let master = state["master_node"].as_str().unwrap();
    assert_eq!(state["nodes"][master]["name"], "node-1");
    assert!(
        node.get("/_cluster/state/master_node")
            .await
            .expect(200)
            .get("metadata")
            .is_none()
    );
    node.get("/_cluster/state/nonsense")
        .await
        .refused(400, "illegal_argument_exception");
    let nodes = node.get("/_nodes/http").await.expect(200);
    assert_eq!(
        nodes["nodes"][master]["http"]["publish_address"],
        node.address.to_string()
    );
    assert_eq!(
        node.get("/_tasks?detailed&actions=indices:*").await.expect(200),
        json!({"nodes": {}})
    );
}

/// Many rounds on two threads: that the node does its part a little later shows in some of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn remote_clusters_are_there_when_their_settings_were_acknowledged() {
    let node = Node::start().await;
    for _ in 0..50 {
        for (seeds, is_there) in [(json!(["127.0.0.1:1"]), true), (Value::Null, false)] {
            let body = json!({"persistent": {"cluster.remote.lisbon.seeds": seeds}}).to_string();
            let set = node.put("/_cluster/settings", &body).await.expect(200);
            assert_eq!(set["acknowledged"], true);
            let info = node.get("/_remote/info").await.expect(200);
            assert_eq!(info.get("lisbon").is_some(), is_there, "{info}");
        }
    }
    let body = r#"{"persistent": {"cluster.remote.lisbon.seeds": ["127.0.0.1:1"]}}"#;
    let impatient = node.put("/_cluster/settings?timeout=0ms", body).await.expect(200);
    assert_eq!(impatient["acknowledged"], false, "nobody waited for it");
}
