//! Reading, printing and merging mappings.

use index_meta::{FieldType, Mapping, MappingError, MappingLimits};
use serde_json::{Value, json};

use super::mapping;

#[test]
fn every_kind_of_parameter_is_printed_back() {
    let printed = json!({
        "dynamic": "strict",
        "_meta": {"owner": "us"},
        "dynamic_date_formats": ["yyyy/MM/dd"],
        "date_detection": false,
        "numeric_detection": true,
        "_routing": {"required": true},
        "properties": {
            "bytes": {"type": "binary", "store": true, "doc_values": true},
            "at": {"type": "date", "format": "epoch_second||yyyy", "ignore_malformed": true, "null_value": "1970"},
            "empty": {"type": "object"},
            "flag": {"type": "boolean", "doc_values": false},
            "items": {"type": "nested", "include_in_root": true, "dynamic": "false", "properties": {"n": {"type": "byte"}}},
            "name": {"type": "text", "norms": false, "analyzer": "standard", "search_analyzer": "standard",
                     "fields": {"raw": {"type": "keyword", "ignore_above": 256}}},
            "opaque": {"type": "object", "enabled": false},
            "price": {"type": "scaled_float", "scaling_factor": 100.0},
            "tag": {"type": "keyword", "index": false, "normalizer": "lowercase", "null_value": "none", "meta": {"unit": "x"}},
            "where": {"type": "ip", "store": true}
        }
    });
    let mapping = mapping(&printed);
    assert_eq!(mapping.to_json(), printed);
    assert!(mapping.is_routing_required());
    assert_eq!(mapping.fields().len(), 9);
    let name = mapping.field("name").expect("a field");
    assert_eq!(
        (name.analyzer(), name.search_analyzer(), name.has_norms()),
        (Some("standard"), Some("standard"), false)
    );
    assert!(name.is_indexed() && !name.has_doc_values());
    let raw = mapping.field("name.raw").expect("a multi-field");
    assert_eq!(
        (raw.field_type(), raw.path(), raw.ignore_above()),
        (FieldType::Keyword, "name.raw", Some(256))
    );
    let bytes = mapping.field("bytes").expect("a field");
    assert!(bytes.tells_existence() && !bytes.is_indexed() && !bytes.has_doc_values());
    for absent in ["items", "items.n.x", "name.raw.x", "", "nothing"] {
        assert!(mapping.field(absent).is_none(), "{absent}");
    }
    assert_eq!(Mapping::empty().to_json(), json!({}));
    assert!(Mapping::empty().is_empty() && !mapping.is_empty());
}

#[test]
fn defaults_are_dropped_and_dotted_names_become_objects() {
    let given = json!({"properties": {
        "a.b.c": {"type": "long", "index": "true", "store": false},
        "a": {"properties": {"d": {"type": "date", "format": "strict_date_optional_time||epoch_millis"}}},
        "t": {"type": "text", "similarity": "BM25", "copy_to": [], "analyzer": "default"}
    }});
    let printed = json!({"properties": {
        "a": {"properties": {"b": {"properties": {"c": {"type": "long"}}}, "d": {"type": "date"}}},
        "t": {"type": "text"}
    }});
    assert_eq!(mapping(&given).to_json(), printed);
}

#[test]
fn what_is_not_honoured_is_refused() {
    let field = |definition: Value| json!({"properties": {"f": definition}});
    for (json, part) in [
        (json!([]), "JSON object"),
        (json!({"propertees": {}}), "unsupported parameters: [propertees"),
        (json!({"dynamic": "maybe"}), "[dynamic] of [_doc]"),
        (json!({"dynamic": "runtime"}), "not supported"),
        (
            json!({"dynamic_templates": [{"a": {}}]}),
            "dynamic template [a]: it must have [mapping]",
        ),
        (
            json!({"dynamic_templates": [{"a": {"match": "*", "mapping": {"type": "keywrd"}}}]}),
            "dynamic template [a] has invalid content",
        ),
        (
            json!({"dynamic_templates": [{"a": {"match_mapping_type": "object", "mapping": {"type": "long"}}}]}),
            "does not fit [match_mapping_type]",
        ),
        (json!({"dynamic_templates": {"a": {}}}), "must be a list"),
        (json!({"runtime": {"a": {}}}), "[runtime] is not supported"),
        (json!({"_source": {"enabled": false}}), "[_source]"),
        (json!({"_source": {"excludes": ["a"]}}), "[_source]"),
        (json!({"properties": []}), "expected map"),
        (json!({"properties": {"": {"type": "long"}}}), "it is empty"),
        (json!({"properties": {"a..b": {"type": "long"}}}), "two dots"),
        (field(json!("long")), "expected map"),
        (field(json!({})), "no type specified for field [f]"),
        (
            field(json!({"type": "geo_point"})),
            "no handler for type [geo_point]",
        ),
        (
            field(json!({"type": "text", "doc_values": true})),
            "unknown parameter [doc_values] on mapper [f] of type [text]",
        ),
        (field(json!({"type": "text", "analyzer": 1})), "[1] is not a name"),
        (
            field(json!({"type": "long", "analyzer": "x"})),
            "unknown parameter [analyzer]",
        ),
        (
            field(json!({"type": "long", "copy_to": ["g", 1]})),
            "[1] is no path of a field",
        ),
        (
            field(json!({"type": "text", "fields": {"raw": {"type": "keyword", "copy_to": "g"}}})),
            "may not be used to copy from a multi-field: [f.raw]",
        ),
        (
            field(json!({"type": "text", "fielddata": true})),
            "[true] is not supported",
        ),
        (
            field(json!({"type": "keyword", "normalizer": ""})),
            "is not a name",
        ),
        (
            field(json!({"type": "keyword", "ignore_above": -1})),
            "whole number",
        ),
        (
            field(json!({"type": "keyword", "index": "yes"})),
            "neither [true] nor [false]",
        ),
        (field(json!({"type": "long", "null_value": "x"})), "[null_value]"),
        (field(json!({"type": "long", "null_value": ""})), "[null_value]"),
        (field(json!({"type": "date", "format": "QQ"})), "[QQ]"),
        (
            field(json!({"type": "binary", "index": true})),
            "unknown parameter [index]",
        ),
        (
            field(json!({"type": "scaled_float"})),
            "misses required parameter [scaling_factor]",
        ),
        (
            field(json!({"type": "scaled_float", "scaling_factor": 0})),
            "positive number",
        ),
        (
            field(json!({"type": "object", "index": false})),
            "unsupported parameters",
        ),
        (
            field(json!({"type": "text", "fields": {"o": {"type": "object"}}})),
            "cannot be used in multi field [f.o]",
        ),
        (
            field(json!({"type": "text", "fields": {"k": {"type": "keyword", "fields": {}}}})),
            "cannot have multi-fields",
        ),
        (
            json!({"properties": {"a": {"type": "long"}, "a.b": {"type": "long"}}}),
            "cannot be changed",
        ),
    ] {
        match Mapping::from_json(&json) {
            Ok(_) => panic!("{json} is accepted"),
            Err(error) => assert!(error.to_string().contains(part), "{json}: {error}"),
        }
    }
    let error = Mapping::from_json(&json!([]))
        .expect_err("no object")
        .to_exception();
    assert_eq!(
        (error.kind().type_name(), error.status()),
        ("mapper_parsing_exception", 400)
    );
}

#[test]
fn merging_adds_and_refuses_changes() {
    let base = mapping(&json!({"properties": {
        "a": {"type": "long"},
        "k": {"type": "keyword", "ignore_above": 10},
        "t": {"type": "text", "norms": false, "fields": {"k": {"type": "keyword"}}},
        "o": {"dynamic": "strict", "properties": {"x": {"type": "long"}}},
        "n": {"type": "nested"},
        "off": {"type": "object", "enabled": false}
    }}));
    let field = |name: &str, definition: Value| json!({"properties": {name: definition}});
    let accepted = [
        (
            field("b", json!({"type": "ip"})),
            "/properties/b/type",
            json!("ip"),
        ),
        (
            field("o", json!({"properties": {"y": {"type": "ip"}}})),
            "/properties/o/dynamic",
            json!("strict"),
        ),
        (
            field("o.x", json!({"type": "long"})),
            "/properties/o/properties/x/type",
            json!("long"),
        ),
        (
            field("k", json!({"type": "keyword", "ignore_above": 20})),
            "/properties/k/ignore_above",
            json!(20),
        ),
        (
            field("a", json!({"type": "long", "coerce": false})),
            "/properties/a/coerce",
            json!(false),
        ),
        // What is said stands against what the index says.
        (
            field("a", json!({"type": "long", "coerce": "true"})),
            "/properties/a/coerce",
            json!(true),
        ),
        (
            field(
                "t",
                json!({"type": "text", "norms": false, "fields": {"l": {"type": "long"}}}),
            ),
            "/properties/t/fields",
            json!({"k": {"type": "keyword"}, "l": {"type": "long"}}),
        ),
        (json!({"dynamic": false}), "/dynamic", json!("false")),
    ];
    for (update, pointer, expected) in accepted {
        let merged = base
            .merge(&update)
            .unwrap_or_else(|error| panic!("{update}: {error}"));
        assert_eq!(merged.to_json().pointer(pointer), Some(&expected), "{update}");
    }
    for (update, part) in [
        (
            field("a", json!({"type": "text"})),
            "mapper [a] cannot be changed from type [long] to [text]",
        ),
        (
            field("a", json!({"properties": {}})),
            "mapper [a] cannot be changed from type [long] to [object]",
        ),
        (
            field("a.b", json!({"type": "long"})),
            "mapper [a] cannot be changed from type [long] to [object]",
        ),
        (
            field("o", json!({"type": "long"})),
            "mapper [o] cannot be changed from type [object] to [long]",
        ),
        (
            field("o", json!({"type": "nested"})),
            "mapper [o] cannot be changed from type [object] to [nested]",
        ),
        (
            field("n", json!({"type": "object"})),
            "mapper [n] cannot be changed from type [nested] to [object]",
        ),
        (
            field("t.k", json!({"type": "keyword"})),
            "mapper [t] cannot be changed from type [text] to [object]",
        ),
        (
            field("off", json!({"type": "object", "enabled": true})),
            "[enabled]",
        ),
        (
            field("a", json!({"type": "long", "index": false})),
            "cannot update parameter [index] from [true] to [false]",
        ),
        (
            field("t", json!({"type": "text"})),
            "cannot update parameter [norms] from [false] to [true]",
        ),
        (
            field(
                "t",
                json!({"type": "text", "norms": false, "fields": {"k": {"type": "long"}}}),
            ),
            "mapper [t.k] cannot be changed from type [keyword] to [long]",
        ),
    ] {
        let error = base.merge(&update).expect_err("a conflict");
        assert!(
            matches!(&error, MappingError::Conflict(text) if text.contains(part)),
            "{update}: {error}"
        );
        assert_eq!(
            error.to_exception().kind().type_name(),
            "illegal_argument_exception"
        );
    }
}

#[test]
fn limits_stop_growth_and_never_what_is_there() {
    let limits = MappingLimits {
        total_fields: 4,
        depth: 2,
        field_name_length: 5,
        nested_fields: 1,
    };
    let base = mapping(&json!({"properties": {"a": {"type": "text", "fields": {"k": {"type": "keyword"}}}}}));
    let add = |json: Value| base.merge_within(&json!({"properties": json}), &limits);
    assert!(add(json!({"b": {"type": "long"}})).is_ok());
    for (update, part) in [
        (
            json!({"b": {"type": "long"}, "c": {"type": "long"}, "d": {"type": "long"}}),
            "total fields [4] has been exceeded while adding new fields [3]",
        ),
        (json!({"b.c.d": {"type": "long"}}), "mapping depth [2]"),
        (
            json!({"longer": {"type": "long"}}),
            "longer than the limit of [5]",
        ),
        (
            json!({"m": {"type": "nested"}, "n": {"type": "nested"}}),
            "nested fields [1]",
        ),
    ] {
        let error = add(update).expect_err("a limit");
        assert!(
            matches!(&error, MappingError::LimitExceeded(text) if text.contains(part)),
            "{error}"
        );
    }
    let none = MappingLimits {
        total_fields: 0,
        ..limits
    };
    assert_eq!(base.merge_within(&base.to_json(), &none), Ok(base.clone()));
    assert!(base.merge_within(&json!({"dynamic": "strict"}), &none).is_ok());
}

#[test]
fn depth_is_bounded_whatever_the_limits_say() {
    let deep = vec!["a"; 100_000].join(".");
    assert!(Mapping::from_json(&json!({"properties": {deep.clone(): {"type": "long"}}})).is_err());
    let document = format!(r#"{{"{deep}": 1}}"#);
    assert!(Mapping::empty().check_document(document.as_bytes()).is_err());
    let half = vec!["a"; 60].join(".");
    let document = format!(r#"{{"{half}": {{"{half}": 1}}}}"#);
    assert!(Mapping::empty().check_document(document.as_bytes()).is_err());
    let document = format!("{{\"a\": {}1{}}}", "[".repeat(100), "]".repeat(100));
    assert!(
        mapping(&json!({"properties": {"a": {"type": "long"}}}))
            .check_document(document.as_bytes())
            .is_ok()
    );
    let endless = format!("{{\"a\": {}", "[".repeat(1_000_000));
    assert!(Mapping::empty().check_document(endless.as_bytes()).is_err());
}

#[test]
fn what_concerns_the_inverted_index_is_checked_and_printed_back() {
    for (field, printed) in [
        (
            json!({"type": "text", "norms": false, "index_options": "docs", "term_vector": "with_positions_offsets"}),
            None,
        ),
        (
            json!({"type": "text", "index_options": "offsets", "term_vector": "yes"}),
            None,
        ),
        (
            json!({"type": "keyword", "norms": true, "index_options": "freqs"}),
            None,
        ),
        (
            json!({"type": "text", "norms": true, "index_options": "positions", "term_vector": "no"}),
            Some(json!({"type": "text"})),
        ),
        (
            json!({"type": "keyword", "norms": false, "index_options": "docs"}),
            Some(json!({"type": "keyword"})),
        ),
    ] {
        let mapping = mapping(&json!({"properties": {"f": field}}));
        let expected = printed.unwrap_or_else(|| field.clone());
        assert_eq!(mapping.to_json()["properties"]["f"], expected, "{field}");
    }
    for (field, part) in [
        (json!({"type": "text", "norms": "often"}), "[norms] of field [f]"),
        (
            json!({"type": "text", "index_options": "all"}),
            "[all] is not one of [docs, freqs, positions, offsets]",
        ),
        (
            json!({"type": "keyword", "index_options": "positions"}),
            "[positions] is not one of [docs, freqs]",
        ),
        (
            json!({"type": "text", "term_vector": "maybe"}),
            "[maybe] is not one of [no, yes",
        ),
        (
            json!({"type": "keyword", "term_vector": "yes"}),
            "unknown parameter [term_vector]",
        ),
        (
            json!({"type": "long", "norms": true}),
            "unknown parameter [norms]",
        ),
    ] {
        let refused = Mapping::from_json(&json!({"properties": {"f": field}}))
            .unwrap_err()
            .to_string();
        assert!(refused.contains(part), "{field}: {refused}");
    }
    let base = mapping(&json!({"properties": {"f": {"type": "text"}}}));
    let changed = json!({"properties": {"f": {"type": "text", "index_options": "docs"}}});
    let refused = base.merge(&changed).unwrap_err().to_string();
    assert!(
        refused.contains("cannot update parameter [index_options] from [positions] to [docs]"),
        "{refused}"
    );
}

#[test]
fn types_by_another_name_keep_it_and_behave_as_the_type() {
    let source = json!({"properties": {
        "path": {"type": "wildcard", "ignore_above": 9},
        "message": {"type": "match_only_text", "fields": {"raw": {"type": "wildcard"}}}
    }});
    let mapping = Mapping::from_json(&source).unwrap();
    assert_eq!(mapping.to_json(), source);
    assert_eq!(mapping.field("path").unwrap().field_type(), FieldType::Keyword);
    assert_eq!(mapping.field("message").unwrap().field_type(), FieldType::Text);
    let changed = json!({"properties": {"path": {"type": "keyword"}}});
    let refused = mapping.merge(&changed).unwrap_err().to_string();
    assert!(
        refused.contains("[wildcard]") && refused.contains("[keyword]"),
        "{refused}"
    );
}
