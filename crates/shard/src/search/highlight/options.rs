//! The `highlight` of a search.

use std::sync::Arc;

use es_exception::{Exception, ExceptionKind};
use serde_json::{Map, Value};

use super::words::Words;

/// What is highlighted, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct HighlightRequest {
    pub(super) fields: Vec<HighlightField>,
}

/// One entry of `fields`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct HighlightField {
    /// A path, or a pattern with `*`.
    pub(super) pattern: String,
    pub(super) options: Options,
}

/// Which highlighter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Fragments are sentences; a phrase is highlighted as a whole.
    Unified,
    /// Fragments have the same length; each word is highlighted by itself.
    Plain,
    /// It needs term vectors.
    Fvh,
}

/// Where fragments of `unified` begin and end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scanner {
    Sentence,
    Word,
}

/// The options of a field: its own, else those of the request, else the defaults.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Options {
    pub(super) kind: Kind,
    pub(super) pre_tag: String,
    pub(super) post_tag: String,
    /// In characters.
    pub(super) fragment_size: usize,
    /// 0: the whole text.
    pub(super) number_of_fragments: usize,
    /// Characters that are shown where nothing was found.
    pub(super) no_match_size: usize,
    pub(super) require_field_match: bool,
    pub(super) by_score: bool,
    pub(super) html: bool,
    pub(super) scanner: Scanner,
    /// `fragmenter: simple` of `plain`: fragments may part phrases.
    pub(super) simple_fragmenter: bool,
    pub(super) max_analyzed_offset: Option<u64>,
    /// Fields whose matches are highlighted in this one; itself if there are none.
    pub(super) matched_fields: Vec<String>,
    pub(super) words: Arc<Words>,
}

/// Most entries of `fields`.
const MAX_FIELDS: usize = 1_000;

impl HighlightRequest {
    /// From the `highlight` of a search with this query.
    ///
    /// # Errors
    /// A `parsing_exception` for unknown options and malformed values.
    pub(in crate::search) fn from_json(value: &Value, query: Option<&Value>) -> Result<Self, Exception> {
        let object = object("highlight", value)?;
        let mut options = Options::new(query);
        let mut fields = None;
        for (key, value) in object {
            match key.as_str() {
                "fields" => fields = Some(value),
                "encoder" => {
                    options.html = match text(key, value)? {
                        "html" => true,
                        "default" => false,
                        other => {
                            return Err(Exception::illegal_argument(format!(
                                "Unknown highlight encoder [{other}], must be [default] or [html]"
                            )));
                        }
                    }
                }
                "tags_schema" => match text(key, value)? {
                    "styled" => {
                        // Source: the first of the ten tags of this schema; highlighters without term vectors use no other.
                        options.pre_tag = r#"<em class="hlt1">"#.to_owned();
                        options.post_tag = "</em>".to_owned();
                    }
                    "default" => {}
                    other => {
                        return Err(Exception::illegal_argument(format!(
                            "Unknown tag schema [{other}]"
                        )));
                    }
                },
                _ => options.parse(key, value)?,
            }
        }
        Ok(Self {
            fields: match fields {
                Some(fields) => parse_fields(fields, &options)?,
                None => Vec::new(),
            },
        })
    }
}

/// An object of fields, or a list of such objects.
fn parse_fields(value: &Value, of_request: &Options) -> Result<Vec<HighlightField>, Exception> {
    let one = [value.clone()];
    let objects = match value {
        Value::Array(items) => items.as_slice(),
        _ => &one,
    };
    let mut fields = Vec::new();
    for item in objects {
        for (pattern, value) in object("highlight", item)? {
            let mut options = of_request.clone();
            for (key, value) in object("highlight", value)? {
                match (key.as_str(), value) {
                    ("matched_fields", Value::Array(names)) => {
                        options.matched_fields = names
                            .iter()
                            .map(|name| text(key, name).map(str::to_owned))
                            .collect::<Result<_, _>>()?;
                    }
                    // Only the highlighter with term vectors moves fragments.
                    ("fragment_offset", Value::Number(_)) => {}
                    _ => options.parse(key, value)?,
                }
            }
            fields.push(HighlightField {
                pattern: pattern.clone(),
                options,
            });
        }
    }
    if fields.len() > MAX_FIELDS {
        return Err(Exception::illegal_argument(format!(
            "[highlight] has more than [{MAX_FIELDS}] entries in [fields]"
        )));
    }
    Ok(fields)
}

impl Options {
    fn new(query: Option<&Value>) -> Self {
        Self {
            kind: Kind::Unified,
            pre_tag: "<em>".to_owned(),
            post_tag: "</em>".to_owned(),
            fragment_size: 100,
            number_of_fragments: 5,
            no_match_size: 0,
            require_field_match: true,
            by_score: false,
            html: false,
            scanner: Scanner::Sentence,
            simple_fragmenter: false,
            max_analyzed_offset: None,
            matched_fields: Vec::new(),
            words: Arc::new(query.map(Words::of).unwrap_or_default()),
        }
    }

    /// An option that a field and the request may have.
    fn parse(&mut self, key: &str, value: &Value) -> Result<(), Exception> {
        match key {
            "pre_tags" => self.pre_tag = first_tag(key, value)?,
            "post_tags" => self.post_tag = first_tag(key, value)?,
            "fragment_size" => self.fragment_size = count(key, value)?,
            "number_of_fragments" => self.number_of_fragments = count(key, value)?,
            "no_match_size" => self.no_match_size = count(key, value)?,
            "require_field_match" => self.require_field_match = flag(key, value)?,
            "order" => self.by_score = text(key, value)? == "score",
            "type" => {
                self.kind = match text(key, value)? {
                    "unified" => Kind::Unified,
                    "plain" => Kind::Plain,
                    "fvh" => Kind::Fvh,
                    other => {
                        return Err(Exception::illegal_argument(format!(
                            "unknown highlighter type [{other}]"
                        )));
                    }
                }
            }
            "fragmenter" => {
                self.simple_fragmenter = match text(key, value)? {
                    "simple" => true,
                    "span" => false,
                    other => {
                        return Err(Exception::illegal_argument(format!(
                            "unknown fragmenter option [{other}]"
                        )));
                    }
                }
            }
            "boundary_scanner" => {
                self.scanner = match text(key, value)?.to_ascii_lowercase().as_str() {
                    "sentence" => Scanner::Sentence,
                    "word" => Scanner::Word,
                    // Source: the scanner of the highlighter with term vectors; others take it for their default.
                    "chars" => Scanner::Sentence,
                    other => {
                        return Err(Exception::illegal_argument(format!(
                            "invalid boundary scanner type: [{other}], must be [chars], [sentence] or [word]"
                        )));
                    }
                }
            }
            "highlight_query" => {
                crate::Query::from_json(value)?;
                self.words = Arc::new(Words::of(value));
            }
            "max_analyzed_offset" => {
                self.max_analyzed_offset = match value.as_i64() {
                    Some(-1) => None,
                    Some(offset) if offset > 0 => Some(offset.unsigned_abs()),
                    _ => {
                        return Err(Exception::illegal_argument(format!(
                            "[max_analyzed_offset] must be a positive integer, or -1, got [{value}]"
                        )));
                    }
                }
            }
            // Of the highlighter with term vectors, or hints on how to run what is run in another way here.
            "boundary_max_scan"
            | "boundary_chars"
            | "boundary_scanner_locale"
            | "phrase_limit"
            | "highlight_filter"
            | "force_source"
            | "options" => {}
            _ => return Err(malformed(format!("[highlight] unknown field [{key}]"))),
        }
        Ok(())
    }
}

/// Source: highlighters without term vectors use the first tag only.
fn first_tag(key: &str, value: &Value) -> Result<String, Exception> {
    let first = match value {
        Value::Array(tags) => tags.first().and_then(Value::as_str),
        other => other.as_str(),
    };
    first.map(str::to_owned).ok_or_else(|| {
        malformed(format!(
            "[highlight] [{key}] must be a list of strings that is not empty, got [{value}]"
        ))
    })
}

fn object<'v>(key: &str, value: &'v Value) -> Result<&'v Map<String, Value>, Exception> {
    value
        .as_object()
        .ok_or_else(|| malformed(format!("[{key}] must be an object, got [{value}]")))
}

fn text<'v>(key: &str, value: &'v Value) -> Result<&'v str, Exception> {
    value
        .as_str()
        .ok_or_else(|| malformed(format!("[highlight] [{key}] must be a string, got [{value}]")))
}

fn count(key: &str, value: &Value) -> Result<usize, Exception> {
    let number = value
        .as_u64()
        .or_else(|| value.as_str().and_then(|text| text.parse().ok()));
    number
        .and_then(|number| usize::try_from(number).ok())
        .ok_or_else(|| {
            malformed(format!(
                "[highlight] [{key}] must be a number from 0, got [{value}]"
            ))
        })
}

fn flag(key: &str, value: &Value) -> Result<bool, Exception> {
    match value {
        Value::Bool(flag) => Ok(*flag),
        Value::String(text) if text == "true" || text == "false" => Ok(text == "true"),
        other => Err(malformed(format!(
            "[highlight] [{key}] must be true or false, got [{other}]"
        ))),
    }
}

fn malformed(reason: String) -> Exception {
    Exception::new(ExceptionKind::Parsing, reason)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_field_has_its_own_options_before_those_of_the_request() {
        let request = HighlightRequest::from_json(
            &json!({
                "pre_tags": ["<b>", "<i>"], "post_tags": ["</b>"], "fragment_size": "30", "encoder": "html", "order": "score",
                "fields": [{"a": {}}, {"b.*": {"fragment_size": 0, "number_of_fragments": 0, "type": "plain", "order": "none"}}]
            }),
            None,
        )
        .unwrap();
        let [a, b] = request.fields.as_slice() else {
            panic!("two fields")
        };
        assert_eq!(
            (a.pattern.as_str(), a.options.fragment_size, a.options.kind),
            ("a", 30, Kind::Unified)
        );
        assert_eq!(
            (b.pattern.as_str(), b.options.fragment_size, b.options.kind),
            ("b.*", 0, Kind::Plain)
        );
        assert!(a.options.by_score && !b.options.by_score && b.options.html);
        assert_eq!(
            (b.options.pre_tag.as_str(), b.options.post_tag.as_str()),
            ("<b>", "</b>")
        );
        let styled =
            HighlightRequest::from_json(&json!({"tags_schema": "styled", "fields": {"a": {}}}), None);
        assert_eq!(styled.unwrap().fields[0].options.pre_tag, r#"<em class="hlt1">"#);
    }

    #[test]
    fn what_is_unknown_is_refused() {
        for bad in [
            json!([]),
            json!({"fields": 1}),
            json!({"fields": {"a": {"nope": 1}}}),
            json!({"nope": 1}),
            json!({"type": "fast"}),
            json!({"encoder": "xml"}),
            json!({"fragment_size": -1}),
            json!({"pre_tags": []}),
            json!({"highlight_query": {"nope": {}}}),
            json!({"max_analyzed_offset": 0}),
        ] {
            assert!(HighlightRequest::from_json(&bad, None).is_err(), "{bad}");
        }
    }
}
