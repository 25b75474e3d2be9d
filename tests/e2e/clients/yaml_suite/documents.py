"""The test files: suites of named tests, each a list of steps, out of the archive that holds them."""

import dataclasses
import re
import zipfile

import yaml

TESTS = "rest-api-spec/test/"


class Loader(yaml.SafeLoader):
    """YAML with the scalars of JSON: `no` and `2020-01-01` are strings here, as they are for the tests' own runner."""

    yaml_implicit_resolvers = {}


for tag, pattern, first in [
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF"),
    ("int", r"^[-+]?(?:0|[1-9][0-9_]*)$", "-+0123456789"),
    ("float", r"^[-+]?(?:[0-9][0-9_]*\.[0-9]*(?:[eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+|\.[0-9]+)$", "-+0123456789."),
    ("null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("merge", r"^(?:<<)$", ["<"]),
]:
    Loader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(pattern), list(first))


@dataclasses.dataclass(frozen=True)
class Test:
    """One named test of a file, with the steps that go before and after each test of that file."""

    suite: str
    file: str
    name: str
    setup: list
    steps: list
    teardown: list

    @property
    def id(self):
        return f"{self.suite}/{self.file}: {self.name}"


def tests_of(archive):
    """All tests of the archive, in the order of their files."""
    found = []
    with zipfile.ZipFile(archive) as opened:
        for path in sorted(opened.namelist()):
            if not path.startswith(TESTS) or not path.endswith(".yml"):
                continue
            suite, _, file = path.removeprefix(TESTS).rpartition("/")
            sections = {}
            for section in yaml.load_all(opened.read(path), Loader):
                sections.update(section or {})
            setup, teardown = sections.pop("setup", []), sections.pop("teardown", [])
            found += [Test(suite, file, name.strip(), setup, steps, teardown) for name, steps in sections.items()]
    return found
