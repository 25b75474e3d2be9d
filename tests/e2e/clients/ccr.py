"""The documentation's replication samples on the official Python client.

Reads LEADER and FOLLOWER (URLs) and LEADER_TRANSPORT (host and port) from the environment; ends with a failure at the
first answer that is not as documented.
"""

import os

from checks import eventually, expect
from elasticsearch import BadRequestError, ConflictError, Elasticsearch, NotFoundError, helpers

leader = Elasticsearch(os.environ["LEADER"])
client = Elasticsearch(os.environ["FOLLOWER"])


def expect_error(kind, error_type, call):
    try:
        call()
    except kind as error:
        expect(error.error, error_type, "error type")
    else:
        raise SystemExit(f"{error_type} was expected")


for name, cluster in (("leader", leader), ("follower", client)):
    info = cluster.info()
    expect(bool(info["version"]["number"] and info["cluster_name"]), True, f"info of the {name}")

# Connect to the remote cluster.
answer = client.cluster.put_settings(
    persistent={"cluster": {"remote": {"remote_cluster": {"seeds": [os.environ["LEADER_TRANSPORT"]]}}}}
)
expect(answer["acknowledged"], True, "put_settings")
eventually(lambda: client.cluster.remote_info()["remote_cluster"]["connected"], "connection to the remote cluster")

# A leader index with documents.
leader.indices.create(
    index="leader_index",
    settings={"number_of_shards": 2, "number_of_replicas": 0},
    mappings={"properties": {"title": {"type": "text"}, "year": {"type": "integer"}}},
)
actions = [{"_index": "leader_index", "_id": str(n), "_source": {"title": f"book number {n}", "year": 1900 + n % 100}} for n in range(1200)]
expect(helpers.bulk(leader, actions), (1200, []), "helpers.bulk")

# Create a follower index: the first sample.
resp = client.ccr.follow(
    index="follower_index",
    wait_for_active_shards="1",
    remote_cluster="remote_cluster",
    leader_index="leader_index",
)
expect(
    resp.body,
    {"follow_index_created": True, "follow_index_shards_acked": True, "index_following_started": True},
    "follow",
)

# And the long sample, with every parameter.
parameters = {
    "max_read_request_operation_count": 1024,
    "max_outstanding_read_requests": 16,
    "max_read_request_size": "1024k",
    "max_write_request_operation_count": 32768,
    "max_write_request_size": "16k",
    "max_outstanding_write_requests": 8,
    "max_write_buffer_count": 512,
    "max_write_buffer_size": "512k",
    "max_retry_delay": "10s",
    "read_poll_timeout": "30s",
}
resp = client.ccr.follow(
    index="follower_index_tuned",
    wait_for_active_shards="1",
    remote_cluster="remote_cluster",
    leader_index="leader_index",
    settings={"index.number_of_replicas": 0},
    **parameters,
)
expect(all(resp.body.values()), True, "follow with parameters")
(info,) = client.ccr.follow_info(index="follower_index_tuned")["follower_indices"]
expect(info["status"], "active", "follow_info status")
expect(info["parameters"], parameters, "follow_info parameters")


def in_sync(index):
    stats = client.ccr.follow_stats(index=index)["indices"][0]
    return all(shard["leader_global_checkpoint"] == shard["follower_global_checkpoint"] for shard in stats["shards"])


def count(index):
    client.indices.refresh(index=index)
    return client.count(index=index)["count"]


# Documents arrive, updated and deleted ones too.
leader.index(index="leader_index", id="new", document={"title": "a new book", "year": 2020}, refresh="wait_for")
leader.update(index="leader_index", id="1", doc={"title": "a changed book"})
leader.delete(index="leader_index", id="2")
eventually(lambda: count("follower_index") == 1200, "1,200 documents on the follower")
eventually(lambda: client.get(index="follower_index", id="1")["_source"]["title"] == "a changed book", "the update")
eventually(lambda: not client.exists(index="follower_index", id="2").body, "the deletion")
eventually(lambda: client.exists(index="follower_index", id="new").body, "the new document")
client.indices.refresh(index="follower_index")
found = client.search(index="follower_index", query={"match": {"title": "new"}})
expect([hit["_id"] for hit in found["hits"]["hits"]], ["new"], "search")
eventually(lambda: in_sync("follower_index"), "equal checkpoints")

# Errors come as the client's own exceptions.
expect_error(NotFoundError, "index_not_found_exception", lambda: client.ccr.pause_follow(index="missing"))
expect_error(
    NotFoundError,
    "no_such_remote_cluster_exception",
    lambda: client.ccr.follow(index="other", remote_cluster="nowhere", leader_index="leader_index"),
)
expect_error(BadRequestError, "illegal_argument_exception", lambda: client.ccr.unfollow(index="follower_index"))
expect_error(
    ConflictError,
    "version_conflict_engine_exception",
    lambda: leader.create(index="leader_index", id="new", document={"title": "again"}),
)

# Pause, resume, and the whole way to an ordinary index.
expect(client.ccr.pause_follow(index="follower_index").body, {"acknowledged": True}, "pause_follow")
(info,) = client.ccr.follow_info(index="follower_index")["follower_indices"]
expect((info["status"], "parameters" in info), ("paused", False), "follow_info of a paused follower")
leader.index(index="leader_index", id="while-paused", document={"title": "written in a pause", "year": 2021})
expect(
    client.ccr.resume_follow(
        index="follower_index",
        max_read_request_operation_count=1024,
        max_retry_delay="10s",
        read_poll_timeout="30s",
    ).body,
    {"acknowledged": True},
    "resume_follow",
)
eventually(lambda: count("follower_index") == 1201, "what was written in the pause")
stats = client.ccr.stats()
expect({entry["index"] for entry in stats["follow_stats"]["indices"]}, {"follower_index", "follower_index_tuned"}, "stats")
for index in ("follower_index", "follower_index_tuned"):
    client.ccr.pause_follow(index=index)
    client.indices.close(index=index)
    expect(client.ccr.unfollow(index=index).body, {"acknowledged": True}, "unfollow")
    client.indices.open(index=index)
answer = client.index(index="follower_index", id="mine", document={"title": "an ordinary index", "year": 2022}, refresh=True)
expect(answer["result"], "created", "a write after unfollow")
expect(client.ccr.stats()["follow_stats"]["indices"], [], "stats after unfollow")
answer = client.cluster.put_settings(persistent={"cluster": {"remote": {"remote_cluster": {"seeds": None}}}})
expect(answer["acknowledged"], True, "removing the remote cluster")
for index in ("follower_index", "follower_index_tuned"):
    expect(client.indices.delete(index=index)["acknowledged"], True, "delete")
expect(leader.indices.delete(index="leader_index")["acknowledged"], True, "delete of the leader")
print("all samples passed")
