//! Highlighting, resolved by a shard's mapping once for all hits.

use std::collections::HashMap;
use std::sync::Arc;

use es_exception::Exception;
use index_meta::{DocumentRules, FieldMapping, FieldType, IndexSettings, Mapping};
use serde_json::{Map, Value};

use super::matcher::{Compiler, Matcher};
use super::measured::Measured;
use super::options::{HighlightField, HighlightRequest, Kind, Options};
use super::passages::{self, passages};
use super::plain;
use super::snippet::{Snippet, select};
use super::words::Words;
use crate::analysis::Analyzers;
use crate::search::fetch::{StoredValue, read_values};
use crate::search::wildcard_match;

/// See the module.
pub(in crate::search) struct HighlightPlan<'a> {
    mapping: &'a Mapping,
    analyzers: &'a Analyzers,
    rules: DocumentRules,
    max_offset: u64,
    whole_phrases: bool,
    fields: Vec<Planned<'a>>,
    places: HashMap<String, usize>,
}

struct Planned<'a> {
    field: &'a FieldMapping,
    options: &'a Options,
    matcher: Arc<Matcher>,
}

impl<'a> HighlightPlan<'a> {
    /// # Errors
    /// `illegal_argument_exception` for the highlighter that needs term vectors.
    pub(in crate::search) fn new(
        mapping: &'a Mapping,
        settings: &'a IndexSettings,
        analyzers: &'a Analyzers,
        request: &'a HighlightRequest,
    ) -> Result<Self, Exception> {
        let compiler = Compiler {
            mapping,
            analyzers,
            default_fields: settings.default_fields(),
        };
        let (mut fields, mut places) = (Vec::new(), HashMap::new());
        let mut shared = Shared::default();
        for entry in &request.fields {
            for field in matching(mapping, entry) {
                fields.push(plan(compiler, &mut shared, field, &entry.options)?);
                let next = places.len();
                places.entry(field.path().to_owned()).or_insert(next);
            }
        }
        Ok(Self {
            mapping,
            analyzers,
            rules: settings.document_rules(),
            max_offset: settings.max_highlighted_offset(),
            whole_phrases: settings.highlights_matches(),
            fields,
            places,
        })
    }

    /// The `highlight` of a hit: fragments by field.
    ///
    /// # Errors
    /// `illegal_argument_exception` for a text beyond `index.highlight.max_analyzed_offset`; when the source is no JSON object.
    pub(in crate::search) fn highlight(
        &self,
        id: &str,
        source: &[u8],
    ) -> Result<Map<String, Value>, Exception> {
        let mut highlights = Map::new();
        if self.fields.is_empty() {
            return Ok(highlights);
        }
        let values = read_values(self.mapping, self.rules, source, &self.places)?;
        for planned in &self.fields {
            let path = planned.field.path();
            let values = self.places.get(path).and_then(|place| values.get(*place));
            let texts: Vec<&str> = values
                .into_iter()
                .flatten()
                .filter_map(|value| match value {
                    StoredValue::Text(text) => Some(text.as_str()),
                    _ => None,
                })
                .collect();
            let fragments = self.fragments(planned, id, &texts)?;
            if !fragments.is_empty() {
                highlights.insert(path.to_owned(), fragments.into());
            }
        }
        Ok(highlights)
    }

    fn fragments(&self, planned: &Planned<'_>, id: &str, texts: &[&str]) -> Result<Vec<String>, Exception> {
        let Planned {
            field,
            options,
            matcher,
        } = planned;
        if texts.is_empty() || (matcher.is_empty() && options.no_match_size == 0) {
            return Ok(Vec::new());
        }
        let is_unified = options.kind == Kind::Unified;
        let whole_phrases = is_unified && self.whole_phrases && options.require_field_match;
        let mut left = self.analyzed_characters(planned, id, texts)?;
        let mut values = Vec::new();
        let mut snippets: Vec<Snippet> = Vec::new();
        let mut shown = None;
        for text in texts {
            let text = Measured::new(text);
            let found = matcher.find(self.analyzers, field, &text, left, whole_phrases);
            left = left.saturating_sub(text.len());
            if is_unified {
                values.push(passages::Value {
                    text,
                    matches: found.matches,
                });
            } else {
                snippets.extend(plain::fragments(&text, &found, options));
                shown.get_or_insert_with(|| plain::without_matches(&text, &found, options));
            }
        }
        if is_unified {
            snippets = passages(&values, options);
            shown = values
                .first()
                .map(|value| passages::without_matches(&value.text, options));
        }
        if snippets.is_empty() && options.no_match_size > 0 {
            return Ok(shown.into_iter().filter(|shown| !shown.is_empty()).collect());
        }
        let most = match options.number_of_fragments {
            0 => snippets.len(),
            most => most,
        };
        Ok(select(snippets, most, options.by_score))
    }

    /// Up to where the texts are analyzed.
    fn analyzed_characters(
        &self,
        planned: &Planned<'_>,
        id: &str,
        texts: &[&str],
    ) -> Result<usize, Exception> {
        let length: u64 = texts.iter().map(|text| text.chars().count() as u64).sum();
        let asked = planned.options.max_analyzed_offset;
        if length > self.max_offset && asked.is_none_or(|asked| asked > self.max_offset) {
            return Err(Exception::illegal_argument(format!(
                "The length [{length}] of field [{}] in doc [{id}] exceeds the [index.highlight.max_analyzed_offset] limit [{1}]. To avoid \
                 this error, set the query parameter [max_analyzed_offset] to a value less than index setting [{1}] and this will tolerate \
                 long field values by truncating them.",
                planned.field.path(),
                self.max_offset
            )));
        }
        Ok(asked.map_or(usize::MAX, |asked| usize::try_from(asked).unwrap_or(usize::MAX)))
    }
}

/// The matchers of fields that show the matches of any field, by the query.
type Shared = Vec<(Arc<Words>, Arc<Matcher>)>;

fn plan<'a>(
    compiler: Compiler<'a>,
    shared: &mut Shared,
    field: &'a FieldMapping,
    options: &'a Options,
) -> Result<Planned<'a>, Exception> {
    if options.kind == Kind::Fvh {
        return Err(Exception::illegal_argument(format!(
            "the field [{}] should be indexed with term vector with position offsets to be used with fast vector highlighter; term \
             vectors are not kept here: use the highlighter [unified] or [plain]",
            field.path()
        )));
    }
    let words = &options.words;
    let matcher = if options.require_field_match {
        let named: Vec<&FieldMapping> = options
            .matched_fields
            .iter()
            .filter_map(|path| compiler.mapping.field(path))
            .collect();
        let matched = if options.matched_fields.is_empty() {
            vec![field]
        } else {
            named
        };
        Arc::new(compiler.matcher(words, &matched))
    } else {
        // It is the same for every field, and there may be many.
        let known = shared.iter().find(|(known, _)| Arc::ptr_eq(known, words));
        match known {
            Some((_, matcher)) => Arc::clone(matcher),
            None => {
                let matcher = Arc::new(compiler.matcher_of_any(words));
                shared.push((Arc::clone(words), Arc::clone(&matcher)));
                matcher
            }
        }
    };
    Ok(Planned {
        field,
        options,
        matcher,
    })
}

/// Source: a pattern stands for fields of texts and keywords only.
fn matching<'a>(mapping: &'a Mapping, entry: &HighlightField) -> Vec<&'a FieldMapping> {
    let mut fields = match entry.pattern.contains('*') {
        true => mapping.fields(),
        false => mapping.field(&entry.pattern).into_iter().collect(),
    };
    fields.retain(|field| {
        matches!(field.field_type(), FieldType::Text | FieldType::Keyword)
            && wildcard_match(&entry.pattern, field.path())
    });
    fields
}

#[cfg(test)]
mod tests {
    use index_meta::Settings;
    use serde_json::json;

    use super::*;

    fn highlight(query: &Value, highlight: &Value, source: &Value) -> Result<Value, Exception> {
        highlight_in(
            &json!({"index.highlight.max_analyzed_offset": 100}),
            query,
            highlight,
            source,
        )
    }

    fn highlight_in(
        settings: &Value,
        query: &Value,
        highlight: &Value,
        source: &Value,
    ) -> Result<Value, Exception> {
        let mapping = Mapping::from_json(&json!({"properties": {
            "t": {"type": "text", "fields": {"en": {"type": "text", "analyzer": "english"}, "raw": {"type": "keyword", "normalizer": "lowercase"}}, "copy_to": "all"},
            "all": {"type": "text"}, "k": {"type": "keyword"}, "n": {"type": "long"}
        }}))
        .unwrap();
        let settings = Settings::from_json(settings).unwrap();
        let settings = IndexSettings::from_settings(&settings).unwrap();
        let analyzers = Analyzers::plain();
        let request = HighlightRequest::from_json(highlight, Some(query))?;
        let plan = HighlightPlan::new(&mapping, &settings, &analyzers, &request)?;
        plan.highlight("1", source.to_string().as_bytes())
            .map(Value::Object)
    }

    #[test]
    fn the_words_of_the_query_are_highlighted() {
        let source = json!({"t": "The Quick brown Föxes jump", "k": "brown", "n": 5});
        let all = json!({"fields": {"*": {}}});
        for (query, expected) in [
            (
                json!({"match": {"t": "quick jump nothing"}}),
                json!({"t": ["The <em>Quick</em> brown Föxes <em>jump</em>"]}),
            ),
            (
                json!({"match": {"t.en": "jumping"}}),
                json!({"t.en": ["The Quick brown Föxes <em>jump</em>"]}),
            ),
            (
                json!({"match_phrase": {"t": "quick brown"}}),
                json!({"t": ["The <em>Quick brown</em> Föxes jump"]}),
            ),
            (json!({"match_phrase": {"t": "brown quick"}}), json!({})),
            (
                json!({"match_phrase_prefix": {"t": "brown fö"}}),
                json!({"t": ["The Quick <em>brown Föxes</em> jump"]}),
            ),
            (
                json!({"prefix": {"t": "fö"}}),
                json!({"t": ["The Quick brown <em>Föxes</em> jump"]}),
            ),
            (
                json!({"wildcard": {"t": {"value": "q*k"}}}),
                json!({"t": ["The <em>Quick</em> brown Föxes jump"]}),
            ),
            (
                json!({"fuzzy": {"t": "quack"}}),
                json!({"t": ["The <em>Quick</em> brown Föxes jump"]}),
            ),
            (
                json!({"match": {"t": {"query": "quack", "fuzziness": 1}}}),
                json!({"t": ["The <em>Quick</em> brown Föxes jump"]}),
            ),
            (json!({"term": {"k": "brown"}}), json!({"k": ["<em>brown</em>"]})),
            (
                json!({"terms": {"t.raw": ["the quick BROWN föxes jump"]}}),
                json!({"t.raw": ["<em>The Quick brown Föxes jump</em>"]}),
            ),
            (
                json!({"multi_match": {"query": "brown", "fields": ["k", "al*"]}}),
                json!({"k": ["<em>brown</em>"], "all": ["The Quick <em>brown</em> Föxes jump"]}),
            ),
            (json!({"match": {"n": 5}}), json!({})),
            (
                json!({"bool": {"must": [{"match": {"k": "brown"}}], "must_not": [{"match": {"t": "quick"}}]}}),
                json!({"k": ["<em>brown</em>"]}),
            ),
        ] {
            assert_eq!(highlight(&query, &all, &source).unwrap(), expected, "{query}");
        }
    }

    #[test]
    fn options_say_what_is_highlighted_and_how() {
        let source = json!({"t": ["one <two> three", "four two"], "k": "two"});
        let query = json!({"match": {"t": "two"}});
        for (options, expected) in [
            (
                json!({"fields": {"t": {}}}),
                json!({"t": ["one <<em>two</em>> three", "four <em>two</em>"]}),
            ),
            (
                json!({"encoder": "html", "fields": {"t": {}}}),
                json!({"t": ["one &lt;<em>two</em>&gt; three", "four <em>two</em>"]}),
            ),
            (
                json!({"require_field_match": false, "fields": {"k": {}}}),
                json!({"k": ["<em>two</em>"]}),
            ),
            (json!({"fields": {"k": {}, "nowhere": {}}}), json!({})),
            (
                json!({"fields": {"k": {"matched_fields": ["t"]}}}),
                json!({"k": ["<em>two</em>"]}),
            ),
            (
                json!({"fields": {"k": {"no_match_size": 9}}}),
                json!({"k": ["two"]}),
            ),
            (
                json!({"fields": {"t": {"highlight_query": {"term": {"t": "four"}}}}}),
                json!({"t": ["<em>four</em> two"]}),
            ),
            (
                json!({"type": "plain", "fields": {"t": {"number_of_fragments": 1}}}),
                json!({"t": ["one <<em>two</em>> three"]}),
            ),
            (
                json!({"max_analyzed_offset": 9, "fields": {"t": {}}}),
                json!({"t": ["one <<em>two</em>> three"]}),
            ),
        ] {
            assert_eq!(
                highlight(&query, &options, &source).unwrap(),
                expected,
                "{options}"
            );
        }
    }

    #[test]
    fn the_words_of_a_phrase_are_marked_where_the_index_says_so() {
        let (query, source) = (json!({"match_phrase": {"t": "b c"}}), json!({"t": "a b c"}));
        for (mode, expected) in [("true", "a <em>b c</em>"), ("false", "a <em>b</em> <em>c</em>")] {
            let settings = json!({"index.highlight.weight_matches_mode.enabled": mode});
            let shown = highlight_in(&settings, &query, &json!({"fields": {"t": {}}}), &source);
            assert_eq!(shown.unwrap(), json!({"t": [expected]}), "{mode}");
        }
    }

    #[test]
    fn what_cannot_be_highlighted_is_refused() {
        let query = json!({"match": {"t": "two"}});
        let long = json!({"t": "two ".repeat(26)});
        let refused = highlight(&query, &json!({"fields": {"t": {}}}), &long).unwrap_err();
        assert!(
            refused.reason().contains("The length [104] of field [t]"),
            "{refused}"
        );
        let cut = highlight(
            &query,
            &json!({"max_analyzed_offset": 5, "fields": {"t": {"fragment_size": 3}}}),
            &long,
        );
        assert_eq!(cut.unwrap()["t"].as_array().map(Vec::len), Some(2));
        let fvh = highlight(
            &query,
            &json!({"type": "fvh", "fields": {"t": {}}}),
            &json!({"t": "two"}),
        )
        .unwrap_err();
        assert!(fvh.reason().contains("term vector"), "{fvh}");
    }
}
