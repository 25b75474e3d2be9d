//! The fields of a request, resolved by a shard's mapping once for all hits.

use std::collections::HashMap;

use es_exception::{Exception, ExceptionKind};
use index_meta::{DateFormat, DocumentRules, FieldMapping, FieldType, Mapping};
use serde_json::{Map, Value};

use super::nested::{objects_at, only};
use super::read::read_values;
use super::selector::FieldSelector;
use super::shown::{Form, parse_format, show};
use super::unmapped::unmapped_values;
use crate::analysis::Analyzers;
use crate::search::wildcard_match;

/// See the module.
pub(in crate::search) struct FetchPlan<'a> {
    mapping: &'a Mapping,
    rules: DocumentRules,
    analyzers: &'a Analyzers,
    /// `docvalue_fields` first: a name that is in both is shown as `fields` show it.
    docvalues: Scope<'a>,
    fields: Scope<'a>,
    unmapped: Vec<String>,
}

/// A field whose values are shown.
struct Selected<'a> {
    mapping: &'a FieldMapping,
    format: Option<DateFormat>,
}

/// The fields of the document, or of the objects of a nested field.
#[derive(Default)]
struct Scope<'a> {
    /// The path of the nested field; empty for the document.
    path: String,
    selected: Vec<Selected<'a>>,
    places: HashMap<String, usize>,
    nested: Vec<Scope<'a>>,
}

impl<'a> FetchPlan<'a> {
    /// Source: which fields a name or pattern stands for, and what is refused, is as in Elasticsearch.
    ///
    /// # Errors
    /// `illegal_argument_exception` for a field that has no values of the kind, or a format that does not fit it.
    pub(in crate::search) fn new(
        mapping: &'a Mapping,
        rules: DocumentRules,
        analyzers: &'a Analyzers,
        fields: &[FieldSelector],
        docvalue_fields: &[FieldSelector],
    ) -> Result<Self, Exception> {
        let mut nested: Vec<&str> = Vec::new();
        // Most searches ask for no field, and mappings may be large.
        if !fields.is_empty() || !docvalue_fields.is_empty() {
            let objects = mapping.objects().into_iter();
            nested.extend(objects.filter_map(|(path, is_nested)| is_nested.then_some(path)));
        }
        let (mut shown, mut docvalues) = (Scope::default(), Scope::default());
        for selector in fields {
            check_metadata(selector)?;
            for field in matching(mapping, selector) {
                let format = parse_format(Form::Source, field, selector.format.as_deref())?;
                shown.add(
                    Selected {
                        mapping: field,
                        format,
                    },
                    &nested,
                );
            }
        }
        for selector in docvalue_fields {
            for field in matching(mapping, selector) {
                if selector.is_pattern() && !field.has_doc_values() {
                    continue;
                }
                check_doc_values(field)?;
                let format = parse_format(Form::DocValues, field, selector.format.as_deref())?;
                // Source: doc values of nested objects are not those of the document.
                if !nested.iter().any(|path| is_under(field.path(), path)) {
                    docvalues.add(
                        Selected {
                            mapping: field,
                            format,
                        },
                        &[],
                    );
                }
            }
        }
        let unmapped = fields.iter().filter(|selector| selector.include_unmapped);
        Ok(Self {
            mapping,
            rules,
            analyzers,
            docvalues,
            fields: shown,
            unmapped: unmapped.map(|selector| selector.pattern.clone()).collect(),
        })
    }

    /// The `fields` of a hit.
    ///
    /// # Errors
    /// When the source is no JSON object.
    pub(in crate::search) fn read(&self, source: &[u8]) -> Result<Map<String, Value>, Exception> {
        let mut fields = self.plain(&self.docvalues, Form::DocValues, source)?;
        fields.extend(self.plain(&self.fields, Form::Source, source)?);
        if self.unmapped.is_empty() && self.fields.nested.is_empty() {
            return Ok(fields);
        }
        let document: Map<String, Value> = serde_json::from_slice(source).map_err(|error| {
            Exception::new(ExceptionKind::Parsing, format!("source cannot be read: {error}"))
        })?;
        fields.extend(self.nested(&self.fields, &document)?);
        if !self.unmapped.is_empty() {
            let patterns: Vec<&str> = self.unmapped.iter().map(String::as_str).collect();
            let unmapped = unmapped_values(self.mapping, &document, &patterns);
            fields.extend(unmapped.into_iter().map(|(path, values)| (path, values.into())));
        }
        Ok(fields)
    }

    fn plain(&self, scope: &Scope<'_>, form: Form, source: &[u8]) -> Result<Map<String, Value>, Exception> {
        let mut fields = Map::new();
        if scope.selected.is_empty() {
            return Ok(fields);
        }
        let values = read_values(self.mapping, self.rules, source, &scope.places)?;
        for (selected, values) in scope.selected.iter().zip(values) {
            let shown = show(
                form,
                selected.mapping,
                selected.format.as_ref(),
                self.analyzers,
                values,
            );
            if !shown.is_empty() {
                fields.insert(scope.name(selected.mapping.path()).to_owned(), shown.into());
            }
        }
        Ok(fields)
    }

    /// Source: each object of a nested field keeps its own values, named within it.
    fn nested(
        &self,
        scope: &Scope<'_>,
        document: &Map<String, Value>,
    ) -> Result<Map<String, Value>, Exception> {
        let mut fields = Map::new();
        for inner in &scope.nested {
            let mut shown = Vec::new();
            for object in objects_at(document, &inner.path) {
                let document = only(&inner.path, object);
                let source = serde_json::to_vec(&document).map_err(|error| {
                    Exception::new(ExceptionKind::Parsing, format!("source cannot be read: {error}"))
                })?;
                let mut object = self.plain(inner, Form::Source, &source)?;
                object.extend(self.nested(inner, &document)?);
                if !object.is_empty() {
                    shown.push(Value::Object(object));
                }
            }
            if !shown.is_empty() {
                fields.insert(scope.name(&inner.path).to_owned(), shown.into());
            }
        }
        Ok(fields)
    }
}

impl<'a> Scope<'a> {
    /// `nested`: the paths of nested fields, parents first.
    fn add(&mut self, selected: Selected<'a>, nested: &[&str]) {
        let inner = nested
            .iter()
            .find(|path| path.len() > self.path.len() && is_under(selected.mapping.path(), path));
        if let Some(path) = inner {
            let place = self.nested.iter().position(|scope| scope.path == *path);
            let place = place.unwrap_or_else(|| {
                self.nested.push(Scope {
                    path: (*path).to_owned(),
                    ..Scope::default()
                });
                self.nested.len() - 1
            });
            return self.nested[place].add(selected, nested);
        }
        match self.places.get(selected.mapping.path()) {
            // Source: the later of two entries for one field says how it is written.
            Some(place) => self.selected[*place] = selected,
            None => {
                self.places
                    .insert(selected.mapping.path().to_owned(), self.selected.len());
                self.selected.push(selected);
            }
        }
    }

    /// The name within the scope.
    fn name<'p>(&self, path: &'p str) -> &'p str {
        match path.strip_prefix(self.path.as_str()) {
            Some(name) if !self.path.is_empty() => name.strip_prefix('.').unwrap_or(name),
            _ => path,
        }
    }
}

/// Whether the field lies in the object.
fn is_under(path: &str, object: &str) -> bool {
    path.strip_prefix(object)
        .is_some_and(|rest| rest.starts_with('.'))
}

fn matching<'a>(mapping: &'a Mapping, selector: &FieldSelector) -> Vec<&'a FieldMapping> {
    if !selector.is_pattern() {
        return mapping.field(&selector.pattern).into_iter().collect();
    }
    let mut fields = mapping.fields();
    fields.retain(|field| wildcard_match(&selector.pattern, field.path()));
    fields
}

/// Source: fields that only Elasticsearch itself reads.
fn check_metadata(selector: &FieldSelector) -> Result<(), Exception> {
    match selector.pattern.as_str() {
        name @ ("_source" | "_field_names" | "_nested_path") => Err(Exception::illegal_argument(format!(
            "error fetching [{name}]: Cannot fetch values for internal field [{name}]."
        ))),
        _ => Ok(()),
    }
}

fn check_doc_values(field: &FieldMapping) -> Result<(), Exception> {
    if field.field_type() == FieldType::Text {
        return Err(Exception::illegal_argument(format!(
            "Fielddata is disabled on [{}]. Text fields are not optimised for operations that require per-document field data like \
             aggregations and sorting, so these operations are disabled by default. Please use a keyword field instead.",
            field.path()
        )));
    }
    if field.has_doc_values() {
        return Ok(());
    }
    Err(Exception::illegal_argument(format!(
        "Can't load fielddata on [{}] because fielddata is unsupported on fields of type [{}]. Use doc values instead.",
        field.path(),
        field.field_type().name()
    )))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::selector::parse_selectors;
    use super::*;

    fn read(mapping: &Value, fields: &Value, docvalues: &Value, source: &Value) -> Result<Value, Exception> {
        let mapping = Mapping::from_json(mapping).unwrap();
        let analyzers = Analyzers::plain();
        let fields = parse_selectors("fields", fields)?;
        let docvalues = parse_selectors("docvalue_fields", docvalues)?;
        let plan = FetchPlan::new(&mapping, DocumentRules::DEFAULT, &analyzers, &fields, &docvalues)?;
        plan.read(source.to_string().as_bytes()).map(Value::Object)
    }

    fn mapping() -> Value {
        json!({"properties": {
            "k": {"type": "keyword", "normalizer": "lowercase", "ignore_above": 5, "copy_to": "all"},
            "t": {"type": "text", "fields": {"raw": {"type": "keyword"}}, "copy_to": "all"}, "all": {"type": "text"},
            "n": {"type": "long", "null_value": 7}, "f": {"type": "float"}, "d": {"type": "date", "format": "yyyy-MM-dd||epoch_millis"},
            "b": {"type": "boolean"}, "ip": {"type": "ip"}, "hidden": {"type": "keyword", "index": false, "doc_values": false},
            "o": {"properties": {"x": {"type": "integer"}}}, "off": {"type": "object", "enabled": false},
            "u": {"type": "nested", "properties": {"name": {"type": "keyword"}, "deep": {"type": "nested", "properties": {"n": {"type": "long"}}}}}
        }})
    }

    fn source() -> Value {
        json!({
            "k": ["B", "A", "b", "too long"], "t": ["Some Text", "More"], "n": ["3", 1.5, null, 1], "f": 0.1, "d": ["2024-01-02", 0],
            "b": [true, false], "ip": ["10.0.0.1", "9.0.0.1", "10.0.0.1"], "hidden": "h", "o": [{"x": 2}, {"x": 1}], "o.x": 3,
            "off": {"in": [1, {"deep": 2}]}, "new": "v",
            "u": [{"name": "a", "deep": {"n": 1}}, {"name": ["b", "c"]}, {"other": 1}]
        })
    }

    #[test]
    fn fields_are_read_by_the_mapping() {
        for (fields, expected) in [
            (json!(["k"]), json!({"k": ["b", "a", "b"]})),
            (
                json!(["t*"]),
                json!({"t": ["Some Text", "More"], "t.raw": ["Some Text", "More"]}),
            ),
            (
                json!(["all"]),
                json!({"all": ["B", "A", "b", "too long", "Some Text", "More"]}),
            ),
            (json!(["n", "f"]), json!({"n": [3, 1, 7, 1], "f": [0.1]})),
            (json!(["d"]), json!({"d": ["2024-01-02", "1970-01-01"]})),
            (
                json!([{"field": "d", "format": "epoch_millis"}]),
                json!({"d": ["1704153600000", "0"]}),
            ),
            (
                json!(["b", "hidden"]),
                json!({"b": [true, false], "hidden": ["h"]}),
            ),
            (json!(["o", "o.*", "missing"]), json!({"o.x": [2, 1, 3]})),
            (
                json!(["u.*"]),
                json!({"u": [{"name": ["a"], "deep": [{"n": [1]}]}, {"name": ["b", "c"]}]}),
            ),
            (
                json!([{"field": "*n*", "include_unmapped": true}]),
                json!({
                    "hidden": ["h"], "n": [3, 1, 7, 1], "off.in": [1], "off.in.deep": [2], "new": ["v"],
                    "u": [{"name": ["a"], "deep": [{"n": [1]}]}, {"name": ["b", "c"]}]
                }),
            ),
        ] {
            assert_eq!(
                read(&mapping(), &fields, &json!([]), &source()).unwrap(),
                expected,
                "{fields}"
            );
        }
    }

    #[test]
    fn doc_values_are_sorted_and_keywords_come_once() {
        for (docvalues, expected) in [
            (
                json!(["k", "ip"]),
                json!({"k": ["a", "b"], "ip": ["9.0.0.1", "10.0.0.1"]}),
            ),
            (json!(["n", "b"]), json!({"n": [1, 1, 3, 7], "b": [false, true]})),
            (json!(["f"]), json!({"f": [f64::from(0.1_f32)]})),
            (json!(["d"]), json!({"d": ["1970-01-01", "2024-01-02"]})),
            (
                json!([{"field": "d", "format": "yyyy"}]),
                json!({"d": ["1970", "2024"]}),
            ),
            (json!(["t*"]), json!({"t.raw": ["More", "Some Text"]})),
            (json!(["u.name", "nowhere"]), json!({})),
        ] {
            assert_eq!(
                read(&mapping(), &json!([]), &docvalues, &source()).unwrap(),
                expected,
                "{docvalues}"
            );
        }
        let both = read(&mapping(), &json!(["n"]), &json!(["n", "b"]), &source()).unwrap();
        assert_eq!(both, json!({"n": [3, 1, 7, 1], "b": [false, true]}));
    }

    #[test]
    fn what_does_not_fit_a_field_is_refused() {
        for (fields, docvalues) in [
            (json!([{"field": "k", "format": "yyyy"}]), json!([])),
            (json!([{"field": "d", "format": "'open"}]), json!([])),
            (json!(["_source"]), json!([])),
            (json!([]), json!(["t"])),
            (json!([]), json!(["hidden"])),
            (json!([]), json!([{"field": "n", "format": "#.0"}])),
            (json!([]), json!([{"field": "k", "format": "x"}])),
        ] {
            let refused = read(&mapping(), &fields, &docvalues, &source());
            assert_eq!(refused.unwrap_err().status(), 400, "{fields} {docvalues}");
        }
    }
}
