//! Every package takes the workspace's lints, which ask for a doc comment on every public item, and no file turns that off.

use super::layers::Package;
use super::{TextFile, Violation};
use std::path::Path;

const RULE: &str = "lints";

/// Finds manifests that do not inherit the lints and files that allow missing docs.
pub(crate) fn check(packages: &[Package], files: &[TextFile]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for file in files {
        let place = file.path.display().to_string();
        if file.path == Path::new("Cargo.toml") {
            if !file.text.contains("missing_docs") {
                violations.push(Violation::new(
                    RULE,
                    place,
                    "[workspace.lints.rust] must name `missing_docs`",
                ));
            }
        } else if is_manifest_of(packages, file) && !inherits(&file.text) {
            violations.push(Violation::new(
                RULE,
                place,
                "must say `[lints]` and `workspace = true`",
            ));
        } else if file.has_extension("rs") && allows_missing_docs(&file.text) {
            violations.push(Violation::new(
                RULE,
                place,
                "must not allow `missing_docs`: write the docs",
            ));
        }
    }
    violations
}

fn is_manifest_of(packages: &[Package], file: &TextFile) -> bool {
    file.path.file_name().is_some_and(|name| name == "Cargo.toml")
        && packages
            .iter()
            .any(|package| Path::new(&package.manifest).ends_with(&file.path))
}

fn inherits(manifest: &str) -> bool {
    let mut in_lints = false;
    for line in manifest.lines().map(str::trim) {
        if line.starts_with('[') {
            in_lints = line == "[lints]";
        } else if line == "lints.workspace = true" || (in_lints && line == "workspace = true") {
            return true;
        }
    }
    false
}

fn allows_missing_docs(text: &str) -> bool {
    text.lines()
        .map(str::trim)
        .any(|line| line.starts_with("#![allow(") && line.contains("missing_docs"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn violations(path: &str, text: &str) -> Vec<Violation> {
        let metadata = json!({ "packages": [
            { "name": "oplog", "manifest_path": "/somewhere/crates/oplog/Cargo.toml", "features": {}, "dependencies": [] }
        ]});
        let packages = Package::from_metadata(&metadata).unwrap();
        check(
            &packages,
            &[TextFile {
                path: path.into(),
                text: text.into(),
            }],
        )
    }

    #[test]
    fn manifests_inherit_the_lints() {
        assert!(
            violations(
                "crates/oplog/Cargo.toml",
                "[package]\nname = \"oplog\"\n\n[lints]\nworkspace = true\n"
            )
            .is_empty()
        );
        assert!(violations("crates/oplog/Cargo.toml", "lints.workspace = true\n").is_empty());
        assert_eq!(
            violations("crates/oplog/Cargo.toml", "[package]\nworkspace = true\n").len(),
            1
        );
        assert_eq!(
            violations(
                "crates/oplog/Cargo.toml",
                "[lints]\n[dependencies]\nworkspace = true\n"
            )
            .len(),
            1
        );
    }

    #[test]
    fn the_workspace_asks_for_docs_and_no_file_turns_that_off() {
        assert!(violations("Cargo.toml", "[workspace.lints.rust]\nmissing_docs = \"warn\"\n").is_empty());
        assert_eq!(violations("Cargo.toml", "[workspace.lints.rust]\n").len(), 1);
        let allowing = ["#![allow(", "missing_docs)]\n"].concat();
        assert_eq!(violations("crates/oplog/src/lib.rs", &allowing).len(), 1);
    }
}
