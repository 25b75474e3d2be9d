"""Searches of every kind, with an index and without."""

from apis.suite import ACKNOWLEDGED, client, expect_error, ids, raw
from checks import expect

INDEX = "every-search"
LINES = ["a quick fox", "a lazy dog", "a quick dog"]
QUICK = {"match": {"title": "quick"}}
EXPECTED = ["0", "2"]


def run():
    client.indices.create(
        index=INDEX,
        settings={"number_of_shards": 2, "number_of_replicas": 0},
        mappings={"properties": {"title": {"type": "text"}, "n": {"type": "integer"}, "kind": {"type": "keyword"}}},
    )
    for number, title in enumerate(LINES):
        client.index(index=INDEX, id=str(number), document={"title": title, "n": number, "kind": title.split()[-1]})
    client.indices.refresh(index=INDEX)
    searches()
    several_searches()
    over_several_requests()
    counts_and_checks()
    fields()
    expect(client.indices.delete(index=INDEX).body, ACKNOWLEDGED, "delete of the index")


def searches():
    expect(ids(client.search(query=QUICK, sort=["n"], size=10)), EXPECTED, "search")
    expect(ids(raw("GET", "/_search", {"query": QUICK})), EXPECTED, "search with GET")
    expect(ids(raw("GET", f"/{INDEX}/_search", {"query": QUICK})), EXPECTED, "search of an index with GET")
    answer = client.search(
        index=INDEX,
        query=QUICK,
        aggregations={"kinds": {"terms": {"field": "kind"}}},
        sort=[{"n": "desc"}],
        from_=1,
        size=1,
        source_includes=["title"],
        track_total_hits=True,
        seq_no_primary_term=True,
        version=True,
        timeout="10s",
        typed_keys=True,
        rest_total_hits_as_int=True,
        allow_partial_search_results=False,
        human=True,
        error_trace=True,
    )
    (hit,) = answer["hits"]["hits"]
    kinds = {bucket["key"]: bucket["doc_count"] for bucket in answer["aggregations"]["sterms#kinds"]["buckets"]}
    expect((answer["hits"]["total"], kinds), (2, {"fox": 1, "dog": 1}), "total and aggregation")
    expect((hit["_id"], hit["_source"], hit["_version"], hit["sort"]), ("0", {"title": LINES[0]}, 1, [0]), "hit")
    expect(ids(client.search(index=INDEX, q="title:dog AND n:2", default_operator="AND")), ["2"], "search by a line")
    filtered = client.search(index=INDEX, query={"match_all": {}}, filter_path="hits.total.value,-hits.hits", routing=None)
    expect(filtered.body, {"hits": {"total": {"value": 3}}}, "filter_path")
    expect_error(404, "index_not_found_exception", lambda: client.search(index="every-missing"))
    expect(ids(client.search(index=["every-missing", INDEX], ignore_unavailable=True)), ["0", "1", "2"], "ignore_unavailable")


def several_searches():
    lines = [{"index": INDEX}, {"query": QUICK}, {"index": INDEX}, {"size": 0}]
    sends = (
        lambda: client.msearch(searches=lines, max_concurrent_searches=1),
        lambda: client.msearch(index=INDEX, searches=lines, rest_total_hits_as_int=False),
        lambda: raw("GET", "/_msearch", lines),
        lambda: raw("GET", f"/{INDEX}/_msearch", lines),
    )
    for send in sends:
        first, second = send()["responses"]
        expect((ids(first), second["hits"]["total"]["value"]), (EXPECTED, 3), "msearch")


def over_several_requests():
    def page(answer):
        return (len(answer["hits"]["hits"]), answer["_scroll_id"])

    first = client.search(index=INDEX, scroll="1m", size=1, sort="_doc")
    scroll_id = first["_scroll_id"]
    seen = ids(first)
    answer = client.scroll(scroll_id=scroll_id, scroll="1m")
    seen += ids(answer)
    answer = raw("GET", "/_search/scroll", {"scroll_id": page(answer)[1], "scroll": "1m"})
    seen += ids(answer)
    expect(sorted(seen), ["0", "1", "2"], "pages of a scroll")
    for method in ("GET", "POST"):
        expect(page(raw(method, f"/_search/scroll/{scroll_id}", scroll="1m"))[0], 0, "a page after the last")
    expect(client.clear_scroll(scroll_id=scroll_id).body, {"succeeded": True, "num_freed": 1}, "clear_scroll")
    scroll_id = client.search(index=INDEX, scroll="1m")["_scroll_id"]
    expect(raw("DELETE", f"/_search/scroll/{scroll_id}")["num_freed"], 1, "clear_scroll by path")

    pit = client.open_point_in_time(index=INDEX, keep_alive="1m", ignore_unavailable=True)["id"]
    client.index(index=INDEX, id="late", document={"title": "a quick one"}, refresh=True)
    expect(ids(client.search(pit={"id": pit, "keep_alive": "1m"}, query=QUICK)), EXPECTED, "search of a point in time")
    client.delete(index=INDEX, id="late", refresh=True)
    expect(client.close_point_in_time(id=pit).body, {"succeeded": True, "num_freed": 1}, "close_point_in_time")


def counts_and_checks():
    body = {"query": QUICK}
    for where, named in (("", client.count), (f"/{INDEX}", lambda **given: client.count(index=INDEX, **given))):
        expect(named(query=QUICK)["count"], 2, "count")
        expect(named(q="title:quick", default_operator="OR", ignore_unavailable=True)["count"], 2, "count by a line")
        expect(named(query=QUICK, min_score=1000)["count"], 0, "count of what is very relevant")
        expect(raw("GET", f"{where}/_count", body)["count"], 2, "count with GET")
    for where, index in (("", None), (f"/{INDEX}", INDEX)):
        answer = client.indices.validate_query(index=index, query=QUICK, explain=True)
        expect((answer["valid"], answer["explanations"][0]["valid"]), (True, True), "validate_query")
        expect(raw("GET", f"{where}/_validate/query", body)["valid"], True, "validate_query with GET")
    wrong = client.indices.validate_query(index=INDEX, query={"term": {"n": "no number"}})
    expect(wrong["valid"], False, "validate_query of what cannot be run")
    for where, index in (("", None), (f"/{INDEX}", INDEX)):
        answer = client.search_shards(index=index, local=True, routing=None)
        expect({copies[0]["index"] for copies in answer["shards"]} >= {INDEX}, True, "search_shards")
        expect(raw("GET", f"{where}/_search_shards")["shards"], answer["shards"], "search_shards with GET")
    expect(len(client.search_shards(index=INDEX, routing="x")["shards"]), 1, "search_shards with routing")


def fields():
    for where, index in (("", None), (f"/{INDEX}", INDEX)):
        answer = client.field_caps(index=index, fields=["n", "kind"], include_unmapped=False)
        expect(answer["indices"], [INDEX], "field_caps")
        kind = answer["fields"]["kind"]["keyword"]
        expect((kind["searchable"], kind["aggregatable"], set(answer["fields"])), (True, True, {"n", "kind"}), "field_caps")
        expect(raw("GET", f"{where}/_field_caps", fields="n,kind"), answer.body, "field_caps with GET")
