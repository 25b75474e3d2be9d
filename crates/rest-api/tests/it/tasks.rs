//! The task management APIs.

use http::Method;
use serde_json::{Value, json};

use crate::node::Node;
use crate::replication::{FOLLOW, connected};

const ALL: &str = r#"{"query": {"match_all": {}}}"#;
/// Parameters of a request that writes one document, and then waits for hours.
const SLOW: &str = "scroll_size=1&requests_per_second=0.0001&wait_for_completion=false";

/// A node with an index `orders` of five documents.
async fn with_documents() -> Node {
    let node = Node::start().await;
    node.put("/orders", r#"{"settings": {"number_of_replicas": 0}}"#)
        .await
        .expect(200);
    for n in 0..5 {
        node.put(&format!("/orders/_doc/{n}"), &json!({"n": n}).to_string())
            .await
            .expect(201);
    }
    node.post("/orders/_refresh", "").await.expect(200);
    node
}

/// Starts a task that nobody waits for, and answers its id.
async fn start(node: &Node, path: &str, body: &str) -> String {
    let started = node.post(path, body).await.expect(200);
    started["task"].as_str().unwrap().to_owned()
}

/// The tasks of an answer, by id.
fn tasks(answer: &Value) -> Vec<(String, Value)> {
    let nodes = answer["nodes"].as_object().unwrap();
    let tasks = nodes.values().flat_map(|node| node["tasks"].as_object().unwrap());
    tasks.map(|(id, task)| (id.clone(), task.clone())).collect()
}

async fn until_throttled(node: &Node, id: &str) -> Value {
    node.until(&format!("/_tasks/{id}"), |answer| {
        answer["task"]["status"]["throttled_until_millis"].as_u64() > Some(0)
    })
    .await
}

#[tokio::test]
async fn a_task_that_nobody_waits_for_is_listed_cancelled_and_remembered() {
    let node = with_documents().await;
    let path = format!("/orders/_delete_by_query?{SLOW}");
    let answer = node
        .call_with(
            Method::POST,
            &path,
            &[("content-type", "application/json"), ("x-opaque-id", "mine")],
            ALL,
        )
        .await;
    let id = answer.expect(200)["task"].as_str().unwrap().to_owned();
    let running = until_throttled(&node, &id).await;
    assert_eq!(running["completed"], false);
    let task = &running["task"];
    let (owner, number) = id.split_once(':').unwrap();
    assert_eq!(
        (&task["node"], &task["id"].to_string()),
        (&json!(owner), &number.to_owned())
    );
    assert_eq!(
        (
            &task["action"],
            &task["type"],
            &task["description"],
            &task["headers"]
        ),
        (
            &json!("indices:data/write/delete/byquery"),
            &json!("transport"),
            &json!("delete-by-query [orders]"),
            &json!({"X-Opaque-Id": "mine"})
        )
    );
    assert_eq!(
        (&task["cancellable"], &task["cancelled"]),
        (&json!(true), &json!(false))
    );
    assert_eq!(
        (
            &task["status"]["total"],
            &task["status"]["deleted"],
            &task["status"]["batches"]
        ),
        (&json!(5), &json!(1), &json!(1))
    );
    assert!(task["start_time_in_millis"].is_u64() && task["running_time_in_nanos"].is_u64());

    let listed = node.get("/_tasks").await.expect(200);
    assert_eq!(listed["nodes"][owner]["name"], "node-1");
    let shown = &listed["nodes"][owner]["tasks"][&id];
    assert_eq!((shown.get("description"), shown.get("status")), (None, None));
    let none = node.get("/_tasks?group_by=none&detailed").await.expect(200);
    assert_eq!(none["tasks"][0]["description"], "delete-by-query [orders]");
    let parents = node.get("/_tasks?group_by=parents").await.expect(200);
    assert!(parents["tasks"][&id].is_object());
    for (query, expected) in [
        ("actions=*byquery", 1),
        ("actions=indices:*,nothing", 1),
        ("actions=*reindex", 0),
        // With the request itself.
        ("nodes=_local", 2),
        ("nodes=node-*", 2),
        ("nodes=other", 0),
        ("parent_task_id=other:1", 0),
        ("parent_task_id=-1", 2),
    ] {
        let listed = node.get(&format!("/_tasks?{query}")).await.expect(200);
        assert_eq!(tasks(&listed).len(), expected, "{query}");
    }

    let cancelled = node.post(&format!("/_tasks/{id}/_cancel"), "").await.expect(200);
    assert_eq!(tasks(&cancelled)[0].1["cancelled"], true);
    let ended = node
        .until(&format!("/_tasks/{id}"), |answer| answer["completed"] == true)
        .await;
    let response = &ended["response"];
    assert_eq!(
        (&response["canceled"], &response["deleted"], &response["failures"]),
        (&json!("by user request"), &json!(1), &json!([]))
    );
    assert_eq!(ended["task"]["cancelled"], true);
    node.until("/_tasks?actions=indices:*", |answer| {
        *answer == json!({"nodes": {}})
    })
    .await;
    node.post("/orders/_refresh", "").await.expect(200);
    assert_eq!(node.get("/orders/_count").await.expect(200)["count"], 4);
}

#[tokio::test]
async fn a_task_is_waited_for_and_rethrottled() {
    let node = with_documents().await;
    let body = json!({"source": {"index": "orders", "size": 1}, "dest": {"index": "copy"}}).to_string();
    let slow = "/_reindex?requests_per_second=0.0001&wait_for_completion=false";
    let id = start(&node, slow, &body).await;
    until_throttled(&node, &id).await;
    node.get(&format!("/_tasks/{id}?wait_for_completion&timeout=20ms"))
        .await
        .refused(429, "timeout_exception");
    let late = node
        .get("/_tasks?wait_for_completion&timeout=20ms&actions=*reindex")
        .await
        .expect(200);
    assert_eq!(late["node_failures"][0]["caused_by"]["type"], "timeout_exception");
    assert_eq!(tasks(&late).len(), 1);

    let path = format!("/_reindex/{id}/_rethrottle");
    node.post(&path, "")
        .await
        .refused(400, "illegal_argument_exception");
    node.post(&format!("{path}?requests_per_second=0"), "")
        .await
        .refused(400, "illegal_argument_exception");
    let changed = node
        .post(&format!("{path}?requests_per_second=-1&detailed"), "")
        .await;
    assert_eq!(
        tasks(&changed.expect(200))[0].1["status"]["requests_per_second"],
        -1.0
    );
    let ended = node
        .get(&format!("/_tasks/{id}?wait_for_completion&timeout=10s"))
        .await
        .expect(200);
    assert_eq!(
        (
            &ended["completed"],
            &ended["response"]["created"],
            &ended["response"]["batches"]
        ),
        (&json!(true), &json!(5), &json!(5))
    );
    assert_eq!(ended["response"].get("canceled"), None);
    assert!(
        ended["response"]["throttled_millis"].as_u64() > Some(0),
        "{ended}"
    );
}

#[tokio::test]
async fn a_failure_of_a_task_is_remembered() {
    let node = Node::start().await;
    let id = start(&node, "/none/_delete_by_query?wait_for_completion=false", ALL).await;
    let ended = node
        .until(&format!("/_tasks/{id}"), |answer| answer["completed"] == true)
        .await;
    assert_eq!(ended["error"]["type"], "index_not_found_exception");
    assert_eq!(ended.get("response"), None);
}

#[tokio::test]
async fn tasks_are_cancelled_by_action_and_a_client_that_waits_is_answered() {
    let node = with_documents().await;
    let throttled = "/orders/_update_by_query?scroll_size=1&requests_per_second=0.0001";
    let cancel = async {
        node.until("/_tasks?detailed&group_by=none", |answer| {
            answer["tasks"][0]["status"]["throttled_until_millis"].as_u64() > Some(0)
        })
        .await;
        let path = "/_tasks/_cancel?actions=*byquery&wait_for_completion";
        node.post(path, "").await.expect(200)
    };
    let (done, cancelled) = tokio::join!(node.post(throttled, ""), cancel);
    assert_eq!(done.expect(200)["canceled"], "by user request");
    assert_eq!(
        tasks(&cancelled)[0].1["action"],
        "indices:data/write/update/byquery"
    );
    assert_eq!(
        node.post("/_tasks/_cancel?actions=nothing", "").await.expect(200),
        json!({"nodes": {}})
    );
}

#[tokio::test]
async fn what_is_no_task_is_refused() {
    let node = Node::start().await;
    let state = node.get("/_cluster/state/master_node").await.expect(200);
    let owner = state["master_node"].as_str().unwrap();
    let known = format!("{owner}:99999");
    for (path, status, kind) in [
        ("/_tasks/nonsense".to_owned(), 400, "illegal_argument_exception"),
        (format!("/_tasks/{known}"), 404, "resource_not_found_exception"),
        ("/_tasks/other:1".to_owned(), 404, "resource_not_found_exception"),
        ("/_tasks?group_by=x".to_owned(), 400, "illegal_argument_exception"),
        ("/_tasks?timeout=5".to_owned(), 400, "illegal_argument_exception"),
        (
            "/_tasks?parent_task_id=x".to_owned(),
            400,
            "illegal_argument_exception",
        ),
    ] {
        node.get(&path).await.refused(status, kind);
    }
    let reason = node
        .get(&format!("/_tasks/{known}"))
        .await
        .refused(404, "resource_not_found_exception");
    assert_eq!(
        reason,
        format!("task [{known}] isn't running and hasn't stored its results")
    );
    for (path, cause) in [
        (format!("/_tasks/{known}/_cancel"), "resource_not_found_exception"),
        ("/_tasks/other:1/_cancel".to_owned(), "no_such_node_exception"),
        (
            format!("/_delete_by_query/{known}/_rethrottle?requests_per_second=1"),
            "resource_not_found_exception",
        ),
    ] {
        let answer = node.post(&path, "").await.expect(200);
        assert_eq!(
            answer["node_failures"][0]["type"], "failed_node_exception",
            "{path}"
        );
        assert_eq!(answer["node_failures"][0]["caused_by"]["type"], cause, "{path}");
        assert_eq!(answer["nodes"], json!({}));
    }
    for query in ["slices=0", "requests_per_second=0", "wait_for_completion=maybe"] {
        node.post(&format!("/orders/_delete_by_query?{query}"), ALL)
            .await
            .refused(400, "illegal_argument_exception");
    }
}

#[tokio::test]
async fn follow_tasks_keep_their_ids_and_are_not_cancelled() {
    let (_leader, follower) = connected().await;
    follower
        .put("/copy/_ccr/follow?wait_for_active_shards=1", FOLLOW)
        .await
        .expect(200);
    let path = "/_tasks?actions=xpack/ccr/*&detailed";
    let listed = follower.until(path, |answer| answer["nodes"] != json!({})).await;
    let (id, task) = &tasks(&listed)[0];
    assert_eq!(
        (&task["type"], &task["status"]["follower_index"]),
        (&json!("persistent"), &json!("copy"))
    );
    assert!(task["description"].as_str().unwrap().ends_with("-0"));
    assert_eq!(&tasks(&follower.get(path).await.expect(200))[0].0, id);
    let one = follower.get(&format!("/_tasks/{id}")).await.expect(200);
    assert_eq!(
        (&one["completed"], &one["task"]["status"]["follower_index"]),
        (&json!(false), &json!("copy"))
    );
    let refused = follower
        .post(&format!("/_tasks/{id}/_cancel"), "")
        .await
        .expect(200);
    let reason = refused["node_failures"][0]["caused_by"]["reason"]
        .as_str()
        .unwrap();
    assert!(reason.contains("pause_follow"), "{reason}");
    let passed_over = follower.post("/_tasks/_cancel", "").await.expect(200);
    assert_eq!(passed_over, json!({"nodes": {}}));
}

#[tokio::test]
async fn a_node_that_stops_ends_what_a_client_waits_for() {
    let node = with_documents().await;
    let throttled = "/orders/_update_by_query?scroll_size=1&requests_per_second=0.0001";
    let stop = async {
        node.until("/_tasks?detailed&group_by=none", |answer| {
            answer["tasks"][0]["status"]["throttled_until_millis"].as_u64() > Some(0)
        })
        .await;
        node.stop.cancel();
    };
    let answered = async { tokio::join!(node.post(throttled, ""), stop).0 };
    let answered = tokio::time::timeout(std::time::Duration::from_secs(10), answered).await;
    let done = answered.expect("ended").expect(200);
    assert_eq!(done["canceled"], "the node is shutting down");
}

#[tokio::test]
async fn a_node_that_stops_ends_its_background_tasks() {
    let node = with_documents().await;
    let id = start(&node, &format!("/orders/_update_by_query?{SLOW}"), "").await;
    until_throttled(&node, &id).await;
    node.stop.cancel();
    let stopped = tokio::time::timeout(std::time::Duration::from_secs(10), node.server).await;
    assert!(
        stopped.is_ok(),
        "the server waits for a task that waits for hours"
    );
}

#[tokio::test]
async fn a_request_that_lists_tasks_is_one_of_them_and_does_not_wait_for_itself() {
    let node = Node::start().await;
    let answer = node
        .call_with(
            Method::GET,
            "/_tasks?actions=cluster:monitor/tasks/lists&group_by=none&wait_for_completion&timeout=10s",
            &[("x-opaque-id", "That is me")],
            "",
        )
        .await
        .expect(200);
    assert_eq!(answer.get("node_failures"), None, "{answer}");
    let task = &answer["tasks"][0];
    assert_eq!(
        (&task["headers"]["X-Opaque-Id"], &task["cancellable"]),
        (&json!("That is me"), &json!(false))
    );
    let listed = node.get("/_tasks").await.expect(200);
    let told = listed["nodes"].as_object().unwrap().values().next().unwrap();
    assert!(told["roles"].is_array(), "{told}");
    assert_eq!(tasks(&listed).len(), 1);
}
