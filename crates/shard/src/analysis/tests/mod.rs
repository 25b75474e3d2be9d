//! Tables of tokens: each line is a text and its tokens as `token:start-end@position`.
//!
//! Source: the examples of Elasticsearch's documentation, where it has one.

mod analyzers;
mod filters;
mod request;
mod synonyms;
mod tokenizers;

use index_meta::{Mapping, Settings};
use serde_json::{Value, json};

use super::{AnalyzeRequest, AnalyzeWith, AnalyzedToken, analyze};

/// Settings of an index with this under `index.analysis`.
fn settings(analysis: &Value) -> Settings {
    Settings::from_json(&json!({"index": {"max_ngram_diff": 5, "analysis": analysis}})).unwrap()
}

fn run(analysis: &Value, with: AnalyzeWith, text: &str) -> Result<Vec<AnalyzedToken>, String> {
    let request = AnalyzeRequest {
        texts: vec![text.to_owned()],
        with,
    };
    analyze(&settings(analysis), &Mapping::empty(), &request, 10_000)
        .map_err(|error| error.reason().to_owned())
}

fn shown(tokens: &[AnalyzedToken]) -> String {
    let shown = tokens.iter().map(|token| {
        format!(
            "{}:{}-{}@{}",
            token.token, token.start_offset, token.end_offset, token.position
        )
    });
    shown.collect::<Vec<_>>().join(" ")
}

/// What a tokenizer makes of a text.
#[track_caller]
fn tokenizer(definition: &Value, text: &str, expected: &str) {
    let with = AnalyzeWith::Custom {
        tokenizer: Some(definition.clone()),
        filters: Vec::new(),
        char_filters: Vec::new(),
    };
    let tokens = run(&json!({}), with, text).unwrap();
    assert_eq!(shown(&tokens), expected, "{definition}");
}

/// What filters make of a text that white space splits.
#[track_caller]
fn filters(definitions: &Value, text: &str, expected: &str) {
    let with = AnalyzeWith::Custom {
        tokenizer: Some(json!("whitespace")),
        filters: definitions.as_array().unwrap().clone(),
        char_filters: Vec::new(),
    };
    let tokens = run(&json!({}), with, text).unwrap();
    assert_eq!(shown(&tokens), expected, "{definitions}");
}

/// What an analyzer with this definition, or built in under this name, makes of a text.
#[track_caller]
fn analyzer(definition: &Value, text: &str, expected: &str) {
    let (analysis, name) = match definition {
        Value::String(name) => (json!({}), name.as_str()),
        other => (json!({"analyzer": {"mine": other}}), "mine"),
    };
    let tokens = run(&analysis, AnalyzeWith::Analyzer(name.to_owned()), text).unwrap();
    assert_eq!(shown(&tokens), expected, "{definition}");
}
