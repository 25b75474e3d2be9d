"""One cluster that follows itself, as Elasticsearch's REST tests of CCR set it up, on the official Python client.

Reads LEADER (a URL) and LEADER_TRANSPORT (host and port) from the environment; ends with a failure at the first answer that is
not as documented.
"""

import os

from checks import eventually, expect
from elasticsearch import ApiError, Elasticsearch

client = Elasticsearch(os.environ["LEADER"])
ACKNOWLEDGED = {"acknowledged": True}


def expect_status(status, call, what):
    try:
        call()
    except ApiError as error:
        expect(error.status_code, status, what)
    else:
        raise SystemExit(f"{what}: status {status} was expected")


def set_seeds(seeds):
    flat = {"cluster.remote.local.seeds": seeds}
    return client.cluster.put_settings(persistent=flat, flat_settings=True).body


def follow(leader, follower):
    made = client.ccr.follow(index=follower, remote_cluster="local", leader_index=leader, wait_for_active_shards="1")
    started = {"follow_index_created": True, "follow_index_shards_acked": True, "index_following_started": True}
    expect(made.body, started, f"follow of {leader}")


def unfollow(follower):
    expect(client.ccr.pause_follow(index=follower).body, ACKNOWLEDGED, "pause_follow")
    expect(client.indices.close(index=follower)["acknowledged"], True, "close")
    expect(client.ccr.unfollow(index=follower).body, ACKNOWLEDGED, "unfollow")


def count(index):
    client.indices.refresh(index=index)
    return client.count(index=index)["count"]


# The cluster is its own remote cluster; flat settings come back flat.
seeds = [os.environ["LEADER_TRANSPORT"]]
expect(set_seeds(seeds)["persistent"], {"cluster.remote.local.seeds": seeds}, "flat settings")
eventually(lambda: client.cluster.remote_info()["local"]["connected"], "connection of the cluster to itself")
client.indices.create(index="foo", mappings={"properties": {"field": {"type": "keyword"}}})

# Stats and info of a follower whose leader is empty.
follow("foo", "bar")
for name in ("bar", "_all"):
    (stats,) = client.ccr.follow_stats(index=name)["indices"]
    (shard,) = stats["shards"]
    named = [shard[key] for key in ("leader_index", "follower_index", "remote_cluster", "shard_id")]
    expect([stats["index"], *named], ["bar", "foo", "bar", "local", 0], "names in follow_stats")
    for key in ("leader_global_checkpoint", "leader_max_seq_no", "follower_global_checkpoint", "follower_max_seq_no", "last_requested_seq_no"):
        expect(shard[key] >= -1, True, key)
    for key in (
        "write_buffer_operation_count",
        "write_buffer_size_in_bytes",
        "operations_read",
        "operations_written",
        "bytes_read",
        "failed_read_requests",
        "successful_write_requests",
        "failed_write_requests",
    ):
        expect(shard[key], 0, key)
    expect(shard["read_exceptions"], [], "read_exceptions")
    expect("fatal_exception" in shard, False, "a fatal exception")
    expect(shard["time_since_last_read_millis"] >= -1, True, "time_since_last_read_millis")
expect_status(404, lambda: client.ccr.follow_stats(index="unknown"), "follow_stats of what is not there")
(info,) = client.ccr.follow_info(index="_all")["follower_indices"]
expect((info["follower_index"], info["status"], len(info["parameters"])), ("bar", "active", 10), "follow_info")

# A follower takes no document; a pause with writes is made up for.
expect_status(403, lambda: client.index(index="bar", document={"field": "mine"}), "a document for a follower")
expect(client.ccr.pause_follow(index="bar").body, ACKNOWLEDGED, "pause_follow")
(info,) = client.ccr.follow_info(index="bar")["follower_indices"]
expect((info["status"], "parameters" in info), ("paused", False), "follow_info of a paused follower")
for number in range(3):
    client.index(index="foo", id=str(number), document={"field": "leader's"})
expect(client.ccr.resume_follow(index="bar").body, ACKNOWLEDGED, "resume_follow")
eventually(lambda: count("bar") == 3, "documents of the pause")

# The remote cluster may go and come back under another connection; following goes on.
set_seeds(None)
eventually(lambda: "local" not in client.cluster.remote_info(), "the remote cluster to be gone")
client.index(index="foo", id="late", document={"field": "leader's"})
set_seeds(seeds)
eventually(lambda: count("bar") == 4, "a document written without the remote cluster")
(stats,) = client.ccr.follow_stats(index="bar")["indices"]
expect("fatal_exception" in stats["shards"][0], False, "a fatal exception")
unfollow("bar")

# The leader forgets a follower that still follows; afterwards it can be unfollowed as ever.
follow("foo", "baz")
forgotten = client.ccr.forget_follower(
    index="foo",
    follower_cluster=client.info()["cluster_name"],
    follower_index="baz",
    follower_index_uuid=client.indices.get_settings(index="baz")["baz"]["settings"]["index"]["uuid"],
    leader_remote_cluster="local",
)
expect(forgotten.body, {"_shards": {"total": 1, "successful": 1, "failed": 0}}, "forget_follower")
unfollow("baz")

# Auto-follow patterns: shown as they were put, paused, resumed and deleted.
put = {"remote_cluster": "local", "leader_index_patterns": ["logs-*"], "max_outstanding_read_requests": 2}
for name, exclusions in (("without", None), ("with", ["logs-none"])):
    given = {} if exclusions is None else {"leader_index_exclusion_patterns": exclusions}
    expect(client.ccr.put_auto_follow_pattern(name=name, **put, **given).body, ACKNOWLEDGED, "put_auto_follow_pattern")
    (shown,) = client.ccr.get_auto_follow_pattern(name=name)["patterns"]
    expected = {**put, "leader_index_exclusion_patterns": exclusions or [], "active": True}
    expect((shown["name"], {key: shown["pattern"].get(key) for key in expected}), (name, expected), "get_auto_follow_pattern")
expect(len(client.ccr.get_auto_follow_pattern()["patterns"]), 2, "all patterns")
for change, active in ((client.ccr.pause_auto_follow_pattern, False), (client.ccr.resume_auto_follow_pattern, True)):
    expect_status(404, lambda change=change: change(name="unknown"), "a pattern that is not there")
    expect(change(name="with").body, ACKNOWLEDGED, "pause or resume")
    (shown,) = client.ccr.get_auto_follow_pattern(name="with")["patterns"]
    expect(shown["pattern"]["active"], active, "active")
for name in ("with", "without"):
    expect(client.ccr.delete_auto_follow_pattern(name=name).body, ACKNOWLEDGED, "delete_auto_follow_pattern")
    expect_status(404, lambda name=name: client.ccr.get_auto_follow_pattern(name=name), "a deleted pattern")
expect(client.indices.delete(index="foo,bar,baz").body, ACKNOWLEDGED, "delete")
set_seeds(None)
print("all samples passed")
