//! Every test that the documentation names exists, and every scenario has one.
//!
//! Documentation names tests as `` `a_test` in `crates/oplog/tests/it/main.rs` ``, or several before one path, with commas or "and" between them,
//! all on one line.

use std::collections::BTreeMap;
use std::path::Path;

use super::{TextFile, Violation};

const RULE: &str = "tests in docs";

/// The page whose tables have a test in each row.
const SCENARIOS: &str = "docs/scenarios.md";

/// Finds tests named below `docs/` that their file does not have, and rows of the scenarios that name none.
pub(crate) fn check(files: &[TextFile]) -> Vec<Violation> {
    let texts: BTreeMap<&Path, &str> = files
        .iter()
        .map(|file| (file.path.as_path(), file.text.as_str()))
        .collect();
    let mut violations = Vec::new();
    for file in files
        .iter()
        .filter(|file| file.path.starts_with("docs") && file.has_extension("md"))
    {
        let needs_tests = file.path == Path::new(SCENARIOS);
        for (line, text) in (1..).zip(file.text.lines()) {
            let place = || format!("{}:{line}", file.path.display());
            let tests = tests_named(text);
            if needs_tests && is_row(text) && tests.is_empty() {
                violations.push(Violation::new(RULE, place(), "this scenario names no test"));
            }
            for (test, path) in tests {
                let found = texts
                    .get(Path::new(path))
                    .is_some_and(|text| text.contains(&format!("fn {test}(")));
                if !found {
                    let problem = format!("`{path}` has no test `{test}`");
                    violations.push(Violation::new(RULE, place(), problem));
                }
            }
        }
    }
    violations
}

/// A row of a table below its head. The heads of the page are all alike.
fn is_row(line: &str) -> bool {
    line.starts_with("| ") && !line.starts_with("| --- ") && !line.starts_with("| scenario ")
}

/// Each test named in a line, with its file.
fn tests_named(line: &str) -> Vec<(&str, &str)> {
    let mut named = Vec::new();
    let mut waiting = Vec::new();
    let parts: Vec<&str> = line.split('`').collect();
    // Text and spans take turns; the text before a span says how it belongs to the one before.
    for pair in parts.chunks_exact(2) {
        let (between, span) = (pair[0], pair[1]);
        if between == " in " && is_rust_file(span) {
            named.extend(waiting.drain(..).map(|test| (test, span)));
            continue;
        }
        if ![", ", " and ", ", and "].contains(&between) {
            waiting.clear();
        }
        if is_test_name(span) {
            waiting.push(span);
        } else {
            waiting.clear();
        }
    }
    named
}

fn is_rust_file(span: &str) -> bool {
    span.contains('/') && span.ends_with(".rs")
}

fn is_test_name(span: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    // The entry of an end-to-end scenario has a name without an underscore.
    span == "run" || (span.contains('_') && span.chars().all(plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<String> {
        let file = |path: &str, text: &str| TextFile {
            path: path.into(),
            text: text.into(),
        };
        let tests = file("crates/a/tests/it/main.rs", "fn it_works() {}\nfn it_ends() {}\n");
        let violations = check(&[tests, file(path, text)]);
        violations.iter().map(Violation::to_string).collect()
    }

    #[test]
    fn tests_that_exist_and_what_is_no_test_pass() {
        let text = "`it_works` and `it_ends` in `crates/a/tests/it/main.rs`; `it_works`, `it_ends` in `crates/a/tests/it/main.rs`\n\
                    `a_setting` of `crates/a/tests/it/main.rs`, `max_size` in `docs/a.md`, `it_is_gone`, `it_works` in `crates/a/tests/it/main.rs`\n\
                    | a scenario without a test |\n";
        let expected = "tests in docs: docs/a.md:2: `crates/a/tests/it/main.rs` has no test `it_is_gone`";
        assert_eq!(found("docs/a.md", text), [expected]);
        assert_eq!(found("crates/a/notes.md", text), Vec::<String>::new());
    }

    #[test]
    fn each_of_several_tests_is_looked_for_in_its_file() {
        let text = "`it_works`, `it_hangs`, and `it_fails` in `crates/a/tests/it/main.rs`; `it_ends` in `crates/b/src/lib.rs`\n";
        let expected = [
            "tests in docs: docs/a.md:1: `crates/a/tests/it/main.rs` has no test `it_hangs`",
            "tests in docs: docs/a.md:1: `crates/a/tests/it/main.rs` has no test `it_fails`",
            "tests in docs: docs/a.md:1: `crates/b/src/lib.rs` has no test `it_ends`",
        ];
        assert_eq!(found("docs/a.md", text), expected);
    }

    #[test]
    fn a_scenario_has_a_test() {
        let text = "| scenario | shown by |\n| --- | --- |\n| works | `it_works` in `crates/a/tests/it/main.rs` |\n| other | by eye |\n| end to end | `run` in `crates/a/tests/it/main.rs` |\n";
        let expected = [
            "tests in docs: docs/scenarios.md:4: this scenario names no test",
            "tests in docs: docs/scenarios.md:5: `crates/a/tests/it/main.rs` has no test `run`",
        ];
        assert_eq!(found(SCENARIOS, text), expected);
    }
}
