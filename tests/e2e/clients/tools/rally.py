"""Rally races a track of our own against a leader, while a follower follows the index, and records statistics of CCR.

Reads LEADER, FOLLOWER, LEADER_TRANSPORT (addresses), ESRALLY (program), WORK (folder) and DOCUMENTS (lines of JSON) from the
environment; ends with a failure when the race has an error, documents lack, or nothing was recorded.
"""

import configparser
import json
import os
from pathlib import Path

import common
from common import eventually, expect, rest

leader, follower = os.environ["LEADER"], os.environ["FOLLOWER"]
home = common.folder("rally")
TRACK = Path(__file__).resolve().parent.parent / "rally-track"
INDEX, COPY = "race-cities", "race-cities-copy"
# More are cut down by Rally's test mode, which spares the seconds that it waits between tasks otherwise.
DOCUMENTS = 1000


def configure():
    """A home of Rally's own, whose records go into the leader. Returns the size of the track's documents."""
    settings = home / ".rally"
    data = settings / "data" / "cities"
    data.mkdir(parents=True)
    with open(os.environ["DOCUMENTS"], encoding="utf-8") as source:
        text = "".join(line for _, line in zip(range(DOCUMENTS), source))
    (data / "documents.json").write_text(text, encoding="utf-8")
    host, port = leader.removeprefix("http://").split(":")
    rally = configparser.ConfigParser()
    rally.read_dict(
        {
            "meta": {"config.version": "17"},
            "system": {"env.name": "local"},
            "node": {"root.dir": settings / "benchmarks", "src.root.dir": settings / "src"},
            "benchmarks": {"local.dataset.cache": settings / "data"},
            "reporting": {
                "datastore.type": "elasticsearch",
                "datastore.host": host,
                "datastore.port": port,
                "datastore.secure": "False",
                "datastore.user": "",
                "datastore.password": "",
                "datastore.number_of_replicas": "0",
            },
            "tracks": {},
            "teams": {},
            "defaults": {"preserve_benchmark_candidate": "False"},
            "distributions": {},
        }
    )
    with open(settings / "rally.ini", "w", encoding="utf-8") as file:
        rally.write(file)
    return len(text.encode())


def race(size):
    targets = {"default": [leader.removeprefix("http://")], "follower": [follower.removeprefix("http://")]}
    command = [os.environ["ESRALLY"], "race", "--pipeline=benchmark-only", "--offline", f"--track-path={TRACK}"]
    command += [f"--track-params=document_count:{DOCUMENTS},uncompressed_bytes:{size}"]
    command += [f"--target-hosts={json.dumps(targets)}", f"--client-options={json.dumps({name: {'timeout': 60} for name in targets})}"]
    command += ["--telemetry=ccr-stats", "--on-error=abort", "--test-mode", "--race-id=race", f"--report-file={home / 'report.md'}"]
    try:
        said = common.run(command, "a race", {"RALLY_HOME": str(home), "TMPDIR": str(home)})
    except SystemExit:
        log = home / ".rally/logs/rally.log"
        print(log.read_text(errors="replace")[-common.OUTPUT_SHOWN :] if log.exists() else "no log")
        raise
    expect("SUCCESS" in said, True, f"the end of the race:\n{said}")


def records(name):
    """What Rally recorded under a name during the race."""
    query = {"bool": {"filter": [{"term": {"name": name}}, {"term": {"race-id": "race"}}]}}
    hits = rest(leader, "POST", "/rally-metrics-*/_search", {"size": 1000, "query": query})["hits"]["hits"]
    return [hit["_source"] for hit in hits]


transport = os.environ["LEADER_TRANSPORT"]
rest(follower, "PUT", "/_cluster/settings", {"persistent": {"cluster": {"remote": {"race": {"seeds": [transport]}}}}})
eventually(lambda: rest(follower, "GET", "/_remote/info")["race"]["connected"], "connection to the remote cluster")
pattern = {"remote_cluster": "race", "leader_index_patterns": [INDEX], "follow_index_pattern": "{{leader_index}}-copy"}
rest(follower, "PUT", "/_ccr/auto_follow/race", pattern)

race(configure())

# The documents are on both sides.
expect(common.count(leader, INDEX), DOCUMENTS, "documents on the leader")
eventually(lambda: common.count(follower, COPY) == DOCUMENTS, "all documents on the follower")
common.expect_documents(common.contents(follower, COPY), common.contents(leader, INDEX), "the follower")

# Each task ran without an error, and is in the report.
rest(leader, "POST", "/rally-*/_refresh")
tasks = {record["task"] for record in records("service_time")}
for task in ("index", "everything", "words", "countries", "scroll", "point-in-time"):
    expect(task in tasks, True, f"the task {task} among {sorted(tasks)}")
failed = [record for record in records("service_time") if not record["meta"]["success"]]
expect(failed, [], "failed requests")
rows = [[cell.strip() for cell in row.strip("|").split("|")] for row in (home / "report.md").read_text().splitlines()]
rates = {row[1]: row[2] for row in rows if row[0] == "error rate"}
expect((rates.get("index"), set(rates.values())), ("0", {"0"}), "error rates in the report")
results = {"size": 0, "track_total_hits": True, "query": {"term": {"race-id": "race"}}}
expect(rest(leader, "POST", "/rally-results-*/_search", results)["hits"]["total"]["value"] > 20, True, "the stored results")

# Statistics of CCR were recorded for both shards while the documents came.
samples = records("ccr-stats")
of_copy = {(sample["meta"]["cluster"], sample["meta"]["index"]) for sample in samples}
expect(of_copy, {("follower", COPY)}, "whose statistics were recorded")
expect({sample["shard"]["shard_id"] for sample in samples}, {0, 1}, "shards whose statistics were recorded")
latest = {}
for sample in sorted(samples, key=lambda sample: sample["@timestamp"]):
    latest[sample["shard"]["shard_id"]] = sample["shard"]
# What was there before the follower came as files, and the last sample is up to a second old.
written = sum(shard["operations_written"] for shard in latest.values())
expect(0 <= written <= DOCUMENTS, True, f"{written} operations in the last statistics")

rest(follower, "DELETE", "/_ccr/auto_follow/race")
rest(follower, "POST", f"/{COPY}/_ccr/pause_follow")
rest(follower, "DELETE", f"/{COPY}")
indices = rest(leader, "GET", f"/{INDEX},rally-*")
rest(leader, "DELETE", "/" + ",".join(indices))
rest(follower, "PUT", "/_cluster/settings", {"persistent": {"cluster": {"remote": {"race": {"seeds": None}}}}})
print("all samples passed")
