//! Requests to analyze.

use es_exception::ExceptionKind;
use index_meta::Mapping;
use serde_json::json;

use super::{AnalyzeRequest, AnalyzeWith, analyze, run, settings, shown};

fn request(texts: &[&str], with: AnalyzeWith) -> AnalyzeRequest {
    AnalyzeRequest {
        texts: texts.iter().map(|text| (*text).to_owned()).collect(),
        with,
    }
}

#[test]
fn several_texts_are_values_of_one_field() {
    let request = request(&["this is a test", "thé second"], AnalyzeWith::Default);
    let tokens = analyze(&settings(&json!({})), &Mapping::empty(), &request, 100).unwrap();
    assert_eq!(
        shown(&tokens),
        "this:0-4@0 is:5-7@1 a:8-9@2 test:10-14@3 thé:15-18@104 second:19-25@105"
    );
}

#[test]
fn tokens_have_types() {
    let kinds = |with: AnalyzeWith, text: &str| {
        let tokens = run(&json!({}), with, text).unwrap();
        tokens.into_iter().map(|token| token.kind).collect::<Vec<_>>()
    };
    assert_eq!(
        kinds(AnalyzeWith::Default, "Fox 1,234.5 x2 日 ひ カタ 한국 ไทย"),
        [
            "<ALPHANUM>",
            "<NUM>",
            "<ALPHANUM>",
            "<IDEOGRAPHIC>",
            "<HIRAGANA>",
            "<KATAKANA>",
            "<HANGUL>",
            "<SOUTHEAST_ASIAN>"
        ]
    );
    assert_eq!(
        kinds(AnalyzeWith::Analyzer("whitespace".into()), "a 1"),
        ["word", "word"]
    );
    let custom = AnalyzeWith::Custom {
        tokenizer: Some(json!("standard")),
        filters: vec![
            json!({"type": "synonym", "synonyms": ["a, b"]}),
            json!("uppercase"),
        ],
        char_filters: Vec::new(),
    };
    assert_eq!(kinds(custom, "a c"), ["<ALPHANUM>", "SYNONYM", "<ALPHANUM>"]);
}

#[test]
fn fields_are_analyzed_by_their_mapping() {
    let mapping = Mapping::from_json(&json!({"properties": {
        "t": {"type": "text", "analyzer": "mine"}, "k": {"type": "keyword", "normalizer": "lowercase"},
        "plain": {"type": "keyword"}, "n": {"type": "long"}
    }}))
    .unwrap();
    let analysis = settings(&json!({"analyzer": {
        "mine": {"type": "whitespace"}, "default": {"type": "keyword"}
    }}));
    for (field, expected) in [
        ("t", Ok("A-b:0-3@0 C:4-5@1")),
        ("k", Ok("a-b c:0-5@0")),
        ("plain", Ok("A-b C:0-5@0")),
        ("unmapped", Ok("A-b C:0-5@0")),
        ("n", Err("Can't process field [n]")),
    ] {
        let request = request(&["A-b C"], AnalyzeWith::Field(field.into()));
        let answer = analyze(&analysis, &mapping, &request, 100).map(|tokens| shown(&tokens));
        match expected {
            Ok(expected) => assert_eq!(answer.unwrap(), expected, "{field}"),
            Err(expected) => assert!(answer.unwrap_err().reason().contains(expected)),
        }
    }
}

#[test]
fn too_many_tokens_and_unknown_names_are_refused() {
    let some = |with| request(&["a b", "c"], with);
    let refused = |request: &AnalyzeRequest, most| {
        analyze(&settings(&json!({})), &Mapping::empty(), request, most).expect_err("refused")
    };
    let many = refused(&some(AnalyzeWith::Default), 2);
    assert_eq!(many.kind(), ExceptionKind::IllegalState);
    assert!(many.reason().contains("allowed maximum of [2]"), "{many}");
    let unknown = refused(&some(AnalyzeWith::Analyzer("x".into())), 10);
    assert_eq!(unknown.reason(), "failed to find analyzer [x]");
    let custom = |filter| AnalyzeWith::Custom {
        tokenizer: None,
        filters: vec![filter],
        char_filters: Vec::new(),
    };
    let unknown = refused(&some(custom(json!("x"))), 10);
    assert!(
        unknown.reason().contains("failed to find filter under name [x]"),
        "{unknown}"
    );
    let parameter = refused(&some(custom(json!({"type": "trim", "x": 1}))), 10);
    assert!(
        parameter.reason().contains("unknown parameter [x]"),
        "{parameter}"
    );
}
