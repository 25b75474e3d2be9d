"""Searches over several requests, and auto-follow, on the official Python client: its own helpers, with compressed bodies.

Reads LEADER and FOLLOWER (URLs) and LEADER_TRANSPORT (host and port) from the environment; ends with a failure at the
first answer that is not as documented.
"""

import os

from checks import eventually, expect
from elasticsearch import Elasticsearch, NotFoundError, helpers

leader = Elasticsearch(os.environ["LEADER"], http_compress=True)
follower = Elasticsearch(os.environ["FOLLOWER"], http_compress=True)


def expect_missing(error_type, call):
    try:
        call()
    except NotFoundError as error:
        expect(error.error, error_type, "error type")
    else:
        raise SystemExit(f"{error_type} was expected")


# Documents of several shards, by each of the bulk helpers.
leader.indices.create(index="books", settings={"number_of_shards": 3, "number_of_replicas": 0})
actions = [{"_index": "books", "_id": str(n), "_source": {"n": n, "shelf": n % 7, "text": "word " * 20}} for n in range(1000)]
expect(helpers.bulk(leader, actions[:400], chunk_size=150), (400, []), "helpers.bulk")
expect(sum(ok for ok, _ in helpers.streaming_bulk(leader, actions[400:700])), 300, "helpers.streaming_bulk")
expect(sum(ok for ok, _ in helpers.parallel_bulk(leader, actions[700:], thread_count=2)), 300, "helpers.parallel_bulk")
leader.indices.refresh(index="books")

# The scan helper, and the scroll under it.
everything = {str(n) for n in range(1000)}
expect({hit["_id"] for hit in helpers.scan(leader, index="books", size=90)}, everything, "helpers.scan")
query = {"query": {"range": {"n": {"gte": 500}}}, "sort": [{"n": "desc"}]}
ordered = [hit["_source"]["n"] for hit in helpers.scan(leader, index="books", query=query, preserve_order=True, size=100)]
expect(ordered, list(range(999, 499, -1)), "helpers.scan in order")
page = leader.search(index="books", scroll="1m", size=600)
page = leader.scroll(scroll_id=page["_scroll_id"], scroll="1m")
expect(len(page["hits"]["hits"]), 400, "the second page of a scroll")
expect(leader.clear_scroll(scroll_id=page["_scroll_id"])["num_freed"], 1, "clear_scroll")
expect_missing("search_phase_execution_exception", lambda: leader.scroll(scroll_id=page["_scroll_id"]))

# A point in time does not move.
pit = leader.open_point_in_time(index="books", keep_alive="1m")["id"]
leader.index(index="books", id="late", document={"n": -1, "shelf": 0}, refresh=True)
seen, after = [], None
while True:
    page = leader.search(pit={"id": pit, "keep_alive": "1m"}, size=300, sort=[{"shelf": "asc"}], search_after=after)
    if not page["hits"]["hits"]:
        break
    seen += [hit["_id"] for hit in page["hits"]["hits"]]
    after = page["hits"]["hits"][-1]["sort"]
expect((len(seen), set(seen)), (1000, everything), "the pages of a point in time")
expect(leader.close_point_in_time(id=pit)["succeeded"], True, "close_point_in_time")

# Several searches in one request.
answers = leader.msearch(searches=[{"index": "books"}, {"size": 0, "track_total_hits": True}, {"index": "none"}, {}])["responses"]
expect((answers[0]["hits"]["total"]["value"], answers[0]["status"]), (1001, 200), "msearch")
expect(answers[1]["error"]["type"], "index_not_found_exception", "a failure within msearch")

# The reindex helper reads by scan and writes by bulk.
expect(helpers.reindex(leader, source_index="books", target_index="books-again"), (1001, 0), "helpers.reindex")
leader.indices.refresh(index="books-again")
expect(leader.count(index="books-again")["count"], 1001, "count")

# Indices that match a pattern are followed as they appear.
follower.cluster.put_settings(persistent={"cluster.remote.lisbon.seeds": [os.environ["LEADER_TRANSPORT"]]})
eventually(lambda: follower.cluster.remote_info()["lisbon"]["connected"], "connection to the remote cluster")
resolved = follower.indices.resolve_cluster(name="lisbon:books*")
expect(resolved["lisbon"]["matching_indices"], True, "resolve_cluster")
answer = follower.ccr.put_auto_follow_pattern(
    name="daily",
    remote_cluster="lisbon",
    leader_index_patterns=["logs-*"],
    leader_index_exclusion_patterns=["logs-debug-*"],
    follow_index_pattern="{{leader_index}}-copy",
    settings={"index.number_of_replicas": 0},
    max_outstanding_read_requests=4,
)
expect(answer["acknowledged"], True, "put_auto_follow_pattern")
leader.indices.create(index="logs-1", settings={"number_of_replicas": 0})
leader.index(index="logs-1", id="1", document={"line": "first"})
leader.indices.create(index="logs-debug-1")
eventually(lambda: follower.ccr.stats()["auto_follow_stats"]["number_of_successful_follow_indices"] == 1, "auto-follow")
eventually(lambda: follower.options(ignore_status=[404, 503]).exists(index="logs-1-copy", id="1").body, "the document")
expect(follower.indices.exists(index="logs-debug-1-copy").body, False, "the excluded index")
for pause_or_resume, active in ((follower.ccr.pause_auto_follow_pattern, False), (follower.ccr.resume_auto_follow_pattern, True)):
    expect(pause_or_resume(name="daily")["acknowledged"], True, "pause or resume")
    (pattern,) = follower.ccr.get_auto_follow_pattern(name="daily")["patterns"]
    expect((pattern["name"], pattern["pattern"]["active"]), ("daily", active), "get_auto_follow_pattern")
expect(follower.xpack.usage()["ccr"]["auto_follow_patterns_count"], 1, "usage")
expect(follower.ccr.delete_auto_follow_pattern(name="daily")["acknowledged"], True, "delete_auto_follow_pattern")
expect_missing("resource_not_found_exception", lambda: follower.ccr.get_auto_follow_pattern(name="daily"))
follower.ccr.pause_follow(index="logs-1-copy")
follower.indices.delete(index="logs-1-copy")
leader.indices.delete(index="books,books-again,logs-1,logs-debug-1")
follower.cluster.put_settings(persistent={"cluster.remote.lisbon.seeds": None})
print("all samples passed")
