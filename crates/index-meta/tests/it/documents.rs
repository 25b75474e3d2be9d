//! Checking and visiting documents.

use index_meta::{DocumentRules, Mapping};
use serde_json::{Value, json};

use super::{mapping, update_for, visited};

#[test]
fn new_fields_are_derived_as_elasticsearch_does() {
    let text = json!({"type": "text", "fields": {"keyword": {"type": "keyword", "ignore_above": 256}}});
    for (source, expected) in [
        (r#"{}"#, None),
        (r#"{"a": null, "b": [], "c": [null, []]}"#, None),
        (r#"{"a": "x"}"#, Some(json!({"a": text}))),
        (
            r#"{"a": 1, "b": 1.5, "c": true, "d": -3}"#,
            Some(json!({
                "a": {"type": "long"}, "b": {"type": "float"}, "c": {"type": "boolean"}, "d": {"type": "long"}
            })),
        ),
        (
            r#"{"a": "2015-01-01T00:00:00Z"}"#,
            Some(json!({"a": {"type": "date"}})),
        ),
        (r#"{"a": "2015"}"#, Some(json!({"a": text}))),
        (
            r#"{"a": "2015/09/02"}"#,
            Some(json!({
                "a": {"type": "date", "format": "yyyy/MM/dd HH:mm:ss||yyyy/MM/dd||epoch_millis"}
            })),
        ),
        (r#"{"a": {}}"#, Some(json!({"a": {"type": "object"}}))),
        (r#"{"a": [null, 1, 2.5]}"#, Some(json!({"a": {"type": "long"}}))),
        (
            r#"{"a": [{"b": 1}, {"c": "x"}, {"b": 2}]}"#,
            Some(json!({
                "a": {"properties": {"b": {"type": "long"}, "c": text}}
            })),
        ),
        (
            r#"{"a.b": 1, "a": {"c.d": true}}"#,
            Some(json!({
                "a": {"properties": {"b": {"type": "long"}, "c": {"properties": {"d": {"type": "boolean"}}}}}
            })),
        ),
    ] {
        let expected = expected.map(|properties: Value| json!({"properties": properties}));
        assert_eq!(update_for(&Mapping::empty(), source), expected, "{source}");
    }
}

#[test]
fn detection_can_be_switched() {
    let off = mapping(&json!({"date_detection": false, "numeric_detection": true}));
    let update = update_for(&off, r#"{"a": "2015-01-01", "b": "5", "c": "5.5"}"#).expect("an update");
    let type_of = |name: &str| update["properties"][name]["type"].clone();
    assert_eq!(
        ["a", "b", "c"].map(type_of),
        [json!("text"), json!("long"), json!("float")]
    );
    let custom = mapping(&json!({"dynamic_date_formats": ["dd.MM.yyyy"]}));
    let update = update_for(&custom, r#"{"a": "01.02.2015", "b": "2015-01-01"}"#).expect("an update");
    assert_eq!(
        update["properties"]["a"],
        json!({"type": "date", "format": "dd.MM.yyyy"})
    );
    assert_eq!(update["properties"]["b"]["type"], json!("text"));
}

#[test]
fn dynamic_is_inherited_and_can_be_overridden() {
    let mapping = mapping(&json!({"dynamic": "false", "properties": {
        "open": {"dynamic": true, "properties": {"in": {"properties": {"x": {"type": "long"}}}}},
        "shut": {"dynamic": "strict", "properties": {"x": {"type": "long"}}},
        "plain": {"type": "object"},
        "nest": {"type": "nested", "dynamic": true},
        "off": {"type": "object", "enabled": false, "dynamic": "strict"}
    }}));
    assert_eq!(
        update_for(
            &mapping,
            r#"{"new": 1, "plain": {"new": 1}, "off": {"new": [1, {}]}, "off.x": 1}"#
        ),
        None
    );
    let update = update_for(&mapping, r#"{"open": {"in": {"y": 1}}, "nest": [{"z": true}]}"#);
    let expected = json!({"properties": {
        "nest": {"type": "nested", "properties": {"z": {"type": "boolean"}}},
        "open": {"properties": {"in": {"properties": {"y": {"type": "long"}}}}}
    }});
    assert_eq!(update, Some(expected));
    for source in [r#"{"shut": {"y": null}}"#, r#"{"shut.y": 1}"#] {
        let error = mapping.check_document(source.as_bytes()).expect_err("strict");
        assert_eq!(
            error.to_exception().kind().type_name(),
            "strict_dynamic_mapping_exception"
        );
        assert!(
            error.to_string().contains("introduction of [y] within [shut]"),
            "{error}"
        );
        assert_eq!(visited(&mapping, source), Vec::<String>::new());
    }
}

#[test]
fn documents_that_do_not_fit_are_refused_by_name_and_value() {
    let mapping = mapping(&json!({"properties": {
        "n": {"type": "integer"}, "d": {"type": "date"}, "o": {"properties": {"x": {"type": "boolean"}}}, "k": {"type": "keyword"},
        "b": {"type": "binary", "store": true}
    }}));
    let immense = format!(r#"{{"k": "{}"}}"#, "x".repeat(40_000));
    for (source, part) in [
        ("", "failed to parse"),
        ("[]", "must be a JSON object"),
        ("null", "must be a JSON object"),
        ("{\"n\": 1} x", "trailing"),
        ("{\"n\": 1", "EOF"),
        (
            r#"{"n": "abc"}"#,
            "failed to parse field [n] of type [integer]. Preview of field's value: 'abc'",
        ),
        (r#"{"n": [1, "abc"]}"#, "'abc'"),
        (r#"{"n": {"x": 1}}"#, r#"'{"x": 1}'"#),
        (r#"{"n": 3000000000}"#, "[n]"),
        (r#"{"d": "tomorrow"}"#, "[d] of type [date]"),
        (
            r#"{"b": "no base64"}"#,
            "[b] of type [binary]. Preview of field's value: 'no base64'",
        ),
        (r#"{"o": 5}"#, "object mapping for [o]"),
        (r#"{"o": [{"x": true}, "s"]}"#, "concrete value: 's'"),
        (r#"{"o.x": 1}"#, "[o.x] of type [boolean]"),
        (
            r#"{"n.m": 1}"#,
            "existing mapping for [n] must be of type object but found [integer]",
        ),
        (r#"{"_id": "1"}"#, "[_id] is a metadata field"),
        (r#"{"a..b": 1}"#, "two dots"),
        (r#"{"": 1}"#, "it is empty"),
        (r#"{"n": 1, "n": 2}"#, "duplicate field [n]"),
        (r#"{"new": 1, "new": "x"}"#, "duplicate field [new]"),
        (r#"{"new": 1, "new.x": 2}"#, "[new]"),
        (r#"{"new": [1, "x"]}"#, "[new] of type [long]"),
        (r#"{"new": {"": 1}}"#, "it is empty"),
        (&immense, "40000 bytes"),
    ] {
        let error = mapping.check_document(source.as_bytes()).expect_err(source);
        let exception = error.to_exception();
        assert!(exception.to_string().contains(part), "{source}: {exception}");
        assert_eq!(exception.status(), 400);
    }
    let error = mapping
        .check_document(&[b'{', b'"', 0xff, b'"', b':', b'1', b'}'])
        .expect_err("no UTF-8");
    assert_eq!(
        error.to_exception().kind().type_name(),
        "document_parsing_exception"
    );
    let cause = mapping
        .check_document(br#"{"n": "abc"}"#)
        .expect_err("no number")
        .to_exception();
    assert_eq!(
        cause.caused_by().map(|cause| cause.reason()),
        Some("for input string: \"abc\"")
    );
}

#[test]
fn values_arrive_typed_in_document_order() {
    let mapping = mapping(&json!({"properties": {
        "t": {"type": "text", "fields": {"k": {"type": "keyword", "ignore_above": 5}, "len": {"type": "keyword"}}},
        "o": {"type": "nested", "properties": {"n": {"type": "long"}, "at": {"type": "date"}}},
        "none": {"type": "keyword", "null_value": "NULL"},
        "stored": {"type": "keyword", "index": false, "doc_values": false},
        "loose": {"type": "ip", "ignore_malformed": true}
    }}));
    let source = r#"{
        "o": [{"n": [1, "2"]}, {"n": null, "at": 0}, null], "t": ["ab", "a\u0062cdef"], "none": [null, 1.50],
        "o.n": 3, "new": {"t": 1}, "stored": "x", "loose": ["10.0.0.1", "no", {"a": []}], "unmapped": "x"
    }"#;
    let expected = [
        "o.n=Long(1)",
        "o.n=Long(2)",
        "o.at=Date(0)",
        "t=Text(\"ab\")",
        "t.k=Keyword(\"ab\")",
        "t.len=Keyword(\"ab\")",
        "t=Text(\"abcdef\")",
        "!t.k",
        "t.len=Keyword(\"abcdef\")",
        "none=Keyword(\"NULL\")",
        "none=Keyword(\"1.50\")",
        "o.n=Long(3)",
        "loose=Ip(10.0.0.1)",
        "!loose",
        "!loose",
    ];
    assert_eq!(visited(&mapping, source), expected);
}

/// What a document of one field is under rules of its index: `None` if it is refused, else the values that are visited.
fn under(definition: &serde_json::Value, rules: DocumentRules, value: &str) -> Option<Vec<String>> {
    let mapping = mapping(&json!({"properties": {"f": definition}}));
    let source = format!(r#"{{"f": {value}}}"#);
    mapping.check_document_within(source.as_bytes(), rules).ok()?;
    Some(super::visited_under(&mapping, rules, &source))
}

#[test]
fn an_index_says_what_its_fields_do_not() {
    let rules = |coerce, ignore_malformed| DocumentRules {
        coerce,
        ignore_malformed,
        ..DocumentRules::DEFAULT
    };
    let long = || json!({"type": "long"});
    const REFUSED: Option<&[&str]> = None;
    for (definition, rules, value, expected) in [
        (long(), rules(true, false), "\"5\"", Some(&["f=Long(5)"][..])),
        (long(), rules(true, false), "5.9", Some(&["f=Long(5)"])),
        (long(), rules(false, false), "5", Some(&["f=Long(5)"])),
        (long(), rules(false, false), "\"5\"", REFUSED),
        (long(), rules(false, false), "5.9", REFUSED),
        (json!({"type": "double"}), rules(false, false), "\"5\"", REFUSED),
        (
            json!({"type": "long", "coerce": true}),
            rules(false, false),
            "5.9",
            Some(&["f=Long(5)"]),
        ),
        (
            json!({"type": "long", "coerce": false}),
            rules(true, false),
            "5.9",
            REFUSED,
        ),
        (long(), rules(true, true), "\"x\"", Some(&["!f"])),
        (
            long(),
            rules(false, true),
            "[1, \"5\"]",
            Some(&["f=Long(1)", "!f"]),
        ),
        (json!({"type": "ip"}), rules(true, true), "\"x\"", Some(&["!f"])),
        (
            json!({"type": "ip", "ignore_malformed": false}),
            rules(true, true),
            "\"x\"",
            REFUSED,
        ),
        // Source: a keyword has no such parameter.
        (json!({"type": "keyword"}), rules(true, true), "{}", REFUSED),
    ] {
        let result = under(&definition, rules, value);
        let result = result
            .as_ref()
            .map(|values| values.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(result.as_deref(), expected, "{definition} {rules:?} {value}");
    }
}

#[test]
fn what_was_coerced_once_stays_searchable() {
    let strict = DocumentRules {
        coerce: false,
        ..DocumentRules::DEFAULT
    };
    let mapping = mapping(&json!({"properties": {"f": {"type": "long"}}}));
    let visited = super::visited_under(&mapping, strict, r#"{"f": ["5", 1.5, "x"]}"#);
    assert_eq!(visited, ["f=Long(5)", "f=Long(1)", "!f"]);
}

#[test]
fn an_empty_text_is_no_number() {
    // Source: coercion of numbers takes an empty text for null.
    let source = r#"{"a": [0, ""]}"#;
    let update = update_for(&Mapping::empty(), source).expect("a new field");
    assert_eq!(visited(&mapping(&update), source).len(), 1);
}

#[test]
fn visiting_skips_what_a_check_would_refuse() {
    let mapping = mapping(
        &json!({"dynamic": "strict", "properties": {"n": {"type": "byte"}, "o": {"type": "object"}}}),
    );
    let source = r#"{"n": [1, 1000, "x"], "o": 5, "n.x": 1, "new": 1, "_id": "1", "": 2, "a..b": 3}"#;
    assert!(mapping.check_document(source.as_bytes()).is_err());
    assert_eq!(visited(&mapping, source), ["n=Long(1)", "!n", "!n"]);
}

#[test]
fn a_document_of_a_data_stream_has_exactly_one_timestamp() {
    let mapping = mapping(&json!({
        "_data_stream_timestamp": {"enabled": true},
        "properties": {"@timestamp": {"type": "date"}, "other": {"type": "date"}}
    }));
    assert!(mapping.is_timestamp_required());
    assert_eq!(Mapping::from_json(&mapping.to_json()).unwrap(), mapping);
    for (document, expected) in [
        (json!({"@timestamp": 1}), None),
        (json!({"@timestamp": ["2031-04-09T00:00:00Z"], "new": 1}), None),
        (json!({}), Some("is missing")),
        (json!({"other": 1, "new": 1}), Some("is missing")),
        (json!({"@timestamp": null}), Some("is missing")),
        (json!({"@timestamp": []}), Some("is missing")),
        (json!({"@timestamp": [1, 2]}), Some("encountered multiple values")),
    ] {
        let source = document.to_string();
        let checked = mapping.check_document(source.as_bytes());
        let refused = checked.err().map(|error| error.to_exception());
        let expected = expected.map(|what| format!("data stream timestamp field [@timestamp] {what}"));
        assert_eq!(
            refused
                .as_ref()
                .and_then(|refused| refused.caused_by())
                .map(|cause| cause.reason().to_owned()),
            expected,
            "{document}"
        );
        if let Some(refused) = refused {
            assert_eq!(refused.kind().type_name(), "document_parsing_exception");
        }
    }
    let off = mapping.merge(&json!({"_data_stream_timestamp": {"enabled": false}}));
    assert!(off.unwrap_err().to_string().contains("cannot update [enabled]"));
}
