"""Mappings, settings and aliases of indices."""

from apis.suite import ACKNOWLEDGED, client, raw
from checks import expect

INDEX = "every-metadata"
OTHER = "every-metadata-other"


def run():
    for index in (INDEX, OTHER):
        client.indices.create(index=index, settings={"number_of_replicas": 0}, mappings={"properties": {"n": {"type": "integer"}}})
    mappings()
    analysis()
    settings()
    aliases()
    expect(client.indices.delete(index=[INDEX, OTHER]).body, ACKNOWLEDGED, "delete of the indices")


def mappings():
    answer = client.indices.put_mapping(index=INDEX, properties={"put": {"type": "keyword"}}, timeout="30s", master_timeout="30s", dynamic="strict")
    expect(answer.body, ACKNOWLEDGED, "put_mapping")
    for method, path in (("POST", "_mapping"), ("PUT", "_mappings"), ("POST", "_mappings")):
        field = f"{method}{path}".lower()
        expect(raw(method, f"/{INDEX}/{path}", {"properties": {field: {"type": "keyword"}}}), ACKNOWLEDGED, "put_mapping")
    answer = client.indices.get_mapping(index=INDEX, local=True, master_timeout="30s")
    mapping = answer[INDEX]["mappings"]
    expect((mapping["dynamic"], set(mapping["properties"])), ("strict", {"n", "put", "post_mapping", "put_mappings", "post_mappings"}), "get_mapping")
    expect(raw("GET", f"/{INDEX}/_mappings"), answer.body, "get_mapping by its other name")
    expect(set(client.indices.get_mapping()), {INDEX, OTHER}, "get_mapping of every index")
    of_field = {"mappings": {"n": {"full_name": "n", "mapping": {"n": {"type": "integer"}}}}}
    expect(client.indices.get_field_mapping(fields="n", index=INDEX).body, {INDEX: of_field}, "get_field_mapping")
    answer = client.indices.get_field_mapping(fields=["n", "put"], include_defaults=False)
    expect((set(answer[INDEX]["mappings"]), answer[OTHER]), ({"n", "put"}, of_field), "get_field_mapping of every index")


def analysis():
    text = {"text": "Two Words", "analyzer": "standard"}
    for where, index in (("", None), (f"/{INDEX}", INDEX)):
        tokens = client.indices.analyze(index=index, **text)["tokens"]
        expect([token["token"] for token in tokens], ["two", "words"], "analyze")
        expect(raw("GET", f"{where}/_analyze", text)["tokens"], tokens, "analyze with GET")
    tokens = client.indices.analyze(index=INDEX, field="put", text="As It Is", explain=False)["tokens"]
    expect([token["token"] for token in tokens], ["As It Is"], "analyze as a field")


def settings():
    answer = client.indices.put_settings(index=INDEX, settings={"index.refresh_interval": "7s"}, timeout="30s", master_timeout="30s")
    expect(answer.body, ACKNOWLEDGED, "put_settings")
    expect(client.indices.put_settings(settings={"max_result_window": 777}, preserve_existing=False).body, ACKNOWLEDGED, "put_settings")
    expect(client.indices.put_settings(index=INDEX, settings={"refresh_interval": "9s"}, preserve_existing=True).body, ACKNOWLEDGED, "put_settings")

    def values(answer, name):
        return {index: of_index["settings"].get(name) for index, of_index in answer.items()}

    every = client.indices.get_settings(flat_settings=True)
    expect(values(every, "index.max_result_window"), {INDEX: "777", OTHER: "777"}, "get_settings of every index")
    one = client.indices.get_settings(index=INDEX, flat_settings=True, include_defaults=True, local=True)
    expect((values(one, "index.refresh_interval"), "defaults" in one[INDEX]), ({INDEX: "7s"}, True), "get_settings")
    named = client.indices.get_settings(name="index.refresh_*", flat_settings=True)
    expect(named.body, {INDEX: {"settings": {"index.refresh_interval": "7s"}}}, "get_settings by name")
    named = client.indices.get_settings(index=[INDEX, OTHER], name=["index.max_result_window"])
    expect(named[OTHER]["settings"], {"index": {"max_result_window": "777"}}, "get_settings of an index by name")


def aliases():
    answer = client.indices.put_alias(
        index=INDEX,
        name="every-alias",
        filter={"term": {"n": 1}},
        index_routing="1",
        search_routing="1,2",
        is_write_index=True,
        timeout="30s",
        master_timeout="30s",
    )
    expect(answer.body, ACKNOWLEDGED, "put_alias")
    for method, path in (("POST", "_alias"), ("PUT", "_aliases"), ("POST", "_aliases")):
        expect(raw(method, f"/{OTHER}/{path}/every-{method}{path}".lower(), {}), ACKNOWLEDGED, "put_alias")
    others = {"every-post_alias", "every-put_aliases", "every-post_aliases"}
    of_alias = {"filter": {"term": {"n": 1}}, "index_routing": "1", "search_routing": "1,2", "is_write_index": True}
    whole = {INDEX: {"aliases": {"every-alias": of_alias}}}
    answer = client.indices.get_alias()
    expect((set(answer[INDEX]["aliases"]), set(answer[OTHER]["aliases"])), ({"every-alias"}, others), "get_alias of everything")
    expect(raw("GET", "/_aliases"), answer.body, "get_alias by its other name")
    expect(client.indices.get_alias(name="every-alias", ignore_unavailable=True).body, whole, "get_alias by name")
    expect(client.indices.get_alias(index=INDEX, expand_wildcards="open").body, whole, "get_alias of an index")
    expect(client.indices.get_alias(index=INDEX, name=["every-a*"]).body, whole, "get_alias of an index by name")
    expect(client.indices.exists_alias(name="every-alias", master_timeout="30s").body, True, "exists_alias")
    expect(client.indices.exists_alias(name="every-none").body, False, "exists_alias of what is not there")
    expect(client.indices.exists_alias(index=INDEX, name="every-alias").body, True, "exists_alias of an index")
    raw("HEAD", f"/{INDEX}/_alias")
    answer = client.indices.update_aliases(
        actions=[
            {"add": {"indices": [INDEX, OTHER], "aliases": ["every-added"]}},
            {"remove": {"index": OTHER, "alias": "every-post_alias", "must_exist": True}},
        ],
        timeout="30s",
        master_timeout="30s",
    )
    expect((answer["acknowledged"], set(client.indices.get_alias(name="every-added"))), (True, {INDEX, OTHER}), "update_aliases")
    expect(client.indices.delete_alias(index="*", name="every-added", timeout="30s", master_timeout="30s")["acknowledged"], True, "delete_alias")
    expect(raw("DELETE", f"/{OTHER}/_aliases/*")["acknowledged"], True, "delete_alias by its other name")
    expect(client.indices.get_alias(index=OTHER).body, {OTHER: {"aliases": {}}}, "what is left")
