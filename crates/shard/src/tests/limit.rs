//! Searches that end before they have seen all: their time is over, or nobody waits for them any more.

use std::sync::Mutex;
use std::time::Duration;

use es_exception::ExceptionKind;
use oplog::{Clock, UnixMillis};

use super::*;
use crate::{Counting, ForceMergeRequest, Query, SearchCancellation, TotalRelation, Unthrottled};

/// Documents of the one segment, each with a term of its own.
const DOCUMENTS: u64 = 3_000;

/// For the thread that armed it, a millisecond passes with each look at the clock; and a search may be cancelled at one of them.
#[derive(Debug, Default)]
struct Stepping(Mutex<Option<Armed>>);

#[derive(Debug)]
struct Armed {
    thread: std::thread::ThreadId,
    now: Duration,
    cancels: Option<(Duration, SearchCancellation)>,
}

impl Stepping {
    fn arm(&self, cancels: Option<(Duration, SearchCancellation)>) {
        let thread = std::thread::current().id();
        *self.0.lock().unwrap() = Some(Armed {
            thread,
            now: Duration::ZERO,
            cancels,
        });
    }

    /// How far it came.
    fn disarm(&self) -> Duration {
        self.0.lock().unwrap().take().unwrap().now
    }
}

impl Clock for Stepping {
    fn now(&self) -> UnixMillis {
        SystemClock.now()
    }

    fn monotonic(&self) -> Duration {
        match &mut *self.0.lock().unwrap() {
            Some(armed) if armed.thread == std::thread::current().id() => {
                armed.now += Duration::from_millis(1);
                match &armed.cancels {
                    Some((at, search)) if armed.now >= *at => search.cancel(),
                    Some(_) | None => {}
                }
                armed.now
            }
            Some(_) | None => SystemClock.monotonic(),
        }
    }
}

struct Loaded {
    clock: Arc<Stepping>,
    shard: Arc<Shard>,
    _dir: tempfile::TempDir,
}

/// One segment, some of whose documents are gone if that is wanted.
fn loaded(with_deleted: bool) -> Loaded {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(Stepping::default());
    let services = ShardServices {
        clock: Arc::clone(&clock) as Arc<dyn Clock>,
        ..services(small_pool())
    };
    let role = config(dir.path(), ShardRole::Primary);
    let shard = Shard::create(role, HistoryUuid::generate(), services).unwrap();
    let source = |n: u64| json!({"n": n, "tag": format!("t{n:04}"), "title": "fox"});
    load(&shard, &(0..DOCUMENTS).map(source).collect::<Vec<_>>());
    let one = ForceMergeRequest {
        max_num_segments: Some(1),
        ..ForceMergeRequest::default()
    };
    shard.force_merge(one, &Unthrottled).unwrap();
    if with_deleted {
        let again = (0..DOCUMENTS)
            .step_by(10)
            .map(|id| index(&id.to_string(), &source(id)));
        write(&shard, again.collect());
        shard.refresh().wait().unwrap();
    }
    Loaded {
        clock,
        shard,
        _dir: dir,
    }
}

/// Every way in which documents or terms are walked.
fn walks() -> Vec<Value> {
    vec![
        json!({"query": {"match_all": {}}}),
        json!({"query": {"match": {"title": "fox"}}}),
        json!({"query": {"match_all": {}}, "sort": "n"}),
        json!({"query": {"match": {"title": "fox"}}, "terminate_after": 2_900}),
        json!({"query": {"wildcard": {"tag": "*99"}}}),
        json!({"query": {"prefix": {"tag": "t"}}}),
        json!({"query": {"bool": {"must_not": {"wildcard": {"tag": "t*0"}}}}}),
        json!({"query": {"terms_set": {"title": {"terms": ["fox", "fox", "fox"], "minimum_should_match_field": "n"}}}}),
        json!({"query": {"bool": {"filter": {"range": {"n": {"gte": 0}}}}}, "size": 0}),
        json!({"query": {"match_all": {}}, "aggs": {"sum": {"sum": {"field": "n"}}}}),
        json!({"query": {"match_all": {}}, "aggs": {"f": {"filter": {"prefix": {"tag": "t"}}}}}),
        json!({"query": {"match_all": {}}, "post_filter": {"exists": {"field": "n"}}, "aggs": {"sum": {"sum": {"field": "n"}}}}),
    ]
}

fn with_timeout(body: &Value, timeout: &str) -> SearchRequest {
    let mut body = body.clone();
    body["timeout"] = timeout.into();
    body["track_total_hits"] = true.into();
    SearchRequest::from_json(&body).unwrap()
}

#[test]
fn a_search_whose_time_is_over_answers_what_it_found_by_then() {
    for with_deleted in [false, true] {
        let Loaded { clock, shard, _dir } = loaded(with_deleted);
        for body in walks() {
            clock.arm(None);
            let whole = shard.search(&with_timeout(&body, "1h")).unwrap();
            let needed = clock.disarm();
            assert!(!whole.timed_out, "{body}");
            assert_eq!(whole.total_relation, TotalRelation::Equal, "{body}");

            clock.arm(None);
            let cut = shard.search(&with_timeout(&body, "4ms")).unwrap();
            let taken = clock.disarm();
            assert!(cut.timed_out, "{body}");
            assert!(taken < needed, "{body}: {taken:?} of {needed:?}");
            // The look at which the time was over, and one each of those that go on from there.
            assert!(taken <= Duration::from_millis(9), "{body}: {taken:?}");
            assert!(cut.total.unwrap() < whole.total.unwrap(), "{body}");
            assert_eq!(cut.total_relation, TotalRelation::GreaterOrEqual, "{body}");
        }
        // What leaves documents out was not done when its time was over: nothing is known of the others either.
        let all_but = json!({"query": {"bool": {"must_not": {"prefix": {"tag": "t"}}}}});
        clock.arm(None);
        let cut = shard.search(&with_timeout(&all_but, "4ms")).unwrap();
        clock.disarm();
        assert_eq!((cut.total, cut.timed_out, cut.hits.len()), (Some(0), true, 0));
        // So it is with the documents that an aggregation is to leave out.
        let filtered =
            json!({"size": 0, "aggs": {"f": {"filter": {"bool": {"must_not": {"prefix": {"tag": "t"}}}}}}});
        clock.arm(None);
        let cut = shard.search(&with_timeout(&filtered, "6ms")).unwrap();
        clock.disarm();
        assert_eq!((cut.total, cut.timed_out), (Some(0), true));
        let none = shard.search(&with_timeout(&json!({}), "0")).unwrap();
        assert_eq!((none.total, none.timed_out, none.hits.len()), (Some(0), true, 0));
        let without_limit = shard.search(&with_timeout(&json!({}), "-1")).unwrap();
        assert_eq!(
            (without_limit.total, without_limit.timed_out),
            (Some(DOCUMENTS), false)
        );
    }
}

#[test]
fn a_search_that_nobody_waits_for_ends_where_it_is() {
    let Loaded { clock, shard, _dir } = loaded(false);
    for body in walks() {
        let cancelled = SearchCancellation::default();
        let at = Duration::from_millis(4);
        clock.arm(Some((at, cancelled.clone())));
        let ended = shard.search_unless(&cancelled, None, &with_timeout(&body, "1h"));
        assert_eq!(ended.unwrap_err().kind(), ExceptionKind::TaskCancelled, "{body}");
        assert_eq!(clock.disarm(), at, "{body}: it went on");
        let queries = shard.stats().query_total;
        let late = shard.search_unless(&cancelled, None, &with_timeout(&body, "1h"));
        assert_eq!(late.unwrap_err().kind(), ExceptionKind::TaskCancelled, "{body}");
        assert_eq!(shard.stats().query_total, queries, "{body}: it began");
    }
    let cancelled = SearchCancellation::default();
    cancelled.cancel();
    let counted = shard.count(&cancelled, &Counting::of(Query::match_all()));
    assert_eq!(counted.unwrap_err().kind(), ExceptionKind::TaskCancelled);
}

#[test]
fn a_limit_is_a_time() {
    let hour = SearchRequest::from_json(&json!({"timeout": "1H"})).unwrap();
    assert_eq!(hour.timeout, Some(Duration::from_secs(3_600)));
    for timeout in [json!("soon"), json!(10), json!("10"), json!("1M"), json!(null)] {
        let refused = SearchRequest::from_json(&json!({"timeout": timeout})).unwrap_err();
        assert_eq!(refused.kind(), ExceptionKind::IllegalArgument, "{timeout}");
        assert!(refused.reason().contains("[timeout]"), "{refused}");
    }
}
