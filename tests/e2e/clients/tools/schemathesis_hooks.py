"""What schemathesis makes up is sent as it is, but for how long a request asks to wait.

Waiting as long as it is asked to is no hang of the server: the health of an index that never comes, with a timeout of
-1, has no answer. With short waits every answer that is late is a hang, and more requests fit into the time.
"""

import re

import schemathesis

# Parameters that say how long a request waits.
WAITS = ("timeout", "master_timeout", "wait_for_timeout")
# What a valid one becomes; one that is not valid stays, and must be refused.
SHORT = "1s"
VALID = re.compile(r"-1|[0-9]+(nanos|micros|ms|s|m|h|d)", re.ASCII)


@schemathesis.hook
def map_query(context, query):
    taken = {parameter.name for parameter in context.operation.query}
    for name in WAITS:
        value = query.get(name, SHORT)
        if name in taken and isinstance(value, str) and VALID.fullmatch(value):
            query[name] = SHORT
    return query
