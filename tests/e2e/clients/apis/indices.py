"""Indices: made, looked at, closed and opened, rolled over, and kept in order."""

from apis.suite import ACKNOWLEDGED, client, expect_error, raw
from checks import expect

INDEX = "every-index"
OTHER = "every-other"


def run():
    made = client.indices.create(
        index=INDEX,
        settings={"index.number_of_shards": 2, "index.number_of_replicas": 0},
        mappings={"properties": {"n": {"type": "integer"}}},
        aliases={f"{INDEX}-alias": {"is_write_index": True}},
        wait_for_active_shards="all",
        timeout="30s",
        master_timeout="30s",
    )
    expect(made.body, {"acknowledged": True, "shards_acknowledged": True, "index": INDEX}, "create")
    expect_error(400, "resource_already_exists_exception", lambda: client.indices.create(index=INDEX))
    client.indices.create(index=OTHER, settings={"number_of_replicas": 0})
    look()
    upkeep()
    counts()
    close_and_open()
    blocks()
    roll_over()
    expect(client.indices.delete(index=[INDEX, OTHER], ignore_unavailable=False).body, ACKNOWLEDGED, "delete")
    expect(client.indices.exists(index=[INDEX, OTHER]).body, False, "exists of what was deleted")


def look():
    answer = client.indices.get(index="every-ind*", flat_settings=True, expand_wildcards="open", include_defaults=False)
    expect(list(answer), [INDEX], "names in get")
    of_index = answer[INDEX]
    seen = (of_index["settings"]["index.number_of_shards"], of_index["mappings"]["properties"], list(of_index["aliases"]))
    expect(seen, ("2", {"n": {"type": "integer"}}, [f"{INDEX}-alias"]), "get")
    expect(list(client.indices.get(index=INDEX, features="settings")[INDEX]), ["settings"], "get of a feature")
    expect(client.indices.exists(index=f"{INDEX}-alias", local=True, allow_no_indices=False).body, True, "exists")
    expect(client.indices.exists(index=f"{INDEX}-none").body, False, "exists of what is not there")
    expected = {
        "indices": [{"name": INDEX, "aliases": [f"{INDEX}-alias"], "attributes": ["open"]}, {"name": OTHER, "attributes": ["open"]}],
        "aliases": [{"name": f"{INDEX}-alias", "indices": [INDEX]}],
        "data_streams": [],
    }
    expect(client.indices.resolve_index(name="every-*", expand_wildcards="all").body, expected, "resolve_index")
    expect(raw("GET", "/_resolve/index/every-*"), expected, "resolve_index with GET")


def upkeep():
    """Refresh, flush, merge and cache, of every index and of one."""
    client.index(index=INDEX, id="1", document={"n": 1})
    client.index(index=OTHER, id="1", document={"n": 1})
    of_all, of_one = {"total": 3, "successful": 3, "failed": 0}, {"total": 2, "successful": 2, "failed": 0}
    for index, where, shards in ((None, "", of_all), (INDEX, f"/{INDEX}", of_one)):
        answers = {
            "refresh": client.indices.refresh(index=index, ignore_unavailable=True),
            "refresh with GET": raw("GET", f"{where}/_refresh"),
            "flush": client.indices.flush(index=index, force=True, wait_if_ongoing=True),
            "flush with GET": raw("GET", f"{where}/_flush"),
            "forcemerge": client.indices.forcemerge(index=index, max_num_segments=1, flush=True, wait_for_completion=True),
            "clear_cache": client.indices.clear_cache(index=index, query=True, request=True, fielddata=True),
        }
        for called, answer in answers.items():
            expect(answer["_shards"], shards, f"{called} of {index or 'every index'}")
    expect(client.count(index=[INDEX, OTHER])["count"], 2, "count after a refresh")


def counts():
    for given, names in (({}, {INDEX, OTHER}), ({"index": INDEX}, {INDEX})):
        segments = client.indices.segments(**given)["indices"]
        expect(set(segments), names, "indices in segments")
        documents = sum(
            segment["num_docs"]
            for copies in segments[INDEX]["shards"].values()
            for copy in copies
            for segment in copy["segments"].values()
        )
        expect(documents, 1, "documents in segments")
        # A shard that came from nowhere was not recovered.
        expect(client.indices.recovery(**given, active_only=True).body, {}, "recovery")
        answer = client.indices.stats(**given, level="shards", human=True)
        expect(set(answer["indices"]), names, "indices in stats")
        of_index = answer["indices"][INDEX]
        expect((of_index["primaries"]["docs"]["count"], len(of_index["shards"])), (1, 2), "stats")
        answer = client.indices.stats(**given, metric=["docs", "store"])
        expect(set(answer["_all"]["primaries"]), {"docs", "store"}, "metrics in stats")


def close_and_open():
    answer = client.indices.close(index=OTHER, wait_for_active_shards=1, timeout="30s", master_timeout="30s")
    expect(answer.body, {"acknowledged": True, "shards_acknowledged": True, "indices": {OTHER: {"closed": True}}}, "close")
    expect_error(400, "index_closed_exception", lambda: client.search(index=OTHER))
    expect(client.cat.indices(index=OTHER, h="status", format="json").body, [{"status": "close"}], "status of a closed index")
    answer = client.indices.open(index=OTHER, wait_for_active_shards=1, timeout="30s", master_timeout="30s")
    expect(answer.body, {"acknowledged": True, "shards_acknowledged": True}, "open")
    expect(client.get(index=OTHER, id="1")["_source"], {"n": 1}, "a document of an index that was closed")


def blocks():
    blocked = client.indices.add_block(index=OTHER, block="write", timeout="30s", master_timeout="30s")
    expect((blocked["acknowledged"], blocked["indices"]), (True, [{"name": OTHER, "blocked": True}]), "add_block")
    expect_error(403, "cluster_block_exception", lambda: client.index(index=OTHER, document={"n": 2}))
    freed = client.indices.remove_block(index=OTHER, block="write", timeout="30s", master_timeout="30s")
    expect(freed["acknowledged"], True, "remove_block")
    expect(client.index(index=OTHER, id="1", document={"n": 1})["result"], "updated", "a write after the block")


def roll_over():
    alias = "every-rolling"
    first, second, third = f"{alias}-000001", f"{alias}-000002", f"{alias}-last"
    client.indices.create(index=first, aliases={alias: {"is_write_index": True}}, settings={"number_of_replicas": 0})
    answer = client.indices.rollover(alias=alias, conditions={"max_docs": 5}, dry_run=True, lazy=False)
    seen = (answer["rolled_over"], answer["dry_run"], answer["old_index"], answer["new_index"], answer["conditions"])
    expect(seen, (False, True, first, second, {"[max_docs: 5]": False}), "a trial of rollover")
    answer = client.indices.rollover(alias=alias, settings={"number_of_replicas": 0}, wait_for_active_shards=1, timeout="30s")
    expect((answer["rolled_over"], answer["new_index"], answer["shards_acknowledged"]), (True, second, True), "rollover")
    answer = client.indices.rollover(alias=alias, new_index=third, mappings={"properties": {"n": {"type": "long"}}}, master_timeout="30s")
    expect((answer["rolled_over"], answer["old_index"], answer["new_index"]), (True, second, third), "rollover with a name")
    expect(client.index(index=alias, document={"n": 1})["_index"], third, "the index that is written to")
    client.indices.delete(index=[first, second, third])
