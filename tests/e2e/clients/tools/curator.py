"""Actions of Curator, each in an action file as its users write them, and what the cluster looks like afterwards.

Reads LEADER (URL), CURATOR (program), WORK (folder) and DOCUMENTS (lines of JSON) from the environment; ends with a failure at the
first action that does not do what it says.
"""

import json
import os
import time

import common
from common import exists, expect, rest

leader = os.environ["LEADER"]
home = common.folder("curator")


def act(name, options=None, filters=None, **more):
    """Runs one action; an action file is YAML, and JSON is YAML too."""
    action = {"action": name, "description": name, "options": options or {}, **more}
    if filters is not None:
        action["filters"] = filters
    file = home / f"{name}.yml"
    file.write_text(json.dumps({"actions": {1: action}}))
    common.run([os.environ["CURATOR"], "--hosts", leader, file], f"curator {name}")


def by_prefix(prefix):
    return {"filtertype": "pattern", "kind": "prefix", "value": prefix}


def older_than(days):
    """By the date in the name."""
    return {
        "filtertype": "age",
        "source": "name",
        "direction": "older",
        "timestring": "%Y.%m.%d",
        "unit": "days",
        "unit_count": days,
    }


def settings(index):
    return rest(leader, "GET", f"/{index}/_settings")[index]["settings"]["index"]


def indices():
    return sorted(index for index in rest(leader, "GET", "/*?expand_wildcards=all") if index.startswith("cur"))


def day(ago):
    return time.strftime("%Y.%m.%d", time.gmtime(time.time() - ago * 24 * 3600))


# create_index, with settings and mappings, and with a date in the name.
body = {
    "settings": {"number_of_shards": 2, "number_of_replicas": 0},
    "mappings": {"properties": {"country": {"type": "keyword"}}},
}
act("create_index", {"name": "cur-cities", "extra_settings": body})
expect(settings("cur-cities")["number_of_shards"], "2", "shards of the created index")
mapping = rest(leader, "GET", "/cur-cities/_mapping")["cur-cities"]["mappings"]
expect(mapping["properties"]["country"], {"type": "keyword"}, "mapping of the created index")
act("create_index", {"name": "<cur-{now/d}>", "extra_settings": body})
expect(indices(), sorted([f"cur-{day(0)}", "cur-cities"]), "the index named by date math")

# alias: add and remove in one go.
common.bulk(leader, "cur-cities", common.documents()[:500])
rest(leader, "PUT", f"/cur-{day(0)}/_alias/cur-current")
act(
    "alias",
    {"name": "cur-current"},
    add={"filters": [by_prefix("cur-cities")]},
    remove={"filters": [by_prefix(f"cur-{day(0)}")]},
)
expect(list(rest(leader, "GET", "/_alias/cur-current")), ["cur-cities"], "indices of the alias")

# rollover, by name of the alias and its conditions.
rest(leader, "PUT", "/cur-log-000001", {"aliases": {"cur-log": {"is_write_index": True}}, "settings": {"number_of_replicas": 0}})
act("rollover", {"name": "cur-log", "conditions": {"max_docs": 2}, "extra_settings": {"index.number_of_replicas": 0}})
expect(exists(leader, "cur-log-000002"), False, "a rollover whose condition is not met")
common.bulk(leader, "cur-log", [{"line": n} for n in range(3)])
act("rollover", {"name": "cur-log", "conditions": {"max_docs": 2}, "extra_settings": {"index.number_of_replicas": 0}})
aliases = rest(leader, "GET", "/_alias/cur-log")
written = [index for index, entry in aliases.items() if entry["aliases"]["cur-log"].get("is_write_index")]
expect((sorted(aliases), written), (["cur-log-000001", "cur-log-000002"], ["cur-log-000002"]), "indices after a rollover")

# close and open.
act("close", filters=[by_prefix("cur-log-000001")])
expect(common.request(leader, "GET", "/cur-log-000001/_count")[1]["error"]["type"], "index_closed_exception", "a closed index")
act("open", filters=[by_prefix("cur-log-000001"), {"filtertype": "closed", "exclude": False}])
expect(common.count(leader, "cur-log-000001"), 3, "documents of the index that was opened again")

# forcemerge: an index of two segments.
for n in range(2):
    rest(leader, "PUT", f"/cur-log-000001/_doc/late-{n}?refresh=true", {"line": n})
act("forcemerge", {"max_num_segments": 1}, [by_prefix("cur-log-000001"), {"filtertype": "forcemerged", "max_num_segments": 1}])
shards = rest(leader, "GET", "/cur-log-000001/_segments")["indices"]["cur-log-000001"]["shards"]
expect([len(copy["segments"]) for shard in shards.values() for copy in shard], [1], "segments after a force merge")

# index_settings and replicas.
act("index_settings", {"index_settings": {"index": {"refresh_interval": "7s"}}}, [by_prefix("cur-log")])
expect({settings(index)["refresh_interval"] for index in aliases}, {"7s"}, "the changed setting")
act("replicas", {"count": 1}, [by_prefix("cur-log")])
expect({settings(index)["number_of_replicas"] for index in aliases}, {"1"}, "the number of replicas")

# reindex, within the cluster, as a task that curator waits for.
act("create_index", {"name": "cur-cities-again", "extra_settings": body})
act(
    "reindex",
    {
        "wait_interval": 1,
        "max_wait": 60,
        "request_body": {"source": {"index": "REINDEX_SELECTION"}, "dest": {"index": "cur-cities-again"}},
    },
    [{"filtertype": "pattern", "kind": "regex", "value": "^cur-cities$"}],
)
copied = common.contents(leader, "cur-cities-again")
common.expect_documents(copied, common.contents(leader, "cur-cities"), "a reindex")

# delete_indices: by age and pattern, by count, by the age of what is inside, by alias, by space.
for ago in range(1, 6):
    rest(leader, "PUT", f"/cur-day-{day(ago)}", {"settings": {"number_of_replicas": 0}})
rest(leader, "PUT", f"/other-day-{day(5)}", {"settings": {"number_of_replicas": 0}})
act("delete_indices", filters=[by_prefix("cur-day-"), older_than(3)])
left = [index for index in indices() if index.startswith("cur-day-")]
expect(left, sorted(f"cur-day-{day(ago)}" for ago in (1, 2)), "indices younger than three days")
expect(exists(leader, f"other-day-{day(5)}"), True, "an index of another prefix")
by_count = {"filtertype": "count", "count": 1, "use_age": True, "source": "creation_date"}
act("delete_indices", filters=[by_prefix("cur-day-"), by_count])
left = [index for index in indices() if index.startswith("cur-day-")]
expect(len(left), 1, "indices after all but the newest were deleted")
for name, date in (("cur-in-old", "2020-02-29T12:00:00Z"), ("cur-in-new", time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))):
    rest(leader, "PUT", f"/{name}", {"settings": {"number_of_replicas": 0}, "mappings": {"properties": {"at": {"type": "date"}}}})
    common.bulk(leader, name, [{"at": date}, {"at": "2019-01-01"}])
of_field = {"filtertype": "age", "source": "field_stats", "field": "at", "stats_result": "max_value"}
of_field |= {"direction": "older", "unit": "days", "unit_count": 30}
act("delete_indices", filters=[by_prefix("cur-in-"), of_field])
expect([index for index in indices() if index.startswith("cur-in-")], ["cur-in-new"], "indices whose newest document is young")
act("delete_indices", filters=[by_prefix("cur-log"), {"filtertype": "alias", "aliases": ["cur-log"]}])
expect([index for index in indices() if index.startswith("cur-log")], [], "indices of the deleted alias")
act("delete_indices", {"ignore_empty_list": True}, [by_prefix("cur-cities"), {"filtertype": "space", "disk_space": 1.0}])
expect(exists(leader, "cur-cities"), True, "an index within the space")
act("delete_indices", filters=[{"filtertype": "pattern", "kind": "regex", "value": "^(cur|other)-"}])
expect(indices(), [], "indices at the end")
print("all samples passed")
