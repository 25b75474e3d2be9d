//! What can go wrong with mappings, documents, query values and settings, and how each is shown to clients.

use es_exception::{Exception, ExceptionKind};

use crate::data_stream::TIMESTAMP_FIELD;

/// Why a mapping cannot be read or merged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MappingError {
    /// The mapping itself is malformed or uses something unknown.
    #[error("{0}")]
    Malformed(String),
    /// The update contradicts what is mapped already.
    #[error("{0}")]
    Conflict(String),
    /// The merged mapping would pass a limit of the index.
    #[error("{0}")]
    LimitExceeded(String),
    /// A field names an analyzer or a normalizer that the index has not.
    #[error("Failed to parse mapping: {0}")]
    Analysis(String),
}

impl MappingError {
    /// The failure as clients see it: `mapper_parsing_exception` or `illegal_argument_exception`, both 400.
    #[must_use]
    pub fn to_exception(&self) -> Exception {
        let kind = match self {
            Self::Malformed(_) | Self::Analysis(_) => ExceptionKind::MapperParsing,
            Self::Conflict(_) | Self::LimitExceeded(_) => ExceptionKind::IllegalArgument,
        };
        let exception = Exception::new(kind, self.to_string());
        match self {
            Self::Analysis(problem) => exception.with_cause(Exception::illegal_argument(problem.clone())),
            _ => exception,
        }
    }
}

impl From<&MappingError> for Exception {
    fn from(error: &MappingError) -> Self {
        error.to_exception()
    }
}

/// Why one value does not fit the type of its field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// A number was expected, and the text is none.
    #[error("for input string: \"{0}\"")]
    NotANumber(String),
    /// The number has a fraction and the field has `coerce: false`.
    #[error("value [{0}] has a decimal part")]
    DecimalPart(String),
    /// The number is a text, and the field has `coerce: false`.
    #[error("value [{0}] is a string, which a field with [coerce] set to false does not accept")]
    NotCoerced(String),
    /// The number does not fit the type.
    #[error("value [{value}] is out of range for {field_type}")]
    OutOfRange {
        /// The number as written.
        value: String,
        /// The type's name with its article, for instance `an integer`.
        field_type: &'static str,
    },
    /// Not finite, or too large for the type of floating point number.
    #[error("[{field_type}] supports only finite values, but got [{value}]")]
    NotFinite {
        /// The number as written.
        value: String,
        /// The type's name.
        field_type: &'static str,
    },
    /// Not one of `true`, `false`, `"true"`, `"false"`, `""`.
    #[error("failed to parse value [{0}] as only [true] or [false] are allowed")]
    NotABoolean(String),
    /// Not an IP address.
    #[error("'{0}' is not an IP string literal")]
    NotAnIp(String),
    /// Not a base64 text.
    #[error("the value is not a base64 text with its padding")]
    NotBase64,
    /// None of the field's formats reads the date.
    #[error("failed to parse date field [{value}] with format [{format}]")]
    NotADate {
        /// The text as written.
        value: String,
        /// The field's format.
        format: String,
    },
    /// A date math expression that does not parse.
    #[error("date math expression [{expression}] is malformed: {problem}")]
    DateMath {
        /// The whole expression.
        expression: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Neither an offset nor the name of a time zone.
    #[error("unknown time zone [{0}]")]
    TimeZone(String),
    /// A JSON object or array where one value was expected.
    #[error("expected one value but found {0}")]
    NotAValue(&'static str),
    /// A keyword longer than the index can hold (32766 bytes of UTF-8) and no `ignore_above` to skip it.
    #[error(
        "the term is {0} bytes of UTF-8, longer than the 32766 that an index holds; set [ignore_above] to skip such values"
    )]
    ImmenseTerm(usize),
}

impl ValueError {
    /// The failure as clients see it, as the cause of a document's or a query's failure.
    #[must_use]
    pub fn to_exception(&self) -> Exception {
        let kind = match self {
            Self::NotADate { .. } => ExceptionKind::DateTimeParse,
            _ => ExceptionKind::IllegalArgument,
        };
        Exception::new(kind, self.to_string())
    }
}

/// Why a document is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// The source is not well-formed JSON, or is no object, or is nested too deeply.
    #[error("failed to parse: {0}")]
    Malformed(String),
    /// The source is larger than any document may be.
    #[error("failed to parse: the document is {length} bytes long, the limit is {limit}")]
    TooLarge {
        /// Bytes of the source.
        length: usize,
        /// The most bytes that a source may have.
        limit: usize,
    },
    /// A value does not fit its field.
    #[error("failed to parse field [{field}] of type [{field_type}]. Preview of field's value: '{preview}'")]
    Value {
        /// Full path of the field.
        field: String,
        /// Name of its type.
        field_type: &'static str,
        /// The beginning of the value.
        preview: String,
        /// What is wrong with it.
        #[source]
        cause: ValueError,
    },
    /// A plain value where the mapping has an object.
    #[error(
        "object mapping for [{field}] tried to parse field [{field}] as object, but found a concrete value: '{preview}'"
    )]
    ObjectExpected {
        /// Full path of the object.
        field: String,
        /// The beginning of the value.
        preview: String,
    },
    /// A dotted name that leads through a field that is no object.
    #[error(
        "could not dynamically add mapping for field [{field}]: existing mapping for [{parent}] must be of type object but found [{found}]"
    )]
    ParentNotAnObject {
        /// Full path of the new field.
        field: String,
        /// Full path of the field in the way.
        parent: String,
        /// The type of the field in the way.
        found: &'static str,
    },
    /// A new field under `dynamic: strict`.
    #[error("mapping set to strict, dynamic introduction of [{field}] within [{parent}] is not allowed")]
    Strict {
        /// Name of the new field.
        field: String,
        /// Full path of its parent, `_doc` for the root.
        parent: String,
    },
    /// A field name that cannot be.
    #[error("field name [{name}] is not allowed: {problem}")]
    FieldName {
        /// The name as written.
        name: String,
        /// Why not.
        problem: &'static str,
    },
    /// A metadata field such as `_id` inside the source.
    #[error(
        "field [{0}] is a metadata field and cannot be added inside a document; use the index API request parameters"
    )]
    MetadataField(String),
    /// A document of a data stream has no timestamp, or several.
    #[error("failed to parse: {}", no_timestamp(*.found))]
    Timestamp {
        /// How many timestamps it has.
        found: u64,
    },
    /// The document's own new fields do not form a mapping.
    #[error("failed to add the document's new fields: {0}")]
    Mapping(#[from] MappingError),
}

impl DocumentError {
    /// The failure as clients see it: `document_parsing_exception` or `strict_dynamic_mapping_exception`, both 400.
    #[must_use]
    pub fn to_exception(&self) -> Exception {
        let kind = match self {
            Self::Strict { .. } => ExceptionKind::StrictDynamicMapping,
            Self::Mapping(cause) => return cause.to_exception(),
            _ => ExceptionKind::DocumentParsing,
        };
        let exception = Exception::new(kind, self.to_string());
        match self {
            Self::Value { cause, .. } => exception.with_cause(cause.to_exception()),
            Self::Timestamp { found } => {
                exception.with_cause(Exception::illegal_argument(no_timestamp(*found)))
            }
            _ => exception,
        }
    }
}

/// Source: Elasticsearch's words for a document without a timestamp, or with several.
fn no_timestamp(found: u64) -> String {
    let what = if found == 0 {
        "is missing"
    } else {
        "encountered multiple values"
    };
    format!("data stream timestamp field [{TIMESTAMP_FIELD}] {what}")
}

impl From<&DocumentError> for Exception {
    fn from(error: &DocumentError) -> Self {
        error.to_exception()
    }
}

/// Why a term or a bound of a query cannot be read for its field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("failed to create query for field [{field}]: {cause}")]
pub struct QueryValueError {
    pub(crate) field: String,
    #[source]
    pub(crate) cause: ValueError,
}

impl QueryValueError {
    /// The failure as clients see it: `query_shard_exception`, or the date's own kind; 400.
    #[must_use]
    pub fn to_exception(&self) -> Exception {
        Exception::new(ExceptionKind::QueryShard, self.to_string()).with_cause(self.cause.to_exception())
    }
}

impl From<&QueryValueError> for Exception {
    fn from(error: &QueryValueError) -> Self {
        error.to_exception()
    }
}

/// Why settings are refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// The settings are no JSON object of plain values.
    #[error("malformed settings: {0}")]
    Malformed(String),
    /// No setting has this key.
    #[error("unknown setting [{key}]{}", did_you_mean(.suggestions))]
    Unknown {
        /// The key as given.
        key: String,
        /// Known keys that look alike.
        suggestions: Vec<&'static str>,
    },
    /// No setting of a cluster has this key.
    #[error("{scope} setting [{key}], not recognized{}", if .suggestions.is_empty() { String::new() } else { did_you_mean(.suggestions) })]
    NotRecognized {
        /// `persistent` or `transient`.
        scope: &'static str,
        /// The key as given.
        key: String,
        /// Known keys that look alike.
        suggestions: Vec<&'static str>,
    },
    /// The setting belongs to the configuration of a node.
    #[error("{scope} setting [{key}], not dynamically updateable")]
    NotUpdateable {
        /// `persistent` or `transient`.
        scope: &'static str,
        /// The setting.
        key: String,
    },
    /// The value does not fit the setting.
    #[error("failed to parse value [{value}] for setting [{key}]: {problem}")]
    Value {
        /// The setting.
        key: String,
        /// The value as given.
        value: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A definition under `index.analysis` is not one that this version can do.
    #[error("{0}")]
    Analysis(String),
    /// The settings `index.sort.*` do not fit each other, or the mapping.
    #[error("{0}")]
    IndexSort(String),
    /// The setting is managed by the system alone.
    #[error("can not update {visibility} setting [{key}]; this setting is managed via a dedicated API")]
    Managed {
        /// The setting.
        key: String,
        /// `private` or `internal`.
        visibility: &'static str,
    },
    /// The setting cannot change once the index exists.
    #[error("final setting(s) [{}] can not be updated", .keys.join(", "))]
    Final {
        /// The settings.
        keys: Vec<String>,
    },
    /// The settings change on a closed index only.
    #[error("can't update non dynamic setting(s) [{}] for an open index; close it first", .keys.join(", "))]
    NotDynamic {
        /// The settings.
        keys: Vec<String>,
    },
    /// A follow request carries settings that nobody knows.
    #[error("unknown setting{} [{}]", if .keys.len() == 1 { "" } else { "s" }, .keys.join(", "))]
    UnknownOverrides {
        /// The keys.
        keys: Vec<String>,
    },
    /// A follow request would override settings that must equal the leader's.
    #[error("can not put follower index that could override leader settings {settings}")]
    ReplicatedOverrides {
        /// The settings as a JSON object.
        settings: String,
    },
}

fn did_you_mean(suggestions: &[&'static str]) -> String {
    match suggestions {
        [] => ", which this version does not have".to_owned(),
        [one] => format!(", did you mean [{one}]?"),
        many => format!(", did you mean any of [{}]?", many.join(", ")),
    }
}

impl SettingsError {
    /// The failure as clients see it: `illegal_argument_exception`, or `settings_exception` for a malformed body; 400.
    #[must_use]
    pub fn to_exception(&self) -> Exception {
        let kind = match self {
            Self::Malformed(_) => ExceptionKind::Settings,
            _ => ExceptionKind::IllegalArgument,
        };
        Exception::new(kind, self.to_string())
    }
}

impl From<&SettingsError> for Exception {
    fn from(error: &SettingsError) -> Self {
        error.to_exception()
    }
}
