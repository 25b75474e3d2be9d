"""Runs one test: its steps in order, from the skip condition to the last assertion."""

import re

from .definitions import NotInApi
from .values import MISSING, Mismatch, Stash, check, is_pattern, is_true

# What a test may ask of its runner that this one can do.
FEATURES = {
    "allowed_warnings",
    "arbitrary_key",
    "contains",
    "default_shards",
    "headers",
    "no_xpack",
    "node_selector",
    "stash_in_path",
    "warnings",
    "yaml",
}

CATCHES = {
    "bad_request": {400},
    "unauthorized": {401},
    "forbidden": {403},
    "missing": {404},
    "request_timeout": {408},
    "conflict": {409},
    "unavailable": {503},
}

ASSERTIONS = {"match", "length", "contains", "gt", "gte", "lt", "lte"}


class Skipped(Exception):
    """The test is not for this version, or not for this runner."""


class Failed(Exception):
    """A step failed; says which request and what differed."""


def version_of(text):
    """A version for comparison."""
    return tuple(int(number) for number in re.findall(r"\d+", text)[:3])


def within(version, given_range):
    """Whether the version is in a range like ` - 7.6.99`, `7.2.0 - ` or `all`."""
    if given_range == "all":
        return True
    low, _, high = str(given_range).partition("-")
    return (not low.strip() or version_of(low) <= version) and (not high.strip() or version <= version_of(high))


def _listed(value):
    if isinstance(value, list):
        return value
    return [] if value is None else [one.strip() for one in str(value).split(",")]


class Run:
    """One run of one test against a node of that version."""

    def __init__(self, client, definitions, version):
        self.client, self.definitions, self.version = client, definitions, version
        self.stash, self.answer, self.request = Stash(), None, None

    def test(self, test):
        """Raises Skipped, NotInApi or Failed unless the test passes."""
        try:
            self._steps(test.setup)
            self._steps(test.steps)
        finally:
            try:
                self._steps(test.teardown)
            except (Failed, Skipped, NotInApi):
                pass  # What is left behind is removed before the next test anyway.

    def _steps(self, steps):
        for step in steps:
            for kind, content in step.items():
                self._step(kind, content)

    def _step(self, kind, content):
        if kind == "skip":
            self._skip(content)
        elif kind == "do":
            self._do(dict(content))
        else:
            try:
                self._assertion(kind, content)
            except Mismatch as error:
                raise Failed(f"{self.request}: {error}{self._failed_shard()}") from error

    def _skip(self, content):
        if "version" in content and within(self.version, content["version"]):
            raise Skipped(content.get("reason", "not for this version"))
        lacking = set(_listed(content.get("features"))) - FEATURES
        if lacking:
            raise Skipped(f"the runner has no {', '.join(sorted(lacking))}")

    def _failed_shard(self):
        """What the first shard that failed said, which the answer as a whole hides."""
        shards = self.answer.data.get("_shards") if isinstance(self.answer.data, dict) else None
        failures = shards.get("failures") if isinstance(shards, dict) else None
        return f"; a shard failed: {failures[0]['reason']}" if failures else ""

    def _assertion(self, kind, content):
        data = self.answer.data
        if kind == "is_true" and _is_of_types(content, "_doc"):
            return
        if kind in ("is_true", "is_false"):
            value = self.stash.found(content, data)
            if is_true(value) != (kind == "is_true"):
                raise Mismatch(f"{kind} [{content}]: got {'nothing' if value is MISSING else repr(value)}")
            return
        for path, expected in content.items():
            path = str(path)
            if path == "$body":
                # The body's text for a pattern or a text, else the body as data.
                value = self.answer.text if isinstance(expected, str) else data
            else:
                value = self.stash.found(path, data)
            if kind == "set":
                if value is MISSING:
                    raise Mismatch(f"set [{path}]: nothing there")
                self.stash.values[expected] = value
            elif kind not in ASSERTIONS:
                raise Failed(f"unknown step [{kind}]")
            elif not _is_of_types(path, expected):
                check(kind, path, _without_types(self.stash.replaced(expected)), value)

    def _do(self, content):
        catch, headers = content.pop("catch", None), content.pop("headers", {})
        expected_warnings, allowed = content.pop("warnings", []), content.pop("allowed_warnings", [])
        selector = content.pop("node_selector", {})
        if "version" in selector and not within(self.version, selector["version"]):
            raise Skipped("no node of that version")
        (name, arguments), = content.items()
        try:
            request = self.definitions.request(name, self.stash.replaced(arguments or {}))
        except NotInApi:
            if catch == "param":
                return
            raise
        request.headers.update(self.stash.replaced(headers))
        self.request = request
        try:
            self.answer = self.client.send(request)
        except Exception as error:  # Whatever goes wrong with one answer fails this test only.
            raise Failed(f"{request}: no answer: {error!r}") from error
        ignored = [int(status) for status in _listed((arguments or {}).get("ignore"))]
        self._check_status(request, catch, ignored)
        self._check_warnings(request, expected_warnings, allowed)

    def _check_status(self, request, catch, ignored):
        answer = self.answer
        told = f"{request}: {answer.status} {answer.text[:700]}"
        if catch is None:
            missing_is_an_answer = request.method == "HEAD" and answer.status == 404
            if answer.is_error and not missing_is_an_answer and answer.status not in ignored:
                raise Failed(told)
        elif not answer.is_error:
            raise Failed(f"{request}: expected failure [{catch}], got {answer.status}")
        elif is_pattern(catch):
            if not re.search(catch[1:-1], _as_java_prints(_error_of(answer))):
                raise Failed(f"{told}: expected {catch}")
        elif catch in CATCHES:
            if answer.status not in CATCHES[catch]:
                raise Failed(f"{told}: expected [{catch}]")
        elif catch == "param":
            raise Failed(f"{told}: the definitions have this request")

    def _check_warnings(self, request, expected, allowed):
        unexpected = [one for one in self.answer.warnings if one not in expected and one not in allowed]
        missing = [one for one in expected if one not in self.answer.warnings]
        if unexpected or missing:
            raise Failed(f"{request}: warnings: unexpected {unexpected}, missing {missing}")


def _error_of(answer):
    return answer.data.get("error") if isinstance(answer.data, dict) else answer.text


def _as_java_prints(value):
    """The text of a value that the patterns for errors are written for."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}={_as_java_prints(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_as_java_prints, value)) + "]"
    return str(value)


def _is_of_types(path, expected):
    """Whether the assertion is that a document has a type. Answers have none since 8.0."""
    return expected == "_doc" and (path == "_type" or path.endswith("._type"))


def _without_types(value):
    if isinstance(value, dict):
        return {key: _without_types(one) for key, one in value.items() if (key, one) != ("_type", "_doc")}
    return [_without_types(one) for one in value] if isinstance(value, list) else value
