//! Mappings and documents through the public interface.

mod analysis;
mod copy_to;
mod docs;
mod documents;
mod dynamic_templates;
mod mappings;
mod properties;
mod templates;

use index_meta::{DocumentCheck, DocumentRules, FieldMapping, FieldSink, FieldValue, Mapping};
use serde_json::Value;

/// Collects what a document yields as `path=value`, and what it skips as `!path`.
#[derive(Default)]
struct Collected(Vec<String>);

impl FieldSink for Collected {
    fn field(&mut self, path: &str, mapping: &FieldMapping, value: FieldValue<'_>) {
        assert_eq!(path, mapping.path());
        self.0.push(format!("{path}={value:?}"));
    }

    fn ignored(&mut self, path: &str) {
        self.0.push(format!("!{path}"));
    }
}

fn mapping(json: &Value) -> Mapping {
    Mapping::from_json(json).unwrap_or_else(|error| panic!("{json}: {error}"))
}

fn visited(mapping: &Mapping, source: &str) -> Vec<String> {
    visited_under(mapping, DocumentRules::DEFAULT, source)
}

fn visited_under(mapping: &Mapping, rules: DocumentRules, source: &str) -> Vec<String> {
    let mut sink = Collected::default();
    mapping
        .visit_document(source.as_bytes(), rules, &mut sink)
        .unwrap_or_else(|error| panic!("{source}: {error}"));
    sink.0
}

/// The update that a document needs, or `None` if it fits.
fn update_for(mapping: &Mapping, source: &str) -> Option<Value> {
    match mapping.check_document(source.as_bytes()) {
        Ok(DocumentCheck::Fits) => None,
        Ok(DocumentCheck::NeedsMapping(update)) => Some(update.into_json()),
        Err(error) => panic!("{source}: {error}"),
    }
}
