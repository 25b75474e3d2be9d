//! The cross-cluster replication APIs, over two nodes.

use http::Method;
use rest_api::RestConfig;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use crate::node::Node;

/// A leader with five documents in `orders`, and a follower that knows it as `lisbon`.
pub(crate) async fn connected() -> (Node, Node) {
    let leader = Node::start().await;
    let follower = Node::start_with("follower", RestConfig::default()).await;
    let settings =
        json!({"persistent": {"cluster.remote.lisbon.seeds": [leader.transport_address.to_string()]}});
    follower
        .put("/_cluster/settings", &settings.to_string())
        .await
        .expect(200);
    leader
        .put(
            "/orders",
            r#"{"settings": {"number_of_shards": 2, "number_of_replicas": 0}}"#,
        )
        .await
        .expect(200);
    for id in 0..5 {
        leader
            .put(&format!("/orders/_doc/{id}"), r#"{"n": 1}"#)
            .await
            .expect(201);
    }
    (leader, follower)
}

pub(crate) const FOLLOW: &str = r#"{"remote_cluster": "lisbon", "leader_index": "orders", "max_read_request_size": "1024k", "read_poll_timeout": "100ms"}"#;

pub(crate) fn caught_up(stats: &Value) -> bool {
    let shards = stats["indices"][0]["shards"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let total: i64 = shards
        .iter()
        .filter_map(|shard| shard["follower_global_checkpoint"].as_i64())
        .map(|checkpoint| checkpoint + 1)
        .sum();
    shards.len() == 2 && total >= 5 && stats["indices"][0]["total_global_checkpoint_lag"] == 0
}

#[tokio::test]
async fn copies_of_shards_are_told_of_while_they_run_and_afterwards() {
    let (leader, follower) = connected().await;
    assert_eq!(follower.get("/_recovery").await.expect(200), json!({}));
    // So slow that the copy is seen while it runs.
    let text = "x".repeat(200_000);
    for id in 0..5 {
        leader
            .put(&format!("/orders/_doc/{id}"), &json!({"text": text}).to_string())
            .await
            .expect(200);
    }
    let rate = |rate: Option<&str>| json!({"persistent": {"ccr.indices.recovery.max_bytes_per_sec": rate}});
    leader
        .put("/_cluster/settings", &rate(Some("100kb")).to_string())
        .await
        .expect(200);
    follower
        .put("/copy/_ccr/follow?wait_for_active_shards=0", FOLLOW)
        .await
        .expect(200);
    follower
        .until("/copy/_recovery?active_only", |answer| {
            let shards = answer["copy"]["shards"].as_array().cloned().unwrap_or_default();
            shards.iter().any(|shard| {
                shard["stage"] == "INDEX" && shard["index"]["size"]["total_in_bytes"].as_u64() > Some(100_000)
            })
        })
        .await;
    leader
        .put("/_cluster/settings", &rate(None).to_string())
        .await
        .expect(200);
    follower
        .until("/copy/_ccr/stats", |stats| {
            stats["indices"][0]["shards"]
                .as_array()
                .is_some_and(|shards| shards.len() == 2)
        })
        .await;
    assert_eq!(
        follower.get("/_recovery?active_only").await.expect(200),
        json!({})
    );
    let done = follower.get("/copy/_recovery?human").await.expect(200);
    let shards = done["copy"]["shards"].as_array().unwrap();
    assert_eq!(shards.len(), 2, "{done}");
    for shard in shards {
        let (size, files) = (&shard["index"]["size"], &shard["index"]["files"]);
        assert_eq!(
            (
                &shard["type"],
                &shard["stage"],
                &shard["source"]["index"],
                &shard["source"]["repository"]
            ),
            (
                &json!("SNAPSHOT"),
                &json!("DONE"),
                &json!("orders"),
                &json!("_ccr_lisbon")
            ),
        );
        assert_eq!(
            (&size["percent"], &files["percent"]),
            (&json!("100.0%"), &json!("100.0%"))
        );
        let number = |value: &Value| value.as_u64().unwrap();
        assert_eq!(
            number(&size["reused_in_bytes"]) + number(&size["recovered_in_bytes"]),
            number(&size["total_in_bytes"]),
        );
        assert!(number(&shard["stop_time_in_millis"]) >= number(&shard["start_time_in_millis"]));
        assert!(
            size["total"].is_string() && number(&files["total"]) > 0 && number(&size["bytes_per_sec"]) > 0
        );
        assert!(shard.get("failure").is_none(), "{shard}");
    }
    let table = follower
        .get("/_cat/recovery/copy?format=json&h=index,shard,type,stage,files_percent,bytes_percent")
        .await;
    let row = |shard: &str| json!({"index": "copy", "shard": shard, "type": "snapshot", "stage": "done", "files_percent": "100.0%", "bytes_percent": "100.0%"});
    assert_eq!(table.expect(200), json!([row("0"), row("1")]));
    follower.get("/none/_recovery").await.expect(404);
}

#[tokio::test]
async fn a_follower_s_own_settings_need_no_prefix() {
    let (_leader, follower) = connected().await;
    let own = r#"{"remote_cluster": "lisbon", "leader_index": "orders", "settings": {"number_of_replicas": 0, "priority": null}}"#;
    follower
        .put("/own/_ccr/follow?wait_for_active_shards=1", own)
        .await
        .expect(200);
    let settings = follower.get("/own/_settings?flat_settings").await.expect(200);
    let settings = &settings["own"]["settings"];
    assert_eq!(
        (
            &settings["index.number_of_replicas"],
            settings.get("number_of_replicas"),
            settings.get("index.priority")
        ),
        (&json!("0"), None, None)
    );
}

#[tokio::test]
async fn an_index_is_followed_paused_resumed_and_unfollowed() {
    let (leader, follower) = connected().await;
    let answer = follower
        .put("/copy/_ccr/follow?wait_for_active_shards=1", FOLLOW)
        .await
        .expect(200);
    let all = json!({"follow_index_created": true, "follow_index_shards_acked": true, "index_following_started": true});
    assert_eq!(answer, all);
    follower.until("/copy/_ccr/stats", caught_up).await;

    let stats = follower.get("/copy/_ccr/stats?human").await.expect(200);
    let shard = &stats["indices"][0]["shards"][0];
    let shape = (
        &shard["remote_cluster"],
        &shard["leader_index"],
        &shard["follower_index"],
        &shard["shard_id"],
    );
    assert_eq!(
        shape,
        (&json!("lisbon"), &json!("orders"), &json!("copy"), &json!(0))
    );
    for field in [
        "write_buffer_size",
        "total_read_time",
        "total_read_remote_exec_time",
        "total_read",
        "total_write_time",
        "time_since_last_read",
        "follower_to_leader_lag",
    ] {
        assert!(shard[field].is_string(), "{field}: {shard}");
    }
    assert_eq!(
        (&shard["read_exceptions"], shard.get("fatal_exception")),
        (&json!([]), None)
    );
    let plain = follower
        .get("/_ccr/stats?human=false&filter_path=follow_stats")
        .await
        .expect(200);
    assert_eq!(plain["follow_stats"]["indices"][0]["index"], "copy");
    assert!(plain.get("auto_follow_stats").is_none());
    assert!(
        plain["follow_stats"]["indices"][0]["shards"][0]
            .get("total_read")
            .is_none()
    );

    let info = follower.get("/copy%2Cco*/_ccr/info").await.expect(200);
    let expected = json!([{"follower_index": "copy", "remote_cluster": "lisbon", "leader_index": "orders", "status": "active", "parameters": {
        "max_read_request_operation_count": 5120, "max_write_request_operation_count": 5120,
        "max_outstanding_read_requests": 12, "max_outstanding_write_requests": 9,
        "max_read_request_size": "1024k", "max_write_request_size": "9223372036854775807b",
        "max_write_buffer_count": 2147483647, "max_write_buffer_size": "512mb", "max_retry_delay": "500ms", "read_poll_timeout": "100ms"}}]);
    assert_eq!(info["follower_indices"], expected);
    assert!(
        follower
            .get("/_tasks?detailed&actions=*ccr*")
            .await
            .text()
            .contains("shard_follow_task")
    );
    assert_eq!(
        follower.get("/_cluster/state/metadata/copy").await.json()["metadata"]["indices"]["copy"]["ccr"]["leader_index_name"],
        "orders"
    );

    follower
        .put("/copy/_doc/x", "{}")
        .await
        .refused(403, "status_exception");
    follower
        .put("/copy/_ccr/follow", FOLLOW)
        .await
        .refused(500, "snapshot_restore_exception");
    follower
        .post("/copy/_ccr/resume_follow", "")
        .await
        .refused(400, "resource_already_exists_exception");
    follower.post("/copy/_ccr/pause_follow", "").await.expect(200);
    follower
        .post("/copy/_ccr/pause_follow", "")
        .await
        .refused(400, "illegal_argument_exception");
    let info = follower.get("/copy/_ccr/info").await.expect(200);
    assert_eq!(
        info["follower_indices"][0],
        json!({"follower_index": "copy", "remote_cluster": "lisbon", "leader_index": "orders", "status": "paused"})
    );
    follower
        .get("/copy/_ccr/stats")
        .await
        .refused(404, "resource_not_found_exception");
    let vendor = [(
        "content-type",
        "application/vnd.elasticsearch+json; compatible-with=9",
    )];
    follower
        .call_with(Method::POST, "/copy/_ccr/resume_follow", &vendor, "")
        .await
        .expect(200);
    follower
        .post("/copy/_ccr/unfollow", "")
        .await
        .refused(400, "illegal_argument_exception");

    let leases = leader.get("/orders/_stats?level=shards").await.expect(200);
    let lease = leases["indices"]["orders"]["shards"]["0"][0]["retention_leases"]["leases"][0].clone();
    assert!(
        lease["id"].as_str().unwrap().starts_with("follower/copy/"),
        "{lease}"
    );
    assert_eq!(lease["source"], "ccr");

    follower.post("/copy/_ccr/pause_follow", "").await.expect(200);
    follower.post("/copy/_close", "").await.expect(200);
    follower.post("/copy/_ccr/unfollow", "").await.expect(200);
    follower.post("/copy/_open", "").await.expect(200);
    follower.put("/copy/_doc/x", "{}").await.expect(201);
}

/// Source: unlike in create index, a request that does not say waits for nothing. Either way the follower comes by itself.
#[tokio::test]
async fn follow_answers_when_as_many_copies_serve_as_it_waits_for() {
    let (_leader, follower) = connected().await;
    for (name, query, waits) in [
        ("silent", "", false),
        ("none", "?wait_for_active_shards=0", false),
        ("one", "?wait_for_active_shards=1", true),
        ("all", "?wait_for_active_shards=all", true),
    ] {
        let answer = follower
            .put(&format!("/{name}/_ccr/follow{query}"), FOLLOW)
            .await
            .expect(200);
        let expected = json!({"follow_index_created": true, "follow_index_shards_acked": waits, "index_following_started": waits});
        assert_eq!(answer, expected, "{name}");
        follower.until(&format!("/{name}/_ccr/stats"), caught_up).await;
    }
}

/// Source: Elasticsearch's `ShardStats`, which shows leases beside every section, whichever are asked for.
#[tokio::test]
async fn index_stats_show_the_leases_of_every_shard_copy() {
    let (leader, follower) = connected().await;
    follower
        .put("/copy/_ccr/follow?wait_for_active_shards=1", FOLLOW)
        .await
        .expect(200);
    let uuid = async |node: &Node, index: &str| {
        let settings = node.get(&format!("/{index}/_settings")).await.expect(200);
        let uuid = settings[index]["settings"]["index"]["uuid"].as_str().unwrap();
        uuid.to_owned()
    };
    let (copy, orders) = (uuid(&follower, "copy").await, uuid(&leader, "orders").await);
    let id = format!("follower/copy/{copy}-following-lisbon/orders/{orders}");
    let copies = |stats: &Value, number: &str| stats["indices"]["orders"]["shards"][number].clone();
    let next = |shard: &Value| shard["seq_no"]["global_checkpoint"].as_i64().unwrap() + 1;
    for path in ["/orders/_stats?level=shards", "/orders/_stats/docs?level=shards"] {
        let renewed = |stats: &Value| {
            ["0", "1"].iter().all(|number| {
                let shard = &copies(stats, number)[0];
                shard["retention_leases"]["leases"][0]["retaining_seq_no"] == next(shard)
            })
        };
        let stats = leader.until(path, renewed).await;
        for number in ["0", "1"] {
            let copies = copies(&stats, number);
            assert_eq!(copies.as_array().map(Vec::len), Some(1), "{copies}");
            let shown = &copies[0]["retention_leases"];
            let (version, timestamp) = (&shown["version"], &shown["leases"][0]["timestamp"]);
            assert!(version.as_u64() >= Some(2), "added and renewed: {shown}");
            assert!(
                timestamp.as_u64() > Some(1_000_000_000_000),
                "milliseconds: {shown}"
            );
            let expected = json!({"primary_term": 1, "version": version, "leases": [
                {"id": id, "retaining_seq_no": next(&copies[0]), "timestamp": timestamp, "source": "ccr"}]});
            assert_eq!(shown, &expected);
        }
    }
    let own = follower.get("/copy/_stats?level=shards").await.expect(200);
    assert_eq!(
        own["indices"]["copy"]["shards"]["0"][0]["retention_leases"]["leases"],
        json!([]),
        "a follower begins without leases of its own"
    );
}

#[tokio::test]
async fn requests_that_make_no_sense_create_nothing() {
    let (leader, follower) = connected().await;
    let path = "/copy/_ccr/follow";
    follower.put(path, "").await.refused(400, "parse_exception");
    follower
        .put(path, r#"{"follower_index": "x"}"#)
        .await
        .refused(400, "x_content_parse_exception");
    follower
        .put(path, r#"{"remote_cluster": 5}"#)
        .await
        .refused(400, "x_content_parse_exception");
    let both = r#"{"max_outstanding_read_requests": 0, "max_retry_delay": "1d"}"#;
    let reason = follower
        .put(path, both)
        .await
        .refused(400, "action_request_validation_exception");
    for part in [
        "remote_cluster",
        "leader_index",
        "max_outstanding_read_requests",
        "1d",
        "4:",
    ] {
        assert!(reason.contains(part), "{part}: {reason}");
    }
    follower
        .put("/copy/_ccr/follow?wait_for_active_shards=some", FOLLOW)
        .await
        .refused(400, "illegal_argument_exception");
    follower
        .put("/copy/_ccr/follow?timeout=1s", FOLLOW)
        .await
        .refused(400, "illegal_argument_exception");
    let unknown = FOLLOW.replace("lisbon", "oslo");
    follower
        .put(path, &unknown)
        .await
        .refused(404, "no_such_remote_cluster_exception");
    let missing = FOLLOW.replace("orders", "none");
    follower
        .put(path, &missing)
        .await
        .refused(404, "index_not_found_exception");
    leader.post("/orders/_close", "").await.expect(200);
    follower
        .put(path, FOLLOW)
        .await
        .refused(400, "index_closed_exception");
    assert_eq!(follower.head("/copy").await, 404);

    follower
        .post("/none/_ccr/pause_follow", "")
        .await
        .refused(404, "index_not_found_exception");
    follower
        .post("/none/_ccr/resume_follow", "{}")
        .await
        .refused(404, "index_not_found_exception");
    follower
        .post("/none/_ccr/unfollow", "")
        .await
        .refused(404, "index_not_found_exception");
    follower
        .get("/none/_ccr/info")
        .await
        .refused(404, "index_not_found_exception");
    follower
        .get("/none/_ccr/stats")
        .await
        .refused(404, "resource_not_found_exception");
    follower.put("/plain", "").await.expect(200);
    follower
        .post("/plain/_ccr/pause_follow", "")
        .await
        .refused(400, "illegal_argument_exception");
    assert_eq!(
        follower.get("/_all/_ccr/stats").await.expect(200),
        json!({"indices": []})
    );
    assert_eq!(
        follower.get("/_all/_ccr/info").await.expect(200),
        json!({"follower_indices": []})
    );
    let expected = json!({
        "auto_follow_stats": {"number_of_failed_follow_indices": 0, "number_of_failed_remote_cluster_state_requests": 0,
            "number_of_successful_follow_indices": 0, "recent_auto_follow_errors": [], "auto_followed_clusters": []},
        "follow_stats": {"indices": []}});
    assert_eq!(follower.get("/_ccr/stats").await.expect(200), expected);
}

#[tokio::test]
async fn a_follower_is_forgotten_on_its_leader() {
    let (leader, _follower) = connected().await;
    let body = r#"{"follower_cluster": "follower", "follower_index": "copy", "follower_index_uuid": "u", "leader_remote_cluster": "lisbon"}"#;
    let answer = leader
        .post("/orders/_ccr/forget_follower", body)
        .await
        .expect(200);
    assert_eq!(
        (&answer["_shards"]["total"], &answer["_shards"]["failed"]),
        (&json!(2), &json!(2))
    );
    let failure = &answer["_shards"]["failures"][0];
    assert_eq!(
        (&failure["shard"], &failure["index"], &failure["status"]),
        (&json!(0), &json!("orders"), &json!("NOT_FOUND"))
    );
    assert_eq!(failure["reason"]["type"], "retention_lease_not_found_exception");
    leader
        .post("/orders/_ccr/forget_follower", "{}")
        .await
        .refused(400, "action_request_validation_exception");
    leader
        .post("/none/_ccr/forget_follower", body)
        .await
        .refused(404, "index_not_found_exception");
}

#[tokio::test]
async fn following_goes_on_when_the_client_hangs_up() {
    let (_leader, follower) = connected().await;
    let mut stream = tokio::net::TcpStream::connect(follower.address).await.unwrap();
    let request = format!(
        "PUT /copy/_ccr/follow?wait_for_active_shards=1 HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{FOLLOW}",
        FOLLOW.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    stream.flush().await.unwrap();
    drop(stream);
    follower.until("/copy/_ccr/stats", caught_up).await;
}
