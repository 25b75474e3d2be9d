//! Tokenizers.

use serde_json::json;

use super::tokenizer;

#[test]
fn standard_splits_at_word_boundaries() {
    let text = "The 2 QUICK Brown-Foxes dog's";
    tokenizer(
        &json!("standard"),
        text,
        "The:0-3@0 2:4-5@1 QUICK:6-11@2 Brown:12-17@3 Foxes:18-23@4 dog's:24-29@5",
    );
    tokenizer(
        &json!({"type": "standard", "max_token_length": 5}),
        "jumped over",
        "jumpe:0-5@0 d:5-6@1 over:7-11@2",
    );
}

#[test]
fn whole_texts_words_and_letters() {
    let text = "Du, Côté  x1 you're";
    tokenizer(&json!("keyword"), text, "Du, Côté  x1 you're:0-19@0");
    tokenizer(
        &json!("whitespace"),
        text,
        "Du,:0-3@0 Côté:4-8@1 x1:10-12@2 you're:13-19@3",
    );
    tokenizer(
        &json!("letter"),
        text,
        "Du:0-2@0 Côté:4-8@1 x:10-11@2 you:13-16@3 re:17-19@4",
    );
    tokenizer(
        &json!("lowercase"),
        text,
        "du:0-2@0 côté:4-8@1 x:10-11@2 you:13-16@3 re:17-19@4",
    );
    tokenizer(
        &json!({"type": "whitespace", "max_token_length": 3}),
        "abcdefg h",
        "abc:0-3@0 def:3-6@1 g:6-7@2 h:8-9@3",
    );
    // A space that forbids a line break is none; offsets are in UTF-16 units.
    tokenizer(
        &json!("whitespace"),
        "a\u{a0}b 𝄞c d",
        "a\u{a0}b:0-3@0 𝄞c:4-7@1 d:8-9@2",
    );
    tokenizer(&json!("keyword"), "", ":0-0@0");
    tokenizer(&json!("standard"), "", "");
}

#[test]
fn patterns_separate_or_select() {
    tokenizer(
        &json!("pattern"),
        "The foo_bar_size's default is 5.",
        "The:0-3@0 foo_bar_size:4-16@1 s:17-18@2 default:19-26@3 is:27-29@4 5:30-31@5",
    );
    tokenizer(
        &json!({"type": "pattern", "pattern": ","}),
        "comma,separated,,values",
        "comma:0-5@0 separated:6-15@1 values:17-23@2",
    );
    tokenizer(
        &json!({"type": "pattern", "pattern": r#""((?:\\"|[^"]|\\")+)""#, "group": 1}),
        r#""value", "value with embedded \" quote""#,
        r#"value:1-6@0 value with embedded \" quote:10-38@1"#,
    );
    // The letters of the class are those of ASCII, unless a flag says otherwise.
    tokenizer(&json!("pattern"), "Côté", "C:0-1@0 t:2-3@1");
    let unicode = json!({"type": "pattern", "flags": "UNICODE_CHARACTER_CLASS|CASE_INSENSITIVE"});
    tokenizer(&unicode, "Côté d", "Côté:0-4@0 d:5-6@1");
    // An empty match separates too.
    tokenizer(
        &json!({"type": "pattern", "pattern": "x*"}),
        "aéxb",
        "a:0-1@0 é:1-2@1 b:3-4@2",
    );
}

#[test]
fn grams_of_a_text() {
    tokenizer(
        &json!("ngram"),
        "Fox",
        "F:0-1@0 Fo:0-2@1 o:1-2@2 ox:1-3@3 x:2-3@4",
    );
    let trigrams = json!({"type": "ngram", "min_gram": 3, "max_gram": 3, "token_chars": ["letter", "digit"]});
    tokenizer(
        &trigrams,
        "2 Quick Foxes.",
        "Qui:2-5@0 uic:3-6@1 ick:4-7@2 Fox:8-11@3 oxe:9-12@4 xes:10-13@5",
    );
    tokenizer(&json!("edge_ngram"), "Quick Fox", "Q:0-1@0 Qu:0-2@1");
    let edges =
        json!({"type": "edge_ngram", "min_gram": 2, "max_gram": 10, "token_chars": ["letter", "digit"]});
    tokenizer(
        &edges,
        "2 Quick Foxes.",
        "Qu:2-4@0 Qui:2-5@1 Quic:2-6@2 Quick:2-7@3 Fo:8-10@4 Fox:8-11@5 Foxe:8-12@6 Foxes:8-13@7",
    );
    let symbols = json!({
        "type": "ngram", "min_gram": 2, "max_gram": 2, "token_chars": ["punctuation", "symbol", "custom"],
        "custom_token_chars": "é",
    });
    tokenizer(&symbols, "a+é!b€", "+é:1-3@0 é!:2-4@1");
}
