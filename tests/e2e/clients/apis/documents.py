"""Documents: written, read and removed, one and many."""

from apis.suite import ACKNOWLEDGED, client, expect_error, raw
from checks import expect

INDEX = "every-documents"


def run():
    client.indices.create(
        index=INDEX,
        settings={"number_of_shards": 2, "number_of_replicas": 0},
        mappings={"properties": {"title": {"type": "text"}, "n": {"type": "integer"}}},
        wait_for_active_shards=1,
        timeout="30s",
        master_timeout="30s",
    )
    one_document()
    conditions()
    many_documents()
    by_query()
    expect(client.indices.delete(index=INDEX, timeout="30s", master_timeout="30s").body, ACKNOWLEDGED, "delete of the index")


def one_document():
    made = client.index(index=INDEX, id="1", document={"title": "one", "n": 1}, refresh=True, wait_for_active_shards="1", timeout="10s")
    expect((made["result"], made["_version"], made["forced_refresh"]), ("created", 1, True), "index")
    expect(raw("POST", f"/{INDEX}/_doc/1", {"title": "one", "n": 2})["_version"], 2, "index with POST")
    named = client.index(index=INDEX, document={"title": "has an id of the server", "n": 3})["_id"]
    expect(len(named), 20, "length of an id that the server chose")
    expect(client.create(index=INDEX, id="2", document={"title": "two", "n": 2}, refresh="wait_for")["result"], "created", "create")
    expect(raw("POST", f"/{INDEX}/_create/3", {"title": "three", "n": 3})["result"], "created", "create with POST")
    expect_error(409, "version_conflict_engine_exception", lambda: client.create(index=INDEX, id="2", document={}))
    updated = client.update(index=INDEX, id="2", doc={"n": 22}, source=True, retry_on_conflict=2, refresh=False)
    expect((updated["result"], updated["get"]["_source"]), ("updated", {"title": "two", "n": 22}), "update")
    expect(client.update(index=INDEX, id="2", doc={"n": 22})["result"], "noop", "an update without a change")
    upserted = client.update(index=INDEX, id="4", doc={"n": 4}, doc_as_upsert=True)
    expect((upserted["result"], upserted["_version"]), ("created", 1), "update of a document that is not there")

    got = client.get(index=INDEX, id="2", source_includes="n", realtime=True, preference="_local")
    expect((got["found"], got["_version"], got["_source"]), (True, 2, {"n": 22}), "get")
    expect(client.get(index=INDEX, id="2", filter_path="_source.title").body, {"_source": {"title": "two"}}, "filter_path")
    expect(client.get_source(index=INDEX, id="1").body, {"title": "one", "n": 2}, "get_source")
    for exists in (client.exists, client.exists_source):
        expect((exists(index=INDEX, id="1").body, exists(index=INDEX, id="none").body), (True, False), "exists")
    expect(client.delete(index=INDEX, id=named, refresh=True)["result"], "deleted", "delete")
    expect(client.options(ignore_status=404).get(index=INDEX, id=named).body, {"_index": INDEX, "_id": named, "found": False}, "get")


def conditions():
    """Writes that hold only under conditions, and routing."""
    seen = client.get(index=INDEX, id="1")
    given = {"if_seq_no": seen["_seq_no"], "if_primary_term": seen["_primary_term"]}
    client.index(index=INDEX, id="1", document={"title": "one", "n": 10}, **given)
    expect_error(409, "version_conflict_engine_exception", lambda: client.index(index=INDEX, id="1", document={}, **given))
    expect_error(409, "version_conflict_engine_exception", lambda: client.delete(index=INDEX, id="1", **given))
    expect_error(409, "version_conflict_engine_exception", lambda: client.update(index=INDEX, id="1", doc={"n": 0}, **given))
    expect_error(409, "version_conflict_engine_exception", lambda: client.index(index=INDEX, id="1", document={}, op_type="create"))
    external = client.index(index=INDEX, id="external", document={"n": 5}, version=7, version_type="external")
    expect(external["_version"], 7, "a version of the user")
    expect_error(
        409,
        "version_conflict_engine_exception",
        lambda: client.delete(index=INDEX, id="external", version=7, version_type="external"),
    )
    expect(client.delete(index=INDEX, id="external", version=8, version_type="external")["_version"], 8, "delete with a version")
    client.index(index=INDEX, id="routed", document={"title": "routed", "n": 0}, routing="to-one-shard")
    expect(client.get(index=INDEX, id="routed", routing="to-one-shard")["_routing"], "to-one-shard", "routing")
    expect(client.delete(index=INDEX, id="routed", routing="to-one-shard", timeout="10s")["result"], "deleted", "delete with routing")
    wanted = client.index(index=INDEX, id="1", document={"title": "one", "n": 1}, require_alias=False, error_trace=True, human=True)
    expect(wanted["result"], "updated", "index")
    expect_error(404, "index_not_found_exception", lambda: client.index(index=INDEX, document={}, require_alias=True))


def many_documents():
    operations = [
        {"index": {"_index": INDEX, "_id": "b1"}},
        {"title": "of bulk", "n": 100},
        {"create": {"_index": INDEX, "_id": "b2"}},
        {"title": "of bulk", "n": 101},
        {"update": {"_index": INDEX, "_id": "b1"}},
        {"doc": {"n": 102}},
        {"delete": {"_index": INDEX, "_id": "b2"}},
        {"create": {"_index": INDEX, "_id": "b1"}},
        {},
    ]
    answer = client.bulk(operations=operations, refresh=True, timeout="10s", wait_for_active_shards=1)
    statuses = [item["status"] for entry in answer["items"] for item in entry.values()]
    expect((answer["errors"], statuses), (True, [201, 201, 200, 200, 409]), "bulk")
    for number, send in enumerate(
        (
            lambda lines: client.bulk(index=INDEX, operations=lines, source=True, require_alias=False),
            lambda lines: raw("POST", f"/{INDEX}/_bulk", lines),
            lambda lines: raw("POST", "/_bulk", [{"index": {**lines[0]["index"], "_index": INDEX}}, *lines[1:]]),
        )
    ):
        (item,) = send([{"index": {"_id": f"c{number}"}}, {"title": "of bulk", "n": 103}])["items"]
        expect((item["index"]["_id"], item["index"]["result"]), (f"c{number}", "created"), "bulk of an index")

    def found(answer):
        return [(doc["_id"], doc["found"]) for doc in answer["docs"]]

    several = {"docs": [{"_index": INDEX, "_id": "b1"}, {"_index": INDEX, "_id": "b2"}]}
    expected = [("b1", True), ("b2", False)]
    expect(found(client.mget(**several, source=["n"], refresh=True)), expected, "mget")
    expect(found(raw("GET", "/_mget", several)), expected, "mget with GET")
    expect(found(client.mget(index=INDEX, ids=["b1", "b2"], realtime=False)), expected, "mget of an index")
    expect(found(raw("GET", f"/{INDEX}/_mget", {"ids": ["b1", "b2"]})), expected, "mget of an index with GET")


def by_query():
    client.indices.refresh(index=INDEX)
    of_bulk = {"match_phrase": {"title": "of bulk"}}
    answer = client.update_by_query(index=INDEX, query=of_bulk, refresh=True, conflicts="proceed", slices=1, scroll_size=2)
    expect((answer["updated"], answer["failures"]), (4, []), "update_by_query")
    copied = client.reindex(
        source={"index": INDEX, "query": of_bulk},
        dest={"index": f"{INDEX}-copy", "op_type": "create"},
        max_docs=3,
        refresh=True,
        timeout="30s",
    )
    expect((copied["created"], client.count(index=f"{INDEX}-copy")["count"]), (3, 3), "reindex")
    removed = client.delete_by_query(index=f"{INDEX}-copy", query={"term": {"n": 103}}, max_docs=1, refresh=True, wait_for_completion=True)
    expect((removed["deleted"], client.count(index=f"{INDEX}-copy")["count"]), (1, 2), "delete_by_query")
    client.indices.delete(index=f"{INDEX}-copy")
