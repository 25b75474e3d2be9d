"""The tables of `_cat`, as the client's users see them and as JSON."""

from apis.suite import ACKNOWLEDGED, client, raw
from checks import expect

INDEX = "every-table"


def run():
    client.indices.create(index=INDEX, settings={"number_of_shards": 2, "number_of_replicas": 0}, aliases={f"{INDEX}-alias": {}})
    client.index(index=INDEX, document={"n": 1}, refresh=True)
    client.indices.put_index_template(name=f"{INDEX}-template", index_patterns=f"{INDEX}-none*", priority=7)
    (node,) = client.nodes.info()["nodes"].values()
    name = node["name"]
    # A table, what it is asked for, the columns that are looked at, and the rows that must be there.
    tables = [
        (client.cat.aliases, {}, "alias,index", [[f"{INDEX}-alias", INDEX]]),
        (client.cat.aliases, {"name": f"{INDEX}-*"}, "alias,index", [[f"{INDEX}-alias", INDEX]]),
        (client.cat.allocation, {"bytes": "b"}, "shards,node", [["2", name]]),
        (client.cat.allocation, {"node_id": name}, "shards,node", [["2", name]]),
        (client.cat.count, {}, "count", [["1"]]),
        (client.cat.count, {"index": INDEX}, "count", [["1"]]),
        (client.cat.health, {"ts": False, "time": "ms"}, "status,node.total,pri", [["green", "1", "2"]]),
        (client.cat.indices, {"health": "green"}, "index,pri,rep,docs.count", [[INDEX, "2", "0", "1"]]),
        (client.cat.indices, {"index": INDEX, "bytes": "b", "pri": True, "expand_wildcards": "open"}, "index,status", [[INDEX, "open"]]),
        (client.cat.master, {"master_timeout": "10s"}, "node", [[name]]),
        (client.cat.nodeattrs, {"local": True}, "node", []),
        (client.cat.nodes, {"full_id": True, "bytes": "b"}, "name,master", [[name, "*"]]),
        (client.cat.pending_tasks, {"local": True}, "source", []),
        (client.cat.plugins, {"local": True}, "name", []),
        (client.cat.recovery, {"active_only": True, "time": "s"}, "index", []),
        (client.cat.recovery, {"index": INDEX, "bytes": "b", "detailed": True}, "index", []),
        (client.cat.segments, {"bytes": "b"}, "index,docs.count", [[INDEX, "1"]]),
        (client.cat.segments, {"index": INDEX}, "index,docs.count", [[INDEX, "1"]]),
        (client.cat.shards, {"bytes": "b"}, "index,shard,state", [[INDEX, "0", "STARTED"], [INDEX, "1", "STARTED"]]),
        (client.cat.shards, {"index": INDEX}, "index,shard,prirep", [[INDEX, "0", "p"], [INDEX, "1", "p"]]),
        (client.cat.tasks, {"detailed": True, "actions": "none", "wait_for_completion": False, "timeout": "1s"}, "action", []),
        (client.cat.templates, {}, "name,order", [[f"{INDEX}-template", "7"]]),
        (client.cat.templates, {"name": f"{INDEX}-*"}, "name,order", [[f"{INDEX}-template", "7"]]),
        (client.cat.thread_pool, {}, "name", [["force_merge"], ["search"], ["write"]]),
        (client.cat.thread_pool, {"thread_pool_patterns": "write"}, "node_name,name", [[name, "write"]]),
    ]
    for table, given, columns, rows in tables:
        called = f"{table.__name__} with {given}"
        answer = table(format="json", h=columns, s=columns, **given)
        expect([[row[column] for column in columns.split(",")] for row in answer], rows, called)
        # As text, with the names of the columns first.
        heading, *lines = table(v=True, h=columns, s=columns, **given).body.splitlines() or [""]
        expect([heading.split(), *(line.split() for line in lines)], [columns.split(","), *rows], f"{called}, as text")
        expect(columns.split(",")[0] in table(help=True, **given).body, True, f"{called}, its help")
    for path in ("/_cat/count", f"/_cat/count/{INDEX}"):
        # The client sends POST.
        expect([row["count"] for row in raw("GET", path, format="json")], ["1"], "cat.count with GET")
    expect("/_cat/indices/{index}" in client.cat.help().body, True, "cat.help")
    client.indices.delete_index_template(name=f"{INDEX}-template")
    expect(client.indices.delete(index=INDEX).body, ACKNOWLEDGED, "delete of the index")
