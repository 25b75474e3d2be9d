//! Orders, pages, totals, fetched documents.

use es_exception::ExceptionKind;
use serde_json::json;

use super::*;
use crate::{SortValue, TotalRelation, merge_top_hits};

fn fixture() -> Fixture {
    let fixture = Fixture::primary();
    let shard = &fixture.shard;
    // Two segments, so that ordinals differ.
    load(
        shard,
        &[
            json!({"n": 3, "tag": "c", "price": 0.5}),
            json!({"n": [1, 9], "tag": ["b", "z"], "ip": "10.0.0.9"}),
        ],
    );
    write(
        shard,
        vec![
            index("2", &json!({"n": 2, "tag": "a", "on": true})),
            index("3", &json!({"ip": "9.9.9.9"})),
            index("4", &json!({"n": 2, "tag": "b"})),
        ],
    );
    shard.refresh().wait().unwrap();
    fixture
}

fn check(fixture: &Fixture, sort: serde_json::Value, expected: &[&str]) {
    assert_eq!(
        ids(&fixture.shard, &json!({"sort": sort.clone()})),
        expected,
        "{sort}"
    );
    // The same page by page.
    let mut paged = Vec::new();
    let mut after = None;
    loop {
        let mut body = json!({"sort": sort.clone(), "size": 2});
        // A unique last criterion, as clients do it.
        let mut clauses = match sort.clone() {
            serde_json::Value::Array(clauses) => clauses,
            one => vec![one],
        };
        clauses.push(json!("_seq_no"));
        body["sort"] = clauses.into();
        if let Some(after) = after {
            body["search_after"] = after;
        }
        let hits = search(&fixture.shard, &body);
        let Some(last) = hits.hits.last() else { break };
        after = Some(
            last.sort
                .iter()
                .map(SortValue::to_json)
                .collect::<Vec<_>>()
                .into(),
        );
        paged.extend(ids(&fixture.shard, &body));
        assert!(paged.len() <= expected.len(), "{sort}: {paged:?} after {after:?}");
    }
    assert_eq!(paged, expected, "{sort} page by page");
}

#[test]
fn every_kind_of_sort() {
    let fixture = fixture();
    for (sort, expected) in [
        (json!("n"), ["1", "2", "4", "0", "3"]),
        (json!({"n": "desc"}), ["1", "0", "2", "4", "3"]),
        (
            json!({"n": {"order": "desc", "mode": "min"}}),
            ["0", "2", "4", "1", "3"],
        ),
        (
            json!({"n": {"order": "asc", "missing": "_first"}}),
            ["3", "1", "2", "4", "0"],
        ),
        (
            json!({"n": {"order": "asc", "missing": 2}}),
            ["1", "2", "3", "4", "0"],
        ),
        (json!("tag"), ["2", "1", "4", "0", "3"]),
        (json!({"tag": "desc"}), ["1", "0", "4", "2", "3"]),
        (
            json!([{"tag": {"order": "asc", "missing": "bb"}}]),
            ["2", "1", "4", "3", "0"],
        ),
        (json!(["n", {"tag": "desc"}]), ["1", "4", "2", "0", "3"]),
        (json!("price"), ["0", "1", "2", "3", "4"]),
        (json!("ip"), ["3", "1", "0", "2", "4"]),
        (json!({"on": "desc"}), ["2", "0", "1", "3", "4"]),
        (json!("_doc"), ["0", "1", "2", "3", "4"]),
        (json!({"_seq_no": "desc"}), ["4", "3", "2", "1", "0"]),
        (json!({"_id": "desc"}), ["4", "3", "2", "1", "0"]),
        (
            json!({"none": {"unmapped_type": "long"}}),
            ["0", "1", "2", "3", "4"],
        ),
    ] {
        check(&fixture, sort, &expected);
    }
}

#[test]
fn sort_values_are_those_of_elasticsearch() {
    let fixture = fixture();
    let body = json!({"sort": [{"on": "desc"}, "ip", "_score", "_id", "tag"], "size": 2});
    let hits = search(&fixture.shard, &body).hits;
    let values: Vec<_> = hits
        .iter()
        .map(|hit| hit.sort.iter().map(SortValue::to_json).collect::<Vec<_>>())
        .collect();
    assert_eq!(
        values[0],
        [json!(1), json!(null), json!(1.0), json!("2"), json!("a")]
    );
    assert_eq!(
        values[1],
        [json!(null), json!("9.9.9.9"), json!(1.0), json!("3"), json!(null)]
    );
}

#[test]
fn a_sort_that_cannot_be_is_refused() {
    let fixture = fixture();
    for (body, kind) in [
        (json!({"sort": "nowhere"}), ExceptionKind::QueryShard),
        (json!({"sort": "title"}), ExceptionKind::IllegalArgument),
        (
            json!({"sort": "_seq_no", "search_after": ["x"]}),
            ExceptionKind::IllegalArgument,
        ),
        (json!({"from": 9_999, "size": 2}), ExceptionKind::IllegalArgument),
    ] {
        let request = SearchRequest::from_json(&body).unwrap();
        assert_eq!(fixture.shard.search(&request).unwrap_err().kind(), kind, "{body}");
    }
}

#[test]
fn totals_and_pages() {
    let fixture = fixture();
    let hits = search(&fixture.shard, &json!({"track_total_hits": 3, "size": 0}));
    assert_eq!(
        (hits.total, hits.total_relation, hits.hits.len()),
        (Some(3), TotalRelation::GreaterOrEqual, 0)
    );
    let hits = search(&fixture.shard, &json!({"track_total_hits": 5}));
    assert_eq!((hits.total, hits.total_relation), (Some(5), TotalRelation::Equal));
    assert_eq!(
        search(&fixture.shard, &json!({"track_total_hits": false})).total,
        None
    );
    let request = SearchRequest::from_json(&json!({"sort": "_doc", "from": 3, "size": 10})).unwrap();
    let shard = fixture.shard.search(&request).unwrap();
    let merged = merge_top_hits(&request, vec![shard]);
    let page: Vec<u64> = merged.hits.iter().map(|hit| hit.hit.seq_no.get()).collect();
    assert_eq!(page, [3, 4]);
}

#[test]
fn fetched_hits_carry_the_operation() {
    let fixture = fixture();
    write_one(&fixture.shard, index("0", &json!({"n": 7, "tag": "x"})));
    fixture.shard.refresh().wait().unwrap();
    let request =
        SearchRequest::from_json(&json!({"query": {"ids": {"values": ["0"]}}, "_source": "n"})).unwrap();
    let hits = fixture.shard.search(&request).unwrap().hits;
    let fetched = fixture.shard.fetch(&hits, &request).unwrap();
    assert_eq!(
        (
            fetched[0].version.get(),
            fetched[0].seq_no.get(),
            fetched[0].source.as_deref()
        ),
        (2, 5, Some(&b"{\"n\":7}"[..]))
    );
}

/// A client that begins below the first document skips none.
#[test]
fn pages_after_a_negative_place_begin_with_the_first_document() {
    let fixture = fixture();
    for field in ["_seq_no", "_doc", "_shard_doc"] {
        let after = |order: &str| json!({"sort": [{field: order}], "search_after": [-1]});
        assert_eq!(
            ids(&fixture.shard, &after("asc")),
            ["0", "1", "2", "3", "4"],
            "{field}"
        );
        assert!(ids(&fixture.shard, &after("desc")).is_empty(), "{field}");
    }
}
