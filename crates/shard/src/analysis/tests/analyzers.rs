//! Whole analyzers and normalizers.

use serde_json::json;

use super::{AnalyzeWith, analyzer, run, shown};
use crate::analysis::check_analysis;

#[test]
fn built_in_analyzers() {
    let text = "The 2 QUICK dog's Bones.";
    for (name, expected) in [
        (
            "standard",
            "the:0-3@0 2:4-5@1 quick:6-11@2 dog's:12-17@3 bones:18-23@4",
        ),
        (
            "simple",
            "the:0-3@0 quick:6-11@1 dog:12-15@2 s:16-17@3 bones:18-23@4",
        ),
        (
            "whitespace",
            "The:0-3@0 2:4-5@1 QUICK:6-11@2 dog's:12-17@3 Bones.:18-24@4",
        ),
        ("keyword", "The 2 QUICK dog's Bones.:0-24@0"),
        ("stop", "quick:6-11@1 dog:12-15@2 s:16-17@3 bones:18-23@4"),
        (
            "pattern",
            "the:0-3@0 2:4-5@1 quick:6-11@2 dog:12-15@3 s:16-17@4 bones:18-23@5",
        ),
        ("english", "2:4-5@1 quick:6-11@2 dog:12-17@3 bone:18-23@4"),
    ] {
        analyzer(&json!(name), text, expected);
    }
    analyzer(
        &json!("french"),
        "L'avion des chevaux",
        "avion:0-7@0 cheval:12-19@2",
    );
    analyzer(&json!("german"), "Die Häuser", "haus:4-10@1");
    analyzer(&json!("italian"), "dell'Italia", "ital:0-11@0");
}

#[test]
fn configured_analyzers() {
    let english = json!({"type": "standard", "max_token_length": 5, "stopwords": "_english_"});
    analyzer(&english, "The jumped", "jumpe:4-9@1 d:9-10@2");
    analyzer(
        &json!({"type": "stop", "stopwords": ["quick"]}),
        "The quick",
        "the:0-3@0",
    );
    analyzer(
        &json!({"type": "pattern", "pattern": r"\W|_", "lowercase": false, "stopwords": ["X"]}),
        "John_Smith X",
        "John:0-4@0 Smith:5-10@1",
    );
    analyzer(
        &json!({"type": "spanish", "stopwords": []}),
        "el gato",
        "el:0-2@0 gat:3-7@1",
    );
}

#[test]
fn normalizers_make_one_term() {
    let analysis = json!({
        "char_filter": {"q": {"type": "mapping", "mappings": ["« => \\u0020"]}},
        "normalizer": {"n": {"type": "custom", "char_filter": ["q"], "filter": ["trim", "uppercase", "asciifolding"]}}
    });
    let normalized = |name: &str, text: &str| {
        run(&analysis, AnalyzeWith::Normalizer(name.to_owned()), text).map(|tokens| shown(&tokens))
    };
    assert_eq!(normalized("n", "« Côté d").as_deref(), Ok("COTE D:0-8@0"));
    assert_eq!(normalized("lowercase", "BaR ΣΑΣ").as_deref(), Ok("bar σασ:0-7@0"));
    assert!(
        normalized("m", "x")
            .unwrap_err()
            .contains("failed to find normalizer under [m]")
    );
}

#[test]
fn what_cannot_be_built_is_refused_by_name() {
    for (analysis, problem) in [
        (
            json!({"tokenizer": {"t": {"type": "pattern", "pattern": "(?<=a)b"}}, "analyzer": {"a": {"tokenizer": "t"}}}),
            "failed to build analyzer [a]: pattern [(?<=a)b] cannot be used",
        ),
        (
            json!({"tokenizer": {"t": {"type": "pattern", "pattern": "a", "group": 1}}, "analyzer": {"a": {"tokenizer": "t"}}}),
            "invalid group specified",
        ),
        (
            json!({"tokenizer": {"t": {"type": "pattern", "pattern": "(a{500}){500}"}}, "analyzer": {"a": {"tokenizer": "t"}}}),
            "size limit",
        ),
        (
            json!({
                "filter": {"s": {"type": "synonym", "synonyms": ["the, x"]}},
                "analyzer": {"a": {"tokenizer": "standard", "filter": ["stop", "s"]}}
            }),
            "completely eliminated",
        ),
        (
            json!({"filter": {"f": {"type": "nope"}}}),
            "Unknown filter type [nope] for [f]",
        ),
    ] {
        let settings = super::settings(&analysis);
        let refused = check_analysis(&index_meta::AnalysisDefinitions::from_settings(&settings));
        let reason = refused.expect_err(problem).reason().to_owned();
        assert!(reason.contains(problem), "{analysis}: {reason}");
    }
}
