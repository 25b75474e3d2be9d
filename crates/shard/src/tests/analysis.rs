//! Analyzers and normalizers in documents and in queries, over closing, rebuilding and changing.

use serde_json::{Value, json};

use super::*;

fn analysis() -> Value {
    json!({"index.analysis": {
        "analyzer": {
            "names": {"tokenizer": "standard", "filter": ["lowercase", "asciifolding"]},
            "prefixes": {"tokenizer": "edges", "filter": ["lowercase"]},
            "shops": {"tokenizer": "standard", "filter": ["lowercase", "stop", "shops"]}
        },
        "tokenizer": {"edges": {"type": "edge_ngram", "min_gram": 1, "max_gram": 10, "token_chars": ["letter"]}},
        "filter": {"shops": {"type": "synonym", "synonyms": ["tv, television", "ny => new york"]}},
        "normalizer": {"plain": {"filter": ["trim", "lowercase", "asciifolding"]}}
    }})
}

fn fields() -> Value {
    json!({"properties": {
        "name": {"type": "text", "analyzer": "names"},
        "start": {"type": "text", "analyzer": "prefixes", "search_analyzer": "standard"},
        "shop": {"type": "text", "analyzer": "shops"},
        "body": {"type": "text", "analyzer": "english", "search_quote_analyzer": "standard"},
        "any": {"type": "text"},
        "tag": {"type": "keyword", "normalizer": "plain", "null_value": "NÖNE"}
    }})
}

fn config_of(dir: &Path, analysis: &Value, fields: &Value) -> ShardConfig {
    let mut fields = fields.clone();
    fields["dynamic"] = json!(false);
    ShardConfig {
        settings: settings(analysis),
        mapping: Arc::new(Mapping::from_json(&fields).unwrap()),
        ..config(dir, ShardRole::Primary)
    }
}

/// A shard with the definitions above and some documents.
struct Analyzed {
    dir: tempfile::TempDir,
    services: ShardServices,
    shard: Arc<Shard>,
}

impl Analyzed {
    fn new() -> Self {
        Self::with(&analysis(), &fields())
    }

    fn with(analysis: &Value, fields: &Value) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let services = services(small_pool());
        let config = config_of(dir.path(), analysis, fields);
        let shard = Shard::create(config, HistoryUuid::generate(), services.clone()).unwrap();
        load(
            &shard,
            &[
                json!({"name": "José Côté", "start": "Quick Fox", "shop": "the TV of NY", "body": "The foxes were jumping", "any": "The Foxes", "tag": " Émile "}),
                json!({"name": "Jose Miller", "start": "Lazy dog", "shop": "a television set", "body": "dogs jump over foxes", "any": "lazy dogs", "tag": "adam"}),
                json!({"name": "Other", "tag": null}),
            ],
        );
        Self { dir, services, shard }
    }

    fn reopen(&mut self, analysis: &Value, fields: &Value) {
        self.shard.close().unwrap();
        let config = config_of(self.dir.path(), analysis, fields);
        self.shard = Shard::open(config, self.services.clone()).unwrap();
    }

    #[track_caller]
    fn check(&self, query: &Value, expected: &[&str]) {
        let body = json!({"query": query, "sort": ["_seq_no"]});
        assert_eq!(ids(&self.shard, &body), expected, "{query}");
    }

    fn check_all(&self) {
        for (query, expected) in [
            (json!({"match": {"name": "josé"}}), &["0", "1"][..]),
            (json!({"match_phrase": {"name": "JOSE cote"}}), &["0"]),
            (json!({"match_phrase": {"name": "cote jose"}}), &[]),
            // Pieces in documents, whole words in queries.
            (json!({"match": {"start": "qui"}}), &["0"]),
            (json!({"match": {"start": "uick"}}), &[]),
            (
                json!({"match": {"start": {"query": "quiet", "analyzer": "prefixes"}}}),
                &["0"],
            ),
            (json!({"match": {"shop": "tv"}}), &["0", "1"]),
            (
                json!({"match": {"shop": {"query": "television set", "operator": "and"}}}),
                &["1"],
            ),
            (json!({"match_phrase": {"shop": "new york"}}), &["0"]),
            // A stop word leaves a gap, in the document and in the query.
            (json!({"match_phrase": {"shop": "tv of ny"}}), &["0"]),
            (json!({"match_phrase": {"shop": "tv ny"}}), &[]),
            (json!({"match": {"body": "fox jumped"}}), &["0", "1"]),
            (json!({"match_phrase": {"body": "jump over fox"}}), &["1"]),
            (json!({"match_phrase": {"body": "dogs jump"}}), &[]),
            (
                json!({"match_phrase": {"body": {"query": "dogs jump", "analyzer": "english"}}}),
                &["1"],
            ),
            (json!({"match": {"any": "fox"}}), &[]),
            (json!({"match": {"any": "THE"}}), &["0"]),
            (
                json!({"multi_match": {"query": "côté dogs", "fields": ["name", "any"]}}),
                &["0", "1"],
            ),
            (
                json!({"multi_match": {"query": "jumps", "fields": ["body"], "analyzer": "standard"}}),
                &[],
            ),
            (json!({"term": {"tag": "EMILE"}}), &["0"]),
            (json!({"terms": {"tag": ["ÉMILE", "ADAM "]}}), &["0", "1"]),
            (json!({"match": {"tag": " ÉMILE"}}), &["0"]),
            (
                json!({"match": {"tag": {"query": "emile adam", "analyzer": "whitespace"}}}),
                &["0", "1"],
            ),
            (json!({"prefix": {"tag": "ÉM"}}), &["0"]),
            (json!({"wildcard": {"tag": "É*E"}}), &["0"]),
            (json!({"range": {"tag": {"gte": "É", "lt": "F"}}}), &["0"]),
            (json!({"term": {"tag": "none"}}), &["2"]),
        ] {
            self.check(&query, expected);
        }
        let sorted = ids(&self.shard, &json!({"sort": ["tag"]}));
        assert_eq!(sorted, ["1", "0", "2"], "adam, emile, none");
    }
}

#[test]
fn documents_and_queries_go_through_the_same_analysis() {
    Analyzed::new().check_all();
}

#[test]
fn a_reopened_shard_and_a_rebuilt_view_give_the_same_hits() {
    let mut analyzed = Analyzed::new();
    let (analysis, fields) = (analysis(), fields());
    analyzed.reopen(&analysis, &fields);
    analyzed.check_all();
    analyzed.shard.flush().unwrap();
    analyzed.reopen(&analysis, &fields);
    assert!(
        analyzed.shard.stats().segments > 0,
        "the view is the one that was there"
    );
    analyzed.check_all();
    analyzed.shard.close().unwrap();
    std::fs::remove_dir_all(analyzed.dir.path().join("index")).unwrap();
    analyzed.reopen(&analysis, &fields);
    analyzed.check_all();
}

#[test]
fn a_changed_analyzer_has_the_view_rebuilt_and_a_new_one_has_not() {
    let mut analyzed = Analyzed::new();
    analyzed.shard.flush().unwrap();
    let fields = fields();
    let mut more = analysis();
    more["index.analysis"]["analyzer"]["another"] = json!({"type": "german"});
    analyzed.reopen(&more, &fields);
    assert_eq!(
        analyzed.shard.refreshed_seq_no(),
        Some(SeqNo::new(2)),
        "the view was kept"
    );
    analyzed.check_all();

    analyzed.shard.flush().unwrap();
    let mut changed = more;
    changed["index.analysis"]["analyzer"]["names"] = json!({"type": "keyword"});
    changed["index.analysis"]["analyzer"]["default"] = json!({"type": "english"});
    analyzed.reopen(&changed, &fields);
    analyzed.check(&json!({"match": {"name": "jose"}}), &[]);
    analyzed.check(&json!({"match": {"name": "Jose Miller"}}), &["1"]);
    analyzed.check(&json!({"match": {"any": "fox"}}), &["0"]);
}

#[test]
fn defaults_of_the_index_hold_for_fields_that_name_none() {
    let defaults = json!({"index.analysis.analyzer": {
        "default": {"type": "keyword"}, "default_search": {"type": "whitespace"}
    }});
    let fields = json!({"properties": {
        "any": {"type": "text"}, "name": {"type": "text", "analyzer": "standard"}, "tag": {"type": "keyword"}
    }});
    let analyzed = Analyzed::with(&defaults, &fields);
    analyzed.check(
        &json!({"match": {"any": {"query": "The Foxes", "analyzer": "keyword"}}}),
        &["0"],
    );
    analyzed.check(&json!({"match": {"any": "The Foxes"}}), &[]);
    analyzed.check(&json!({"match": {"name": "JOSE"}}), &["1"]);
}

#[test]
fn what_cannot_be_analyzed_is_refused_and_replication_goes_on() {
    let broken = json!({"index.analysis": {
        "analyzer": {"names": {"type": "klingon"}}, "normalizer": {"plain": {"filter": ["nope"]}}
    }});
    let fields = json!({"properties": {
        "name": {"type": "text", "analyzer": "names"}, "start": {"type": "text", "analyzer": "gone"},
        "any": {"type": "text"}, "tag": {"type": "keyword", "normalizer": "plain"}
    }});
    let analyzed = Analyzed::with(&broken, &fields);
    analyzed.check(&json!({"match": {"any": "foxes"}}), &["0"]);
    for (query, named) in [
        (
            json!({"match": {"name": "x"}}),
            "analyzer [names] of field [name] cannot be used",
        ),
        (
            json!({"match_phrase": {"start": "x"}}),
            "analyzer [gone] of field [start] cannot be used",
        ),
        (
            json!({"term": {"tag": "x"}}),
            "normalizer [plain] of field [tag] cannot be used",
        ),
        (
            json!({"match": {"any": {"query": "x", "analyzer": "gone"}}}),
            "[match] analyzer [gone] not found",
        ),
        (
            json!({"match": {"any": {"query": "x", "analyzer": "names"}}}),
            "[match] analyzer [names] cannot be used",
        ),
    ] {
        let request = SearchRequest::from_json(&json!({"query": query})).unwrap();
        let refused = analyzed.shard.search(&request).expect_err(named);
        assert!(refused.reason().contains(named), "{query}: {refused}");
    }
}

#[test]
fn a_phrase_of_too_many_synonyms_is_refused() {
    let grams = json!({"index.max_ngram_diff": 20, "index.analysis": {
        "analyzer": {"names": {"tokenizer": "whitespace", "filter": ["grams"]}},
        "filter": {"grams": {"type": "edge_ngram", "min_gram": 1, "max_gram": 11}}
    }});
    let fields = json!({"properties": {"name": {"type": "text", "analyzer": "names"}}});
    let analyzed = Analyzed::with(&grams, &fields);
    analyzed.check(&json!({"match_phrase": {"name": "Jos Mil"}}), &["1"]);
    let body = json!({"query": {"match_phrase": {"name": "abcdefghijk abcdefghijk abcdefghijk"}}});
    let refused = analyzed
        .shard
        .search(&SearchRequest::from_json(&body).unwrap())
        .expect_err("1331 phrases");
    assert!(refused.reason().contains("more than [1024] phrases"), "{refused}");
}
