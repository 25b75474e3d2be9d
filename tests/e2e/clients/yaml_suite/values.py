"""Values: the stash, paths into answers, and comparisons."""

import re

ARBITRARY_KEY = "_arbitrary_key_"
MISSING = object()


class Mismatch(Exception):
    """An assertion does not hold."""


class Stash:
    """What a test has set aside, by name."""

    def __init__(self):
        self.values = {}

    def replaced(self, value):
        """The value with each `$name` and `${name}` in it replaced."""
        if isinstance(value, dict):
            return {self.replaced(key): self.replaced(one) for key, one in value.items()}
        if isinstance(value, list):
            return [self.replaced(one) for one in value]
        if not isinstance(value, str) or "$" not in value:
            return value
        whole = re.fullmatch(r"\$\{?(\w+)\}?", value)
        if whole and whole[1] in self.values:
            return self.values[whole[1]]
        return re.sub(r"\$\{(\w+)\}", lambda found: str(self.values.get(found[1], found[0])), value)

    def found(self, path, data):
        """What is at the path of the answer, or MISSING."""
        current = data
        for step in steps_of(path):
            step = self.replaced(step)
            if isinstance(current, list) and str(step).isdigit():
                current = current[int(step)] if int(step) < len(current) else MISSING
            elif isinstance(current, dict) and step == ARBITRARY_KEY:
                return next(iter(current), MISSING)
            elif isinstance(current, dict):
                current = current.get(str(step), MISSING)
            else:
                return MISSING
        return current


def steps_of(path):
    """The steps of a path whose dots may be escaped."""
    if path == "":
        return []
    return [step.replace("\\.", ".") for step in re.split(r"(?<!\\)\.", path)]


def is_true(value):
    return value is not MISSING and value is not None and str(value).lower() not in ("", "false", "0")


def is_pattern(value):
    return isinstance(value, str) and len(value.strip()) > 1 and value.strip()[0] == value.strip()[-1] == "/"


def matches_pattern(pattern, text):
    """Whether the pattern of the form `/.../`, with white space and comments in it, is in the text."""
    # Inside of brackets Java leaves out white space too, and knows no `#` that starts a comment there.
    source = pattern.strip()[1:-1].replace(r"\p{L}", "[^\\W\\d_]").replace("\\/", "/")
    source = re.sub(r"(?<!\\)\[([^\]]*[^\]\\])\]", lambda found: "[" + found[1].replace(" ", "") + "]", source)
    return re.search(source, text, re.VERBOSE) is not None


def equal(expected, actual):
    """Whether both are equal; numbers by value, whatever their type."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        return expected.keys() == actual.keys() and all(equal(expected[key], actual[key]) for key in expected)
    if isinstance(expected, list) and isinstance(actual, list):
        return len(expected) == len(actual) and all(map(equal, expected, actual))
    if isinstance(expected, bool) or isinstance(actual, bool):
        return expected is actual
    return expected == actual


def check(kind, path, expected, actual):
    """Raises Mismatch unless the assertion of that kind holds for the value."""
    if not _holds(kind, expected, actual):
        shown = "nothing" if actual is MISSING else f"{actual!r}"
        raise Mismatch(f"{kind} [{path}]: expected {expected!r}, got {shown}")


def _holds(kind, expected, actual):
    if kind == "match" and is_pattern(expected):
        return actual is not MISSING and actual is not None and matches_pattern(expected, _text(actual))
    if kind == "match":
        return equal(expected, None if actual is MISSING else actual)
    if kind == "length":
        return isinstance(actual, (str, list, dict)) and len(actual) == int(expected)
    if kind == "contains":
        if isinstance(actual, list):
            return any(equal(expected, one) or _within(expected, one) for one in actual)
        return isinstance(actual, str) and str(expected) in actual
    if not isinstance(actual, (int, float)) or isinstance(actual, bool):
        return False
    return {"gt": actual > expected, "gte": actual >= expected, "lt": actual < expected, "lte": actual <= expected}[kind]


def _within(expected, actual):
    is_part = isinstance(expected, dict) and isinstance(actual, dict)
    return is_part and all(key in actual and equal(value, actual[key]) for key, value in expected.items())


def _text(value):
    return ("true" if value else "false") if isinstance(value, bool) else str(value)
