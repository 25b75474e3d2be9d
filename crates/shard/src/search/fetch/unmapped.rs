//! `include_unmapped`: values that are in the source and not in the mapping.

use std::collections::HashMap;

use index_meta::Mapping;
use serde_json::{Map, Value};

use crate::search::wildcard_match;

/// The plain values of unmapped paths that one of the patterns matches, by path, in the order of the source.
pub(super) fn unmapped_values(
    mapping: &Mapping,
    document: &Map<String, Value>,
    patterns: &[&str],
) -> Vec<(String, Vec<Value>)> {
    let mut walk = Walk {
        mapping,
        patterns,
        places: HashMap::new(),
        found: Vec::new(),
    };
    walk.object("", document);
    walk.found
}

struct Walk<'a> {
    mapping: &'a Mapping,
    patterns: &'a [&'a str],
    /// Where a path is in `found`.
    places: HashMap<String, usize>,
    found: Vec<(String, Vec<Value>)>,
}

impl Walk<'_> {
    // The depth is that of the parsed source, which the parser bounds.
    fn object(&mut self, parent: &str, object: &Map<String, Value>) {
        for (name, value) in object {
            let path = match parent {
                "" => name.clone(),
                parent => format!("{parent}.{name}"),
            };
            self.value(&path, value);
        }
    }

    fn value(&mut self, path: &str, value: &Value) {
        match value {
            Value::Null => {}
            Value::Object(object) => self.object(path, object),
            Value::Array(items) => items.iter().for_each(|item| self.value(path, item)),
            plain => {
                let is_wanted = |pattern: &&str| wildcard_match(pattern, path);
                if !self.patterns.iter().any(is_wanted) || self.mapping.field(path).is_some() {
                    return;
                }
                match self.places.get(path) {
                    Some(place) => self.found[*place].1.push(plain.clone()),
                    None => {
                        self.places.insert(path.to_owned(), self.found.len());
                        self.found.push((path.to_owned(), vec![plain.clone()]));
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_not_mapped_is_found_by_path() {
        let mapping =
            Mapping::from_json(&json!({"dynamic": false, "properties": {"a": {"type": "long"}}})).unwrap();
        let Value::Object(document) =
            json!({"a": 1, "b": {"c": [1, "x", null], "d": true}, "e": [{"f": 1}, {"f": 2}], "b.c": 3})
        else {
            unreachable!("an object")
        };
        let found = |patterns: &[&str]| {
            let values = unmapped_values(&mapping, &document, patterns).into_iter();
            values
                .map(|(path, values)| (path, Value::from(values)))
                .collect::<Map<_, _>>()
        };
        let all = json!({"b.c": [1, "x", 3], "b.d": [true], "e.f": [1, 2]});
        assert_eq!(Value::Object(found(&["*"])), all);
        assert_eq!(Value::Object(found(&["b.d", "a", "e"])), json!({"b.d": [true]}));
    }
}
