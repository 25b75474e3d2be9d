//! Searches over several requests: scrolls and points in time; several searches in one request.

use std::collections::BTreeSet;

use http::Method;
use serde_json::{Value, json};

use crate::node::Node;

/// A node with an index `orders` of three shards and `count` documents, all with the same value of `same`.
async fn with_documents(count: usize) -> Node {
    let node = Node::start().await;
    let settings =
        r#"{"settings": {"number_of_shards": 3, "number_of_replicas": 0, "index.refresh_interval": "-1"}}"#;
    node.put("/orders", settings).await.expect(200);
    write(&node, 0..count).await;
    node
}

async fn write(node: &Node, ids: std::ops::Range<usize>) {
    let lines: String = ids
        .map(|id| {
            format!(
                "{{\"index\": {{\"_id\": \"{id}\"}}}}\n{{\"n\": {id}, \"same\": 1, \"text\": \"word\"}}\n"
            )
        })
        .collect();
    let path = "/orders/_bulk?refresh=true";
    let answer = node
        .call_with(
            Method::POST,
            path,
            &[("content-type", "application/x-ndjson")],
            lines,
        )
        .await;
    assert_eq!(answer.expect(200)["errors"], false);
}

fn ids(answer: &Value) -> Vec<String> {
    let hits = answer["hits"]["hits"].as_array().unwrap();
    hits.iter()
        .map(|hit| hit["_id"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn a_scroll_gives_every_document_once_whatever_is_written_meanwhile() {
    let node = with_documents(100).await;
    for (sort, shown) in [
        (json!(["_doc"]), 1),
        (json!([{"same": "asc"}]), 1),
        (json!([{"n": "desc"}, "same"]), 2),
        (Value::Null, 0),
    ] {
        let mut body = json!({"size": 7, "query": {"match": {"text": "word"}}});
        if !sort.is_null() {
            body["sort"] = sort.clone();
        }
        let mut answer = node
            .post("/orders/_search?scroll=1m", &body.to_string())
            .await
            .expect(200);
        let total = answer["hits"]["total"]["value"].as_u64().unwrap();
        assert_eq!(answer["hits"]["total"]["relation"], "eq");
        // Neither what is new nor what is deleted now changes what the scroll gives.
        write(&node, 200..203).await;
        node.delete("/orders/_doc/5?refresh=true").await.expect(200);
        let mut seen = BTreeSet::new();
        let mut order: Vec<i64> = Vec::new();
        loop {
            let page = ids(&answer);
            if page.is_empty() {
                break;
            }
            for hit in answer["hits"]["hits"].as_array().unwrap() {
                assert_eq!(hit["sort"].as_array().map_or(0, Vec::len), shown, "{sort}: {hit}");
                assert_eq!(hit["_score"].is_number(), sort.is_null(), "{hit}");
                order.push(-hit["_source"]["n"].as_i64().unwrap());
            }
            for id in page {
                assert!(seen.insert(id), "{sort}");
            }
            assert_eq!(answer["hits"]["total"]["value"], total);
            let next = json!({"scroll": "1m", "scroll_id": answer["_scroll_id"]});
            answer = node.post("/_search/scroll", &next.to_string()).await.expect(200);
        }
        assert_eq!(seen.len() as u64, total, "{sort}");
        assert!(seen.contains("5") && !seen.contains("200"), "{sort}");
        assert!(shown != 2 || order.is_sorted(), "{order:?}");
        let cleared = json!({"scroll_id": [answer["_scroll_id"]]});
        assert_eq!(
            node.call(Method::DELETE, "/_search/scroll", &cleared.to_string())
                .await
                .expect(200),
            json!({"succeeded": true, "num_freed": 1})
        );
        write(&node, 0..100).await;
        for id in 200..203 {
            node.delete(&format!("/orders/_doc/{id}?refresh=true"))
                .await
                .expect(200);
        }
    }
}

#[tokio::test]
async fn what_does_not_go_with_a_scroll_is_refused() {
    let node = with_documents(3).await;
    for (path, body, kind) in [
        (
            "/orders/_search?scroll=1m",
            r#"{"from": 1}"#,
            "action_request_validation_exception",
        ),
        (
            "/orders/_search?scroll=1m",
            r#"{"size": 0}"#,
            "action_request_validation_exception",
        ),
        (
            "/orders/_search?scroll=1m",
            r#"{"track_total_hits": false}"#,
            "action_request_validation_exception",
        ),
        ("/orders/_search?scroll=2d", "{}", "illegal_argument_exception"),
        ("/orders/_search?scroll=-1", "{}", "illegal_argument_exception"),
        ("/_search/scroll", "{}", "action_request_validation_exception"),
    ] {
        node.post(path, body).await.refused(400, kind);
    }
    let none = r#"{"scroll_id": "none"}"#;
    let refused = node.post("/_search/scroll", none).await;
    refused.refused(404, "search_phase_execution_exception");
    assert_eq!(
        refused.json()["error"]["root_cause"][0]["type"],
        "search_context_missing_exception"
    );
    let cleared = node.call(Method::DELETE, "/_search/scroll", none).await;
    assert_eq!(cleared.expect(404), json!({"succeeded": true, "num_freed": 0}));
    // As the oldest clients do.
    let first = node
        .post("/orders/_search?scroll=1m&size=2", "")
        .await
        .expect(200);
    let id = first["_scroll_id"].as_str().unwrap();
    assert_eq!(
        ids(&node
            .get(&format!("/_search/scroll/{id}?scroll=1m"))
            .await
            .expect(200))
        .len(),
        1
    );
    assert_eq!(
        node.delete("/_search/scroll/_all").await.expect(200)["num_freed"],
        1
    );
}

#[tokio::test]
async fn a_point_in_time_is_searched_page_by_page_and_does_not_move() {
    let node = with_documents(50).await;
    node.post("/orders/_pit", "")
        .await
        .refused(400, "action_request_validation_exception");
    let opened = node.post("/orders/_pit?keep_alive=1m", "").await.expect(200);
    assert_eq!(opened["_shards"]["successful"], 3);
    write(&node, 100..110).await;
    node.delete("/orders/_doc/7?refresh=true").await.expect(200);
    let search = async |sort: Value, after: Value| {
        let mut body = json!({"size": 8, "sort": sort, "pit": {"id": opened["id"], "keep_alive": "1m"}});
        if !after.is_null() {
            body["search_after"] = after;
        }
        node.post("/_search", &body.to_string()).await.expect(200)
    };
    for sort in [
        json!([{"same": "asc"}]),
        json!(["_shard_doc"]),
        json!([{"_shard_doc": "desc"}]),
    ] {
        let (mut seen, mut after) = (BTreeSet::new(), Value::Null);
        loop {
            let answer = search(sort.clone(), after.clone()).await;
            assert_eq!(answer["pit_id"], opened["id"]);
            assert_eq!(answer["hits"]["total"]["value"], 50);
            let Some(last) = answer["hits"]["hits"].as_array().unwrap().last().cloned() else {
                break;
            };
            after = last["sort"].clone();
            for id in ids(&answer) {
                assert!(seen.insert(id), "{sort}");
            }
        }
        assert_eq!(seen.len(), 50, "{sort}");
        assert!(seen.contains("7") && !seen.contains("100"));
    }
    let pit = json!({"pit": {"id": opened["id"]}}).to_string();
    node.post("/orders/_search", &pit)
        .await
        .refused(400, "action_request_validation_exception");
    let close = json!({"id": opened["id"]}).to_string();
    let closed = node.call(Method::DELETE, "/_pit", &close).await.expect(200);
    assert_eq!(closed, json!({"succeeded": true, "num_freed": 1}));
    node.call(Method::DELETE, "/_pit", &close).await.expect(404);
    node.post("/_search", &pit)
        .await
        .refused(404, "search_phase_execution_exception");
}

#[tokio::test]
async fn too_many_at_once_are_refused_and_the_unused_expire() {
    let node = with_documents(1).await;
    for _ in 0..300 {
        node.post("/orders/_pit?keep_alive=1ms", "").await.expect(200);
    }
    // All of them are over by now, or are soon.
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    for _ in 0..300 {
        node.post("/orders/_pit?keep_alive=1m", "").await.expect(200);
    }
    node.post("/orders/_pit?keep_alive=1m", "")
        .await
        .refused(429, "too_many_scroll_contexts_exception");
    node.post("/orders/_search?scroll=1m", "").await.expect(200);
}

#[tokio::test]
async fn several_searches_in_one_request_fail_each_by_itself() {
    let node = with_documents(5).await;
    let lines = concat!(
        "{}\n{\"query\": {\"match_all\": {}}, \"size\": 2}\n",
        "{\"index\": \"none\"}\n{}\n",
        "{\"index\": [\"none\", \"orders\"], \"ignore_unavailable\": true}\n{\"size\": 0, \"track_total_hits\": true}\n",
        "{}\n{\"query\": {\"nonsense\": {}}}\n",
    );
    let ndjson = [("content-type", "application/x-ndjson")];
    let answer = node
        .call_with(Method::POST, "/orders/_msearch", &ndjson, lines)
        .await
        .expect(200);
    let responses = answer["responses"].as_array().unwrap();
    let statuses: Vec<u64> = responses
        .iter()
        .map(|one| one["status"].as_u64().unwrap())
        .collect();
    assert_eq!(statuses, [200, 404, 200, 400]);
    assert_eq!(ids(&responses[0]).len(), 2);
    assert_eq!(responses[1]["error"]["type"], "index_not_found_exception");
    assert_eq!(responses[2]["hits"]["total"]["value"], 5);
    for (body, kind) in [
        ("{}\n{}", "illegal_argument_exception"),
        ("{\"index\": \"orders\"}\n", "illegal_argument_exception"),
        ("\n", "action_request_validation_exception"),
    ] {
        node.call_with(Method::POST, "/_msearch", &ndjson, body)
            .await
            .refused(400, kind);
    }
}

#[tokio::test]
async fn a_scroll_over_indices_that_lack_the_sorted_field_gives_all_of_them() {
    let node = with_documents(20).await;
    for id in 0..30 {
        node.put(&format!("/another/_doc/{id}"), r#"{"other": 1}"#)
            .await
            .expect(201);
    }
    node.post("/_refresh", "").await.expect(200);
    for order in ["asc", "desc"] {
        for missing in ["_last", "_first"] {
            let sort = json!([{"n": {"order": order, "missing": missing, "unmapped_type": "long"}}]);
            let body = json!({"size": 7, "sort": sort}).to_string();
            let mut answer = node
                .post("/another,orders/_search?scroll=1m", &body)
                .await
                .expect(200);
            let mut seen = 0;
            while !ids(&answer).is_empty() {
                seen += ids(&answer).len();
                let next = json!({"scroll_id": answer["_scroll_id"]}).to_string();
                answer = node.post("/_search/scroll", &next).await.expect(200);
            }
            assert_eq!(seen, 50, "{sort}");
        }
    }
}

#[tokio::test]
async fn later_pages_show_what_the_first_one_asked_for() {
    let node = with_documents(3).await;
    let body = json!({"size": 1, "version": true, "seq_no_primary_term": true}).to_string();
    let first = node.post("/orders/_search?scroll=1m", &body).await.expect(200);
    let next = json!({"scroll_id": first["_scroll_id"]}).to_string();
    let second = node.post("/_search/scroll", &next).await.expect(200);
    for page in [first, second] {
        let hit = &page["hits"]["hits"][0];
        assert!(
            hit["_version"].is_u64() && hit["_seq_no"].is_u64() && hit["_primary_term"].is_u64(),
            "{hit}"
        );
    }
}

#[tokio::test]
async fn a_search_of_a_shard_that_was_closed_or_made_anew_is_over() {
    let node = with_documents(3).await;
    let open = async || {
        node.post("/orders/_search?scroll=1m&size=1", "")
            .await
            .expect(200)["_scroll_id"]
            .clone()
    };
    let (closed, deleted) = (open().await, open().await);
    let next = async |id: &Value| {
        node.post("/_search/scroll", &json!({"scroll_id": id}).to_string())
            .await
    };
    node.post("/orders/_close", "").await.expect(200);
    node.post("/orders/_open", "").await.expect(200);
    let refused = next(&closed).await;
    refused.refused(404, "search_phase_execution_exception");
    assert_eq!(
        refused.json()["error"]["root_cause"][0]["type"],
        "search_context_missing_exception"
    );
    node.delete("/orders").await.expect(200);
    write(&node, 0..3).await;
    assert_eq!(next(&deleted).await.status.as_u16(), 404);
}

#[tokio::test]
async fn an_open_search_does_not_keep_a_forced_merge_waiting() {
    let node = with_documents(300).await;
    let opened = node.post("/orders/_pit?keep_alive=1m", "").await.expect(200);
    write(&node, 0..300).await;
    let merge = node.post("/orders/_forcemerge?max_num_segments=1", "");
    let merged = tokio::time::timeout(std::time::Duration::from_secs(12), merge).await;
    assert_eq!(
        merged
            .expect("three shards, each of which would wait for 5 s")
            .expect(200)["_shards"]["failed"],
        0
    );
    let body = json!({"size": 300, "pit": {"id": opened["id"]}}).to_string();
    assert_eq!(
        ids(&node.post("/_search", &body).await.expect(200)).len(),
        300,
        "its documents are still there"
    );
}
