//! Token filters and character filters.

use serde_json::json;

use super::{AnalyzeWith, analyzer, filters, run, shown};

#[test]
fn letters_are_changed() {
    filters(
        &json!(["lowercase"]),
        "THE Quick ΣΑΣ",
        "the:0-3@0 quick:4-9@1 σασ:10-13@2",
    );
    filters(
        &json!(["uppercase"]),
        "the quick straße",
        "THE:0-3@0 QUICK:4-9@1 STRAßE:10-16@2",
    );
    filters(
        &json!(["asciifolding"]),
        "açaí à la carte",
        "acai:0-4@0 a:5-6@1 la:7-9@2 carte:10-15@3",
    );
    filters(
        &json!([{"type": "asciifolding", "preserve_original": true}]),
        "açaí la",
        "acai:0-4@0 açaí:0-4@0 la:5-7@1",
    );
    filters(&json!(["reverse"]), "quick fôx", "kciuq:0-5@0 xôf:6-9@1");
    filters(
        &json!(["truncate"]),
        "the quinquennial extravaganza",
        "the:0-3@0 quinquenni:4-16@1 extravagan:17-29@2",
    );
    filters(
        &json!([{"type": "truncate", "length": 2}]),
        "ôôô a",
        "ôô:0-3@0 a:4-5@1",
    );
    let trimmed = run(
        &json!({}),
        AnalyzeWith::Custom {
            tokenizer: None,
            filters: vec![json!("trim")],
            char_filters: Vec::new(),
        },
        " fox ",
    );
    assert_eq!(shown(&trimmed.unwrap()), "fox:0-5@0");
}

#[test]
fn what_is_dropped_leaves_a_gap() {
    filters(
        &json!(["stop"]),
        "a quick fox jumps over the lazy dog",
        "quick:2-7@1 fox:8-11@2 jumps:12-17@3 over:18-22@4 lazy:27-31@6 dog:32-35@7",
    );
    filters(
        &json!([{"type": "stop", "stopwords": ["And", "the"]}]),
        "The and And the x",
        "The:0-3@0 and:4-7@1 x:16-17@4",
    );
    filters(
        &json!([{"type": "stop", "stopwords": ["x", "_english_"], "ignore_case": true}]),
        "The X y And",
        "y:6-7@2",
    );
    filters(
        &json!([{"type": "stop", "stopwords": "_none_"}]),
        "the x",
        "the:0-3@0 x:4-5@1",
    );
    filters(
        &json!([{"type": "length", "min": 2, "max": 3}]),
        "a bb ccc dddd éé",
        "bb:2-4@1 ccc:5-8@2 éé:14-16@4",
    );
}

#[test]
fn what_is_not_unique_leaves_none() {
    filters(
        &json!(["unique"]),
        "the quick fox jumps the lazy fox x",
        "the:0-3@0 quick:4-9@1 fox:10-13@2 jumps:14-19@3 lazy:24-28@4 x:33-34@5",
    );
    filters(
        &json!([{"type": "asciifolding", "preserve_original": true}, "uppercase", "asciifolding",
            {"type": "unique", "only_on_same_position": true}]),
        "é é",
        "E:0-1@0 E:2-3@1",
    );
}

#[test]
fn stems() {
    filters(
        &json!(["stemmer"]),
        "the foxes jumping quickly",
        "the:0-3@0 fox:4-9@1 jump:10-17@2 quick:18-25@3",
    );
    filters(
        &json!([{"type": "stemmer", "language": "german"}]),
        "häuser katzen",
        "haus:0-6@0 katz:7-13@1",
    );
    filters(
        &json!([{"type": "snowball", "language": "French"}]),
        "chevaux",
        "cheval:0-7@0",
    );
    filters(
        &json!([{"type": "stemmer", "language": "possessive_english"}]),
        "dog's dogs’ O'Neil’S",
        "dog:0-5@0 dogs’:6-11@1 O'Neil:12-20@2",
    );
    filters(
        &json!(["elision"]),
        "j'examine L'avion o'clock",
        "examine:0-9@0 avion:10-17@1 o'clock:18-25@2",
    );
}

#[test]
fn grams_of_tokens_share_their_position_and_offsets() {
    filters(
        &json!(["ngram"]),
        "Quick fx",
        "Q:0-5@0 Qu:0-5@0 u:0-5@0 ui:0-5@0 i:0-5@0 ic:0-5@0 c:0-5@0 ck:0-5@0 k:0-5@0 f:6-8@1 fx:6-8@1 x:6-8@1",
    );
    filters(
        &json!(["edge_ngram"]),
        "the quick",
        "t:0-3@0 th:0-3@0 q:4-9@1 qu:4-9@1",
    );
    let kept = json!([{"type": "edge_ngram", "min_gram": 2, "max_gram": 3, "preserve_original": true}]);
    filters(
        &kept,
        "a ab abcd",
        "a:0-1@0 ab:2-4@1 ab:5-9@2 abc:5-9@2 abcd:5-9@2",
    );
    let dropped = json!([{"type": "edge_ngram", "min_gram": 2, "max_gram": 3}]);
    filters(&dropped, "a ab", "ab:2-4@1");
}

#[test]
fn character_filters_keep_the_offsets_of_the_text_as_it_was() {
    let with = |char_filter: serde_json::Value| AnalyzeWith::Custom {
        tokenizer: Some(json!("whitespace")),
        filters: Vec::new(),
        char_filters: vec![char_filter],
    };
    let run = |char_filter: serde_json::Value, text: &str| {
        super::run(&json!({}), with(char_filter), text).map(|tokens| shown(&tokens))
    };
    let digits =
        json!({"type": "mapping", "mappings": ["٢ => 2", ":) => _happy_", "x =>", "ab => 1", "abc => 2"]});
    assert_eq!(
        run(digits.clone(), "n٢ :) a").as_deref(),
        Ok("n2:0-2@0 _happy_:3-5@1 a:6-7@2")
    );
    assert_eq!(run(digits, "axb abcd").as_deref(), Ok("ab:0-3@0 2d:4-8@1"));
    assert_eq!(
        run(json!("html_strip"), "<p>I&apos;m <b>so</b> hap<i>py</i>!</p>").as_deref(),
        Ok("I'm:3-11@0 so:15-21@1 happy!:22-35@2")
    );
    assert_eq!(
        run(
            json!({"type": "html_strip", "escaped_tags": ["B"]}),
            "<p><b>x</b>"
        )
        .as_deref(),
        Ok("<b>x</b>:3-11@0")
    );
    let hyphens = json!({"type": "pattern_replace", "pattern": r"(\d+)-(?=\d)", "replacement": "$1_"});
    assert!(run(hyphens, "x").unwrap_err().contains("look-around"));
    let hyphens = json!({"type": "pattern_replace", "pattern": r"(\d+)-(\d+)", "replacement": "$1_$2"});
    assert_eq!(
        run(hyphens, "a 12-34 b").as_deref(),
        Ok("a:0-1@0 12_34:2-7@1 b:8-9@2")
    );
    analyzer(
        &json!({"tokenizer": "standard", "filter": "lowercase,stop"}),
        "The Fox",
        "fox:4-7@1",
    );
}

/// Source: the examples of Lucene's filter.
#[test]
fn tokens_are_joined() {
    filters(
        &json!(["shingle"]),
        "please divide this",
        "please:0-6@0 please divide:0-13@0 divide:7-13@1 divide this:7-18@1 this:14-18@2",
    );
    filters(
        &json!([{"type": "shingle", "min_shingle_size": 2, "max_shingle_size": 3, "output_unigrams": false}]),
        "a b c d",
        "a b:0-3@0 a b c:0-5@0 b c:2-5@1 b c d:2-7@1 c d:4-7@2",
    );
    filters(
        &json!([{"type": "shingle", "token_separator": "+", "output_unigrams": false}]),
        "a b",
        "a+b:0-3@0",
    );
    let alone = |more: bool| json!([{"type": "shingle", "output_unigrams": false, "output_unigrams_if_no_shingles": more}]);
    filters(&alone(false), "a", "");
    filters(&alone(true), "a", "a:0-1@0");
    filters(&alone(true), "a b", "a b:0-3@0");
}

#[test]
fn a_shingle_has_a_filler_where_a_word_was_dropped() {
    filters(
        &json!(["stop", "shingle"]),
        "divide this sentence",
        "divide:0-6@0 divide _:0-12@0 _ sentence:12-20@1 sentence:12-20@2",
    );
    filters(
        &json!(["stop", {"type": "shingle", "filler_token": "", "output_unigrams": false}]),
        "divide the the the sentence",
        "divide :0-19@0  sentence:19-27@1",
    );
}
