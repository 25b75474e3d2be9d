"""What the scripts for third-party tools share: REST calls, checks, and tools that run to their end within a deadline."""

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

# What the scripts of the clients check with, too.
sys.path.append(str(Path(__file__).parent.parent))
from checks import eventually, expect  # noqa: E402, F401

# No tool takes longer for one call.
TOOL_SECONDS = 300
# Characters of a failed tool's output that the report shows.
OUTPUT_SHOWN = 4000


def folder(name):
    """A new folder of that name below the scenario's own, which WORK names."""
    path = Path(os.environ["WORK"]) / name
    path.mkdir(parents=True)
    return path


def documents():
    """The documents to work with: lines of JSON in the file that DOCUMENTS names."""
    with open(os.environ["DOCUMENTS"], encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def request(base, method, path, body=None):
    """Status and JSON body of an answer; a body that is a string is sent as it is, as lines of JSON."""
    kind = "application/json"
    data = None
    if isinstance(body, str):
        kind, data = "application/x-ndjson", body.encode()
    elif body is not None:
        data = json.dumps(body).encode()
    call = urllib.request.Request(base + path, data, {"content-type": kind}, method=method)
    try:
        with urllib.request.urlopen(call, timeout=30) as answer:
            status, text = answer.status, answer.read()
    except urllib.error.HTTPError as error:
        status, text = error.code, error.read()
    return status, json.loads(text) if text else None


def rest(base, method, path, body=None):
    """The JSON body of an answer, which must be a success."""
    status, answer = request(base, method, path, body)
    if status >= 300:
        raise SystemExit(f"{method} {path} answered {status}: {answer}")
    return answer


def exists(base, index):
    return request(base, "HEAD", f"/{index}")[0] == 200


def bulk(base, index, sources):
    """Indexes documents under their own numbers and refreshes."""
    lines = "".join(
        json.dumps({"index": {"_id": str(number)}}) + "\n" + json.dumps(source) + "\n"
        for number, source in enumerate(sources)
    )
    answer = rest(base, "POST", f"/{index}/_bulk?refresh=true", lines)
    expect(answer["errors"], False, f"errors in a bulk request for {index}")


def count(base, index):
    rest(base, "POST", f"/{index}/_refresh")
    return rest(base, "GET", f"/{index}/_count")["count"]


def contents(base, index):
    """All documents of an index by `_id`; it has at most 10,000."""
    rest(base, "POST", f"/{index}/_refresh")
    hits = rest(base, "POST", f"/{index}/_search", {"size": 10000})["hits"]
    found = {hit["_id"]: hit["_source"] for hit in hits["hits"]}
    expect(len(found), hits["total"]["value"], f"documents in one page of {index}")
    return found


def expect_documents(actual, expected, what):
    """Compares documents by `_id` and names those that differ."""
    differ = [number for number in {*actual, *expected} if actual.get(number) != expected.get(number)]
    if differ:
        one = differ[0]
        counts = f"{len(actual)} instead of {len(expected)}, {len(differ)} differ"
        raise SystemExit(f"documents of {what}: {counts}; {one}: expected {expected.get(one)}, got {actual.get(one)}")


def run(command, what, env=None):
    """Runs a tool, which must succeed within its time, and returns what it said."""
    tool = subprocess.Popen(
        [str(word) for word in command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, **(env or {})},
        # A group of its own: what the tool started ends with it.
        start_new_session=True,
    )
    try:
        said = tool.communicate(timeout=TOOL_SECONDS)[0].decode(errors="replace")
    except BaseException:
        os.killpg(tool.pid, signal.SIGKILL)
        said = tool.communicate()[0].decode(errors="replace")
        print(f"{what} was ended:\n{said[-OUTPUT_SHOWN:]}")
        raise
    if tool.returncode != 0:
        raise SystemExit(f"{what} ended with {tool.returncode}:\n{said[-OUTPUT_SHOWN:]}")
    return said
