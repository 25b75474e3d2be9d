"""Which tests do not pass, and why: the file that is read, compared with what happened, and rewritten when tests begin to pass.

The file has groups of one reason each. A group names suites, files (`suite/file.yml`) or tests (`suite/file.yml: name`); all that
it names must fail. A reason begins with its kind.
"""

import json
import tomllib

KINDS = {
    "changed": "what Elasticsearch itself changed after the version of the tests",
    "differs": "what is different here on purpose",
    "not offered": "what this product does not have",
    "gap": "what is missing and wanted",
}


class Expectations:
    def __init__(self, path):
        self.path = path
        self.text = path.read_text()
        read = tomllib.loads(self.text)
        self.not_run = {suite: group["reason"] for group in read["not_run"] for suite in group["suites"]}
        self.reasons = {}
        for group in read["expected"]:
            if group["reason"].partition(":")[0] not in KINDS:
                raise SystemExit(f"{path.name}: the reason [{group['reason']}] begins with none of {', '.join(KINDS)}")
            for name in group["tests"]:
                if name in self.reasons:
                    raise SystemExit(f"{path.name}: [{name}] is there twice")
                self.reasons[name] = group["reason"]

    def reason(self, test):
        """Why the test does not pass, or None when it must. The narrowest name counts."""
        names = (test.id, f"{test.suite}/{test.file}", test.suite)
        return next((self.reasons[name] for name in names if name in self.reasons), None)

    def unknown(self, tests):
        """Names in the file that no test has."""
        known = {name for test in tests for name in (test.id, f"{test.suite}/{test.file}", test.suite)}
        return sorted((set(self.reasons) | set(self.not_run)) - known)

    def rewrite(self, results):
        """Takes out what passes now; what a group still names fails. New failures need a reason by hand."""
        failing = {}
        for result in results:
            if result.outcome == "failed":
                failing[result.test.id] = result.test
        passing = {name for result in results if result.outcome == "passed" for name in _names(result.test)}
        groups = {}
        for name, reason in self.reasons.items():
            kept = [name] if name not in passing else []
            if name in passing:
                kept = [id for id, test in failing.items() if name in _names(test) and self.reason(test) == reason]
            groups.setdefault(reason, []).extend(one for one in kept if one == name or one not in self.reasons)
        head = self.text[: self.text.index("[[expected]]")]
        blocks = [_block(reason, names) for reason, names in groups.items() if names]
        self.path.write_text(head + "\n".join(blocks))


def _names(test):
    return {test.id, f"{test.suite}/{test.file}", test.suite}


def _block(reason, names):
    lines = "".join(f"    {json.dumps(name, ensure_ascii=False)},\n" for name in sorted(names))
    return f"[[expected]]\nreason = {json.dumps(reason, ensure_ascii=False)}\ntests = [\n{lines}]\n"
