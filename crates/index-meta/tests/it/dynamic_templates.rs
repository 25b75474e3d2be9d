//! Dynamic templates decide about new fields.

use serde_json::{Value, json};

use super::{mapping, update_for};

#[test]
fn the_first_template_that_fits_maps_the_field() {
    let templates = mapping(&json!({"dynamic_templates": [
        {"ids": {"match": "*_id", "match_mapping_type": "string", "mapping": {"type": "keyword"}}},
        {"strings": {"match_mapping_type": "string", "mapping": {"type": "text", "fields": {"raw": {"type": "keyword"}}}}},
        {"days": {"match_mapping_type": "date", "mapping": {"type": "date"}}},
        {"small": {"match_mapping_type": "long", "path_match": "counts.*", "mapping": {"type": "integer"}}},
        {"lists": {"match": "items", "mapping": {"type": "nested", "dynamic": "strict", "properties": {"n": {"type": "byte"}}}}},
        {"closed": {"match": "blob", "match_mapping_type": "object", "mapping": {"enabled": false}}},
        {"named": {"match": "say_*", "mapping": {"type": "{dynamic_type}", "meta": {"of": "{name}"}}}}
    ]}));
    let text = json!({"type": "text", "fields": {"raw": {"type": "keyword"}}});
    for (source, expected) in [
        (
            r#"{"user_id": "x", "b": "y"}"#,
            json!({"user_id": {"type": "keyword"}, "b": text}),
        ),
        (r#"{"user_id": 5}"#, json!({"user_id": {"type": "long"}})),
        (
            r#"{"o": {"user_id": ["x"]}}"#,
            json!({"o": {"properties": {"user_id": {"type": "keyword"}}}}),
        ),
        (
            r#"{"counts": {"a": 1, "b": {"c": 2}}, "d": 3}"#,
            json!({
                "counts": {"properties": {"a": {"type": "integer"}, "b": {"properties": {"c": {"type": "integer"}}}}},
                "d": {"type": "long"}
            }),
        ),
        (
            r#"{"counts.a": 1}"#,
            json!({"counts": {"properties": {"a": {"type": "integer"}}}}),
        ),
        (
            r#"{"at": "2015/09/02"}"#,
            json!({"at": {"type": "date", "format": "yyyy/MM/dd HH:mm:ss||yyyy/MM/dd||epoch_millis"}}),
        ),
        (
            r#"{"items": [{"n": 1}]}"#,
            json!({"items": {"type": "nested", "dynamic": "strict", "properties": {"n": {"type": "byte"}}}}),
        ),
        (
            r#"{"blob": {"x": {"y": 1}}}"#,
            json!({"blob": {"enabled": false, "type": "object"}}),
        ),
        (
            r#"{"say_n": 1.5}"#,
            json!({"say_n": {"type": "float", "meta": {"of": "say_n"}}}),
        ),
    ] {
        let update = update_for(&templates, source).unwrap_or_default();
        assert_eq!(update, json!({"properties": expected}), "{source}");
    }
}

#[test]
fn a_template_may_bring_a_field_to_copy_to() {
    let templates = mapping(&json!({"dynamic_templates": [
        {"strings": {"match_mapping_type": "string", "unmatch": "all", "mapping": {"type": "keyword", "copy_to": "all"}}},
        {"all": {"match": "all", "mapping": {"type": "text"}}}
    ]}));
    let update = update_for(&templates, r#"{"a": "x"}"#).expect("an update");
    assert_eq!(
        update["properties"],
        json!({"a": {"type": "keyword", "copy_to": ["all"]}, "all": {"type": "text"}})
    );
    let merged = templates.merge(&update).unwrap();
    assert_eq!(update_for(&merged, r#"{"a": "x"}"#), None);
}

#[test]
fn a_document_that_does_not_fit_its_template_is_refused() {
    let templates = mapping(&json!({"dynamic_templates": [
        {"numbers": {"match": "n_*", "mapping": {"type": "long"}}}
    ]}));
    let refused = templates.check_document(br#"{"n_x": "abc"}"#).unwrap_err();
    assert!(refused.to_string().contains("[n_x]"), "{refused}");
}

#[test]
fn templates_are_merged_by_name_and_printed_in_order() {
    let keyword = |pattern: &str| json!({"match": pattern, "mapping": {"type": "keyword"}});
    let list = |entries: &[(&str, &str)]| -> Value {
        let entries: Vec<Value> = entries
            .iter()
            .map(|(name, pattern)| json!({*name: keyword(pattern)}))
            .collect();
        json!({ "dynamic_templates": entries })
    };
    let before = mapping(&list(&[("a", "a*"), ("b", "b*")]));
    let after = before.merge(&list(&[("c", "c*"), ("a", "x*")])).unwrap();
    assert_eq!(after.to_json(), list(&[("a", "x*"), ("b", "b*"), ("c", "c*")]));
    assert_eq!(mapping(&after.to_json()), after);
    assert_eq!(after.merge(&json!({})).unwrap(), after);
}
