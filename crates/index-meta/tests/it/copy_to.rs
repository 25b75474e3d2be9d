//! `copy_to`, and mappings and objects that are not enabled.

use index_meta::{DocumentRules, Mapping, MappingError};
use serde_json::json;

use super::{mapping, update_for, visited};

#[test]
fn values_go_to_the_fields_that_they_are_copied_to_and_no_further() {
    let mapping = mapping(&json!({"properties": {
        "first": {"type": "keyword", "copy_to": "name"},
        "age": {"type": "long", "copy_to": ["all", "o.numbers"]},
        "name": {"type": "text", "copy_to": "all"},
        "all": {"type": "keyword", "fields": {"text": {"type": "text"}}},
        "o": {"properties": {"numbers": {"type": "double"}}}
    }}));
    assert_eq!(
        visited(&mapping, r#"{"first": ["A", "B"], "age": 7, "all": "x"}"#),
        [
            "first=Keyword(\"A\")",
            "first=Keyword(\"B\")",
            "name=Text(\"A\")",
            "name=Text(\"B\")",
            "age=Long(7)",
            "all=Keyword(\"7\")",
            "all.text=Text(\"7\")",
            "o.numbers=Double(7.0)",
            "all=Keyword(\"x\")",
            "all.text=Text(\"x\")",
        ]
    );
    let refused = mapping
        .check_document(br#"{"age": "old"}"#)
        .unwrap_err()
        .to_string();
    assert!(refused.contains("[age]"), "{refused}");
    assert_eq!(
        mapping.to_json()["properties"]["first"]["copy_to"],
        json!(["name"])
    );
}

#[test]
fn a_field_to_copy_to_that_is_not_mapped_is_derived() {
    let given = mapping(&json!({"properties": {"a": {"type": "keyword", "copy_to": "o.all"}}}));
    let text = json!({"type": "text", "fields": {"keyword": {"type": "keyword", "ignore_above": 256}}});
    assert_eq!(
        update_for(&given, r#"{"a": "x"}"#),
        Some(json!({"properties": {"o": {"properties": {"all": text}}}}))
    );
    assert_eq!(update_for(&given, r#"{"b": null}"#), None);
    for (dynamic, expected) in [("false", None), ("strict", Some("[all]"))] {
        let given = mapping(&json!({"properties": {
            "a": {"type": "keyword", "copy_to": "o.all"}, "o": {"type": "object", "dynamic": dynamic}
        }}));
        let checked = given.check_document(br#"{"a": "x"}"#);
        assert_eq!(checked.is_err(), expected.is_some(), "{checked:?}");
        if let (Err(error), Some(part)) = (checked, expected) {
            assert!(error.to_string().contains(part), "{error}");
        }
    }
    let onto_object = mapping(&json!({"properties": {
        "a": {"type": "keyword", "copy_to": "o"}, "o": {"properties": {"n": {"type": "long"}}}
    }}));
    let refused = onto_object
        .check_document(br#"{"a": "x"}"#)
        .unwrap_err()
        .to_string();
    assert!(refused.contains("cannot copy to field [o]"), "{refused}");
}

#[test]
fn where_to_copy_may_change() {
    let before = mapping(&json!({"properties": {"a": {"type": "keyword", "copy_to": "b"}}}));
    let after = before
        .merge(&json!({"properties": {"a": {"type": "keyword", "copy_to": ["c"]}}}))
        .unwrap();
    assert_eq!(after.field("a").unwrap().copy_to(), ["c"]);
}

#[test]
fn a_mapping_that_is_not_enabled_looks_at_nothing() {
    let off = mapping(&json!({"enabled": false}));
    for document in ["{}", r#"{"a": 1, "b": {"c": [1, "x"]}}"#] {
        assert_eq!(update_for(&off, document), None);
        assert_eq!(visited(&off, document), Vec::<String>::new());
    }
    for broken in ["[]", "1", "{", r#"{"a"}"#, "{} {}"] {
        assert!(off.check_document(broken.as_bytes()).is_err(), "{broken}");
    }
    assert_eq!(off.to_json(), json!({"enabled": false}));
    let refused = Mapping::empty().merge(&json!({"enabled": false})).unwrap_err();
    assert!(
        matches!(&refused, MappingError::Conflict(problem) if problem.contains("[_doc]")),
        "{refused}"
    );
}

#[test]
fn objects_of_nested_fields_are_counted() {
    let nested = mapping(&json!({"properties": {
        "n": {"type": "nested", "properties": {"m": {"type": "nested", "properties": {"x": {"type": "long"}}}}}
    }}));
    let document = br#"{"n": [{"m": [{"x": 1}, {"x": 2}]}, {"m": {"x": 3}}]}"#;
    let limited = |nested_objects| DocumentRules {
        nested_objects,
        ..DocumentRules::DEFAULT
    };
    assert!(nested.check_document_within(document, limited(5)).is_ok());
    let refused = nested
        .check_document_within(document, limited(4))
        .unwrap_err()
        .to_string();
    assert!(
        refused.contains("[index.mapping.nested_objects.limit]"),
        "{refused}"
    );
}
