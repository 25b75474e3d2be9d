"""The cluster, its node, and its settings."""

from apis.suite import ACKNOWLEDGED, client, raw
from checks import expect

INDEX = "every-cluster"


def run():
    client.indices.create(index=INDEX, settings={"number_of_shards": 2, "number_of_replicas": 1})
    client.index(index=INDEX, document={"n": 1}, refresh=True)
    expect(client.ping(), True, "ping")
    (node,) = client.nodes.info()["nodes"].values()
    about = client.info(pretty=True)
    expect((about["name"], about["version"]["number"], about["tagline"]), (node["name"], node["version"], "You Know, for Search"), "info")
    health()
    settings()
    state()
    nodes()
    expect(client.indices.delete(index=INDEX).body, ACKNOWLEDGED, "delete of the index")


def health():
    answer = client.cluster.health(wait_for_status="yellow", timeout="10s", master_timeout="10s", local=True)
    expect((answer["status"], answer["timed_out"], answer["number_of_nodes"]), ("yellow", False, 1), "health")
    answer = client.cluster.health(index=INDEX, level="shards", wait_for_active_shards=2, wait_for_no_initializing_shards=True)
    of_index = answer["indices"][INDEX]
    expect((of_index["active_shards"], of_index["unassigned_shards"], len(of_index["shards"])), (2, 2, 2), "health of an index")
    expect(client.options(ignore_status=408).cluster.health(index=INDEX, wait_for_status="green", timeout="1ms")["timed_out"], True, "health")
    explained = client.cluster.allocation_explain(index=INDEX, shard=0, primary=False, include_yes_decisions=True)
    expect((explained["index"], explained["current_state"], explained["can_allocate"]), (INDEX, "unassigned", "no"), "allocation_explain")
    body = {"index": INDEX, "shard": 0, "primary": True}
    expect(raw("GET", "/_cluster/allocation/explain", body)["current_state"], "started", "allocation_explain with GET")
    expect(client.cluster.pending_tasks(local=True, master_timeout="10s").body, {"tasks": []}, "pending_tasks")


def settings():
    given = {"ccr.indices.recovery.chunk_size": "2mb"}
    answer = client.cluster.put_settings(persistent=given, flat_settings=True, timeout="10s", master_timeout="10s")
    expect((answer["acknowledged"], answer["persistent"]), (True, {"ccr.indices.recovery.chunk_size": "2mb"}), "put_settings")
    answer = client.cluster.get_settings(flat_settings=True, include_defaults=True)
    expect(answer["persistent"]["ccr.indices.recovery.chunk_size"], "2mb", "get_settings")
    expect(len(answer["defaults"]) > 0, True, "defaults of the settings")
    client.cluster.put_settings(persistent={"ccr.indices.recovery.chunk_size": None})
    expect("ccr.indices.recovery.chunk_size" in client.cluster.get_settings(flat_settings=True)["persistent"], False, "a setting taken back")


def state():
    answer = client.cluster.state()
    expect((len(answer["nodes"]), INDEX in answer["metadata"]["indices"]), (1, True), "state")
    answer = client.cluster.state(metric=["version", "nodes"], local=True, master_timeout="10s")
    expect((answer["version"] > 0, "metadata" in answer), (True, False), "parts of the state")
    answer = client.cluster.state(metric="metadata", index=INDEX, flat_settings=True, wait_for_metadata_version=1, wait_for_timeout="10s")
    (of_index,) = answer["metadata"]["indices"].items()
    expect((of_index[0], of_index[1]["settings"]["index.number_of_shards"]), (INDEX, "2"), "state of an index")
    expect(answer["wait_for_timed_out"], False, "whether the state was waited for in vain")
    answer = client.cluster.state(metric="version", wait_for_metadata_version=1_000_000_000, wait_for_timeout="1ms")
    expect((answer["wait_for_timed_out"], "version" in answer), (True, False), "a state that does not come")
    for answer in (client.cluster.stats(timeout="10s", human=True), client.cluster.stats(node_id="_local")):
        expect((answer["_nodes"]["successful"], answer["indices"]["docs"]["count"], answer["indices"]["count"]), (1, 1, 1), "stats")


def nodes():
    every = client.nodes.info()
    ((node_id, node),) = every["nodes"].items()
    address = node["transport_address"]
    expect((every["_nodes"]["total"], ":" in address), (1, True), "nodes.info")
    expect(client.nodes.info(node_id=node_id, timeout="10s")["nodes"][node_id]["name"], node["name"], "nodes.info of a node")
    only = client.nodes.info(node_id="_all", metric=["http", "os"], flat_settings=True)["nodes"][node_id]
    expect(("http" in only, "os" in only, "process" in only), (True, True, False), "nodes.info of metrics")
    expect(client.nodes.info(metric="http")["nodes"][node_id]["http"], node["http"], "nodes.info of a metric")
    wanted = (
        {},
        {"metric": "indices"},
        {"metric": "indices", "index_metric": "docs", "level": "indices"},
        {"node_id": node_id, "timeout": "10s"},
        {"node_id": node_id, "metric": ["indices", "process"]},
        {"node_id": "_local", "metric": "indices", "index_metric": ["docs", "store"]},
    )
    for given in wanted:
        of_node = client.nodes.stats(**given)["nodes"][node_id]
        expect((of_node["name"], of_node["indices"]["docs"]["count"]), (node["name"], 1), f"nodes.stats with {given}")
