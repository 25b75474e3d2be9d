//! Searches that see documents a block at a time, beside those that see them one by one.

use super::*;
use crate::{ForceMergeRequest, SortValue, Unthrottled};

/// Several segments of several blocks each, one of them merged, with documents that are gone from them.
fn fixture() -> Fixture {
    let fixture = Fixture::primary();
    let shard = &fixture.shard;
    for round in 0..6_u64 {
        // Every third document of the last round is written again.
        let ids = round * 150..(round + 1) * 150;
        let again = ids.clone().step_by(3).filter_map(|id| id.checked_sub(150));
        let writes = ids.clone().chain(again).map(|id| {
            let tags = ["red", "green", "blue"];
            let source = json!({"n": id % 7, "tag": tags[id as usize % 3], "title": format!("fox {}", id % 5), "price": id as f64 / 4.0});
            index(&id.to_string(), &source)
        });
        write(shard, writes.collect());
        shard.refresh().wait().unwrap();
        if round == 3 {
            let one = ForceMergeRequest {
                max_num_segments: Some(1),
                ..ForceMergeRequest::default()
            };
            shard.force_merge(one, &Unthrottled).unwrap();
        }
    }
    assert!(shard.stats().segments > 1);
    fixture
}

fn queries() -> Vec<Value> {
    vec![
        json!({"match_all": {}}),
        json!({"match_all": {"boost": 2.5}}),
        json!({"range": {"n": {"gte": 2, "lt": 6}}}),
        json!({"range": {"price": {"gt": 10.5, "boost": 0.3}}}),
        json!({"range": {"_seq_no": {"gte": 200}}}),
        json!({"exists": {"field": "tag"}}),
        json!({"exists": {"field": "n", "boost": 3}}),
        json!({"prefix": {"tag": "r"}}),
        json!({"wildcard": {"title": {"value": "f*x", "boost": 2}}}),
        json!({"regexp": {"tag": "re.|blue"}}),
        json!({"fuzzy": {"tag": "gren"}}),
        json!({"ids": {"values": ["3", "400", "899", "none"]}}),
        json!({"constant_score": {"filter": {"match": {"title": "fox 3"}}, "boost": 1.2}}),
        json!({"bool": {}}),
        json!({"bool": {"boost": 4}}),
        json!({"bool": {"filter": {"term": {"tag": "red"}}}}),
        json!({"bool": {"must_not": {"term": {"tag": "red"}}}}),
        json!({"bool": {"must": {"range": {"n": {"gte": 3, "boost": 0.7}}}, "filter": {"match": {"title": "fox"}}, "boost": 1.1}}),
        json!({"bool": {"must": [{"match_all": {}}, {"match_all": {}}]}}),
        json!({"bool": {"must": {"match_all": {}}, "should": {"term": {"tag": "red"}}}}),
        json!({"bool": {"should": {"range": {"n": {"gte": 3}}}}}),
        json!({"match": {"title": "fox 2"}}),
        json!({"term": {"tag": "blue"}}),
        json!({"terms": {"tag": ["blue", "red"]}}),
        json!({"match_none": {}}),
        json!({"ids": {"values": ["none"]}}),
        json!({"exists": {"field": "nope"}}),
        json!({"range": {"n": {"gte": 100}}}),
        json!({"bool": {"filter": {"term": {"tag": "nope"}}}}),
        json!({"match_all": {"boost": 0.99999994}}),
        json!({"bool": {"boost": 1e-30, "must": {"bool": {"boost": 1e30, "must": {"match_all": {"boost": 1e30}}}}}}),
    ]
}

/// A search with a bound of relevance computes it for every document.
#[test]
fn what_all_matches_score_is_what_each_of_them_would() {
    let fixture = fixture();
    for query in queries() {
        for size in [10, 100, 1_000] {
            let body = json!({"query": query, "size": size, "track_total_hits": true});
            let found = search(&fixture.shard, &body);
            let mut one_by_one = body.clone();
            one_by_one["min_score"] = json!(0);
            let expected = search(&fixture.shard, &one_by_one);
            assert_eq!(found.hits, expected.hits, "{query}");
            assert_eq!(
                (found.total, found.max_score),
                (expected.total, expected.max_score),
                "{query}"
            );
        }
    }
}

#[test]
fn pages_by_sequence_number_are_parts_of_the_whole() {
    let fixture = fixture();
    let sorts = [
        json!("_doc"),
        json!("_seq_no"),
        json!({"_seq_no": "desc"}),
        json!("_shard_doc"),
    ];
    for sort in sorts {
        let query = json!({"bool": {"filter": {"range": {"n": {"gte": 1}}}}});
        let body = json!({"query": query, "sort": [sort], "size": 1_000});
        let whole = search(&fixture.shard, &body).hits;
        assert!(whole.len() > 700, "{}", whole.len());
        let mut paged = Vec::new();
        let mut page = body.clone();
        page["size"] = json!(70);
        loop {
            let found = search(&fixture.shard, &page);
            assert_eq!(found.total, Some(whole.len() as u64), "{sort}");
            let Some(last) = found.hits.last() else { break };
            page["search_after"] = last.sort.iter().map(SortValue::to_json).collect();
            paged.extend(found.hits);
        }
        assert_eq!(paged, whole, "{sort}");
    }
}

/// Source: nothing is shown that relevance would be of.
#[test]
fn a_search_for_no_hits_counts_them_and_needs_no_relevance() {
    let fixture = fixture();
    for query in queries() {
        let body = json!({"query": query, "size": 0, "track_total_hits": true});
        let request = SearchRequest::from_json(&body).unwrap();
        assert!(!request.needs_scores());
        let found = search(&fixture.shard, &body);
        let mut with_hits = body.clone();
        with_hits["size"] = json!(1_000);
        assert_eq!(
            found.total,
            Some(search(&fixture.shard, &with_hits).hits.len() as u64),
            "{query}"
        );
    }
}
