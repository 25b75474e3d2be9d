//! What each query finds.

use es_exception::ExceptionKind;
use serde_json::json;

use super::*;

fn fixture() -> Fixture {
    let fixture = Fixture::primary();
    load(
        &fixture.shard,
        &[
            json!({"title": "The quick brown fox", "tag": "red", "n": 1, "price": 1.5, "on": true, "at": "2024-01-01T10:00:00Z", "ip": "10.0.0.1"}),
            json!({"title": "the lazy brown dog", "tag": ["red", "blue"], "n": 2, "price": 2, "on": false, "at": "2024-01-02", "ip": "10.0.1.1"}),
            json!({"title": "Quick dogs jump", "tag": "green", "n": -3, "user": {"name": "ada"}}),
            json!({"title": ["fox one", "fox two"], "n": [4, 40], "user": [{"name": "bob"}, {"name": "eve"}]}),
            json!({"empty": null}),
        ],
    );
    fixture
}

fn check(fixture: &Fixture, query: serde_json::Value, expected: &[&str]) {
    let mut found = ids(
        &fixture.shard,
        &json!({"query": query.clone(), "sort": "_seq_no"}),
    );
    assert_eq!(found, expected, "{query}");
    found = ids(&fixture.shard, &json!({"query": query.clone()}));
    found.sort();
    assert_eq!(found, expected, "{query} by relevance");
    let count = fixture
        .shard
        .count(
            &crate::SearchCancellation::default(),
            &crate::Counting::of(crate::Query::from_json(&query).unwrap()),
        )
        .unwrap()
        .0;
    assert_eq!(count, expected.len() as u64, "{query} counted");
}

#[test]
fn a_phrase_does_not_go_over_from_one_value_to_the_next() {
    let fixture = fixture();
    let phrase = |slop: u32| json!({"match_phrase": {"title": {"query": "one two", "slop": slop}}});
    for (slop, expected) in [(0, &[][..]), (10, &[]), (100, &[]), (101, &["3"])] {
        check(&fixture, phrase(slop), expected);
    }
    check(&fixture, json!({"match_phrase": {"title": "fox two"}}), &["3"]);
}

#[test]
fn an_index_says_which_fields_are_searched_when_none_is_named() {
    let fixture = fixture();
    let query = |text: &str| json!({"multi_match": {"query": text}});
    check(&fixture, query("ada"), &["2"]);
    fixture.shard.update_settings(settings(
        &json!({"index.query.default_field": ["title^2", "tag"]}),
    ));
    check(&fixture, query("ada"), &[]);
    check(&fixture, query("blue"), &["1"]);
    check(&fixture, query("fox"), &["0", "3"]);
}

#[test]
fn exact_queries() {
    let fixture = fixture();
    for (query, expected) in [
        (json!({"match_all": {}}), &["0", "1", "2", "3", "4"][..]),
        (json!({"match_none": {}}), &[]),
        (json!({"term": {"tag": "red"}}), &["0", "1"]),
        (
            json!({"term": {"tag": {"value": "RED", "case_insensitive": true}}}),
            &["0", "1"],
        ),
        (json!({"term": {"tag": "RED"}}), &[]),
        (json!({"term": {"n": 40}}), &["3"]),
        (json!({"term": {"n": 1.5}}), &[]),
        (json!({"term": {"price": 2}}), &["1"]),
        (json!({"term": {"price": 1.5}}), &["0"]),
        (json!({"term": {"on": "true"}}), &["0"]),
        (json!({"term": {"at": "2024-01-01T10:00:00Z"}}), &["0"]),
        (json!({"term": {"ip": "10.0.0.1"}}), &["0"]),
        (json!({"term": {"ip": "10.0.0.0/16"}}), &["0", "1"]),
        (json!({"term": {"nowhere": 1}}), &[]),
        (json!({"term": {"user.name": "eve"}}), &["3"]),
        (json!({"term": {"title": "quick"}}), &["0", "2"]),
        (json!({"term": {"title.raw": "Quick dogs jump"}}), &["2"]),
        (json!({"term": {"_id": "3"}}), &["3"]),
        (json!({"terms": {"tag": ["blue", "green"]}}), &["1", "2"]),
        (json!({"terms": {"n": [1, 2, 99]}}), &["0", "1"]),
        (json!({"terms": {"_id": ["4", "x"]}}), &["4"]),
        (json!({"ids": {"values": ["1", 2]}}), &["1", "2"]),
        (json!({"exists": {"field": "title"}}), &["0", "1", "2", "3"]),
        (json!({"exists": {"field": "tag"}}), &["0", "1", "2"]),
        (json!({"exists": {"field": "user"}}), &["2", "3"]),
        (json!({"exists": {"field": "nowhere"}}), &[]),
    ] {
        check(&fixture, query, expected);
    }
}

#[test]
fn ranges() {
    let fixture = fixture();
    for (query, expected) in [
        (json!({"range": {"n": {"gte": 2}}}), &["1", "3"][..]),
        (json!({"range": {"n": {"gt": -3, "lt": 2}}}), &["0"]),
        (json!({"range": {"n": {"gt": 1.5, "lte": 2.5}}}), &["1"]),
        (json!({"range": {"n": {}}}), &["0", "1", "2", "3"]),
        (json!({"range": {"price": {"gte": 1.6}}}), &["1"]),
        (
            json!({"range": {"at": {"gte": "2024-01-01", "lt": "2024-01-02"}}}),
            &["0"],
        ),
        (json!({"range": {"at": {"lte": "2024-01-02||/d"}}}), &["0", "1"]),
        (
            json!({"range": {"at": {"gte": "02/01/2024", "format": "dd/MM/yyyy"}}}),
            &["1"],
        ),
        (json!({"range": {"at": {"gte": "now-1d"}}}), &[]),
        (json!({"range": {"at": {"lt": "now"}}}), &["0", "1"]),
        (
            json!({"range": {"ip": {"gt": "10.0.0.1", "lte": "10.0.255.255"}}}),
            &["1"],
        ),
        (json!({"range": {"tag": {"gte": "c", "lt": "red"}}}), &["2"]),
        (
            json!({"range": {"title": {"gte": "lazy", "lte": "one"}}}),
            &["1", "3"],
        ),
        (json!({"range": {"_seq_no": {"gt": 2}}}), &["3", "4"]),
        (json!({"range": {"nowhere": {"gt": 2}}}), &[]),
    ] {
        check(&fixture, query, expected);
    }
}

#[test]
fn text_queries() {
    let fixture = fixture();
    for (query, expected) in [
        (json!({"match": {"title": "QUICK fox"}}), &["0", "2", "3"][..]),
        (
            json!({"match": {"title": {"query": "quick fox", "operator": "and"}}}),
            &["0"],
        ),
        (
            json!({"match": {"title": {"query": "quick brown fox", "minimum_should_match": 2}}}),
            &["0"],
        ),
        (
            json!({"match": {"title": {"query": "quikc", "fuzziness": "AUTO"}}}),
            &["0", "2"],
        ),
        (json!({"match": {"title": ""}}), &[]),
        (
            json!({"match": {"title": {"query": "!", "zero_terms_query": "all"}}}),
            &["0", "1", "2", "3", "4"],
        ),
        (json!({"match": {"n": "2"}}), &["1"]),
        (json!({"match": {"tag": "blue"}}), &["1"]),
        (json!({"match_phrase": {"title": "brown fox"}}), &["0"]),
        (json!({"match_phrase": {"title": "quick fox"}}), &[]),
        (
            json!({"match_phrase": {"title": {"query": "quick fox", "slop": 1}}}),
            &["0"],
        ),
        (json!({"match_phrase": {"title": "fox"}}), &["0", "3"]),
        (
            json!({"multi_match": {"query": "red", "fields": ["title", "t*g^2"]}}),
            &["0", "1"],
        ),
        (
            json!({"multi_match": {"query": "fox", "type": "most_fields", "fields": ["title"]}}),
            &["0", "3"],
        ),
        (
            json!({"multi_match": {"query": "brown dog", "type": "phrase", "fields": ["title"]}}),
            &["1"],
        ),
        (json!({"multi_match": {"query": "ada"}}), &["2"]),
        (
            json!({"multi_match": {"query": "red fox", "type": "cross_fields", "operator": "and", "fields": ["title", "title.raw", "tag"]}}),
            &[],
        ),
        (
            json!({"multi_match": {"query": "jump quick", "type": "cross_fields", "operator": "and", "fields": ["title", "tag"]}}),
            &["2"],
        ),
        (
            json!({"multi_match": {"query": "quick bro", "type": "phrase_prefix", "fields": ["title"]}}),
            &["0"],
        ),
        (
            json!({"multi_match": {"query": "dogs qu", "type": "bool_prefix", "operator": "and", "fields": ["title"]}}),
            &["2"],
        ),
        (json!({"match_phrase_prefix": {"title": "quick bro"}}), &["0"]),
        (json!({"match_phrase_prefix": {"title": "quick d"}}), &["2"]),
        (json!({"match_phrase_prefix": {"title": "brown quick"}}), &[]),
        (json!({"match_phrase_prefix": {"title": "do"}}), &["1", "2"]),
        (
            json!({"match_phrase_prefix": {"title": {"query": "do", "max_expansions": 1}}}),
            &["1"],
        ),
        (
            json!({"match_phrase_prefix": {"title": {"query": "the fo", "slop": 2}}}),
            &["0"],
        ),
        (json!({"match_phrase_prefix": {"tag": "gre"}}), &["2"]),
        (
            json!({"match_bool_prefix": {"title": "fox la"}}),
            &["0", "1", "3"],
        ),
        (
            json!({"match_bool_prefix": {"title": {"query": "dog la", "operator": "and"}}}),
            &["1"],
        ),
        (
            json!({"nested": {"path": "user", "query": {"term": {"user.name": "eve"}}}}),
            &["3"],
        ),
    ] {
        check(&fixture, query, expected);
    }
}

#[test]
fn queries_of_one_line() {
    let fixture = fixture();
    for (line, expected) in [
        ("title:fox", &["0", "3"][..]),
        ("fox", &["0", "3"]),
        ("title:(quick AND fox)", &["0"]),
        ("title:quick -title:fox", &["2"]),
        ("title:quick NOT title:fox", &["2"]),
        ("NOT title:fox", &["1", "2", "4"]),
        ("title:\"brown fox\"", &["0"]),
        ("title:\"quick fox\"~1", &["0"]),
        ("title:QUI*", &["0", "2"]),
        ("tag:QUI*", &[]),
        ("title:f?x", &["0", "3"]),
        ("title:foz~", &["0", "3"]),
        ("title:/do.+/", &["1", "2"]),
        ("n:[1 TO 2}", &["0"]),
        ("n:>=2", &["1", "3"]),
        ("n:2 OR tag:green", &["1", "2"]),
        ("at:[2024-01-01 TO 2024-01-02]", &["0", "1"]),
        ("ip:\"10.0.0.1\"", &["0"]),
        ("ip:10.0.0.1", &["0"]),
        ("_exists_:user.name", &["2", "3"]),
        ("user.\\*:bob", &["3"]),
        ("*:*", &["0", "1", "2", "3", "4"]),
        ("tag:*", &["0", "1", "2"]),
        ("red^2 blue", &["0", "1"]),
        ("title:lazy tag:(red green)", &["0", "1", "2"]),
        ("", &[]),
        ("1.5", &["0"]),
        ("_id:2", &["2"]),
    ] {
        check(&fixture, json!({"query_string": {"query": line}}), expected);
    }
    let body =
        json!({"query_string": {"query": "quick dogs", "default_field": "title", "default_operator": "AND"}});
    check(&fixture, body, &["2"]);
    for (line, expected) in [
        ("fox | lazy", &["0", "1", "3"][..]),
        ("brown + quick", &["0"]),
        ("brown + -quick", &["1"]),
        ("\"brown dog\"", &["1"]),
        ("do* + jump", &["2"]),
        ("quikc~1", &["0", "2"]),
        ("(lazy | jump) + dog*", &["1", "2"]),
        ("fox )(", &["0", "3"]),
    ] {
        let query = json!({"simple_query_string": {"query": line, "fields": ["title"]}});
        check(&fixture, query, expected);
    }
    check(&fixture, json!({"simple_query_string": {"query": "ada"}}), &["2"]);
    let query = json!({"simple_query_string": {"query": "quick fox", "default_operator": "and"}});
    check(&fixture, query, &["0"]);
    // A number that is no date is an error where its field is named, and none where every field is searched.
    let named = json!({"query": {"query_string": {"query": "at:fox"}}});
    assert!(
        fixture
            .shard
            .search(&SearchRequest::from_json(&named).unwrap())
            .is_err()
    );
}

#[test]
fn pattern_queries() {
    let fixture = fixture();
    for (query, expected) in [
        (json!({"prefix": {"tag": "re"}}), &["0", "1"][..]),
        (
            json!({"prefix": {"title": {"value": "DO", "case_insensitive": true}}}),
            &["1", "2"],
        ),
        (json!({"wildcard": {"tag": {"value": "*?ed"}}}), &["0", "1"]),
        (json!({"wildcard": {"tag": "gr*n"}}), &["2"]),
        (json!({"regexp": {"tag": "(red|gr.+)"}}), &["0", "1", "2"]),
        (json!({"fuzzy": {"title": "foz"}}), &["0", "3"]),
        (json!({"prefix": {"nowhere": "x"}}), &[]),
    ] {
        check(&fixture, query, expected);
    }
}

#[test]
fn compound_queries() {
    let fixture = fixture();
    for (query, expected) in [
        (json!({"bool": {}}), &["0", "1", "2", "3", "4"][..]),
        (
            json!({"bool": {"must": {"term": {"tag": "red"}}, "must_not": [{"term": {"on": true}}]}}),
            &["1"],
        ),
        (
            json!({"bool": {"must_not": [{"exists": {"field": "title"}}]}}),
            &["4"],
        ),
        (
            json!({"bool": {"filter": [{"term": {"tag": "red"}}], "should": [{"term": {"n": 99}}]}}),
            &["0", "1"],
        ),
        (
            json!({"bool": {"should": [{"term": {"n": 1}}, {"term": {"n": 2}}]}}),
            &["0", "1"],
        ),
        (
            json!({"bool": {"should": [{"term": {"tag": "red"}}, {"term": {"tag": "blue"}}, {"term": {"n": 1}}], "minimum_should_match": 2}}),
            &["0", "1"],
        ),
        (
            json!({"bool": {"should": [{"match_all": {}}], "minimum_should_match": 2}}),
            &[],
        ),
        (
            json!({"constant_score": {"filter": {"term": {"n": 1}}, "boost": 2}}),
            &["0"],
        ),
        (
            json!({"dis_max": {"queries": [{"term": {"n": 1}}, {"term": {"n": 2}}]}}),
            &["0", "1"],
        ),
    ] {
        check(&fixture, query, expected);
    }
}

#[test]
fn relevance_boosts_and_min_score() {
    let fixture = fixture();
    let best = |body: &serde_json::Value| search(&fixture.shard, body);
    let hits = best(&json!({"query": {"constant_score": {"filter": {"term": {"n": 1}}, "boost": 2}}}));
    assert_eq!((hits.max_score, hits.hits[0].score), (Some(2.0), Some(2.0)));
    assert_eq!(
        best(&json!({"query": {"bool": {"filter": {"match_all": {}}}}})).max_score,
        Some(0.0)
    );
    let should = json!([{"match_all": {}}, {"term": {"n": {"value": 2, "boost": 3}}}]);
    let body = json!({"query": {"bool": {"should": should}}});
    assert_eq!(ids(&fixture.shard, &body)[0], "1");
    let body = json!({"query": {"bool": {"should": should}}, "min_score": 2});
    assert_eq!(
        (ids(&fixture.shard, &body), best(&body).total),
        (vec!["1".to_owned()], Some(1))
    );
    let sorted = best(&json!({"sort": "n"}));
    assert_eq!((sorted.max_score, sorted.hits[0].score), (None, None));
    assert!(
        best(&json!({"sort": "n", "track_scores": true}))
            .max_score
            .is_some()
    );
}

#[test]
fn a_query_that_cannot_be_for_the_mapping_is_refused() {
    let fixture = fixture();
    for (query, kind) in [
        (json!({"term": {"n": "x"}}), ExceptionKind::QueryShard),
        (json!({"prefix": {"n": "1"}}), ExceptionKind::QueryShard),
        (json!({"regexp": {"tag": "("}}), ExceptionKind::IllegalArgument),
    ] {
        let request = SearchRequest::from_json(&json!({"query": query.clone()})).unwrap();
        assert_eq!(
            fixture.shard.search(&request).unwrap_err().kind(),
            kind,
            "{query}"
        );
    }
}

#[test]
fn filters_and_post_filters_narrow_without_scoring() {
    let fixture = fixture();
    let mut request = SearchRequest::from_json(&json!({"post_filter": {"term": {"tag": "red"}}})).unwrap();
    request.add_filter(crate::Query::ids(vec!["1".into(), "2".into()]));
    let hits = fixture.shard.search(&request).unwrap();
    assert_eq!((hits.total, hits.max_score), (Some(1), Some(1.0)));
}

#[test]
fn a_begun_phrase_is_found_where_the_index_is_not_known_before() {
    let fixture = fixture();
    let begun = json!({"match_phrase_prefix": {"title": "quick bro"}});
    let body = json!({"size": 0, "aggs": {"begun": {"filter": begun}}});
    let request = SearchRequest::from_json(&body).unwrap();
    let found = fixture.shard.search(&request).unwrap().aggregations.unwrap();
    let printed = request
        .aggregations
        .as_ref()
        .unwrap()
        .finish(vec![found], false)
        .unwrap();
    assert_eq!(printed.unwrap().results["begun"]["doc_count"], 1);
    let score = |negative: &serde_json::Value| {
        let boosting = json!({"boosting": {"positive": {"match": {"title": "fox"}}, "negative": negative, "negative_boost": 0.5}});
        let hits = search(&fixture.shard, &json!({"query": boosting})).hits;
        hits.iter()
            .find(|hit| hit.seq_no == SeqNo::new(0))
            .unwrap()
            .score
            .unwrap()
    };
    assert_eq!(score(&begun), score(&json!({"match_none": {}})) * 0.5);
}

#[test]
fn what_a_query_comes_to_is_bounded() {
    let fixture = fixture();
    let refused = |query: serde_json::Value| {
        let request = SearchRequest::from_json(&json!({"query": query})).unwrap();
        fixture.shard.search(&request).unwrap_err()
    };
    let words = |count: usize, word: &str| vec![word; count].join(" ");
    for (query, part) in [
        (json!({"match": {"title": words(9_000, "a b")}}), "[8192] clauses"),
        (
            json!({"multi_match": {"query": words(5_000, "a b"), "fields": ["title", "title.raw"]}}),
            "[8192] clauses",
        ),
        (
            json!({"match": {"title": {"query": words(1_100, "fox"), "fuzziness": 1}}}),
            "[1024] patterns",
        ),
        // Also where problems of single fields are passed over.
        (
            json!({"query_string": {"query": words(700, "x*")}}),
            "[1024] patterns",
        ),
        (
            json!({"simple_query_string": {"query": words(700, "x*"), "fields": ["title", "tag"]}}),
            "[1024] patterns",
        ),
    ] {
        let error = refused(query);
        assert_eq!(error.kind(), ExceptionKind::IllegalArgument, "{error}");
        assert!(error.reason().contains(part), "{error}");
    }
}
