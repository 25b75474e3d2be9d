//! Searching over several shards and indices.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use cluster::change::AliasChange;
use es_exception::ExceptionKind;
use index_meta::AliasMetadata;
use indices::{Origin, RefreshPolicy, ResolveOptions, SearchOptions};
use oplog::{Clock, FsStorage, LogOptions, SystemClock, UnixMillis};
use serde_json::{Value, json};
use shard::{Counting, Query, SearchRequest};

use crate::node::{Node, create, index, on_unlimited_disk, three_shards};

async fn node_with_documents(directory: &std::path::Path) -> Node {
    let node = Node::start(directory).await;
    node.create(
        "orders",
        three_shards(),
        json!({"properties": {"kind": {"type": "keyword"}}}),
    )
    .await;
    let items = (0..50)
        .map(|number| {
            let kind = if number % 2 == 0 { "even" } else { "odd" };
            index("orders", &number.to_string(), &json!({"n": number, "kind": kind}))
        })
        .collect();
    assert!(
        !node
            .indices
            .bulk(items, RefreshPolicy::Immediate)
            .await
            .unwrap()
            .errors()
    );
    node
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_is_merged_over_shards_and_indices() {
    let directory = tempfile::tempdir().unwrap();
    let node = node_with_documents(directory.path()).await;
    let (total, page) = node
        .search(
            "orders",
            json!({"sort": [{"n": "desc"}], "from": 5, "size": 3, "_source": ["n"]}),
        )
        .await;
    assert_eq!(
        (total, page),
        (50, vec![json!({"n": 44}), json!({"n": 43}), json!({"n": 42})])
    );
    let (total, _) = node
        .search("orders", json!({"query": {"term": {"kind": "odd"}}}))
        .await;
    assert_eq!(total, 25);
    node.indices
        .write(
            create("more", None, &json!({"n": 1000})),
            RefreshPolicy::Immediate,
        )
        .await
        .unwrap();
    let (total, page) = node
        .search("*", json!({"sort": [{"n": "desc"}], "size": 2, "_source": ["n"]}))
        .await;
    assert_eq!((total, page), (51, vec![json!({"n": 1000}), json!({"n": 49})]));
    let query = Query::from_json(&json!({"range": {"n": {"gte": 10}}})).unwrap();
    let counted = node
        .indices
        .count("*", Counting::of(query), &SearchOptions::default())
        .await
        .unwrap();
    assert_eq!(
        (counted.count, counted.shards.total, counted.shards.successful),
        (41, 4, 4)
    );
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn aliases_narrow_what_is_searched() {
    let directory = tempfile::tempdir().unwrap();
    let node = node_with_documents(directory.path()).await;
    let add = |alias: &str, filter, search_routing: Option<&str>| AliasChange::Add {
        index: "orders".into(),
        alias: alias.into(),
        metadata: AliasMetadata {
            filter,
            search_routing: search_routing.map(str::to_owned),
            ..AliasMetadata::default()
        },
    };
    let even = Some(json!({"term": {"kind": "even"}}));
    let changes = vec![
        add("even", even, None),
        add("all", None, None),
        add("some", None, Some("7")),
    ];
    node.indices.update_aliases(changes, Origin::User).await.unwrap();
    for (expression, total) in [
        ("even", 25),
        ("all", 50),
        ("even,all", 50),
        ("even,orders", 50),
        ("eve*", 25),
    ] {
        assert_eq!(
            node.search(expression, json!({"size": 0})).await.0,
            total,
            "{expression}"
        );
    }
    let routed = node
        .search(
            "some",
            json!({"size": 0, "query": {"ids": {"values": ["7", "8", "9"]}}}),
        )
        .await
        .0;
    assert!((1..=3).contains(&routed));
    let answer = node
        .indices
        .search("some", SearchRequest::default(), &SearchOptions::default())
        .await
        .unwrap();
    assert_eq!(answer.shards.total, 1);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_too_deep_and_missing_indices_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let node = node_with_documents(directory.path()).await;
    let search = |expression: &'static str, body: serde_json::Value| {
        let node = &node;
        async move {
            let request = SearchRequest::from_json(&body).unwrap();
            node.indices
                .search(expression, request, &SearchOptions::default())
                .await
                .unwrap_err()
        }
    };
    let deep = search("orders", json!({"from": 9_990, "size": 11})).await;
    assert_eq!(
        (deep.kind(), deep.status()),
        (ExceptionKind::IllegalArgument, 400)
    );
    assert_eq!(
        search("missing", json!({})).await.kind(),
        ExceptionKind::IndexNotFound
    );
    node.indices.close_index("orders").await.unwrap();
    assert_eq!(
        search("orders", json!({})).await.kind(),
        ExceptionKind::IndexClosed
    );
    node.stop().await;
}

/// One shard is asked for hits and documents at once, several are not; what is found is the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_search_of_one_shard_is_one_piece_of_work_and_finds_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let node = node_with_documents(directory.path()).await;
    let one_shard = json!({"number_of_shards": 1, "number_of_replicas": 0});
    let mapping = json!({"properties": {"kind": {"type": "keyword"}}});
    node.create("one", one_shard, mapping).await;
    let kind = |number: u32| if number.is_multiple_of(2) { "even" } else { "odd" };
    let items = (0..50).map(|number| {
        let source = json!({"n": number, "kind": kind(number)});
        index("one", &number.to_string(), &source)
    });
    let written = node.indices.bulk(items.collect(), RefreshPolicy::Immediate).await;
    assert!(!written.unwrap().errors());
    let even = Some(json!({"term": {"kind": "even"}}));
    let metadata = AliasMetadata {
        filter: even,
        ..AliasMetadata::default()
    };
    let alias = |index: &str, alias: &str| AliasChange::Add {
        index: index.into(),
        alias: alias.into(),
        metadata: metadata.clone(),
    };
    let aliases = vec![alias("one", "one-even"), alias("orders", "orders-even")];
    node.indices.update_aliases(aliases, Origin::User).await.unwrap();

    let search = async |expression: &str, body: &Value| {
        let request = SearchRequest::from_json(body).unwrap();
        let pieces = || node.indices.work_pools()[1].completed;
        let before = pieces();
        let answer = node
            .indices
            .search(expression, request, &SearchOptions::default())
            .await;
        let found = answer.map(|answer| {
            let hits = answer.hits.into_iter().map(|found| {
                let highlight = found.document.highlight;
                (found.document.id, found.hit.score, found.hit.sort, highlight)
            });
            (
                answer.total,
                answer.max_score,
                hits.collect::<Vec<_>>(),
                answer.aggregations,
                answer.shards.failures,
            )
        });
        let told = |error: es_exception::Exception| (error.status(), error.reason().to_owned());
        (found.map_err(told), pieces() - before)
    };
    for body in [
        json!({"sort": {"n": "desc"}, "from": 2, "size": 5}),
        json!({"query": {"range": {"n": {"gte": 45}}}, "sort": ["_score", "n"]}),
        json!({"sort": "n", "query": {"term": {"kind": "even"}}, "highlight": {"fields": {"kind": {}}}}),
        json!({"size": 0, "aggs": {"by": {"terms": {"field": "kind"}}}}),
        json!({"sort": "n", "size": 1, "aggs": {"by": {"histogram": {"field": "n", "interval": 7}}}}),
        // More buckets than there may be, which shows when all shards have answered; what cannot be fetched then does not matter.
        json!({
            "sort": "n", "size": 9, "aggs": {"by": {"histogram": {"field": "n", "interval": 0.0001}}}
        }),
        json!({"size": 0, "aggs": {"by": {"histogram": {"field": "n", "interval": 0.0001}}}}),
        json!({"query": {"match_none": {}}}),
        json!({"sort": "nope"}),
    ] {
        for (one, several) in [("one", "orders"), ("one-even", "orders-even")] {
            let (found, asked) = search(one, &body).await;
            assert_eq!(asked, 1, "{body}");
            let (expected, asked) = search(several, &body).await;
            assert!(asked >= 3, "{body}");
            assert_eq!(found, expected, "{body}");
        }
    }
}

/// With one thread for all that blocks, and that one held, a search waits behind it.
#[test]
fn a_search_that_nobody_waits_for_is_not_made() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(1)
        .build()
        .unwrap();
    let directory = tempfile::tempdir().unwrap();
    runtime.block_on(async {
        let node = node_with_documents(directory.path()).await;
        let queries = async || {
            let stats = node.indices.stats("orders", &ResolveOptions::OPEN).await.unwrap();
            let shards = stats.iter().flat_map(|index| &index.shards);
            shards
                .filter_map(|shard| shard.stats.as_ref())
                .map(|stats| stats.query_total)
                .sum::<u64>()
        };
        let options = SearchOptions::default();
        let one_shard = SearchOptions {
            routing: Some("a".into()),
            ..SearchOptions::default()
        };
        for options in [&options, &one_shard] {
            let before = queries().await;
            let (release, held) = std::sync::mpsc::channel::<()>();
            let holds = tokio::task::spawn_blocking(move || held.recv().is_ok());
            let mut search = Box::pin(node.indices.search("orders", SearchRequest::default(), options));
            let counting = Counting::of(Query::match_all());
            let mut count = Box::pin(node.indices.count("orders", counting, options));
            assert!(futures::poll!(&mut search).is_pending() && futures::poll!(&mut count).is_pending());
            drop((search, count));
            release.send(()).unwrap();
            assert!(holds.await.unwrap());
            // Whatever was left of them had its turn before this.
            assert_eq!(queries().await, before);
        }
        let whole = node.search("orders", json!({})).await;
        assert_eq!(whole.0, 50);
        node.stop().await;
    });
}

/// An hour passes between any two looks at the clock of the node; that of its shards goes on as it does.
#[derive(Debug, Default)]
struct Hours(AtomicU32);

impl Clock for Hours {
    fn now(&self) -> UnixMillis {
        SystemClock.now()
    }

    fn monotonic(&self) -> Duration {
        Duration::from_secs(3_600) * self.0.fetch_add(1, Ordering::Relaxed)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn searches_within_a_search_have_what_is_left_of_its_time() {
    let directory = tempfile::tempdir().unwrap();
    let node = Node::start_at(
        Arc::new(Hours::default()),
        Arc::new(FsStorage),
        LogOptions::default(),
        directory.path(),
        on_unlimited_disk(directory.path()),
    )
    .await;
    node.create(
        "orders",
        three_shards(),
        json!({"properties": {"kind": {"type": "keyword"}}}),
    )
    .await;
    let items = (0..9).map(|n| index("orders", &n.to_string(), &json!({"kind": "even"})));
    let written = node.indices.bulk(items.collect(), RefreshPolicy::Immediate).await;
    assert!(!written.unwrap().errors());
    let bodies = [
        json!({"size": 0, "aggs": {"best": {"top_hits": {}}}}),
        json!({"collapse": {"field": "kind", "inner_hits": {"name": "more"}}}),
    ];
    for mut body in bodies {
        let all = SearchRequest::from_json(&body).unwrap();
        let options = |allow_partial_search_results| SearchOptions {
            allow_partial_search_results,
            ..SearchOptions::default()
        };
        let answer = node.indices.search("orders", all, &options(false)).await.unwrap();
        assert!(!answer.timed_out, "{body}");
        body["timeout"] = json!("30m");
        let limited = SearchRequest::from_json(&body).unwrap();
        let answer = node
            .indices
            .search("orders", limited.clone(), &options(true))
            .await
            .unwrap();
        assert_eq!((answer.total, answer.timed_out), (Some(9), true), "{body}");
        let inner = answer.hits.iter().flat_map(|hit| &hit.inner_hits);
        let best = answer.aggregations.iter().flat_map(|found| &found.top_hits);
        let within: Vec<_> = inner
            .map(|inner| inner.response.total)
            .chain(best.map(|bucket| bucket.response.total))
            .collect();
        assert_eq!(within, [Some(0)], "{body}");
        let refused = node.indices.search("orders", limited, &options(false)).await;
        let refused = refused.unwrap_err();
        assert_eq!(refused.status(), 429, "{refused}");
        assert_eq!(
            refused.caused_by().map(es_exception::Exception::kind),
            Some(ExceptionKind::SearchTimeout)
        );
    }
    node.stop().await;
}
