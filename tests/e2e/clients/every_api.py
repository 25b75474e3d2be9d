"""Every API of the server, by the method that the official Python client has for it.

Reads LEADER and FOLLOWER (URLs) and LEADER_TRANSPORT (host and port) from the environment; ends with a failure at the first answer that is not
as documented, and at the end when a supported operation of `GET /_openapi.json` was not reached.
"""

from apis import cat, ccr, cluster, data_streams, documents, indices, metadata, refused, search, tasks, templates
from apis.suite import coverage, raw

SUBJECTS = (documents, search, tasks, indices, metadata, templates, data_streams, cluster, cat, ccr, refused)

# Supported operations ("METHOD /path") that no request can reach with success, each with the reason.
EXCEPTIONS = {}

# Paths that no method of the client sends, each with the reason: requests of their own reach these.
WITHOUT_METHOD = {
    "/_openapi.json": "not in Elasticsearch",
    "/_ccr/auto_follow/_preview": "not in Elasticsearch",
    "/_ccr/auto_follow/{name}/_preview": "not in Elasticsearch",
    "/_search/scroll/{scroll_id}": "the client sends the identifier in the body",
    "/{index}/_aliases/{name}": "another name of _alias",
    "/{index}/_mappings": "another name of _mapping",
}

for subject in SUBJECTS:
    subject.run()
print(coverage.check(raw("GET", "/_openapi.json"), EXCEPTIONS, WITHOUT_METHOD))
print("all samples passed")
