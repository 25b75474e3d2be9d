//! Synonyms.

use serde_json::{Value, json};

use super::filters;

fn check(rules: &[&str], text: &str, expected: &str) {
    filters(&json!([{"type": "synonym", "synonyms": rules}]), text, expected);
}

#[test]
fn words_stand_for_each_other() {
    check(
        &["i-pod, ipod"],
        "an ipod x",
        "an:0-2@0 ipod:3-7@1 i-pod:3-7@1 x:8-9@2",
    );
    check(
        &["sea biscuit => seabiscuit"],
        "a sea biscuit b",
        "a:0-1@0 seabiscuit:2-13@1 b:14-15@2",
    );
    check(&["a, b => c, d"], "b a", "c:0-1@0 d:0-1@0 c:2-3@1 d:2-3@1");
    check(&["a => b", "a => c", "a => b"], "a", "b:0-1@0 c:0-1@0");
    // The longest input wins, and its words begin nothing else.
    check(
        &["a b => x", "a b c => y", "b => z"],
        "a b c b a b",
        "y:0-5@0 z:6-7@1 x:8-11@2",
    );
    filters(
        &json!([{"type": "synonym", "synonyms": ["a, b, c"], "expand": false}]),
        "c b x a",
        "a:0-1@0 a:2-3@1 x:4-5@2 a:6-7@3",
    );
}

#[test]
fn synonyms_of_several_words_lie_beside_what_follows() {
    check(
        &["dns, domain name system"],
        "dns is",
        "dns:0-3@0 domain:0-3@0 is:4-6@1 name:0-3@1 system:0-3@2",
    );
    check(
        &["dns, domain name system"],
        "domain name system x",
        "domain:0-6@0 dns:0-18@0 name:7-11@1 system:12-18@2 x:19-20@3",
    );
    check(&["ny => new york"], "ny", "new:0-2@0 york:0-2@1");
}

#[test]
fn rules_go_through_what_stands_before() {
    let definitions = json!(["lowercase", {"type": "stop", "stopwords": ["of"]},
        {"type": "synonym", "synonyms": ["TV, Television"]}]);
    filters(&definitions, "of TV of x", "tv:3-5@1 television:3-5@1 x:9-10@3");
    let problem = |filter: Value| {
        let with = super::AnalyzeWith::Custom {
            tokenizer: Some(json!("whitespace")),
            filters: vec![json!("stop"), filter],
            char_filters: Vec::new(),
        };
        super::run(&json!({}), with, "a x").map(|tokens| super::shown(&tokens))
    };
    let gone = json!({"type": "synonym", "synonyms": ["the, x"]});
    assert!(
        problem(gone)
            .unwrap_err()
            .contains("term: the was completely eliminated by analyzer")
    );
    let gap = json!({"type": "synonym", "synonyms": ["state of mind, x"]});
    assert!(problem(gap).unwrap_err().contains("position increment != 1"));
    let lenient = json!({"type": "synonym", "synonyms": ["the, x, y"], "lenient": true});
    assert_eq!(problem(lenient).as_deref(), Ok("x:2-3@1 y:2-3@1"));
}
