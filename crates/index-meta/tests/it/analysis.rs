//! Definitions of analysis: what is refused, and how mappings are checked against them.

use index_meta::{AnalysisDefinitions, Mapping, Settings, validate_for_create};
use serde_json::{Value, json};

fn settings(analysis: &Value) -> Settings {
    Settings::from_json(&json!({"index": {"analysis": analysis}})).expect("settings")
}

#[test]
fn definitions_that_cannot_be_are_refused_by_name() {
    let many: Vec<String> = (0..10_001).map(|number| number.to_string()).collect();
    let analyzers: serde_json::Map<String, Value> = (0..1_001)
        .map(|number| (format!("a{number}"), json!({"type": "simple"})))
        .collect();
    for (analysis, problem) in [
        (
            json!({"analyzer": {"a": {"type": "klingon"}}}),
            "Unknown analyzer type [klingon] for [a]",
        ),
        (
            json!({"analyzer": {"a": {"filter": ["trim"]}}}),
            "analyzer [a] must specify either an analyzer type, or a tokenizer",
        ),
        (
            json!({"analyzer": {"a": {"type": "custom"}}}),
            "analyzer [a] must be configured with a tokenizer",
        ),
        (
            json!({"analyzer": {"a": {"tokenizer": "x"}}}),
            "Custom Analyzer [a] failed to find tokenizer under name [x]",
        ),
        (
            json!({"analyzer": {"a": {"tokenizer": "standard", "filter": ["lowercase", "x"]}}}),
            "Custom Analyzer [a] failed to find filter under name [x]",
        ),
        (
            json!({"analyzer": {"a": {"tokenizer": "standard", "char_filter": ["icu_normalizer"]}}}),
            "Custom Analyzer [a] failed to find char_filter under name [icu_normalizer]",
        ),
        (
            json!({"analyzer": {"a": {"type": "standard", "x": 1}}}),
            "analyzer [a]: unknown parameter [x]",
        ),
        (
            json!({"analyzer": {"a": {"type": "simple", "stopwords": "_english_"}}}),
            "unknown parameter [stopwords]",
        ),
        (
            json!({"analyzer": {"_a": {"type": "simple"}}}),
            "analyzer name must not start with '_'",
        ),
        (
            json!({"analyzer": {"a": {"type": "standard", "max_token_length": 0}}}),
            "[max_token_length] is [0]",
        ),
        (
            json!({"analyzer": {"a": {"type": "stop", "stopwords": "_klingon_"}}}),
            "no list of stop words [_klingon_]",
        ),
        (
            json!({"analyzer": "standard"}),
            "[index.analysis.analyzer] defines nothing",
        ),
        (
            json!({"nope": {"a": {"type": "x"}}}),
            "[index.analysis.nope.a.type] defines nothing",
        ),
        (
            json!({"tokenizer": {"t": {"max_token_length": 5}}}),
            "tokenizer [t] must specify a [type]",
        ),
        (
            json!({"tokenizer": {"t": {"type": "path_hierarchy"}}}),
            "Unknown tokenizer type [path_hierarchy] for [t]",
        ),
        (
            json!({"tokenizer": {"t": {"type": "ngram", "min_gram": 2, "max_gram": 4}}}),
            "must be less than or equal to: [1] but was [2]. This limit can be set by changing the [index.max_ngram_diff]",
        ),
        (
            json!({"filter": {"f": {"type": "ngram", "min_gram": 2, "max_gram": 4}}}),
            "[index.max_ngram_diff]",
        ),
        (
            json!({"normalizer": {"n": {"char_filter": ["html_strip"]}}}),
            "Custom normalizer [n] may not use char filter [html_strip]",
        ),
        (
            json!({"filter": {"f": {"type": "synonym_graph"}}}),
            "requires `synonyms` to be configured",
        ),
        (
            json!({"filter": {"f": {"type": "shingle", "max_shingle_size": 5}}}),
            "(and +1 if outputting unigrams) must be less than or equal to: [3] but was [4]",
        ),
        (
            json!({"filter": {"f": {"type": "shingle", "min_shingle_size": 3}}}),
            "[min_shingle_size] is [3], but must not be above [max_shingle_size], [2]",
        ),
        (
            json!({"filter": {"f": {"type": "shingle", "min_shingle_size": 1}}}),
            "not below 2",
        ),
        (
            json!({"filter": {"f": {"type": "ngram", "min_gram": 3, "max_gram": 2}}}),
            "[min_gram] is [3]",
        ),
        (
            json!({"filter": {"f": {"type": "ngram", "min_gram": 0}}}),
            "[min_gram] is [0]",
        ),
        (
            json!({"tokenizer": {"t": {"type": "ngram", "token_chars": ["word"]}}}),
            "Unknown token type: 'word'",
        ),
        (
            json!({"tokenizer": {"t": {"type": "pattern", "flags": "X"}}}),
            "Unknown regex flag [X]",
        ),
        (
            json!({"tokenizer": {"t": {"type": "pattern", "pattern": "x".repeat(1001)}}}),
            "[pattern] is longer",
        ),
        (
            json!({"filter": {"f": {"type": "stemmer", "language": "light_german"}}}),
            "Unknown stemmer language [light_german]",
        ),
        (
            json!({"filter": {"f": {"type": "lowercase", "language": "turkish"}}}),
            "[language] is [turkish]",
        ),
        (
            json!({"filter": {"f": {"type": "edge_ngram", "side": "back"}}}),
            "supports [front] only",
        ),
        (
            json!({"filter": {"f": {"type": "stop", "stopwords": many}}}),
            "has 10001 entries",
        ),
        (
            json!({"filter": {"f": {"type": "synonym"}}}),
            "synonym requires `synonyms` to be configured",
        ),
        (
            json!({"filter": {"f": {"type": "synonym", "synonyms": ["a => b => c"]}}}),
            "Invalid synonym rule at line 1",
        ),
        (
            json!({"filter": {"f": {"type": "synonym", "synonyms": ["a"], "format": "wordnet"}}}),
            "supports [solr] only",
        ),
        (
            json!({"filter": {"f": {"type": "synonym", "synonyms": [(0..400).map(|n| n.to_string()).collect::<Vec<_>>().join(",")]}}}),
            "pairs of synonyms",
        ),
        (
            json!({
                "filter": {"s": {"type": "synonym", "synonyms": []}},
                "analyzer": {"a": {"tokenizer": "standard", "filter": ["s", "s", "s", "s"]}}
            }),
            "more synonym filters than [3]",
        ),
        (
            json!({"char_filter": {"c": {"type": "icu_normalizer"}}}),
            "Unknown char_filter type [icu_normalizer] for [c]",
        ),
        (
            json!({"char_filter": {"c": {"type": "mapping", "mappings": ["a"]}}}),
            "Invalid Mapping Rule: [a]",
        ),
        (
            json!({"normalizer": {"n": {"filter": ["stop"]}}}),
            "Custom normalizer [n] may not use filter [stop]",
        ),
        (
            json!({"normalizer": {"n": {"tokenizer": "standard"}}}),
            "cannot configure a tokenizer",
        ),
        (
            json!({"normalizer": {"n": {"type": "lowercase"}}}),
            "Unknown normalizer type [lowercase] for [n]",
        ),
        (json!({"analyzer": analyzers}), "1001 definitions"),
    ] {
        let refused = validate_for_create(&settings(&analysis)).map_err(|error| error.to_string());
        match refused {
            Err(reason) if reason.contains(problem) => {}
            other => panic!("{analysis}: {other:?} instead of {problem}"),
        }
    }
}

#[test]
fn what_is_good_stays_when_something_else_is_not() {
    let definitions = AnalysisDefinitions::from_settings(&settings(&json!({"analyzer": {
        "good": {"type": "english"}, "bad": {"type": "klingon"}
    }})));
    assert!(definitions.check().is_err());
    let read: Vec<_> = definitions
        .analyzers()
        .map(|(name, chain)| (name, chain.is_ok()))
        .collect();
    assert_eq!(read, [("bad", false), ("good", true)]);
    let all = json!({
        "analyzer": {"a": {"type": "custom", "char_filter": ["c"], "tokenizer": "t", "filter": ["lowercase", "f", "stop"]}},
        "tokenizer": {"t": {"type": "edge_ngram", "min_gram": 2, "max_gram": 20, "token_chars": ["letter"]}},
        "filter": {"f": {"type": "synonym", "synonyms": ["a, b"]}, "s": {"type": "shingle", "max_shingle_size": 4}},
        "char_filter": {"c": {"type": "mapping", "mappings": ["a => b"]}, "h": {"type": "html_strip", "escaped_tags": "b,i"}},
        "normalizer": {"n": {"type": "custom", "filter": "lowercase, asciifolding"}},
    });
    assert_eq!(validate_for_create(&settings(&all)), Ok(()));
}

#[test]
fn mappings_name_what_there_is() {
    let definitions = AnalysisDefinitions::from_settings(&settings(&json!({
        "analyzer": {"mine": {"type": "simple"}}, "normalizer": {"n": {"filter": ["lowercase"]}}
    })));
    for (field, problem) in [
        (
            json!({"type": "text", "analyzer": "mine", "search_analyzer": "german", "search_quote_analyzer": "default"}),
            None,
        ),
        (json!({"type": "keyword", "normalizer": "n"}), None),
        (json!({"type": "keyword", "normalizer": "lowercase"}), None),
        (
            json!({"type": "text", "analyzer": "x"}),
            Some("Failed to parse mapping: analyzer [x] has not been configured in mappings"),
        ),
        (
            json!({"type": "text", "search_analyzer": "x"}),
            Some("analyzer [x] has not been configured in mappings"),
        ),
        (
            json!({"type": "keyword", "fields": {"t": {"type": "text", "search_quote_analyzer": "n"}}}),
            Some("analyzer [n]"),
        ),
        (
            json!({"type": "keyword", "normalizer": "mine"}),
            Some("normalizer [mine] not found for field [f]"),
        ),
    ] {
        let mapping = Mapping::from_json(&json!({"properties": {"f": field}})).expect("a mapping loads");
        let checked = mapping
            .check_analysis(&definitions)
            .map_err(|error| error.to_string());
        match (&checked, problem) {
            (Ok(()), None) => {}
            (Err(reason), Some(problem)) if reason.contains(problem) => {}
            _ => panic!("{field}: {checked:?}"),
        }
    }
}
