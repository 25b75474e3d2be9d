//! The leaves of a query: a text, a term or a pattern, looked for in a field.

use serde_json::{Map, Value};

use super::pattern::PatternKind;
use crate::query::Fuzziness;

/// The field that a clause is about.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Target {
    /// A path.
    Field(String),
    /// A path or a pattern with `*`, out of a list of them.
    Pattern(String),
    /// The fields that a query is for which names none.
    Defaults,
}

/// How the words of a text are to be found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum TextKind {
    /// Each by itself.
    Words {
        fuzziness: Option<Fuzziness>,
        prefix_length: usize,
    },
    /// The same, the last one by its beginning.
    WordsPrefix,
    /// One after the other.
    Phrase { slop: u32, is_prefix: bool },
}

/// What is looked for.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Sought {
    /// Exact terms.
    Terms {
        values: Vec<String>,
        case_insensitive: bool,
    },
    /// A text, to be analyzed.
    Text {
        text: String,
        analyzer: Option<String>,
        kind: TextKind,
    },
    /// Terms like a pattern.
    Pattern {
        pattern: String,
        kind: PatternKind,
        case_insensitive: bool,
    },
}

/// See the module.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Clause {
    pub(super) target: Target,
    pub(super) sought: Sought,
}

impl Clause {
    /// The clause of the query of this name on a field; `None` if it has nothing to show in a text.
    pub(super) fn of_leaf(name: &str, target: Target, options: &Value) -> Option<Self> {
        let plain = |key: &str| match options {
            Value::Object(options) => options
                .get(key)
                .or_else(|| options.get("value"))
                .and_then(plain_text),
            other => plain_text(other),
        };
        let options_of = || options.as_object();
        let case_insensitive = options_of().is_some_and(|options| is_set(options, "case_insensitive"));
        let pattern = |kind: PatternKind, key: &str| {
            Some(Sought::Pattern {
                pattern: plain(key)?,
                kind,
                case_insensitive,
            })
        };
        let sought = match name {
            "term" => Sought::Terms {
                values: vec![plain("term")?],
                case_insensitive,
            },
            "terms" => Sought::Terms {
                values: options.as_array()?.iter().filter_map(plain_text).collect(),
                case_insensitive: false,
            },
            "terms_set" => Sought::Terms {
                values: options
                    .get("terms")?
                    .as_array()?
                    .iter()
                    .filter_map(plain_text)
                    .collect(),
                case_insensitive: false,
            },
            "prefix" => pattern(PatternKind::Prefix, "prefix")?,
            "wildcard" => pattern(PatternKind::Wildcard, "wildcard")?,
            "regexp" => pattern(PatternKind::Regexp, "regexp")?,
            "fuzzy" => {
                let edits = options_of().and_then(|options| options.get("fuzziness"));
                let kind = PatternKind::Fuzzy {
                    edits: edits.and_then(fuzziness).unwrap_or(Fuzziness::AUTO),
                    prefix_length: options_of().map_or(0, |options| number(options, "prefix_length")),
                };
                pattern(kind, "value")?
            }
            "match" | "match_phrase" | "match_phrase_prefix" | "match_bool_prefix" => {
                let empty = Map::new();
                text(
                    plain("query")?,
                    kind_of(name, options_of().unwrap_or(&empty)),
                    options_of(),
                )
            }
            _ => return None,
        };
        Some(Self { target, sought })
    }

    /// One clause for each field of a `multi_match`.
    pub(super) fn of_multi_match(body: &Map<String, Value>) -> Vec<Self> {
        let Some(query) = body.get("query").and_then(plain_text) else {
            return Vec::new();
        };
        let name = match body.get("type").and_then(Value::as_str) {
            Some("phrase") => "match_phrase",
            Some("phrase_prefix") => "match_phrase_prefix",
            Some("bool_prefix") => "match_bool_prefix",
            _ => "match",
        };
        let sought = text(query, kind_of(name, body), Some(body));
        let targets = match body.get("fields") {
            Some(Value::Array(fields)) => fields.iter().filter_map(Value::as_str).map(target).collect(),
            Some(Value::String(field)) => vec![target(field)],
            _ => vec![Target::Defaults],
        };
        let clause = |target| Self {
            target,
            sought: sought.clone(),
        };
        targets.into_iter().map(clause).collect()
    }
}

/// A name with or without a boost after a `^`.
fn target(field: &str) -> Target {
    Target::Pattern(field.split('^').next().unwrap_or_default().to_owned())
}

fn text(text: String, kind: TextKind, options: Option<&Map<String, Value>>) -> Sought {
    let analyzer = options
        .and_then(|options| options.get("analyzer"))
        .and_then(Value::as_str);
    Sought::Text {
        text,
        analyzer: analyzer.map(str::to_owned),
        kind,
    }
}

fn kind_of(name: &str, options: &Map<String, Value>) -> TextKind {
    let slop = u32::try_from(number(options, "slop")).unwrap_or(u32::MAX);
    match name {
        "match_phrase" => TextKind::Phrase {
            slop,
            is_prefix: false,
        },
        "match_phrase_prefix" => TextKind::Phrase {
            slop,
            is_prefix: true,
        },
        "match_bool_prefix" => TextKind::WordsPrefix,
        _ => TextKind::Words {
            fuzziness: options.get("fuzziness").and_then(fuzziness),
            prefix_length: number(options, "prefix_length"),
        },
    }
}

/// `None` for what no query has as its `fuzziness`.
fn fuzziness(value: &Value) -> Option<Fuzziness> {
    Fuzziness::from_json(value).ok()
}

fn number(options: &Map<String, Value>, key: &str) -> usize {
    let value = options.get(key);
    let number = value.and_then(|value| value.as_u64().or_else(|| value.as_str()?.parse().ok()));
    number
        .and_then(|number| usize::try_from(number).ok())
        .unwrap_or(0)
}

fn is_set(options: &Map<String, Value>, key: &str) -> bool {
    options
        .get(key)
        .is_some_and(|value| *value == Value::Bool(true) || value == "true")
}

/// A plain value as text, as queries read it.
fn plain_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}
