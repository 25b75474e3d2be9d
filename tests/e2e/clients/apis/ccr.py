"""Cross-cluster replication, with the leader as a remote cluster of the follower."""

import os

from apis.suite import ACKNOWLEDGED, client as leader
from apis.suite import expect_error, follower, raw
from checks import eventually, expect

REMOTE = "every-remote"
INDEX = "every-leader"
COPY = "every-copy"
PATTERN = "every-pattern"


def run():
    connect([os.environ["LEADER_TRANSPORT"]])
    eventually(lambda: follower.cluster.remote_info()[REMOTE]["connected"], "connection to the remote cluster")
    leader.indices.create(index=INDEX, settings={"number_of_shards": 2, "number_of_replicas": 0})
    for number in range(10):
        leader.index(index=INDEX, id=str(number), document={"n": number})
    remote()
    one_follower()
    forgotten()
    patterns()
    expect(leader.indices.delete(index=INDEX).body, ACKNOWLEDGED, "delete of the leader")
    connect(None)
    eventually(lambda: REMOTE not in follower.cluster.remote_info(), "the end of the remote cluster")


def connect(seeds):
    answer = follower.cluster.put_settings(persistent={f"cluster.remote.{REMOTE}.seeds": seeds})
    expect(answer["acknowledged"], True, "put_settings")


def remote():
    (about,) = [about for name, about in follower.cluster.remote_info().items() if name == REMOTE]
    expect((about["mode"], about["seeds"], about["num_nodes_connected"]), ("sniff", [os.environ["LEADER_TRANSPORT"]], 1), "remote_info")
    answer = follower.indices.resolve_cluster(name=f"{REMOTE}:every-*", ignore_unavailable=True, ignore_throttled=False, timeout="10s")
    expect((answer[REMOTE]["connected"], answer[REMOTE]["matching_indices"]), (True, True), "resolve_cluster")
    expect(follower.indices.resolve_cluster()[REMOTE]["connected"], True, "resolve_cluster of every remote cluster")


def follow(index, **more):
    answer = follower.ccr.follow(index=index, remote_cluster=REMOTE, leader_index=INDEX, wait_for_active_shards=1, **more)
    expect(answer.body, {"follow_index_created": True, "follow_index_shards_acked": True, "index_following_started": True}, "follow")


def documents(index):
    follower.indices.refresh(index=index)
    return follower.count(index=index)["count"]


def one_follower():
    follow(COPY, settings={"index.number_of_replicas": 0}, max_outstanding_read_requests=3, read_poll_timeout="5s", master_timeout="30s")
    eventually(lambda: documents(COPY) == 10, "the documents of the leader")
    (info,) = follower.ccr.follow_info(index=COPY, master_timeout="30s")["follower_indices"]
    seen = (info["status"], info["remote_cluster"], info["leader_index"], info["parameters"]["max_outstanding_read_requests"])
    expect(seen, ("active", REMOTE, INDEX, 3), "follow_info")
    (stats,) = follower.ccr.follow_stats(index=COPY, timeout="30s")["indices"]
    expect([(shard["leader_index"], shard["shard_id"]) for shard in stats["shards"]], [(INDEX, 0), (INDEX, 1)], "follow_stats")
    every = follower.ccr.stats(timeout="30s", master_timeout="30s")
    expect([entry["index"] for entry in every["follow_stats"]["indices"]], [COPY], "ccr.stats")
    expect(follower.xpack.usage(master_timeout="30s")["ccr"]["follower_indices_count"], 1, "usage")
    # How its shards came to be.
    for answer in (follower.indices.recovery(index=COPY, human=True, detailed=True), follower.indices.recovery()):
        shards = answer[COPY]["shards"]
        expect({(shard["id"], shard["stage"]) for shard in shards}, {(0, "DONE"), (1, "DONE")}, "recovery of a follower")
    table = follower.cat.recovery(index=COPY, h="index,shard,stage", s="shard", format="json")
    expect([(row["shard"], row["stage"]) for row in table], [("0", "done"), ("1", "done")], "cat.recovery of a follower")

    expect(follower.ccr.pause_follow(index=COPY, master_timeout="30s").body, ACKNOWLEDGED, "pause_follow")
    leader.delete(index=INDEX, id="0")
    expect(follower.exists(index=COPY, id="0").body, True, "a document that was deleted in the pause")
    expect(follower.ccr.resume_follow(index=COPY, max_retry_delay="1s", master_timeout="30s").body, ACKNOWLEDGED, "resume_follow")
    eventually(lambda: documents(COPY) == 9, "the deletion")
    end_of(COPY)


def end_of(index):
    """Makes an ordinary index of a follower, and deletes it."""
    follower.ccr.pause_follow(index=index)
    follower.indices.close(index=index)
    expect(follower.ccr.unfollow(index=index, master_timeout="30s").body, ACKNOWLEDGED, "unfollow")
    expect_error(404, "resource_not_found_exception", lambda: follower.ccr.follow_stats(index=index))
    follower.indices.open(index=index)
    follower.indices.delete(index=index)


def forgotten():
    follow("every-forgotten")
    answer = leader.ccr.forget_follower(
        index=INDEX,
        follower_cluster=follower.info()["cluster_name"],
        follower_index="every-forgotten",
        follower_index_uuid=follower.indices.get_settings(index="every-forgotten", flat_settings=True)["every-forgotten"]["settings"]["index.uuid"],
        leader_remote_cluster=REMOTE,
        timeout="30s",
    )
    expect(answer.body, {"_shards": {"total": 2, "successful": 2, "failed": 0}}, "forget_follower")
    end_of("every-forgotten")


def patterns():
    put = {
        "remote_cluster": REMOTE,
        "leader_index_patterns": ["every-auto-*"],
        "leader_index_exclusion_patterns": ["every-auto-not-*"],
        "follow_index_pattern": "{{leader_index}}-copy",
    }
    leader.indices.create(index="every-auto-there", settings={"number_of_replicas": 0})
    previewed = raw("POST", "/_ccr/auto_follow/_preview", {**put, "follow_existing_indices": True}, of=follower)
    expected = {"indices": [{"leader_index": "every-auto-there", "would_follow": True, "follower_index": "every-auto-there-copy"}]}
    expect(previewed, expected, "preview_auto_follow")
    answer = follower.ccr.put_auto_follow_pattern(name=PATTERN, **put, max_outstanding_read_requests=2, master_timeout="30s")
    expect(answer.body, ACKNOWLEDGED, "put_auto_follow_pattern")
    (previewed,) = raw("GET", f"/_ccr/auto_follow/{PATTERN}/_preview", of=follower)["indices"]
    expect((previewed["leader_index"], previewed["would_follow"]), ("every-auto-there", False), "preview_auto_follow of a pattern")
    for given in ({}, {"name": PATTERN, "master_timeout": "30s"}):
        (shown,) = follower.ccr.get_auto_follow_pattern(**given)["patterns"]
        expect((shown["name"], {key: shown["pattern"][key] for key in put}), (PATTERN, put), "get_auto_follow_pattern")
    for change, active in ((follower.ccr.pause_auto_follow_pattern, False), (follower.ccr.resume_auto_follow_pattern, True)):
        expect(change(name=PATTERN, master_timeout="30s").body, ACKNOWLEDGED, change.__name__)
        (shown,) = follower.ccr.get_auto_follow_pattern(name=PATTERN)["patterns"]
        expect(shown["pattern"]["active"], active, change.__name__)
    leader.indices.create(index="every-auto-new", settings={"number_of_replicas": 0})
    leader.index(index="every-auto-new", id="1", document={"n": 1})
    copied = follower.options(ignore_status=(404, 503))
    eventually(lambda: copied.exists(index="every-auto-new-copy", id="1").body, "auto-follow")
    expect(follower.indices.exists(index="every-auto-there-copy").body, False, "an index that was there before the pattern")
    expect(follower.ccr.delete_auto_follow_pattern(name=PATTERN, master_timeout="30s").body, ACKNOWLEDGED, "delete_auto_follow_pattern")
    expect_error(404, "resource_not_found_exception", lambda: follower.ccr.get_auto_follow_pattern(name=PATTERN))
    end_of("every-auto-new-copy")
    leader.indices.delete(index=["every-auto-there", "every-auto-new"])
