//! The auto-follow pattern APIs, `_resolve/cluster` and `_xpack/usage`, over two nodes.

use serde_json::{Value, json};

use crate::replication::connected;

const PATTERN: &str = r#"{"remote_cluster": "lisbon", "leader_index_patterns": ["logs-*"], "leader_index_exclusion_patterns": "logs-debug-*",
    "follow_index_pattern": "{{leader_index}}-copy", "settings": {"index": {"number_of_replicas": 0}},
    "max_outstanding_read_requests": 4, "read_poll_timeout": "20s"}"#;

#[tokio::test]
async fn patterns_are_put_shown_paused_resumed_and_deleted() {
    let (leader, follower) = connected().await;
    assert_eq!(
        follower.get("/_ccr/auto_follow").await.expect(200),
        json!({"patterns": []})
    );
    let acknowledged = json!({"acknowledged": true});
    let put = follower
        .put("/_ccr/auto_follow/daily?master_timeout=30s", PATTERN)
        .await;
    assert_eq!(put.expect(200), acknowledged);
    let pattern = json!({"active": true, "remote_cluster": "lisbon", "leader_index_patterns": ["logs-*"],
        "leader_index_exclusion_patterns": ["logs-debug-*"], "follow_index_pattern": "{{leader_index}}-copy",
        "settings": {"index": {"number_of_replicas": "0"}}, "max_outstanding_read_requests": 4, "read_poll_timeout": "20s"});
    let shown = |pattern: &Value| json!({"patterns": [{"name": "daily", "pattern": pattern}]});
    for path in ["/_ccr/auto_follow", "/_ccr/auto_follow/daily"] {
        assert_eq!(follower.get(path).await.expect(200), shown(&pattern));
    }
    let flat = follower
        .get("/_ccr/auto_follow/daily?flat_settings=true")
        .await
        .expect(200);
    assert_eq!(
        flat["patterns"][0]["pattern"]["settings"],
        json!({"index.number_of_replicas": "0"})
    );

    leader
        .put("/logs-1", r#"{"settings": {"number_of_replicas": 0}}"#)
        .await
        .expect(200);
    follower
        .until("/_ccr/stats", |stats| {
            stats["auto_follow_stats"]["number_of_successful_follow_indices"] == 1
        })
        .await;
    let info = follower
        .until("/logs-1-copy/_ccr/info", |info| {
            info["follower_indices"][0]["status"] == "active"
        })
        .await;
    assert_eq!(
        info["follower_indices"][0]["parameters"]["read_poll_timeout"],
        "20s"
    );
    let stats = follower.get("/_ccr/stats?human").await.expect(200);
    let cluster = &stats["auto_follow_stats"]["auto_followed_clusters"][0];
    assert_eq!(cluster["cluster_name"], "lisbon");
    assert!(
        cluster["time_since_last_check_millis"].as_i64() >= Some(0),
        "{cluster}"
    );
    assert!(
        cluster["last_seen_metadata_version"].as_i64() >= Some(1),
        "{cluster}"
    );

    for (action, active) in [("pause", false), ("pause", false), ("resume", true)] {
        let path = format!("/_ccr/auto_follow/daily/{action}");
        assert_eq!(follower.post(&path, "").await.expect(200), acknowledged);
        let mut pattern = pattern.clone();
        pattern["active"] = active.into();
        assert_eq!(
            follower.get("/_ccr/auto_follow/daily").await.expect(200),
            shown(&pattern)
        );
    }
    let usage = follower.get("/_xpack/usage").await.expect(200);
    assert_eq!(
        (
            &usage["ccr"]["follower_indices_count"],
            &usage["ccr"]["auto_follow_patterns_count"]
        ),
        (&json!(1), &json!(1))
    );
    assert!(usage["ccr"]["last_follow_time_in_millis"].is_u64());
    assert_eq!(
        follower.delete("/_ccr/auto_follow/daily").await.expect(200),
        acknowledged
    );
    assert_eq!(
        follower.get("/_ccr/auto_follow").await.expect(200),
        json!({"patterns": []})
    );
    assert_eq!(
        follower.get("/logs-1-copy/_ccr/info").await.expect(200)["follower_indices"][0]["status"],
        "active"
    );
}

#[tokio::test]
async fn what_is_wrong_with_a_pattern_is_told() {
    let (_leader, follower) = connected().await;
    let refused = [
        (
            "a",
            r#"{"leader_index_patterns": ["x"]}"#,
            400,
            "action_request_validation_exception",
        ),
        (
            "a",
            r#"{"remote_cluster": "lisbon"}"#,
            400,
            "action_request_validation_exception",
        ),
        ("_a", PATTERN, 400, "action_request_validation_exception"),
        (
            "a",
            r#"{"remote_cluster": "oslo", "leader_index_patterns": ["x"]}"#,
            404,
            "no_such_remote_cluster_exception",
        ),
        (
            "a",
            r#"{"remote_cluster": "lisbon", "leader_index_patterns": [1]}"#,
            400,
            "x_content_parse_exception",
        ),
        (
            "a",
            r#"{"remote_cluster": "lisbon", "leader_index_patterns": ["x"], "other": 1}"#,
            400,
            "x_content_parse_exception",
        ),
        (
            "a",
            r#"{"remote_cluster": "lisbon", "leader_index_patterns": ["x"], "settings": {"number_of_shards": 5}}"#,
            400,
            "illegal_argument_exception",
        ),
    ];
    for (name, body, status, kind) in refused {
        follower
            .put(&format!("/_ccr/auto_follow/{name}"), body)
            .await
            .refused(status, kind);
    }
    let missing = [
        follower.get("/_ccr/auto_follow/none").await,
        follower.delete("/_ccr/auto_follow/none").await,
        follower.post("/_ccr/auto_follow/none/pause", "").await,
        follower.post("/_ccr/auto_follow/none/resume", "").await,
        follower.get("/_ccr/auto_follow/none/_preview").await,
    ];
    for missing in missing {
        missing.refused(404, "resource_not_found_exception");
    }
}

#[tokio::test]
async fn a_preview_tells_what_would_be_followed_and_why_not() {
    let (leader, follower) = connected().await;
    for index in ["logs-1", "logs-debug-1"] {
        leader.put(&format!("/{index}"), "").await.expect(200);
    }
    let mut body: Value = serde_json::from_str(PATTERN).unwrap();
    let preview = async |body: &Value| {
        let answer = follower
            .post("/_ccr/auto_follow/_preview", &body.to_string())
            .await;
        answer.expect(200)["indices"].clone()
    };
    let indices = preview(&body).await;
    assert_eq!(indices[0]["leader_index"], "logs-1");
    assert_eq!(indices[0]["would_follow"], false);
    assert!(
        indices[0]["reason"]
            .as_str()
            .unwrap()
            .contains("[follow_existing_indices]")
    );
    assert_eq!(indices[1]["reason"], "it is excluded by [logs-debug-*]");
    body["follow_existing_indices"] = true.into();
    let would = json!({"leader_index": "logs-1", "would_follow": true, "follower_index": "logs-1-copy"});
    assert_eq!(preview(&body).await[0], would);
    follower
        .put("/_ccr/auto_follow/daily", &body.to_string())
        .await
        .expect(200);
    let shown = follower.get("/_ccr/auto_follow/daily").await.expect(200);
    assert_eq!(shown["patterns"][0]["pattern"]["follow_existing_indices"], true);
    follower
        .until("/_ccr/auto_follow/daily/_preview", |answer| {
            answer["indices"][0]["would_follow"] == false
        })
        .await;
    follower
        .until("/logs-1-copy/_ccr/info", |info| {
            info["follower_indices"][0]["status"] == "active"
        })
        .await;
}

#[tokio::test]
async fn clusters_are_resolved_with_what_they_have() {
    let (leader, follower) = connected().await;
    leader
        .put("/hidden", r#"{"settings": {"index.hidden": true}}"#)
        .await
        .expect(200);
    follower.put("/local", "").await.expect(200);
    let seeds =
        r#"{"persistent": {"cluster.remote.gone": {"seeds": ["127.0.0.1:1"], "skip_unavailable": false}}}"#;
    follower.put("/_cluster/settings", seeds).await.expect(200);
    let all = follower.get("/_resolve/cluster?timeout=10s").await.expect(200);
    assert_eq!(
        all["lisbon"],
        json!({"connected": true, "skip_unavailable": true})
    );
    assert_eq!(
        (&all["gone"]["connected"], all["gone"]["error"].is_string()),
        (&json!(false), true)
    );
    let matching = async |expression: &str| {
        let answer = follower
            .get(&format!("/_resolve/cluster/{expression}"))
            .await
            .expect(200);
        let of = |cluster: &str| {
            answer
                .get(cluster)
                .map(|cluster| cluster["matching_indices"].clone())
        };
        (of("(local)"), of("lisbon"))
    };
    let (yes, no) = (Some(json!(true)), Some(json!(false)));
    assert_eq!(matching("local,lisbon:ord*").await, (yes.clone(), yes.clone()));
    assert_eq!(matching("no*,lisbon:no*").await, (no.clone(), no.clone()));
    assert_eq!(matching("lisbon:hid*").await, (None, no));
    assert_eq!(
        matching("lisbon:hid*?expand_wildcards=all").await,
        (None, yes.clone())
    );
    assert_eq!(matching("lis*:orders,lisbon:no*").await, (None, yes));
    let answer = follower
        .get("/_resolve/cluster/none,lisbon:none")
        .await
        .expect(200);
    for cluster in ["(local)", "lisbon"] {
        assert_eq!(answer[cluster]["error"], "no such index [none]");
    }
    follower
        .get("/_resolve/cluster/oslo:orders")
        .await
        .refused(404, "no_such_remote_cluster_exception");
}
