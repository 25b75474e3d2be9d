//! The objects of a nested field.

use serde_json::{Map, Value, json};

/// The objects at `path`, in the order of the source. Names in the source may hold dots.
pub(super) fn objects_at<'v>(object: &'v Map<String, Value>, path: &str) -> Vec<&'v Map<String, Value>> {
    let mut found = Vec::new();
    collect(object, path, &mut found);
    found
}

fn collect<'v>(object: &'v Map<String, Value>, path: &str, found: &mut Vec<&'v Map<String, Value>>) {
    for (name, value) in object {
        let Some(rest) = path.strip_prefix(name.as_str()) else {
            continue;
        };
        let rest = match rest.strip_prefix('.') {
            Some(rest) => Some(rest),
            None if rest.is_empty() => None,
            None => continue,
        };
        let mut open = vec![value];
        while let Some(value) = open.pop() {
            match (value, rest) {
                (Value::Array(items), _) => open.extend(items.iter().rev()),
                (Value::Object(object), Some(rest)) => collect(object, rest, found),
                (Value::Object(object), None) => found.push(object),
                _ => {}
            }
        }
    }
}

/// A document that has nothing but this object at `path`.
pub(super) fn only(path: &str, object: &Map<String, Value>) -> Map<String, Value> {
    let mut value = Value::Object(object.clone());
    for name in path.rsplit('.') {
        value = json!({name: value});
    }
    match value {
        Value::Object(document) => document,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_found_through_arrays_and_dots() {
        let Value::Object(document) = json!({
            "a": [{"b": [{"n": 1}, {"n": 2}]}, {"b": {"n": 3}}, 7], "a.b": {"n": 4}, "ab": {"b": {"n": 9}}
        }) else {
            unreachable!("an object")
        };
        let numbers: Vec<_> = objects_at(&document, "a.b")
            .iter()
            .map(|object| object["n"].clone())
            .collect();
        assert_eq!(numbers, [1, 2, 3, 4]);
        assert_eq!(
            Value::Object(only("a.b", objects_at(&document, "a.b")[0])),
            json!({"a": {"b": {"n": 1}}})
        );
    }
}
