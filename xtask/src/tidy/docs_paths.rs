//! Every path that the documentation names exists.
//!
//! Two forms count as naming a path: a link target that is no URL, relative to its file; and a span in backticks that
//! begins with a known top-level entry of the repository. Code blocks are left out: they show commands.

use super::{TextFile, Violation};
use std::path::{Component, Path, PathBuf};

const RULE: &str = "paths in docs";

/// Top-level entries; a span in backticks that begins with one of them and a slash is a path of the repository.
const TOP_LEVEL: &[&str] = &[
    "crates", "docs", "fuzz", "proto", "tests", "xtask", ".ci", ".cargo",
];

/// Files at the root that the docs name alone.
const ROOT_FILES: &[&str] = &[
    "README.md",
    "LICENSE",
    "deny.toml",
    "clippy.toml",
    "rustfmt.toml",
    "rust-toolchain.toml",
];

/// Finds paths named in `README.md` and below `docs/` that do not exist.
pub(crate) fn check(files: &[TextFile], exists: &dyn Fn(&Path) -> bool) -> Vec<Violation> {
    let mut violations = Vec::new();
    for file in files.iter().filter(|file| is_documentation(file)) {
        for (line, text) in prose(&file.text) {
            let folder = file.path.parent().unwrap_or(Path::new(""));
            let linked: Vec<PathBuf> = links(&without_code(text))
                .into_iter()
                .filter_map(|target| resolve(folder, target))
                .collect();
            let named = code_spans(text)
                .into_iter()
                .filter(|span| is_repository_path(span))
                .map(PathBuf::from);
            for path in linked.into_iter().chain(named).filter(|path| !exists(path)) {
                let place = format!("{}:{line}", file.path.display());
                violations.push(Violation::new(
                    RULE,
                    place,
                    format!("`{}` does not exist", path.display()),
                ));
            }
        }
    }
    violations
}

fn is_documentation(file: &TextFile) -> bool {
    file.has_extension("md") && (file.path == Path::new("README.md") || file.path.starts_with("docs"))
}

/// Lines outside code blocks, numbered from 1.
fn prose(text: &str) -> Vec<(usize, &str)> {
    let mut fenced = false;
    let mut lines = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            lines.push((index + 1, line));
        }
    }
    lines
}

fn code_spans(line: &str) -> Vec<&str> {
    line.split('`').skip(1).step_by(2).collect()
}

/// The line without its spans in backticks: what looks like a link in code is none.
fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect::<Vec<_>>().join(" ")
}

fn is_repository_path(span: &str) -> bool {
    let plain = span
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || "._-/".contains(c));
    let first = span.split('/').next().unwrap_or_default();
    plain && (ROOT_FILES.contains(&span) || (span.contains('/') && TOP_LEVEL.contains(&first)))
}

/// The targets of `[text](target)` in a line.
fn links(line: &str) -> Vec<&str> {
    line.split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
        .collect()
}

/// The path that a link points at, relative to the root; nothing for URLs and anchors in the same page.
fn resolve(folder: &Path, target: &str) -> Option<PathBuf> {
    let target = target.split('#').next().unwrap_or_default();
    if target.is_empty() || target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let mut resolved = PathBuf::new();
    for component in folder.join(target).components() {
        match component {
            Component::ParentDir => {
                resolved.pop();
            }
            Component::CurDir => {}
            other => resolved.push(other),
        }
    }
    Some(resolved)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_text(path: &str, text: &str) -> Vec<String> {
        let exists = |path: &Path| {
            ["crates/oplog", "docs/testing.md", "LICENSE"]
                .iter()
                .any(|known| path == Path::new(known))
        };
        check(
            &[TextFile {
                path: path.into(),
                text: text.into(),
            }],
            &exists,
        )
        .iter()
        .map(Violation::to_string)
        .collect()
    }

    #[test]
    fn paths_that_exist_and_words_that_are_no_paths_pass() {
        let text = "See `crates/oplog`, [testing](testing.md#seeds), [site](https://example.org/a.md), `GET /_ccr/stats`,\n\
                    `oplog::Log`, `[id](x`, `crates/*/src`, [here](#below), [licence](../LICENSE) and `LICENSE`.\n\
                    ```\n`crates/gone`\n```\n";
        assert_eq!(check_text("docs/architecture.md", text), Vec::<String>::new());
    }

    #[test]
    fn missing_paths_are_found_with_their_line() {
        let found = check_text(
            "docs/architecture.md",
            "# Title\nSee `crates/gone/src/lib.rs` and [old](adr/0099.md).\n",
        );
        assert_eq!(
            found,
            [
                "paths in docs: docs/architecture.md:2: `docs/adr/0099.md` does not exist",
                "paths in docs: docs/architecture.md:2: `crates/gone/src/lib.rs` does not exist",
            ]
        );
        assert_eq!(
            check_text("README.md", "[docs](docs/gone.md) and `deny.toml`").len(),
            2
        );
    }

    #[test]
    fn only_documentation_is_read() {
        assert!(check_text("crates/oplog/notes.md", "`crates/gone`").is_empty());
        assert!(check_text("xtask/src/main.rs", "`crates/gone`").is_empty());
    }
}
