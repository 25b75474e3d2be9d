//! Documents and searches.

use http::Method;
use serde_json::json;

use crate::node::Node;

#[tokio::test]
async fn a_document_is_written_read_changed_and_removed() {
    let node = Node::start().await;
    let created = node
        .put("/orders/_doc/a%2Fb?refresh=wait_for", r#"{"n": 1}"#)
        .await;
    assert_eq!(created.header("location"), "/orders/_doc/a%2Fb");
    let created = created.expect(201);
    let expected = json!({
        "_index": "orders", "_id": "a/b", "_version": 1, "result": "created", "_seq_no": 0, "_primary_term": 1,
        "_shards": created["_shards"],
    });
    let mut shown = created.clone();
    shown.as_object_mut().unwrap().remove("forced_refresh");
    assert_eq!(shown, expected);
    assert_eq!(created["_shards"]["failed"], 0);
    node.put("/orders/_create/a%2Fb", r#"{"n": 2}"#)
        .await
        .refused(409, "version_conflict_engine_exception");
    let read = node.get("/orders/_doc/a%2Fb").await.expect(200);
    assert_eq!(
        (&read["found"], &read["_source"], &read["_version"]),
        (&json!(true), &json!({"n": 1}), &json!(1))
    );
    assert_eq!(
        (
            node.head("/orders/_doc/a%2Fb").await,
            node.head("/orders/_doc/x").await
        ),
        (200, 404)
    );
    assert_eq!(
        node.get("/orders/_doc/x").await.expect(404),
        json!({"_index": "orders", "_id": "x", "found": false})
    );
    assert_eq!(
        node.get("/orders/_source/a%2Fb").await.expect(200),
        json!({"n": 1})
    );
    node.get("/orders/_source/x")
        .await
        .refused(404, "resource_not_found_exception");

    let updated = node
        .post("/orders/_update/a%2Fb?_source=true", r#"{"doc": {"m": 2}}"#)
        .await
        .expect(200);
    assert_eq!(
        (&updated["result"], &updated["get"]["_source"]),
        (&json!("updated"), &json!({"n": 1, "m": 2}))
    );
    let part = node
        .post("/orders/_update/a%2Fb?_source_includes=m", r#"{"doc": {"m": 2}}"#)
        .await
        .expect(200);
    assert_eq!(part["get"]["_source"], json!({"m": 2}));
    let same = node
        .post("/orders/_update/a%2Fb", r#"{"doc": {"m": 2}}"#)
        .await
        .expect(200);
    assert_eq!(same["result"], "noop");
    node.post("/orders/_update/none", r#"{"doc": {"m": 2}}"#)
        .await
        .refused(404, "document_missing_exception");
    node.put("/orders/_doc/a%2Fb?if_seq_no=0&if_primary_term=1", "{}")
        .await
        .refused(409, "version_conflict_engine_exception");
    node.put("/orders/_doc/a%2Fb?if_seq_no=0", "{}")
        .await
        .refused(400, "action_request_validation_exception");
    let deleted = node.delete("/orders/_doc/a%2Fb").await.expect(200);
    assert_eq!(
        (&deleted["result"], &deleted["_seq_no"]),
        (&json!("deleted"), &json!(2))
    );
    assert_eq!(
        node.delete("/orders/_doc/a%2Fb").await.expect(404)["result"],
        "not_found"
    );
    let generated = node.post("/orders/_doc", "{}").await.expect(201);
    assert!(!generated["_id"].as_str().unwrap().is_empty());
}

#[tokio::test]
async fn documents_that_cannot_be_are_refused() {
    let node = Node::start().await;
    node.put("/i", r#"{"mappings": {"properties": {"n": {"type": "long"}}}}"#)
        .await
        .expect(200);
    assert_eq!(
        node.put("/i/_doc/1", r#"{"n": "many"}"#).await.expect(400)["status"],
        400
    );
    assert_eq!(
        node.put("/i/_doc/1", r#"{"n": "#).await.expect(400)["status"],
        400
    );
    node.put("/i/_doc/1", "")
        .await
        .refused(400, "action_request_validation_exception");
    node.put("/i/_doc/1?refresh=soon", "{}")
        .await
        .refused(400, "illegal_argument_exception");
    node.put("/i/_doc/1?pipeline=p", "{}")
        .await
        .refused(400, "illegal_argument_exception");
    node.put("/none/_doc/1?require_data_stream=true", "{}")
        .await
        .refused(404, "index_not_found_exception");
    assert_eq!(node.head("/none").await, 404, "nothing is created");
    assert_eq!(node.head("/i/_doc/1").await, 404);
    let stats = node.get("/i/_stats?level=shards").await.expect(200);
    assert_eq!(
        stats["indices"]["i"]["shards"]["0"][0]["seq_no"]["max_seq_no"], -1,
        "nothing was logged"
    );
}

#[tokio::test]
async fn bulk_answers_item_by_item() {
    let node = Node::start().await;
    node.put("/i", r#"{"mappings": {"properties": {"n": {"type": "long"}}}}"#)
        .await
        .expect(200);
    let body = concat!(
        r#"{"index":{"_index":"i","_id":"1","_type":"events"}}"#,
        "\n",
        r#"{"n":1}"#,
        "\n\n",
        r#"{"create":{"_id":"1"}}"#,
        "\n",
        r#"{"n":2}"#,
        "\n",
        r#"{"index":{"_id":"2"}}"#,
        "\n",
        r#"{"n":"x"}"#,
        "\n",
        r#"{"update":{"_id":"1"}}"#,
        "\n",
        r#"{"doc":{"m":3}}"#,
        "\n",
        r#"{"delete":{"_id":"9"}}"#,
        "\n",
    );
    let lines = [("content-type", "application/x-ndjson")];
    let answer = node
        .call_with(Method::PUT, "/i/_bulk?refresh", &lines, body)
        .await
        .expect(200);
    assert_eq!(answer["errors"], true);
    let of = |at: usize, verb: &str| answer["items"][at][verb].clone();
    assert_eq!(
        (&of(0, "index")["status"], &of(0, "index")["result"]),
        (&json!(201), &json!("created"))
    );
    assert_eq!(
        of(1, "create")["error"]["type"],
        "version_conflict_engine_exception"
    );
    assert_eq!(
        (&of(1, "create")["status"], &of(2, "index")["status"]),
        (&json!(409), &json!(400))
    );
    assert_eq!(of(2, "index")["error"]["type"], "document_parsing_exception");
    assert_eq!(
        (&of(3, "update")["result"], &of(3, "update")["_version"]),
        (&json!("updated"), &json!(2))
    );
    assert_eq!(
        (&of(4, "delete")["status"], &of(4, "delete")["result"]),
        (&json!(404), &json!("not_found"))
    );
    let source = node.get("/i/_source/1").await.expect(200);
    assert_eq!(source, json!({"n": 1, "m": 3}));

    let refused = concat!(
        r#"{"create":{"_id":"7","version":3,"version_type":"external"}}"#,
        "\n{}\n",
        r#"{"index":{"_index":"none","_id":"7","require_data_stream":true}}"#,
        "\n{}\n",
        r#"{"update":{"_id":"1","_source":["m"]}}"#,
        "\n",
        r#"{"doc":{"m":4}}"#,
        "\n",
        // The first does not create the index, which is no reason for the second not to.
        r#"{"index":{"_index":"fresh","_id":"1","require_data_stream":true}}"#,
        "\n{}\n",
        r#"{"index":{"_index":"fresh","_id":"2"}}"#,
        "\n{}\n",
    );
    let answer = node.post("/i/_bulk", refused).await.expect(200);
    let items = &answer["items"];
    assert_eq!(items[4]["index"]["status"], 201, "{}", items[4]);
    assert_eq!(
        (
            &items[0]["create"]["status"],
            &items[0]["create"]["error"]["type"]
        ),
        (&json!(400), &json!("action_request_validation_exception"))
    );
    assert_eq!(
        (&items[1]["index"]["status"], &items[1]["index"]["error"]["type"]),
        (&json!(404), &json!("index_not_found_exception"))
    );
    assert_eq!(items[2]["update"]["get"]["_source"], json!({"m": 4}));
    assert_eq!(node.head("/none").await, 404, "nothing is created");

    let reason = node
        .post("/_bulk", "{\"index\":{\"_id\":\"1\"}}\n{}\n")
        .await
        .refused(400, "action_request_validation_exception");
    assert!(reason.contains("index is missing"), "{reason}");
    let half = "{\"index\":{\"_index\":\"half\",\"_id\":\"1\"}}\n{}\n{\"frob\":{}}\n{}\n";
    node.post("/_bulk", half)
        .await
        .refused(400, "illegal_argument_exception");
    assert_eq!(
        node.head("/half").await,
        404,
        "a malformed bulk request writes nothing"
    );
}

#[tokio::test]
async fn several_documents_are_read_at_once() {
    let node = Node::start().await;
    node.put("/i/_doc/1", r#"{"a": 1, "b": 2}"#).await.expect(201);
    let ids = node.post("/i/_mget", r#"{"ids": ["1", "2"]}"#).await.expect(200);
    assert_eq!(
        (&ids["docs"][0]["found"], &ids["docs"][1]["found"]),
        (&json!(true), &json!(false))
    );
    let docs = r#"{"docs": [{"_index": "i", "_id": 1, "_source": ["a"]}, {"_index": "none", "_id": "1"}]}"#;
    let docs = node.post("/_mget", docs).await.expect(200);
    assert_eq!(docs["docs"][0]["_source"], json!({"a": 1}));
    assert_eq!(docs["docs"][1]["error"]["type"], "index_not_found_exception");
    node.post("/_mget", "{}")
        .await
        .refused(400, "action_request_validation_exception");
}

#[tokio::test]
async fn searches_find_sort_and_page() {
    let node = Node::start().await;
    for n in 1..=3 {
        node.put(
            &format!("/i/_doc/{n}?refresh"),
            &format!(r#"{{"n": {n}, "t": "word"}}"#),
        )
        .await
        .expect(201);
    }
    let answer = node
        .post(
            "/i/_search",
            r#"{"query": {"range": {"n": {"gte": 2}}}, "sort": [{"n": "desc"}], "version": true,
        "seq_no_primary_term": true}"#,
        )
        .await
        .expect(200);
    assert_eq!(answer["hits"]["total"], json!({"value": 2, "relation": "eq"}));
    assert_eq!(
        answer["_shards"],
        json!({"total": 1, "successful": 1, "skipped": 0, "failed": 0})
    );
    let first = &answer["hits"]["hits"][0];
    let expected = json!({"_index": "i", "_id": "3", "_version": 1, "_seq_no": 2, "_primary_term": 1, "_score": null,
        "_source": {"n": 3, "t": "word"}, "sort": [3]});
    assert_eq!(*first, expected);
    let by_params = node
        .get("/i/_search?size=1&sort=n:asc&_source_includes=n&rest_total_hits_as_int=true")
        .await
        .expect(200);
    assert_eq!(
        (
            &by_params["hits"]["total"],
            &by_params["hits"]["hits"][0]["_source"]
        ),
        (&json!(3), &json!({"n": 1}))
    );
    let with_body = node
        .call(
            Method::GET,
            "/i/_search",
            r#"{"query": {"match": {"t": "word"}}, "size": 0}"#,
        )
        .await
        .expect(200);
    assert_eq!(
        (&with_body["hits"]["total"]["value"], &with_body["hits"]["hits"]),
        (&json!(3), &json!([]))
    );
    let count = node
        .post("/i/_count", r#"{"query": {"term": {"n": 1}}}"#)
        .await
        .expect(200);
    assert_eq!(count["count"], 1);
    for (min_score, expected) in [(0.5, 1), (1.5, 0)] {
        // What matches a number exactly has a relevance of 1.
        let path = format!("/i/_count?q=n:1&min_score={min_score}");
        assert_eq!(
            node.get(&path).await.expect(200)["count"],
            expected,
            "{min_score}"
        );
    }
    // What has less relevance does not count for the end.
    let body = r#"{"query": {"bool": {"should": [{"match_all": {}}, {"constant_score": {"filter": {"term": {"n": 3}}, "boost": 2}}]}}}"#;
    let count = node
        .post("/i/_count?min_score=2&terminate_after=1", body)
        .await
        .expect(200);
    assert_eq!(count["count"], 1, "{count}");
    node.get("/i/_count?min_score=much")
        .await
        .refused(400, "illegal_argument_exception");
    let found = node.get("/i/_search?q=n:1").await.expect(200);
    assert_eq!(found["hits"]["total"]["value"], 1);
    let count = node.get("/i/_count?q=%2B1+-2&df=n&lenient").await.expect(200);
    assert_eq!(count["count"], 1);
    node.get("/i/_search?q=(n:1")
        .await
        .refused(400, "parsing_exception");
    node.post("/i/_search", r#"{"aggz": {}}"#)
        .await
        .refused(400, "parsing_exception");
    node.post("/none/_search", "{}")
        .await
        .refused(404, "index_not_found_exception");
    assert_eq!(
        node.post("/none*/_search", "{}").await.expect(200)["hits"]["total"]["value"],
        0
    );
}

#[tokio::test]
async fn stored_fields_are_returned_by_name() {
    let node = Node::start().await;
    let index = r#"{"mappings": {"properties": {
        "foo": {"type": "keyword", "store": true}, "count": {"type": "integer", "store": true}, "plain": {"type": "long"}
    }}}"#;
    node.put("/orders", index).await.expect(200);
    node.put(
        "/orders/_doc/1?routing=5",
        r#"{"foo": "bar", "count": ["1", 2], "plain": 3, "o": {"n": 1}}"#,
    )
    .await
    .expect(201);
    let read = node
        .get("/orders/_doc/1?routing=5&stored_fields=foo,count,plain,_routing")
        .await
        .expect(200);
    assert_eq!(read["fields"], json!({"foo": ["bar"], "count": [1, 2]}));
    assert_eq!((&read["_source"], &read["_routing"]), (&json!(null), &json!("5")));
    let read = node
        .get("/orders/_doc/1?routing=5&stored_fields=count&_source=foo")
        .await
        .expect(200);
    assert_eq!(
        (&read["fields"], &read["_source"]),
        (&json!({"count": [1, 2]}), &json!({"foo": "bar"}))
    );
    let none = node
        .get("/orders/_doc/1?routing=5&stored_fields=plain")
        .await
        .expect(200);
    assert!(
        none.get("fields").is_none() && none.get("_source").is_none(),
        "{none}"
    );
    let reason = node
        .get("/orders/_doc/1?routing=5&stored_fields=o")
        .await
        .refused(400, "illegal_argument_exception");
    assert_eq!(reason, "field [o] isn't a leaf field");
    let docs = r#"{"docs": [
        {"_id": "1", "routing": "5"}, {"_id": "1", "routing": "5", "stored_fields": ["count", "_source"]},
        {"_id": "1", "routing": "5", "stored_fields": "o"}
    ]}"#;
    let docs = node
        .post("/orders/_mget?stored_fields=foo", docs)
        .await
        .expect(200);
    let docs = &docs["docs"];
    assert_eq!(docs[0]["fields"], json!({"foo": ["bar"]}));
    assert!(docs[0].get("_source").is_none());
    assert_eq!(docs[1]["fields"], json!({"count": [1, 2]}));
    assert_eq!(docs[1]["_source"]["plain"], 3);
    assert_eq!(docs[2]["error"]["type"], "illegal_argument_exception");
}
