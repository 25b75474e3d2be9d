//! Templates: what is refused when they are put, which one applies, and what it comes to.

use std::collections::BTreeMap;

use index_meta::{ComponentTemplate, IndexTemplate, NewIndex, Settings, TemplateError, Templates};
use serde_json::{Value, json};

fn component(json: &Value) -> ComponentTemplate {
    ComponentTemplate::from_json(json).unwrap_or_else(|error| panic!("{json}: {error}"))
}

fn template(json: &Value) -> IndexTemplate {
    IndexTemplate::from_json(json).unwrap_or_else(|error| panic!("{json}: {error}"))
}

fn with_components(components: &[(&str, Value)]) -> Templates {
    components
        .iter()
        .fold(Templates::default(), |templates, (name, json)| {
            templates
                .put_component_template(name, component(json), true)
                .unwrap_or_else(|error| panic!("{json}: {error}"))
        })
}

fn with_templates(templates: &[(&str, Value)]) -> Templates {
    templates
        .iter()
        .fold(Templates::default(), |templates, (name, json)| {
            templates
                .put_index_template(name, template(json), true)
                .unwrap_or_else(|error| panic!("{json}: {error}"))
        })
}

#[test]
fn the_highest_priority_applies_and_global_templates_leave_hidden_indices_alone() {
    let templates = with_templates(&[
        ("all", json!({"index_patterns": "*"})),
        (
            "logs",
            json!({"index_patterns": ["logs-*", "trace"], "priority": 10}),
        ),
        ("app", json!({"index_patterns": ["logs-app-*"], "priority": 20})),
    ]);
    for (index, hidden, expected) in [
        ("logs-1", false, Some("logs")),
        ("trace", false, Some("logs")),
        ("logs-app-1", false, Some("app")),
        ("logs-app-1", true, Some("app")),
        ("other", false, Some("all")),
        ("other", true, None),
    ] {
        let found = templates.find(index, hidden).map(|(name, _)| name);
        assert_eq!(found, expected, "{index}");
    }
}

#[test]
fn components_come_first_in_their_order_then_the_template_then_the_request() {
    let templates = with_components(&[
        (
            "one",
            json!({"template": {
                "settings": {"number_of_shards": 1, "priority": 1, "codec": "best_compression"},
                "mappings": {"properties": {"a": {"type": "long"}, "b": {"type": "long"}, "c": {"type": "long"}}},
                "aliases": {"x": {"routing": "1"}, "y": {"routing": "1"}, "z": {"routing": "1"}}
            }}),
        ),
        (
            "two",
            json!({"template": {
                "settings": {"index.priority": 2, "index": {"codec": null}},
                "mappings": {"properties": {"b": {"type": "keyword"}, "c": {"type": "keyword"}}},
                "aliases": {"y": {"routing": "2"}, "z": {"routing": "2"}}
            }}),
        ),
    ]);
    let json = json!({
        "index_patterns": ["a*"], "composed_of": ["one", "two"],
        "template": {
            "settings": {"number_of_shards": 3},
            "mappings": {"properties": {"c": {"type": "date"}, "d": {"type": "date"}}},
            "aliases": {"z": {"routing": "3"}, "{index}-w": {}}
        }
    });
    let templates = templates
        .put_index_template("t", template(&json), true)
        .expect("valid");
    let settings = Settings::from_json(&json!({"index.priority": 9})).expect("settings");
    let mappings = json!({"properties": {"d": {"type": "boolean"}}});
    let new = NewIndex {
        name: "abc",
        settings: &settings,
        mappings: Some(&mappings),
        aliases: &BTreeMap::from([("x".to_owned(), index_meta::AliasMetadata::default())]),
    };
    let (name, composed) = templates.compose_for(&new).expect("composes").expect("matches");
    assert_eq!(name, "t");
    assert_eq!(
        composed.settings.to_flat_json(),
        json!({"index.number_of_shards": "3", "index.priority": "9"})
    );
    assert_eq!(
        composed.check().expect("goes together").to_json()["properties"],
        json!({"a": {"type": "long"}, "b": {"type": "keyword"}, "c": {"type": "date"}, "d": {"type": "boolean"}})
    );
    let routings: Vec<_> = composed
        .aliases
        .iter()
        .map(|(name, alias)| (name.as_str(), alias.index_routing.as_deref()))
        .collect();
    assert_eq!(
        routings,
        [("abc-w", None), ("x", None), ("y", Some("2")), ("z", Some("3"))]
    );
    let other = NewIndex { name: "other", ..new };
    assert_eq!(templates.compose_for(&other), Ok(None));
}

#[test]
fn an_index_template_is_refused_for_what_is_wrong_with_it() {
    let templates = with_components(&[
        (
            "mapped",
            json!({"template": {"mappings": {"properties": {"a": {"type": "long"}}}}}),
        ),
        ("hidden", json!({"template": {"settings": {"hidden": true}}})),
        (
            "routing",
            json!({"template": {"settings": {"number_of_routing_shards": 10}}}),
        ),
    ]);
    let templates = templates
        .put_index_template(
            "held",
            template(&json!({"index_patterns": ["held-*"], "priority": 3})),
            true,
        )
        .expect("valid");
    let many: Vec<String> = (0..101).map(|number| format!("p{number}")).collect();
    for (name, json, kind, expected) in [
        (
            "held",
            json!({"index_patterns": ["x"]}),
            "illegal_argument_exception",
            "index template [held] already exists",
        ),
        (
            "Up",
            json!({"index_patterns": ["x"]}),
            "invalid_index_template_exception",
            "index_template [Up] invalid, cause [Validation Failed: 1: name must be lower cased;]",
        ),
        (
            "_a,b",
            json!({"index_patterns": ["_x", "a b"]}),
            "invalid_index_template_exception",
            "1: name must not contain a ',';2: name must not start with '_';3: index_pattern [_x] must not start with '_';",
        ),
        (
            "t",
            json!({"index_patterns": []}),
            "invalid_index_template_exception",
            "index template must have at least one index pattern",
        ),
        (
            "t",
            json!({"index_patterns": many}),
            "invalid_index_template_exception",
            "[index_patterns] has [101] entries, but at most [100] are allowed",
        ),
        (
            "t",
            json!({"index_patterns": ["x"], "priority": -1}),
            "invalid_index_template_exception",
            "index template priority must be >= 0",
        ),
        (
            "t",
            json!({"index_patterns": ["x"], "composed_of": ["mapped", "none", "gone"]}),
            "invalid_index_template_exception",
            "index template [t] specifies component templates [none, gone] that do not exist",
        ),
        (
            "t",
            json!({"index_patterns": ["x"], "composed_of": ["none", "gone"], "ignore_missing_component_templates": ["gone"]}),
            "invalid_index_template_exception",
            "specifies a missing component templates [none] that does not exist and is not part of 'ignore_missing_component_templates'",
        ),
        (
            "t",
            json!({"index_patterns": ["held-a-*", "y"], "priority": 3}),
            "illegal_argument_exception",
            "index template [t] has index patterns [held-a-*, y] matching patterns from existing templates [held] with patterns (held => [held-*]) \
             that have the same priority [3]",
        ),
        (
            "t",
            json!({"index_patterns": ["x"], "template": {"settings": {"number_of_shard": 1}}}),
            "invalid_index_template_exception",
            "did you mean [index.number_of_shards]?",
        ),
        (
            "t",
            json!({"index_patterns": ["x"], "template": {"aliases": {"x": {}}}}),
            "illegal_argument_exception",
            "alias [x] cannot be the same as any pattern in [x]",
        ),
        (
            "t",
            json!({"index_patterns": ["*"], "composed_of": ["hidden"]}),
            "invalid_index_template_exception",
            "global composable templates may not specify the setting index.hidden",
        ),
        (
            "t",
            json!({"index_patterns": ["x"], "composed_of": ["mapped"], "template": {"mappings": {"properties": {"b": {"type": "nothing"}}}}}),
            "illegal_argument_exception",
            "composable template [t] template after composition with component templates [mapped] is invalid",
        ),
        (
            "t",
            json!({"index_patterns": ["x"], "composed_of": ["routing"], "template": {"settings": {"number_of_shards": 3}}}),
            "illegal_argument_exception",
            "composable template [t] template after composition with component templates [routing] is invalid",
        ),
        (
            "t",
            json!({"index_patterns": ["x"], "_meta": {"text": "x".repeat(1 << 20)}}),
            "illegal_argument_exception",
            "but at most [1048576] are allowed",
        ),
    ] {
        let refused = templates
            .put_index_template(name, template(&json), true)
            .expect_err(expected)
            .to_exception();
        assert_eq!(refused.kind().type_name(), kind, "{refused}");
        assert!(refused.reason().contains(expected), "{refused}");
    }
    let fine = json!({"index_patterns": ["held-*", "x"], "priority": 4, "composed_of": ["gone"], "ignore_missing_component_templates": ["gone"]});
    assert!(templates.put_index_template("t", template(&fine), true).is_ok());
}

#[test]
fn a_mapping_error_is_the_cause_of_the_cause() {
    let json = json!({"index_patterns": ["x"], "template": {"mappings": {"properties": {"b": {"type": "nothing"}}}}});
    let refused = Templates::default()
        .put_index_template("t", template(&json), false)
        .expect_err("no such type")
        .to_exception();
    let composite = refused.caused_by().expect("a cause");
    assert_eq!(composite.reason(), "invalid composite mappings for [t]");
    let mapping = composite.caused_by().expect("a cause");
    assert_eq!(mapping.kind().type_name(), "mapper_parsing_exception");
}

#[test]
fn a_component_must_not_break_its_templates_and_is_kept_while_it_is_used() {
    let templates = with_components(&[
        ("used", json!({"template": {"settings": {"number_of_shards": 2}}})),
        ("ignored", json!({"template": {}})),
        ("free", json!({"template": {}})),
    ]);
    let json = json!({
        "index_patterns": ["*"], "composed_of": ["used", "ignored"], "ignore_missing_component_templates": ["ignored"],
        "template": {"settings": {"number_of_shards": 3}}
    });
    let templates = templates
        .put_index_template("t", template(&json), true)
        .expect("valid");
    let put = |name: &str, json: Value| {
        templates
            .put_component_template(name, component(&json), false)
            .map_err(|error| error.to_exception())
    };
    let breaks = put(
        "used",
        json!({"template": {"settings": {"number_of_routing_shards": 10}}}),
    )
    .expect_err("3 and 10");
    assert_eq!(
        breaks.reason(),
        "updating component template [used] results in invalid composable template [t] after templates are merged"
    );
    let hidden = put("used", json!({"template": {"settings": {"hidden": true}}})).expect_err("global");
    assert!(hidden.reason().contains("following global templates"), "{hidden}");
    let mapping = put(
        "free",
        json!({"template": {"mappings": {"properties": {"a": {"type": "nothing"}}}}}),
    )
    .expect_err("no type");
    assert_eq!(mapping.kind().type_name(), "mapper_parsing_exception");
    let settings = put("free", json!({"template": {"settings": {"uuid": "x"}}})).expect_err("managed");
    assert_eq!(settings.kind().type_name(), "invalid_index_template_exception");

    let in_use = templates
        .remove_component_templates(&["*"])
        .expect_err("in use")
        .to_exception();
    assert_eq!(
        (in_use.status(), in_use.reason()),
        (
            400,
            "component templates [used] cannot be removed as they are still in use by index templates [t]"
        )
    );
    let without = templates
        .remove_component_templates(&["ignored", "free"])
        .expect("not needed");
    assert_eq!(without.component_templates().keys().collect::<Vec<_>>(), ["used"]);
    let freed = templates.remove_index_templates(&["t"]).expect("there");
    assert!(freed.remove_component_templates(&["u*"]).is_ok());
}

#[test]
fn what_is_removed_must_exist() {
    let templates = with_templates(&[
        ("a1", json!({"index_patterns": ["x"]})),
        ("a2", json!({"index_patterns": ["y"]})),
        ("b", json!({"index_patterns": ["z"]})),
    ]);
    for (names, expected) in [
        (vec!["a*"], Ok(vec!["b"])),
        (vec!["a1", "b"], Ok(vec!["a2"])),
        (vec!["*"], Ok(vec![])),
        (vec!["c*"], Err("index_template [c*] missing")),
        (vec!["a1", "a*", "c"], Err("index_template [a*,c] missing")),
    ] {
        let removed = templates.remove_index_templates(&names);
        let left = removed
            .as_ref()
            .map(|left| {
                left.index_templates()
                    .keys()
                    .map(String::as_str)
                    .collect::<Vec<_>>()
            })
            .map_err(|error| error.to_string());
        assert_eq!(left, expected.map_err(str::to_owned), "{names:?}");
    }
    assert!(Templates::default().remove_index_templates(&["*"]).is_ok());
    let missing = Templates::default()
        .remove_index_templates(&["x"])
        .expect_err("none")
        .to_exception();
    assert_eq!(
        (missing.kind().type_name(), missing.status()),
        ("index_template_missing_exception", 404)
    );
    let missing = Templates::default()
        .remove_component_templates(&["x"])
        .expect_err("none")
        .to_exception();
    assert_eq!(
        (missing.kind().type_name(), missing.status()),
        ("resource_not_found_exception", 404)
    );
}

#[test]
fn json_round_trips_and_refuses_what_it_does_not_know() {
    let full = json!({
        "index_patterns": ["a*"],
        "template": {
            "settings": {"index": {"number_of_shards": "2", "priority": null}},
            "mappings": {"properties": {"a": {"type": "long"}}},
            "aliases": {"x": {"filter": {"term": {"a": 1}}, "index_routing": "1", "search_routing": "2", "is_write_index": true, "is_hidden": false}}
        },
        "composed_of": ["c"], "priority": 4, "version": 5, "_meta": {"m": 1}, "allow_auto_create": true,
        "ignore_missing_component_templates": ["c"], "data_stream": {"hidden": true, "allow_custom_routing": false}
    });
    assert_eq!(template(&full).to_json(), full);
    assert_eq!(
        template(&json!({"index_patterns": "a", "template": {"settings": {"number_of_shards": 2}}}))
            .to_json(),
        json!({"index_patterns": ["a"], "template": {"settings": {"index": {"number_of_shards": "2"}}}, "composed_of": []})
    );
    for (json, expected) in [
        (
            json!({"index_patterns": ["a"], "more": 1}),
            "unknown field `more`",
        ),
        (json!({}), "required [index_patterns]"),
        (json!({"index_patterns": 3}), "a list of names was expected"),
        (
            json!({"index_patterns": ["a"], "data_stream": {"lifecycle": {}}}),
            "unknown field `lifecycle`",
        ),
        (
            json!({"index_patterns": ["a"], "template": {"mappings": []}}),
            "[mappings] of a template must be an object",
        ),
        (
            json!({"index_patterns": ["a"], "template": {"aliases": {"x": {"y": 1}}}}),
            "unknown field `y`",
        ),
        (json!([]), "must be a JSON object"),
    ] {
        let refused = IndexTemplate::from_json(&json).expect_err(expected);
        assert!(matches!(refused, TemplateError::Malformed(_)), "{refused:?}");
        assert!(refused.to_string().contains(expected), "{refused}");
    }
    assert!(ComponentTemplate::from_json(&json!({"version": 1})).is_err());
}

#[test]
fn there_are_not_more_templates_than_the_limit() {
    let mut templates = Templates::default();
    for number in 0..1000 {
        let json = json!({"template": {}});
        templates = templates
            .put_component_template(&format!("c{number}"), component(&json), true)
            .expect("below the limit");
    }
    let more = component(&json!({"template": {}, "version": 1}));
    assert!(matches!(
        templates.put_component_template("more", more.clone(), true),
        Err(TemplateError::Limit(_))
    ));
    assert!(templates.put_component_template("c1", more, false).is_ok());
}

#[test]
fn a_template_of_data_streams_maps_the_timestamp_and_makes_no_index() {
    let put = |json: Value| Templates::default().put_index_template("t", template(&json), true);
    let of = |mappings: Value| {
        put(
            json!({"index_patterns": ["logs-*"], "data_stream": {}, "_meta": {"by": "me"}, "template": {"mappings": mappings}}),
        )
    };
    let templates =
        of(json!({"properties": {"a": {"type": "long"}}, "_data_stream_timestamp": {"enabled": false}}))
            .expect("a template");
    let made = templates.compose_backing_index("logs-app").expect("it matches");
    assert_eq!(
        (made.name.as_str(), made.metadata),
        ("t", Some(json!({"by": "me"})))
    );
    assert_eq!(
        Value::Object(made.composition.mappings.clone()),
        json!({
            "properties": {"@timestamp": {"type": "date"}, "a": {"type": "long"}},
            "_data_stream_timestamp": {"enabled": true}
        })
    );
    assert_eq!(made.composition.settings.get_str("index.hidden"), Some("true"));
    let (settings, aliases) = (Settings::default(), BTreeMap::new());
    let index = NewIndex {
        name: "logs-app",
        settings: &settings,
        mappings: None,
        aliases: &aliases,
    };
    let refused = templates.compose_for(&index).expect_err("data streams only");
    assert!(
        refused
            .to_string()
            .contains("creates data streams only, use create data stream api instead")
    );
    let none = templates
        .compose_backing_index("other")
        .expect_err("none matches");
    assert_eq!(
        none.to_string(),
        "no matching index template found for data stream [other]"
    );
    let of_indices = put(json!({"index_patterns": ["*"]})).expect("a template");
    let none = of_indices
        .compose_backing_index("logs")
        .expect_err("it makes indices");
    assert_eq!(
        none.to_string(),
        "matching index template [t] for data stream [logs] has no data stream template"
    );

    for (field, expected) in [
        (
            json!({"type": "keyword"}),
            "is of type [keyword], but [date] is expected",
        ),
        (json!({"type": "date", "index": false}), "is not indexed"),
        (
            json!({"type": "date", "doc_values": false}),
            "doesn't have doc values",
        ),
        (
            json!({"type": "date", "ignore_malformed": true}),
            "disallowed [ignore_malformed]",
        ),
        (
            json!({"type": "date", "null_value": "2020-01-01"}),
            "disallowed [null_value]",
        ),
    ] {
        let refused = of(json!({"properties": {"@timestamp": field}})).expect_err(expected);
        let cause = refused.to_exception().to_string();
        assert!(cause.contains(expected), "{cause}");
    }
    let date = json!({"properties": {"@timestamp": {"type": "date", "format": "epoch_millis"}}});
    assert!(of(date).is_ok());
    let aliases =
        put(json!({"index_patterns": ["a"], "data_stream": {}, "template": {"aliases": {"x": {}}}}));
    assert!(
        aliases
            .expect_err("aliases")
            .to_string()
            .contains("aliases of data streams are not supported")
    );
}
