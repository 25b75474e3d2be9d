//! The tree of objects and fields.

use std::sync::{Arc, LazyLock};

use serde_json::{Map, Value};

use super::dynamic_template::{DetectedType, DynamicTemplate};
use super::{FieldMapping, FieldType, Node, ObjectNode, merge, parse};
use crate::analysis::AnalysisDefinitions;
use crate::data_stream::TIMESTAMP_FIELD;
use crate::date::DateFormat;
use crate::document::{self, DocumentCheck, DocumentRules, FieldSink};
use crate::error::{DocumentError, MappingError};

/// What becomes of a field that a document has and the mapping has not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dynamic {
    /// It is added to the mapping.
    #[default]
    True,
    /// It stays in the source and is not searchable.
    False,
    /// The document is refused.
    Strict,
}

impl Dynamic {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::True => "true",
            Self::False => "false",
            Self::Strict => "strict",
        }
    }
}

/// How large a mapping may grow; checked by [`Mapping::merge_within`] only, so that a stored mapping always loads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MappingLimits {
    /// Most fields and objects, multi-fields included (`index.mapping.total_fields.limit`).
    pub total_fields: u64,
    /// Most levels of objects, a field of the root being at level 1 (`index.mapping.depth.limit`).
    pub depth: u64,
    /// Most characters of a field's own name (`index.mapping.field_name_length.limit`).
    pub field_name_length: u64,
    /// Most nested objects (`index.mapping.nested_fields.limit`).
    pub nested_fields: u64,
}

impl Default for MappingLimits {
    fn default() -> Self {
        Self {
            total_fields: 1000,
            depth: 20,
            field_name_length: u64::MAX,
            nested_fields: 50,
        }
    }
}

impl MappingLimits {
    /// No limits: for mappings that were checked where they come from.
    #[must_use]
    pub const fn unlimited() -> Self {
        Self {
            total_fields: u64::MAX,
            depth: u64::MAX,
            field_name_length: u64::MAX,
            nested_fields: u64::MAX,
        }
    }
}

/// What the root says beside its fields; `None` is what was never said.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct RootOptions {
    pub(crate) date_detection: Option<bool>,
    pub(crate) numeric_detection: Option<bool>,
    pub(crate) dynamic_date_formats: Option<Vec<Arc<DateFormat>>>,
    pub(crate) dynamic_templates: Vec<Arc<DynamicTemplate>>,
    pub(crate) meta: Option<Value>,
    pub(crate) routing_required: Option<bool>,
    pub(crate) timestamp_required: Option<bool>,
}

/// The root option that makes every document have a timestamp. Source: Elasticsearch's metadata field of backing indices.
pub(crate) const TIMESTAMP_OPTION: &str = "_data_stream_timestamp";

/// Source: what Elasticsearch's root mapper tries when `dynamic_date_formats` is not set.
static DYNAMIC_DATE_FORMATS: LazyLock<[Arc<DateFormat>; 2]> = LazyLock::new(|| {
    let pattern = "yyyy/MM/dd HH:mm:ss||yyyy/MM/dd||epoch_millis";
    let slashes = DateFormat::parse(pattern).expect("the pattern is well-formed");
    [Arc::clone(DateFormat::default_format()), Arc::new(slashes)]
});

impl RootOptions {
    /// The formats by which new texts are taken for dates; none if they are not.
    pub(crate) fn detected_date_formats(&self) -> &[Arc<DateFormat>] {
        match (&self.dynamic_date_formats, self.date_detection) {
            (_, Some(false)) => &[],
            (Some(formats), _) => formats,
            (None, _) => &*DYNAMIC_DATE_FORMATS,
        }
    }

    /// The first template for a new field, if there is one.
    pub(crate) fn template_for(&self, path: &str, detected: DetectedType) -> Option<&DynamicTemplate> {
        let name = path.rsplit('.').next().unwrap_or(path);
        let mut templates = self.dynamic_templates.iter().map(Arc::as_ref);
        templates.find(|template| template.matches(path, name, detected))
    }

    fn print_into(&self, json: &mut Map<String, Value>) {
        if let Some(meta) = &self.meta {
            json.insert("_meta".into(), meta.clone());
        }
        if let Some(formats) = &self.dynamic_date_formats {
            let patterns: Vec<&str> = formats.iter().map(|format| format.pattern()).collect();
            json.insert("dynamic_date_formats".into(), patterns.into());
        }
        if !self.dynamic_templates.is_empty() {
            let templates: Vec<_> = self
                .dynamic_templates
                .iter()
                .map(|template| template.to_json())
                .collect();
            json.insert("dynamic_templates".into(), templates.into());
        }
        for (name, flag) in [
            ("date_detection", self.date_detection),
            ("numeric_detection", self.numeric_detection),
        ] {
            if let Some(flag) = flag {
                json.insert(name.into(), flag.into());
            }
        }
        if let Some(required) = self.routing_required {
            json.insert("_routing".into(), serde_json::json!({"required": required}));
        }
        if let Some(required) = self.timestamp_required {
            json.insert(TIMESTAMP_OPTION.into(), serde_json::json!({"enabled": required}));
        }
    }
}

/// What an index knows about its documents' fields. Immutable; share it by `Arc`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Mapping {
    root: ObjectNode,
    options: RootOptions,
}

impl Mapping {
    pub(crate) fn new(root: ObjectNode, options: RootOptions) -> Self {
        Self { root, options }
    }

    pub(crate) fn root(&self) -> &ObjectNode {
        &self.root
    }

    pub(crate) fn options(&self) -> &RootOptions {
        &self.options
    }

    /// The mapping of an index that has seen no document.
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }

    /// Reads a mapping from its JSON form, a put-mapping body.
    ///
    /// # Errors
    /// [`MappingError::Malformed`].
    pub fn from_json(json: &Value) -> Result<Self, MappingError> {
        parse::parse_mapping(json)
    }

    /// The mapping as Elasticsearch prints it; `{}` if nothing is mapped.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut json = Map::new();
        if let Some(dynamic) = self.root.dynamic {
            json.insert("dynamic".into(), dynamic.name().into());
        }
        self.options.print_into(&mut json);
        self.root.print_into(&mut json);
        Value::Object(json)
    }

    /// This mapping with `update`, a put-mapping body, merged into it, under the default limits.
    ///
    /// # Errors
    /// As [`merge_within`](Self::merge_within).
    pub fn merge(&self, update: &Value) -> Result<Mapping, MappingError> {
        self.merge_within(update, &MappingLimits::default())
    }

    /// This mapping with `update`, a put-mapping body, merged into it.
    ///
    /// # Errors
    /// [`MappingError::Malformed`], [`MappingError::Conflict`], or [`MappingError::LimitExceeded`] if something new passes a limit.
    pub fn merge_within(&self, update: &Value, limits: &MappingLimits) -> Result<Mapping, MappingError> {
        let merged = merge::merge_mappings(self, &Self::from_json(update)?)?;
        if merged != *self {
            merge::check_limits(self, &merged, limits)?;
            merged.check_timestamp()?;
        }
        Ok(merged)
    }

    /// Whether an index with these definitions has every analyzer and normalizer that the fields name. For what users give: a stored mapping
    /// loads whatever it names.
    ///
    /// # Errors
    /// [`MappingError::Analysis`].
    pub fn check_analysis(&self, definitions: &AnalysisDefinitions) -> Result<(), MappingError> {
        for field in self.fields() {
            let analyzers = [
                field.analyzer(),
                field.search_analyzer(),
                field.search_quote_analyzer(),
            ];
            if let Some(missing) = analyzers
                .into_iter()
                .flatten()
                .find(|name| !definitions.has_analyzer(name))
            {
                let problem = format!("analyzer [{missing}] has not been configured in mappings");
                return Err(MappingError::Analysis(problem));
            }
            if let Some(missing) = field
                .normalizer()
                .filter(|name| !definitions.has_normalizer(name))
            {
                let problem = format!("normalizer [{missing}] not found for field [{}]", field.path());
                return Err(MappingError::Analysis(problem));
            }
        }
        Ok(())
    }

    /// The field with this full path, multi-fields included.
    #[must_use]
    pub fn field(&self, path: &str) -> Option<&FieldMapping> {
        let mut object = &self.root;
        let mut parts = path.split('.');
        while let Some(name) = parts.next() {
            match object.child(name)? {
                Node::Object(child) => object = child,
                Node::Field(field) => {
                    let field = match parts.next() {
                        Some(multi_field) => field.multi_fields.get(multi_field)?,
                        None => field,
                    };
                    return parts.next().is_none().then_some(field);
                }
            }
        }
        None
    }

    /// Every field, multi-fields included, sorted by level and name.
    #[must_use]
    pub fn fields(&self) -> Vec<&FieldMapping> {
        let mut fields = Vec::new();
        self.root.collect_fields(&mut fields);
        fields
    }

    /// Every object below the root, parents first: its path, and whether it is of type nested.
    #[must_use]
    pub fn objects(&self) -> Vec<(&str, bool)> {
        let mut objects = Vec::new();
        self.root.collect_objects(&mut objects);
        objects
    }

    /// Whether an object of it is of type nested.
    #[must_use]
    pub fn has_nested(&self) -> bool {
        self.root.has_nested()
    }

    /// Whether nothing is mapped and nothing set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether every write needs a routing (`_routing: {required: true}`).
    #[must_use]
    pub fn is_routing_required(&self) -> bool {
        self.options.routing_required.unwrap_or(false)
    }

    /// Whether every document needs exactly one [`TIMESTAMP_FIELD`], as those of data streams do.
    #[must_use]
    pub fn is_timestamp_required(&self) -> bool {
        self.options.timestamp_required.unwrap_or(false)
    }

    /// Source: what Elasticsearch checks of the timestamp of a data stream.
    fn check_timestamp(&self) -> Result<(), MappingError> {
        if !self.is_timestamp_required() {
            return Ok(());
        }
        let refuse = |why: String| {
            Err(MappingError::Conflict(format!(
                "data stream timestamp field [{TIMESTAMP_FIELD}] {why}"
            )))
        };
        let Some(field) = self.field(TIMESTAMP_FIELD) else {
            return refuse("does not exist".to_owned());
        };
        if field.field_type() != FieldType::Date {
            return refuse(format!(
                "is of type [{}], but [date] is expected",
                field.field_type().name()
            ));
        }
        for (has, what) in [
            (field.is_indexed(), "is not indexed"),
            (field.has_doc_values(), "doesn't have doc values"),
        ] {
            if !has {
                return refuse(what.to_owned());
            }
        }
        for parameter in ["null_value", "ignore_malformed"] {
            if field
                .parameters
                .get(parameter)
                .is_some_and(|value| *value != Value::Bool(false))
            {
                return refuse(format!("has disallowed [{parameter}] attribute specified"));
            }
        }
        Ok(())
    }

    /// Whether a document fits, or needs new fields first. For the leader's primary.
    ///
    /// # Errors
    /// Any [`DocumentError`]; also when the document would not fit its own new fields.
    pub fn check_document(&self, source: &[u8]) -> Result<DocumentCheck, DocumentError> {
        self.check_document_within(source, DocumentRules::DEFAULT)
    }

    /// As [`check_document`](Self::check_document), for an index with these rules.
    ///
    /// # Errors
    /// Any [`DocumentError`].
    pub fn check_document_within(
        &self,
        source: &[u8],
        rules: DocumentRules,
    ) -> Result<DocumentCheck, DocumentError> {
        document::check(self, source, rules)
    }

    /// Hands every value of a mapped field to `sink`, in document order. For the search view of every copy.
    ///
    /// Never derives a mapping: unmapped fields are skipped. Never fails on a value: what does not fit is skipped and told by
    /// [`FieldSink::ignored`], since the document was accepted under the mapping of its time. `rules` are those of the index.
    ///
    /// # Errors
    /// [`DocumentError::Malformed`] if the source is no JSON object.
    pub fn visit_document(
        &self,
        source: &[u8],
        rules: DocumentRules,
        sink: &mut dyn FieldSink,
    ) -> Result<(), DocumentError> {
        document::visit(self, source, rules, sink)
    }
}
