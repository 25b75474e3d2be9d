//! How long requests wait, and what they answer when that was not long enough.

use std::sync::{Arc, mpsc};

use serde_json::json;

use crate::node::Node;

/// Keeps every other change of cluster state of a node from having its turn, until this is dropped.
struct Held {
    release: Option<mpsc::Sender<()>>,
    holder: Option<std::thread::JoinHandle<()>>,
}

impl Held {
    fn hold(node: &Node) -> Self {
        let cluster = Arc::clone(&node.cluster);
        let (release, released) = mpsc::channel::<()>();
        let (holds, held) = mpsc::channel();
        let holder = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            let wait = cluster.update("held", move |state| {
                holds.send(()).unwrap();
                // Ends when the other side is dropped.
                let _ = released.recv();
                Ok((state.clone(), ()))
            });
            runtime.block_on(wait).unwrap();
        });
        held.recv().unwrap();
        Self {
            release: Some(release),
            holder: Some(holder),
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        drop(self.release.take());
        if let Some(holder) = self.holder.take() {
            holder.join().unwrap();
        }
    }
}

#[tokio::test]
async fn a_change_that_does_not_have_its_turn_in_time_is_refused_and_changes_nothing() {
    let node = Node::start().await;
    node.put("/there", "").await.expect(200);
    let held = Held::hold(&node);
    for (method, path, body) in [
        ("PUT", "/orders?master_timeout=20ms", ""),
        ("PUT", "/orders?master_timeout=0", ""),
        ("DELETE", "/there?master_timeout=20ms", ""),
        ("POST", "/there/_close?master_timeout=20ms", ""),
        (
            "PUT",
            "/there/_settings?master_timeout=20ms",
            r#"{"index.refresh_interval": "5s"}"#,
        ),
        ("PUT", "/there/_alias/a?master_timeout=20ms", ""),
        (
            "PUT",
            "/_cluster/settings?master_timeout=20ms",
            r#"{"persistent": {"action.auto_create_index": "true"}}"#,
        ),
        (
            "PUT",
            "/_index_template/t?master_timeout=20ms",
            r#"{"index_patterns": ["x-*"]}"#,
        ),
    ] {
        let answer = node.call(method.parse().unwrap(), path, body).await;
        let reason = answer.refused(503, "process_cluster_event_timeout_exception");
        assert!(
            reason.contains("failed to process cluster event"),
            "{path}: {reason}"
        );
    }
    let pending = node.get("/_cluster/pending_tasks").await.expect(200);
    let task = &pending["tasks"][0];
    assert_eq!(
        (&task["source"], &task["executing"], &task["priority"]),
        (&json!("held"), &json!(true), &json!("NORMAL"))
    );
    assert!(task["time_in_queue_millis"].is_u64() && task["insert_order"].is_u64());
    assert_eq!(
        node.get("/_cat/pending_tasks?h=priority,source").await.text(),
        "NORMAL held\n"
    );
    assert_eq!(
        node.get("/_cluster/health").await.expect(200)["number_of_pending_tasks"],
        1
    );

    let late = async {
        node.until("/_cluster/pending_tasks", |answer| {
            answer["tasks"][1]["source"] == "create-index [late]"
        })
        .await;
        drop(held);
    };
    let (created, ()) = tokio::join!(node.put("/late?master_timeout=-1", ""), late);
    assert_eq!(created.expect(200)["acknowledged"], true);
    assert_eq!(node.head("/orders").await, 404);
    assert_eq!(
        node.get("/_cluster/pending_tasks").await.expect(200),
        json!({"tasks": []})
    );
    assert_eq!(
        node.get("/_cat/indices?h=index,status&s=index").await.text(),
        "late  open\nthere open\n"
    );
}

#[tokio::test]
async fn a_request_that_does_not_wait_is_not_acknowledged() {
    let node = Node::start().await;
    let created = node.put("/orders?timeout=0", "").await.expect(200);
    assert_eq!(
        created,
        json!({"acknowledged": false, "shards_acknowledged": false, "index": "orders"})
    );
    node.until("/_cluster/health/orders?wait_for_status=yellow", |_| true)
        .await;
    let mapping = r#"{"properties": {"n": {"type": "long"}}}"#;
    for (timeout, expected) in [("0", false), ("0s", false), ("-1", true), ("10s", true)] {
        let changed = node
            .put(&format!("/orders/_mapping?timeout={timeout}"), mapping)
            .await
            .expect(200);
        assert_eq!(changed["acknowledged"], expected, "{timeout}");
    }
    let closed = node.post("/orders/_close?timeout=0", "").await.expect(200);
    assert_eq!(
        (&closed["acknowledged"], &closed["indices"]["orders"]["closed"]),
        (&json!(false), &json!(true))
    );
    let opened = node.post("/orders/_open?timeout=10s", "").await.expect(200);
    assert_eq!(opened, json!({"acknowledged": true, "shards_acknowledged": true}));
    assert_eq!(
        node.delete("/orders?timeout=0").await.expect(200)["acknowledged"],
        false
    );
}

#[tokio::test]
async fn malformed_times_are_refused_wherever_they_are_taken() {
    let node = Node::start().await;
    for (method, path) in [
        ("PUT", "/orders?timeout=5"),
        ("PUT", "/orders?master_timeout=soon"),
        ("GET", "/_cluster/health?timeout=-5s"),
        ("GET", "/_cluster/state?wait_for_timeout=x"),
        ("GET", "/_cat/indices?master_timeout=1"),
        ("GET", "/_search?timeout=1"),
        ("GET", "/_nodes?timeout=1"),
        ("POST", "/orders/_update_by_query?search_timeout=1"),
        ("GET", "/_cluster/pending_tasks?master_timeout=1"),
    ] {
        let answer = node.call(method.parse().unwrap(), path, "").await;
        answer.refused(400, "illegal_argument_exception");
    }
    assert_eq!(node.head("/orders").await, 404);
}
