"""What schemathesis makes up is sent as it is, but for how long a request asks to wait.

Waiting as long as it is asked to is no hang of the server: the health of an index that never comes, with a timeout of
-1, has no answer. With short waits every answer that is late is a hang, and more requests fit into the time.
"""

import re

import schemathesis

# Parameters that say how long a request waits, and those that may be left out: then it waits for long.
WAITS = ("timeout", "master_timeout", "wait_for_timeout")
LONG_BY_DEFAULT = ("timeout", "wait_for_timeout")
# What a long one becomes; one that is not valid stays, and must be refused.
SHORT = "1s"
LONG = re.compile(r"-1|[0-9]+(s|m|h|d)|[0-9]{4,}ms|[0-9]{7,}micros|[0-9]{10,}nanos", re.ASCII)
# A request that writes what it finds waits between two batches, so that it handles no more documents a second.
RATE = "requests_per_second"
FAST = 1000


@schemathesis.hook
def map_query(context, query):
    taken = {parameter.name for parameter in context.operation.query}
    for name in WAITS:
        value = query.get(name)
        is_long = isinstance(value, str) and LONG.fullmatch(value)
        is_left_out = name in LONG_BY_DEFAULT and name in taken and value is None
        if is_long or is_left_out:
            query[name] = SHORT
    rate = query.get(RATE)
    if isinstance(rate, (int, float)) and 0 < rate < FAST:
        query[RATE] = FAST
    return query
