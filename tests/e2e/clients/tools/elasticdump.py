"""elasticdump copies an index out to files, from the files into another cluster, and from cluster to cluster.

Reads LEADER, FOLLOWER (URLs), ELASTICDUMP (program), WORK (folder) and DOCUMENTS (lines of JSON) from the environment; ends with a
failure at the first copy that is not like its original.
"""

import json
import os

import common
from common import contents, expect, expect_documents, rest

leader, follower = os.environ["LEADER"], os.environ["FOLLOWER"]
home = common.folder("elasticdump")
INDEX = "dump-cities"


def dump(source, target, kind, *more):
    """Copies one kind of thing. Its exit status is 0 in some failures too, so what it says counts as well."""
    command = [os.environ["ELASTICDUMP"], f"--input={source}", f"--output={target}", f"--type={kind}", *more]
    what = f"elasticdump of {kind} from {source} to {target}"
    said = common.run(command, what)
    if "dump complete" not in said or "rror" in said:
        raise SystemExit(f"{what} failed:\n{said}")


def of_index(base, index, api):
    return rest(base, "GET", f"/{index}/{api}")[index]


# An index with an analyzer, subfields, aliases, and documents of which one has a routing of its own.
body = {
    "settings": {
        "number_of_shards": 2,
        "number_of_replicas": 0,
        "analysis": {"analyzer": {"folded": {"type": "custom", "tokenizer": "standard", "filter": ["lowercase", "asciifolding"]}}},
    },
    "mappings": {
        "properties": {
            "name": {"type": "text", "analyzer": "folded", "fields": {"raw": {"type": "keyword"}}},
            "country": {"type": "keyword"},
            "lat": {"type": "double"},
            "lng": {"type": "double"},
        }
    },
    "aliases": {"dump-all": {}, "dump-andorra": {"filter": {"term": {"country": "AD"}}}},
}
rest(leader, "PUT", f"/{INDEX}", body)
common.bulk(leader, INDEX, common.documents()[:1200])
rest(leader, "PUT", f"/{INDEX}/_doc/routed?routing=elsewhere", {"name": "Çeşme", "country": "TR", "big": 9007199254740991})
original = contents(leader, INDEX)
expect(len(original), 1201, "documents to copy")

# elasticdump creates missing indices without settings; a replica could never be assigned in a cluster of one node, and it waits for green.
for base in (leader, follower):
    template = {"index_patterns": ["dump-*"], "template": {"settings": {"number_of_replicas": 0}}}
    rest(base, "PUT", "/_index_template/dumps", template)

# Out to files, and from the files into another cluster.
files = {kind: home / f"{kind}.json" for kind in ("settings", "analyzer", "mapping", "data", "alias")}
for kind, file in files.items():
    dump(f"{leader}/{INDEX}", file, kind)
lines = [json.loads(line) for line in files["data"].read_text().splitlines()]
expect_documents({line["_id"]: line["_source"] for line in lines}, original, "the file")
for kind in ("analyzer", "mapping", "data", "alias"):
    dump(files[kind], f"{follower}/{INDEX}", kind, "--limit=500")
expect_documents(contents(follower, INDEX), original, "the copy from files")
expect(of_index(follower, INDEX, "_mapping"), of_index(leader, INDEX, "_mapping"), "mapping of the copy")
expect(of_index(follower, INDEX, "_alias"), of_index(leader, INDEX, "_alias"), "aliases of the copy")
analysis = [of_index(base, INDEX, "_settings")["settings"]["index"]["analysis"] for base in (leader, follower)]
expect(analysis[1], analysis[0], "analyzers of the copy")
found = [rest(base, "POST", f"/{INDEX}/_count", {"query": {"match": {"name": "CESME"}}})["count"] for base in (leader, follower)]
expect(found, [1, 1], "hits of a folded word")
routed = rest(follower, "GET", f"/{INDEX}/_doc/routed?routing=elsewhere")
expect((routed["_routing"], routed["_source"]), ("elsewhere", original["routed"]), "the document with a routing")

# Settings create an index, with its shards.
dump(files["settings"], f"{follower}/dump-settings", "settings")
settings = of_index(follower, "dump-settings", "_settings")["settings"]["index"]
expect((settings["number_of_shards"], settings["analysis"]), ("2", analysis[0]), "an index created from the file of settings")

# From cluster to cluster: by scroll, by scroll with POST and compressed bodies, by search_after over a point in time.
source = f"{leader}/{INDEX}"
dump(source, f"{follower}/dump-scroll", "data", "--limit=250")
expect_documents(contents(follower, "dump-scroll"), original, "the copy by scroll")
dump(source, f"{follower}/dump-post", "data", "--limit=1000", "--scroll-with-post", "--esCompress")
expect_documents(contents(follower, "dump-post"), original, "the copy by scroll with POST")
dump(source, f"{leader}/dump-search-after", "data", "--limit=250", "--searchAfter", "--pit=true")
expect_documents(contents(leader, "dump-search-after"), original, "the copy by search_after")

# A part of the documents, through a compressed file, with an order.
some = home / "some.json.gz"
search = {"query": {"term": {"country": "AD"}}, "sort": [{"name.raw": "desc"}]}
dump(source, some, "data", f"--searchBody={json.dumps(search)}", "--fsCompress")
dump(some, f"{follower}/dump-some", "data", "--fsCompress")
chosen = {number: place for number, place in original.items() if place["country"] == "AD"}
expect(0 < len(chosen) < len(original), True, "a part of the documents")
expect_documents(contents(follower, "dump-some"), chosen, "the copy of a part")

# Documents that are there already are refused where only new ones may be created.
refused = home / "refused.json"
refused.write_text(json.dumps(lines[0]) + "\n")
command = [os.environ["ELASTICDUMP"], f"--input={refused}", f"--output={follower}/{INDEX}", "--bulkAction=create", "--ignore-es-write-errors"]
expect("version_conflict_engine_exception" in common.run(command, "elasticdump of a document that is there"), True, "a conflict")

for base in (leader, follower):
    indices = rest(base, "GET", "/dump-*")
    rest(base, "DELETE", "/" + ",".join(indices))
    rest(base, "DELETE", "/_index_template/dumps")
print("all samples passed")
