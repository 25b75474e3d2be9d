//! Settings of indices and of the cluster, as clients see them.

use serde_json::json;

use crate::node::Node;

#[tokio::test]
async fn an_index_decides_what_its_fields_do_not_say() {
    let node = Node::start().await;
    let index = json!({
        "settings": {"number_of_replicas": 0, "index.mapping.coerce": false},
        "mappings": {"properties": {"n": {"type": "long"}, "loose": {"type": "long", "coerce": true}}}
    });
    node.put("/orders", &index.to_string()).await.expect(200);
    let bulk = "{\"index\": {\"_id\": \"1\"}}\n{\"n\": 1}\n{\"index\": {\"_id\": \"2\"}}\n{\"n\": \"2\"}\n\
                {\"index\": {\"_id\": \"3\"}}\n{\"loose\": \"3.5\"}\n";
    let answer = node.post("/orders/_bulk", bulk).await.expect(200);
    let status: Vec<_> = (0..3)
        .map(|item| answer["items"][item]["index"]["status"].clone())
        .collect();
    assert_eq!(status, [201, 400, 201], "{answer}");
    assert_eq!(
        node.get("/orders/_doc/2").await.expect(404)["found"],
        json!(false)
    );
    let shown = node
        .get("/orders/_mapping/field/n,loose?include_defaults=true")
        .await
        .expect(200);
    let coerce = |field: &str| shown["orders"]["mappings"][field]["mapping"][field]["coerce"].clone();
    assert_eq!((coerce("n"), coerce("loose")), (json!(false), json!(true)));

    let change = r#"{"index.mapping.coerce": true, "index.mapping.ignore_malformed": true}"#;
    node.put("/orders/_settings", change)
        .await
        .refused(400, "illegal_argument_exception");
    node.post("/orders/_close", "").await.expect(200);
    node.put("/orders/_settings", change).await.expect(200);
    node.post("/orders/_open", "").await.expect(200);
    node.put("/orders/_doc/2?refresh=true", r#"{"n": ["2", "two"]}"#)
        .await
        .expect(201);
    let found = node
        .post("/orders/_count", r#"{"query": {"term": {"n": 2}}}"#)
        .await
        .expect(200);
    assert_eq!(found["count"], json!(1));
}

#[tokio::test]
async fn a_sorted_index_has_the_fields_that_it_is_sorted_by() {
    let node = Node::start().await;
    let index = |mappings: serde_json::Value| {
        json!({"settings": {"index": {"sort": {"field": "at", "order": "desc"}}}, "mappings": mappings})
            .to_string()
    };
    let reason = node
        .put("/events", &index(json!({})))
        .await
        .refused(400, "illegal_argument_exception");
    assert_eq!(reason, "unknown index sort field:[at]");
    node.put("/events", &index(json!({"properties": {"at": {"type": "date"}}})))
        .await
        .expect(200);
    node.put("/events/_settings", r#"{"index.sort.order": "asc"}"#)
        .await
        .refused(400, "illegal_argument_exception");
}

#[tokio::test]
async fn cluster_settings_are_checked_and_the_transient_one_wins() {
    let node = Node::start().await;
    for (body, part) in [
        (
            json!({"persistent": {"cluster.name": "x"}}),
            "persistent setting [cluster.name], not dynamically updateable",
        ),
        (
            json!({"transient": {"search.max_bucket": 1}}),
            "transient setting [search.max_bucket], not recognized",
        ),
        (
            json!({"transient": {"action.auto_create_index": "+a,-"}}),
            "index name after [-]",
        ),
        (
            json!({"persistent": {"ccr.auto_heal": true}, "transient": {"ccr.wait_for_metadata_timeout": "soon"}}),
            "needs a unit",
        ),
        (
            json!({"persistent": {"cluster.routing.allocation.disk.watermark.low": "1.5"}}),
            "a percentage",
        ),
    ] {
        let reason = node
            .put("/_cluster/settings", &body.to_string())
            .await
            .refused(400, "illegal_argument_exception");
        assert!(reason.contains(part), "{body}: {reason}");
    }
    let none = json!({"persistent": {}, "transient": {}});
    assert_eq!(node.get("/_cluster/settings").await.expect(200), none);

    let create = async |index: &str| node.put(&format!("/{index}/_doc/1"), "{}").await.status;
    let both = json!({
        "persistent": {"action.auto_create_index": "true", "cluster.routing.allocation.enable": "none"},
        "transient": {"action.auto_create_index": "-logs-*,+*"}
    });
    node.put("/_cluster/settings", &both.to_string())
        .await
        .expect(200);
    assert_eq!(
        (create("logs-1").await, create("other").await),
        (404.try_into().unwrap(), 201.try_into().unwrap())
    );
    let shown = node
        .get("/_cluster/settings?include_defaults=true&flat_settings=true")
        .await
        .expect(200);
    let defaults = &shown["defaults"];
    assert_eq!(
        (
            defaults.get("action.auto_create_index"),
            &defaults["ccr.auto_heal"],
            &defaults["cluster.name"]
        ),
        (None, &json!("true"), &json!("leader"))
    );
    assert!(
        defaults.as_object().unwrap().keys().all(|key| !key.contains('*')),
        "{defaults}"
    );
    node.put("/_cluster/settings", r#"{"transient": {"action.*": null}}"#)
        .await
        .expect(200);
    assert_eq!(create("logs-1").await, 201);
    node.put("/_cluster/settings", r#"{"persistent": {"*": null}}"#)
        .await
        .expect(200);
    assert_eq!(node.get("/_cluster/settings").await.expect(200), none);
}
