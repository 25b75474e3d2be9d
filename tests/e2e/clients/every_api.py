"""Every API of the server, by the method that the official Python client has for it.

Reads LEADER and FOLLOWER (URLs) and LEADER_TRANSPORT (host and port) from the environment; ends with a failure at the first answer that is not
as documented, and in the end when an operation of `GET /_openapi.json` was not reached.
"""

from apis import cat, cluster, documents, search, tasks
from apis.suite import coverage, raw

# Supported operations that cannot be reached from a client: the method and path of each, with the reason.
EXCEPTIONS = {}

for subject in (cluster, cat):
    subject.run()
reached, by_name, supported, described = coverage.check(raw("GET", "/_openapi.json"), EXCEPTIONS)
print(f"{reached} of {supported} supported operations reached, {by_name} of them by methods of the client; {described - supported} are refused")
print("all samples passed")
