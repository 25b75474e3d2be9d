"""Runs the public YAML tests of Elasticsearch's REST API against nodes that hold nothing else, and keeps `docs/yaml-tests.md` true.

    yaml_tests.py --tests JAR --definitions JAR --node HOST:PORT [--node HOST:PORT ...]

Ends with a failure when a test that must pass fails, when one that is said to fail passes, or when the page is stale. With YAML_TESTS_WRITE_DOCS=1 in the
environment it writes the page, and takes out of the expectations what passes.
"""

import argparse
import collections
import os
import pathlib
import queue
import threading
from dataclasses import dataclass

from yaml_suite import table
from yaml_suite.cleaning import Cleaner
from yaml_suite.client import Client
from yaml_suite.definitions import Definitions, NotInApi, Request
from yaml_suite.documents import Test, tests_of
from yaml_suite.expectations import Expectations
from yaml_suite.running import Failed, Run, Skipped, version_of

HERE = pathlib.Path(__file__).resolve().parent
PAGE = HERE.parents[2] / "docs" / "yaml-tests.md"


@dataclass
class Result:
    test: Test
    # `passed`, `failed`, `removed` or `skipped`.
    outcome: str
    # What failed, or why it was not run.
    told: str
    # Why it was expected to fail, if it was.
    reason: str | None

    @property
    def surprise(self):
        return (self.outcome == "failed" and not self.reason) or (self.outcome == "passed" and self.reason)


def worker(node, files, definitions, expectations, results):
    """Runs the tests of one file after another on its own node."""
    client = Client(node)
    version = version_of(client.send(Request("GET", "/")).data["version"]["number"])
    cleaner = Cleaner(client)
    while True:
        try:
            tests = files.get_nowait()
        except queue.Empty:
            return
        for test in tests:
            outcome, told = "passed", ""
            try:
                cleaner.clean(test.suite)
                Run(client, definitions, version).test(test)
            except Skipped as error:
                outcome, told = "skipped", str(error)
            except NotInApi as error:
                outcome, told = "removed", str(error)
            except Failed as error:
                outcome, told = "failed", str(error)
            except Exception as error:  # A worker that ended would hold up the others' report.
                outcome, told = "failed", f"the runner failed: {error!r}"
            results.append(Result(test, outcome, told, expectations.reason(test)))


def run(nodes, tests, definitions, expectations):
    """The results of all tests, in the order of the tests."""
    by_file, files, results = collections.defaultdict(list), queue.Queue(), []
    for test in tests:
        by_file[test.suite, test.file].append(test)
    # The longest first, so that all nodes end at about the same time.
    for group in sorted(by_file.values(), key=len, reverse=True):
        files.put(group)
    given = (files, definitions, expectations, results)
    threads = [threading.Thread(target=worker, args=(node, *given), daemon=True) for node in nodes]
    for thread in threads:
        thread.start()
    while alive := [thread for thread in threads if thread.is_alive()]:
        alive[0].join(5)
        print(f"{len(results)} of {len(tests)} tests", flush=True)
    if len(results) < len(tests):
        raise SystemExit("a node does not answer")
    place = {test.id: number for number, test in enumerate(tests)}
    return sorted(results, key=lambda result: place[result.test.id])


def coordinates(archive):
    """`org.elasticsearch:rest-api-spec:1.2.3` of `rest-api-spec-1.2.3.jar`."""
    name, _, version = pathlib.Path(archive).stem.rpartition("-")
    return f"org.elasticsearch:{name}:{version}"


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--tests", required=True, help="the archive that holds the tests")
    arguments.add_argument("--definitions", required=True, help="the archive that holds the API definitions")
    arguments.add_argument("--node", required=True, action="append", help="where an empty node listens")
    arguments.add_argument("--only", default="", help="run tests whose name contains this, and show each failure")
    arguments.add_argument("--failures", help="write all failures to this file")
    given = arguments.parse_args()
    write_docs = os.environ.get("YAML_TESTS_WRITE_DOCS") == "1" and not given.only
    expectations = Expectations(HERE / "yaml_tests.toml")
    every = tests_of(given.tests)
    if expectations.unknown(every):
        raise SystemExit(f"the expectations name what is not there: {expectations.unknown(every)}")
    tests = [test for test in every if test.suite not in expectations.not_run and given.only in test.id]
    results = run(given.node, tests, Definitions(given.definitions), expectations)
    failed = [result for result in results if result.outcome == "failed"]
    if given.failures:
        lines = [f"{result.test.id}\n  {result.reason}\n  {result.told}\n" for result in failed]
        pathlib.Path(given.failures).write_text("".join(lines))
    if write_docs:
        expectations.rewrite(results)
        results = [result if result.outcome == "failed" else Result(result.test, result.outcome, result.told, None) for result in results]
    surprises = [result for result in results if result.surprise]
    for result in surprises if not given.only else failed:
        told = result.told if result.outcome == "failed" else f"passes, although: {result.reason}"
        print(f"{result.test.id}\n  {told}")
    counts = collections.Counter(result.outcome for result in results)
    print(", ".join(f"{number} {outcome}" for outcome, number in sorted(counts.items())))
    if surprises:
        raise SystemExit(f"{len(surprises)} tests did not end as expected")
    if given.only:
        return
    page = table.rendered(results, expectations.not_run, coordinates(given.tests), coordinates(given.definitions))
    if write_docs:
        PAGE.write_text(page)
    elif page != (PAGE.read_text() if PAGE.exists() else ""):
        raise SystemExit(f"{PAGE.name} is stale: run this again with YAML_TESTS_WRITE_DOCS=1")
    print("all samples passed")


main()
