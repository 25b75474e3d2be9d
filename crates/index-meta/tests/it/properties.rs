//! What holds for any mapping and any document.

use std::collections::BTreeMap;

use index_meta::{DocumentCheck, Mapping};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{update_for, visited};

fn name() -> impl Strategy<Value = String> {
    "[a-d]{1,2}"
}

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!({"type": "text"})),
        Just(json!({"type": "text", "fields": {"k": {"type": "keyword"}}})),
        (0..300u32).prop_map(|above| json!({"type": "keyword", "ignore_above": above})),
        Just(json!({"type": "long"})),
        any::<bool>().prop_map(|coerce| json!({"type": "double", "coerce": coerce})),
        any::<bool>().prop_map(|index| json!({"type": "boolean", "index": index})),
        Just(json!({"type": "date", "format": "epoch_millis"})),
        Just(json!({"type": "ip", "ignore_malformed": true})),
    ]
}

/// A put-mapping body.
fn body() -> impl Strategy<Value = Value> {
    let properties = leaf().prop_recursive(3, 20, 4, |inner| {
        let children = proptest::collection::btree_map(name(), inner, 0..4);
        (
            children,
            proptest::option::of(prop_oneof![Just("true"), Just("false"), Just("strict")]),
        )
            .prop_map(|(children, dynamic)| {
                let mut object = Map::from_iter([("properties".to_owned(), json!(children))]);
                object.extend(dynamic.map(|dynamic| ("dynamic".to_owned(), json!(dynamic))));
                Value::Object(object)
            })
    });
    proptest::collection::btree_map(name(), properties, 0..5)
        .prop_map(|properties| json!({"properties": properties}))
}

fn document() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1e6..1e6f64).prop_map(Value::from),
        // Never empty: an empty text is a value to a text field and none to a number, see `an_empty_text_is_no_number`.
        "[a-z0-9 \"\\\\é]{1,6}".prop_map(Value::from),
        Just(json!("2015-01-01T00:00:00Z")),
    ];
    let value = scalar.prop_recursive(4, 30, 4, |inner| {
        let key = prop_oneof![3 => name(), 1 => "[a-d]\\.[a-d]"];
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(key, inner, 0..4).prop_map(|members| json!(members)),
        ]
    });
    proptest::collection::btree_map(name(), value, 0..5).prop_map(|members| json!(members))
}

/// Type by path.
fn types(mapping: &Mapping) -> BTreeMap<String, &'static str> {
    mapping
        .fields()
        .iter()
        .map(|field| (field.path().to_owned(), field.field_type().name()))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn merging_is_idempotent_and_monotone(first in body(), second in body()) {
        let base = Mapping::from_json(&first).expect("generated mappings are valid");
        prop_assert_eq!(&Mapping::from_json(&base.to_json()).expect("printed mappings are valid"), &base);
        prop_assert_eq!(&base.merge(&first).expect("the same again"), &base);
        if let Ok(merged) = base.merge(&second) {
            prop_assert_eq!(&merged.merge(&second).expect("the same again"), &merged);
            let (before, after) = (types(&base), types(&merged));
            prop_assert!(before.iter().all(|field| after.get(field.0) == Some(field.1)));
            let update = Mapping::from_json(&second).expect("it was merged");
            prop_assert!(types(&update).iter().all(|field| after.get(field.0) == Some(field.1)));
        }
    }

    #[test]
    fn a_document_fits_the_mapping_that_it_asked_for(body in body(), document in document()) {
        let source = document.to_string();
        let mapping = Mapping::from_json(&body).expect("generated mappings are valid");
        let Ok(DocumentCheck::NeedsMapping(update)) = mapping.check_document(source.as_bytes()) else { return Ok(()) };
        let merged = mapping.merge(update.as_json()).expect("an update that was derived can be merged");
        prop_assert_eq!(update_for(&merged, &source), None);
        // Fields that were mapped before yield what they yielded before.
        let known = types(&mapping);
        let is_known = |line: &String| known.contains_key(line.trim_start_matches('!').split('=').next().unwrap_or_default());
        let after: Vec<_> = visited(&merged, &source).into_iter().filter(is_known).collect();
        prop_assert_eq!(visited(&mapping, &source), after);
    }

    #[test]
    fn every_plain_value_of_an_accepted_document_is_a_field(document in document()) {
        let source = document.to_string();
        let Ok(DocumentCheck::NeedsMapping(update)) = Mapping::empty().check_document(source.as_bytes()) else { return Ok(()) };
        let mapping = Mapping::from_json(update.as_json()).expect("an update is a mapping");
        let lines = visited(&mapping, &source);
        let top_level = |line: &&String| !line.split('=').next().unwrap_or_default().ends_with(".keyword");
        prop_assert_eq!(lines.iter().filter(top_level).count(), count_values(&document), "{:?}", lines);
    }

    #[test]
    fn any_bytes_are_an_answer_and_no_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60), body in body()) {
        let mapping = Mapping::from_json(&body).expect("generated mappings are valid");
        let _ = mapping.check_document(&bytes);
        let _ = Mapping::empty().check_document(&bytes);
    }
}

fn count_values(value: &Value) -> usize {
    match value {
        Value::Null => 0,
        Value::Array(items) => items.iter().map(count_values).sum(),
        Value::Object(members) => members.values().map(count_values).sum(),
        _ => 1,
    }
}
