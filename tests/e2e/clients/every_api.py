"""Every API of the server, by the method that the official Python client has for it.

Reads LEADER and FOLLOWER (URLs) and LEADER_TRANSPORT (host and port) from the environment; ends with a failure at the first answer that is not
as documented, and at the end when a supported operation of `GET /_openapi.json` was not reached.
"""

from apis import cat, ccr, cluster, data_streams, documents, indices, metadata, refused, search, tasks, templates
from apis.suite import coverage, raw

SUBJECTS = (documents, search, tasks, indices, metadata, templates, data_streams, cluster, cat, ccr, refused)

# Supported operations that no request can reach with success: (method, path), each with the reason.
EXCEPTIONS = {}

for subject in SUBJECTS:
    subject.run()
print(coverage.check(raw("GET", "/_openapi.json"), EXCEPTIONS))
print("all samples passed")
