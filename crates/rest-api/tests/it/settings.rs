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
    // A template and a request go together before they are compared.
    let order = r#"{"index_patterns": ["logs-*"], "template": {"settings": {"index.sort.order": "desc"}}}"#;
    node.put(
        "/_component_template/order",
        r#"{"template": {"settings": {"index.sort.order": "desc"}}}"#,
    )
    .await
    .expect(200);
    node.put("/_index_template/logs", order)
        .await
        .refused(400, "illegal_argument_exception");
    let field = r#"{"index_patterns": ["logs-*"], "composed_of": ["order"], "template": {
        "settings": {"index.sort.field": "at"}, "mappings": {"properties": {"at": {"type": "date"}}}}}"#;
    node.put("/_index_template/logs", field).await.expect(200);
    node.put("/logs-1", r#"{"settings": {"index.sort.missing": "_first"}}"#)
        .await
        .expect(200);
    node.put("/logs-2", r#"{"settings": {"index.sort.mode": ["min", "max"]}}"#)
        .await
        .refused(400, "illegal_argument_exception");
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
    assert_eq!(
        defaults["cluster.routing.allocation.awareness.attributes"],
        json!([])
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

#[tokio::test]
async fn static_settings_change_by_closing_and_opening_in_one_request() {
    let node = Node::start().await;
    node.put("/orders", r#"{"settings": {"number_of_replicas": 0}}"#)
        .await
        .expect(200);
    node.put("/orders/_doc/1?refresh=true", r#"{"title": "running dogs"}"#)
        .await
        .expect(201);
    let version = async || {
        let state = node.get("/_cluster/state/metadata/orders").await.expect(200);
        state["metadata"]["indices"]["orders"]["settings_version"].clone()
    };
    let before = version().await;
    for refused in [
        r#"{"index.number_of_shards": 2}"#,
        r#"{"index.analysis.analyzer.a.tokenizer": "none"}"#,
        r#"{"index.no_such": 2}"#,
    ] {
        node.put("/orders/_settings?reopen=true", refused)
            .await
            .refused(400, "illegal_argument_exception");
    }
    assert_eq!(version().await, before, "nothing was closed");
    // Dynamic settings need no closing.
    node.put("/orders/_settings?reopen=true", r#"{"index.priority": 7}"#)
        .await
        .expect(200);
    assert_eq!(
        version().await.as_u64(),
        before.as_u64().map(|version| version + 1)
    );

    let analysis = r#"{"index.analysis.analyzer.default.type": "english", "index.priority": 8}"#;
    node.put("/orders/_settings", analysis)
        .await
        .refused(400, "illegal_argument_exception");
    node.put("/orders/_settings?reopen=true", analysis)
        .await
        .expect(200);
    let shown = node.get("/orders/_settings?flat_settings=true").await.expect(200);
    let settings = &shown["orders"]["settings"];
    assert_eq!(settings["index.priority"], "8");
    assert_eq!(settings.get("index.verified_before_close"), None);
    let found = node
        .post("/orders/_count", r#"{"query": {"match": {"title": "dog"}}}"#)
        .await
        .expect(200);
    assert_eq!(found["count"], json!(1));

    // One that is closed stays so.
    node.post("/orders/_close", "").await.expect(200);
    node.put(
        "/orders/_settings?reopen=true",
        r#"{"index.codec": "best_compression"}"#,
    )
    .await
    .expect(200);
    node.get("/orders/_count")
        .await
        .refused(400, "index_closed_exception");
}

#[tokio::test]
async fn defaults_are_shown_without_groups() {
    let node = Node::start().await;
    node.put("/orders", r#"{"settings": {"index.priority": 7}}"#)
        .await
        .expect(200);
    for path in ["/orders", "/orders/_settings"] {
        let shown = node
            .get(&format!("{path}?include_defaults=true&flat_settings=true"))
            .await
            .expect(200);
        let (settings, defaults) = (&shown["orders"]["settings"], &shown["orders"]["defaults"]);
        assert_eq!(settings["index.priority"], "7");
        assert_eq!(
            (
                &defaults["index.refresh_interval"],
                &defaults["index.sort.field"],
                &defaults["index.query.default_field"]
            ),
            (&json!("1s"), &json!([]), &json!(["*"])),
            "{path}"
        );
        for (key, value) in defaults.as_object().unwrap() {
            assert!(
                !key.contains('*') && *value != "" && settings.get(key).is_none(),
                "{key}: {value}"
            );
        }
        let nested = node
            .get(&format!("{path}?include_defaults=true"))
            .await
            .expect(200);
        assert_eq!(nested["orders"]["defaults"]["index"]["refresh_interval"], "1s");
        assert_eq!(node.get(path).await.expect(200)["orders"].get("defaults"), None);
    }
}

#[tokio::test]
async fn a_mapping_is_put_to_the_index_that_takes_the_writes() {
    let node = Node::start().await;
    for (index, writes) in [("logs-1", false), ("logs-2", true)] {
        let body = json!({"aliases": {"logs": {"is_write_index": writes}, "both": {}}});
        node.put(&format!("/{index}"), &body.to_string())
            .await
            .expect(200);
    }
    let field = r#"{"properties": {"n": {"type": "long"}}}"#;
    node.put("/logs/_mapping?write_index_only=true", field)
        .await
        .expect(200);
    let mapped = node.get("/logs-*/_mapping").await.expect(200);
    assert_eq!(mapped["logs-1"]["mappings"], json!({}));
    assert_eq!(mapped["logs-2"]["mappings"]["properties"]["n"]["type"], "long");
    for several in ["both", "logs*"] {
        node.put(&format!("/{several}/_mapping?write_index_only=true"), field)
            .await
            .refused(400, "illegal_argument_exception");
    }
    node.put("/gone/_mapping?write_index_only=true", field)
        .await
        .refused(404, "index_not_found_exception");
}

#[tokio::test]
async fn a_hidden_alias_is_hidden_from_wildcards_on_all_of_its_indices() {
    let node = Node::start().await;
    for index in ["a", "b"] {
        node.put(&format!("/{index}"), "").await.expect(200);
    }
    node.put("/a/_alias/secret", r#"{"is_hidden": true}"#)
        .await
        .expect(200);
    let refused = node.put("/b/_alias/secret", "{}").await;
    assert!(
        refused.text().contains("must have the same is_hidden setting"),
        "{}",
        refused.text()
    );
    let count = async |path: &str| node.get(path).await.expect(200)["_shards"]["total"].clone();
    assert_eq!(
        (count("/secret/_count").await, count("/sec*/_count").await),
        (json!(1), json!(0))
    );
    assert_eq!(count("/sec*/_count?expand_wildcards=all").await, json!(1));
    let shown = node.get("/a/_alias").await.expect(200);
    assert_eq!(shown["a"]["aliases"]["secret"], json!({"is_hidden": true}));
}
