//! The parameters of fields: who has which, what values they take, and which may change.

use serde_json::Value;

use super::FieldType;
use crate::document::DocumentRules;

/// What values a parameter takes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum ParameterKind {
    /// `true` or `false`.
    Boolean { default: bool },
    /// `true` or `false`; where it is not said, the index decides. So it is kept whatever it says.
    OfIndex { of: fn(DocumentRules) -> bool },
    /// A whole number from 0.
    Count,
    /// A positive number.
    Factor,
    /// A name that is kept.
    Name,
    /// One of these words.
    Word {
        words: &'static [&'static str],
        default: &'static str,
    },
    /// A value of the field's own type.
    FieldValue,
    /// An object of texts.
    Meta,
    /// Paths of fields: one, or a list.
    Paths,
    /// Accepted only as what this version does anyway, and not kept.
    Only(&'static [&'static str]),
}

/// One parameter.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parameter {
    pub(crate) name: &'static str,
    pub(crate) types: fn(FieldType) -> bool,
    pub(crate) kind: ParameterKind,
    /// Whether a merge may change it.
    pub(crate) updatable: bool,
}

/// In printing order. Source: the parameters that Elasticsearch's field mappers declare, and which of them it lets a merge change.
pub(crate) const PARAMETERS: &[Parameter] = &[
    fixed("index", not_binary, ParameterKind::Boolean { default: true }),
    fixed("store", all, ParameterKind::Boolean { default: false }),
    fixed("doc_values", exact, ParameterKind::Boolean { default: true }),
    fixed("doc_values", binary, ParameterKind::Boolean { default: false }),
    fixed(
        "index_options",
        text,
        ParameterKind::Word {
            words: INDEX_OPTIONS,
            default: "positions",
        },
    ),
    fixed(
        "index_options",
        keyword,
        ParameterKind::Word {
            words: &["docs", "freqs"],
            default: "docs",
        },
    ),
    updatable("norms", text, ParameterKind::Boolean { default: true }),
    updatable("norms", keyword, ParameterKind::Boolean { default: false }),
    fixed(
        "term_vector",
        text,
        ParameterKind::Word {
            words: TERM_VECTORS,
            default: "no",
        },
    ),
    fixed("analyzer", text, ParameterKind::Name),
    updatable("search_analyzer", text, ParameterKind::Name),
    updatable("search_quote_analyzer", text, ParameterKind::Name),
    fixed("index_phrases", text, ParameterKind::Boolean { default: false }),
    updatable(
        "eager_global_ordinals",
        text_or_keyword,
        ParameterKind::Boolean { default: false },
    ),
    fixed("normalizer", keyword, ParameterKind::Name),
    updatable("ignore_above", keyword, ParameterKind::Count),
    fixed("format", date, ParameterKind::Name),
    updatable(
        "ignore_malformed",
        malformable,
        ParameterKind::OfIndex {
            of: |rules| rules.ignore_malformed,
        },
    ),
    updatable(
        "coerce",
        numeric,
        ParameterKind::OfIndex {
            of: |rules| rules.coerce,
        },
    ),
    fixed("scaling_factor", scaled_float, ParameterKind::Factor),
    fixed("null_value", exact, ParameterKind::FieldValue),
    updatable("meta", all, ParameterKind::Meta),
    updatable("copy_to", all, ParameterKind::Paths),
    fixed("similarity", text_or_keyword, ParameterKind::Only(&["BM25"])),
    fixed("fielddata", text, ParameterKind::Only(&["false"])),
    fixed("position_increment_gap", text, ParameterKind::Only(&["100"])),
    fixed(
        "split_queries_on_whitespace",
        keyword,
        ParameterKind::Only(&["false"]),
    ),
    fixed(
        "time_series_dimension",
        dimension,
        ParameterKind::Only(&["false"]),
    ),
    fixed(
        "locale",
        date,
        ParameterKind::Only(&["", "ROOT", "und", "en", "en-US", "en_US"]),
    ),
];

const INDEX_OPTIONS: &[&str] = &["docs", "freqs", "positions", "offsets"];
const TERM_VECTORS: &[&str] = &[
    "no",
    "yes",
    "with_positions",
    "with_offsets",
    "with_positions_offsets",
    "with_positions_payloads",
    "with_positions_offsets_payloads",
];

const fn fixed(name: &'static str, types: fn(FieldType) -> bool, kind: ParameterKind) -> Parameter {
    Parameter {
        name,
        types,
        kind,
        updatable: false,
    }
}

const fn updatable(name: &'static str, types: fn(FieldType) -> bool, kind: ParameterKind) -> Parameter {
    Parameter {
        name,
        types,
        kind,
        updatable: true,
    }
}

/// The parameters of a type, in printing order.
pub(crate) fn parameters_of(field_type: FieldType) -> impl Iterator<Item = &'static Parameter> {
    PARAMETERS
        .iter()
        .filter(move |parameter| (parameter.types)(field_type))
}

fn all(_: FieldType) -> bool {
    true
}

fn text(field_type: FieldType) -> bool {
    field_type == FieldType::Text
}

fn binary(field_type: FieldType) -> bool {
    field_type == FieldType::Binary
}

fn not_binary(field_type: FieldType) -> bool {
    !binary(field_type)
}

/// Those whose values are compared as they are.
fn exact(field_type: FieldType) -> bool {
    !text(field_type) && !binary(field_type)
}

fn keyword(field_type: FieldType) -> bool {
    field_type == FieldType::Keyword
}

fn text_or_keyword(field_type: FieldType) -> bool {
    text(field_type) || keyword(field_type)
}

fn date(field_type: FieldType) -> bool {
    field_type == FieldType::Date
}

fn numeric(field_type: FieldType) -> bool {
    field_type.is_numeric()
}

fn scaled_float(field_type: FieldType) -> bool {
    field_type == FieldType::ScaledFloat
}

fn malformable(field_type: FieldType) -> bool {
    !text_or_keyword(field_type) && !binary(field_type)
}

fn dimension(field_type: FieldType) -> bool {
    matches!(field_type, FieldType::Keyword | FieldType::Ip) || field_type.is_integer()
}

/// The most entries of a parameter that is a list of paths.
const MAX_PATHS: usize = 100;

/// The value in its one printed form, or `None` if it is the default; `Err` says what is expected.
pub(crate) fn normalize(kind: ParameterKind, value: &Value) -> Result<Option<Value>, String> {
    match kind {
        ParameterKind::Boolean { default } => {
            let flag = boolean(value)?;
            Ok((flag != default).then(|| flag.into()))
        }
        ParameterKind::OfIndex { .. } => Ok(Some(boolean(value)?.into())),
        ParameterKind::Count => {
            let count = match value {
                Value::String(text) => text.parse().ok(),
                other => other.as_u64(),
            };
            let count = count.filter(|count| *count <= i32::MAX as u64);
            let count =
                count.ok_or_else(|| format!("[{value}] is not a whole number from 0 to {}", i32::MAX))?;
            Ok((count != i32::MAX as u64).then(|| count.into()))
        }
        ParameterKind::Factor => {
            let factor = match value {
                Value::String(text) => text.parse().ok(),
                other => other.as_f64(),
            };
            let factor = factor.filter(|factor: &f64| factor.is_finite() && *factor > 0.0);
            Ok(Some(
                factor
                    .ok_or_else(|| format!("[{value}] is not a positive number"))?
                    .into(),
            ))
        }
        ParameterKind::Name => match value {
            Value::String(name) if name == "default" => Ok(None),
            Value::String(name) if !name.is_empty() => Ok(Some(value.clone())),
            _ => Err(format!("[{value}] is not a name")),
        },
        ParameterKind::Word { words, default } => match value.as_str() {
            Some(word) if words.contains(&word) => Ok((word != default).then(|| word.into())),
            _ => Err(format!("[{}] is not one of [{}]", plain(value), words.join(", "))),
        },
        ParameterKind::FieldValue => Ok((!value.is_null()).then(|| value.clone())),
        ParameterKind::Meta => {
            let members = value.as_object().ok_or("it must be an object")?;
            if members.len() > 5 || members.values().any(|member| !member.is_string()) {
                return Err("it can have at most 5 entries, and texts only".to_owned());
            }
            Ok((!members.is_empty()).then(|| value.clone()))
        }
        ParameterKind::Paths => {
            let paths = match value {
                Value::Array(paths) => paths.clone(),
                path => vec![path.clone()],
            };
            let is_path = |path: &Value| path.as_str().is_some_and(|path| super::split_name(path).is_ok());
            match paths.iter().find(|path| !is_path(path)) {
                Some(wrong) => Err(format!("[{wrong}] is no path of a field")),
                None if paths.len() > MAX_PATHS => Err(format!("it has more than {MAX_PATHS} entries")),
                None => Ok((!paths.is_empty()).then(|| paths.into())),
            }
        }
        ParameterKind::Only(words) => {
            if words.contains(&plain(value).as_str()) {
                Ok(None)
            } else {
                Err(format!("[{}] is not supported by this version", plain(value)))
            }
        }
    }
}

/// `true`, `false`, or one of them as text.
pub(crate) fn boolean(value: &Value) -> Result<bool, String> {
    match value {
        Value::Bool(flag) => Ok(*flag),
        Value::String(text) if text == "true" => Ok(true),
        Value::String(text) if text == "false" => Ok(false),
        _ => Err(format!("[{value}] is neither [true] nor [false]")),
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
