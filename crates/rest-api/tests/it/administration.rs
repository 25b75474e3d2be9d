//! What the cluster and its nodes tell of themselves.

use http::Method;
use serde_json::{Value, json};

use crate::node::Node;

/// A node with an index of two shards, three documents and a replica that has no node to be on.
async fn with_documents() -> Node {
    let node = Node::start().await;
    node.put(
        "/orders",
        r#"{"settings": {"number_of_shards": 2, "number_of_replicas": 1}}"#,
    )
    .await
    .expect(200);
    for n in 0..3 {
        node.put(&format!("/orders/_doc/{n}"), r#"{"n": 1}"#)
            .await
            .expect(201);
    }
    node.post("/orders/_flush", "").await.expect(200);
    node.post("/orders/_refresh", "").await.expect(200);
    node
}

/// The only node of an answer.
fn only(answer: &Value) -> &Value {
    assert_eq!(
        answer["_nodes"],
        json!({"total": 1, "successful": 1, "failed": 0})
    );
    answer["nodes"].as_object().unwrap().values().next().unwrap()
}

#[tokio::test]
async fn segments_are_told_by_shard() {
    let node = with_documents().await;
    let answer = node.get("/orders/_segments").await.expect(200);
    assert_eq!(
        answer["_shards"],
        json!({"total": 2, "successful": 2, "failed": 0})
    );
    let shards = answer["indices"]["orders"]["shards"].as_object().unwrap();
    let mut docs = 0;
    for copies in shards.values() {
        let shard = &copies[0];
        assert_eq!(
            (&shard["routing"]["state"], &shard["routing"]["primary"]),
            (&json!("STARTED"), &json!(true))
        );
        let segments = shard["segments"].as_object().unwrap();
        assert_eq!(shard["num_search_segments"], segments.len());
        for segment in segments.values() {
            assert!(segment["size_in_bytes"].as_u64() > Some(0), "{segment}");
            docs += segment["num_docs"].as_u64().unwrap();
        }
    }
    assert_eq!((shards.len(), docs), (2, 3));
    // Each segment has columns, and all of its files are counted.
    let size = |segment: &Value| segment["size_in_bytes"].as_u64().unwrap();
    let sizes = shards
        .values()
        .flat_map(|copies| copies[0]["segments"].as_object().unwrap().values());
    let all: Vec<u64> = sizes.map(size).collect();
    for path in ["/orders/_stats/segments", "/_nodes/stats/indices/segments"] {
        let without = node.get(path).await.expect(200);
        let with = node
            .get(&format!("{path}?include_segment_file_sizes"))
            .await
            .expect(200);
        let section = |answer: &Value| match answer.get("_all") {
            Some(all) => all["total"]["segments"].clone(),
            None => only(answer)["indices"]["segments"].clone(),
        };
        assert_eq!(section(&without).get("file_sizes"), None, "{path}");
        let files = section(&with)["file_sizes"].as_object().cloned().unwrap();
        assert_eq!(files["fast"]["count"], all.len(), "{path}");
        assert_eq!(
            files.values().map(size).sum::<u64>(),
            all.iter().sum::<u64>(),
            "{path}"
        );
    }
    assert_eq!(
        node.get("/_segments").await.expect(200)["indices"],
        answer["indices"]
    );
    node.get("/none/_segments")
        .await
        .refused(404, "index_not_found_exception");
    let table = node
        .get("/_cat/segments/orders?h=index,prirep,docs.count&s=docs.count:desc")
        .await;
    assert!(table.text().starts_with("orders p "), "{}", table.text());
}

#[tokio::test]
async fn nodes_tell_what_is_known_of_them() {
    let node = with_documents().await;
    let all = node.get("/_nodes").await.expect(200);
    let told = only(&all);
    assert_eq!(told["http"]["publish_address"], node.address.to_string());
    assert_eq!(
        told["transport"]["publish_address"],
        node.transport_address.to_string()
    );
    assert_eq!(told["process"]["id"], std::process::id());
    assert_eq!(told["settings"]["node"]["name"], "node-1");
    assert_eq!((told.get("jvm"), &told["plugins"]), (None, &json!([])));
    let flat = node.get("/_nodes/settings?flat_settings").await.expect(200);
    assert_eq!(only(&flat)["settings"]["node.name"], "node-1");

    for (path, http, os) in [
        ("/_nodes/http", true, false),
        ("/_nodes/_all/http,os", true, true),
        ("/_nodes/node-1", true, true),
        ("/_nodes/_local/os", false, true),
        ("/_nodes/_none", false, false),
    ] {
        let answer = node.get(path).await.expect(200);
        let told = only(&answer);
        assert_eq!(
            (told.get("http").is_some(), told.get("os").is_some()),
            (http, os),
            "{path}"
        );
    }
    for path in ["/_nodes/other", "/_nodes/other/stats", "/_nodes/master:false"] {
        assert_eq!(node.get(path).await.expect(200)["nodes"], json!({}), "{path}");
    }
    for path in [
        "/_nodes/_all/nonsense",
        "/_nodes/stats/nonsense",
        "/_nodes/stats/indices/nonsense",
        "/_nodes/stats?level=x",
    ] {
        node.get(path).await.refused(400, "illegal_argument_exception");
    }
    let reason = node
        .get("/_nodes/stats/transprot")
        .await
        .refused(400, "illegal_argument_exception");
    assert_eq!(
        reason,
        "request [/_nodes/stats/transprot] contains unrecognized metric: [transprot] -> did you mean [transport]?"
    );
}

#[tokio::test]
async fn node_stats_hold_what_is_measured() {
    let node = with_documents().await;
    let all = node.get("/_nodes/stats").await.expect(200);
    let told = only(&all);
    assert_eq!(told["indices"]["docs"]["count"], 3);
    assert_eq!(told["thread_pool"]["write"]["active"], 0);
    assert!(told["thread_pool"]["write"]["completed"].as_u64() >= Some(3));
    let pressure = &told["indexing_pressure"]["memory"];
    assert!(pressure["total"]["all_in_bytes"].as_u64() > Some(0));
    assert_eq!(
        (
            &pressure["current"]["all_in_bytes"],
            &pressure["total"]["coordinating_rejections"]
        ),
        (&json!(0), &json!(0))
    );
    assert_eq!(told["discovery"]["cluster_state_queue"]["total"], 0);
    assert_eq!(
        (
            &told["indices"]["flush"]["total"],
            &told["indices"]["recovery"]["current_as_target"]
        ),
        (&json!(2), &json!(0))
    );
    for section in [
        "warmer",
        "query_cache",
        "request_cache",
        "fielddata",
        "completion",
        "merges",
    ] {
        assert!(told["indices"][section].is_object(), "{section}");
    }
    assert!(
        told["fs"]["total"]["total_in_bytes"].is_u64()
            && told["indexing_pressure"]["memory"]["limit_in_bytes"].is_u64()
    );
    if cfg!(target_os = "linux") {
        assert!(told["process"]["open_file_descriptors"].as_u64() > Some(0));
        assert!(told["os"]["mem"]["total_in_bytes"].as_u64() > Some(0));
    }
    assert_eq!(told.get("breakers"), None);
    assert_eq!(told["jvm"]["gc"], json!({"collectors": {}}));
    assert_eq!(told["ingest"]["total"]["count"], 0);

    let one = node
        .get("/_nodes/_local/stats/indices/docs?level=indices")
        .await
        .expect(200);
    let docs = json!({"count": 3, "deleted": 0});
    assert_eq!(
        only(&one)["indices"],
        json!({"docs": docs, "indices": {"orders": {"docs": docs}}})
    );
    assert_eq!(only(&one).get("os"), None);
    let shards = node
        .get("/_nodes/stats/indices/docs?level=shards")
        .await
        .expect(200);
    assert_eq!(
        only(&shards)["indices"]["shards"]["orders"]
            .as_array()
            .map(Vec::len),
        Some(2)
    );
}

#[tokio::test]
async fn the_cluster_counts_its_indices_shards_and_nodes() {
    let node = with_documents().await;
    node.put("/closed", "").await.expect(200);
    node.post("/closed/_close", "").await.expect(200);
    let stats = node.get("/_cluster/stats").await.expect(200);
    assert_eq!(
        (&stats["status"], &stats["cluster_name"]),
        (&json!("yellow"), &json!("leader"))
    );
    let indices = &stats["indices"];
    assert_eq!(
        (
            &indices["count"],
            &indices["docs"]["count"],
            &indices["shards"]["total"]
        ),
        (&json!(1), &json!(3), &json!(2))
    );
    assert_eq!(
        indices["shards"]["index"]["shards"],
        json!({"min": 2, "max": 2, "avg": 2.0})
    );
    assert_eq!(
        (
            &stats["nodes"]["count"]["total"],
            &stats["nodes"]["count"]["master"]
        ),
        (&json!(1), &json!(1))
    );
    assert_eq!(stats["nodes"]["discovery_types"], json!({"single-node": 1}));
    assert_eq!(
        stats["nodes"]["packaging_types"],
        json!([{"flavor": "default", "type": "tar", "count": 1}])
    );
    let others = node.get("/_cluster/stats/nodes/other").await.expect(200);
    assert_eq!(
        (&others["nodes"]["count"]["total"], &others["indices"]["count"]),
        (&json!(0), &json!(0))
    );
    let empty = Node::start().await.get("/_cluster/stats").await.expect(200);
    assert_eq!(
        (&empty["status"], &empty["indices"]["shards"]),
        (&json!("green"), &json!({}))
    );
}

#[tokio::test]
async fn caches_are_always_clear() {
    let node = with_documents().await;
    let cleared = node
        .post("/orders/_cache/clear?request=true", "")
        .await
        .expect(200);
    assert_eq!(
        cleared["_shards"],
        json!({"total": 2, "successful": 2, "failed": 0})
    );
    node.post("/_cache/clear", "").await.expect(200);
    node.post("/none/_cache/clear", "")
        .await
        .refused(404, "index_not_found_exception");
    node.post("/_cache/clear?query=maybe", "")
        .await
        .refused(400, "illegal_argument_exception");
}

#[tokio::test]
async fn why_a_copy_is_nowhere_is_explained() {
    let node = with_documents().await;
    let path = "/_cluster/allocation/explain";
    let replica = node.get(path).await.expect(200);
    assert_eq!(
        (
            &replica["index"],
            &replica["shard"],
            &replica["primary"],
            &replica["current_state"]
        ),
        (&json!("orders"), &json!(0), &json!(false), &json!("unassigned"))
    );
    let settings = node.get("/orders/_settings?human").await.expect(200);
    let created = &settings["orders"]["settings"]["index"]["creation_date_string"];
    assert!(created.as_str().unwrap().ends_with('Z'), "{created}");
    assert_eq!(replica["unassigned_info"]["at"], *created);
    let with_disk = node.get(&format!("{path}?include_disk_info")).await.expect(200);
    let disks = with_disk["cluster_info"]["nodes"].as_object().unwrap();
    let disk = &disks.values().next().unwrap()["least_available"];
    let bytes = |name: &str| disk[name].as_u64().unwrap();
    assert_eq!(bytes("total_bytes"), bytes("used_bytes") + bytes("free_bytes"));
    assert_eq!(replica.get("cluster_info"), None);
    assert_eq!(
        replica["node_allocation_decisions"][0]["deciders"][0]["decider"],
        "same_shard"
    );
    let primary = r#"{"index": "orders", "shard": 1, "primary": true}"#;
    let primary = node.post(path, primary).await.expect(200);
    assert_eq!(
        (&primary["current_state"], &primary["current_node"]["name"]),
        (&json!("started"), &json!("node-1"))
    );
    for (body, status, kind) in [
        (
            r#"{"index": "none", "shard": 0, "primary": true}"#,
            404,
            "index_not_found_exception",
        ),
        (
            r#"{"index": "orders", "shard": 2, "primary": true}"#,
            400,
            "illegal_argument_exception",
        ),
        (r#"{"index": "orders"}"#, 400, "x_content_parse_exception"),
        (
            r#"{"index": "orders", "shard": 0, "primary": true, "x": 1}"#,
            400,
            "x_content_parse_exception",
        ),
    ] {
        node.post(path, body).await.refused(status, kind);
    }
    node.put("/orders/_settings", r#"{"number_of_replicas": 0}"#)
        .await
        .expect(200);
    let reason = node.get(path).await.refused(400, "illegal_argument_exception");
    assert!(reason.contains("no unassigned shards"), "{reason}");
    let replica = r#"{"index": "orders", "shard": 0, "primary": false}"#;
    node.post(path, replica)
        .await
        .refused(400, "illegal_argument_exception");
}

#[tokio::test]
async fn formats_other_than_json_are_refused_with_the_reason() {
    let node = Node::start().await;
    let headers: [&[(&str, &str)]; 3] = [
        &[("accept", "application/yaml")],
        &[("accept", "application/vnd.elasticsearch+cbor; compatible-with=9")],
        &[("content-type", "application/cbor")],
    ];
    for headers in headers {
        let answer = node.call_with(Method::POST, "/_search", headers, "{}").await;
        let reason = answer.refused(406, "media_type_header_exception");
        assert!(reason.contains("[application/json]"), "{reason}");
    }
    for format in ["yaml", "cbor", "smile"] {
        let reason = node
            .get(&format!("/_cat/health?format={format}"))
            .await
            .refused(406, "media_type_header_exception");
        assert!(reason.contains(format), "{reason}");
    }
    node.get("/_cat/health?format=xml")
        .await
        .refused(400, "illegal_argument_exception");
}

#[tokio::test]
async fn bulk_items_fail_alone_and_say_for_themselves_what_they_need() {
    let node = Node::start().await;
    let lines = [("content-type", "application/x-ndjson")];
    let body = "{\"index\":{\"_index\":\"a\",\"_id\":\"1\"}}\n{\"n\":1}\n\
                {\"update\":{\"_index\":\"a\",\"_id\":\"1\"}}\n{\"script\":{\"source\":\"x\"}}\n\
                {\"update\":{\"_index\":\"a\",\"_id\":\"1\"}}\n{\"doc\":{\"n\":2}}\n";
    let done = node
        .call_with(Method::POST, "/_bulk", &lines, body)
        .await
        .expect(200);
    let statuses: Vec<&Value> = done["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| &item.as_object().unwrap().values().next().unwrap()["status"])
        .collect();
    assert_eq!(statuses, [&json!(201), &json!(400), &json!(200)]);
    let failed = &done["items"][1]["update"]["error"];
    assert_eq!(
        (&failed["type"], &done["errors"]),
        (&json!("unsupported_operation_exception"), &json!(true))
    );
    assert_eq!(node.get("/a/_source/1").await.expect(200)["n"], 2);

    let body =
        "{\"index\":{\"_index\":\"a\"}}\n{}\n{\"index\":{\"_index\":\"a\",\"require_alias\":false}}\n{}\n";
    let done = node
        .call_with(Method::POST, "/_bulk?require_alias=true", &lines, body)
        .await
        .expect(200);
    assert_eq!(
        (
            &done["items"][0]["index"]["status"],
            &done["items"][1]["index"]["status"]
        ),
        (&json!(404), &json!(201))
    );
}

#[tokio::test]
async fn a_state_is_waited_for_by_its_version_of_metadata() {
    let node = Node::start().await;
    let state = node.get("/_cluster/state/metadata").await.expect(200);
    let version = state["metadata"]["version"].as_u64().expect("a version");
    assert_eq!(state.get("wait_for_timed_out"), None);
    let path = |version: u64| {
        format!("/_cluster/state/metadata?wait_for_metadata_version={version}&wait_for_timeout=200ms")
    };
    let reached = node.get(&path(version)).await.expect(200);
    assert_eq!(reached["wait_for_timed_out"], false);
    assert_eq!(reached["metadata"]["version"], version);
    let late = node.get(&path(version + 1000)).await.expect(200);
    assert_eq!(late["wait_for_timed_out"], true);
    assert_eq!(late.get("metadata"), None, "{late}");
    let (waiting, made) = tokio::join!(
        node.get("/_cluster/state/version?wait_for_metadata_version=1000000&wait_for_timeout=0ms"),
        node.put("/new", "{}")
    );
    assert_eq!(waiting.expect(200)["wait_for_timed_out"], true);
    made.expect(200);
}

#[tokio::test]
async fn parameters_of_newer_clients_are_taken() {
    let node = Node::start().await;
    node.put("/i", r#"{"aliases": {"a": {"is_write_index": true}}}"#)
        .await
        .expect(200);
    for path in [
        "/_recovery?detailed=true",
        "/_cat/recovery?detailed=true&format=json",
        "/_cat/tasks?wait_for_completion=true&timeout=1s&format=json",
        "/_resolve/cluster/i?ignore_throttled=false",
    ] {
        node.get(path).await.expect(200);
    }
    let count = node.post("/_cat/count/i?format=json", "").await.expect(200);
    assert_eq!(count[0]["count"], "0");
    node.put("/i/_doc/1?refresh=true", r#"{"n": 1}"#)
        .await
        .expect(201);
    for (number, expected) in [(1, "1"), (2, "0")] {
        let body = format!(r#"{{"query": {{"term": {{"n": {number}}}}}}}"#);
        let count = node.post("/_cat/count/i?format=json", &body).await.expect(200);
        assert_eq!(count[0]["count"], expected);
    }
    let resolved = node.post("/_resolve/index/i", "").await.expect(200);
    assert_eq!(resolved["indices"][0]["name"], "i");
    node.post("/a/_rollover?lazy=false&dry_run=true", r#"{}"#)
        .await
        .refused(400, "illegal_argument_exception");
    node.post("/a/_rollover/next?lazy=true", r#"{}"#)
        .await
        .refused(400, "unsupported_operation_exception");
    // A client that takes several types gets tables as text, and JSON in its own type.
    let headers = [(
        "accept",
        "application/vnd.elasticsearch+json; compatible-with=9,text/plain",
    )];
    for (path, expected) in [
        ("/_cat/indices", "text/plain; charset=UTF-8"),
        (
            "/_cat/indices?format=json",
            "application/vnd.elasticsearch+json;compatible-with=9",
        ),
        ("/i", "application/vnd.elasticsearch+json;compatible-with=9"),
    ] {
        let answer = node
            .call_with(http::Method::GET, path, &headers, String::new())
            .await;
        assert_eq!(answer.header("content-type"), expected, "{path}");
    }
}
