"""What becomes of followers whose leader, remote cluster or own index changes or goes, on the official Python client.

Reads LEADER and FOLLOWER (URLs) and LEADER_TRANSPORT (host and port) from the environment; ends with a failure at the first
answer that is not as documented.
"""

import os
import time

from checks import eventually, expect
from elasticsearch import ApiError, Elasticsearch

leader, follower = Elasticsearch(os.environ["LEADER"]), Elasticsearch(os.environ["FOLLOWER"])


def refused(status, error_type, call):
    try:
        call()
    except ApiError as error:
        expect((error.status_code, error.error), (status, error_type), "refusal")
    else:
        raise SystemExit(f"{error_type} was expected")


def follow(name, shards=1):
    leader.indices.create(index=name, settings={"number_of_shards": shards, "number_of_replicas": 0})
    started = follower.ccr.follow(
        index=f"{name}-copy", remote_cluster="porto", leader_index=name, wait_for_active_shards="all", read_poll_timeout="1s"
    )
    expect(started["index_following_started"], True, f"follow of {name}")


def shards(name):
    return follower.ccr.follow_stats(index=f"{name}-copy")["indices"][0]["shards"]


def arrives(name):
    """A document that is written now arrives."""
    document = leader.index(index=name, document={"now": time.time()})["_id"]
    eventually(lambda: follower.options(ignore_status=[404, 503]).exists(index=f"{name}-copy", id=document).body, f"a document of {name}")


def usage():
    ccr = follower.xpack.usage()["ccr"]
    return ccr["follower_indices_count"], ccr["auto_follow_patterns_count"], "last_follow_time_in_millis" in ccr


def set_remote(**settings):
    follower.cluster.put_settings(persistent={f"cluster.remote.porto.{name.replace('__', '.')}": value for name, value in settings.items()})


set_remote(seeds=[os.environ["LEADER_TRANSPORT"]])
eventually(lambda: follower.cluster.remote_info()["porto"]["connected"], "connection to the remote cluster")

# Usage counts followers and patterns as they come and go.
expect(usage(), (0, 0, False), "usage before")
follow("wheat")
follower.ccr.put_auto_follow_pattern(name="grain", remote_cluster="porto", leader_index_patterns=["rye-*"])
expect(usage(), (1, 1, True), "usage of a follower and a pattern")
follower.ccr.delete_auto_follow_pattern(name="grain")

# The connection changes, the follower goes on.
for compress in ("true", "false", None):
    set_remote(transport__compress=compress)
    arrives("wheat")
expect("fatal_exception" in shards("wheat")[0], False, "a fatal exception")

# A closed follower is told of all the same, cannot be followed into, and goes on when it is open.
follower.indices.close(index="wheat-copy")
expect(len(shards("wheat")), 1, "stats of a closed follower")
again = {"index": "wheat-copy", "remote_cluster": "porto", "leader_index": "wheat"}
refused(400, "resource_already_exists_exception", lambda: follower.ccr.follow(**again))
follower.indices.open(index="wheat-copy")
arrives("wheat")

# A closed leader: reads fail and following goes on later, but nothing can be resumed.
follower.ccr.pause_follow(index="wheat-copy")
leader.indices.close(index="wheat")
refused(400, "index_closed_exception", lambda: follower.ccr.resume_follow(index="wheat-copy"))
leader.indices.open(index="wheat")
follower.ccr.resume_follow(index="wheat-copy")
arrives("wheat")

# A leader that is deleted ends following for good; a pause clears it.
leader.indices.delete(index="wheat")
eventually(lambda: "fatal_exception" in shards("wheat")[0], "the fatal exception of a deleted leader")
expect(shards("wheat")[0]["fatal_exception"]["type"], "index_not_found_exception", "the fatal exception")
follower.ccr.pause_follow(index="wheat-copy")
refused(404, "resource_not_found_exception", lambda: shards("wheat"))
follower.indices.delete(index="wheat-copy")

# A follower of many shards that is deleted takes its tasks along.
follow("maize", shards=8)
arrives("maize")
expect(len(shards("maize")), 8, "shards in follow_stats")
follower.indices.delete(index="maize-copy")
eventually(lambda: follower.ccr.stats()["follow_stats"]["indices"] == [], "no follower in stats")
eventually(lambda: "shard_follow_task" not in str(follower.tasks.list(detailed=True)), "no task of the deleted follower")
expect(usage(), (0, 0, False), "usage afterwards")
leader.indices.delete(index="maize")
set_remote(seeds=None)
print("all samples passed")
