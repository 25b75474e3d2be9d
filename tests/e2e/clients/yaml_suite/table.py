"""The document about the tests: for each suite how many pass, and the reasons of those that do not."""

import collections

from .expectations import KINDS

HEAD = """# YAML tests of Elasticsearch

Elasticsearch's clients and Elasticsearch itself are tested with the same public YAML files. This page says which of them pass here. It is
written by the run that it tells of, `cargo xtask e2e --clients`, which fails when the page is not true any more.

- The tests are those of Maven's `{tests}` (Apache-2.0), the newest published version that holds
  any. They are fetched for the run and are not part of this repository.
- Requests are built as a client of today builds them, from the definitions of `{definitions}` (Apache-2.0). A
  test that calls an API, path or parameter that these no longer have is *removed*. A test that excludes this version is *skipped*.
- Answers have no `_type` since 8.0, so the assertions that it is `_doc` are left out.
- Tests of APIs that came later, or that Elasticsearch keeps elsewhere (`_reindex`, `_update_by_query`, `_delete_by_query`, data streams,
  CCR), are not among them; [testing.md](testing.md) names what takes their place.

The kinds of reasons:

{kinds}"""

COLUMNS = ("passed", *KINDS, "removed", "skipped")


def rendered(results, not_run, tests, definitions):
    """The text of the page. Every failed test has a reason by now."""
    counts, reasons = collections.defaultdict(collections.Counter), collections.defaultdict(collections.Counter)
    for result in results:
        column = result.outcome
        if column == "failed":
            column = result.reason.partition(":")[0]
            reasons[result.reason][result.test.suite] += 1
        counts[result.test.suite][column] += 1
    kinds = "".join(f"- *{kind}*: {meaning}.\n" for kind, meaning in KINDS.items())
    text = HEAD.format(tests=tests, definitions=definitions, kinds=kinds)
    text += "\n## Suites\n\n" + _row("suite", *COLUMNS) + _row("---", *["---:"] * len(COLUMNS))
    for suite in sorted(counts):
        text += _row(f"`{suite}`", *[counts[suite][column] or "" for column in COLUMNS])
    total = sum(counts.values(), collections.Counter())
    text += _row("all", *[total[column] for column in COLUMNS])
    for kind in KINDS:
        of_kind = {reason: suites for reason, suites in reasons.items() if reason.startswith(f"{kind}:")}
        if of_kind:
            text += f"\n## {kind.capitalize()}\n\n" + _row("why", "tests", "suites") + _row("---", "---:", "---")
        for reason, suites in sorted(of_kind.items(), key=lambda pair: (-pair[1].total(), pair[0])):
            names = ", ".join(f"`{suite}`" for suite in sorted(suites))
            text += _row(reason.partition(":")[2].strip(), suites.total(), names)
    text += "\n## Suites that are not run\n\n" + _row("why", "suites") + _row("---", "---")
    grouped = collections.defaultdict(list)
    for suite, reason in not_run.items():
        grouped[reason].append(f"`{suite}`")
    for reason, suites in grouped.items():
        text += _row(reason, ", ".join(sorted(suites)))
    return text


def _row(*cells):
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |\n"
