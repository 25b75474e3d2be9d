"""Data streams."""

from apis.suite import ACKNOWLEDGED, client
from checks import expect

NAME = "every-stream"


def run():
    client.indices.put_index_template(
        name=NAME,
        index_patterns=[f"{NAME}*"],
        data_stream={},
        template={"settings": {"number_of_replicas": 0}},
    )
    expect(client.indices.create_data_stream(name=NAME, timeout="30s", master_timeout="30s").body, ACKNOWLEDGED, "create_data_stream")
    client.create(index=NAME, id="1", document={"@timestamp": "2024-05-06T07:08:09Z"}, refresh=True)
    expect(client.indices.rollover(alias=NAME)["rolled_over"], True, "rollover of a data stream")
    for given in ({}, {"name": f"{NAME}*", "expand_wildcards": "all", "verbose": False, "include_defaults": False}):
        (stream,) = client.indices.get_data_stream(**given)["data_streams"]
        seen = (stream["name"], stream["generation"], len(stream["indices"]), stream["status"], stream["template"])
        expect(seen, (NAME, 2, 2, "GREEN", NAME), "get_data_stream")
    for given in ({}, {"name": NAME, "human": True}):
        answer = client.indices.data_streams_stats(**given)
        (stream,) = answer["data_streams"]
        seen = (answer["data_stream_count"], answer["backing_indices"], stream["maximum_timestamp"])
        expect(seen, (1, 2, 1714979289000), "data_streams_stats")
    # An ordinary stream is what promoting makes of a replicated one; it stays as it is.
    expect(client.indices.promote_data_stream(name=NAME, master_timeout="30s").body, ACKNOWLEDGED, "promote_data_stream")
    resolved = client.indices.resolve_index(name=NAME)["data_streams"]
    expect((resolved[0]["name"], resolved[0]["timestamp_field"]), (NAME, "@timestamp"), "resolve_index")
    expect(client.indices.delete_data_stream(name=NAME, expand_wildcards="all", master_timeout="30s").body, ACKNOWLEDGED, "delete_data_stream")
    expect(client.indices.get_data_stream()["data_streams"], [], "data streams after that")
    client.indices.delete_index_template(name=NAME)
