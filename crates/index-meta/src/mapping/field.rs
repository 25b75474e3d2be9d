//! One field of a mapping.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::date::DateFormat;
use crate::document::{DocumentRules, FieldValue};
use crate::mapping::parameters::{ParameterKind, parameters_of};

/// The type of a field that holds values. Objects are not fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FieldType {
    /// Analyzed full text.
    Text,
    /// One exact term per value.
    Keyword,
    /// 64-bit integer.
    Long,
    /// 32-bit integer.
    Integer,
    /// 16-bit integer.
    Short,
    /// 8-bit integer.
    Byte,
    /// 64-bit floating point number.
    Double,
    /// 32-bit floating point number.
    Float,
    /// 16-bit floating point number.
    HalfFloat,
    /// Floating point number kept as a multiple of 1 / `scaling_factor`.
    ScaledFloat,
    /// True or false.
    Boolean,
    /// A point in time in milliseconds.
    Date,
    /// An IPv4 or IPv6 address.
    Ip,
    /// Bytes, as a base64 text. They are in the source only, and nothing can be searched by them but whether they are there.
    Binary,
}

impl FieldType {
    /// Every type.
    pub const ALL: &'static [Self] = &[
        Self::Text,
        Self::Keyword,
        Self::Long,
        Self::Integer,
        Self::Short,
        Self::Byte,
        Self::Double,
        Self::Float,
        Self::HalfFloat,
        Self::ScaledFloat,
        Self::Boolean,
        Self::Date,
        Self::Ip,
        Self::Binary,
    ];

    /// The name in mappings.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Keyword => "keyword",
            Self::Long => "long",
            Self::Integer => "integer",
            Self::Short => "short",
            Self::Byte => "byte",
            Self::Double => "double",
            Self::Float => "float",
            Self::HalfFloat => "half_float",
            Self::ScaledFloat => "scaled_float",
            Self::Boolean => "boolean",
            Self::Date => "date",
            Self::Ip => "ip",
            Self::Binary => "binary",
        }
    }

    /// The type with this name in mappings.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|field_type| field_type.name() == name)
    }

    /// Whether values are whole numbers ([`FieldValue::Long`]).
    #[must_use]
    pub const fn is_integer(self) -> bool {
        matches!(self, Self::Long | Self::Integer | Self::Short | Self::Byte)
    }

    /// Whether values are floating point numbers ([`FieldValue::Double`]).
    #[must_use]
    pub const fn is_float(self) -> bool {
        matches!(
            self,
            Self::Double | Self::Float | Self::HalfFloat | Self::ScaledFloat
        )
    }

    /// Whether values are numbers.
    #[must_use]
    pub const fn is_numeric(self) -> bool {
        self.is_integer() || self.is_float()
    }
}

/// A value that a mapping itself holds, for instance `null_value`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum OwnedValue {
    Keyword(String),
    Long(i64),
    Double(f64),
    Boolean(bool),
    Date(i64),
    Ip(IpAddr),
}

impl OwnedValue {
    /// `None` for full text, which no mapping holds.
    pub(crate) fn of(value: FieldValue<'_>) -> Option<Self> {
        Some(match value {
            FieldValue::Text(_) => return None,
            FieldValue::Keyword(text) => Self::Keyword(text.to_owned()),
            FieldValue::Long(number) => Self::Long(number),
            FieldValue::Double(number) => Self::Double(number),
            FieldValue::Boolean(flag) => Self::Boolean(flag),
            FieldValue::Date(millis) => Self::Date(millis),
            FieldValue::Ip(address) => Self::Ip(address),
        })
    }

    pub(crate) fn as_field_value(&self) -> FieldValue<'_> {
        match self {
            Self::Keyword(text) => FieldValue::Keyword(text),
            Self::Long(number) => FieldValue::Long(*number),
            Self::Double(number) => FieldValue::Double(*number),
            Self::Boolean(flag) => FieldValue::Boolean(*flag),
            Self::Date(millis) => FieldValue::Date(*millis),
            Self::Ip(address) => FieldValue::Ip(*address),
        }
    }
}

/// How the values of one field are read, indexed and printed back.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldMapping {
    pub(crate) path: String,
    /// As the mapping names it.
    pub(crate) type_name: &'static str,
    pub(crate) field_type: FieldType,
    pub(crate) index: bool,
    pub(crate) doc_values: bool,
    /// Whether a binary field says that it is stored, or has doc values.
    pub(crate) kept: bool,
    pub(crate) norms: bool,
    /// As set; `None` leaves it to the index.
    pub(crate) coerce: Option<bool>,
    /// As set; `None` leaves it to the index.
    pub(crate) ignore_malformed: Option<bool>,
    pub(crate) normalizer: Option<String>,
    pub(crate) analyzer: Option<String>,
    pub(crate) search_analyzer: Option<String>,
    pub(crate) search_quote_analyzer: Option<String>,
    pub(crate) ignore_above: Option<usize>,
    pub(crate) null_value: Option<OwnedValue>,
    pub(crate) format: Arc<DateFormat>,
    pub(crate) scaling_factor: f64,
    pub(crate) copy_to: Vec<String>,
    /// Every parameter that differs from its default, as JSON, in printing order; without `type` and `fields`.
    pub(crate) parameters: Map<String, Value>,
    /// Multi-fields by their simple name.
    pub(crate) multi_fields: BTreeMap<String, Arc<FieldMapping>>,
}

impl FieldMapping {
    /// The full path, parents and multi-field name joined by dots.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The type.
    #[must_use]
    pub fn field_type(&self) -> FieldType {
        self.field_type
    }

    /// Whether the field can be searched by its inverted index.
    #[must_use]
    pub fn is_indexed(&self) -> bool {
        self.index
    }

    /// Whether the field has columnar values for sorting; always false for text and binary fields.
    #[must_use]
    pub fn has_doc_values(&self) -> bool {
        self.doc_values
    }

    /// Whether the mapping says that the field is stored beside the source. Here it is not, but it can be asked for as if it was.
    #[must_use]
    pub fn is_stored(&self) -> bool {
        self.parameter("store") == Some(&Value::Bool(true))
    }

    /// Whether an index can tell which documents have the field, so that its values are looked at.
    ///
    /// Source: Elasticsearch does not read a binary field that is not stored and has no doc values.
    #[must_use]
    pub fn tells_existence(&self) -> bool {
        self.index || self.doc_values || self.kept
    }

    /// Whether scoring takes the field's length into account.
    #[must_use]
    pub fn has_norms(&self) -> bool {
        self.norms
    }

    /// The analyzer of a text field at index time, if it is not the index's default.
    #[must_use]
    pub fn analyzer(&self) -> Option<&str> {
        self.analyzer.as_deref()
    }

    /// `search_analyzer` of a text field, as it was set.
    #[must_use]
    pub fn search_analyzer(&self) -> Option<&str> {
        self.search_analyzer.as_deref()
    }

    /// `search_quote_analyzer` of a text field, as it was set.
    #[must_use]
    pub fn search_quote_analyzer(&self) -> Option<&str> {
        self.search_quote_analyzer.as_deref()
    }

    /// Keyword values with more UTF-16 units than this are skipped.
    #[must_use]
    pub fn ignore_above(&self) -> Option<usize> {
        self.ignore_above
    }

    /// The value that stands in for an explicit `null`.
    #[must_use]
    pub fn null_value(&self) -> Option<FieldValue<'_>> {
        self.null_value.as_ref().map(OwnedValue::as_field_value)
    }

    /// Whether values that do not fit are skipped instead of refusing the document, in an index with these rules.
    #[must_use]
    pub fn ignores_malformed(&self, rules: DocumentRules) -> bool {
        let may = parameters_of(self.field_type).any(|parameter| parameter.name == "ignore_malformed");
        may && self.ignore_malformed.unwrap_or(rules.ignore_malformed)
    }

    /// Whether a number may be a text, or have a fraction that its type has not, in an index with these rules.
    #[must_use]
    pub fn coerces(&self, rules: DocumentRules) -> bool {
        self.coerce.unwrap_or(rules.coerce)
    }

    /// What a keyword's terms go through, in documents and in queries; [`FieldValue::Keyword`] is the value before.
    #[must_use]
    pub fn normalizer(&self) -> Option<&str> {
        self.normalizer.as_deref()
    }

    /// How a date field reads its values.
    #[must_use]
    pub fn format(&self) -> &DateFormat {
        &self.format
    }

    /// The paths of the fields that take this field's values too.
    #[must_use]
    pub fn copy_to(&self) -> &[String] {
        &self.copy_to
    }

    /// The multi-fields, by name.
    pub fn multi_fields(&self) -> impl Iterator<Item = &FieldMapping> {
        self.multi_fields.values().map(Arc::as_ref)
    }

    /// The JSON form: type, parameters that differ from their defaults, multi-fields.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut json = Map::new();
        json.insert("type".into(), self.type_name.into());
        json.extend(self.parameters.clone());
        if !self.multi_fields.is_empty() {
            let fields = self
                .multi_fields
                .iter()
                .map(|(name, field)| (name.clone(), field.to_json()))
                .collect();
            json.insert("fields".into(), Value::Object(fields));
        }
        Value::Object(json)
    }

    /// The JSON form with every parameter that has a default, as `include_defaults` of the field mapping API shows it for an
    /// index with these rules.
    #[must_use]
    pub fn to_json_with_defaults(&self, rules: DocumentRules) -> Value {
        let mut json = self.to_json();
        if let Value::Object(json) = &mut json {
            for parameter in parameters_of(self.field_type) {
                let default = match parameter.kind {
                    ParameterKind::Boolean { default } => default.into(),
                    ParameterKind::OfIndex { of } => of(rules).into(),
                    ParameterKind::Word { default, .. } if !default.is_empty() => default.into(),
                    ParameterKind::Count => i32::MAX.into(),
                    ParameterKind::Name if parameter.name == "format" => DateFormat::DEFAULT.into(),
                    ParameterKind::Name => "default".into(),
                    _ => continue,
                };
                json.entry(parameter.name).or_insert(default);
            }
        }
        json
    }

    /// The parameter as mappings print it, if it differs from its default; for those without a getter.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&Value> {
        self.parameters.get(name)
    }
}
